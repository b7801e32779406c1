//! The files that the first machines read.

use super::collect::Collected;
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::{
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};
use weir_api::{MachineConfig, MachineConfigPool};

/// Modes of the written files, before the process's umask; those of the reference.
const FOLDER_MODE: u32 = 0o764;
const FILE_MODE: u32 = 0o664;

/// Writes one document per object; existing files are replaced.
pub(super) fn write(
    folder: &Path,
    pools: &[MachineConfigPool],
    configs: &[MachineConfig],
    collected: &Collected,
) -> Result<()> {
    for pool in pools {
        one(folder, "machine-pools", pool.metadata.name.as_deref().unwrap_or_default(), pool)?;
    }
    for config in configs {
        one(folder, "machine-configs", config.metadata.name.as_deref().unwrap_or_default(), config)?;
    }
    if let Some(api_server) = &collected.api_server {
        one(folder, "api-server", "api-server", api_server)?;
    }
    if let Some(config) = &collected.world.controller_config {
        one(folder, "controller-config", "machine-config-controller", config.as_ref())?;
    }
    Ok(())
}

fn one(folder: &Path, kind: &str, name: &str, object: &impl Serialize) -> Result<()> {
    let folder = folder.join(kind);
    let path = folder.join(format!("{name}.yaml"));
    let text = weir_manifests::to_yaml(&[object]).with_context(|| format!("writing {}", path.display()))?;
    let create = || -> std::io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&folder)?;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(FILE_MODE).open(&path)?;
        file.write_all(text.as_bytes())
    };
    create().with_context(|| format!("writing {}", path.display()))
}
