//! A pre-built image that the cluster was installed with.
//!
//! R-SEED-1 A MachineOSConfig that the installer annotated with an image, and that has no build yet, gets one that stands
//! for it: it has succeeded, has no Job, and is never built.
//! R-SEED-2 The image is named by digest, and in full.
//! R-SEED-3 The annotation is removed when the build is in effect and the image is in the status; the condition `Seeded` stays.
//!
//! What becomes of the MachineConfig that pins the image: [`super::pinned`].
//!
//! Source: `pkg/controller/build` of github.com/openshift/machine-config-operator.

use super::{conditions::set, progress::earliest_end};
use crate::view::Annotations;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use weir_api::{
    MachineOSBuild, MachineOSConfig,
    condition::{FALSE, MetaCondition, TRUE},
    keys::{
        build::{CURRENT_BUILD, PRE_BUILT_IMAGE},
        os_build::{BUILDING, FAILED, INTERRUPTED, PRE_BUILT_IMAGE_SEEDED, PREPARED, SUCCEEDED},
        os_config::SEEDED,
    },
    machine_os_build::MachineOSBuildStatus,
};

/// Hexadecimal digits of a SHA-256 digest.
const DIGITS: usize = 64;

/// Why an image cannot be adopted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "annotation {PRE_BUILT_IMAGE} of MachineOSConfig {config}: {image:?} is not HOST/REPOSITORY@sha256:DIGEST; name the image so, or remove the annotation to have one built"
)]
pub struct BadSeed {
    /// The MachineOSConfig.
    pub config: String,
    /// What is written.
    pub image: String,
}

/// The build that stands for the image: the wanted one, made to say so. Absent when there is no pre-built image.
///
/// # Errors
/// When the image is not named by digest.
pub fn seeded(
    config: &MachineOSConfig,
    target: &MachineOSBuild,
    now: Timestamp,
) -> Result<Option<MachineOSBuild>, BadSeed> {
    let Some(image) = Annotations::of(&config.metadata).filled(PRE_BUILT_IMAGE) else { return Ok(None) };
    if !is_by_digest(image) {
        let config = config.metadata.name.clone().unwrap_or_default();
        return Err(BadSeed { config, image: image.to_owned() });
    }
    let mut build = target.clone();
    build.metadata.labels.get_or_insert_default().insert(PRE_BUILT_IMAGE.to_owned(), TRUE.name().to_lowercase());
    build.spec.rendered_image_push_spec.clone_from(&config.spec.rendered_image_push_spec);
    let mut conditions = Vec::new();
    for type_ in [PREPARED, BUILDING, FAILED, INTERRUPTED] {
        set(&mut conditions, type_, FALSE, PRE_BUILT_IMAGE_SEEDED, "Skipped: using pre-built image", now);
    }
    let message = format!("Pre-built image {image:?} successfully seeded");
    set(&mut conditions, SUCCEEDED, TRUE, PRE_BUILT_IMAGE_SEEDED, &message, now);
    build.status = Some(MachineOSBuildStatus {
        conditions: Some(conditions),
        build_start: Some(Time(now)),
        build_end: Some(Time(earliest_end(now))),
        digested_image_push_spec: Some(image.to_owned()),
        ..MachineOSBuildStatus::default()
    });
    Ok(Some(build))
}

/// Conditions of a MachineOSConfig whose image was adopted.
#[must_use]
pub fn conditions(before: &[MetaCondition], image: &str, now: Timestamp) -> Vec<MetaCondition> {
    let mut all = before.to_vec();
    let message = format!("MachineOSConfig seeded with pre-built image {image:?}");
    set(&mut all, SEEDED, TRUE, PRE_BUILT_IMAGE_SEEDED, &message, now);
    all
}

/// Whether a build only stands for an image.
#[must_use]
pub fn stands_for_image(build: &MachineOSBuild) -> bool {
    let label = build.metadata.labels.as_ref().and_then(|labels| labels.get(PRE_BUILT_IMAGE));
    label.is_some_and(|value| value.eq_ignore_ascii_case(TRUE.name()))
}

/// Whether the annotation is no longer needed (R-SEED-3).
#[must_use]
pub fn is_taken_in(config: &MachineOSConfig) -> bool {
    let has = |key| Annotations::of(&config.metadata).filled(key).is_some();
    has(PRE_BUILT_IMAGE) && has(CURRENT_BUILD) && is_told(config)
}

/// Whether nodes are given an image.
pub(super) fn is_told(config: &MachineOSConfig) -> bool {
    let told = config.status.as_ref().and_then(|status| status.current_image_pull_spec.as_ref());
    told.is_some_and(|image| !image.is_empty())
}

fn is_by_digest(image: &str) -> bool {
    let Some((name, digest)) = image.split_once("@sha256:") else { return false };
    let host = name.split_once('/').map(|(host, _)| host);
    host.is_some_and(|host| host.contains(['.', ':']) || host == "localhost")
        && digest.len() == DIGITS
        && digest.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            conditions::State,
            identity::{build_of, tests::sample},
        },
        *,
    };

    fn with_image(image: &str) -> Result<Option<MachineOSBuild>, BadSeed> {
        let (pool, mut config, rendered) = sample();
        config.metadata.annotations = Some([(PRE_BUILT_IMAGE.to_owned(), image.to_owned())].into());
        let target = build_of(&pool, &config, &rendered).unwrap();
        seeded(&config, &target, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_build_stands_for_the_image() {
        let image = format!("quay.io/org/os@sha256:{}", "a".repeat(64));
        let build = with_image(&image).unwrap().unwrap();
        assert_eq!(State::of(&build), State::Succeeded);
        assert!(stands_for_image(&build));
        assert_eq!(build.spec.rendered_image_push_spec, "quay.io/org/os:latest");
        let status = build.status.unwrap();
        assert_eq!(status.digested_image_push_spec, Some(image.clone()));
        assert!(status.build_start.unwrap().0 < status.build_end.unwrap().0);
        let said = conditions(&[], &image, Timestamp::UNIX_EPOCH);
        assert!(said[0].type_ == SEEDED && said[0].message.contains(&image));
        assert_eq!(with_image("").unwrap(), None);
        for bad in ["quay.io/org/os:latest", "os@sha256:1", "quay.io/org/os@sha256:A", &image.replace("quay.io/", "")] {
            let error = with_image(bad).unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains("remove the annotation"), "{error}");
        }
    }

    #[test]
    fn the_annotation_goes_last() {
        let (_, mut config, _) = sample();
        let mut annotate = |key: &str, value: &str| {
            config.metadata.annotations.get_or_insert_default().insert(key.to_owned(), value.to_owned());
            config.clone()
        };
        assert!(!is_taken_in(&annotate(PRE_BUILT_IMAGE, "i")));
        let mut with_build = annotate(CURRENT_BUILD, "b");
        assert!(!is_taken_in(&with_build));
        with_build.status.get_or_insert_default().current_image_pull_spec = Some("i".to_owned());
        assert!(is_taken_in(&with_build));
    }
}
