//! The pods of one node, and their eviction.

use crate::{Error, error::said, read};
use http::StatusCode;
use k8s_openapi::{
    api::{core::v1::Pod, policy::v1::Eviction},
    apimachinery::pkg::apis::meta::v1::{DeleteOptions, ObjectMeta, Preconditions},
};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use serde_json::Value;
use std::{fmt, time::Duration};
use tokio::time::timeout;

/// The result of an eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evicted {
    /// The pod is being deleted.
    Accepted,
    /// The pod is gone, or another one has its name.
    Gone,
    /// Not now, with the server's message.
    Refused(String),
    /// It failed, with the server's message.
    Failed(String),
}

impl fmt::Display for Evicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Gone => f.write_str("the pod is gone"),
            Self::Refused(said) => write!(f, "refused for now: {said}"),
            Self::Failed(said) => write!(f, "failed: {said}"),
        }
    }
}

/// An eviction without a response for this long has failed; the next list of pods shows whether it was carried out.
const NO_ANSWER: Duration = Duration::from_secs(30);
/// Cause of a 403 about a pod whose namespace is being deleted (`pkg/apis/core/v1` of k8s.io/api).
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";

/// All pods of all namespaces that are bound to the node. One that cannot be read is an error: it may still be there, and the node
/// must not count as drained.
///
/// # Errors
/// When the server refuses it or cannot be reached.
pub async fn on_node(client: &Client, node: &str) -> Result<Vec<Pod>, Error> {
    let api: Api<Pod> = Api::all(client.clone());
    let list = read::list(&api, &ListParams::default().fields(&format!("spec.nodeName={node}"))).await;
    let list = list.map_err(|source| Error::new::<Pod>("listing", "*", source))?;
    match list.unreadable.first() {
        Some(odd) => Err(Error::new::<Pod>("listing", &odd.name, read::malformed(&odd.to_string()))),
        None => Ok(list.items),
    }
}

/// Requests the eviction of one pod; its uid distinguishes it from others that had or will have its name.
pub async fn evict(client: &Client, namespace: &str, name: &str, uid: &str) -> Evicted {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
    let eviction = Eviction {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        delete_options: Some(DeleteOptions { preconditions: Some(preconditions), ..DeleteOptions::default() }),
    };
    let parameters = PostParams::default();
    let asked = api.create_subresource::<Eviction, Value>("eviction", name, &parameters, &eviction);
    match timeout(NO_ANSWER, asked).await {
        Ok(Ok(_)) => Evicted::Accepted,
        Ok(Err(error)) => refused(&error),
        Err(_) => Evicted::Failed("the API server did not answer in time".to_owned()),
    }
}

fn refused(error: &kube::Error) -> Evicted {
    let kube::Error::Api(status) = error else { return Evicted::Failed(said(error)) };
    let terminating = || {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == NAMESPACE_TERMINATING)
    };
    match StatusCode::from_u16(status.code) {
        // A conflict means that the uid differs: the pod in question is gone.
        Ok(StatusCode::NOT_FOUND | StatusCode::CONFLICT) => Evicted::Gone,
        Ok(StatusCode::TOO_MANY_REQUESTS) => Evicted::Refused(said(error)),
        Ok(StatusCode::FORBIDDEN) if terminating() => Evicted::Refused(said(error)),
        _ => Evicted::Failed(said(error)),
    }
}
