//! MachineConfigs that are generated from the manifests and the templates of a release.

use super::collect::Collected;
use crate::generate;
use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use std::path::Path;
use weir_rules::{
    render::Build,
    world::generated::{Generators, Item},
};

/// Adds the generated ones; the pull secret is used whatever the ControllerConfig calls it.
pub(super) fn add(folder: &Path, mut pull_secret: Secret, collected: &mut Collected) -> Result<()> {
    let mut templates = generate::of_folder(folder).context("reading templates")?;
    let world = &mut collected.world;
    templates.release.clone_from(&world.release);
    if let Some(named) = world.controller_config.as_ref().and_then(|config| config.spec.pull_secret.as_ref()) {
        pull_secret.metadata.namespace.clone_from(&named.namespace);
        pull_secret.metadata.name.clone_from(&named.name);
    }
    world.put(pull_secret.into());
    if world.settings.release_image.is_some() {
        tell!(
            "warning: InternalReleaseImage cluster: machines get the login to the registry that they run for it, but the MachineConfigs \
             that run it are not generated: put them among the manifests"
        );
    }
    let build = Build::ours();
    let of_pools = world.templates_of_pools(&templates, &build);
    let items = Generators::new(world, &templates, &of_pools, &build, Timestamp::UNIX_EPOCH).bootstrap();
    for item in items {
        let config = match item {
            Item::Made(config) => *config,
            Item::Refused { object, why } => bail!("{object}: {why}"),
            Item::Noticed { object, what } => {
                tell!("warning: {object}: {what}");
                continue;
            }
            Item::Gone(_) => continue,
        };
        let name = config.metadata.name.clone().unwrap_or_default();
        if collected.world.config(&name).is_some() {
            bail!("MachineConfig {name} is generated, and there is another among the manifests");
        }
        collected.world.put(config.into());
        collected.order.push(name);
    }
    Ok(())
}
