//! `ServiceMonitor` (monitoring.coreos.com): which services are scraped for metrics.

use serde_json::Value;

crate::root_kind! {
    /// Asks services for metrics. Its spec is passed on as it is.
    ///
    /// Source: `pkg/apis/monitoring/v1/servicemonitor_types.go` of github.com/prometheus-operator/prometheus-operator.
    ServiceMonitor, crate::kind::MONITORING_GROUP, crate::kind::V1, "servicemonitors", kube_core::NamespaceResourceScope,
    spec: Value, status: Value
}
