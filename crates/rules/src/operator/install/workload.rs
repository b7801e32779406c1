//! The Deployment of a component, with its disruption budget, Service and ServiceMonitor.

use super::{Component, Install, keeping, metadata};
use serde_json::{Value, json};
use weir_api::keys::node::MASTER;

/// Port for health checks and metrics, as in the reference.
const METRICS_PORT: u16 = 8797;
/// How long pods stay on a lost node before they are replaced. The standby has taken over by then.
const LOST_NODE_SECONDS: u32 = 120;

/// The objects of a component; the ServiceMonitor only if requested.
pub(super) fn objects(component: Component, install: &Install<'_>) -> Vec<Value> {
    let name = component.name();
    let labels = json!({"app": name});
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata(name),
        // A drain waits for a standby on another node, but a single replica must not block the drain of its node.
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}},
    });
    let mut service_metadata = metadata(name);
    service_metadata["labels"]["app"] = json!(name);
    // The protocol is part of a port's identity: if it were left to the default, a second apply could add the port again.
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
    // The security context constraint is named so that no other is chosen. The second annotation puts the pod on the cores that are
    // reserved for the platform, where there are any.
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
    match component {
        Component::Controller => arguments.push(json!(format!("--image-cache={cache}"))),
        Component::Operator => arguments.push(json!(format!("--operator-image={}", install.image))),
        Component::Builder => {
            // Its pods are given the program from this image.
            arguments.push(json!(format!("--operator-image={}", install.image)));
            arguments.extend(install.builder_image.map(|image| json!(format!("--builder-image={image}"))));
        }
    }
    if component == Component::Operator && install.operator_keeps_controller {
        arguments.extend(keeping::arguments(install));
    }
    if install.take_over {
        arguments.push(json!("--take-over"));
    }
    if install.adopts_generated && component == Component::Controller {
        arguments.push(json!("--adopt-generated=ours"));
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
