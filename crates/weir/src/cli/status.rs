//! `weir status`: the state of every pool, and which nodes wait for what.

use super::{
    Output, harmless,
    manifest_source::{Given, Judged},
    picture, print,
};
use crate::{exit::Outcome, rollout_objects};
use anyhow::Result;
use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use std::{io::IsTerminal as _, path::PathBuf, time::Duration};
use weir_dashboard::svg;
use weir_rules::world::{
    World,
    explain::{Explained, bars, explain, explain_all, explained, nodes, summary, timeless, unplaced, without_pool},
};

/// How the pools are, what is the cause, which nodes wait for what, and what to do next
#[derive(Debug, clap::Args)]
pub struct Status {
    /// The pool, with each of its nodes [default: all pools]
    #[arg(value_name = "POOL")]
    pool: Option<String>,
    #[command(flatten)]
    given: Given,
    /// Name every node, with its pool and what it runs
    #[arg(long)]
    nodes: bool,
    /// Print again whenever something changes, until interrupted; on a terminal in place, with bars
    #[arg(short, long, conflicts_with = "files")]
    watch: bool,
    /// Also write a picture of it here, for a document: SVG
    #[arg(long, value_name = "FILE", conflicts_with = "watch")]
    svg: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// How often a watched cluster is read: people do not read faster.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Moves a terminal's cursor home and clears the screen (ECMA-48: CUP, ED).
const CLEAR: &str = "\x1b[H\x1b[2J";

impl Status {
    /// Prints it.
    ///
    /// # Errors
    /// When the files cannot be read, the cluster cannot be asked, or there is no such pool.
    pub fn run(&self) -> Result<Outcome> {
        if !self.watch {
            let world = self.given.world("status")?;
            let judged = Judged::of(&world);
            let text = self.shown(&self.pools(&world, judged.now)?, &world, &judged)?;
            if let Some(path) = &self.svg {
                picture(path, &svg::status(&world, judged.now))?;
            }
            print(text.as_bytes())?;
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
        let in_place = self.output.is_none() && std::io::stdout().is_terminal();
        let mut last = String::new();
        loop {
            let world = rollout_objects::of_cluster(client).await?;
            let judged = Judged::of(&world);
            let pools = self.pools(&world, judged.now)?;
            // That time has passed alone is no change: it would be one all the time.
            let seen = self.shown(&timeless(&pools), &world, &Judged { now: Timestamp::MIN, ..judged })?;
            if seen != last {
                let text = self.shown(&pools, &world, &judged)?;
                let gap = match (in_place, &self.output) {
                    (true, _) => CLEAR,
                    (false, None) if !last.is_empty() => "\n",
                    (false, _) => "",
                };
                print(format!("{gap}{text}").as_bytes())?;
                last = seen;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn pools(&self, world: &World, now: Timestamp) -> Result<Vec<Explained>> {
        Ok(match &self.pool {
            Some(pool) => vec![explain(world, pool, now)?],
            None => explain_all(world, now),
        })
    }

    fn shown(&self, pools: &[Explained], world: &World, judged: &Judged) -> Result<String> {
        match self.output {
            Some(output) => {
                let mut all = json(pools, world);
                all["asOf"] = judged.json();
                output.write(&all)
            }
            None => Ok(harmless(self.text(pools, world, judged.now)) + &judged.line()),
        }
    }

    fn text(&self, pools: &[Explained], world: &World, now: Timestamp) -> String {
        let mut text = String::new();
        if self.watch && std::io::stdout().is_terminal() {
            text = bars(pools) + "\n";
        }
        text.push_str(&summary(pools, now));
        if self.pool.is_none() {
            for (node, reason) in without_pool(world) {
                text.push_str(&format!("node {node} has no pool: {reason}\n"));
            }
            text.extend(unplaced(world).map(|unplaced| format!("{unplaced}\n")));
        }
        if self.nodes {
            text.push_str(&nodes(world));
        }
        if self.nodes || self.pool.is_some() {
            let each: Vec<_> = pools.iter().map(|pool| explained(pool, now)).collect();
            text.push_str(&each.concat());
        }
        text
    }
}

fn json(pools: &[Explained], world: &World) -> Value {
    let lost = without_pool(world).into_iter();
    let lost = lost.map(|(node, reason)| json!({"node": node, "reason": format!("{}: {reason}", reason.code())}));
    let mut all = json!({
        "pools": pools.iter().map(|pool| (pool.pool.clone(), of_pool(pool))).collect::<serde_json::Map<_, _>>(),
        "withoutPool": lost.collect::<Vec<_>>(),
    });
    if let Some(unplaced) = unplaced(world) {
        all["poolNotKnown"] = json!({"nodes": unplaced.nodes, "missing": unplaced.missing});
    }
    all
}

fn of_pool(pool: &Explained) -> Value {
    let mut value = pool.json();
    if let (Some(fields), Value::Object(more)) = (value.as_object_mut(), pool.overview()) {
        fields.extend(more);
    }
    value
}
