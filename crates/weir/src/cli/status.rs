//! `weir status`: the state of every pool, and which nodes wait for what.

use super::{Output, manifest_source::Given, print};
use crate::{exit::Outcome, rollout_objects};
use anyhow::Result;
use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use std::time::Duration;
use weir_rules::world::{
    World,
    explain::{Explained, explain_all, explained, summary, without_pool},
};

/// The state of every pool, and which nodes wait for what
#[derive(Debug, clap::Args)]
pub struct Status {
    #[command(flatten)]
    given: Given,
    /// Name every node
    #[arg(long)]
    nodes: bool,
    /// Print again whenever something changes, until interrupted
    #[arg(short, long, conflicts_with = "files")]
    watch: bool,
    /// Print JSON instead of text
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// How often a watched cluster is read: people do not read faster.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

impl Status {
    /// Prints it.
    ///
    /// # Errors
    /// When the files cannot be read, or the cluster cannot be asked.
    pub fn run(&self) -> Result<Outcome> {
        if !self.watch {
            print(self.shown(&self.given.world("status")?)?.as_bytes())?;
            return Ok(Outcome::Done);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let client = self.given.cluster.connect("status").await?;
            tokio::select! {
                watched = self.follow(&client) => watched.map(|()| Outcome::Done),
                stopped = crate::signals::asked_to_stop() => stopped.map(|()| Outcome::Done),
            }
        })
    }

    async fn follow(&self, client: &Client) -> Result<()> {
        let mut last = String::new();
        loop {
            let text = self.shown(&rollout_objects::of_cluster(client).await?)?;
            if text != last {
                let gap = if last.is_empty() || self.output.is_some() { "" } else { "\n" };
                print(format!("{gap}{text}").as_bytes())?;
                last = text;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn shown(&self, world: &World) -> Result<String> {
        let now = Timestamp::now();
        let pools = explain_all(world, now);
        match self.output {
            Some(output) => output.write(&json(&pools, world)),
            None => Ok(self.text(&pools, world, now)),
        }
    }

    fn text(&self, pools: &[Explained], world: &World, now: Timestamp) -> String {
        // While watching, a longer wait alone is not a change.
        let now = if self.watch { Timestamp::MIN } else { now };
        let mut text = summary(pools, now);
        for (node, reason) in without_pool(world) {
            text.push_str(&format!("node {node} has no pool: {reason}\n"));
        }
        if self.nodes {
            let each: Vec<_> = pools.iter().map(|pool| explained(pool, now)).collect();
            text.push_str(&each.concat());
        }
        text
    }
}

fn json(pools: &[Explained], world: &World) -> Value {
    let lost = without_pool(world).into_iter();
    let lost = lost.map(|(node, reason)| json!({"node": node, "reason": format!("{}: {reason}", reason.code())}));
    json!({
        "pools": pools.iter().map(|pool| (pool.pool.clone(), pool.json())).collect::<serde_json::Map<_, _>>(),
        "withoutPool": lost.collect::<Vec<_>>(),
    })
}
