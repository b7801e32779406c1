//! `weir pause`: nodes of a pool get no new configuration, until a time or until somebody resumes it.

use super::{cluster::Cluster, in_line, print};
use crate::{exit::Outcome, inputs, reach::known, rollout_objects};
use anyhow::{Context as _, Result, bail};
use jiff::{SignedDuration, Timestamp};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::Value;
use std::{fmt::Write as _, time::Duration};
use weir_api::MachineConfigPool;
use weir_rules::{
    rollout::{listed, pause::paused},
    view::PoolView,
    world::explain::explain,
};
use weir_sim::duration;

/// Pause a pool: its nodes get no new configuration until it is resumed
///
/// Nodes that are under way finish. With --for the pool resumes by itself, where weir's controllers manage it.
#[derive(Debug, clap::Args)]
pub struct Pause {
    /// The pool
    pool: String,
    /// Resume it by itself after this long
    #[arg(long = "for", value_name = "TIME", value_parser = period)]
    period: Option<Duration>,
    /// Why, for whoever asks later
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
    #[command(flatten)]
    cluster: Cluster,
}

/// Field manager of the fields written here: a user's decision, not the controllers'.
const FIELD_MANAGER: &str = "weir-pause";
/// Status writes of controllers come between reading a pool and writing it; more often than this, something is wrong.
pub(super) const TRIES: u32 = 5;
/// Longer reasons nobody reads in a line.
const LONGEST_REASON: usize = 500;

impl Pause {
    pub(super) fn run(&self) -> Result<Outcome> {
        super::manifest_source::runtime()?.block_on(self.pause())
    }

    async fn pause(&self) -> Result<Outcome> {
        let client = self.cluster.connect("pause").await?;
        let until = self.period.map(|period| until(Timestamp::now(), period)).transpose()?;
        let reason = self.reason.as_deref();
        written(&client, &self.pool, |pool| Some(paused(pool, reason, until))).await?;
        print(said(&client, &self.pool).await?.as_bytes())?;
        Ok(Outcome::Done)
    }
}

/// What a pause means, as the cluster has it now.
async fn said(client: &Client, name: &str) -> Result<String> {
    let world = rollout_objects::of_cluster(client).await?;
    let pool = explain(&world, name, Timestamp::now())?;
    let Some(pause) = &pool.pause else { bail!("pool {name} was resumed again at once by somebody else") };
    let mut text = format!("pool {name} is {}\n", in_line(&pause.told().unwrap_or_else(|| pause.pause.to_string())));
    let going: Vec<&str> = pool.under_way().into_values().flatten().collect();
    if !going.is_empty() {
        let verb = if going.len() == 1 { "is" } else { "are" };
        // Writing into a String cannot fail.
        _ = writeln!(text, "{} {verb} under way, and will finish", listed(going.into_iter()));
    }
    _ = writeln!(text, "{}", pause.pause.safety());
    Ok(text)
}

/// Writes a pool, for the pool as it was read; whether there was something to write.
///
/// # Errors
/// When there is no such pool, or the API server refuses it.
pub(super) async fn written(
    client: &Client,
    name: &str,
    patch: impl Fn(&PoolView<'_>) -> Option<Value>,
) -> Result<bool> {
    let pools: Api<MachineConfigPool> = Api::all(client.clone());
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let what = || format!("changing MachineConfigPool {name}");
    for _ in 0..TRIES {
        let Some(pool) = known(pools.get_opt(name).await).context("reading the pool")? else {
            let world = rollout_objects::configuration_of_cluster(client).await?;
            return inputs::pool(&world, name).map(|_| false);
        };
        let Some(change) = patch(&PoolView::new(&pool)) else { return Ok(false) };
        match pools.patch(name, &parameters, &Patch::Merge(&change)).await {
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            written => return known(written).with_context(what).map(|_| true),
        }
    }
    bail!(
        "MachineConfigPool {name} changes all the time: it was changed {TRIES} times between being read and written; try again"
    )
}

fn until(now: Timestamp, period: Duration) -> Result<Timestamp> {
    let end = SignedDuration::try_from(period).ok().and_then(|period| now.checked_add(period).ok());
    end.context("--for is longer than time goes on")
}

fn period(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("a pause of no time is none; leave --for out to pause until somebody resumes".to_owned()),
        period => Ok(period),
    }
}

/// One line, so that it fits everywhere it is told.
fn reason(text: &str) -> Result<String, String> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.chars().count() {
        0 => Err("write why, in a few words".to_owned()),
        long if long > LONGEST_REASON => Err(format!("{long} characters are too many; at most {LONGEST_REASON}")),
        _ if line.chars().any(char::is_control) => Err("it has control characters".to_owned()),
        _ => Ok(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_line_and_a_period_is_some_time() {
        assert_eq!(reason(" a\n holiday "), Ok("a holiday".to_owned()));
        assert!(reason(" \n").is_err() && reason("a\u{1b}[2J").is_err());
        assert_eq!(reason(&"x".repeat(501)).unwrap_err(), "501 characters are too many; at most 500");
        assert_eq!(period("4h"), Ok(Duration::from_hours(4)));
        assert!(period("0").unwrap_err().contains("leave --for out"));
        assert!(until(Timestamp::MAX, Duration::from_secs(1)).is_err());
    }
}
