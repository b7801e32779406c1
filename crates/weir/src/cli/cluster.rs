//! How subcommands choose the cluster to talk to.

use crate::reach;
use anyhow::{Context as _, Result, anyhow, bail};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use std::{path::PathBuf, time::Duration};

/// Which cluster to ask
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Cluster {
    /// Kubeconfig of the cluster [default: as kubectl finds it, or the in-cluster configuration]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

impl Cluster {
    /// A client of the cluster for a command, once it answers.
    ///
    /// # Errors
    /// When no cluster is configured, its configuration cannot be used, or it does not answer.
    pub async fn connect(&self, command: &str) -> Result<Client> {
        reach::connect(self.config().await?, command, Duration::ZERO).await
    }

    /// Where the cluster is, and the user agent: `--kubeconfig`, else `KUBECONFIG` or `~/.kube/config`, else the in-cluster configuration.
    ///
    /// # Errors
    /// When no cluster is configured or its configuration cannot be used.
    pub async fn config(&self) -> Result<Config> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        if let Some(path) = &self.kubeconfig {
            let at = path.display();
            std::fs::read(path).with_context(|| format!("reading the kubeconfig {at}"))?;
            return used(&at.to_string(), Kubeconfig::read_from(path), &options).await;
        }
        let named = std::env::var("KUBECONFIG").ok().filter(|named| !named.is_empty());
        let usual = std::env::home_dir().map(|home| home.join(USUAL));
        let (at, kubeconfig) = match (named, usual.filter(|usual| usual.exists())) {
            (Some(named), _) => (format!("{named} (KUBECONFIG)"), Kubeconfig::read()),
            (None, Some(usual)) => (usual.display().to_string(), Kubeconfig::read_from(&usual)),
            (None, None) if std::env::var_os(IN_CLUSTER).is_some() && self.context.is_none() => {
                return Config::incluster().map_err(|error| anyhow!("using the service account of this pod: {error}"));
            }
            (None, None) => bail!(
                "no cluster is named: KUBECONFIG is not set, there is no ~/{USUAL}, and this is no pod; name a kubeconfig \
                 with --kubeconfig"
            ),
        };
        used(&at, kubeconfig, &options).await
    }
}

/// Where kubectl looks in the home folder.
const USUAL: &str = ".kube/config";
/// Set in every pod.
const IN_CLUSTER: &str = "KUBERNETES_SERVICE_HOST";

/// The kubeconfig, or what is wrong with it. The text of its errors already includes that of their sources.
async fn used(at: &str, read: Result<Kubeconfig, KubeconfigError>, options: &KubeConfigOptions) -> Result<Config> {
    let kubeconfig = read.map_err(|error| match error {
        KubeconfigError::ReadConfig(error, path) => anyhow!("reading the kubeconfig {}: {error}", path.display()),
        error => anyhow!("reading the kubeconfig {at}: {error}"),
    })?;
    let config = Config::from_custom_kubeconfig(kubeconfig, options).await;
    config.map_err(|error| anyhow!("using the kubeconfig {at}: {error}"))
}
