//! `weir explain rollout`: which nodes a pool has, which of them may go, and what the others wait for.

use crate::{
    cli::{Output, cluster::Cluster, print},
    exit::Outcome,
    rollout_objects,
};
use anyhow::Result;
use jiff::Timestamp;
use std::path::PathBuf;
use weir_rules::world::{
    World,
    explain::{explain, explain_all, explained, membership, without_pool},
};

/// Which nodes a pool has, which of them may go, and what the others wait for
///
/// Computed from objects as the controllers would, of a cluster or out of manifests: nothing is asked of a controller.
#[derive(Debug, clap::Args)]
pub struct Rollout {
    /// The pool [default: all of them]
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// Files with manifests or lists, folders with all below them (a must-gather), `-` for standard input; without any
    /// the cluster is asked
    #[arg(short = 'f', long = "filename", value_name = "FILE", num_args = 1..)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    cluster: Cluster,
    /// Print JSON instead of text; without --pool the pools of every node
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

impl Rollout {
    pub(super) fn run(&self) -> Result<Outcome> {
        let (world, now) = (self.world()?, Timestamp::now());
        let text = match (self.output, &self.pool) {
            (None, Some(pool)) => explained(&explain(&world, pool, now)?, now),
            (None, None) => everything(&world, now),
            (Some(output), Some(pool)) => output.write(&explain(&world, pool, now)?.json())?,
            (Some(output), None) => output.write(&membership(&world))?,
        };
        print(text.as_bytes())?;
        Ok(Outcome::Done)
    }

    fn world(&self) -> Result<World> {
        if !self.files.is_empty() {
            return rollout_objects::of_files(&self.files);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { rollout_objects::of_cluster(&self.cluster.connect("explain").await?).await })
    }
}

fn everything(world: &World, now: Timestamp) -> String {
    let pools: Vec<_> = explain_all(world, now).iter().map(|pool| explained(pool, now)).collect();
    let lost = without_pool(world);
    let lost = lost.iter().map(|(node, reason)| format!("node {node} has no pool: {reason}\n"));
    pools.into_iter().chain(lost).collect()
}
