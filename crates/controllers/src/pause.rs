//! Resumes pools whose pause is over (R-PAUSE).
//!
//! When that is stands on the pool, so that another process goes on with it.

use crate::Context;
use jiff::SignedDuration;
use tokio::sync::watch;
use weir_kubeio::{Error, Event, Next, Recorder, patch};
use weir_rules::{
    rollout::pause::{Ended, RESUMED, resume},
    view::PoolView,
};

/// Component name in events.
const COMPONENT: &str = "weir-pause";

/// While a pool is to resume, the clock is looked at this often: it may be set, and a machine may sleep.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// The controller of pauses.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    recorder: Recorder,
}

impl Controller {
    /// A controller that has not looked yet.
    #[must_use]
    pub fn new(context: Context) -> Self {
        let recorder = context.recorder(COMPONENT);
        Self { context, recorder }
    }

    async fn end(&self, ended: &Ended) -> Result<(), Error> {
        let pools = &self.context.cluster.pools;
        match patch::merge(&self.context.client, pools, &ended.pool, &ended.patch).await {
            // The pool was deleted meanwhile, and its watch will show it.
            Err(error) if error.is_not_found() => return Ok(()),
            written => written?,
        }
        let Some((pause, pool)) = ended.pause.as_ref().zip(pools.get(&ended.pool)) else { return Ok(()) };
        tracing::info!(pool = ended.pool, because = pause.because, "its pause is over: resumed");
        self.recorder.record(&*pool, &Event::normal(RESUMED, format!("its time has come: the pool was {pause}"))).await;
        Ok(())
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "pause";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        vec![self.context.cluster.pools.changes()]
    }

    /// Returns the first failed write as the error, but makes the others too.
    async fn reconcile(&self) -> Result<Next, Error> {
        // What another build manages, it pauses and resumes itself.
        if !self.context.cluster.is_synced() || self.context.kept_by_us().is_err() {
            return Ok(Next::Await);
        }
        let (now, pools) = (self.context.clock.now(), self.context.cluster.pools.all());
        let views: Vec<_> = pools.iter().map(|pool| PoolView::new(pool)).collect();
        let resume = resume(&views, now);
        let mut outcome = Ok(());
        for ended in &resume.now {
            outcome = outcome.and(self.end(ended).await);
        }
        outcome?;
        let look = now.checked_add(LOOK_AGAIN).unwrap_or(now);
        Ok(Next::until(resume.next.map(|at| at.min(look)), now))
    }
}
