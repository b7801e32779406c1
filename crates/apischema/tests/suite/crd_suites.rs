//! The test suites that come with published CustomResourceDefinitions: every object they create or update must be
//! accepted or refused as they say, with the errors they expect.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test: a malformed suite shall stop it")]

mod suite {
    //! How a suite file and a definition are read.
    use serde::Deserialize;
    use serde_json::Value;
    use std::{collections::BTreeSet, fs, path::Path};

    /// A suite file.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(crate) struct Suite {
        pub(crate) crd_name: String,
        #[serde(default)]
        pub(crate) feature_gates: Vec<String>,
        pub(crate) tests: Tests,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    #[derive(Default)]
    pub(crate) struct Tests {
        pub(crate) on_create: Vec<Case>,
        pub(crate) on_update: Vec<Case>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(crate) struct Case {
        pub(crate) name: String,
        #[serde(default)]
        pub(crate) resource_name: Option<String>,
        pub(crate) initial: String,
        #[serde(default)]
        pub(crate) updated: String,
        #[serde(default)]
        pub(crate) expected: String,
        #[serde(default)]
        pub(crate) expected_error: String,
        #[serde(default)]
        pub(crate) expected_status_error: String,
        #[serde(default, rename = "initialCRDPatches")]
        pub(crate) initial_crd_patches: Option<json_patch::Patch>,
    }

    pub(crate) fn yaml<T: for<'de> Deserialize<'de>>(text: &str) -> T {
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// All files below a folder, sorted.
    pub(crate) fn files(dir: &Path) -> Vec<std::path::PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
        }
        found.sort();
        found
    }

    /// Names of the feature gates that a FeatureGate object enables.
    pub(crate) fn enabled_gates(path: &Path) -> BTreeSet<String> {
        let object: Value = yaml(&fs::read_to_string(path).unwrap());
        let sets = object["status"]["featureGates"].as_array().into_iter().flatten();
        let enabled = sets.flat_map(|set| set["enabled"].as_array().into_iter().flatten());
        enabled.map(|gate| gate["name"].as_str().unwrap().to_owned()).collect()
    }
}

use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use suite::{Case, Suite, enabled_gates, files, yaml};
use weir_api::crds::{FeatureSet, own};
use weir_apischema::schema::{FieldError, Schema};

/// A definition and its compiled versions.
struct Definition {
    object: Value,
    versions: BTreeMap<String, Schema>,
}

impl Definition {
    fn new(object: Value) -> Self {
        let compile = |version: &Value| {
            let schema = Schema::compile(&version["schema"]["openAPIV3Schema"]);
            let texts = |errors: Vec<FieldError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            let schema = schema.unwrap_or_else(|errors| panic!("{}: {}", object["metadata"]["name"], texts(errors)));
            assert_eq!(texts(schema.too_expensive(false)), "", "{}", object["metadata"]["name"]);
            (version["name"].as_str().unwrap().to_owned(), schema)
        };
        let versions = object["spec"]["versions"].as_array().unwrap().iter().map(compile).collect();
        Self { object, versions }
    }

    fn has_status(&self) -> bool {
        let versions = self.object["spec"]["versions"].as_array().unwrap();
        versions.iter().any(|version| version["subresources"]["status"].is_object())
    }
}

/// Brings an object into the form that is validated.
fn prepared(schema: &Schema, mut object: Value) -> Value {
    schema.prune(&mut object);
    schema.default(&mut object).unwrap();
    object
}

fn take(object: &mut Value, field: &str) -> Option<Value> {
    object.as_object_mut().unwrap().remove(field)
}

/// The text the API server answers with.
fn text(errors: &[FieldError]) -> String {
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    match texts.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

/// Suites quote API servers of several releases. Old ones showed the type of a value that broke a rule where new ones
/// show the value, or nothing for objects; and maps as Go prints them.
fn modern(text: &str, schema_types: bool) -> String {
    let mut text =
        text.replace("map[string]interface {}", "").replace("Invalid value: \"null\"", "Invalid value: null");
    if schema_types {
        for kind in ["object", "array", "string", "integer", "number", "boolean"] {
            text = text.replace(&format!("Invalid value: \"{kind}\": "), "Invalid value: ");
        }
    }
    text.replace("\", \"", "\",\"")
}

/// Leaves out shown values: what remains of `a: Invalid value: "x": why` is `a: Invalid value: why`.
fn without_values(errors: &[FieldError]) -> Vec<FieldError> {
    let strip = |error: &FieldError| {
        let message = match error.message.strip_prefix("Invalid value: ") {
            Some(rest) if rest.starts_with(['"', '{', '[']) || rest.starts_with(|c: char| c.is_ascii_digit()) => {
                let end = rest.rfind("\": ").map(|at| at + 3).or_else(|| rest.find(": ").map(|at| at + 2)).unwrap_or(0);
                format!("Invalid value: {}", &rest[end..])
            }
            _ => error.message.clone(),
        };
        FieldError { message, ..error.clone() }
    };
    errors.iter().map(strip).collect()
}

fn judge(what: &str, errors: &[FieldError], expected: &str) -> Result<(), String> {
    let got = text(errors);
    if expected.is_empty() {
        return if errors.is_empty() { Ok(()) } else { Err(format!("{what}: unexpected {got}")) };
    }
    if errors.is_empty() {
        return Err(format!("{what}: wanted {expected:?}, was accepted"));
    }
    let exact = modern(&got, false).contains(&modern(expected, false));
    let typed = modern(&text(&without_values(errors)), true).contains(&modern(expected, true));
    if exact || typed { Ok(()) } else { Err(format!("{what}: wanted {expected:?}, got {got}")) }
}

fn named(case: &Case, yaml_text: &str) -> Value {
    let mut object: Value = yaml(yaml_text);
    let name = case.resource_name.as_deref().unwrap_or("test");
    let fields = object.as_object_mut().unwrap();
    let metadata = fields.entry("metadata").or_insert_with(|| json!({})).as_object_mut().unwrap();
    metadata.entry("name").or_insert_with(|| name.into());
    object
}

/// Runs one case; `None` when the definition does not serve its version.
fn run(case: &Case, definition: &Definition) -> Option<Result<(), String>> {
    let initial = named(case, &case.initial);
    let version = initial["apiVersion"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let schema = definition.versions.get(&version)?;
    let outcome = if case.updated.is_empty() {
        created(case, schema, initial, definition.has_status())
    } else {
        let before = case.initial_crd_patches.as_ref().map(|patch| {
            let mut object = definition.object.clone();
            json_patch::patch(&mut object, patch).unwrap();
            Definition::new(object)
        });
        let before = before.as_ref().and_then(|before| before.versions.get(&version)).unwrap_or(schema);
        updated(case, before, schema, initial)
    };
    Some(outcome)
}

fn created(case: &Case, schema: &Schema, mut object: Value, has_status: bool) -> Result<(), String> {
    if has_status {
        take(&mut object, "status");
    }
    let object = prepared(schema, object);
    judge("create", &schema.validate(&object, None), &case.expected_error)?;
    compare(case, &object)
}

/// Creates the object, sets its status, then updates first the object and then the status.
fn updated(case: &Case, before: &Schema, schema: &Schema, mut initial: Value) -> Result<(), String> {
    let status = take(&mut initial, "status");
    let mut stored = prepared(before, initial);
    judge("initial", &before.validate(&stored, None), "")?;
    if let Some(status) = status {
        let old = stored.clone();
        stored["status"] = status;
        stored = prepared(before, stored);
        judge("initial status", &before.validate_status(&stored, &old), "")?;
    }
    let mut object = named(case, &case.updated);
    object["metadata"] = stored["metadata"].clone();
    let new_status = take(&mut object, "status");
    if let Some(status) = stored.get("status") {
        object["status"] = status.clone();
    }
    let object = prepared(schema, object);
    judge("update", &schema.validate(&object, Some(&stored)), &case.expected_error)?;
    if !case.expected_error.is_empty() {
        return Ok(());
    }
    let Some(status) = new_status else { return compare(case, &object) };
    let mut with_status = object.clone();
    with_status["status"] = status;
    let with_status = prepared(schema, with_status);
    judge("status update", &schema.validate_status(&with_status, &object), &case.expected_status_error)?;
    if case.expected_status_error.is_empty() { compare(case, &with_status) } else { Ok(()) }
}

fn compare(case: &Case, object: &Value) -> Result<(), String> {
    if case.expected.is_empty() {
        return Ok(());
    }
    let (mut expected, mut got): (Value, Value) = (yaml(&case.expected), object.clone());
    take(&mut expected, "metadata");
    take(&mut got, "metadata");
    if expected == got { Ok(()) } else { Err(format!("expected {expected}, got {got}")) }
}

fn reference() -> Option<PathBuf> {
    weir_recorded::reference("test suites of the published definitions", "reference")
}

/// Definitions by name; the first of a name counts.
fn by_name(objects: impl IntoIterator<Item = Value>) -> BTreeMap<String, Definition> {
    let mut definitions = BTreeMap::new();
    for object in objects {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        definitions.entry(name).or_insert_with(|| Definition::new(object));
    }
    definitions
}

/// Runs all suites whose gates are as they want them. Returns the suites with failures that are exempt.
fn agree(
    reference: &Path,
    definitions: &BTreeMap<String, Definition>,
    enabled: &BTreeSet<String>,
    exempt: &[&str],
) -> BTreeSet<String> {
    let (mut passed, mut failures, mut skipped) = (0, Vec::new(), BTreeSet::new());
    let mut excused = BTreeSet::new();
    for file in files(&reference.join("crd-testsuites")) {
        let suite: Suite = yaml(&fs::read_to_string(&file).unwrap());
        let label = file.strip_prefix(reference).unwrap().display().to_string();
        // A gate "-X" asks for X to be off.
        let wrong_gate = suite.feature_gates.iter().find(|gate| match gate.strip_prefix('-') {
            Some(off) => enabled.contains(off),
            None => !enabled.contains(*gate),
        });
        if let Some(gate) = wrong_gate {
            skipped.insert(format!("{label}: needs {gate}"));
            continue;
        }
        let Some(definition) = definitions.get(&suite.crd_name) else {
            skipped.insert(format!("{label}: no definition"));
            continue;
        };
        for case in suite.tests.on_create.iter().chain(&suite.tests.on_update) {
            match run(case, definition) {
                None => _ = skipped.insert(format!("{label}: version not served")),
                Some(Ok(())) => passed += 1,
                Some(Err(_)) if exempt.iter().any(|suite| label.ends_with(suite)) => _ = excused.insert(label.clone()),
                Some(Err(why)) => failures.push(format!("{label}: {}: {why}", case.name)),
            }
        }
    }
    skipped.iter().for_each(|line| println!("skipped: {line}"));
    println!("{passed} cases agree");
    assert!(
        failures.is_empty(),
        "{} of {} disagree:\n{}",
        failures.len(),
        failures.len() + passed,
        failures.join("\n")
    );
    assert!(passed > 0, "no case was run");
    excused
}

#[test]
fn published_suites_agree() {
    let Some(reference) = reference() else { return };
    let enabled = enabled_gates(&reference.join("featureGate-4-10-SelfManagedHA-Default.yaml"));
    let read = |file: PathBuf| yaml(&fs::read_to_string(file).unwrap());
    let definitions = by_name(files(&reference.join("crds")).into_iter().map(read));
    agree(&reference, &definitions, &enabled, &[]);
}

/// Suites of fields inside ControllerConfig's copies of Infrastructure and DNS. Our definition takes them as they are: the
/// API server validated the objects they are copies of.
const COPIES: &[&str] = &[
    "controllerconfigs.machineconfiguration.openshift.io/AWSDualStackInstall.yaml",
    "controllerconfigs.machineconfiguration.openshift.io/AzureDualStackInstall.yaml",
    "controllerconfigs.machineconfiguration.openshift.io/GCPSovereignCloudInstall.yaml",
    "controllerconfigs.machineconfiguration.openshift.io/VSphereMultiVCenterDay2.yaml",
];

#[test]
fn published_suites_agree_with_our_definitions() {
    let Some(reference) = reference() else { return };
    let mut excused = BTreeSet::new();
    for set in FeatureSet::ALL {
        println!("feature set {set}");
        let enabled = enabled_gates(&reference.join(format!("featureGate-4-10-SelfManagedHA-{set}.yaml")));
        excused.extend(agree(&reference, &by_name(own(set)), &enabled, COPIES));
    }
    assert_eq!(excused.len(), COPIES.len(), "a suite that is exempt need not be: {excused:?}");
}
