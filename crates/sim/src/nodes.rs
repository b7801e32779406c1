//! `--nodes`: how many simulated nodes each pool has.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, str::FromStr};
use weir_api::keys::names::{ARBITER, MASTER, WORKER};
use weir_rules::objects::seed::Shape;

/// More simulated nodes than this are refused: beyond it a laptop's memory is the limit, not the program.
const MOST_NODES: u32 = 20_000;
/// Longest pool name that leaves room for the rest of a rendered MachineConfig's or a node's name (63 for a label).
const LONGEST_NAME: usize = 40;

/// Pools and how many nodes each has, in the order given.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nodes(Vec<(String, u32)>);

impl Default for Nodes {
    fn default() -> Self {
        Self(vec![(MASTER.to_owned(), 3), (WORKER.to_owned(), 3)])
    }
}

impl Nodes {
    /// These pools, each with so many nodes.
    #[must_use]
    pub fn of_pools(pools: Vec<(String, u32)>) -> Self {
        Self(pools)
    }

    /// Pools and counts.
    pub fn pools(&self) -> impl Iterator<Item = (&str, u32)> {
        self.0.iter().map(|(pool, count)| (pool.as_str(), *count))
    }

    /// Nodes of a pool.
    #[must_use]
    pub fn of(&self, pool: &str) -> u32 {
        self.0.iter().find(|(name, _)| name == pool).map_or(0, |(_, count)| *count)
    }

    /// Nodes of all pools.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Pools that are not built in.
    pub fn custom(&self) -> impl Iterator<Item = &str> {
        self.pools().map(|(pool, _)| pool).filter(|pool| ![MASTER, WORKER, ARBITER].contains(pool))
    }
}

impl From<&Nodes> for Shape {
    fn from(nodes: &Nodes) -> Self {
        Self {
            masters: usize::try_from(nodes.of(MASTER)).unwrap_or(usize::MAX),
            arbiter: nodes.pools().any(|(pool, _)| pool == ARBITER),
            custom: nodes.custom().map(str::to_owned).collect(),
        }
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (pool, count)) in self.pools().enumerate() {
            write!(f, "{}{pool}={count}", if number == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl From<Nodes> for String {
    fn from(nodes: Nodes) -> Self {
        nodes.to_string()
    }
}

impl TryFrom<String> for Nodes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Nodes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut pools = Vec::new();
        let mut seen = BTreeSet::new();
        for part in text.split(',') {
            let bad = || format!("{part:?}: write POOL=COUNT, as in master=3,worker=3,infra=2");
            let (pool, count) = part.split_once('=').ok_or_else(bad)?;
            let count: u32 = count.parse().map_err(|_| bad())?;
            if !is_pool_name(pool) {
                return Err(format!(
                    "{pool:?} is no pool name: up to {LONGEST_NAME} lower-case letters, digits and dashes, with a letter \
                     or digit at both ends"
                ));
            }
            if !seen.insert(pool) {
                return Err(format!("pool {pool:?} is given twice"));
            }
            pools.push((pool.to_owned(), count));
        }
        let total: u64 = pools.iter().map(|(_, count)| u64::from(*count)).sum();
        if total > u64::from(MOST_NODES) {
            return Err(format!("{total} nodes are more than the {MOST_NODES} that one process simulates"));
        }
        Ok(Self(pools))
    }
}

fn is_pool_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::Nodes;

    #[test]
    fn pools_and_counts() {
        let nodes: Nodes = "master=3,worker=3,infra=2".parse().unwrap();
        assert_eq!(nodes.pools().collect::<Vec<_>>(), [("master", 3), ("worker", 3), ("infra", 2)]);
        assert_eq!((nodes.total(), nodes.of("infra"), nodes.of("gpu")), (8, 2, 0));
        assert_eq!(nodes.to_string(), "master=3,worker=3,infra=2");
        assert_eq!(nodes.custom().collect::<Vec<_>>(), ["infra"]);
        for bad in [
            "",
            "worker",
            "worker=",
            "worker=-1",
            "worker=x",
            "Infra=1",
            "-a=1",
            "a=1,a=2",
            "worker=20001",
            "a=4294967295,b=4294967295",
        ] {
            assert!(bad.parse::<Nodes>().is_err(), "{bad:?}");
        }
    }
}
