//! The pages of made-up clusters, asked for as a browser does, without a socket.

use crate::{
    door::{Door, Key},
    planning::{PlanUpdate, Updates},
    serve::router,
    source::{Everything, Source},
};
use axum::{
    Router,
    body::{Body, to_bytes},
};
use futures::{StreamExt as _, future::BoxFuture};
use http::{HeaderMap, Request, StatusCode, header};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{collections::BTreeMap, io::Read as _, pin::pin, sync::Arc, time::Duration};
use tokio::{sync::watch, time::advance};
use tower::ServiceExt as _;
use weir_api::{ClusterOperator, MachineConfig, MachineConfigPool, OSImageStream};
use weir_rules::{
    plan::{Facts, plan},
    world::{Object, World},
};

const TOKEN: &str = "c0ffee";
const HOST: &str = "127.0.0.1:8080";
/// Names that an API server would not take, and texts that it takes.
const HOSTILE: &str = "\"><script>alert('x')</script><img src=x onerror=alert(1)>\u{202e}";

/// A cluster that tests change.
#[derive(Debug)]
struct Made {
    world: Mutex<World>,
    trouble: Mutex<Option<String>>,
    now: Mutex<Timestamp>,
    changes: watch::Sender<u64>,
}

impl Made {
    fn new(world: World) -> Arc<Self> {
        let now = "2026-12-01T12:00:00Z".parse().unwrap();
        Arc::new(Self {
            world: Mutex::new(world),
            trouble: Mutex::default(),
            now: Mutex::new(now),
            changes: watch::channel(0).0,
        })
    }

    fn put(&self, object: impl Into<Object>) {
        self.world.lock().put(object.into());
        self.changes.send_modify(|number| *number += 1);
    }
}

impl Source for Made {
    fn world(&self) -> World {
        self.world.lock().clone()
    }

    fn now(&self) -> Timestamp {
        *self.now.lock()
    }

    fn changes(&self) -> Vec<watch::Receiver<u64>> {
        vec![self.changes.subscribe()]
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    fn everything(&self) -> BoxFuture<'static, Result<Everything, String>> {
        let world = self.world();
        Box::pin(async move { Ok(Everything { world, unknown: None }) })
    }
}

fn of<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

fn pool(name: &str, max: u32) -> MachineConfigPool {
    of(json!({
        "metadata": {"name": name, "uid": name},
        "spec": {
            "configuration": {"name": format!("rendered-{name}-2")},
            "maxUnavailable": max,
            "nodeSelector": {"matchLabels": {format!("node-role.kubernetes.io/{name}"): ""}},
            "machineConfigSelector": {"matchLabels": {"machineconfiguration.openshift.io/role": name}},
        },
        "status": {"configuration": {"name": format!("rendered-{name}-1")}},
    }))
}

fn node(name: &str, pool: &str, zone: &str, [current, desired]: [u32; 2], more: Value) -> Node {
    let key = |name: &str| format!("machineconfiguration.openshift.io/{name}");
    let config = |number: u32| format!("rendered-{pool}-{number}");
    let mut annotations = json!({
        key("currentConfig"): config(current), key("desiredConfig"): config(desired),
        key("state"): if current == desired { "Done" } else { "Working" },
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        annotations[key(name)] = value.clone();
    }
    let labels = json!({format!("node-role.kubernetes.io/{pool}"): "", "topology.kubernetes.io/zone": zone});
    of(json!({"metadata": {"name": name, "labels": labels, "annotations": annotations}}))
}

fn config(name: &str, image: &str) -> MachineConfig {
    of(json!({"metadata": {"name": name}, "spec": {"osImageURL": image, "config": {"ignition": {"version": "3.4.0"}}}}))
}

/// Two pools; workers on their way from one stream to another, one failing, one done.
fn cluster() -> World {
    let image = |name: &str| format!("registry.example/{name}@sha256:{}", "0".repeat(64));
    let set = |name: &str| json!({"name": name, "osImage": image(name), "osExtensionsImage": image(&format!("{name}-extensions"))});
    let streams: OSImageStream = of(json!({
        "metadata": {"name": "cluster"}, "spec": {"defaultStream": "old"},
        "status": {"availableStreams": [set("new"), set("old")], "defaultStream": "old"},
    }));
    let history = json!({"rollouts": [{
        "from": "rendered-worker-0", "to": "rendered-worker-1", "fromStream": "ancient", "toStream": "old",
        "began": "2026-11-01T00:00:00Z", "ended": "2026-11-01T00:20:00Z", "result": "done", "nodes": 4, "reboots": 4,
        "changed": [{"object": "machineconfig/99-motd", "what": ["file /etc/motd"], "manager": "kubectl"}],
        "total": {"count": 4, "median": 60_000, "ninety": 90_000, "longest": 95_000},
    }]});
    let history: ConfigMap = of(json!({
        "metadata": {"name": "weir-history-worker", "namespace": "openshift-machine-config-operator"},
        "data": {"history.json": history.to_string()},
    }));
    let operator: ClusterOperator =
        of(json!({"metadata": {"name": "machine-config"}, "spec": {}, "status": {"conditions": [
            {"type": "Upgradeable", "status": "False", "reason": "PoolUpdating", "message": "worker is on its way"},
        ]}}));
    let mut worker = pool("worker", 2);
    worker.spec.os_image_stream = Some(of(json!({"name": "new"})));
    let objects: Vec<Object> = vec![
        streams.into(),
        history.into(),
        operator.into(),
        worker.into(),
        pool("master", 1).into(),
        config("rendered-worker-1", &image("old")).into(),
        config("rendered-worker-2", &image("new")).into(),
        config("rendered-master-2", &image("old")).into(),
        config("rendered-master-1", &image("old")).into(),
        node("m-0", "master", "a", [2, 2], json!({})).into(),
        node("w-0", "worker", "a", [2, 2], json!({})).into(),
        node("w-1", "worker", "a", [1, 2], json!({"desiredDrain": "drain-rendered-worker-2"})).into(),
        node("w-2", "worker", "b", [1, 2], json!({"state": "Degraded", "reason": "no space left"})).into(),
        node("w-3", "worker", "b", [1, 1], json!({})).into(),
    ];
    World { whole: false, ..World::of(objects) }
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

struct Browser(Router);

impl Browser {
    fn of(source: Arc<dyn Source>) -> Self {
        Self::that_reads(source, Updates::default())
    }

    fn that_reads(source: Arc<dyn Source>, updates: Updates) -> Self {
        Self(router(source, Arc::new(Door::new(Key::Token(TOKEN.to_owned()), [])), updates))
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.0.clone().oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, 64 << 20).await.unwrap().to_vec();
        Answer { status: head.status, headers: head.headers, body }
    }

    fn request(path: &str) -> http::request::Builder {
        Request::builder().uri(path).header(header::HOST, HOST).header(header::COOKIE, format!("weir-8080={TOKEN}"))
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Self::request(path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, form: String) -> Answer {
        let request = Self::request(path).method("POST").header(header::ORIGIN, format!("http://{HOST}"));
        self.ask(request.body(Body::from(form)).unwrap()).await
    }

    /// An open page's updates.
    async fn follow(&self, path: &str) -> impl FnMut() -> BoxFuture<'static, Value> + use<> {
        let request = Self::request(path).body(Body::empty()).unwrap();
        let response = self.0.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let stream = Arc::new(tokio::sync::Mutex::new(response.into_body().into_data_stream()));
        move || {
            let stream = stream.clone();
            Box::pin(async move {
                loop {
                    let chunk = stream.lock().await.next().await.unwrap().unwrap();
                    let text = String::from_utf8(chunk.to_vec()).unwrap();
                    if let Some(data) = text.strip_prefix("data: ") {
                        return serde_json::from_str(data.trim()).unwrap();
                    }
                }
            })
        }
    }
}

#[tokio::test]
async fn what_files_leave_out_is_said_to_be_unknown() {
    let mut world = cluster();
    world.configs.clear();
    let text = Browser::of(Made::new(world)).get("/pools/worker").await.text();
    assert!(text.contains("Not known: what differs between rendered-worker-1 and rendered-worker-2: "), "{text}");
}

/// Every page that a cluster has.
fn paths(world: &World) -> Vec<String> {
    let mut paths: Vec<String> =
        ["/", "/streams", "/nodes", "/rollout", "/history", "/plan", "/cluster", "/nodes?pool=worker&state=updated"]
            .map(str::to_owned)
            .into();
    let part = |name: &str| percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string();
    for pool in &world.pools {
        let name = part(pool.metadata.name.as_deref().unwrap());
        paths.extend([
            format!("/pools/{name}"),
            format!("/pools/{name}/files"),
            format!("/pools/{name}/part?address=x"),
        ]);
    }
    paths.extend(world.nodes.iter().map(|node| format!("/nodes/{}", part(node.metadata.name.as_deref().unwrap()))));
    paths
}

#[tokio::test]
async fn every_page_is_a_page_with_landmarks_and_a_strict_policy() {
    let world = cluster();
    let browser = Browser::of(Made::new(world.clone()));
    for path in paths(&world).into_iter().chain(["/pools/worker/rollouts/rendered-worker-1".to_owned()]) {
        let answer = browser.get(&path).await;
        let text = answer.text();
        assert_eq!(answer.status, StatusCode::OK, "{path}: {text}");
        for landmark in ["<main ", "<nav ", "<header ", "<footer>", "lang=\"en\"", "aria-live=\"polite\"", "<h1"] {
            assert!(text.contains(landmark), "{path} without {landmark}");
        }
        assert_eq!(text.matches("<h1").count(), 1, "{path}");
        assert!(!text.contains("style=") && !text.contains("onclick") && !text.contains("http://"), "{path}");
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    }
    assert_eq!(browser.get("/nodes/nobody").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/wp-admin").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_overview_says_who_moves_who_waits_and_what_to_do() {
    let browser = Browser::of(Made::new(cluster()));
    let text = browser.get("/").await.text();
    for said in [
        "Degraded (worker)",
        "<span>old</span><span class=\"arrow\"> → </span><strong>new</strong>",
        "1 of 4 nodes updated, 1 draining, 1 failing",
        "1 of at most 2 down",
        "weir why mcp/worker",
        "no space left",
        "w-1: draining",
    ] {
        let said = said.replace("w-1: draining", "<span class=\"name\">w-1</span><span class=\"what\">draining</span>");
        assert!(text.contains(&said), "{said}\n{text}");
    }
    let text = browser.get("/nodes/w-2").await.text();
    assert!(text.contains("failed to reach rendered-worker-2: no space left") && text.contains("because "), "{text}");
    let text = browser.get("/history").await.text();
    assert!(text.contains("machineconfig/99-motd: file /etc/motd; last written by kubectl"), "{text}");
    let text = browser.get("/streams").await.text();
    assert!(text.contains("worker</a>: ancient → old") && text.contains("4 nodes of 5 run it"), "{text}");
    let text = browser.get("/cluster").await.text();
    assert!(text.contains("worker is on its way"), "{text}");
    let nodes = browser.get("/nodes?state=failing").await.text();
    assert!(nodes.contains("1 of 5 nodes") && nodes.contains("w-2") && !nodes.contains("n/w-1"), "{nodes}");
}

#[tokio::test]
async fn whatever_names_and_texts_are_no_page_has_markup_of_them() {
    let mut world = cluster();
    world.put(pool(HOSTILE, 1).into());
    world.put(node(HOSTILE, "worker", HOSTILE, [1, 2], json!({"state": "Degraded", "reason": HOSTILE})).into());
    let operator: ClusterOperator =
        of(json!({"metadata": {"name": "machine-config"}, "spec": {}, "status": {"conditions": [
            {"type": HOSTILE, "status": "False", "reason": HOSTILE, "message": HOSTILE},
            {"type": "Upgradeable", "status": "False", "reason": HOSTILE, "message": HOSTILE},
        ]}}));
    world.put(operator.into());
    let browser = Browser::of(Made::new(world.clone()));
    let mut seen = 0;
    for path in paths(&world) {
        let text = browser.get(&path).await.text();
        assert!(!text.contains("<script>") && !text.contains("<img") && !text.contains('\u{202e}'), "{path}: {text}");
        seen += usize::from(text.contains("&lt;script&gt;alert(&#39;x&#39;)"));
    }
    assert!(seen > 10, "{seen}");
    let answer = browser.post("/plan", format!("manifests={}", "%3Cscript%3E%22")).await;
    assert!(!answer.text().contains("<script>"), "{}", answer.text());
}

#[tokio::test]
async fn nothing_is_shown_without_the_token_or_by_another_name() {
    let browser = Browser::of(Made::new(cluster()));
    let ask = async |path: &str, headers: &[(&str, &str)]| {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        browser.ask(request.body(Body::empty()).unwrap()).await
    };
    for path in ["/", "/nodes/w-0", "/data/v1/overview", "/live?page=/", "/plan"] {
        let none = ask(path, &[("host", HOST)]).await;
        assert_eq!(none.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(!none.text().contains("w-0") && none.headers.contains_key(header::CONTENT_SECURITY_POLICY), "{path}");
        let wrong = ask(path, &[("host", HOST), ("authorization", "Bearer no")]).await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED, "{path}");
        let bearer = ("authorization", "Bearer c0ffee");
        assert_eq!(
            ask(path, &[("host", "evil.example"), bearer]).await.status,
            StatusCode::MISDIRECTED_REQUEST,
            "{path}"
        );
        let elsewhere = ask(path, &[("host", HOST), bearer, ("origin", "http://evil.example")]).await;
        assert_eq!(elsewhere.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(ask("/page.css", &[("host", HOST)]).await.status, StatusCode::OK);
    assert_eq!(ask("/page.css", &[("host", "evil.example")]).await.status, StatusCode::MISDIRECTED_REQUEST);
    let first = ask("/nodes?pool=worker&token=c0ffee", &[("host", HOST)]).await;
    assert_eq!(
        (first.status, first.headers[header::LOCATION].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "/nodes?pool=worker")
    );
    assert_eq!(first.headers[header::SET_COOKIE], "weir-8080=c0ffee; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(ask("/?token=no", &[("host", HOST)]).await.status, StatusCode::UNAUTHORIZED);
    let login = Request::builder().method("POST").uri("/login").header("host", HOST);
    let login = browser.ask(login.body(Body::from("token=c0ffee")).unwrap()).await;
    assert_eq!(login.status, StatusCode::SEE_OTHER);
}

#[tokio::test(start_paused = true)]
async fn an_open_page_is_sent_what_changed_and_nothing_else() {
    let made = Made::new(cluster());
    let browser = Browser::of(made.clone());
    browser.get("/").await;
    let mut next = browser.follow("/live?page=%2F&picture=1").await;
    let quiet = tokio::time::timeout(Duration::from_secs(3600), next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    let asked = tokio::time::Instant::now();
    made.put(node("w-3", "worker", "b", [1, 2], json!({})));
    let update = next().await;
    assert!(asked.elapsed() < Duration::from_millis(200), "{:?}", asked.elapsed());
    let parts: BTreeMap<String, String> = of(update["parts"].clone());
    assert!(parts["n/w-3"].contains("applying"), "{parts:?}");
    assert!(
        parts.contains_key("pool/worker") && !parts.contains_key("pool/master") && !parts.contains_key("n/w-0"),
        "{parts:?}"
    );
    // What changes nothing that is shown is not sent, and a node more is more than a part.
    made.put(node("w-3", "worker", "b", [1, 2], json!({"other": "thing"})));
    made.put(node("w-4", "worker", "b", [1, 1], json!({})));
    assert_eq!(next().await, json!({"again": true}));
}

#[tokio::test(start_paused = true)]
async fn pages_look_together_and_no_more_often_than_they_may_even_if_they_show_nothing_of_what_changes() {
    let made = Made::new(cluster());
    let browser = Browser::of(made.clone());
    browser.get("/history").await;
    let mut pages = Vec::new();
    for path in ["%2Fhistory", "%2Fhistory", "%2Fstreams", "%2Fhistory"] {
        let mut next = browser.follow(&format!("/live?page={path}&picture=1")).await;
        pages.push(tokio::spawn(async move { next().await }));
        tokio::time::sleep(Duration::from_millis(37)).await;
    }
    for change in 0..1_000_u32 {
        made.put(node("w-3", "worker", "a", [1, 1], json!({"other": change.to_string()})));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let text = browser.get("/history").await.text();
    let (_, picture) = text.split_once("data-picture=\"").unwrap();
    let pictures: u64 = picture.split_once('"').unwrap().0.parse().unwrap();
    assert!((4..=9).contains(&pictures), "{pictures} pictures of a second");
    pages.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_missed_something_is_loaded_again_and_one_that_is_gone_says_so() {
    let made = Made::new(cluster());
    let browser = Browser::of(made.clone());
    browser.get("/nodes/w-3").await;
    made.put(node("w-3", "worker", "b", [1, 2], json!({})));
    let mut next = browser.follow("/live?page=%2Fnodes%2Fw-3&picture=1").await;
    assert_eq!(next().await, json!({"again": true}));
    made.world.lock().nodes.retain(|node| node.metadata.name.as_deref() != Some("w-3"));
    made.changes.send_modify(|number| *number += 1);
    assert_eq!(next().await, json!({"gone": true}));
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_goes_away_is_said_with_the_time_of_the_picture() {
    let made = Made::new(cluster());
    let browser = Browser::of(made.clone());
    assert!(browser.get("/").await.text().contains("<span class=\"word\">live</span>"));
    let mut next = browser.follow("/live?page=%2F&picture=1").await;
    assert!(tokio::time::timeout(Duration::from_secs(60), next()).await.is_err());
    *made.trouble.lock() = Some("connection refused".to_owned());
    *made.now.lock() = "2026-12-01T12:05:00Z".parse().unwrap();
    made.changes.send_modify(|number| *number += 1);
    let update = next().await;
    let trouble = update["parts"]["trouble"].as_str().unwrap();
    assert!(trouble.contains("2026-12-01 12:00:00 UTC") && trouble.contains("connection refused"), "{trouble}");
    assert!(update["parts"]["state"].as_str().unwrap().contains("not up to date"));
    *made.trouble.lock() = None;
    made.changes.send_modify(|number| *number += 1);
    assert!(next().await["parts"]["state"].as_str().unwrap().contains("live"));
}

#[tokio::test]
async fn data_has_what_the_page_has_and_a_schema() {
    let browser = Browser::of(Made::new(cluster()));
    let data = async |path: &str| -> Value { serde_json::from_slice(&browser.get(path).await.body).unwrap() };
    let overview = data("/data/v1/overview").await;
    assert_eq!(overview["pools"][1]["health"], "degraded");
    assert_eq!(overview["nodes"][3], data("/data/v1/nodes/w-2").await);
    assert_eq!(data("/data/v1/pools/worker").await["slots"], json!({"allowed": 2, "why": null, "taken": ["w-1"]}));
    assert_eq!(data("/data/v1/history").await["pools"]["worker"]["rollouts"][0]["toStream"], "old");
    assert!(data("/data/v1/why?node=w-2").await["causes"][0]["text"].as_str().unwrap().contains("no space left"));
    let schema = data("/data/v1/schema").await;
    for field in overview.as_object().unwrap().keys() {
        assert!(schema["properties"][field].is_object(), "{field}");
    }
    let described =
        |of: &str| schema["$defs"][of]["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let shown = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(described("Pool"), shown(&overview["pools"][0]));
    assert_eq!(described("Node"), shown(&overview["nodes"][0]));
    assert_eq!(browser.get("/data/v1/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_plan_is_shown_nothing_is_applied_and_too_much_is_refused() {
    let made = Made::new(cluster());
    let browser = Browser::of(made.clone());
    let before = made.world().pools.clone();
    let answer = browser.post("/plan", "manifests=&stream%2Fmaster=new&default=".to_owned()).await;
    let text = answer.text();
    assert_eq!(answer.status, StatusCode::OK, "{text}");
    assert!(
        text.contains("weir plan --stream master=new") && text.contains("MachineConfigPool master is changed"),
        "{text}"
    );
    assert_eq!(made.world().pools, before);
    let refused = browser.post("/plan", "stream%2Fmaster=none".to_owned()).await.text();
    assert!(refused.contains("there is no OS image stream &quot;none&quot;; there are: new, old"), "{refused}");
    let data = browser.post("/data/v1/plan", "stream%2Fmaster=none".to_owned()).await;
    assert_eq!(data.status, StatusCode::UNPROCESSABLE_ENTITY);
    let huge = browser.post("/plan", format!("manifests={}", "a".repeat(4 << 20))).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_paused_pool_is_said_to_be_paused_while_it_is_up_to_date_too() {
    let badges = |paused: bool| async move {
        let mut world = cluster();
        let mut pools = world.pools.clone();
        pools.iter_mut().for_each(|pool| Arc::make_mut(pool).spec.paused = Some(paused));
        world.pools = pools;
        Browser::of(Made::new(world))
            .get("/")
            .await
            .text()
            .matches("<span class=\"badge paused\">paused</span>")
            .count()
    };
    let pools = cluster().pools.len();
    assert_eq!((badges(false).await, badges(true).await), (0, pools));
}

#[tokio::test(start_paused = true)]
async fn an_update_is_planned_where_the_page_may_read_releases() {
    let silent = Browser::of(Made::new(cluster()));
    let form = || "release=+r.example%2Fok%40sha256%3A1+&stream%2Fmaster=new".to_owned();
    assert!(!silent.get("/plan").await.text().contains("name=\"release\""));
    let refused = silent.post("/plan", form()).await.text();
    assert!(
        refused.contains("This page reads no releases. Ask `weir plan --release r.example/ok@sha256:1`."),
        "{refused}"
    );

    let updates: Arc<PlanUpdate> = Arc::new(|everything, changes, release, now| {
        Box::pin(async move {
            match release.as_str() {
                "r.example/ok@sha256:1" => {
                    plan(&everything.world, &changes, &Facts::default(), now).map_err(|why| why.to_string())
                }
                "r.example/slow" => std::future::pending().await,
                _ => Err(format!("{release} is <not> there")),
            }
        })
    });
    let browser = Browser::that_reads(Made::new(cluster()), Updates(Some(updates)));
    assert!(browser.get("/plan").await.text().contains("name=\"release\""));
    let shown = browser.post("/plan", form()).await.text();
    assert!(shown.contains("weir plan --release r.example/ok@sha256:1 --stream master=new"), "{shown}");
    assert!(shown.contains("MachineConfigPool master is changed"), "{shown}");
    for (release, said) in
        [("gone", "gone is &lt;not&gt; there"), ("oci:%2Fetc", "reads releases from registries only")]
    {
        let answer = browser.post("/plan", format!("release={release}")).await.text();
        assert!(answer.contains(said), "{answer}");
    }
    let mut slow = pin!(browser.post("/plan", "release=r.example%2Fslow".to_owned()));
    let answer = loop {
        // It waits in another thread, for which paused time does not go on by itself.
        tokio::select! {
            biased;
            answer = &mut slow => break answer.text(),
            () = advance(Duration::from_secs(1)) => {}
        }
    };
    assert!(answer.contains("was not read within 60 s"), "{answer}");
}

/// A thousand nodes in ten pools and three zones.
pub(crate) fn large() -> World {
    let mut world = cluster();
    for pool_number in 0..10 {
        let name = format!("pool-{pool_number}");
        world.put(pool(&name, 10).into());
        for number in 0..100 {
            let told = if number < 10 { [1, 2] } else { [1, 1] };
            let zone = ["a", "b", "c"][number % 3];
            world.put(node(&format!("{name}-node-{number:03}.example.com"), &name, zone, told, json!({})).into());
        }
    }
    world
}

#[tokio::test]
async fn a_page_of_a_thousand_nodes_is_small_enough() {
    let browser = Browser::of(Made::new(large()));
    for path in ["/", "/nodes", "/rollout"] {
        let request =
            Browser::request(path).header(header::ACCEPT_ENCODING, "br, gzip;q=0.9").body(Body::empty()).unwrap();
        let answer = browser.ask(request).await;
        assert_eq!(answer.headers[header::CONTENT_ENCODING], "gzip");
        assert!(answer.body.len() < 250_000, "{path}: {} bytes", answer.body.len());
        let mut text = String::new();
        flate2::read::GzDecoder::new(&answer.body[..]).read_to_string(&mut text).unwrap();
        assert!(text.contains("pool-9-node-009.example.com") && text.ends_with("</html>"), "{path}");
        eprintln!("{path}: {} bytes, {} compressed", text.len(), answer.body.len());
    }
}

#[tokio::test]
async fn what_is_read_from_files_says_so_and_when_it_was() {
    let mut world = cluster();
    let mut late = node("w-5", "worker", "b", [1, 1], json!({}));
    late.status =
        of(json!({"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-11-30T10:00:00Z"}]}));
    world.put(late.into());
    let now = "2026-12-01T12:00:00Z".parse().unwrap();
    let browser = Browser::of(Arc::new(crate::source::Files::new(world, "must-gather.tar.gz".to_owned(), now)));
    let text = browser.get("/").await.text();
    assert!(text.contains("From must-gather.tar.gz, as it was at <time datetime=\"2026-11-30T10:00:00Z\">"), "{text}");
    assert!(text.contains("from files"), "{text}");
}
