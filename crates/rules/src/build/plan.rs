//! What to do now for a pool in image mode: build, rebuild, reuse, cancel, or nothing.
//!
//! R-BUILD-PLAN-1 The target is the build of what the pool is rendered to and its MachineOSConfig says (R-IDENTITY). For a paused
//! pool images are built too; only its nodes wait.
//! R-BUILD-PLAN-2 While the pool cannot be rendered, or its pinned images are degraded, no build starts and none is deleted. Nodes that
//! fail do not stop a build: the image may be what they fail on. (In the reference they do.)
//! R-BUILD-PLAN-3 A pre-built image is adopted first (R-SEED).
//! R-BUILD-PLAN-4 Whoever asks for a rebuild gets one if the target exists: the same inputs have the same name, so the old build is
//! deleted first.
//! R-BUILD-PLAN-5 A target that is under way is waited for. One that succeeded is used when its image is still there, and built
//! again when the registry says that it is gone. A registry that does not answer says neither. (The reference builds
//! again then.)
//! R-BUILD-PLAN-6 A target that failed or was interrupted stays so until one of its inputs changes, or somebody asks for a
//! rebuild.
//! R-BUILD-PLAN-7 Where only files and units change, the image in effect is reused under the target's name: nodes write those
//! themselves. That is so when base image, kernel type, extensions and kernel arguments are the same and the
//! MachineOSConfig was not changed since; and only as long as the image is there. (The reference reuses it after a change
//! of the MachineOSConfig as well, and loops when it is gone.)
//! R-BUILD-PLAN-8 Everything else is built. Other builds of the pool that are under way are cancelled: a pool never needs two.
//!
//! Source: `pkg/controller/build/reconciler.go` and `RequiresRebuild` in `pkg/controller/common` of
//! github.com/openshift/machine-config-operator.

use super::{conditions::State, pool::age};
use crate::view::Annotations;
use std::collections::BTreeMap;
use weir_api::{
    MachineConfig, MachineConfigPool, MachineOSBuild, MachineOSConfig,
    condition::{ConditionType, TRUE, Typed as _},
    keys::{
        build::{CURRENT_BUILD, PRE_BUILT_IMAGE, REBUILD},
        pool::{PINNED_IMAGE_SETS_DEGRADED, RENDER_DEGRADED},
    },
};

/// Conditions of a pool during which no build starts.
const OTHER_TROUBLES: [ConditionType; 2] = [RENDER_DEGRADED, PINNED_IMAGE_SETS_DEGRADED];

/// What is known of an image in its registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is there.
    There,
    /// The registry says that it is not.
    Gone,
    /// The registry did not say.
    Unknown,
}

/// Everything that the decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The pool.
    pub pool: &'a MachineConfigPool,
    /// Its MachineOSConfig, which can work (R-LIMITS).
    pub config: &'a MachineOSConfig,
    /// The build that is wanted ([`super::identity::build_of`]).
    pub target: &'a MachineOSBuild,
    /// The builds of the MachineOSConfig that there are.
    pub builds: &'a [&'a MachineOSBuild],
    /// Rendered MachineConfigs by name, as far as they are there.
    pub rendered: &'a BTreeMap<&'a str, &'a MachineConfig>,
    /// What is known of images, by pull spec with digest; absent when nobody has asked.
    pub images: &'a BTreeMap<String, Presence>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Adopt the pre-built image.
    Seed,
    /// Wait.
    Wait(Waiting),
    /// Ask the registry whether this image is there.
    Ask {
        /// Pull spec with digest.
        image: String,
    },
    /// Make the target, which is there, the build in effect, and cancel others.
    Adopt {
        /// Builds to delete.
        cancel: Vec<String>,
    },
    /// Make the target with this image, without a Job, and cancel others.
    UseAgain {
        /// Pull spec with digest.
        image: String,
        /// Builds to delete.
        cancel: Vec<String>,
    },
    /// Build the target.
    Build {
        /// Why.
        because: BuildReason,
        /// Whether the target is there, and has to go first.
        replace: bool,
        /// Other builds to delete.
        cancel: Vec<String>,
    },
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Waiting {
    /// The pool is degraded for another reason.
    #[error("MachineConfigPool {pool} is degraded due to non-build issues: {condition}")]
    Degraded {
        /// The pool.
        pool: String,
        /// Type of the condition.
        condition: ConditionType,
    },
    /// A build is under way.
    #[error("MachineOSBuild {0} is under way")]
    UnderWay(String),
    /// A build went wrong, and nothing has changed since.
    #[error(
        "MachineOSBuild {build} {how}; change the MachineOSConfig or what the pool is rendered from, or ask for a new build: annotate machineosconfig {config} {REBUILD}="
    )]
    Stays {
        /// The build.
        build: String,
        /// How it ended.
        how: &'static str,
        /// The MachineOSConfig.
        config: String,
    },
    /// The registry does not say whether the image is there.
    #[error("the registry of {0} does not say whether it is there; nothing is built until it does")]
    Registry(String),
    /// The build is in effect.
    #[error("MachineOSBuild {0} is in effect")]
    InEffect(String),
}

/// Why something is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildReason {
    /// There has been none.
    First,
    /// Somebody asked.
    Asked,
    /// The image that was built is gone.
    ImageGone {
        /// Pull spec with digest.
        image: String,
    },
    /// What it is made of has changed.
    Changed(Vec<Change>),
}

/// What of the inputs changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The base image: a new release, or another stream.
    BaseImage,
    /// The kernel type.
    KernelType,
    /// The extensions.
    Extensions,
    /// The kernel arguments.
    KernelArguments,
    /// The MachineOSConfig.
    OsConfig,
    /// What the image in effect was made from is gone, so that nobody can tell.
    Unknown,
}

/// Decides.
#[must_use]
pub fn plan(situation: &Situation<'_>) -> Plan {
    let Situation { pool, config, target, builds, .. } = situation;
    if awaits_seed(config) {
        return Plan::Seed;
    }
    if let Some(condition) = other_trouble(pool) {
        let pool = pool.metadata.name.clone().unwrap_or_default();
        return Plan::Wait(Waiting::Degraded { pool, condition });
    }
    let name = target.metadata.name.clone().unwrap_or_default();
    let existing = builds.iter().find(|build| build.metadata.name == target.metadata.name);
    match existing {
        Some(_) if annotation(config, REBUILD).is_some() => situation.build(BuildReason::Asked, true),
        Some(existing) => situation.existing(existing, name),
        None => situation.missing(),
    }
}

/// Whether there is a pre-built image that is yet to be adopted.
#[must_use]
pub fn awaits_seed(config: &MachineOSConfig) -> bool {
    let set = |key| annotation(config, key).is_some_and(|value| !value.is_empty());
    set(PRE_BUILT_IMAGE) && !set(CURRENT_BUILD)
}

/// Changes between two rendered MachineConfigs for which an image has to be built.
#[must_use]
pub fn changes(old: &MachineConfig, new: &MachineConfig) -> Vec<Change> {
    let (old, new) = (&old.spec, &new.spec);
    let differs = [
        (Change::BaseImage, old.os_image_url != new.os_image_url),
        (Change::KernelType, old.kernel_type != new.kernel_type),
        (Change::Extensions, old.extensions != new.extensions),
        (Change::KernelArguments, old.kernel_arguments != new.kernel_arguments),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(change, _)| change).collect()
}

impl Situation<'_> {
    fn existing(&self, existing: &MachineOSBuild, name: String) -> Plan {
        let config = self.config.metadata.name.clone().unwrap_or_default();
        let cancel = self.cancelled();
        let in_effect = annotation(self.config, CURRENT_BUILD) == Some(name.as_str());
        match State::of(existing) {
            State::Initial => self.build(self.changed(), false),
            State::Prepared | State::Building if in_effect && cancel.is_empty() => Plan::Wait(Waiting::UnderWay(name)),
            State::Prepared | State::Building => Plan::Adopt { cancel },
            State::Failed => Plan::Wait(Waiting::Stays { build: name, how: "failed", config }),
            State::Interrupted => Plan::Wait(Waiting::Stays { build: name, how: "was interrupted", config }),
            State::Succeeded => {
                let Some(image) = digest(existing) else { return self.build(self.changed(), true) };
                let is_told =
                    self.config.status.as_ref().and_then(|s| s.current_image_pull_spec.as_ref()) == Some(&image);
                if in_effect && is_told && cancel.is_empty() && !self.is_gone(&image) {
                    return Plan::Wait(Waiting::InEffect(name));
                }
                match self.images.get(&image) {
                    None => Plan::Ask { image },
                    Some(Presence::There) => Plan::Adopt { cancel },
                    Some(Presence::Gone) => self.build(BuildReason::ImageGone { image }, true),
                    Some(Presence::Unknown) => Plan::Wait(Waiting::Registry(image)),
                }
            }
        }
    }

    fn missing(&self) -> Plan {
        let because = self.changed();
        let image = self.in_effect().and_then(digest);
        match (&because, image) {
            (BuildReason::Changed(changes), Some(image)) if changes.is_empty() => match self.images.get(&image) {
                None => Plan::Ask { image },
                Some(Presence::There) => Plan::UseAgain { image, cancel: self.cancelled() },
                Some(Presence::Gone) => self.build(BuildReason::ImageGone { image }, false),
                Some(Presence::Unknown) => Plan::Wait(Waiting::Registry(image)),
            },
            _ => self.build(because, false),
        }
    }

    fn is_gone(&self, image: &str) -> bool {
        self.images.get(image) == Some(&Presence::Gone)
    }

    fn build(&self, because: BuildReason, replace: bool) -> Plan {
        Plan::Build { because, replace, cancel: self.cancelled() }
    }

    /// Builds that are no longer wanted: those without an image.
    fn cancelled(&self) -> Vec<String> {
        let others = self.builds.iter().filter(|build| build.metadata.name != self.target.metadata.name);
        let unfinished = others.filter(|build| State::of(build) != State::Succeeded);
        unfinished.filter_map(|build| build.metadata.name.clone()).collect()
    }

    /// The build whose image the nodes are given: it stays in effect while later ones fail.
    fn in_effect(&self) -> Option<&MachineOSBuild> {
        let told = self.config.status.as_ref().and_then(|status| status.current_image_pull_spec.clone());
        let with_image = || self.builds.iter().filter(|build| digest(build).is_some());
        with_image().find(|build| digest(build) == told).or_else(|| with_image().max_by_key(age)).copied()
    }

    /// What changed since the image in effect was built.
    fn changed(&self) -> BuildReason {
        let Some(before) = self.in_effect() else { return BuildReason::First };
        let rendered = |build: &MachineOSBuild| self.rendered.get(build.spec.machine_config.name.as_str()).copied();
        let mut found = match (rendered(before), rendered(self.target)) {
            (Some(old), Some(new)) => changes(old, new),
            _ => vec![Change::Unknown],
        };
        let observed = self.config.status.as_ref().and_then(|status| status.observed_generation);
        if observed != self.config.metadata.generation {
            found.push(Change::OsConfig);
        }
        BuildReason::Changed(found)
    }
}

fn other_trouble(pool: &MachineConfigPool) -> Option<ConditionType> {
    let said = pool.status.iter().flat_map(|status| status.conditions.iter().flatten());
    OTHER_TROUBLES.into_iter().find(|type_| said.clone().any(|condition| condition.says(*type_, TRUE)))
}

fn annotation<'a>(config: &'a MachineOSConfig, key: &str) -> Option<&'a str> {
    Annotations::of(&config.metadata).get(key)
}

fn digest(build: &MachineOSBuild) -> Option<String> {
    let image = build.status.as_ref()?.digested_image_push_spec.clone();
    image.filter(|image| !image.is_empty())
}

#[cfg(test)]
mod tests;
