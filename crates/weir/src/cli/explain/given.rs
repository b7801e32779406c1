//! Manifests, or the cluster when there are none.

use super::super::{cluster::Cluster, manifest_source::ManifestSource};
use crate::inputs::Inputs;
use anyhow::{Context as _, Result};
use std::path::PathBuf;

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
    pub(super) fn inputs(&self) -> Result<Inputs> {
        if !self.files.is_empty() {
            let source = ManifestSource { files: self.files.clone(), distribution: None };
            return Inputs::of(source.manifests());
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
        runtime.block_on(async { Inputs::of_cluster(&self.cluster.connect("explain").await?).await })
    }
}
