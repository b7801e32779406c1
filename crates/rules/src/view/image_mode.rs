//! What nodes of a pool are to run, and the image of a pool in image mode.
//!
//! R-IMAGE-MODE-1 A pool is in image mode while a MachineOSConfig names it; of several one counts (R-LIMITS-3).
//! R-IMAGE-MODE-2 Its build is the one that the MachineOSConfig names as current, if it is of what the pool is rendered to, base image
//! and stream included; else the first by name that is of it.
//! R-IMAGE-MODE-3 The image for its nodes is the one that the MachineOSConfig has in its status. They are told it when it is that of
//! the build, and the build succeeded. Until then they keep what they run.
//! R-IMAGE-MODE-4 A node outside image mode has no image: one that it was told before is taken back.
//! R-IMAGE-MODE-5 A machine that is booted into a configuration of its pool gets the image of that configuration with it, once a node of
//! the pool runs it: what nobody has run yet is tried by the rollout.
//!
//! Source: `pkg/controller/common/mos_state.go` of github.com/openshift/machine-config-operator.

use super::Annotations;
use crate::build::{conditions::State, limits::of_pool, pool::not_starting};
use weir_api::{
    MachineConfigPool, MachineOSBuild, MachineOSConfig, condition::TRUE, keys::build::CURRENT_BUILD,
    keys::os_build::FAILED,
};

/// What a node is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Name of the rendered MachineConfig; empty while there is none.
    pub config: &'a str,
    /// The image.
    pub image: TargetImage<'a>,
}

/// Where the operating system of a node comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetImage<'a> {
    /// From the image that the MachineConfig names.
    OfConfig,
    /// From an image that there is not yet.
    Missing,
    /// From this image, which was built for the MachineConfig.
    Built(&'a str),
}

impl<'a> Target<'a> {
    /// A MachineConfig outside image mode.
    #[must_use]
    pub fn of_config(config: &'a str) -> Self {
        Self { config, image: TargetImage::OfConfig }
    }
}

/// The image mode of a pool.
#[derive(Clone, Copy, Debug)]
pub struct ImageMode<'a> {
    /// Name of its MachineOSConfig.
    pub config: &'a str,
    /// The image in the status of its MachineOSConfig, by digest.
    pub image: Option<&'a str>,
    /// The build of what the pool is rendered to.
    pub build: Option<&'a MachineOSBuild>,
}

/// Why the nodes of a pool in image mode are told nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageWait {
    /// Nothing is built yet.
    #[error("no OS image is being built yet for the pool's configuration (MachineOSConfig {config})")]
    NotBegun {
        /// The MachineOSConfig.
        config: String,
    },
    /// The build has not begun.
    #[error("the build of the pool's OS image has not begun (MachineOSBuild {build})")]
    Prepared {
        /// The MachineOSBuild.
        build: String,
    },
    /// The build is under way.
    #[error("the pool's OS image is being built (MachineOSBuild {build})")]
    Building {
        /// The MachineOSBuild.
        build: String,
    },
    /// The build is under way, and its pod does not start.
    #[error("the build of the pool's OS image does not start (MachineOSBuild {build}): {why}")]
    NotStarting {
        /// The MachineOSBuild.
        build: String,
        /// What keeps its pod from that.
        why: String,
    },
    /// The build failed.
    #[error("the pool's OS image could not be built, and its nodes keep what they run (MachineOSBuild {build}): {why}")]
    Failed {
        /// The MachineOSBuild.
        build: String,
        /// In the words of its condition.
        why: String,
    },
    /// The build was interrupted.
    #[error(
        "the build of the pool's OS image was interrupted, and its nodes keep what they run (MachineOSBuild {build}); ask for a new one: annotate machineosconfig {config} machineconfiguration.openshift.io/rebuild="
    )]
    Interrupted {
        /// The MachineOSBuild.
        build: String,
        /// The MachineOSConfig.
        config: String,
    },
    /// The image is built, and not in the status of the MachineOSConfig.
    #[error("the pool's OS image is built (MachineOSBuild {build}), and MachineOSConfig {config} does not name it yet")]
    NotNamed {
        /// The MachineOSBuild.
        build: String,
        /// The MachineOSConfig.
        config: String,
    },
}

impl ImageWait {
    /// A word for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotBegun { .. } => "ImageBuildNotBegun",
            Self::Prepared { .. } => "ImageBuildPrepared",
            Self::Building { .. } => "ImageBuilding",
            Self::NotStarting { .. } => "ImageBuildNotStarting",
            Self::Failed { .. } => "ImageBuildFailed",
            Self::Interrupted { .. } => "ImageBuildInterrupted",
            Self::NotNamed { .. } => "ImageNotNamed",
        }
    }

    /// Whether it stays so until a user changes something.
    #[must_use]
    pub fn needs_user(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Interrupted { .. })
    }
}

impl<'a> ImageMode<'a> {
    /// The image mode of a pool with this target; absent outside image mode. Both lists are in name order.
    #[must_use]
    pub fn of(
        pool: &str,
        target: Option<&str>,
        configs: &[&'a MachineOSConfig],
        builds: &[&'a MachineOSBuild],
    ) -> Option<Self> {
        let config = of_pool(pool, configs)?;
        let name = config.metadata.name.as_deref().unwrap_or_default();
        let fits = |build: &&&MachineOSBuild| target.is_some_and(|target| build.spec.machine_config.name == target);
        let current = Annotations::of(&config.metadata).filled(CURRENT_BUILD);
        let named = builds.iter().find(|build| current.is_some() && build.metadata.name.as_deref() == current);
        let of_it = || builds.iter().filter(fits).find(|build| build.spec.machine_os_config.name == name);
        let told = config.status.as_ref().and_then(|status| status.current_image_pull_spec.as_deref());
        Some(Self {
            config: name,
            image: told.filter(|image| !image.is_empty()),
            build: named.filter(fits).or_else(of_it).copied(),
        })
    }

    /// What nodes run that follow the pool.
    #[must_use]
    pub fn target(&self) -> TargetImage<'a> {
        self.build.and(self.image).map_or(TargetImage::Missing, TargetImage::Built)
    }

    /// How far the build is; absent without one.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.build.map(State::of)
    }

    /// Name of the build; empty without one.
    #[must_use]
    pub fn build_name(&self) -> &'a str {
        self.build.and_then(|build| build.metadata.name.as_deref()).unwrap_or_default()
    }

    /// The image that the build made.
    #[must_use]
    pub fn built(&self) -> Option<&'a str> {
        let built = self.build?.status.as_ref()?.digested_image_push_spec.as_deref();
        built.filter(|image| !image.is_empty())
    }

    /// The image that a machine is booted into together with this configuration of its pool (R-IMAGE-MODE-5); both lists are in name
    /// order.
    #[must_use]
    pub fn booted(
        pool: &MachineConfigPool,
        config: &str,
        configs: &[&'a MachineOSConfig],
        builds: &[&'a MachineOSBuild],
    ) -> Option<&'a str> {
        let mode = Self::of(pool.metadata.name.as_deref().unwrap_or_default(), Some(config), configs, builds)?;
        let runs = pool.status.as_ref().is_some_and(|status| status.updated_machine_count > 0);
        mode.image.filter(|_| runs && mode.waits().is_none())
    }

    /// Why nobody is told the image, if nobody is (R-IMAGE-MODE-3).
    #[must_use]
    pub fn waits(&self) -> Option<ImageWait> {
        let (build, config) = (self.build_name().to_owned(), self.config.to_owned());
        match self.state() {
            None => Some(ImageWait::NotBegun { config }),
            Some(State::Succeeded) if self.image.is_some() && self.image == self.built() => None,
            Some(State::Succeeded) => Some(ImageWait::NotNamed { build, config }),
            Some(State::Building) => Some(match self.build.and_then(not_starting) {
                Some(why) => ImageWait::NotStarting { build, why: why.to_owned() },
                None => ImageWait::Building { build },
            }),
            Some(State::Failed) => Some(ImageWait::Failed { build, why: self.failure() }),
            Some(State::Interrupted) => Some(ImageWait::Interrupted { build, config }),
            Some(State::Initial | State::Prepared) => Some(ImageWait::Prepared { build }),
        }
    }

    fn failure(&self) -> String {
        let said = self.build.and_then(|build| build.status.as_ref()?.conditions.as_deref()).unwrap_or_default();
        let failed = said.iter().find(|condition| condition.type_ == FAILED && condition.status == TRUE);
        failed.map(|condition| condition.message.clone()).unwrap_or_default()
    }
}

/// For people: which MachineOSConfig, how far its build is, and which image there is.
impl std::fmt::Display for ImageMode<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "image mode by MachineOSConfig {}: ", self.config)?;
        match self.waits() {
            Some(wait) => write!(f, "{wait}")?,
            None => write!(f, "MachineOSBuild {} has succeeded", self.build_name())?,
        }
        match self.image {
            Some(image) => write!(f, "; image {image}"),
            None => f.write_str("; no image yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn config(name: &str, current: Option<&str>, image: Option<&str>) -> MachineOSConfig {
        let annotations: Value = current.into_iter().map(|build| (CURRENT_BUILD.to_owned(), json!(build))).collect();
        let object = json!({
            "metadata": {"name": name, "annotations": annotations}, "spec": {"machineConfigPool": {"name": "worker"}},
            "status": {"currentImagePullSpec": image},
        });
        serde_json::from_value(object).unwrap()
    }

    fn build(name: &str, target: &str, said: &str, image: Option<&str>) -> MachineOSBuild {
        let conditions = json!([{"type": said, "status": "True", "message": "step 2: no"}]);
        let object = json!({
            "metadata": {"name": name}, "spec": {"machineConfig": {"name": target}, "machineOSConfig": {"name": "worker"}},
            "status": {"conditions": conditions, "digestedImagePushSpec": image},
        });
        serde_json::from_value(object).unwrap()
    }

    fn of<'a>(config: &'a MachineOSConfig, builds: &'a [MachineOSBuild]) -> ImageMode<'a> {
        ImageMode::of("worker", Some("r2"), &[config], &builds.iter().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_build_is_of_what_the_pool_is_rendered_to() {
        let builds = [
            build("w-1", "r1", "Succeeded", Some("i1")),
            build("w-2", "r2", "Succeeded", Some("i2")),
            build("w-3", "r2", "Building", None),
        ];
        for (current, found) in [(Some("w-3"), "w-3"), (Some("w-1"), "w-2"), (Some("gone"), "w-2"), (None, "w-2")] {
            assert_eq!(of(&config("worker", current, None), &builds).build_name(), found, "{current:?}");
        }
        let config = config("worker", Some("w-1"), Some("i1"));
        assert_eq!(of(&config, &builds[..1]).target(), TargetImage::Missing, "an image of another configuration");
        assert!(ImageMode::of("infra", Some("r2"), &[&config], &[]).is_none());
    }

    #[test]
    fn a_machine_boots_into_an_image_that_is_run_already() {
        let pool = |updated: i32| -> MachineConfigPool {
            let status = json!({"updatedMachineCount": updated});
            serde_json::from_value(json!({"metadata": {"name": "worker"}, "status": status})).unwrap()
        };
        let (config, build) = (config("worker", None, Some("i2")), build("w-2", "r2", "Succeeded", Some("i2")));
        let booted = |updated, target| ImageMode::booted(&pool(updated), target, &[&config], &[&build]);
        assert_eq!((booted(1, "r2"), booted(0, "r2"), booted(1, "r1")), (Some("i2"), None, None));
    }

    #[test]
    fn nobody_is_told_an_image_that_is_not_there() {
        for (said, built, named, code) in [
            ("Succeeded", Some("i2"), Some("i2"), None),
            ("Succeeded", Some("i2"), Some("i1"), Some("ImageNotNamed")),
            ("Succeeded", Some("i2"), None, Some("ImageNotNamed")),
            ("Succeeded", None, None, Some("ImageNotNamed")),
            ("Building", None, Some("i1"), Some("ImageBuilding")),
            ("Prepared", None, Some("i1"), Some("ImageBuildPrepared")),
            ("Other", None, None, Some("ImageBuildPrepared")),
            ("Failed", None, Some("i1"), Some("ImageBuildFailed")),
            ("Interrupted", None, Some("i1"), Some("ImageBuildInterrupted")),
        ] {
            let (config, builds) = (config("worker", None, named), [build("w-2", "r2", said, built)]);
            let waits = of(&config, &builds).waits();
            assert_eq!(waits.as_ref().map(ImageWait::code), code, "{said} {built:?} {named:?}");
            let failed = said == "Failed";
            assert_eq!(waits.is_some_and(|wait| wait.to_string().contains("step 2: no")), failed);
        }
        assert_eq!(of(&config("worker", None, Some("i1")), &[]).waits().unwrap().code(), "ImageBuildNotBegun");
        let (config, builds) = (config("worker", None, Some("i2")), [build("w-2", "r2", "Succeeded", Some("i2"))]);
        let said = of(&config, &builds).to_string();
        assert_eq!(said, "image mode by MachineOSConfig worker: MachineOSBuild w-2 has succeeded; image i2");
    }
}
