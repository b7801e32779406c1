//! What was tried on every node, and the pods last seen there.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use weir_rules::rollout::drain::Tried;

/// What is known of one node between two looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) tried: Tried,
    /// The node's pods, and when they were listed.
    pub(super) pods: Option<(Vec<Pod>, Timestamp)>,
}

/// By node. Lost with the process without harm.
#[derive(Debug, Default)]
pub(super) struct Memory {
    nodes: Mutex<BTreeMap<String, Known>>,
}

impl Memory {
    /// Forgets nodes that ask for nothing any more.
    pub(super) fn keep(&self, asks: impl Fn(&str) -> bool) {
        self.nodes().retain(|name, _| asks(name));
    }

    /// Takes what is known of a node; it is put back with [`Self::put`].
    pub(super) fn take(&self, node: &str) -> Known {
        self.nodes().remove(node).unwrap_or_default()
    }

    pub(super) fn put(&self, node: &str, known: Known) {
        self.nodes().insert(node.to_owned(), known);
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.nodes.lock()
    }
}
