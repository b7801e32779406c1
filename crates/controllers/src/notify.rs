//! Notifies others of what happens to rollouts (R-NOTIFY).
//!
//! It is off the path of rollouts: a receiver that hangs keeps nothing waiting but later notifications.

use crate::{Context, cluster::Watcher};
use futures::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, time::timeout};
use weir_kubeio::{Error, Next, patch};
use weir_rules::{
    status::notify::{Notice, Step, TRIES, due, retry},
    world::explain::explain_all,
};

/// Takes notifications.
pub trait Receiver: Send + Sync {
    /// Delivers one; the error says why it could not be, without any secret.
    fn deliver<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), String>>;
}

/// The longest that an attempt is waited for, whatever the receiver does.
const ATTEMPT: Duration = Duration::from_secs(15);
/// Changes are looked at together: notifications are for people.
const QUIET: Duration = Duration::from_millis(100);

/// The controller of notifications.
pub struct Controller {
    context: Context,
    receiver: Arc<dyn Receiver>,
    /// Attempts that failed, by id.
    failed: Mutex<BTreeMap<String, Failed>>,
}

impl std::fmt::Debug for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller").field("failed", &self.failed).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    tries: u32,
    next: Timestamp,
}

/// What became of a notification.
enum Delivery {
    /// It was delivered, or given up.
    Over,
    /// It is tried again then.
    Retry(Timestamp),
}

impl Controller {
    /// One that has notified of nothing yet.
    #[must_use]
    pub fn new(context: Context, receiver: Arc<dyn Receiver>) -> Self {
        Self { context, receiver, failed: Mutex::default() }
    }

    async fn deliver(&self, notice: &Notice) -> Delivery {
        let (id, pool, event) = (&notice.id, &notice.pool, notice.happened.word());
        let failed = self.failed.lock().get(id).copied();
        if let Some(failed) = failed.filter(|failed| failed.next > self.context.clock.now()) {
            return Delivery::Retry(failed.next);
        }
        let delivered = timeout(ATTEMPT, self.receiver.deliver(notice)).await;
        let Err(why) = delivered.unwrap_or_else(|_| Err(format!("no answer within {ATTEMPT:?}"))) else {
            tracing::info!(pool, event, "notified");
            self.failed.lock().remove(id);
            return Delivery::Over;
        };
        let tries = failed.map_or(1, |failed| failed.tries + 1);
        let Some(pause) = retry(tries) else {
            tracing::warn!(pool, event, why, tries, "a notification is given up");
            self.failed.lock().remove(id);
            return Delivery::Over;
        };
        if tries == 1 {
            tracing::warn!(
                pool,
                event,
                why,
                "a notification was not delivered; it is tried again, {TRIES} times at most"
            );
        } else {
            tracing::debug!(pool, event, why, tries, "a notification was not delivered");
        }
        let next = self.context.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
        self.failed.lock().insert(id.clone(), Failed { tries, next });
        Delivery::Retry(next)
    }

    /// Takes the steps of a pool, up to one that has to be tried again: when that is.
    async fn take(&self, pool: &str, steps: &[Step]) -> Result<Option<Timestamp>, Error> {
        for step in steps {
            if let Some(notice) = &step.notice
                && let Delivery::Retry(next) = self.deliver(notice).await
            {
                return Ok(Some(next));
            }
            let written =
                patch::merge(&self.context.client, &self.context.cluster.pools, pool, &step.told.patch()).await;
            match written {
                // The pool was deleted meanwhile, and its watch will show it.
                Err(error) if error.is_not_found() => return Ok(None),
                written => written?,
            }
        }
        Ok(None)
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "notify";
    const QUIET: Duration = QUIET;

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.context.cluster.changes();
        all.push(self.context.cluster.histories.changes());
        all
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        let cluster = &self.context.cluster;
        let is_synced = cluster.is_synced() && cluster.watches.is_synced(&[Watcher::History]);
        // What another build manages, it reports itself.
        if !is_synced || self.context.kept_by_us().is_err() {
            return Ok(Next::Await);
        }
        let now = self.context.clock.now();
        let (explained, mut ids, mut next) = (explain_all(&self.context.told(), now), BTreeSet::new(), None);
        let mut outcome = Ok(());
        for pool in &explained {
            let Some(object) = cluster.pools.get(&pool.pool) else { continue };
            let steps = due(pool, &object, now);
            ids.extend(steps.iter().filter_map(|step| Some(step.notice.as_ref()?.id.clone())));
            match self.take(&pool.pool, &steps).await {
                Ok(later) => next = next.into_iter().chain(later).min(),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        self.failed.lock().retain(|id, _| ids.contains(id));
        outcome.map(|()| Next::until(next, self.context.clock.now()))
    }
}
