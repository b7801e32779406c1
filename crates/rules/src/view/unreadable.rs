//! What an unreadable object blocks.
//!
//! R-UNREADABLE-1 A pool is not rendered while a MachineConfig that it selects, or its target, is unreadable: the pool's nodes
//! would lose its contents. Nor is any pool while an object that all are rendered from is: ControllerConfig, OSImageStream,
//! FeatureGate, ClusterVersion, MachineConfiguration, each the one that counts.
//! R-UNREADABLE-2 No node is told anything, and no pool rendered, while a MachineConfigPool, a MachineOSConfig or a Node is
//! unreadable: which pool a node belongs to, or how many are down, is then unknown.
//! R-UNREADABLE-3 A blocked pool is Degraded and not Updated, and says why; all unreadable objects are named on the
//! ClusterOperator.
//! R-UNREADABLE-4 Of files that say what a cluster is like, an object with a field of a wrong type is unreadable, too.
//!
//! All of this is ours: the reference does not start, or hangs.

use crate::{
    objects::selector::{Labels, Selector},
    view::PoolView,
};
use weir_api::keys::names::{CLUSTER, CONTROLLER_CONFIG, VERSION};

/// Reason of conditions and events.
pub const CODE: &str = "ObjectUnreadable";

/// Maximum number of objects in a message.
const NAMED: usize = 3;

/// An object that exists but cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableObject {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// A clause that names the object and says what is wrong with it.
    pub said: String,
}

/// Kinds that decide which pool a node belongs to, and how many are down.
const OF_NODES: [&str; 3] = ["MachineConfigPool", "MachineOSConfig", "Node"];

/// Why a pool is not rendered, if unreadable objects block it (R-UNREADABLE-1, 2).
#[must_use]
pub fn keeps(objects: &[UnreadableObject], pool: &PoolView<'_>) -> Option<String> {
    if objects.is_empty() {
        return None;
    }
    let selector = Selector::parse(pool.object.spec.machine_config_selector.as_ref());
    let selected =
        |labels: &Labels| selector.as_ref().is_ok_and(|selector| !selector.is_everything() && selector.matches(labels));
    let concerns = |object: &&UnreadableObject| match object.kind.as_str() {
        "MachineConfig" => selected(&object.labels) || pool.target == Some(object.name.as_str()),
        "ControllerConfig" => object.name == CONTROLLER_CONFIG,
        "ClusterVersion" => object.name == VERSION,
        "OSImageStream" | "FeatureGate" | "MachineConfiguration" => object.name == CLUSTER,
        kind => OF_NODES.contains(&kind),
    };
    said(objects.iter().filter(concerns))
}

/// Why no node may be told anything, if an unreadable object is the reason (R-UNREADABLE-2).
#[must_use]
pub fn halts(objects: &[UnreadableObject]) -> Option<String> {
    said(objects.iter().filter(|object| OF_NODES.contains(&object.kind.as_str())))
}

/// All of them, in a sentence with what to do; `None` when there are none (R-UNREADABLE-3).
#[must_use]
pub fn all(objects: &[UnreadableObject]) -> Option<String> {
    said(objects.iter())
}

fn said<'a>(objects: impl Iterator<Item = &'a UnreadableObject>) -> Option<String> {
    let said: Vec<&str> = objects.map(|object| object.said.as_str()).collect();
    let named = said.get(..NAMED.min(said.len())).unwrap_or_default().join("; ");
    match said.len().checked_sub(NAMED) {
        _ if said.is_empty() => None,
        Some(more @ 1..) => Some(format!("{named}; and {more} more; correct or delete them")),
        _ => Some(format!("{named}; correct or delete {}", if said.len() == 1 { "it" } else { "them" })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use weir_api::MachineConfigPool;

    fn object(kind: &str, name: &str, labels: &Labels) -> UnreadableObject {
        let said = "X cannot be read: too deep".to_owned();
        UnreadableObject { kind: kind.to_owned(), name: name.to_owned(), labels: labels.clone(), said }
    }

    #[test]
    fn each_keeps_those_that_would_use_it() {
        let pool = |name: &str| -> MachineConfigPool {
            serde_json::from_value(json!({
                "metadata": {"name": name},
                "spec": {"machineConfigSelector": {"matchLabels": {"role": name}}, "configuration": {"name": format!("rendered-{name}")}},
            }))
            .unwrap()
        };
        let pools = [pool("master"), pool("worker")];
        let views: Vec<_> = pools.iter().map(PoolView::new).collect();
        let (worker, none) = (Labels::from([("role".to_owned(), "worker".to_owned())]), Labels::new());
        for (object, kept, halted) in [
            (object("MachineConfig", "99-odd", &worker), &["worker"][..], false),
            (object("MachineConfig", "99-odd", &none), &[], false),
            (object("MachineConfig", "rendered-master", &none), &["master"], false),
            (object("ControllerConfig", "machine-config-controller", &none), &["master", "worker"], false),
            (object("ControllerConfig", "another", &none), &[], false),
            (object("OSImageStream", "cluster", &none), &["master", "worker"], false),
            (object("FeatureGate", "cluster", &none), &["master", "worker"], false),
            (object("ClusterVersion", "version", &none), &["master", "worker"], false),
            (object("MachineConfigPool", "infra", &none), &["master", "worker"], true),
            (object("MachineOSConfig", "x", &none), &["master", "worker"], true),
            (object("Node", "n", &none), &["master", "worker"], true),
            (object("MachineConfigNode", "n", &none), &[], false),
        ] {
            let odd = std::slice::from_ref(&object);
            let found: Vec<_> = views.iter().filter(|view| keeps(odd, view).is_some()).map(|view| view.name).collect();
            assert_eq!((found.as_slice(), halts(odd).is_some()), (kept, halted), "{object:?}");
        }
    }

    #[test]
    fn a_few_are_named_and_the_rest_is_counted() {
        let none = Labels::new();
        let odd = object("Node", "n", &none);
        assert_eq!(all(&[]), None);
        assert_eq!(all(std::slice::from_ref(&odd)).unwrap(), "X cannot be read: too deep; correct or delete it");
        let many = all(&vec![odd; 100]).unwrap();
        assert!(many.ends_with("; and 97 more; correct or delete them"), "{many}");
    }
}
