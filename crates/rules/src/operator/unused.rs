//! Which rendered MachineConfigs are no longer needed.
//!
//! R-UNUSED-1 A rendered MachineConfig is used while it is a pool's target or current configuration, a node's current or desired one or
//! the one it was first booted into, or a MachineConfigNode names it.
//! R-UNUSED-2 Those of a pool in image mode are used: images are built from them, and kept for rollbacks.
//! R-UNUSED-3 One is deleted after it has been seen unused for the requested time without interruption. Only the process remembers
//! this; a restart makes it last longer, never shorter.
//! R-UNUSED-4 One whose pool is gone is treated like the others (R-RENDER-9).
//! R-UNUSED-5 While an object that may name one is unreadable, all of them count as used.
//!
//! The reference keeps them all; its `oc adm prune renderedmachineconfigs` is manual. All of this is ours.

use crate::view::Annotations;
use crate::view::unreadable::UnreadableObject;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{api::core::v1::Node, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use weir_api::{
    MachineConfig, MachineConfigNode, MachineConfigPool, MachineOSConfig,
    keys::{
        daemon::{CURRENT_CONFIG, FIRST_PIVOT_CONFIG},
        names::RENDERED_PREFIX,
        rollout::DESIRED_CONFIG,
    },
};

/// Kinds that may name one (R-UNUSED-5).
const NAMING: [&str; 4] = ["MachineConfigPool", "MachineOSConfig", "Node", "MachineConfigNode"];

/// The inputs.
#[derive(Clone, Copy, Debug)]
pub struct UnusedView<'a> {
    /// All MachineConfigs.
    pub configs: &'a [Arc<MachineConfig>],
    /// All pools.
    pub pools: &'a [Arc<MachineConfigPool>],
    /// All nodes.
    pub nodes: &'a [Arc<Node>],
    /// All MachineConfigNodes.
    pub reports: &'a [Arc<MachineConfigNode>],
    /// All MachineOSConfigs.
    pub os_configs: &'a [Arc<MachineOSConfig>],
    /// Existing objects that are unreadable.
    pub unreadable: &'a [UnreadableObject],
    /// Since when each has been seen unused.
    pub since: &'a BTreeMap<String, Timestamp>,
    /// How long one must have been unused.
    pub after: SignedDuration,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unused {
    /// Those to delete now.
    pub delete: Vec<String>,
    /// Since when the others have been unused.
    pub since: BTreeMap<String, Timestamp>,
    /// When the next is due.
    pub next: Option<Timestamp>,
}

/// Which rendered MachineConfigs to delete now.
#[must_use]
pub fn unused(view: &UnusedView<'_>, now: Timestamp) -> Unused {
    if view.unreadable.iter().any(|object| NAMING.contains(&object.kind.as_str())) {
        return Unused::default();
    }
    let used = used(view);
    let mut found = Unused::default();
    for config in view.configs {
        let Some(name) = config.metadata.name.as_deref().filter(|name| name.starts_with(RENDERED_PREFIX)) else {
            continue;
        };
        // A user's MachineConfig may have any name.
        if !is_rendered(&config.metadata) || used.contains(name) {
            continue;
        }
        let pool = owner(&config.metadata, "MachineConfigPool");
        if pool.is_some() && view.os_configs.iter().any(|config| Some(&*config.spec.machine_config_pool.name) == pool) {
            continue;
        }
        let since = view.since.get(name).copied().unwrap_or(now);
        let due = since.saturating_add(view.after).unwrap_or(Timestamp::MAX);
        if due <= now {
            found.delete.push(name.to_owned());
        } else {
            found.next = Some(found.next.map_or(due, |next| next.min(due)));
            found.since.insert(name.to_owned(), since);
        }
    }
    found
}

/// Whether a MachineConfig with this metadata was rendered, and not written by a user.
pub(crate) fn is_rendered(metadata: &ObjectMeta) -> bool {
    ["MachineConfigPool", "ControllerConfig"].into_iter().any(|kind| owner(metadata, kind).is_some())
}

/// The name of the owner of this kind.
fn owner<'c>(metadata: &'c ObjectMeta, kind: &str) -> Option<&'c str> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().find(|owner| owner.kind == kind).map(|owner| owner.name.as_str())
}

/// R-UNUSED-1.
fn used<'a>(view: &UnusedView<'a>) -> BTreeSet<&'a str> {
    let pools = view.pools.iter().flat_map(|pool| {
        let reached = pool.status.as_ref().and_then(|status| status.configuration.as_ref());
        [pool.spec.configuration.as_ref(), reached].into_iter().flatten().map(|configuration| configuration.name())
    });
    let nodes = view.nodes.iter().flat_map(|node| {
        let marks = Annotations::of(&node.metadata);
        [CURRENT_CONFIG, DESIRED_CONFIG, FIRST_PIVOT_CONFIG].into_iter().filter_map(move |key| marks.get(key))
    });
    let reports = view.reports.iter().flat_map(|report| {
        let observed = report.status.as_ref().and_then(|status| status.config_version.as_ref());
        let observed =
            observed.into_iter().flat_map(|version| [version.current.as_deref().unwrap_or_default(), &version.desired]);
        observed.chain([report.spec.config_version.desired.as_str()])
    });
    pools.chain(nodes).chain(reports).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read<T: serde::de::DeserializeOwned>(object: Value) -> T {
        serde_json::from_value(object).unwrap()
    }

    fn config(name: &str, pool: Option<&str>) -> MachineConfig {
        owned(name, pool.map(|pool| ("MachineConfigPool", pool)))
    }

    fn owned(name: &str, by: Option<(&str, &str)>) -> MachineConfig {
        let owner = |(kind, name)| {
            let version = "machineconfiguration.openshift.io/v1";
            json!([{"apiVersion": version, "kind": kind, "name": name, "uid": "u"}])
        };
        read(json!({"metadata": {"name": name, "ownerReferences": by.map(owner)}}))
    }

    #[test]
    fn only_what_nobody_names_goes_and_only_after_its_time() {
        let configs: Vec<MachineConfig> = ["to-reach", "reached", "runs", "told", "booted", "old", "older"]
            .map(|name| config(&format!("rendered-worker-{name}"), Some("worker")))
            .into_iter()
            .chain([config("rendered-by-hand", None), config("99-worker", Some("worker"))])
            .chain([config("rendered-layered-old", Some("layered"))])
            .chain([owned("rendered-gone-old", Some(("ControllerConfig", "machine-config-controller")))])
            .collect();
        let pool: MachineConfigPool = read(json!({
            "metadata": {"name": "worker"},
            "spec": {"configuration": {"name": "rendered-worker-to-reach"}},
            "status": {"configuration": {"name": "rendered-worker-reached"}},
        }));
        let node: Node = read(json!({"metadata": {"annotations": {
            CURRENT_CONFIG: "rendered-worker-runs", DESIRED_CONFIG: "rendered-worker-told",
            FIRST_PIVOT_CONFIG: "rendered-worker-booted",
        }}}));
        let configs: Vec<_> = configs.into_iter().map(Arc::new).collect();
        let (pool, node) = (Arc::new(pool), Arc::new(node));
        let layered = Arc::new(read(json!({"spec": {"machineConfigPool": {"name": "layered"}}})));
        let odd = UnreadableObject {
            kind: "Node".to_owned(),
            name: "n".to_owned(),
            labels: BTreeMap::new(),
            said: "Node n cannot be read".to_owned(),
        };
        let minute = |minute: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        let mut since = BTreeMap::from([("rendered-worker-older".to_owned(), minute(-5))]);
        let look = |since: &BTreeMap<String, Timestamp>, now, blind: bool| {
            let view = UnusedView {
                configs: &configs,
                pools: std::slice::from_ref(&pool),
                nodes: std::slice::from_ref(&node),
                reports: &[],
                os_configs: std::slice::from_ref(&layered),
                unreadable: if blind { std::slice::from_ref(&odd) } else { &[] },
                since,
                after: SignedDuration::from_mins(10),
            };
            unused(&view, now)
        };
        let first = look(&since, minute(0), false);
        assert_eq!((first.delete.as_slice(), first.next), (&[][..], Some(minute(5))));
        assert_eq!(first.since.len(), 3);
        since = first.since;
        assert_eq!(look(&since, minute(5), false).delete, ["rendered-worker-older"]);
        assert_eq!(look(&since, minute(10), true), Unused::default(), "what cannot be read may name it");
        let all = ["rendered-worker-old", "rendered-worker-older", "rendered-gone-old"];
        assert_eq!(look(&since, minute(10), false).delete, all);
    }
}
