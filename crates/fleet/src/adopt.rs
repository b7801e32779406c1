//! Which machines a fleet has: the requested ones and those of an earlier run; and how they are deleted.

use crate::{Machine, machine::POOL_LABEL};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams},
};
use std::collections::BTreeMap;
use weir_api::keys::node;
use weir_kubeio::read;

/// Concurrent requests. More would only lengthen the server's queue.
const AT_ONCE: usize = 32;

/// Why a fleet cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A Node of that name does not belong to a fleet.
    #[error(
        "node {node} exists and is no simulated one: it is left alone; choose a pool whose nodes have other names, or \
         delete it if it is left from something else"
    )]
    Foreign {
        /// Name of the Node.
        node: String,
    },
    /// The API server refused, or cannot be reached.
    #[error("{doing}")]
    Request {
        /// The operation.
        doing: String,
        /// The error of the server or the transport.
        #[source]
        cause: Box<kube::Error>,
    },
}

impl Error {
    pub(crate) fn request(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        |cause| Self::Request { doing, cause: Box::new(cause) }
    }
}

/// The requested machines, in order, followed by those that an earlier run left in the cluster.
///
/// # Errors
/// When the nodes cannot be listed, or a requested one exists that no fleet created.
pub async fn adopt(client: &Client, mut machines: Vec<Machine>) -> Result<Vec<Machine>, Error> {
    let there = read::list(&Api::<Node>::all(client.clone()), &ListParams::default()).await;
    let there = there.map_err(Error::request("listing nodes"))?;
    let mut pools: BTreeMap<String, Option<Machine>> =
        there.items.into_iter().filter_map(|n| Some((n.metadata.name.clone()?, left(&n)))).collect();
    // The owner of an unreadable Node is unknown: it is left alone.
    pools.extend(there.unreadable.into_iter().map(|odd| (odd.name, None)));
    for machine in &machines {
        if let Some(None) = pools.remove(&machine.name) {
            return Err(Error::Foreign { node: machine.name.clone() });
        }
    }
    machines.extend(pools.into_values().flatten());
    Ok(machines)
}

/// The machine behind a Node that a fleet created.
fn left(node: &Node) -> Option<Machine> {
    let labels = node.metadata.labels.as_ref()?;
    let pool = labels.get(POOL_LABEL)?.clone();
    Some(Machine { name: node.metadata.name.clone()?, pool, zone: labels.get(node::ZONE).cloned() })
}

/// Deletes the Nodes of these machines.
///
/// # Errors
/// The first that could not be deleted; one that is already gone is no error.
pub async fn remove(client: &Client, machines: &[Machine]) -> Result<(), Error> {
    let api: Api<Node> = Api::all(client.clone());
    let deleted = machines.iter().map(|machine| {
        let api = api.clone();
        async move {
            match api.delete(&machine.name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                deleted => deleted.map(drop).map_err(Error::request(format!("deleting node {}", machine.name))),
            }
        }
    });
    stream::iter(deleted.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect().await
}
