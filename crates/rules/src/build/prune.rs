//! Which images and builds are deleted.
//!
//! R-PRUNE-1 What was made for a build is deleted when it has succeeded, except for its digest; a failed build keeps everything
//! for whoever looks for the cause.
//! R-PRUNE-2 Builds that succeeded stay: going back to one costs no build.
//! R-PRUNE-3 An image is deleted with its build, unless a node runs it or is to run it, another build that stays has the same
//! one, or a MachineOSConfig names it. A build without an image has none to delete. (The reference takes nodes without the
//! annotation for such.) A pre-built image is not ours to delete.
//! R-PRUNE-4 Opting out deletes the builds of this very MachineOSConfig, not those of another one of its name; images
//! that nodes still run stay behind, and are named.
//! R-PRUNE-5 An image that its registry does not delete stays behind, and is named: no build is kept for it.
//!
//! Source: `pkg/controller/build/reconciler.go` of github.com/openshift/machine-config-operator.

use super::{
    conditions::State,
    identity::{Made, belongs_to},
    seed::stands_for_image,
};
use weir_api::{MachineOSBuild, MachineOSConfig};

/// Images that a node of the pool runs and is to run, in image mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeImages<'a> {
    /// What it runs.
    pub current: Option<&'a str>,
    /// What it is to run.
    pub desired: Option<&'a str>,
}

/// What becomes of a build's image when the build is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// There is none, or none of ours.
    NoImage,
    /// It is deleted from its registry.
    Delete {
        /// Pull spec with digest.
        image: String,
    },
    /// It stays.
    Keep {
        /// Pull spec with digest.
        image: String,
        /// Who needs it.
        because: Needed,
    },
}

/// Who needs an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// A node runs it, or is to.
    Node,
    /// Another build has it.
    OtherBuild,
    /// The MachineOSConfig names it.
    OsConfig,
}

/// What was made for a build and is to go now that it is in this state (R-PRUNE-1).
#[must_use]
pub fn made_to_delete(state: State) -> &'static [Made] {
    const INPUTS: [Made; 8] = [
        Made::Job,
        Made::Containerfile,
        Made::MachineConfig,
        Made::TrustBundle,
        Made::Policy,
        Made::Registries,
        Made::BasePullSecret,
        Made::PushSecret,
    ];
    if state == State::Succeeded { &INPUTS } else { &[] }
}

/// What becomes of the image of a build that is deleted. `others` are the builds that stay, `configs` all MachineOSConfigs that there are.
#[must_use]
pub fn fate(
    build: &MachineOSBuild,
    others: &[&MachineOSBuild],
    configs: &[&MachineOSConfig],
    nodes: &[NodeImages<'_>],
) -> Fate {
    if stands_for_image(build) {
        return Fate::NoImage;
    }
    let image_of = |build: &MachineOSBuild| {
        build.status.as_ref()?.digested_image_push_spec.clone().filter(|image| !image.is_empty())
    };
    let Some(image) = image_of(build) else { return Fate::NoImage };
    let on_node = nodes.iter().any(|node| [node.current, node.desired].contains(&Some(image.as_str())));
    let in_other = others.iter().any(|other| image_of(other).as_ref() == Some(&image));
    let told = |config: &&MachineOSConfig| {
        config.status.as_ref().and_then(|s| s.current_image_pull_spec.as_ref()) == Some(&image)
    };
    let named = configs.iter().any(told);
    let needed = [(on_node, Needed::Node), (in_other, Needed::OtherBuild), (named, Needed::OsConfig)];
    match needed.into_iter().find(|(needed, _)| *needed) {
        Some((_, because)) => Fate::Keep { image, because },
        None => Fate::Delete { image },
    }
}

/// Builds that an earlier observation found, and that no longer exist.
#[must_use]
pub fn gone<'a>(before: &[&'a MachineOSBuild], now: &[&MachineOSBuild]) -> Vec<&'a MachineOSBuild> {
    let is_here = |build: &MachineOSBuild| now.iter().any(|held| held.metadata.uid == build.metadata.uid);
    before.iter().filter(|build| !is_here(build)).copied().collect()
}

/// Builds that are deleted with their MachineOSConfig (R-PRUNE-4).
#[must_use]
pub fn of_deleted<'a>(config: &MachineOSConfig, builds: &[&'a MachineOSBuild]) -> Vec<&'a MachineOSBuild> {
    builds.iter().filter(|build| belongs_to(build, config)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::identity::{build_of, tests::sample},
        *,
    };
    use weir_api::{
        keys::build::PRE_BUILT_IMAGE,
        machine_os_build::{MachineOSBuildSpec, MachineOSBuildStatus},
        machine_os_config::MachineOSConfigStatus,
    };

    fn build(image: Option<&str>) -> MachineOSBuild {
        let mut build = MachineOSBuild::named("b", MachineOSBuildSpec::default());
        let digested_image_push_spec = image.map(str::to_owned);
        build.status = Some(MachineOSBuildStatus { digested_image_push_spec, ..Default::default() });
        build
    }

    #[test]
    fn an_image_that_somebody_needs_stays() {
        let image = "i".to_owned();
        let (own, other) = (build(Some("i")), build(Some("o")));
        let node = |current, desired| [NodeImages { current, desired }];
        let keep = |because| Fate::Keep { image: image.clone(), because };
        assert_eq!(fate(&own, &[&other], &[], &node(Some("o"), None)), Fate::Delete { image: image.clone() });
        assert_eq!(fate(&own, &[], &[], &node(Some("i"), None)), keep(Needed::Node));
        assert_eq!(fate(&own, &[], &[], &node(None, Some("i"))), keep(Needed::Node));
        assert_eq!(fate(&own, &[&build(Some("i"))], &[], &[]), keep(Needed::OtherBuild));
        let (_, mut config, _) = sample();
        let current_image_pull_spec = Some(image.clone());
        config.status = Some(MachineOSConfigStatus { current_image_pull_spec, ..Default::default() });
        assert_eq!(fate(&own, &[], &[&config], &[]), keep(Needed::OsConfig));
        let mut brought_along = build(Some("i"));
        brought_along.metadata.labels = Some([(PRE_BUILT_IMAGE.to_owned(), "true".to_owned())].into());
        for nothing in [build(None), build(Some("")), brought_along] {
            assert_eq!(fate(&nothing, &[], &[], &node(None, None)), Fate::NoImage);
        }
    }

    #[test]
    fn a_build_that_is_made_again_under_its_name_is_another_one() {
        let made = |uid: &str| {
            let mut build = build(None);
            build.metadata.uid = Some(uid.to_owned());
            build
        };
        let (first, again) = (made("1"), made("2"));
        assert_eq!(gone(&[&first], &[&again]), [&first]);
        assert!(gone(&[&first], &[&first, &again]).is_empty() && gone(&[], &[&first]).is_empty());
    }

    #[test]
    fn causes_of_failures_stay_and_so_does_the_digest() {
        assert_eq!(made_to_delete(State::Succeeded).len(), 8);
        assert!(!made_to_delete(State::Succeeded).contains(&Made::Digest));
        for state in [State::Failed, State::Interrupted, State::Building, State::Prepared, State::Initial] {
            assert_eq!(made_to_delete(state), []);
        }
    }

    #[test]
    fn builds_of_a_new_config_of_the_same_name_stay() {
        let (pool, config, rendered) = sample();
        let old = build_of(&pool, &config, &rendered).unwrap();
        let mut again = config.clone();
        again.metadata.uid = Some("u2".to_owned());
        let new = build_of(&pool, &again, &rendered).unwrap();
        assert_eq!(of_deleted(&config, &[&old, &new]), [&old]);
    }
}
