//! What holds for any sequence of requests.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test")]

use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::{BodyDataStream, BodyExt as _, Full};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tower::ServiceExt as _;
use weir_apiserver::{ApiServer, Body, Settings};

const WRITES: usize = 30_000;
const WATCHERS: usize = 100;

async fn send(
    server: &ApiServer,
    method: &str,
    uri: &str,
    media_type: &str,
    body: Vec<u8>,
) -> Option<http::Response<Body>> {
    let request = http::Request::builder().method(method).uri(uri).header("content-type", media_type);
    let request = request.body(Full::new(Bytes::from(body))).ok()?;
    Some(server.service().oneshot(request).await.unwrap())
}

async fn ask(server: &ApiServer, method: &str, uri: &str, media_type: &str, body: &Value) -> (u16, Value) {
    let response = send(server, method, uri, media_type, body.to_string().into_bytes()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

fn server() -> ApiServer {
    let server = ApiServer::new(Settings::default()).unwrap();
    let part = json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "n": {"type": "integer"}}});
    let spec = json!({"type": "object", "properties": {
        "values": {"type": "object", "additionalProperties": {"type": "integer"}},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": part}}});
    let crd = json!({"metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com", "scope": "Cluster",
        "names": {"plural": "widgets", "kind": "Widget"}, "versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]}});
    server.define([crd]).unwrap();
    server
}

async fn apply(server: &ApiServer, manager: &str, spec: &Value) -> Value {
    let object = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec});
    let uri = format!("/apis/example.com/v1/widgets/w?fieldManager={manager}");
    let (status, answer) = ask(server, "PATCH", &uri, "application/apply-patch+yaml", &object).await;
    assert!(status < 300, "{answer}");
    answer
}

/// A spec whose names all start with `prefix`, so that two of them have no field in common.
fn spec(prefix: &'static str) -> impl Strategy<Value = Value> {
    let name = move || (0u8..4).prop_map(move |n| format!("{prefix}{n}"));
    let values = proptest::collection::btree_map(name(), 0i64..3, 0..4);
    let tags = proptest::collection::btree_set(name(), 0..4);
    let parts = proptest::collection::btree_map(name(), proptest::option::of(0i64..3), 0..4);
    (values, tags, parts).prop_map(|(values, tags, parts)| {
        let part = |(name, n): (&String, &Option<i64>)| match n {
            Some(n) => json!({"name": name, "n": n}),
            None => json!({"name": name}),
        };
        let mut spec = Map::new();
        if !values.is_empty() {
            spec.insert("values".into(), json!(values));
        }
        if !tags.is_empty() {
            spec.insert("tags".into(), json!(tags));
        }
        if !parts.is_empty() {
            spec.insert("parts".into(), parts.iter().map(part).collect());
        }
        spec.into()
    })
}

/// The spec with its lists in one order, and who owns what.
fn settled(object: &Value) -> (Value, BTreeSet<String>) {
    let mut spec = object.get("spec").cloned().unwrap_or_else(|| json!({}));
    for list in ["tags", "parts"] {
        if let Some(list) = spec.get_mut(list).and_then(Value::as_array_mut) {
            list.sort_by_key(Value::to_string);
        }
    }
    let owners = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    (spec, owners.map(|o| format!("{} {}", o["manager"], o["fieldsV1"])).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_apply_repeated_changes_nothing(first in spec("a"), other in spec("b")) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let server = server();
            apply(&server, "bob", &other).await;
            let once = apply(&server, "alice", &first).await;
            let twice = apply(&server, "alice", &first).await;
            assert_eq!(once, twice);
        });
    }

    #[test]
    fn managers_of_different_fields_commute(one in spec("a"), two in spec("b")) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let (left, right) = (server(), server());
            apply(&left, "alice", &one).await;
            let left = apply(&left, "bob", &two).await;
            apply(&right, "bob", &two).await;
            let right = apply(&right, "alice", &one).await;
            assert_eq!(settled(&left), settled(&right));
        });
    }

    #[test]
    fn what_a_manager_drops_is_gone_and_nothing_else(one in spec("a"), two in spec("b")) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let (both, alone) = (server(), server());
            apply(&both, "alice", &one).await;
            apply(&both, "bob", &two).await;
            let left = apply(&both, "alice", &json!({})).await;
            let expected = apply(&alone, "bob", &two).await;
            let (spec, _) = settled(&left);
            assert_eq!(spec, settled(&expected).0);
        });
    }

    #[test]
    fn no_request_makes_the_server_stumble(
        method in "GET|POST|PUT|PATCH|DELETE",
        path in "(/(api|apis|v1|apps|namespaces|default|pods|nodes|x|status|example.com|widgets|w|openapi|v3|%2e|%ff)){0,7}",
        query in "(watch=true&timeoutSeconds=0&)?(labelSelector|fieldSelector|continue|limit|resourceVersion|dryRun|x)=[a-z0-9%=!,()]{0,12}",
        media_type in prop::sample::select(vec!["application/json", "application/json-patch+json", "application/merge-patch+json",
            "application/strategic-merge-patch+json", "application/apply-patch+yaml", "application/vnd.kubernetes.protobuf", "text/plain"]),
        body in proptest::collection::vec(any::<u8>(), 0..80),
        text in r#"[\[\]{}:,"a-z0-9$ \n-]{0,60}"#,
        binary in any::<bool>(),
    ) {
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
            let server = ApiServer::new(Settings::default()).unwrap();
            let body = if binary { body } else { text.into_bytes() };
            let path = if path.is_empty() { "/" } else { &path };
            if let Some(response) = send(&server, &method, &format!("{path}?{query}"), media_type, body).await {
                response.into_body().collect().await.unwrap();
            }
        });
    }
}

/// A small generator (xorshift), so that a failure can be repeated from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

async fn write_randomly(server: &ApiServer, seed: u64) {
    let mut random = Random(seed);
    for n in 0..WRITES {
        let namespace = ["default", "kube-system"][random.below(2) as usize];
        let name = format!("m{}", random.below(40));
        let base = format!("/api/v1/namespaces/{namespace}/configmaps");
        let object = json!({"metadata": {"name": name, "labels": {"l": random.below(3).to_string()}}, "data": {"n": n.to_string()}});
        match random.below(10) {
            0 | 1 => drop(ask(server, "DELETE", &format!("{base}/{name}"), "application/json", &Value::Null).await),
            2..6 => drop(ask(server, "POST", &base, "application/json", &object).await),
            _ => drop(ask(server, "PATCH", &format!("{base}/{name}"), "application/merge-patch+json", &object).await),
        }
        if n % 16 == 0 {
            tokio::task::yield_now().await;
        }
    }
}

type Seen = BTreeMap<String, String>;

fn entry(object: &Value) -> (String, String) {
    let meta = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (format!("{}/{}", meta("namespace"), meta("name")), meta("resourceVersion"))
}

/// What is looked at in an event. The rest is read over: a hundred watchers see millions of them.
#[derive(Debug, Deserialize)]
struct Event<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    object: Object<'a>,
}

#[derive(Debug, Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(default)]
    namespace: &'a str,
    #[serde(default)]
    name: &'a str,
    #[serde(default)]
    resource_version: &'a str,
}

async fn list(server: &ApiServer, base: &str, selector: &str) -> (Seen, String) {
    let (_, list) = ask(server, "GET", &format!("{base}?{selector}"), "", &Value::Null).await;
    let items = list["items"].as_array().unwrap().iter().map(entry).collect();
    (items, list["metadata"]["resourceVersion"].as_str().unwrap().to_owned())
}

/// Lists and watches until a bookmark says that everything up to the last write has been seen.
async fn follow(server: &ApiServer, base: &str, selector: &str, last: &AtomicU64) -> Seen {
    loop {
        let (mut seen, version) = list(server, base, selector).await;
        let uri = format!("{base}?{selector}&watch=true&allowWatchBookmarks=true&resourceVersion={version}");
        let response = send(server, "GET", &uri, "", Vec::new()).await.unwrap();
        let mut frames = BodyDataStream::new(response.into_body());
        let mut rest = String::new();
        'watch: while let Some(Ok(frame)) = frames.next().await {
            rest.push_str(str::from_utf8(&frame).unwrap());
            let mut read = 0;
            while let Some(length) = rest[read..].find('\n') {
                let event: Event<'_> = serde_json::from_str(&rest[read..read + length]).unwrap();
                read += length + 1;
                let Metadata { namespace, name, resource_version: version } = &event.object.metadata;
                let (name, version) = (format!("{namespace}/{name}"), (*version).to_owned());
                match event.r#type {
                    "ADDED" => assert!(seen.insert(name, version).is_none(), "{event:?} was there"),
                    "MODIFIED" => assert!(seen.insert(name, version).is_some(), "{event:?} was not there"),
                    "DELETED" => assert!(seen.remove(&name).is_some(), "{event:?} was not there"),
                    "BOOKMARK" => {
                        let last = last.load(Ordering::SeqCst);
                        if last > 0 && version.parse::<u64>().unwrap() >= last {
                            return seen;
                        }
                    }
                    // The log did not reach back: list again, as every client does.
                    "ERROR" => break 'watch,
                    other => panic!("{other}"),
                }
            }
            rest.drain(..read);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn folded_events_equal_the_list() {
    let seed = 0x9e37_79b9_7f4a_7c15;
    println!("seed {seed:#x}");
    let server = ApiServer::new(Settings::default()).unwrap();
    let last = Arc::new(AtomicU64::new(0));
    let scopes = ["/api/v1/configmaps", "/api/v1/namespaces/default/configmaps"];
    let selectors = ["", "labelSelector=l%3D1", "labelSelector=l+notin+(0)", "fieldSelector=metadata.name%3Dm7"];
    let watchers: Vec<_> = (0..WATCHERS)
        .map(|n| {
            let (server, last) = (server.clone(), last.clone());
            let (base, selector) = (scopes[n % 2], selectors[n / 2 % 4]);
            tokio::spawn(async move { (base, selector, follow(&server, base, selector, &last).await) })
        })
        .collect();
    write_randomly(&server, seed).await;
    let (_, version) = list(&server, scopes[0], "").await;
    last.store(version.parse().unwrap(), Ordering::SeqCst);
    for watcher in watchers {
        let (base, selector, seen) = watcher.await.unwrap();
        assert_eq!(seen, list(&server, base, selector).await.0, "{base}?{selector}");
    }
}
