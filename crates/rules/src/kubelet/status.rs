//! What a KubeletConfig's status reports.
//!
//! R-KUBELET-STATUS-1 `Accepted` is `True` with `Success`, or `False` with the error. The last three different ones stay.
//! R-KUBELET-STATUS-2 They are followed by the older form of the last one: `Success` or `Failure`, both of which are `True`.
//! R-KUBELET-STATUS-3 Warnings are one condition, `Warning`, in front of these: others read the last one. It is absent while there are
//! none.
//! R-KUBELET-STATUS-4 A status that already says the same is not written again.
//!
//! Source: `syncStatusOnly` in `pkg/controller/kubelet-config/kubelet_config_controller.go` and `wrapErrorWithCondition` in
//! `helpers.go` beside it, of github.com/openshift/machine-config-operator. R-KUBELET-STATUS-3 and 4 are ours.

use super::{KubeletError, Warning};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use weir_api::{
    Condition, KubeletConfig,
    condition::{ConditionStatus, ConditionType, TRUE},
    keys::generated::{ACCEPTED, FAILURE, SUCCESS, WARNING},
    kubelet_config::KubeletConfigStatus,
};

/// Maximum number of conditions of the newer form.
const KEPT: usize = 3;
/// Maximum number of warnings in a condition.
const QUOTED: usize = 5;

/// The status to write; absent if the object has it already.
#[must_use]
pub fn status(
    config: &KubeletConfig,
    error: Option<&KubeletError>,
    warnings: &[Warning],
    now: Timestamp,
) -> Option<KubeletConfigStatus> {
    let (is_accepted, message) = match error {
        None => (true, "Success".to_owned()),
        Some(error @ KubeletError::Name(_)) => (false, format!("could not get kubelet config key: {error}")),
        Some(error) => (false, format!("Error: {error}")),
    };
    let warned = warned(warnings);
    let mut status = config.status.clone().unwrap_or_default();
    let all = status.conditions.take().unwrap_or_default();
    let (before, mut conditions): (Vec<_>, Vec<_>) = all.into_iter().partition(|held| held.type_ == WARNING);
    let says_it = |condition: &Condition| condition.message == message;
    let twin = if is_accepted { SUCCESS } else { FAILURE };
    let is_there = conditions.last().is_some_and(|last| last.type_ == twin && says_it(last))
        && conditions.iter().rfind(|condition| condition.type_ == ACCEPTED).is_some_and(says_it)
        && status.observed_generation == config.metadata.generation;
    if is_there && before.first().map(|held| &held.message) == warned.as_ref() {
        return None;
    }
    let new = |type_: ConditionType, status: ConditionStatus, message: &str| Condition {
        type_: type_.into(),
        status: status.into(),
        last_transition_time: Some(Time(now)),
        message: message.to_owned(),
        ..Condition::default()
    };
    if !is_there {
        conditions.retain(|condition| condition.type_ != SUCCESS && condition.type_ != FAILURE);
        match conditions.last_mut() {
            Some(last) if says_it(last) => last.last_transition_time = Some(Time(now)),
            _ => conditions.push(new(ACCEPTED, is_accepted.into(), &message)),
        }
        conditions.drain(..conditions.len().saturating_sub(KEPT));
        conditions.push(new(twin, TRUE, &message));
    }
    if let Some(warned) = warned {
        let mut warning = new(WARNING, TRUE, &warned);
        if let Some(held) = before.into_iter().next() {
            warning.last_transition_time = held.last_transition_time;
        }
        conditions.insert(0, warning);
    }
    status.observed_generation = config.metadata.generation;
    status.conditions = Some(conditions);
    Some(status)
}

/// What `Warning` says; absent if there is nothing to say.
fn warned(warnings: &[Warning]) -> Option<String> {
    let all: Vec<String> = warnings.iter().filter(|warning| warning.stays()).map(ToString::to_string).collect();
    let (said, more) = all.split_at(all.len().min(QUOTED));
    let more = if more.is_empty() { String::new() } else { format!("; and {} more", more.len()) };
    (!said.is_empty()).then(|| said.join("; ") + &more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_of_three_and_the_older_form_of_the_last() {
        let mut config = KubeletConfig::named("k", Default::default());
        config.metadata.generation = Some(1);
        let mut say = |error: Option<&KubeletError>| {
            let new = status(&config, error, &[], Timestamp::UNIX_EPOCH);
            let changed = new.is_some();
            config.status = new.or(config.status.take());
            let conditions = config.status.as_ref().unwrap().conditions.as_ref().unwrap();
            let types: Vec<String> = conditions.iter().map(|c| format!("{} {}", c.type_, c.status)).collect();
            (changed, types.join(", "))
        };
        let levels = [11, 12, 13].map(KubeletError::LogLevel);
        assert_eq!(say(Some(&levels[0])), (true, "Accepted False, Failure True".to_owned()));
        assert_eq!(say(Some(&levels[0])), (false, "Accepted False, Failure True".to_owned()));
        assert_eq!(say(Some(&levels[1])).1, "Accepted False, Accepted False, Failure True");
        assert_eq!(say(Some(&levels[2])).1, "Accepted False, Accepted False, Accepted False, Failure True");
        assert_eq!(say(None), (true, "Accepted False, Accepted False, Accepted True, Success True".to_owned()));
    }

    #[test]
    fn warnings_come_first_and_go_and_change_nothing_else() {
        let mut config = KubeletConfig::named("k", Default::default());
        config.metadata.generation = Some(1);
        let mut say = |warnings: &[Warning], second: i64| {
            let new = status(&config, None, warnings, Timestamp::from_second(second).unwrap());
            let changed = new.is_some();
            config.status = new.or(config.status.take());
            let conditions = config.status.clone().unwrap().conditions.unwrap();
            let all =
                conditions.iter().map(|c| (c.type_.clone(), c.last_transition_time.clone().unwrap().0.as_second()));
            (changed, all.collect::<Vec<_>>(), conditions[0].message.clone())
        };
        let unknown = |count: usize| (0..count).map(|n| Warning::Unknown(format!("f{n}"))).collect::<Vec<_>>();
        let held = |first: &[(&str, i64)]| {
            let all = first.iter().chain(&[("Accepted", 1), ("Success", 1)]);
            all.map(|(type_, at)| ((*type_).to_owned(), *at)).collect::<Vec<_>>()
        };
        assert_eq!(say(&[Warning::Adopted("m".to_owned())], 1).1, held(&[]));
        assert_eq!(say(&unknown(1), 2).1, held(&[("Warning", 2)]));
        assert!(!say(&unknown(1), 3).0);
        let (changed, all, message) = say(&unknown(7), 4);
        assert!(changed && message.ends_with("; and 2 more") && message.contains("spec.kubeletConfig.f4"), "{message}");
        assert_eq!(all, held(&[("Warning", 2)]));
        assert_eq!(say(&[], 5).1, held(&[]));
    }
}
