//! `weir sim`: lives of made-up clusters, decided by seeds.

use super::print;
use crate::{exit::Outcome, signals::asked_to_stop};
use anyhow::{Context as _, Result, ensure};
use std::{
    collections::BTreeMap,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};
use weir_sim::life::{
    Prepared, Record, live, live_plot,
    plot::Plot,
    reached::Coverage,
    shrink::{Shrunk, shrink},
};

/// The largest file of a life: a thousand events of two hundred bytes, and some room.
const LARGEST_LIFE: u64 = 1 << 20;
/// How many lines of a trace lead up to a violation.
const LEADING_UP: usize = 12;

/// Live the lives of made-up clusters, and judge every moment of them
///
/// A seed decides the cluster, what its users do and what goes wrong: with the controllers of `weir run`, the API server of
/// `weir up` and simulated nodes, in virtual time. The same seed gives the same life. Exit code 1 if something did not hold.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("one").args(["seed", "life"])))]
pub struct Sim {
    /// The first seed [default: a random one]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// How many lives, of consecutive seeds [default: 1 with --seed, otherwise until Ctrl-C]
    #[arg(long, value_name = "N", conflicts_with = "life")]
    seeds: Option<u64>,
    /// Live the life in this file, as --shrink prints it
    #[arg(long, value_name = "FILE")]
    life: Option<PathBuf>,
    /// Print everything that happens in a life
    #[arg(long)]
    trace: bool,
    /// Go on after a violation
    #[arg(long)]
    keep_going: bool,
    /// Of a life that violates something, print the smallest one that still does, as a file for --life
    #[arg(long, requires = "one", conflicts_with_all = ["seeds", "trace", "keep_going", "coverage"])]
    shrink: bool,
    /// Print what the lives reached, and how many of them
    #[arg(long)]
    coverage: bool,
    /// How many lives at a time [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

/// A life, or why it could not be lived, with its place among all of them.
type Lived = (u64, Result<Record>);

/// What processes of a life log about its faults is nothing that went wrong here. It is logged for those who ask for more than that.
fn quiet() -> Option<tracing::subscriber::DefaultGuard> {
    let asked = tracing::enabled!(tracing::Level::INFO);
    (!asked).then(|| tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::new()))
}

impl Sim {
    /// Lives them.
    ///
    /// # Errors
    /// When a life cannot be lived.
    pub fn run(&self) -> Result<Outcome> {
        if self.shrink {
            return self.smallest();
        }
        let first = self.seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 32);
        let one = self.seed.is_some() || self.life.is_some();
        let count = self.seeds.unwrap_or(if one { 1 } else { u64::MAX });
        let prepared = Prepared::new()?;
        let prepared = Arc::new(if self.coverage { prepared.covering() } else { prepared });
        let stop = Arc::new(AtomicBool::new(false));
        let hears = stop.clone();
        // It ends with the process.
        thread::Builder::new().spawn(move || stop_when_asked(&hears)).context("listening for Ctrl-C")?;
        let lives = self.start(first, count, &stop, &prepared)?;
        let mut told = Told { start: Instant::now(), lives: 0, violations: 0, coverage: Coverage::default() };
        let outcome = self.tell(&lives, &stop, &mut told);
        if self.coverage {
            print(told.coverage.to_string().as_bytes())?;
        }
        tell!("{}", told.summary());
        outcome
    }

    /// Prints the smallest life that still violates the same.
    fn smallest(&self) -> Result<Outcome> {
        let plot = match (&self.life, self.seed) {
            (Some(file), _) => read(file)?,
            (None, seed) => Plot::of(seed.unwrap_or_default())?,
        };
        let prepared = Prepared::new()?;
        let _quiet = quiet();
        let found = shrink(plot, &prepared, |plot| {
            tell!("{} events, {}, {} faults of machines", plot.events.len(), plot.world.nodes, plot.world.faults.len());
        })?;
        match found {
            Some(shrunk) => {
                print(story(&shrunk)?.as_bytes())?;
                Ok(Outcome::Failed)
            }
            None => {
                tell!("everything held: there is nothing to make smaller");
                Ok(Outcome::Done)
            }
        }
    }

    /// Starts threads that live one life after another.
    fn start(
        &self,
        first: u64,
        count: u64,
        stop: &Arc<AtomicBool>,
        prepared: &Arc<Prepared>,
    ) -> Result<mpsc::Receiver<Lived>> {
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = self.threads.map_or(processors, usize::from);
        let plot = self.life.as_deref().map(read).transpose()?.map(Arc::new);
        let (next, (sender, receiver)) = (Arc::new(AtomicU64::new(0)), mpsc::channel());
        for _ in 0..threads {
            let (next, stop, prepared, sender) = (next.clone(), stop.clone(), prepared.clone(), sender.clone());
            let plot = plot.clone();
            let life = move |number| match &plot {
                Some(plot) => live_plot(plot, &prepared),
                None => live(first.wrapping_add(number), &prepared),
            };
            let lives = move || {
                let _quiet = quiet();
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let lived = (number < count).then(|| (number, life(number)));
                    if lived.is_none_or(|lived| sender.send(lived).is_err()) {
                        return;
                    }
                }
            };
            thread::Builder::new().spawn(lives).context("starting a thread for lives")?;
        }
        Ok(receiver)
    }

    /// Tells of lives in the order of their seeds.
    fn tell(&self, lives: &mpsc::Receiver<Lived>, stop: &AtomicBool, told: &mut Told) -> Result<Outcome> {
        let (mut waiting, mut next) = (BTreeMap::new(), 0);
        let mut outcome = Outcome::Done;
        for (number, life) in lives {
            waiting.insert(number, life);
            while let Some(life) = waiting.remove(&next) {
                next += 1;
                let life = life?;
                print(self.lines(&life).as_bytes())?;
                told.lives += 1;
                told.coverage.add(&life.reached);
                told.violations += u64::from(!life.violations.is_empty());
                if !life.violations.is_empty() {
                    outcome = Outcome::Failed;
                    if !self.keep_going {
                        stop.store(true, Ordering::Relaxed);
                        return Ok(outcome);
                    }
                }
            }
        }
        Ok(outcome)
    }

    fn lines(&self, life: &Record) -> String {
        let mut lines = if self.trace { life.trace.clone() } else { Vec::new() };
        let well = if life.violations.is_empty() { "held" } else { "violated" };
        let lasted = Duration::from_secs(life.lasted.as_secs());
        let events = life.trace.len();
        lines.push(format!("seed {} {well}: {events} events in {lasted:?}, hash {:016x}", life.seed, life.hash));
        lines.extend(life.violations.iter().map(|violation| format!("  {violation}")));
        lines.join("\n") + "\n"
    }
}

/// What was told.
struct Told {
    start: Instant,
    lives: u64,
    violations: u64,
    coverage: Coverage,
}

impl Told {
    fn summary(&self) -> String {
        let Self { start, lives, violations, .. } = self;
        let seconds = start.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = *lives as f64 / seconds.max(f64::EPSILON);
        let s = |count: u64| if count == 1 { "" } else { "s" };
        let lives_are = if *lives == 1 { "life" } else { "lives" };
        format!("{lives} {lives_are}, {violations} violation{}, {rate:.1} lives a second", s(*violations))
    }
}

/// A life from a file.
fn read(file: &Path) -> Result<Plot> {
    let at = || file.display().to_string();
    let mut text = String::new();
    let opened = File::open(file).with_context(|| format!("opening {}", at()))?;
    let length =
        opened.take(LARGEST_LIFE + 1).read_to_string(&mut text).with_context(|| format!("reading {}", at()))?;
    ensure!(u64::try_from(length)? <= LARGEST_LIFE, "{}: a life is no larger than {LARGEST_LIFE} bytes", at());
    Plot::parse(&text).with_context(at)
}

/// A life that violates something, as a file that says how it went.
fn story(Shrunk { plot, record, tries }: &Shrunk) -> Result<String> {
    let comment = |line: &String| format!("# {line}\n");
    let violated: String = record.violations.iter().map(comment).collect();
    // A violation begins with its time, as the lines of a trace do.
    let first = record.violations.first().map(|violation| violation.split_once("s  ").map_or("", |(at, _)| at));
    let until = record.trace.iter().take_while(|line| line.split_once("s  ").map(|(at, _)| at) <= first).count();
    let before: String = record.trace.iter().take(until).skip(until.saturating_sub(LEADING_UP)).map(comment).collect();
    let said =
        format!("# The smallest of {tries} lives that violates this:\n{violated}#\n# What led up to it:\n{before}");
    Ok(said + &plot.text()?)
}

/// Sets the flag when the process is asked to stop.
fn stop_when_asked(stop: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    if runtime.block_on(asked_to_stop()).is_ok() {
        tell!("ending with the lives that are under way; Ctrl-C again ends at once");
        stop.store(true, Ordering::Relaxed);
    }
    // A second Ctrl-C is heard on this thread.
    runtime.block_on(std::future::pending::<()>());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(violations: &[&str]) -> Record {
        Record {
            seed: 7,
            violations: violations.iter().map(|text| (*text).to_owned()).collect(),
            trace: vec!["a".to_owned(), "b".to_owned()],
            hash: 255,
            lasted: Duration::from_millis(3_600_250),
            reached: Default::default(),
        }
    }

    fn sim(trace: bool) -> Sim {
        Sim {
            seed: None,
            seeds: None,
            life: None,
            trace,
            keep_going: false,
            shrink: false,
            coverage: false,
            threads: None,
        }
    }

    #[test]
    fn a_life_is_a_line_and_what_was_violated_follows() {
        assert_eq!(sim(false).lines(&life(&[])), "seed 7 held: 2 events in 3600s, hash 00000000000000ff\n");
        assert_eq!(sim(true).lines(&life(&[])), "a\nb\nseed 7 held: 2 events in 3600s, hash 00000000000000ff\n");
        let broken = sim(false).lines(&life(&["x"]));
        assert_eq!(broken, "seed 7 violated: 2 events in 3600s, hash 00000000000000ff\n  x\n");
    }

    #[test]
    fn lives_are_told_in_the_order_of_their_seeds_and_the_first_violation_ends_it() {
        let (sender, receiver) = mpsc::channel();
        for (number, violations) in [(1, &["x"][..]), (0, &[]), (2, &[])] {
            sender.send((number, Ok(life(violations)))).unwrap();
        }
        drop(sender);
        let mut told = Told { start: Instant::now(), lives: 0, violations: 0, coverage: Coverage::default() };
        let stop = AtomicBool::new(false);
        assert_eq!(sim(false).tell(&receiver, &stop, &mut told).unwrap(), Outcome::Failed);
        assert!(stop.load(Ordering::Relaxed));
        assert_eq!((told.lives, told.violations), (2, 1));
        assert!(told.summary().starts_with("2 lives, 1 violation, "));
    }
}
