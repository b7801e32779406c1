//! What the objects mean for the whole cluster. Each answer is derived only here.
//!
//! R-ANSWERS-1 The features are those of the given release, or else of the one that ClusterVersion wants (R-GATES-1). Files without
//! either use the only release that the FeatureGate lists, or else that of the ControllerConfig; without a FeatureGate, features
//! have their usual values.
//! R-ANSWERS-2 The distribution is the given one, or else follows from the FeatureSet.
//! R-ANSWERS-3 The control plane's topology is that of the ControllerConfig; for files without one, that of the Infrastructure.
//! R-ANSWERS-4 The OSImageStream is being made when it is due ([`due`]) and nothing is known that prevents making it from this
//! release. Problems of another release do not matter.

use super::World;
use crate::view::Annotations;
use crate::{
    generated::config::build_of,
    history::{History, PREFIX, UnreadHistory, of_map},
    operator::controller_config::kept_by_us,
    render::failure,
    rollout::{
        halt::Halt,
        pause::{Pause, Paused},
    },
    status::{
        cluster_status::{Failure, Task, catalog_said, is_said_of},
        notices::Notice,
    },
    stream::{
        StreamsView,
        catalog::{
            due::{Due, DueView, due},
            in_use::in_use,
        },
        gates::{Gates, GatesError, gate_list, running},
        mismatch::{self, MismatchView, clause, mismatches},
        problem::CatalogProblem,
    },
    view::{
        ImageMode, PoolView,
        unreadable::{all, halts},
    },
};
use std::{collections::BTreeSet, sync::Arc};
use weir_api::{
    MachineConfig, MachineOSBuild, MachineOSConfig, OSImageStream,
    condition::ConditionType,
    feature_gate::{FeatureGateDetails, Gate},
    keys::{
        config::{ADOPTED_FROM, RELEASE_IMAGE_VERSION},
        gates::OS_STREAMS,
        pool::{DISTRIBUTION_MISMATCH, OS_IMAGE_STREAM_NOT_MADE, RENDER_DEGRADED},
    },
};
use weir_distro::{Evidence, Profile, StreamsRule, detect};

/// What the hash of each build of weir begins with.
const OUR_BUILDS: &str = "weir-";

impl World {
    /// The list of gates that counts, enabled and disabled (R-ANSWERS-1).
    ///
    /// # Errors
    /// While it is unknown.
    pub fn gate_list(&self) -> Result<&FeatureGateDetails, GatesError> {
        let version = self.release.as_deref().or_else(|| self.guessed());
        gate_list(self.feature_gate.as_deref(), version, self.version.as_deref())
    }

    fn guessed(&self) -> Option<&str> {
        if self.whole || self.version.as_deref().and_then(running).is_some() {
            return None;
        }
        let lists = self.feature_gate.as_ref()?.status.as_ref().map(|status| status.feature_gates.as_slice());
        if let Some([only]) = lists {
            return Some(&only.version);
        }
        Annotations::of(&self.controller_config.as_ref()?.metadata).get(RELEASE_IMAGE_VERSION)
    }

    /// The gates that are on.
    ///
    /// # Errors
    /// While they are unknown.
    pub fn gates(&self) -> Result<Gates, GatesError> {
        self.gate_list().map(Gates::of)
    }

    /// Whether the gate is known to be on.
    #[must_use]
    pub fn is_on(&self, gate: Gate) -> bool {
        self.gate_list().is_ok_and(|list| list.is_on(gate))
    }

    /// Whether the gate is on, or unknown because files do not say.
    pub(super) fn may_be_on(&self, gate: Gate) -> bool {
        (self.feature_gate.is_none() && !self.whole) || self.is_on(gate)
    }

    /// Whether there are OS image streams.
    ///
    /// # Errors
    /// While that is unknown.
    pub fn has_streams(&self) -> Result<bool, GatesError> {
        if self.feature_gate.is_none() && !self.whole {
            return Ok(self.streams.is_some());
        }
        self.gate_list().map(|list| list.is_on(OS_STREAMS))
    }

    /// The streams in effect; absent while their gate is off, or not known to be on.
    #[must_use]
    pub fn streams_in_effect(&self) -> Option<&OSImageStream> {
        self.streams.as_deref().filter(|_| self.may_be_on(OS_STREAMS))
    }

    /// The streams as input for choosing those of pools.
    ///
    /// # Errors
    /// While it is unknown whether there are any.
    pub fn streams_view(&self) -> Result<StreamsView<'_>, GatesError> {
        let rule = self.distribution().map(|profile| profile.streams.rule == StreamsRule::OneFollowingRelease);
        Ok(StreamsView {
            enabled: self.has_streams()?,
            object: self.streams.as_deref(),
            build: self.process.as_ref().map(|process| process.build.hash.as_str()),
            follows_release: rule == Some(true),
        })
    }

    /// The distribution, if known (R-ANSWERS-2).
    #[must_use]
    pub fn distribution(&self) -> Option<&'static Profile> {
        let tells = || detect(Evidence { explicit: None, payload_tags: &[], feature_set: self.feature_set() }).ok();
        self.profile.or_else(|| tells().map(|found| found.profile))
    }

    fn feature_set(&self) -> Option<&str> {
        self.feature_gate.as_ref().map(|object| object.spec.feature_set.as_str())
    }

    /// The control plane's topology (R-ANSWERS-3).
    #[must_use]
    pub fn topology(&self) -> Option<&str> {
        match (&self.controller_config, &self.infrastructure) {
            (Some(config), _) => config.spec.control_plane_topology(),
            (None, Some(object)) if !self.whole => object.status.as_ref()?.control_plane_topology.as_deref(),
            (None, _) => None,
        }
    }

    /// The MachineConfig of this name.
    #[must_use]
    pub fn config(&self, name: &str) -> Option<&Arc<MachineConfig>> {
        let at = self.configs.binary_search_by(|config| config.metadata.name.as_deref().cmp(&Some(name))).ok()?;
        self.configs.get(at)
    }

    /// Whether weir renders the pool, or generates in the name of the operator before it: then it acts on the pool's annotations.
    #[must_use]
    pub fn is_rendered_by_weir(&self, pool: &PoolView<'_>) -> bool {
        let by = pool.target.and_then(|target| build_of(self.config(target)?).map(|by| by.starts_with(OUR_BUILDS)));
        let marks = self.controller_config.as_ref().map(|config| Annotations::of(&config.metadata));
        by.unwrap_or_default() || marks.is_some_and(|marks| marks.has(ADOPTED_FROM))
    }

    /// The pause of a pool, and whether weir ends it (R-PAUSE-4).
    pub(super) fn pause(&self, pool: &PoolView<'_>) -> Option<Paused> {
        let pause = Pause::of(pool, &self.certificates())?;
        let by_weir = self.is_rendered_by_weir(pool);
        let says = self.controller_config.is_some() || pool.target.is_some_and(|target| self.config(target).is_some());
        Some(Paused { pause, resumes: (by_weir || says || self.whole).then_some(by_weir) })
    }

    /// What came of the last rollouts of a pool; absent where nothing is kept that can be read.
    #[must_use]
    pub fn history(&self, pool: &str) -> Option<History> {
        self.read_history(pool).ok().flatten()
    }

    /// The histories that are there and cannot be read.
    #[must_use]
    pub fn unread_histories(&self) -> Vec<UnreadHistory> {
        let pools = self.pools.iter().filter_map(|pool| pool.metadata.name.as_deref());
        pools.filter_map(|pool| self.read_history(pool).err()).collect()
    }

    fn read_history(&self, pool: &str) -> Result<Option<History>, UnreadHistory> {
        let is_it = |name: &str| name.strip_prefix(PREFIX) == Some(pool);
        let map = self.histories.iter().find(|map| map.metadata.name.as_deref().is_some_and(is_it));
        map.map_or(Ok(None), |map| of_map(pool, map))
    }

    /// All pools, as the rules see them.
    #[must_use]
    pub fn pool_views(&self) -> Vec<PoolView<'_>> {
        let configs: Vec<&MachineOSConfig> = self.os_configs.iter().map(AsRef::as_ref).collect();
        let builds: Vec<&MachineOSBuild> = self.os_builds.iter().map(AsRef::as_ref).collect();
        let view = |pool| {
            let view = PoolView::new(pool);
            PoolView { image_mode: ImageMode::of(view.name, view.target, &configs, &builds), ..view }
        };
        self.pools.iter().map(|pool| view(pool)).collect()
    }

    /// What contradicts the distribution, as a clause. `pools` are always all pools, here and below.
    #[must_use]
    pub fn mismatch(&self, pools: &[PoolView<'_>]) -> Option<String> {
        let Some((process, profile)) = self.process.as_ref().zip(self.profile) else {
            return said(pools, DISTRIBUTION_MISMATCH).next().map(str::to_owned);
        };
        let evidence = &process.problems.evidence;
        let found = mismatches(&MismatchView {
            profile,
            payload_tags: &evidence.tags.iter().map(String::as_str).collect::<Vec<_>>(),
            several_streams: &evidence.several_streams,
            feature_set: self.feature_set(),
        });
        (!found.is_empty()).then(|| clause(profile, &found))
    }

    /// That another build manages the cluster, if one does.
    #[must_use]
    pub fn other_build(&self, pools: &[PoolView<'_>]) -> Option<String> {
        match &self.process {
            Some(process) => {
                let kept = kept_by_us(self.controller_config.as_deref(), &process.build.raw);
                kept.err().map(|error| error.to_string())
            }
            None => failure::other_build(pools),
        }
    }

    /// Names of the streams that pools use.
    #[must_use]
    pub fn streams_in_use(&self) -> BTreeSet<String> {
        let listed = self.streams.as_ref().and_then(|o| o.status.as_ref()).map(|s| s.available_streams.as_slice());
        let listed = listed.unwrap_or_default();
        // The streams of a pool that cannot be read are unknown.
        if self.unreadable.iter().any(|object| object.kind == "MachineConfigPool") {
            return listed.iter().map(|set| set.name.clone()).collect();
        }
        let image_of = |config: &str| self.config(config)?.spec.os_image_url.clone();
        in_use(self.pools.iter().map(AsRef::as_ref), listed, image_of)
    }

    /// What is to be done about the OSImageStream now.
    ///
    /// # Errors
    /// While it is unknown whether there are streams.
    pub fn due(&self) -> Result<Due, GatesError> {
        self.due_with(&self.streams_in_use())
    }

    fn due_with(&self, in_use: &BTreeSet<String>) -> Result<Due, GatesError> {
        Ok(due(&DueView {
            enabled: self.has_streams()?,
            cluster: self.version.as_deref(),
            object: self.streams.as_deref(),
            build: self.process.as_ref().map(|process| process.build.hash.as_str()),
            version: self.release.as_deref(),
            in_use,
        }))
    }

    /// Whether the OSImageStream is being made and nothing is known to prevent that (R-ANSWERS-4).
    #[must_use]
    pub fn is_being_read(&self, pools: &[PoolView<'_>]) -> bool {
        // Files without the object say nothing about it.
        let known = self.whole || self.streams.is_some();
        let due = if known { self.due_with(&BTreeSet::new()) } else { Ok(Due::Nothing) };
        let Ok(Due::Make { release, .. }) = due else {
            return self.process.is_none() && failure::is_being_made(pools);
        };
        let in_the_way = match &self.process {
            Some(process) => process.problems.catalog.as_ref().is_some_and(|problem| problem.release == release),
            None => said(pools, OS_IMAGE_STREAM_NOT_MADE).any(|said| is_said_of(said, &release)),
        };
        !in_the_way && self.other_build(pools).is_none()
    }

    /// Why the streams are not those of the desired release, if that is so and streams are in use.
    #[must_use]
    pub fn catalog_problem(&self) -> Option<&CatalogProblem> {
        self.process.as_ref().and_then(|process| process.problems.catalog.as_ref()).filter(|_| self.is_on(OS_STREAMS))
    }

    /// What the operator, which may be another process, has to report: it goes onto the pools.
    #[must_use]
    pub fn facts(&self) -> Vec<Notice> {
        let not_made = self.catalog_problem().map(|problem| catalog_said(&problem.release, &problem.why, problem.next));
        self.mismatch(&[]).map(Notice::Mismatch).into_iter().chain(not_made.map(Notice::NotMade)).collect()
    }

    /// The first problem of the whole cluster: what the pools report, what cannot be read, unknown features, that nothing is generated, and
    /// then what the operator found in its own work (see [`Failure::order`]; the first of equals).
    #[must_use]
    pub fn failure(&self, found: impl IntoIterator<Item = Failure>) -> Option<Failure> {
        let pools = self.pool_views();
        // The operator's own finding counts before the controllers, which may be another process, have reported it on the pools.
        let own = || self.mismatch(&pools).map(|said| Failure::DistributionMismatch { contradictions: vec![said] });
        // Files without a FeatureGate say nothing about it (R-WORLD-2).
        let gates = || self.gate_list().err().filter(|_| self.whole || self.feature_gate.is_some());
        let unknown = |why: GatesError| Failure::Work { task: Task::RenderConfig, why: why.to_string() };
        (Failure::of_pools(&pools).or_else(own))
            .or_else(|| all(&self.unreadable).map(|said| Failure::Unreadable { said }))
            .or_else(|| gates().map(unknown))
            .or_else(|| {
                let why = self.not_generated()?.to_owned();
                Some(Failure::Work { task: Task::MachineConfigController, why })
            })
            .or_else(|| found.into_iter().min_by_key(Failure::order))
    }

    /// Why no node may be given a new configuration.
    #[must_use]
    pub fn halt(&self, pools: &[PoolView<'_>]) -> Option<Halt> {
        let is_stale = |pool: &PoolView<'_>| {
            !pool.deleting && pool.says(RENDER_DEGRADED).is_some_and(|held| held.reason == mismatch::CODE)
        };
        (self.other_build(pools).map(Halt::OtherBuild))
            .or_else(|| self.mismatch(pools).map(Halt::Mismatch))
            .or_else(|| halts(&self.unreadable).map(Halt::Unreadable))
            .or_else(|| self.is_being_read(pools).then_some(Halt::BeingRead))
            .or_else(|| pools.iter().any(is_stale).then_some(Halt::Stale))
    }
}

/// What pools that are not being deleted report in this condition.
fn said<'p>(pools: &'p [PoolView<'_>], type_: ConditionType) -> impl Iterator<Item = &'p str> {
    let stay = pools.iter().filter(|pool| !pool.deleting);
    stay.filter_map(move |pool| pool.says(type_)).map(|held| held.message.as_str())
}
