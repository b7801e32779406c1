//! A script of a cluster's life, played with the production controllers and judged.
//!
//! | module | part |
//! |---|---|
//! | [`script`] | the format of a story |
//! | `cluster` | the API server, the controllers and the fleet, and actions on them |
//! | `cut` | a client that is cut off mid-work |
//! | `expect` | whether an expectation of a story holds |
//! | `images` | the registry of a story in which images are built |
//! | `judge` | what must hold at every moment of every story |
//! | `timeline` | all of that as text |

mod cluster;
mod cut;
mod expect;
mod images;
pub(crate) mod judge;
pub mod script;
mod timeline;

use crate::history::History;
use anyhow::{Context as _, Result, bail};
use cluster::Cluster;
pub use script::Builders;
use script::{Expectation, Script, Step};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
pub use timeline::Tell;
use timeline::Timeline;
use tokio::{
    task::LocalSet,
    time::{Instant, sleep_until},
};
use weir_distro::StreamsRule;

include!(concat!(env!("OUT_DIR"), "/stories.rs"));

/// The cluster is at rest when nothing has changed for this long: many times the step of a node and the pauses of controllers.
const QUIET: Duration = Duration::from_millis(200);
/// Longest that a story may take.
const LONGEST: Duration = Duration::from_secs(30);

/// The result of a story.
#[derive(Debug)]
pub struct Report {
    /// What did not hold, and which invariants were violated; empty on success.
    pub failures: Vec<String>,
    /// Writes that the controllers made since the first update, or the first step that says so.
    pub writes: u64,
    /// Pools, streams, configurations and nodes at the end, without times and identities.
    pub state: Value,
}

/// The built-in stories: name and text.
#[must_use]
pub fn built_in() -> &'static [(&'static str, &'static str)] {
    STORIES
}

/// A story's own summary.
///
/// # Errors
/// When it is not a story.
pub fn about(text: &str) -> Result<String> {
    Ok(Script::parse(text)?.about)
}

/// Plays a story, and reports what happens line by line.
///
/// # Errors
/// When it cannot be played.
pub async fn told(text: &str, tell: Tell) -> Result<Report> {
    play(Script::parse(text)?, Timeline::told(tell), 0).await
}

/// Plays a story silently. `cut_after` cuts the controllers off after that many of these writes and restarts
/// them; 0 never does.
///
/// # Errors
/// When it cannot be played.
pub async fn replay(text: &str, cut_after: u64) -> Result<Report> {
    play(Script::parse(text)?, Timeline::default(), cut_after).await
}

/// Plays a story silently, with another builder of images.
///
/// # Errors
/// When it cannot be played.
pub async fn built(text: &str, builders: Builders) -> Result<Report> {
    play(Script { builders, ..Script::parse(text)? }, Timeline::default(), 0).await
}

async fn play(script: Script, timeline: Timeline, cut_after: u64) -> Result<Report> {
    LocalSet::new().run_until(on_stage(script, timeline, cut_after)).await
}

async fn on_stage(script: Script, timeline: Timeline, cut_after: u64) -> Result<Report> {
    let follows_release = script.profile()?.streams.rule == StreamsRule::OneFollowingRelease;
    let joined = script.start.nodes.pools().map(|(pool, count)| (pool.to_owned(), count)).collect();
    let (steps, times) = (script.steps.clone(), script.builders.times);
    timeline.line(&script.about);
    let mut cluster = Cluster::new(script).await?;
    let history = History::start(cluster.client()).await?;
    cluster.run().await?;
    let end = Instant::now() + LONGEST * times;
    let mut stage = Stage { cluster, history, timeline, joined, cut_after, times, end, written: 0 };
    let mut failures = Vec::new();
    for step in &steps {
        stage.timeline.step(&step.title);
        if let Err(error) = stage.step(step).await {
            failures.push(format!("{}: {error:#}", step.title));
            break;
        }
    }
    if stage.settle().await {
        stage.timeline.changes(&stage.history);
    }
    let told = judge::images(&stage.history.look().changes);
    let built = stage.cluster.built(told).await?;
    let seen = stage.history.look();
    failures.extend(seen.gap.clone());
    failures.extend(judge::judge(&seen.changes, follows_release, &built));
    failures.extend(stage.cluster.removals.wrong());
    let writes = stage.written + stage.cluster.writes.made();
    let state = stage.cluster.state(&seen);
    drop(seen);
    stage.timeline.end(failures.is_empty());
    Ok(Report { failures, writes, state })
}

/// A story while it is played.
struct Stage {
    cluster: Cluster,
    history: History,
    timeline: Timeline,
    joined: BTreeMap<String, u32>,
    cut_after: u64,
    /// How many times as long as written everything may take.
    times: u32,
    end: Instant,
    /// Writes made before the controllers were cut off.
    written: u64,
}

impl Stage {
    async fn step(&mut self, step: &Step) -> Result<()> {
        let since = self.history.look().changes.len();
        if step.counted {
            self.cluster.writes.count(self.cut_after);
        }
        for action in &step.actions {
            if matches!(action, script::Action::Update { .. }) {
                self.cluster.writes.count(self.cut_after);
            }
            self.cluster.act(action).await.context("doing it")?;
        }
        let done = Instant::now();
        let deadline = (done + step.within * self.times).min(self.end);
        let (mut news, mut removed) = (self.history.news(), self.cluster.removals.count());
        loop {
            news.mark_unchanged();
            self.timeline.changes(&self.history);
            self.cluster.check()?;
            let unmet = self.unmet(&step.expect, since);
            let quiet = if step.quiet { self.quiet_at().max(done + QUIET) } else { done };
            if unmet.is_empty() && quiet <= Instant::now() {
                break;
            }
            if Instant::now() >= deadline {
                bail!("not within {:?}: {}", step.within, if unmet.is_empty() { "it goes on" } else { &unmet });
            }
            let look = if unmet.is_empty() { quiet.min(deadline) } else { deadline };
            tokio::select! {
                biased;
                _ = news.changed() => {}
                _ = removed.changed() => {}
                () = sleep_until(look) => {}
                () = self.cluster.writes.cut() => self.start_again().await?,
            }
        }
        for expected in &step.expect {
            self.timeline.held(&expect::words(expected));
        }
        Ok(())
    }

    /// What does not hold yet, in words.
    fn unmet(&self, expected: &[Expectation], since: usize) -> String {
        let (seen, pruned) = (self.history.look(), *self.cluster.removals.count().borrow());
        let unmet = expected.iter().filter_map(|expected| {
            let instead = expect::unmet(expected, &seen, since, &self.joined, pruned)?;
            Some(format!("{} ({instead})", expect::words(expected)))
        });
        unmet.collect::<Vec<_>>().join("; ")
    }

    fn quiet_at(&self) -> Instant {
        self.history.look().last.map_or_else(Instant::now, |last| last + QUIET)
    }

    async fn start_again(&mut self) -> Result<()> {
        self.timeline.line("the controllers are cut off and started again");
        self.written = self.cluster.writes.made();
        self.cluster.spare();
        self.cluster.start_controllers().await
    }

    /// Waits until the cluster is at rest; false when that takes too long.
    async fn settle(&self) -> bool {
        let mut news = self.history.news();
        while Instant::now() < self.end {
            let quiet = self.quiet_at();
            if quiet <= Instant::now() {
                return true;
            }
            tokio::select! {
                biased;
                _ = news.changed() => {}
                () = sleep_until(quiet) => {}
            }
        }
        false
    }
}
