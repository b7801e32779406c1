//! Who a client is, and what it may do.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tower::ServiceExt as _;
use weir_apiserver::{ApiServer, Listener, Service, Settings, User};

fn named(name: &str) -> User {
    User { username: name.into(), groups: vec!["system:authenticated".into()], ..User::default() }
}

async fn ask(service: Service, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
    let mut request = http::Request::builder().method(method).uri(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = service.oneshot(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn grant(server: &ApiServer, user: &str) {
    let role = json!({"metadata": {"name": "reader"}, "rules": [
        {"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["configmaps"]}]});
    let binding = json!({"metadata": {"name": "reader"}, "roleRef": {"kind": "Role", "name": "reader"},
        "subjects": [{"kind": "User", "name": user}]});
    let base = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    for (plural, object) in [("roles", role), ("rolebindings", binding)] {
        let (status, answer) = ask(server.service(), "POST", &format!("{base}/{plural}"), &[], &object).await;
        assert_eq!(status, 201, "{answer}");
    }
}

#[tokio::test]
async fn users_may_do_what_roles_grant() {
    let server = ApiServer::new(Settings::default()).unwrap();
    let jane = || server.service_as(named("jane"));
    let (status, refused) = ask(jane(), "GET", "/api/v1/namespaces/default/configmaps", &[], &Value::Null).await;
    assert_eq!(status, 403);
    let expected = "configmaps is forbidden: User \"jane\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"default\"";
    assert_eq!(refused["message"], expected);
    grant(&server, "jane").await;
    assert_eq!(ask(jane(), "GET", "/api/v1/namespaces/default/configmaps", &[], &Value::Null).await.0, 200);
    assert_eq!(ask(jane(), "GET", "/api/v1/namespaces/kube-system/configmaps", &[], &Value::Null).await.0, 403);
    let (status, _) =
        ask(jane(), "POST", "/api/v1/namespaces/default/configmaps", &[], &json!({"metadata": {"name": "a"}})).await;
    assert_eq!(status, 403);
    let review = |verb: &str| json!({"spec": {"resourceAttributes": {"verb": verb, "resource": "configmaps", "namespace": "default"}}});
    for (verb, allowed) in [("get", true), ("delete", false)] {
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let (_, answer) = ask(jane(), "POST", path, &[], &review(verb)).await;
        assert_eq!(answer["status"]["allowed"], allowed, "{verb}");
    }
    let (_, who) = ask(jane(), "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", &[], &json!({})).await;
    assert_eq!(who["status"]["userInfo"]["username"], "jane");
}

#[tokio::test]
async fn an_administrator_may_act_as_others_and_others_may_not() {
    let server = ApiServer::new(Settings::default()).unwrap();
    let headers = [("impersonate-user", "jane"), ("impersonate-group", "team"), ("impersonate-extra-key", "value")];
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let (_, who) = ask(server.service(), "POST", path, &headers, &json!({})).await;
    let user = &who["status"]["userInfo"];
    assert_eq!((&user["username"], &user["extra"]["key"][0]), (&json!("jane"), &json!("value")));
    assert_eq!(user["groups"], json!(["team", "system:authenticated"]));
    let nodes = ask(server.service(), "GET", "/api/v1/nodes", &headers, &Value::Null).await;
    assert_eq!(nodes.0, 403);
    assert_eq!(ask(server.service_as(named("jane")), "POST", path, &headers[..1], &json!({})).await.0, 403);
}

#[tokio::test]
async fn policies_see_who_asks() {
    let server = ApiServer::new(Settings::default()).unwrap();
    let policy = json!({"metadata": {"name": "p"}, "spec": {
        "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "DELETE"], "resources": ["configmaps"]}]},
        "validations": [{"expression": "request.userInfo.username != 'jane'", "message": "not jane", "reason": "Forbidden"}]}});
    let binding = json!({"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}});
    let base = "/apis/admissionregistration.k8s.io/v1";
    assert_eq!(
        ask(server.service(), "POST", &format!("{base}/validatingadmissionpolicies"), &[], &policy).await.0,
        201
    );
    assert_eq!(
        ask(server.service(), "POST", &format!("{base}/validatingadmissionpolicybindings"), &[], &binding).await.0,
        201
    );
    let maps = "/api/v1/namespaces/default/configmaps";
    let as_jane = [("impersonate-user", "jane"), ("impersonate-group", "system:masters")];
    let (status, denied) = ask(server.service(), "POST", maps, &as_jane, &json!({"metadata": {"name": "a"}})).await;
    assert_eq!((status, denied["reason"].as_str()), (403, Some("Forbidden")), "{denied}");
    assert_eq!(ask(server.service(), "POST", maps, &[], &json!({"metadata": {"name": "a"}})).await.0, 201);
    assert_eq!(ask(server.service(), "DELETE", &format!("{maps}/a"), &as_jane, &Value::Null).await.0, 403);
}

#[tokio::test]
async fn over_the_network_a_certificate_or_a_token_proves_who_asks() {
    // Fails only when one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tokens = BTreeMap::from([("secret".to_owned(), named("jane"))]);
    let server = ApiServer::new(Settings { tokens, ..Settings::default() }).unwrap();
    grant(&server, "jane").await;
    let (_, account) = ask(
        server.service(),
        "POST",
        "/api/v1/namespaces/default/serviceaccounts",
        &[],
        &json!({"metadata": {"name": "robot"}}),
    )
    .await;
    assert_eq!(account["metadata"]["name"], "robot");
    let (_, token) = ask(
        server.service(),
        "POST",
        "/api/v1/namespaces/default/serviceaccounts/robot/token",
        &[],
        &json!({"spec": {}}),
    )
    .await;
    let listener = Listener::bind(&server, "127.0.0.1:0".parse().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    listener.write_kubeconfig(&folder.path().join("kubeconfig")).unwrap();
    let certificate = listener.client_certificate("jane", "team").unwrap();
    let admin = kube::config::Kubeconfig::read_from(folder.path().join("kubeconfig")).unwrap();
    tokio::spawn(listener.serve(std::future::pending()));
    let client = |auth: Value| {
        let mut file = admin.clone();
        file.auth_infos[0].auth_info = Some(serde_json::from_value(auth).unwrap());
        async move {
            Client::try_from(kube::Config::from_custom_kubeconfig(file, &Default::default()).await.unwrap()).unwrap()
        }
    };
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let by_certificate = json!({"client-certificate-data": STANDARD.encode(&certificate.certificate), "client-key-data": STANDARD.encode(&certificate.key)});
    for auth in [by_certificate, json!({"token": "secret"})] {
        let api: Api<ConfigMap> = Api::default_namespaced(client(auth).await);
        api.list(&ListParams::default()).await.unwrap();
        let map = serde_json::from_value(json!({"metadata": {"name": "a"}})).unwrap();
        let refused = api.create(&PostParams::default(), &map).await.unwrap_err();
        assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));
    }
    for (auth, code) in
        [(json!({"token": token["status"]["token"]}), 403), (json!({"token": "wrong"}), 401), (json!({}), 403)]
    {
        let api: Api<ConfigMap> = Api::default_namespaced(client(auth.clone()).await);
        let refused = api.list(&ListParams::default()).await.unwrap_err();
        assert!(matches!(&refused, kube::Error::Api(status) if status.code == code), "{auth}: {refused:?}");
    }
}

#[tokio::test]
async fn nobody_grants_what_they_do_not_hold() {
    let server = ApiServer::new(Settings::default()).unwrap();
    const BASE: &str = "/apis/rbac.authorization.k8s.io/v1";
    let make = async |service: Service, path: &str, object: Value| {
        ask(service, "POST", &format!("{BASE}/{path}"), &[], &object).await
    };
    let rule = |verbs: &[&str], group: &str, resources: &[&str]| json!({"verbs": verbs, "apiGroups": [group], "resources": resources});
    // Jane writes roles and bindings, and reads ConfigMaps.
    let rbac = rule(&["*"], "rbac.authorization.k8s.io", &["roles", "rolebindings"]);
    let mut rbac_without = rbac.clone();
    rbac_without["verbs"] = json!(["create", "update", "get"]);
    let writer = json!({"metadata": {"name": "writer"}, "rules": [rbac_without, rule(&["get"], "", &["configmaps"])]});
    assert_eq!(make(server.service(), "namespaces/default/roles", writer).await.0, 201);
    let binding = |name: &str, role: &str, user: &str| {
        json!({"metadata": {"name": name}, "roleRef": {"kind": "Role", "name": role, "apiGroup": "rbac.authorization.k8s.io"},
            "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}]})
    };
    assert_eq!(
        make(server.service(), "namespaces/default/rolebindings", binding("jane", "writer", "jane")).await.0,
        201
    );
    let jane = || server.service_as(named("jane"));
    let role = |name: &str, rules: Value| json!({"metadata": {"name": name}, "rules": rules});
    let (status, answer) =
        make(jane(), "namespaces/default/roles", role("maps", json!([rule(&["get"], "", &["configmaps"])]))).await;
    assert_eq!(status, 201, "{answer}");
    let (status, refused) = make(
        jane(),
        "namespaces/default/roles",
        role("secrets", json!([rule(&["get"], "", &["configmaps"]), rule(&["get", "list"], "", &["secrets"])])),
    )
    .await;
    assert_eq!(status, 403);
    assert_eq!(
        refused["message"],
        "roles.rbac.authorization.k8s.io \"secrets\" is forbidden: user \"jane\" (groups=[\"system:authenticated\"]) is \
         attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"secrets\"], \
         Verbs:[\"get\" \"list\"]}"
    );
    assert_eq!(
        make(server.service(), "namespaces/default/roles", role("secrets", json!([rule(&["get"], "", &["secrets"])])))
            .await
            .0,
        201
    );
    let bind = binding("give", "secrets", "joe");
    assert_eq!(make(jane(), "namespaces/default/rolebindings", bind.clone()).await.0, 403);
    assert_eq!(make(jane(), "namespaces/default/rolebindings", binding("maps", "maps", "joe")).await.0, 201);
    // The verb bind allows it.
    assert_eq!(make(server.service(), "namespaces/default/roles", role("all", json!([rbac]))).await.0, 201);
    assert_eq!(make(server.service(), "namespaces/default/rolebindings", binding("more", "all", "jane")).await.0, 201);
    assert_eq!(make(jane(), "namespaces/default/rolebindings", bind).await.0, 201);
}

#[tokio::test]
async fn a_sum_of_roles_follows_its_parts() {
    let server = ApiServer::new(Settings::default()).unwrap();
    const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let sum = json!({"metadata": {"name": "sum"}, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"add": "yes"}}]}});
    assert_eq!(ask(server.service(), "POST", ROLES, &[], &sum).await.0, 201);
    let rule = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["nodes"]});
    let part = json!({"metadata": {"name": "part", "labels": {"add": "yes"}}, "rules": [rule]});
    assert_eq!(ask(server.service(), "POST", ROLES, &[], &part).await.0, 201);
    let rules =
        async || ask(server.service(), "GET", &format!("{ROLES}/sum"), &[], &Value::Null).await.1["rules"].clone();
    assert_eq!(rules().await, json!([rule]));
    let binding = json!({"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "sum", "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [{"kind": "User", "name": "jane", "apiGroup": "rbac.authorization.k8s.io"}]});
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    assert_eq!(ask(server.service(), "POST", bindings, &[], &binding).await.0, 201);
    let nodes = async || ask(server.service_as(named("jane")), "GET", "/api/v1/nodes/none", &[], &Value::Null).await.0;
    assert_eq!(nodes().await, 404);
    assert_eq!(ask(server.service(), "DELETE", &format!("{ROLES}/part"), &[], &Value::Null).await.0, 200);
    assert_eq!((rules().await, nodes().await), (json!([]), 403));
}

#[tokio::test]
async fn the_roles_of_a_namespace_are_there_from_the_start() {
    let server = ApiServer::new(Settings::default()).unwrap();
    let bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";
    for role in ["view", "edit", "admin"] {
        let binding = json!({"metadata": {"name": role}, "roleRef": {"kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "User", "name": format!("a-{role}")}]});
        assert_eq!(ask(server.service(), "POST", bindings, &[], &binding).await.0, 201);
    }
    let may = async |role: &str, verb: &str, resource: &str, namespace: &str| {
        let (group, resource) = resource.rsplit_once('/').unwrap_or(("", resource));
        let wanted = json!({"verb": verb, "group": group, "resource": resource, "namespace": namespace});
        let review = json!({"spec": {"resourceAttributes": wanted}});
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let user = server.service_as(named(&format!("a-{role}")));
        ask(user, "POST", path, &[], &review).await.1["status"]["allowed"] == true
    };
    let rbac = "rbac.authorization.k8s.io/rolebindings";
    for (verb, resource, allowed) in [
        ("list", "pods", ["view", "edit", "admin"].as_slice()),
        ("watch", "apps/deployments", &["view", "edit", "admin"]),
        ("get", "secrets", &["edit", "admin"]),
        ("delete", "apps/deployments", &["edit", "admin"]),
        ("create", rbac, &["admin"]),
        ("delete", "namespaces", &[]),
        ("list", "nodes", &[]),
    ] {
        for role in ["view", "edit", "admin"] {
            assert_eq!(may(role, verb, resource, "default").await, allowed.contains(&role), "{role} {verb} {resource}");
            assert!(!may(role, verb, resource, "kube-system").await, "{role} {verb} {resource} elsewhere");
        }
    }
    // A definition may add to them.
    let part = json!({"metadata": {"name": "widgets", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [{"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["widgets"]}]});
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    assert_eq!(ask(server.service(), "POST", roles, &[], &part).await.0, 201);
    for role in ["view", "edit", "admin"] {
        assert!(may(role, "get", "example.com/widgets", "default").await, "{role}");
    }
}
