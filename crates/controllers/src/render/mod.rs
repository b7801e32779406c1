//! Keeps every pool's rendered MachineConfig, and the pool's configuration, what its parts say.
//!
//! | module | part |
//! |---|---|
//! | `observe` | what a pool is rendered from |
//! | `guard` | what must not be rolled out although it can be rendered |
//! | `act` | writes the rendered MachineConfig, the pool's configuration and its condition |
//!
//! A pool that cannot be rendered keeps what it has and says why; it never stops another pool.

mod act;
mod guard;
mod observe;

use crate::{Access, Context, news::News, troubles::CatalogTrouble};
use act::Writer;
use observe::{Observed, Parts};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use weir_api::MachineConfigPool;
use weir_kubeio::{Event, Next, Recorder, drive};
use weir_rules::{
    components::NotRendered,
    gates::GatesError,
    guard::{GuardError, Inhibitor},
    mismatch,
    render::{RenderError, Rendered},
    stream::{StreamError, StreamReason},
    view::PoolView,
};

/// Events are recorded under this name, the reference's.
const COMPONENT: &str = "machineconfigcontroller-rendercontroller";

/// Reason of conditions and events about pools that cannot have what the desired release carries.
const NOT_MADE: &str = "OSImageStreamNotMade";

/// Why a pool has no rendered MachineConfig.
#[derive(Clone, Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Mismatch(String),
    #[error(transparent)]
    Gates(#[from] GatesError),
    #[error("the OSImageStream is being made from the desired release")]
    BeingMade,
    #[error(transparent)]
    Components(#[from] NotRendered),
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The OSImageStream cannot be used yet, and it is known what keeps it from being made.
    #[error("{0}: {1}")]
    NotMade(StreamError, String),
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error("{}", .0.message)]
    Inhibited(Inhibitor),
    /// The labels of an OS image decide, and it cannot be asked.
    #[error("pool {pool}: failed to inspect OS image for stream class: {why}")]
    UnknownImage { pool: String, why: String },
}

impl Failure {
    fn code(&self) -> &'static str {
        match self {
            Self::Mismatch(_) => mismatch::CODE,
            Self::Gates(_) => "FeatureGatesUnknown",
            Self::BeingMade => "OSImageStreamBeingMade",
            Self::Components(error) => error.code(),
            Self::Stream(error) => error.code(),
            Self::NotMade(..) => NOT_MADE,
            Self::Render(error) => error.code(),
            Self::Guard(_) => "DropinUnreadable",
            Self::Inhibited(inhibitor) => inhibitor.id,
            Self::UnknownImage { .. } => "OSImageUnknown",
        }
    }

    /// What the pool's condition says.
    fn message(&self, pool: &MachineConfigPool) -> String {
        match self {
            Self::Render(error) => error.condition_message(pool),
            other => {
                let name = pool.metadata.name.as_deref().unwrap_or_default();
                format!("Failed to render configuration for pool {name}: {other}")
            }
        }
    }

    /// Whether the pool is degraded for it; else it waits for something that is still being written.
    fn is_failure(&self) -> bool {
        match self {
            Self::Components(error) => error.is_failure(),
            Self::BeingMade => false,
            Self::Mismatch(_)
            | Self::Gates(_)
            | Self::Stream(_)
            | Self::NotMade(..)
            | Self::Render(_)
            | Self::Guard(_)
            | Self::Inhibited(_)
            | Self::UnknownImage { .. } => true,
        }
    }
}

type Outcome = Result<Rendered, RenderError>;
type Rendering = Result<Made, Failure>;

/// What a pool is to run, and why that stream.
struct Made {
    rendered: Rendered,
    /// Name of the stream; absent while there are none.
    stream: Option<String>,
    because: StreamReason,
}

/// Pause before an OS image that could not be asked is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// The render controller.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    access: Access,
    recorder: Recorder,
    news: News,
    /// By pool, what it was last rendered from and what came of it: most changes concern few pools.
    last: Mutex<BTreeMap<String, (Parts, Arc<Outcome>)>>,
}

impl Controller {
    /// A controller that has not rendered anything yet and asks OS images through `access`.
    #[must_use]
    pub fn new(context: Context, access: Access) -> Self {
        let recorder = context.recorder(COMPONENT);
        Self { context, access, recorder, news: News::default(), last: Mutex::default() }
    }

    /// Reconciles on every change until the future is dropped.
    pub async fn run(&self) {
        drive("render", self.context.cluster.configuration_changes(), || self.reconcile()).await;
    }

    /// One pass over all pools.
    ///
    /// # Errors
    /// The first write that failed; the other pools are seen to all the same.
    pub async fn reconcile(&self) -> Result<Next, weir_kubeio::Error> {
        if !self.context.cluster.is_configuration_synced() {
            return Ok(Next::Await);
        }
        let observed = Observed::new(&self.context);
        let (mut first, mut next) = (None, Next::Await);
        for (pool, mut outcome) in self.outcomes(&observed) {
            let writer = Writer { context: &self.context, recorder: &self.recorder, pool: &pool };
            if let Ok(made) = &outcome
                && let Err(failure) = guard::guard(&self.access, self.context.profile, writer.name(), made).await
            {
                outcome = Err(failure);
            }
            if matches!(outcome, Err(Failure::UnknownImage { .. })) {
                next = Next::After(ASK_AGAIN);
            }
            let written = match outcome {
                Ok(made) => self.accept(&writer, &made.rendered, &made.because, observed.trouble()).await,
                Err(failure) => self.refuse(&writer, &failure).await,
            };
            if let Err(error) = written {
                if !error.is_conflict() {
                    tracing::warn!(pool = writer.name(), error = %weir_kubeio::drive::chain(&error), "rendering was not written");
                }
                first.get_or_insert(error);
            }
        }
        first.map_or(Ok(next), Err)
    }

    /// What came of each pool that is not being deleted.
    fn outcomes(&self, observed: &Observed) -> Vec<(Arc<MachineConfigPool>, Rendering)> {
        let views: Vec<PoolView<'_>> = observed.pools.iter().map(|pool| PoolView::new(pool)).collect();
        let pools = observed.pools.iter().zip(&views).filter(|(_, view)| !view.deleting);
        pools.map(|(pool, view)| (pool.clone(), self.pool(observed, view, &views))).collect()
    }

    fn pool(&self, observed: &Observed, pool: &PoolView<'_>, pools: &[PoolView<'_>]) -> Rendering {
        let (parts, because) = observed.parts(pool, pools)?;
        let stream = parts.stream().map(str::to_owned);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = match last.get(pool.name) {
            Some((before, outcome)) if *before == parts => outcome.clone(),
            _ => {
                let outcome = Arc::new(parts.render(pool.object, &self.context.build));
                last.insert(pool.name.to_owned(), (parts, outcome.clone()));
                outcome
            }
        };
        drop(last);
        Ok(Made { rendered: Result::clone(&outcome)?, stream, because })
    }

    async fn accept(
        &self,
        writer: &Writer<'_>,
        rendered: &Rendered,
        because: &StreamReason,
        trouble: Option<&CatalogTrouble>,
    ) -> Result<(), weir_kubeio::Error> {
        writer.write(rendered, trouble).await?;
        let telling = match because {
            StreamReason::StalePin { .. } | StreamReason::GateOff { ignored: Some(_) } => Some(because.to_string()),
            _ => None,
        };
        match telling {
            Some(text) if self.news.is_new(writer.name(), &text) => {
                self.recorder.record(writer.pool, &Event::warning(because.code(), text)).await;
            }
            Some(_) => {}
            None => self.news.forget(writer.name()),
        }
        Ok(())
    }

    async fn refuse(&self, writer: &Writer<'_>, failure: &Failure) -> Result<(), weir_kubeio::Error> {
        let text = failure.to_string();
        if self.news.is_new(writer.name(), &text) {
            if failure.is_failure() || matches!(failure, Failure::Components(NotRendered::SelectingAll)) {
                self.recorder.record(writer.pool, &Event::warning(failure.code(), text.clone())).await;
            }
            tracing::info!(pool = writer.name(), reason = failure.code(), text, "not rendered");
        }
        if failure.is_failure() { writer.degrade(failure.code(), &failure.message(writer.pool)).await } else { Ok(()) }
    }
}
