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
    /// Not now, because of a disruption budget, with the server's message.
    Blocked(String),
    /// Not now, with the server's message.
    Refused(String),
    /// No answer, with what went wrong; the next list of pods shows whether it was carried out.
    Unanswered(String),
    /// It failed, with the server's message.
    Failed(String),
}

impl fmt::Display for Evicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Gone => f.write_str("the pod is gone"),
            Self::Blocked(said) | Self::Refused(said) => write!(f, "refused for now: {said}"),
            Self::Unanswered(said) => write!(f, "no answer: {said}"),
            Self::Failed(said) => write!(f, "failed: {said}"),
        }
    }
}

/// An eviction without a response for this long counts as unanswered.
const NO_ANSWER: Duration = Duration::from_secs(30);
/// Cause of a 403 about a pod whose namespace is being deleted (`pkg/apis/core/v1` of k8s.io/api).
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";
/// Cause of a 429 about a pod that a disruption budget protects (`pkg/apis/policy/v1` of k8s.io/api).
const DISRUPTION_BUDGET: &str = "DisruptionBudget";

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
        Err(_) => Evicted::Unanswered("the API server did not answer in time".to_owned()),
    }
}

fn refused(error: &kube::Error) -> Evicted {
    let kube::Error::Api(status) = error else { return Evicted::Unanswered(said(error)) };
    let is_because_of = |reason| {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == reason)
    };
    match StatusCode::from_u16(status.code) {
        // A conflict means that the uid differs: the pod in question is gone.
        Ok(StatusCode::NOT_FOUND | StatusCode::CONFLICT) => Evicted::Gone,
        Ok(StatusCode::TOO_MANY_REQUESTS) if is_because_of(DISRUPTION_BUDGET) => Evicted::Blocked(said(error)),
        Ok(StatusCode::TOO_MANY_REQUESTS) => Evicted::Refused(said(error)),
        Ok(StatusCode::FORBIDDEN) if is_because_of(NAMESPACE_TERMINATING) => Evicted::Refused(said(error)),
        _ => Evicted::Failed(said(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;
    use serde_json::{from_value, json};
    use std::io;

    #[test]
    fn a_refusal_by_a_budget_is_told_from_others_and_from_no_answer() {
        let of = |code: u16, cause: &str| {
            let details = json!({"causes": [{"reason": cause, "message": ""}]});
            let status = Status::failure("no", "reason").with_code(code).with_details(from_value(details).unwrap());
            refused(&kube::Error::Api(Box::new(status)))
        };
        let said = |evicted: &Evicted| match evicted {
            Evicted::Blocked(_) => "blocked",
            Evicted::Refused(_) => "refused",
            Evicted::Unanswered(_) => "unanswered",
            Evicted::Failed(_) => "failed",
            Evicted::Accepted | Evicted::Gone => "gone",
        };
        for (code, cause, wanted) in [
            (429, "DisruptionBudget", "blocked"),
            (429, "", "refused"),
            (403, "NamespaceTerminating", "refused"),
            (403, "", "failed"),
            (500, "DisruptionBudget", "failed"),
            (404, "", "gone"),
            (409, "", "gone"),
        ] {
            assert_eq!(said(&of(code, cause)), wanted, "{code} {cause}");
        }
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(said(&refused(&kube::Error::Service(reset.into()))), "unanswered");
    }
}
