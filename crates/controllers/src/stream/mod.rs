//! Keeps the OSImageStream what the release image says.
//!
//! | module | part |
//! |---|---|
//! | [`observe`] | reads the images of a release |
//! | `evict` | forgets what is known of images that are no longer used |
//! | `act` | writes the object: status first, the marks that say "done" last |
//! | `gate_off` | whether the release is for this cluster, where there are no streams |

mod act;
mod evict;
mod gate_off;
pub mod observe;

pub use evict::forget;

use crate::{Access, Context, access, last_said::LastSaid};
use act::Writer;
use futures::future::select_all;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use std::{collections::BTreeMap, pin::pin, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use weir_api::{Class, keys::names::CLUSTER};
use weir_images::Images;
use weir_kubeio::{Classed, Event, Next, Recorder, drive::chain};
use weir_rules::stream::{
    attempt::{Obstacle, pause_after},
    catalog::{
        Catalog, CatalogError, Existing, Input, Source, catalog,
        due::{Due, Stale},
    },
    gates::GatesError,
    mismatch::{self, clause},
    problem::{CatalogProblem, Evidence, StreamProblems},
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
    /// How images are read is not known.
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
    /// The API server refused a write or was not there.
    #[error(transparent)]
    Api(#[from] weir_kubeio::Error),
}

impl Classed for Error {
    fn class(&self) -> Class {
        match self {
            // What is missing is watched.
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
    /// A word for machines.
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
    /// The release whose tags were looked at while the gate was off.
    looked: Mutex<Option<String>>,
}

/// A release that yielded no catalogue.
#[derive(Clone, Debug)]
struct Attempt {
    release: String,
    /// How its images were read.
    images: Option<Images>,
    /// How often in a row.
    times: u32,
    /// What was said about it: the same is not said twice.
    said: String,
    /// Not before this is it tried again, whatever changes.
    next: Instant,
}

impl Attempt {
    fn new(release: &str, images: Option<Images>) -> Self {
        Self { release: release.to_owned(), images, times: 0, said: String::new(), next: Instant::now() }
    }

    fn is_of(&self, release: &str, images: Option<&Images>) -> bool {
        let same = match (&self.images, images) {
            (Some(one), Some(other)) => one.is(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        self.release == release && same
    }
}

/// A user is told of a registry that takes longer than this to answer: a healthy one needs a tenth of it.
const SOON: Duration = Duration::from_millis(500);
impl Controller {
    /// A controller that reads images through `access`.
    #[must_use]
    pub fn new(context: Context, access: Access) -> Self {
        let recorder = context.recorder(COMPONENT);
        let looked = Mutex::default();
        Self { context, access, recorder, last_said: LastSaid::default(), failed: Mutex::default(), looked }
    }

    async fn make(&self, release: &str, because: &Stale, writer: &Writer<'_>) -> Result<Next, Error> {
        let access = self.access.images();
        if matches!(access, Err(access::Error::Unseen { why: None, .. })) {
            return Ok(Next::Await);
        }
        let images = access.as_ref().ok().cloned();
        if let Some(pause) = self.pause(release, images.as_ref()) {
            return Ok(Next::After(pause));
        }
        tracing::info!(release, %because, "making the OSImageStream");
        let outcome = match access {
            Ok(images) => self.attempt(&images, release, writer).await,
            Err(source) => Err(Error::Access { release: release.to_owned(), source }),
        };
        let attempt = Attempt::new(release, images.clone());
        match outcome {
            Ok(None) => Ok(Next::After(Duration::ZERO)),
            Ok(Some(made)) => {
                self.set_failed(None);
                self.context.cluster.stream_problems.change(|problems| *problems = StreamProblems::default());
                self.tell(release, &made).await;
                Ok(Next::Await)
            }
            Err(error) => {
                let obstacle = error.obstacle();
                let said = |text| if obstacle.is_of_reading() { self.with_access(text) } else { text };
                if let Some(pause) = self.fail(attempt, said(error.why()), obstacle.is_blocking()) {
                    let text = said(format!("{}; next attempt in {} s", chain(&error), pause.as_secs_f32().ceil()));
                    self.warn(error.code(), text).await;
                }
                Err(error)
            }
        }
    }

    /// What could not be read, and which objects said how to.
    fn with_access(&self, why: String) -> String {
        format!("{why}; how images are read is said by {}", self.access.in_use())
    }

    /// Reads the release and writes the object; `None` when meanwhile another release is wanted, or images are read in
    /// another way.
    async fn attempt(&self, images: &Images, release: &str, writer: &Writer<'_>) -> Result<Option<Catalog>, Error> {
        let Some((found, also)) = self.read(images, release).await else { return Ok(None) };
        let made = self.catalog(release, found, also)?;
        writer.write(release, &made).await?;
        Ok(Some(made))
    }

    async fn read(&self, images: &Images, release: &str) -> Option<(observe::Payload, Option<Source>)> {
        let mut versions = self.context.cluster.versions.changes();
        let mut ways = self.access.changes();
        let mut reading = pin!(async {
            tokio::join!(observe::payload(images, self.context.profile, release), self.os_image_url(images))
        });
        let mut soon = pin!(sleep(SOON));
        let mut told = false;
        loop {
            let other_way = select_all(ways.iter_mut().map(|way| Box::pin(way.changed())));
            tokio::select! {
                found = &mut reading => return Some(found),
                (Ok(()), ..) = other_way => {
                    if self.access.images().is_ok_and(|now| !now.is(images)) {
                        return None;
                    }
                }
                Ok(()) = versions.changed() => {
                    let version = self.context.cluster_version();
                    let desired = version.as_ref().and_then(|v| v.status.as_ref()).map(|s| s.desired.image.as_str());
                    if desired != Some(release) {
                        return None;
                    }
                }
                () = &mut soon, if !told => {
                    told = true;
                    let why = "the images of the release are being read, and the registry has not answered yet";
                    let why = self.with_access(why.to_owned());
                    self.problem(release, &why, false, None);
                    self.warn("OSImageStreamDelayed", format!("{release}: {why}")).await;
                }
            }
        }
    }

    /// The pair of images that the ConfigMap names, when there is one.
    async fn os_image_url(&self, images: &Images) -> Option<Source> {
        let map = self.context.cluster.access.os_image_url()?;
        let version = self.context.cluster_version();
        let desired = version.as_ref().and_then(|v| v.status.as_ref()).map_or("", |s| s.desired.version.as_str());
        Some(observe::os_image_url(images, map.data.as_ref().unwrap_or(&BTreeMap::new()), desired).await)
    }

    fn catalog(&self, release: &str, found: observe::Payload, also: Option<Source>) -> Result<Catalog, Error> {
        let (context, cluster) = (&self.context, &self.context.cluster);
        let installed = context.cluster_version().as_deref().and_then(installed_version);
        let object = cluster.streams.get(CLUSTER);
        let input = Input {
            sources: also.into_iter().chain([found.source]).collect(),
            existing: object.as_deref().map_or_else(Existing::default, Existing::of),
            in_use: &context.configuration().streams_in_use(),
            installed: installed.or_else(|| found.version.parse().ok()),
        };
        let made = catalog(context.profile, input);
        let several = if let Err(CatalogError::SeveralStreams(names)) = &made { names.clone() } else { Vec::new() };
        let misfit = self.weigh(Evidence { tags: found.tags, several_streams: several });
        if !misfit.is_empty() {
            return Err(Error::Mismatch { release: release.to_owned(), why: clause(context.profile, &misfit) });
        }
        made.map_err(|source| Error::Catalog { release: release.to_owned(), source })
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

    /// How long the release is still to be left alone after it failed. A change of how images are read ends that.
    fn pause(&self, release: &str, images: Option<&Images>) -> Option<Duration> {
        let failed = self.failed.lock();
        let attempt = failed.as_ref().filter(|attempt| attempt.is_of(release, images))?;
        Some(attempt.next.saturating_duration_since(Instant::now())).filter(|pause| !pause.is_zero())
    }

    /// Remembers a failure; returns the pause before the next attempt when it says something new.
    fn fail(&self, attempt: Attempt, said: String, blocking: bool) -> Option<Duration> {
        let before = self.failed.lock().take();
        let before = before.filter(|before| before.is_of(&attempt.release, attempt.images.as_ref()));
        let times = before.as_ref().map_or(0, |attempt| attempt.times).saturating_add(1);
        let pause = pause_after(times);
        self.problem(&attempt.release, &said, blocking, Some(pause));
        let news = before.is_none_or(|attempt| attempt.said != said);
        self.set_failed(Some(Attempt { times, said, next: Instant::now() + pause, ..attempt }));
        news.then_some(pause)
    }

    /// Lets the other controllers know.
    fn problem(&self, release: &str, why: &str, blocking: bool, pause: Option<Duration>) {
        let next = pause.and_then(|pause| SignedDuration::try_from(pause).ok());
        let catalog = CatalogProblem {
            release: release.to_owned(),
            why: why.to_owned(),
            blocking,
            next: next.map(|pause| self.context.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX)),
        };
        self.context.cluster.stream_problems.change(|problems| problems.catalog = Some(catalog));
    }

    /// A warning about what the whole cluster is to run.
    async fn warn(&self, reason: &str, text: String) {
        if let Some(version) = self.context.cluster_version() {
            self.recorder.record(&*version, &Event::warning(reason, text)).await;
        }
    }

    fn set_failed(&self, attempt: Option<Attempt>) {
        *self.failed.lock() = attempt;
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
        let cluster = &self.context.cluster;
        if !cluster.is_configuration_synced() {
            return Ok(Next::Await);
        }
        // Another build's controllers make the OSImageStream.
        if self.context.kept_by_us().is_err() {
            return Ok(Next::Await);
        }
        // What is there and cannot be read is not written over: the pools name it.
        if !cluster.streams.broken().is_empty() {
            return Ok(Next::Await);
        }
        let due = self.context.configuration().due()?;
        if !matches!(due, Due::Make { .. }) {
            self.clear(due == Due::Off);
        }
        let object = cluster.streams.get(CLUSTER);
        let writer = Writer { context: &self.context, object: object.as_deref() };
        match due {
            Due::Off => return self.look().await,
            Due::NoRelease | Due::Nothing => {}
            Due::OtherVersion { desired, ours } => {
                tracing::info!(desired, ours, "the controllers of the desired release make the OSImageStream");
            }
            Due::Make { release, because } => return self.make(&release, &because, &writer).await,
            Due::TakeDefault { to } => writer.take_default(&to).await?,
            Due::UnknownDefault { wanted, available } => {
                let text =
                    format!("spec.defaultStream {wanted} is not available; available are: {}", available.join(", "));
                if let Some(object) = object.as_ref().filter(|_| self.last_said.is_new(CLUSTER, &text)) {
                    self.recorder.record(&**object, &Event::warning("DefaultStreamNotAvailable", text)).await;
                }
            }
            Due::Drop { streams } => {
                writer.drop_streams(&streams).await?;
                let text = format!("{} is no longer in the release and no longer used", streams.join(", "));
                if let Some(object) = &object {
                    self.recorder.record(&**object, &Event::normal("StreamDropped", text)).await;
                }
            }
        }
        Ok(Next::Await)
    }
}
