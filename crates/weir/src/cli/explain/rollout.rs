//! `weir explain rollout`: which nodes a pool has, which may start, and what the others wait for.

use crate::{
    cli::{
        Output, harmless,
        manifest_source::{Given, Judged},
        print,
    },
    exit::Outcome,
};
use anyhow::{Result, bail};
use jiff::Timestamp;
use weir_rules::world::{
    World,
    explain::{explain, explain_all, explained, membership, unplaced, without_pool},
};

/// Which nodes a pool has, which may start, and what the others wait for
///
/// Computed from objects as the controllers would, from a cluster or from manifests; no controller is asked.
#[derive(Debug, clap::Args)]
pub struct Rollout {
    /// The pool [default: all of them]
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    #[command(flatten)]
    given: Given,
    /// Print JSON instead of text; without --pool the pools of every node
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

impl Rollout {
    pub(super) fn run(&self) -> Result<Outcome> {
        let world = self.given.world("explain")?;
        let judged = Judged::of(&world);
        let now = judged.now;
        let text = match (self.output, &self.pool) {
            (None, Some(pool)) => harmless(explained(&explain(&world, pool, now)?, now)),
            (None, None) => harmless(everything(&world, now)),
            (Some(output), Some(pool)) => {
                let mut explained = explain(&world, pool, now)?.json();
                explained["asOf"] = judged.json();
                output.write(&explained)?
            }
            (Some(output), None) => output.write(&membership(&world))?,
        };
        if text.is_empty() {
            bail!("the cluster has neither a MachineConfigPool nor a node that should have one");
        }
        let as_of = if self.output.is_none() { judged.line() } else { String::new() };
        print((text + &as_of).as_bytes())?;
        Ok(Outcome::Done)
    }
}

fn everything(world: &World, now: Timestamp) -> String {
    let pools: Vec<_> = explain_all(world, now).iter().map(|pool| explained(pool, now)).collect();
    let lost = without_pool(world);
    let lost = lost.iter().map(|(node, reason)| format!("node {node} has no pool: {reason}\n"));
    let unplaced = unplaced(world).map(|unplaced| format!("{unplaced}\n"));
    pools.into_iter().chain(lost).chain(unplaced).collect()
}
