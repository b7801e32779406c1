//! Which machines a cluster has: those that were asked for, or those that its data directory has.

use anyhow::{Context as _, Result};
use kube::Client;
use std::collections::BTreeMap;
use weir_fleet::{Machine, adopt::adopt};
use weir_rules::objects::seed::Shape;
use weir_sim::Nodes;

/// The machines.
#[derive(Clone, Debug)]
pub(super) struct Members {
    pub(super) machines: Vec<Machine>,
    /// How many each pool has.
    pools: Nodes,
}

impl Members {
    /// Those that were asked for; without any, those of the data directory, and in an empty one the usual.
    ///
    /// # Errors
    /// When the nodes cannot be listed.
    pub(super) async fn of(asked: Option<&Nodes>, client: &Client) -> Result<Self> {
        let found = match asked {
            Some(_) => Vec::new(),
            None => adopt(client, Vec::new()).await.context("looking for nodes")?,
        };
        if found.is_empty() {
            let pools = asked.cloned().unwrap_or_default();
            let machines = pools.pools().flat_map(|(pool, count)| Machine::of_pool(pool, count)).collect();
            return Ok(Self { machines, pools });
        }
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for machine in &found {
            *counts.entry(machine.pool.clone()).or_default() += 1;
        }
        Ok(Self { machines: found, pools: Nodes::of_pools(counts.into_iter().collect()) })
    }

    /// The shape of the cluster.
    pub(super) fn shape(&self) -> Shape {
        Shape::from(&self.pools)
    }

    /// How many there are.
    pub(super) fn total(&self) -> u32 {
        self.pools.total()
    }
}
