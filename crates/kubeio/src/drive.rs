//! When a controller runs.
//!
//! A controller is one function that looks at everything it depends on and brings it up to date. It runs when something changed and
//! was then quiet for a moment, when it asked to run again, and, after an error, with growing pauses. [`drive`] is that loop. A
//! controller knows nothing about it: whoever calls [`Driven::pass`] drives it too.

use crate::{
    error::{of_client, said},
    measure, outage,
    read::harmless,
};
use futures::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, ready},
    stream::FuturesUnordered,
};
use jiff::Timestamp;
use std::time::Duration;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};
use weir_api::Class;

/// Changes closer together than this are handled together, unless the controller says otherwise: one `kubectl apply` of several
/// objects is one intent.
const QUIET: Duration = Duration::from_millis(10);
/// Changes without a pause are handled at least this often.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// First pause after an error for which a retry can help.
const FIRST_RETRY: Duration = Duration::from_millis(200);
/// Longest pause after such an error.
const LAST_RETRY: Duration = Duration::from_secs(30);
/// Everything is looked at again this often, in case a change was missed.
const FULL_PASS: Duration = Duration::from_mins(10);

/// When to run again if nothing changes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Only when something changes.
    Await,
    /// After this long.
    After(Duration),
}

impl Next {
    /// At this time, if there is one.
    #[must_use]
    pub fn until(next: Option<Timestamp>, now: Timestamp) -> Self {
        next.map_or(Self::Await, |at| Self::After(Duration::try_from(at.duration_since(now)).unwrap_or_default()))
    }
}

/// An error that knows whether a retry can help.
pub trait Classed: std::error::Error + 'static {
    /// Whether a retry can help.
    fn class(&self) -> Class;

    /// How long the server asks not to be called, if it does.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// Whether somebody else wrote first: nothing is wrong, and the next pass decides again.
    fn is_conflict(&self) -> bool {
        false
    }

    /// Whether the API server did not answer: then everything that calls it has the same problem.
    fn is_unanswered(&self) -> bool {
        false
    }
}

impl Classed for crate::Error {
    fn class(&self) -> Class {
        Self::class(self)
    }

    fn retry_after(&self) -> Option<Duration> {
        Self::retry_after(self)
    }

    fn is_conflict(&self) -> bool {
        Self::is_conflict(self)
    }

    fn is_unanswered(&self) -> bool {
        Self::is_unanswered(self)
    }
}

/// Keeps one thing up to date.
pub trait Controller: Send + Sync {
    /// The error of a pass.
    type Error: Classed + Send;
    /// Its name in metrics and logs.
    const NAME: &'static str;
    /// Changes closer together than this are handled together.
    const QUIET: Duration = QUIET;

    /// What wakes it.
    fn wakes(&self) -> Vec<watch::Receiver<u64>>;

    /// One pass: observes, asks the rule, acts, and reports. Returns when to run again.
    fn reconcile(&self) -> impl Future<Output = Result<Next, Self::Error>> + Send;
}

/// A [`Controller`] of any type: a row of a table of controllers.
pub trait Driven: Send + Sync {
    /// As [`Controller::NAME`].
    fn name(&self) -> &'static str;
    /// As [`Controller::QUIET`].
    fn quiet(&self) -> Duration;
    /// As [`Controller::wakes`].
    fn wakes(&self) -> Vec<watch::Receiver<u64>>;
    /// As [`Controller::reconcile`].
    fn pass(&self) -> BoxFuture<'_, Result<Next, Box<dyn Classed + Send>>>;
}

impl<C: Controller> Driven for C {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn quiet(&self) -> Duration {
        C::QUIET
    }

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        Controller::wakes(self)
    }

    fn pass(&self) -> BoxFuture<'_, Result<Next, Box<dyn Classed + Send>>> {
        Box::pin(async { self.reconcile().await.map_err(|error| Box::new(error) as Box<dyn Classed + Send>) })
    }
}

/// Runs a controller until every watched cache is gone.
///
/// It runs once at startup. An error is logged with its causes; its class decides how soon it is retried.
pub async fn drive(controller: &dyn Driven) {
    let (name, mut wakes) = (controller.name(), Wakes::new(controller.wakes()));
    let (mut failures, mut said): (u32, Option<String>) = (0, None);
    loop {
        wakes.forget();
        let start = Instant::now();
        let outcome = controller.pass().await;
        let failed = outcome.as_ref().is_err_and(|error| !error.is_conflict());
        measure::passed(name, start.elapsed(), failed);
        let pause = match outcome {
            Ok(next) => {
                (failures, said) = (0, None);
                outage::fine(&format_args!("controller {name}"));
                match next {
                    Next::Await => FULL_PASS,
                    Next::After(pause) => pause,
                }
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                if error.is_conflict() {
                    tracing::debug!(controller = name, error = %chain(&*error), "somebody else wrote first");
                } else if error.is_unanswered() {
                    outage::failed(&format!("controller {name}"), &chain(&*error));
                } else {
                    outage::fine(&format_args!("controller {name}"));
                    let why = chain(&*error);
                    // A retry that comes to the same is no news.
                    if said.as_ref() == Some(&why) {
                        tracing::debug!(controller = name, error = why, "reconciling failed again");
                    } else {
                        tracing::warn!(controller = name, error = why, "reconciling failed");
                    }
                    said = Some(why);
                }
                if let Some(pause) = error.retry_after() {
                    // Changes in the meantime have to wait too: handling them would send more requests to the server.
                    sleep_until(Instant::now() + pause).await;
                }
                match error.class() {
                    Class::Permanent | Class::Final => FULL_PASS,
                    Class::Transient => retry(failures),
                }
            }
        };
        if !wakes.quiet(controller.quiet(), Instant::now() + pause).await {
            return;
        }
    }
}

fn retry(failures: u32) -> Duration {
    FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LAST_RETRY)
}

/// What wakes a controller: dozens of caches, of which only those that changed cost anything. A cache that is gone has no receiver
/// left.
struct Wakes(FuturesUnordered<BoxFuture<'static, Option<watch::Receiver<u64>>>>);

impl Wakes {
    fn new(receivers: Vec<watch::Receiver<u64>>) -> Self {
        Self(receivers.into_iter().map(Self::change).collect())
    }

    fn change(mut receiver: watch::Receiver<u64>) -> BoxFuture<'static, Option<watch::Receiver<u64>>> {
        async move { receiver.changed().await.is_ok().then_some(receiver) }.boxed()
    }

    /// Resolves at the next change of any of the caches; false if one is gone.
    async fn next(&mut self) -> bool {
        let Some(changed) = self.0.next().await else { return std::future::pending().await };
        let there = changed.is_some();
        self.0.push(changed.map_or_else(|| ready(None).boxed(), Self::change));
        there
    }

    /// Forgets the changes so far: the pass that follows sees them.
    fn forget(&mut self) {
        while self.next().now_or_never() == Some(true) {}
    }

    /// Waits for a change and then for quiet, or for the deadline. False if there is nothing left to wait for.
    async fn quiet(&mut self, quiet: Duration, deadline: Instant) -> bool {
        match timeout_at(deadline, self.next()).await {
            Err(_) => return true,
            Ok(false) => return false,
            Ok(true) => {}
        }
        let latest = Instant::now() + LONGEST_WAIT;
        while Instant::now() < latest {
            let next = Instant::now() + quiet;
            match timeout_at(next.min(latest), self.next()).await {
                Err(_) => break,
                Ok(false) => return false,
                Ok(true) => {}
            }
        }
        true
    }
}

/// An error with its causes on one line, without the values that a decoder quotes.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(error) = of_client(error) {
        return said(error);
    }
    let plain = |error: &(dyn std::error::Error + 'static)| match error.downcast_ref::<serde_json::Error>() {
        Some(error) => harmless(error),
        None => error.to_string(),
    };
    let mut text = plain(error);
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = of_client(cause) {
            return format!("{text}: {}", said(error));
        }
        let said = plain(cause);
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    struct Counted(watch::Receiver<u64>, Arc<AtomicU32>);

    impl Controller for Counted {
        type Error = crate::Error;
        const NAME: &'static str = "test";

        fn wakes(&self) -> Vec<watch::Receiver<u64>> {
            vec![self.0.clone()]
        }

        async fn reconcile(&self) -> Result<Next, Self::Error> {
            self.1.fetch_add(1, Ordering::SeqCst);
            Ok(Next::Await)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_changes_is_handled_once() {
        let (sender, receiver) = watch::channel(0_u64);
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Counted(receiver, runs.clone());
        let controller = tokio::spawn(async move { drive(&counted).await });
        tokio::time::sleep(Duration::from_millis(1)).await;
        for _ in 0..20 {
            sender.send_modify(|v| *v += 1);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(runs.load(Ordering::SeqCst), 2);
        drop(sender);
        controller.await.unwrap();
    }

    #[test]
    fn pauses_grow_up_to_a_limit() {
        assert_eq!(retry(1), FIRST_RETRY);
        assert_eq!(retry(3), FIRST_RETRY * 4);
        assert_eq!(retry(u32::MAX), LAST_RETRY);
    }
}
