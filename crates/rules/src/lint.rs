//! What is wrong with an object that somebody wrote, before a cluster sees it.
//!
//! R-LINT-1 A field that the API does not have is an error: kubectl refuses it, and where nothing does it counts for nothing.
//! R-LINT-2 Of a kind that the API has, a version that it does not have is an error.
//! R-LINT-3 Whatever the API server would refuse on creation is an error, with its words, also a name, a label or an annotation.
//! R-LINT-4 An Ignition configuration that cannot be read or must not be used is an error; a key that Ignition does not
//! have is a warning, as it is of Ignition: machines come up without what it says.
//! R-LINT-5 An extension that is not known is an error, which names the nearest one if there is one that may have been meant.
//! R-LINT-6 A mode whose decimal digits make a sensible mode in octal, and whose value makes none, was meant in octal: a
//! warning, which says both. A mode is sensible when owner, group and others can read or can do nothing, and none can do
//! more than the one before. (644 is 01204 and 444 is 0674; 420 and 416 are 0644 and 0640, and are left alone.)
//! R-LINT-7 A kind of which nothing is known here is a warning: nobody reads it as configuration of machines.
//! R-LINT-8 A type of kernel that is not known is an error, as of an extension.
//! R-LINT-9 Settings that no pool gets, because the rules that generate and render refuse them, are an error, in the words of
//! these rules. What only later releases refuse is a warning, as the release is not known here. A selector that selects nothing is
//! refused, too.
//! R-LINT-10 A setting that kubelets have in no known release is a warning: it is left out. An amount with which kubelets do
//! not start is an error.
//! R-LINT-11 What an admission policy that exists in every cluster refuses (R-POLICY) is an error, in the API server's words. Of what
//! a cluster has, nothing is refused that only a change may not do.
//! R-LINT-12 A MachineConfig with a name that belongs to rendered ones, and that is none, is a warning.
//! R-LINT-13 A MachineConfig without a role is a warning: pools select by it. Rendered ones need none.
//!
//! Source: field validation of the API server,
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation>.

mod machine_config;
mod nearest;
mod policies;
mod settings;

use serde_json::Value;
use std::{cell::OnceCell, fmt};
use weir_api::{
    crds::{FeatureSet, crds},
    kind::MACHINE_CONFIG_GROUP,
};
use weir_apischema::{
    names::{NameRule, validate_metadata},
    schema::Schema,
};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// R-LINT-1
    UnknownField,
    /// R-LINT-2
    UnknownVersion,
    /// R-LINT-3
    InvalidValue,
    /// R-LINT-4
    InvalidIgnition,
    /// R-LINT-4
    UnknownIgnitionKey,
    /// R-LINT-5
    UnknownExtension,
    /// R-LINT-6
    DecimalMode,
    /// R-LINT-7
    UnknownKind,
    /// R-LINT-8
    UnknownKernel,
    /// R-LINT-9
    Refused,
    /// R-LINT-9
    RefusedLater,
    /// R-LINT-10
    UnknownSetting,
    /// R-LINT-10
    BadAmount,
    /// R-LINT-11
    RefusedByPolicy,
    /// R-LINT-12
    ReservedName,
    /// R-LINT-13
    NoRole,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It is refused, or does not do what it says.
    Error,
    /// It may be meant.
    Warning,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub code: Code,
    /// The field (`spec.config.storage.files[0].mode`); empty for the whole object.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl Code {
    /// Its name, for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownField => "UnknownField",
            Self::UnknownVersion => "UnknownVersion",
            Self::InvalidValue => "InvalidValue",
            Self::InvalidIgnition => "InvalidIgnition",
            Self::UnknownIgnitionKey => "UnknownIgnitionKey",
            Self::UnknownExtension => "UnknownExtension",
            Self::DecimalMode => "DecimalMode",
            Self::UnknownKind => "UnknownKind",
            Self::UnknownKernel => "UnknownKernel",
            Self::Refused => "Refused",
            Self::RefusedLater => "RefusedLater",
            Self::UnknownSetting => "UnknownSetting",
            Self::BadAmount => "BadAmount",
            Self::RefusedByPolicy => "RefusedByPolicy",
            Self::ReservedName => "ReservedName",
            Self::NoRole => "NoRole",
        }
    }

    /// The rule that says so.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Self::UnknownField => "R-LINT-1",
            Self::UnknownVersion => "R-LINT-2",
            Self::InvalidValue => "R-LINT-3",
            Self::InvalidIgnition | Self::UnknownIgnitionKey => "R-LINT-4",
            Self::UnknownExtension => "R-LINT-5",
            Self::DecimalMode => "R-LINT-6",
            Self::UnknownKind => "R-LINT-7",
            Self::UnknownKernel => "R-LINT-8",
            Self::Refused | Self::RefusedLater => "R-LINT-9",
            Self::UnknownSetting | Self::BadAmount => "R-LINT-10",
            Self::RefusedByPolicy => "R-LINT-11",
            Self::ReservedName => "R-LINT-12",
            Self::NoRole => "R-LINT-13",
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn level(self) -> Level {
        match self {
            Self::UnknownIgnitionKey
            | Self::DecimalMode
            | Self::UnknownKind
            | Self::RefusedLater
            | Self::UnknownSetting
            | Self::ReservedName
            | Self::NoRole => Level::Warning,
            Self::UnknownField
            | Self::UnknownVersion
            | Self::InvalidValue
            | Self::InvalidIgnition
            | Self::UnknownExtension
            | Self::UnknownKernel
            | Self::Refused
            | Self::BadAmount
            | Self::RefusedByPolicy => Level::Error,
        }
    }

    /// Whether pools are rendered all the same, as if nothing were wrong.
    #[must_use]
    pub fn is_silent(self) -> bool {
        matches!(
            self,
            Self::UnknownField
                | Self::UnknownVersion
                | Self::UnknownIgnitionKey
                | Self::DecimalMode
                | Self::RefusedLater
                | Self::UnknownSetting
                | Self::RefusedByPolicy
                | Self::ReservedName
                | Self::NoRole
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.remedy)
    }
}

/// The API, as far as it is known here.
#[derive(Debug)]
pub struct Linter {
    kinds: Vec<KnownKind>,
}

#[derive(Debug)]
struct KnownKind {
    group: String,
    kind: String,
    /// Its name in requests.
    plural: String,
    versions: Vec<Version>,
}

#[derive(Debug)]
struct Version {
    name: String,
    written: Value,
    /// Compiled when an object of the version comes.
    compiled: OnceCell<Option<Schema>>,
}

impl Version {
    fn schema(&self) -> Option<&Schema> {
        self.compiled.get_or_init(|| Schema::compile(&self.written).ok()).as_ref()
    }
}

impl Default for Linter {
    fn default() -> Self {
        Self::new()
    }
}

impl Linter {
    /// With the kinds of [`crds`], with the fields of features in technical preview.
    #[must_use]
    pub fn new() -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let version = |version: &Value| Version {
            name: text(&version["name"]),
            written: version["schema"]["openAPIV3Schema"].clone(),
            compiled: OnceCell::new(),
        };
        let kind = |crd: &Value| KnownKind {
            group: text(&crd["spec"]["group"]),
            kind: text(&crd["spec"]["names"]["kind"]),
            plural: text(&crd["spec"]["names"]["plural"]),
            versions: crd["spec"]["versions"].as_array().into_iter().flatten().map(version).collect(),
        };
        Self { kinds: crds(FeatureSet::TechPreviewNoUpgrade).iter().map(kind).collect() }
    }

    /// What is wrong with an object, in the order of the rules.
    #[must_use]
    pub fn lint(&self, object: &Value) -> Vec<Finding> {
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let Some(known) = self.kinds.iter().find(|known| (known.group.as_str(), known.kind.as_str()) == (group, kind))
        else {
            return unknown_kind(group, kind);
        };
        let mut findings = Vec::new();
        // Of a version that there is not, the fields are those that were meant.
        let own = known.versions.iter().find(|known| known.name == version);
        if own.is_none() {
            let versions = known.versions.iter().map(|known| format!("{group}/{}", known.name)).collect::<Vec<_>>();
            findings.push(Finding {
                code: Code::UnknownVersion,
                path: "apiVersion".to_owned(),
                message: format!("apiVersion {api_version:?} does not exist for {kind}"),
                remedy: format!("write {}", versions.join(" or ")),
            });
        }
        if let Some(schema) = own.or(known.versions.first()).and_then(Version::schema) {
            of_schema(schema, object, &mut findings);
        }
        let by_api = |path: &str| {
            let mut found = findings.iter();
            found.any(|found| found.code == Code::InvalidValue && found.path.starts_with(path))
        };
        let mut by_rules = of_rules((group, kind), object);
        // The rules would say the same of it.
        by_rules.retain(|found| found.code != Code::Refused || !by_api(&found.path));
        // Policies are not asked about what is refused before.
        if !by_api("") {
            by_rules.extend(policies::check((group, kind, &known.plural), object));
        }
        findings.append(&mut by_rules);
        findings
    }
}

fn of_rules(kind: (&str, &str), object: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    match kind {
        (MACHINE_CONFIG_GROUP, "MachineConfig") => machine_config::check(object, &mut findings),
        (MACHINE_CONFIG_GROUP, "MachineConfigPool") => settings::of_pool(object, &mut findings),
        (MACHINE_CONFIG_GROUP, "KubeletConfig") => settings::of_kubelets(object, &mut findings),
        (MACHINE_CONFIG_GROUP, "ContainerRuntimeConfig") => settings::of_runtimes(object, &mut findings),
        _ => {}
    }
    findings
}

fn unknown_kind(group: &str, kind: &str) -> Vec<Finding> {
    let of = if group.is_empty() { "the core group".to_owned() } else { format!("group {group}") };
    vec![Finding {
        code: Code::UnknownKind,
        path: "kind".to_owned(),
        message: format!("{kind} of {of} is not looked at: it configures no machines"),
        remedy: "keep it elsewhere, or correct kind and apiVersion".to_owned(),
    }]
}

/// A finding of R-LINT-9.
fn refused(path: String, why: &impl fmt::Display) -> Finding {
    Finding {
        code: Code::Refused,
        path,
        message: why.to_string().trim_end().replace('\n', ": "),
        remedy: "correct it: no pool gets it".to_owned(),
    }
}

fn of_schema(schema: &Schema, object: &Value, findings: &mut Vec<Finding>) {
    let mut pruned = object.clone();
    for path in schema.prune(&mut pruned) {
        let name = path.rsplit('.').next().unwrap_or_default();
        findings.push(Finding {
            code: Code::UnknownField,
            message: format!("unknown field {path:?}: it counts for nothing"),
            remedy: format!("remove or correct {name}"),
            path,
        });
    }
    if schema.default(&mut pruned).is_err() {
        return;
    }
    let is_namespaced = pruned["metadata"]["namespace"].is_string();
    let mut errors = validate_metadata(&pruned, NameRule::Subdomain, is_namespaced);
    // The API server makes the name of it before it judges it.
    let is_made = pruned["metadata"]["generateName"].is_string() && !pruned["metadata"]["name"].is_string();
    errors.retain(|error| !(is_made && error.field == "metadata.name"));
    errors.extend(schema.validate(&pruned, None));
    findings.extend(errors.into_iter().map(|error| Finding {
        code: Code::InvalidValue,
        message: error.to_string(),
        remedy: "correct it: the API server refuses it".to_owned(),
        path: if error.field.starts_with('<') { String::new() } else { error.field },
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(spec: &Value) -> Value {
        json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
            "metadata": {"name": "a", "labels": {"machineconfiguration.openshift.io/role": "worker"}}, "spec": spec,
        })
    }

    fn told(object: &Value) -> Vec<(Code, String)> {
        Linter::new().lint(object).into_iter().map(|finding| (finding.code, finding.path)).collect()
    }

    fn file(file: &Value) -> Value {
        json!({"config": {"ignition": {"version": "3.2.0"}, "storage": {"files": [file]}}})
    }

    #[test]
    fn each_rule() {
        let good = json!({"path": "/etc/x", "mode": 420, "contents": {"source": "data:,x"}});
        assert_eq!(told(&config(&file(&good))), []);
        assert_eq!(told(&config(&json!({"extensions": ["usbguard"], "kernelArguments": ["nosmt"]}))), []);
        let cases = [
            (config(&json!({"kargs": ["nosmt"]})), Code::UnknownField, "spec.kargs"),
            (config(&json!({"kernelArguments": "nosmt"})), Code::InvalidValue, "spec.kernelArguments"),
            (config(&json!({"extensions": ["usbguard", "kerberos5"]})), Code::UnknownExtension, "spec.extensions[1]"),
            (
                config(&json!({"config": {"ignition": {"version": "3.9.0"}}})),
                Code::InvalidIgnition,
                "spec.config.ignition.version",
            ),
            (config(&json!({"config": {}})), Code::InvalidIgnition, "spec.config.ignition.version"),
            (config(&file(&json!({"path": "etc"}))), Code::InvalidIgnition, "spec.config.storage.files[0].path"),
            (
                config(&file(&json!({"path": "/etc/x", "mode": 0o1644}))),
                Code::InvalidIgnition,
                "spec.config.storage.files[0].mode",
            ),
            (config(&json!({"kernelType": "fast"})), Code::UnknownKernel, "spec.kernelType"),
            (
                config(&json!({"kernelType": "realtime", "extensions": ["kernel-devel"]})),
                Code::Refused,
                "spec.kernelType",
            ),
            (
                config(&file(&json!({"path": "/etc/x", "contents": {"inline": "x"}}))),
                Code::UnknownIgnitionKey,
                "spec.config.storage.files[0].contents.inline",
            ),
            (
                config(&file(&json!({"path": "/etc/x", "mode": 444}))),
                Code::DecimalMode,
                "spec.config.storage.files[0].mode",
            ),
            (json!({"apiVersion": "v1", "kind": "ConfigMap"}), Code::UnknownKind, "kind"),
        ];
        for (object, code, path) in cases {
            assert_eq!(told(&object), [(code, path.to_owned())], "{object}");
        }
        let mut old = config(&json!({"kargs": []}));
        old["apiVersion"] = "machineconfiguration.openshift.io/v1beta1".into();
        let wanted = [(Code::UnknownVersion, "apiVersion"), (Code::UnknownField, "spec.kargs")];
        assert_eq!(told(&old), wanted.map(|(code, path)| (code, path.to_owned())));
    }

    #[test]
    fn what_was_typed_is_told() {
        let findings = Linter::new().lint(&config(&file(&json!({"path": "/etc/x", "mode": 644}))));
        let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            findings.iter().map(|finding| finding.code).collect::<Vec<_>>(),
            [Code::InvalidIgnition, Code::DecimalMode]
        );
        assert_eq!(
            told.last().map(String::as_str),
            Some("mode 644 of /etc/x is a decimal number: 01204; write 0644 (in JSON 420) if that was meant")
        );
    }

    fn of(kind: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec,
        })
    }

    #[test]
    fn every_wrong_field_of_ignition_is_told() {
        let files = json!([{"path": "etc"}, {"path": "/etc/x"}, {"path": "opt"}]);
        let two = json!({"config": {"ignition": {"version": "3.2.0"}, "storage": {"files": files}}});
        let wanted = [0, 2].map(|index| (Code::InvalidIgnition, format!("spec.config.storage.files[{index}].path")));
        assert_eq!(told(&config(&two)), wanted);
    }

    #[test]
    fn settings_are_judged_by_the_rules_that_generate() {
        let pools = json!({"matchLabels": {"pool": "worker"}});
        let kubelets = |settings: Value| {
            of("KubeletConfig", &json!({"machineConfigPoolSelector": pools, "kubeletConfig": settings}))
        };
        let runtimes = |settings: Value| {
            of(
                "ContainerRuntimeConfig",
                &json!({"machineConfigPoolSelector": pools, "containerRuntimeConfig": settings}),
            )
        };
        assert_eq!(told(&kubelets(json!({"maxPods": 300, "kind": "KubeletConfiguration"}))), []);
        assert_eq!(told(&runtimes(json!({"pidsLimit": 2048}))), []);
        let with = |kind: &str, spec: Value| of(kind, &spec);
        for (object, code, path) in [
            (kubelets(json!({"maxPodz": 300})), Code::UnknownSetting, "spec.kubeletConfig.maxPodz"),
            (kubelets(json!({"maxPods": "300"})), Code::Refused, "spec.kubeletConfig.maxPods"),
            (kubelets(json!({"clusterDNS": ["1.2.3.4"]})), Code::Refused, "spec.kubeletConfig.clusterDNS"),
            (kubelets(json!({"staticPodPath": "/x"})), Code::Refused, "spec.kubeletConfig.staticPodPath"),
            (kubelets(json!({"failSwapOn": false})), Code::RefusedLater, "spec.kubeletConfig.failSwapOn"),
            (
                kubelets(json!({"memorySwap": {"swapBehavior": "LimitedSwap"}})),
                Code::RefusedLater,
                "spec.kubeletConfig.memorySwap.swapBehavior",
            ),
            (
                kubelets(json!({"evictionHard": {"memory.available": "x"}})),
                Code::BadAmount,
                "spec.kubeletConfig.evictionHard.memory.available",
            ),
            (with("KubeletConfig", json!({"kubeletConfig": {}})), Code::Refused, "spec.machineConfigPoolSelector"),
            // The API server says it first.
            (
                with("KubeletConfig", json!({"machineConfigPoolSelector": pools, "logLevel": 11})),
                Code::InvalidValue,
                "spec.logLevel",
            ),
            (runtimes(json!({"pidsLimit": 3})), Code::Refused, "spec.containerRuntimeConfig.pidsLimit"),
            (runtimes(json!({"logLevel": "loud"})), Code::Refused, "spec.containerRuntimeConfig.logLevel"),
            (
                with("ContainerRuntimeConfig", json!({"containerRuntimeConfig": {}, "machineConfigPoolSelector": {}})),
                Code::Refused,
                "spec.machineConfigPoolSelector",
            ),
        ] {
            assert_eq!(told(&object), [(code, path.to_owned())], "{object}");
        }
    }

    #[test]
    fn what_policies_refuse_is_told_in_their_words() {
        let mut pool = of(
            "MachineConfigPool",
            &json!({"machineConfigSelector": {"matchLabels": {"machineconfiguration.openshift.io/role": "infra"}}}),
        );
        assert_eq!(told(&pool), [(Code::RefusedByPolicy, "spec.machineConfigSelector".to_owned())]);
        // That of a cluster may stay as it is.
        pool["metadata"]["uid"] = "1".into();
        assert_eq!(told(&pool), []);
        let configuration = json!({
            "apiVersion": "operator.openshift.io/v1", "kind": "MachineConfiguration", "metadata": {"name": "mine"}, "spec": {},
        });
        let findings = Linter::new().lint(&configuration);
        let [found] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((found.code, &*found.path), (Code::RefusedByPolicy, "metadata.name"));
        assert_eq!(
            found.message,
            "machineconfigurations.operator.openshift.io \"mine\" is forbidden: ValidatingAdmissionPolicy \
             'machine-configuration-guards' with binding 'machine-configuration-guards-binding' denied request: Only a single \
             object of MachineConfiguration is allowed and it must be named cluster."
        );
    }

    #[test]
    fn names_labels_and_annotations_are_those_that_an_api_server_takes() {
        let spec =
            json!({"machineConfigSelector": {"matchLabels": {"machineconfiguration.openshift.io/role": "worker"}}});
        let pool = |metadata: Value| {
            json!({
                "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool", "metadata": metadata, "spec": spec,
            })
        };
        let found = |metadata: Value| {
            let found = Linter::new().lint(&pool(metadata));
            found.into_iter().map(|found| (found.code, found.path, found.message)).collect::<Vec<_>>()
        };
        let [(code, path, said)] = found(json!({"name": "Infra_X"})).try_into().unwrap();
        assert_eq!((code, path.as_str()), (Code::InvalidValue, "metadata.name"));
        let wanted = "metadata.name: Invalid value: \"Infra_X\": a lowercase RFC 1123 subdomain must consist of ";
        assert!(said.starts_with(wanted), "{said}");
        assert_eq!(found(json!({"generateName": "infra-"})), []);
        for (metadata, path, said) in [
            (json!({}), "metadata.name", "metadata.name: Required value: name or generateName is required"),
            (
                json!({"generateName": "Infra-"}),
                "metadata.generateName",
                "metadata.generateName: Invalid value: \"Infra-\": ",
            ),
            (
                json!({"name": "a", "labels": {"a/b/c": ""}}),
                "metadata.labels",
                "metadata.labels: Invalid value: \"a/b/c\": a qualified",
            ),
            (
                json!({"name": "a", "labels": {"a": "b c"}}),
                "metadata.labels",
                "metadata.labels: Invalid value: \"b c\": a valid label",
            ),
            (
                json!({"name": "a", "annotations": {"b c": ""}}),
                "metadata.annotations",
                "metadata.annotations: Invalid value: \"b c\": name",
            ),
            (
                json!({"name": "a", "namespace": "a.b"}),
                "metadata.namespace",
                "metadata.namespace: Invalid value: \"a.b\": must not contain dots",
            ),
        ] {
            let found = found(metadata);
            assert!(found.iter().any(|(_, at, told)| at == path && told.starts_with(said)), "{path}: {found:?}");
        }
    }

    #[test]
    fn names_and_roles_of_machine_configs() {
        let mut config = config(&json!({"kernelArguments": ["nosmt"]}));
        config["metadata"]["name"] = "rendered-worker-1".into();
        assert_eq!(told(&config), [(Code::ReservedName, "metadata.name".to_owned())]);
        config["metadata"] = json!({"name": "a", "labels": {"x": "y"}});
        assert_eq!(told(&config), [(Code::NoRole, "metadata.labels".to_owned())]);
        config["metadata"] = json!({
            "name": "rendered-worker-1",
            "ownerReferences": [{"apiVersion": "a", "kind": "MachineConfigPool", "name": "worker", "uid": "1"}],
        });
        assert_eq!(told(&config), []);
    }

    /// What the API server has by itself is right.
    #[test]
    fn what_weir_ships_is_clean() {
        let pool = json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool", "metadata": {"name": "worker"},
            "spec": {"machineConfigSelector": {"matchLabels": {"machineconfiguration.openshift.io/role": "worker"}}},
        });
        assert_eq!(told(&pool), []);
        assert!(Linter::new().kinds.iter().all(|kind| kind.versions.iter().all(|version| version.schema().is_some())));
    }
}
