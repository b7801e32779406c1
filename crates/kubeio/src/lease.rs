//! Being the only one: a lease that one process holds at a time.
//!
//! L-1 Whoever finds no lease, or one without a holder, takes it.
//! L-2 A holder renews every [`RETRY`]. One who could not for [`DEADLINE`] stops being leader by himself.
//! L-3 Others take a lease that has not changed for its duration, measured by their own clock since they last saw it
//! change: clocks of different machines are never compared.
//! L-4 Every write is conditional on what was read: of two who try, one fails.
//! L-5 Who ends in good order gives the lease back.
//!
//! Source: `tools/leaderelection/leaderelection.go` of k8s.io/client-go, whose periods these are.

use crate::{Clock, Error, drive::chain};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a lease that nobody renews is respected.
pub const DURATION: Duration = Duration::from_secs(15);
/// How long a holder tries to renew before it stops.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Pause between two tries.
pub const RETRY: Duration = Duration::from_secs(2);

/// A candidate for a lease.
#[derive(Clone)]
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    clock: Clock,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate").field("name", &self.name).field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// A lease as last seen, and since when it looks like that.
#[derive(Debug)]
struct Seen {
    spec: LeaseSpec,
    since: Instant,
}

/// What a candidate does about a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Make it or take it over.
    Take,
    /// It is ours: renew it.
    Renew,
    /// Somebody else holds it.
    Wait,
}

impl Candidate {
    /// A candidate with an identity that no other has.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str, clock: Clock) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned(), identity: identity.to_owned(), clock }
    }

    /// Waits until the lease is ours.
    pub async fn acquire(&self) {
        let mut seen = None;
        loop {
            match self.attempt(&mut seen).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(lease = self.name, error = %chain(&error), "trying for leadership failed"),
            }
            sleep(RETRY).await;
        }
    }

    /// Renews the lease; returns when it is lost.
    pub async fn hold(&self) {
        let mut seen = None;
        let mut renewed = Instant::now();
        while renewed.elapsed() < DEADLINE {
            sleep(RETRY).await;
            match self.attempt(&mut seen).await {
                Ok(true) => renewed = Instant::now(),
                Ok(false) => return,
                Err(error) => tracing::warn!(lease = self.name, error = %chain(&error), "renewing leadership failed"),
            }
        }
    }

    /// Gives the lease back, if it is ours.
    ///
    /// # Errors
    /// When the server refuses it or cannot be reached; the lease then ends by itself.
    pub async fn release(&self) -> Result<(), Error> {
        let Some(mut lease) = self.get().await? else { return Ok(()) };
        let Some(spec) = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_deref() == Some(&self.identity))
        else {
            return Ok(());
        };
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        self.replace(&lease).await.map(drop)
    }

    /// One try; true when the lease is ours after it.
    async fn attempt(&self, seen: &mut Option<Seen>) -> Result<bool, Error> {
        let found = self.get().await?;
        let spec = found.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
        if seen.as_ref().is_none_or(|seen| seen.spec != spec) {
            *seen = Some(Seen { spec: spec.clone(), since: Instant::now() });
        }
        let unchanged = seen.as_ref().map(|seen| seen.since.elapsed()).unwrap_or_default();
        let turn = turn(&spec, &self.identity, unchanged);
        if turn == Turn::Wait {
            return Ok(false);
        }
        let next = self.next(&spec, turn);
        let written = match found {
            Some(lease) => self.replace(&Lease { spec: Some(next), ..lease }).await,
            None => self.create(next).await,
        };
        match written {
            Ok(()) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn next(&self, before: &LeaseSpec, turn: Turn) -> LeaseSpec {
        let now = MicroTime(self.clock.now());
        let transitions = before.lease_transitions.unwrap_or_default();
        let acquired = before.acquire_time.clone().filter(|_| turn == Turn::Renew).unwrap_or_else(|| now.clone());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(acquired),
            renew_time: Some(now),
            lease_transitions: Some(if turn == Turn::Take { transitions.saturating_add(1) } else { transitions }),
            ..LeaseSpec::default()
        }
    }

    async fn get(&self) -> Result<Option<Lease>, Error> {
        self.api.get_opt(&self.name).await.map_err(|source| Error::new::<Lease>("reading", &self.name, source))
    }

    async fn create(&self, spec: LeaseSpec) -> Result<(), Error> {
        let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        let lease = Lease { metadata, spec: Some(spec) };
        let created = self.api.create(&PostParams::default(), &lease).await;
        created.map(drop).map_err(|source| Error::new::<Lease>("creating", &self.name, source))
    }

    async fn replace(&self, lease: &Lease) -> Result<(), Error> {
        let replaced = self.api.replace(&self.name, &PostParams::default(), lease).await;
        replaced.map(drop).map_err(|source| Error::new::<Lease>("updating", &self.name, source))
    }
}

/// L-1 to L-3.
fn turn(spec: &LeaseSpec, identity: &str, unchanged: Duration) -> Turn {
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    if holder == identity {
        Turn::Renew
    } else if holder.is_empty() || unchanged >= seconds.map_or(DURATION, Duration::from_secs) {
        Turn::Take
    } else {
        Turn::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_taken_only_when_nobody_holds_it_or_it_stood_still() {
        let held = |holder: &str, seconds| LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: seconds,
            ..LeaseSpec::default()
        };
        let second = Duration::from_secs;
        for (spec, unchanged, expected) in [
            (LeaseSpec::default(), 0, Turn::Take),
            (held("", Some(1)), 0, Turn::Take),
            (held("me", Some(15)), 100, Turn::Renew),
            (held("other", Some(15)), 14, Turn::Wait),
            (held("other", Some(15)), 15, Turn::Take),
            (held("other", Some(60)), 59, Turn::Wait),
            (held("other", None), 15, Turn::Take),
            (held("other", Some(-1)), 14, Turn::Wait),
        ] {
            assert_eq!(turn(&spec, "me", second(unchanged)), expected, "{spec:?} after {unchanged} s");
        }
    }
}
