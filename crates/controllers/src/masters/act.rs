//! Writes nodes.

use super::Controller;
use serde_json::Value;
use weir_kubeio::{Error, patch};

impl Controller {
    pub(super) async fn write(&self, node: &str, change: &Value, schedulable: Option<bool>) -> Result<(), Error> {
        match patch::merge(&self.context.client, &self.context.cluster.masters, node, change).await {
            // The node was deleted meanwhile, and its watch will show it.
            Err(error) if error.is_not_found() => return Ok(()),
            written => written?,
        }
        tracing::info!(node, schedulable, "labels and taints of the control plane brought in line");
        Ok(())
    }
}
