//! The server as kube-rs clients see it, in process.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Node, Secret};
use kube::{
    Api, Client, ResourceExt as _,
    api::{
        ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
    },
    runtime::watcher,
};
use serde_json::{Value, json};
use weir_apiserver::{ApiServer, Settings};

fn client() -> (ApiServer, Client) {
    let server = ApiServer::new(Settings::default()).unwrap();
    let client = Client::new(server.service(), "default");
    (server, client)
}

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn widgets() -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [
                {"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                 "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {"size": {"type": "integer"},
                        "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "n": {"type": "integer"}}}}}},
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}},
                {"name": "v1beta1", "served": true, "storage": false,
                 "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})
}

fn widget_api(client: &Client, version: &str) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: "example.com".into(),
        version: version.into(),
        api_version: format!("example.com/{version}"),
        kind: "Widget".into(),
        plural: "widgets".into(),
    };
    Api::all_with(client.clone(), &resource)
}

#[tokio::test]
async fn objects_are_created_read_changed_and_deleted() {
    let (_server, client) = client();
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let created = api
        .create(&PostParams::default(), &object(json!({"metadata": {"name": "a"}, "data": {"k": "1"}})))
        .await
        .unwrap();
    assert!(created.uid().is_some() && created.resource_version().is_some());
    let patched = api.patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"k": "2"}}))).await.unwrap();
    assert_ne!(created.resource_version(), patched.resource_version());
    let same = api.patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"k": "2"}}))).await.unwrap();
    assert_eq!(same.metadata, patched.metadata, "a write that changes nothing leaves no trace");
    let stale = api.replace("a", &PostParams::default(), &created).await.unwrap_err();
    assert!(matches!(stale, kube::Error::Api(status) if status.code == 409 && status.reason == "Conflict"));
    api.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(api.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn a_watcher_sees_what_is_there_and_what_changes() {
    let (_server, client) = client();
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let make = |name: &str| object::<ConfigMap>(json!({"metadata": {"name": name, "labels": {"w": "1"}}}));
    api.create(&PostParams::default(), &make("a")).await.unwrap();
    for config in [watcher::Config::default().labels("w=1"), watcher::Config::default().labels("w=1").streaming_lists()]
    {
        let mut events = watcher(api.clone(), config).boxed();
        let mut seen = Vec::new();
        loop {
            match events.try_next().await.unwrap().unwrap() {
                watcher::Event::Init => {}
                watcher::Event::InitApply(o) => seen.push(format!("+{}", o.name_any())),
                watcher::Event::InitDone => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(seen, ["+a"]);
        api.create(&PostParams::default(), &make("b")).await.unwrap();
        let leave = Patch::Merge(json!({"metadata": {"labels": {"w": "2"}}}));
        assert!(matches!(events.try_next().await.unwrap(), Some(watcher::Event::Apply(o)) if o.name_any() == "b"));
        api.patch("b", &PatchParams::default(), &leave).await.unwrap();
        assert!(matches!(events.try_next().await.unwrap(), Some(watcher::Event::Delete(o)) if o.name_any() == "b"));
        api.delete("b", &DeleteParams::default()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_sends_bookmarks_ends_in_time_and_refuses_lost_history() {
    let (_server, client) = client();
    let api: Api<Node> = Api::all(client);
    let node = object::<Node>(json!({"metadata": {"name": "n", "annotations": {"big": "x".repeat(200_000)}}}));
    let first = api.create(&PostParams::default(), &node).await.unwrap().resource_version().unwrap();
    let mut events = api.watch(&WatchParams::default().timeout(90), "0").await.unwrap().boxed();
    assert!(matches!(events.try_next().await.unwrap(), Some(WatchEvent::Added(_))));
    assert!(matches!(events.try_next().await.unwrap(), Some(WatchEvent::Bookmark(_))));
    assert!(events.try_next().await.unwrap().is_none());
    for n in 0..20 {
        let patch = Patch::Merge(json!({"metadata": {"labels": {"n": n.to_string()}}}));
        api.patch("n", &PatchParams::default(), &patch).await.unwrap();
    }
    let mut events = api.watch(&WatchParams::default(), &first).await.unwrap().boxed();
    assert!(
        matches!(events.try_next().await.unwrap(), Some(WatchEvent::Error(e)) if e.code == 410 && e.reason == "Expired")
    );
}

#[tokio::test]
async fn custom_resources_are_served_as_soon_as_they_are_defined() {
    let (server, client) = client();
    server.define([widgets()]).unwrap();
    server.define([widgets()]).unwrap();
    let api = widget_api(&client, "v1");
    let widget: DynamicObject =
        object(json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"},
        "spec": {"size": 1}, "status": {"x": 1}}));
    let created = api.create(&PostParams::default(), &widget).await.unwrap();
    assert_eq!((created.metadata.generation, created.data.get("status")), (Some(1), None));
    let status = Patch::Merge(json!({"status": {"x": 2}, "spec": {"size": 9}}));
    let with_status = api.patch_status("w", &PatchParams::default(), &status).await.unwrap();
    assert_eq!(with_status.metadata.generation, Some(1));
    assert_eq!((&with_status.data["status"]["x"], &with_status.data["spec"]["size"]), (&json!(2), &json!(1)));
    let grown = api.patch("w", &PatchParams::default(), &Patch::Merge(json!({"spec": {"size": 2}}))).await.unwrap();
    assert_eq!(grown.metadata.generation, Some(2));
    let other = widget_api(&client, "v1beta1").get("w").await.unwrap();
    assert_eq!(other.types.unwrap().api_version, "example.com/v1beta1");
    let strategic =
        api.patch("w", &PatchParams::default(), &Patch::Strategic(json!({"spec": {"size": 3}}))).await.unwrap_err();
    assert!(matches!(strategic, kube::Error::Api(status) if status.code == 415));
}

#[tokio::test]
async fn managers_own_what_they_apply() {
    let (server, client) = client();
    server.define([widgets()]).unwrap();
    let api = widget_api(&client, "v1");
    let apply = |manager: &str, spec: Value, force: bool| {
        let api = api.clone();
        let object = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec});
        let parameters = PatchParams { force, ..PatchParams::apply(manager) };
        async move { api.patch("w", &parameters, &Patch::Apply(object)).await }
    };
    let first = apply("alice", json!({"size": 1, "parts": [{"name": "a", "n": 1}]}), false).await.unwrap();
    let again = apply("alice", json!({"size": 1, "parts": [{"name": "a", "n": 1}]}), false).await.unwrap();
    assert_eq!(first, again);
    apply("bob", json!({"parts": [{"name": "b", "n": 2}]}), false).await.unwrap();
    let refused = apply("bob", json!({"size": 2, "parts": [{"name": "a", "n": 5}]}), false).await.unwrap_err();
    let kube::Error::Api(status) = refused else { panic!("{refused:?}") };
    assert_eq!(status.code, 409);
    assert_eq!(
        status.message,
        "Apply failed with 2 conflicts: conflicts with \"alice\":\n- .spec.parts[name=\"a\"].n\n- .spec.size"
    );
    let forced = apply("bob", json!({"size": 2}), true).await.unwrap();
    assert_eq!(forced.data["spec"], json!({"size": 2, "parts": [{"name": "a", "n": 1}]}));
    let dropped = apply("alice", json!({}), false).await.unwrap();
    assert_eq!(dropped.data["spec"], json!({"size": 2}));
}

#[tokio::test]
async fn nodes_take_strategic_patches_and_status_at_creation() {
    let (_server, client) = client();
    let api: Api<Node> = Api::all(client);
    let node = object::<Node>(
        json!({"metadata": {"name": "n"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
    );
    let created = api.create(&PostParams::default(), &node).await.unwrap();
    assert_eq!(created.status.unwrap().conditions.unwrap().len(), 1);
    let patch = Patch::Strategic(json!({"status": {"conditions": [{"type": "DiskPressure", "status": "False"}]}}));
    let patched = api.patch_status("n", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(patched.status.unwrap().conditions.unwrap().len(), 2);
    let cordon = Patch::Strategic(json!({"spec": {"unschedulable": true}}));
    api.patch("n", &PatchParams::default(), &cordon).await.unwrap();
    let cordoned = api.list(&ListParams::default().fields("spec.unschedulable=true")).await.unwrap();
    assert_eq!(cordoned.items.len(), 1);
}

#[tokio::test]
async fn pages_show_every_object_once() {
    let (_server, client) = client();
    let api: Api<Secret> = Api::default_namespaced(client);
    for n in 0..25 {
        let secret = object::<Secret>(json!({"metadata": {"name": format!("s{n:02}")}, "stringData": {"k": "v"}}));
        assert_eq!(api.create(&PostParams::default(), &secret).await.unwrap().data.unwrap()["k"].0, b"v");
    }
    let mut names = Vec::new();
    let mut parameters = ListParams::default().limit(10);
    loop {
        let page = api.list(&parameters).await.unwrap();
        names.extend(page.items.iter().map(kube::ResourceExt::name_any));
        match page.metadata.continue_.filter(|c| !c.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => break,
        }
    }
    assert_eq!(names, (0..25).map(|n| format!("s{n:02}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn events_are_one_store_with_two_faces() {
    let (_server, client) = client();
    let new: Api<k8s_openapi::api::events::v1::Event> = Api::default_namespaced(client.clone());
    let event = json!({"metadata": {"name": "e"}, "eventTime": "2026-01-01T00:00:00.000000Z", "action": "a", "reason": "r",
        "note": "text", "type": "Normal", "reportingController": "c", "reportingInstance": "i",
        "regarding": {"kind": "Node", "name": "n"}});
    new.create(&PostParams::default(), &object(event)).await.unwrap();
    let old: Api<Event> = Api::default_namespaced(client);
    let seen = old.get("e").await.unwrap();
    assert_eq!((seen.message.as_deref(), seen.involved_object.name.as_deref()), (Some("text"), Some("n")));
    assert_eq!(new.get("e").await.unwrap().note.as_deref(), Some("text"));
}

#[tokio::test]
async fn owned_objects_and_the_content_of_namespaces_go_with_them() {
    let (_server, client) = client();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.create(&PostParams::default(), &object(json!({"metadata": {"name": "openshift-x"}}))).await.unwrap();
    let api: Api<ConfigMap> = Api::namespaced(client, "openshift-x");
    let owner = api.create(&PostParams::default(), &object(json!({"metadata": {"name": "owner"}}))).await.unwrap();
    let owned = json!({"metadata": {"name": "owned", "ownerReferences": [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.uid().unwrap()}]}});
    api.create(&PostParams::default(), &object(owned)).await.unwrap();
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    api.create(&PostParams::default(), &object(held)).await.unwrap();
    api.delete("owner", &DeleteParams::default()).await.unwrap();
    assert!(api.get_opt("owned").await.unwrap().is_none());
    namespaces.delete("openshift-x", &DeleteParams::default()).await.unwrap();
    assert_eq!(namespaces.get("openshift-x").await.unwrap().status.unwrap().phase.as_deref(), Some("Terminating"));
    let refused = api.create(&PostParams::default(), &object(json!({"metadata": {"name": "late"}}))).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));
    api.patch("held", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"finalizers": null}}))).await.unwrap();
    assert!(namespaces.get_opt("openshift-x").await.unwrap().is_none());
}

#[tokio::test]
async fn an_eviction_waits_for_the_budget() {
    use k8s_openapi::api::{core::v1::Pod, policy::v1::PodDisruptionBudget};
    let (_server, client) = client();
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let budgets: Api<PodDisruptionBudget> = Api::default_namespaced(client);
    let budget =
        json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}});
    budgets.create(&PostParams::default(), &object(budget)).await.unwrap();
    let run = async |name: &str| {
        let pod = json!({"metadata": {"name": name, "labels": {"app": "a"}}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}});
        pods.create(&PostParams::default(), &object(pod)).await.unwrap();
        let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        pods.patch_status(name, &PatchParams::default(), &Patch::Strategic(ready)).await.unwrap();
    };
    run("p1").await;
    let options = kube::api::EvictParams::default();
    let evict = || pods.evict("p1", &options);
    let refused = evict().await.unwrap_err();
    assert!(
        matches!(refused, kube::Error::Api(status) if status.code == 429 && status.message.contains("disruption budget"))
    );
    run("p2").await;
    assert_eq!(budgets.get("b").await.unwrap().status.unwrap().disruptions_allowed, 1);
    let finalizers = async |names: Value| {
        let change = Patch::Merge(json!({"metadata": {"finalizers": names}}));
        pods.patch("p1", &PatchParams::default(), &change).await.unwrap();
    };
    finalizers(json!(["example.com/held"])).await;
    evict().await.unwrap();
    evict().await.unwrap();
    let held = pods.get("p1").await.unwrap();
    let said: Vec<_> = held.status.unwrap().conditions.unwrap().into_iter().map(|c| (c.type_, c.status)).collect();
    let expected = ["Ready", "DisruptionTarget"].map(|type_| (type_.to_owned(), "True".to_owned()));
    assert!(held.metadata.deletion_timestamp.is_some());
    assert_eq!(said, expected, "an evicted pod says so, once");
    finalizers(Value::Null).await;
    assert!(pods.get_opt("p1").await.unwrap().is_none());
    assert_eq!(budgets.get("b").await.unwrap().status.unwrap().disruptions_allowed, 0);
}

#[tokio::test]
async fn items_of_built_in_lists_leave_their_type_to_the_list() {
    let (server, client) = client();
    server.define([widgets()]).unwrap();
    let widget: DynamicObject =
        object(json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}));
    widget_api(&client, "v1").create(&PostParams::default(), &widget).await.unwrap();
    for (path, typed) in [("/api/v1/namespaces", false), ("/apis/example.com/v1/widgets", true)] {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        let list: Value = client.request(request).await.unwrap();
        assert_eq!(list["items"][0].get("kind").is_some(), typed, "{path}");
        assert!(list["items"][0]["metadata"]["name"].is_string());
    }
}

#[tokio::test]
async fn options_of_lists_are_checked() {
    let (_server, client) = client();
    let cases = [
        ("labelSelector=a%20in%20b", "unable to parse requirement: found 'b' expected: '('"),
        ("fieldSelector=x", "invalid selector: 'x'; can't understand 'x'"),
        (
            "fieldSelector=data.a%3D1",
            "\"data.a\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
        ),
        ("continue=%21", "invalid continue token: continue key is not valid: illegal base64 data at input byte 0"),
        (
            "resourceVersionMatch=Exact",
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
    ];
    for (query, message) in cases {
        let request = http::Request::get(format!("/api/v1/configmaps?{query}")).body(Vec::new()).unwrap();
        let error = client.request::<Value>(request).await.unwrap_err();
        assert!(matches!(&error, kube::Error::Api(status) if status.message == message), "{query}: {error:?}");
    }
}

/// Asks for a path with a query and an Accept header: status, media type and text of the answer.
async fn raw(
    server: &ApiServer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String, String) {
    use http_body_util::{BodyExt as _, Full};
    use tower::ServiceExt as _;
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(bytes::Bytes::from(body.to_owned()))).unwrap();
    let response = server.service().oneshot(request).await.unwrap();
    let media_type = response.headers().get("content-type").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, media_type, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn json_of(server: &ApiServer, path: &str) -> Value {
    serde_json::from_str(&raw(server, "GET", path, &[], "").await.2).unwrap()
}

async fn put_map(server: &ApiServer, name: &str, value: &str) {
    let path = format!("/api/v1/namespaces/default/configmaps/{name}?fieldManager=t");
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value}});
    let (status, _, text) =
        raw(server, "PATCH", &path, &[("content-type", "application/apply-patch+yaml")], &body.to_string()).await;
    assert!(status < 300, "{text}");
}

#[tokio::test]
async fn pages_show_what_was_there_at_the_first_one() {
    let (server, _) = client();
    const MAPS: &str = "/api/v1/namespaces/default/configmaps";
    for name in ["a", "b", "c", "d", "e"] {
        put_map(&server, name, "old").await;
    }
    let seen = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|m| format!("{}={}", m["metadata"]["name"].as_str().unwrap(), m["data"]["k"].as_str().unwrap()))
            .collect()
    };
    let first = json_of(&server, &format!("{MAPS}?limit=2")).await;
    let version = first["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    assert_eq!(
        (seen(&first), &first["metadata"]["remainingItemCount"]),
        (vec!["a=old".into(), "b=old".into()], &json!(3))
    );
    put_map(&server, "c", "new").await;
    put_map(&server, "cc", "new").await;
    assert_eq!(raw(&server, "DELETE", &format!("{MAPS}/d"), &[], "").await.0, 200);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = json_of(&server, &format!("{MAPS}?limit=2&continue={token}")).await;
    assert_eq!(seen(&second), ["c=old", "d=old"]);
    assert_eq!(second["metadata"]["resourceVersion"], version.as_str());
    let token = second["metadata"]["continue"].as_str().unwrap();
    assert_eq!(seen(&json_of(&server, &format!("{MAPS}?continue={token}")).await), ["e=old"]);
    let exact = format!("{MAPS}?resourceVersion={version}&resourceVersionMatch=Exact");
    assert_eq!(seen(&json_of(&server, &exact).await), ["a=old", "b=old", "c=old", "d=old", "e=old"]);
    // More than the log holds: the first page's version is gone.
    for n in 0..8 {
        put_map(&server, "a", &format!("{n}{}", "x".repeat(300 << 10))).await;
    }
    let (status, _, text) = raw(&server, "GET", &format!("{MAPS}?limit=2&continue={token}"), &[], "").await;
    let gone: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, gone["reason"].as_str()), (410, Some("Expired")), "{text}");
    let token = gone["metadata"]["continue"].as_str().unwrap();
    let rest = json_of(&server, &format!("{MAPS}?continue={token}")).await;
    assert_eq!(seen(&rest), ["e=old"]);
    assert_ne!(rest["metadata"]["resourceVersion"], version.as_str());
    let (status, _, text) = raw(&server, "GET", &exact, &[], "").await;
    assert!(status == 410 && text.contains("too old"), "{text}");
}

#[tokio::test]
async fn a_large_list_is_sent_in_pieces_and_is_whole() {
    let (server, client) = client();
    for n in 0..20 {
        put_map(&server, &format!("m{n:02}"), &"x".repeat(20 << 10)).await;
    }
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let names: Vec<String> = api.list(&ListParams::default()).await.unwrap().iter().map(|m| m.name_any()).collect();
    assert_eq!(names, (0..20).map(|n| format!("m{n:02}")).collect::<Vec<_>>());
    for (accept, rows) in
        [("as=Table;v=v1;g=meta.k8s.io", "rows"), ("as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", "items")]
    {
        let accept = format!("application/json;{accept}");
        let (_, _, text) =
            raw(&server, "GET", "/api/v1/configmaps?includeObject=Object", &[("accept", &accept)], "").await;
        let list: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(list[rows].as_array().unwrap().len(), 20, "{accept}");
    }
}

#[tokio::test]
async fn answers_and_bodies_may_be_yaml() {
    let (server, _) = client();
    let yaml = [("accept", "application/yaml"), ("content-type", "application/yaml")];
    const MAPS: &str = "/api/v1/namespaces/default/configmaps";
    let body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: \"yes\"}\n";
    let (status, media_type, text) = raw(&server, "POST", MAPS, &yaml, body).await;
    assert_eq!((status, media_type.as_str()), (201, "application/yaml"), "{text}");
    let created: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(created["data"]["k"], "yes");
    for (path, code) in [(MAPS.to_owned(), 200), (format!("{MAPS}/none"), 404)] {
        let (status, media_type, text) = raw(&server, "GET", &path, &yaml[..1], "").await;
        assert_eq!((status, media_type.as_str()), (code, "application/yaml"));
        assert!(serde_saphyr::from_str::<Value>(&text).unwrap()["kind"].is_string(), "{text}");
    }
    let either = [("accept", "application/json, application/yaml")];
    assert_eq!(raw(&server, "GET", MAPS, &either, "").await.1, "application/json");
    assert_eq!(raw(&server, "GET", &format!("{MAPS}?watch=true"), &yaml[..1], "").await.0, 406);
}

#[tokio::test]
async fn what_nobody_owned_when_it_came_goes() {
    let (server, client) = client();
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    put_map(&server, "owner", "").await;
    let uid = api.get("owner").await.unwrap().uid().unwrap();
    let of = |name: &str, owners: &[(&str, &str, &str)]| -> ConfigMap {
        let owners =
            owners.iter().map(|(kind, name, uid)| json!({"apiVersion": "v1", "kind": kind, "name": name, "uid": uid}));
        object(json!({"metadata": {"name": name, "ownerReferences": owners.collect::<Value>()}}))
    };
    let (gone, here, odd) = (("ConfigMap", "none", "u1"), ("ConfigMap", "owner", uid.as_str()), ("Oddity", "o", "u2"));
    for (name, owners, stays) in [
        ("of-nobody", &[gone][..], false),
        ("of-another-life", &[("ConfigMap", "owner", "u3")], false),
        ("of-one-of-two", &[gone, here], true),
        ("of-a-kind-unknown", &[odd], true),
        ("of-one-unknown", &[gone, odd], true),
    ] {
        api.create(&PostParams::default(), &of(name, owners)).await.unwrap();
        assert_eq!(api.get_opt(name).await.unwrap().is_some(), stays, "{name}");
    }
}

#[tokio::test]
async fn definitions_say_where_they_are_wrong_and_which_fields_select() {
    let (server, client) = client();
    let mut crd = widgets();
    crd["spec"]["versions"].as_array_mut().unwrap().truncate(1);
    let refused = |crd: Value| server.define([crd]).unwrap_err().to_string();
    let with = |path: &str, value: Value| {
        let mut crd = crd.clone();
        let (parent, field) = path.rsplit_once('/').unwrap();
        crd.pointer_mut(parent).unwrap()[field] = value;
        crd
    };
    const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/type";
    let cases = [
        (
            with(SCHEMA, json!("text")),
            "spec.validation.openAPIV3Schema.properties[spec].properties[size].type: Unsupported value",
        ),
        (
            with("/spec/conversion", json!({"strategy": "Webhook"})),
            "spec.conversion.strategy: Forbidden: this server calls no webhooks",
        ),
        (
            with(
                "/spec/versions/0/additionalPrinterColumns",
                json!([{"name": "n", "type": "string", "jsonPath": ".spec["}]),
            ),
            "spec.additionalPrinterColumns[0].jsonPath: Invalid value",
        ),
        (
            with("/spec/versions/0/selectableFields", json!([{"jsonPath": ".spec.parts"}])),
            "spec.selectableFields[0]: Invalid value: \".spec.parts\": must point to a field of type string, boolean or integer",
        ),
        (
            with("/spec/versions/0/selectableFields", json!([{"jsonPath": ".spec.color"}])),
            "spec.selectableFields[0].jsonPath: Invalid value: \".spec.color\": is an invalid path",
        ),
    ];
    for (crd, expected) in cases {
        let found = refused(crd);
        assert!(found.contains(expected), "{found}\n{expected}");
    }
    let mut two = widgets();
    two["spec"]["versions"][1]["schema"]["openAPIV3Schema"]["type"] = "text".into();
    assert!(refused(two).contains("spec.versions[1].schema.openAPIV3Schema.type"));

    server.define([with("/spec/versions/0/selectableFields", json!([{"jsonPath": ".spec.size"}]))]).unwrap();
    let api = widget_api(&client, "v1");
    for (name, size) in [("a", 1), ("b", 2)] {
        let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": size}});
        api.create(&PostParams::default(), &object(widget)).await.unwrap();
    }
    let selected = api.list(&ListParams::default().fields("spec.size=2")).await.unwrap();
    assert_eq!(selected.iter().map(|w| w.name_any()).collect::<Vec<_>>(), ["b"]);
    let refused = api.list(&ListParams::default().fields("spec.color=red")).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.message == "field label not supported: spec.color"));
}

#[tokio::test]
async fn policies_see_the_options_of_requests() {
    let (server, client) = client();
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"},
        "spec": {"matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}]},
            "validations": [{"expression": "request.options.kind == 'DeleteOptions' ? request.options.propagationPolicy == 'Orphan' : request.options.?fieldManager.orValue('') == 'good'",
                "messageExpression": "request.options.kind"}]}});
    let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "b"},
        "spec": {"policyName": "p", "validationActions": ["Deny"]}});
    const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
    for (plural, object) in [("validatingadmissionpolicies", policy), ("validatingadmissionpolicybindings", binding)] {
        let (status, _, text) = raw(&server, "POST", &format!("{GROUP}/{plural}"), &[], &object.to_string()).await;
        assert_eq!(status, 201, "{text}");
    }
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let map = object::<ConfigMap>(json!({"metadata": {"name": "a"}}));
    let by = |manager: &str| PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
    let refused = |error: kube::Error, kind: &str| {
        assert!(
            matches!(&error, kube::Error::Api(status) if status.message.ends_with(&format!("denied request: {kind}"))),
            "{error:?}"
        );
    };
    refused(api.create(&by("bad"), &map).await.unwrap_err(), "CreateOptions");
    refused(api.create(&PostParams::default(), &map).await.unwrap_err(), "CreateOptions");
    api.create(&by("good"), &map).await.unwrap();
    let patch = Patch::Merge(json!({"data": {"k": "v"}}));
    refused(
        api.patch("a", &PatchParams { field_manager: Some("bad".into()), ..PatchParams::default() }, &patch)
            .await
            .unwrap_err(),
        "UpdateOptions",
    );
    refused(api.delete("a", &DeleteParams::background()).await.unwrap_err(), "DeleteOptions");
    api.delete("a", &DeleteParams::orphan()).await.unwrap();
}

/// An element that leaves out a key which has a default is the same element when it is applied again.
#[tokio::test]
async fn applied_again_nothing_is_there_twice() {
    let (_server, client) = client();
    let ports =
        json!([{"name": "a", "port": 80}, {"name": "b", "port": 53, "protocol": "UDP"}, {"name": "c", "port": 53}]);
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": ports}});
    let container = json!({"name": "c", "image": "i", "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}], "env": [{"name": "A"}],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}]});
    let pod = json!({"containers": [container], "volumes": [{"name": "v", "emptyDir": {}}], "imagePullSecrets": [{}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]});
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": pod});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}});
    let mut seen: Vec<Value> = Vec::new();
    for round in 0..3 {
        for (plural, object) in [("services", &service), ("deployments", &deployment)] {
            let resource = ApiResource {
                group: if plural == "services" { String::new() } else { "apps".into() },
                version: "v1".into(),
                api_version: object["apiVersion"].as_str().unwrap().into(),
                kind: object["kind"].as_str().unwrap().into(),
                plural: plural.into(),
            };
            let api: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &resource);
            let name = object["metadata"]["name"].as_str().unwrap();
            let manager = if round == 1 { "second" } else { "first" };
            let applied = api.patch(name, &PatchParams::apply(manager), &Patch::Apply(object)).await.unwrap();
            // Strategic patches tell ports by their numbers alone, as those of kube-apiserver do.
            let same = match plural {
                "services" => json!({"spec": {"ports": [{"name": "a", "port": 80}]}}),
                _ => json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "env": [{"name": "A"}]}]}}}}),
            };
            let merged = api.patch(name, &PatchParams::default(), &Patch::Strategic(same)).await;
            for stored in [applied.data, merged.unwrap().data] {
                let spec = stored["spec"].clone();
                match seen.iter().find(|known| known["type"] == spec["type"]) {
                    Some(known) => assert_eq!(*known, spec, "{plural}, round {round}"),
                    None => seen.push(spec),
                }
            }
        }
    }
    assert_eq!(seen[0]["ports"].as_array().unwrap().len(), 3);
    let container = &seen[1]["template"]["spec"]["containers"][0];
    assert_eq!(container["ports"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_head_is_answered_as_a_get_without_its_body() {
    use http_body_util::{BodyExt as _, Full};
    use tower::ServiceExt as _;
    let (server, _client) = client();
    for uri in [
        "/",
        "/api",
        "/version",
        "/readyz",
        "/nothing",
        "/api/v1/namespaces/default",
        "/api/v1/namespaces",
        "/api/v1/namespaces/none",
        "/api/v1/namespaces?watch=1",
    ] {
        let ask = async |method: &str| {
            let request =
                http::Request::builder().method(method).uri(uri).body(Full::<bytes::Bytes>::default()).unwrap();
            server.service().oneshot(request).await.unwrap().into_parts()
        };
        let (get, get_body) = ask("GET").await;
        let (head, head_body) = ask("HEAD").await;
        assert_eq!(
            (head.status, head.headers.get("content-type")),
            (get.status, get.headers.get("content-type")),
            "{uri}"
        );
        assert_eq!(head_body.collect().await.unwrap().to_bytes().len(), 0, "{uri}");
        let length = head.headers.get("content-length").map(|length| length.to_str().unwrap().to_owned());
        let expected = match uri.contains("watch") {
            true => None,
            false => Some(get_body.collect().await.unwrap().to_bytes().len().to_string()),
        };
        assert_eq!(length, expected, "{uri}");
    }
}
