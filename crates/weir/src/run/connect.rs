//! An API server that answers, and lets us read what we need.

use super::Role;
use anyhow::{Context as _, Result, anyhow, bail};
use http::StatusCode;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, Client, Resource, api::ListParams};
use serde::de::DeserializeOwned;
use std::{fmt::Debug, time::Duration};
use tokio::time::{Instant, sleep};
use weir_api::{
    ClusterOperator, ClusterVersion, ControllerConfig, FeatureGate, MachineConfig, MachineConfigNode,
    MachineConfigPool, MachineOSConfig, OSImageStream,
};
use weir_kubeio::error::{optional, said};

/// Pause between two tries to reach the API server.
const PAUSE: Duration = Duration::from_millis(500);

/// Waits until the API server answers; says so once when it does not at first.
///
/// # Errors
/// When it does not in time, or answers something that waiting does not mend.
pub(super) async fn answering(client: &Client, at: &str, patience: Duration) -> Result<()> {
    let start = Instant::now();
    let mut told = false;
    loop {
        let error = match client.apiserver_version().await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if let Some(advice) = hopeless(&error) {
            bail!("{at}: {}; {advice}", said(&error));
        }
        if start.elapsed() >= patience {
            bail!(
                "{at} did not answer within {patience:?}: {}; is it running, and is it the one that is meant \
                 (--kubeconfig, --context)? --wait waits longer",
                said(&error)
            );
        }
        if !told {
            told = true;
            eprintln!("{at} does not answer yet ({}); trying for {patience:?}", said(&error));
        }
        sleep(PAUSE).await;
    }
}

/// What to do about an answer that does not become another one by waiting.
fn hopeless(error: &kube::Error) -> Option<&'static str> {
    if is_tls(error) {
        return Some("the kubeconfig is of another cluster, or of an earlier one at this address: get a new one");
    }
    let kube::Error::Api(status) = error else {
        return matches!(error, kube::Error::SerdeError(_)).then_some("this is no Kubernetes API server");
    };
    match StatusCode::from_u16(status.code) {
        Ok(StatusCode::UNAUTHORIZED) => Some("its credentials have expired or are of another cluster: log in again"),
        Ok(StatusCode::FORBIDDEN) => Some(FORBIDDEN),
        Ok(StatusCode::NOT_FOUND) => Some("this is no Kubernetes API server"),
        _ => None,
    }
}

/// What to do about a 403.
const FORBIDDEN: &str = "use a kubeconfig of an administrator, or bind the roles that `weir manifests` prints";

fn is_tls(error: &kube::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if error.is::<rustls::Error>() || wrapped.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What the server said, with what to do about a refusal.
pub(super) fn known<T>(answer: kube::Result<T>) -> Result<T> {
    answer.map_err(|error| match hopeless(&error) {
        Some(advice) => anyhow!("{}; {advice}", said(&error)),
        None => anyhow!(said(&error)),
    })
}

/// Checks that every kind the controllers watch is served and may be read: a watch that never begins would only wait.
///
/// # Errors
/// Names all that are not.
pub(super) async fn readable(client: &Client, role: Role) -> Result<()> {
    let missing: Vec<String> = [
        if role.operates() { missing::<ClusterOperator>(client).await? } else { None },
        missing::<ClusterVersion>(client).await?,
        missing::<ControllerConfig>(client).await?,
        missing::<FeatureGate>(client).await?,
        missing::<MachineConfig>(client).await?,
        missing::<MachineConfigNode>(client).await?,
        missing::<MachineConfigPool>(client).await?,
        missing::<MachineOSConfig>(client).await?,
        missing::<OSImageStream>(client).await?,
        missing::<Node>(client).await?,
        missing::<Pod>(client).await?,
    ]
    .into_iter()
    .flatten()
    .collect();
    if !missing.is_empty() {
        bail!(
            "the API server does not serve {}; define them with `weir crds | kubectl apply --server-side -f -`",
            missing.join(", ")
        );
    }
    Ok(())
}

async fn missing<K>(client: &Client) -> Result<Option<String>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::all(client.clone());
    let listed = optional(api.list_metadata(&ListParams::default().limit(1)).await);
    let listed = known(listed).with_context(|| format!("listing {}", K::plural(&())))?;
    Ok(listed.is_none().then(|| format!("{} ({})", K::plural(&()), K::api_version(&()))))
}
