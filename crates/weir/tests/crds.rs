//! `weir crds` as a program.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::process::{Command, Output};
use weir_api::crds::{FeatureSet, crds, name, own};

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
