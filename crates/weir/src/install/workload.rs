//! Deployments, and what watches over them.

use super::{Component, Install, keeping, metadata};
use serde_json::{Value, json};
use weir_api::keys::node::MASTER;

/// Port of health and metrics, the reference's.
const METRICS_PORT: u16 = 8797;
/// As long as a lost node's pods stay before they are started elsewhere; the standby works by then.
const LOST_NODE_SECONDS: u32 = 120;

/// Deployment, disruption budget and service of a component, with a ServiceMonitor where that is asked for.
pub(super) fn objects(component: Component, install: &Install<'_>) -> Vec<Value> {
    let name = component.name();
    let labels = json!({"app": name});
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata(name),
        // A drain waits until a standby is up elsewhere; a single pod must not keep its node from being drained.
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}},
    });
    let mut service_metadata = metadata(name);
    service_metadata["labels"]["app"] = json!(name);
    // The protocol is a part of the port's identity: left to a default, a second apply could add the port again.
    let port = json!({"name": "metrics", "port": METRICS_PORT, "protocol": "TCP", "targetPort": "metrics"});
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": service_metadata,
        "spec": {"selector": labels, "ports": [port]},
    });
    let monitor = json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": metadata(name),
        "spec": {"endpoints": [{"port": "metrics", "interval": "30s"}], "selector": {"matchLabels": labels}},
    });
    let mut objects = vec![deployment(component, install, &labels), budget, service];
    objects.extend(install.monitoring.then_some(monitor));
    objects
}

fn deployment(component: Component, install: &Install<'_>, labels: &Value) -> Value {
    let name = component.name();
    let lost = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": LOST_NODE_SECONDS});
    let control_plane = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoSchedule"});
    let pod = json!({
        "serviceAccountName": name,
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {MASTER: ""},
        "tolerations": [
            control_plane(MASTER),
            control_plane("node-role.kubernetes.io/control-plane"),
            lost("node.kubernetes.io/unreachable"),
            lost("node.kubernetes.io/not-ready"),
        ],
        "topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": labels},
        }],
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container(component, install)],
        "volumes": [{"name": "cache", "emptyDir": {"sizeLimit": "128Mi"}}],
    });
    // The least that the pod needs, so that no other constraint is chosen for it; and where cores are set aside for the
    // platform it runs on those.
    let annotations = json!({
        "openshift.io/required-scc": "restricted-v2",
        "target.workload.openshift.io/management": r#"{"effect": "PreferredDuringScheduling"}"#,
    });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(name),
        "spec": {
            "replicas": install.replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
        },
    })
}

fn container(component: Component, install: &Install<'_>) -> Value {
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "metrics"}, "periodSeconds": 10});
    let (bind, cache) = (format!("--metrics-bind=0.0.0.0:{METRICS_PORT}"), "/var/cache/weir");
    let mut arguments = vec![json!("run"), json!(component.role()), json!(bind), json!("--log-format=json")];
    if component == Component::Controller {
        arguments.push(json!(format!("--image-cache={cache}")));
    }
    if component == Component::Operator {
        arguments.push(json!(format!("--operator-image={}", install.image)));
    }
    if component == Component::Operator && install.operator_keeps_controller {
        arguments.extend(keeping::arguments(install));
    }
    if install.take_over {
        arguments.push(json!("--take-over"));
    }
    if let Some(after) = install.prune_rendered.filter(|_| component == Component::Controller) {
        arguments.push(json!(format!("--prune-rendered={}s", after.as_secs())));
    }
    json!({
        "name": "weir",
        "image": install.image,
        "command": ["weir"],
        "args": arguments,
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"}],
        "livenessProbe": probe("/healthz"),
        "readinessProbe": probe("/readyz"),
        "resources": {"requests": {"cpu": "20m", "memory": "50Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "cache", "mountPath": cache}],
    })
}
