//! The configuration of a pool's kubelets without a KubeletConfig.
//!
//! R-KUBELET-BASE-1 It is `kubelet.conf` from the templates for the pool's role.
//! R-KUBELET-BASE-2 All known feature gates, on or off, override those of the templates.
//! R-KUBELET-BASE-3 In pool `worker`, the latency profile of nodes.config sets how often kubelets report: `Default` every 10 s,
//! `MediumUpdateAverageReaction` 20 s, `LowUpdateSlowReaction` 1 min. Without a profile, the templates' value stays.
//!
//! Source: `generateOriginalKubeletConfigIgn`, `generateOriginalKubeletConfigWithFeatureGates` and
//! `updateOriginalKubeConfigwithNodeConfig` in `pkg/controller/kubelet-config/helpers.go` of
//! github.com/openshift/machine-config-operator.

use super::{
    KubeletError, KubeletView,
    settings::{self, Settings},
};
use crate::generated::base;
use serde_json::{Map, Value};
use weir_api::keys::names::WORKER;

/// Path of the kubelet's configuration.
pub const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
const SECOND: i64 = 1_000_000_000;

/// The base for a pool. With an unknown latency profile, the templates' value stays.
///
/// # Errors
/// If the templates contain none.
pub fn base(view: &KubeletView<'_>, pool: &str) -> Result<Settings, KubeletError> {
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

/// How often kubelets of workers report, in nanoseconds; absent if nodes.config does not say.
///
/// # Errors
/// If it names an unknown profile.
pub fn report_every(view: &KubeletView<'_>) -> Result<Option<i64>, KubeletError> {
    let profile = view.node_config.and_then(|node| node.spec.worker_latency_profile.as_deref()).unwrap_or_default();
    match profile {
        "" => Ok(None),
        "Default" => Ok(Some(10 * SECOND)),
        "MediumUpdateAverageReaction" => Ok(Some(20 * SECOND)),
        "LowUpdateSlowReaction" => Ok(Some(60 * SECOND)),
        other => Err(KubeletError::LatencyProfile(other.to_owned())),
    }
}
