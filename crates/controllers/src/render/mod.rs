//! Keeps every pool's rendered MachineConfig, and the pool's configuration, up to date with its sources.
//!
//! | module | part |
//! |---|---|
//! | `guard` | what must not be rolled out although it can be rendered |
//! | `free` | pools whose image an installer pinned, and whose users asked for another |
//! | `notices` | what else users of a pool should know |
//! | `act` | writes the rendered MachineConfig, the pool's configuration and its conditions |
//!
//! A pool that cannot be rendered keeps what it has and reports why; it never stops another pool.

mod act;
mod free;
mod guard;
mod notices;

use crate::{Access, Context, last_said::LastSaid};
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
    build::pinned::pinned,
    render::{
        RenderError, Rendered,
        failure::{NOT_MADE, RenderFailure},
    },
    status::notices::{Notice, TYPES},
    stream::{StreamReason, problem::CatalogProblem},
    view::PoolView,
    world::{Parts, World},
};

/// Component name in events, as in the reference.
const COMPONENT: &str = "machineconfigcontroller-rendercontroller";

type Outcome = Result<Arc<Rendered>, RenderError>;
type Rendering = Result<Made, RenderFailure>;

/// What a pool should run.
struct Made {
    rendered: Arc<Rendered>,
    /// Name of the stream; absent while there are none.
    stream: Option<String>,
}

/// Pause before an unreadable OS image is tried again, as for the images of a release.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// A reason to wait that lasts longer than this is reported on the pool.
const SOON: Duration = Duration::from_millis(500);
/// Reason of the condition of a pool whose writes the API server refuses.
const REFUSED: &str = "WriteRefused";

/// Whether every pool's target is what it renders to now, so that nothing is left to do. Renders all pools.
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

/// What pools are rendered from.
fn sources(context: &Context) -> Vec<watch::Receiver<u64>> {
    let cluster = &context.cluster;
    let found = [cluster.refused.changes(), cluster.generated_with.changes()];
    cluster.intent_changes().into_iter().chain(found).collect()
}

/// The render controller.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    access: Access,
    recorder: Recorder,
    last_said: LastSaid,
    notices: Notices,
    /// By pool, what it was last rendered from and the result: most changes concern few pools.
    last: Mutex<BTreeMap<String, (Parts, Outcome)>>,
    /// Since when pools wait to be rendered.
    waiting: Mutex<BTreeMap<String, Instant>>,
}

impl Controller {
    /// A controller that has not rendered anything yet and reads OS images through `access`.
    #[must_use]
    pub fn new(context: Context, access: Access) -> Self {
        let recorder = context.recorder(COMPONENT);
        context.cluster.look.expect(sources(&context));
        let (last, waiting) = (Mutex::default(), Mutex::default());
        Self { context, access, recorder, last_said: LastSaid::default(), notices: Notices::default(), last, waiting }
    }

    /// The result for each pool that is not being deleted, and why it gets its stream, if known.
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

    /// When to look at a pool again even without a change. That a pool waits is reported only after a moment.
    fn pause(&self, pool: &str, failure: Option<&RenderFailure>) -> Option<Duration> {
        let mut waiting = self.waiting.lock();
        let Some(failure) = failure.filter(|failure| !failure.is_failure()) else {
            waiting.remove(pool);
            return failure.is_some_and(RenderFailure::is_of_image).then_some(ASK_AGAIN);
        };
        let now = Instant::now();
        let since = *waiting.entry(pool.to_owned()).or_insert(now);
        // What only a user can change does not pass within a moment.
        let left = (since + SOON).saturating_duration_since(now);
        (!failure.is_of_user() && !left.is_zero()).then_some(left)
    }

    async fn accept(
        &self,
        writer: &Writer<'_>,
        rendered: &Rendered,
        problem: Option<&CatalogProblem>,
    ) -> Result<(), Error> {
        writer.write(rendered).await?;
        let written = match problem {
            None => writer.say(FALSE, "", "").await,
            Some(problem) => {
                let release = &problem.release;
                let message = format!(
                    "rendered from the OS image streams known before; those of {release} are not known: {problem}"
                );
                writer.say(problem.blocking.into(), NOT_MADE, &message).await
            }
        };
        self.tell(writer).await;
        written
    }

    async fn refuse(&self, writer: &Writer<'_>, failure: &RenderFailure) -> Result<(), Error> {
        let text = failure.to_string();
        if self.last_said.is_new(writer.name(), &text) {
            if failure.is_failure() || failure.is_of_user() {
                self.recorder.record(writer.pool, &Event::warning(failure.code(), text.clone())).await;
            }
            tracing::info!(pool = writer.name(), reason = failure.code(), text, "not rendered");
        }
        let written = writer.say(failure.is_failure().into(), failure.code(), &failure.message(writer.pool)).await;
        self.tell(writer).await;
        written
    }

    /// Events for notices that are new.
    async fn tell(&self, writer: &Writer<'_>) {
        for type_ in TYPES {
            let subject = format!("{} {type_}", writer.name());
            match writer.notices.iter().find(|notice| notice.type_() == type_) {
                None => self.last_said.forget(&subject),
                Some(notice) if notice.is_event() && self.last_said.is_new(&subject, &notice.to_string()) => {
                    self.recorder.record(writer.pool, &Event::warning(notice.code(), notice.to_string())).await;
                }
                Some(_) => {}
            }
        }
    }

    /// Reports refused writes on the pool, if the API server permits that.
    async fn not_written(&self, writer: &Writer<'_>, error: &weir_kubeio::Error) {
        // If the API server does not answer, the pass reports it for all pools.
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
        sources(&self.context)
    }

    /// Returns the first failed write as the error, but handles the other pools too.
    async fn reconcile(&self) -> Result<Next, Error> {
        if !self.context.cluster.is_configuration_synced() {
            return Ok(Next::Await);
        }
        let began = self.context.cluster.look.begin();
        self.free().await?;
        let world = self.context.configuration();
        let found = self.notices.look(&world, self.context.cluster.refused.get());
        self.notices.tell(&self.context, &self.recorder, &found).await;
        let (facts, mut first, mut again, mut looked) = (world.facts(), None, None, true);
        for (pool, because, mut outcome) in self.outcomes(&world) {
            let pinned = pinned(&world, &pool).map(|pinned| Notice::Pinned(pinned.to_string()));
            let notices = found.about(&pool, because.as_ref()).into_iter().chain(pinned).chain(facts.clone());
            let notices: Vec<Notice> = notices.collect();
            let writer = Writer { context: &self.context, recorder: &self.recorder, pool: &pool, notices: &notices };
            if let Ok(made) = &outcome
                && let Err(failure) = guard::guard(&self.access, self.context.profile, writer.name(), made).await
            {
                outcome = Err(failure);
            }
            let pause = self.pause(writer.name(), outcome.as_ref().err());
            looked &= outcome.as_ref().err().is_none_or(|failure| failure.is_failure() || failure.is_of_user());
            again = again.into_iter().chain(pause).min();
            let written = match outcome {
                Ok(made) => self.accept(&writer, &made.rendered, world.catalog_problem()).await,
                Err(failure) if pause.is_some_and(|_| !failure.is_failure()) => Ok(()),
                Err(failure) => self.refuse(&writer, &failure).await,
            };
            if let Err(error) = written {
                self.not_written(&writer, &error).await;
                first.get_or_insert(error);
            }
        }
        match first {
            Some(error) => Err(error),
            None => {
                if looked {
                    self.context.cluster.look.done(began);
                }
                Ok(again.map_or(Next::Await, Next::After))
            }
        }
    }
}
