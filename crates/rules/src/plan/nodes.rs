//! What each node of a pool does, and which pods it loses.
//!
//! R-NODES-1 What a node does follows from what it runs, not from what its pool had (R-ACTIONS), under the policies in force after the
//! change. A node that is where it should be does nothing. What one does that is on its way to something else follows from where it
//! arrives first.
//! R-NODES-2 A node whose present configuration is not among the objects does something that is not known.
//! R-NODES-3 A change that the node's daemon refuses (R-RECONCILE) is said so.
//! R-NODES-4 Of the pods that a drain evicts (R-DRAIN-3), those are named that no budget allows to be evicted now, and those that
//! nobody starts elsewhere. Finished pods are in nobody's way.

use super::{
    BlockedPod, NoEffect, NodePlan, PoolPlan, Turn,
    open::Open,
    order::Order,
    preflight::extensions,
    target::{Failed, PoolTarget},
};
use crate::{
    forecast::{Course, ToGo, first_blocked, forecast},
    render::{
        node_disruption::in_force,
        reconcilable::{Override, overrides, reconcilable},
    },
    rollout::{
        WaitReason,
        actions::{Action, Built, Effect, Runs, effect},
        drain::{InTheWay, leaves},
        max_unavailable::max_unavailable,
    },
    view::{BudgetView, NodeView, PodView, PoolView, TargetImage},
    world::{Views, World},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::machine_configuration::NodeDisruptionPolicy;

/// Topology of a single-node control plane, as nodes are told (`config/v1` of github.com/openshift/api).
const SINGLE_REPLICA: &str = "SingleReplica";

/// What all nodes share.
struct Shared<'w> {
    world: &'w World,
    policies: NodeDisruptionPolicy,
    overrides: BTreeSet<Override>,
    pods: BTreeMap<&'w str, Vec<(&'w Pod, PodView<'w>)>>,
    budgets: Vec<BudgetView<'w>>,
    /// Resource versions of nodes.
    versions: BTreeMap<&'w str, &'w String>,
    /// Since when nodes are in the step that they are in now.
    since: BTreeMap<String, Timestamp>,
    /// Nodes that go the same way do the same.
    known: BTreeMap<(String, Option<String>), Result<Effect, NoEffect>>,
}

/// What happens to each of these pools and their nodes.
pub(super) fn pools(
    world: &World,
    targets: &[PoolTarget],
    (order, open): (&Order, &Open),
    now: Timestamp,
) -> Vec<PoolPlan> {
    let views = world.views();
    let configuration = world.configuration.as_deref();
    let mut pods: BTreeMap<&str, Vec<(&Pod, PodView<'_>)>> = BTreeMap::new();
    for pod in &world.pods {
        let view = PodView::new(pod);
        pods.entry(view.node).or_default().push((pod.as_ref(), view));
    }
    let mut shared = Shared {
        world,
        policies: in_force(configuration.and_then(|object| object.spec.node_disruption_policy.as_ref())),
        overrides: overrides(configuration),
        pods,
        budgets: world.budgets.iter().map(|budget| BudgetView::new(budget)).collect(),
        versions: world.nodes.iter().filter_map(|node| version(node)).collect(),
        since: views.plan(None, now).hold.into_iter().filter_map(|held| Some((held.node, held.since?))).collect(),
        known: BTreeMap::new(),
    };
    let planned = |target: &PoolTarget| {
        let planned = pool(&mut shared, &views, target, (order, now));
        match open.get(&target.pool) {
            Some(why) => planned.opened(why),
            None => planned,
        }
    };
    let mut pools: Vec<PoolPlan> = targets.iter().map(planned).collect();
    pools.sort_by(|a, b| a.pool.cmp(&b.pool));
    pools
}

fn version(node: &Node) -> Option<(&str, &String)> {
    Some((node.metadata.name.as_deref()?, node.metadata.resource_version.as_ref()?))
}

fn pool(
    shared: &mut Shared<'_>,
    views: &Views<'_>,
    target: &PoolTarget,
    (order, now): (&Order, Timestamp),
) -> PoolPlan {
    let view = views.pools.iter().find(|view| view.name == target.pool);
    let members = views.nodes_of(&target.pool);
    let unseen = !shared.world.whole && views.nodes.is_empty();
    shared.known.clear();
    let nodes = view.filter(|_| !unseen);
    let nodes = nodes.map(|view| members.iter().map(|member| node(shared, view, member, order)).collect::<Vec<_>>());
    let max = view.map(|view| max_unavailable(view, members.len()).map_err(|error| error.to_string()));
    let max = max.unwrap_or(Ok(1));
    let forecast = view.zip(nodes.as_deref()).and_then(|(view, nodes)| {
        let to_go = to_go(view, &members, nodes, &shared.since)?;
        forecast(shared.world.history(&target.pool).as_ref(), &to_go, now)
    });
    let extensions = target.rendered.as_ref().ok().and_then(extensions);
    PoolPlan {
        pool: target.pool.clone(),
        is_new: target.is_new,
        before: target.before.clone(),
        after: target.after.clone(),
        because: target.because.clone(),
        differences: target.differences.clone(),
        paused: view.is_some_and(|view| view.paused),
        max_unavailable: max,
        image: target.image.clone(),
        extensions_image: extensions.and_then(|(_, image)| image).map(str::to_owned),
        unrendered: target.failed == Failed::Unknown,
        nodes,
        forecast,
    }
}

/// R-FORESEE-9.
fn to_go<'n>(
    pool: &PoolView<'_>,
    members: &[&NodeView<'_>],
    nodes: &'n [NodePlan],
    since: &BTreeMap<String, Timestamp>,
) -> Option<ToGo<'n>> {
    let goes = |node: &&NodePlan| node.turn != Turn::There;
    let reboots = |node: &NodePlan| node.effect.as_ref().is_ok_and(Effect::reboots);
    if !nodes.iter().filter(goes).any(reboots) {
        return None;
    }
    let course = |node: &'n NodePlan| {
        let since = since.get(&node.node).copied();
        Some(match &node.turn {
            Turn::There => return None,
            Turn::UnderWay => Course::UnderWay(since),
            Turn::Wave(_) if node.first.is_some() => Course::Finishes(since),
            Turn::Wave(_) => Course::Starts,
            Turn::Waits(why) => Course::Waits(why),
        })
    };
    let courses = nodes.iter().filter_map(|node| Some((node.node.as_str(), course(node)?))).collect();
    let is_drained = |node: &&NodePlan| !matches!(node.turn, Turn::There | Turn::Waits(_));
    let blocked = nodes.iter().filter(is_drained).filter_map(|node| {
        let pod = node.blocked.first()?;
        let why = InTheWay::Budgets(pod.budgets.clone());
        Some((node.node.as_str(), format!("pod {}/{}: {why}", pod.namespace, pod.pod)))
    });
    Some(ToGo::of(pool, members, &courses, first_blocked(blocked)))
}

fn node(shared: &mut Shared<'_>, pool: &PoolView<'_>, node: &NodeView<'_>, order: &Order) -> NodePlan {
    let turn = turn(pool, node, order);
    let version = shared.versions.get(node.name).copied();
    let runs = node.current_config.filter(|config| !config.is_empty());
    let first = order.finishing.get(node.name).filter(|told| Some(told.as_str()) != runs).cloned();
    let effect = match &turn {
        Turn::There => Ok(Effect::default()),
        _ if first.is_some() => shared.effect(pool, first.as_deref(), node.desired_image),
        _ => shared.effect(pool, runs, node.current_image),
    };
    let mut plan = NodePlan {
        node: node.name.to_owned(),
        version: version.cloned(),
        runs: runs.map(str::to_owned),
        first,
        effect,
        turn,
        evicted: Vec::new(),
        blocked: Vec::new(),
        lost: Vec::new(),
    };
    let alone = shared.world.topology() == Some(SINGLE_REPLICA) || node.topology == Some(SINGLE_REPLICA);
    match &mut plan.effect {
        // There is no other node for its pods.
        Ok(effect) if alone => {
            effect.drains = false;
            effect.actions.retain(|action| *action != Action::Drain);
        }
        Ok(effect) if effect.drains => shared.evictions(node, &mut plan),
        _ => {}
    }
    plan
}

fn turn(pool: &PoolView<'_>, node: &NodeView<'_>, order: &Order) -> Turn {
    if order.under_way.contains(node.name) {
        return Turn::UnderWay;
    }
    if let Some(wave) = order.wave_of.get(node.name) {
        return Turn::Wave(*wave);
    }
    match order.held.get(node.name) {
        Some(held) => Turn::Waits(held.reason.clone()),
        None if pool.target.is_some() && node.has_reached(pool.aim()) => Turn::There,
        None => Turn::Waits(WaitReason::PoolNotConfigured),
    }
}

fn unknown(why: &str) -> NoEffect {
    NoEffect::Unknown(why.to_owned())
}

impl Shared<'_> {
    /// R-NODES-1 to R-NODES-3.
    fn effect(&mut self, pool: &PoolView<'_>, runs: Option<&str>, image: Option<&str>) -> Result<Effect, NoEffect> {
        let Some(runs) = runs else { return Err(unknown("the node does not say what it runs")) };
        let image = image.filter(|image| !image.is_empty());
        let key = (runs.to_owned(), image.map(str::to_owned));
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let found = self.find_effect(pool, runs, image);
        self.known.insert(key, found.clone());
        found
    }

    fn find_effect(&self, pool: &PoolView<'_>, runs: &str, image: Option<&str>) -> Result<Effect, NoEffect> {
        let of = |name: &str| {
            self.world.config(name).ok_or_else(|| unknown(&format!("MachineConfig {name} is not among the objects")))
        };
        let Some(target) = pool.target else { return Err(unknown("the pool has no configuration")) };
        let (from, to) = (of(runs)?, of(target)?);
        let built = match pool.aim().image {
            TargetImage::OfConfig => Built::No,
            TargetImage::Missing => Built::Later,
            TargetImage::Built(image) => Built::Image(image),
        };
        reconcilable(from, to, &self.overrides).map_err(|error| NoEffect::Refused(error.to_string()))?;
        let from = Runs { config: from, image: image.map_or(Built::No, Built::Image) };
        effect(from, Runs { config: to, image: built }, &self.policies).map_err(|error| unknown(&error.to_string()))
    }

    /// R-NODES-4.
    fn evictions(&self, node: &NodeView<'_>, plan: &mut NodePlan) {
        let pods = self.pods.get(node.name).map(Vec::as_slice).unwrap_or_default();
        for (object, pod) in pods.iter().filter(|(_, pod)| leaves(pod, None)) {
            let name = format!("{}/{}", pod.namespace, pod.name);
            plan.evicted.push(name.clone());
            if pod.finished {
                continue;
            }
            let owners = object.metadata.owner_references.as_deref().unwrap_or_default();
            let owner = owners.iter().find(|owner| owner.controller == Some(true));
            if owner.is_none() {
                plan.lost.push(name);
            }
            let none: Vec<String> = self
                .budgets
                .iter()
                .filter(|budget| budget.allowed < 1 && budget.covers(pod))
                .map(|budget| budget.name.to_owned())
                .collect();
            if !none.is_empty() {
                plan.blocked.push(BlockedPod {
                    namespace: pod.namespace.to_owned(),
                    pod: pod.name.to_owned(),
                    owner: owner.map(|owner| format!("{} {}", owner.kind, owner.name)),
                    budgets: none,
                });
            }
        }
    }
}
