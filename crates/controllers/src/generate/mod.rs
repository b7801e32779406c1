//! Maintains the generated MachineConfigs: those of the release's templates, and those of settings for kubelets, container runtimes
//! and registries.
//!
//! | module | part |
//! |---|---|
//! | `source` | reads the templates of the release and evaluates them for each pool |
//! | `decided` | what was last decided, for as long as it holds |
//! | `act` | writes the MachineConfigs, and reports on the objects they come from |
//!
//! One controller does all of it, so that pools wait until everything that belongs together is written.

mod act;
mod decided;
mod source;

use crate::{Access, Context, cluster::Watcher, last_said::LastSaid};
use act::Writer;
use decided::Decided;
use parking_lot::Mutex;
use source::Source;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use weir_api::{
    ControllerConfig,
    keys::names::{CLUSTER, CONTROLLER_CONFIG, OPERATOR_NAMESPACE},
    keys::{namespaces, secrets},
};
use weir_kubeio::{Error, Next, watches::Unseen};
use weir_rules::{
    template::{Tree, login::REGISTRY_SECRET},
    view::unreadable::UnreadableObject,
    world::{
        GeneratedWith, Settings, World,
        generated::{Generators, plan::Decision},
    },
};

/// Pause before unreadable templates are read again, the same as for the images of a release.
const READ_AGAIN: Duration = Duration::from_secs(10);
/// Watches that must be complete before anything is generated.
const SEES: [Watcher; 5] =
    [Watcher::Configuration, Watcher::Pools, Watcher::Settings, Watcher::Images, Watcher::Generators];

/// How MachineConfigs are generated.
#[derive(Clone, Debug, Default)]
pub struct Generating {
    /// Whether another operator's work is continued.
    pub continues: bool,
    /// Whether the user wants weir's version even if it differs from that operator's.
    pub asked: bool,
    /// Templates to use instead of the release's.
    pub templates: Option<Arc<Tree>>,
}

/// The controller of generated MachineConfigs.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    source: Source,
    decided: Mutex<Option<Decided>>,
    /// What was last reported about each object.
    last_said: LastSaid,
}

impl Controller {
    /// A controller that reads templates through `access`.
    #[must_use]
    pub fn new(context: Context, access: Access) -> Self {
        let source = Source::new(access, context.generating.templates.clone());
        context.cluster.generated_with.change(|with| *with = GeneratedWith::Gates(None));
        Self { context, source, decided: Mutex::default(), last_said: LastSaid::default() }
    }

    /// The ControllerConfig and the world to generate from, or why the world cannot be seen; absent while it is unknown, or while
    /// another build manages the cluster.
    fn observe(&self) -> Option<(Arc<ControllerConfig>, Result<World, String>)> {
        let cluster = &self.context.cluster;
        if self.context.kept_by_us().is_err() {
            return None;
        }
        let config = cluster.controller_configs.get(CONTROLLER_CONFIG)?;
        if let Some(Unseen { what, why }) = cluster.watches.unseen(&SEES).into_iter().next() {
            return why.map(|why| (config, Err(format!("{what} cannot be watched: {why}"))));
        }
        let unreadable = cluster.watches.broken(&SEES).into_iter().map(|object| UnreadableObject {
            said: object.to_string(),
            kind: object.kind,
            name: object.name,
            labels: object.labels,
        });
        let world = World {
            settings: settings(&self.context),
            unreadable: unreadable.collect(),
            controller_config: Some(config.clone()),
            ..self.context.configuration()
        };
        Some((config, Ok(world)))
    }

    /// What to do, and when to look again if nothing changes.
    async fn decide(&self, world: &World, config: &ControllerConfig) -> (Decision, Next) {
        let (generating, build) = (&self.context.generating, &self.context.build);
        let now = self.context.clock.now();
        if let Some(why) = world.unreadable_for_generators() {
            return (Decision::failed(self.context.generates(), why), Next::Await);
        }
        let templates = match self.source.templates(config).await {
            Ok(templates) => templates,
            Err(failure) => {
                let next = if failure.is_transient { Next::After(READ_AGAIN) } else { Next::Await };
                return (Decision::failed(self.context.generates(), failure.said), next);
            }
        };
        if let Some(decision) = self.decided.lock().as_ref().and_then(|decided| decided.holds(world, &templates)) {
            return (decision, Next::Await);
        }
        let of_pools = self.source.of_pools(world, &templates, build);
        let mut generators = Generators::new(world, &templates, &of_pools, build, now);
        let decision = generators.decide(generating.continues, generating.asked, now);
        *self.decided.lock() = Decided::new(world, &templates, &decision);
        (decision, Next::Await)
    }
}

/// The settings that MachineConfigs are generated from.
fn settings(context: &Context) -> Settings {
    let cluster = &context.cluster;
    let (access, generators) = (&cluster.access, &cluster.generators);
    let pull_secret = access.pull_secret.get_in(namespaces::CONFIG, secrets::PULL);
    let registry = generators.registry_login.get_in(OPERATOR_NAMESPACE, REGISTRY_SECRET);
    Settings {
        api_server: generators.api_servers.get(CLUSTER),
        node: generators.node_configs.get(CLUSTER),
        image: access.image.get(CLUSTER),
        credential_providers: generators.credential_providers.get(CLUSTER),
        release_image: generators.release_images.get(CLUSTER),
        digest_mirrors: access.digest_sets.all(),
        tag_mirrors: access.tag_sets.all(),
        content_sources: access.content_sources.all(),
        cluster_policies: generators.cluster_policies.all(),
        policies: generators.policies.all(),
        secrets: pull_secret.into_iter().chain(registry).collect(),
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "generate";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        let cluster = &self.context.cluster;
        let mut all = cluster.intent_changes();
        all.extend(cluster.watches.changes(&[Watcher::Images, Watcher::Generators]));
        all
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        let gates = self.context.cluster.gates.get(CLUSTER).and_then(|gates| gates.metadata.resource_version.clone());
        let Some((config, seen)) = self.observe() else { return Ok(Next::Await) };
        let (decision, next) = match seen {
            Ok(world) => self.decide(&world, &config).await,
            Err(why) => (Decision::failed(self.context.generates(), why), Next::After(READ_AGAIN)),
        };
        let writer = Writer { context: &self.context, config: &config, last_said: &self.last_said };
        let done = writer.act(&decision).await;
        writer.report(&decision, done.as_ref()).await?;
        done?;
        self.context.cluster.generated_with.change(|with| *with = GeneratedWith::Gates(gates));
        Ok(next)
    }
}
