//! An API server that lets us read what we need.

use super::Role;
use crate::reach::known;
use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, Client, Resource, api::ListParams};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use weir_api::{
    ClusterOperator, ClusterVersion, ControllerConfig, FeatureGate, MachineConfig, MachineConfigNode,
    MachineConfigPool, MachineOSConfig, OSImageStream,
};
use weir_kubeio::error::optional;

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
