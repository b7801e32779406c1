//! The contents of each admission policy: what it matches, what it requires, and its messages.

use super::BoundPolicy;
use serde_json::{Value, json};
use weir_api::{
    keys::{
        config::{OPERATOR_MANAGED, ROLE},
        names::{ARBITER, CLUSTER, DAEMON_ACCOUNT, MASTER, OPERATOR_NAMESPACE, VERSION, WORKER},
    },
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP, OPERATOR_GROUP, V1},
};

const API_VERSION: &str = "admissionregistration.k8s.io/v1";
/// Where the API server records the node of a pod's token.
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
/// Platforms whose machine sets can get other boot images; the first three, without vSphere, are those that also support
/// control plane machine sets.
const BOOT_IMAGES: [&str; 4] = ["GCP", "AWS", "Azure", "VSphere"];
const CONTROL_PLANE_BOOT_IMAGES: [&str; 3] = ["GCP", "AWS", "Azure"];

/// An object that expressions refer to as `params`.
struct Parameter {
    group: &'static str,
    kind: &'static str,
    name: &'static str,
    /// The effect of its absence: `Allow` or `Deny`.
    not_found: &'static str,
}

const INFRASTRUCTURE: Parameter =
    Parameter { group: CONFIG_GROUP, kind: "Infrastructure", name: CLUSTER, not_found: "Allow" };

/// A policy before it becomes an object.
struct Draft {
    name: &'static str,
    field: &'static str,
    group: &'static str,
    resources: &'static [&'static str],
    operations: &'static [&'static str],
    parameter: Option<Parameter>,
    conditions: Vec<Value>,
    validations: Vec<Value>,
}

impl Draft {
    fn new(name: &'static str, group: &'static str, resources: &'static [&'static str]) -> Self {
        let (parameter, conditions, validations) = (None, Vec::new(), Vec::new());
        Self {
            name,
            field: "",
            group,
            resources,
            operations: &["CREATE", "UPDATE"],
            parameter,
            conditions,
            validations,
        }
    }

    fn about(self, field: &'static str) -> Self {
        Self { field, ..self }
    }

    fn with(self, parameter: Parameter) -> Self {
        Self { parameter: Some(parameter), ..self }
    }

    fn demands(mut self, expression: impl Into<String>, message: &str) -> Self {
        self.validations.push(json!({"expression": expression.into(), "message": message}));
        self
    }

    fn saying(mut self, expression: &str) -> Self {
        if let Some(last) = self.validations.last_mut() {
            last["messageExpression"] = json!(expression);
        }
        self
    }

    fn bound(self) -> BoundPolicy {
        let mut spec = json!({
            "failurePolicy": "Fail",
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "namespaceSelector": {},
                "objectSelector": {},
                "resourceRules": [{
                    "apiGroups": [self.group], "apiVersions": [V1], "operations": self.operations,
                    "resources": self.resources, "scope": "*",
                }],
            },
            "validations": self.validations,
        });
        let mut binding = json!({"policyName": self.name, "validationActions": ["Deny"]});
        if !self.conditions.is_empty() {
            spec["matchConditions"] = json!(self.conditions);
        }
        if let Some(Parameter { group, kind, name, not_found }) = self.parameter {
            spec["paramKind"] = json!({"apiVersion": format!("{group}/{V1}"), "kind": kind});
            binding["paramRef"] = json!({"name": name, "parameterNotFoundAction": not_found});
        }
        let object = |kind: &str, name: &str, spec: Value| {
            let metadata = json!({"name": name, "labels": {OPERATOR_MANAGED: ""}});
            json!({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec})
        };
        BoundPolicy {
            field: self.field,
            policy: object("ValidatingAdmissionPolicy", self.name, spec),
            binding: object("ValidatingAdmissionPolicyBinding", &format!("{}-binding", self.name), binding),
        }
    }
}

/// R-POLICY-1 to 3.
pub(super) fn pool_stream() -> BoundPolicy {
    let name = "object.spec.osImageStream.name";
    let expression = format!(
        "!has(object.spec.osImageStream) || {name} == '' \
         || (oldObject != null && has(oldObject.spec.osImageStream) && oldObject.spec.osImageStream.name == {name}) \
         || (has(params.status) && has(params.status.availableStreams) \
         && params.status.availableStreams.exists(stream, stream.name == {name}))"
    );
    let available = "has(params.status) && has(params.status.availableStreams) \
                     ? params.status.availableStreams.map(stream, stream.name).join(', ') : 'none yet'";
    let streams = Parameter { group: MACHINE_CONFIG_GROUP, kind: "OSImageStream", name: CLUSTER, not_found: "Allow" };
    Draft::new("machineconfigpool-osimagestream-reference-validation", MACHINE_CONFIG_GROUP, &["machineconfigpools"])
        .about("spec.osImageStream.name")
        .with(streams)
        .demands(
            expression,
            "The specified osImageStream name must reference a valid stream from the cluster OSImageStream resource",
        )
        .saying(&format!("'osImageStream ' + {name} + ' is not available; available are: ' + ({available})"))
        .bound()
}

/// R-POLICY-6.
pub(super) fn pool_selector() -> BoundPolicy {
    let (now, before) = ("object.spec.machineConfigSelector", "oldObject.spec.machineConfigSelector");
    let built_in = [MASTER, WORKER, ARBITER].map(|pool| format!("'{pool}'")).join(", ");
    let labels = format!(
        "has({now}.matchLabels) && '{ROLE}' in {now}.matchLabels && {now}.matchLabels['{ROLE}'] in [{built_in}]"
    );
    let admits = format!(
        "has(e.values) && (e.operator == 'In' && '{WORKER}' in e.values || e.operator == 'NotIn' && !('{WORKER}' in e.values))"
    );
    let expressions =
        format!("has({now}.matchExpressions) && {now}.matchExpressions.exists(e, e.key == '{ROLE}' && {admits})");
    let same = format!("oldObject != null && has({before}) && has({now}) && {before} == {now}");
    Draft::new("custom-machine-config-pool-selector", MACHINE_CONFIG_GROUP, &["machineconfigpools"])
        .about("spec.machineConfigSelector")
        .demands(
            format!("({same}) || (has({now}) && (({labels}) || ({expressions})))"),
            "All custom MachineConfigPools must inherit from the worker pool and must have a machineConfigSelector that \
             matches for a 'machineconfiguration.openshift.io/role: worker' label",
        )
        .bound()
}

/// R-POLICY-7.
pub(super) fn configuration_name() -> BoundPolicy {
    Draft::new("machine-configuration-guards", OPERATOR_GROUP, &["machineconfigurations"])
        .about("metadata.name")
        .demands(
            format!("object.metadata.name == '{CLUSTER}'"),
            "Only a single object of MachineConfiguration is allowed and it must be named cluster.",
        )
        .bound()
}

/// R-POLICY-8, on the platforms of `platforms`.
fn on_platform(platforms: &[&str]) -> String {
    let all: Vec<String> = platforms.iter().map(|platform| format!("'{platform}'")).collect();
    format!(
        "(has(params.status) && has(params.status.platformStatus) && has(params.status.platformStatus.type) \
         && params.status.platformStatus.type in [{}])",
        all.join(", ")
    )
}

/// R-POLICY-8.
pub(super) fn boot_images() -> BoundPolicy {
    Draft::new("managed-bootimages-platform-check", OPERATOR_GROUP, &["machineconfigurations"])
        .about("spec.managedBootImages")
        .with(INFRASTRUCTURE)
        .demands(
            format!("!has(object.spec.managedBootImages) || {}", on_platform(&BOOT_IMAGES)),
            "This feature is only supported on these platforms: GCP, AWS, VSphere, Azure",
        )
        .bound()
}

/// R-POLICY-8.
pub(super) fn control_plane_boot_images() -> BoundPolicy {
    let managers = "object.spec.managedBootImages.machineManagers";
    Draft::new("managed-bootimages-cpms-platform-check", OPERATOR_GROUP, &["machineconfigurations"])
        .about("spec.managedBootImages")
        .with(INFRASTRUCTURE)
        .demands(
            format!(
                "!has(object.spec.managedBootImages) || !has({managers}) \
                 || !{managers}.exists(manager, manager.resource == 'controlplanemachinesets') || {}",
                on_platform(&CONTROL_PLANE_BOOT_IMAGES)
            ),
            "The control plane machineset boot image update feature is only supported on these platforms: GCP, AWS, Azure",
        )
        .bound()
}

/// R-POLICY-9.
pub(super) fn node_reports() -> BoundPolicy {
    let (extra, user) = ("request.userInfo.extra", "request.userInfo.username");
    let account = format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{DAEMON_ACCOUNT}");
    let claimed = format!("has({extra}) && '{NODE_NAME}' in {extra}");
    let mut draft =
        Draft::new("mcn-guards", MACHINE_CONFIG_GROUP, &["machineconfignodes", "machineconfignodes/status"])
            .demands(claimed.clone(), "this user must have a \"authentication.kubernetes.io/node-name\" claim")
            .demands(
                format!("!({claimed}) || object.metadata.name == {extra}['{NODE_NAME}'][0]"),
                "updates to a MachineConfigNode can only be done from its owner node",
            )
            .saying(
                "'updates to MCN ' + string(object.metadata.name) + ' can only be done from the MCN\\'s owner node'",
            );
    draft.conditions = vec![json!({"name": "machine-config-daemon", "expression": format!("{user} == '{account}'")})];
    draft.bound()
}

/// R-POLICY-10.
pub(super) fn release_bundle() -> BoundPolicy {
    let running = "params.status.desired.image";
    let same = format!("{running}.endsWith('@' + bundle.image.substring(bundle.image.indexOf('@') + 1))");
    let mut draft = Draft::new("internalreleaseimage-deletion-guard", MACHINE_CONFIG_GROUP, &["internalreleaseimages"])
        .with(Parameter { group: CONFIG_GROUP, kind: "ClusterVersion", name: VERSION, not_found: "Deny" })
        .demands(
            format!(
                "!has(oldObject.status) || !has(oldObject.status.releases) \
                 || !oldObject.status.releases.exists(bundle, has(bundle.image) && {same})"
            ),
            "Cannot delete InternalReleaseImage while the cluster is using a release bundle from this resource. The current \
             cluster release image matches a release stored in this InternalReleaseImage. Please upgrade or downgrade to a \
             different release before deletion.",
        );
    draft.operations = &["DELETE"];
    draft.bound()
}
