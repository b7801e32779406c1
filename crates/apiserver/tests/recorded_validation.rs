//! What kube-apiserver was recorded to say about invalid custom resources: every text equal.
#![allow(clippy::unwrap_used, reason = "a test: a malformed recording shall stop it")]

use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};
use weir_apiserver::schema::{FieldError, Schema};

/// Kinds of the recordings, with the file their definition is in.
const KINDS: [(&str, &str); 2] = [
    ("OSImageStream", "0000_80_machine-config_01_osimagestreams.crd.yaml"),
    ("MachineConfigPool", "0000_80_machine-config_01_machineconfigpools.crd.yaml"),
];

fn causes(errors: &[FieldError]) -> Value {
    let cause = |e: &FieldError| json!({"reason": e.reason.as_str(), "message": e.message, "field": e.field});
    errors.iter().map(cause).collect()
}

/// The new object a request asks for, if it is one whose answer the schema decides.
fn wanted(request: &Value, stored: Option<&Value>) -> Option<Value> {
    let body = request["body"].clone();
    match (request["method"].as_str()?, request["contentType"].as_str()?) {
        ("POST" | "PUT", "application/json") => Some(body),
        ("PATCH", "application/merge-patch+json") => {
            let mut object = stored?.clone();
            json_patch::merge(&mut object, &body);
            Some(object)
        }
        _ => None,
    }
}

/// Validates what a request wants; the errors of its answer.
fn judge(schema: &Schema, request: &Value, stored: Option<&Value>) -> Option<(Vec<FieldError>, Vec<String>)> {
    let status_only = request["path"].as_str()?.ends_with("/status");
    let mut object = wanted(request, stored)?;
    let fields = object.as_object_mut()?;
    // The other half of the resource stays as it is stored.
    let kept = if status_only { "spec" } else { "status" };
    match stored.and_then(|stored| stored.get(kept)) {
        Some(value) => _ = fields.insert(kept.into(), value.clone()),
        None => _ = fields.remove(kept),
    }
    let unknown = schema.prune(&mut object);
    schema.default(&mut object);
    let errors = match stored {
        Some(stored) if status_only => schema.validate_status(&object, stored),
        stored => schema.validate(&object, stored),
    };
    Some((errors, unknown))
}

/// Errors that are not the schema's: of metadata, and of versions.
fn elsewhere(body: &Value) -> bool {
    let of_metadata = |cause: &Value| cause["field"].as_str().is_some_and(|field| field.starts_with("metadata"));
    body["details"]["causes"].as_array().is_some_and(|causes| causes.iter().any(of_metadata))
}

fn replay(file: &Path, schemas: &BTreeMap<&str, Schema>) -> usize {
    let recording: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut stored: BTreeMap<String, Value> = BTreeMap::new();
    let mut judged = 0;
    for (index, step) in recording["steps"].as_array().unwrap().iter().enumerate() {
        let (request, response) = (&step["request"], &step["response"]);
        let path = request["path"].as_str().unwrap().split('?').next().unwrap().trim_end_matches("/status").to_owned();
        let Some((kind, schema)) =
            schemas.iter().find(|(kind, _)| path.contains(&format!("/{}s", kind.to_lowercase())))
        else {
            continue;
        };
        let old = stored.get(&path).filter(|_| request["method"] != "POST").cloned();
        if let Some((errors, unknown)) = judge(schema, request, old.as_ref()).filter(|_| !elsewhere(&response["body"]))
        {
            match response["status"].as_u64() {
                Some(422) => {
                    assert_eq!(
                        causes(&errors),
                        response["body"]["details"]["causes"],
                        "{} step {index}",
                        file.display()
                    );
                    judged += 1;
                }
                Some(200 | 201) => {
                    assert_eq!(errors, [], "{} step {index}", file.display());
                    judged += 1;
                }
                Some(400) if !unknown.is_empty() => {
                    let listed: Vec<_> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
                    let message = response["body"]["message"].as_str().unwrap();
                    assert!(message.ends_with(&listed.join(", ")), "{} step {index}: {message}", file.display());
                    judged += 1;
                }
                _ => {}
            }
        }
        let body = &response["body"];
        let dry = request["path"].as_str().is_some_and(|path| path.contains("dryRun"));
        if body["kind"] == **kind && response["status"].as_u64().is_some_and(|code| code < 300) && !dry {
            let name = body["metadata"]["name"].as_str().unwrap();
            let item = if path.ends_with(&format!("/{name}")) { path } else { format!("{path}/{name}") };
            stored.insert(item, body.clone());
        }
    }
    judged
}

#[test]
fn recorded_answers_agree() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if !shared.is_dir() {
        println!("skipped: {} is absent", shared.display());
        return;
    }
    let schemas: BTreeMap<&str, Schema> = KINDS
        .into_iter()
        .map(|(kind, file)| {
            let text = fs::read_to_string(shared.join("reference/crds").join(file)).unwrap();
            let definition: Value = serde_saphyr::from_str(&text).unwrap();
            (kind, Schema::compile(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]).unwrap())
        })
        .collect();
    for (file, at_least) in [("02-osimagestream-validation.json", 12), ("03-pool-patches.json", 5)] {
        let judged = replay(&shared.join("golden/kube-apiserver").join(file), &schemas);
        println!("{file}: {judged} answers agree");
        assert!(judged >= at_least, "{file}: only {judged} answers were compared");
    }
}
