//! `weir resume`: ends the pause of a pool.

use super::{cluster::Cluster, pause::written, print};
use crate::exit::Outcome;
use anyhow::Result;
use weir_rules::rollout::pause::resumed;

/// Resume a pool that is paused: its nodes go on
#[derive(Debug, clap::Args)]
pub struct Resume {
    /// The pool
    pool: String,
    #[command(flatten)]
    cluster: Cluster,
}

impl Resume {
    pub(super) fn run(&self) -> Result<Outcome> {
        super::manifest_source::runtime()?.block_on(async {
            let client = self.cluster.connect("resume").await?;
            let was_paused = written(&client, &self.pool, |pool| pool.paused.then(|| resumed(pool))).await?;
            let pool = &self.pool;
            let text =
                if was_paused { format!("pool {pool} goes on\n") } else { format!("pool {pool} is not paused\n") };
            print(text.as_bytes())?;
            Ok(Outcome::Done)
        })
    }
}
