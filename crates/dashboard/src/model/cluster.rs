//! The cluster: its release, gates, operator, and streams.

use super::{Node, Pool};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use weir_api::{cluster_operator::OperatorCondition, condition::FALSE, keys::cluster_operator::UPGRADEABLE};
use weir_rules::{
    status::update_history::is_complete,
    stream::catalog::due::retained,
    world::{Views, World},
};

/// The cluster.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterState {
    /// Name of its distribution; absent if unknown.
    pub distribution: Option<String>,
    /// Version of the release that it should run; absent if unknown.
    pub release: Option<String>,
    /// Whether it runs it.
    pub complete: bool,
    /// Topology of its control plane; absent if unknown.
    pub topology: Option<String>,
    /// Feature gates that are on.
    pub gates_on: Vec<String>,
    /// Feature gates that are off.
    pub gates_off: Vec<String>,
    /// Why the gates are not known; absent if they are.
    pub gates_unknown: Option<String>,
    /// The conditions of the ClusterOperator.
    pub conditions: Vec<Said>,
    /// What is in the way of the next update.
    pub inhibitors: Vec<String>,
    /// Why no node may start anywhere; absent if that is not so.
    pub halted: Option<String>,
    /// The first problem of the whole cluster.
    pub problem: Option<String>,
    /// Objects that cannot be read, and why.
    pub unreadable: Vec<String>,
}

/// A condition.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Said {
    /// Its type.
    #[serde(rename = "type")]
    pub type_: String,
    /// Its status.
    pub status: String,
    /// Its reason.
    pub reason: String,
    /// Its message.
    pub message: String,
    /// Since when.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
}

/// An OS image stream.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// Pull spec of its OS image.
    pub os_image: String,
    /// Pull spec of its extensions image.
    pub extensions_image: String,
    /// Whether pools that name no stream get it.
    pub default: bool,
    /// Whether the release no longer has it, and pools still use it.
    pub retained: bool,
    /// Pools that are on it, or on their way to it.
    pub pools: Vec<String>,
    /// Nodes that run it.
    pub nodes: usize,
    /// When pools came to it or left it, newest first.
    pub moves: Vec<Successor>,
}

/// A pool that moved from one stream to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Successor {
    /// The pool.
    pub pool: String,
    /// The stream before.
    pub from: String,
    /// The stream after.
    pub to: String,
    /// When that began.
    #[schemars(with = "String")]
    pub began: Timestamp,
    /// When all nodes had moved; absent while they move, or if they never all did.
    #[schemars(with = "Option<String>")]
    pub ended: Option<Timestamp>,
}

pub(super) fn cluster(world: &World, views: &Views<'_>) -> ClusterState {
    let version = world.version.as_deref();
    let desired = version.and_then(|version| version.status.as_ref()).map(|status| status.desired.version.clone());
    let list = world.gate_list();
    let named = |gates: &[weir_api::feature_gate::GateName]| gates.iter().map(|gate| gate.name.clone()).collect();
    let operator = world.cluster_operator.as_ref().and_then(|operator| operator.status.as_ref());
    let conditions = operator.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let inhibits = |held: &&OperatorCondition| held.type_ == UPGRADEABLE.name() && held.status == FALSE.name();
    let text = |held: &OperatorCondition| held.message.clone().or_else(|| held.reason.clone()).unwrap_or_default();
    ClusterState {
        distribution: world.distribution().map(|profile| profile.title.clone()),
        release: world.release.clone().or(desired).filter(|version| !version.is_empty()),
        complete: version.is_some_and(is_complete),
        topology: world.topology().map(str::to_owned),
        gates_on: list.as_ref().map(|list| named(&list.enabled)).unwrap_or_default(),
        gates_off: list.as_ref().map(|list| named(&list.disabled)).unwrap_or_default(),
        gates_unknown: list.err().map(|error| error.to_string()),
        inhibitors: conditions.iter().filter(inhibits).map(text).collect(),
        conditions: conditions.iter().map(said).collect(),
        halted: world.halt(&views.pools).map(|halt| halt.to_string()),
        problem: world.failure([]).map(|failure| failure.to_string()),
        unreadable: world.unreadable.iter().map(|object| object.said.clone()).collect(),
    }
}

fn said(held: &OperatorCondition) -> Said {
    Said {
        type_: held.type_.clone(),
        status: held.status.clone(),
        reason: held.reason.clone().unwrap_or_default(),
        message: held.message.clone().unwrap_or_default(),
        since: held.last_transition_time.as_ref().map(|time| time.0),
    }
}

pub(super) fn streams(world: &World, pools: &[Pool], nodes: &[Node]) -> Vec<Stream> {
    let Some((object, status)) = world.streams_in_effect().and_then(|object| Some((object, object.status.as_ref()?)))
    else {
        return Vec::new();
    };
    let retained = retained(object);
    let mut running: BTreeMap<&str, usize> = BTreeMap::new();
    for stream in nodes.iter().filter_map(|node| node.stream.as_deref()) {
        *running.entry(stream).or_default() += 1;
    }
    let moves = moves(world);
    let stream = |set: &weir_api::os_image_stream::OSImageStreamSet| {
        let name = set.name.as_str();
        let is_on = |pool: &&Pool| [&pool.from_stream, &pool.to_stream].into_iter().flatten().any(|on| on == name);
        Stream {
            name: set.name.clone(),
            os_image: set.os_image.clone(),
            extensions_image: set.os_extensions_image.clone(),
            default: set.name == status.default_stream,
            retained: retained.contains(name),
            pools: pools.iter().filter(is_on).map(|pool| pool.name.clone()).collect(),
            nodes: running.get(name).copied().unwrap_or_default(),
            moves: moves.iter().filter(|moved| moved.from == name || moved.to == name).cloned().collect(),
        }
    };
    status.available_streams.iter().map(stream).collect()
}

/// Rollouts between streams, newest first.
fn moves(world: &World) -> Vec<Successor> {
    let mut moves: Vec<Successor> = Vec::new();
    for (pool, history) in super::histories(world) {
        for rollout in &history.rollouts {
            if let (Some(from), Some(to)) = (&rollout.from_stream, &rollout.to_stream)
                && from != to
            {
                let (began, ended) = (rollout.began, rollout.ended);
                moves.push(Successor { pool: pool.clone(), from: from.clone(), to: to.clone(), began, ended });
            }
        }
    }
    moves.sort_by_key(|moved| std::cmp::Reverse(moved.began));
    moves
}
