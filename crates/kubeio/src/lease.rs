//! Being the only one: a lease that one process holds at a time.
//!
//! L-1 Whoever finds no lease, or one without a holder, takes it.
//! L-2 A holder renews every [`Timing::retry`]. One who could not for [`Timing::deadline`] stops being leader by himself.
//! L-3 Others take a lease that has not changed for its duration, measured by their own clock since they last saw it
//! change: clocks of different machines are never compared.
//! L-4 Every write is conditional on what was read: of two who try, one fails.
//! L-5 Who ends in good order gives the lease back, after the last of its writes was answered.
//! L-6 The fence that all other writes pass is open until [`Timing::deadline`] after the last renewal was asked for, and no
//! longer: a leader that sleeps through it wakes up without the power to write.
//!
//! Source: `tools/leaderelection/leaderelection.go` of k8s.io/client-go, whose periods these are. L-6 is ours.

use crate::{Clock, Error, Fence, drive::chain};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

/// The periods of an election. Each is to be longer than the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a lease that nobody renews is respected.
    pub duration: Duration,
    /// How long a holder tries to renew before it stops.
    pub deadline: Duration,
    /// Pause between two tries.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { duration: seconds(15), deadline: seconds(10), retry: seconds(2) }
    }
}

/// How it ended to be leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Led<T> {
    /// It never began: asked to stop before the lease was ours.
    Never,
    /// Somebody else has the lease, or nobody could be asked for too long. Nothing is written any more.
    Lost,
    /// The work ended, and the lease was given back.
    Ended(T),
}

/// A candidate for a lease.
#[derive(Clone)]
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
    clock: Clock,
    fence: Fence,
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
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str, timing: Timing, clock: Clock) -> Self {
        let (api, fence) = (Api::namespaced(client, namespace), Fence::default());
        Self { api, name: name.to_owned(), identity: identity.to_owned(), timing, clock, fence }
    }

    /// What the client of whatever needs the lease is to be layered with; not that of the candidate itself.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Waits for the lease, then works until the work ends or the lease is lost. `stop` ends the wait; the work is to end by
    /// itself.
    pub async fn lead<T>(&self, stop: impl Future<Output = ()>, work: impl Future<Output = T>) -> Led<T> {
        tokio::select! {
            () = self.acquire() => {}
            () = stop => {
                // The last try may have succeeded unseen.
                self.give_back().await;
                return Led::Never;
            }
        }
        tracing::info!(lease = self.name, identity = self.identity, "leading");
        let ended = tokio::select! {
            () = self.hold() => Led::Lost,
            ended = work => Led::Ended(ended),
        };
        self.fence.close();
        if timeout(self.timing.duration.saturating_sub(self.timing.deadline), self.fence.idle()).await.is_err() {
            // Some write is still under way: then the lease is left to run out.
            return if matches!(ended, Led::Ended(_)) { ended } else { Led::Lost };
        }
        if matches!(ended, Led::Ended(_)) {
            self.give_back().await;
        }
        ended
    }

    async fn give_back(&self) {
        let why = match timeout(self.timing.retry, self.release()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => chain(&error),
            Err(_) => "no answer".to_owned(),
        };
        tracing::warn!(lease = self.name, error = why, "the lease was not given back and runs out by itself");
    }

    /// Waits until the lease is ours.
    async fn acquire(&self) {
        let (mut seen, mut told) = (None, false);
        loop {
            let asked = Instant::now();
            match timeout(self.timing.deadline, self.attempt(&mut seen)).await {
                Ok(Ok(true)) => return self.fence.open(asked + self.timing.deadline),
                Ok(Ok(false)) if told => {}
                Ok(Ok(false)) => {
                    told = true;
                    let holder = seen.as_ref().and_then(|seen: &Seen| seen.spec.holder_identity.clone());
                    tracing::info!(lease = self.name, holder, "standing by");
                }
                Ok(Err(error)) => {
                    tracing::warn!(lease = self.name, error = %chain(&error), "trying for the lease failed")
                }
                Err(_) => tracing::warn!(lease = self.name, "trying for the lease: the API server does not answer"),
            }
            sleep(self.timing.retry).await;
        }
    }

    /// Renews the lease; returns when it is lost.
    async fn hold(&self) {
        let mut seen = None;
        let mut until = Instant::now() + self.timing.deadline;
        loop {
            sleep_until(until.min(Instant::now() + self.timing.retry)).await;
            let asked = Instant::now();
            match timeout_at(until, self.attempt(&mut seen)).await {
                Ok(Ok(true)) => {
                    until = asked + self.timing.deadline;
                    self.fence.open(until);
                }
                Ok(Ok(false)) => return,
                Ok(Err(error)) => {
                    tracing::warn!(lease = self.name, error = %chain(&error), "renewing the lease failed")
                }
                Err(_) => return,
            }
        }
    }

    /// Gives the lease back, if it is ours.
    ///
    /// # Errors
    /// When the server refuses it or cannot be reached; the lease then ends by itself.
    async fn release(&self) -> Result<(), Error> {
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
        let turn = turn(&spec, &self.identity, unchanged, self.timing.duration);
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
            lease_duration_seconds: i32::try_from(self.timing.duration.as_secs().max(1)).ok(),
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
fn turn(spec: &LeaseSpec, identity: &str, unchanged: Duration, usual: Duration) -> Turn {
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    if holder == identity {
        Turn::Renew
    } else if holder.is_empty() || unchanged >= seconds.map_or(usual, Duration::from_secs) {
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
            assert_eq!(
                turn(&spec, "me", second(unchanged), Timing::default().duration),
                expected,
                "{spec:?} after {unchanged} s"
            );
        }
    }
}
