//! Leader election: a lease that one process holds at a time.
//!
//! L-1 A candidate takes a lease that does not exist or has no holder.
//! L-2 A holder renews every [`Timing::renew`], and after a failure every [`Timing::retry`]. While the API server is unreachable it
//! keeps trying: if it still holds the lease when the server is back, it carries on; if another process does, the work ends.
//! L-3 Others take a lease that has not changed for its duration, measured by their own clock since they last saw it change: clocks
//! of different machines are never compared. They watch it, and look when it changes, when it expires, and when no renewal was heard of
//! for longer than a holder takes for one; every [`Timing::look`] as long as they cannot watch it.
//! L-4 Every write is conditional on what was read: if two try, one fails.
//! L-5 A process that ends normally releases the lease after its last write was answered.
//! L-6 The fence that all other writes pass is open until [`Timing::deadline`] after the last renewal was requested, and no longer:
//! a leader that was suspended wakes up unable to write. A write that passed and is not answered before others may take the lease
//! is given up.
//! L-7 A process that needs two leases takes them in order, but watches both from the start, so that both expire at the same time.
//!
//! Source: `tools/leaderelection/leaderelection.go` of k8s.io/client-go, whose periods these are. L-6 and L-7 are ours.

use crate::{
    Clock, Error, Fence,
    drive::chain,
    error::optional,
    outage,
    read::Read,
    watch::{Event, Source},
};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client, Resource as _,
    api::{GetParams, ListParams, PostParams},
};
use parking_lot::Mutex;
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

/// The periods of an election. Each has to be longer than the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a lease lasts without a renewal.
    pub duration: Duration,
    /// How long its holder may write after a renewal.
    pub deadline: Duration,
    /// Pause between two attempts.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { duration: seconds(15), deadline: seconds(10), retry: seconds(2) }
    }
}

/// A holder renews no more often than this, so that an idle cluster stores at most 12 renewals a minute.
const RENEWAL: Duration = Duration::from_secs(5);
/// Others who cannot watch look this many times between two attempts of a holder: their view lags by at most the pause between two
/// looks.
const LOOKS: u32 = 4;
/// A lease is released within this time or left to expire: whoever stopped the process is waiting.
const RELEASE_DEADLINE: Duration = Duration::from_secs(5);

impl Timing {
    /// If one machine is the whole control plane, its API server is away for minutes during an update. During that time no other
    /// process takes the lease, and the holder carries on (`getLeaderElectionConfig` in `cmd/common/helpers.go` of
    /// github.com/openshift/machine-config-operator, from `pkg/config/leaderelection` of github.com/openshift/library-go).
    #[must_use]
    pub fn single_replica() -> Self {
        let seconds = Duration::from_secs;
        Self { duration: seconds(270), deadline: seconds(240), retry: seconds(60) }
    }

    /// How often a holder renews: at least twice before it would have to stop writing.
    #[must_use]
    pub fn renew(self) -> Duration {
        self.retry.max(RENEWAL).min(self.deadline / 2)
    }

    /// How often others look who cannot watch.
    #[must_use]
    pub fn look(self) -> Duration {
        self.retry / LOOKS
    }

    /// How long others wait to hear of a renewal before they look: a holder's second attempt would have succeeded by then.
    fn overdue(self) -> Duration {
        self.renew() + self.retry
    }

    /// How long after its deadline a holder's writes may still be answered.
    fn grace(self) -> Duration {
        self.duration.saturating_sub(self.deadline)
    }
}

/// How a candidacy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Led<T> {
    /// It was asked to stop before it got the lease.
    Never,
    /// Another process has the lease, or had it. Nothing is written any more.
    Lost,
    /// The work ended, and the lease was released.
    Ended(T),
}

/// A candidate for a lease.
#[derive(Clone)]
pub struct Candidate {
    client: Client,
    /// Path of the leases.
    url: String,
    api: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
    clock: Clock,
    fence: Fence,
    seen: Arc<Mutex<Option<Seen>>>,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate").field("name", &self.name).field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// A lease as last seen, and when it was first seen in that state.
#[derive(Debug)]
struct Seen {
    spec: LeaseSpec,
    /// Its resource version; absent if there was no lease.
    version: Option<u64>,
    since: Instant,
}

/// What a candidate that waits hears of the lease.
#[derive(Debug, Default)]
struct Heard {
    /// It waits: nobody listens for a lease that is free.
    waits: Notify,
    changed: Notify,
    /// Whether it hears anything.
    watching: AtomicBool,
}

/// The result of an attempt.
enum Attempt {
    Ours(Box<Lease>),
    Held {
        by: Option<String>,
        /// When it expires.
        until: Instant,
    },
}

/// The message for a request that is not answered in time.
const NO_ANSWER: &str = "the API server does not answer";

/// What a candidate does about a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Create it or take it over.
    Take,
    /// It is ours: renew it.
    Renew,
    /// Another process holds it.
    Wait,
}

impl Candidate {
    /// A candidate with an identity that no other process has.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str, timing: Timing, clock: Clock) -> Self {
        let url = Lease::url_path(&(), Some(namespace));
        let (api, fence) = (Api::namespaced(client.clone(), namespace), Fence::default());
        let (name, identity) = (name.to_owned(), identity.to_owned());
        Self { client, url, api, name, identity, timing, clock, fence, seen: Arc::default() }
    }

    /// The layer for the client of the work that needs the lease; not for the candidate's own client.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Waits for the lease, then works until the work ends or the lease is lost. `stop` ends the wait; the work has to end by
    /// itself.
    pub async fn lead<T>(&self, stop: impl Future<Output = ()>, work: impl Future<Output = T>) -> Led<T> {
        let lease = tokio::select! {
            biased;
            lease = self.acquire() => lease,
            () = stop => {
                // The last attempt may have succeeded unnoticed.
                self.release_in_time().await;
                return Led::Never;
            }
        };
        tracing::info!(lease = self.name, identity = self.identity, "leading");
        let ended = tokio::select! {
            biased;
            () = self.hold(lease) => Led::Lost,
            ended = work => Led::Ended(ended),
        };
        self.fence.close();
        if timeout(self.timing.grace(), self.fence.idle()).await.is_err() {
            // A write is still in flight: then the lease is left to expire.
            return ended;
        }
        if matches!(ended, Led::Ended(_)) {
            self.release_in_time().await;
        }
        ended
    }

    async fn release_in_time(&self) {
        let why = match timeout(RELEASE_DEADLINE, self.release()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => chain(&error),
            Err(_) => "no answer".to_owned(),
        };
        tracing::warn!(lease = self.name, error = why, "the lease was not released and will expire by itself");
    }

    /// Watches the lease until the future is dropped, without ever taking it.
    async fn look_on(&self) -> Infallible {
        let heard = Heard::default();
        let looking = async {
            loop {
                // The candidate for the lease before this one reports failures.
                if let Ok(found) = self.get(&GetParams::any()).await {
                    self.note(found.as_ref());
                }
                self.wait(&heard, None).await;
            }
        };
        tokio::select! {
            biased;
            never = looking => never,
            never = self.listen(&heard) => never,
        }
    }

    /// Hears of changes of the lease until the future is dropped. That it cannot is nowhere told: whoever waits looks more often then.
    async fn listen(&self, heard: &Heard) -> Infallible {
        let parameters = ListParams::default().fields(&format!("metadata.name={}", self.name));
        let source = Source { client: self.client.clone(), url: self.url.clone(), parameters };
        let note = |read: Read<Lease>| {
            if let Read::Object(lease) = read {
                self.note(Some(&lease));
            }
        };
        heard.waits.notified().await;
        loop {
            let hear = |event: Result<Event<Lease>, Error>| {
                heard.watching.store(event.is_ok(), Ordering::Relaxed);
                match event {
                    Ok(Event::Listed(all)) => all.into_iter().for_each(note),
                    Ok(Event::Applied(read)) => note(read),
                    Ok(Event::Deleted(_)) => {}
                    Ok(Event::Watching) | Err(_) => return,
                }
                heard.changed.notify_one();
            };
            source.follow(|_| false, hear).await;
        }
    }

    /// Waits for a change of the lease, or until then, or until it is time to look.
    async fn wait(&self, heard: &Heard, until: Option<Instant>) {
        heard.waits.notify_one();
        let watching = heard.watching.load(Ordering::Relaxed);
        let look = Instant::now() + if watching { self.timing.overdue() } else { self.timing.look() };
        tokio::select! {
            biased;
            () = heard.changed.notified() => {}
            () = sleep_until(until.map_or(look, |until| until.min(look))) => {}
        }
    }

    /// Waits until the lease is held; returns it.
    async fn acquire(&self) -> Lease {
        let heard = Heard::default();
        tokio::select! {
            biased;
            lease = self.acquired(&heard) => lease,
            never = self.listen(&heard) => match never {},
        }
    }

    async fn acquired(&self, heard: &Heard) -> Lease {
        let mut told = false;
        loop {
            let asked = Instant::now();
            match timeout(self.timing.deadline, self.attempt()).await {
                Ok(Ok(Attempt::Ours(lease))) => {
                    outage::fine(&self.about());
                    self.fence.open(asked + self.timing.deadline, self.timing.grace());
                    return *lease;
                }
                Ok(Ok(Attempt::Held { by, until })) => {
                    outage::fine(&self.about());
                    if !told {
                        told = true;
                        tracing::info!(lease = self.name, holder = by, "standing by");
                    }
                    self.wait(heard, Some(until)).await;
                    continue;
                }
                Ok(Err(error)) => outage::failed(&self.about(), &chain(&error)),
                Err(_) => outage::failed(&self.about(), NO_ANSWER),
            }
            sleep(self.timing.retry).await;
        }
    }

    /// Renews the lease; returns when another process has it.
    async fn hold(&self, mut lease: Lease) {
        let mut pause = self.timing.renew();
        loop {
            sleep(pause).await;
            let asked = Instant::now();
            // A request without a response is repeated when the fence closes, and after that at the interval for which a renewal
            // would keep it open.
            let closes = self.fence.closes().filter(|closes| *closes > asked).unwrap_or(asked + self.timing.deadline);
            match timeout_at(closes, self.renewed(&lease)).await {
                Ok(Ok(Some(renewed))) => {
                    lease = renewed;
                    pause = self.timing.renew();
                    self.fence.open(asked + self.timing.deadline, self.timing.grace());
                    outage::fine(&self.about());
                    continue;
                }
                Ok(Ok(None)) => return outage::fine(&self.about()),
                Ok(Err(error)) => outage::failed(&self.about(), &chain(&error)),
                Err(_) => outage::failed(&self.about(), NO_ANSWER),
            }
            pause = self.timing.retry;
        }
    }

    fn about(&self) -> String {
        format!("lease {}", self.name)
    }

    /// Releases the lease, if it is held.
    ///
    /// # Errors
    /// If the server refuses it or cannot be reached; the lease then expires.
    async fn release(&self) -> Result<(), Error> {
        let Some(mut lease) = self.get(&GetParams::default()).await? else { return Ok(()) };
        let Some(spec) = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_deref() == Some(&self.identity))
        else {
            return Ok(());
        };
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        self.replace(&lease).await.map(drop)
    }

    /// Records the state of the lease, if there is one; returns when it was first seen in the last state. What is read may be older
    /// than what was heard, and the other way round. Who goes on hearing older things hears of another lease, and takes none on what it
    /// knew before.
    fn note(&self, lease: Option<&Lease>) -> Instant {
        let spec = lease.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let version = lease.and_then(|lease| lease.metadata.resource_version.as_ref()?.parse().ok());
        let mut seen = self.seen.lock();
        let is_old = |seen: &Seen| {
            let older = version.zip(seen.version).is_some_and(|(now, before): (u64, u64)| now < before);
            older && seen.since.elapsed() < self.timing.duration
        };
        match &*seen {
            Some(seen) if seen.spec == spec || is_old(seen) => seen.since,
            _ => seen.insert(Seen { spec, version, since: Instant::now() }).since,
        }
    }

    /// One attempt to take the lease.
    async fn attempt(&self) -> Result<Attempt, Error> {
        // A server's cached state is good enough: writes are conditional.
        let found = self.get(&GetParams::any()).await?;
        let spec = found.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let since = self.note(found.as_ref());
        let respected = respected(&spec, self.timing.duration);
        let turn = turn(&spec, &self.identity, since.elapsed(), respected);
        if turn == Turn::Wait {
            return Ok(Attempt::Held { by: spec.holder_identity, until: since + respected });
        }
        let next = self.next(&spec, turn);
        let written = match found {
            Some(lease) => self.replace(&Lease { spec: Some(next), ..lease }).await,
            None => self.create(next).await,
        };
        match written {
            Ok(lease) => Ok(Attempt::Ours(Box::new(lease))),
            // Somebody else was faster: the next look shows who.
            Err(error) if error.is_conflict() => {
                Ok(Attempt::Held { by: None, until: Instant::now() + self.timing.look() })
            }
            Err(error) => Err(error),
        }
    }

    /// Renews the lease as it was last written; `None` if another process has it, or had it.
    async fn renewed(&self, last: &Lease) -> Result<Option<Lease>, Error> {
        let renewed = |lease: &Lease| {
            let spec = self.next(lease.spec.as_ref().unwrap_or(&LeaseSpec::default()), Turn::Renew);
            Lease { spec: Some(spec), ..lease.clone() }
        };
        match self.replace(&renewed(last)).await {
            Err(error) if error.is_conflict() || error.is_not_found() => {}
            written => return written.map(Some),
        }
        // Either an earlier renewal succeeded and its response was lost, or somebody set a label, or there is another
        // holder.
        let found = self.get(&GetParams::default()).await?;
        let ours = |lease: &Lease| lease.spec.as_ref().and_then(|s| s.holder_identity.as_ref()) == Some(&self.identity);
        let written = match &found {
            Some(lease) if ours(lease) => self.replace(&renewed(lease)).await,
            // The fence is open only while others would still respect the deleted lease, so nobody else can have held
            // it since.
            None if self.fence.is_open() => self.create(self.next(&LeaseSpec::default(), Turn::Take)).await,
            _ => return Ok(None),
        };
        written.map(Some)
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

    async fn get(&self, parameters: &GetParams) -> Result<Option<Lease>, Error> {
        let found = optional(self.api.get_with(&self.name, parameters).await);
        found.map_err(|source| Error::new::<Lease>("reading", &self.name, source))
    }

    async fn create(&self, spec: LeaseSpec) -> Result<Lease, Error> {
        let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        let lease = Lease { metadata, spec: Some(spec) };
        let created = self.api.create(&PostParams::default(), &lease).await;
        created.map_err(|source| Error::new::<Lease>("creating", &self.name, source))
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, Error> {
        let replaced = self.api.replace(&self.name, &PostParams::default(), lease).await;
        replaced.map_err(|source| Error::new::<Lease>("updating", &self.name, source))
    }
}

/// Works while both leases are held. Every process requests them in the same order, so no two processes wait for each other.
///
/// `stop` ends the waits; the work has to end by itself.
pub async fn lead_both<T, S: Future<Output = ()>>(
    first: &Candidate,
    second: &Candidate,
    stop: impl Fn() -> S,
    work: impl Future<Output = T>,
) -> Led<Led<T>> {
    let (begin, begun) = oneshot::channel::<()>();
    let inner = async {
        drop(begin);
        second.lead(stop(), work).await
    };
    let looking = async {
        tokio::select! {
            biased;
            never = second.look_on() => match never {},
            _ = begun => {}
        }
    };
    tokio::join!(first.lead(stop(), inner), looking).0
}

/// How long others respect the lease: its own duration, or the default.
fn respected(spec: &LeaseSpec, usual: Duration) -> Duration {
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or(usual, Duration::from_secs)
}

/// L-1 to L-3.
fn turn(spec: &LeaseSpec, identity: &str, unchanged: Duration, respected: Duration) -> Turn {
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    if holder == identity {
        Turn::Renew
    } else if holder.is_empty() || unchanged >= respected {
        Turn::Take
    } else {
        Turn::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_taken_only_if_nobody_holds_it_or_it_has_expired() {
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
                turn(&spec, "me", second(unchanged), respected(&spec, Timing::default().duration)),
                expected,
                "{spec:?} after {unchanged} s"
            );
        }
    }
}
