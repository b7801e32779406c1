//! Has the OS image of every pool in image mode built: by Jobs, which a cluster or this process runs.
//!
//! | module | part |
//! |---|---|
//! | `act` | writes MachineOSBuilds, MachineOSConfigs and what the pool says of them |
//! | `jobs` | makes the Job of a build with what it reads, and follows how far it is |
//! | [`registry`] | what registries say of images |
//! | [`builder`] | what makes an image |
//! | [`layers`] | makes one without any program |
//! | [`buildah`] | makes one with buildah |
//! | [`pod`] | what the pod of a Job does, for whoever runs it |
//! | [`counters`] | counts what happens to builds |
//! | [`pruner`] | deletes the images of builds that are gone |

mod act;
pub mod buildah;
pub mod builder;
pub mod counters;
mod jobs;
pub mod layers;
pub mod pod;
pub mod pruner;
pub mod registry;

pub use builder::Builder;
pub use registry::{Registries, Registry};

use crate::{Context, cluster::Watcher, last_said::LastSaid};
use act::Writer;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;
use weir_api::{MachineOSBuild, MachineOSConfig};
use weir_kubeio::{Error, Event, Next, Recorder};
use weir_rules::{
    build::{
        conditions::State,
        identity::{Made, belongs_to},
        plan::{Plan, Presence, Situation, plan},
        pool::{ImageBuild, active, said_by_builder},
        prune::made_to_delete,
        ready::{Ability, NotReady, Ready, ready},
        seed::{is_taken_in, seeded},
        told::Told,
    },
    world::World,
};

/// Events are recorded under this name, the reference's.
const COMPONENT: &str = "machineosbuilder";
/// A Secret that is missing, and a registry that does not answer, are looked for again after this: nobody watches them.
const AGAIN: Duration = Duration::from_secs(5);

/// Who runs the Jobs.
#[derive(Clone, Debug)]
pub enum Worker {
    /// A cluster, as pods.
    Cluster {
        /// Its architecture, as Go calls it.
        architecture: String,
    },
    /// This process, with this builder.
    Here(Arc<dyn Builder>),
}

impl Worker {
    async fn ability(&self) -> Ability<'_> {
        match self {
            Self::Cluster { architecture } => Ability { programs: true, architecture },
            Self::Here(builder) => builder.ability().await,
        }
    }

    /// Whether it pulls base images as the cluster does, without a Secret for that.
    fn pulls_as_the_cluster(&self) -> bool {
        matches!(self, Self::Here(_))
    }
}

/// How images are built.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who runs the Jobs.
    pub worker: Worker,
    /// Pull spec of the image that has weir.
    pub program: String,
    /// Pull spec of the image that has buildah; absent for that of the release.
    pub builder: Option<String>,
}

/// The build controller.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    recorder: Recorder,
    registries: Arc<dyn Registries>,
    settings: Settings,
    /// What registries said of images, until it was acted upon.
    images: Mutex<BTreeMap<String, Presence>>,
    /// What was said of each MachineOSConfig that cannot work.
    last_said: LastSaid,
}

impl Controller {
    /// A controller that has not begun anything.
    #[must_use]
    pub fn new(context: Context, registries: Arc<dyn Registries>, settings: Settings) -> Self {
        let recorder = context.recorder(COMPONENT);
        let (images, last_said) = (Mutex::default(), LastSaid::default());
        Self { context, recorder, registries, settings, images, last_said }
    }

    fn writer(&self) -> Writer<'_> {
        Writer { context: &self.context, recorder: &self.recorder }
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "build";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.context.cluster.configuration_changes();
        all.extend(self.context.cluster.watches.changes(&[Watcher::Builds]));
        all
    }

    /// The first MachineOSConfig that failed is the error; the others are looked at all the same.
    async fn reconcile(&self) -> Result<Next, Error> {
        let cluster = &self.context.cluster;
        let seen = cluster.is_configuration_synced() && cluster.watches.is_synced(&[Watcher::Builds]);
        if !seen || self.context.kept_by_us().is_err() {
            return Ok(Next::Await);
        }
        let world = self.context.configuration();
        self.clean(&world).await?;
        let mut next = Ok(Next::Await);
        for config in &world.os_configs {
            next = sooner(next, self.config(&world, config).await);
        }
        next
    }
}

/// The earlier of two times to look again; the first error.
fn sooner(one: Result<Next, Error>, other: Result<Next, Error>) -> Result<Next, Error> {
    match (one?, other?) {
        (Next::After(one), Next::After(other)) => Ok(Next::After(one.min(other))),
        (Next::Await, next) | (next, Next::Await) => Ok(next),
    }
}

impl Controller {
    /// Deletes builds whose MachineOSConfig is gone, lets those go that are deleted, and the Jobs of those that succeeded.
    async fn clean(&self, world: &World) -> Result<(), Error> {
        let unsure = world.unreadable.iter().any(|object| object.kind == "MachineOSConfig");
        for build in &world.os_builds {
            let orphan = !unsure && !world.os_configs.iter().any(|config| belongs_to(build, config));
            if orphan || build.metadata.deletion_timestamp.is_some() {
                self.writer().delete(build).await?;
            } else if made_to_delete(State::of(build)).contains(&Made::Job) {
                // What else was made for it belongs to the Job.
                self.writer().delete_job(build).await?;
            }
        }
        let configs: BTreeSet<&str> =
            world.os_configs.iter().filter_map(|config| config.metadata.name.as_deref()).collect();
        self.last_said.retain(|subject| configs.contains(subject));
        Ok(())
    }

    async fn config(&self, world: &World, config: &MachineOSConfig) -> Result<Next, Error> {
        match ready(world, config, self.settings.worker.ability().await) {
            Ok(found) => self.pool(world, config, &found).await,
            Err(NotReady::Waiting(why)) => {
                tracing::debug!(config = config.metadata.name, why, "nothing is built yet");
                Ok(Next::Await)
            }
            Err(NotReady::Second(why)) => {
                self.not_reconciled(config, &why.to_string()).await;
                Ok(Next::Await)
            }
            Err(refused @ NotReady::Refused(_)) => self.refuse(config, refused.to_string()).await,
        }
    }

    async fn refuse(&self, config: &MachineOSConfig, why: String) -> Result<Next, Error> {
        self.not_reconciled(config, &why).await;
        let pool = config.spec.machine_config_pool.name.clone();
        self.writer().say(&ImageBuild::Refused { pool, why }).await?;
        Ok(Next::Await)
    }

    async fn not_reconciled(&self, config: &MachineOSConfig, why: &str) {
        let name = config.metadata.name.as_deref().unwrap_or_default();
        if self.last_said.is_new(name, why) {
            let told = Told::NotReconciled { why: why.to_owned() };
            tracing::warn!(config = name, why, "no image is built");
            self.recorder.record(config, &Event::warning(told.code(), told.to_string())).await;
        }
    }

    async fn pool(&self, world: &World, config: &MachineOSConfig, found: &Ready) -> Result<Next, Error> {
        let builds: Vec<&MachineOSBuild> =
            world.os_builds.iter().map(AsRef::as_ref).filter(|build| belongs_to(build, config)).collect();
        let pools = world.pool_views();
        let pool = pools.iter().find(|pool| pool.name == config.spec.machine_config_pool.name);
        let Some(pool) = pool else { return Ok(Next::Await) };
        let rendered = world.config_map();
        let images = self.images.lock().clone();
        let plan = plan(&Situation {
            pool: pool.object,
            config,
            target: &found.target,
            builds: &builds,
            rendered: &rendered,
            images: &images,
        });
        let next = match self.act(config, found, &builds, plan).await {
            Ok(next) => next,
            Err(Stopped::Refused(why)) => {
                self.refuse(config, why).await?;
                return Ok(Next::After(AGAIN));
            }
            Err(Stopped::Failed(error)) => return Err(error),
        };
        self.last_said.forget(config.metadata.name.as_deref().unwrap_or_default());
        if is_taken_in(config) {
            self.writer().taken_in(config).await?;
        }
        if let Some(said) = said_by_builder(pool, active(config, &builds)) {
            self.writer().say(&said).await?;
        }
        Ok(next)
    }

    async fn act(
        &self,
        config: &MachineOSConfig,
        found: &Ready,
        builds: &[&MachineOSBuild],
        plan: Plan,
    ) -> Result<Next, Stopped> {
        let (writer, name) = (self.writer(), found.target.metadata.name.as_deref().unwrap_or_default());
        match plan {
            Plan::Seed => match seeded(config, &found.target, self.context.clock.now()) {
                Ok(Some(build)) => writer.seed(config, &build).await?,
                Ok(None) => {}
                Err(bad) => return Err(Stopped::Refused(bad.to_string())),
            },
            Plan::Wait(waiting) => {
                tracing::debug!(config = config.metadata.name, %waiting, "nothing to do for its image");
                if let weir_rules::build::plan::Waiting::Registry(image) = waiting {
                    self.images.lock().remove(&image);
                    return Ok(Next::After(AGAIN));
                }
                return self.wanted(config, found, builds).await;
            }
            Plan::Ask { image } => {
                let secret = writer.secret(&config.spec.rendered_image_push_secret.name).await?;
                let presence = registry::presence(&image, self.registries.labels(image.clone(), secret).await);
                self.images.lock().insert(image, presence);
                return Ok(Next::After(Duration::ZERO));
            }
            Plan::Adopt { cancel } => {
                self.cancel(builds, &cancel).await?;
                if let Some(build) = builds.iter().find(|build| build.metadata.name.as_deref() == Some(name)) {
                    writer.adopt(config, build).await?;
                    self.forget_image(build);
                }
                return self.wanted(config, found, builds).await;
            }
            Plan::UseAgain { image, cancel } => {
                self.cancel(builds, &cancel).await?;
                writer.use_again(config, &found.target, &image).await?;
            }
            Plan::Build { because, replace, cancel } => {
                // What cannot be begun takes nothing away.
                self.logins(config).await?;
                self.builder_image().await?;
                self.cancel(builds, &cancel).await?;
                if replace {
                    self.cancel(builds, &[name.to_owned()]).await?;
                }
                tracing::info!(build = name, ?because, "an image is built");
                writer.begin(config, &found.target).await?;
            }
        }
        Ok(Next::Await)
    }

    /// What was said of the image of a build that is in effect now is not asked again.
    fn forget_image(&self, build: &MachineOSBuild) {
        if let Some(image) = build.status.as_ref().and_then(|status| status.digested_image_push_spec.as_ref()) {
            self.images.lock().remove(image);
        }
    }

    async fn cancel(&self, builds: &[&MachineOSBuild], names: &[String]) -> Result<(), Error> {
        let named = |build: &&&MachineOSBuild| build.metadata.name.as_ref().is_some_and(|name| names.contains(name));
        for build in builds.iter().filter(named) {
            self.writer().delete(build).await?;
        }
        Ok(())
    }

    /// Brings the wanted build on its way.
    async fn wanted(
        &self,
        config: &MachineOSConfig,
        found: &Ready,
        builds: &[&MachineOSBuild],
    ) -> Result<Next, Stopped> {
        let wanted = builds.iter().find(|build| build.metadata.name == found.target.metadata.name);
        match wanted.filter(|build| State::of(build).is_transient()) {
            Some(build) => self.go_on(config, found, build).await,
            None => Ok(Next::Await),
        }
    }
}

/// Why something was not done.
#[derive(Debug)]
enum Stopped {
    /// A user has to change something.
    Refused(String),
    /// A request failed.
    Failed(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
