//! The stream controller in process, against the embedded server: registries that do not answer, mirrors and credentials
//! that come later, and the ConfigMap that names images.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures::future::select_all;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Secret};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::{DynamicObject, GroupVersionKind},
    discovery::ApiResource,
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, task::LocalSet, time::timeout};
use weir_api::OSImageStream;
use weir_api::crds::{FeatureSet, crds};
use weir_api::keys::{config::RELEASE_PAYLOAD_IMAGE, names::OPERATOR_NAMESPACE, namespaces};
use weir_apiserver::{ApiServer, Settings};
use weir_controllers::{Access, Build, Cluster, Context, access, cluster::Watcher, stream};
use weir_distro::Profile;
use weir_images::{Authfile, Cache, Images, Patience, Registries, Source, Trust, payload};
use weir_kubeio::{Clock, drive};
use weir_rules::stream::attempt::pause_after;
use weir_rules::stream::problem::{CatalogProblem, StreamProblems};
use weir_testkit::http::{Answer, Request, Server};
use weir_testkit::{Options, Registry};

/// What is to be seen within a second is given that three times: tests share their machine.
const SOON: Duration = Duration::from_secs(3);

fn api(client: &Client, group: &str, kind: &str) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind)))
}

async fn create(client: &Client, kind: &str, name: &str, status: &Value) {
    let api = api(client, "config.openshift.io", kind);
    let object = json!({"apiVersion": "config.openshift.io/v1", "kind": kind, "metadata": {"name": name}, "spec": {"clusterID": "x"}});
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    let patch = Patch::Merge(json!({ "status": status }));
    api.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
}

fn desired(version: &str, image: &str) -> Value {
    json!({"desired": {"version": version, "image": image}, "history": [], "observedGeneration": 1, "versionHash": "", "availableUpdates": []})
}

/// A client of a server with one release to run, and the controllers' context.
async fn cluster(profile: &str, image: &str, version: &str) -> Context {
    let server = ApiServer::new(Settings::default()).unwrap();
    server.define(crds(FeatureSet::Default)).unwrap();
    let client = Client::new(server.service(), "default");
    let all: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
    for name in [OPERATOR_NAMESPACE, namespaces::CONFIG] {
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        all.create(&PostParams::default(), &namespace).await.unwrap();
    }
    let gates = json!([{"version": version, "enabled": [{"name": "OSStreams"}], "disabled": []}]);
    create(&client, "FeatureGate", "cluster", &json!({ "featureGates": gates })).await;
    create(&client, "ClusterVersion", "version", &desired(version, image)).await;
    let build = Build { raw: "v1".to_owned(), hash: "h1".to_owned(), release: None };
    let profile = Profile::by_name(profile).unwrap();
    Context {
        client,
        cluster: Cluster::default(),
        clock: Clock::starting_at(jiff::Timestamp::now()),
        profile,
        build: Arc::new(build),
        settle: Duration::ZERO,
        generating: Default::default(),
    }
}

#[tokio::test]
async fn it_is_told_within_a_second_and_left_as_soon_as_another_release_is_wanted() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = silent.local_addr().unwrap();
    let image = format!("{host}/okd/release@sha256:{}", "0a".repeat(32));
    let context = cluster("okd", &image, "5.0.0-okd-scos.0").await;
    let layout = payload::build(context.profile, None, &[]).unwrap();
    let good = layout.name(&layout.images()[0]).to_string();
    let registries = Registries::parse(&format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n")).unwrap();
    let images = Images::new(Source { layouts: vec![layout], registries, ..Source::default() });
    played(&context, images, story(&context, &image, &good)).await;
}

/// Plays a story beside the stream controller.
async fn played(context: &Context, images: Images, story: impl Future<Output = ()>) {
    let access = Access::new(&context.cluster, images);
    let controller = stream::Controller::new(context.clone(), access.clone());
    let (tasks, of_cluster) = (LocalSet::new(), context.clone());
    tasks.spawn_local(configuration(context.cluster.clone(), context.client.clone()));
    tasks.spawn_local(async move { tokio::join!(drive(&controller), stream::forget(&of_cluster, &access)) });
    tasks.run_until(story).await;
}

/// Everything but nodes, which the stream controller has no use for and is not to wait for.
async fn configuration(cluster: Cluster, client: Client) {
    cluster.watches.fill(&client, &[Watcher::Configuration, Watcher::Pools, Watcher::Settings, Watcher::Images]).await;
}

async fn story(context: &Context, image: &str, good: &str) {
    let problems = &context.cluster.stream_problems;
    let mut changes = problems.changes();
    timeout(SOON, changes.wait_for(|_| problems.get().catalog.is_some())).await.unwrap().unwrap();
    let problem = problems.get().catalog.unwrap();
    assert_eq!((problem.release.as_str(), problem.blocking), (image, false));
    assert!(problem.why.contains("has not answered yet"), "{problem:?}");
    let versions = api(&context.client, "config.openshift.io", "ClusterVersion");
    let patch = Patch::Merge(json!({"status": desired("5.0.0-okd-scos.0", good)}));
    versions.patch_status("version", &PatchParams::default(), &patch).await.unwrap();
    timeout(SOON, changes.wait_for(|_| problems.get().catalog.is_none())).await.unwrap().unwrap();
    let streams = context.cluster.streams.get("cluster").unwrap();
    assert_eq!(streams.status.as_ref().unwrap().default_stream, "centos-10");
    assert_eq!(told(context, "OSImageStreamDelayed").await.len(), 1);
}

/// Messages of the events with this reason.
async fn told(context: &Context, reason: &str) -> Vec<String> {
    let events: Api<Event> = Api::all(context.client.clone());
    let events = events.list(&ListParams::default()).await.unwrap();
    let of_reason = events.items.into_iter().filter(|event| event.reason.as_deref() == Some(reason));
    of_reason.filter_map(|event| event.message).collect()
}

/// The names of the listed streams, once the object satisfies the condition; it is given [`SOON`].
async fn streams(context: &Context, condition: impl Fn(&OSImageStream) -> bool) -> Vec<String> {
    let cache = &context.cluster.streams;
    let mut changes = cache.changes();
    let made = || cache.get("cluster").filter(|object| condition(object)).and_then(|object| object.status.clone());
    timeout(SOON, changes.wait_for(|_| made().is_some())).await.unwrap().unwrap();
    made().unwrap().available_streams.into_iter().map(|set| set.name).collect()
}

fn is_done(object: &OSImageStream) -> bool {
    object.metadata.annotations.as_ref().is_some_and(|marks| marks.contains_key(RELEASE_PAYLOAD_IMAGE))
}

fn given(registry: &Registry) -> Source {
    let authfile = Authfile::parse(registry.authfile(None).as_bytes()).unwrap();
    let mut trust = Trust::default();
    trust.add_bundle("registry", registry.ca().as_bytes()).unwrap();
    Source { authfile, trust, ..Source::default() }
}

fn controller_config(ca: &str) -> Value {
    let none = "IyBub25lCg==";
    json!({"additionalTrustBundle": base64(ca), "baseOSContainerImage": "", "cloudProviderCAData": null,
        "cloudProviderConfig": "", "clusterDNSIP": "172.30.0.10", "dns": dns(), "images": {}, "infra": infrastructure(),
        "ipFamilies": "IPv4", "kubeAPIServerServingCAData": none, "network": null, "proxy": null, "releaseImage": "",
        "rootCAData": none})
}

fn dns() -> Value {
    json!({"apiVersion": "config.openshift.io/v1", "kind": "DNS", "spec": {"baseDomain": "example.com"}, "status": {}})
}

fn infrastructure() -> Value {
    json!({"apiVersion": "config.openshift.io/v1", "kind": "Infrastructure", "spec": {}, "status": {}})
}

fn base64(text: &str) -> String {
    serde_json::to_value(ByteString(text.as_bytes().to_vec())).unwrap().as_str().unwrap().to_owned()
}

/// Waits for the condition on what is known to stand in the way of the streams; it is given [`SOON`].
async fn problem(context: &Context, condition: impl Fn(&CatalogProblem) -> bool) -> CatalogProblem {
    let problems = &context.cluster.stream_problems;
    let found = || problems.get().catalog.filter(|problem| condition(problem));
    let mut changes = problems.changes();
    let seen = timeout(SOON, changes.wait_for(|_| found().is_some())).await;
    assert!(seen.is_ok(), "{:?}", problems.get());
    found().unwrap()
}

#[tokio::test]
async fn mirrors_credentials_and_certificates_of_the_cluster_take_effect_at_once() {
    let user = Some(("weir".to_owned(), "hunter2".to_owned()));
    let Some(registry) = Registry::start(&Options { tls: true, user, ..Options::default() }).unwrap() else { return };
    let layout = payload::build(Profile::by_name("ocp").unwrap(), None, &[]).unwrap();
    let to = format!("{}/ocp/release", registry.host()).parse().unwrap();
    let pushed = payload::push(&Images::new(given(&registry)), &layout, &to).await.unwrap();
    let source = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let image = pushed.release.replace(registry.host(), &source.to_string());
    let context = cluster("ocp", &image, "4.21.0").await;
    let folder = tempfile::tempdir().unwrap();
    let cache = Some(Arc::new(Cache::open(folder.path(), jiff::Timestamp::now)));
    let patience = Patience { retry: Duration::ZERO, ..Patience::default() };
    let images = Images::new(Source { cache, patience, ..Source::default() });
    let story = async {
        // The source is dead. The registry that answers is named step by step: where, by whom, for whom.
        problem(&context, |problem| problem.why.contains("refused")).await;
        let client = &context.client;
        let mirrors = json!([{"source": source.to_string(), "mirrors": [registry.host()]}]);
        put(
            client,
            "config.openshift.io",
            "ImageDigestMirrorSet",
            "m",
            json!({"spec": {"imageDigestMirrors": mirrors}}),
        )
        .await;
        let said = problem(&context, |problem| problem.why.contains("no trusted TLS connection")).await;
        assert!(said.why.contains(&image) && said.why.contains(registry.host()), "{said}");
        assert!(
            said.why.contains("ImageDigestMirrorSet m") && said.to_string().contains("; next attempt at "),
            "{said}"
        );
        let spec = json!({"spec": controller_config(registry.ca())});
        put(client, "machineconfiguration.openshift.io", "ControllerConfig", "machine-config-controller", spec).await;
        problem(&context, |problem| problem.why.contains("there are none for it")).await;
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull-secret"},
            "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": registry.authfile(None)}});
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespaces::CONFIG);
        secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
        assert_eq!(streams(&context, is_done).await, ["rhel-10", "rhel-9"]);
        assert_eq!(context.cluster.stream_problems.get(), StreamProblems::default());
        let told = told(&context, "OSImageStreamNotMade").await;
        assert!(told.iter().all(|text| text.contains("; next attempt in ") && !text.contains("hunter2")), "{told:?}");
        // Who runs no controller reads it as well.
        let once = access::once(client.clone(), Images::new(Source::default())).await.unwrap();
        assert_eq!(once.release(&image).await.unwrap().image, image);
        // Deleted, it is made anew; and by now without any registry.
        drop(registry);
        let uid = context.cluster.streams.get("cluster").unwrap().metadata.uid.clone();
        let objects = api(client, "machineconfiguration.openshift.io", "OSImageStream");
        objects.delete("cluster", &DeleteParams::default()).await.unwrap();
        let made = streams(&context, |object| object.metadata.uid != uid && is_done(object)).await;
        assert_eq!(made, ["rhel-10", "rhel-9"]);
    };
    played(&context, images, story).await;
}

async fn put(client: &Client, group: &str, kind: &str, name: &str, mut object: Value) {
    object["apiVersion"] = json!(format!("{group}/v1"));
    object["kind"] = json!(kind);
    object["metadata"] = json!({"name": name});
    api(client, group, kind).create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
}

#[tokio::test]
async fn the_config_map_adds_its_images_when_it_is_of_the_release() {
    let release = payload::build(Profile::by_name("ocp").unwrap(), Some("4.21.0"), &["rhel-9".to_owned()]).unwrap();
    let other = payload::build(Profile::by_name("ocp").unwrap(), Some("5.0.0"), &["rhel-10".to_owned()]).unwrap();
    let image = release.name(&release.images()[0]).to_string();
    let of_other = Images::new(Source::default()).release_of(&other).await.unwrap();
    let named = |part: &str| of_other.tags.iter().find(|tag| tag.name.ends_with(part)).unwrap().image.clone().unwrap();
    let context = cluster("ocp", &image, "4.21.0").await;
    let maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), OPERATOR_NAMESPACE);
    let data = |version: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "machine-config-osimageurl"}, "data": {
            "baseOSContainerImage": named("coreos-10"), "baseOSExtensionsContainerImage": named("extensions"),
            "osImageURL": "", "releaseVersion": version,
        }})
    };
    maps.create(&PostParams::default(), &serde_json::from_value(data("4.21.0")).unwrap()).await.unwrap();
    let images = Images::new(Source { layouts: vec![release, other], ..Source::default() });
    let story = async {
        assert_eq!(streams(&context, is_done).await, ["rhel-10", "rhel-9"]);
        // Of another release it does not count, and that is said.
        let patch = Patch::Merge(json!({"data": {"releaseVersion": "5.0.0"}}));
        maps.patch("machine-config-osimageurl", &PatchParams::default(), &patch).await.unwrap();
        let mut changes = context.cluster.watches.changes(&[Watcher::Images]);
        let is_seen =
            || context.cluster.access.os_image_url().unwrap().data.as_ref().unwrap()["releaseVersion"] == "5.0.0";
        while !is_seen() {
            select_all(changes.iter_mut().map(|change| Box::pin(change.changed()))).await.0.unwrap();
        }
        let uid = context.cluster.streams.get("cluster").unwrap().metadata.uid.clone();
        let objects = api(&context.client, "machineconfiguration.openshift.io", "OSImageStream");
        objects.delete("cluster", &DeleteParams::default()).await.unwrap();
        assert_eq!(streams(&context, |object| object.metadata.uid != uid && is_done(object)).await, ["rhel-9"]);
        // The event comes after the marks.
        let events: Api<Event> = Api::all(context.client.clone());
        let skipped = |event: &Event| event.reason.as_deref() == Some("SourceLeftOut");
        while !events.list(&ListParams::default()).await.unwrap().items.iter().any(skipped) {
            tokio::task::yield_now().await;
        }
        let told = told(&context, "SourceLeftOut").await;
        assert!(told[0].contains("ConfigMap") && told[0].contains("of release 5.0.0"), "{told:?}");
    };
    played(&context, images, story).await;
}

/// The sample release in memory, its pull spec and one to read it with.
async fn sample(version: &str) -> (Images, String, Vec<String>) {
    let layout = payload::build(Profile::by_name("ocp").unwrap(), Some(version), &[]).unwrap();
    let image = layout.name(&layout.images()[0]).to_string();
    let images = Images::new(Source { layouts: vec![layout], ..Source::default() });
    let tags = images.release(&image).await.unwrap().tags;
    (images, image, tags.into_iter().filter_map(|tag| tag.image).collect())
}

#[tokio::test(start_paused = true)]
async fn the_controllers_of_another_version_leave_it_alone_until_it_is_theirs() {
    let (images, image, _) = sample("4.21.0").await;
    let mut context = cluster("ocp", &image, "4.20.0").await;
    context.build = Arc::new(Build { release: Some("4.21.0".to_owned()), ..Build::clone(&context.build) });
    let gates = api(&context.client, "config.openshift.io", "FeatureGate");
    let of_both =
        ["4.20.0", "4.21.0"].map(|v| json!({"version": v, "enabled": [{"name": "OSStreams"}], "disabled": []}));
    let patch = Patch::Merge(json!({"status": {"featureGates": of_both}}));
    gates.patch_status("cluster", &PatchParams::default(), &patch).await.unwrap();
    let story = async {
        tokio::time::sleep(Duration::from_mins(30)).await;
        assert!(
            context.cluster.streams.get("cluster").is_none(),
            "the desired release is 4.20.0, and we are of 4.21.0"
        );
        let versions = api(&context.client, "config.openshift.io", "ClusterVersion");
        let patch = Patch::Merge(json!({"status": desired("4.21.0", &image)}));
        versions.patch_status("version", &PatchParams::default(), &patch).await.unwrap();
        assert_eq!(streams(&context, is_done).await, ["rhel-10", "rhel-9"]);
    };
    played(&context, images, story).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_unused_images_is_forgotten_on_schedule() {
    let (images, image, all) = sample("4.21.0").await;
    let context = cluster("ocp", &image, "4.21.0").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(weir_images::cache::FILE_NAME);
    let digest = |image: &str| image.rsplit_once('@').unwrap().1.to_owned();
    let os = images.labels_of(&all).await.into_iter().zip(&all).find_map(|(read, image)| {
        read.is_ok_and(|(labels, _)| labels.contains_key("containers.bootc")).then(|| digest(image))
    });
    let (os, unused, young) =
        (os.unwrap(), format!("sha256:{}", "0a".repeat(32)), format!("sha256:{}", "0b".repeat(32)));
    let old = json!({"labels": {}, "createdAt": "2026-01-02T03:04:05Z"});
    let new = json!({"labels": {}, "createdAt": jiff::Timestamp::now()});
    let known = json!({"version": 1, "entries": {os.as_str(): old, unused.as_str(): old, young.as_str(): new}});
    std::fs::write(&file, known.to_string()).unwrap();
    let cache = Some(Arc::new(Cache::open(folder.path(), jiff::Timestamp::now)));
    let images = Images::new(Source { cache, ..images.source().clone() });
    let entries = || serde_json::from_slice::<Value>(&std::fs::read(&file).unwrap()).unwrap()["entries"].clone();
    let story = async {
        streams(&context, is_done).await;
        tokio::time::sleep(Duration::from_mins(9)).await;
        assert!(entries().get(&unused).is_some(), "not before a restart has settled");
        tokio::time::sleep(Duration::from_mins(2)).await;
        let entries = entries();
        assert!(
            entries.get(&unused).is_none() && entries.get(&os).is_some() && entries.get(&young).is_some(),
            "{entries}"
        );
    };
    played(&context, images, story).await;
}

/// How long whoever repairs something waits at the longest for the catalogue.
const REPAIR: Duration = Duration::from_secs(15);

/// A server in front of a registry that answers so for one blob or manifest, while it is told to.
async fn spoiling(registry: &Registry, what: String, answer: Answer) -> (Server, Arc<AtomicBool>) {
    let spoilt = Arc::new(AtomicBool::new(true));
    let (upstream, still) = (registry.host().to_owned(), spoilt.clone());
    let server = Server::start(move |request: &Request| {
        let hit = request.path.contains(&what) && still.load(Ordering::SeqCst);
        if hit { answer.clone() } else { Answer::Forward(upstream.clone()) }
    });
    (server.await.unwrap(), spoilt)
}

/// Names of the registry are those of the server before it.
fn through(registry: &Registry, server: &Server) -> Images {
    let text =
        format!("[[registry]]\nprefix = \"{}\"\nlocation = \"{}\"\ninsecure = true\n", registry.host(), server.host());
    let patience = Patience { retry: Duration::ZERO, ..Patience::default() };
    Images::new(Source { registries: Registries::parse(&text).unwrap(), patience, ..Source::default() })
}

/// Pushes a release; returns its pull spec and the digest of one of its OS images.
async fn pushed(registry: &Registry, version: &str) -> (String, String) {
    let text = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", registry.host());
    let images = Images::new(Source { registries: Registries::parse(&text).unwrap(), ..Source::default() });
    let layout = payload::build(Profile::by_name("ocp").unwrap(), Some(version), &[]).unwrap();
    let to = format!("{}/ocp/release", registry.host()).parse().unwrap();
    let image = payload::push(&images, &layout, &to).await.unwrap().release;
    let release = images.release(&image).await.unwrap();
    let os = release.image_of("rhel-coreos-10").unwrap().rsplit_once('@').unwrap().1.to_owned();
    (image, os)
}

#[tokio::test]
async fn an_image_that_was_refused_is_not_absent() {
    let Some(registry) = Registry::start(&Options::default()).unwrap() else { return };
    let (image, os) = pushed(&registry, "4.21.0").await;
    let text = |status: u16, body: &'static str| Answer::Text(status, vec![], body.into());
    for (answer, said) in [
        (text(401, ""), "asks for credentials"),
        (text(403, ""), "denies access"),
        (text(404, ""), "has no such image"),
        (text(200, "{}"), "digest mismatch"),
    ] {
        let (server, spoilt) = spoiling(&registry, os.clone(), answer).await;
        let context = cluster("ocp", &image, "4.21.0").await;
        let story = async {
            let found = problem(&context, |problem| problem.why.contains(said)).await;
            assert!(found.blocking && found.next.is_some() && found.why.contains(&os), "{found}");
            let objects: Api<OSImageStream> = Api::all(context.client.clone());
            assert!(
                objects.list(&ListParams::default()).await.unwrap().items.is_empty(),
                "{said}: nothing is recorded"
            );
            // The event comes after what the other controllers are told.
            let mut events = told(&context, "OSImageStreamNotMade").await;
            while events.is_empty() {
                tokio::task::yield_now().await;
                events = told(&context, "OSImageStreamNotMade").await;
            }
            assert!(events[0].contains(said) && events[0].contains("; next attempt in "), "{events:?}");
            spoilt.store(false, Ordering::SeqCst);
            let cache = &context.cluster.streams;
            let mut changes = cache.changes();
            let made = changes.wait_for(|_| cache.get("cluster").is_some_and(|object| is_done(&object)));
            timeout(REPAIR, made).await.unwrap().unwrap();
            assert_eq!(streams(&context, is_done).await, ["rhel-10", "rhel-9"]);
            assert_eq!(context.cluster.stream_problems.get(), StreamProblems::default());
        };
        played(&context, through(&registry, &server), story).await;
    }
}

#[tokio::test]
async fn what_was_known_stays_while_an_image_of_the_next_release_is_refused() {
    let Some(registry) = Registry::start(&Options::default()).unwrap() else { return };
    let ((first, _), (next, os)) = (pushed(&registry, "4.21.0").await, pushed(&registry, "4.21.1").await);
    let absent = Answer::Text(404, vec![], Default::default());
    let (server, spoilt) = spoiling(&registry, os.clone(), absent).await;
    let context = cluster("ocp", &first, "4.21.0").await;
    let mark = |object: &OSImageStream| object.metadata.annotations.as_ref()?.get(RELEASE_PAYLOAD_IMAGE).cloned();
    let story = async {
        streams(&context, is_done).await;
        let before = context.cluster.streams.get("cluster").unwrap();
        let gates = api(&context.client, "config.openshift.io", "FeatureGate");
        let of_both =
            ["4.21.0", "4.21.1"].map(|v| json!({"version": v, "enabled": [{"name": "OSStreams"}], "disabled": []}));
        let patch = Patch::Merge(json!({"status": {"featureGates": of_both}}));
        gates.patch_status("cluster", &PatchParams::default(), &patch).await.unwrap();
        let versions = api(&context.client, "config.openshift.io", "ClusterVersion");
        let patch = Patch::Merge(json!({"status": desired("4.21.1", &next)}));
        versions.patch_status("version", &PatchParams::default(), &patch).await.unwrap();
        problem(&context, |problem| problem.release == next && problem.why.contains(&os)).await;
        let objects: Api<OSImageStream> = Api::all(context.client.clone());
        let now = objects.get("cluster").await.unwrap();
        assert_eq!((&now.status, mark(&now)), (&before.status, Some(first.clone())));
        spoilt.store(false, Ordering::SeqCst);
        let cache = &context.cluster.streams;
        let mut changes = cache.changes();
        let made = changes.wait_for(|_| cache.get("cluster").is_some_and(|object| mark(&object) == Some(next.clone())));
        timeout(REPAIR, made).await.unwrap().unwrap();
    };
    played(&context, through(&registry, &server), story).await;
}

#[test]
fn a_repair_is_seen_within_a_quarter_of_a_minute() {
    assert_eq!([1, 2, 3].map(pause_after), [1, 2, 4].map(Duration::from_secs));
    assert!((0..100).all(|times| pause_after(times) + access::RETRY < Duration::from_secs(15)));
}
