//! MachineConfigs for pools whose OS image was built before the installation.
//!
//! Source: `pkg/controller/bootstrap/bootstrap.go` and `CreatePreBuiltImageMachineConfig` in
//! `pkg/controller/common/helpers.go` of github.com/openshift/machine-config-operator.

use super::collect::Collected;
use anyhow::{Result, bail};
use weir_api::{
    MachineConfig, MachineOSConfig,
    keys::{
        build::{CURRENT_BUILD, PRE_BUILT_IMAGE},
        config::ROLE,
        names::PREBUILT_IMAGE_PREFIX,
        os_config::SEEDED,
    },
    machine_config::MachineConfigSpec,
};
use weir_images::PullSpec;
use weir_rules::view::Annotations;

/// Adds a MachineConfig for each MachineOSConfig with a pre-built image.
pub(super) fn add(collected: &mut Collected) -> Result<()> {
    let mut wrong = Vec::new();
    let mut found = Vec::new();
    for config in &collected.os_configs {
        match image(config, collected) {
            Ok(Some(image)) => found.push((config.spec.machine_config_pool.name.clone(), image)),
            Ok(None) => {}
            Err(why) => wrong.push(why),
        }
    }
    if !wrong.is_empty() {
        bail!(
            "failed to create pre-built image MachineConfigs: validation failed for MachineOSConfigs: {}",
            wrong.join("\n")
        );
    }
    for (pool, image) in found {
        let name = format!("{PREBUILT_IMAGE_PREFIX}{pool}");
        let spec = MachineConfigSpec { os_image_url: Some(image.clone()), ..MachineConfigSpec::default() };
        let mut config = MachineConfig::named(&name, spec);
        config.metadata.labels = Some([(ROLE.to_owned(), pool)].into());
        config.metadata.annotations = Some([(PRE_BUILT_IMAGE.to_owned(), image)].into());
        collected.world.put(config.into());
        collected.order.push(name);
    }
    Ok(())
}

/// The pre-built image of a MachineOSConfig, if it has one.
fn image(config: &MachineOSConfig, collected: &Collected) -> Result<Option<String>, String> {
    let name = config.metadata.name.as_deref().unwrap_or_default();
    let marks = Annotations::of(&config.metadata);
    let Some(image) = marks.filled(PRE_BUILT_IMAGE) else {
        let conditions = config.status.as_ref().and_then(|s| s.conditions.as_ref()).into_iter().flatten();
        let seeded = conditions.into_iter().any(|c| c.type_ == SEEDED && c.status == "True");
        if seeded || marks.filled(CURRENT_BUILD).is_some() {
            return Ok(None);
        }
        return Err(format!(
            "MachineOSConfig {name:?} is missing required annotation {PRE_BUILT_IMAGE:?} - this is required for \
             install-time OCL"
        ));
    };
    let pool = &config.spec.machine_config_pool.name;
    if !collected.world.pools.iter().any(|held| held.metadata.name.as_ref() == Some(pool)) {
        return Err(format!("MachineOSConfig {name:?} references non-existent pool {pool:?}"));
    }
    match wrong(image) {
        None => Ok(Some(image.to_owned())),
        Some(why) => {
            Err(format!("invalid pre-built image {image:?} for MachineOSConfig {name:?} (pool {pool:?}): {why}"))
        }
    }
}

/// What is wrong with a pull spec that must be fully qualified and have a SHA-256 digest.
fn wrong(image: &str) -> Option<String> {
    let spec: PullSpec = match image.parse() {
        Ok(spec) => spec,
        Err(error) => return Some(format!("pre-built image {image:?} has invalid format: {error}")),
    };
    let Some(digest) = spec.digest() else {
        return Some(format!("pre-built image must use digested format (image@sha256:digest), got: {image:?}"));
    };
    match digest.algorithm() {
        "sha256" => None,
        other => Some(format!("pre-built image must use SHA256 digest, got {other}: {image:?}")),
    }
}
