//! Faults injected into machines.
//!
//! A fault acts on occasions: each time a machine reaches the point where the fault applies. It skips the first `after`
//! occasions of each machine, acts on the next `times` (on all that follow, if not given), and never on a machine whose Node has
//! the annotation [`LIFT`].

use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{collections::BTreeMap, fmt, time::Duration};

/// Annotation of a Node, set by a user: while it is present, whatever its value, no fault acts on the machine.
pub const LIFT: &str = "fleet.weir/lift";
/// Annotation of a Node, set by a user: while it is present, whatever its value, the kubelet of the machine says nothing. One that
/// updates goes on with that.
pub const STOPPED: &str = "fleet.weir/stopped";
/// The message of a failing machine, unless the fault has its own.
const REASON: &str = "simulated failure (a fault of the fleet)";

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A pod on the node has a budget that allows no disruption.
    StuckInDrain,
    /// The daemon fails after the drain.
    Degraded,
    /// The machine goes down for its reboot and stays down.
    NeverReturns,
    /// The machine comes back with the OS it had.
    ReturnsOnOldImage,
    /// Every step takes longer.
    Slow,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StuckInDrain => "stuck-in-drain",
            Self::Degraded => "degraded",
            Self::NeverReturns => "never-returns",
            Self::ReturnsOnOldImage => "returns-on-old-image",
            Self::Slow => "slow",
        })
    }
}

/// A fault as written in a file.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Its kind.
    pub fault: Kind,
    /// Names of Nodes; `*` matches any characters.
    #[serde(deserialize_with = "patterns")]
    pub nodes: Vec<String>,
    /// Acts only on the way to an OS whose name this matches; `*` matches any characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// Occasions of each machine to skip first.
    #[serde(default)]
    pub after: u32,
    /// Occasions of each machine on which it then acts; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// How long a machine is stuck or stays away; absent for until lifted.
    #[serde(
        default,
        rename = "for",
        deserialize_with = "time",
        serialize_with = "written",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasts: Option<Duration>,
    /// The message of a degraded machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The factor by which a slow machine's steps take longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
}

/// The faults of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    faults: Vec<Fault>,
}

/// An invalid fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("faults[{index}].{field}: {why}")]
pub struct FaultError {
    /// Position in the list, from 0.
    pub index: usize,
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

impl Faults {
    /// Valid faults.
    ///
    /// # Errors
    /// See [`Self::check`].
    pub fn new(faults: Vec<Fault>) -> Result<Self, FaultError> {
        let faults = Self { faults };
        faults.check().map(|()| faults)
    }

    /// Checks that each fault is valid.
    ///
    /// # Errors
    /// The first that is not, with its position.
    pub fn check(&self) -> Result<(), FaultError> {
        for (index, fault) in self.faults.iter().enumerate() {
            if let Some((field, why)) = fault.odd() {
                return Err(FaultError { index, field, why });
            }
        }
        Ok(())
    }
}

impl Fault {
    fn odd(&self) -> Option<(&'static str, String)> {
        let only = |field, kinds: &[Kind]| (field, format!("is of no use here; it belongs to {kinds:?}"));
        match self.fault {
            _ if self.nodes.is_empty() => Some(("nodes", "names no node".to_owned())),
            _ if self.times == Some(0) => Some(("times", "0 times is never; leave the fault out".to_owned())),
            Kind::Slow if self.factor.is_none() => Some(("factor", "says how slow; it is missing".to_owned())),
            Kind::Slow if self.factor.is_some_and(|factor| !(factor.is_finite() && factor >= 1.0)) => {
                Some(("factor", "is a number from 1 up".to_owned()))
            }
            Kind::Slow if self.os.is_some() => Some(("os", "a slow machine is slow whatever it runs".to_owned())),
            Kind::Slow if self.after > 0 || self.times.is_some() => {
                Some(("times", "a slow machine is slow until it is lifted".to_owned()))
            }
            Kind::Slow if self.lasts.is_some() => Some(only("for", &[Kind::StuckInDrain, Kind::NeverReturns])),
            kind if kind != Kind::Slow && self.factor.is_some() => Some(only("factor", &[Kind::Slow])),
            kind if kind != Kind::Degraded && self.reason.is_some() => Some(only("reason", &[Kind::Degraded])),
            Kind::Degraded | Kind::ReturnsOnOldImage if self.lasts.is_some() => {
                Some(only("for", &[Kind::StuckInDrain, Kind::NeverReturns]))
            }
            _ => None,
        }
    }

    /// The message of a degraded machine.
    pub(crate) fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or(REASON)
    }

    fn meets(&self, kind: Kind, node: &str, os: &str) -> bool {
        self.fault == kind
            && self.nodes.iter().any(|pattern| matches(pattern, node))
            && self.os.as_ref().is_none_or(|pattern| matches(pattern, os))
    }
}

/// Faults, and each machine's count of occasions.
#[derive(Debug, Default)]
pub(crate) struct Occasions {
    faults: Vec<Fault>,
    had: Mutex<BTreeMap<(usize, String), u32>>,
}

impl Occasions {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { faults: faults.faults, had: Mutex::default() }
    }

    /// The fault of this kind that acts on a machine now, on its way to an OS. Call it once per occasion.
    pub(crate) fn act(&self, kind: Kind, node: &str, os: &str) -> Option<&Fault> {
        let mut had = self.had.lock();
        let mut acting = None;
        for (index, fault) in self.faults.iter().enumerate().filter(|(_, fault)| fault.meets(kind, node, os)) {
            let count = had.entry((index, node.to_owned())).or_default();
            let acts = *count >= fault.after && fault.times.is_none_or(|times| *count - fault.after < times);
            *count = count.saturating_add(1);
            acting = acting.or(acts.then_some(fault));
        }
        acting
    }

    /// The factor by which every step of a machine takes longer.
    pub(crate) fn factor(&self, node: &str) -> f64 {
        let slow = self.faults.iter().filter(|fault| fault.meets(Kind::Slow, node, ""));
        slow.filter_map(|fault| fault.factor).fold(1.0, f64::max)
    }
}

/// Whether a text matches a pattern in which `*` matches any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(tail)
}

/// One pattern, or a list of them.
fn patterns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "the name of a node, or a list of names")]
    enum Patterns {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Patterns::deserialize(deserializer)? {
        Patterns::One(pattern) => vec![pattern],
        Patterns::Several(patterns) => patterns,
    })
}

/// A time such as `30s`.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed: Result<jiff::SignedDuration, _> = text.parse();
    let time = parsed.ok().and_then(|time| Duration::try_from(time).ok());
    time.map(Some).ok_or_else(|| D::Error::custom(format!("{text:?} is no time; write one such as 500ms, 30s or 2m")))
}

/// As [`time`] reads it.
fn written<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    let time = time.and_then(|time| jiff::SignedDuration::try_from(time).ok());
    serializer.collect_str(&format_args!("{:#}", time.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn faults(list: Value) -> Faults {
        serde_json::from_value(json!({"faults": list})).unwrap()
    }

    #[test]
    fn a_pattern_stands_for_names() {
        for (pattern, text, wanted) in [
            ("worker-1", "worker-1", true),
            ("worker-1", "worker-10", false),
            ("worker-*", "worker-10", true),
            ("*", "", true),
            ("*-1", "infra-1", true),
            ("w*r-*0", "worker-10", true),
            ("w*r-*0", "worker-11", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_occasions_pass_and_the_last_too() {
        let list = json!([{"fault": "degraded", "nodes": "w*", "after": 1, "times": 2, "os": "*9*"}]);
        let occasions = Occasions::new(faults(list));
        let acts = |node, os| occasions.act(Kind::Degraded, node, os).is_some();
        assert_eq!([(); 5].map(|()| acts("w1", "el9")), [false, true, true, false, false]);
        assert!(!acts("w2", "el9") && acts("w2", "el9"), "each machine has its own occasions");
        assert_eq!([(); 3].map(|()| acts("w3", "el10")), [false; 3]);
        assert!(!acts("m1", "el9") && occasions.act(Kind::NeverReturns, "w1", "el9").is_none());
    }

    #[test]
    fn the_slowest_counts() {
        let list = json!([{"fault": "slow", "nodes": ["a", "b"], "factor": 2}, {"fault": "slow", "nodes": "b", "factor": 3.5}]);
        let occasions = Occasions::new(faults(list));
        assert_eq!(["a", "b", "c"].map(|node| occasions.factor(node)), [2.0, 3.5, 1.0]);
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_place() {
        for (fault, wanted) in [
            (json!({"fault": "degraded", "nodes": []}), "faults[1].nodes: names no node"),
            (
                json!({"fault": "degraded", "nodes": "a", "times": 0}),
                "faults[1].times: 0 times is never; leave the fault out",
            ),
            (json!({"fault": "slow", "nodes": "a"}), "faults[1].factor: says how slow; it is missing"),
            (json!({"fault": "slow", "nodes": "a", "factor": 0.5}), "faults[1].factor: is a number from 1 up"),
            (
                json!({"fault": "degraded", "nodes": "a", "factor": 2}),
                "faults[1].factor: is of no use here; it belongs to [Slow]",
            ),
            (
                json!({"fault": "slow", "nodes": "a", "factor": 2, "reason": "x"}),
                "faults[1].reason: is of no use here; it belongs to [Degraded]",
            ),
            (
                json!({"fault": "degraded", "nodes": "a", "for": "1s"}),
                "faults[1].for: is of no use here; it belongs to [StuckInDrain, NeverReturns]",
            ),
        ] {
            let fine = json!({"fault": "never-returns", "nodes": "x", "for": "30s"});
            assert_eq!(faults(json!([fine, fault])).check().unwrap_err().to_string(), wanted);
        }
    }
}
