//! `weir wait`: waits until a pool is updated, or on a stream.

use super::{cluster::Cluster, manifest_source::runtime, print};
use crate::{exit::Outcome, page::read_all, rollout_objects};
use anyhow::Result;
use futures::future::select_all;
use jiff::Timestamp;
use kube::Client;
use std::{collections::BTreeSet, str::FromStr, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};
use weir_dashboard::{Source as _, watching::Watching};
use weir_kubeio::Clock;
use weir_rules::world::{
    World,
    standing::{Awaited, Standing, standing},
};
use weir_sim::duration;

/// Wait until all nodes of a pool run what they should, or run a stream
///
/// It watches, and says on standard error what the pool waits for whenever that changes. A change that was just made is waited for,
/// too. If it does not come in time, the exit code is 1.
#[derive(Debug, clap::Args)]
pub struct Wait {
    /// The pool
    pool: String,
    /// What for: updated, or stream=NAME
    #[arg(long = "for", value_name = "WHAT", default_value = "updated")]
    awaited: For,
    /// How long at most [default: as long as it takes]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    cluster: Cluster,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct For(Awaited);

/// Changes closer together than this are looked at together: a rollout of many nodes is one line after another as it is.
const QUIET: Duration = Duration::from_millis(100);
/// How long a run without `--timeout` may take: practically forever.
const NO_TIMEOUT: Duration = Duration::from_hours(24 * 365);

impl FromStr for For {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text.eq_ignore_ascii_case("updated") => Ok(Self(Awaited::Updated)),
            Some(("stream", name)) if !name.is_empty() => Ok(Self(Awaited::Stream(name.to_owned()))),
            _ => Err(format!("{text:?} cannot be waited for; write updated, or stream=NAME")),
        }
    }
}

/// What was said last, so that nothing is said twice.
#[derive(Default)]
struct Said {
    waits: String,
    degraded: BTreeSet<String>,
}

impl Said {
    fn tell(&mut self, pool: &str, now: &Standing) {
        let degraded: BTreeSet<String> = now.degraded.iter().cloned().collect();
        for why in degraded.difference(&self.degraded) {
            tell!("pool {pool} is degraded: {why}");
        }
        self.degraded = degraded;
        if !now.reached && now.waits != self.waits {
            tell!("pool {pool}: {}", now.waits);
            self.waits.clone_from(&now.waits);
        }
    }
}

impl Wait {
    pub(super) fn run(&self) -> Result<Outcome> {
        runtime()?.block_on(async {
            let deadline = Instant::now() + self.timeout.unwrap_or(NO_TIMEOUT);
            let mut said = Said::default();
            let reached = tokio::select! {
                reached = self.wait(&mut said) => reached?,
                () = sleep_until(deadline) => false,
                stopped = crate::signals::asked_to_stop() => return stopped.map(|()| Outcome::Failed),
            };
            if reached {
                print(format!("pool {} is {}\n", self.pool, self.what()).as_bytes())?;
                return Ok(Outcome::Done);
            }
            let waits = Some(&said.waits).filter(|waits| !waits.is_empty());
            let waits = waits.map(|waits| format!(": {waits}")).unwrap_or_default();
            tell!("error: pool {} is not {} in time (--timeout){waits}", self.pool, self.what());
            Ok(Outcome::Failed)
        })
    }

    fn what(&self) -> String {
        match &self.awaited.0 {
            Awaited::Updated => "updated".to_owned(),
            Awaited::Stream(stream) => format!("on stream {stream}"),
        }
    }

    /// Whether it is there; says what it waits for.
    fn look(&self, world: &World, said: &mut Said) -> Result<bool> {
        let now = standing(world, &self.pool, &self.awaited.0, Timestamp::now())?;
        said.tell(&self.pool, &now);
        Ok(now.reached)
    }

    async fn wait(&self, said: &mut Said) -> Result<bool> {
        let client = self.cluster.connect("wait").await?;
        // Read once before it is watched: who may not read it, or asks for what is not there, is told so at once.
        let world = rollout_objects::of_cluster(&client).await?;
        match self.look(&world, said)? {
            true => Ok(true),
            false => self.follow(client, said).await,
        }
    }

    async fn follow(&self, client: Client, said: &mut Said) -> Result<bool> {
        let watching = Watching::new(client, Clock::system(), read_all());
        let looked = async {
            watching.synced().await;
            let mut changes = watching.changes();
            loop {
                changes.iter_mut().for_each(tokio::sync::watch::Receiver::mark_unchanged);
                if self.look(&watching.world(), said)? {
                    return Ok(true);
                }
                select_all(changes.iter_mut().map(|change| Box::pin(change.changed()))).await.0?;
                sleep(QUIET).await;
            }
        };
        tokio::select! {
            looked = looked => looked,
            () = watching.fill() => anyhow::bail!("the watches ended"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_waited_for() {
        assert_eq!("Updated".parse(), Ok(For(Awaited::Updated)));
        assert_eq!("stream=a".parse(), Ok(For(Awaited::Stream("a".into()))));
        for wrong in ["", "stream=", "stream", "condition=Updated"] {
            assert!(wrong.parse::<For>().unwrap_err().contains("write updated, or stream=NAME"), "{wrong}");
        }
    }
}
