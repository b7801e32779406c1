//! What was tried before: kept by the caller between two decisions, lost without harm.

use super::Stage;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What was tried on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Evictions that were asked for, by the pod's uid.
    pub pods: BTreeMap<String, Asked>,
    /// The write of the node that failed last; absent once one succeeded.
    pub write: Option<FailedWrite>,
    /// What the user was last told, and when.
    pub told: Option<(Stage, Timestamp)>,
}

/// An eviction that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When for the first time since it last was accepted.
    pub first: Timestamp,
    /// When for the last time.
    pub last: Timestamp,
    /// What the API server answered to that.
    pub answer: Answer,
}

/// What the API server answered to an eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The pod goes, or is gone.
    Accepted,
    /// Not now (429, or its namespace is being deleted), in the server's words.
    Refused(String),
    /// It could not be carried out, in the server's words.
    Failed(String),
}

/// A write that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedWrite {
    /// When.
    pub at: Timestamp,
    /// How many in a row, at least 1.
    pub times: u32,
    /// Why.
    pub said: String,
}

impl Tried {
    /// What the API server last answered about a pod.
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

    /// Notes how a write of the node ended.
    pub fn written(&mut self, outcome: Result<(), String>, now: Timestamp) {
        let times = self.write.as_ref().map_or(0, |failed| failed.times);
        self.write = outcome.err().map(|said| FailedWrite { at: now, times: times.saturating_add(1), said });
    }

    /// Forgets pods that are gone.
    pub fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.pods.retain(|uid, _| is_there(uid));
    }
}
