//! What a pool is rendered from, and what prevents it from being rendered now.
//!
//! R-PARTS-1 If several things prevent that, the first of these is reported: another build manages the cluster; something
//! contradicts the distribution; the OSImageStream is being made; an object that decides about it is unreadable; the gates are
//! unknown; the ControllerConfig is not complete, perhaps because the release cannot be read, or nothing is selected; settings that
//! select it are not generated yet, or nothing for the present gates, where weir generates; there is no stream for it.
//! R-PARTS-2 An unreadable OSImageStream is reported as that: it cannot be made. Any other unreadable object must not hide that the
//! OSImageStream is being made: no node starts meanwhile, and commands know only from the pools (R-FAILURE-2).
//! R-PARTS-3 A read-only command takes ControllerConfig and streams as they are, whoever wrote them and for whatever release: what
//! the controllers wait for is what the user asks about. Streams without a ControllerConfig are enough for it.
//! R-PARTS-4 A MachineConfig of an installer that pins the image counts without it once a user has asked for another (R-SEED-6).

use super::{GeneratedWith, Process, World};
use crate::{
    build::pinned::{pinned, without_image},
    render::{
        Build, RenderError, RenderInput, Rendered,
        components::{complete, components, of_present_gates, settled},
        failure::RenderFailure,
        reconcilable::{Override, overrides},
        render,
    },
    stream::{ResolvedStream, StreamReason, problem::CatalogProblem, resolve_stream},
    view::{
        PoolView,
        unreadable::{UnreadableObject, keeps},
    },
};
use std::{collections::BTreeSet, sync::Arc};
use weir_api::{
    ControllerConfig, MachineConfig, MachineConfigPool,
    keys::{
        gates::IRRECONCILABLE_MACHINE_CONFIG,
        names::{CLUSTER, WORKER},
    },
    os_image_stream::OSImageStreamSet,
};

/// What a pool is rendered from. Two values are equal if they hold the identical objects.
#[derive(Clone, Debug)]
pub struct Parts {
    uid: Option<String>,
    own_stream: Option<String>,
    configs: Vec<Arc<MachineConfig>>,
    controller_config: Arc<ControllerConfig>,
    stream: Option<OSImageStreamSet>,
    current: Option<Arc<MachineConfig>>,
    overrides: BTreeSet<Override>,
    waits: bool,
}

impl World {
    /// Version of the FeatureGate.
    #[must_use]
    pub fn gates_version(&self) -> Option<&str> {
        self.feature_gate.as_ref()?.metadata.resource_version.as_deref()
    }

    /// What the pool is rendered from, and why it gets its stream. `pools` are all of them.
    ///
    /// # Errors
    /// What prevents it from being rendered (R-PARTS-1).
    pub fn parts(&self, pool: &PoolView<'_>, pools: &[PoolView<'_>]) -> Result<(Parts, StreamReason), RenderFailure> {
        let waits = self.process.is_some();
        if let Some(why) = self.other_build(pools).filter(|_| waits) {
            return Err(RenderFailure::OtherBuild(why));
        }
        if let Some(why) = self.mismatch(pools).filter(|_| waits) {
            return Err(RenderFailure::Mismatch(why));
        }
        let is_streams = |object: &UnreadableObject| object.kind == "OSImageStream" && object.name == CLUSTER;
        if waits && self.is_being_read(pools) && !self.unreadable.iter().any(is_streams) {
            return Err(RenderFailure::BeingMade);
        }
        if let Some(why) = keeps(&self.unreadable, pool) {
            return Err(RenderFailure::Unreadable(why));
        }
        self.has_streams()?;
        let ready = if waits { complete(self.controller_config.as_deref()) } else { Ok(()) };
        if let (Err(_), Some(CatalogProblem { release, why, blocking, .. })) = (&ready, self.catalog_problem()) {
            let (release, why) = (release.clone(), why.clone());
            return Err(RenderFailure::NotRead { release, why, blocking: *blocking });
        }
        let configs = components(pool.object, ready, &self.configs)?;
        if self.process.as_ref().is_some_and(|process| process.generates) {
            let (runtimes, kubelets) =
                (self.runtimes.iter().map(AsRef::as_ref), self.kubelets.iter().map(AsRef::as_ref));
            settled(pool.object, runtimes, kubelets)?;
            if let Some(Process { generated_with: GeneratedWith::Gates(version), .. }) = &self.process {
                of_present_gates(self.gates_version(), version.as_deref())?;
            }
        }
        let resolved = self.stream(pool, pools)?;
        let pinned = pinned(self, pool.object);
        let freed = |config: &Arc<MachineConfig>| match &pinned {
            Some(pinned) if pinned.frees(config) => Arc::new(without_image(config)),
            _ => config.clone(),
        };
        let controller_config = match (&self.controller_config, &resolved.set) {
            (Some(config), _) => config.clone(),
            (None, Some(_)) => Arc::default(),
            (None, None) => return Err(RenderFailure::NoImages),
        };
        let configuration = self.configuration.as_deref().filter(|_| self.may_be_on(IRRECONCILABLE_MACHINE_CONFIG));
        let parts = Parts {
            uid: pool.object.metadata.uid.clone(),
            own_stream: pool.stream.map(str::to_owned),
            configs: configs.into_iter().map(freed).collect(),
            controller_config,
            stream: resolved.set,
            current: pool.target.and_then(|name| self.config(name)).cloned(),
            overrides: overrides(configuration),
            waits,
        };
        Ok((parts, resolved.because))
    }

    /// The stream that the pool gets, and why. `pools` are all of them.
    ///
    /// # Errors
    /// When it gets none.
    pub fn stream(&self, pool: &PoolView<'_>, pools: &[PoolView<'_>]) -> Result<ResolvedStream, RenderFailure> {
        let worker = pools.iter().find(|pool| pool.name == WORKER);
        resolve_stream(pool, worker, &self.streams_view()?).map_err(|error| match self.catalog_problem() {
            Some(problem) if error.is_transient() => RenderFailure::NotMade(error, problem.to_string()),
            _ => RenderFailure::Stream(error),
        })
    }
}

impl Parts {
    /// Name of the pool's stream; absent while there are none.
    #[must_use]
    pub fn stream(&self) -> Option<&str> {
        self.stream.as_ref().map(|set| set.name.as_str())
    }

    /// Whether both hold the same, in identical objects or in others.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let named = |parts: &Self| (parts.uid.clone(), parts.own_stream.clone(), parts.stream.clone(), parts.waits);
        named(self) == named(other)
            && self.overrides == other.overrides
            && self.controller_config == other.controller_config
            && self.configs == other.configs
            && self.current == other.current
    }

    /// Renders the parts for the pool they belong to; the result is marked with the build.
    ///
    /// # Errors
    /// As [`render`].
    pub fn render(&self, pool: &MachineConfigPool, build: &Build) -> Result<Rendered, RenderError> {
        let configs: Vec<&MachineConfig> = self.configs.iter().map(AsRef::as_ref).collect();
        render(&RenderInput {
            stream: self.stream.as_ref(),
            build: Some(build),
            wait_for_build: self.waits,
            current: self.current.as_deref(),
            overrides: &self.overrides,
            ..RenderInput::new(pool, &configs, &self.controller_config)
        })
    }
}

impl PartialEq for Parts {
    fn eq(&self, other: &Self) -> bool {
        let objects = |parts: &Self| parts.configs.iter().chain(&parts.current).map(Arc::as_ptr).collect::<Vec<_>>();
        self.uid == other.uid
            && self.own_stream == other.own_stream
            && self.stream == other.stream
            && self.overrides == other.overrides
            && self.waits == other.waits
            && Arc::ptr_eq(&self.controller_config, &other.controller_config)
            && self.configs.len() == other.configs.len()
            && objects(self) == objects(other)
    }
}
