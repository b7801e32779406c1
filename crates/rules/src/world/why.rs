//! Why something is the way it is: a chain of causes from what is seen to what a user can change, with the command that changes it.
//!
//! R-WHY-1 Reasons are those of the rules that decided, in their words, with their code: what nodes wait for, what pools report, which
//! stream and which MachineConfig count. What objects alone say is a [`Fact`].
//! R-WHY-2 Each cause follows from the one after it: a node from its pool and from the nodes that are in its way, a pool from its
//! nodes and its configuration, a configuration from its MachineConfigs, these from who wrote them or from what they are generated from.
//! R-WHY-3 Nothing is asked twice, and of several things of one kind only the first few: the chain ends.
//! R-WHY-4 A command belongs to the last cause that a user can change (R-REMEDY).
//! R-WHY-5 What a node is to change is told from the configuration that it runs and the one that it was given; where these come from
//! is known while the pool still renders to what it was given.
//! R-WHY-6 What is not there says nothing: where an answer depends on objects that files leave out, or that the cluster has no more, it
//! says what is not known, and why, instead of what would follow if there were none.
//! R-WHY-7 A part comes from the MachineConfigs that give it, each with the field that has it; beside that it is said whether the
//! configuration that the pool's nodes are to reach has it, which may be older than these.
//! R-WHY-8 Where the MachineConfigNode does not say what is in the way of a drain, the pods that are still to go and the budgets that
//! cover them do.

mod drain;
mod fact;
mod part;
#[cfg(test)]
mod tests;
mod unknown;

pub use fact::Fact;
pub use unknown::{Among, NotTraced, Unknown};

use super::{
    Views, World,
    remedy::{of_drift, of_object, of_wait},
    sources::Difference,
};
use crate::{
    generated::config::made_of,
    objects::author,
    render::{GivenBy, Trace},
    rollout::{RolloutPlan, Step, WaitReason, capacity, membership::Assignment},
    status::notices,
    view::{NodeView, PodView, PoolView},
};
use fact::Cordon;
pub(super) use fact::addresses;
use jiff::{SignedDuration, Timestamp};
use part::Sought;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use weir_api::{
    Condition,
    condition::{TRUE, find},
    keys::{
        cluster_operator::{AVAILABLE, DEGRADED, PROGRESSING, UPGRADEABLE},
        names::{CLUSTER, CLUSTER_OPERATOR, MASTER, RENDERED_PREFIX},
        pool,
    },
};

/// Of several things of one kind, this many are followed (R-WHY-3).
const FOLLOWED: usize = 3;
/// Of what differs between two configurations, this much is named.
const NAMED: usize = 10;
/// Causes in a chain at most: nobody reads more.
const LONGEST: usize = 60;

/// What is asked about. Names are those of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A node.
    Node(String),
    /// A pool.
    Pool(String),
    /// A part of a pool's configuration, by its address in [`crate::render::Provenance`].
    Part {
        /// The pool.
        pool: String,
        /// The address, e.g. of [`weir_ignition::file_address`].
        address: String,
        /// The part as it was asked for.
        said: String,
    },
    /// A kernel argument of a pool's configuration.
    Argument {
        /// The pool.
        pool: String,
        /// The argument.
        argument: String,
    },
    /// The ClusterOperator.
    Cluster,
}

/// What was asked about is not there.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WhyError {
    /// No such object.
    #[error("there is no {kind} {asked:?}{}; there are: {}", among_files(*among), listed_or_none(known))]
    Absent {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        asked: String,
        /// Those that there are; of many the first.
        known: Vec<String>,
        /// Where it was looked for.
        among: Among,
    },
    /// The pool has no such part.
    #[error("no {part} is written to machines of pool {pool}")]
    NoPart {
        /// The pool.
        pool: String,
        /// The part.
        part: String,
    },
    /// Whether the pool has such a part, files do not say.
    #[error("whether {part} is written to machines of pool {pool} is not known: {why}")]
    PartUnknown {
        /// The pool.
        pool: String,
        /// The part.
        part: String,
        /// Why.
        why: String,
    },
    /// The pool cannot be rendered.
    #[error("pool {pool}: {why}")]
    NotRendered {
        /// The pool.
        pool: String,
        /// Why.
        why: String,
    },
}

fn among_files(among: Among) -> &'static str {
    if among == Among::Files { " among the files" } else { "" }
}

fn listed_or_none(known: &[String]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}

/// A cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What it is about, as kubectl names it: `node/worker-1`.
    pub about: String,
    /// Its reason, for machines.
    pub code: String,
    /// The rule behind it, if it is one.
    pub rule: Option<&'static str>,
    /// What is the case, as a clause about that.
    pub text: String,
    /// Since when, as far as the objects say.
    pub since: Option<Timestamp>,
    /// How many causes it is below the first.
    pub depth: usize,
}

/// The answer.
#[derive(Clone, Debug, Default)]
pub struct Why {
    /// The causes, each followed by its own.
    pub chain: Vec<Cause>,
    /// What the answer depends on and is not known (R-WHY-6).
    pub unknown: Vec<Unknown>,
    /// The commands with which a user changes what is at their end.
    pub commands: Vec<String>,
    /// MachineConfigs and nodes, as `(kind, name)`, whose authors are asked for.
    pub authors: BTreeSet<(&'static str, String)>,
    /// Nodes whose pods, and with them all budgets, would say more (R-WHY-8).
    pub drained: BTreeSet<String>,
}

/// Answers.
///
/// # Errors
/// When there is no such thing.
pub fn why(world: &World, asked: &Asked, now: Timestamp) -> Result<Why, WhyError> {
    let views = world.views();
    views.why(&views.plan(None, now), asked, now)
}

impl Views<'_> {
    /// As [`why`], of a world whose views and plan are there.
    ///
    /// # Errors
    /// As [`why`].
    pub fn why(&self, plan: &RolloutPlan, asked: &Asked, now: Timestamp) -> Result<Why, WhyError> {
        let mut asking =
            Asking { world: self.world, views: self, plan, now, why: Why::default(), seen: BTreeSet::new() };
        match asked {
            Asked::Node(name) => asking.known("node", name, self.nodes.iter().map(|node| node.name))?,
            Asked::Pool(pool) | Asked::Part { pool, .. } | Asked::Argument { pool, .. } => {
                asking.known("MachineConfigPool", pool, self.pools.iter().map(|view| view.name))?;
            }
            Asked::Cluster => {}
        }
        match asked {
            Asked::Node(name) => asking.node(name, 0),
            Asked::Pool(pool) => asking.pool(pool, 0),
            Asked::Part { pool, address, said } => asking.part(pool, said, Sought::Entry(address))?,
            Asked::Argument { pool, argument } => {
                asking.part(pool, &format!("kernel argument {argument}"), Sought::Argument(argument))?;
            }
            Asked::Cluster => asking.cluster(),
        }
        Ok(asking.why)
    }
}

struct Asking<'a> {
    world: &'a World,
    views: &'a Views<'a>,
    plan: &'a RolloutPlan,
    now: Timestamp,
    why: Why,
    /// What was asked about already.
    seen: BTreeSet<String>,
}

impl<'a> Asking<'a> {
    fn known<'n>(
        &self,
        kind: &'static str,
        asked: &str,
        names: impl Iterator<Item = &'n str> + Clone,
    ) -> Result<(), WhyError> {
        if names.clone().any(|name| name == asked) {
            return Ok(());
        }
        let known = names.take(NAMED).map(str::to_owned).collect();
        Err(WhyError::Absent { kind, asked: asked.to_owned(), known, among: self.among() })
    }

    fn among(&self) -> Among {
        Among::of(self.world.whole)
    }

    fn unknown(&mut self, unknown: Unknown) {
        if !self.why.unknown.contains(&unknown) {
            self.why.unknown.push(unknown);
        }
    }

    fn put(&mut self, about: &str, depth: usize, code: &str, text: impl ToString) -> Option<&mut Cause> {
        if self.why.chain.len() >= LONGEST {
            return None;
        }
        let (about, code, text) = (about.to_owned(), code.to_owned(), text.to_string());
        self.why.chain.push(Cause { about, code, rule: None, text, since: None, depth });
        self.why.chain.last_mut()
    }

    fn fact(&mut self, about: &str, depth: usize, fact: &Fact) {
        self.put(about, depth, fact.code(), fact);
    }

    fn waits(&mut self, about: &str, depth: usize, reason: &WaitReason, since: Option<Timestamp>) {
        if let Some(cause) = self.put(about, depth, reason.code(), reason) {
            (cause.rule, cause.since) = (Some(reason.rule()), since);
        }
    }

    fn command(&mut self, command: String) {
        // Why one of these waits is what is being answered.
        if !command.starts_with("weir why ") && !self.why.commands.contains(&command) {
            self.why.commands.push(command);
        }
    }

    /// Whether it is asked about for the first time.
    fn first(&mut self, about: &str) -> bool {
        self.seen.insert(about.to_owned())
    }

    fn node(&mut self, name: &str, depth: usize) {
        let about = format!("node/{name}");
        let nodes = self.views.nodes.iter().zip(&self.views.membership.assignments);
        let Some((node, assignment)) = nodes.into_iter().find(|(node, _)| node.name == name) else { return };
        if !self.first(&about) {
            return;
        }
        let plan = self.plan;
        let held = plan.hold.iter().find(|held| held.node == name);
        let pool = self.views.pools.iter().find(|view| Some(view.name) == assignment.primary());
        match (held, plan.start.iter().position(|start| start.node == name)) {
            (Some(held), _) if held.reason == WaitReason::NoPool && !self.views.left_out().is_empty() => {
                self.fact(&about, depth, &Fact::NoPoolSeen);
                let (node, missing) = (name.to_owned(), self.views.left_out());
                self.unknown(Unknown::Pools { node, missing });
            }
            (Some(held), _) => {
                self.waits(&about, depth, &held.reason, held.since);
                let command = of_wait(&held.reason, name, pool.map_or("", |pool| pool.name));
                command.into_iter().for_each(|command| self.command(command));
            }
            (None, Some(before)) => {
                self.fact(&about, depth, &Fact::MayStart { number: before + 1 });
                self.order(name, assignment);
            }
            (None, None) => {
                let config = node.current_config.unwrap_or_default().to_owned();
                self.fact(&about, depth, &Fact::Done { config });
            }
        }
        self.membership(node.name, depth + 1, assignment);
        self.cordon(&about, depth + 1, node);
        self.gone(&about, depth + 1, node);
        if let Some(pool) = pool {
            let reason = held.map(|held| &held.reason);
            if let Some(WaitReason::Updating { step: Step::Draining, blocked, .. }) = reason
                && blocked.is_empty()
            {
                self.drain(node, depth + 1);
            }
            self.follow(node, pool, reason, depth + 1);
        }
    }

    /// Whether a master that may start would go last if files did not leave out the operator's pods.
    fn order(&mut self, node: &str, assignment: &Assignment<'_>) {
        let is_seen = self.world.pods.iter().any(|pod| drain::is_of_operator(&PodView::new(pod)));
        if !self.world.whole && assignment.primary() == Some(MASTER) && !is_seen {
            self.unknown(Unknown::Order { node: node.to_owned() });
        }
    }

    /// Which pools a node is in.
    fn membership(&mut self, node: &str, depth: usize, assignment: &Assignment<'_>) {
        let pools: Vec<String> = assignment.pools().into_iter().map(str::to_owned).collect();
        let Some((first, others)) = pools.split_first() else { return };
        let missing = self.views.left_out();
        let fact = Fact::InPools { first: first.clone(), others: others.to_vec(), all: missing.is_empty() };
        self.fact(&format!("node/{node}"), depth, &fact);
        if !missing.is_empty() {
            self.unknown(Unknown::Pools { node: node.to_owned(), missing });
        }
    }

    /// Who cordoned a node.
    fn cordon(&mut self, about: &str, depth: usize, node: &NodeView<'_>) {
        if !node.unschedulable {
            return;
        }
        self.why.authors.insert(("Node", node.name.to_owned()));
        let object = self.world.nodes.iter().find(|object| object.metadata.name.as_deref() == Some(node.name));
        let by = object.and_then(|object| author::of_field(&object.metadata, &["spec", "unschedulable"]));
        let cordon = Cordon::of(node.cordoned_by);
        if cordon != Cordon::ForDrain {
            self.command(format!("kubectl uncordon {}", node.name));
        }
        self.fact(about, depth, &Fact::Cordoned { cordon, by });
    }

    /// Rendered MachineConfigs that a node names and that are not there.
    fn gone(&mut self, about: &str, depth: usize, node: &NodeView<'_>) {
        // Files that hold no rendered MachineConfig say nothing about them.
        let is_rendered = |name: &&str| name.starts_with(RENDERED_PREFIX);
        if !self.world.whole && !self.views.configs.keys().any(is_rendered) {
            return;
        }
        let named = [node.current_config, node.desired_config].into_iter().flatten();
        let named: BTreeSet<&str> = named.filter(is_rendered).collect();
        for config in named.into_iter().filter(|name| !self.views.configs.contains_key(name)) {
            let is_told = node.desired_config == Some(config);
            let fact = Fact::ConfigGone { config: config.to_owned(), is_told, among: self.among() };
            self.fact(about, depth, &fact);
            self.command(format!(
                "kubectl debug node/{} -- chroot /host cat /etc/machine-config-daemon/currentconfig",
                node.name
            ));
        }
    }

    /// What the reason of a node leads to.
    fn follow(&mut self, node: &NodeView<'a>, pool: &PoolView<'a>, reason: Option<&WaitReason>, depth: usize) {
        match reason {
            Some(WaitReason::NoCapacity { .. } | WaitReason::ConfigFailing { .. } | WaitReason::Queued { .. }) => {
                let nodes = self.views.nodes_of(pool.name);
                let room = capacity(&nodes, pool.aim(), 0);
                let in_the_way: Vec<&str> =
                    room.unavailable.iter().chain(&room.failing).map(|node| node.name).take(FOLLOWED).collect();
                in_the_way.into_iter().for_each(|name| self.node(name, depth));
                self.moves(node, pool, depth);
            }
            Some(WaitReason::ControlPlaneFirst { .. }) => {
                let masters = self.views.nodes_of(weir_api::keys::names::MASTER);
                let down = masters.into_iter().filter(|node| node.is_unavailable() || node.is_failing());
                let down: Vec<&str> = down.map(|node| node.name).take(FOLLOWED).collect();
                down.into_iter().for_each(|name| self.node(name, depth));
            }
            Some(WaitReason::ArbiterUnavailable { node, .. }) => self.node(&node.clone(), depth),
            Some(WaitReason::PoolNotConfigured | WaitReason::ConfigMissing { .. } | WaitReason::Halted(_)) => {
                self.rendering(pool, depth);
            }
            Some(WaitReason::PoolPaused) => {
                self.pause(pool, depth);
                self.moves(node, pool, depth);
            }
            Some(WaitReason::Failing { drifted: true, .. }) => self.command(of_drift(node.name)),
            _ => self.moves(node, pool, depth),
        }
    }

    /// Why a pool is paused and until when, and how long that is safe.
    fn pause(&mut self, pool: &PoolView<'a>, depth: usize) {
        let about = format!("mcp/{}", pool.name);
        let Some(paused) = self.world.pause(pool).filter(|_| self.first(&format!("pause of {}", pool.name))) else {
            return;
        };
        for said in paused.told().into_iter().chain(paused.safety()) {
            self.put(&about, depth, "Paused", said);
        }
    }

    /// What a node is to change, and who wants it.
    fn moves(&mut self, node: &NodeView<'a>, pool: &PoolView<'a>, depth: usize) {
        let told = node.desired_config.filter(|told| node.current_config != Some(*told));
        if let (Some(from), Some(to)) = (node.current_config, told.or(pool.target)) {
            self.differences(pool, from, to, depth);
        }
    }

    /// What differs between two configurations of a pool, and where each difference comes from.
    fn differences(&mut self, pool: &PoolView<'a>, from: &str, to: &str, depth: usize) {
        if from == to || from.is_empty() || to.is_empty() || !self.first(&format!("{from} {to}")) {
            return;
        }
        let Some(named) = self.views.differences(pool, from, to) else {
            let missing = [from, to].into_iter().filter(|name| !self.views.configs.contains_key(name));
            let missing = missing.map(|name| format!("MachineConfig {name}")).collect();
            let (from, to, among) = (from.to_owned(), to.to_owned(), self.among());
            return self.unknown(Unknown::Differences { from, to, missing, among });
        };
        let about = format!("mcp/{}", pool.name);
        self.fact(&about, depth, &Fact::Moves { from: from.to_owned(), to: to.to_owned() });
        self.traceable(pool, to);
        let more = named.len().saturating_sub(NAMED);
        for Difference { what, trace } in named.into_iter().take(NAMED) {
            let fact = Fact::Differs { what, more: 0 };
            match trace {
                Some(trace) => self.given(&trace, depth + 1, &fact),
                None => self.fact(&about, depth + 1, &fact),
            }
        }
        if more > 0 {
            self.fact(&about, depth + 1, &Fact::Differs { what: String::new(), more });
            self.command(format!("weir diff {from} {to}"));
        }
    }

    /// Whether it is known where differences come from (R-WHY-5).
    fn traceable(&mut self, pool: &PoolView<'a>, to: &str) {
        let why = match self.views.rendered(pool) {
            Ok(rendered) if rendered.name() == to => return,
            Ok(rendered) => NotTraced::Other { now: rendered.name().to_owned(), among: self.among() },
            Err(failure) => match Unknown::of(&failure, pool).filter(|_| !self.world.whole) {
                Some(unknown) => return self.unknown(unknown),
                None => NotTraced::NotRendered(failure.to_string()),
            },
        };
        self.unknown(Unknown::Sources { config: to.to_owned(), why });
    }

    /// What gives a part, and who wrote that.
    fn given(&mut self, trace: &Trace, depth: usize, fact: &Fact) {
        match &trace.from {
            GivenBy::MachineConfig(name) => {
                self.fact(&format!("machineconfig/{name}"), depth, fact);
                self.config(name, depth + 1);
            }
            GivenBy::Stream(name) => {
                self.fact(&format!("osimagestream/{CLUSTER}"), depth, fact);
                self.fact(&format!("osimagestream/{CLUSTER}"), depth + 1, &Fact::OfStream { stream: name.clone() });
            }
            GivenBy::ControllerConfig | GivenBy::Default => self.fact(&trace.from.to_string(), depth, fact),
        }
    }

    /// Where a MachineConfig comes from.
    fn config(&mut self, name: &str, depth: usize) {
        let about = format!("machineconfig/{name}");
        let Some(config) = self.views.configs.get(name).copied().filter(|_| self.first(&about)) else { return };
        if let Some(from) = made_of(config) {
            let owner = config.metadata.owner_references.iter().flatten().next();
            if let Some(owner) = owner.filter(|owner| owner.kind != "ControllerConfig") {
                self.command(of_object(&owner.kind, &owner.name));
            }
            self.fact(&about, depth, &Fact::Generated { from });
            return;
        }
        self.why.authors.insert(("MachineConfig", name.to_owned()));
        if let Some(by) = author::of_object(&config.metadata) {
            self.fact(&about, depth, &Fact::Written { by });
        }
        self.command(of_object("MachineConfig", name));
    }

    /// Why a pool has the configuration that it has, or none.
    fn rendering(&mut self, pool: &PoolView<'a>, depth: usize) {
        let about = format!("mcp/{}", pool.name);
        let said = find(pool.conditions(), pool::RENDER_DEGRADED).filter(|held| !held.reason.is_empty());
        if let Some(held) = said {
            self.says(&about, depth, held);
            return;
        }
        if !self.first(&format!("rendering of {}", pool.name)) {
            return;
        }
        let Err(failure) = self.views.rendered(pool) else { return };
        match Unknown::of(&failure, pool).filter(|_| !self.world.whole) {
            Some(unknown) => self.unknown(unknown),
            None => _ = self.put(&about, depth, failure.code(), &failure),
        }
    }

    fn says(&mut self, about: &str, depth: usize, held: &Condition) {
        let code = if held.reason.is_empty() { &held.type_ } else { &held.reason };
        let text = if held.message.is_empty() { code } else { &held.message };
        if let Some(cause) = self.put(about, depth, code, text) {
            cause.since = held.last_transition_time.as_ref().map(|time| time.0);
        }
    }

    fn pool(&mut self, name: &str, depth: usize) {
        let about = format!("mcp/{name}");
        let Some(view) = self.views.pools.iter().find(|view| view.name == name) else { return };
        if !self.first(&about) {
            return;
        }
        let explained = self.views.explain(view, self.plan, &self.views.lost(), self.now);
        let conditions = explained.status.conditions.as_deref().unwrap_or_default();
        let causes = explained.causes();
        if let Some(unseen) = explained.unseen {
            self.put(&about, depth, "NotKnown", format!("how it is, is not known: {unseen}"));
        } else {
            self.counted(view);
            let symptom = [pool::UPDATED, pool::UPDATING].map(|type_| find(conditions, type_));
            let told = symptom.into_iter().flatten().find(|held| !held.message.is_empty());
            let told = told
                .cloned()
                .unwrap_or_else(|| Condition { reason: explained.health().word().to_owned(), ..Condition::default() });
            self.says(&about, depth, &told);
        }
        for cause in &causes {
            self.says(&about, depth + 1, cause);
        }
        self.pause(view, depth + 1);
        let render_said = causes.iter().any(|cause| cause.type_ == pool::RENDER_DEGRADED);
        if !render_said {
            self.rendering(view, depth + 1);
        }
        self.waiting(view, depth + 1);
        for notice in notices::held(conditions) {
            self.says(&about, depth + 1, notice);
        }
        self.stream(view, depth + 1);
        if let Some(target) = view.target {
            self.differences(view, &explained.former, target, depth + 1);
        }
    }

    /// Whether files hold all nodes that the pool counted.
    fn counted(&mut self, pool: &PoolView<'a>) {
        let counted = pool.object.status.as_ref().map_or(0, |status| status.machine_count);
        let (held, counted) = (self.views.nodes_of(pool.name).len(), usize::try_from(counted).unwrap_or_default());
        if !self.world.whole && held < counted {
            self.unknown(Unknown::Nodes { pool: pool.name.to_owned(), held, counted });
        }
    }

    /// What the nodes of a pool wait for: the failing ones and one for each other reason.
    fn waiting(&mut self, pool: &PoolView<'a>, depth: usize) {
        let plan = self.plan;
        let held = plan.hold.iter().filter(|held| held.pool.as_deref() == Some(pool.name));
        let (mut codes, mut failing) = (BTreeSet::new(), 0);
        for held in held {
            let fails = matches!(held.reason, WaitReason::Failing { .. });
            failing += usize::from(fails);
            let followed = if fails { failing <= FOLLOWED } else { codes.insert(held.reason.code()) };
            if followed {
                self.node(&held.node, depth);
            }
        }
        if let Some(start) = plan.start.iter().find(|start| start.pool == pool.name) {
            self.node(&start.node, depth);
        }
    }

    /// Which stream a pool gets, and why.
    fn stream(&mut self, pool: &PoolView<'a>, depth: usize) {
        let about = format!("mcp/{}", pool.name);
        if !self.world.whole && self.world.streams.is_none() && self.world.feature_gate.is_none() {
            let pool = pool.name.to_owned();
            return self.unknown(Unknown::Stream { pool, missing: &["OSImageStream", "FeatureGate"] });
        }
        match self.world.stream(pool, &self.views.pools) {
            Ok(resolved) => {
                let (because, stream) = (&resolved.because, resolved.set.as_ref().map(|set| set.name.as_str()));
                let text = stream.map_or_else(|| because.to_string(), |name| format!("stream {name}: {because}"));
                if let Some(cause) = self.put(&about, depth, because.code(), text) {
                    cause.rule = Some(because.rule());
                }
            }
            Err(failure) => match Unknown::of(&failure, pool).filter(|_| !self.world.whole) {
                Some(unknown) => self.unknown(unknown),
                None => _ = self.put(&about, depth, failure.code(), &failure),
            },
        }
    }

    fn cluster(&mut self) {
        let about = format!("co/{CLUSTER_OPERATOR}");
        let object = self.world.cluster_operator.clone();
        let status = object.as_ref().and_then(|object| object.status.as_ref());
        let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let wrong = [(DEGRADED, true), (AVAILABLE, false), (PROGRESSING, true), (UPGRADEABLE, false)];
        let mut any = false;
        for (type_, bad) in wrong {
            let Some(held) = find(conditions, type_).filter(|held| (held.status == TRUE) == bad) else { continue };
            let code = held.reason.clone().filter(|reason| !reason.is_empty()).unwrap_or_else(|| held.type_.clone());
            let text = held.message.clone().unwrap_or_else(|| code.clone());
            if let Some(cause) = self.put(&about, 0, &code, format!("{}={}: {text}", held.type_, held.status)) {
                cause.since = held.last_transition_time.as_ref().map(|time| time.0);
            }
            any = true;
        }
        if let Some(failure) = self.world.failure([]).filter(|_| conditions.is_empty()) {
            self.put(&about, 0, failure.code(), &failure);
            any = true;
        }
        if conditions.is_empty() {
            self.unknown(Unknown::Operator { among: self.among() });
        }
        match any {
            true => {}
            false if conditions.is_empty() => self.fact(&about, 0, &Fact::NotReported),
            false => self.fact(&about, 0, &Fact::NothingWrong),
        }
        let lost = self.views.lost();
        let pools: Vec<&str> = self
            .views
            .pools
            .iter()
            .filter(|view| {
                let explained = self.views.explain(view, self.plan, &lost, self.now);
                explained.health() < super::explain::Health::Updated
            })
            .map(|view| view.name)
            .take(FOLLOWED)
            .collect();
        pools.into_iter().for_each(|name| self.pool(name, 1));
    }
}

impl Why {
    /// For people: each cause in a line, those that follow from it above it.
    #[must_use]
    pub fn text(&self, now: Timestamp) -> String {
        let mut text = String::new();
        for cause in &self.chain {
            let (indent, because) = ("  ".repeat(cause.depth), if cause.depth == 0 { "" } else { "because " });
            let said: Vec<&str> = cause.text.split_whitespace().collect();
            let age = cause.since.map(|since| now.duration_since(since)).filter(|age| age.as_secs() >= 1);
            let age =
                age.map(|age| format!(" (for {:#})", SignedDuration::from_secs(age.as_secs()))).unwrap_or_default();
            text.push_str(&format!("{indent}{because}{}: {}{age}\n", cause.about, said.join(" ")));
        }
        for unknown in &self.unknown {
            text.push_str(&format!("not known: {unknown}\n"));
        }
        for command in &self.commands {
            text.push_str(&format!("change it: {command}\n"));
        }
        text
    }

    /// For scripts: `causes`, `notKnown` and `commands`.
    #[must_use]
    pub fn json(&self) -> Value {
        let causes = self.chain.iter().map(|cause| {
            json!({
                "about": cause.about, "code": cause.code, "rule": cause.rule, "text": cause.text, "depth": cause.depth,
                "since": cause.since.map(|since| since.to_string()),
            })
        });
        let unknown = self.unknown.iter().map(|unknown| json!({"code": unknown.code(), "text": unknown.to_string()}));
        json!({"causes": causes.collect::<Vec<_>>(), "notKnown": unknown.collect::<Vec<_>>(), "commands": self.commands})
    }
}
