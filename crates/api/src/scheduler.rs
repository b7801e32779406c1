//! `Scheduler` (config.openshift.io): whether the control plane accepts user pods. Read only.

use crate::kind::CONFIG_GROUP;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// How pods find nodes. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_scheduling.go` of github.com/openshift/api.
    Scheduler, CONFIG_GROUP, "schedulers", spec: SchedulerSpec, status: serde_json::Value
}

/// How pods find nodes, as far as it is read here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SchedulerSpec {
    /// Whether nodes of the control plane are workers, too.
    #[serde(default)]
    pub masters_schedulable: bool,
    /// The rest of the spec.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
