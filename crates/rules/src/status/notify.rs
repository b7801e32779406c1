//! Of what happens to rollouts, what others are notified of, and what stands on a pool so that nobody is notified twice.
//!
//! R-NOTIFY-1 A rollout of a pool has begun when a node is on its way to the pool's target, or has reached it, and is done when the pool is
//! updated with it, each when the pool's status says so as well. One that is over before anybody looked has begun and is done. The first
//! configuration of a pool, and one that no node gets, is none.
//! R-NOTIFY-2 It is blocked while nodes have to go, none may start, and none gets any further: the pool is paused, a user has to change
//! something, or what is under way is kept from being drained. Each reason is told once, and again after something moved.
//! R-NOTIFY-3 A pool that becomes degraded is told once, and again when it was not in between; also without a rollout.
//! R-NOTIFY-4 What was told stands on the pool, written after it was delivered: another process goes on with it, and what was delivered
//! without being written is told again with the same id.
//! R-NOTIFY-5 Ids follow from objects alone, by what was told before: two processes that see the same say the same. What a pool did before
//! anybody was to be notified is not told.
//! R-NOTIFY-6 A notification is bounded: of many reasons and nodes the first are named, and long texts are cut short.
//! R-NOTIFY-7 What cannot be delivered is tried again after 2 s, then after twice as long each time, and given up after the eighth
//! attempt: a receiver may be away for some minutes, and what is older than that is no news.

use crate::{
    objects::counted::Count,
    rollout::WaitReason,
    view::Annotations,
    world::explain::{Explained, Health},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{
    MachineConfigPool,
    condition::{ConditionType, find, is_true},
    keys::pool::{DEGRADED, NOTIFIED, UPDATED},
};

/// Attempts at most (R-NOTIFY-7).
pub const TRIES: u32 = 8;
/// Pause after the first attempt that failed. It doubles.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(2);

/// How long to wait after so many attempts that failed, at least one; `None` if there is to be no other (R-NOTIFY-7).
#[must_use]
pub fn retry(failed: u32) -> Option<SignedDuration> {
    (failed < TRIES).then(|| FIRST_PAUSE.saturating_mul(1 << failed.saturating_sub(1)))
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happened {
    /// A rollout has begun.
    Begun,
    /// It gets no further.
    Blocked,
    /// The pool is degraded.
    Degraded,
    /// All nodes run the target.
    Done,
}

impl Happened {
    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Blocked => "blocked",
            Self::Degraded => "degraded",
            Self::Done => "done",
        }
    }
}

/// A notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The same for the same transition, whoever sees it.
    pub id: String,
    /// What happened.
    pub happened: Happened,
    /// The pool.
    pub pool: String,
    /// When, as far as the objects say.
    pub at: Timestamp,
    /// In a sentence.
    pub message: String,
    /// All of it, for programs.
    pub data: Value,
}

/// What was told of a pool, as it stands on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The configuration of the rollout that was told last.
    pub rollout: String,
    /// The one before it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// What was told of it.
    pub told: BTreeSet<String>,
    /// How much was told of the pool so far.
    #[serde(default)]
    pub number: u64,
}

/// One thing to do: to notify of something, if there is a notice, and then to write what was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The notification.
    pub notice: Option<Notice>,
    /// What stands on the pool afterwards.
    pub told: Told,
}

impl Told {
    /// What stands on a pool; absent if nothing does, or it cannot be read.
    #[must_use]
    pub fn of(pool: &MachineConfigPool) -> Option<Self> {
        serde_json::from_str(Annotations::of(&pool.metadata).get(NOTIFIED)?).ok()
    }

    /// The merge patch that writes it.
    #[must_use]
    pub fn patch(&self) -> Value {
        // A struct of texts is always written.
        let text = serde_json::to_string(self).unwrap_or_default();
        json!({"metadata": {"annotations": {NOTIFIED: text}}})
    }

    fn has(&self, what: &str) -> bool {
        self.told.contains(what)
    }
}

/// Reasons and nodes that are named (R-NOTIFY-6).
const NAMED: usize = 20;
/// Characters of a text of somebody else.
const LONGEST: usize = 1_000;

/// What is to be told of a pool now, in order.
#[must_use]
pub fn due(pool: &Explained, object: &MachineConfigPool, now: Timestamp) -> Vec<Step> {
    let looking = Looking { pool, object, now };
    let (before, mut steps) = (Told::of(object), Vec::new());
    let mut told = before.clone().unwrap_or_else(|| looking.at_first());
    let written = looking.is_written(UPDATED);
    let updated = pool.health() == Health::Updated && written;
    let is_new = pool.target != told.rollout && !pool.target.is_empty();
    if is_new && (pool.nodes.is_empty() || pool.former.is_empty() || told.rollout.is_empty()) {
        told = Told { number: told.number, ..looking.at_first() };
    } else if is_new && (updated || (!written && looking.is_going())) {
        let kept = told.told.into_iter().filter(|told| told == "degraded").collect();
        told = Told { rollout: pool.target.clone(), from: told.rollout, told: kept, number: told.number };
        looking.tell(&mut steps, &mut told, Happened::Begun, "begun", &BTreeMap::new());
    }
    let degraded = looking.degraded();
    match (degraded.is_empty(), told.has("degraded")) {
        (false, false) => looking.tell(&mut steps, &mut told, Happened::Degraded, "degraded", &degraded),
        (true, true) => _ = told.told.remove("degraded"),
        _ => {}
    }
    let blocked = looking.blocked();
    let keys: BTreeSet<String> = blocked.keys().map(|code| format!("blocked:{code}")).collect();
    told.told.retain(|told| !told.starts_with("blocked:") || keys.contains(told));
    for (code, cause) in &blocked {
        let key = format!("blocked:{code}");
        if !told.has(&key) {
            let cause = BTreeMap::from([(code.clone(), cause.clone())]);
            looking.tell(&mut steps, &mut told, Happened::Blocked, &key, &cause);
        }
    }
    if updated && pool.target == told.rollout && !told.has("done") {
        looking.tell(&mut steps, &mut told, Happened::Done, "done", &BTreeMap::new());
    }
    let last = steps.last().map_or(before.as_ref(), |step| Some(&step.told));
    if last != Some(&told) {
        steps.push(Step { notice: None, told });
    }
    steps
}

/// A reason: its words, and the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cause {
    text: String,
    nodes: Vec<String>,
}

struct Looking<'a> {
    pool: &'a Explained,
    object: &'a MachineConfigPool,
    now: Timestamp,
}

impl Looking<'_> {
    /// R-NOTIFY-5.
    fn at_first(&self) -> Told {
        let told = ["begun", "done"].map(str::to_owned).into();
        let rests = self.pool.health() == Health::Updated || self.pool.former.is_empty();
        let rollout = if rests { &self.pool.target } else { &self.pool.former };
        Told { rollout: rollout.clone(), told, ..Told::default() }
    }

    /// R-NOTIFY-1.
    fn is_going(&self) -> bool {
        let to_target = |reason: &WaitReason| match reason {
            WaitReason::Updating { config, .. } | WaitReason::Failing { config, .. } => *config == self.pool.target,
            _ => false,
        };
        let reached = self.pool.to_go() < self.pool.nodes.len();
        self.pool.hold.iter().any(|held| to_target(&held.reason)) || (reached && self.pool.former != self.pool.target)
    }

    fn degraded(&self) -> BTreeMap<String, Cause> {
        let cause = |held: &weir_api::Condition| {
            let text = if held.message.is_empty() { &held.reason } else { &held.message };
            (held.type_.to_string(), Cause { text: short(text), nodes: Vec::new() })
        };
        self.pool.causes().into_iter().map(cause).collect()
    }

    /// R-NOTIFY-2.
    fn blocked(&self) -> BTreeMap<String, Cause> {
        let mut causes: BTreeMap<String, Cause> = BTreeMap::new();
        if !self.pool.start.is_empty() || self.pool.unseen.is_some() {
            return causes;
        }
        for held in &self.pool.hold {
            let (code, text) = match &held.reason {
                WaitReason::Updating { blocked, .. } if blocked.is_empty() => return BTreeMap::new(),
                WaitReason::Updating { blocked, .. } => ("DrainBlocked", blocked.clone()),
                WaitReason::PoolPaused => ("PoolPaused", held.reason.to_string()),
                reason if reason.needs_user() => (reason.code(), reason.to_string()),
                _ => continue,
            };
            let cause = causes.entry(code.to_owned()).or_default();
            cause.text = if cause.text.is_empty() { short(&text) } else { std::mem::take(&mut cause.text) };
            if cause.nodes.len() < NAMED {
                cause.nodes.push(held.node.clone());
            }
        }
        causes
    }

    /// Whether the pool's status says so.
    fn is_written(&self, type_: ConditionType) -> bool {
        let conditions = self.object.status.as_ref().and_then(|status| status.conditions.as_deref());
        is_true(conditions.unwrap_or_default(), type_)
    }

    /// When it happened: since when the pool is, or is not, updated or degraded.
    fn at(&self, happened: Happened) -> Timestamp {
        let type_ = if happened == Happened::Degraded { DEGRADED } else { UPDATED };
        let conditions = self.object.status.as_ref().and_then(|status| status.conditions.as_deref());
        let found = find(conditions.unwrap_or_default(), type_).and_then(|found| found.last_transition_time.as_ref());
        found.map_or(self.now, |time| time.0)
    }

    fn tell(
        &self,
        steps: &mut Vec<Step>,
        told: &mut Told,
        happened: Happened,
        key: &str,
        causes: &BTreeMap<String, Cause>,
    ) {
        told.told.insert(key.to_owned());
        let (pool, at) = (self.pool, self.at(happened));
        let uid = self.object.metadata.uid.as_deref().unwrap_or_default();
        let message = self.message(happened, causes);
        let all = pool.nodes.len();
        // Once it is done, the pool comes from where it is.
        let is_of_told = pool.target == told.rollout && !told.from.is_empty();
        let from = if is_of_told { &told.from } else { &pool.former };
        let from_stream = pool.streams[0].as_ref().filter(|_| *from == pool.former);
        let named = causes.iter().take(NAMED);
        let causes = named.map(|(code, cause)| json!({"code": code, "text": cause.text, "nodes": cause.nodes}));
        let data = json!({
            "pool": pool.pool, "event": happened.word(), "message": message, "at": at.to_string(),
            "rollout": {
                "from": from, "to": pool.target, "fromStream": from_stream, "toStream": pool.streams[1],
            },
            "nodes": {"all": all, "done": all.saturating_sub(pool.to_go())},
            "causes": causes.collect::<Vec<_>>(),
        });
        let id = format!("{uid}/{}/{key}/{}", told.number, pool.target);
        told.number += 1;
        let notice = Notice { id, happened, pool: pool.pool.clone(), at, message, data };
        steps.push(Step { notice: Some(notice), told: told.clone() });
    }

    fn message(&self, happened: Happened, causes: &BTreeMap<String, Cause>) -> String {
        let pool = &self.pool.pool;
        let to = &self.pool.target;
        let why = causes.values().map(|cause| cause.text.as_str()).collect::<Vec<_>>().join("; ");
        match happened {
            Happened::Begun => {
                format!("pool {pool}: the rollout of {to} to {} has begun", Count(self.pool.nodes.len(), "node"))
            }
            Happened::Blocked => format!("pool {pool}: the rollout of {to} is blocked: {why}"),
            Happened::Degraded => format!("pool {pool} is degraded: {}", short(&why)),
            Happened::Done => format!("pool {pool}: the rollout of {to} is done"),
        }
    }
}

/// Text of somebody else, on one line (R-NOTIFY-6).
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Object, World, explain::explain};
    use k8s_openapi::api::core::v1::Node;

    const PREFIX: &str = "machineconfiguration.openshift.io";

    fn of<K: serde::de::DeserializeOwned + Into<Object>>(value: Value) -> Object {
        serde_json::from_value::<K>(value).unwrap().into()
    }

    /// A pool whose nodes run and were told these.
    struct Case {
        target: &'static str,
        former: &'static str,
        nodes: Vec<[&'static str; 2]>,
        paused: bool,
        failed: Option<&'static str>,
        told: Option<Told>,
    }

    impl Case {
        fn at_rest() -> Self {
            Self { target: "r1", former: "r1", nodes: vec![["r1", "r1"]; 2], paused: false, failed: None, told: None }
        }

        fn pool(&self) -> MachineConfigPool {
            let rests = self.former == self.target;
            let mut pool: MachineConfigPool = serde_json::from_value(json!({
                "metadata": {"name": "worker", "uid": "u"},
                "spec": {"paused": self.paused, "configuration": {"name": self.target},
                    "nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}}},
                "status": {"configuration": {"name": self.former}, "conditions": [
                    {"type": "Updated", "status": if rests { "True" } else { "False" }, "lastTransitionTime": "2026-01-01T00:00:00Z"},
                    {"type": "Degraded", "status": "False", "lastTransitionTime": "2026-01-01T00:00:05Z"},
                ]},
            }))
            .unwrap();
            let told = self.told.as_ref().map(|told| (NOTIFIED.to_owned(), serde_json::to_string(told).unwrap()));
            pool.metadata.annotations = told.map(|told| [told].into());
            pool
        }

        fn steps(&self) -> Vec<Step> {
            let pool = self.pool();
            let node = |(at, [current, desired]): (usize, &[&str; 2])| {
                let fails = at == 0 && self.failed.is_some();
                let state = match () {
                    () if fails => "Degraded",
                    () if current == desired => "Done",
                    () => "Working",
                };
                of::<Node>(json!({
                    "metadata": {"name": format!("w{at}"), "labels": {"node-role.kubernetes.io/worker": ""}, "annotations": {
                        format!("{PREFIX}/currentConfig"): current, format!("{PREFIX}/desiredConfig"): desired,
                        format!("{PREFIX}/state"): state, format!("{PREFIX}/reason"): self.failed.unwrap_or_default(),
                    }},
                    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
                }))
            };
            let nodes = self.nodes.iter().enumerate().map(node);
            let world = World::of(nodes.chain([pool.clone().into()]).collect::<Vec<Object>>());
            due(&explain(&world, "worker", Timestamp::UNIX_EPOCH).unwrap(), &pool, Timestamp::UNIX_EPOCH)
        }

        /// Takes the steps; what is told.
        fn told(&mut self) -> Vec<String> {
            let steps = self.steps();
            self.told = steps.last().map(|step| step.told.clone()).or(self.told.take());
            steps.into_iter().filter_map(|step| Some(step.notice?.message)).collect()
        }
    }

    #[test]
    fn what_is_not_delivered_is_tried_again_less_and_less_often_and_given_up() {
        let pauses = (1..=9).map(|failed| retry(failed).map(|pause| pause.as_secs()));
        let wanted = [2, 4, 8, 16, 32, 64, 128].map(Some).into_iter().chain([None, None]);
        assert_eq!(pauses.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
    }

    #[test]
    fn a_rollout_is_told_from_its_beginning_to_its_end_and_nothing_twice() {
        let mut case = Case::at_rest();
        assert_eq!(case.told(), [""; 0], "what was before");
        assert_eq!(case.steps(), []);
        case.target = "r2";
        assert_eq!(case.told(), [""; 0], "no node was told anything");
        case.nodes[0] = ["r1", "r2"];
        assert_eq!(case.told(), ["pool worker: the rollout of r2 to 2 nodes has begun"]);
        assert_eq!(case.steps(), []);
        case.nodes = vec![["r2", "r2"]; 2];
        assert_eq!(case.told(), [""; 0], "the status does not say so yet");
        case.former = "r2";
        let done = case.steps()[0].notice.clone().unwrap();
        assert_eq!((&done.data["rollout"]["from"], &done.data["rollout"]["to"]), (&json!("r1"), &json!("r2")));
        assert_eq!(case.told(), ["pool worker: the rollout of r2 is done"]);
        assert_eq!(case.steps(), []);
        // One that nobody saw.
        (case.target, case.former, case.nodes) = ("r3", "r3", vec![["r3", "r3"]; 2]);
        let both = case.told();
        assert_eq!(both.len(), 2, "{both:?}");
        // One that no node gets.
        (case.target, case.former, case.nodes) = ("r4", "r4", Vec::new());
        assert_eq!(case.told(), [""; 0]);
    }

    #[test]
    fn what_blocks_a_rollout_is_told_once_until_something_moves() {
        let mut case = Case { told: None, ..Case::at_rest() };
        case.told();
        (case.target, case.paused) = ("r2", true);
        let blocked = case.steps();
        let notice = blocked[0].notice.clone().unwrap();
        assert!(
            notice.message.starts_with("pool worker: the rollout of r2 is blocked: the pool is paused"),
            "{notice:?}"
        );
        assert_eq!(notice.data["causes"][0]["code"], "PoolPaused");
        assert_eq!(notice.data["causes"][0]["nodes"], json!(["w0", "w1"]));
        assert_eq!(notice.id, "u/0/blocked:PoolPaused/r2");
        assert_eq!(case.told().len(), 1);
        assert_eq!(case.steps(), []);
        case.paused = false;
        assert_eq!(case.told(), [""; 0]);
        case.paused = true;
        assert_eq!(case.told().len(), 1, "it was resumed, and is paused again");
    }

    #[test]
    fn a_pool_that_is_degraded_again_is_told_again() {
        let mut case = Case::at_rest();
        case.told();
        case.failed = Some("disk\nfull");
        let told = case.told();
        assert!(
            told.len() == 1
                && told[0].starts_with("pool worker is degraded: ")
                && told[0].contains("Node w0 is reporting"),
            "{told:?}"
        );
        assert_eq!(case.steps(), []);
        case.failed = None;
        assert_eq!(case.told(), [""; 0]);
        case.failed = Some("disk full");
        assert_eq!(case.steps()[0].notice.as_ref().unwrap().id, "u/1/degraded/r1", "it is another one");
        assert_eq!(case.told().len(), 1);
    }

    #[test]
    fn a_long_text_is_cut_short_and_what_stands_there_may_be_odd() {
        assert_eq!(short(&"ä".repeat(5_000)).chars().count(), LONGEST + 1);
        let mut pool = Case::at_rest().pool();
        pool.metadata.annotations = Some([(NOTIFIED.to_owned(), "[".to_owned())].into());
        assert_eq!(Told::of(&pool), None);
    }
}
