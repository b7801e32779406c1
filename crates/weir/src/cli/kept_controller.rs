//! `weir run operator`: the objects of controller and builder that it manages.

use super::run::Adopt;
use std::time::Duration;
use weir_controllers::Cluster;
use weir_rules::operator::install::{Install, Operands, REPLICAS, operands};
use weir_sim::duration;

/// Controller and builder that an operator manages: options of `weir manifests` under other names.
#[derive(Debug, clap::Args)]
pub struct KeptController {
    /// Manage the objects that `weir manifests` prints for the controller, and for the builder while a pool is in image mode, with this
    /// image: changes are reverted, missing objects are created, and managed objects that are no longer wanted are deleted [default:
    /// both are left alone]
    #[arg(long, value_name = "PULLSPEC", value_parser = super::pull_spec::container)]
    pub controller_image: Option<String>,
    /// Pods of the controller, and of the builder: one leads, the others are standbys
    #[arg(long, value_name = "N", default_value_t = REPLICAS, requires = "controller_image")]
    pub controller_replicas: u32,
    /// Image that has buildah, for the pods that build OS images [default: that of the release]
    #[arg(long, value_name = "PULLSPEC", requires = "controller_image", value_parser = super::pull_spec::container)]
    pub builder_image: Option<String>,
    /// Leave out the ServiceMonitors of both; otherwise they are created if the cluster has the kind
    #[arg(long, requires = "controller_image")]
    pub no_monitoring: bool,
    /// Let the controller delete rendered MachineConfigs that have been unused for this long [default: never]
    #[arg(long, value_name = "AFTER", value_parser = duration, requires = "controller_image")]
    pub controller_prune_rendered: Option<Duration>,
    /// Let the controller continue the work of the operator that ran in the cluster before
    #[arg(long, requires = "controller_image")]
    pub controller_take_over: bool,
    /// With --controller-take-over: let it write what weir generates although it differs from what that operator generated
    #[arg(long, value_name = "WHOSE", value_enum, requires = "controller_take_over")]
    pub controller_adopt_generated: Option<Adopt>,
}

impl KeptController {
    /// The objects to manage; none unless requested.
    #[must_use]
    pub fn objects(&self) -> Operands {
        let Some(image) = &self.controller_image else { return Operands::default() };
        operands(&Install {
            image,
            replicas: self.controller_replicas,
            monitoring: !self.no_monitoring,
            prune_rendered: self.controller_prune_rendered,
            take_over: self.controller_take_over,
            adopts_generated: self.controller_adopt_generated.is_some(),
            operator_keeps_controller: true,
            builder_image: self.builder_image.as_deref(),
            watched: &Cluster::default().watched(),
        })
    }
}
