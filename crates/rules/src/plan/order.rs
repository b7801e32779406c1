//! Which nodes start when, and what the others wait for in the end.
//!
//! R-FORWARD-1 The rollout rule plans; the nodes that it lets start do what they were told and arrive; it plans again, until nobody
//! starts any more. What starts between two plans is a wave.
//! R-FORWARD-2 A node that is on its way when the plan is made arrives in the first wave. One that failed on what it was told does not
//! recover by itself; told something else, it starts anew.
//! R-FORWARD-3 A node that is not ready for another reason stays so.
//! R-FORWARD-4 A pool in image mode moves as if the image that it needs were there: its build comes first. Where that failed, or is
//! refused (R-TARGET-5), its nodes wait.
//! R-FORWARD-5 A wave ends when all of it has arrived. In fact a node starts as soon as another one of its pool has arrived; the order is
//! the same, unless a node was on its way to something else (R-FORWARD-6).
//! R-FORWARD-6 A node that is on its way to what its pool wanted before arrives there first; until then it counts as down. Then it
//! starts as the others do. Others that are on their way, or that start beside it, may arrive before it or after it: then it is not known
//! who starts next (R-PREFLIGHT-10), and the waves are those of all arriving together.
//! R-FORWARD-7 Until a change takes effect, pools go on towards what was wanted before. A node that starts then, and that the change sends
//! elsewhere or lets wait, may be told of both. What a change waits for is not known to the second, so all of them are named
//! (R-PREFLIGHT-11).

use super::{
    Started,
    target::{in_effect, succeeded},
};
use crate::{
    build::{identity::build_of, limits::of_pool},
    rollout::{Adopt, Held, RolloutPlan, Start},
    view::{NodeView, PoolView, TargetImage},
    world::{Views, World},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeCondition, NodeStatus};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use weir_api::{
    MachineConfig, MachineOSBuild, MachineOSConfig,
    keys::{daemon, drain, rollout},
    machine_os_build::MachineOSBuildSpec,
    references::NameReference,
};

/// What running forward gave.
#[derive(Debug, Default)]
pub(super) struct Order {
    pub(super) waves: Vec<Vec<Started>>,
    /// The wave of each node that starts, from 1.
    pub(super) wave_of: BTreeMap<String, usize>,
    /// Nodes that were on their way already.
    pub(super) under_way: BTreeSet<String>,
    /// Nodes that were on their way to something else (R-FORWARD-6), and to which configuration.
    pub(super) finishing: BTreeMap<String, String>,
    /// What the others wait for when nobody starts any more.
    pub(super) held: BTreeMap<String, Held>,
}

/// Runs the rollout of a world forward. Nothing is built for pools without an image.
pub(super) fn forward(world: &World, without_image: &BTreeSet<&str>, now: Timestamp) -> Order {
    let mut world = world.clone();
    with_images(&mut world, without_image);
    let mut order = Order::default();
    world.nodes = world.nodes.iter().map(|node| Arc::new(lean(node))).collect();
    let on_their_way = under_way(&world);
    order.under_way = on_their_way.iter().cloned().collect();
    let mut finishing = finishing(&world);
    let told = |node: &Arc<Node>| NodeView::new(node).desired_config.unwrap_or_default().to_owned();
    order.finishing = finishing.iter().map(|(name, node)| (name.clone(), told(node))).collect();
    let mut arriving: Vec<String> = on_their_way.into_iter().chain(finishing.keys().cloned()).collect();
    // Each round ends with labels for at least one node, which none gets twice.
    for _ in 0..=world.nodes.len() {
        let adopt =
            round(&mut world, &mut order, (std::mem::take(&mut arriving), &std::mem::take(&mut finishing)), now);
        if adopt.is_empty() {
            break;
        }
        for one in adopt {
            label(&mut world, &one);
        }
    }
    order
}

/// The nodes that may still be told of what was wanted before, each with its pool then (R-FORWARD-7).
pub(super) fn meanwhile(
    before: &World,
    after: &World,
    (order, without_image): (&Order, &BTreeSet<&str>),
    now: Timestamp,
) -> Vec<Started> {
    let (was, is) = (before.views(), after.views());
    let lags = |pool: &PoolView<'_>| {
        pool.target.is_some() && was.nodes_of(pool.name).into_iter().any(|node| !node.is_told(pool.aim()))
    };
    if !was.pools.iter().any(lags) {
        return Vec::new();
    }
    let (wanted_before, wanted_after) = (wanted(&was), wanted(&is));
    let moved = |start: &Started| {
        let node = start.node.as_str();
        !order.wave_of.contains_key(node) || wanted_before.get(node) != wanted_after.get(node)
    };
    forward(before, without_image, now).waves.into_iter().flatten().filter(moved).collect()
}

/// The configuration, and in image mode the image, that the pool of each node wants.
fn wanted<'v>(views: &'v Views<'_>) -> BTreeMap<&'v str, (Option<&'v str>, Option<&'v str>)> {
    let of_pool = |pool: &'v PoolView<'_>| {
        let image = match pool.aim().image {
            TargetImage::Built(image) => Some(image),
            TargetImage::OfConfig | TargetImage::Missing => None,
        };
        views.nodes_of(pool.name).into_iter().map(move |node| (node.name, (pool.target, image)))
    };
    views.pools.iter().flat_map(of_pool).collect()
}

/// Gives pools the images that are built for them (R-FORWARD-4).
fn with_images(world: &mut World, without_image: &BTreeSet<&str>) {
    let configs: Vec<&MachineOSConfig> = world.os_configs.iter().map(AsRef::as_ref).collect();
    let wanted = |pool: &PoolView<'_>| {
        pool.image_mode?.waits().filter(|wait| !wait.needs_user() && !without_image.contains(pool.name))?;
        let (config, rendered) = (of_pool(pool.name, &configs)?, world.config(pool.target?)?);
        // A build without a name of its own does here: where releases are not known.
        let build = build_of(pool.object, config, rendered).unwrap_or_else(|_| nameless(config, rendered));
        Some((config.clone(), build))
    };
    let made: Vec<(MachineOSConfig, MachineOSBuild)> = world.pool_views().iter().filter_map(wanted).collect();
    for (config, build) in made {
        // Its digest is not known; no node runs it yet.
        let image = build.spec.rendered_image_push_spec.clone();
        in_effect(world, config, succeeded(build, image));
    }
}

/// A build that is named after its MachineOSConfig.
fn nameless(config: &MachineOSConfig, rendered: &MachineConfig) -> MachineOSBuild {
    let (of, from) = (config.metadata.name.as_deref(), rendered.metadata.name.as_deref());
    let spec = MachineOSBuildSpec {
        machine_config: NameReference::to(from.unwrap_or_default()),
        machine_os_config: NameReference::to(of.unwrap_or_default()),
        rendered_image_push_spec: config.spec.rendered_image_push_spec.clone(),
        ..MachineOSBuildSpec::default()
    };
    MachineOSBuild::named(of.unwrap_or_default(), spec)
}

/// Runs forward until nobody starts or a node gets labels, which can give it another pool.
fn round(
    world: &mut World,
    order: &mut Order,
    (mut arriving, finishing): (Vec<String>, &BTreeMap<String, Arc<Node>>),
    mut now: Timestamp,
) -> Vec<Adopt> {
    let there = arrived(world, finishing);
    let mut views = world.views();
    let mut reached: BTreeMap<String, &Arc<Node>> = BTreeMap::new();
    let adopt = loop {
        let plan = views.plan(None, now);
        if !plan.adopt.is_empty() && arriving.is_empty() && plan.start.is_empty() {
            break plan.adopt;
        }
        if plan.start.is_empty() && arriving.is_empty() {
            if let Some(next) = plan.next.filter(|next| *next > now) {
                now = next;
                continue;
            }
            settle(order, plan);
            break Vec::new();
        }
        if !plan.start.is_empty() {
            order.waves.push(plan.start.iter().map(started).collect());
            let wave = order.waves.len();
            order.wave_of.extend(plan.start.iter().map(|start| (start.node.clone(), wave)));
        }
        arriving.extend(plan.start.into_iter().map(|start| start.node));
        for node in arriving.drain(..) {
            let first = finishing.get(&node).filter(|_| !reached.contains_key(&node));
            if let Some(now) = first.or_else(|| there.get(&node)) {
                views.renew(std::slice::from_ref(now));
                reached.insert(node, now);
            }
        }
    };
    drop(views);
    for node in &mut world.nodes {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        if let Some(now) = reached.get(name) {
            node.clone_from(now);
        }
    }
    adopt
}

fn started(start: &Start) -> Started {
    Started { node: start.node.clone(), pool: start.pool.clone() }
}

fn settle(order: &mut Order, plan: RolloutPlan) {
    order.held = plan.hold.into_iter().map(|held| (held.node.clone(), held)).collect();
}

/// Nodes that were told their pool's target and have not failed on it, by name.
fn under_way(world: &World) -> Vec<String> {
    let views = world.views();
    let is_under_way = |node: &NodeView<'_>, pool: &PoolView<'_>| {
        node.is_managed() && node.is_told(pool.aim()) && !node.has_reached(pool.aim()) && !node.is_degraded()
    };
    let mut found = Vec::new();
    for pool in views.pools.iter().filter(|pool| pool.target.is_some()) {
        let nodes = views.nodes_of(pool.name).into_iter();
        found.extend(nodes.filter(|node| is_under_way(node, pool)).map(|node| node.name.to_owned()));
    }
    found
}

/// Nodes on their way to something else than their pool wants, as they will be there (R-FORWARD-6).
fn finishing(world: &World) -> BTreeMap<String, Arc<Node>> {
    let views = world.views();
    let mut found = BTreeMap::new();
    for pool in views.pools.iter().filter(|pool| pool.target.is_some()) {
        for node in views.nodes_of(pool.name) {
            let goes = !node.is_told(pool.aim()) && !node.is_done();
            // It has arrived, and is about to be uncordoned.
            let ends = node.is_done() && node.cordoned_by == Some(drain::CORDONED_BY_CONTROLLER);
            let is_under_way = node.is_managed() && !node.is_degraded() && (goes || ends);
            let told = node.desired_config.filter(|told| is_under_way && !told.is_empty());
            if let (Some(told), Some(held)) = (told, object(world, node)) {
                let there = at_target(held, node, told, node.desired_image, true);
                found.insert(node.name.to_owned(), Arc::new(there));
            }
        }
    }
    found
}

fn object<'w>(world: &'w World, node: &NodeView<'_>) -> Option<&'w Node> {
    let at = world.nodes.binary_search_by(|held| held.metadata.name.as_deref().cmp(&Some(node.name)));
    at.ok().and_then(|at| world.nodes.get(at)).map(AsRef::as_ref)
}

/// Every node as it is once it has arrived where its pool wants it.
fn arrived(world: &World, finishing: &BTreeMap<String, Arc<Node>>) -> BTreeMap<String, Arc<Node>> {
    let views = world.views();
    let mut found = BTreeMap::new();
    for pool in views.pools.iter().filter(|pool| pool.target.is_some()) {
        let aim = pool.aim();
        let image = match aim.image {
            TargetImage::Built(image) => Some(image),
            TargetImage::OfConfig | TargetImage::Missing => None,
        };
        for node in views.nodes_of(pool.name) {
            let first = finishing.get(node.name).map(AsRef::as_ref);
            let Some(held) = first.or_else(|| object(world, node)) else { continue };
            let told = node.is_told(aim);
            found.insert(node.name.to_owned(), Arc::new(at_target(held, node, aim.config, image, told)));
        }
    }
    found
}

/// A node that has done what it was told. One that was on its way is ready again then.
fn at_target(node: &Node, view: &NodeView<'_>, config: &str, image: Option<&str>, told: bool) -> Node {
    let mut node = node.clone();
    let marks = node.metadata.annotations.get_or_insert_default();
    for (key, value) in [
        (rollout::DESIRED_CONFIG, Some(config)),
        (daemon::CURRENT_CONFIG, Some(config)),
        (rollout::DESIRED_IMAGE, image),
        (daemon::CURRENT_IMAGE, image),
        (daemon::STATE, Some(daemon::STATE_DONE)),
        (daemon::REASON, Some("")),
        (daemon::POST_CONFIG_ACTION, None),
        (daemon::DESIRED_DRAIN, None),
        (drain::LAST_APPLIED_DRAIN, None),
        (drain::CORDONED_BY, None),
        (drain::DRAIN_STARTED, None),
    ] {
        match value {
            Some(value) => _ = marks.insert(key.to_owned(), value.to_owned()),
            None => _ = marks.remove(key),
        }
    }
    let ours = view.cordoned_by == Some(drain::CORDONED_BY_CONTROLLER) || view.is_stranded();
    if let Some(spec) = node.spec.as_mut().filter(|_| ours) {
        spec.unschedulable = None;
    }
    if told {
        let conditions = node.status.as_mut().and_then(|status| status.conditions.as_mut());
        for condition in conditions.into_iter().flatten().filter(|condition| condition.type_ == "Ready") {
            "True".clone_into(&mut condition.status);
        }
    }
    node
}

/// What decides about a node; the rest, such as its list of images, is long.
fn lean(node: &Node) -> Node {
    let of_status = |status: &NodeStatus| NodeStatus {
        conditions: status.conditions.clone().map(|all| all.into_iter().map(short).collect()),
        phase: status.phase.clone(),
        ..NodeStatus::default()
    };
    let mut metadata = node.metadata.clone();
    metadata.managed_fields = None;
    Node { metadata, spec: node.spec.clone(), status: node.status.as_ref().map(of_status) }
}

fn short(condition: NodeCondition) -> NodeCondition {
    NodeCondition { message: None, reason: None, last_heartbeat_time: None, ..condition }
}

fn label(world: &mut World, adopt: &Adopt) {
    for node in world.nodes.iter_mut().filter(|node| node.metadata.name.as_ref() == Some(&adopt.node)) {
        let metadata = &mut Arc::make_mut(node).metadata;
        metadata.labels.get_or_insert_default().extend(adopt.labels.clone());
        let marks = metadata.annotations.get_or_insert_default();
        marks.insert(rollout::CUSTOM_POOL_LABELS_APPLIED.to_owned(), String::new());
    }
}
