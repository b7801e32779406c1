//! Where the kubeconfig and the registry are: in the data directory, or in a temporary folder that is removed on exit.

use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const KUBECONFIG: &str = "kubeconfig";
const REGISTRY: &str = "registry";
const OS_CONFIG: &str = "machineosconfig.yaml";
const BUILDS: &str = "builds";
const REGISTRIES: &str = "registries.conf";

/// The folder of one run.
#[derive(Debug)]
pub(super) struct Home {
    /// Kept so that it is removed at the end.
    _temporary: Option<TempDir>,
    kubeconfig: PathBuf,
}

impl Home {
    pub(super) fn open(data_dir: Option<&Path>) -> Result<Self> {
        if let Some(dir) = data_dir {
            let kubeconfig = std::path::absolute(dir).context("finding the data directory")?.join(KUBECONFIG);
            return Ok(Self { _temporary: None, kubeconfig });
        }
        let builder = |folder: &Path| tempfile::Builder::new().prefix("weir-").tempdir_in(folder);
        let folder = std::env::temp_dir();
        let temporary =
            builder(&folder).with_context(|| format!("making a folder for the kubeconfig in {}", folder.display()))?;
        let kubeconfig = temporary.path().join(KUBECONFIG);
        Ok(Self { _temporary: Some(temporary), kubeconfig })
    }

    pub(super) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    pub(super) fn os_config(&self) -> PathBuf {
        self.kubeconfig.with_file_name(OS_CONFIG)
    }

    /// What leads other programs to the registry.
    pub(super) fn registries(&self) -> PathBuf {
        self.kubeconfig.with_file_name(REGISTRIES)
    }

    /// Where images are built.
    pub(super) fn builds(&self) -> PathBuf {
        self.kubeconfig.with_file_name(BUILDS)
    }

    pub(super) fn registry(&self) -> PathBuf {
        self.kubeconfig.with_file_name(REGISTRY)
    }
}
