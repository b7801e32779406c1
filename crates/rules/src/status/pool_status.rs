//! The status of a pool.
//!
//! R-POOL-1 Counts are those of the nodes whose primary pool it is. Updated: runs the target. Ready: updated and ready.
//! Unavailable and degraded are counted whatever the node runs.
//! R-POOL-2 Updated when every node is updated and ready and none unavailable, also when there are no nodes; otherwise
//! Updating, unless the pool is paused. `status.configuration` changes to the target only then.
//! R-POOL-3 NodeDegraded names every failing node with the messages of its MachineConfigNode and its daemon, by node name.
//! R-POOL-4 Degraded: a node is, the pool's configuration cannot be rendered, or its image cannot be built.
//! R-POOL-5 A pool that only a user can move, or whose target has not settled, says so in Updating.
//! R-POOL-6 `status.osImageStream` is the first stream whose image the nodes run: the pool is updated and not degraded,
//! no MachineConfig of it overrides the image, and the rendered image is the stream's.
//! R-POOL-7 Conditions of other controllers are kept; transition times change only with the status value; an unchanged
//! status compares equal, so that nothing is written.
//! R-POOL-8 A pool whose node selector is invalid keeps its counts and is Degraded.
//! R-POOL-9 A pool that still has to be rendered ([`PoolView::render_wait`]) is not Updated, whatever its nodes run: its target
//! is unknown. It says what is waited for.
//! R-POOL-10 NodesWithoutPool names nodes that are in no pool because of this one (R-LOST-2), as long as there are any, also where its
//! node selector is invalid.
//! R-POOL-11 A pool in image mode says in Updating how far its image is, whether it is paused or degraded; it is not Updated
//! while an image is built, could not be, or is not the one in the status of its MachineOSConfig. A build that goes on or
//! succeeded clears ImageBuildDegraded; what the build controller says of one that failed or cannot begin stays.
//! R-POOL-12 A pool that is updating names those of its nodes that somebody cordoned and that do nothing: until they are uncordoned,
//! it will not be. (In the reference it says nothing of them.)
//!
//! Source: `pkg/controller/node/status.go` of github.com/openshift/machine-config-operator.

mod degraded;
mod image;

use crate::{
    objects::conditions::{Said, set_condition},
    rollout::{
        WaitReason, listed,
        lost::{Lost, said},
    },
    view::{NodeReport, NodeView, PoolView, TargetImage},
};
use degraded::{NodeFailures, node_failures};
use jiff::Timestamp;
use std::collections::BTreeMap;
use weir_api::{
    Condition, MachineConfig, OSImageStream,
    condition::{FALSE, TRUE, is_true},
    keys::pool::{
        DEGRADED, IMAGE_BUILD_DEGRADED, NODE_DEGRADED, NODES_WITHOUT_POOL, RENDER_DEGRADED,
        SYNCHRONIZER_PINNED_IMAGE_SETS, UPDATED, UPDATING,
    },
    pool::{CertExpiry, MachineConfigPoolStatus, OsImageStreamReference, PoolConfiguration, PoolSynchronizerStatus},
};

/// The inputs of a pool's status.
#[derive(Clone, Copy, Debug)]
pub struct PoolStatusView<'a> {
    /// The pool.
    pub pool: &'a PoolView<'a>,
    /// Its nodes, by name.
    pub nodes: &'a [&'a NodeView<'a>],
    /// The nodes' MachineConfigNodes, by node.
    pub reports: &'a BTreeMap<&'a str, NodeReport<'a>>,
    /// MachineConfigs by name; only the pool's rendered one and its sources are looked up.
    pub configs: &'a BTreeMap<&'a str, &'a MachineConfig>,
    /// The streams; absent when the streams gate is off or there is no object.
    pub streams: Option<&'a OSImageStream>,
    /// Whether counts come from MachineConfigNodes (gate `ImageModeStatusReporting`).
    pub counts_from_reports: bool,
    /// When certificates expire: `ControllerConfig.status.controllerCertificates`, read by [`certificate_expiry`].
    pub certificates: &'a [CertExpiry],
    /// What the pool as a whole waits for: [`crate::rollout::RolloutPlan::standing`].
    pub standing: Option<&'a WaitReason>,
    /// Nodes without a pool, in the whole cluster.
    pub lost: &'a [Lost],
}

/// Nodes of a pool, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    machines: usize,
    updated: usize,
    ready: usize,
    unavailable: usize,
    degraded: usize,
    pinned: usize,
}

/// The bundle whose certificates a pool reports.
const REPORTED_BUNDLE: &str = "KubeAPIServerServingCAData";

/// Event that a pool's nodes have reached its target, when the written status is the first to say so.
#[must_use]
pub fn completed(pool: &PoolView<'_>, new: &MachineConfigPoolStatus) -> Option<String> {
    let reached = |status: &MachineConfigPoolStatus| status.configuration.as_ref().map(|c| c.name().to_owned());
    let (before, now) = (pool.object.status.as_ref().and_then(reached).unwrap_or_default(), reached(new)?);
    let text = format!("Pool {} has completed update to MachineConfig {now}", pool.name);
    (now != before && !now.is_empty()).then_some(text)
}

/// Computes the pool's status.
#[must_use]
pub fn pool_status(view: &PoolStatusView<'_>, now: Timestamp) -> MachineConfigPoolStatus {
    let pool = view.pool;
    let old = pool.object.status.clone().unwrap_or_default();
    if let Err(error) = &pool.selector {
        return unreadable(view, old, &error.to_string(), now);
    }
    let failures = node_failures(view);
    let counts = counts(view, &failures);
    let all_updated = !image::is_unfinished(pool)
        && (counts.updated, counts.ready, counts.unavailable) == (counts.machines, counts.machines, 0);
    let mut conditions = old.conditions.clone().unwrap_or_default();
    set_progress(&mut conditions, view, all_updated, now);
    let degraded = set_degraded(&mut conditions, view, &counts, &failures, now);
    set_lost(&mut conditions, view, now);
    let configuration = configuration(pool, old.configuration, all_updated);
    let running = if all_updated && !degraded { running_stream(view, &configuration) } else { None };
    let synchronized = old.pool_synchronizers_status.unwrap_or_default();
    MachineConfigPoolStatus {
        observed_generation: pool.object.metadata.generation,
        machine_count: narrow(counts.machines),
        updated_machine_count: narrow(counts.updated),
        ready_machine_count: narrow(counts.ready),
        unavailable_machine_count: narrow(counts.unavailable),
        degraded_machine_count: narrow(counts.degraded),
        conditions: Some(conditions),
        cert_expirys: Some(view.certificates.to_vec()),
        pool_synchronizers_status: Some(synchronizers(synchronized, &counts)),
        configuration: Some(configuration),
        os_image_stream: running.map(|name| OsImageStreamReference { name, ..old.os_image_stream.unwrap_or_default() }),
        other: old.other,
    }
}

/// Whether a computed status differs from the one last written. An absent list or struct equals an empty
/// one.
#[must_use]
pub fn status_changed(old: Option<&MachineConfigPoolStatus>, new: &MachineConfigPoolStatus) -> bool {
    let normal = |status: &MachineConfigPoolStatus| {
        let mut status = status.clone();
        status.observed_generation.get_or_insert_default();
        status.conditions.get_or_insert_default();
        status.cert_expirys.get_or_insert_default();
        status.pool_synchronizers_status.get_or_insert_default();
        status.configuration.get_or_insert_default().source.get_or_insert_default();
        status
    };
    normal(&old.cloned().unwrap_or_default()) != normal(new)
}

/// The certificates of a ControllerConfig that pools report, from its `status.controllerCertificates`.
#[must_use]
pub fn certificate_expiry(certificates: &[serde_json::Value]) -> Vec<CertExpiry> {
    let ours = certificates.iter().filter(|c| c["bundleFile"] == REPORTED_BUNDLE);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    ours.map(|certificate| CertExpiry {
        bundle: text(&certificate["bundleFile"]),
        subject: text(&certificate["subject"]),
        expiry: serde_json::from_value(certificate["notAfter"].clone()).ok(),
        ..CertExpiry::default()
    })
    .collect()
}

fn counts(view: &PoolStatusView<'_>, failures: &NodeFailures<'_>) -> Counts {
    let target = view.pool.aim();
    let count = |test: &dyn Fn(&NodeView<'_>) -> bool| view.nodes.iter().filter(|n| test(n)).count();
    let reports = || view.nodes.iter().filter_map(|n| view.reports.get(n.name)).filter(|r| r.has_conditions);
    let reached = |r: &&NodeReport<'_>| {
        let image = match target.image {
            TargetImage::OfConfig => r.desired_image.unwrap_or_default().is_empty(),
            TargetImage::Missing => false,
            TargetImage::Built(image) => r.desired_image == Some(image),
        };
        r.updated && r.degraded.is_none() && r.desired_config == Some(target.config) && image
    };
    let done = |n: &NodeView<'_>| n.has_reached(target);
    let from_reports = view.counts_from_reports;
    Counts {
        machines: view.nodes.len(),
        ready: count(&|n| done(n) && n.is_ready()),
        unavailable: count(&|n| n.is_unavailable()),
        updated: if from_reports { reports().filter(reached).count() } else { count(&done) },
        degraded: if from_reports { failures.reported.len() } else { count(&|n| n.is_degraded()) },
        pinned: reports().filter(|r| r.pinned_image_sets_done).count(),
    }
}

fn set_progress(conditions: &mut Vec<Condition>, view: &PoolStatusView<'_>, all_updated: bool, now: Timestamp) {
    let line = image::line(view.pool);
    let waits = view.pool.render_wait().map(|wait| format!("; waits for another one: {}", wait.message));
    let said_waits = waits.as_deref().unwrap_or_default();
    let cordoned = cordoned(view);
    let (updated, updating, said_updated, said_updating) = if all_updated && waits.is_none() {
        (TRUE, FALSE, format!("All nodes are updated with {line}"), String::new())
    } else if view.pool.paused {
        (FALSE, FALSE, String::new(), format!("Pool is paused; will not update to {line}{said_waits}"))
    } else if all_updated {
        (FALSE, TRUE, String::new(), format!("All nodes are updated with {line}{said_waits}"))
    } else {
        let standing = view.standing.map(|reason| format!("; no node can start: {reason}")).unwrap_or_default();
        let text = format!("All nodes are updating to {line}{standing}{cordoned}{said_waits}");
        (FALSE, TRUE, String::new(), text)
    };
    let of_image = image::progress(view.pool, all_updated);
    let (updating, said_updating) = match of_image {
        Some((status, message)) => (status, format!("{message}{cordoned}{said_waits}")),
        None => (updating, said_updating),
    };
    set_condition(conditions, Said { type_: UPDATED, status: updated, reason: "", message: &said_updated }, now);
    set_condition(conditions, Said { type_: UPDATING, status: updating, reason: "", message: &said_updating }, now);
}

/// R-POOL-12, as the end of a sentence; empty if there are none.
fn cordoned(view: &PoolStatusView<'_>) -> String {
    let nodes: Vec<&str> =
        view.nodes.iter().filter(|node| node.unschedulable && node.is_done()).map(|node| node.name).collect();
    if nodes.is_empty() { String::new() } else { format!("; cordoned, until you uncordon them: {}", listed(nodes)) }
}

/// Sets NodeDegraded and Degraded; returns the latter.
fn set_degraded(
    conditions: &mut Vec<Condition>,
    view: &PoolStatusView<'_>,
    counts: &Counts,
    failures: &NodeFailures<'_>,
    now: Timestamp,
) -> bool {
    let (status, reason, message) = if counts.degraded > 0 {
        (TRUE, failures.reason(), failures.message())
    } else {
        (FALSE, String::new(), String::new())
    };
    set_condition(conditions, Said { type_: NODE_DEGRADED, status, reason: &reason, message: &message }, now);
    if let Some((reason, message)) = image::cleared(view.pool, conditions) {
        set_condition(conditions, Said { type_: IMAGE_BUILD_DEGRADED, status: FALSE, reason, message }, now);
    }
    let build = is_true(conditions, IMAGE_BUILD_DEGRADED);
    let degraded = counts.degraded > 0 || build || is_true(view.pool.conditions(), RENDER_DEGRADED);
    let message = match (counts.degraded > 0, build) {
        (true, _) => message.as_str(),
        (false, true) => "Custom OS image build failed",
        (false, false) => "",
    };
    set_condition(conditions, Said { type_: DEGRADED, status: degraded.into(), reason: "", message }, now);
    degraded
}

/// R-POOL-10. A pool that never had such a node does not have the condition.
fn set_lost(conditions: &mut Vec<Condition>, view: &PoolStatusView<'_>, now: Timestamp) {
    let type_ = NODES_WITHOUT_POOL;
    match said(view.lost, view.pool.name) {
        Some((reason, message)) => {
            set_condition(conditions, Said { type_, status: TRUE, reason, message: &message }, now);
        }
        None if is_true(conditions, type_) => {
            set_condition(conditions, Said { type_, status: FALSE, reason: "", message: "" }, now);
        }
        None => {}
    }
}

fn configuration(pool: &PoolView<'_>, old: Option<PoolConfiguration>, all_updated: bool) -> PoolConfiguration {
    let old = old.unwrap_or_default();
    match &pool.object.spec.configuration {
        Some(wanted) if all_updated && (wanted.name() != old.name() || wanted.source != old.source) => wanted.clone(),
        _ => old,
    }
}

/// R-POOL-6, for a pool that is updated and not degraded: name of the stream.
fn running_stream(view: &PoolStatusView<'_>, configuration: &PoolConfiguration) -> Option<String> {
    let image_of = |config: &MachineConfig| config.spec.os_image_url.clone().unwrap_or_default();
    let rendered = view.configs.get(configuration.name())?;
    let streams = view.streams?.status.as_ref()?;
    let sources = configuration.source.iter().flatten().filter_map(|s| view.configs.get(s.name()?));
    if sources.into_iter().any(|source| !image_of(source).is_empty()) {
        return None;
    }
    let image = image_of(rendered);
    let stream = streams.available_streams.iter().find(|s| !image.is_empty() && s.os_image == image)?;
    Some(stream.name.clone())
}

/// Our own entry, and those of others unchanged.
fn synchronizers(mut all: Vec<PoolSynchronizerStatus>, counts: &Counts) -> Vec<PoolSynchronizerStatus> {
    let ours = |one: &PoolSynchronizerStatus| one.pool_synchronizer_type == SYNCHRONIZER_PINNED_IMAGE_SETS;
    match all.iter_mut().find(|one| ours(one)) {
        Some(found) => *found = synchronizer(Some(std::mem::take(found)), counts),
        None => all.push(synchronizer(None, counts)),
    }
    all
}

fn synchronizer(old: Option<PoolSynchronizerStatus>, counts: &Counts) -> PoolSynchronizerStatus {
    let wide = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    PoolSynchronizerStatus {
        pool_synchronizer_type: SYNCHRONIZER_PINNED_IMAGE_SETS.to_owned(),
        machine_count: wide(counts.machines),
        updated_machine_count: wide(counts.pinned),
        ready_machine_count: wide(counts.ready),
        available_machine_count: wide(counts.machines.saturating_sub(counts.unavailable)),
        unavailable_machine_count: wide(counts.unavailable),
        observed_generation: old.as_ref().and_then(|one| one.observed_generation),
        other: old.map(|one| one.other).unwrap_or_default(),
    }
}

/// R-POOL-8: the pool's nodes are unknown, so no count is changed and nothing is called updated.
fn unreadable(
    view: &PoolStatusView<'_>,
    mut status: MachineConfigPoolStatus,
    error: &str,
    now: Timestamp,
) -> MachineConfigPoolStatus {
    let message = format!("spec.nodeSelector is invalid: {error}");
    let conditions = status.conditions.get_or_insert_default();
    for type_ in [UPDATED, UPDATING] {
        set_condition(conditions, Said { type_, status: FALSE, reason: "", message: &message }, now);
    }
    let said = Said { type_: DEGRADED, status: TRUE, reason: "InvalidNodeSelector", message: &message };
    set_condition(conditions, said, now);
    set_lost(conditions, view, now);
    status.observed_generation = view.pool.object.metadata.generation;
    status.os_image_stream = None;
    status
}

fn narrow(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use weir_api::condition::Typed as _;

    /// The status of a pool that has no nodes.
    fn without_nodes(object: &weir_api::MachineConfigPool) -> MachineConfigPoolStatus {
        with(object, &[], &[])
    }

    fn with(object: &weir_api::MachineConfigPool, nodes: &[&NodeView<'_>], lost: &[Lost]) -> MachineConfigPoolStatus {
        let view = PoolStatusView {
            pool: &PoolView::new(object),
            nodes,
            reports: &BTreeMap::new(),
            configs: &BTreeMap::new(),
            streams: None,
            counts_from_reports: false,
            certificates: &[],
            standing: None,
            lost,
        };
        pool_status(&view, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_pool_that_waits_for_cordoned_nodes_names_them() {
        let object: weir_api::MachineConfigPool = serde_json::from_value(json!({
            "metadata": {"name": "worker"},
            "spec": {"nodeSelector": {"matchLabels": {"a": ""}}, "configuration": {"name": "rendered-worker-1"}},
        }))
        .unwrap();
        let key = |key: &str| format!("machineconfiguration.openshift.io/{key}");
        let node = |name: &str, state: &str| -> k8s_openapi::api::core::v1::Node {
            let told = "rendered-worker-1";
            let annotations = json!({key("currentConfig"): told, key("desiredConfig"): told, key("state"): state});
            let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
            let metadata = json!({"name": name, "annotations": annotations});
            serde_json::from_value(json!({"metadata": metadata, "spec": {"unschedulable": true}, "status": ready}))
                .unwrap()
        };
        let nodes = [node("w-0", "Done"), node("w-1", "Working")];
        let views: Vec<_> = nodes.iter().map(NodeView::new).collect();
        let status = with(&object, &views.iter().collect::<Vec<_>>(), &[]);
        let conditions = status.conditions.unwrap();
        let said = weir_api::condition::find(&conditions, UPDATING).unwrap();
        let text = "All nodes are updating to MachineConfig rendered-worker-1; cordoned, until you uncordon them: w-0";
        assert_eq!(said.message, text);
    }

    #[test]
    fn a_pool_whose_selector_is_invalid_names_the_nodes_that_wait_for_it() {
        let object: weir_api::MachineConfigPool = serde_json::from_value(json!({
            "metadata": {"name": "infra"},
            "spec": {"nodeSelector": {"matchExpressions": [{"key": "a", "operator": "Bogus"}]}},
        }))
        .unwrap();
        let reason = WaitReason::PoolUnreadable { pool: "infra".to_owned() };
        let lost = Lost { node: "a-0".to_owned(), reason, pools: vec!["infra".to_owned()], told: true };
        let conditions = with(&object, &[], &[lost]).conditions.unwrap();
        let said = weir_api::condition::find(&conditions, NODES_WITHOUT_POOL).unwrap();
        let text = "in no pool: a-0: the nodeSelector of its pool infra is invalid; correct it";
        assert!(said.says(NODES_WITHOUT_POOL, TRUE));
        assert_eq!(said.message, text);
    }

    /// The controller of PinnedImageSets, which is not this one, reports in the same status.
    #[test]
    fn what_others_say_of_pinned_image_sets_is_kept() {
        let degraded = json!({
            "type": "PinnedImageSetsDegraded", "status": "True", "reason": "", "message": "no space left",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        let synchronizer = |type_: &str, count: i64| {
            json!({
                "poolSynchronizerType": type_, "machineCount": count, "updatedMachineCount": count, "readyMachineCount": 0,
                "availableMachineCount": 0, "unavailableMachineCount": 0, "observedGeneration": 4,
            })
        };
        let object: weir_api::MachineConfigPool = serde_json::from_value(json!({
            "metadata": {"name": "worker", "generation": 1},
            "spec": {"nodeSelector": {"matchLabels": {"a": ""}}, "pinnedImageSets": [{"name": "next"}]},
            "status": {
                "conditions": [degraded],
                "poolSynchronizersStatus": [synchronizer("Others", 3), synchronizer("PinnedImageSets", 3)],
            },
        }))
        .unwrap();
        let status = serde_json::to_value(without_nodes(&object)).unwrap();
        assert!(status["conditions"].as_array().unwrap().contains(&degraded), "{status}");
        assert_eq!(
            status["poolSynchronizersStatus"],
            json!([synchronizer("Others", 3), synchronizer("PinnedImageSets", 0)])
        );
    }

    #[test]
    fn what_a_later_version_of_the_api_says_is_kept_and_no_change() {
        let later = json!({"fieldOfTomorrow": [1]});
        let mut object: weir_api::MachineConfigPool = serde_json::from_value(json!({
            "metadata": {"name": "worker", "generation": 1},
            "spec": {"nodeSelector": {"matchLabels": {"a": ""}}, "configuration": {"name": "rendered-worker-1"}},
            "status": {"configuration": later, "fieldOfTomorrow": 2},
        }))
        .unwrap();
        let mut status = serde_json::to_value(without_nodes(&object)).unwrap();
        assert_eq!(status["fieldOfTomorrow"], 2);
        for list in ["conditions", "poolSynchronizersStatus"] {
            for item in status[list].as_array_mut().unwrap() {
                item["fieldOfTomorrow"] = Value::from("kept");
            }
        }
        object.status = serde_json::from_value(status.clone()).unwrap();
        assert_eq!(serde_json::to_value(without_nodes(&object)).unwrap(), status);
        assert!(!status_changed(object.status.as_ref(), &without_nodes(&object)));
    }

    #[test]
    fn a_pool_that_is_still_to_be_rendered_is_not_updated() {
        let render = |status: &str, reason: &str| json!({"type": "RenderDegraded", "status": status, "reason": reason, "message": "not complete"});
        for (paused, render, expected) in [
            (false, render("False", ""), ["True All nodes are updated with MachineConfig r", "False "]),
            // A failure is reported by Degraded, as always.
            (false, render("True", "X"), ["True All nodes are updated with MachineConfig r", "False "]),
            (
                false,
                render("False", "X"),
                ["False ", "True All nodes are updated with MachineConfig r; waits for another one: not complete"],
            ),
            (
                true,
                render("False", "X"),
                [
                    "False ",
                    "False Pool is paused; will not update to MachineConfig r; waits for another one: not complete",
                ],
            ),
        ] {
            let object: weir_api::MachineConfigPool = serde_json::from_value(json!({
                "metadata": {"name": "worker"},
                "spec": {"nodeSelector": {"matchLabels": {"a": ""}}, "configuration": {"name": "r"}, "paused": paused},
                "status": {"conditions": [render]},
            }))
            .unwrap();
            let status = without_nodes(&object);
            assert_eq!(
                status.configuration.as_ref().map(PoolConfiguration::name),
                Some("r"),
                "what nodes run is no secret"
            );
            let conditions = status.conditions.unwrap();
            let said = [UPDATED, UPDATING].map(|type_| {
                let said = weir_api::condition::find(&conditions, type_).unwrap();
                format!("{} {}", said.status, said.message)
            });
            assert_eq!(said, expected);
        }
    }
}
