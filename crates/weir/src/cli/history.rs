//! `weir history`: what came of the last rollouts.

use super::{Output, manifest_source::Given, print};
use crate::exit::Outcome;
use anyhow::{Result, bail};
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use weir_rules::{
    history::{History as Rollouts, of_node, of_pool, table},
    world::World,
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
        let now = Timestamp::now();
        let mut pools = histories(&world);
        if pools.is_empty() {
            bail!(
                "there is no history: no pool got another configuration while weir's controller ran here, or the ConfigMaps \
                 weir-history-POOL are not among what was read"
            );
        }
        if let Some(pool) = self.what.as_ref().filter(|what| pools.contains_key(*what)) {
            pools.retain(|name, _| name == pool);
        }
        let text = match (self.output, &self.what) {
            (Some(output), _) => output.write(&json!({ "pools": pools }))?,
            (None, None) => table(&pools, now),
            (None, Some(what)) => match pools.get(what) {
                Some(history) => of_pool(history, now),
                None => of_node(&pools, what, now),
            },
        };
        if text.is_empty() {
            let what = self.what.as_deref().unwrap_or_default();
            let known: Vec<&str> = pools.keys().map(String::as_str).collect();
            bail!(
                "there is no pool {what}, and no node {what} in the last rollout of one; there are: {}",
                known.join(", ")
            );
        }
        print(text.as_bytes())?;
        Ok(Outcome::Done)
    }
}

fn histories(world: &World) -> BTreeMap<String, Rollouts> {
    let names = world.pools.iter().filter_map(|pool| pool.metadata.name.clone());
    let found = names.filter_map(|name| Some((world.history(&name)?, name)));
    found.filter(|(history, _)| !history.rollouts.is_empty()).map(|(history, name)| (name, history)).collect()
}
