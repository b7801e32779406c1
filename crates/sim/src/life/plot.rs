//! A life before it is lived: a world, and what happens in it. A seed gives one, and so does a file.

use super::{
    script::{Event, Fault, Intent, What, script},
    world::{Pods, RELEASES, World, is_amount},
};
use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
use weir_fleet::Faults;

/// More nodes than this make no life that ends within a moment.
const MOST_NODES: u32 = 200;
/// More pods than this for each node fill no more budgets.
const MOST_PODS: u32 = 20;
/// More events than this say nothing that fewer would not.
const MOST_EVENTS: usize = 1_000;
/// The longest life of a script: rollouts come after it.
const LONGEST: Duration = Duration::from_hours(48);
/// The longest step of a machine, time on the way, and settling time.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// A life before it is lived.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plot {
    /// Decides everything that is not written here: the order in which processes go on, and how long requests take.
    pub seed: u64,
    /// What it begins with.
    pub world: World,
    /// What happens in it.
    #[serde(default)]
    pub events: Vec<Event>,
}

impl Plot {
    /// That of a seed.
    ///
    /// # Errors
    /// When there is no distribution that its cluster could run as.
    pub fn of(seed: u64) -> Result<Self> {
        let world = World::of(seed).context("there is no distribution")?;
        let events = script(seed, &world);
        Ok(Self { seed, world, events })
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it is no life, with line or field.
    pub fn parse(text: &str) -> Result<Self> {
        let plot: Self = weir_manifests::from_yaml(text).context("reading the life")?;
        plot.check()?;
        Ok(plot)
    }

    /// As [`Self::parse`] reads it.
    ///
    /// # Errors
    /// When it cannot be written as YAML.
    pub fn text(&self) -> Result<String> {
        serde_saphyr::to_string(self).context("writing the life")
    }

    /// Checks that it can be lived.
    pub(super) fn check(&self) -> Result<()> {
        let world = &self.world;
        ensure!(world.release < RELEASES, "world.release: there are {RELEASES} releases, the first is 0");
        let total = world.nodes.total();
        ensure!((1..=MOST_NODES).contains(&total), "world.nodes: {total} nodes; from 1 to {MOST_NODES} make a life");
        for (field, time) in
            [("step", world.step), ("settle", world.settle), ("request", world.request), ("event", world.event)]
        {
            ensure!(time <= LONGEST_PAUSE, "world.{field}: {time:?} is longer than {LONGEST_PAUSE:?}");
        }
        ensure!(!world.step.is_zero(), "world.step: a machine takes some time for a step");
        Faults::new(world.faults.clone()).context("world")?;
        let amount = |field: &str, value: &Value| {
            ensure!(is_amount(value), "{field}: {value} is neither a number nor a percentage, such as 1 or \"25%\"");
            Ok(())
        };
        for (pool, most) in &world.unavailable {
            amount(&format!("world.unavailable.{pool}"), most)?;
        }
        if let Some(Pods { each, budget }) = &world.pods {
            ensure!(*each <= MOST_PODS, "world.pods.each: {each} pods; a life has up to {MOST_PODS} for each node");
            budget.iter().try_for_each(|most| amount("world.pods.budget", most))?;
        }
        let count = self.events.len();
        ensure!(count <= MOST_EVENTS, "events: {count} are more than {MOST_EVENTS}");
        for (number, Event { at, what }) in self.events.iter().enumerate() {
            ensure!(*at <= LONGEST, "events[{number}].at: {at:?} is later than {LONGEST:?}");
            let field = |name: &str| format!("events[{number}].what.intent.{name}");
            match what {
                What::Intent(Intent::Release(release)) => {
                    let field = field("release");
                    ensure!(*release < RELEASES, "{field}: there are {RELEASES} releases, the first is 0");
                }
                What::Intent(Intent::Layered { revision: Some(_), .. }) => {
                    ensure!(
                        world.builds,
                        "{}: in this world nobody builds images; world.builds is false",
                        field("layered")
                    );
                }
                What::Intent(Intent::Unavailable { most, .. }) => amount(&field("unavailable.most"), most)?,
                What::Intent(Intent::Budget { most: Some(most) }) => amount(&field("budget.most"), most)?,
                What::Fault(Fault::ClockForward(by) | Fault::ClockBack(by)) => {
                    let field = format!("events[{number}].what.fault");
                    ensure!(*by <= LONGEST, "{field}: a clock is not set by more than {LONGEST:?}");
                }
                What::Intent(_) | What::Fault(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_that_is_written_and_read_is_the_same() {
        for seed in 0..100 {
            let plot = Plot::of(seed).unwrap();
            let text = plot.text().unwrap();
            let read = Plot::parse(&text).unwrap_or_else(|error| panic!("{error:#}: {text}"));
            assert_eq!(format!("{plot:?}"), format!("{read:?}"), "{text}");
        }
    }

    const LIFE: &str = "\
seed: 1
world:
  distribution: okd
  release: 0
  nodes: master=3,worker=2
  step: 5s
  settle: 1s
  request: 20ms
  event: 100ms
  unavailable: {worker: 50%}
  pods: {each: 2, budget: 1}
events:
- at: 10s
  what:
    intent:
      release: 1
- at: 20s
  what:
    intent:
      budget: {most: 25%}
- at: 1m 5s
  what:
    fault:
      kill: 3s
";

    #[test]
    fn what_is_wrong_is_named_with_its_line_or_field() {
        Plot::parse(LIFE).unwrap();
        for (what, instead, said) in [
            ("okd", "other", "line 3"),
            ("release: 0", "release: 3", "world.release: there are 3 releases"),
            ("worker=2", "worker=200", "world.nodes: 203 nodes"),
            ("worker=2", "worker", "line 5"),
            ("settle: 1s", "settle: soon", "line 7"),
            ("step: 5s", "step: 2h", "world.step: 7200s is longer"),
            ("step: 5s", "step: 0s", "world.step: a machine takes"),
            ("settle: 1s", "sttle: 1s", "sttle"),
            ("release: 1", "release: 9", "events[0].what.intent.release: there are 3"),
            ("at: 10s", "at: 72h", "events[0].at: 259200s is later"),
            ("kill: 3s", "kil: 3s", "kil"),
            ("kill: 3s", "clock-back: 72h", "events[2].what.fault: a clock is not set by more"),
            ("kill: 3s", "lag: maybe", "line 24"),
            ("release: 1", "operator: nobody", "nobody"),
            ("release: 1", "layered: {pol: worker}", "pol"),
            ("release: 1", "roles: {node: worker-0, roles: infra}", "line 16"),
            ("release: 0", "release: 0\n  builds: maybe", "line 5"),
            (
                "release: 1",
                "layered: {pool: worker, revision: 0}",
                "events[0].what.intent.layered: in this world nobody",
            ),
            ("worker: 50%", "worker: half", "world.unavailable.worker: \"half\" is neither a number nor"),
            ("each: 2", "each: 21", "world.pods.each: 21 pods"),
            ("each: 2", "eech: 2", "line 11"),
            ("budget: 1", "budget: -1", "world.pods.budget: -1 is neither"),
            ("most: 25%", "most: [1]", "events[1].what.intent.budget.most: [1] is neither"),
        ] {
            let text = LIFE.replacen(what, instead, 1);
            let error = format!("{:#}", Plot::parse(&text).unwrap_err());
            assert!(error.contains(said), "{instead}: {error}");
        }
    }
}
