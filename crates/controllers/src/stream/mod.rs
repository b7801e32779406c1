//! Keeps the OSImageStream what the release image says.
//!
//! | module | part |
//! |---|---|
//! | [`observe`] | reads the images of a release |
//! | `act` | writes the object: status first, the marks that say "done" last |

mod act;
pub mod observe;

use crate::Context;
use act::Writer;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use weir_api::keys::names::{CLUSTER, GATE_OS_STREAMS};
use weir_images::Images;
use weir_kubeio::{Class, Classed, Event, Next, Recorder, drive, drive::chain};
use weir_rules::{
    catalog::{
        Catalog, CatalogError, Existing, Input, catalog,
        due::{Due, DueView, Stale, due},
        in_use::in_use,
    },
    gates::GatesError,
    release::installed_version,
};

/// Events are recorded under this name, the reference's.
const COMPONENT: &str = "machineconfigcontroller-osimagestreamcontroller";

/// Why the OSImageStream is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not known whether there are streams.
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
    /// The API server refused a write or was not there.
    #[error(transparent)]
    Api(#[from] weir_kubeio::Error),
}

impl Classed for Error {
    fn class(&self) -> Class {
        match self {
            // What is missing is watched.
            Self::Gates(_) => Class::Permanent,
            Self::Catalog { source, .. } if source.is_transient() => Class::Transient,
            Self::Catalog { .. } => Class::Permanent,
            Self::Api(error) => error.class(),
        }
    }
}

/// The stream controller.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    images: Images,
    recorder: Recorder,
    failed: Mutex<Option<Attempt>>,
}

/// A release that yielded no catalogue, or one that is not complete.
#[derive(Clone, Debug)]
struct Attempt {
    release: String,
    /// How often in a row.
    times: u32,
    /// What was said about it: the same is not said twice.
    said: String,
    /// Not before this is it tried again, whatever changes.
    next: Instant,
}

/// First pause before an image that could not be read is tried again.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// Longest such pause. What can never be read is looked at this often as well: credentials and mirrors change.
const LAST_RETRY: Duration = Duration::from_mins(1);

impl Controller {
    /// A controller that reads images through `images`.
    #[must_use]
    pub fn new(context: Context, images: Images) -> Self {
        let recorder = context.recorder(COMPONENT);
        Self { context, images, recorder, failed: Mutex::default() }
    }

    /// Reconciles on every change until the future is dropped.
    pub async fn run(&self) {
        drive("stream", self.context.cluster.configuration_changes(), || self.reconcile()).await;
    }

    /// One pass.
    ///
    /// # Errors
    /// When the object could not be made what it should be.
    pub async fn reconcile(&self) -> Result<Next, Error> {
        let cluster = &self.context.cluster;
        if !cluster.is_synced() {
            return Ok(Next::Await);
        }
        let (version, object) = (self.context.cluster_version(), cluster.streams.get(CLUSTER));
        let view = DueView {
            enabled: self.context.gates()?.is_on(GATE_OS_STREAMS),
            cluster: version.as_deref(),
            object: object.as_deref(),
            build: &self.context.build.hash,
            version: self.context.build.release.as_deref(),
        };
        let writer = Writer { context: &self.context, object: object.as_deref() };
        match due(&view) {
            Due::Off | Due::NoRelease | Due::Nothing => {}
            Due::OtherVersion { desired, ours } => {
                tracing::info!(desired, ours, "the controllers of the desired release make the OSImageStream");
            }
            Due::Make { release, because } => return self.make(&release, &because, &writer).await,
            Due::TakeDefault { to } => writer.take_default(&to).await?,
            Due::UnknownDefault { wanted, available } => {
                tracing::warn!(wanted, available = available.join(", "), "spec.defaultStream is not available");
            }
        }
        Ok(Next::Await)
    }

    async fn make(&self, release: &str, because: &Stale, writer: &Writer<'_>) -> Result<Next, Error> {
        if let Some(pause) = self.pause(release) {
            return Ok(Next::After(pause));
        }
        tracing::info!(release, %because, "making the OSImageStream");
        match self.catalog(release).await {
            Ok(made) => {
                writer.write(release, &made).await?;
                self.tell(release, &made).await;
                let unreadable = made.notices.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                match made.complete {
                    true => self.set_failed(None),
                    false => _ = self.fail(release, &unreadable, false),
                }
            }
            Err(error) => {
                let text = chain(&error);
                let news = self.fail(release, &text, error.class() == Class::Transient);
                if let (true, Some(version)) = (news, self.context.cluster_version()) {
                    self.recorder.record(&*version, &Event::warning("OSImageStreamNotMade", text)).await;
                }
                return Err(error);
            }
        }
        Ok(self.pause(release).map_or(Next::Await, Next::After))
    }

    async fn catalog(&self, release: &str) -> Result<Catalog, Error> {
        let context = &self.context;
        let found = observe::payload(&self.images, context.profile, release).await;
        let installed = context.cluster_version().as_deref().and_then(installed_version);
        let (pools, object) = (context.cluster.pools.all(), context.cluster.streams.get(CLUSTER));
        let input = Input {
            sources: vec![found.source],
            existing: object.as_deref().map_or_else(Existing::default, Existing::of),
            in_use: &in_use(pools.iter().map(AsRef::as_ref)),
            installed: installed.or_else(|| found.version.parse().ok()),
        };
        catalog(context.profile, input).map_err(|source| Error::Catalog { release: release.to_owned(), source })
    }

    /// Says on the object what it was made of and what a user should know of it.
    async fn tell(&self, release: &str, made: &Catalog) {
        let Some(object) = self.context.cluster.streams.get(CLUSTER) else { return };
        let names: Vec<&str> = made.streams.iter().map(|stream| stream.set.name.as_str()).collect();
        let text = format!("{} from {release}; default is {}: {}", names.join(", "), made.default, made.because);
        self.recorder.record(&*object, &Event::normal("OSImageStreamMade", text)).await;
        for notice in &made.notices {
            self.recorder.record(&*object, &Event::warning(notice.code(), notice.to_string())).await;
        }
    }

    /// How long the release is still to be left alone after it failed.
    fn pause(&self, release: &str) -> Option<Duration> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = failed.as_ref().filter(|attempt| attempt.release == release)?;
        Some(attempt.next.saturating_duration_since(Instant::now())).filter(|pause| !pause.is_zero())
    }

    /// Remembers a failure; true when it says something new.
    fn fail(&self, release: &str, said: &str, transient: bool) -> bool {
        let before = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let before = before.filter(|attempt| attempt.release == release);
        let times = before.as_ref().map_or(0, |attempt| attempt.times).saturating_add(1);
        let pause = if transient { FIRST_RETRY.saturating_mul(1 << times.min(16)).min(LAST_RETRY) } else { LAST_RETRY };
        let (release, said) = (release.to_owned(), said.to_owned());
        let news = before.is_none_or(|attempt| attempt.said != said);
        self.set_failed(Some(Attempt { release, times, said, next: Instant::now() + pause }));
        news
    }

    fn set_failed(&self, attempt: Option<Attempt>) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = attempt;
    }
}
