//! Manifests, or the cluster when there are none.

use super::super::{cluster::Cluster, manifest_source::ManifestSource};
use crate::{inputs, rollout_objects::configuration_of_cluster};
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use weir_rules::world::World;

/// What is explained.
#[derive(Debug, clap::Args)]
pub(super) struct Given {
    /// Files and folders with manifests, `-` for standard input; without any the cluster is asked
    #[arg(short = 'f', long = "filename", value_name = "FILE", num_args = 1..)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    cluster: Cluster,
}

impl Given {
    /// Everything that decides what pools get.
    pub(super) fn world(&self) -> Result<World> {
        if !self.files.is_empty() {
            let source = ManifestSource { files: self.files.clone(), distribution: None };
            return inputs::of(source.manifests());
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
        runtime.block_on(async { configuration_of_cluster(&self.cluster.connect("explain").await?).await })
    }
}
