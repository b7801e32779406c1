//! Nodes.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use weir_rules::{
    rollout::{Held, RolloutPlan, WaitReason, membership::Assignment},
    view::NodeView,
    world::Views,
};

/// A node.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its pool; absent if it has none.
    pub pool: Option<String>,
    /// Its failure domain; absent if it names none.
    pub zone: Option<String>,
    /// How it is.
    pub state: NodeState,
    /// What it does on its way; absent if it is on none.
    pub phase: Option<String>,
    /// Its place among those that may start now, counted from 1.
    pub place: Option<usize>,
    /// The configuration that it runs; absent if it does not say.
    pub current: Option<String>,
    /// The configuration that it was told.
    pub desired: Option<String>,
    /// The stream of what it runs; absent if unknown.
    pub stream: Option<String>,
    /// Why it is not there yet, or what is wrong; empty if nothing is.
    pub why: String,
    /// The reason, for machines; empty if there is none.
    pub code: String,
    /// Since when, as far as the objects say.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// Whether it is cordoned.
    pub cordoned: bool,
}

/// How a node is (R-PICTURE-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NodeState {
    /// It failed on its way.
    Failing,
    /// It is on its way.
    Updating,
    /// It may start now.
    Next,
    /// It waits.
    Waiting,
    /// It should have a pool and has none, or is not managed here.
    NoPool,
    /// It runs what it should and is not ready.
    NotReady,
    /// It runs what it should.
    Updated,
}

impl NodeState {
    /// All of them, worst first.
    pub const ALL: [Self; 7] =
        [Self::Failing, Self::Updating, Self::Next, Self::Waiting, Self::NoPool, Self::NotReady, Self::Updated];

    /// In a word or two.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Updating => "updating",
            Self::Next => "may start",
            Self::Waiting => "waiting",
            Self::NoPool => "no pool",
            Self::NotReady => "not ready",
            Self::Updated => "updated",
        }
    }

    /// As it is written in addresses and class names.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Updating => "updating",
            Self::Next => "next",
            Self::Waiting => "waiting",
            Self::NoPool => "nopool",
            Self::NotReady => "notready",
            Self::Updated => "updated",
        }
    }
}

pub(super) fn nodes(views: &Views<'_>, plan: &RolloutPlan) -> Vec<Node> {
    let held: BTreeMap<&str, &Held> = plan.hold.iter().map(|held| (held.node.as_str(), held)).collect();
    let starts: BTreeMap<&str, usize> =
        plan.start.iter().enumerate().map(|(at, start)| (start.node.as_str(), at + 1)).collect();
    let mut streams: BTreeMap<&str, Option<String>> = BTreeMap::new();
    let mut all: Vec<Node> = Vec::new();
    for (node, assignment) in views.nodes.iter().zip(&views.membership.assignments) {
        let current = node.current_config.filter(|config| !config.is_empty());
        let stream =
            current.and_then(|config| streams.entry(config).or_insert_with(|| views.stream_of(config)).clone());
        let place = starts.get(node.name).copied();
        all.push(of_node(node, assignment, held.get(node.name).copied(), place, stream));
    }
    all
}

fn of_node(
    node: &NodeView<'_>,
    assignment: &Assignment<'_>,
    held: Option<&Held>,
    place: Option<usize>,
    stream: Option<String>,
) -> Node {
    let reason = held.map(|held| &held.reason);
    let phase = match reason {
        Some(WaitReason::Updating { step, .. }) => Some(step.phase().to_owned()),
        _ => None,
    };
    let not_ready = node.unready.map(|unready| (unready.what.to_string(), unready.since));
    let state = match (reason, place) {
        (Some(WaitReason::Failing { .. }), _) => NodeState::Failing,
        (Some(WaitReason::Updating { .. }), _) => NodeState::Updating,
        (_, Some(_)) => NodeState::Next,
        (Some(WaitReason::NoPool | WaitReason::NotManaged | WaitReason::SeveralPools { .. }), _) => NodeState::NoPool,
        (Some(_), _) => NodeState::Waiting,
        (None, None) if not_ready.is_some() => NodeState::NotReady,
        (None, None) => NodeState::Updated,
    };
    let (why, code, since) = match (reason, not_ready) {
        (Some(reason), _) => (reason.to_string(), reason.code().to_owned(), held.and_then(|held| held.since)),
        (None, Some((what, since))) => (format!("not ready: {what}"), "NotReady".to_owned(), since),
        (None, None) => Default::default(),
    };
    let named = |config: Option<&str>| config.filter(|config| !config.is_empty()).map(str::to_owned);
    Node {
        name: node.name.to_owned(),
        pool: assignment.primary().map(str::to_owned),
        zone: named(node.zone),
        state,
        phase,
        place,
        current: named(node.current_config),
        desired: named(node.desired_config),
        stream,
        why,
        code,
        since,
        cordoned: node.unschedulable,
    }
}
