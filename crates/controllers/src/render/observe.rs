//! What a pool is rendered from.

use super::{Error, Failure};
use crate::{Build, Context};
use std::sync::Arc;
use weir_api::{
    ControllerConfig, MachineConfig, MachineConfigPool, OSImageStream,
    keys::names::{CLUSTER, CONTROLLER_CONFIG, GATE_OS_STREAMS, WORKER},
    os_image_stream::OSImageStreamSet,
};
use weir_distro::StreamsRule;
use weir_rules::{
    components::{NotRendered, components},
    render::{self, RenderError, RenderInput, Rendered, render},
    stream::{StreamReason, StreamsView, resolve_stream},
    view::PoolView,
};

/// The cluster as one pass sees it.
pub(super) struct Observed {
    pub(super) pools: Vec<Arc<MachineConfigPool>>,
    configs: Vec<Arc<MachineConfig>>,
    controller_config: Option<Arc<ControllerConfig>>,
    streams: Option<Arc<OSImageStream>>,
    enabled: bool,
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
}

impl Observed {
    pub(super) fn new(context: &Context) -> Result<Self, Error> {
        let cluster = &context.cluster;
        Ok(Self {
            pools: cluster.pools.all(),
            configs: cluster.configs.all(),
            controller_config: cluster.controller_configs.get(CONTROLLER_CONFIG),
            streams: cluster.streams.get(CLUSTER),
            enabled: context.gates()?.is_on(GATE_OS_STREAMS),
            follows_release: context.profile.streams.rule == StreamsRule::OneFollowingRelease,
            build: context.build.clone(),
        })
    }

    pub(super) fn parts(&self, pool: &PoolView<'_>, pools: &[PoolView<'_>]) -> Result<(Parts, StreamReason), Failure> {
        let chosen =
            components(pool.object, self.controller_config.as_deref(), self.configs.iter().map(AsRef::as_ref))?;
        let controller_config = self.controller_config.clone();
        let controller_config = controller_config.ok_or_else(NotRendered::no_controller_config)?;
        let worker = pools.iter().find(|pool| pool.name == WORKER);
        let streams = StreamsView {
            enabled: self.enabled,
            object: self.streams.as_deref(),
            build: Some(&self.build.hash),
            follows_release: self.follows_release,
        };
        let resolved = resolve_stream(pool, worker, &streams)?;
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
        };
        Ok((parts, resolved.because))
    }

    fn named(&self, name: &str) -> Option<Arc<MachineConfig>> {
        self.configs.iter().find(|config| config.metadata.name.as_deref() == Some(name)).cloned()
    }
}

impl Parts {
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
            && Arc::ptr_eq(&self.controller_config, &other.controller_config)
            && same(&self.current, &other.current)
            && self.configs.len() == other.configs.len()
            && self.configs.iter().zip(&other.configs).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}
