//! Amounts that are only text in a kubelet's configuration, and what kubelets make of them.
//!
//! R-AMOUNTS-1 Thresholds of evictions are quantities above zero or percentages up to 100%; 0% and 100% switch a threshold off. What
//! is to be reclaimed at least is a quantity or a percentage, and reservations are quantities; neither is negative. Grace periods are
//! durations, not negative.
//! R-AMOUNTS-2 What is none of it is only reported: the file has to stay as the reference writes it, because every changed byte
//! reboots nodes.
//!
//! Source: `parseThresholdStatement` and `parseMinimumReclaims` in `pkg/kubelet/eviction/helpers.go` and `parseResourceList` in
//! `cmd/kubelet/app/server.go` of github.com/kubernetes/kubernetes: a kubelet with such a value does not start. Reporting it is ours.

use super::settings::Settings;
use crate::generated::{duration, quantity::Quantity};
use serde_json::Value;

/// What kind of amount a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amount {
    Threshold,
    Reclaimed,
    Reserved,
    Period,
}

/// Fields with amounts, by key.
const FIELDS: [(&str, Amount); 6] = [
    ("evictionHard", Amount::Threshold),
    ("evictionSoft", Amount::Threshold),
    ("evictionMinimumReclaim", Amount::Reclaimed),
    ("evictionSoftGracePeriod", Amount::Period),
    ("kubeReserved", Amount::Reserved),
    ("systemReserved", Amount::Reserved),
];

/// A value with which kubelets do not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadAmount {
    /// Path of the field, with dots.
    pub field: String,
    /// The given value.
    pub found: String,
    /// What it has to be.
    pub expected: &'static str,
}

/// All such values, by field and key.
#[must_use]
pub fn bad_amounts(settings: &Settings) -> Vec<BadAmount> {
    let mut bad = Vec::new();
    for (field, amount) in FIELDS {
        for (key, value) in settings.0.get(field).and_then(Value::as_object).into_iter().flatten() {
            let found = value.as_str().unwrap_or_default();
            if !amount.is(found) {
                bad.push(BadAmount {
                    field: format!("{field}.{key}"),
                    found: found.to_owned(),
                    expected: amount.expected(),
                });
            }
        }
    }
    bad
}

impl Amount {
    fn is(self, text: &str) -> bool {
        match (self, text.strip_suffix('%')) {
            (Self::Period, _) => duration::parse(text).is_some_and(|period| period >= 0),
            (Self::Reserved, _) => quantity(text).is_some_and(|quantity| !quantity.is_negative()),
            (Self::Threshold | Self::Reclaimed, Some(number)) => {
                number.parse::<f32>().is_ok_and(|percentage| (0.0..=100.0).contains(&percentage))
            }
            (Self::Threshold, None) => quantity(text).is_some_and(|quantity| quantity.rounded_up() > 0),
            (Self::Reclaimed, None) => quantity(text).is_some_and(|quantity| !quantity.is_negative()),
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Threshold => "quantity above zero such as 500Mi, or percentage such as 10%",
            Self::Reclaimed => "quantity such as 500Mi, or percentage such as 10%",
            Self::Reserved => "quantity such as 500m or 1Gi",
            Self::Period => "duration such as 1m30s",
        }
    }
}

fn quantity(text: &str) -> Option<Quantity> {
    Quantity::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubelet::{fields::V5_0, settings::read};
    use serde_json::json;

    fn bad(value: Value) -> Vec<String> {
        let settings = read(&value, V5_0).unwrap().settings;
        bad_amounts(&settings)
            .into_iter()
            .map(|bad| format!("{} {:?} {}", bad.field, bad.found, bad.expected))
            .collect()
    }

    #[test]
    fn what_kubelets_start_with_is_fine() {
        for value in [
            json!({"evictionHard": {"memory.available": "100Mi", "nodefs.available": "10%", "imagefs.available": "0%"}}),
            json!({"evictionSoft": {"memory.available": "1.5Gi"}, "evictionSoftGracePeriod": {"memory.available": "1m30s"}}),
            json!({"evictionMinimumReclaim": {"memory.available": "0Mi", "nodefs.available": "2.5%"}}),
            json!({"systemReserved": {"cpu": "500m", "memory": "1Gi"}, "kubeReserved": {"cpu": "0"}}),
            json!({"maxPods": 5}),
        ] {
            assert_eq!(bad(value.clone()), Vec::<String>::new(), "{value}");
        }
    }

    #[test]
    fn what_they_do_not_start_with_is_named() {
        let threshold = "quantity above zero such as 500Mi, or percentage such as 10%";
        for (value, expected) in [
            (
                json!({"evictionHard": {"memory.available": "100MB", "nodefs.available": "-5%", "pid.available": "0"}}),
                vec![
                    format!("evictionHard.memory.available \"100MB\" {threshold}"),
                    format!("evictionHard.nodefs.available \"-5%\" {threshold}"),
                    format!("evictionHard.pid.available \"0\" {threshold}"),
                ],
            ),
            (
                json!({"evictionSoft": {"a": "101%", "b": "ten%", "c": ""}}),
                ["a \"101%\"", "b \"ten%\"", "c \"\""].map(|at| format!("evictionSoft.{at} {threshold}")).to_vec(),
            ),
            (
                json!({"evictionMinimumReclaim": {"a": "-1Mi"}}),
                vec!["evictionMinimumReclaim.a \"-1Mi\" quantity such as 500Mi, or percentage such as 10%".to_owned()],
            ),
            (
                json!({"evictionSoftGracePeriod": {"a": "90"}}),
                vec!["evictionSoftGracePeriod.a \"90\" duration such as 1m30s".to_owned()],
            ),
            (
                json!({"systemReserved": {"cpu": "half"}}),
                vec!["systemReserved.cpu \"half\" quantity such as 500m or 1Gi".to_owned()],
            ),
        ] {
            assert_eq!(bad(value), expected);
        }
    }
}
