//! What a pool's kubelets are configured with when there is no KubeletConfig.
//!
//! R-KUBELET-BASE-1 `kubelet.conf` of the templates for the pool's role.
//! R-KUBELET-BASE-2 Every feature gate that is known, on or off, is put over those of the templates.
//! R-KUBELET-BASE-3 In pool `worker` the latency profile of nodes.config says how often kubelets report: `Default` every 10 s,
//! `MediumUpdateAverageReaction` 20 s, `LowUpdateSlowReaction` 1 min; none leaves what the templates say.
//!
//! Source: `generateOriginalKubeletConfigIgn`, `generateOriginalKubeletConfigWithFeatureGates` and
//! `updateOriginalKubeConfigwithNodeConfig` in `pkg/controller/kubelet-config/helpers.go` of
//! github.com/openshift/machine-config-operator.

use super::{
    KubeletError, View,
    settings::{self, Settings},
};
use crate::generated::base;
use serde_json::{Map, Value};
use weir_api::keys::names::WORKER;

/// Where kubelets are configured.
pub const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
const SECOND: i64 = 1_000_000_000;

/// The base for a pool. A latency profile that is not known leaves what the templates say.
///
/// # Errors
/// When the templates give none.
pub fn base(view: &View<'_>, pool: &str) -> Result<Settings, KubeletError> {
    let text = base::file(view.templates, pool, KUBELET_CONF)?;
    let mut base = settings::parse(&text, view.release).map_err(KubeletError::BaseSettings)?.settings;
    if !view.gates.is_empty() {
        let gates = base.0.entry("featureGates").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(gates) = gates {
            gates.extend(view.gates.iter().map(|(gate, on)| (gate.clone(), Value::from(*on))));
        }
    }
    if pool == WORKER
        && let Ok(Some(nanoseconds)) = report_every(view)
    {
        base.set("nodeStatusUpdateFrequency", nanoseconds);
    }
    Ok(base)
}

/// How often kubelets of workers report, in nanoseconds; absent when nodes.config does not say.
///
/// # Errors
/// When it names no profile there is.
pub fn report_every(view: &View<'_>) -> Result<Option<i64>, KubeletError> {
    let profile = view.node_config.and_then(|node| node.spec.worker_latency_profile.as_deref()).unwrap_or_default();
    match profile {
        "" => Ok(None),
        "Default" => Ok(Some(10 * SECOND)),
        "MediumUpdateAverageReaction" => Ok(Some(20 * SECOND)),
        "LowUpdateSlowReaction" => Ok(Some(60 * SECOND)),
        other => Err(KubeletError::LatencyProfile(other.to_owned())),
    }
}
