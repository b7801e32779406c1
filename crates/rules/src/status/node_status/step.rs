//! The steps of an update, in the reference's words.
//!
//! Source: the calls of `GenerateAndApplyMachineConfigNodes` in `pkg/daemon/{daemon,update,drain}.go` and
//! `pkg/controller/drain/drain_controller.go` of github.com/openshift/machine-config-operator.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use weir_api::{
    condition::{ConditionStatus, ConditionType, FALSE, MetaCondition, TRUE, UNKNOWN},
    keys::machine_config_node::{
        APPLIED_FILES_AND_OS, DRAINED, NODE_DEGRADED, REBOOTED_NODE, RESUMED, UPDATE_COMPLETE, UPDATE_EXECUTED,
        UPDATE_POST_ACTION_COMPLETE, UPDATE_PREPARED, UPDATED,
    },
};

/// A wanted condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its type.
    pub type_: ConditionType,
    /// Its status.
    pub status: ConditionStatus,
    /// The reason, for machines.
    pub reason: String,
    /// The message, for people.
    pub message: String,
}

/// One report: about a step and the phase it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The phase.
    pub phase: Said,
    /// The step, if the phase has any.
    pub step: Option<Said>,
}

/// A step of an update performed by the node's daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The daemon found that its node should change; begins a round.
    Needed {
        /// Name of the node.
        node: String,
    },
    /// The change is possible on a running machine.
    Prepared {
        /// Whether it needs a drain.
        drain: bool,
    },
    /// The change is not possible, or it is unknown whether it is.
    NotPrepared {
        /// The node's current config.
        from: String,
        /// The node's desired config.
        to: String,
        /// The reason.
        why: String,
    },
    /// No drain is needed.
    NoDrain,
    /// Files and OS are being written.
    Applying {
        /// Whether the OS changes.
        os: bool,
        /// Whether files or accounts change.
        files: bool,
    },
    /// Files and OS are written.
    Applied {
        /// Whether the OS changed.
        os: bool,
        /// Whether files or accounts changed.
        files: bool,
    },
    /// The machine reboots.
    Rebooting,
    /// The machine is back.
    Rebooted,
    /// No reboot and no service restart follows.
    NoAction,
    /// The update was carried out.
    Succeeded {
        /// Name of the node.
        node: String,
    },
    /// The update failed.
    Failed {
        /// Name of the node.
        node: String,
        /// Why.
        why: String,
    },
    /// The daemon is idle again.
    Resumed {
        /// The node's current config.
        config: String,
    },
    /// The node runs its desired config; ends a round.
    Updated {
        /// Name of the node.
        node: String,
    },
}

impl Step {
    /// The conditions for it.
    #[must_use]
    pub fn report(&self) -> Report {
        match self {
            Self::Needed { node } => phase(UPDATED, FALSE, format!("Node {node} needs an update")),
            Self::Updated { node } => phase(UPDATED, TRUE, format!("Node {node} Updated")),
            Self::Prepared { drain } => {
                let text = format!("Update Compatible. Post Cfg Actions: [] Drain Required: {drain}");
                phase(UPDATE_PREPARED, TRUE, text)
            }
            Self::NotPrepared { from, to, why } => phase(
                UPDATE_PREPARED,
                UNKNOWN,
                format!(
                    "Update Failed compatibility validation. MachineConfigs {from} and {to} are not compatible. Err: {why}"
                ),
            ),
            Self::NoDrain => {
                let text = "Node Drain Not required for this update.";
                executed(UNKNOWN, text, said(DRAINED, FALSE, text))
            }
            Self::Applying { os, files } => executed(
                UNKNOWN,
                "Updating the Files and OS on disk as a part of the in progress phase",
                said(APPLIED_FILES_AND_OS, UNKNOWN, &applied("Applying", "will", *os, *files)),
            ),
            Self::Applied { os, files } => executed(
                TRUE,
                "Updated the Files and OS on disk as a part of the in progress phase",
                said(APPLIED_FILES_AND_OS, TRUE, &applied("Applied", "did", *os, *files)),
            ),
            Self::Rebooting => phase(REBOOTED_NODE, UNKNOWN, "Upgrade requires a reboot.".to_owned()),
            Self::Rebooted => phase(REBOOTED_NODE, TRUE, "Node has rebooted".to_owned()),
            Self::NoAction => {
                let text = "Changes do not require a reboot".to_owned();
                let mut report = phase(UPDATE_POST_ACTION_COMPLETE, TRUE, text);
                "None".clone_into(&mut report.phase.reason);
                report
            }
            Self::Succeeded { node } => phase(NODE_DEGRADED, FALSE, format!("Node {node} upgrade succeeded")),
            Self::Failed { node, why } => phase(NODE_DEGRADED, TRUE, format!("Node {node} upgrade failure. {why}")),
            Self::Resumed { config } => phase(
                RESUMED,
                TRUE,
                format!("In desired config {config}. Resumed normal operations. Applying proper annotations."),
            ),
        }
    }
}

impl Said {
    pub(super) fn condition(&self, now: Timestamp) -> MetaCondition {
        MetaCondition {
            type_: self.type_.into(),
            status: self.status.into(),
            reason: self.reason.clone(),
            message: self.message.clone(),
            last_transition_time: Some(Time(now)),
            ..MetaCondition::default()
        }
    }

    /// Whether a condition is the same, ignoring its reason.
    pub(super) fn is_said_by(&self, condition: &MetaCondition) -> bool {
        condition.type_ == self.type_ && condition.status == self.status && condition.message == self.message
    }
}

pub(super) fn said(type_: ConditionType, status: ConditionStatus, message: &str) -> Said {
    Said { type_, status, reason: String::new(), message: message.to_owned() }
}

fn phase(type_: ConditionType, status: ConditionStatus, message: String) -> Report {
    Report { phase: Said { type_, status, reason: type_.into(), message }, step: None }
}

pub(super) fn executed(status: ConditionStatus, message: &str, step: Said) -> Report {
    of_phase(UPDATE_EXECUTED, status, message, step)
}

pub(super) fn completed(status: ConditionStatus, message: &str, step: Said) -> Report {
    of_phase(UPDATE_COMPLETE, status, message, step)
}

fn of_phase(type_: ConditionType, status: ConditionStatus, message: &str, mut step: Said) -> Report {
    let phase = Said { type_, status, reason: step.type_.into(), message: message.to_owned() };
    step.reason = format!("{type_}{}", step.type_);
    Report { phase, step: Some(step) }
}

/// The reference inserts an empty word where something is required, which leaves two spaces.
fn applied(verb: &str, tense: &str, os: bool, files: bool) -> String {
    let not = |needed: bool| if needed { "" } else { "not" };
    format!(
        "{verb} files and new OS config to node. OS {tense} {} need an update. SSH Keys {tense} {} need an update",
        not(os),
        not(files)
    )
}
