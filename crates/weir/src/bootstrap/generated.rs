//! MachineConfigs that are generated from the manifests and the templates of a release.

use super::collect::Collected;
use crate::generate::{self, Item, Objects};
use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use std::path::Path;

/// Adds the generated ones; the pull secret is used whatever the ControllerConfig calls it.
pub(super) fn add(folder: &Path, mut pull_secret: Secret, collected: &mut Collected) -> Result<()> {
    let mut templates = generate::of_folder(folder).context("reading templates")?;
    templates.release.clone_from(&collected.world.release);
    let controller_config = collected.world.controller_config.as_deref().cloned().unwrap_or_default();
    if let Some(named) = &controller_config.spec.pull_secret {
        pull_secret.metadata.namespace.clone_from(&named.namespace);
        pull_secret.metadata.name.clone_from(&named.name);
    }
    let server = collected.api_server.clone().map(serde_json::from_value).transpose();
    let objects = Objects {
        controller_config,
        api_server: server.context("APIServer cluster")?,
        secrets: vec![pull_secret],
        ..Objects::default()
    };
    // Without pools there are only those of the templates, and no object of which anything could be noticed.
    for item in generate::all(&objects, &templates, Timestamp::UNIX_EPOCH) {
        let config = match item {
            Item::Made(config) => *config,
            Item::Refused { object, why } => return Err(why.context(object)),
            Item::Noticed { .. } => continue,
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
