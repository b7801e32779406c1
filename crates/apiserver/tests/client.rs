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
    evict().await.unwrap();
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
        ("labelSelector=a%20in%20b", "unable to parse requirement: found 'b', expected: '('"),
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
