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
use weir_api::{
    Class,
    crds::{FeatureSet, foreign},
};
use weir_apiserver::{ApiServer, Error, Listener, Settings};

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

/// What definitions accepted before they said what is valid.
#[tokio::test]
async fn what_was_stored_under_open_definitions_stays_readable_under_real_ones() {
    let folder = tempfile::tempdir().unwrap();
    let server = open(folder.path()).unwrap();
    let mut before = foreign(FeatureSet::Default);
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    for definition in &mut before {
        let version = &mut definition["spec"]["versions"][0];
        version["schema"]["openAPIV3Schema"] =
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"status": anything}});
        version["subresources"] = json!({"status": {}});
    }
    server.define(before).unwrap();
    let group = "/apis/config.openshift.io/v1";
    let objects = [
        ("imagedigestmirrorsets", json!({"spec": {"imageDigestMirrors": [{"source": "r.*.com"}]}})),
        ("networks", json!({"spec": {"networkType": 1}})),
        ("clusterversions", json!({"spec": {"channel": "stable", "ours": 1}})),
        ("infrastructures", json!({"metadata": {"labels": {"no": "spec"}}})),
    ];
    for (plural, object) in &objects {
        let mut object = object.clone();
        object["metadata"]["name"] = json!("cluster");
        assert_eq!(ask(&server, "POST", &format!("{group}/{plural}"), &object).await.0, 201, "{plural}");
    }
    let (_, version) = ask(
        &server,
        "PATCH",
        &format!("{group}/clusterversions/cluster/status"),
        &json!({"status": {"history": [{"state": "Completed", "version": "5.0.0"}]}}),
    )
    .await;
    assert_eq!(version["status"]["history"][0]["state"], "Completed");
    drop(server);

    let server = open(folder.path()).unwrap();
    server.define(foreign(FeatureSet::Default)).unwrap();
    for (plural, object) in &objects {
        let path = format!("{group}/{plural}/cluster");
        let (status, found) = ask(&server, "GET", &path, &Value::Null).await;
        assert_eq!((status, found.get("spec")), (200, object.get("spec")), "{plural}");
    }
    let (_, list) = ask(&server, "GET", &format!("{group}/clusterversions"), &Value::Null).await;
    assert_eq!(list["items"][0]["status"], version["status"]);
    // What is wrong already is nobody's fault but who changes it.
    let path = format!("{group}/imagedigestmirrorsets/cluster");
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(ask(&server, "PATCH", &path, &label).await.0, 200);
    let worse = json!({"spec": {"imageDigestMirrors": [{"source": "q.*.com"}]}});
    assert_eq!(ask(&server, "PATCH", &path, &worse).await.0, 422);
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
            .args(["--exact", "durability::child", "--nocapture"])
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

/// Not a test of its own: writes until the disk takes no more, and looks at what is served then.
#[test]
fn child_on_a_full_disk() {
    let Some(data_dir) = std::env::var_os(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = open(Path::new(&data_dir)).unwrap();
        let first = ask(&server, "POST", MAPS, &json!({"metadata": {"name": "first"}})).await.1;
        let big = "x".repeat(200_000);
        let mut stored = 0;
        // The log may not reach back to the first one.
        let (mut before, mut last) = (version(&first), version(&first));
        let refused = loop {
            let name = format!("m-{stored}");
            let (status, answer) = ask(&server, "POST", MAPS, &json!({"metadata": {"name": name}, "data": {"big": big}})).await;
            if status != 201 {
                break (status, answer);
            }
            stored += 1;
            before = std::mem::replace(&mut last, version(&answer));
        };
        assert_eq!(refused.0, 500);
        assert!(refused.1["message"].as_str().unwrap().contains("could not be stored"), "{}", refused.1);
        // Nobody sees what was refused: not by name, not in a list, not in a watch.
        let name = format!("m-{stored}");
        assert_eq!(ask(&server, "GET", &format!("{MAPS}/{name}"), &Value::Null).await.0, 404);
        assert!(!names(&server).await.contains(&name));
        let watch = format!("{MAPS}?watch=true&resourceVersion={before}&timeoutSeconds=1");
        let request = http::Request::get(watch).body(Full::new(Bytes::new())).unwrap();
        let body = server.service().oneshot(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
        let seen = String::from_utf8_lossy(&body).matches("\"ADDED\"").count();
        assert_eq!((seen, stored > 0), (1, true));
        // What was to be deleted stays, and nothing is begun that cannot be finished.
        assert_eq!(ask(&server, "DELETE", &format!("{MAPS}/first"), &Value::Null).await.0, 500);
        assert_eq!(ask(&server, "GET", &format!("{MAPS}/first"), &Value::Null).await.1, first);
        let widgets = json!({"metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com", "scope": "Cluster",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        assert_eq!(ask(&server, "POST", definitions, &widgets).await.0, 500);
        assert_eq!(ask(&server, "GET", "/apis/example.com/v1/widgets", &Value::Null).await.0, 404);
        let review = json!({"spec": {"resourceAttributes": {"verb": "get", "resource": "configmaps"}}});
        let reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        assert_eq!(ask(&server, "POST", reviews, &review).await.0, 201, "a question is no write");
        for (check, expected) in [("readyz", 500), ("healthz", 500), ("livez", 200)] {
            assert_eq!(ask(&server, "GET", &format!("/{check}"), &Value::Null).await.0, expected, "{check}");
        }
        println!("stored {stored}");
    });
}

async fn names(server: &ApiServer) -> Vec<String> {
    let (_, all) = ask(server, "GET", MAPS, &Value::Null).await;
    all["items"].as_array().unwrap().iter().map(|m| m["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_a_full_disk_refused_is_not_there_before_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    // A file may have 4 MiB, and the system says so instead of ending the process.
    let script = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" --exact durability::child_on_a_full_disk --nocapture";
    let mut child = Command::new("bash");
    let output =
        child.args(["-c", script]).arg(std::env::current_exe().unwrap()).env(CHILD, folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let stored: usize = said.split("stored ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    assert!(stored > 2, "{said}");
    let server = open(folder.path()).unwrap();
    let mut expected: Vec<String> = (0..stored).map(|n| format!("m-{n}")).chain(["first".to_owned()]).collect();
    expected.sort();
    assert_eq!(
        names(&server).await.into_iter().filter(|name| name != "kube-root-ca.crt").collect::<Vec<_>>(),
        expected
    );
    assert_eq!(ask(&server, "DELETE", &format!("{MAPS}/first"), &Value::Null).await.0, 200);
    assert_eq!(ask(&server, "GET", "/readyz", &Value::Null).await.0, 200);
}

/// A data directory with objects, closed; and the list of them.
async fn written(folder: &Path) -> Value {
    let server = open(folder).unwrap();
    for n in 0..40 {
        let object = json!({"metadata": {"name": format!("m-{n}")}, "data": {"key": "value ".repeat(n * 20)}});
        assert_eq!(ask(&server, "POST", MAPS, &object).await.0, 201);
    }
    ask(&server, "GET", MAPS, &Value::Null).await.1["items"].clone()
}

const DATABASE: &str = "objects.redb";
const MARK: &str = "objects.version";

#[tokio::test]
async fn damage_is_found_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let items = written(folder.path()).await;
    let (database, mark) =
        (std::fs::read(folder.path().join(DATABASE)).unwrap(), std::fs::read(folder.path().join(MARK)).unwrap());
    // Whether it is refused; what is not must be what it was.
    let start = async |what: String, database: &[u8], mark: &[u8]| {
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(copy.path().join(DATABASE), database).unwrap();
        std::fs::write(copy.path().join(MARK), mark).unwrap();
        match open(copy.path()) {
            Ok(server) => {
                assert_eq!(ask(&server, "GET", MAPS, &Value::Null).await.1["items"], items, "{what}");
                false
            }
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("is damaged") && text.contains(copy.path().to_str().unwrap()), "{what}: {text}");
                assert_eq!(error.class(), Class::Permanent);
                true
            }
        }
    };
    assert!(!start("nothing".into(), &database, &mark).await);
    let mut refused = 0;
    // Every bit of the first kilobyte's slots now and then, and of the whole file here and there; the numbers are those of a
    // linear congruential generator.
    let mut seed = 42usize;
    for n in 0..150 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let reach = if n % 3 == 0 { 320 * 8 } else { database.len() * 8 };
        let bit = (seed >> 20) % reach;
        let mut flipped = database.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        refused += usize::from(start(format!("bit {bit}"), &flipped, &mark).await);
    }
    assert!(refused > 5, "flips hit what is in use: {refused}");
    for length in [0, 1, 100, 4096, database.len() / 2, database.len() - 1] {
        assert!(start(format!("{length} bytes"), &database[..length], &mark).await, "{length} bytes");
    }
    assert!(start("no database".into(), b"no database at all", &mark).await);
    assert!(start("an empty mark".into(), &database, b"").await);
}

#[tokio::test]
async fn an_older_copy_is_no_database_of_this_directory() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path()).await;
    let path = folder.path().join(DATABASE);
    let older = std::fs::read(&path).unwrap();
    let server = open(folder.path()).unwrap();
    ask(&server, "DELETE", &format!("{MAPS}/m-1"), &Value::Null).await;
    drop(server);
    std::fs::write(&path, &older).unwrap();
    let refused = open(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("changes are missing") && refused.contains(MARK), "{refused}");
    std::fs::remove_file(folder.path().join(MARK)).unwrap();
    let server = open(folder.path()).unwrap();
    assert!(names(&server).await.contains(&"m-1".to_owned()));
}

#[test]
fn secrets_that_prove_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let start =
        || open(folder.path()).and_then(|server| Listener::bind(&server, "127.0.0.1:0".parse().unwrap()).map(drop));
    start().unwrap();
    for name in ["token.key", "admin.token", "ca.key", "ca.crt"] {
        let path = folder.path().join("pki").join(name);
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        let refused = start().unwrap_err();
        assert!(refused.to_string().contains(name) && refused.to_string().contains("remove"), "{name}: {refused}");
        assert_eq!(refused.class(), Class::Permanent);
        std::fs::write(&path, good).unwrap();
        start().unwrap();
    }
    let other = tempfile::tempdir().unwrap();
    drop(Listener::bind(&open(other.path()).unwrap(), "127.0.0.1:0".parse().unwrap()).unwrap());
    std::fs::copy(other.path().join("pki/ca.key"), folder.path().join("pki/ca.key")).unwrap();
    assert!(start().unwrap_err().to_string().contains("not the certificate of ca.key"));
}

#[test]
fn a_data_directory_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("data");
    let start = || {
        let server = open(&folder).unwrap();
        let listener = Listener::bind(&server, "127.0.0.1:0".parse().unwrap()).unwrap();
        listener.write_kubeconfig(&folder.join("kubeconfig")).unwrap();
    };
    let entries = || {
        let inside =
            |path: &Path| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        [vec![folder.clone()], inside(&folder), inside(&folder.join("pki"))].concat()
    };
    let modes = || -> Vec<(std::path::PathBuf, u32)> {
        entries()
            .into_iter()
            .map(|path| (path.clone(), path.metadata().unwrap().permissions().mode() & 0o777))
            .collect()
    };
    start();
    let closed = modes();
    assert_eq!(closed.len(), 9);
    for (path, mode) in &closed {
        assert_eq!(*mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        let open = std::fs::Permissions::from_mode(if path.is_dir() { 0o755 } else { 0o644 });
        std::fs::set_permissions(path, open).unwrap();
    }
    start();
    assert_eq!(modes(), closed, "one that was open to others is closed");
}
