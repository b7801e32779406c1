//! Attempts on each node, and the pods last seen there.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use weir_rules::rollout::drain::Tried;

/// What is remembered about one node between two looks.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeMemory {
    pub(super) tried: Tried,
    /// The node's pods, and when they were listed.
    pub(super) pods: Option<(Vec<Pod>, Timestamp)>,
    /// The last line about each subject: a retry that comes to the same is none.
    said: BTreeMap<String, String>,
}

impl NodeMemory {
    /// Whether this differs from what was said of the subject last.
    pub(super) fn is_news(&mut self, subject: &str, text: &str) -> bool {
        self.said.insert(subject.to_owned(), text.to_owned()).as_deref() != Some(text)
    }
}

/// By node. Losing it with the process does no harm.
#[derive(Debug, Default)]
pub(super) struct Memory {
    nodes: Mutex<BTreeMap<String, NodeMemory>>,
}

impl Memory {
    /// Forgets nodes that no longer request anything.
    pub(super) fn keep(&self, asks: impl Fn(&str) -> bool) {
        self.nodes().retain(|name, _| asks(name));
    }

    /// Takes out what is remembered about a node; [`Self::put`] puts it back.
    pub(super) fn take(&self, node: &str) -> NodeMemory {
        self.nodes().remove(node).unwrap_or_default()
    }

    pub(super) fn put(&self, node: &str, memory: NodeMemory) {
        self.nodes().insert(node.to_owned(), memory);
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<String, NodeMemory>> {
        self.nodes.lock()
    }
}
