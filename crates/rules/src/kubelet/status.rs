//! What a KubeletConfig's status reports.
//!
//! R-KUBELET-STATUS-1 `Accepted` is `True` with `Success`, or `False` with the error. The last three different ones stay.
//! R-KUBELET-STATUS-2 They are followed by the older form of the last one: `Success` or `Failure`, both of which are `True`.
//! R-KUBELET-STATUS-3 A status that already says the same is not written again.
//!
//! Source: `syncStatusOnly` in `pkg/controller/kubelet-config/kubelet_config_controller.go` and `wrapErrorWithCondition` in
//! `helpers.go` beside it, of github.com/openshift/machine-config-operator. R-KUBELET-STATUS-3 is ours.

use super::KubeletError;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use weir_api::{
    Condition, KubeletConfig,
    condition::{ConditionStatus, ConditionType, TRUE},
    keys::generated::{ACCEPTED, FAILURE, SUCCESS},
    kubelet_config::KubeletConfigStatus,
};

/// Maximum number of conditions of the newer form.
const KEPT: usize = 3;

/// The status to write; absent if the object has it already.
#[must_use]
pub fn status(config: &KubeletConfig, error: Option<&KubeletError>, now: Timestamp) -> Option<KubeletConfigStatus> {
    let (is_accepted, message) = match error {
        None => (true, "Success".to_owned()),
        Some(error @ KubeletError::Name(_)) => (false, format!("could not get kubelet config key: {error}")),
        Some(error) => (false, format!("Error: {error}")),
    };
    let mut status = config.status.clone().unwrap_or_default();
    let found = status.conditions.take().unwrap_or_default();
    let says_it = |condition: &Condition| condition.message == message;
    let twin = if is_accepted { SUCCESS } else { FAILURE };
    let is_there = found.last().is_some_and(|last| last.type_ == twin && says_it(last))
        && found.iter().rfind(|condition| condition.type_ == ACCEPTED).is_some_and(says_it)
        && status.observed_generation == config.metadata.generation;
    if is_there {
        return None;
    }
    let new = |type_: ConditionType, status: ConditionStatus| Condition {
        type_: type_.into(),
        status: status.into(),
        last_transition_time: Some(Time(now)),
        message: message.clone(),
        ..Condition::default()
    };
    let mut conditions: Vec<Condition> =
        found.into_iter().filter(|condition| condition.type_ != SUCCESS && condition.type_ != FAILURE).collect();
    match conditions.last_mut() {
        Some(last) if says_it(last) => last.last_transition_time = Some(Time(now)),
        _ => conditions.push(new(ACCEPTED, is_accepted.into())),
    }
    conditions.drain(..conditions.len().saturating_sub(KEPT));
    conditions.push(new(twin, TRUE));
    status.observed_generation = config.metadata.generation;
    status.conditions = Some(conditions);
    Some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_of_three_and_the_older_form_of_the_last() {
        let mut config = KubeletConfig::named("k", Default::default());
        config.metadata.generation = Some(1);
        let mut say = |error: Option<&KubeletError>| {
            let new = status(&config, error, Timestamp::UNIX_EPOCH);
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
}
