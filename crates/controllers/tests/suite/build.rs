//! The build controller against the embedded server, with Jobs that a fleet runs by a builder that does as it is told.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test")]

use futures::{
    FutureExt as _,
    future::{BoxFuture, ready, select_all},
};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    batch::v1::Job,
    core::v1::{ConfigMap, Event, Node, Pod, Secret},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Debug,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use weir_api::{
    FeatureGate, MachineConfig, MachineConfigPool, MachineOSBuild, MachineOSConfig,
    condition::find,
    crds::{FeatureSet, crds},
    keys::{
        build::{CURRENT_BUILD, JOB_UID, REBUILD},
        pool::IMAGE_BUILD_DEGRADED,
    },
};
use weir_apiserver::{ApiServer, Settings};
use weir_controllers::{
    Build, Cluster, Context,
    build::{
        self, Builder as _, Worker,
        builder::{Log, Order},
        pod::{Asked, report},
        registry::Labels,
    },
    cluster::Watcher,
};
use weir_distro::Profile;
use weir_fleet::{Faults, Fleet, Logs, Program, jobs::Running};
use weir_kubeio::{Clock, drive};
use weir_rules::build::{conditions::State, ready::Ability};

const NAMESPACE: &str = "openshift-machine-config-operator";
const PREFIX: &str = "machineconfiguration.openshift.io";
const RELEASE: &str = "5.0.0";
const LONG: Duration = Duration::from_mins(5);

/// What the builder does with an order.
#[derive(Clone, Debug)]
enum Answer {
    Pushes(char),
    Fails(&'static str),
    /// Works on until it is stopped.
    GoesOn,
    /// Reports an image that was built for something else.
    Forges(char),
    /// Reports this instead of a digest.
    Reports(&'static str),
    /// Lets the Job succeed and reports nothing.
    Forgets,
}

/// What the registry says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Presence {
    There,
    Gone,
    Unknown,
}

#[derive(Debug)]
struct Told {
    answers: Mutex<VecDeque<Answer>>,
    orders: Mutex<Vec<Order>>,
    presence: Mutex<Presence>,
    /// Labels of what was pushed.
    pushed: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    /// Lives as long as somebody works on something.
    works: Arc<()>,
    /// Changes with every order.
    news: watch::Sender<u64>,
}

impl Told {
    fn to(answers: &[Answer]) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.iter().cloned().collect()),
            orders: Mutex::default(),
            presence: Mutex::new(Presence::There),
            pushed: Mutex::default(),
            works: Arc::default(),
            news: watch::Sender::new(0),
        })
    }

    fn built(&self) -> usize {
        self.orders.lock().len()
    }

    fn is_at_work(&self) -> bool {
        Arc::strong_count(&self.works) > 1
    }
}

fn image(letter: char) -> String {
    format!("registry.example.com/os/worker@sha256:{}", letter.to_string().repeat(64))
}

impl build::Builder for Told {
    fn ability(&self) -> BoxFuture<'_, Ability<'_>> {
        ready(Ability { programs: false, architecture: "amd64" }).boxed()
    }

    fn build(&self, order: Order) -> BoxFuture<'static, Result<String, String>> {
        let labels = [
            ("machineconfig", order.rendered.metadata.name.clone().unwrap()),
            ("machineconfigpool", "worker".to_owned()),
            ("baseOSContainerImage", order.base.clone()),
        ];
        let mut labels: BTreeMap<_, _> = labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        order.log.line("STEP 1/1: as it is told");
        self.orders.lock().push(order);
        self.news.send_modify(|count| *count += 1);
        let (answer, works) = (self.answers.lock().pop_front().unwrap_or(Answer::GoesOn), self.works.clone());
        if let Answer::Forges(letter) | Answer::Pushes(letter) = answer {
            if matches!(answer, Answer::Forges(_)) {
                labels.insert("machineconfig".to_owned(), "rendered-worker-0".to_owned());
            }
            self.pushed.lock().insert(image(letter), labels);
        }
        async move {
            let _works = works;
            match answer {
                Answer::Pushes(letter) | Answer::Forges(letter) => Ok(image(letter)),
                Answer::Fails(why) => Err(why.to_owned()),
                Answer::Reports(text) => Ok(text.to_owned()),
                Answer::Forgets => Ok(String::new()),
                Answer::GoesOn => std::future::pending().await,
            }
        }
        .boxed()
    }
}

impl build::Registries for Told {
    fn labels(&self, image: String, _: Secret) -> BoxFuture<'static, Result<Labels, String>> {
        let said = match *self.presence.lock() {
            Presence::There => Ok(self.pushed.lock().get(&image).cloned()),
            Presence::Gone => Ok(None),
            Presence::Unknown => Err("it does not answer".to_owned()),
        };
        ready(said).boxed()
    }
}

/// What a build pod does, by that builder.
#[derive(Clone)]
struct Pods {
    builder: Arc<Told>,
    client: Client,
}

impl Debug for Pods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pods")
    }
}

impl Program for Pods {
    fn run(&self, container: Running) -> BoxFuture<'static, Result<(), String>> {
        let this = self.clone();
        async move {
            let Running { arguments, files, log } = container;
            let asked = Asked::of(&arguments)?;
            let order = asked.order(&files, Log::to(move |line| log.line(line)))?;
            let image = this.builder.build(order).await?;
            if image.is_empty() {
                return Ok(());
            }
            report(&this.client, &asked.report, &image).await.map_err(|error| error.to_string())
        }
        .boxed()
    }
}

/// A fleet that runs Jobs until this is dropped.
struct Runs(JoinHandle<()>);

impl Drop for Runs {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Stage {
    context: Context,
    client: Client,
    logs: Logs,
}

impl Stage {
    /// A pool that is rendered, in image mode.
    async fn new() -> Self {
        let server = ApiServer::new(Settings::default()).unwrap();
        server.define(crds(FeatureSet::Default)).unwrap();
        let client = Client::new(server.service(), "default");
        let context = Context {
            client: client.clone(),
            cluster: Cluster::default(),
            clock: Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()),
            profile: &Profile::all()[0],
            build: Arc::new(Build { raw: "v1".to_owned(), hash: "h".to_owned(), release: Some(RELEASE.to_owned()) }),
            settle: Duration::ZERO,
            generating: Default::default(),
        };
        let stage = Self { context, client, logs: Logs::default() };
        let namespace = json!({"metadata": {"name": NAMESPACE}});
        let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(stage.client.clone());
        namespaces.create(&PostParams::default(), &serde_json::from_value(namespace).unwrap()).await.unwrap();
        stage.create::<FeatureGate>(json!({"metadata": {"name": "cluster"}, "spec": {}})).await;
        let lists = json!([{"version": RELEASE, "enabled": [], "disabled": [{"name": "OSStreams"}]}]);
        stage.status::<FeatureGate>("cluster", json!({ "featureGates": lists })).await;
        stage.rendered("1", "base@1").await;
        let spec = json!({"configuration": {"name": "rendered-worker-1"}, "nodeSelector": {"matchLabels": {"a": ""}}});
        stage.create::<MachineConfigPool>(json!({"metadata": {"name": "worker"}, "spec": spec})).await;
        stage.node("first").await;
        stage
    }

    async fn create<K>(&self, object: Value)
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + serde::Serialize,
    {
        let api: Api<K> = Api::all(self.client.clone());
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    async fn patch<K>(&self, name: &str, patch: Value)
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api: Api<K> = Api::all(self.client.clone());
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    async fn status<K>(&self, name: &str, status: Value)
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api: Api<K> = Api::all(self.client.clone());
        let patch = Patch::Merge(json!({ "status": status }));
        api.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    async fn rendered(&self, name: &str, image: &str) {
        let marks = json!({
            format!("{PREFIX}/release-image-version"): RELEASE,
            format!("{PREFIX}/generated-by-controller-version"): "h",
        });
        let metadata = json!({"name": format!("rendered-worker-{name}"), "annotations": marks});
        self.create::<MachineConfig>(json!({"metadata": metadata, "spec": {"osImageURL": image}})).await;
    }

    async fn target(&self, name: &str) {
        let patch = json!({"spec": {"configuration": {"name": format!("rendered-worker-{name}")}}});
        self.patch::<MachineConfigPool>("worker", patch).await;
    }

    async fn secret(&self) {
        self.secret_of("kubernetes.io/dockerconfigjson", ".dockerconfigjson").await;
    }

    async fn secret_of(&self, type_: &str, key: &str) {
        self.secret_named("push", type_, key).await;
    }

    async fn secret_named(&self, name: &str, type_: &str, key: &str) {
        let secret = json!({"metadata": {"name": name}, "type": type_, "stringData": {key: "{\"auths\": {}}"}});
        let api: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        api.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    }

    async fn opt_in(&self) {
        let spec = json!({
            "machineConfigPool": {"name": "worker"}, "imageBuilder": {"imageBuilderType": "Job"},
            "renderedImagePushSecret": {"name": "push"}, "renderedImagePushSpec": "registry.example.com/os/worker:latest",
        });
        self.create::<MachineOSConfig>(json!({"metadata": {"name": "worker"}, "spec": spec})).await;
    }

    async fn user_file(&self, text: &str) {
        let files = json!([{"containerfileArch": "NoArch", "content": text}]);
        self.patch::<MachineOSConfig>("worker", json!({"spec": {"containerFile": files}})).await;
    }

    fn controller(&self, builder: &Arc<Told>) -> build::Controller {
        let worker = Worker::Here(builder.clone());
        let settings = build::Settings { worker, program: "weir:1".to_owned(), builder: Some("mco:1".to_owned()) };
        build::Controller::new(self.context.clone(), builder.clone(), settings)
    }

    /// One that counts on a cluster to run Jobs.
    fn of_cluster(&self, builder: &Arc<Told>) -> build::Controller {
        let worker = Worker::Cluster { architecture: "amd64".to_owned() };
        let settings = build::Settings { worker, program: "weir:1".to_owned(), builder: None };
        build::Controller::new(self.context.clone(), builder.clone(), settings)
    }

    /// A node that takes pods.
    async fn node(&self, name: &str) {
        let labels = json!({"fleet.weir/pool": "worker"});
        self.create::<Node>(json!({"metadata": {"name": name, "labels": labels}})).await;
        self.status::<Node>(name, json!({"conditions": [{"type": "Ready", "status": "True"}]})).await;
    }

    /// Runs Jobs, by a process of their own.
    fn fleet(&self, builder: &Arc<Told>) -> Runs {
        let settings = weir_fleet::Settings {
            step: Duration::from_millis(1),
            seed: 1,
            os: Arc::new(str::to_owned),
            drains: false,
            faults: Faults::default(),
            workload: None,
        };
        let fleet = Fleet::new(self.client.clone(), self.context.clock.clone(), settings, Vec::new());
        let pods = Pods { builder: builder.clone(), client: self.client.clone() };
        Runs(tokio::spawn(fleet.building(Arc::new(pods), self.logs.clone()).run()))
    }

    fn of<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// The pod of a Job, as a cluster makes it.
    async fn pod_of(&self, job: &Job) {
        let template = &job.spec.as_ref().unwrap().template;
        let (name, uid) = (&job.metadata.name, &job.metadata.uid);
        let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "controller": true});
        let labels = &template.metadata.as_ref().unwrap().labels;
        let metadata = json!({"name": "p", "labels": labels, "ownerReferences": [owner]});
        let pod = serde_json::from_value(json!({"metadata": metadata, "spec": template.spec})).unwrap();
        self.of::<Pod>().create(&PostParams::default(), &pod).await.unwrap();
    }

    async fn pod_says(&self, status: Value) {
        let status = Patch::Merge(json!({ "status": status }));
        self.of::<Pod>().patch_status("p", &PatchParams::default(), &status).await.unwrap();
    }

    /// Names of the objects of a kind that were made for builds.
    async fn made<K>(&self) -> Vec<String>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let labelled = ListParams::default().labels(&format!("{PREFIX}/ephemeral-build-object"));
        let all = self.of::<K>().list(&labelled).await.unwrap();
        all.into_iter().map(|object| object.meta().name.clone().unwrap()).collect()
    }

    /// Drives the controller until something holds.
    async fn until(
        &self,
        (controller, builder): (&build::Controller, &Told),
        what: &str,
        holds: impl Fn(&Cluster) -> bool,
    ) {
        let cluster = &self.context.cluster;
        let waiting = async {
            let mut changes = cluster.configuration_changes();
            changes.extend(cluster.watches.changes(&[Watcher::Builds]));
            changes.push(builder.news.subscribe());
            while !(cluster.is_configuration_synced() && holds(cluster)) {
                let next = changes.iter_mut().map(|change| Box::pin(async { change.changed().await.unwrap() }));
                select_all(next).await;
            }
        };
        tokio::select! {
            () = cluster.clone().fill(self.client.clone()) => panic!("the watches ended"),
            () = cluster.watches.fill(&self.client, &[Watcher::Builds]) => panic!("the watches ended"),
            () = drive(controller) => panic!("the controller ended"),
            waited = timeout(LONG, waiting) => assert!(waited.is_ok(), "never: {what}: {:?}", cluster.os_builds.all()),
        }
    }

    /// Drives the controller for this time.
    async fn drive(&self, controller: &build::Controller, time: Duration) {
        tokio::select! {
            () = self.context.cluster.clone().fill(self.client.clone()) => panic!("the watches ended"),
            () = self.context.cluster.watches.fill(&self.client, &[Watcher::Builds]) => panic!("the watches ended"),
            () = drive(controller) => panic!("the controller ended"),
            () = sleep(time) => {}
        }
    }

    async fn events(&self) -> Vec<String> {
        let api: Api<Event> = Api::all(self.client.clone());
        let all = api.list(&ListParams::default()).await.unwrap();
        all.into_iter().map(|event| event.reason.unwrap_or_default()).collect()
    }
}

fn told(cluster: &Cluster) -> Option<String> {
    cluster.os_configs.get("worker")?.status.as_ref()?.current_image_pull_spec.clone()
}

fn current(cluster: &Cluster) -> Option<Arc<MachineOSBuild>> {
    let config = cluster.os_configs.get("worker")?;
    cluster.os_builds.get(config.metadata.annotations.as_ref()?.get(CURRENT_BUILD)?)
}

fn state(cluster: &Cluster) -> Option<State> {
    current(cluster).map(|build| State::of(&build))
}

/// Status, reason and message of ImageBuildDegraded.
fn degraded(cluster: &Cluster) -> String {
    let pool = cluster.pools.get("worker").unwrap();
    let conditions = pool.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    find(conditions, IMAGE_BUILD_DEGRADED)
        .map(|held| format!("{} {} {}", held.status, held.reason, held.message))
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn an_image_is_built_and_told_and_files_alone_use_it_again() {
    let (stage, builder) = (Stage::new().await, Told::to(&[Answer::Pushes('a'), Answer::Pushes('b')]));
    stage.secret().await;
    stage.opt_in().await;
    let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
    stage.until((&controller, &builder), "the image is told", |cluster| told(cluster) == Some(image('a'))).await;
    let build = current(&stage.context.cluster).unwrap();
    assert_eq!((State::of(&build), build.spec.machine_config.name.as_str()), (State::Succeeded, "rendered-worker-1"));
    let status = build.status.clone().unwrap();
    assert!(status.build_start < status.build_end && status.build_end.is_some());
    for reason in ["BuildStarted", "BuildPreparing", "JobCreated", "JobCompleted", "BuildCompleted"] {
        assert!(stage.events().await.iter().any(|event| event == reason), "{reason}");
    }
    stage.rendered("2", "base@1").await;
    stage.target("2").await;
    let of = |name: &'static str| {
        move |cluster: &Cluster| current(cluster).is_some_and(|build| build.spec.machine_config.name == name)
    };
    stage.until((&controller, &builder), "files alone", of("rendered-worker-2")).await;
    assert_eq!((builder.built(), told(&stage.context.cluster)), (1, Some(image('a'))));
    stage.rendered("3", "base@2").await;
    stage.target("3").await;
    stage.until((&controller, &builder), "another base", |cluster| told(cluster) == Some(image('b'))).await;
    assert_eq!(builder.orders.lock()[1].base, "base@2");
    stage.target("1").await;
    stage.until((&controller, &builder), "going back", |cluster| told(cluster) == Some(image('a'))).await;
    assert_eq!(builder.built(), 2);
}

/// One that fails so often before it does the rest.
fn told_to_fail(why: &'static str, times: usize, then: &[Answer]) -> Arc<Told> {
    let answers: Vec<Answer> = vec![Answer::Fails(why); times].into_iter().chain(then.iter().cloned()).collect();
    Told::to(&answers)
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_in_its_words_and_asking_again_mends_it() {
    let why = "pushing to registry.example.com: the registry denies access";
    let (stage, builder) = (Stage::new().await, told_to_fail(why, 4, &[Answer::Pushes('a')]));
    stage.secret().await;
    stage.opt_in().await;
    let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
    stage.until((&controller, &builder), "the pool says it", |cluster| degraded(cluster).contains(why)).await;
    assert_eq!((state(&stage.context.cluster), told(&stage.context.cluster)), (Some(State::Failed), None));
    let failed = current(&stage.context.cluster).unwrap();
    let said = format!("STEP 1/1: as it is told\n{why}\n(tried 4 times)");
    assert!(failed.status.as_ref().unwrap().conditions.iter().flatten().any(|held| held.message == said), "{failed:?}");
    for reason in ["BuildFailed", "BuildDegraded", "JobFailed"] {
        assert_eq!(stage.events().await.iter().filter(|event| *event == reason).count(), 1, "{reason}");
    }
    stage.patch::<MachineOSConfig>("worker", json!({"metadata": {"annotations": {REBUILD: ""}}})).await;
    stage.until((&controller, &builder), "it is built again", |cluster| told(cluster) == Some(image('a'))).await;
    let again = current(&stage.context.cluster).unwrap();
    assert_eq!(again.metadata.name, failed.metadata.name);
    assert_ne!(again.metadata.uid, failed.metadata.uid);
    let config = stage.context.cluster.os_configs.get("worker").unwrap();
    assert!(!config.metadata.annotations.as_ref().unwrap().contains_key(REBUILD));
}

#[tokio::test(start_paused = true)]
async fn a_build_of_which_the_start_was_not_written_ends_all_the_same() {
    let failing = vec![Answer::Fails("no space"); 4];
    let (stage, builder) = (Stage::new().await, Told::to(&[vec![Answer::GoesOn], failing].concat()));
    stage.secret().await;
    stage.opt_in().await;
    let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
    let building = |cluster: &Cluster| state(cluster) == Some(State::Building);
    stage.until((&controller, &builder), "it is built", |cluster| building(cluster) && builder.built() == 1).await;
    let mut anew = (*current(&stage.context.cluster).unwrap()).clone();
    let (first, name) = (anew.metadata.uid.take(), anew.metadata.name.clone().unwrap());
    stage.patch::<MachineOSBuild>(&name, json!({"metadata": {"finalizers": null}})).await;
    let builds: Api<MachineOSBuild> = Api::all(stage.client.clone());
    builds.delete(&name, &DeleteParams::default()).await.unwrap();
    (anew.status, anew.metadata.resource_version) = (None, None);
    anew.metadata.annotations.as_mut().unwrap().remove(JOB_UID);
    builds.create(&PostParams::default(), &anew).await.unwrap();
    let failed = |cluster: &Cluster| state(cluster) == Some(State::Failed);
    stage.until((&controller, &builder), "it has failed", failed).await;
    let ended = current(&stage.context.cluster).unwrap();
    assert_ne!(ended.metadata.uid, first);
    let status = ended.status.as_ref().unwrap();
    assert!(status.build_start.as_ref().unwrap().0 < status.build_end.as_ref().unwrap().0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_work_is_refused_and_a_fix_is_enough() {
    let (stage, builder) = (Stage::new().await, Told::to(&[Answer::Pushes('a')]));
    stage.opt_in().await;
    let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
    stage
        .until((&controller, &builder), "no Secret", |cluster| {
            degraded(cluster).contains("there is no Secret \"push\"")
        })
        .await;
    assert!(stage.context.cluster.os_builds.all().is_empty());
    stage.secret().await;
    stage.user_file("FROM configs AS final\nRUN true\n").await;
    stage
        .until((&controller, &builder), "a step that runs", |cluster| degraded(cluster).contains("\"RUN true\""))
        .await;
    assert!(degraded(&stage.context.cluster).starts_with("True BuildRefused"));
    stage.user_file("FROM configs AS final\nLABEL a=b\n").await;
    let mended = |cluster: &Cluster| told(cluster) == Some(image('a')) && degraded(cluster).starts_with("False");
    stage.until((&controller, &builder), "it is mended", mended).await;
    assert_eq!(builder.built(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_builder_that_dies_is_followed_by_the_next_and_nothing_is_built_that_nobody_wants() {
    let answers = [Answer::GoesOn, Answer::GoesOn, Answer::Pushes('b')];
    let (stage, builder) = (Stage::new().await, Told::to(&answers));
    stage.secret().await;
    stage.opt_in().await;
    let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
    let building = |cluster: &Cluster| state(cluster) == Some(State::Building);
    stage.until((&controller, &builder), "it is built", |cluster| building(cluster) && builder.built() == 1).await;
    let first = current(&stage.context.cluster).unwrap();
    drop((controller, _runs));
    assert!(!until_idle(&builder).await, "the work ends with its process");
    let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
    stage
        .until((&controller, &builder), "it is begun again", |cluster| building(cluster) && builder.built() == 2)
        .await;
    assert_eq!(current(&stage.context.cluster).unwrap().metadata.uid, first.metadata.uid);
    // Another Containerfile: what is under way is for nobody.
    stage.user_file("FROM configs AS final\nLABEL a=b\n").await;
    stage.until((&controller, &builder), "the other one", |cluster| told(cluster) == Some(image('b'))).await;
    let left: Vec<_> = stage.context.cluster.os_builds.all().iter().map(|build| build.metadata.uid.clone()).collect();
    assert!(left.len() == 1 && left[0] != first.metadata.uid, "{left:?}");
    assert!(!until_idle(&builder).await);
    // Opting out takes the builds along.
    let api: Api<MachineOSConfig> = Api::all(stage.client.clone());
    api.delete("worker", &DeleteParams::default()).await.unwrap();
    stage.until((&controller, &builder), "nothing is left", |cluster| cluster.os_builds.all().is_empty()).await;
}

/// Whether somebody is still at work, once those that were stopped had a chance to end.
async fn until_idle(builder: &Told) -> bool {
    for _ in 0..100 {
        if !builder.is_at_work() {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

#[tokio::test(start_paused = true)]
async fn a_machineosconfig_that_is_made_again_gets_builds_of_its_own() {
    let (stage, builder) = (Stage::new().await, Told::to(&[Answer::GoesOn, Answer::Pushes('b')]));
    stage.secret().await;
    stage.opt_in().await;
    let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
    let building = |cluster: &Cluster| state(cluster) == Some(State::Building);
    stage.until((&controller, &builder), "it is built", |cluster| building(cluster) && builder.built() == 1).await;
    let first = current(&stage.context.cluster).unwrap();
    let api: Api<MachineOSConfig> = Api::all(stage.client.clone());
    api.delete("worker", &DeleteParams::default()).await.unwrap();
    stage.opt_in().await;
    let other = |cluster: &Cluster| told(cluster) == Some(image('b'));
    stage.until((&controller, &builder), "it is built anew", other).await;
    let second = current(&stage.context.cluster).unwrap();
    assert_eq!(second.metadata.name, first.metadata.name);
    assert_ne!(second.metadata.uid, first.metadata.uid);
    assert!(!until_idle(&builder).await, "nobody works for the one that is gone");
}

#[tokio::test(start_paused = true)]
async fn at_rest_nothing_is_written() {
    let why = "pushing: no space left";
    for (answer, ends) in [(Answer::Pushes('a'), State::Succeeded), (Answer::Fails(why), State::Failed)] {
        let builder = Told::to(&vec![answer; if ends == State::Failed { 4 } else { 1 }]);
        let stage = Stage::new().await;
        stage.secret().await;
        stage.opt_in().await;
        let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
        let done = |cluster: &Cluster| {
            state(cluster) == Some(ends) && (told(cluster).is_some() || degraded(cluster).contains(why))
        };
        stage.until((&controller, &builder), "it ends", done).await;
        let versions = |cluster: &Cluster| {
            let configs = cluster.os_configs.all().into_iter().map(|config| config.metadata.resource_version.clone());
            let builds = cluster.os_builds.all().into_iter().map(|build| build.metadata.resource_version.clone());
            let pools = cluster.pools.all().into_iter().map(|pool| pool.metadata.resource_version.clone());
            configs.chain(builds).chain(pools).collect::<Vec<_>>()
        };
        let before = versions(&stage.context.cluster);
        stage.drive(&controller, Duration::from_hours(1)).await;
        assert_eq!(versions(&stage.context.cluster), before, "{ends:?}");
        assert_eq!(builder.built(), if ends == State::Failed { 4 } else { 1 });
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_gone_is_built_again_and_a_silent_registry_says_nothing() {
    let (stage, builder) = (Stage::new().await, Told::to(&[Answer::Pushes('a'), Answer::Pushes('b')]));
    stage.secret().await;
    stage.opt_in().await;
    let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
    stage.until((&controller, &builder), "the image is told", |cluster| told(cluster) == Some(image('a'))).await;
    *builder.presence.lock() = Presence::Unknown;
    stage.rendered("2", "base@1").await;
    stage.target("2").await;
    let seen = |cluster: &Cluster| {
        cluster
            .pools
            .get("worker")
            .is_some_and(|pool| pool.spec.configuration.as_ref().is_some_and(|c| c.name() == "rendered-worker-2"))
    };
    stage.until((&controller, &builder), "the change is seen", seen).await;
    assert_eq!(builder.built(), 1);
    builder.pushed.lock().clear();
    *builder.presence.lock() = Presence::There;
    stage.until((&controller, &builder), "it is built again", |cluster| told(cluster) == Some(image('b'))).await;
    assert_eq!(builder.built(), 2);
}

/// A build that ends without an image: state and message.
async fn ended(answers: &[Answer], presence: Presence, says: &'static str) -> (State, String) {
    let (stage, builder) = (Stage::new().await, Told::to(answers));
    stage.secret().await;
    stage.opt_in().await;
    *builder.presence.lock() = presence;
    let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
    stage.until((&controller, &builder), says, |cluster| degraded(cluster).contains(says)).await;
    assert_eq!(told(&stage.context.cluster), None);
    (state(&stage.context.cluster).unwrap(), degraded(&stage.context.cluster))
}

#[tokio::test(start_paused = true)]
async fn no_node_is_told_an_image_that_was_not_built_for_it() {
    use Presence::{Gone, There};
    for (answer, presence, says) in [
        (
            Answer::Forges('f'),
            There,
            "whose label machineconfig is \"rendered-worker-0\" instead of \"rendered-worker-1\"",
        ),
        (Answer::Pushes('a'), Gone, "which is not in its registry"),
        (Answer::Reports("x@sha256:latest"), There, "holds \"sha256:latest\" instead of a digest"),
        (Answer::Forgets, There, "left no digest"),
    ] {
        assert_eq!(ended(&[answer], presence, says).await.0, State::Failed, "{says}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_cause_is_told_at_once_and_kept() {
    let answers = [Answer::Fails("no such package"), Answer::GoesOn];
    let (stage, builder) = (Stage::new().await, Told::to(&answers));
    stage.secret().await;
    stage.opt_in().await;
    let (controller, runs) = (stage.controller(&builder), stage.fleet(&builder));
    let says = |cluster: &Cluster, type_: &str, text: &str| {
        let build = current(cluster);
        build.is_some_and(|build| {
            let said = build.status.iter().flat_map(|status| status.conditions.iter().flatten());
            said.into_iter().any(|held| held.type_ == type_ && held.status == "True" && held.message.contains(text))
        })
    };
    let first = |cluster: &Cluster| says(cluster, "Building", "the first try failed") && builder.built() == 2;
    stage.until((&controller, &builder), "the first try is told", first).await;
    let pods = stage.of::<Pod>().list(&ListParams::default()).await.unwrap();
    assert_eq!(pods.items.len(), 2, "{pods:?}");
    let log = |pod: &Pod| stage.logs.of(NAMESPACE, pod.metadata.name.as_deref().unwrap(), "image-build").unwrap();
    assert!(pods.iter().any(|pod| log(pod) == "STEP 1/1: as it is told\nno such package\n"));
    // All pods that could say it are gone, and the others fail otherwise.
    for pod in &pods {
        stage.of::<Pod>().delete(pod.metadata.name.as_deref().unwrap(), &DeleteParams::default()).await.unwrap();
    }
    builder.answers.lock().extend([Answer::Fails("disk full"), Answer::Fails("disk full")]);
    let failed = |cluster: &Cluster| says(cluster, "Failed", "no such package\n(tried 4 times)");
    stage.until((&controller, &builder), "it fails", failed).await;
    let otherwise = |cluster: &Cluster| degraded(cluster).contains("the last try failed otherwise: STEP 1/1");
    stage.until((&controller, &builder), "the pool says it", otherwise).await;
    drop(runs);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_does_not_start_is_told_in_the_words_of_whoever_keeps_it_from_that() {
    let (stage, builder) = (Stage::new().await, Told::to(&[]));
    stage.secret().await;
    stage.opt_in().await;
    let controller = stage.controller(&builder);
    // What a cluster does with it.
    let job = made(&stage, (&controller, &builder)).await;
    let name = job.metadata.name.clone().unwrap();
    stage.pod_of(&job).await;
    let active = Patch::Merge(json!({"status": {"active": 1, "ready": 0}}));
    stage.of::<Job>().patch_status(&name, &PatchParams::default(), &active).await.unwrap();
    let says = async |status: Value| stage.pod_says(status).await;
    let waits = |reason: &str, message: &str| {
        json!({"phase": "Pending", "conditions": [], "initContainerStatuses": [{
            "name": "program", "image": "weir:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason, "message": message}},
        }]})
    };
    let told = |words: &'static str| {
        move |cluster: &Cluster| {
            let build = current(cluster).unwrap();
            let said = build.status.as_ref().unwrap().conditions.clone().unwrap();
            let said = said.iter().find(|held| held.status == "True").unwrap();
            let everywhere = said.message.ends_with(words) && degraded(cluster).ends_with(words);
            said.type_ == "Building" && degraded(cluster).starts_with("True BuildNotStarting") && everywhere
        }
    };
    let nowhere = json!([{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available",
    }]);
    says(json!({"phase": "Pending", "conditions": nowhere})).await;
    let words = "pod p has no node: Unschedulable: 0/3 nodes are available";
    stage.until((&controller, &builder), "it has no node", told(words)).await;
    says(waits("ErrImagePull", "unauthorized: access to weir:1 denied")).await;
    let words = "container program of pod p waits: ErrImagePull: unauthorized: access to weir:1 denied";
    stage.until((&controller, &builder), "there is no image", told(words)).await;
    says(waits("ImagePullBackOff", "Back-off pulling image \"weir:1\"")).await;
    stage.drive(&controller, Duration::from_mins(1)).await;
    assert!(told(words)(&stage.context.cluster), "{}", degraded(&stage.context.cluster));
    says(json!({"phase": "Running", "initContainerStatuses": null})).await;
    let started =
        |cluster: &Cluster| degraded(cluster).starts_with("False Building") && state(cluster) == Some(State::Building);
    stage.until((&controller, &builder), "it starts", started).await;
    assert_eq!(stage.events().await.iter().filter(|event| *event == "BuildNotStarting").count(), 1);
}

/// A policy that lets nobody make pods, with its binding.
fn no_pods() -> (ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding) {
    let pods = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]});
    let policy = json!({"metadata": {"name": "no-pods"}, "spec": {
        "failurePolicy": "Fail", "matchConstraints": {"resourceRules": [pods]},
        "validations": [{"expression": "false", "message": "no pods today"}],
    }});
    let spec = json!({"policyName": "no-pods", "validationActions": ["Deny"]});
    let binding = json!({"metadata": {"name": "no-pods"}, "spec": spec});
    (serde_json::from_value(policy).unwrap(), serde_json::from_value(binding).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_job_that_gets_no_pod_says_why_until_it_gets_one() {
    let (stage, builder) = (Stage::new().await, Told::to(&[Answer::Pushes('a')]));
    stage.secret().await;
    let (policies, bindings) = (Api::all(stage.client.clone()), Api::all(stage.client.clone()));
    let (policy, binding) = no_pods();
    policies.create(&PostParams::default(), &policy).await.unwrap();
    bindings.create(&PostParams::default(), &binding).await.unwrap();
    stage.opt_in().await;
    let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
    let refused = |cluster: &Cluster| {
        let build = current(cluster);
        let said =
            build.iter().flat_map(|build| build.status.iter().flat_map(|status| status.conditions.iter().flatten()));
        let is_said = said.into_iter().any(|held| {
            held.type_ == "Prepared" && held.status == "True" && held.message.contains("it does not start: Job build-")
        });
        let told = degraded(cluster);
        is_said
            && told.starts_with("True BuildNotStarting")
            && told.contains("gets no pod: FailedCreate: Error creating: ")
            && told.ends_with("no pods today")
    };
    stage.until((&controller, &builder), "it gets no pod", refused).await;
    stage.drive(&controller, Duration::from_mins(10)).await;
    assert!(refused(&stage.context.cluster), "{}", degraded(&stage.context.cluster));
    let events = stage.events().await;
    let count = |reason: &str| events.iter().filter(|event| *event == reason).count();
    assert_eq!((count("BuildNotStarting"), count("FailedCreate"), count("SuccessfulCreate")), (1, 1, 0), "{events:?}");
    // The cause is mended, and nothing else is done.
    policies.delete("no-pods", &DeleteParams::default()).await.unwrap();
    bindings.delete("no-pods", &DeleteParams::default()).await.unwrap();
    let over = |cluster: &Cluster| told(cluster) == Some(image('a')) && !degraded(cluster).starts_with("True");
    stage.until((&controller, &builder), "it is built", over).await;
    assert!(stage.events().await.iter().any(|event| event == "SuccessfulCreate"));
    assert_eq!(builder.built(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_machineosconfig_of_a_pool_is_refused_by_the_api() {
    let stage = Stage::new().await;
    stage.opt_in().await;
    let spec = json!({
        "machineConfigPool": {"name": "worker"}, "imageBuilder": {"imageBuilderType": "Job"},
        "renderedImagePushSecret": {"name": "push"}, "renderedImagePushSpec": "registry.example.com/os/other:latest",
    });
    let second = serde_json::from_value(json!({"metadata": {"name": "second"}, "spec": spec})).unwrap();
    let configs: Api<MachineOSConfig> = Api::all(stage.client.clone());
    let refused = configs.create(&PostParams::default(), &second).await.unwrap_err().to_string();
    assert!(refused.contains("can only have one MachineOSConfig per MachineConfigPool"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_gone_in_mid_build_is_named_and_the_build_goes_on_when_it_is_back() {
    let (stage, builder) = (Stage::new().await, Told::to(&[Answer::GoesOn, Answer::Pushes('b')]));
    stage.secret().await;
    stage.opt_in().await;
    let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
    let building = |cluster: &Cluster| state(cluster) == Some(State::Building) && builder.built() == 1;
    stage.until((&controller, &builder), "it is built", building).await;
    let pools: Api<MachineConfigPool> = Api::all(stage.client.clone());
    let spec = pools.get("worker").await.unwrap().spec;
    pools.delete("worker", &DeleteParams::default()).await.unwrap();
    stage.drive(&controller, Duration::from_mins(1)).await;
    assert!(stage.events().await.iter().any(|event| event == "ConfigReconcileFailed"));
    assert_eq!(told(&stage.context.cluster), None, "no node is told anything");
    let back = json!({"metadata": {"name": "worker"}, "spec": spec});
    stage.create::<MachineConfigPool>(back).await;
    stage.drive(&controller, Duration::from_secs(10)).await;
    stage.user_file("FROM configs AS final\nLABEL a=b\n").await;
    stage.until((&controller, &builder), "it is built", |cluster| told(cluster) == Some(image('b'))).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_without_a_pod_says_what_a_cluster_said_of_it_last() {
    let (stage, builder) = (Stage::new().await, Told::to(&[]));
    stage.secret().await;
    stage.opt_in().await;
    let controller = stage.controller(&builder);
    let job = made(&stage, (&controller, &builder)).await;
    let (name, uid) = (job.metadata.name.as_ref().unwrap(), job.metadata.uid.as_ref().unwrap());
    let says = async |reason: &str, message: &str, time: &str| {
        let about = json!({"kind": "Job", "namespace": NAMESPACE, "name": name, "uid": uid});
        let event = json!({
            "metadata": {"generateName": "e-"}, "involvedObject": about, "type": "Warning", "reason": reason,
            "message": message, "lastTimestamp": time, "firstTimestamp": time,
        });
        stage.of::<Event>().create(&PostParams::default(), &serde_json::from_value(event).unwrap()).await.unwrap();
    };
    says("FailedCreate", "Error creating: serviceaccount \"weir-image-build\" not found", "2026-01-01T00:00:01Z").await;
    says("Other", "of no meaning", "2026-01-01T00:00:09Z").await;
    let is_told = |words: &'static str| move |cluster: &Cluster| degraded(cluster).ends_with(words);
    let words = "FailedCreate: Error creating: serviceaccount \"weir-image-build\" not found";
    stage.until((&controller, &builder), "no account", is_told(words)).await;
    assert_eq!(state(&stage.context.cluster), Some(State::Prepared));
    says("FailedCreate", "Error creating: exceeded quota", "2026-01-01T00:00:02Z").await;
    let words = "FailedCreate: Error creating: exceeded quota";
    stage.until((&controller, &builder), "then the quota", is_told(words)).await;
    // Events are forgotten; the Job has no pod all the same.
    stage.of::<Event>().delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    stage.drive(&controller, Duration::from_mins(1)).await;
    assert!(is_told(words)(&stage.context.cluster), "{}", degraded(&stage.context.cluster));
    stage.pod_of(&job).await;
    let active = Patch::Merge(json!({"status": {"active": 1}}));
    stage.of::<Job>().patch_status(name, &PatchParams::default(), &active).await.unwrap();
    let begun = |cluster: &Cluster| state(cluster) == Some(State::Building) && degraded(cluster).starts_with("False");
    stage.until((&controller, &builder), "it has a pod", begun).await;
}

#[tokio::test(start_paused = true)]
async fn a_build_has_a_node_and_another_one_when_that_is_drained() {
    let answers = [Answer::GoesOn, Answer::Pushes('a')];
    let (stage, builder) = (Stage::new().await, Told::to(&answers));
    stage.secret().await;
    stage.opt_in().await;
    let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
    let works = |cluster: &Cluster| state(cluster) == Some(State::Building) && builder.built() == 1;
    stage.until((&controller, &builder), "it is built", works).await;
    let nodes = async || -> Vec<(String, String)> {
        let pods = stage.of::<Pod>().list(&ListParams::default()).await.unwrap();
        let of = |pod: Pod| (pod.metadata.name.unwrap(), pod.spec.unwrap().node_name.unwrap_or_default());
        pods.into_iter().map(of).collect()
    };
    let first = nodes().await;
    assert_eq!(first.iter().map(|(_, node)| node.as_str()).collect::<Vec<_>>(), ["first"]);
    // Its node is drained, and there is no other one.
    stage.patch::<Node>("first", json!({"spec": {"unschedulable": true}})).await;
    stage.of::<Pod>().evict(&first[0].0, &Default::default()).await.unwrap();
    let nowhere = |cluster: &Cluster| degraded(cluster).contains("has no node: Unschedulable: 0/1 nodes are available");
    stage.until((&controller, &builder), "it has no node", nowhere).await;
    stage.node("second").await;
    let over = |cluster: &Cluster| told(cluster) == Some(image('a')) && !degraded(cluster).starts_with("True");
    stage.until((&controller, &builder), "it is built", over).await;
    assert_eq!(builder.built(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_try_that_succeeded_counts_for_whoever_runs_the_job_next() {
    let (stage, builder) = (Stage::new().await, Told::to(&[]));
    stage.secret().await;
    stage.opt_in().await;
    let controller = stage.controller(&builder);
    let job = made(&stage, (&controller, &builder)).await;
    stage.pod_of(&job).await;
    stage.pod_says(json!({"phase": "Succeeded"})).await;
    let _runs = stage.fleet(&builder);
    // It reported nothing, which is found when the Job is done.
    let done = |cluster: &Cluster| degraded(cluster).contains("left no digest");
    stage.until((&controller, &builder), "the Job is done", done).await;
    assert_eq!((builder.built(), stage.of::<Pod>().list(&ListParams::default()).await.unwrap().items.len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_takes_longer_than_it_may_is_ended_and_its_build_says_so() {
    let (stage, builder) = (Stage::new().await, Told::to(&[Answer::GoesOn]));
    stage.secret().await;
    stage.opt_in().await;
    let controller = stage.controller(&builder);
    let name = made(&stage, (&controller, &builder)).await.metadata.name.unwrap();
    let limit = Patch::Merge(json!({"spec": {"activeDeadlineSeconds": 60}}));
    stage.of::<Job>().patch(&name, &PatchParams::default(), &limit).await.unwrap();
    let _runs = stage.fleet(&builder);
    let said = |cluster: &Cluster| degraded(cluster).contains("was ended: DeadlineExceeded: Job was active longer");
    stage.until((&controller, &builder), "it is ended", said).await;
    let status = stage.of::<Job>().get(&name).await.unwrap().status.unwrap();
    assert_eq!((status.active, status.failed, status.start_time.is_some()), (Some(0), Some(1), true), "{status:?}");
    assert!(!until_idle(&builder).await, "the work ends with its Job");
}

#[tokio::test(start_paused = true)]
async fn what_a_build_reads_goes_with_its_job_and_the_digest_stays() {
    let (stage, builder) = (Stage::new().await, Told::to(&[Answer::GoesOn, Answer::Pushes('a')]));
    stage.secret().await;
    stage.opt_in().await;
    let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
    let building = |cluster: &Cluster| state(cluster) == Some(State::Building) && builder.built() == 1;
    stage.until((&controller, &builder), "it is built", building).await;
    let build = current(&stage.context.cluster).unwrap();
    let name = build.metadata.name.clone().unwrap();
    let named = |words: &[&str]| words.iter().map(|word| format!("{word}-{name}")).collect::<Vec<_>>();
    assert_eq!(stage.made::<ConfigMap>().await, named(&["containerfile", "digest", "mc"]));
    assert_eq!(stage.made::<Secret>().await, named(&["final"]));
    assert_eq!(stage.made::<k8s_openapi::api::rbac::v1::Role>().await, named(&["build"]));
    let job = stage.of::<Job>().get(&format!("build-{name}")).await.unwrap();
    assert_eq!(build.metadata.annotations.as_ref().unwrap().get(JOB_UID), job.metadata.uid.as_ref());
    let secret = stage.of::<Secret>().get(&format!("final-{name}")).await.unwrap();
    assert_eq!(secret.metadata.owner_references.unwrap()[0].uid, job.metadata.uid.unwrap());
    let reference = build.status.as_ref().unwrap().builder.as_ref().unwrap().job.as_ref().unwrap();
    assert_eq!(reference.name, format!("build-{name}"));
    // Its pod is deleted: that counts as a try.
    let pods = stage.of::<Pod>().list(&ListParams::default()).await.unwrap();
    stage.of::<Pod>().delete(pods.items[0].metadata.name.as_deref().unwrap(), &DeleteParams::default()).await.unwrap();
    stage.until((&controller, &builder), "another try", |cluster| told(cluster) == Some(image('a'))).await;
    let gone = |cluster: &Cluster| state(cluster) == Some(State::Succeeded) && jobs(cluster) == 0;
    stage.until((&controller, &builder), "the Job goes", gone).await;
    assert_eq!(stage.made::<ConfigMap>().await, named(&["digest"]));
    assert!(stage.made::<Secret>().await.is_empty());
    assert!(stage.made::<k8s_openapi::api::rbac::v1::Role>().await.is_empty());
    assert!(stage.of::<Pod>().list(&ListParams::default()).await.unwrap().items.is_empty());
}

/// The controller's Job, before anybody runs it.
async fn made(stage: &Stage, (controller, builder): (&build::Controller, &Told)) -> Job {
    let made = |cluster: &Cluster| jobs(cluster) == 1 && state(cluster) == Some(State::Prepared);
    stage.until((controller, builder), "the Job is made", made).await;
    (*stage.context.cluster.jobs()[0]).clone()
}

fn jobs(cluster: &Cluster) -> usize {
    cluster.jobs().len()
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_deleted_interrupts_its_build_whoever_sees_it() {
    for seen in [true, false] {
        let (stage, builder) = (Stage::new().await, Told::to(&[Answer::GoesOn, Answer::Pushes('b')]));
        stage.secret().await;
        stage.opt_in().await;
        let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
        let building = |cluster: &Cluster| state(cluster) == Some(State::Building) && builder.built() == 1;
        stage.until((&controller, &builder), "it is built", building).await;
        let job = format!("build-{}", current(&stage.context.cluster).unwrap().metadata.name.as_ref().unwrap());
        let controller = if seen { controller } else { stage.controller(&builder) };
        let interrupted = |cluster: &Cluster| state(cluster) == Some(State::Interrupted);
        // What it tells follows what it writes, within the same pass.
        let job_gone = async { stage.of::<Job>().delete(&job, &DeleteParams::background()).await.unwrap() };
        if seen {
            tokio::join!(stage.drive(&controller, Duration::from_secs(1)), job_gone);
        } else {
            job_gone.await;
            stage.drive(&controller, Duration::from_secs(1)).await;
        }
        stage.until((&controller, &builder), "it is interrupted", interrupted).await;
        assert!(!until_idle(&builder).await, "the work ends with its Job");
        let build = current(&stage.context.cluster).unwrap();
        let said =
            build.status.as_ref().unwrap().conditions.as_ref().unwrap().iter().find(|c| c.status == "True").unwrap();
        assert!(said.message.contains("was deleted before it was done") && said.message.contains(REBUILD), "{said:?}");
        for reason in ["JobDeleted", "BuildInterrupted"] {
            assert_eq!(stage.events().await.iter().filter(|event| *event == reason).count(), 1, "{reason}");
        }
        stage.patch::<MachineOSConfig>("worker", json!({"metadata": {"annotations": {REBUILD: ""}}})).await;
        stage.until((&controller, &builder), "it is built again", |cluster| told(cluster) == Some(image('b'))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_silent_about_what_was_pushed_is_asked_again() {
    let (stage, builder) = (Stage::new().await, Told::to(&[Answer::Pushes('a')]));
    stage.secret().await;
    stage.opt_in().await;
    *builder.presence.lock() = Presence::Unknown;
    let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
    let waits = |cluster: &Cluster| {
        let build = current(cluster);
        build.is_some_and(|build| {
            let said = build.status.iter().flat_map(|status| status.conditions.iter().flatten());
            said.into_iter().any(|held| held.message.contains("its registry does not say what it holds"))
        })
    };
    stage.until((&controller, &builder), "it waits", waits).await;
    *builder.presence.lock() = Presence::There;
    stage.until((&controller, &builder), "it is told", |cluster| told(cluster) == Some(image('a'))).await;
    assert_eq!(builder.built(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_cannot_push_is_named_with_what_is_wrong() {
    for (type_, key, says) in
        [("Opaque", ".dockerconfigjson", "has type \"Opaque\""), ("kubernetes.io/dockercfg", ".dockercfg", "")]
    {
        let (stage, builder) = (Stage::new().await, Told::to(&[Answer::Pushes('a')]));
        stage.secret_of(type_, key).await;
        stage.opt_in().await;
        let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
        let holds = |cluster: &Cluster| match says {
            "" => told(cluster) == Some(image('a')),
            says => degraded(cluster).contains(says),
        };
        stage.until((&controller, &builder), type_, holds).await;
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_cluster_the_pod_has_the_clusters_login_and_the_releases_buildah() {
    let (stage, builder) = (Stage::new().await, Told::to(&[Answer::Pushes('a')]));
    stage.secret().await;
    stage.opt_in().await;
    let (controller, _runs) = (stage.of_cluster(&builder), stage.fleet(&builder));
    let says = |text: &'static str| move |cluster: &Cluster| degraded(cluster).contains(text);
    stage.until((&controller, &builder), "no login", says("there is no Secret \"global-pull-secret-copy\"")).await;
    stage.secret_named("global-pull-secret-copy", "kubernetes.io/dockerconfigjson", ".dockerconfigjson").await;
    stage.until((&controller, &builder), "no image", says("the image that builds is not known")).await;
    assert!(stage.context.cluster.os_builds.all().is_empty());
    let map = json!({"metadata": {"name": "machine-config-operator-images"}, "data": {
        "images.json": "{\"machineConfigOperator\": \"mco@1\"}",
    }});
    let map: ConfigMap = serde_json::from_value(map).unwrap();
    stage.of::<ConfigMap>().create(&PostParams::default(), &map).await.unwrap();
    let made = |cluster: &Cluster| jobs(cluster) == 1;
    stage.until((&controller, &builder), "the Job is made", made).await;
    let job = stage.context.cluster.jobs()[0].clone();
    let pod = job.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
    let init = pod.init_containers.as_ref().unwrap()[0].image.as_deref();
    assert_eq!((init, pod.containers[0].image.as_deref()), (Some("weir:1"), Some("mco@1")));
    stage.until((&controller, &builder), "it is built", |cluster| told(cluster) == Some(image('a'))).await;
    let order = builder.orders.lock()[0].clone();
    assert!(order.pull_secret.is_some() && order.containerfile.contains("ignition-apply"), "{order:?}");
    assert_eq!(order.rendered.metadata.name.as_deref(), Some("rendered-worker-1"));
}

#[derive(Debug, Default)]
struct Removed(Mutex<Vec<String>>);

impl build::pruner::Remover for Removed {
    fn remove(&self, image: String, _: Secret) -> BoxFuture<'static, Result<bool, String>> {
        self.0.lock().push(image);
        // It stays, and nobody is kept waiting for it.
        async { Err("not supported".to_owned()) }.boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn images_of_builds_that_are_gone_are_deleted_unless_something_needs_them() {
    let (stage, builder) = (Stage::new().await, Told::to(&[Answer::Pushes('a'), Answer::Pushes('b')]));
    stage.secret().await;
    stage.opt_in().await;
    let (controller, _runs) = (stage.controller(&builder), stage.fleet(&builder));
    stage.until((&controller, &builder), "the image is told", |cluster| told(cluster) == Some(image('a'))).await;
    stage.user_file("FROM configs AS final\nLABEL a=b\n").await;
    stage.until((&controller, &builder), "another image", |cluster| told(cluster) == Some(image('b'))).await;
    let marks = json!({format!("{PREFIX}/currentImage"): image('b')});
    stage.create::<k8s_openapi::api::core::v1::Node>(json!({"metadata": {"name": "n", "annotations": marks}})).await;
    let removed = Arc::new(Removed::default());
    let pruner = build::pruner::Pruner::new(stage.context.clone(), removed.clone());
    let opted_out = async {
        sleep(Duration::from_secs(1)).await;
        assert!(removed.0.lock().is_empty());
        let api: Api<MachineOSConfig> = Api::all(stage.client.clone());
        api.delete("worker", &DeleteParams::default()).await.unwrap();
        sleep(Duration::from_secs(1)).await;
    };
    tokio::select! {
        () = stage.context.cluster.clone().fill(stage.client.clone()) => panic!("the watches ended"),
        () = drive(&controller) => panic!("the controller ended"),
        () = drive(&pruner) => panic!("the pruner ended"),
        () = opted_out => {}
    }
    assert!(stage.context.cluster.os_builds.all().is_empty());
    assert_eq!(*removed.0.lock(), [image('a')]);
}
