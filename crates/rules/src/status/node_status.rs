//! The MachineConfigNode of a node.
//!
//! R-NODE-1 Every node has one, with the same name and owned by it, except a node that is still being created. One without a node is
//! deleted.
//! R-NODE-2 Its spec names the node's primary pool and desired config; unknown is `not-yet-set`. While several
//! pools claim the node it does not change; a pool whose selector is invalid keeps its nodes.
//! R-NODE-3 A step of an update is one condition, the phase it belongs to another. The first report adds all
//! conditions, as not yet occurred.
//! R-NODE-4 A report about `Updated` begins or ends a round: all conditions of the last round become `False`,
//! and their messages are prefixed with the subject of that round.
//! R-NODE-5 Transition times change only with the status value. An unchanged status is not written.
//! R-NODE-6 `status.configVersion.desired` is the config that the node was found able to apply: unset while that is being determined.
//! R-NODE-7 The observed generation is one more than the object's, as in the daemon, and never decreases.
//!
//! Source: `pkg/upgrademonitor/upgrade_monitor.go` of github.com/openshift/machine-config-operator.

mod drain;
mod step;
#[cfg(test)]
mod tests;

pub use drain::drain_reports;
pub use step::{Report, Said, Step};

use crate::{rollout::membership::Assignment, view::NodeView};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use weir_api::{
    MachineConfigNode,
    condition::{ConditionStatus, ConditionType, FALSE, MetaCondition, TRUE},
    keys::machine_config_node::{
        APPLIED_FILES, APPLIED_FILES_AND_OS, APPLIED_OS_IMAGE, CORDONED, DRAINED, IMAGE_PULLED_FROM_REGISTRY,
        NODE_DEGRADED, NOT_YET_OCCURRED, PINNED_IMAGE_SETS_DEGRADED, PINNED_IMAGE_SETS_PROGRESSING, REBOOTED_NODE,
        RESUMED, UNCORDONED, UPDATE_COMPLETE, UPDATE_EXECUTED, UPDATE_POST_ACTION_COMPLETE, UPDATE_PREPARED, UPDATED,
    },
    machine_config_node::{
        ConfigImage, ConfigVersion, DesiredConfigImage, DesiredConfigVersion, MachineConfigNodeSpec,
        MachineConfigNodeStatus, NOT_YET_SET,
    },
    references::NameReference,
};

/// Longest message that the API accepts.
const LONGEST_MESSAGE: usize = 32_768;

/// The inputs for the object of one node.
#[derive(Clone, Copy, Debug)]
pub struct NodeObjectView<'a> {
    /// The node.
    pub node: &'a NodeView<'a>,
    /// The pool it belongs to, or why it belongs to none.
    pub pool: &'a Assignment<'a>,
    /// The current object.
    pub object: Option<&'a MachineConfigNode>,
    /// Whether images are reported (gate `ImageModeStatusReporting`).
    pub images: bool,
}

/// What to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Create this object.
    Create(Box<MachineConfigNode>),
    /// Merge this patch into the object.
    Patch(Value),
}

/// The change to the object of a node; `None` when there is none (R-NODE-1, R-NODE-2).
#[must_use]
pub fn object_change(view: &NodeObjectView<'_>) -> Option<Change> {
    let (node, wanted) = (view.node, spec(view, view.object.map(|object| &object.spec)));
    let Some(object) = view.object else {
        if node.provisioning {
            return None;
        }
        let mut object = MachineConfigNode::named(node.name, wanted);
        object.metadata.owner_references = Some(vec![owner(node)]);
        return Some(Change::Create(Box::new(object)));
    };
    let owned = object.metadata.owner_references.iter().flatten().any(|reference| reference.uid == node.uid);
    let mut patch = json!({});
    if !owned {
        // Only this owner: a reference to an earlier node of this name would have the object garbage-collected.
        patch["metadata"] = json!({"ownerReferences": [owner(node)]});
    }
    if wanted != object.spec {
        patch["spec"] = json!({
            "node": wanted.node, "pool": wanted.pool, "configVersion": wanted.config_version,
            "configImage": wanted.config_image,
        });
    }
    (patch != json!({})).then_some(Change::Patch(patch))
}

/// Names of the objects whose node is gone.
#[must_use]
pub fn orphans<'a>(objects: impl IntoIterator<Item = &'a MachineConfigNode>, nodes: &BTreeSet<&str>) -> Vec<&'a str> {
    let names = objects.into_iter().filter_map(|object| object.metadata.name.as_deref());
    names.filter(|name| !nodes.contains(name)).collect()
}

/// Fields that weir does not own stay as they are.
fn spec(view: &NodeObjectView<'_>, old: Option<&MachineConfigNodeSpec>) -> MachineConfigNodeSpec {
    let old = old.cloned().unwrap_or_default();
    let or_unset = |name: Option<&str>| name.filter(|n| !n.is_empty()).unwrap_or(NOT_YET_SET).to_owned();
    let pool = match view.pool {
        Assignment::Pools { primary, .. } | Assignment::Unreadable(primary) => Some(*primary),
        Assignment::Conflict(_) => Some(old.pool.name.as_str()),
        Assignment::NotManaged | Assignment::NoPool => None,
    };
    let image = view.node.desired_image.filter(|image| view.images && !image.is_empty());
    MachineConfigNodeSpec {
        node: NameReference { name: view.node.name.to_owned(), ..old.node },
        pool: NameReference { name: or_unset(pool), ..old.pool },
        config_version: DesiredConfigVersion { desired: or_unset(view.node.desired_config), ..old.config_version },
        config_image: image.map(|image| DesiredConfigImage {
            desired_image: image.to_owned(),
            ..old.config_image.unwrap_or_default()
        }),
        ..old
    }
}

fn owner(node: &NodeView<'_>) -> OwnerReference {
    OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: node.name.to_owned(),
        uid: node.uid.to_owned(),
        ..OwnerReference::default()
    }
}

/// The status after these reports, in order; `None` when it does not change (R-NODE-5).
#[must_use]
pub fn record(
    object: &MachineConfigNode,
    node: &NodeView<'_>,
    reports: &[Report],
    images: bool,
    now: Timestamp,
) -> Option<MachineConfigNodeStatus> {
    let last = reports.last()?;
    let old = object.status.clone().unwrap_or_default();
    let said = old.conditions.clone().filter(|list| !list.is_empty());
    let mut conditions = said.unwrap_or_else(|| not_yet(images, now));
    let target = round_of(object, node, images);
    for report in reports {
        enter(&mut conditions, report, &target, now);
    }
    let desired = match &last.phase {
        said if said.type_ == UPDATE_PREPARED && said.status != TRUE => None,
        _ => node.desired_config.filter(|config| !config.is_empty()),
    };
    let current = node.current_config.filter(|config| !config.is_empty()).map(str::to_owned);
    let before = old.config_version.clone().unwrap_or_default();
    let config_image = ConfigImage {
        current_image: node.current_image.filter(|image| !image.is_empty()).map(str::to_owned),
        desired_image: node.desired_image.filter(|image| !image.is_empty()).map(str::to_owned),
        ..old.config_image.clone().unwrap_or_default()
    };
    let generation = object.metadata.generation.unwrap_or_default().saturating_add(1);
    let new = MachineConfigNodeStatus {
        conditions: Some(conditions),
        observed_generation: Some(old.observed_generation.unwrap_or_default().max(generation)),
        config_version: Some(ConfigVersion {
            current: current.or(before.current),
            desired: desired.unwrap_or(NOT_YET_SET).to_owned(),
            ..before
        }),
        config_image: Some(config_image).filter(|image| images && *image != ConfigImage::default()),
        ..old.clone()
    };
    (new != old).then_some(new)
}

/// A merge patch of a status.
#[derive(Clone, Debug, Serialize)]
pub struct StatusPatch<'a> {
    metadata: Read<'a>,
    status: Changes<'a>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Read<'a> {
    resource_version: Option<&'a str>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Changes<'a> {
    conditions: Option<&'a [MetaCondition]>,
    observed_generation: Option<i64>,
    config_version: Option<&'a ConfigVersion>,
    /// Absent where it stays as it is; null where it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    config_image: Option<Option<&'a ConfigImage>>,
}

/// The merge patch of an object's status; it applies only to the object as it was read, because the daemon
/// writes to the same list.
#[must_use]
pub fn status_patch<'a>(object: &'a MachineConfigNode, new: &'a MachineConfigNodeStatus) -> StatusPatch<'a> {
    let before = object.status.as_ref().and_then(|status| status.config_image.as_ref());
    let now = new.config_image.as_ref();
    StatusPatch {
        metadata: Read { resource_version: object.metadata.resource_version.as_deref() },
        status: Changes {
            conditions: new.conditions.as_deref(),
            observed_generation: new.observed_generation,
            config_version: new.config_version.as_ref(),
            config_image: (now != before).then_some(now),
        },
    }
}

/// The subject of the round, for the messages it leaves behind (R-NODE-4).
fn round_of(object: &MachineConfigNode, node: &NodeView<'_>, images: bool) -> String {
    let config = &object.spec.config_version.desired;
    let config = if config.is_empty() { node.desired_config.unwrap_or(NOT_YET_SET) } else { config };
    let wanted = object.spec.config_image.as_ref().map(|image| image.desired_image.as_str()).unwrap_or_default();
    let runs = object.status.as_ref().and_then(|s| s.config_image.as_ref()).and_then(|i| i.current_image.as_deref());
    if !images || wanted == runs.unwrap_or_default() {
        format!("update to {config}")
    } else if wanted.is_empty() {
        "update to disable image mode".to_owned()
    } else {
        format!("update to {wanted}")
    }
}

/// Applies one report to the list.
fn enter(conditions: &mut Vec<MetaCondition>, report: &Report, round: &str, now: Timestamp) {
    let phase = &report.phase;
    let new_round = phase.type_ == UPDATED && !conditions.iter().any(|c| phase.is_said_by(c));
    if new_round {
        for condition in conditions.iter_mut().filter(|c| c.type_ != UPDATED && c.status != FALSE) {
            condition.message = cut(format!("Action during {round}: {}", condition.message));
            flip(condition, FALSE, now);
        }
    }
    for said in report.step.iter().chain([phase]) {
        match conditions.iter_mut().find(|c| c.type_ == said.type_) {
            None => conditions.push(said.condition(now)),
            Some(condition) => {
                flip(condition, said.status, now);
                condition.reason.clone_from(&said.reason);
                condition.message = cut(said.message.clone());
            }
        }
    }
}

fn flip(condition: &mut MetaCondition, status: ConditionStatus, now: Timestamp) {
    if condition.status != status {
        condition.status = status.into();
        condition.last_transition_time = Some(Time(now));
    }
}

fn cut(mut message: String) -> String {
    if message.len() > LONGEST_MESSAGE {
        let end = (0..=LONGEST_MESSAGE).rev().find(|&end| message.is_char_boundary(end)).unwrap_or_default();
        message.truncate(end);
    }
    message
}

/// Every condition as not yet occurred, in the reference's order.
fn not_yet(images: bool, now: Timestamp) -> Vec<MetaCondition> {
    let applied: &[ConditionType] = if images { &[APPLIED_FILES, APPLIED_OS_IMAGE] } else { &[APPLIED_FILES_AND_OS] };
    let pulled: &[ConditionType] = if images { &[IMAGE_PULLED_FROM_REGISTRY] } else { &[] };
    let types = [
        &[UPDATE_PREPARED, UPDATE_EXECUTED, UPDATE_POST_ACTION_COMPLETE, UPDATE_COMPLETE, RESUMED, DRAINED],
        applied,
        &[CORDONED, REBOOTED_NODE, UPDATED, UNCORDONED],
        pulled,
        &[NODE_DEGRADED, PINNED_IMAGE_SETS_DEGRADED, PINNED_IMAGE_SETS_PROGRESSING],
    ];
    let said = |type_| Said {
        type_,
        status: FALSE,
        reason: NOT_YET_OCCURRED.to_owned(),
        message: format!("This node has not yet entered the {type_} phase"),
    };
    types.concat().into_iter().map(|type_| said(type_).condition(now)).collect()
}
