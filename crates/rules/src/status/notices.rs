//! What users of a pool should know although it blocks nothing.
//!
//! R-NOTICE-1 Each notice is a condition of its own, `True` while it holds and absent otherwise: pools without notices look
//! as they do under other controllers.
//! R-NOTICE-2 A new notice is also an event on the pool, unless it is an event on another object.
//! R-NOTICE-3 What one process finds out and another must report is a condition on the pools in the same way; `RenderDegraded` says
//! what it means for the pool.
//! R-NOTICE-4 Who says all this looks again when it reads otherwise than before: another process may have said something else, or a
//! write to which no answer came.
//!
//! All of this is ours.

use crate::{
    objects::conditions::{Said, set_condition},
    render::{generated::StaleGenerated, unsupported},
    stream::StreamReason,
};
use jiff::Timestamp;
use std::fmt;
use weir_api::{
    Condition, MachineConfigPool,
    condition::{ConditionType, TRUE, Typed as _},
    keys::pool::{
        DISTRIBUTION_MISMATCH, GENERATED_CONFIGS_STALE, OS_IMAGE_PINNED, OS_IMAGE_STREAM_NOT_MADE, RENDER_DEGRADED,
        SELECTING_ALL_NODES, SETTINGS_NOT_APPLIED, SETTINGS_REFUSED, STREAM_NAME_IGNORED,
    },
};

/// A notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The name of a stream has no effect; see [`StreamReason::is_notice`].
    Stream(StreamReason),
    /// Settings that select the pool have no effect; which, in the words of [`unsupported::of_pool`].
    Settings(String),
    /// Nothing can be generated from settings that concern the pool; which and why, in the words of
    /// [`refused`](crate::world::generated::refused::refused).
    Refused(String),
    /// Generated configurations do not match the feature gates that are on.
    Generated(StaleGenerated),
    /// An installer pinned its image; which and since when, in a sentence.
    Pinned(String),
    /// Its node selector is empty: it has no nodes, and no status apart from rendering.
    SelectsAllNodes,
    /// The streams of the desired release are unknown; which release and why, in a clause.
    NotMade(String),
    /// Something contradicts the distribution; what, in a clause.
    Mismatch(String),
}

/// Condition types of notices for users.
const TO_USERS: [ConditionType; 6] = [
    STREAM_NAME_IGNORED,
    SETTINGS_NOT_APPLIED,
    SETTINGS_REFUSED,
    GENERATED_CONFIGS_STALE,
    SELECTING_ALL_NODES,
    OS_IMAGE_PINNED,
];
/// Condition types of all notices.
pub const TYPES: [ConditionType; 8] = [
    STREAM_NAME_IGNORED,
    SETTINGS_NOT_APPLIED,
    SETTINGS_REFUSED,
    GENERATED_CONFIGS_STALE,
    SELECTING_ALL_NODES,
    OS_IMAGE_PINNED,
    OS_IMAGE_STREAM_NOT_MADE,
    DISTRIBUTION_MISMATCH,
];

impl Notice {
    /// Type of its condition.
    #[must_use]
    pub fn type_(&self) -> ConditionType {
        match self {
            Self::Stream(_) => STREAM_NAME_IGNORED,
            Self::Settings(_) => SETTINGS_NOT_APPLIED,
            Self::Refused(_) => SETTINGS_REFUSED,
            Self::Generated(_) => GENERATED_CONFIGS_STALE,
            Self::Pinned(_) => OS_IMAGE_PINNED,
            Self::SelectsAllNodes => SELECTING_ALL_NODES,
            Self::NotMade(_) => OS_IMAGE_STREAM_NOT_MADE,
            Self::Mismatch(_) => DISTRIBUTION_MISMATCH,
        }
    }

    /// A word for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stream(reason) => reason.code(),
            Self::Settings(_) => unsupported::CODE,
            Self::SelectsAllNodes => "SelectingAll",
            Self::Pinned(_) => "PreBuiltImage",
            Self::Refused(_) | Self::Generated(_) | Self::NotMade(_) | Self::Mismatch(_) => self.type_().name(),
        }
    }

    /// R-NOTICE-2.
    #[must_use]
    pub fn is_event(&self) -> bool {
        matches!(self, Self::Stream(_) | Self::Generated(_) | Self::SelectsAllNodes | Self::Pinned(_))
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(reason) => reason.fmt(f),
            Self::Settings(said)
            | Self::Refused(said)
            | Self::Pinned(said)
            | Self::NotMade(said)
            | Self::Mismatch(said) => f.write_str(said),
            Self::Generated(stale) => stale.fmt(f),
            // As worded by the reference, `pkg/controller/node/node_controller.go`.
            Self::SelectsAllNodes => {
                f.write_str("This machineconfigpool is selecting all nodes. A non-empty selector is required.")
            }
        }
    }
}

/// Sets exactly these notices in a pool's conditions (R-NOTICE-1); true when that changed them.
pub fn set_notices(conditions: &mut Vec<Condition>, notices: &[Notice], now: Timestamp) -> bool {
    let before = conditions.len();
    conditions.retain(|held| {
        !TYPES.iter().any(|type_| held.type_ == *type_) || notices.iter().any(|notice| held.type_ == notice.type_())
    });
    let mut changed = conditions.len() != before;
    for notice in notices {
        let message = notice.to_string();
        let said = Said { type_: notice.type_(), status: TRUE, reason: notice.code(), message: &message };
        changed |= set_condition(conditions, said, now);
    }
    changed
}

/// Whether a pool says otherwise than before what it is rendered to, or a notice (R-NOTICE-4).
#[must_use]
pub fn is_said_otherwise(before: &MachineConfigPool, now: &MachineConfigPool) -> bool {
    let said = |pool: &MachineConfigPool| -> Vec<Condition> {
        let all = pool.status.iter().filter_map(|status| status.conditions.as_ref()).flatten();
        let is_one =
            |held: &&Condition| held.type_ == RENDER_DEGRADED || TYPES.iter().any(|type_| held.type_ == *type_);
        all.filter(is_one).cloned().collect()
    };
    said(before) != said(now)
}

/// The messages of a pool's notices that its users learn nowhere else.
pub fn held(conditions: &[Condition]) -> impl Iterator<Item = &Condition> {
    conditions.iter().filter(|held| TO_USERS.iter().any(|type_| held.says(*type_, TRUE)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::NamedIn;
    use weir_api::keys::pool::UPDATED;

    #[test]
    fn only_what_is_said_of_rendering_and_notices_is_said_otherwise() {
        let pool = |says: &[(ConditionType, &str)]| -> MachineConfigPool {
            let mut conditions = Vec::new();
            for (type_, message) in says {
                set_condition(
                    &mut conditions,
                    Said { type_: *type_, status: TRUE, reason: "R", message },
                    Timestamp::UNIX_EPOCH,
                );
            }
            serde_json::from_value(serde_json::json!({"metadata": {}, "status": {"conditions": conditions}})).unwrap()
        };
        let before = pool(&[(RENDER_DEGRADED, "a"), (UPDATED, "a"), (OS_IMAGE_PINNED, "a")]);
        for (now, wanted) in [
            (pool(&[(RENDER_DEGRADED, "a"), (UPDATED, "b"), (OS_IMAGE_PINNED, "a")]), false),
            (pool(&[(RENDER_DEGRADED, "b"), (UPDATED, "a"), (OS_IMAGE_PINNED, "a")]), true),
            (pool(&[(RENDER_DEGRADED, "a"), (UPDATED, "a")]), true),
            (pool(&[]), true),
        ] {
            assert_eq!(is_said_otherwise(&before, &now), wanted, "{:?}", now.status);
        }
    }

    fn stale(wanted: &str) -> Notice {
        let (wanted, only) = (wanted.to_owned(), "b".to_owned());
        Notice::Stream(StreamReason::StalePin { wanted, origin: NamedIn::Worker, only, published: true })
    }

    #[test]
    fn notices_come_and_go_and_leave_the_others_alone() {
        let other = Condition { type_: "Updated".to_owned(), status: TRUE.into(), ..Condition::default() };
        let mut conditions = vec![other.clone()];
        let now = Timestamp::UNIX_EPOCH;
        assert!(!set_notices(&mut conditions, &[], now));
        let notices = [stale("a"), Notice::Settings("not applied: x".to_owned())];
        assert!(set_notices(&mut conditions, &notices, now));
        assert!(!set_notices(&mut conditions, &notices, now));
        let said: Vec<_> = held(&conditions).map(|held| (held.reason.as_str(), held.message.as_str())).collect();
        let pin = "b is the only stream there is; the worker pool's spec.osImageStream names \"a\", which an earlier release carried \
                   and this one does not; remove that name from pool worker, or write \"b\" there";
        assert_eq!(said, [("StalePin", pin), ("SettingsNotApplied", "not applied: x")]);
        assert_eq!(notices.each_ref().map(Notice::is_event), [true, false]);
        assert!(set_notices(&mut conditions, &notices[..1], now));
        assert!(set_notices(&mut conditions, &[stale("c")], now));
        assert_eq!(held(&conditions).count(), 1);
        assert!(set_notices(&mut conditions, &[], now));
        assert_eq!(conditions, [other]);
    }
}
