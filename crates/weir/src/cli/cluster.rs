//! How subcommands are told which cluster to ask.

use anyhow::{Context as _, Result};
use kube::{Client, Config, config::Kubeconfig};
use std::path::PathBuf;

/// Which cluster to ask
#[derive(Clone, Debug, clap::Args)]
pub struct Cluster {
    /// The cluster to ask [default: as kubectl finds it, or the one this runs in]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

impl Cluster {
    /// A client of the cluster.
    ///
    /// # Errors
    /// When no cluster is configured or its configuration cannot be used.
    pub async fn connect(&self) -> Result<Client> {
        let config = match &self.kubeconfig {
            Some(path) => {
                let kubeconfig = Kubeconfig::read_from(path).with_context(|| format!("reading {}", path.display()))?;
                Config::from_custom_kubeconfig(kubeconfig, &Default::default())
                    .await
                    .with_context(|| format!("using {}", path.display()))?
            }
            None => Config::infer().await.context("finding a cluster; name its kubeconfig with --kubeconfig")?,
        };
        Ok(Client::try_from(config)?)
    }
}
