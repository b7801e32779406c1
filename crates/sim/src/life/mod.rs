//! A cluster's life that a seed decides: a world, what users do in it, and what goes wrong, with the production controllers, the embedded
//! API server and the fleet's machines; on one thread, with time that advances while nothing runs. The same seed gives the same life.
//!
//! A life has two phases. In the first, things go wrong and every moment is judged. In the second, nothing goes wrong any more, and
//! everything has to become as its users want it, within a bounded time.
//!
//! | module | part |
//! |---|---|
//! | [`world`] | what a life begins with |
//! | [`script`] | what users do, and what goes wrong |
//! | `prepared` | what all lives share, made once |
//! | `stage` | runs everything in an order that the seed decides |
//! | `cluster` | API server, processes and machines |
//! | `judge` | what must hold |
//! | `plan` | whether what is planned is what happens, in a life in which nothing goes wrong |
//! | `trace` | all of that as text |

mod cluster;
mod judge;
mod plan;
mod prepared;
pub mod script;
mod stage;
mod trace;
pub mod world;

pub use plan::{Foreseen, foresee};
pub use prepared::{Door, Prepared, Service};

use crate::{Chance, history::History};
use anyhow::{Context as _, Result};
use cluster::Cluster;
use judge::Doings;
use script::{Event, Fault, What, script};
use stage::Stage;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};
use weir_distro::StreamsRule;
use world::World;

/// The cluster is at rest when nothing has changed for this long: longer than any pause of a machine or a controller.
const QUIET: Duration = Duration::from_mins(4);
/// Longest time until a new cluster is at rest, and until it is again in the second phase: several rollouts, one node after the other.
const PATIENCE: Duration = Duration::from_hours(6);
/// How long a cluster at rest is watched for writes: twice as long as controllers wait before they look at everything again.
const AT_REST: Duration = Duration::from_mins(21);
/// So long after it is killed, or its watches break off, a process may still be catching up.
const CATCHING_UP: Duration = Duration::from_secs(30);

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
}

/// Lives the life of a seed.
///
/// # Errors
/// When it cannot be lived, which is a defect of the simulation.
pub fn live(seed: u64, prepared: &Prepared) -> Result<Record> {
    let world = World::of(seed).context("there is no distribution")?;
    let events = script(seed, &world);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let stage = Stage::new();
    let order = Chance::for_purpose(seed, "order");
    let life = lived(seed, &world, events, prepared, stage.clone());
    runtime.block_on(stage.play(order, life)).with_context(|| format!("living life {seed}"))
}

async fn lived(seed: u64, world: &World, events: Vec<Event>, prepared: &Prepared, stage: Stage) -> Result<Record> {
    let start = Instant::now();
    let mut cluster = Cluster::new(seed, world, prepared, stage).await?;
    let history = History::start(cluster.client()).await?;
    cluster.run()?;
    let mut life = Life { cluster, history, doings: Doings::default(), notes: Vec::new(), since: BTreeMap::new() };
    life.doings.follows_release = world.profile.streams.rule == StreamsRule::OneFollowingRelease;
    life.note(format!("world {world:?}"));
    let rested = life.settle().await && {
        life.note("at rest".to_owned());
        life.play(events).await?;
        life.note("faults end".to_owned());
        life.cluster.heal().await?;
        life.over_all();
        life.settle().await
    };
    if rested {
        life.cluster.trouble.stop_after(None);
        sleep(AT_REST).await;
        life.doings.writes_at_rest = life.cluster.trouble.writes();
    }
    Ok(life.record(seed, start, rested))
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
    fn note(&mut self, what: String) {
        self.notes.push((Instant::now(), what));
    }

    /// Waits until the cluster is at rest; false when that takes too long.
    async fn settle(&self) -> bool {
        let end = Instant::now() + PATIENCE;
        loop {
            let now = Instant::now();
            let quiet = self.history.look().last.map_or(now, |last| last + QUIET);
            if quiet <= now {
                return true;
            }
            if now >= end {
                return false;
            }
            sleep_until(quiet.min(end)).await;
        }
    }

    /// Lets everything happen, each at its time.
    async fn play(&mut self, events: Vec<Event>) -> Result<()> {
        let start = Instant::now();
        let mut due: BTreeMap<(Instant, usize), What> = BTreeMap::new();
        let mut number = 0;
        for event in events {
            number += 1;
            due.insert((start + event.at, number), event.what);
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
            if let Some(away) = again {
                self.trouble(away + CATCHING_UP);
                number += 1;
                due.insert((Instant::now() + away, number), What::Fault(Fault::Start));
            }
        }
        Ok(())
    }

    /// Lets it happen; returns when processes start again, if they have to.
    async fn happen(&mut self, what: &What) -> Result<Option<Duration>> {
        self.note(what.to_string());
        match what {
            What::Intent(intent) => {
                self.doings.intents.push((Instant::now(), intent.clone()));
                if matches!(intent, script::Intent::Release(_)) {
                    self.trouble(CATCHING_UP);
                }
                self.cluster.act(intent).await?;
                Ok(None)
            }
            What::Fault(fault) => {
                match fault {
                    Fault::Down(on) => self.lasting("down", *on),
                    Fault::Conflicts(on) => self.lasting("conflicts", *on),
                    Fault::Late(on) => self.lasting("late", *on),
                    Fault::Refuse(_) | Fault::Cut => self.trouble(CATCHING_UP),
                    Fault::Kill(_) | Fault::KillAtWrite(_) | Fault::Start => {}
                }
                self.cluster.fault(fault)
            }
        }
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
        for what in ["down", "conflicts", "late"] {
            self.lasting(what, false);
        }
        self.trouble(CATCHING_UP);
    }

    fn record(mut self, seed: u64, start: Instant, rested: bool) -> Record {
        let end = Instant::now();
        self.doings.troubles.sort_unstable();
        let seen = self.history.look();
        let mut changes: Vec<_> = seen.changes.iter().collect();
        changes.sort_by_key(|change| change.version);
        let mut violations = judge::judge(&changes, &self.doings, end);
        if !rested {
            violations.push((end, format!("it was not at rest within {PATIENCE:?}")));
        }
        violations.extend(seen.gap.iter().map(|gap| (end, gap.clone())));
        let trace = trace::lines(start, &self.notes, &changes);
        let violations = violations.into_iter().map(|(at, what)| trace::line(start, at, &what)).collect();
        Record { seed, violations, hash: trace::hash(&trace), trace, lasted: end.duration_since(start) }
    }
}
