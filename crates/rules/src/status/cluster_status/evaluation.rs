//! Settings that a later release will not accept, for the fleet evaluation.
//!
//! Source: `pkg/operator/status.go` (fleet evaluation) of github.com/openshift/machine-config-operator.

use weir_api::{ContainerRuntimeConfig, KubeletConfig};

/// The findings, sorted.
#[must_use]
pub fn evaluation<'a>(
    kubelets: impl IntoIterator<Item = &'a KubeletConfig>,
    runtimes: impl IntoIterator<Item = &'a ContainerRuntimeConfig>,
) -> Vec<&'static str> {
    let swaps = |config: &KubeletConfig| {
        config.spec.kubelet_config.as_ref().is_some_and(|kubelet| kubelet["failSwapOn"] == false)
    };
    let runc = |config: &ContainerRuntimeConfig| {
        config.spec.container_runtime_config.default_runtime.as_deref() == Some("runc")
    };
    let mut found = Vec::new();
    if kubelets.into_iter().any(swaps) {
        found.push("failswapon: KubeletConfig setting is currently unsupported by OpenShift");
    }
    if runtimes.into_iter().any(runc) {
        found.push("runc: transition to default crun");
    }
    found
}
