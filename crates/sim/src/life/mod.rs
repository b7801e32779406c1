//! A cluster's life that a seed decides: a world, what users do in it, and what goes wrong, with the production controllers, the embedded
//! API server and the fleet's machines; on one thread, with time that advances while nothing runs. The same seed gives the same life.
//!
//! A life has two phases. In the first, things go wrong and every moment is judged. In the second, nothing goes wrong any more, and
//! everything has to become as its users want it, within a bounded time.
//!
//! | module | part |
//! |---|---|
//! | [`plot`] | a life before it is lived: a world and a script, from a seed or a file |
//! | [`world`] | what a life begins with |
//! | [`script`] | what users do, and what goes wrong |
//! | `prepared` | what all lives share, made once |
//! | `stage` | runs everything in an order that the seed decides |
//! | `cluster` | API server, processes and machines |
//! | `workload` | the pods on its machines, and their budgets |
//! | `operator` | another operator, and weir in its place |
//! | `ways` | the ways out that conditions name |
//! | `works` | the builder of images, and its registry |
//! | `process` | the processes of the controllers |
//! | `judge` | what must hold |
//! | `plan` | whether what is planned is what happens, in a life in which nothing goes wrong |
//! | `trace` | all of that as text |
//! | [`reached`] | what lives reach |
//! | [`shrink`] | the smallest life that still violates the same |

mod cluster;
mod judge;
mod operator;
mod plan;
pub mod plot;
mod prepared;
mod process;
pub mod reached;
pub mod script;
pub mod shrink;
mod stage;
mod trace;
mod ways;
mod workload;
mod works;
pub mod world;

pub use plan::{CHANGES, Foreseen, foresee};
pub use prepared::{Door, Prepared, Service};

use crate::{
    Chance,
    history::{Change, History, Key},
};
use anyhow::{Context as _, Result};
use cluster::Cluster;
use judge::Doings;
use plot::Plot;
use prepared::BEGINNING;
use reached::Reached;
use script::{BEHIND, Event, Fault, Intent, Operator, What};
use stage::Stage;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};
use ways::Way;
use weir_distro::StreamsRule;

/// The cluster is at rest when nothing has changed for this long: longer than any pause of a machine or a controller, of which the
/// longest is the five minutes between evictions in a slow drain.
const QUIET: Duration = Duration::from_mins(6);
/// Longest time until a new cluster is at rest, and until it is again in the second phase: several rollouts, one node after the other.
const PATIENCE: Duration = Duration::from_hours(6);
/// So long after users did what is named, they look again at what is, if the cluster has not come to rest before; and how many times
/// at most.
const LOOK: Duration = Duration::from_mins(15);
const LOOKS: usize = 24;
/// How long a cluster at rest is watched for writes: longer than controllers wait before they look at everything again.
const AT_REST: Duration = Duration::from_mins(11);
/// So long after it is killed, or its watches break off, a process may still be catching up.
const CATCHING_UP: Duration = Duration::from_secs(30);
/// One of so many lives is lived twice, and has to be the same: a life that is not proves nothing.
const TWICE: u64 = 20;

/// What was seen of a life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its seed.
    pub seed: u64,
    /// What was violated, each with the time at which it happened; empty if everything held.
    pub violations: Vec<String>,
    /// Everything that happened, a line each.
    pub trace: Vec<String>,
    /// A number that two lives share if they are the same.
    pub hash: u64,
    /// How long it lasted, for those who lived it.
    pub lasted: Duration,
    /// What it reached; nothing unless that was [asked for](Prepared::covering).
    pub reached: Reached,
}

/// Lives the life of a seed. One of so many is lived twice: that it was not the same is a violation.
///
/// # Errors
/// When it cannot be lived, which is a defect of the simulation.
pub fn live(seed: u64, prepared: &Prepared) -> Result<Record> {
    let plot = Plot::of(seed)?;
    let mut life = live_plot(&plot, prepared)?;
    if seed.is_multiple_of(TWICE) {
        life.violations.extend(life.differs(&live_plot(&plot, prepared)?));
    }
    Ok(life)
}

/// Lives a life.
///
/// # Errors
/// When it cannot be lived, which is a defect of the simulation.
pub fn live_plot(plot: &Plot, prepared: &Prepared) -> Result<Record> {
    let seed = plot.seed;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let stage = Stage::new();
    let order = Chance::for_purpose(seed, "order");
    let life = lived(plot, prepared, stage.clone());
    runtime.block_on(stage.play(order, life)).with_context(|| format!("living life {seed}"))
}

async fn lived(plot: &Plot, prepared: &Prepared, stage: Stage) -> Result<Record> {
    let (start, world) = (Instant::now(), &plot.world);
    let mut cluster = Cluster::new(plot.seed, world, prepared, stage.clone()).await?;
    let history = History::with_pods(cluster.client()).await?;
    cluster.run()?;
    let mut life = Life { cluster, history, doings: Doings::default(), notes: Vec::new(), since: BTreeMap::new() };
    life.doings.follows_release = world.profile.streams.rule == StreamsRule::OneFollowingRelease;
    life.doings.settle = world.settle;
    life.note(format!("world {}", serde_json::to_string(world)?));
    let end = tokio::select! {
        biased;
        () = stage.endless() => End::Endless,
        end = life.pass(&plot.events) => end?,
    };
    Ok(life.record(plot, prepared, start, end))
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// At rest.
    Rested,
    /// It did not come to rest.
    Restless,
    /// Something went on without end.
    Endless,
}

impl End {
    /// What is wrong with it.
    fn violation(self, changes: &[&Change]) -> Option<String> {
        match self {
            Self::Rested => None,
            Self::Restless => Some(format!("it was not at rest within {PATIENCE:?}")),
            Self::Endless => {
                let mut times: BTreeMap<&Key, usize> = BTreeMap::new();
                changes.iter().for_each(|change| *times.entry(&change.key).or_default() += 1);
                let most = times.into_iter().max_by_key(|(_, times)| *times);
                let most = most.map(|((kind, name), times)| format!(": {kind} {name} changed {times} times"));
                Some(format!("something goes on without end{}", most.unwrap_or_default()))
            }
        }
    }
}

impl Record {
    /// What another life of the same seed had otherwise.
    fn differs(&self, again: &Self) -> Option<String> {
        let longest = self.trace.len().max(again.trace.len());
        let number = (0..longest).find(|number| self.trace.get(*number) != again.trace.get(*number))?;
        let line = |life: &Self| life.trace.get(number).cloned().unwrap_or_else(|| "it ended".to_owned());
        Some(format!("lived again, it was another life: {:?}, and the second time {:?}", line(self), line(again)))
    }
}

/// A life while it is lived.
struct Life<'a> {
    cluster: Cluster<'a>,
    history: History,
    doings: Doings,
    /// What the script did, and when.
    notes: Vec<(Instant, String)>,
    /// Troubles that are not over.
    since: BTreeMap<&'static str, Instant>,
}

impl Life<'_> {
    /// Both phases, and the time after them.
    async fn pass(&mut self, events: &[Event]) -> Result<End> {
        if !self.settle().await {
            return Ok(End::Restless);
        }
        self.note("at rest".to_owned());
        self.doings.begun = Some(Instant::now());
        self.play(events).await?;
        self.note("faults end".to_owned());
        self.cluster.heal().await?;
        self.over_all();
        if !self.get_out().await? {
            return Ok(End::Restless);
        }
        drop(self.cluster.trouble.take_requests());
        sleep(AT_REST).await;
        let mut made = self.cluster.trouble.take_requests();
        // The holder of a lease renews it.
        made.retain(|what, _| {
            !what.ends_with(" leases") && !["get", "list", "watch"].iter().any(|reads| what.starts_with(reads))
        });
        self.doings.writes_at_rest = made;
        Ok(End::Rested)
    }

    fn note(&mut self, what: String) {
        self.notes.push((Instant::now(), what));
    }

    /// Waits until the cluster is at rest; false when that takes too long.
    async fn settle(&self) -> bool {
        self.settle_within(PATIENCE).await
    }

    async fn settle_within(&self, time: Duration) -> bool {
        let begun = Instant::now();
        let end = begun + time;
        loop {
            let now = Instant::now();
            // What was just asked for may not have begun.
            let quiet = self.history.look().last.map_or(begun, |last| last.max(begun)) + QUIET;
            if quiet <= now {
                return true;
            }
            if now >= end {
                return false;
            }
            sleep_until(quiet.min(end)).await;
        }
    }

    /// Does what is named as long as something is; false if the cluster does not come to rest.
    async fn get_out(&mut self) -> Result<bool> {
        self.doings.healed = Some(Instant::now());
        for _ in 0..LOOKS {
            let rested = self.settle_within(LOOK).await;
            let ways = ways::named(&self.history.look());
            if ways.is_empty() && rested {
                return Ok(true);
            }
            for way in ways {
                self.doings.healed = Some(Instant::now());
                self.go(way).await?;
            }
        }
        Ok(false)
    }

    /// Does what was named.
    async fn go(&mut self, way: Way) -> Result<()> {
        self.note(way.to_string());
        match way {
            Way::Repair(node) => self.cluster.repair(&node).await,
            Way::Change(intent) => {
                self.intend(&intent).await?;
                // A takeover that is refused says that the other operator has to finish its work first.
                if intent == Intent::Operator(Operator::TakesOver) && self.cluster.stands_by() {
                    let goes_on = Intent::Operator(Operator::Other);
                    self.note(Way::Change(goes_on.clone()).to_string());
                    self.intend(&goes_on).await?;
                }
                Ok(())
            }
        }
    }

    /// Lets users do something.
    async fn intend(&mut self, intent: &Intent) -> Result<()> {
        self.doings.intents.push((Instant::now(), intent.clone()));
        // These start processes, which catch up.
        if matches!(intent, Intent::Release(_) | Intent::Operator(_)) {
            self.trouble(CATCHING_UP);
        }
        self.cluster.act(intent).await?;
        self.doings.stands_by(Instant::now(), self.cluster.stands_by());
        Ok(())
    }

    /// Lets everything happen, each at its time.
    async fn play(&mut self, events: &[Event]) -> Result<()> {
        let start = Instant::now();
        let mut due: BTreeMap<(Instant, usize), What> = BTreeMap::new();
        let mut number = 0;
        for event in events {
            number += 1;
            due.insert((start + event.at, number), event.what.clone());
        }
        while let Some((&next, _)) = due.first_key_value() {
            let trouble = self.cluster.trouble.clone();
            let again = tokio::select! {
                biased;
                () = trouble.stopped() => {
                    self.note("the processes are killed at a write".to_owned());
                    Some(self.cluster.stopped())
                }
                () = sleep_until(next.0) => match due.remove(&next) {
                    Some(what) => self.happen(&what).await?,
                    None => None,
                },
            };
            if let Some((away, fault)) = again {
                self.trouble(away + CATCHING_UP);
                number += 1;
                due.insert((Instant::now() + away, number), What::Fault(fault));
            }
        }
        Ok(())
    }

    /// Lets it happen; returns what follows, and when.
    async fn happen(&mut self, what: &What) -> Result<Option<(Duration, Fault)>> {
        self.note(what.to_string());
        match what {
            What::Intent(intent) => {
                self.intend(intent).await?;
                Ok(None)
            }
            What::Fault(fault) => {
                match fault {
                    Fault::Down(on) => self.lasting("down", *on),
                    Fault::Conflicts(on) => self.lasting("conflicts", *on),
                    Fault::Late(on) => self.lasting("late", *on),
                    Fault::Stall(on) => self.lasting("stall", *on),
                    Fault::Slow(on) => self.lasting("slow", *on),
                    Fault::Lag(on) => {
                        self.lasting("lag", *on);
                        let version = on.then(|| self.version(Instant::now().checked_sub(BEHIND)));
                        self.cluster.trouble.lag(version);
                    }
                    Fault::ClockForward(_) | Fault::ClockBack(_) | Fault::HalfPayload(_) => {}
                    Fault::Refuse(_) | Fault::Cut => self.trouble(CATCHING_UP),
                    Fault::NoRegistry(_)
                    | Fault::FailingBuilds(_)
                    | Fault::SlowBuilds(_)
                    | Fault::OtherDigests(_)
                    | Fault::Kill(_)
                    | Fault::KillAtWrite(_)
                    | Fault::Start
                    | Fault::Suspend(_)
                    | Fault::Resume => {}
                }
                self.cluster.fault(fault)
            }
        }
    }

    /// The version of everything at some time.
    fn version(&self, then: Option<Instant>) -> u64 {
        let seen = self.history.look();
        let before = seen.changes.iter().filter(|change| then.is_none_or(|then| change.at <= then));
        before.map(|change| change.version).max().unwrap_or_default()
    }

    fn trouble(&mut self, lasts: Duration) {
        let now = Instant::now();
        self.doings.troubles.push((now, now + lasts));
    }

    fn lasting(&mut self, what: &'static str, on: bool) {
        if on {
            self.since.entry(what).or_insert_with(Instant::now);
        } else if let Some(since) = self.since.remove(what) {
            self.doings.troubles.push((since, Instant::now() + CATCHING_UP));
        }
    }

    fn over_all(&mut self) {
        for what in ["down", "conflicts", "late", "stall", "slow", "lag"] {
            self.lasting(what, false);
        }
        self.trouble(CATCHING_UP);
    }

    fn record(mut self, plot: &Plot, prepared: &Prepared, start: Instant, how: End) -> Record {
        let end = Instant::now();
        self.doings.troubles.sort_unstable();
        self.doings.deleted = std::mem::take(&mut self.cluster.deleted);
        if let Some(works) = &self.cluster.works {
            (self.doings.images, self.doings.removed) = (works.images(), works.deleted());
        }
        let seen = self.history.look();
        let mut changes: Vec<_> = seen.changes.iter().collect();
        changes.sort_by_key(|change| change.version);
        let mut violations = judge::judge(&changes, &self.doings, end);
        let stray = |(at, what): (Instant, String)| (at, format!("{what}, which had not got the lease any more"));
        violations.extend(self.cluster.trouble.strays().into_iter().map(stray));
        violations.extend(how.violation(&changes).map(|violation| (end, violation)));
        violations.extend(seen.gap.iter().map(|gap| (end, gap.clone())));
        let trace = trace::lines(start, &self.notes, &changes);
        let violations = violations.into_iter().map(|(at, what)| trace::line(start, at, &what)).collect();
        let reached =
            if prepared.covers { reached::reached(plot, &changes, (start, BEGINNING)) } else { Reached::new() };
        let (seed, lasted) = (plot.seed, end.duration_since(start));
        Record { seed, violations, hash: trace::hash(&trace), trace, lasted, reached }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_that_was_another_the_second_time_is_told_with_its_first_difference() {
        let life = |trace: &[&str]| Record {
            seed: 20,
            violations: Vec::new(),
            trace: trace.iter().map(|line| (*line).to_owned()).collect(),
            hash: 0,
            lasted: Duration::ZERO,
            reached: Reached::new(),
        };
        assert_eq!(life(&["a", "b"]).differs(&life(&["a", "b"])), None);
        let said = |again: &[&str]| life(&["a", "b"]).differs(&life(again)).unwrap();
        assert_eq!(said(&["a", "c"]), r#"lived again, it was another life: "b", and the second time "c""#);
        assert_eq!(said(&["a"]), r#"lived again, it was another life: "b", and the second time "it ended""#);
    }
}
