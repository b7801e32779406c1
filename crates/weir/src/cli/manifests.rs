//! `weir manifests`: the manifests that run weir in a cluster.

use super::run::Adopt;
use crate::exit::Outcome;
use anyhow::{Context as _, Result};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use weir_controllers::Cluster;
use weir_rules::operator::install::{Install, Manifest, REPLICAS, manifests, page};
use weir_sim::duration;

/// What to print.
#[derive(Debug, clap::Args)]
pub struct Manifests {
    /// Image that contains this program
    #[arg(long, value_name = "PULLSPEC", value_parser = super::pull_spec::container)]
    pub image: String,
    /// Pods of each component: one leads, the others are standbys
    #[arg(long, value_name = "N", default_value_t = REPLICAS)]
    pub replicas: u32,
    /// Leave out ServiceMonitors, the PrometheusRule and the board for Grafana, for a cluster without the first two kinds
    #[arg(long)]
    pub no_monitoring: bool,
    /// Let the controller delete rendered MachineConfigs that have been unused for this long [default: never]
    #[arg(long, value_name = "AFTER", value_parser = duration)]
    pub prune_rendered: Option<Duration>,
    /// Let it continue the work of the operator that ran in the cluster before
    #[arg(long)]
    pub take_over: bool,
    /// With --take-over: write what weir generates although it differs from what that operator generated
    #[arg(long, value_name = "WHOSE", value_enum, requires = "take_over")]
    pub adopt_generated: Option<Adopt>,
    /// Leave out controller and builder and let the operator manage them, with the permissions for that
    #[arg(long)]
    pub operator_keeps_controller: bool,
    /// Image that has buildah, for the pods that build OS images [default: that of the release]
    #[arg(long, value_name = "PULLSPEC", value_parser = super::pull_spec::container)]
    pub builder_image: Option<String>,
    /// Also the page: read only, for users who may list pools, MachineConfigs and nodes
    #[arg(long)]
    pub dashboard: bool,
    /// With --dashboard on OpenShift: its login in front of the page, a Route, and a link in the console
    #[arg(long, requires = "dashboard")]
    pub dashboard_route: bool,
    /// Write one file per object into this folder instead of printing
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

impl Manifests {
    /// Prints the objects as YAML documents in an order in which they can be applied, or writes them to files that sort that way.
    ///
    /// # Errors
    /// When a file or stdout cannot be written.
    pub fn run(&self) -> Result<Outcome> {
        let mut all = manifests(&Install {
            image: &self.image,
            replicas: self.replicas,
            monitoring: !self.no_monitoring,
            prune_rendered: self.prune_rendered,
            take_over: self.take_over,
            adopts_generated: self.adopt_generated.is_some(),
            operator_keeps_controller: self.operator_keeps_controller,
            builder_image: self.builder_image.as_deref(),
            watched: &Cluster::default().watched(),
        });
        if self.dashboard {
            all.extend(page::manifests(&self.image, &weir_dashboard::watching::watched(), self.dashboard_route));
        }
        match &self.output {
            Some(folder) => write(folder, &all)?,
            None => {
                let objects: Vec<_> = all.into_iter().map(|manifest| manifest.object).collect();
                super::print(serde_saphyr::to_string_multiple(&objects)?.as_bytes())?;
            }
        }
        Ok(Outcome::Done)
    }
}

fn write(folder: &Path, all: &[Manifest]) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("creating folder {}", folder.display()))?;
    for (number, manifest) in all.iter().enumerate() {
        let path = folder.join(format!("{number:02}-{}.yaml", manifest.file));
        let text = serde_saphyr::to_string(&manifest.object)?;
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
