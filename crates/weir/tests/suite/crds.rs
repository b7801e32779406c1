//! `weir crds` as a program.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Output},
};
use weir_api::crds::{FeatureSet, crds, name, own};
use weir_testkit::{Kubectl, Program};

fn weir(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir")).args(arguments).output().unwrap()
}

fn documents(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_saphyr::from_multiple(std::str::from_utf8(&output.stdout).unwrap()).unwrap()
}

#[test]
fn the_documents_are_the_definitions() {
    for set in FeatureSet::ALL {
        assert_eq!(documents(&weir(&["crds", "--feature-set", set.name()])), own(set));
    }
    assert_eq!(documents(&weir(&["crds"])), own(FeatureSet::Default));
    assert_eq!(documents(&weir(&["crds", "--foreign"])), crds(FeatureSet::Default));
}

#[test]
fn one_file_per_definition_when_a_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder");
    let output = weir(&["crds", "-o", path.to_str().unwrap()]);
    assert!(output.status.success() && output.stdout.is_empty());
    let wanted = own(FeatureSet::Default);
    for definition in &wanted {
        let text = std::fs::read_to_string(path.join(format!("{}.yaml", name(definition)))).unwrap();
        assert_eq!(serde_saphyr::from_str::<Value>(&text).unwrap(), *definition);
    }
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), wanted.len());
}

#[test]
fn what_cannot_be_done_is_said() {
    let unknown = weir(&["crds", "--feature-set", "Nightly"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("possible values: Default, OKD, TechPreviewNoUpgrade"));

    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = weir(&["crds", "-o", file.path().to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).starts_with("error: creating folder "));
}

/// Paths at which `there` is not as `wanted`; what is there beyond it does not matter.
fn differences(path: &str, wanted: &Value, there: &Value, found: &mut Vec<String>) {
    match (wanted, there) {
        (Value::Object(a), Value::Object(b)) => {
            for (field, value) in a {
                differences(&format!("{path}.{field}"), value, b.get(field).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).for_each(|(a, b)| differences(&format!("{path}[]"), a, b, found));
        }
        _ if wanted == there => {}
        _ => found.push(format!("{path}: {wanted} is {there}")),
    }
}

/// Version of each object by kind and name.
fn versions(list: &Value) -> BTreeMap<(&str, &str), &str> {
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|object| {
            let metadata = &object["metadata"];
            let key = (object["kind"].as_str().unwrap(), metadata["name"].as_str().unwrap());
            (key, metadata["resourceVersion"].as_str().unwrap())
        })
        .collect()
}

#[test]
fn a_plain_cluster_takes_the_definitions_and_every_example() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let Some(kubectl) = Kubectl::new(&kubeconfig) else { return };
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["apiserver", "--listen", "127.0.0.1:0", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    let mut server = Program::start(&mut command).unwrap();
    server.until("serving https://").unwrap();
    for set in FeatureSet::ALL {
        takes_definitions(&kubectl, set);
        takes_examples(&kubectl, set);
    }
    assert!(server.interrupt().unwrap().success());
}

#[test]
fn a_plain_cluster_takes_the_kinds_of_openshift_and_refuses_what_openshift_does() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let Some(kubectl) = Kubectl::new(&kubeconfig) else { return };
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["apiserver", "--listen", "127.0.0.1:0", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    let mut server = Program::start(&mut command).unwrap();
    server.until("serving https://").unwrap();
    let printed = weir(&["crds", "--foreign"]).stdout;
    let said = kubectl.pipe(&printed, &["apply", "--server-side", "-f", "-"]).unwrap();
    for definition in crds(FeatureSet::Default) {
        let line = format!("customresourcedefinition.apiextensions.k8s.io/{} serverside-applied", name(&definition));
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }
    let set = |source: &str, policy: &str| {
        let mirrors = json!([{"source": source, "mirrors": ["m.example.com/a"], "mirrorSourcePolicy": policy}]);
        let (version, metadata) = ("config.openshift.io/v1", json!({"name": "a"}));
        let spec = json!({ "imageDigestMirrors": mirrors });
        let object = json!({"apiVersion": version, "kind": "ImageDigestMirrorSet", "metadata": metadata, "spec": spec});
        object.to_string().into_bytes()
    };
    let apply = ["apply", "-f", "-"];
    let refused = kubectl.pipe(&set("r.*.com", "Never"), &apply).unwrap_err().to_string();
    for part in ["spec.imageDigestMirrors[0].source: Invalid value: \"r.*.com\"", "Unsupported value: \"Never\""] {
        assert!(refused.contains(part), "{refused}");
    }
    kubectl.pipe(&set("r.example.com", "NeverContactSource"), &apply).unwrap();
    let mistyped = String::from_utf8(set("r.example.com", "NeverContactSource")).unwrap();
    let mistyped = mistyped.replace("imageDigestMirrors", "imageDigestMirror");
    let refused = kubectl.pipe(mistyped.as_bytes(), &apply).unwrap_err().to_string();
    assert!(refused.contains("unknown field \"spec.imageDigestMirror\""), "{refused}");
    assert!(server.interrupt().unwrap().success());
}

fn takes_definitions(kubectl: &Kubectl, set: FeatureSet) {
    let printed = weir(&["crds", "--feature-set", set.name()]).stdout;
    let apply = ["apply", "--server-side", "-f", "-"];
    let said = kubectl.pipe(&printed, &apply).unwrap();
    for definition in own(set) {
        let line = format!("customresourcedefinition.apiextensions.k8s.io/{} serverside-applied", name(&definition));
        assert!(said.lines().any(|said| said == line), "{set}: {line}: {said}");
    }
    let before = kubectl.get(&["crds"]).unwrap();
    for (wanted, there) in own(set).iter().zip(before["items"].as_array().unwrap()) {
        let mut found = Vec::new();
        differences(name(wanted), wanted, there, &mut found);
        assert!(found.is_empty(), "{set}: {found:#?}");
    }
    kubectl.pipe(&printed, &apply).unwrap();
    assert_eq!(versions(&kubectl.get(&["crds"]).unwrap()), versions(&before), "{set}: a second apply changes nothing");
}

fn takes_examples(kubectl: &Kubectl, set: FeatureSet) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/user/examples");
    let folder = examples.to_str().unwrap();
    let each =
        |said: &str, what: &str| said.lines().count() == own(set).len() && said.lines().all(|l| l.ends_with(what));
    let said = kubectl.run(&["apply", "-f", folder]).unwrap();
    assert!(each(&said, " created"), "{set}: {said}");
    let there = kubectl.get(&["-f", folder]).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(&examples).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert_eq!(files.len(), there["items"].as_array().unwrap().len());
    for (file, there) in files.iter().zip(there["items"].as_array().unwrap()) {
        let wanted: Value = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let mut found = Vec::new();
        differences("", &wanted, there, &mut found);
        assert!(found.is_empty(), "{set}: {}: {found:#?}", file.display());
    }
    let said = kubectl.run(&["apply", "-f", folder]).unwrap();
    assert!(each(&said, " unchanged"), "{set}: {said}");
    assert_eq!(versions(&kubectl.get(&["-f", folder]).unwrap()), versions(&there), "{set}");
    kubectl.run(&["delete", "-f", folder]).unwrap();
}
