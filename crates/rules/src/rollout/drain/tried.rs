//! Earlier attempts, kept by the caller between two decisions. Losing them does no harm.

use super::Stage;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What was tried on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Evictions that were requested, by the pod's uid.
    pub pods: BTreeMap<String, Asked>,
    /// The last failed write of the node; absent once one succeeded.
    pub write: Option<FailedWrite>,
    /// What was last reported to users: the stage, when, and what was in the way.
    pub told: Option<(Stage, Timestamp, String)>,
}

/// An eviction that was requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When it was first requested since the last one that was accepted.
    pub first: Timestamp,
    /// When it was last requested.
    pub last: Timestamp,
    /// The API server's answer to that.
    pub answer: Answer,
}

/// The API server's answer to an eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The pod is going, or gone.
    Accepted,
    /// Not now, because of a disruption budget, with the server's message.
    Blocked(String),
    /// Not now (429, or its namespace is being deleted), with the server's message.
    Refused(String),
    /// There was none: the server did not get it, or was not heard; with what went wrong.
    Unanswered(String),
    /// It could not be carried out, with the server's message.
    Failed(String),
}

impl Answer {
    /// Whether the pod may be stopping because of it.
    #[must_use]
    pub fn may_stop(&self) -> bool {
        matches!(self, Self::Accepted | Self::Unanswered(_))
    }
}

/// A write that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedWrite {
    /// When.
    pub at: Timestamp,
    /// Number of failures in a row, at least 1.
    pub times: u32,
    /// Why.
    pub said: String,
}

impl Tried {
    /// The API server's last answer about a pod.
    #[must_use]
    pub fn answer(&self, uid: &str) -> Option<&Answer> {
        self.pods.get(uid).map(|asked| &asked.answer)
    }

    /// Notes an eviction.
    pub fn evicted(&mut self, uid: &str, answer: Answer, now: Timestamp) {
        let before = self.pods.get(uid).filter(|asked| asked.answer != Answer::Accepted);
        let first = before.map_or(now, |asked| asked.first);
        self.pods.insert(uid.to_owned(), Asked { first, last: now, answer });
    }

    /// Records the outcome of a write of the node.
    pub fn written(&mut self, outcome: Result<(), String>, now: Timestamp) {
        let times = self.write.as_ref().map_or(0, |failed| failed.times);
        self.write = outcome.err().map(|said| FailedWrite { at: now, times: times.saturating_add(1), said });
    }

    /// Forgets pods that are gone.
    pub fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.pods.retain(|uid, _| is_there(uid));
    }
}
