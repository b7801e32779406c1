//! The status of the ClusterOperator `machine-config`.
//!
//! R-CLUSTER-1 Available from its first status on: without the operator a cluster still runs its nodes.
//! R-CLUSTER-2 Progressing while the versions it reports are not its own. While it has not reported any, the cluster is being
//! installed; an operator that merely restarts is not progressing.
//! R-CLUSTER-3 Degraded names the first failure: evidence that contradicts the distribution, a stream catalogue that
//! cannot be made, unreadable objects, then its own work, the required pools, and last generated objects that no longer match or
//! cannot be made.
//! While required pools are waited for, their last failure stays.
//! R-CLUSTER-4 Versions are set once everything is done, and while it is not Progressing even if it is Degraded. If the operator
//! does not know its own image, the reported version stays: the cluster update waits for that version.
//! R-CLUSTER-5 Upgradeable is decided by [`upgradeable`].
//! R-CLUSTER-6 The extension has one line for each pool, and what is waited for.
//! R-CLUSTER-7 Transition times change only with the status value; an unchanged status is not written.
//!
//! Source: `pkg/operator/status.go` of github.com/openshift/machine-config-operator; the first two failures of R-CLUSTER-3
//! are ours.

mod evaluation;
mod failure;
pub(crate) mod related;
#[cfg(test)]
mod tests;
pub mod upgradeable;

pub use evaluation::evaluation;
pub use failure::{Failure, Task, catalog_said, is_said_of};
pub use upgradeable::{Blocked, UpgradeView, upgradeable};

use crate::{
    status::required::{Required, pool_words},
    view::PoolView,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Map, Value, json};
use weir_api::{
    ClusterOperator,
    cluster_operator::{ClusterOperatorStatus, OperandVersion, OperatorCondition},
    condition::{ConditionStatus, ConditionType, FALSE, TRUE, find, is_true},
    keys::cluster_operator::{
        AVAILABLE, DEGRADED, EVALUATION_CONDITIONS_DETECTED, PROGRESSING, REASON_AS_EXPECTED, UPGRADEABLE,
        VERSION_OPERATOR, VERSION_OPERATOR_IMAGE,
    },
};

/// The inputs.
#[derive(Clone, Copy, Debug)]
pub struct ClusterStatusView<'a> {
    /// The current object, if it exists.
    pub object: Option<&'a ClusterOperator>,
    /// Release version of the operator.
    pub version: &'a str,
    /// Pull spec of the operator; empty when it does not know.
    pub image: &'a str,
    /// The first failure of this pass, if there is one.
    pub failure: Option<&'a Failure>,
    /// The state of the required pools.
    pub required: &'a Required,
    /// What blocks an update of the cluster.
    pub blocked: Option<&'a Blocked>,
    /// Settings that a later release will not accept: [`evaluation`].
    pub evaluation: &'a [&'static str],
    /// All pools.
    pub pools: &'a [PoolView<'a>],
}

/// A status and its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterReport {
    /// The status to write; absent when nothing changed.
    pub status: Option<ClusterOperatorStatus>,
    /// Events on the ClusterOperator.
    pub events: Vec<Told>,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whether it is a Warning.
    pub warning: bool,
    /// The reason, for machines.
    pub reason: String,
    /// The message, for people.
    pub message: String,
}

/// Computes the status.
#[must_use]
pub fn cluster_status(view: &ClusterStatusView<'_>, now: Timestamp) -> ClusterReport {
    let old = view.object.and_then(|object| object.status.clone()).unwrap_or_default();
    let mut report = Writer { conditions: old.conditions.clone().unwrap_or_default(), events: Vec::new(), now };
    let before = old.versions.clone().unwrap_or_default();
    let own = own_versions(view, &before);
    let equal = own.iter().all(|version| before.contains(version));
    let required = || Failure::of_required(view.required);
    let failed = view.failure.cloned().or_else(required).or_else(|| Failure::of_generated(view.pools));
    progressing(&mut report, view, equal, &before, failed.is_some());
    degraded(&mut report, view, equal, failed.as_ref());
    let deployed = format!("Cluster has deployed {}", listed(&before));
    report.set(AVAILABLE, TRUE, REASON_AS_EXPECTED, &deployed);
    let held = is_true(&report.conditions, PROGRESSING)
        && (failed.is_some() || matches!(view.required, Required::Waiting { .. }));
    let versions = if held { before.clone() } else { own.clone() };
    if versions != before && !equal {
        let message =
            format!("clusteroperator/machine-config version changed from {} to {}", listed(&before), listed(&versions));
        report.tell(false, "OperatorVersionChanged", message);
    }
    match view.blocked {
        None => report.set(UPGRADEABLE, TRUE, REASON_AS_EXPECTED, ""),
        Some(blocked) => report.set(UPGRADEABLE, FALSE, blocked.code(), &blocked.to_string()),
    }
    match view.evaluation {
        [] => report.set(EVALUATION_CONDITIONS_DETECTED, FALSE, REASON_AS_EXPECTED, ""),
        found => report.set(EVALUATION_CONDITIONS_DETECTED, TRUE, &found.join("::"), ""),
    }
    let status = ClusterOperatorStatus {
        conditions: Some(report.conditions),
        versions: Some(versions),
        related_objects: Some(related::related_objects()),
        extension: Some(extension(view)),
        other: old.other.clone(),
    };
    ClusterReport { status: (view.object.is_none() || status != old).then_some(status), events: report.events }
}

/// The merge patch of an object's status; it applies only to the object as it was read.
#[must_use]
pub fn status_patch(object: &ClusterOperator, new: &ClusterOperatorStatus) -> Value {
    let mut extension = new.extension.clone().unwrap_or_else(|| json!({}));
    let old = object.status.as_ref().and_then(|status| status.extension.as_ref()).and_then(Value::as_object);
    for key in old.into_iter().flat_map(Map::keys) {
        // A merge patch keeps what it does not mention.
        if extension.get(key).is_none() {
            extension[key] = Value::Null;
        }
    }
    json!({
        "metadata": {"resourceVersion": object.metadata.resource_version},
        "status": {
            "conditions": new.conditions, "versions": new.versions, "relatedObjects": new.related_objects,
            "extension": extension,
        },
    })
}

/// R-CLUSTER-4.
fn own_versions(view: &ClusterStatusView<'_>, before: &[OperandVersion]) -> Vec<OperandVersion> {
    let version = |name: &str, version: &str| OperandVersion {
        name: name.to_owned(),
        version: version.to_owned(),
        ..OperandVersion::default()
    };
    let mut own = vec![version(VERSION_OPERATOR, view.version)];
    if view.image.is_empty() {
        own.extend(before.iter().filter(|version| version.name == VERSION_OPERATOR_IMAGE).cloned());
    } else {
        own.push(version(VERSION_OPERATOR_IMAGE, view.image));
    }
    own
}

fn progressing(
    report: &mut Writer,
    view: &ClusterStatusView<'_>,
    equal: bool,
    before: &[OperandVersion],
    failed: bool,
) {
    let version = view.version;
    let was = is_true(&report.conditions, PROGRESSING);
    if !equal && !was {
        let (from, to) = (listed(before), listed(&own_versions(view, before)));
        let message = format!("clusteroperator/machine-config started a version change from {from} to {to}");
        report.tell(false, "OperatorVersionChanged", message);
    }
    let (status, message) = match (equal, before.is_empty()) {
        (true, _) => (FALSE, format!("Cluster version is {version}")),
        (false, true) => (TRUE, format!("Cluster is bootstrapping {version}")),
        (false, false) => (TRUE, format!("Working towards {version}")),
    };
    let message = match (failed, status) {
        (false, _) => message,
        (true, TRUE) => format!("Unable to apply {version}"),
        (true, _) => format!("Error while reconciling {version}"),
    };
    report.set(PROGRESSING, status, "", &message);
}

fn degraded(report: &mut Writer, view: &ClusterStatusView<'_>, equal: bool, failed: Option<&Failure>) {
    let old = find(&report.conditions, DEGRADED).cloned().unwrap_or_default();
    let Some(failure) = failed else {
        let required = Failure::REQUIRED_POOLS;
        let stays = old.status == TRUE && old.reason.as_deref() == Some(required);
        if !(stays && matches!(view.required, Required::Waiting { .. })) {
            report.set(DEGRADED, FALSE, "", "");
        }
        return;
    };
    let (reason, version) = (failure.code(), view.version);
    let message = if equal {
        format!("Failed to resync {version} because: {failure}")
    } else {
        format!("Unable to apply {version}: {failure}")
    };
    if old.reason.as_deref() != Some(reason) || old.message.as_deref() != Some(message.as_str()) {
        report.tell(true, &format!("OperatorDegraded: {reason}"), message.clone());
    }
    report.set(DEGRADED, TRUE, reason, &message);
}

/// R-CLUSTER-6.
fn extension(view: &ClusterStatusView<'_>) -> Value {
    let mut lines: Map<String, Value> =
        view.pools.iter().map(|pool| (pool.name.to_owned(), json!(pool_words(pool)))).collect();
    if let Required::Waiting { why } | Required::Failed { why } = view.required {
        lines.insert("lastSyncError".to_owned(), json!(why));
    }
    Value::Object(lines)
}

/// Versions as the reference prints them.
fn listed(versions: &[OperandVersion]) -> String {
    let each: Vec<_> = versions.iter().map(|v| format!("{{{} {}}}", v.name, v.version)).collect();
    format!("[{}]", each.join(" "))
}

struct Writer {
    conditions: Vec<OperatorCondition>,
    events: Vec<Told>,
    now: Timestamp,
}

impl Writer {
    fn set(&mut self, type_: ConditionType, status: ConditionStatus, reason: &str, message: &str) {
        let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let old = self.conditions.iter_mut().find(|condition| condition.type_ == type_);
        let kept = old.as_ref().filter(|c| c.status == status).and_then(|c| c.last_transition_time.clone());
        let condition = OperatorCondition {
            type_: type_.into(),
            status: status.into(),
            last_transition_time: Some(kept.unwrap_or(Time(self.now))),
            reason: filled(reason),
            message: filled(message),
            other: old.as_ref().map(|c| c.other.clone()).unwrap_or_default(),
        };
        match old {
            Some(old) => *old = condition,
            None => self.conditions.push(condition),
        }
    }

    fn tell(&mut self, warning: bool, reason: &str, message: String) {
        self.events.push(Told { warning, reason: reason.to_owned(), message });
    }
}
