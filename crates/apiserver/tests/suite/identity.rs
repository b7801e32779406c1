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
async fn whose_token_it_is_and_what_that_user_may_do_is_told_to_who_may_ask() {
    let tokens = BTreeMap::from([("s3cret".to_owned(), named("jane"))]);
    let server = ApiServer::new(Settings { tokens, ..Settings::default() }).unwrap();
    grant(&server, "jane").await;
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let review = |token: &str| json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    let (status, known) = ask(server.service(), "POST", path, &[], &review("s3cret")).await;
    let status_of = &known["status"];
    assert_eq!(
        (status, &status_of["authenticated"], &status_of["user"]["username"]),
        (201, &json!(true), &json!("jane"))
    );
    let (status, unknown) = ask(server.service(), "POST", path, &[], &review("s3cre")).await;
    assert_eq!((status, &unknown["status"]["authenticated"]), (201, &Value::Null), "{unknown}");
    let (status, none) = ask(server.service(), "POST", path, &[], &review("")).await;
    assert_eq!((status, &none["message"]), (400, &json!("token is required for TokenReview in authentication")));
    assert_eq!(ask(server.service_as(named("jane")), "POST", path, &[], &review("s3cret")).await.0, 403);
    let account = json!({"metadata": {"name": "viewer"}});
    let base = "/api/v1/namespaces/default/serviceaccounts";
    assert_eq!(ask(server.service(), "POST", base, &[], &account).await.0, 201);
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let (_, issued) = ask(server.service(), "POST", &format!("{base}/viewer/token"), &[], &request).await;
    let (_, of_account) =
        ask(server.service(), "POST", path, &[], &review(issued["status"]["token"].as_str().unwrap())).await;
    let user = &of_account["status"]["user"];
    assert_eq!(user["username"], "system:serviceaccount:default:viewer");
    assert!(user["groups"].as_array().unwrap().contains(&json!("system:serviceaccounts")), "{user}");
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    for (verb, allowed) in [("list", true), ("delete", false)] {
        let resource = json!({"verb": verb, "resource": "configmaps", "namespace": "default"});
        let review =
            json!({"spec": {"user": "jane", "groups": ["system:authenticated"], "resourceAttributes": resource}});
        let (status, answer) = ask(server.service(), "POST", path, &[], &review).await;
        assert_eq!((status, &answer["status"]["allowed"]), (201, &json!(allowed)), "{verb}");
        assert_eq!(ask(server.service_as(named("jane")), "POST", path, &[], &review).await.0, 403);
    }
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

/// A client without a name that speaks HTTP/1.1 as it likes.
struct Stranger(tokio_rustls::client::TlsStream<tokio::net::TcpStream>);

impl Stranger {
    async fn connect(listener: std::net::SocketAddr, kubeconfig: &kube::config::Kubeconfig) -> std::io::Result<Self> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
        let cluster = kubeconfig.clusters[0].cluster.clone().unwrap();
        let ca = STANDARD.decode(cluster.certificate_authority_data.unwrap()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&ca).unwrap()).unwrap();
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        let stream = tokio::net::TcpStream::connect(listener).await?;
        Ok(Self(connector.connect(ServerName::IpAddress(listener.ip().into()), stream).await?))
    }

    async fn send(&mut self, text: &str) {
        use tokio::io::AsyncWriteExt as _;
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// All that comes until the server ends the connection.
    async fn hear(&mut self) -> String {
        use tokio::io::AsyncReadExt as _;
        let mut heard = Vec::new();
        // How it ends is of no interest.
        let _ = self.0.read_to_end(&mut heard).await;
        String::from_utf8_lossy(&heard).into_owned()
    }
}

/// A server that listens, and the kubeconfig of its administrator.
fn listening() -> (std::net::SocketAddr, kube::config::Kubeconfig) {
    // Fails only when one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = ApiServer::new(Settings::default()).unwrap();
    let listener = Listener::bind(&server, "127.0.0.1:0".parse().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    listener.write_kubeconfig(&folder.path().join("kubeconfig")).unwrap();
    let address = listener.address();
    tokio::spawn(listener.serve(std::future::pending()));
    (address, kube::config::Kubeconfig::read_from(folder.path().join("kubeconfig")).unwrap())
}

#[tokio::test]
async fn who_may_not_ask_is_refused_before_a_body_is_read() {
    let (address, kubeconfig) = listening();
    for credentials in ["", "Authorization: Bearer wrong\r\n", "Authorization: Bearer \r\n"] {
        let mut stranger = Stranger::connect(address, &kubeconfig).await.unwrap();
        stranger
            .send(&format!(
                "POST {MAPS} HTTP/1.1\r\nHost: x\r\n{credentials}Content-Type: application/json\r\nContent-Length: 3000000\r\n\r\n{{"
            ))
            .await;
        let heard = stranger.hear().await;
        let expected = if credentials.is_empty() { "HTTP/1.1 403 " } else { "HTTP/1.1 401 " };
        assert!(heard.starts_with(expected), "{credentials:?}: {heard}");
    }
    let mut stranger = Stranger::connect(address, &kubeconfig).await.unwrap();
    let headers: String = (0..200).map(|n| format!("X-{n}: x\r\n")).collect();
    stranger.send(&format!("GET /version HTTP/1.1\r\nHost: x\r\n{headers}\r\n")).await;
    assert!(stranger.hear().await.starts_with("HTTP/1.1 431 "));
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn strangers_who_hold_connections_keep_nobody_out() {
    let (address, kubeconfig) = listening();
    let mut silent = Vec::new();
    for n in 0..150 {
        silent.push((n, tokio::net::TcpStream::connect(address).await.unwrap()));
    }
    let mut strangers = Vec::new();
    for _ in 0..150 {
        strangers.push(Stranger::connect(address, &kubeconfig).await.unwrap());
    }
    // The first ones have been ended, not only those that finished no handshake.
    assert_eq!(strangers[0].hear().await, "");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig.clone(), &Default::default()).await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(Client::try_from(config).unwrap());
    maps.list(&ListParams::default()).await.unwrap();
    // Who is known stays, whoever comes.
    for _ in 0..150 {
        strangers.push(Stranger::connect(address, &kubeconfig).await.unwrap());
    }
    maps.list(&ListParams::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = ApiServer::new(Settings::default()).unwrap();
    let body =
        http_body_util::StreamBody::new(futures::stream::pending::<Result<http_body::Frame<Bytes>, std::io::Error>>());
    let request = http::Request::builder().method("POST").uri(MAPS).header("content-type", "application/json");
    let asked = tokio::time::Instant::now();
    let response = server.service().oneshot(request.body(body).unwrap()).await.unwrap();
    assert_eq!(response.status(), 504);
    assert!(asked.elapsed() <= std::time::Duration::from_secs(31), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn the_watches_and_bodies_of_one_user_leave_room_for_others() {
    let server = ApiServer::new(Settings::default()).unwrap();
    grant(&server, "jane").await;
    let watch = async |user: &str| {
        let request = http::Request::get(format!("{MAPS}?watch=true")).body(Full::new(Bytes::new())).unwrap();
        server.service_as(named(user)).oneshot(request).await.unwrap()
    };
    let mut open = Vec::new();
    let refused = loop {
        let response = watch("jane").await;
        if response.status() != 200 {
            break response;
        }
        open.push(response);
    };
    assert_eq!((open.len(), refused.status().as_u16()), (1_000, 429));
    assert_eq!(refused.headers()["retry-after"], "1");
    let admin = http::Request::get(format!("{MAPS}?watch=true")).body(Full::new(Bytes::new())).unwrap();
    assert_eq!(server.service().oneshot(admin).await.unwrap().status(), 200);
    drop(open);
    assert_eq!(watch("jane").await.status(), 200);

    // Bodies that are announced and do not come.
    let stuck = || {
        let server = server.clone();
        let body = http_body_util::StreamBody::new(futures::stream::pending::<
            Result<http_body::Frame<Bytes>, std::io::Error>,
        >());
        let request = http::Request::builder().method("POST").uri(MAPS).header("content-type", "application/json");
        tokio::spawn(
            server
                .service_as(User { groups: vec!["system:masters".into()], ..named("joe") })
                .oneshot(request.body(body).unwrap()),
        )
    };
    let mut under_way: Vec<_> = (0..17).map(|_| stuck()).collect();
    let (first, _, _) = futures::future::select_all(&mut under_way).await;
    assert_eq!(first.unwrap().unwrap().status(), 429);
    assert_eq!(ask(server.service(), "POST", MAPS, &[], &json!({"metadata": {"name": "a"}})).await.0, 201);
    under_way.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_token_ends_with_the_account_and_with_what_it_is_bound_to() {
    let (address, admin) = listening();
    let client = |token: Option<&str>| {
        let mut file = admin.clone();
        if let Some(token) = token {
            file.auth_infos[0].auth_info = Some(serde_json::from_value(json!({"token": token})).unwrap());
        }
        async move {
            Client::try_from(kube::Config::from_custom_kubeconfig(file, &Default::default()).await.unwrap()).unwrap()
        }
    };
    let _ = address;
    let root = client(None).await;
    let send = async |method: &str, path: &str, body: Value| -> (u16, Value) {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = http::Request::builder().method(method).uri(path).header("content-type", "application/json");
        match root.request::<Value>(request.body(body).unwrap()).await {
            Ok(value) => (200, value),
            Err(kube::Error::Api(status)) => (status.code, serde_json::to_value(status).unwrap()),
            Err(error) => panic!("{error}"),
        }
    };
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let robot = json!({"metadata": {"name": "robot"}});
    send("POST", accounts, robot.clone()).await;
    let pods = "/api/v1/namespaces/default/pods";
    send("POST", pods, json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})).await;
    let token = async |spec: Value| send("POST", &format!("{accounts}/robot/token"), json!({"spec": spec})).await;
    let text = |(_, answer): (u16, Value)| answer["status"]["token"].as_str().unwrap().to_owned();
    let plain = text(token(json!({})).await);
    let bound = text(token(json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p"}})).await);
    // 401 while nobody is known; 403 for a robot without rights.
    let code = async |token: &str| {
        let maps: Api<ConfigMap> = Api::default_namespaced(client(Some(token)).await);
        match maps.list(&ListParams::default()).await {
            Err(kube::Error::Api(status)) => status.code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((code(&plain).await, code(&bound).await), (403, 403));
    send("DELETE", &format!("{pods}/p"), Value::Null).await;
    assert_eq!((code(&plain).await, code(&bound).await), (403, 401));
    send("DELETE", &format!("{accounts}/robot"), Value::Null).await;
    assert_eq!(code(&plain).await, 401, "the account is gone");
    send("POST", accounts, robot).await;
    assert_eq!(code(&plain).await, 401, "another account of the same name");
    assert_eq!(code(&text(token(json!({})).await)).await, 403);

    let (status, refused) = token(json!({"expirationSeconds": 60})).await;
    assert_eq!(status, 422);
    assert_eq!(
        refused["message"],
        "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 60: may not specify a \
         duration less than 10 minutes"
    );
    assert_eq!(token(json!({"expirationSeconds": 1i64 << 33})).await.0, 422);
    let (_, longest) = token(json!({"expirationSeconds": 1i64 << 32})).await;
    assert_eq!(longest["spec"]["expirationSeconds"], 365 * 24 * 60 * 60);
    let (status, refused) = token(json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "none"}})).await;
    assert_eq!((status, refused["reason"].as_str()), (404, Some("NotFound")));
}
