//! How subcommands are told which cluster to ask.

use anyhow::{Context as _, Result, anyhow};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use std::path::PathBuf;

/// Which cluster to ask
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Cluster {
    /// The cluster to ask [default: as kubectl finds it, or the one this runs in]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

impl Cluster {
    /// A client of the cluster.
    ///
    /// # Errors
    /// When no cluster is configured or its configuration cannot be used.
    pub async fn connect(&self) -> Result<Client> {
        Ok(Client::try_from(self.config().await?)?)
    }

    /// Where the cluster is and who asks: `--kubeconfig`, else `KUBECONFIG` or `~/.kube/config`, else the pod this runs in.
    ///
    /// # Errors
    /// As for [`Self::connect`].
    pub async fn config(&self) -> Result<Config> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        if let Some(path) = &self.kubeconfig {
            let reading = || format!("reading {}", path.display());
            std::fs::read(path).with_context(reading)?;
            // Its text holds what its source says.
            let kubeconfig = Kubeconfig::read_from(path).map_err(|error| anyhow!("{error}")).with_context(reading)?;
            let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
            return config.with_context(|| format!("using {}", path.display()));
        }
        let config = match &self.context {
            Some(_) => Config::from_kubeconfig(&options).await.map_err(anyhow::Error::from),
            None => Config::infer().await.map_err(anyhow::Error::from),
        };
        config.context("finding a cluster; name its kubeconfig with --kubeconfig")
    }
}
