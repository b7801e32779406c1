//! What a data directory keeps: over restarts, and when the process is killed in the middle of writing.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};
use tower::ServiceExt as _;
use weir_apiserver::{ApiServer, Class, Error, Listener, Settings};

const CHILD: &str = "WEIR_TEST_DATA_DIR";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn open(data_dir: &Path) -> Result<ApiServer, Error> {
    ApiServer::new(Settings { data_dir: Some(data_dir.to_owned()), ..Settings::default() })
}

async fn ask(server: &ApiServer, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let media_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = http::Request::builder().method(method).uri(path).header("content-type", media_type);
    let response = server.service().oneshot(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_restart_keeps_everything_but_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let server = open(folder.path()).unwrap();
    let crd = json!({"metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com", "scope": "Cluster",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
    server.define([crd]).unwrap();
    assert_eq!(ask(&server, "POST", "/apis/example.com/v1/widgets", &json!({"metadata": {"name": "w"}})).await.0, 201);
    let map = ask(&server, "POST", MAPS, &json!({"metadata": {"name": "a"}})).await.1;
    let listener = Listener::bind(&server, "127.0.0.1:0".parse().unwrap()).unwrap();
    listener.write_kubeconfig(&folder.path().join("one")).unwrap();
    let second = open(folder.path()).unwrap_err();
    assert!(matches!(second, Error::InUse { .. }) && second.class() == Class::Transient, "{second}");
    drop((listener, server));

    let server = open(folder.path()).unwrap();
    assert_eq!(ask(&server, "GET", "/apis/example.com/v1/widgets/w", &Value::Null).await.0, 200);
    let (_, kept) = ask(&server, "GET", &format!("{MAPS}/a"), &Value::Null).await;
    assert_eq!(kept, map);
    let (_, next) = ask(&server, "POST", MAPS, &json!({"metadata": {"name": "b"}})).await;
    assert!(version(&next) > version(&map));
    let watch = format!("{MAPS}?watch=true&resourceVersion={}&timeoutSeconds=1", version(&map));
    assert_eq!(ask(&server, "GET", &watch, &Value::Null).await.1["object"]["code"], 410);
    let listener = Listener::bind(&server, "127.0.0.1:0".parse().unwrap()).unwrap();
    listener.write_kubeconfig(&folder.path().join("two")).unwrap();
    let secrets = |name: &str| {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        text.lines()
            .filter(|l| l.contains("token") || l.contains("certificate-authority"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(secrets("one"), secrets("two"));
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = open(&file.join("below")).unwrap_err();
    assert!(error.to_string().contains("file/below"), "{error}");
    assert_eq!(error.class(), Class::Permanent);
}

#[test]
fn a_port_in_use_is_named() {
    let server = ApiServer::new(Settings::default()).unwrap();
    let listener = Listener::bind(&server, "127.0.0.1:0".parse().unwrap()).unwrap();
    let error = Listener::bind(&server, listener.address()).unwrap_err();
    assert!(
        error.to_string().contains(&listener.address().to_string()) && error.class() == Class::Transient,
        "{error}"
    );
}

/// Not a test of its own: writes as fast as it can and says what was acknowledged, until it is killed.
#[test]
fn child() {
    let Some(data_dir) = std::env::var_os(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = open(Path::new(&data_dir)).unwrap();
        let storm = (0..8).map(|writer| {
            let server = server.clone();
            tokio::spawn(async move {
                for round in 0u64.. {
                    let name = format!("w{writer}-{}", round % 20);
                    let body = json!({"metadata": {"name": name}, "data": {"round": round.to_string()}});
                    let (status, object) = match round {
                        0..20 => ask(&server, "POST", MAPS, &body).await,
                        _ => ask(&server, "PATCH", &format!("{MAPS}/{name}"), &body).await,
                    };
                    assert!(status < 300, "{object}");
                    // One write per line, so that lines of several threads stay whole.
                    std::io::stdout()
                        .lock()
                        .write_all(format!("ack {name} {round} {}\n", version(&object)).as_bytes())
                        .unwrap();
                }
            })
        });
        futures::future::join_all(storm).await;
    });
}

#[tokio::test]
async fn every_acknowledged_write_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut latest = 0;
    for kill in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut acknowledged = BTreeMap::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let wanted = 300 + 257 * kill;
        for _ in 0..wanted {
            record(&lines.find(|l| l.contains("ack ")).expect("the child writes"), &mut acknowledged);
        }
        child.kill().unwrap();
        lines.for_each(|line| record(&line, &mut acknowledged));
        child.wait().unwrap();
        let server = open(folder.path()).unwrap();
        for (name, (round, version_)) in &acknowledged {
            let (status, object) = ask(&server, "GET", &format!("{MAPS}/{name}"), &Value::Null).await;
            assert_eq!(status, 200, "{name}");
            let kept: u64 = object["data"]["round"].as_str().unwrap().parse().unwrap();
            assert!(kept >= *round && version(&object) >= *version_, "{name}: acknowledged {round}, kept {kept}");
            assert!(*version_ > latest, "versions continue");
        }
        let (_, all) = ask(&server, "GET", MAPS, &Value::Null).await;
        latest = version(&all);
        for item in all["items"].as_array().unwrap() {
            ask(&server, "DELETE", &format!("{MAPS}/{}", item["metadata"]["name"].as_str().unwrap()), &Value::Null)
                .await;
        }
    }
}

fn record(line: &str, acknowledged: &mut BTreeMap<String, (u64, u64)>) {
    let Some(ack) = line.split_once("ack ").map(|(_, ack)| ack) else { return };
    let [name, round, version] = ack.split(' ').collect::<Vec<_>>()[..] else { return };
    if let (Ok(round), Ok(version)) = (round.parse(), version.parse()) {
        let entry = acknowledged.entry(name.to_owned()).or_insert((round, version));
        *entry = (*entry).max((round, version));
    }
}
