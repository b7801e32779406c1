//! Keeps every pool's rendered MachineConfig, and the pool's configuration, what its parts say.
//!
//! | module | part |
//! |---|---|
//! | `guard` | what must not be rolled out although it can be rendered |
//! | `notices` | what users of a pool should know beside it |
//! | `act` | writes the rendered MachineConfig, the pool's configuration and its conditions |
//!
//! A pool that cannot be rendered keeps what it has and says why; it never stops another pool.

mod act;
mod guard;
mod notices;

use crate::{Access, Context, news::News};
use act::Writer;
use notices::Notices;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};
use weir_api::{
    Class, MachineConfigPool,
    condition::{FALSE, TRUE},
};
use weir_kubeio::{Error, Event, Next, Recorder};
use weir_rules::{
    render::{
        RenderError, Rendered,
        failure::{NOT_MADE, RenderFailure},
    },
    status::notices::TYPES,
    stream::{StreamReason, trouble::CatalogTrouble},
    view::PoolView,
    world::{Parts, World},
};

/// Events are recorded under this name, the reference's.
const COMPONENT: &str = "machineconfigcontroller-rendercontroller";

type Outcome = Result<Arc<Rendered>, RenderError>;
type Rendering = Result<Made, RenderFailure>;

/// What a pool is to run.
struct Made {
    rendered: Arc<Rendered>,
    /// Name of the stream; absent while there are none.
    stream: Option<String>,
}

/// Pause before an OS image that could not be asked is asked again, as with the images of a release.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// What a pool waits for longer than this is said on it: less is no news.
const SOON: Duration = Duration::from_millis(500);
/// Reason of the condition of a pool of which the API server refuses what is written.
const REFUSED: &str = "WriteRefused";

/// Whether every pool is to run what it is rendered to now, so that rendering has nothing left to do. Renders all pools.
#[must_use]
pub fn is_current(context: &Context) -> bool {
    let world = context.configuration();
    let views = world.pool_views();
    views.iter().filter(|pool| !pool.deleting).all(|pool| {
        let parts = world.parts(pool, &views).ok();
        let rendered = parts.and_then(|(parts, _)| parts.render(pool.object, &context.build).ok());
        rendered.is_some_and(|rendered| pool.target == rendered.config.metadata.name.as_deref())
    })
}

/// The render controller.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    access: Access,
    recorder: Recorder,
    news: News,
    notices: Notices,
    /// By pool, what it was last rendered from and what came of it: most changes concern few pools.
    last: Mutex<BTreeMap<String, (Parts, Outcome)>>,
    /// Since when pools wait to be rendered.
    waiting: Mutex<BTreeMap<String, Instant>>,
}

impl Controller {
    /// A controller that has not rendered anything yet and asks OS images through `access`.
    #[must_use]
    pub fn new(context: Context, access: Access) -> Self {
        let recorder = context.recorder(COMPONENT);
        let (last, waiting) = (Mutex::default(), Mutex::default());
        Self { context, access, recorder, news: News::default(), notices: Notices::default(), last, waiting }
    }

    /// What came of each pool that is not being deleted, and why it is that stream, if that was found out.
    fn outcomes(&self, world: &World) -> Vec<(Arc<MachineConfigPool>, Option<StreamReason>, Rendering)> {
        let views = world.pool_views();
        let pools = world.pools.iter().zip(&views).filter(|(_, view)| !view.deleting);
        let outcome = |(pool, view): (&Arc<MachineConfigPool>, &PoolView<'_>)| match world.parts(view, &views) {
            Ok((parts, because)) => (pool.clone(), Some(because), self.render(view, parts)),
            Err(failure) => (pool.clone(), None, Err(failure)),
        };
        pools.map(outcome).collect()
    }

    fn render(&self, pool: &PoolView<'_>, parts: Parts) -> Rendering {
        let stream = parts.stream().map(str::to_owned);
        let mut last = self.last.lock();
        let outcome = match last.get(pool.name) {
            Some((before, outcome)) if *before == parts => outcome.clone(),
            _ => {
                let outcome = parts.render(pool.object, &self.context.build).map(Arc::new);
                last.insert(pool.name.to_owned(), (parts, outcome.clone()));
                outcome
            }
        };
        drop(last);
        Ok(Made { rendered: outcome?, stream })
    }

    /// When a pool is to be looked at again without a change. One that waits is told so only after a moment.
    fn pause(&self, pool: &str, failure: Option<&RenderFailure>) -> Option<Duration> {
        let mut waiting = self.waiting.lock();
        let Some(failure) = failure.filter(|failure| !failure.is_failure()) else {
            waiting.remove(pool);
            return failure.is_some_and(RenderFailure::is_of_image).then_some(ASK_AGAIN);
        };
        let now = Instant::now();
        let since = *waiting.entry(pool.to_owned()).or_insert(now);
        // What only a user changes is no matter of a moment.
        let left = (since + SOON).saturating_duration_since(now);
        (!failure.is_of_user() && !left.is_zero()).then_some(left)
    }

    async fn accept(
        &self,
        writer: &Writer<'_>,
        rendered: &Rendered,
        trouble: Option<&CatalogTrouble>,
    ) -> Result<(), Error> {
        writer.write(rendered).await?;
        let written = match trouble {
            None => writer.say(FALSE, "", "").await,
            Some(trouble) => {
                let release = &trouble.release;
                let status = if trouble.blocking { TRUE } else { FALSE };
                let message = format!(
                    "rendered from the OS image streams known before; those of {release} are not known: {trouble}"
                );
                writer.say(status, NOT_MADE, &message).await
            }
        };
        self.tell(writer).await;
        written
    }

    async fn refuse(&self, writer: &Writer<'_>, failure: &RenderFailure) -> Result<(), Error> {
        let text = failure.to_string();
        if self.news.is_new(writer.name(), &text) {
            if failure.is_failure() || failure.is_of_user() {
                self.recorder.record(writer.pool, &Event::warning(failure.code(), text.clone())).await;
            }
            tracing::info!(pool = writer.name(), reason = failure.code(), text, "not rendered");
        }
        let status = if failure.is_failure() { TRUE } else { FALSE };
        let written = writer.say(status, failure.code(), &failure.message(writer.pool)).await;
        self.tell(writer).await;
        written
    }

    /// Events for notices that are new.
    async fn tell(&self, writer: &Writer<'_>) {
        for type_ in TYPES {
            let subject = format!("{} {type_}", writer.name());
            match writer.notices.iter().find(|notice| notice.type_() == type_) {
                None => self.news.forget(&subject),
                Some(notice) if notice.is_event() && self.news.is_new(&subject, &notice.to_string()) => {
                    self.recorder.record(writer.pool, &Event::warning(notice.code(), notice.to_string())).await;
                }
                Some(_) => {}
            }
        }
    }

    /// What the API server refuses is said on the pool, as far as it lets us.
    async fn not_written(&self, writer: &Writer<'_>, error: &weir_kubeio::Error) {
        // Where nobody answers, the pass says so for all pools.
        if error.is_conflict() || error.is_unanswered() {
            return;
        }
        let why = weir_kubeio::drive::chain(error);
        tracing::warn!(pool = writer.name(), error = why, "rendering was not written");
        if error.class() == Class::Permanent {
            let message = format!("Failed to render configuration for pool {}: {why}", writer.name());
            if let Err(error) = writer.say(TRUE, REFUSED, &message).await {
                tracing::debug!(pool = writer.name(), error = %weir_kubeio::drive::chain(&error), "nor was that");
            }
        }
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "render";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        self.context.cluster.intent_changes()
    }

    /// The first write that failed is the error; the other pools are seen to all the same.
    async fn reconcile(&self) -> Result<Next, Error> {
        if !self.context.cluster.is_configuration_synced() {
            return Ok(Next::Await);
        }
        let world = self.context.configuration();
        let found = self.notices.look(&world);
        self.notices.tell(&self.context, &self.recorder, &found).await;
        let (facts, mut first, mut again) = (world.facts(), None, None);
        for (pool, because, mut outcome) in self.outcomes(&world) {
            let notices = [found.about(&pool, because.as_ref()), facts.clone()].concat();
            let writer = Writer { context: &self.context, recorder: &self.recorder, pool: &pool, notices: &notices };
            if let Ok(made) = &outcome
                && let Err(failure) = guard::guard(&self.access, self.context.profile, writer.name(), made).await
            {
                outcome = Err(failure);
            }
            let pause = self.pause(writer.name(), outcome.as_ref().err());
            again = again.into_iter().chain(pause).min();
            let written = match outcome {
                Ok(made) => self.accept(&writer, &made.rendered, world.trouble()).await,
                Err(failure) if pause.is_some_and(|_| !failure.is_failure()) => Ok(()),
                Err(failure) => self.refuse(&writer, &failure).await,
            };
            if let Err(error) = written {
                self.not_written(&writer, &error).await;
                first.get_or_insert(error);
            }
        }
        first.map_or(Ok(again.map_or(Next::Await, Next::After)), Err)
    }
}
