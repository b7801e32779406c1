//! What is wrong with an object that somebody wrote, before a cluster sees it.
//!
//! R-LINT-1 A field that the API does not have is an error: kubectl refuses it, and where nothing does it counts for nothing.
//! R-LINT-2 Of a kind that the API has, a version that it does not have is an error.
//! R-LINT-3 Whatever the API server would refuse on creation is an error, with its words.
//! R-LINT-4 An Ignition configuration that cannot be read or must not be used is an error; a key that Ignition does not
//! have is a warning, as it is of Ignition: machines come up without what it says.
//! R-LINT-5 An extension that is not known is an error.
//! R-LINT-6 A mode whose decimal digits make a sensible mode in octal, and whose value makes none, was meant in octal: a
//! warning, which says both. A mode is sensible when owner, group and others can read or can do nothing, and none can do
//! more than the one before. (644 is 01204 and 444 is 0674; 420 and 416 are 0644 and 0640, and are left alone.)
//! R-LINT-7 A kind of which nothing is known here is a warning: nobody reads it as configuration of machines.
//!
//! Source: field validation of the API server,
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation>.

use crate::build::extensions;
use serde_json::Value;
use std::{cell::OnceCell, fmt};
use weir_api::{
    crds::{FeatureSet, crds},
    kind::MACHINE_CONFIG_GROUP,
};
use weir_apischema::schema::Schema;
use weir_ignition::{Parsed, unknown_keys};

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
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn level(self) -> Level {
        match self {
            Self::UnknownIgnitionKey | Self::DecimalMode | Self::UnknownKind => Level::Warning,
            _ => Level::Error,
        }
    }

    /// Whether the configuration is rendered all the same, without what it was meant to say.
    #[must_use]
    pub fn is_silent(self) -> bool {
        matches!(self, Self::UnknownField | Self::UnknownVersion | Self::UnknownIgnitionKey | Self::DecimalMode)
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
        if (group, kind) == (MACHINE_CONFIG_GROUP, "MachineConfig") {
            of_ignition(&object["spec"]["config"], &mut findings);
            of_extensions(&object["spec"]["extensions"], &mut findings);
        }
        findings
    }
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
    findings.extend(schema.validate(&pruned, None).into_iter().map(|error| Finding {
        code: Code::InvalidValue,
        message: error.to_string(),
        remedy: "correct it: the API server refuses it".to_owned(),
        path: if error.field.starts_with('<') { String::new() } else { error.field },
    }));
}

/// Where the Ignition configuration is in a MachineConfig.
const IGNITION: &str = "spec.config";

fn of_ignition(raw: &Value, findings: &mut Vec<Finding>) {
    if raw.is_null() || raw.as_object().is_some_and(serde_json::Map::is_empty) {
        return;
    }
    if let Err(why) = check(raw) {
        findings.push(Finding {
            code: Code::InvalidIgnition,
            path: IGNITION.to_owned(),
            message: why.trim_end().replace('\n', ": "),
            remedy: "correct it: no pool with it is rendered".to_owned(),
        });
    }
    findings.extend(unknown_keys(raw).into_iter().map(|path| {
        let remedy = match path.ends_with(".contents.inline") || path.ends_with(".contents.local") {
            true => "that is Butane: write contents.source, a data URL",
            false => "remove or correct it: machines come up without what it says",
        };
        Finding {
            code: Code::UnknownIgnitionKey,
            message: format!("Ignition has no key {path:?} in this version"),
            remedy: remedy.to_owned(),
            path: format!("{IGNITION}.{path}"),
        }
    }));
    let files = raw.pointer("/storage/files").and_then(Value::as_array);
    for (index, file) in files.into_iter().flatten().enumerate() {
        let (path, mode) = (file["path"].as_str().unwrap_or_default(), file["mode"].as_i64());
        if let Some((mode, meant)) = mode.and_then(|mode| Some((mode, meant(mode)?))) {
            findings.push(Finding {
                code: Code::DecimalMode,
                path: format!("{IGNITION}.storage.files[{index}].mode"),
                message: format!("mode {mode} of {path} is a decimal number: 0{mode:o}"),
                remedy: format!("write 0{mode} (in JSON {meant}) if that was meant"),
            });
        }
    }
}

fn check(raw: &Value) -> Result<(), String> {
    let parsed = Parsed::parse(raw).map_err(|error| error.to_string())?;
    parsed.validate().map_err(|error| error.to_string())?;
    parsed.convert().map(drop).map_err(|error| error.to_string())
}

/// The mode that was meant by one whose digits are those of an octal number.
fn meant(mode: i64) -> Option<i64> {
    let octal = i64::from_str_radix(&mode.to_string(), 8).ok()?;
    (is_sensible(octal) && !is_sensible(mode)).then_some(octal)
}

fn is_sensible(mode: i64) -> bool {
    let classes = [mode >> 6, mode >> 3 & 7, mode & 7];
    let is_read = |class: i64| class == 0 || class & 4 != 0;
    let is_less = |pair: &[i64]| matches!(pair, [before, after] if after & !before == 0);
    (1..=0o777).contains(&mode) && classes.into_iter().all(is_read) && classes.windows(2).all(is_less)
}

fn of_extensions(list: &Value, findings: &mut Vec<Finding>) {
    for (index, name) in list.as_array().into_iter().flatten().enumerate() {
        let Some(name) = name.as_str().filter(|name| !extensions::known().contains(name)) else { continue };
        findings.push(Finding {
            code: Code::UnknownExtension,
            path: format!("spec.extensions[{index}]"),
            message: format!("there is no extension {name:?}"),
            remedy: format!("known are {}", extensions::known().join(", ")),
        });
    }
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
            (config(&json!({"config": {"ignition": {"version": "3.9.0"}}})), Code::InvalidIgnition, "spec.config"),
            (config(&file(&json!({"path": "etc"}))), Code::InvalidIgnition, "spec.config"),
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

    #[test]
    fn modes() {
        for (mode, wanted) in [
            (644, Some(0o644)),
            (755, Some(0o755)),
            (600, Some(0o600)),
            (444, Some(0o444)),
            (440, Some(0o440)),
            (400, Some(0o400)),
            (700, Some(0o700)),
            (777, Some(0o777)),
            (420, None),
            (416, None),
            (384, None),
            (256, None),
            (292, None),
            (288, None),
            (493, None),
            (448, None),
            (511, None),
            (0, None),
            (-644, None),
            (689, None),
            (i64::MAX, None),
        ] {
            assert_eq!(meant(mode), wanted, "{mode}");
        }
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
