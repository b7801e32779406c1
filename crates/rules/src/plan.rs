//! What a change will do, before it is made.
//!
//! R-FORESEE-1 A plan is made from a world, the changes, and what is known of images. The changes are made to a copy of the world, all
//! at once: several objects of one change are one intent and one rollout.
//! R-FORESEE-2 A change that the API would refuse is refused in the API's words, and nothing is planned.
//! R-FORESEE-3 What is generated from objects is generated from the world before and after. Only what differs between the two is
//! written or deleted, so that what another operator generated in its own way stays as it is.
//! R-FORESEE-4 Every pool is rendered as the controllers render it. Its present configuration is the one that it names, whatever it
//! would be rendered to now.
//! R-FORESEE-5 A difference is traced to the object that decides about it: of what is new or changed the one afterwards, of what is
//! removed the one that had brought it.
//! R-FORESEE-6 The order is that of the rollout rule, run forward over nodes that do what they are told (see `order`).
//! R-FORESEE-7 Nodes that are not where they should be before the change are part of the plan, too: what they do is what the plan ends
//! with.
//! R-FORESEE-8 What cannot be known from what is there is said to be unknown, with the reason.
//! R-FORESEE-9 How long it will take is forecast (R-FORECAST) for pools whose nodes reboot: experience is of rollouts with reboots.
//! R-FORESEE-10 A plan holds for the objects that it is made from, and says in which versions these are: those that decide about all
//! nodes, and the nodes.
//!
//! All of this is ours; every decision in it is made by the rule that the controllers use.
//!
//! | module | decides |
//! |---|---|
//! | [`change`] | what the world is after a change |
//! | [`release`] | what the world is after an update of the cluster, and what is in the way of that |
//! | `admission` | whether the API would accept the change |
//! | `generated` | which MachineConfigs are generated otherwise then |
//! | `open` | of which pools that is not known |
//! | `target` | what each pool is rendered to, and which differences that makes |
//! | `order` | which nodes start when, and what the others wait for |
//! | `nodes` | what each node does, and which pods it loses |
//! | [`finding`] | what is in the way, and what users should know |
//! | `preflight` | which of these apply |
//! | `logins` | whether the Secrets are there that images are built with |
//! | `notes` | what of a change has no effect, and which nodes have no part in it |
//! | `text`, `data`, `markdown` | nothing: they print it |

mod admission;
pub mod change;
mod data;
pub mod finding;
mod generated;
mod logins;
mod markdown;
mod nodes;
mod notes;
mod open;
mod order;
mod preflight;
pub mod release;
mod target;
#[cfg(test)]
mod tests;
mod text;

pub use change::{Change, Changed, Refused};
pub use data::data;
pub use finding::{Code, Finding};
pub use logins::secrets;
pub use markdown::markdown;
pub use preflight::PACKAGES;
pub use release::Payload;
pub use text::{one_line, summary, text};

use crate::{
    forecast::Forecast,
    rollout::{WaitReason, actions::Effect},
    stream::StreamReason,
    view::unreadable,
    world::{AsOf, World},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use weir_ignition::diff;

/// What is known beside the world.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What was found out about images, by pull spec; those that nobody looked at are absent.
    pub images: BTreeMap<String, ImageFacts>,
    /// Findings that the user accepts, of those that may be.
    pub accepted: BTreeSet<Code>,
    /// What whoever read the world knows to be missing in it.
    pub unknown: Vec<String>,
    /// Secrets of the operator's namespace that were looked for by name, and whether each is there.
    pub secrets: BTreeMap<String, bool>,
    /// Whether images are built by a builder that runs no programs, and so installs no packages, as that of `weir up` is.
    pub builds_without_programs: bool,
}

/// What was found out about an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageFacts {
    /// It cannot be read, for this reason.
    Unreadable(String),
    /// It can be.
    Read {
        /// Its labels, on the nodes' architecture.
        labels: BTreeMap<String, String>,
        /// Architectures that it is there for, as Go calls them; empty if that is not known.
        architectures: BTreeSet<String>,
        /// Names of the packages in it, without versions; absent if nobody looked, or it is no extensions image.
        packages: Option<BTreeSet<String>>,
    },
}

/// What a change will do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the change is.
    pub changes: Vec<Changed>,
    /// Every pool, by name.
    pub pools: Vec<PoolPlan>,
    /// The nodes that start, in order: all of a wave at once, each wave when the one before it has arrived.
    pub waves: Vec<Vec<Started>>,
    /// What is in the way, and what users should know; the former first.
    pub findings: Vec<Finding>,
    /// What is not known, and why.
    pub unknown: Vec<String>,
    /// Pools that every cluster has, and that files leave out.
    pub missing: Vec<String>,
    /// How many nodes files leave out, of pools of whose other nodes something is known (R-NOTES-4).
    pub unseen: usize,
    /// The objects that decide about all nodes, as they were.
    pub depends_on: Vec<DependsOn>,
    /// When it was made; of files the time that they are of (R-WORLD-4).
    pub made: Timestamp,
    /// The time that files are of.
    pub as_of: Option<AsOf>,
}

/// An object that a plan depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependsOn {
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its resource version; absent if it has none.
    pub version: Option<String>,
}

/// A node that starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The node.
    pub node: String,
    /// Its pool.
    pub pool: String,
}

/// What a pool is, before or after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Name of its rendered MachineConfig; absent if there is none.
    pub config: Option<String>,
    /// Its stream; absent if there is none.
    pub stream: Option<String>,
    /// Its OS image.
    pub os_image: Option<String>,
}

/// What happens to a pool.
#[derive(Clone, Debug)]
pub struct PoolPlan {
    /// Its name.
    pub pool: String,
    /// Whether it does not exist before the change.
    pub is_new: bool,
    /// What it is before; what it is after a change that removes it.
    pub before: Target,
    /// What it will be.
    pub after: Target,
    /// Why it gets its stream; absent if that is unknown.
    pub because: Option<StreamReason>,
    /// Everything that differs on its machines, or why that is unknown.
    pub differences: Result<Vec<Difference>, String>,
    /// Whether it is paused then.
    pub paused: bool,
    /// How many of its nodes may be down at once, or why that is unknown.
    pub max_unavailable: Result<i64, String>,
    /// In image mode, where the image of its nodes comes from.
    pub image: Option<String>,
    /// The image that it takes extensions from; absent if it has none.
    pub extensions_image: Option<String>,
    /// Whether it is not known what it is rendered to.
    pub unrendered: bool,
    /// Its nodes, by name; absent if nothing is known about nodes.
    pub nodes: Option<Vec<NodePlan>>,
    /// How long it will take (R-FORESEE-9); absent where nothing reboots or that is unknown.
    pub forecast: Option<Forecast>,
}

/// Something that differs on the machines of a pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// What: `file /etc/motd`, `kernelArguments`.
    pub what: String,
    /// The value or state before; absent if it is new.
    pub before: Option<Value>,
    /// The value or state after; absent if it is removed.
    pub after: Option<Value>,
    /// Where it comes from (R-FORESEE-5).
    pub origin: Origin,
}

/// One side of a difference.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The value of a field.
    Text(String),
    /// A file, unit or other part of the Ignition config.
    Part(diff::State),
}

/// The object that decides about something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Kind and name.
    pub object: String,
    /// The field in it, such as `spec.config.storage.files[/etc/motd]`; empty for what is no MachineConfig.
    pub field: String,
    /// The object that it was generated from, if it was.
    pub made_from: Option<String>,
}

/// What happens to a node.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// Its name.
    pub node: String,
    /// Its resource version; absent if it has none.
    pub version: Option<String>,
    /// What it runs now; absent if it does not say.
    pub runs: Option<String>,
    /// The configuration that it is on its way to and reaches first, if it was told another one than its pool wants then.
    pub first: Option<String>,
    /// What it does, or why that cannot be said.
    pub effect: Result<Effect, NoEffect>,
    /// When.
    pub turn: Turn,
    /// Pods that are evicted: namespace and name.
    pub evicted: Vec<String>,
    /// Of these, the ones that no budget allows to be evicted now.
    pub blocked: Vec<BlockedPod>,
    /// Of these, the ones that nobody will start anywhere else: namespace and name.
    pub lost: Vec<String>,
}

/// Why it cannot be said what a node does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEffect {
    /// It fails: its daemon refuses the change, for this reason.
    #[error("the node's daemon refuses it: {0}")]
    Refused(String),
    /// It is not known, for this reason.
    #[error("{0}")]
    Unknown(String),
}

/// When a node does what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is there already.
    There,
    /// It is on its way already.
    UnderWay,
    /// It starts in this wave, counted from 1.
    Wave(usize),
    /// It does not start before this changes.
    Waits(WaitReason),
}

/// A pod that a drain will not get rid of as things are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// Kind and name of what it belongs to, if anything.
    pub owner: Option<String>,
    /// Names of the budgets in its namespace that allow no disruption.
    pub budgets: Vec<String>,
}

/// Plans changes of a world (R-FORESEE-1).
///
/// # Errors
/// When the API would refuse one of them (R-FORESEE-2).
pub fn plan(before: &World, changes: &[Change], facts: &Facts, now: Timestamp) -> Result<Plan, Refused> {
    let as_of = before.as_of(now);
    let now = before.now(now);
    let mut after = before.clone();
    let (mut changed, mut of_changes) = (Vec::new(), Vec::new());
    for change in changes {
        changed.push(change::apply(&mut after, change, now, &mut of_changes)?);
    }
    let releases = || changes.iter().filter_map(Change::release);
    let templates = releases().next_back().map(|release| &release.templates);
    let generated = generated::regenerate(before, &mut after, templates, now);
    change::finish(&mut after, changes);
    let open = open::pools(before, &after, &generated);
    let mut targets = target::targets(before, &mut after, facts);
    logins::refuse(before, &after, &mut targets, facts);
    let without_image = targets.iter().filter(|target| target.refused.is_some()).map(|target| target.pool.as_str());
    let without_image = without_image.collect();
    let order = order::forward(&without(&after, &open), &without_image, now);
    let meanwhile = order::meanwhile(before, &after, (&order, &without_image), now);
    let pools = nodes::pools(&after, &targets, (&order, &open), now);
    let (mut findings, mut unknown) = preflight::findings(&after, (&targets, &open), &pools, facts);
    findings.extend(generated.findings);
    findings.extend(preflight::without_pool(before, &after));
    findings.extend(notes::findings(before, &after, &changed));
    findings.extend(preflight::meanwhile(before, &after, meanwhile));
    findings.extend(releases().flat_map(|release| release::findings(before, release)));
    findings.sort_by_key(|finding| (!finding.inhibits(), finding.code));
    let missing: Vec<&str> = before.views().left_out();
    unknown.extend(open::said(&open, &missing, before, &pools));
    unknown.extend(logins::not_known(&after, &targets, facts));
    let left_out = notes::nodes_left_out(&after);
    unknown.extend(left_out.iter().map(ToString::to_string));
    unknown.extend(of_changes);
    unknown.extend(generated.unknown);
    let odd = unreadable::all(&after.unreadable);
    unknown.extend(odd.map(|said| format!("what follows from objects that cannot be read: {said}")));
    let unread = before.unread_histories().into_iter();
    unknown.extend(unread.map(|unread| format!("what came of earlier rollouts of pool {}: {unread}", unread.pool)));
    unknown.extend(facts.unknown.iter().cloned());
    Ok(Plan {
        changes: changed,
        unseen: notes::unseen(&left_out, &pools),
        pools,
        waves: order.waves,
        findings,
        unknown,
        depends_on: depends_on(before),
        missing: missing.into_iter().map(str::to_owned).collect(),
        made: now,
        as_of,
    })
}

/// The world in which open pools start nothing.
fn without<'w>(world: &'w World, open: &open::Open) -> Cow<'w, World> {
    if open.is_empty() {
        return Cow::Borrowed(world);
    }
    let mut world = world.clone();
    for pool in &mut world.pools {
        if pool.metadata.name.as_ref().is_some_and(|name| open.contains_key(name)) {
            Arc::make_mut(pool).spec.paused = Some(true);
        }
    }
    Cow::Owned(world)
}

/// R-FORESEE-10.
fn depends_on(world: &World) -> Vec<DependsOn> {
    let of = |kind, metadata: &ObjectMeta| {
        let (name, version) = (metadata.name.clone().unwrap_or_default(), metadata.resource_version.clone());
        DependsOn { kind, name, version }
    };
    let one = [
        world.version.as_ref().map(|object| of("ClusterVersion", &object.metadata)),
        world.feature_gate.as_ref().map(|object| of("FeatureGate", &object.metadata)),
        world.controller_config.as_ref().map(|object| of("ControllerConfig", &object.metadata)),
        world.streams.as_ref().map(|object| of("OSImageStream", &object.metadata)),
        world.configuration.as_ref().map(|object| of("MachineConfiguration", &object.metadata)),
    ];
    let pools = world.pools.iter().map(|object| of("MachineConfigPool", &object.metadata));
    one.into_iter().flatten().chain(pools).collect()
}

impl Plan {
    /// Whether something is in the way that was not accepted.
    #[must_use]
    pub fn is_inhibited(&self) -> bool {
        self.findings.iter().any(Finding::inhibits)
    }

    /// The nodes that do something, with what it is as far as it is known.
    pub fn acting(&self) -> impl Iterator<Item = &NodePlan> {
        let nodes = self.pools.iter().filter_map(|pool| pool.nodes.as_deref()).flatten();
        nodes.filter(|node| node.turn != Turn::There)
    }

    /// The OS images that pools change to, or may have nodes that do.
    #[must_use]
    pub fn new_images(&self) -> BTreeSet<&str> {
        let stays = |pool: &&PoolPlan| pool.changes() && pool.before.os_image == pool.after.os_image;
        self.moving().filter(|pool| !stays(pool)).filter_map(|pool| pool.after.os_image.as_deref()).collect()
    }

    /// The images from which pools that change, or have nodes that do, take extensions.
    #[must_use]
    pub fn extensions_images(&self) -> BTreeSet<&str> {
        self.moving().filter_map(|pool| pool.extensions_image.as_deref()).collect()
    }

    fn moving(&self) -> impl Iterator<Item = &PoolPlan> {
        let acts = |pool: &PoolPlan| pool.nodes.iter().flatten().any(|node| node.turn != Turn::There);
        self.pools.iter().filter(move |pool| pool.changes() || acts(pool))
    }

    /// How many nodes reboot, sooner or later.
    #[must_use]
    pub fn reboots(&self) -> usize {
        self.acting().filter(|node| node.effect.as_ref().is_ok_and(Effect::reboots)).count()
    }

    /// How many nodes are drained.
    #[must_use]
    pub fn drains(&self) -> usize {
        self.acting().filter(|node| node.effect.as_ref().is_ok_and(|effect| effect.drains)).count()
    }

    /// How many nodes are disturbed in any way.
    #[must_use]
    pub fn disruptions(&self) -> usize {
        self.acting().filter(|node| node.effect.as_ref().is_ok_and(Effect::disrupts)).count()
    }

    /// Whether anything is done on any node, now or later, or that is unknown.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        let stays = |pool: &PoolPlan| !pool.changes() && !pool.is_unknown();
        self.acting().next().is_none() && self.pools.iter().all(stays) && self.missing.is_empty() && self.unseen == 0
    }

    /// Pools of which it is not known what their nodes do.
    pub fn unknown_pools(&self) -> impl Iterator<Item = &PoolPlan> {
        self.pools.iter().filter(|pool| pool.is_unknown())
    }

    /// Whether what any node does is not known.
    #[must_use]
    pub fn leaves_open(&self) -> bool {
        !self.missing.is_empty()
            || self.unseen > 0
            || self.unknown_pools().next().is_some()
            || self.acting().any(|node| node.effect.is_err())
    }
}

impl PoolPlan {
    /// Whether its configuration, stream or image changes.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.before != self.after
    }

    /// Nothing is said of what it is rendered to, for this reason.
    fn opened(self, why: &str) -> Self {
        let after = self.before.clone();
        Self { after, differences: Err(why.to_owned()), unrendered: true, nodes: None, forecast: None, ..self }
    }

    /// Whether it is not known what its nodes do.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.unrendered || (self.nodes.is_none() && self.changes())
    }
}
