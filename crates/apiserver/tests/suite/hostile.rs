//! Requests that nobody would write: nothing may panic, overflow a stack, fill the memory
//! or take forever.
#![allow(clippy::unwrap_used, reason = "a test")]

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tower::ServiceExt as _;
use weir_apiserver::{ApiServer, Settings};

/// No single compilation or validation of the cases below takes longer, by far, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";
const THINGS: &str = "/apis/example.com/v1/things";
const JSON: &str = "application/json";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

async fn text(server: &ApiServer, method: &str, uri: &str, media_type: &str, body: String) -> (u16, String) {
    let request = http::Request::builder().method(method).uri(uri).header("content-type", media_type);
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    let answer = server.service().oneshot(request).await.unwrap();
    let code = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (code, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn send(server: &ApiServer, method: &str, uri: &str, media_type: &str, body: &Value) -> (u16, Value) {
    let (code, text) = text(server, method, uri, media_type, body.to_string()).await;
    (code, serde_json::from_str(&text).unwrap_or_default())
}

/// A server with a kind of which everything below `spec` is kept, and a kind with this schema.
fn server(schema: Value) -> ApiServer {
    let server = ApiServer::new(Settings::default()).unwrap();
    let define = |plural: &str, kind: &str, schema: Value| {
        json!({"metadata": {"name": format!("{plural}.example.com")}, "spec": {"group": "example.com", "scope": "Cluster",
            "names": {"plural": plural, "kind": kind}, "versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": schema}}]}})
    };
    let free = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let free = json!({"type": "object", "properties": {"spec": free}});
    server.define([define("things", "Thing", free), define("others", "Other", schema)]).unwrap();
    server
}

fn thing(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec})
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!({"a": inner}))
}

#[tokio::test]
async fn a_json_patch_that_copies_into_itself_is_refused_and_changes_nothing() {
    let server = server(json!({"type": "object"}));
    let map = json!({"metadata": {"name": "m"}, "data": {"a": "x"}});
    let (_, before) = send(&server, "POST", MAPS, JSON, &map).await;
    let uri = format!("{MAPS}/m");
    let copy = |path: String| json!({"op": "copy", "from": "/data", "path": path});
    let deep: Value = (0..14).map(|k| copy(format!("/data{}", "/d".repeat(1 << k)))).collect();
    let wide: Value = (0..40).map(|k| copy(format!("/data/w{k}"))).collect();
    let many: Value = (0..10_001).map(|_| json!({"op": "test", "path": "/data/a", "value": "x"})).collect();
    for (patch, code, message) in [
        (deep, 422, "the server rejected our request due to an error in our request"),
        (wide, 422, "the server rejected our request due to an error in our request"),
        (many, 413, "The allowed maximum operations in a JSON patch is 10000, got 10001"),
    ] {
        let (found, status) = send(&server, "PATCH", &uri, JSON_PATCH, &patch).await;
        assert_eq!((found, status["message"].as_str().unwrap()), (code, message));
    }
    assert_eq!(send(&server, "GET", &uri, "", &Value::Null).await, (200, before));
}

/// At every depth, an object is refused, or it is there after the next write, alone and in lists, in JSON and YAML.
#[tokio::test]
async fn what_is_stored_can_be_read_back() {
    let server = server(json!({"type": "object"}));
    let mut stored = 0;
    for levels in 90..140_usize {
        let name = format!("t{levels}");
        let uri = format!("{THINGS}/{name}");
        let created = send(&server, "POST", THINGS, JSON, &thing(&name, nested(levels))).await;
        let grown = if created.0 == 201 {
            stored += 1;
            let path = format!("/spec{}", "/a".repeat(levels - 1));
            send(&server, "PATCH", &uri, JSON_PATCH, &json!([{"op": "add", "path": path, "value": nested(100)}])).await
        } else {
            assert!(created.1["message"].as_str().unwrap().contains("exceeded max depth"), "{}", created.1["message"]);
            send(&server, "POST", THINGS, JSON, &thing(&name, nested(50))).await;
            let merge = json!({"spec": nested(levels)});
            send(&server, "PATCH", &uri, MERGE, &merge).await
        };
        assert!([400, 422].contains(&grown.0) || (created.0 == 400 && grown.0 == 200), "{levels}: {}", grown.0);
        let label = json!({"metadata": {"labels": {"a": "b"}}});
        assert_eq!(send(&server, "PATCH", &uri, MERGE, &label).await.0, 200);
        let (_, read) = send(&server, "GET", &uri, "", &Value::Null).await;
        let expected = if created.0 == 201 || grown.0 == 200 { nested(levels) } else { nested(50) };
        assert_eq!((&read["spec"], &read["metadata"]["name"]), (&expected, &json!(name)));
    }
    assert!(stored > 10, "most depths that anybody uses are stored: {stored}");
    let (_, list) = send(&server, "GET", THINGS, "", &Value::Null).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 50);
    let request =
        http::Request::get(THINGS).header("accept", "application/yaml").body(Full::new(Bytes::new())).unwrap();
    let answer = server.service().oneshot(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert!(answer.len() > 10_000, "{}", answer.len());
}

#[tokio::test]
async fn what_is_larger_than_etcd_takes_is_refused_in_its_words() {
    let server = server(json!({"type": "object"}));
    let half = json!({"a": "x".repeat(900_000)});
    assert_eq!(send(&server, "POST", THINGS, JSON, &thing("t", half.clone())).await.0, 201);
    let uri = format!("{THINGS}/t");
    let more = "y".repeat(900_000);
    let apply = format!("{uri}?fieldManager=m");
    for (uri, media_type, body) in [
        (THINGS, JSON, thing("u", json!({"a": more, "b": more}))),
        (&uri, JSON_PATCH, json!([{"op": "copy", "from": "/spec/a", "path": "/spec/b"}])),
        (&uri, MERGE, json!({"spec": {"b": more}})),
        (&apply, APPLY, thing("t", json!({"b": more}))),
    ] {
        let method = if uri == THINGS { "POST" } else { "PATCH" };
        let (code, status) = send(&server, method, uri, media_type, &body).await;
        assert_eq!(
            (code, status["message"].as_str().unwrap()),
            (500, "etcdserver: request is too large"),
            "{media_type}"
        );
    }
    let (_, read) = send(&server, "GET", &uri, "", &Value::Null).await;
    assert_eq!(read["spec"], half);
    let crowd: Value = (0..100_000).map(|n| json!({"n": n})).collect();
    let (code, status) = send(&server, "POST", THINGS, JSON, &thing("u", json!({"l": crowd}))).await;
    assert_eq!(code, 413, "{status}");
}

#[tokio::test]
async fn defaults_and_messages_do_not_multiply() {
    let item = json!({"type": "object", "properties": {"a": {"type": "string", "default": "y".repeat(100_000)}, "n": {"type": "integer"}}});
    let map = json!({"type": "object", "additionalProperties": {"type": "object", "additionalProperties": {"type": "object", "properties": {"n": {"type": "integer"}}}}});
    let server =
        server(json!({"type": "object", "properties": {"spec": {"type": "array", "items": item}, "map": map}}));
    let other = |field: &str, value: Value| json!({"apiVersion": "example.com/v1", "kind": "Other", "metadata": {"name": "o"}, field: value});
    let uri = "/apis/example.com/v1/others";
    let (code, status) = send(&server, "POST", uri, JSON, &other("spec", vec![json!({}); 2_000].into())).await;
    assert_eq!((code, status["message"].as_str().unwrap()), (500, "etcdserver: request is too large"));
    // Below a name of half a megabyte are thousands of fields of the wrong type, and thousands that nobody knows.
    let started = Instant::now();
    let long = "k".repeat(500_000);
    for value in [json!({"n": "text"}), json!({"unknown": 1})] {
        let below: Value =
            (0..20_000).map(|n| (format!("{n}"), value.clone())).collect::<serde_json::Map<_, _>>().into();
        for validation in ["Strict", "Warn"] {
            let body = other("map", json!({(long.as_str()): below})).to_string();
            let (_, answer) = text(&server, "POST", &format!("{uri}?fieldValidation={validation}"), JSON, body).await;
            assert!(answer.len() < 2 << 20, "{validation}: {}", answer.len());
            text(&server, "DELETE", &format!("{uri}/o"), JSON, String::new()).await;
        }
    }
    // What cannot be parsed is not sent back.
    let (code, answer) = text(&server, "POST", uri, JSON, "{".repeat(1_000_000)).await;
    assert!(code == 413 && answer.len() < 1_000, "{code} {}", answer.len());
    let (code, answer) = text(&server, "POST", uri, JSON, format!("{{\"a\": {}", "1".repeat(1_000_000))).await;
    assert!(code == 400 && answer.len() < 1_000, "{code} {}", answer.len());
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

#[tokio::test]
async fn aliases_and_merge_keys_do_not_multiply() {
    let server = server(json!({"type": "object"}));
    let name = |n: usize| char::from(b'a' + u8::try_from(n).unwrap());
    let repeated = |n: usize, times: usize| vec![format!("*{}", name(n)); times].join(",");
    let aliases: String = (1..10).map(|n| format!("{}: &{} [{}]\n", name(n), name(n), repeated(n - 1, 9))).collect();
    let merged: String =
        (1..13).map(|n| format!("{}: &{} {{<<: [{}]}}\n", name(n), name(n), repeated(n - 1, 20))).collect();
    let uri = format!("{MAPS}/m?fieldManager=a");
    let started = Instant::now();
    for bomb in [format!("a: &a [x,x,x,x,x,x,x,x,x]\n{aliases}"), format!("a: &a {{x: 1}}\n{merged}")] {
        let (code, answer) = text(&server, "PATCH", &uri, APPLY, bomb).await;
        assert_eq!(code, 400, "{answer}");
        assert!(answer.contains("yaml: document contains excessive aliasing"), "{answer}");
    }
    for (many, part) in
        [(400_000, "- {}\n"), (1_000_000, "["), (100_000, "a: {b: "), (500_000, "? "), (300_000, "- - ")]
    {
        let (code, answer) = text(&server, "PATCH", &uri, APPLY, part.repeat(many)).await;
        assert!([400, 500].contains(&code) && answer.len() < 2_000, "{part}: {code} {answer}");
    }
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    let modest = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m\n  labels: &l {a: b, c: d}\n  annotations: *l\ndata: {<<: *l, e: f}\n";
    let (code, answer) = text(&server, "PATCH", &uri, APPLY, modest.into()).await;
    assert_eq!(code, 201, "{answer}");
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["data"], json!({"a": "b", "c": "d", "e": "f"}));
}

#[tokio::test]
async fn large_lists_of_built_in_kinds_are_merged_and_judged_in_time() {
    let server = server(json!({"type": "object"}));
    let started = Instant::now();
    let containers =
        |image: &str| -> Value { (0..6_000).map(|n| json!({"name": format!("c{n}"), "image": image})).collect() };
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": containers("i")}});
    assert_eq!(send(&server, "POST", PODS, JSON, &pod).await.0, 201);
    let patch = json!({"spec": {"containers": containers("j")}});
    assert_eq!(send(&server, "PATCH", &format!("{PODS}/p"), STRATEGIC, &patch).await.0, 200);
    let taints: Value = (0..15_000).map(|n| json!({"key": format!("k{n}"), "effect": "NoSchedule"})).collect();
    let node = json!({"metadata": {"name": "n"}, "spec": {"taints": taints}});
    assert_eq!(send(&server, "POST", "/api/v1/nodes", JSON, &node).await.0, 201);
    // Nobody can be asked for a billion permissions.
    let words = |n: usize| -> Value { (0..n).map(|n| format!("w{n}")).collect::<Vec<_>>().into() };
    let role = json!({"metadata": {"name": "r"}, "rules": [{"verbs": words(1_000), "apiGroups": words(1_000), "resources": words(1_000)}]});
    let user = weir_apiserver::User { username: "somebody".into(), ..weir_apiserver::User::default() };
    let all = json!({"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "writer"}, "subjects": [{"kind": "User", "name": "somebody"}]});
    let writer = json!({"metadata": {"name": "writer"}, "rules": [{"verbs": ["create"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"]}]});
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    assert_eq!(send(&server, "POST", roles, JSON, &writer).await.0, 201);
    assert_eq!(
        send(&server, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", JSON, &all).await.0,
        201
    );
    let request =
        http::Request::post(roles).header("content-type", JSON).body(Full::new(Bytes::from(role.to_string()))).unwrap();
    assert_eq!(server.service_as(user).oneshot(request).await.unwrap().status(), 403);
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

/// With as many pods that a cost per pod would take minutes.
#[tokio::test]
async fn an_eviction_under_a_budget_does_not_cost_as_much_as_there_are_pods() {
    let server = server(json!({"type": "object"}));
    let pods = 4_000;
    for n in 0..pods {
        let pod = json!({"metadata": {"name": format!("p{n}"), "labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        send(&server, "POST", PODS, JSON, &pod).await;
        let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        send(&server, "PATCH", &format!("{PODS}/p{n}/status"), MERGE, &ready).await;
    }
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let budget = json!({"metadata": {"name": "b"}, "spec": {"minAvailable": pods - 500, "selector": {"matchLabels": {"a": "b"}}}});
    assert_eq!(send(&server, "POST", budgets, JSON, &budget).await.0, 201);
    let started = Instant::now();
    let mut evicted = 0;
    for n in 0..600 {
        let uri = format!("{PODS}/p{n}/eviction");
        let (code, _) = send(&server, "POST", &uri, JSON, &json!({"metadata": {"name": format!("p{n}")}})).await;
        assert_eq!(code, if n < 500 { 201 } else { 429 }, "{n}");
        evicted += usize::from(code == 201);
    }
    let (_, budget) = send(&server, "GET", &format!("{budgets}/b"), "", &Value::Null).await;
    let status = &budget["status"];
    assert_eq!((&status["currentHealthy"], &status["disruptionsAllowed"]), (&json!(pods - evicted), &json!(0)));
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}
