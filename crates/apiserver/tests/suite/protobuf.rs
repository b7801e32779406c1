//! What a kubelet and kube-controller-manager send in protobuf, with all the zeros that Go writes.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use weir_apiserver::{ApiServer, Settings};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap());
    out
}

fn bytes(number: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [varint(number << 3 | 2), varint(value.len().try_into().unwrap()), value.to_vec()].concat()
}

fn int(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

fn object(version: &str, kind: &str, fields: &[Vec<u8>]) -> Vec<u8> {
    let meta = [bytes(1, version), bytes(2, kind)].concat();
    [b"k8s\0".to_vec(), bytes(1, meta), bytes(2, fields.concat()), bytes(3, ""), bytes(4, "")].concat()
}

/// Name, namespace and the zeros around them.
fn metadata(name: &str, namespace: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let zeros = [bytes(2, ""), bytes(4, ""), bytes(5, ""), bytes(6, ""), int(7, 0), bytes(8, "")].concat();
    let (name, namespace) = (bytes(1, name), bytes(3, namespace));
    bytes(1, [name, namespace, zeros, more.concat()].concat())
}

fn pair(key: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    [bytes(1, key), bytes(2, value)].concat()
}

fn time(seconds: u64, nanoseconds: u64) -> Vec<u8> {
    [int(1, seconds), int(2, nanoseconds)].concat()
}

/// As a kubelet registers its node.
fn node() -> Vec<u8> {
    let meta = metadata("n1", "", &[bytes(11, pair("kubernetes.io/hostname", "n1"))]);
    let taint = [bytes(1, "node-role.kubernetes.io/master"), bytes(2, ""), bytes(3, "NoSchedule")].concat();
    let spec = [bytes(1, ""), bytes(2, ""), bytes(3, "aws:///i-1"), int(4, 0), bytes(5, taint)].concat();
    let condition = [
        bytes(1, "Ready"),
        bytes(2, "False"),
        bytes(3, time(1_767_323_045, 0)),
        bytes(4, time(1_767_323_045, 0)),
        bytes(5, "KubeletNotReady"),
        bytes(6, ""),
    ];
    let info: Vec<u8> = (1..=10).flat_map(|n| bytes(n, if n == 7 { "v1.36.0" } else { "" })).collect();
    let image = [bytes(1, "a"), bytes(1, "b"), int(2, 1 << 31)].concat();
    let handler = [bytes(1, "crun"), bytes(2, [int(1, 1), int(2, 0)].concat())].concat();
    let status = [
        bytes(1, pair("cpu", bytes(1, "4"))),
        bytes(1, pair("memory", bytes(1, "16384Mi"))),
        bytes(2, pair("cpu", bytes(1, "3500m"))),
        bytes(3, ""),
        bytes(4, condition.concat()),
        bytes(5, [bytes(1, "InternalIP"), bytes(2, "10.0.0.1")].concat()),
        bytes(6, bytes(1, int(1, 10250))),
        bytes(7, info),
        bytes(8, image),
        bytes(12, handler),
        bytes(13, int(1, 1)),
    ];
    object("v1", "Node", &[meta, bytes(2, spec), bytes(3, status.concat())])
}

fn lease(more: &[Vec<u8>]) -> Vec<u8> {
    let spec =
        [bytes(1, "kcm_1"), int(2, 15), bytes(3, time(1_767_323_045, 0)), bytes(4, time(1_767_323_045, 678_901_000))];
    let spec = [spec.concat(), int(5, 0)].concat();
    let meta = metadata("kube-controller-manager", "kube-system", more);
    object("coordination.k8s.io/v1", "Lease", &[meta, bytes(2, spec)])
}

struct Client(ApiServer);

impl Client {
    async fn send(&self, method: &str, path: &str, accept: &str, body: Vec<u8>) -> (StatusCode, String, Bytes) {
        let request =
            Request::builder().method(method).uri(path).header("Accept", accept).header("Content-Type", PROTOBUF);
        let answer = self.0.service().oneshot(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
        let media_type = answer.headers()["Content-Type"].to_str().unwrap().to_owned();
        let status = answer.status();
        (status, media_type, answer.into_body().collect().await.unwrap().to_bytes())
    }

    async fn json(&self, method: &str, path: &str, body: Vec<u8>) -> (StatusCode, Value) {
        let (status, _, answer) = self.send(method, path, &format!("{PROTOBUF},application/json"), body).await;
        (status, serde_json::from_slice(&answer).unwrap())
    }
}

#[tokio::test]
async fn a_kubelet_registers_its_node() {
    let client = Client(ApiServer::new(Settings::default()).unwrap());
    let (status, made) = client.json("POST", "/api/v1/nodes", node()).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let spec = &made["spec"];
    assert_eq!(
        (&spec["providerID"], &spec["taints"][0]["key"]),
        (&json!("aws:///i-1"), &json!("node-role.kubernetes.io/master"))
    );
    assert_eq!(spec.get("unschedulable"), None);
    let status = &made["status"];
    assert_eq!(
        json!([
            status["capacity"],
            status["allocatable"],
            status["addresses"],
            status["images"],
            status["runtimeHandlers"],
            status["features"],
            status["daemonEndpoints"]["kubeletEndpoint"]["Port"],
            status["nodeInfo"]["kubeletVersion"],
            status["conditions"][0]["lastTransitionTime"]
        ]),
        json!([{"cpu": "4", "memory": "16384Mi"}, {"cpu": "3500m"}, [{"type": "InternalIP", "address": "10.0.0.1"}],
            [{"names": ["a", "b"], "sizeBytes": 1_u64 << 31}],
            [{"name": "crun", "features": {"recursiveReadOnlyMounts": true, "userNamespaces": false}}],
            {"supplementalGroupsPolicy": true}, 10250, "v1.36.0", "2026-01-02T03:04:05Z"])
    );
    let (status, refused) = client.json("POST", "/api/v1/nodes", node()).await;
    assert_eq!((status, &refused["reason"]), (StatusCode::CONFLICT, &json!("AlreadyExists")));
}

#[tokio::test]
async fn a_controller_manager_holds_its_lease() {
    let client = Client(ApiServer::new(Settings::default()).unwrap());
    let all = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
    let (status, made) = client.json("POST", all, lease(&[])).await;
    assert_eq!(
        (status, &made["spec"]["renewTime"]),
        (StatusCode::CREATED, &json!("2026-01-02T03:04:05.678901Z")),
        "{made}"
    );
    let one = format!("{all}/kube-controller-manager");
    // What was read comes back, with who manages which field.
    let managed =
        [bytes(1, "kube-controller-manager"), bytes(2, "Update"), bytes(4, time(1, 0)), bytes(7, bytes(1, "{}"))];
    let version = made["metadata"]["resourceVersion"].as_str().unwrap();
    let more = [bytes(6, version), bytes(17, managed.concat())];
    let (status, kept) = client.json("PUT", &one, lease(&more)).await;
    assert_eq!((status, &kept["metadata"]["uid"]), (StatusCode::OK, &made["metadata"]["uid"]), "{kept}");
    let (status, stale) = client.json("PUT", &one, lease(&[bytes(6, "1")])).await;
    assert_eq!((status, &stale["reason"]), (StatusCode::CONFLICT, &json!("Conflict")));
}

#[tokio::test]
async fn who_takes_nothing_but_protobuf_gets_it_for_nodes_and_leases() {
    let client = Client(ApiServer::new(Settings::default()).unwrap());
    let (status, media_type, made) = client.send("POST", "/api/v1/nodes", PROTOBUF, node()).await;
    assert_eq!((status, media_type.as_str(), &made[..4]), (StatusCode::CREATED, PROTOBUF, &b"k8s\0"[..]));
    // The server reads what it wrote: an object under another name is the same but for what the server sets.
    let (status, refused) = client.json("POST", "/api/v1/nodes?dryRun=All", made.to_vec()).await;
    assert_eq!(
        (status, &refused["message"]),
        (StatusCode::BAD_REQUEST, &json!("resourceVersion should not be set on objects to be created"))
    );
    let (status, media_type, listed) = client.send("GET", "/api/v1/nodes", PROTOBUF, Vec::new()).await;
    assert_eq!((status, media_type.as_str()), (StatusCode::OK, PROTOBUF));
    assert!(listed.windows(8).any(|part| part == b"NodeList") && listed.windows(10).any(|part| part == b"aws:///i-1"));
    let (status, media_type, gone) = client.send("GET", "/api/v1/nodes/none", PROTOBUF, Vec::new()).await;
    assert_eq!((status, media_type.as_str(), &gone[..4]), (StatusCode::NOT_FOUND, PROTOBUF, &b"k8s\0"[..]));
    for path in ["/api/v1/secrets", "/api/v1/nodes?watch=true"] {
        let (status, ..) = client.send("GET", path, PROTOBUF, Vec::new()).await;
        assert_eq!(status, StatusCode::NOT_ACCEPTABLE, "{path}");
    }
    let (status, refused) =
        client.json("POST", "/api/v1/namespaces/default/endpoints", object("v1", "Endpoints", &[])).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{refused}");
    let set = object("apps/v1", "DaemonSet", &[metadata("d", "default", &[])]);
    let (status, refused) = client.json("POST", "/apis/apps/v1/namespaces/default/daemonsets", set).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(
        refused["message"].as_str().unwrap().contains("of kind \"DaemonSet\" is not supported; send JSON"),
        "{refused}"
    );
}

/// As `oc debug node/n` makes it: privileged, with probes, resources and a security context of zeros.
#[tokio::test]
async fn a_pod_that_somebody_waits_for_is_refused_for_what_it_is() {
    let client = Client(ApiServer::new(Settings::default()).unwrap());
    let mark = bytes(12, pair("debug.openshift.io/source-resource", "/v1, Resource=nodes/n"));
    let security = [int(2, 1), int(4, 0)].concat();
    let mount = [bytes(1, "host"), int(2, 0), bytes(3, "/host"), bytes(4, ""), bytes(6, "")].concat();
    let container = [
        bytes(1, "container-00"),
        bytes(2, "registry.example.com/tools"),
        bytes(3, "/bin/sh"),
        bytes(5, ""),
        bytes(7, [bytes(1, "TMOUT"), bytes(2, "900")].concat()),
        bytes(8, ""),
        bytes(9, mount),
        bytes(13, ""),
        bytes(14, ""),
        bytes(15, security),
        int(16, 1),
        int(17, 1),
        int(18, 1),
        bytes(20, ""),
    ];
    let volume = [bytes(1, "host"), bytes(2, bytes(1, [bytes(1, "/"), bytes(2, "Directory")].concat()))].concat();
    let spec = [
        bytes(1, volume),
        bytes(2, container.concat()),
        bytes(3, "Never"),
        int(4, 30),
        bytes(6, ""),
        bytes(8, ""),
        bytes(10, "n"),
        int(11, 1),
        int(12, 1),
        int(13, 1),
        bytes(14, ""),
        bytes(16, ""),
        bytes(19, ""),
        bytes(24, "openshift-user-critical"),
    ];
    let pods = "/api/v1/namespaces/default/pods";
    let pod = |more: &[Vec<u8>], spec: Vec<u8>| {
        object("v1", "Pod", &[metadata("n-debug", "default", more), bytes(2, spec), bytes(3, "")])
    };
    let critical = spec[..spec.len() - 1].concat();
    let (status, refused) = client.json("POST", pods, pod(&[mark], critical.clone())).await;
    assert_eq!(status, StatusCode::NOT_IMPLEMENTED, "{refused}");
    assert!(refused["message"].as_str().unwrap().starts_with("nothing runs pods here: oc debug"), "{refused}");
    // Without the mark it is a pod as others, whose class must exist.
    let (status, made) = client.json("POST", pods, pod(&[], critical)).await;
    assert_eq!(
        (status, &made["spec"]["containers"][0]["securityContext"]),
        (StatusCode::CREATED, &json!({"privileged": true, "runAsUser": 0}))
    );
    let (status, refused) = client.json("POST", pods, pod(&[], spec.concat())).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{refused}");
}
