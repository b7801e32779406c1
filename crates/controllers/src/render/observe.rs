//! What a pool is rendered from.

use super::Failure;
use crate::{Build, Context, stream::being_made, troubles::CatalogTrouble, unreadable::Objects};
use std::{collections::BTreeSet, sync::Arc};
use weir_api::{
    ControllerConfig, MachineConfig, MachineConfigPool, OSImageStream,
    keys::{
        gates::{IRRECONCILABLE_MACHINE_CONFIG, OS_STREAMS},
        names::{CLUSTER, CONTROLLER_CONFIG, WORKER},
    },
    os_image_stream::OSImageStreamSet,
};
use weir_distro::StreamsRule;
use weir_rules::{
    operator::controller_config::RenderConfigError,
    render::{
        self, RenderError, RenderInput, Rendered,
        components::{NotRendered, components},
        reconcilable::{Override, overrides},
        render,
    },
    status::{cluster_status::catalog_said, notices::Notice},
    stream::{
        StreamReason, StreamsView,
        gates::{Gates, GatesError},
        resolve_stream,
    },
    view::PoolView,
};

/// The cluster as one pass sees it.
pub(super) struct Observed {
    pub(super) pools: Vec<Arc<MachineConfigPool>>,
    configs: Vec<Arc<MachineConfig>>,
    controller_config: Option<Arc<ControllerConfig>>,
    streams: Option<Arc<OSImageStream>>,
    gates: Result<Gates, GatesError>,
    /// Absent while the gate is off.
    overrides: BTreeSet<Override>,
    /// Whether the cluster is ours to keep.
    kept_by_us: Result<(), RenderConfigError>,
    /// What contradicts the distribution.
    halted: Option<String>,
    unreadable: Objects,
    /// The stream controller is at work on the OSImageStream that pools are to be rendered from.
    being_made: bool,
    trouble: Option<CatalogTrouble>,
    follows_release: bool,
    build: Arc<Build>,
}

/// What a pool is rendered from. Two are equal when they hold the very same objects.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    uid: Option<String>,
    own_stream: Option<String>,
    configs: Vec<Arc<MachineConfig>>,
    controller_config: Arc<ControllerConfig>,
    stream: Option<OSImageStreamSet>,
    current: Option<Arc<MachineConfig>>,
    overrides: BTreeSet<Override>,
}

impl Observed {
    pub(super) fn new(context: &Context) -> Self {
        let cluster = &context.cluster;
        let (trouble, gates) = (cluster.troubles.get().catalog, context.gates());
        let may_override = gates.as_ref().is_ok_and(|gates| gates.is_on(IRRECONCILABLE_MACHINE_CONFIG));
        let configuration = cluster.configurations.get(CLUSTER).filter(|_| may_override);
        Self {
            pools: cluster.pools.all(),
            configs: cluster.configs.all(),
            controller_config: cluster.controller_configs.get(CONTROLLER_CONFIG),
            streams: cluster.streams.get(CLUSTER),
            gates,
            overrides: overrides(configuration.as_deref()),
            kept_by_us: context.kept_by_us(),
            halted: context.halted(),
            unreadable: Objects::of(cluster),
            being_made: being_made(context),
            trouble,
            follows_release: context.profile.streams.rule == StreamsRule::OneFollowingRelease,
            build: context.build.clone(),
        }
    }

    /// Why the streams are not those of the desired release, when that is so and pools take them.
    pub(super) fn trouble(&self) -> Option<&CatalogTrouble> {
        self.trouble.as_ref().filter(|_| self.gates.as_ref().is_ok_and(|gates| gates.is_on(OS_STREAMS)))
    }

    /// What the operator has to report, too.
    pub(super) fn facts(&self) -> Vec<Notice> {
        let not_made = self.trouble().map(|trouble| catalog_said(&trouble.release, &trouble.why, trouble.next));
        let mismatch = self.halted.clone().map(Notice::Mismatch);
        mismatch.into_iter().chain(not_made.map(Notice::NotMade)).collect()
    }

    pub(super) fn parts(&self, pool: &PoolView<'_>, pools: &[PoolView<'_>]) -> Result<(Parts, StreamReason), Failure> {
        self.kept_by_us.clone()?;
        if let Some(why) = &self.halted {
            return Err(Failure::Mismatch(why.clone()));
        }
        if let Some(why) = self.unreadable.keeps(pool) {
            return Err(Failure::Unreadable(why));
        }
        let enabled = self.gates.as_ref().map_err(Clone::clone)?.is_on(OS_STREAMS);
        if enabled && self.being_made {
            return Err(Failure::BeingMade);
        }
        let chosen =
            components(pool.object, self.controller_config.as_deref(), self.configs.iter().map(AsRef::as_ref))?;
        let controller_config = self.controller_config.clone();
        let controller_config = controller_config.ok_or_else(NotRendered::no_controller_config)?;
        let worker = pools.iter().find(|pool| pool.name == WORKER);
        let streams = StreamsView {
            enabled,
            object: self.streams.as_deref(),
            build: Some(&self.build.hash),
            follows_release: self.follows_release,
        };
        let resolved = resolve_stream(pool, worker, &streams).map_err(|error| match self.trouble() {
            Some(trouble) if error.is_transient() => Failure::NotMade(error, trouble.to_string()),
            _ => Failure::Stream(error),
        })?;
        // The rule borrows; what is kept for the next pass shares.
        let mut chosen = chosen.into_iter().peekable();
        let shared =
            self.configs.iter().filter(|held| chosen.next_if(|&chosen| std::ptr::eq(chosen, held.as_ref())).is_some());
        let parts = Parts {
            uid: pool.object.metadata.uid.clone(),
            own_stream: pool.stream.map(str::to_owned),
            configs: shared.cloned().collect(),
            controller_config,
            stream: resolved.set,
            current: pool.target.and_then(|name| self.named(name)),
            overrides: self.overrides.clone(),
        };
        Ok((parts, resolved.because))
    }

    fn named(&self, name: &str) -> Option<Arc<MachineConfig>> {
        self.configs.iter().find(|config| config.metadata.name.as_deref() == Some(name)).cloned()
    }
}

impl Parts {
    /// Name of the pool's stream; absent while there are none.
    pub(super) fn stream(&self) -> Option<&str> {
        self.stream.as_ref().map(|set| set.name.as_str())
    }

    /// Renders the parts for the pool they were observed for.
    pub(super) fn render(&self, pool: &MachineConfigPool, build: &Build) -> Result<Rendered, RenderError> {
        let configs: Vec<&MachineConfig> = self.configs.iter().map(AsRef::as_ref).collect();
        render(&RenderInput {
            stream: self.stream.as_ref(),
            build: Some(render::Build {
                raw: &build.raw,
                hash: &build.hash,
                release: build.release.as_deref().unwrap_or_default(),
            }),
            current: self.current.as_deref(),
            overrides: &self.overrides,
            ..RenderInput::new(pool, &configs, &self.controller_config)
        })
    }
}

impl PartialEq for Parts {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Option<Arc<MachineConfig>>, b: &Option<Arc<MachineConfig>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        self.uid == other.uid
            && self.own_stream == other.own_stream
            && self.stream == other.stream
            && self.overrides == other.overrides
            && Arc::ptr_eq(&self.controller_config, &other.controller_config)
            && same(&self.current, &other.current)
            && self.configs.len() == other.configs.len()
            && self.configs.iter().zip(&other.configs).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}
