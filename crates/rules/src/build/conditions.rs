//! What a MachineOSBuild says, and when it may be changed.
//!
//! R-BUILDCONDITIONS-1 Five conditions, of which one at most is True: Prepared, Building, Failed, Interrupted, Succeeded.
//! R-BUILDCONDITIONS-2 Failed, Interrupted and Succeeded are final: the API refuses every later change.
//! R-BUILDCONDITIONS-3 A build goes forward only: prepared, building, final. A status that says the same, or an earlier state, is not
//! written.
//! R-BUILDCONDITIONS-4 A failed build says which step failed and what it last printed, until a build succeeds. (The
//! reference says that it failed.)
//! R-BUILDCONDITIONS-5 A condition that changed moves to the end of the list; its transition time changes with its status only.
//!
//! Source: `pkg/apihelpers` and `pkg/controller/build` of github.com/openshift/machine-config-operator; "MachineOSBuild"
//! of the API reference.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use weir_api::{
    MachineOSBuild,
    condition::{ConditionStatus, MetaCondition, TRUE},
    keys::os_build::{BUILDING, FAILED, INTERRUPTED, PREPARED, READY, SUCCEEDED},
};

/// How far a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nothing has started.
    Initial,
    /// Its Job is there.
    Prepared,
    /// Its Job runs.
    Building,
    /// Its Job failed for good.
    Failed,
    /// Its Job was deleted.
    Interrupted,
    /// The image is there.
    Succeeded,
}

/// Type, reason and message of each condition, in order.
const CONDITIONS: [(State, &str, &str, &str); 5] = [
    (State::Prepared, PREPARED, PREPARED, "Build Prepared and Pending"),
    (State::Building, BUILDING, BUILDING, "Image Build In Progress"),
    (State::Failed, FAILED, FAILED, "Build Failed"),
    (State::Interrupted, INTERRUPTED, INTERRUPTED, "Build Interrupted"),
    (State::Succeeded, SUCCEEDED, READY, "Build Ready"),
];
/// Longest message of a condition.
const LONGEST_MESSAGE: usize = 32_768;

impl State {
    /// What a build says.
    #[must_use]
    pub fn of(build: &MachineOSBuild) -> Self {
        let said = build.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let first = |type_: &str| said.iter().find(|condition| condition.type_ == type_);
        let says = |type_: &str| first(type_).is_some_and(|condition| condition.status == TRUE);
        let found = CONDITIONS.iter().find(|(_, type_, ..)| says(type_));
        found.map_or(Self::Initial, |(state, ..)| *state)
    }

    /// Whether a Job is on its way.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Prepared | Self::Building)
    }

    /// Whether it stays so.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Failed | Self::Interrupted | Self::Succeeded)
    }

    /// Whether a build in this state is to be written as being in that one (R-BUILDCONDITIONS-3). `unsaid` is whether it
    /// has no conditions at all.
    #[must_use]
    pub fn may_become(self, next: Self, unsaid: bool) -> bool {
        match (self, next) {
            (Self::Initial, Self::Initial) => unsaid,
            (old, _) if old.is_final() => false,
            (old, new) => new > old,
        }
    }
}

/// The conditions of a build that is now in this state; `detail` replaces the message of the one that is True.
#[must_use]
pub fn conditions(before: &[MetaCondition], state: State, detail: Option<&str>, now: Timestamp) -> Vec<MetaCondition> {
    let mut all = before.to_vec();
    for (of, type_, reason, message) in CONDITIONS {
        let message = detail.filter(|_| of == state).map_or(message, |detail| shortened(detail));
        set(&mut all, type_, (of == state).into(), reason, message, now);
    }
    all
}

/// Puts a condition into the list (R-BUILDCONDITIONS-5).
pub(super) fn set(
    all: &mut Vec<MetaCondition>,
    type_: &str,
    status: ConditionStatus,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let old = all.iter().find(|condition| condition.type_ == type_);
    if old.is_some_and(|old| old.status == status && old.reason == reason && old.message == message) {
        return;
    }
    let kept = old.filter(|old| old.status == status).and_then(|old| old.last_transition_time.clone());
    let mut next = old.cloned().unwrap_or_default();
    all.retain(|condition| condition.type_ != type_);
    type_.clone_into(&mut next.type_);
    next.status = status.into();
    reason.clone_into(&mut next.reason);
    message.clone_into(&mut next.message);
    next.last_transition_time = Some(kept.unwrap_or(Time(now)));
    all.push(next);
}

/// The end of a text that is too long: what a program prints last says most.
fn shortened(text: &str) -> &str {
    let start = text.len().saturating_sub(LONGEST_MESSAGE);
    let start = (start..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_api::machine_os_build::{MachineOSBuildSpec, MachineOSBuildStatus};

    const STATES: [State; 6] =
        [State::Initial, State::Prepared, State::Building, State::Failed, State::Interrupted, State::Succeeded];

    fn build(conditions: Vec<MetaCondition>) -> MachineOSBuild {
        let mut build = MachineOSBuild::named("b", MachineOSBuildSpec::default());
        build.status = Some(MachineOSBuildStatus { conditions: Some(conditions), ..Default::default() });
        build
    }

    #[test]
    fn one_at_most_is_true_and_it_is_read_back() {
        for state in STATES {
            let all = conditions(&[], state, None, Timestamp::UNIX_EPOCH);
            let order: Vec<&str> = all.iter().map(|condition| condition.type_.as_str()).collect();
            assert_eq!(order, [PREPARED, BUILDING, FAILED, INTERRUPTED, SUCCEEDED]);
            assert_eq!(State::of(&build(all)), state);
        }
        assert_eq!(State::of(&MachineOSBuild::named("b", MachineOSBuildSpec::default())), State::Initial);
    }

    #[test]
    fn what_changes_moves_to_the_end_and_its_time_with_its_status() {
        let later = Timestamp::from_second(9).unwrap();
        let first = conditions(&[], State::Prepared, None, Timestamp::UNIX_EPOCH);
        assert_eq!(conditions(&first, State::Prepared, None, later), first);
        let next = conditions(&first, State::Failed, Some("step 3: no such package"), later);
        let said: Vec<_> =
            next.iter().map(|c| (c.type_.as_str(), c.last_transition_time.as_ref().unwrap().0.as_second())).collect();
        assert_eq!(said, [(BUILDING, 0), (INTERRUPTED, 0), (SUCCEEDED, 0), (PREPARED, 9), (FAILED, 9)]);
        assert_eq!((next[4].message.as_str(), next[4].reason.as_str()), ("step 3: no such package", FAILED));
        let long = format!("ä{}", "x".repeat(LONGEST_MESSAGE - 1));
        assert_eq!(shortened(&long).len(), LONGEST_MESSAGE - 1);
    }

    #[test]
    fn builds_go_forward_only() {
        let allowed = |old: State, new: State| match (old, new) {
            (State::Initial, new) => new != State::Initial,
            (State::Prepared, new) => new == State::Building || new.is_final(),
            (State::Building, new) => new.is_final(),
            _ => false,
        };
        for old in STATES {
            for new in STATES {
                assert_eq!(old.may_become(new, false), allowed(old, new), "{old:?} {new:?}");
            }
        }
        assert!(State::Initial.may_become(State::Initial, true));
    }
}
