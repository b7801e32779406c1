//! `weir history`: what came of the last rollouts.

use super::{
    Output, harmless,
    manifest_source::{Given, Judged},
    print,
};
use crate::exit::Outcome;
use anyhow::{Result, bail};
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use weir_rules::{
    history::{History as Rollouts, left_out, of_node, of_pool, table},
    world::{
        World,
        explain::{Explained, explain_all},
    },
};

/// What came of the last rollouts: who changed what, how long nodes took, and how often they rebooted
///
/// The controller keeps it in ConfigMaps named weir-history-POOL.
#[derive(Debug, clap::Args)]
pub struct History {
    /// A pool, for each of its rollouts, or a node, for its part in the last one [default: the last rollout of each pool]
    #[arg(value_name = "POOL|NODE")]
    what: Option<String>,
    #[command(flatten)]
    given: Given,
    /// Print JSON or YAML instead of text
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

impl History {
    /// Prints it.
    ///
    /// # Errors
    /// When the files cannot be read, the cluster cannot be asked, or there is no history of this.
    pub(super) fn run(&self) -> Result<Outcome> {
        let world = self.given.world("history")?;
        let judged = Judged::of(&world);
        let (pools, now) = (histories(&world), judged.now);
        let unread = world.unread_histories();
        let mut begun = unrecorded(&world, &pools, now);
        begun.retain(|pool, _| self.what.as_ref().is_none_or(|what| what == pool));
        begun.retain(|pool, _| unread.iter().all(|unread| unread.pool != *pool));
        let (pools, mut text) = match &self.what {
            Some(what) if let Some(unread) = unread.iter().find(|unread| unread.pool == *what) => {
                bail!("{unread}")
            }
            None => {
                let lines: String = begun.iter().map(|(pool, line)| format!("{pool}: {line}\n")).collect();
                let text = lines + &table(&pools, now);
                if text.is_empty() && !unread.is_empty() {
                    let pools: Vec<&str> = unread.iter().map(|unread| unread.pool.as_str()).collect();
                    bail!("no history can be read of {}", pools.join(", "));
                }
                if text.is_empty() {
                    bail!(
                        "there is no history: weir's controller has recorded no rollout here, or the ConfigMaps weir-history-POOL \
                         are not among what was read"
                    );
                }
                (pools, text)
            }
            Some(what) => part(&world, pools, (what, begun.get(what)), now)?,
        };
        if pools.values().any(|history| history.under_way().is_some()) {
            text.push_str(&judged.line());
        }
        let text = match self.output {
            Some(output) => output.write(&json!({ "pools": pools, "unrecorded": begun, "asOf": judged.json() }))?,
            None => harmless(text),
        };
        print(text.as_bytes())?;
        // Which they are, whoever reads the objects has said.
        Ok(if self.what.is_none() && !unread.is_empty() { Outcome::Failed } else { Outcome::Done })
    }
}

type Histories = BTreeMap<String, Rollouts>;

/// The rollouts of which the histories have nothing, in a line for each pool.
fn unrecorded(world: &World, histories: &Histories, now: Timestamp) -> BTreeMap<String, String> {
    let of_pool = |pool: Explained| Some((pool.unrecorded(histories.get(&pool.pool))?, pool.pool));
    explain_all(world, now).into_iter().filter_map(of_pool).map(|(line, pool)| (pool, line)).collect()
}

/// What there is of a pool or a node, for programs and for people.
fn part(
    world: &World,
    mut pools: Histories,
    (what, begun): (&str, Option<&String>),
    now: Timestamp,
) -> Result<(Histories, String)> {
    let mut known: Vec<&str> = world.pools.iter().filter_map(|pool| pool.metadata.name.as_deref()).collect();
    if known.contains(&what) {
        let history = pools.remove(what);
        let mut text = begun.map(|begun| format!("{begun}\n")).unwrap_or_default();
        text += &history.as_ref().map(|history| of_pool(history, now)).unwrap_or_default();
        if text.is_empty() {
            // Files may leave out what a cluster has.
            let more = match world.whole {
                true => String::new(),
                false => format!(", or the ConfigMap weir-history-{what} is not among what was read"),
            };
            text = format!("pool {what} has no rollouts in its history yet{more}\n");
        }
        return Ok((BTreeMap::from([(what.to_owned(), history.unwrap_or_default())]), text));
    }
    let text = of_node(&pools, what, now);
    if text.is_empty() {
        let left_out = left_out(&pools);
        if !left_out.is_empty() {
            bail!("no node {what} among those of which histories have details: {left_out}");
        }
        known.sort_unstable();
        let known = known.join(", ");
        if world.whole {
            bail!("there is no pool {what}, and no node {what} in the last rollout of one; there are: {known}");
        }
        bail!("no history of a pool or node {what} is there; the pools that were read are: {known}");
    }
    pools.retain(|_, history| history.rollouts.last().is_some_and(|last| last.each.contains_key(what)));
    for history in pools.values_mut() {
        history.rollouts.drain(..history.rollouts.len().saturating_sub(1));
        for rollout in &mut history.rollouts {
            rollout.each.retain(|node, _| node == what);
        }
    }
    Ok((pools, text))
}

fn histories(world: &World) -> Histories {
    let names = world.pools.iter().filter_map(|pool| pool.metadata.name.clone());
    let found = names.filter_map(|name| Some((world.history(&name)?, name)));
    found.filter(|(history, _)| !history.rollouts.is_empty()).map(|(history, name)| (name, history)).collect()
}
