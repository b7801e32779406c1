//! Objects that are there and cannot be read, as the rules look at them.

use crate::Cluster;
use weir_kubeio::Unreadable;
use weir_rules::view::{
    PoolView,
    unreadable::{UnreadableObject, all, halts, keeps},
};

/// All of them, each with what is said of it.
#[derive(Clone, Debug)]
pub(crate) struct Objects(Vec<(Unreadable, String)>);

impl Objects {
    pub(crate) fn of(cluster: &Cluster) -> Self {
        Self(cluster.unreadable().into_iter().map(|object| (object.clone(), object.to_string())).collect())
    }

    /// Why a pool is not rendered, if any keeps it from that.
    pub(crate) fn keeps(&self, pool: &PoolView<'_>) -> Option<String> {
        if self.0.is_empty() { None } else { keeps(&self.views(), pool) }
    }

    /// Why no node may be told anything, if any keeps it from that.
    pub(crate) fn halts(&self) -> Option<String> {
        halts(&self.views())
    }

    /// What the ClusterOperator says of them.
    pub(crate) fn all(&self) -> Option<String> {
        all(&self.views())
    }

    fn views(&self) -> Vec<UnreadableObject<'_>> {
        self.0.iter().map(|(object, said)| view(object, said)).collect()
    }
}

fn view<'a>(object: &'a Unreadable, said: &'a str) -> UnreadableObject<'a> {
    UnreadableObject { kind: &object.kind, name: &object.name, labels: &object.labels, said }
}
