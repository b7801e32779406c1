//! A world: what a life begins with. Pure: a seed gives a world.

use crate::{Chance, Nodes};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use weir_api::keys::names::{ARBITER, MASTER, WORKER};
use weir_distro::Profile;
use weir_fleet::{Fault, faults::Kind};

/// Pools beside the built-in ones.
pub(super) const CUSTOM: [&str; 2] = ["infra", "gpu"];

/// How many releases every distribution has here.
pub(super) const RELEASES: usize = 3;

/// A release: its version and its streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) version: String,
    pub(super) streams: Vec<String>,
}

/// The releases of a distribution, oldest first, made from its sample: the second differs only in its version; the third lacks the oldest
/// stream and has a new one.
pub(super) fn releases(profile: &Profile) -> [Release; RELEASES] {
    let streams: Vec<String> = profile.sample.streams.iter().map(|stream| stream.name.clone()).collect();
    let newest = streams.last().map(|name| successor(name)).unwrap_or_default();
    let later = streams.iter().skip(1).cloned().chain([newest]).collect();
    let version = |minor, patch| moved(&profile.sample.version, minor, patch);
    [
        Release { version: version(0, 0), streams: streams.clone() },
        Release { version: version(0, 1), streams },
        Release { version: version(1, 0), streams: later },
    ]
}

/// The name of the stream after this one: their names end in a number.
fn successor(stream: &str) -> String {
    let (name, number) = stream.rsplit_once('-').unwrap_or((stream, ""));
    format!("{name}-{}", number.parse::<u32>().unwrap_or_default() + 1)
}

/// A version with other numbers after the major one.
fn moved(version: &str, minor: u32, patch: u32) -> String {
    let (numbers, rest) = version.split_once('-').map_or((version, None), |(numbers, rest)| (numbers, Some(rest)));
    let major = numbers.split('.').next().unwrap_or_default();
    let rest = rest.map(|rest| format!("-{rest}")).unwrap_or_default();
    format!("{major}.{minor}.{patch}{rest}")
}

/// Pods of a workload, on nodes that are not of the control plane.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pods {
    /// How many for each of these nodes; they may be on any.
    pub each: u32,
    /// How many of them may be missing at a time, a number or a percentage; without it there is no budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Value>,
}

/// What a life begins with.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct World {
    /// The distribution.
    #[serde(rename = "distribution", deserialize_with = "by_name", serialize_with = "its_name")]
    pub profile: &'static Profile,
    /// Which of the releases it is installed with.
    pub release: usize,
    /// Pools and their nodes.
    pub nodes: Nodes,
    /// `maxUnavailable` of the pools that have one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unavailable: BTreeMap<String, Value>,
    /// How long each step of a machine takes.
    #[serde(with = "crate::duration::text")]
    pub step: Duration,
    /// How long a pool's new target must stay the same.
    #[serde(with = "crate::duration::text")]
    pub settle: Duration,
    /// Whether operator and controller are processes of their own.
    #[serde(default)]
    pub two_processes: bool,
    /// Whether there are two replicas, of which the one with the lease works.
    #[serde(default)]
    pub replicas: bool,
    /// Longest time of a request on its way, and of its answer.
    #[serde(with = "crate::duration::text")]
    pub request: Duration,
    /// Longest time of an event of a watch on its way.
    #[serde(with = "crate::duration::text")]
    pub event: Duration,
    /// Faults of machines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// Whether the cluster is that of another operator.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub other_operator: bool,
    /// Whether images can be built: there are a builder and a registry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub builds: bool,
    /// Pods, if there are any beside those of faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<Pods>,
}

impl World {
    /// The world of a seed; `None` if there is no distribution that it could run as.
    #[must_use]
    pub fn of(seed: u64) -> Option<Self> {
        let chance = &mut Chance::for_purpose(seed, "world");
        let profile = chance.pick(Profile::all())?;
        let nodes = nodes(chance);
        let pools: Vec<String> = nodes.pools().map(|(pool, _)| pool.to_owned()).collect();
        let mut unavailable = BTreeMap::new();
        for pool in pools {
            if chance.one_in(2) {
                unavailable.insert(pool, most_unavailable(chance));
            }
        }
        let mut faults = faults(chance, &nodes);
        let chance_of_permanent = &mut Chance::for_purpose(seed, "permanent");
        for fault in faults.iter_mut().filter(|fault| fault.fault == Kind::Degraded) {
            // Until somebody repairs it.
            fault.times = fault.times.filter(|_| !chance_of_permanent.one_in(3));
        }
        Some(Self {
            profile,
            release: usize::from(chance.one_in(3)),
            nodes,
            unavailable,
            step: Duration::from_secs(1 + chance.below(20)),
            settle: Duration::from_millis(250 + chance.below(3_000)),
            two_processes: chance.one_in(2),
            replicas: chance.one_in(4),
            request: Duration::from_millis(chance.below(40)),
            event: Duration::from_millis(chance.below(200)),
            faults,
            other_operator: Chance::for_purpose(seed, "operator").one_in(8),
            builds: Chance::for_purpose(seed, "image mode").one_in(3),
            pods: pods(&mut Chance::for_purpose(seed, "pods")),
        })
    }
}

fn pods(chance: &mut Chance) -> Option<Pods> {
    chance.one_in(2).then(|| {
        let budget = (!chance.one_in(4)).then(|| most_missing(chance));
        Pods { each: 1 + small(chance.below(3)), budget }
    })
}

/// How many pods may be missing, as users write it; now and then none.
pub(super) fn most_missing(chance: &mut Chance) -> Value {
    match chance.below(8) {
        0 => json!(0),
        1..=3 => json!(1),
        4 | 5 => json!(2),
        _ => json!("25%"),
    }
}

/// Whether this is a number, or a percentage of something.
pub(super) fn is_amount(value: &Value) -> bool {
    let percent = |text: &str| text.strip_suffix('%').and_then(|number| number.parse::<u32>().ok());
    value.as_u64().is_some_and(|number| number <= u64::from(u32::MAX)) || value.as_str().and_then(percent).is_some()
}

impl World {
    /// The names of all nodes.
    pub(super) fn names(&self) -> Vec<String> {
        names(&self.nodes)
    }
}

fn by_name<'de, D: Deserializer<'de>>(input: D) -> Result<&'static Profile, D::Error> {
    Profile::by_name(&String::deserialize(input)?).map_err(D::Error::custom)
}

fn its_name<S: Serializer>(profile: &&'static Profile, output: S) -> Result<S::Ok, S::Error> {
    output.serialize_str(profile.name.as_str())
}

fn nodes(chance: &mut Chance) -> Nodes {
    let masters = chance.below(8);
    let workers = 1 + chance.below(4);
    let masters = match masters {
        0 => vec![(MASTER.to_owned(), 2), (ARBITER.to_owned(), 1)],
        1 | 2 => vec![(MASTER.to_owned(), 1)],
        _ => vec![(MASTER.to_owned(), 3)],
    };
    let mut all = masters;
    all.push((WORKER.to_owned(), small(workers)));
    for pool in CUSTOM {
        if chance.one_in(2) {
            all.push((pool.to_owned(), small(chance.below(3))));
        }
    }
    Nodes::of_pools(all)
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A `maxUnavailable` as users write them.
pub(super) fn most_unavailable(chance: &mut Chance) -> Value {
    match chance.below(4) {
        0 => json!(1),
        1 => json!(2),
        2 => json!("50%"),
        _ => json!("34%"),
    }
}

/// The names of all nodes.
fn names(nodes: &Nodes) -> Vec<String> {
    nodes.pools().flat_map(|(pool, count)| (0..count).map(move |n| format!("{pool}-{n}"))).collect()
}

/// How much longer a slow machine takes for a step: three of them, of which nothing is seen outside, are less than the longest pause that
/// a judge allows.
const SLOWER: f64 = 3.0;

fn faults(chance: &mut Chance, nodes: &Nodes) -> Vec<Fault> {
    let names = names(nodes);
    let count = chance.below(3);
    let mut all = Vec::new();
    for _ in 0..count {
        let Some(name) = chance.pick(&names).cloned() else { break };
        let kind = match chance.below(5) {
            0 => Kind::StuckInDrain,
            1 => Kind::Degraded,
            2 => Kind::NeverReturns,
            3 => Kind::ReturnsOnOldImage,
            _ => Kind::Slow,
        };
        let stuck = matches!(kind, Kind::StuckInDrain | Kind::NeverReturns);
        all.push(Fault {
            fault: kind,
            nodes: vec![name],
            os: None,
            after: 0,
            times: (kind != Kind::Slow).then_some(1 + small(chance.below(2))),
            // Shorter than the longest pause that a judge allows, with the machine's own steps.
            lasts: (stuck && chance.one_in(2)).then(|| Duration::from_secs(30 + chance.below(90))),
            reason: None,
            factor: (kind == Kind::Slow).then_some(SLOWER),
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_fleet::Faults;

    #[test]
    fn releases_follow_each_other() {
        let of =
            |name| releases(Profile::by_name(name).unwrap()).map(|r| format!("{} {}", r.version, r.streams.join(" ")));
        assert_eq!(of("ocp"), ["5.0.0 rhel-9 rhel-10", "5.0.1 rhel-9 rhel-10", "5.1.0 rhel-10 rhel-11"]);
        assert_eq!(
            of("okd"),
            ["5.0.0-okd-scos.0 centos-10", "5.0.1-okd-scos.0 centos-10", "5.1.0-okd-scos.0 centos-11"]
        );
    }

    #[test]
    fn every_seed_gives_a_valid_world_and_always_the_same() {
        for seed in 0..200 {
            let world = World::of(seed).unwrap();
            Faults::new(world.faults.clone()).unwrap();
            assert!(world.nodes.total() >= 2, "{seed}");
            assert_eq!(format!("{world:?}"), format!("{:?}", World::of(seed).unwrap()));
        }
    }
}
