//! Pools.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use weir_api::{
    condition::{TRUE, find},
    keys::pool::RENDER_DEGRADED,
};
use weir_rules::{
    history::{History, Rollout, written},
    objects::counted::Count,
    status::notices,
    world::{
        Views, World,
        explain::{Explained, groups},
    },
};

/// A pool.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// How it is, in a word or two.
    pub health: String,
    /// The stream that its nodes leave, or run; absent if unknown.
    pub from_stream: Option<String>,
    /// The stream that they are to run; absent if unknown.
    pub to_stream: Option<String>,
    /// Why it gets its stream, or why it gets none.
    pub because: String,
    /// The rule behind that.
    pub rule: Option<String>,
    /// The configuration that all its nodes ran last; empty if none.
    pub from: String,
    /// The configuration that its nodes are to reach; empty until there is one.
    pub to: String,
    /// Its nodes; absent if they are unknown.
    pub nodes: Option<usize>,
    /// Nodes that run what they should.
    pub updated: usize,
    /// Nodes that are ready.
    pub ready: usize,
    /// Nodes that are down or under way.
    pub unavailable: usize,
    /// Nodes that fail.
    pub degraded: usize,
    /// Nodes under way, by what they do, in the order in which they do it.
    pub phases: Vec<Phase>,
    /// How many nodes may be down, and which are.
    pub slots: Slots,
    /// Whether it is paused.
    pub paused: bool,
    /// What is wrong, what it waits for, what users should know.
    pub notes: Vec<Note>,
    /// How long it will take; absent when no node has to go.
    pub expected: Option<Expected>,
    /// Its last rollout that ended; absent if there is none.
    pub last: Option<Past>,
    /// The nodes that may start now, in their order.
    pub start: Vec<String>,
    /// What the others wait for.
    pub waits: Vec<Group>,
    /// The commands that get it further.
    pub next: Vec<String>,
}

/// A rollout that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Past {
    /// When it began.
    #[schemars(with = "String")]
    pub began: Timestamp,
    /// The configuration that it went to.
    pub to: String,
    /// How long it took, how many nodes and reboots.
    pub text: String,
}

/// Nodes that do the same.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Phase {
    /// What they do.
    pub phase: String,
    /// How many.
    pub nodes: usize,
}

/// How many nodes may be down.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Slots {
    /// How many may be; absent if that is unknown.
    pub allowed: Option<usize>,
    /// Why that is unknown.
    pub why: Option<String>,
    /// Those that are.
    pub taken: Vec<String>,
}

/// Something said about a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Note {
    /// What kind of thing.
    pub kind: NoteKind,
    /// The reason, for machines.
    pub code: String,
    /// In words.
    pub text: String,
}

/// Kinds of notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NoteKind {
    /// Something is wrong.
    Degraded,
    /// It waits for something before it is rendered.
    Waiting,
    /// Users should know it.
    Notice,
}

/// How long it will take.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// In words.
    pub text: String,
    /// When it is over, usually and in nine of ten cases; absent while something holds the pool back.
    #[schemars(with = "Option<[String; 2]>")]
    pub over: Option<[Timestamp; 2]>,
    /// Nodes that take longer than others did.
    pub slow: Vec<String>,
}

/// Nodes that wait for the same.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// The reason, for machines.
    pub code: String,
    /// What they wait for.
    pub text: String,
    /// The nodes.
    pub nodes: Vec<String>,
    /// Since when, if it is one node and known.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
}

pub(super) fn pool(world: &World, views: &Views<'_>, pool: &Explained, now: Timestamp) -> Pool {
    let status = &pool.status;
    let count = |count: i32| usize::try_from(count).unwrap_or_default();
    let (because, rule, stream) = stream(world, views, &pool.pool);
    let [from_stream, to_stream] = pool.streams.clone();
    let known = pool.max_unavailable.as_ref().ok().and_then(|max| usize::try_from(*max).ok());
    Pool {
        name: pool.pool.clone(),
        health: pool.health().word().to_owned(),
        from_stream: from_stream.or_else(|| status.os_image_stream.as_ref().map(|stream| stream.name.clone())),
        to_stream: to_stream.or(stream),
        because,
        rule,
        from: pool.former.clone(),
        to: pool.target.clone(),
        nodes: pool.unseen.is_none().then_some(pool.nodes.len()),
        updated: pool.nodes.len().saturating_sub(pool.to_go()),
        ready: count(status.ready_machine_count),
        unavailable: pool.unavailable.len(),
        degraded: count(status.degraded_machine_count),
        phases: pool
            .under_way()
            .into_iter()
            .map(|(step, nodes)| Phase { phase: step.phase().to_owned(), nodes: nodes.len() })
            .collect(),
        slots: Slots {
            allowed: known,
            why: pool.max_unavailable.as_ref().err().cloned(),
            taken: pool.unavailable.clone(),
        },
        paused: pool.paused,
        notes: notes(pool),
        expected: pool.forecast.as_ref().filter(|_| pool.unseen.is_none()).map(|found| Expected {
            text: found.to_string(),
            over: found.over(now),
            slow: found.slow.iter().map(ToString::to_string).collect(),
        }),
        last: world.history(&pool.pool).and_then(|history| last(&history)),
        start: pool.start.clone(),
        waits: waits(pool),
        next: pool.next(),
    }
}

fn last(history: &History) -> Option<Past> {
    let (rollout, ended) = history.rollouts.iter().rev().find_map(|rollout| Some((rollout, rollout.ended?)))?;
    Some(Past { began: rollout.began, to: rollout.to.clone(), text: numbers(rollout, ended) })
}

/// How long a rollout took, how many nodes took part, and how many reboots it was.
#[must_use]
pub fn numbers(rollout: &Rollout, now: Timestamp) -> String {
    let took = u64::try_from(rollout.ended.unwrap_or(now).duration_since(rollout.began).as_millis());
    let (nodes, reboots) = (Count(rollout.nodes, "node"), Count(rollout.reboots, "reboot"));
    let mut said = format!("{}, {nodes}, {reboots}", written(took.unwrap_or_default()));
    if rollout.failed > 0 {
        said.push_str(&format!(", {} failed on the way", rollout.failed));
    }
    if rollout.again > 0 {
        said.push_str(&format!(", {} rebooted more than once", rollout.again));
    }
    said
}

/// Why a pool gets its stream, the rule behind that, and the stream.
fn stream(world: &World, views: &Views<'_>, pool: &str) -> (String, Option<String>, Option<String>) {
    let Some(view) = views.pools.iter().find(|view| view.name == pool) else { return Default::default() };
    match world.stream(view, &views.pools) {
        Ok(resolved) => {
            let because = &resolved.because;
            (because.to_string(), Some(because.rule().to_owned()), resolved.set.map(|set| set.name))
        }
        // Files without the streams say nothing about them.
        Err(_) if !world.whole && world.streams.is_none() => Default::default(),
        Err(failure) => (failure.to_string(), None, None),
    }
}

fn notes(pool: &Explained) -> Vec<Note> {
    let conditions = pool.status.conditions.as_deref().unwrap_or_default();
    let note = |kind, code: &str, text: &str| {
        let text = if text.is_empty() { code } else { text };
        Note { kind, code: code.to_owned(), text: text.to_owned() }
    };
    let mut notes: Vec<Note> = Vec::new();
    notes.extend(pool.causes().into_iter().map(|held| note(NoteKind::Degraded, &held.reason, &held.message)));
    let waits = find(conditions, RENDER_DEGRADED).filter(|held| held.status != TRUE && !held.reason.is_empty());
    notes.extend(waits.map(|held| note(NoteKind::Waiting, &held.reason, &held.message)));
    notes.extend(notices::held(conditions).map(|held| note(NoteKind::Notice, &held.reason, &held.message)));
    let built_on = pool.built_on.as_ref().map(ToString::to_string);
    let pinned = pool.pinned.as_ref().map(ToString::to_string);
    for text in pool.image_mode.iter().cloned().chain(built_on).chain(pinned) {
        if !notes.iter().any(|note| note.text == text) {
            notes.push(note(NoteKind::Notice, "ImageMode", &text));
        }
    }
    notes
}

fn waits(pool: &Explained) -> Vec<Group> {
    let group = |(text, held): (String, Vec<&weir_rules::world::explain::Waits>)| Group {
        code: held.first().map(|one| one.reason.code().to_owned()).unwrap_or_default(),
        text,
        since: match held.as_slice() {
            [one] => one.since,
            _ => None,
        },
        nodes: held.iter().map(|one| one.node.clone()).collect(),
    };
    groups(pool).into_iter().map(group).collect()
}
