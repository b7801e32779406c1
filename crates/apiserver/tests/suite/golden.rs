//! Replays recorded transcripts of kube-apiserver, and compares every answer.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test: a malformed recording shall stop it")]

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use std::sync::Arc;
use std::{collections::BTreeMap, path::PathBuf};
use tower::ServiceExt as _;
use weir_apiserver::{ApiServer, Clock, Settings};

/// Steps that differ on purpose: scenario, step, why.
const DIFFERENT: [(&str, usize, &str); 1] = [(
    "06-watch",
    8,
    "the recorded server had no storage that reports progress and refused; a current one streams the initial events",
)];

/// Our definitions of the kinds that the recorded server had.
const DEFINITIONS: [&str; 6] = [
    "osimagestreams",
    "machineconfigpools",
    "machineconfigs",
    "machineosbuilds",
    "machineosconfigs",
    "pinnedimagesets",
];

fn definition(plural: &str) -> Value {
    let file = format!("../../manifests/crds/Default/{plural}.machineconfiguration.openshift.io.yaml");
    let text = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// A clock that stands still: the recording took less than a second, and entries of managedFields are in the order of time.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::constant(1_800_000_000, 0)
    }
}

#[tokio::test(start_paused = true)]
async fn answers_equal_the_recorded_ones() {
    let folder = std::fs::read_dir(weir_recorded::golden("kube-apiserver")).unwrap();
    let server = ApiServer::new(Settings { clock: Arc::new(Still), ..Settings::default() }).unwrap();
    server.define(DEFINITIONS.map(definition)).unwrap();
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let has_lists = files.iter().any(|f| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("05-")));
    let mut findings = Vec::new();
    let mut steps = 0;
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let scenario: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let mut saved = BTreeMap::new();
        if name == "06-watch" && !has_lists {
            // What the recording before it left behind.
            for (name, label) in [("l2", "b"), ("l3", "c")] {
                let object = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"},
                    "metadata": {"name": name, "labels": {"t": label}}});
                let request =
                    serde_json::json!({"method": "POST", "path": "/api/v1/namespaces/rec/configmaps", "body": object});
                assert_eq!(ask(&server, &request, &saved).await["status"], 201);
            }
        }
        for (index, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
            let answer = ask(&server, &step["request"], &saved).await;
            steps += 1;
            for (variable, path) in step["save"].as_object().into_iter().flatten() {
                let pointer = format!("/{}", path.as_str().unwrap().replace('.', "/"));
                saved.insert(
                    variable.clone(),
                    answer["body"].pointer(&pointer).and_then(Value::as_str).unwrap_or("?").to_owned(),
                );
            }
            let (got, want) = (normal(answer), normal(step["response"].clone()));
            if got != want && !DIFFERENT.iter().any(|(s, i, _)| *s == name && *i == index) {
                let request = format!(
                    "{} {}",
                    step["request"]["method"].as_str().unwrap(),
                    step["request"]["path"].as_str().unwrap()
                );
                findings.push(format!("{name} step {index}: {request}\n{}", difference("", &want, &got)));
            }
        }
    }
    assert!(findings.is_empty(), "{} of {steps} steps differ:\n{}", findings.len(), findings.join("\n"));
}

async fn ask(server: &ApiServer, request: &Value, saved: &BTreeMap<String, String>) -> Value {
    let fill = |text: &str| saved.iter().fold(text.to_owned(), |text, (k, v)| text.replace(&format!("${{{k}}}"), v));
    let body = match &request["body"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut builder = http::Request::builder()
        .method(request["method"].as_str().unwrap())
        .uri(fill(request["path"].as_str().unwrap()))
        .header("user-agent", "rec");
    for (header, field) in [("accept", "accept"), ("content-type", "contentType")] {
        if let Some(value) = request[field].as_str() {
            builder = builder.header(header, value);
        }
    }
    for (header, value) in request["headers"].as_object().into_iter().flatten() {
        builder = builder.header(header, value.as_str().unwrap());
    }
    let request = builder.body(Full::new(Bytes::from(fill(&body)))).unwrap();
    let is_watch = request.uri().query().is_some_and(|q| q.contains("watch=true"));
    let response = server.service().oneshot(request).await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
    let (status, media_type, warning) = (response.status().as_u16(), header("content-type"), header("warning"));
    let text = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let parse = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let body = if is_watch { text.lines().map(parse).collect() } else { parse(&text) };
    let mut answer = serde_json::json!({"status": status, "contentType": media_type, "body": body});
    if let Some(warning) = warning {
        answer["warning"] = warning.into();
    }
    answer
}

/// Drops what no two runs share, and the descriptions of columns, which the recordings do without.
fn normal(mut value: Value) -> Value {
    normalise(&mut value);
    value
}

fn normalise(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for field in ["uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "time", "continue"] {
                map.remove(field);
            }
            for column in map.get_mut("columnDefinitions").and_then(Value::as_array_mut).into_iter().flatten() {
                column["description"] = Value::from("");
            }
            if map.contains_key("generateName") {
                map.insert("name".into(), "generated".into());
            }
            for (name, value) in map.iter_mut() {
                match value {
                    Value::String(text) if name == "message" => *text = without_run(text),
                    other => normalise(other),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(normalise),
        Value::String(text) if is_age(text) => *text = "AGE".into(),
        _ => {}
    }
}

fn is_age(text: &str) -> bool {
    text.len() < 8 && text.ends_with('s') && text[..text.len() - 1].bytes().all(|b| b.is_ascii_digit() || b == b'm')
}

/// A message without UUIDs and times.
fn without_run(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let uuid = core.len() == 36 && core.bytes().filter(|b| *b == b'-').count() == 4;
        if uuid { word.replace(core, "UUID") } else { word.to_owned() }
    });
    let text = words.collect::<Vec<_>>().join(" ");
    match text.split_once(" at 20") {
        Some((before, after)) => format!("{before}{}", after.get(18..).unwrap_or_default()),
        None => text,
    }
}

fn difference(path: &str, want: &Value, got: &Value) -> String {
    match (want, got) {
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.dedup();
            let part =
                |m: &serde_json::Map<String, Value>, n: &str| m.get(n).cloned().unwrap_or(Value::from("(absent)"));
            names
                .into_iter()
                .filter(|n| a.get(*n) != b.get(*n))
                .map(|n| difference(&format!("{path}.{n}"), &part(a, n), &part(b, n)))
                .collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .filter(|(_, (a, b))| a != b)
            .map(|(i, (a, b))| difference(&format!("{path}[{i}]"), a, b))
            .collect(),
        _ => format!("    {path}\n      want {want}\n      got  {got}\n"),
    }
}
