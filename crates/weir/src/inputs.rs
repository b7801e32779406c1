//! What pools are rendered from, out of manifests or a cluster, and rendering them.

use crate::rollout_objects;
use anyhow::{Context as _, Result, anyhow, bail};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};
use weir_api::{
    ClusterVersion, ControllerConfig, FeatureGate, MachineConfig, MachineConfigPool, MachineConfiguration,
    OSImageStream,
    keys::{
        gates::{IRRECONCILABLE_MACHINE_CONFIG, OS_STREAMS},
        names::{CLUSTER, CONTROLLER_CONFIG, VERSION, WORKER},
    },
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP, OPERATOR_GROUP},
};
use weir_distro::{Evidence, Profile, StreamsRule, detect};
use weir_manifests::{Kind, Manifest, Rule};
use weir_rules::{
    objects::selector::{Labels, Selector},
    render::{
        Build, RenderInput, Rendered,
        components::NotRendered,
        guard::{RuncGuard, WithoutRunc, runc_guard},
        reconcilable::{Override, overrides},
        render,
    },
    stream::{
        ResolvedStream, StreamsView,
        gates::{Gates, gates_offline},
        resolve_stream,
    },
    view::PoolView,
};

/// What pools are rendered from.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The pools, by name.
    pub pools: BTreeMap<String, MachineConfigPool>,
    /// The MachineConfigs, by name.
    pub configs: BTreeMap<String, MachineConfig>,
    /// Images and release version.
    pub controller_config: Option<ControllerConfig>,
    /// Which features are on.
    pub feature_gate: Option<FeatureGate>,
    /// Which version the cluster is to run.
    pub cluster_version: Option<ClusterVersion>,
    /// The streams; they count when their feature is on, or nothing says whether it is.
    pub streams: Option<OSImageStream>,
    /// Which changes pass although machines cannot follow.
    pub machine_configuration: Option<MachineConfiguration>,
}

/// What is taken out of files.
const KINDS: [Kind<'static>; 7] = [
    POOL,
    (MACHINE_CONFIG_GROUP, "MachineConfig"),
    (MACHINE_CONFIG_GROUP, "ControllerConfig"),
    (MACHINE_CONFIG_GROUP, "OSImageStream"),
    (CONFIG_GROUP, "FeatureGate"),
    (CONFIG_GROUP, "ClusterVersion"),
    (OPERATOR_GROUP, "MachineConfiguration"),
];
const POOL: Kind<'static> = (MACHINE_CONFIG_GROUP, "MachineConfigPool");

impl Inputs {
    /// Takes what matters out of files, folders and archives.
    ///
    /// # Errors
    /// All that could not be read, every object with wrong fields or that stands there twice; or there is no pool.
    pub fn of_files(paths: &[PathBuf]) -> Result<Self> {
        let mut inputs = Self::default();
        weir_manifests::read(paths, Rule::Objects(&KINDS)).each(|manifest| inputs.take(manifest))?.need(POOL)?;
        Ok(inputs)
    }

    fn take(&mut self, manifest: Manifest) -> Result<()> {
        match (manifest.group(), manifest.kind()) {
            (MACHINE_CONFIG_GROUP, "MachineConfigPool") => named(manifest, &mut self.pools),
            (MACHINE_CONFIG_GROUP, "MachineConfig") => named(manifest, &mut self.configs),
            (MACHINE_CONFIG_GROUP, "ControllerConfig") => only(manifest, &mut self.controller_config),
            (MACHINE_CONFIG_GROUP, "OSImageStream") => only(manifest, &mut self.streams),
            (CONFIG_GROUP, "FeatureGate") => only(manifest, &mut self.feature_gate),
            (CONFIG_GROUP, "ClusterVersion") => only(manifest, &mut self.cluster_version),
            (OPERATOR_GROUP, "MachineConfiguration") => only(manifest, &mut self.machine_configuration),
            _ => Ok(()),
        }
    }

    /// Reads what matters from a cluster.
    ///
    /// # Errors
    /// When the cluster cannot be asked.
    pub async fn of_cluster(client: &Client) -> Result<Self> {
        Ok(Self {
            pools: rollout_objects::all(client).await?,
            configs: rollout_objects::all(client).await?,
            controller_config: singleton(client, CONTROLLER_CONFIG).await?,
            feature_gate: singleton(client, CLUSTER).await?,
            cluster_version: singleton(client, VERSION).await?,
            streams: singleton(client, CLUSTER).await?,
            machine_configuration: singleton(client, CLUSTER).await?,
        })
    }

    /// The pool of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn pool(&self, name: &str) -> Result<&MachineConfigPool> {
        self.pools.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.pools.keys().map(String::as_str).collect();
            anyhow!("there is no MachineConfigPool {name}; there are: {}", known.join(", "))
        })
    }

    /// Renders a pool as the controllers would, whoever wrote the objects. A distribution tells what happens to the name
    /// of a stream that is gone.
    ///
    /// # Errors
    /// When the pool cannot be rendered, or must not be rolled out.
    pub fn render(&self, pool: &MachineConfigPool, distribution: Option<&Profile>) -> Result<Rendered> {
        let (rendered, guard) = self.guarded(pool, distribution)?;
        if let RuncGuard::AskImage { image, .. } = &guard {
            tracing::warn!(
                "MachineConfigs of {} ask for runc; whether {image} has it is not looked up",
                rendered.name()
            );
        }
        refuse(guard)?;
        Ok(rendered)
    }

    /// Renders a pool, and tells whether the result may be rolled out.
    ///
    /// # Errors
    /// When the pool cannot be rendered.
    pub fn guarded(&self, pool: &MachineConfigPool, distribution: Option<&Profile>) -> Result<(Rendered, RuncGuard)> {
        let gates = self.gates()?;
        let view = PoolView::new(pool);
        let stream = self.stream(pool, distribution)?.set;
        let nothing = ControllerConfig::default();
        let controller_config = match (&self.controller_config, &stream) {
            (Some(config), _) => config,
            (None, Some(_)) => &nothing,
            (None, None) => bail!("there is no ControllerConfig and no OSImageStream to take the OS image from"),
        };
        let configs = self.selected(pool)?;
        let overrides = self.overrides(gates.as_ref());
        let build = crate::build::identity();
        let rendered = render(&RenderInput {
            stream: stream.as_ref(),
            build: Some(Build { raw: &build.raw, hash: &build.hash, release: "" }),
            wait_for_build: false,
            current: view.target.and_then(|name| self.configs.get(name)),
            overrides: &overrides,
            ..RenderInput::new(pool, &configs, controller_config)
        })?;
        let guard = runc(view.name, &rendered, stream.as_ref().map(|s| s.name.as_str()), distribution)?;
        Ok((rendered, guard))
    }

    /// The stream a pool gets, and why.
    ///
    /// # Errors
    /// When it gets none.
    pub fn stream(&self, pool: &MachineConfigPool, distribution: Option<&Profile>) -> Result<ResolvedStream> {
        let worker = self.pools.get(WORKER).map(PoolView::new);
        Ok(resolve_stream(&PoolView::new(pool), worker.as_ref(), &self.streams_view(distribution)?)?)
    }

    /// The streams, whoever wrote them.
    ///
    /// # Errors
    /// When it is not known whether there are any.
    pub fn streams_view(&self, distribution: Option<&Profile>) -> Result<StreamsView<'_>> {
        Ok(StreamsView {
            enabled: self.gates()?.map_or(self.streams.is_some(), |gates| gates.is_on(OS_STREAMS)),
            object: self.streams.as_ref(),
            build: None,
            follows_release: distribution.is_some_and(|d| d.streams.rule == StreamsRule::OneFollowingRelease),
        })
    }

    /// The distribution, as far as the FeatureGate tells.
    #[must_use]
    pub fn distribution(&self) -> Option<&'static Profile> {
        let feature_set = self.feature_gate.as_ref().map(|object| object.spec.feature_set.as_str());
        detect(Evidence { explicit: None, payload_tags: &[], feature_set }).ok().map(|found| found.profile)
    }

    /// The gates of the release; `None` when no FeatureGate was given.
    fn gates(&self) -> Result<Option<Gates>> {
        let (config, version) = (self.controller_config.as_ref(), self.cluster_version.as_ref());
        Ok(gates_offline(self.feature_gate.as_ref(), config, version)?)
    }

    fn selected(&self, pool: &MachineConfigPool) -> Result<Vec<&MachineConfig>> {
        let selector = Selector::parse(pool.spec.machine_config_selector.as_ref())?;
        if selector.is_everything() {
            bail!(NotRendered::SelectingAll);
        }
        let none = Labels::new();
        let matches = |config: &&MachineConfig| selector.matches(config.metadata.labels.as_ref().unwrap_or(&none));
        Ok(self.configs.values().filter(matches).collect())
    }

    fn overrides(&self, gates: Option<&Gates>) -> BTreeSet<Override> {
        let on = gates.is_none_or(|gates| gates.is_on(IRRECONCILABLE_MACHINE_CONFIG));
        overrides(self.machine_configuration.as_ref().filter(|_| on))
    }
}

fn named<T: DeserializeOwned>(manifest: Manifest, into: &mut BTreeMap<String, T>) -> Result<()> {
    let name = manifest.name().to_owned();
    if name.is_empty() {
        bail!("{}: the {} has no name", manifest.place, manifest.kind());
    }
    into.insert(name, manifest.into_object()?);
    Ok(())
}

fn only<T: DeserializeOwned>(manifest: Manifest, into: &mut Option<T>) -> Result<()> {
    let (place, kind) = (manifest.place.clone(), manifest.kind().to_owned());
    match into.replace(manifest.into_object()?) {
        None => Ok(()),
        Some(_) => bail!("{place}: there is another {kind} before this one"),
    }
}

/// An object that need not be there, nor its kind.
async fn singleton<T>(client: &Client, name: &str) -> Result<Option<T>>
where
    T: kube::Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
        + DeserializeOwned
        + Clone
        + std::fmt::Debug,
{
    let api: Api<T> = Api::all(client.clone());
    api.get_opt(name).await.with_context(|| format!("reading {} {name}", T::kind(&())))
}

/// Without a distribution, whatever one of them knows to have no runc has none.
fn runc(pool: &str, rendered: &Rendered, stream: Option<&str>, distribution: Option<&Profile>) -> Result<RuncGuard> {
    let mut decided = RuncGuard::Clear;
    for profile in Profile::all().iter().filter(|p| distribution.is_none_or(|d| d.name == p.name)) {
        if decided == RuncGuard::Clear {
            decided = runc_guard(pool, rendered, stream, without_runc(profile))?;
        }
    }
    Ok(decided)
}

/// What a distribution knows about operating systems without runc.
#[must_use]
pub fn without_runc(profile: &Profile) -> WithoutRunc<'_> {
    WithoutRunc { streams: &profile.streams.without_runc, title: &profile.streams.without_runc_title }
}

/// Makes an error of what keeps a rollout back.
///
/// # Errors
/// When something does.
pub fn refuse(guard: RuncGuard) -> Result<()> {
    let RuncGuard::Inhibited(inhibitor) = guard else { return Ok(()) };
    let seen: Vec<String> = inhibitor.evidence.iter().map(ToString::to_string).collect();
    bail!("{} ({})", inhibitor.message, seen.join("; "))
}
