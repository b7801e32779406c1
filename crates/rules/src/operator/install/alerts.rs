//! Alerts for Prometheus, as a PrometheusRule.
//!
//! R-ALERT-1 The reference's alerts on what weir does have the same names, waiting times and severities, and fire on the same values.
//! Those on metrics of the node daemon are left to the component that exports these metrics.
//! R-ALERT-2 Our own alerts begin with `Weir`. They tell what needs a person, and what no condition of the ClusterOperator tells.
//! R-ALERT-3 Operator, controller and their standbys may each export a series: expressions count it once.
//! R-ALERT-4 Each alert links to its runbook, the page `docs/runbooks/ALERT.md` of this project.
//! R-ALERT-5 After a take-over the reference's rules are still in the cluster: only our own are installed (R-INSTALL-4).
//!
//! Source of the reference's alerts: `install/0000_90_machine-config_01_prometheus-rules.yaml` of
//! github.com/openshift/machine-config-operator. Source of the format: "PrometheusRule" of the API reference of
//! github.com/prometheus-operator/prometheus-operator.

use super::metadata;
use serde_json::{Value, json};
use weir_api::kind::{MONITORING_GROUP, V1};

/// Name of the PrometheusRule.
const NAME: &str = "weir";
/// Folder of the runbooks, in this project's repository.
const RUNBOOKS: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/runbooks");

/// How urgent an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something to know.
    Info,
    /// Somebody has to look within days.
    Warning,
    /// Somebody has to look now.
    Critical,
}

impl Severity {
    /// The label of this name, as OpenShift's monitoring routes it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One alert.
#[derive(Clone, Copy, Debug)]
pub struct Alert {
    /// Its name, and that of its runbook.
    pub name: &'static str,
    /// Expression in PromQL; it fires for every series of the result.
    pub expression: &'static str,
    /// How long the expression has to hold; absent for at once.
    pub lasting: Option<&'static str>,
    /// How urgent it is.
    pub severity: Severity,
    /// What is wrong, in one line. `{{ $labels.X }}` is the label X of the series.
    pub summary: &'static str,
    /// What it means, and where to look.
    pub description: &'static str,
}

/// Alerts that the reference has too (R-ALERT-1).
const REFERENCE: [Alert; 6] = [
    Alert {
        name: "MCCBootImageSkewEnforcementNone",
        expression: "max(mcc_boot_image_skew_enforcement_none) == 1",
        lasting: None,
        severity: Severity::Info,
        summary: "The age of boot images is not checked",
        description: "New machines may boot an image that is too old to join the cluster. Set the mode for boot image skew in \
                      MachineConfiguration cluster to Manual or Automatic.",
    },
    Alert {
        name: "MCCDrainError",
        expression: "max by (node) (mcc_drain_err) > 0",
        lasting: None,
        severity: Severity::Warning,
        summary: "The drain of node {{ $labels.node }} takes more than an hour",
        description: "The rollout of its pool waits. See which pod cannot be evicted with: weir explain rollout",
    },
    Alert {
        name: "MCCPoolAlert",
        expression: "max by (node) (mcc_pool_alert) > 0",
        lasting: None,
        severity: Severity::Warning,
        summary: "Node {{ $labels.node }} is in pool master and in a custom pool",
        description: "It gets the configuration of pool master, and the custom pool has no effect on it. Remove one of the \
                      labels.",
    },
    Alert {
        name: "OCLBuildDegraded",
        expression: "max by (pool) (ocl_build_state{state=\"failed\"}) == 1",
        lasting: Some("10m"),
        severity: Severity::Warning,
        summary: "The OS image of pool {{ $labels.pool }} cannot be built",
        description: "The pool stays on its last image. The condition Failed of the MachineOSBuild has the step that failed and \
                      its last lines of output.",
    },
    Alert {
        name: "OCLBuildFailed",
        expression: "max by (pool) (increase(ocl_build_total{state=\"failed\"}[5m])) > 0",
        lasting: Some("1m"),
        severity: Severity::Warning,
        summary: "A build of the OS image of pool {{ $labels.pool }} failed",
        description: "The condition Failed of the MachineOSBuild has the step that failed and its last lines of output.",
    },
    Alert {
        name: "OCLImagePushFailed",
        expression: "max by (pool) (increase(ocl_image_push_total{state=\"failed\"}[5m])) > 0",
        lasting: Some("10m"),
        severity: Severity::Warning,
        summary: "The OS image of pool {{ $labels.pool }} was not pushed",
        description: "See the MachineOSBuild, and check the push secret and the registry.",
    },
];

/// Our own alerts (R-ALERT-2).
const OWN: [Alert; 7] = [
    Alert {
        name: "WeirDrainBlocked",
        expression: "max by (pool) (weir_drains_blocked) > 0",
        lasting: Some("15m"),
        severity: Severity::Warning,
        summary: "{{ $value }} drains of pool {{ $labels.pool }} are blocked",
        description: "Evictions are refused, mostly by a disruption budget that allows none. See pod and budget with: \
                      weir explain rollout {{ $labels.pool }}",
    },
    Alert {
        name: "WeirHopBlocked",
        expression: "max by (pool, condition) (weir_pool_condition{condition=~\"DistributionMismatch|OSImageStreamNotMade\"}) > 0",
        lasting: Some("15m"),
        severity: Severity::Warning,
        summary: "Pool {{ $labels.pool }} cannot follow the release: {{ $labels.condition }}",
        description: "Nothing is rendered from the streams of the release. The condition of the pool says why and what to do.",
    },
    Alert {
        name: "WeirNoLeader",
        expression: "max by (lease) (weir_leader{lease!=\"machine-os-builder\"}) == 0 or absent(weir_leader)",
        lasting: Some("5m"),
        severity: Severity::Critical,
        summary: "No process leads {{ $labels.lease }}",
        description: "Nothing is rendered or rolled out while no process holds the lease. Look at the pods of namespace \
                      openshift-machine-config-operator.",
    },
    Alert {
        name: "WeirRolloutSlow",
        expression: "max by (pool) (weir_slow_nodes) > 0",
        lasting: Some("15m"),
        severity: Severity::Warning,
        summary: "{{ $value }} nodes of pool {{ $labels.pool }} take longer to update than forecast",
        description: "They have been in one phase for longer than nine of ten nodes were in earlier rollouts. See which nodes and \
                      which phase with: weir status {{ $labels.pool }}",
    },
    Alert {
        name: "WeirSecondReboot",
        expression: "max by (pool) (increase(weir_reboots_again_total[1h])) > 0",
        lasting: None,
        severity: Severity::Warning,
        summary: "A node of pool {{ $labels.pool }} rebooted again for the same change",
        description: "One change costs a node one reboot. See which node with: weir history {{ $labels.pool }}",
    },
    Alert {
        name: "WeirStalePin",
        expression: "max by (pool) (weir_pool_condition{condition=\"StreamNameIgnored\"}) > 0",
        lasting: Some("1h"),
        severity: Severity::Warning,
        summary: "Pool {{ $labels.pool }} names a stream that has no effect",
        description: "The pool follows the only stream of the release. Remove spec.osImageStream, as the condition \
                      StreamNameIgnored of the pool says.",
    },
    Alert {
        name: "WeirStreamRetained",
        expression: "max by (pool, stream) (weir_pool_stream_info) * on (stream) group_left () \
                     max by (stream) (weir_os_image_stream_info{retained=\"true\"}) > 0",
        lasting: Some("1h"),
        severity: Severity::Warning,
        summary: "Pool {{ $labels.pool }} runs stream {{ $labels.stream }}, which the release no longer has",
        description: "The stream gets no more updates, and the cluster cannot be updated while a pool uses it. Switch the pool \
                      with: weir switch {{ $labels.pool }} STREAM",
    },
];

/// The alerts that are installed; after a take-over only our own (R-ALERT-5).
#[must_use]
pub fn alerts(take_over: bool) -> Vec<Alert> {
    let reference = if take_over { &[][..] } else { &REFERENCE };
    reference.iter().chain(&OWN).copied().collect()
}

/// The PrometheusRule with these alerts.
#[must_use]
pub fn rule(alerts: &[Alert]) -> Value {
    let rules: Vec<Value> = alerts.iter().map(Alert::rule).collect();
    json!({
        "apiVersion": format!("{MONITORING_GROUP}/{V1}"), "kind": "PrometheusRule", "metadata": metadata(NAME),
        "spec": {"groups": [{"name": NAME, "rules": rules}]},
    })
}

impl Alert {
    fn rule(&self) -> Value {
        let runbook = format!("{RUNBOOKS}/{}.md", self.name);
        let mut rule = json!({
            "alert": self.name, "expr": self.expression, "labels": {"severity": self.severity.label()},
            "annotations": {"summary": self.summary, "description": self.description, "runbook_url": runbook},
        });
        if let Some(lasting) = self.lasting {
            rule["for"] = lasting.into();
        }
        rule
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, path::Path};

    #[test]
    fn each_alert_has_a_runbook_and_each_runbook_an_alert() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks");
        let pages = std::fs::read_dir(&folder).unwrap();
        let pages: BTreeSet<String> =
            pages.map(|page| page.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        let names: BTreeSet<String> = alerts(false).iter().map(|alert| alert.name.to_owned()).collect();
        assert_eq!(names, pages);
        for name in names {
            let text = std::fs::read_to_string(folder.join(format!("{name}.md"))).unwrap();
            assert!(text.starts_with(&format!("# {name}\n")), "{name}");
            for part in ["## What it means", "## What to look at", "## What to do"] {
                assert!(text.contains(part), "{name}: {part}");
            }
        }
    }

    #[test]
    fn after_a_take_over_the_rules_of_the_operator_before_are_not_doubled() {
        assert!(alerts(true).iter().all(|alert| alert.name.starts_with("Weir")));
        assert_eq!(alerts(false).len(), REFERENCE.len() + OWN.len());
    }
}
