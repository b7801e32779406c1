//! The cluster's metrics.
//!
//! R-FIGURES-1 Counts of a pool are those of its status, under the reference's names.
//! R-FIGURES-2 Nodes are counted by pool, by state (`done`, `starting`, `waiting`) and by the reason they wait
//! for, never one by one: the number of our own series does not grow with the cluster.
//! R-FIGURES-3 Every available stream, and the stream of every pool, is a series with value 1.
//! R-FIGURES-4 The metrics that the reference's alerts and dashboards use exist under the same names. A node has a series of
//! `mcc_drain_err` or `mcc_pool_alert` only while it has the problem; deleted objects leave no series.
//! R-FIGURES-5 What MachineOSConfigs and MachineOSBuilds say of image builds is told under the reference's names, whoever builds.
//! R-FIGURES-6 Every condition of a pool that is True is a series, except for those that say that all is well or under way; drains
//! that are blocked are counted by pool.
//! R-FIGURES-7 Nodes that take longer than others did (R-FORECAST-5) are counted by pool.
//!
//! Source of the reference's names: `pkg/controller/common/metrics.go` of github.com/openshift/machine-config-operator.

mod images;
mod reference;

pub use reference::{ReferenceView, Steps};

use crate::{
    forecast,
    history::History,
    rollout::{RolloutPlan, WaitReason},
    stream::catalog::due::retained,
    view::Annotations,
};
use jiff::Timestamp;
use std::collections::BTreeMap;
use weir_api::{
    MachineConfig, MachineConfigPool, MachineOSBuild, MachineOSConfig, OSImageStream,
    condition::{ConditionType, TRUE},
    keys::{
        config::OS_IMAGE_URL_OVERRIDDEN,
        pool::{UPDATED, UPDATING},
    },
};

/// The inputs.
#[derive(Clone, Copy, Debug)]
pub struct FiguresView<'a> {
    /// All pools.
    pub pools: &'a [&'a MachineConfigPool],
    /// MachineConfigs by name.
    pub configs: &'a BTreeMap<&'a str, &'a MachineConfig>,
    /// The streams, while there are any.
    pub streams: Option<&'a OSImageStream>,
    /// MachineOSConfigs.
    pub os_configs: &'a [&'a MachineOSConfig],
    /// MachineOSBuilds.
    pub os_builds: &'a [&'a MachineOSBuild],
    /// The state of the nodes.
    pub plan: &'a RolloutPlan,
    /// What came of the last rollouts, by pool.
    pub histories: &'a BTreeMap<String, History>,
    /// The inputs of the reference's own metrics.
    pub reference: ReferenceView<'a>,
}

/// The values of one metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Name of the metric.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// Values by labels, in label order.
    pub values: BTreeMap<Vec<(&'static str, String)>, i64>,
}

type CountOf = fn(&MachineConfigPool) -> i32;

/// Counts of a pool (R-FIGURES-1).
const COUNTS: [(&str, &str, CountOf); 4] = [
    ("mco_machine_count", "Machines of the pool", |pool| status(pool, |s| s.machine_count)),
    ("mco_updated_machine_count", "Machines of the pool that run its configuration", |pool| {
        status(pool, |s| s.updated_machine_count)
    }),
    ("mco_degraded_machine_count", "Machines of the pool that failed", |pool| {
        status(pool, |s| s.degraded_machine_count)
    }),
    ("mco_unavailable_machine_count", "Machines of the pool that are down", |pool| {
        status(pool, |s| s.unavailable_machine_count)
    }),
];

fn status(pool: &MachineConfigPool, count: fn(&weir_api::pool::MachineConfigPoolStatus) -> i32) -> i32 {
    pool.status.as_ref().map(count).unwrap_or_default()
}

/// All metrics, by name.
#[must_use]
pub fn figures(view: &FiguresView<'_>, now: Timestamp) -> Vec<Figure> {
    let mut all: Vec<Figure> = COUNTS
        .iter()
        .map(|(name, help, count)| {
            let values = view.pools.iter().map(|pool| (vec![("pool", name_of(pool))], i64::from(count(pool))));
            Figure { name, help, values: values.collect() }
        })
        .collect();
    all.push(overrides(view));
    all.push(nodes(view.plan));
    all.push(blocked(view));
    all.push(slow(view, now));
    all.push(conditions(view.pools));
    all.extend(streams(view));
    all.extend(images::figures(view.pools, view.os_configs, view.os_builds));
    all.extend(reference::figures(&view.reference, now));
    all.sort_by_key(|figure| figure.name);
    all
}

fn name_of(pool: &MachineConfigPool) -> String {
    pool.metadata.name.clone().unwrap_or_default()
}

fn overrides(view: &FiguresView<'_>) -> Figure {
    let overridden = |pool: &MachineConfigPool| {
        let target = view.configs.get(pool.spec.configuration.as_ref()?.name())?;
        Some(Annotations::of(&target.metadata).get(OS_IMAGE_URL_OVERRIDDEN)? == "true")
    };
    let value =
        |pool: &&MachineConfigPool| (vec![("pool", name_of(pool))], i64::from(overridden(pool).unwrap_or_default()));
    Figure {
        name: "os_image_url_override",
        help: "1 when a MachineConfig replaces the OS image of the pool",
        values: view.pools.iter().map(value).collect(),
    }
}

/// R-FIGURES-2.
fn nodes(plan: &RolloutPlan) -> Figure {
    let mut values = BTreeMap::new();
    let mut count = |pool: &str, state: &str, reason: &str| {
        let labels = vec![("pool", pool.to_owned()), ("reason", reason.to_owned()), ("state", state.to_owned())];
        *values.entry(labels).or_insert(0) += 1;
    };
    plan.done.iter().for_each(|done| count(&done.pool, "done", ""));
    plan.start.iter().for_each(|start| count(&start.pool, "starting", ""));
    for held in &plan.hold {
        count(held.pool.as_deref().unwrap_or_default(), "waiting", held.reason.code());
    }
    Figure { name: "weir_pool_nodes", help: "Nodes by pool, what they are at, and what they wait for", values }
}

/// Conditions that need nobody's attention.
const QUIET: [ConditionType; 2] = [UPDATED, UPDATING];

/// R-FIGURES-6.
fn conditions(pools: &[&MachineConfigPool]) -> Figure {
    let mut values = BTreeMap::new();
    for pool in pools {
        let said = pool.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let loud = said.filter(|one| one.status == TRUE && !QUIET.iter().any(|quiet| one.type_ == *quiet));
        for condition in loud {
            let labels = vec![
                ("condition", condition.type_.clone()),
                ("pool", name_of(pool)),
                ("reason", condition.reason.clone()),
            ];
            values.insert(labels, 1);
        }
    }
    Figure { name: "weir_pool_condition", help: "Conditions of pools that are True and need attention", values }
}

/// R-FIGURES-6; a pool without any has the value 0.
fn blocked(view: &FiguresView<'_>) -> Figure {
    let mut values: BTreeMap<_, _> = view.pools.iter().map(|pool| (vec![("pool", name_of(pool))], 0)).collect();
    for held in &view.plan.hold {
        let is_blocked = matches!(&held.reason, WaitReason::Updating { blocked, .. } if !blocked.is_empty());
        if let (true, Some(pool)) = (is_blocked, &held.pool) {
            *values.entry(vec![("pool", pool.clone())]).or_insert(0) += 1;
        }
    }
    Figure { name: "weir_drains_blocked", help: "Drains of the pool that wait for pods that cannot be evicted", values }
}

/// R-FIGURES-7; a pool without any has the value 0.
fn slow(view: &FiguresView<'_>, now: Timestamp) -> Figure {
    let of_pool = |pool: &str| view.histories.get(pool).map_or(0, |history| forecast::slow(history, now).len());
    let values = view.pools.iter().map(|pool| {
        let name = name_of(pool);
        let nodes = of_pool(&name);
        (vec![("pool", name)], i64::try_from(nodes).unwrap_or(i64::MAX))
    });
    Figure {
        name: "weir_slow_nodes",
        help: "Nodes of the pool that take longer to update than nine of ten did before",
        values: values.collect(),
    }
}

/// R-FIGURES-3.
fn streams(view: &FiguresView<'_>) -> [Figure; 2] {
    let status = view.streams.and_then(|object| object.status.as_ref());
    let retained = view.streams.map(retained).unwrap_or_default();
    let available = status.into_iter().flat_map(|status| {
        status.available_streams.iter().map(|set| {
            let flag = |is: bool| if is { "true" } else { "false" }.to_owned();
            let labels = vec![
                ("default", flag(set.name == status.default_stream)),
                ("os_image", set.os_image.clone()),
                ("retained", flag(retained.contains(set.name.as_str()))),
                ("stream", set.name.clone()),
            ];
            (labels, 1)
        })
    });
    let of_pools = view.pools.iter().filter_map(|pool| {
        let stream = &pool.status.as_ref()?.os_image_stream.as_ref()?.name;
        Some((vec![("pool", name_of(pool)), ("stream", stream.clone())], 1))
    });
    [
        Figure {
            name: "weir_os_image_stream_info",
            help: "OS image streams that are available",
            values: available.collect(),
        },
        Figure {
            name: "weir_pool_stream_info",
            help: "OS image stream that the pool runs",
            values: of_pools.collect(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use weir_api::keys::config::RETAINED_STREAMS;

    fn value(all: &[Figure], name: &str, labels: &[(&'static str, &str)]) -> Option<i64> {
        let labels: Vec<_> = labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        all.iter().find(|figure| figure.name == name)?.values.get(&labels).copied()
    }

    fn read<T: serde::de::DeserializeOwned>(object: Value) -> T {
        serde_json::from_value(object).unwrap()
    }

    /// Nine of ten drained within a minute; one of two nodes under way has drained for three.
    fn history() -> History {
        let took = json!({"count": 10, "median": 30_000, "ninety": 60_000, "longest": 70_000});
        let before = json!({
            "from": "a", "to": "b", "began": "2026-12-01T09:00:00Z", "ended": "2026-12-01T09:30:00Z", "result": "done",
            "nodes": 10, "total": took, "phases": {"drain": took},
        });
        let draining = |since: &str| json!({"began": since, "phase": "drain", "since": since});
        let now = json!({
            "from": "b", "to": "c", "began": "2026-12-01T10:00:00Z", "result": "underWay", "nodes": 2,
            "each": {"d": draining("2026-12-01T10:00:00Z"), "e": draining("2026-12-01T10:02:30Z")},
        });
        History::of_text(&json!({"rollouts": [before, now]}).to_string()).unwrap()
    }

    #[test]
    fn pools_and_streams_are_counted_and_our_own_series_never_name_nodes() {
        let pool: MachineConfigPool = read(json!({
            "metadata": {"name": "worker"},
            "spec": {"configuration": {"name": "rendered-worker-1"}},
            "status": {
                "machineCount": 3, "updatedMachineCount": 1, "unavailableMachineCount": 1, "degradedMachineCount": 0,
                "readyMachineCount": 1, "osImageStream": {"name": "rhel-9"},
                "conditions": [
                    {"type": "Updating", "status": "True"},
                    {"type": "Degraded", "status": "False"},
                    {"type": "StreamNameIgnored", "status": "True", "reason": "StalePin"},
                ],
            },
        }));
        let config: MachineConfig = read(json!({"metadata": {"annotations": {OS_IMAGE_URL_OVERRIDDEN: "true"}}}));
        let image = |digit: &str| format!("q/os@sha256:{}", digit.repeat(64));
        let set =
            |name: &str, digit: &str| json!({"name": name, "osImage": image(digit), "osExtensionsImage": image("3")});
        let streams: OSImageStream = read(json!({
            "metadata": {"annotations": {RETAINED_STREAMS: "rhel-9"}},
            "status": {"availableStreams": [set("rhel-10", "1"), set("rhel-9", "2")], "defaultStream": "rhel-10"},
        }));
        let held = |node: &str, reason| crate::rollout::Held {
            node: node.to_owned(),
            pool: Some("worker".to_owned()),
            reason,
            since: None,
        };
        let updating = |blocked: &str| WaitReason::Updating {
            config: "rendered-worker-1".to_owned(),
            step: crate::rollout::Step::Draining,
            blocked: blocked.to_owned(),
        };
        let plan = RolloutPlan {
            hold: vec![
                held("b", WaitReason::PoolPaused),
                held("c", WaitReason::PoolPaused),
                held("d", updating("pod a/b: budget a/c allows none")),
                held("e", updating("")),
            ],
            done: vec![crate::rollout::Done { node: "a".to_owned(), pool: "worker".to_owned() }],
            ..RolloutPlan::default()
        };
        let configs = BTreeMap::from([("rendered-worker-1", &config)]);
        let reference = ReferenceView {
            pools: &[&pool],
            nodes: &[],
            reports: &[],
            controller_config: None,
            configuration: None,
            steps: &Steps::new(),
        };
        let view = FiguresView {
            pools: &[&pool],
            configs: &configs,
            streams: Some(&streams),
            os_configs: &[],
            os_builds: &[],
            plan: &plan,
            histories: &BTreeMap::from([("worker".to_owned(), history())]),
            reference,
        };
        let all = figures(&view, "2026-12-01T10:03:00Z".parse().unwrap());
        let worker = ("pool", "worker");
        assert_eq!(value(&all, "mco_machine_count", &[worker]), Some(3));
        assert_eq!(value(&all, "mco_unavailable_machine_count", &[worker]), Some(1));
        assert_eq!(value(&all, "os_image_url_override", &[worker]), Some(1));
        let paused = [worker, ("reason", "PoolPaused"), ("state", "waiting")];
        assert_eq!(value(&all, "weir_pool_nodes", &paused), Some(2));
        assert_eq!(value(&all, "weir_pool_nodes", &[worker, ("reason", ""), ("state", "done")]), Some(1));
        assert_eq!(value(&all, "weir_pool_stream_info", &[worker, ("stream", "rhel-9")]), Some(1));
        let info = [("default", "false"), ("os_image", &image("2")), ("retained", "true"), ("stream", "rhel-9")];
        assert_eq!(value(&all, "weir_os_image_stream_info", &info), Some(1));
        let ours = all.iter().filter(|figure| figure.name.starts_with("weir_"));
        assert!(ours.flat_map(|figure| figure.values.keys().flatten()).all(|(key, _)| *key != "node"));
        assert!(all.is_sorted_by_key(|figure| figure.name));
        let ignored = [("condition", "StreamNameIgnored"), worker, ("reason", "StalePin")];
        assert_eq!(value(&all, "weir_pool_condition", &ignored), Some(1));
        let said = all.iter().find(|figure| figure.name == "weir_pool_condition").map(|figure| figure.values.len());
        assert_eq!((said, value(&all, "weir_drains_blocked", &[worker])), (Some(1), Some(1)));
        assert_eq!(value(&all, "weir_slow_nodes", &[worker]), Some(1));
    }
}
