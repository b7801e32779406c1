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
//! R-WHY-9 What is wrong comes before what is well: a pool that cannot be rendered, or has a failing node, begins with that, and so does
//! a node that is not ready although it runs what it should. What cannot be rendered ends with the objects that have to change.
//! R-WHY-10 A MachineConfig for registries is generated from many objects: those that give something to the file that is asked about
//! are named.

mod cluster;
mod drain;
mod fact;
mod node;
mod origin;
mod part;
mod pool;
mod registries;
#[cfg(test)]
mod tests;
mod trouble;
mod unknown;

pub use fact::Fact;
pub use unknown::{Among, NotTraced, Unknown};

use super::{Views, World};
use crate::rollout::{RolloutPlan, WaitReason};
pub(super) use fact::addresses;
use jiff::{SignedDuration, Timestamp};
use part::Sought;
pub(crate) use registries::{givers, refused_mirrors};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use weir_api::Condition;

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
    /// Objects, as `(kind, name)`, whose authors are asked for.
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
        self.fact_since(about, depth, fact, None);
    }

    fn fact_since(&mut self, about: &str, depth: usize, fact: &Fact, since: Option<Timestamp>) {
        if let Some(cause) = self.put(about, depth, fact.code(), fact) {
            cause.since = since;
        }
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

    fn says(&mut self, about: &str, depth: usize, held: &Condition) {
        let code = if held.reason.is_empty() { &held.type_ } else { &held.reason };
        let text = if held.message.is_empty() { code } else { &held.message };
        if let Some(cause) = self.put(about, depth, code, text) {
            cause.since = held.last_transition_time.as_ref().map(|time| time.0);
        }
    }
}

/// Text of somebody else within a line: its breaks are shown, and nothing of it can pass for a further line.
fn one_line(text: &str) -> String {
    text.trim_end().replace('\n', "\\n")
}

impl Why {
    /// For people: each cause in a line, those that follow from it above it.
    #[must_use]
    pub fn text(&self, now: Timestamp) -> String {
        let mut text = String::new();
        for cause in &self.chain {
            let (indent, because) = ("  ".repeat(cause.depth), if cause.depth == 0 { "" } else { "because " });
            let said = one_line(&cause.text);
            let age = cause.since.map(|since| now.duration_since(since)).filter(|age| age.as_secs() >= 1);
            let age =
                age.map(|age| format!(" (for {:#})", SignedDuration::from_secs(age.as_secs()))).unwrap_or_default();
            text.push_str(&format!("{indent}{because}{}: {said}{age}\n", one_line(&cause.about)));
        }
        for unknown in &self.unknown {
            text.push_str(&format!("not known: {}\n", one_line(&unknown.to_string())));
        }
        for command in &self.commands {
            text.push_str(&format!("change it: {}\n", one_line(command)));
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
