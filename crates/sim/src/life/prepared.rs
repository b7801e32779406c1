//! What all lives share, made once: payloads, and API servers that know all kinds. Each life begins with copies.

use super::world::{Release as ReleaseOf, releases};
use crate::{
    Chance,
    story::script::{Payload, StreamOf},
    systems::os_names,
};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use jiff::Timestamp;
use kube::client::Body;
use parking_lot::Mutex;
use std::{collections::BTreeMap, convert::Infallible, fmt, sync::Arc};
use tower::{ServiceExt, util::BoxCloneService};
use weir_api::crds::{FeatureSet, crds};
use weir_apiserver::{ApiServer, Ids, Settings, clock::SUFFIX_ALPHABET};
use weir_controllers::stream::observe;
use weir_distro::Profile;
use weir_images::{Images, Layout, PullSpec, Release, Source};
use weir_kubeio::Clock;

/// When every life begins: a year before which no object of a life is from.
pub(super) const BEGINNING: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// The seed of the identifiers of what all lives share.
const SHARED: u64 = 0;

/// What all lives share.
#[derive(Debug)]
pub struct Prepared {
    server: ApiServer,
    /// By the name of the distribution.
    distributions: BTreeMap<&'static str, Distribution>,
    pub(super) door: Door,
    pub(super) covers: bool,
}

/// How processes reach their API server.
pub type Service = BoxCloneService<Request<Body>, Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible>;

/// What stands between the processes of a life and its API server: nothing, unless a test puts something there, such as a defect that has
/// to be found. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    make: Option<Arc<dyn Fn(Service) -> Service + Send + Sync>>,
    /// Whether processes that lost their lease are kept from writing.
    pub(super) fences: bool,
}

impl Default for Door {
    fn default() -> Self {
        Self { make: None, fences: true }
    }
}

impl Door {
    /// One that this makes of the way to the API server.
    #[must_use]
    pub fn new(make: impl Fn(Service) -> Service + Send + Sync + 'static) -> Self {
        Self { make: Some(Arc::new(make)), fences: true }
    }

    /// The same, and nothing keeps a process from writing that lost its lease.
    #[must_use]
    pub fn without_fences(self) -> Self {
        Self { fences: false, ..self }
    }

    pub(super) fn open(&self, server: weir_apiserver::Service) -> Service {
        let boxed = |answer: Response<weir_apiserver::Body>| answer.map(|body| body.boxed_unsync());
        let server = Service::new(ServiceExt::<Request<Body>>::map_response(server, boxed));
        match &self.make {
            Some(make) => make(server),
            None => server,
        }
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("make", &self.make.is_some()).field("fences", &self.fences).finish()
    }
}

/// What the lives of a distribution share.
#[derive(Debug)]
pub(super) struct Distribution {
    pub(super) images: Images,
    /// The layouts of the releases, each without the OS image of its last stream.
    pub(super) halves: Vec<Layout>,
    /// Oldest first.
    pub(super) releases: Vec<Release>,
    /// Names of the operating systems, by image.
    pub(super) names: Arc<BTreeMap<String, String>>,
}

impl Prepared {
    /// Makes it.
    ///
    /// # Errors
    /// When a payload cannot be made, or a kind is refused.
    pub fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let settings = Settings {
            clock: Arc::new(Moving(Clock::system(), Some(BEGINNING))),
            ids: Arc::new(Seeded::new(SHARED)),
            threads: false,
            ..Settings::default()
        };
        let server = ApiServer::new(settings)?;
        server.define(crds(FeatureSet::Default)).context("defining the kinds")?;
        let mut distributions = BTreeMap::new();
        for profile in Profile::all() {
            distributions.insert(profile.name.as_str(), runtime.block_on(Distribution::new(profile))?);
        }
        Ok(Self { server, distributions, door: Door::default(), covers: false })
    }

    /// The same, and lives find out what they reach, which takes some time.
    #[must_use]
    pub fn covering(self) -> Self {
        Self { covers: true, ..self }
    }

    /// The same, with something between processes and API servers.
    #[must_use]
    pub fn behind(self, door: Door) -> Self {
        Self { door, ..self }
    }

    pub(super) fn distribution(&self, profile: &Profile) -> Result<&Distribution> {
        self.distributions.get(profile.name.as_str()).with_context(|| format!("{} is not prepared", profile.name))
    }

    /// A server of a life's own.
    pub(super) fn server(&self, seed: u64, clock: Clock) -> ApiServer {
        self.server.copy(Arc::new(Moving(clock, None)), Arc::new(Seeded::new(seed)))
    }
}

impl Distribution {
    async fn new(profile: &'static Profile) -> Result<Self> {
        let (mut layouts, mut references) = (Vec::new(), Vec::new());
        for ReleaseOf { version, streams } in releases(profile) {
            let streams = streams.into_iter().map(StreamOf::Named).collect();
            let templates = BTreeMap::new();
            let payload = Payload { version, streams, distribution: None, labelled: true, templates, published: true };
            let layout = payload.make(profile)?;
            let image = layout.images().first().context("a payload without images")?;
            references.push(layout.name(image).to_string());
            layouts.push(layout);
        }
        let images = Images::new(Source { layouts: layouts.clone(), offline: true, ..Source::default() });
        let (mut all, mut names, mut halves) = (Vec::new(), BTreeMap::new(), Vec::new());
        for ((reference, layout), of) in references.iter().zip(&layouts).zip(releases(profile)) {
            let release = images.release(reference).await.context("reading a payload")?;
            halves.push(half(layout, &release, profile, &of).context("a payload without the image of a stream")?);
            names.extend(os_names(&observe::of_release(&images, profile, &release).await.source));
            all.push(release);
        }
        Ok(Self { images, halves, releases: all, names: Arc::new(names) })
    }
}

/// A release without the OS image of its last stream.
fn half(layout: &Layout, release: &Release, profile: &Profile, of: &ReleaseOf) -> Option<Layout> {
    let tag = profile.sample.stream(of.streams.last()?).os_tag;
    let image: PullSpec = release.by_tag().get(tag.as_str())?.parse().ok()?;
    layout.without(image.digest()?)
}

/// The time of a life, or one that stands still.
#[derive(Debug)]
struct Moving(Clock, Option<Timestamp>);

impl weir_apiserver::Clock for Moving {
    fn now(&self) -> Timestamp {
        self.1.unwrap_or_else(|| self.0.now())
    }
}

/// Identifiers that a seed decides.
#[derive(Debug)]
struct Seeded(Mutex<Chance>);

impl Seeded {
    fn new(seed: u64) -> Self {
        Self(Mutex::new(Chance::for_purpose(seed, "ids")))
    }
}

impl Ids for Seeded {
    fn uid(&self) -> String {
        let mut chance = self.0.lock();
        let (high, low) = (chance.draw(), chance.draw());
        let parts = (high >> 32, (high >> 16) & 0xffff, high & 0xfff, low >> 52, low & 0xffff_ffff_ffff);
        format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", parts.0, parts.1, parts.2, parts.3, parts.4)
    }

    fn suffix(&self) -> String {
        let mut chance = self.0.lock();
        (0..5).filter_map(|_| chance.pick(SUFFIX_ALPHABET).map(|byte| char::from(*byte))).collect()
    }
}
