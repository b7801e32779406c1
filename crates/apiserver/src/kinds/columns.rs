//! Printer columns of built-in kinds (`k8s.io/kubernetes/pkg/printers/internalversion`).

use super::{age::age, pod_summary::summary};
use crate::{
    built_in::{generator, metadata_text},
    object::{self, list, text},
    registry::Resource,
};
use jiff::Timestamp;
use k8s_openapi::api::{batch::v1 as batch, core::v1 as api};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;
use std::borrow::Cow;

/// A column after `Name`.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) priority: i64,
    text: Text,
    pub(crate) cell: fn(&Value, Timestamp) -> Value,
}

#[derive(Clone, Copy)]
enum Text {
    Here(&'static str),
    /// The description of a field of `metadata` in the published schema.
    Metadata(&'static str),
    /// The description of a field of a type in the published schema.
    Field(fn(&mut SchemaGenerator) -> Schema, &'static str),
}

impl Column {
    const fn new(name: &'static str, text: &'static str, cell: fn(&Value, Timestamp) -> Value) -> Self {
        Self { name, kind: "string", priority: 0, text: Text::Here(text), cell }
    }

    const fn wide(mut self) -> Self {
        self.priority = 1;
        self
    }

    const fn integer(mut self) -> Self {
        self.kind = "integer";
        self
    }

    const fn boolean(mut self) -> Self {
        self.kind = "boolean";
        self
    }

    const fn explained(mut self, text: Text) -> Self {
        self.text = text;
        self
    }

    pub(crate) fn description(&self) -> Cow<'static, str> {
        match self.text {
            Text::Here(text) => text.into(),
            Text::Metadata(field) => metadata_text(field).into(),
            Text::Field(schema, field) => {
                let schema = schema(&mut generator());
                text(schema.as_value(), &["properties", field, "description"]).to_owned().into()
            }
        }
    }
}

const NONE: &str = "<none>";

const AGE: Column = Column::new("Age", "", |o, now| age(object::meta(o, "creationTimestamp"), now))
    .explained(Text::Metadata("creationTimestamp"));

fn string(object: &Value, path: &[&str]) -> Value {
    text(object, path).into()
}

fn or_none(text: &str) -> Value {
    if text.is_empty() { NONE.into() } else { text.into() }
}

fn count(object: &Value, field: &str) -> Value {
    object.get(field).and_then(Value::as_object).map_or(0, serde_json::Map::len).into()
}

fn number(object: &Value, path: &[&str]) -> Value {
    object::at(object, path).and_then(Value::as_i64).unwrap_or_default().into()
}

fn plain(value: Option<&Value>) -> Value {
    match value {
        None | Some(Value::Null) => "N/A".into(),
        Some(Value::String(text)) => text.as_str().into(),
        Some(other) => other.to_string().into(),
    }
}

/// The columns of a built-in resource.
pub(crate) fn of(resource: &Resource) -> &'static [Column] {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "nodes") => NODE,
        ("", "pods") => POD,
        ("", "namespaces") => NAMESPACE,
        ("", "configmaps") => CONFIG_MAP,
        ("", "secrets") => SECRET,
        ("", "serviceaccounts") => SERVICE_ACCOUNT,
        ("", "services") => SERVICE,
        ("" | "events.k8s.io", "events") => EVENT,
        ("coordination.k8s.io", _) => LEASE,
        ("apps", "deployments") => DEPLOYMENT,
        ("apps", "daemonsets") => DAEMON_SET,
        ("apps", "replicasets") => REPLICA_SET,
        ("batch", "jobs") => JOB,
        ("networking.k8s.io", "networkpolicies") => NETWORK_POLICY,
        ("scheduling.k8s.io", "priorityclasses") => PRIORITY_CLASS,
        ("policy", _) => BUDGET,
        ("node.k8s.io", _) => RUNTIME_CLASS,
        ("storage.k8s.io", "csinodes") => CSI_NODE,
        ("storage.k8s.io", "csidrivers") => CSI_DRIVER,
        ("admissionregistration.k8s.io", "validatingadmissionpolicies") => ADMISSION_POLICY,
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings") => ADMISSION_BINDING,
        ("admissionregistration.k8s.io", _) => WEBHOOKS,
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => ROLE_BINDING,
        ("apiextensions.k8s.io", _) | ("rbac.authorization.k8s.io", _) => CREATED,
        _ => AGE_ONLY,
    }
}

static AGE_ONLY: &[Column] = &[AGE];

static CREATED: &[Column] = &[Column {
    name: "Created At",
    kind: "date",
    priority: 0,
    text: Text::Metadata("creationTimestamp"),
    cell: |o, _| string(o, &["metadata", "creationTimestamp"]),
}];

static NODE: &[Column] = &[
    Column::new("Status", "The status of the node", |o, _| node_status(o).into()),
    Column::new("Roles", "The roles of the node", |o, _| node_roles(o).into()),
    AGE,
    Column::new("Version", "Kubelet Version reported by the node.", |o, _| {
        string(o, &["status", "nodeInfo", "kubeletVersion"])
    }),
    Column::new("Internal-IP", "", |o, _| address(o, "InternalIP"))
        .explained(Text::Field(api::NodeStatus::json_schema, "addresses"))
        .wide(),
    Column::new("External-IP", "", |o, _| address(o, "ExternalIP"))
        .explained(Text::Field(api::NodeStatus::json_schema, "addresses"))
        .wide(),
    Column::new(
        "OS-Image",
        "OS Image reported by the node from /etc/os-release (e.g. Debian GNU/Linux 7 (wheezy)).",
        |o, _| or_unknown(text(o, &["status", "nodeInfo", "osImage"])).into(),
    )
    .wide(),
    Column::new(
        "Kernel-Version",
        "Kernel Version reported by the node from 'uname -r' (e.g. 3.16.0-0.bpo.4-amd64).",
        |o, _| {
            let info = |field| text(o, &["status", "nodeInfo", field]);
            let (kernel, architecture) = (or_unknown(info("kernelVersion")), info("architecture"));
            if architecture.is_empty() { kernel.into() } else { format!("{kernel} ({architecture})").into() }
        },
    )
    .wide(),
    Column::new(
        "Container-Runtime",
        "ContainerRuntime Version reported by the node through runtime remote API (e.g. containerd://1.4.2).",
        |o, _| or_unknown(text(o, &["status", "nodeInfo", "containerRuntimeVersion"])).into(),
    )
    .wide(),
];

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "<unknown>" } else { text }
}

fn node_status(node: &Value) -> String {
    let ready = list(node, &["status", "conditions"]).iter().find(|c| text(c, &["type"]) == "Ready");
    let mut status = match ready.map(|c| text(c, &["status"])) {
        None => "Unknown".to_owned(),
        Some("True") => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
    };
    if object::at(node, &["spec", "unschedulable"]) == Some(&Value::Bool(true)) {
        status.push_str(",SchedulingDisabled");
    }
    status
}

fn node_roles(node: &Value) -> String {
    let labels = object::at(node, &["metadata", "labels"]).and_then(Value::as_object);
    let mut roles: Vec<&str> = Vec::new();
    for (key, value) in labels.into_iter().flatten() {
        if let Some(role) = key.strip_prefix("node-role.kubernetes.io/").filter(|r| !r.is_empty()) {
            roles.push(role);
        } else if key == "kubernetes.io/role" {
            roles.extend(value.as_str().filter(|v| !v.is_empty()));
        }
    }
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { NONE.to_owned() } else { roles.join(",") }
}

fn address(node: &Value, kind: &str) -> Value {
    let addresses = list(node, &["status", "addresses"]);
    or_none(addresses.iter().find(|a| text(a, &["type"]) == kind).map_or("", |a| text(a, &["address"])))
}

static POD: &[Column] = &[
    Column::new("Ready", "The aggregate readiness state of this pod for accepting traffic.", |o, _| {
        let line = summary(o);
        format!("{}/{}", line.ready, line.containers).into()
    }),
    Column::new("Status", "The aggregate status of the containers in this pod.", |o, _| summary(o).status.into()),
    Column::new(
        "Restarts",
        "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.",
        |o, now| match summary(o) {
            line if line.restarts == 0 || line.last_restart.is_empty() => line.restarts.to_string().into(),
            line => {
                let ago = age(&line.last_restart, now);
                format!("{} ({} ago)", line.restarts, ago.as_str().unwrap_or_default()).into()
            }
        },
    ),
    AGE,
    Column::new("IP", "IP address allocated to the pod.", |o, _| or_none(text(o, &["status", "podIP"]))).wide(),
    Column::new("Node", "The node the pod runs on.", |o, _| or_none(text(o, &["spec", "nodeName"]))).wide(),
    Column::new("Nominated Node", "The node that resources were freed on for the pod.", |o, _| {
        or_none(text(o, &["status", "nominatedNodeName"]))
    })
    .wide(),
    Column::new("Readiness Gates", "Gates that must be true before the pod is ready.", |o, _| {
        match list(o, &["spec", "readinessGates"]).len() {
            0 => NONE.into(),
            gates => format!("0/{gates}").into(),
        }
    })
    .wide(),
];

static JOB: &[Column] = &[
    Column::new("Status", "Status of the job.", |o, _| job_status(o).into()),
    Column::new("Completions", "", |o, _| {
        let succeeded = number(o, &["status", "succeeded"]);
        format!("{succeeded}/{}", number(o, &["spec", "completions"])).into()
    })
    .explained(Text::Field(batch::JobStatus::json_schema, "succeeded")),
    Column::new("Duration", "Time required to complete the job.", |o, now| {
        let [start, end] = ["startTime", "completionTime"].map(|field| text(o, &["status", field]));
        if start.is_empty() { "".into() } else { age(start, end.parse().unwrap_or(now)) }
    }),
    AGE,
];

fn job_status(job: &Value) -> &'static str {
    let conditions = list(job, &["status", "conditions"]);
    let says = |type_: &str| conditions.iter().any(|c| text(c, &["type"]) == type_ && text(c, &["status"]) == "True");
    match () {
        () if says("Complete") => "Complete",
        () if says("Failed") => "Failed",
        () if !object::meta(job, "deletionTimestamp").is_empty() => "Terminating",
        () if says("Suspended") => "Suspended",
        () => "Running",
    }
}

static NAMESPACE: &[Column] =
    &[Column::new("Status", "The status of the namespace", |o, _| string(o, &["status", "phase"])), AGE];

static CONFIG_MAP: &[Column] = &[
    Column::new("Data", "Number of entries.", |o, _| {
        let entries = |field| count(o, field).as_i64().unwrap_or_default();
        (entries("data") + entries("binaryData")).into()
    }),
    AGE,
];

static SECRET: &[Column] = &[
    Column::new("Type", "Used to facilitate programmatic handling of secret data.", |o, _| string(o, &["type"])),
    Column::new("Data", "Number of entries.", |o, _| count(o, "data")),
    AGE,
];

static SERVICE_ACCOUNT: &[Column] =
    &[Column::new("Secrets", "Number of secrets.", |o, _| list(o, &["secrets"]).len().into()), AGE];

static SERVICE: &[Column] = &[
    Column::new("Type", "", |o, _| string(o, &["spec", "type"]))
        .explained(Text::Field(api::ServiceSpec::json_schema, "type")),
    Column::new("Cluster-IP", "", |o, _| or_none(text(o, &["spec", "clusterIP"])))
        .explained(Text::Field(api::ServiceSpec::json_schema, "clusterIP")),
    Column::new("External-IP", "", |o, _| external_addresses(o).into())
        .explained(Text::Field(api::ServiceSpec::json_schema, "externalIPs")),
    Column::new("Port(s)", "", |o, _| {
        let ports = list(o, &["spec", "ports"]).iter().map(service_port).collect::<Vec<_>>();
        or_none(&ports.join(","))
    })
    .explained(Text::Field(api::ServiceSpec::json_schema, "ports")),
    AGE,
    Column::new("Selector", "", |o, _| or_none(&pairs(object::at(o, &["spec", "selector"]))))
        .explained(Text::Field(api::ServiceSpec::json_schema, "selector"))
        .wide(),
];

/// `80/TCP`, or `80:30080/TCP` if nodes serve it too.
fn service_port(port: &Value) -> String {
    let number = |field| port.get(field).and_then(Value::as_i64).unwrap_or_default();
    let protocol = text(port, &["protocol"]);
    match number("nodePort") {
        0 => format!("{}/{protocol}", number("port")),
        node => format!("{}:{node}/{protocol}", number("port")),
    }
}

fn external_addresses(service: &Value) -> String {
    let own = object::strings(object::at(service, &["spec", "externalIPs"]));
    let ingress = list(service, &["status", "loadBalancer", "ingress"]).iter();
    let balanced = ingress.map(|i| [text(i, &["ip"]), text(i, &["hostname"])].concat()).chain(own.clone());
    let (found, nothing) = match text(service, &["spec", "type"]) {
        "ExternalName" => return text(service, &["spec", "externalName"]).to_owned(),
        "LoadBalancer" => (balanced.collect(), "<pending>"),
        _ => (own, NONE),
    };
    if found.is_empty() { nothing.to_owned() } else { found.join(",") }
}

/// `a=b,c=d`
fn pairs(labels: Option<&Value>) -> String {
    let pairs = labels.and_then(Value::as_object).into_iter().flatten();
    let texts: Vec<String> =
        pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    texts.join(",")
}

static NETWORK_POLICY: &[Column] = &[
    Column::new("Pod-Selector", "Pods that the policy applies to.", |o, _| {
        or_none(&crate::scale::selector_text(object::at(o, &["spec", "podSelector"]).unwrap_or(&Value::Null)))
    }),
    AGE,
];

static PRIORITY_CLASS: &[Column] = &[
    Column::new("Value", "The priority of pods of the class.", |o, _| number(o, &["value"])).integer(),
    Column::new("Global-Default", "Whether pods without a class get this one.", |o, _| {
        (o.get("globalDefault") == Some(&Value::Bool(true))).into()
    })
    .boolean(),
    AGE,
    Column::new("PreemptionPolicy", "Whether its pods may preempt others.", |o, _| string(o, &["preemptionPolicy"])),
];

static WEBHOOKS: &[Column] =
    &[Column::new("Webhooks", "Number of webhooks.", |o, _| list(o, &["webhooks"]).len().into()).integer(), AGE];

/// A text of an event: by the name that the core group has for it, or that of `events.k8s.io`.
fn of_event<'a>(event: &'a Value, core: &[&str], other: &[&str]) -> &'a str {
    match text(event, core) {
        "" => text(event, other),
        found => found,
    }
}

fn first_seen(event: &Value) -> &str {
    match of_event(event, &["firstTimestamp"], &["deprecatedFirstTimestamp"]) {
        "" => text(event, &["eventTime"]),
        first => first,
    }
}

fn last_seen(event: &Value) -> &str {
    let last = [
        text(event, &["series", "lastObservedTime"]),
        of_event(event, &["lastTimestamp"], &["deprecatedLastTimestamp"]),
        first_seen(event),
    ];
    last.into_iter().find(|time| !time.is_empty()).unwrap_or_default()
}

/// An event has no column `Name` before the others.
static EVENT: &[Column] = &[
    Column::new("Last Seen", "When the event was last seen.", |o, now| age(last_seen(o), now)),
    Column::new("Type", "Type of the event.", |o, _| string(o, &["type"])),
    Column::new("Reason", "Why the event was written.", |o, _| string(o, &["reason"])),
    Column::new("Object", "What the event is about.", |o, _| {
        let about = |field| of_event(o, &["involvedObject", field], &["regarding", field]);
        let kind = about("kind").to_lowercase();
        if about("name").is_empty() { kind.into() } else { format!("{kind}/{}", about("name")).into() }
    }),
    Column::new("Subobject", "Which part of the object it is about.", |o, _| {
        of_event(o, &["involvedObject", "fieldPath"], &["regarding", "fieldPath"]).into()
    })
    .wide(),
    Column::new("Source", "Who wrote the event.", |o, _| {
        let source = |field| of_event(o, &["source", field], &["deprecatedSource", field]);
        let reporter = of_event(o, &["reportingComponent"], &["reportingController"]);
        let parts = match source("component") {
            "" => [reporter, text(o, &["reportingInstance"])],
            component => [component, source("host")],
        };
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ").into()
    })
    .wide(),
    Column::new("Message", "What happened.", |o, _| of_event(o, &["message"], &["note"]).trim().into()),
    Column::new("First Seen", "When the event was first seen.", |o, now| age(first_seen(o), now)).wide(),
    Column::new("Count", "How often.", |o, _| {
        let counts = [&["series", "count"][..], &["count"], &["deprecatedCount"]].map(|path| number(o, path));
        counts.into_iter().find(|count| *count != 0).unwrap_or_else(|| 1.into())
    })
    .integer()
    .wide(),
    Column::new("Name", "", |o, _| object::meta(o, "name").into()).explained(Text::Metadata("name")).wide(),
];

/// Whether the first column is the name.
pub(crate) fn begins_with_name(resource: &Resource) -> bool {
    !matches!((resource.group.as_str(), resource.plural.as_str()), ("" | "events.k8s.io", "events"))
        || resource.is_custom()
}

static RUNTIME_CLASS: &[Column] =
    &[Column::new("Handler", "Which configuration of the runtime it names.", |o, _| string(o, &["handler"])), AGE];

static CSI_NODE: &[Column] = &[
    Column::new("Drivers", "Number of drivers on the node.", |o, _| list(o, &["spec", "drivers"]).len().into())
        .integer(),
    AGE,
];

fn flag(object: &Value, field: &str) -> Value {
    (object::at(object, &["spec", field]) == Some(&Value::Bool(true))).into()
}

static CSI_DRIVER: &[Column] = &[
    Column::new("AttachRequired", "Whether volumes are attached.", |o, _| flag(o, "attachRequired")).boolean(),
    Column::new("PodInfoOnMount", "Whether mounts get information on the pod.", |o, _| flag(o, "podInfoOnMount"))
        .boolean(),
    Column::new("StorageCapacity", "Whether pods are placed by capacity.", |o, _| flag(o, "storageCapacity")).boolean(),
    Column::new("TokenRequests", "Audiences of the tokens that mounts get.", |o, _| {
        let audiences = list(o, &["spec", "tokenRequests"]).iter().map(|of| text(of, &["audience"]));
        let audiences: Vec<&str> = audiences.collect();
        if audiences.is_empty() { "<unset>".into() } else { audiences.join(",").into() }
    }),
    Column::new("RequiresRepublish", "Whether mounts are repeated.", |o, _| flag(o, "requiresRepublish")).boolean(),
    Column::new("Modes", "Kinds of volumes that it supports.", |o, _| {
        or_none(&object::strings(object::at(o, &["spec", "volumeLifecycleModes"])).join(","))
    }),
    AGE,
];

static LEASE: &[Column] =
    &[Column::new("Holder", "Who holds the lease.", |o, _| string(o, &["spec", "holderIdentity"])), AGE];

static DEPLOYMENT: &[Column] = &[
    Column::new("Ready", "Number of the pod with ready state", |o, _| {
        let status = |path: &[&str]| number(o, path);
        format!("{}/{}", status(&["status", "readyReplicas"]), status(&["spec", "replicas"])).into()
    }),
    Column::new("Up-to-date", "Replicas of the current template.", |o, _| number(o, &["status", "updatedReplicas"])),
    Column::new("Available", "Replicas that are available.", |o, _| number(o, &["status", "availableReplicas"])),
    AGE,
];

static DAEMON_SET: &[Column] = &[
    Column::new("Desired", "Nodes that should run the pod.", |o, _| number(o, &["status", "desiredNumberScheduled"]))
        .integer(),
    Column::new("Current", "Nodes that run the pod.", |o, _| number(o, &["status", "currentNumberScheduled"]))
        .integer(),
    Column::new("Ready", "Nodes whose pod is ready.", |o, _| number(o, &["status", "numberReady"])).integer(),
    Column::new("Up-to-date", "Nodes with the current template.", |o, _| {
        number(o, &["status", "updatedNumberScheduled"])
    })
    .integer(),
    Column::new("Available", "Nodes whose pod is available.", |o, _| number(o, &["status", "numberAvailable"]))
        .integer(),
    AGE,
];

static REPLICA_SET: &[Column] = &[
    Column::new("Desired", "Replicas that are wanted.", |o, _| number(o, &["spec", "replicas"])).integer(),
    Column::new("Current", "Replicas that exist.", |o, _| number(o, &["status", "replicas"])).integer(),
    Column::new("Ready", "Replicas that are ready.", |o, _| number(o, &["status", "readyReplicas"])).integer(),
    AGE,
];

static BUDGET: &[Column] = &[
    Column::new("Min Available", "The minimum number of pods that must be available.", |o, _| {
        plain(object::at(o, &["spec", "minAvailable"]))
    }),
    Column::new("Max Unavailable", "The maximum number of pods that may be unavailable.", |o, _| {
        plain(object::at(o, &["spec", "maxUnavailable"]))
    }),
    Column::new("Allowed Disruptions", "Calculated number of pods that may be disrupted at this time.", |o, _| {
        number(o, &["status", "disruptionsAllowed"])
    })
    .integer(),
    AGE,
];

static ADMISSION_POLICY: &[Column] = &[
    Column::new("Validations", "Number of validations.", |o, _| list(o, &["spec", "validations"]).len().into())
        .integer(),
    Column::new("ParamKind", "Kind of the parameters.", |o, _| {
        let kind = |field| text(o, &["spec", "paramKind", field]);
        if kind("kind").is_empty() {
            "<unset>".into()
        } else {
            format!("{}/{}", kind("apiVersion"), kind("kind")).into()
        }
    }),
    AGE,
];

static ADMISSION_BINDING: &[Column] = &[
    Column::new("PolicyName", "The policy that is bound.", |o, _| string(o, &["spec", "policyName"])),
    Column::new("ParamRef", "The parameters.", |o, _| {
        let reference = |field| text(o, &["spec", "paramRef", field]);
        match (reference("namespace"), reference("name")) {
            ("", "") => "<unset>".into(),
            ("", name) => name.into(),
            (namespace, name) => format!("{namespace}/{name}").into(),
        }
    }),
    AGE,
];

static ROLE_BINDING: &[Column] = &[
    Column::new("Role", "The role that is bound.", |o, _| {
        format!("{}/{}", text(o, &["roleRef", "kind"]), text(o, &["roleRef", "name"])).into()
    }),
    AGE,
];
