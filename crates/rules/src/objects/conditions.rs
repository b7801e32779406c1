//! How a list of conditions changes.
//!
//! R-CONDITIONS-1 A condition that already says the same stays where it is, with its transition time.
//! R-CONDITIONS-2 A changed one is removed, with every other of its type, and appended.
//! R-CONDITIONS-3 The transition time changes only when `status` changes its value.
//!
//! Source: `pkg/apihelpers/apihelpers.go` of github.com/openshift/machine-config-operator.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use weir_api::{
    Condition,
    condition::{ConditionStatus, ConditionType},
};

/// The wanted condition, without its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// Its type.
    pub type_: ConditionType,
    /// Its status.
    pub status: ConditionStatus,
    /// A word for machines; may be empty.
    pub reason: &'a str,
    /// A sentence for people; may be empty.
    pub message: &'a str,
}

/// Sets the condition in the list; true when that changed anything.
pub fn set_condition(conditions: &mut Vec<Condition>, said: Said<'_>, now: Timestamp) -> bool {
    let old = conditions.iter().rfind(|c| c.type_ == said.type_);
    if old.is_some_and(|c| c.status == said.status && c.reason == said.reason && c.message == said.message) {
        return false;
    }
    let kept = old.filter(|c| c.status == said.status).map(|c| c.last_transition_time.clone());
    let last_transition_time = kept.unwrap_or(Some(Time(now)));
    let other = old.map(|c| c.other.clone()).unwrap_or_default();
    conditions.retain(|c| c.type_ != said.type_);
    conditions.push(Condition {
        type_: said.type_.into(),
        status: said.status.into(),
        last_transition_time,
        reason: said.reason.to_owned(),
        message: said.message.to_owned(),
        other,
    });
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Timestamp = Timestamp::UNIX_EPOCH;

    fn said<'a>(type_: &'static str, holds: bool, message: &'a str) -> Said<'a> {
        Said { type_: ConditionType::new(type_), status: holds.into(), reason: "", message }
    }

    fn names(conditions: &[Condition]) -> Vec<(&str, &str, i64)> {
        let time = |c: &Condition| c.last_transition_time.as_ref().map_or(-1, |t| t.0.as_second());
        conditions.iter().map(|c| (c.type_.as_str(), c.message.as_str(), time(c))).collect()
    }

    #[test]
    fn time_moves_only_on_a_flip_and_order_shows_what_changed() {
        let later = Timestamp::from_second(100).unwrap();
        let mut list = Vec::new();
        assert!(set_condition(&mut list, said("A", true, "a"), OLD));
        assert!(set_condition(&mut list, said("B", true, "b"), OLD));
        assert!(!set_condition(&mut list, said("A", true, "a"), later));
        assert_eq!(names(&list), [("A", "a", 0), ("B", "b", 0)]);
        assert!(set_condition(&mut list, said("A", true, "other"), later));
        assert_eq!(names(&list), [("B", "b", 0), ("A", "other", 0)]);
        assert!(set_condition(&mut list, said("B", false, "b"), later));
        assert_eq!(names(&list), [("A", "other", 0), ("B", "b", 100)]);
    }

    #[test]
    fn duplicates_end_up_as_one() {
        let one = |message: &str| Condition {
            type_: "A".into(),
            status: "True".into(),
            message: message.into(),
            ..Condition::default()
        };
        let mut list = vec![one("first"), one("last")];
        assert!(!set_condition(&mut list, said("A", true, "last"), OLD));
        assert_eq!(list.len(), 2);
        assert!(set_condition(&mut list, said("A", true, "first"), OLD));
        assert_eq!(list.len(), 1);
    }
}
