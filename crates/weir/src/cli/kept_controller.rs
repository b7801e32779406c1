//! `weir run operator`: the objects of the controller that it keeps.

use crate::install::{Install, REPLICAS, operands};
use serde_json::Value;
use std::time::Duration;
use weir_sim::duration;

/// The controller that an operator keeps, as options of `weir manifests` with another name.
#[derive(Debug, clap::Args)]
pub struct KeptController {
    /// Keep the objects that `weir manifests` prints for the controller, with this image: what somebody changes is put back,
    /// what is missing is made, and what was kept and is not wanted any more is deleted [default: they are left alone]
    #[arg(long, value_name = "PULLSPEC")]
    pub controller_image: Option<String>,
    /// Pods of the controller: one works, the others stand by
    #[arg(long, value_name = "N", default_value_t = REPLICAS, requires = "controller_image")]
    pub controller_replicas: u32,
    /// Leave out the controller's ServiceMonitor; without this it is made where the cluster knows ServiceMonitors
    #[arg(long, requires = "controller_image")]
    pub no_monitoring: bool,
    /// Let the controller delete rendered MachineConfigs that nobody has used for this long [default: never]
    #[arg(long, value_name = "AFTER", value_parser = duration, requires = "controller_image")]
    pub controller_prune_rendered: Option<Duration>,
    /// Let the controller continue the work of the operator that ran in the cluster before
    #[arg(long, requires = "controller_image")]
    pub controller_take_over: bool,
}

impl KeptController {
    /// The objects to keep; none unless that is asked for.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        let Some(image) = &self.controller_image else { return Vec::new() };
        operands(&Install {
            image,
            replicas: self.controller_replicas,
            monitoring: !self.no_monitoring,
            prune_rendered: self.controller_prune_rendered,
            take_over: self.controller_take_over,
            operator_keeps_controller: true,
        })
    }
}
