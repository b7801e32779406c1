//! Keeps the OSImageStream up to date with the release image.
//!
//! | module | part |
//! |---|---|
//! | [`observe`] | reads the images of a release |
//! | `make` | makes the catalogue of a release |
//! | `check` | checks whether a release is for this cluster while there are no streams |
//! | `act` | writes the object: its status first, the annotations that mark it as done last |
//! | `attempt` | remembers a failed attempt, and when the next one is due |
//! | `report` | shares problems with the other controllers, records events |
//! | `evict` | forgets cached images that are no longer used |

mod act;
mod attempt;
mod check;
mod evict;
mod make;
pub mod observe;
mod report;

pub use evict::forget;

use crate::{Access, Context, access, last_said::LastSaid};
use act::Writer;
use attempt::Attempt;
use parking_lot::Mutex;
use std::time::Duration;
use tokio::sync::watch;
use weir_api::Class;
use weir_kubeio::{Classed, Next, Recorder, drive::chain};
use weir_rules::{
    stream::{
        attempt::Obstacle,
        catalog::{Catalog, CatalogError, due::Due},
        gates::GatesError,
        mismatch,
        problem::PayloadEvidence,
    },
    world::World,
};

/// Component name in events, as in the reference.
const COMPONENT: &str = "machineconfigcontroller-osimagestreamcontroller";

/// Why the OSImageStream is not up to date.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is unknown whether there are streams.
    #[error(transparent)]
    Gates(#[from] GatesError),
    /// The release yields no catalogue.
    #[error("making the OSImageStream from {release}")]
    Catalog {
        /// Pull spec of the release image.
        release: String,
        /// Why.
        source: CatalogError,
    },
    /// It is unknown how images are read.
    #[error("reading the images of {release}: {source}")]
    Access {
        /// Pull spec of the release image.
        release: String,
        /// Why.
        source: access::Error,
    },
    /// The release contradicts the distribution.
    #[error("{release} is not for this cluster: {why}")]
    Mismatch {
        /// Pull spec of the release image.
        release: String,
        /// What contradicts it.
        why: String,
    },
    /// The API server refused a write or did not answer.
    #[error(transparent)]
    Api(#[from] weir_kubeio::Error),
}

impl Classed for Error {
    fn class(&self) -> Class {
        match self {
            // What is missing is being watched.
            Self::Gates(_) | Self::Mismatch { .. } | Self::Access { .. } => Class::Permanent,
            Self::Catalog { source, .. } if source.is_transient() => Class::Transient,
            Self::Catalog { .. } => Class::Permanent,
            Self::Api(error) => error.class(),
        }
    }

    fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(error) if error.is_conflict())
    }

    fn is_unanswered(&self) -> bool {
        matches!(self, Self::Api(error) if error.is_unanswered())
    }
}

impl Error {
    /// The reason, in CamelCase.
    fn code(&self) -> &'static str {
        match self {
            Self::Mismatch { .. } => mismatch::CODE,
            Self::Gates(_) | Self::Access { .. } | Self::Catalog { .. } | Self::Api(_) => "OSImageStreamNotMade",
        }
    }

    fn obstacle(&self) -> Obstacle<'_> {
        match self {
            Self::Gates(_) => Obstacle::Gates,
            Self::Catalog { source, .. } => Obstacle::Catalog(source),
            Self::Access { source, .. } => Obstacle::Access { unseen: matches!(source, access::Error::Unseen { .. }) },
            Self::Mismatch { .. } => Obstacle::Mismatch,
            Self::Api(error) => Obstacle::Write { transient: error.class() == Class::Transient },
        }
    }

    /// What went wrong, without the release.
    fn why(&self) -> String {
        match self {
            Self::Mismatch { why, .. } => why.clone(),
            Self::Access { source, .. } => source.to_string(),
            Self::Catalog { source, .. } => source.to_string(),
            Self::Gates(_) | Self::Api(_) => chain(self),
        }
    }
}

/// The stream controller.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    access: Access,
    recorder: Recorder,
    last_said: LastSaid,
    failed: Mutex<Option<Attempt>>,
    /// The release that was checked while the gate was off.
    checked: Mutex<Option<String>>,
}

/// The result of acting.
enum Acted {
    /// Everything is done.
    Done,
    /// There is nothing to do before something changes.
    Waits,
    /// There is more to do after this time.
    Again(Duration),
    /// The OSImageStream was made.
    Made(Box<Catalog>),
    /// A release was checked while there are no streams.
    Checked {
        /// Pull spec of the release image.
        release: String,
        /// How its payload contradicts the distribution, if it does.
        evidence: PayloadEvidence,
    },
    /// Something failed.
    Failed(Box<Failed>),
}

/// A failure.
struct Failed {
    error: Error,
    /// The release that yielded no catalogue.
    attempt: Option<Attempt>,
    /// How its payload contradicts the distribution; absent if it was not read.
    evidence: Option<PayloadEvidence>,
}

impl Controller {
    /// A controller that reads images through `access`.
    #[must_use]
    pub fn new(context: Context, access: Access) -> Self {
        let recorder = context.recorder(COMPONENT);
        let (failed, checked) = (Mutex::default(), Mutex::default());
        Self { context, access, recorder, last_said: LastSaid::default(), failed, checked }
    }

    /// The cluster, if this controller is to act in it.
    fn observe(&self) -> Option<World> {
        let cluster = &self.context.cluster;
        // An unreadable object is not overwritten: the pools name it.
        let is_seen = cluster.is_configuration_synced() && cluster.streams.broken().is_empty();
        // Another build's controllers make the OSImageStream themselves.
        (is_seen && self.context.kept_by_us().is_ok()).then(|| self.context.configuration())
    }

    async fn act(&self, world: &World, due: &Due) -> Acted {
        let writer = Writer { context: &self.context, object: world.streams.as_deref() };
        match due {
            Due::Off => self.check().await,
            Due::Make { release, because } => self.make(release, because, &writer).await,
            Due::TakeDefault { to } => writer.take_default(to).await.into(),
            Due::Drop { streams } => writer.drop_streams(streams).await.into(),
            Due::NoRelease | Due::Nothing | Due::OtherVersion { .. } | Due::UnknownDefault { .. } => Acted::Done,
        }
    }
}

impl From<Result<(), weir_kubeio::Error>> for Acted {
    fn from(written: Result<(), weir_kubeio::Error>) -> Self {
        match written {
            Ok(()) => Self::Done,
            Err(error) => Self::Failed(Box::new(Failed { error: error.into(), attempt: None, evidence: None })),
        }
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "stream";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.context.cluster.configuration_changes();
        all.extend(self.access.changes());
        all
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        let Some(world) = self.observe() else { return Ok(Next::Await) };
        let due = world.due()?;
        self.forget_problems(&due);
        let acted = self.act(&world, &due).await;
        self.report(&world, &due, acted).await
    }
}
