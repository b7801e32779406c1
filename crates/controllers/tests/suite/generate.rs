//! The controller of what is generated, in process, against the embedded server: settings that come and go, templates that cannot be
//! used, and what another operator generated.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod recorded;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Event;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    client::Body,
    core::{DynamicObject, GroupVersionKind},
    discovery::ApiResource,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{task::JoinHandle, time::timeout};
use tower::{BoxError, ServiceExt as _, service_fn};
use weir_api::{
    MachineConfig,
    crds::{FeatureSet, crds},
    keys::{
        config::{ADOPTED_FROM, GENERATED_BY_CONTROLLER_VERSION},
        controller_config::{COMPLETED, FAILING, GENERATED_CONFIGS_ADOPTED},
        names::CONTROLLER_CONFIG,
    },
};
use weir_apiserver::{ApiServer, Settings};
use weir_controllers::{Access, Build, Cluster, Context, Generating, cluster::Watcher, generate};
use weir_distro::Profile;
use weir_images::{Images, Source, payload};
use weir_kubeio::{Clock, drive};
use weir_rules::{
    objects::seed::{Facts, Shape, objects},
    template::Tree,
};

/// What is to be seen soon is waited for this long: tests share their machine.
const SOON: Duration = Duration::from_secs(20);
const GROUP: &str = "machineconfiguration.openshift.io";
const CONFIG: &str = "config.openshift.io";

/// A cluster of the sample release, without controllers.
struct World {
    client: Client,
    images: Images,
    profile: &'static Profile,
    running: Option<JoinHandle<()>>,
    server: ApiServer,
}

impl Drop for World {
    fn drop(&mut self) {
        self.running.take().inspect(JoinHandle::abort);
    }
}

impl World {
    /// An empty cluster: nothing but definitions, and no images.
    fn bare() -> Self {
        Self::with_images(Images::new(Source { offline: true, ..Source::default() }))
    }

    fn with_images(images: Images) -> Self {
        let profile = Profile::by_name("ocp").unwrap();
        let server = ApiServer::new(Settings::default()).unwrap();
        server.define(crds(FeatureSet::Default)).unwrap();
        let client = Client::new(server.service(), "default");
        Self { client, images, profile, running: None, server }
    }

    async fn new() -> Self {
        let profile = Profile::by_name("ocp").unwrap();
        let layout = payload::build(profile, None, &[]).unwrap();
        let image = layout.name(&layout.images()[0]).to_string();
        let images = Images::new(Source { layouts: vec![layout], offline: true, ..Source::default() });
        let release = images.release(&image).await.unwrap();
        let world = Self::with_images(images);
        let facts = Facts {
            version: &release.version,
            image: &release.image,
            images: &release.by_tag(),
            profile,
            build: &build("h1"),
            shape: &Shape { masters: 3, arbiter: false, custom: vec!["infra".to_owned()] },
            before: None,
            gates: None,
            now: jiff::Timestamp::now(),
        };
        for seed in objects(&facts) {
            world.create(seed.object).await;
        }
        world
    }

    /// Runs the controller, in the place of one that ran before.
    fn run(&mut self, hash: &str, generating: Generating) {
        self.run_with(self.client.clone(), hash, generating);
    }

    /// The same with another client.
    fn run_with(&mut self, client: Client, hash: &str, generating: Generating) {
        self.running.take().inspect(JoinHandle::abort);
        let context = self.context(client, hash, generating);
        let images = self.images.clone();
        self.running = Some(tokio::spawn(async move {
            let access = Access::new(&context.cluster, images);
            let controller = generate::Controller::new(context.clone(), access);
            let sees =
                [Watcher::Configuration, Watcher::Pools, Watcher::Settings, Watcher::Images, Watcher::Generators];
            tokio::join!(context.cluster.watches.fill(&context.client, &sees), drive(&controller));
        }));
    }

    /// Runs all controllers, without machines, in the place of what ran before.
    fn run_everything(&mut self, hash: &str) {
        self.running.take().inspect(JoinHandle::abort);
        let context = self.context(self.client.clone(), hash, Generating::default());
        self.running = Some(tokio::spawn(weir_controllers::run(context, self.images.clone())));
    }

    fn context(&self, client: Client, hash: &str, generating: Generating) -> Context {
        Context {
            client,
            cluster: Cluster::default(),
            clock: Clock::starting_at(jiff::Timestamp::now()),
            profile: self.profile,
            build: Arc::new(build(hash)),
            settle: Duration::ZERO,
            generating,
        }
    }

    /// A client of which the first request of this method and path gets no answer.
    fn cut_off_once(&self, at: &'static str) -> Client {
        let (service, is_cut) = (self.server.service(), Arc::new(AtomicBool::default()));
        let service = service_fn(move |request: http::Request<Body>| {
            let here = format!("{} {}", request.method(), request.uri().path()) == at;
            let (service, cuts) = (service.clone(), here && !is_cut.swap(true, Ordering::Relaxed));
            async move { if cuts { Err(BoxError::from("cut off")) } else { Ok(service.oneshot(request).await?) } }
        });
        Client::new(service, "default")
    }

    fn api(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)))
    }

    /// Creates an object with its status.
    async fn create(&self, mut object: Value) {
        let (group, version) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap_or(("", "v1"));
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, object["kind"].as_str().unwrap()));
        let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &kind),
            None => Api::all_with(self.client.clone(), &kind),
        };
        let status = object.as_object_mut().unwrap().remove("status");
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        if let Some(status) = status {
            let patch = Patch::Merge(json!({ "status": status }));
            api.patch_status(&name, &PatchParams::default(), &patch).await.unwrap();
        }
    }

    async fn configs(&self) -> BTreeMap<String, MachineConfig> {
        let all = Api::<MachineConfig>::all(self.client.clone()).list(&ListParams::default()).await.unwrap();
        all.items.into_iter().map(|config| (config.metadata.name.clone().unwrap(), config)).collect()
    }

    async fn object(&self, group: &str, kind: &str, name: &str) -> Value {
        let found = self.api(group, "v1", kind).get_opt(name).await.unwrap();
        found.map_or(Value::Null, |object| serde_json::to_value(object).unwrap())
    }

    /// Waits until the object is as it should be; absent it is null.
    async fn until(&self, group: &str, kind: &str, name: &str, is: impl Fn(&Value) -> bool) -> Value {
        let api = self.api(group, "v1", kind);
        let only = WatchParams::default().fields(&format!("metadata.name={name}"));
        let mut last = self.object(group, kind, name).await;
        let seen = timeout(SOON, async {
            let mut events = pin!(api.watch(&only, "0").await.unwrap());
            while !is(&last) {
                last = match events.try_next().await.unwrap().unwrap() {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => serde_json::to_value(object).unwrap(),
                    WatchEvent::Deleted(_) => Value::Null,
                    _ => continue,
                };
            }
        });
        let in_time = seen.await.is_ok();
        assert!(in_time, "{kind} {name} stays {last}");
        last
    }

    async fn completed(&self) {
        self.until(GROUP, "ControllerConfig", CONTROLLER_CONFIG, |config| {
            condition(config, COMPLETED.name())["status"] == "True"
                && config["status"]["observedGeneration"] == config["metadata"]["generation"]
        })
        .await;
    }

    /// Waits for an event about the object that says this.
    async fn told(&self, kind: &str, name: &str, says: &str) {
        let api = Api::<Event>::all(self.client.clone());
        let about = |event: &Event| {
            let object = &event.involved_object;
            object.kind.as_deref() == Some(kind)
                && object.name.as_deref() == Some(name)
                && event.message.as_ref().is_some_and(|message| message.contains(says))
        };
        let seen = timeout(SOON, async {
            let mut events = pin!(api.watch(&WatchParams::default(), "0").await.unwrap());
            while let Some(event) = events.try_next().await.unwrap() {
                if matches!(&event, WatchEvent::Added(event) if about(event)) {
                    return;
                }
            }
        });
        assert!(seen.await.is_ok(), "no event about {kind} {name} says {says:?}");
    }

    /// Waits until the controller has taken in a change of a KubeletConfig, and with it everything before that.
    async fn until_observed(&self, name: &str, max_pods: u32) {
        let patch = Patch::Merge(json!({"spec": {"kubeletConfig": {"maxPods": max_pods}}}));
        self.api(GROUP, "v1", "KubeletConfig").patch(name, &PatchParams::default(), &patch).await.unwrap();
        let is_seen = |object: &Value| object["status"]["observedGeneration"] == object["metadata"]["generation"];
        self.until(GROUP, "KubeletConfig", name, is_seen).await;
    }
}

fn build(hash: &str) -> Build {
    Build { raw: "v1".to_owned(), hash: hash.to_owned(), release: None }
}

fn condition<'v>(object: &'v Value, type_: &str) -> &'v Value {
    let all = object.pointer("/status/conditions").and_then(Value::as_array);
    all.into_iter().flatten().find(|condition| condition["type"] == type_).unwrap_or(&Value::Null)
}

/// Text of a file of a MachineConfig.
fn file(config: &MachineConfig, path: &str) -> String {
    weir_rules::generated::base::text_of(config, path).unwrap()
}

fn kubelet_config(name: &str, pool: &str, settings: Value) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "KubeletConfig", "metadata": {"name": name},
        "spec": {
            "machineConfigPoolSelector": {"matchLabels": {format!("pools.operator.machineconfiguration.openshift.io/{pool}"): ""}},
            "kubeletConfig": settings,
        },
    })
}

#[tokio::test]
async fn templates_and_gates_make_what_pools_begin_with_and_nothing_is_written_twice() {
    let mut world = World::new().await;
    world.run("h1", Generating::default());
    world.completed().await;
    let configs = world.configs().await;
    let names: Vec<&str> = configs.keys().map(String::as_str).collect();
    let expected = [
        "00-master",
        "00-worker",
        "01-master-container-runtime",
        "01-master-kubelet",
        "01-worker-container-runtime",
        "01-worker-kubelet",
        "98-infra-generated-kubelet",
        "98-master-generated-kubelet",
        "98-worker-generated-kubelet",
    ];
    assert_eq!(names, expected);
    world.run("h1", Generating::default());
    // The last thing that it does in a pass is seen, and nothing else was written in it.
    world.create(kubelet_config("pods", "worker", json!({}))).await;
    world.until_observed("pods", 500).await;
    let mut after = world.configs().await;
    assert!(after.remove("99-worker-generated-kubelet").is_some());
    assert_eq!(after, configs);
}

#[tokio::test]
async fn a_kubelet_config_is_generated_told_changed_and_cleaned_up() {
    let mut world = World::new().await;
    world.run("h1", Generating::default());
    world.completed().await;
    world.create(kubelet_config("pods", "worker", json!({"maxPods": 500}))).await;
    let is_done = |object: &Value| condition(object, "Success")["status"] == "True";
    let object = world.until(GROUP, "KubeletConfig", "pods", is_done).await;
    assert_eq!(object["metadata"]["finalizers"], json!(["99-worker-generated-kubelet"]));
    assert_eq!(object["status"]["observedGeneration"], object["metadata"]["generation"]);
    let config = world.configs().await.remove("99-worker-generated-kubelet").unwrap();
    assert!(file(&config, "/etc/kubernetes/kubelet.conf").contains("maxPods: 500\n"));
    let kubelets = world.api(GROUP, "v1", "KubeletConfig");
    let patch = json!({"spec": {"kubeletConfig": {"nope": 1}}});
    kubelets.patch("pods", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    world.until_observed("pods", 501).await;
    let config = world.configs().await.remove("99-worker-generated-kubelet").unwrap();
    assert!(file(&config, "/etc/kubernetes/kubelet.conf").contains("maxPods: 501\n"));
    world.told("KubeletConfig", "pods", "spec.kubeletConfig.nope: no such field").await;
    kubelets.delete("pods", &DeleteParams::default()).await.unwrap();
    world.until(GROUP, "KubeletConfig", "pods", Value::is_null).await;
    world.completed().await;
    assert!(!world.configs().await.contains_key("99-worker-generated-kubelet"));
}

#[tokio::test]
async fn what_is_refused_says_so_and_other_kinds_go_on() {
    let mut world = World::new().await;
    world.run("h1", Generating::default());
    world.completed().await;
    world.create(kubelet_config("bad", "worker", json!({"featureGates": {"A": true}}))).await;
    let refused = |object: &Value| condition(object, "Failure")["status"] == "True";
    let object = world.until(GROUP, "KubeletConfig", "bad", refused).await;
    let why = condition(&object, "Failure")["message"].as_str().unwrap().to_owned();
    assert!(why.starts_with("Error: "), "{why}");
    world
        .create(json!({
            "apiVersion": format!("{CONFIG}/v1"), "kind": "Image", "metadata": {"name": "cluster"}, "spec": {},
        }))
        .await;
    world
        .create(json!({
            "apiVersion": format!("{CONFIG}/v1"), "kind": "ImageDigestMirrorSet", "metadata": {"name": "m"},
            "spec": {"imageDigestMirrors": [{"source": "quay.example.com/a", "mirrors": ["mirror.example.com/a"]}]},
        }))
        .await;
    world
        .create(json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "ContainerRuntimeConfig", "metadata": {"name": "limits"},
            "spec": {
                "machineConfigPoolSelector": {"matchLabels": {"pools.operator.machineconfiguration.openshift.io/master": ""}},
                "containerRuntimeConfig": {"pidsLimit": 2048},
            },
        }))
        .await;
    world
        .until(GROUP, "ContainerRuntimeConfig", "limits", |object| condition(object, "Success")["status"] == "True")
        .await;
    world.until(GROUP, "MachineConfig", "99-worker-generated-registries", |object| !object.is_null()).await;
    let configs = world.configs().await;
    let registries = file(&configs["99-worker-generated-registries"], "/etc/containers/registries.conf");
    assert!(registries.contains("mirror.example.com/a"), "{registries}");
    assert!(configs.contains_key("99-master-generated-containerruntime"));
    assert!(!configs.contains_key("99-worker-generated-kubelet"));
}

fn tree(file: &str) -> Arc<Tree> {
    let mut tree = Tree::default();
    for role in ["master", "worker"] {
        tree.add_file(&format!("{role}/00-{role}/_base/files/a.yaml"), file.as_bytes()).unwrap();
    }
    Arc::new(tree)
}

#[tokio::test]
async fn templates_that_make_nothing_leave_everything_as_it_is_and_say_where() {
    let mut world = World::new().await;
    world.run("h1", Generating::default());
    world.completed().await;
    let before = world.configs().await;
    let broken = tree("path: /a\ncontents:\n  inline: {{.NoSuchField}}\n");
    world.run("h1", Generating { templates: Some(broken), ..Generating::default() });
    let is_failing = |config: &Value| condition(config, FAILING.name())["status"] == "True";
    let config = world.until(GROUP, "ControllerConfig", CONTROLLER_CONFIG, is_failing).await;
    let why = condition(&config, FAILING.name())["message"].as_str().unwrap();
    assert!(why.contains("master/00-master/_base/files/a.yaml") && why.contains("NoSuchField"), "{why}");
    assert_eq!(world.configs().await, before);
    world.run("h1", Generating::default());
    let is_mended = |config: &Value| condition(config, FAILING.name())["status"] == "False";
    world.until(GROUP, "ControllerConfig", CONTROLLER_CONFIG, is_mended).await;
    world.completed().await;
    assert_eq!(world.configs().await, before);
}

/// A cluster in which another operator generated, and what of it was changed.
async fn taken_over(change: impl FnOnce(&mut MachineConfig)) -> (World, BTreeMap<String, MachineConfig>) {
    let mut world = World::new().await;
    world.create(kubelet_config("pods", "worker", json!({"maxPods": 500}))).await;
    world.run("other", Generating::default());
    world.until(GROUP, "KubeletConfig", "pods", |object| condition(object, "Success")["status"] == "True").await;
    world.completed().await;
    world.running.take().inspect(JoinHandle::abort);
    let mut config = world.configs().await.remove("01-worker-kubelet").unwrap();
    let before = config.spec.clone();
    change(&mut config);
    if config.spec != before {
        let api = Api::<MachineConfig>::all(world.client.clone());
        api.replace("01-worker-kubelet", &PostParams::default(), &config).await.unwrap();
    }
    let configs = world.configs().await;
    (world, configs)
}

const CONTINUES: Generating = Generating { continues: true, asked: false, templates: None };

#[tokio::test]
async fn what_another_operator_generated_is_adopted_without_a_write_and_then_changed() {
    let (mut world, before) = taken_over(|_| {}).await;
    world.run("other", CONTINUES);
    let is_adopted = |config: &Value| {
        config["metadata"]["annotations"][ADOPTED_FROM] == "other"
            && condition(config, GENERATED_CONFIGS_ADOPTED.name())["status"] == "True"
    };
    world.until(GROUP, "ControllerConfig", CONTROLLER_CONFIG, is_adopted).await;
    assert_eq!(world.configs().await, before, "nothing was written");
    world.until_observed("pods", 501).await;
    let after = world.configs().await;
    let changed: Vec<&String> = after.keys().filter(|name| after.get(*name) != before.get(*name)).collect();
    assert_eq!(changed, ["99-worker-generated-kubelet"]);
    let marks = after["99-worker-generated-kubelet"].metadata.annotations.as_ref().unwrap();
    assert_eq!(marks[GENERATED_BY_CONTROLLER_VERSION], "other", "in the name of the build that is continued");
}

/// Another text in a file that the other operator generated.
fn altered(config: &mut MachineConfig, path: &str, from: &str, to: &str) {
    let text = file(config, path).replacen(from, to, 1);
    let files = config.spec.config.as_mut().unwrap()["storage"]["files"].as_array_mut().unwrap();
    let file = files.iter_mut().find(|file| file["path"] == path).unwrap();
    file["contents"] = json!({"source": format!("data:;base64,{}", STANDARD.encode(text))});
}

const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";

#[tokio::test]
async fn nothing_is_said_to_be_adopted_before_it_is() {
    let (mut world, _) = taken_over(|_| {}).await;
    let at = "PATCH /apis/machineconfiguration.openshift.io/v1/controllerconfigs/machine-config-controller";
    world.run_with(world.cut_off_once(at), "other", CONTINUES);
    let says = |config: &Value| condition(config, GENERATED_CONFIGS_ADOPTED.name())["status"] == "True";
    let config = world.until(GROUP, "ControllerConfig", CONTROLLER_CONFIG, says).await;
    assert_eq!(config["metadata"]["annotations"][ADOPTED_FROM], "other", "{config}");
}

#[tokio::test]
async fn one_byte_that_differs_keeps_everything_as_it_is_until_ours_is_asked_for() {
    let (mut world, before) = taken_over(|config| altered(config, KUBELET_CONF, "kind", "kinD")).await;
    world.run("other", CONTINUES);
    let is_told = |config: &Value| condition(config, GENERATED_CONFIGS_ADOPTED.name())["status"] == "False";
    let config = world.until(GROUP, "ControllerConfig", CONTROLLER_CONFIG, is_told).await;
    let why = condition(&config, GENERATED_CONFIGS_ADOPTED.name())["message"].as_str().unwrap();
    let place = format!("MachineConfig 01-worker-kubelet differs in {KUBELET_CONF}, line 1");
    assert!(why.contains(&place), "{why}");
    let patch = Patch::Merge(json!({"spec": {"kubeletConfig": {"maxPods": 501}}}));
    world.api(GROUP, "v1", "KubeletConfig").patch("pods", &PatchParams::default(), &patch).await.unwrap();
    // That another difference is told shows that the change before it was looked at.
    let mut other = before["01-master-kubelet"].clone();
    altered(&mut other, KUBELET_CONF, "kind", "kinD");
    Api::<MachineConfig>::all(world.client.clone())
        .replace("01-master-kubelet", &PostParams::default(), &other)
        .await
        .unwrap();
    let says = |config: &Value, text: &str| {
        condition(config, GENERATED_CONFIGS_ADOPTED.name())["message"].as_str().unwrap_or_default().contains(text)
    };
    let of_master = |config: &Value| says(config, "MachineConfig 01-master-kubelet differs");
    world.until(GROUP, "ControllerConfig", CONTROLLER_CONFIG, of_master).await;
    let mut after = world.configs().await;
    after.insert("01-master-kubelet".to_owned(), before["01-master-kubelet"].clone());
    assert_eq!(after, before, "nothing is generated in halves");
    world.run("other", Generating { asked: true, ..CONTINUES });
    let is_adopted = |config: &Value| config["metadata"]["annotations"][ADOPTED_FROM] == "other";
    world.until(GROUP, "ControllerConfig", CONTROLLER_CONFIG, is_adopted).await;
    let after = world.configs().await;
    let changed: Vec<&String> = after.keys().filter(|name| after.get(*name) != before.get(*name)).collect();
    assert_eq!(changed, ["01-master-kubelet", "01-worker-kubelet", "99-worker-generated-kubelet"]);
}
