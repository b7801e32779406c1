//! The build controller against the embedded server, with a builder that does as it is told.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test")]

use futures::{
    FutureExt as _,
    future::{BoxFuture, ready, select_all},
};
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{collections::VecDeque, fmt::Debug, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use weir_api::{
    FeatureGate, MachineConfig, MachineConfigPool, MachineOSBuild, MachineOSConfig,
    condition::find,
    crds::{FeatureSet, crds},
    keys::{
        build::{CURRENT_BUILD, REBUILD},
        pool::IMAGE_BUILD_DEGRADED,
    },
};
use weir_apiserver::{ApiServer, Settings};
use weir_controllers::{
    Build, Cluster, Context,
    build::{self, builder::Order},
};
use weir_distro::Profile;
use weir_kubeio::{Clock, drive};
use weir_rules::build::{conditions::State, plan::Presence, ready::Ability};

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
}

#[derive(Debug)]
struct Told {
    answers: Mutex<VecDeque<Answer>>,
    orders: Mutex<Vec<Order>>,
    presence: Mutex<Presence>,
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
        self.orders.lock().push(order);
        self.news.send_modify(|count| *count += 1);
        let (answer, works) = (self.answers.lock().pop_front().unwrap_or(Answer::GoesOn), self.works.clone());
        async move {
            let _works = works;
            match answer {
                Answer::Pushes(letter) => Ok(image(letter)),
                Answer::Fails(why) => Err(why.to_owned()),
                Answer::GoesOn => std::future::pending().await,
            }
        }
        .boxed()
    }

    fn presence(&self, _: String, _: Secret) -> BoxFuture<'static, Presence> {
        let presence = *self.presence.lock();
        async move { presence }.boxed()
    }
}

struct Stage {
    context: Context,
    client: Client,
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
        let stage = Self { context, client };
        let namespace = json!({"metadata": {"name": NAMESPACE}});
        let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(stage.client.clone());
        namespaces.create(&PostParams::default(), &serde_json::from_value(namespace).unwrap()).await.unwrap();
        stage.create::<FeatureGate>(json!({"metadata": {"name": "cluster"}, "spec": {}})).await;
        let lists = json!([{"version": RELEASE, "enabled": [], "disabled": [{"name": "OSStreams"}]}]);
        stage.status::<FeatureGate>("cluster", json!({ "featureGates": lists })).await;
        stage.rendered("1", "base@1").await;
        let spec = json!({"configuration": {"name": "rendered-worker-1"}, "nodeSelector": {"matchLabels": {"a": ""}}});
        stage.create::<MachineConfigPool>(json!({"metadata": {"name": "worker"}, "spec": spec})).await;
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
        let secret = json!({
            "metadata": {"name": "push"}, "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": "{\"auths\": {}}"},
        });
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
        build::Controller::new(self.context.clone(), builder.clone())
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
            changes.push(builder.news.subscribe());
            while !(cluster.is_configuration_synced() && holds(cluster)) {
                let next = changes.iter_mut().map(|change| Box::pin(async { change.changed().await.unwrap() }));
                select_all(next).await;
            }
        };
        tokio::select! {
            () = cluster.clone().fill(self.client.clone()) => panic!("the watches ended"),
            () = drive(controller) => panic!("the controller ended"),
            waited = timeout(LONG, waiting) => assert!(waited.is_ok(), "never: {what}: {:?}", cluster.os_builds.all()),
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
    let controller = stage.controller(&builder);
    stage.until((&controller, &builder), "the image is told", |cluster| told(cluster) == Some(image('a'))).await;
    let build = current(&stage.context.cluster).unwrap();
    assert_eq!((State::of(&build), build.spec.machine_config.name.as_str()), (State::Succeeded, "rendered-worker-1"));
    let status = build.status.clone().unwrap();
    assert!(status.build_start < status.build_end && status.build_end.is_some());
    for reason in ["BuildStarted", "BuildPreparing", "BuildBuilding", "BuildCompleted"] {
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

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_in_its_words_and_asking_again_mends_it() {
    let why = "pushing to registry.example.com: the registry denies access";
    let (stage, builder) = (Stage::new().await, Told::to(&[Answer::Fails(why), Answer::Pushes('a')]));
    stage.secret().await;
    stage.opt_in().await;
    let controller = stage.controller(&builder);
    stage.until((&controller, &builder), "the pool says it", |cluster| degraded(cluster).contains(why)).await;
    assert_eq!((state(&stage.context.cluster), told(&stage.context.cluster)), (Some(State::Failed), None));
    let failed = current(&stage.context.cluster).unwrap();
    assert!(failed.status.as_ref().unwrap().conditions.iter().flatten().any(|held| held.message == why));
    for reason in ["BuildFailed", "BuildDegraded"] {
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
async fn what_cannot_work_is_refused_and_a_fix_is_enough() {
    let (stage, builder) = (Stage::new().await, Told::to(&[Answer::Pushes('a')]));
    stage.opt_in().await;
    let controller = stage.controller(&builder);
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
    let controller = stage.controller(&builder);
    let building = |cluster: &Cluster| state(cluster) == Some(State::Building);
    stage.until((&controller, &builder), "it is built", |cluster| building(cluster) && builder.built() == 1).await;
    let first = current(&stage.context.cluster).unwrap();
    drop(controller);
    assert!(!until_idle(&builder).await, "the work ends with its process");
    let controller = stage.controller(&builder);
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
    let controller = stage.controller(&builder);
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
        let (stage, builder) = (Stage::new().await, Told::to(&[answer]));
        stage.secret().await;
        stage.opt_in().await;
        let controller = stage.controller(&builder);
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
        let hour = sleep(Duration::from_hours(1));
        tokio::select! {
            () = stage.context.cluster.clone().fill(stage.client.clone()) => panic!("the watches ended"),
            () = drive(&controller) => panic!("the controller ended"),
            () = hour => {}
        }
        assert_eq!(versions(&stage.context.cluster), before, "{ends:?}");
        assert_eq!(builder.built(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_gone_is_built_again_and_a_silent_registry_says_nothing() {
    let (stage, builder) = (Stage::new().await, Told::to(&[Answer::Pushes('a'), Answer::Pushes('b')]));
    stage.secret().await;
    stage.opt_in().await;
    let controller = stage.controller(&builder);
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
    *builder.presence.lock() = Presence::Gone;
    stage.until((&controller, &builder), "it is built again", |cluster| told(cluster) == Some(image('b'))).await;
    assert_eq!(builder.built(), 2);
}
