//! Jobs that build images. The fleet stands in for those parts of a cluster that run them: the controller of Jobs, which makes a pod
//! for each try and counts, a scheduler, which binds it to a node, and the kubelet there, which mounts what the pod names, runs its
//! container and keeps what that printed.
//!
//! A drain takes the pods on its node along: the try has failed, unless the Job's policy ignores that, and the next one gets another node.
//! Containers are not run from their images; what a container does is a [`Program`] of this process. Only Jobs that the build controller
//! makes are run.
//!
//! Source: "Jobs" and "Pod lifecycle" of the Kubernetes documentation.

mod tracking;

use crate::{
    environment::Environment,
    pods::{is_over, scheduled},
};
use futures::{FutureExt as _, future::BoxFuture};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Container, Node, Pod, PodSpec, Secret, Volume},
};
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::poll_fn,
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tokio::time::{sleep, timeout};
use tracking::{TRACKING, is_ignored, left, release};
use weir_api::keys::{build::ON_CLUSTER_LAYERING, names::OPERATOR_NAMESPACE};
use weir_kubeio::{Cache, Event, Missing, Recorder, Selection};
use weir_rules::build::pending::without_pod;

const FIELD_MANAGER: &str = "weir-fleet";
/// Events about Jobs are recorded under this name, that of Kubernetes' controller of Jobs.
const JOB_CONTROLLER: &str = "job-controller";
/// Changes within this time are handled together.
const QUIET: Duration = Duration::from_millis(2);
/// The second try comes after this, each later one after twice the time before it. A cluster begins with 10 s.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// Longest of these pauses.
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// What a pod names and is not there is looked for again after this, as by a kubelet, which takes longer.
const MOUNT_PAUSE: Duration = Duration::from_millis(100);
/// Answers by which an API server refuses an object, whoever asks how often: a quota, an admission policy, an account that is missing.
const REFUSALS: [u16; 3] = [400, 403, 422];
/// Tries of a Job that says nothing (Kubernetes API reference).
const TRIES: i32 = 6;
/// A terminated container's message is the end of what it printed, of at most this size (Kubernetes documentation, "Determine the
/// reason for pod failure").
const LONGEST_MESSAGE: usize = 2_048;
/// Lines of it.
const MOST_LINES: usize = 80;
/// Most that is kept of what a container printed.
const LONGEST_LOG: usize = 256 << 10;
/// Logs that are kept: those of the latest pods.
const MOST_LOGS: usize = 64;
/// Most of all files that a pod mounts: far above what ConfigMaps and Secrets of a build hold.
const MOST_MOUNTED: usize = 16 << 20;

/// What a container does.
pub trait Program: fmt::Debug + Send + Sync {
    /// Does it. The error is what is printed last. It ends when the future is dropped.
    fn run(&self, container: Running) -> BoxFuture<'static, Result<(), String>>;
}

/// A container that runs.
#[derive(Clone)]
pub struct Running {
    /// Its command with all arguments.
    pub arguments: Vec<String>,
    /// The files of its volumes, by path. Some are secret.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Takes what it prints.
    pub log: Log,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<&String> = self.files.keys().collect();
        f.debug_struct("Running").field("arguments", &self.arguments).field("files", &files).finish_non_exhaustive()
    }
}

/// A container: namespace, pod and name.
type Key = [String; 3];

/// What containers printed, bounded. Cheap to clone: clones share it.
#[derive(Clone, Debug, Default)]
pub struct Logs(Arc<Mutex<VecDeque<(Key, String)>>>);

impl Logs {
    /// What a container printed; absent when it is not known here, or no longer.
    #[must_use]
    pub fn of(&self, namespace: &str, pod: &str, container: &str) -> Option<String> {
        let is_it = |key: &Key| *key == [namespace, pod, container];
        self.0.lock().iter().find(|(key, _)| is_it(key)).map(|(_, text)| text.clone())
    }

    fn open(&self, pod: &Pod, container: &str) -> Log {
        let key = [pod.namespace().unwrap_or_default(), pod.name_any(), container.to_owned()];
        let mut all = self.0.lock();
        if all.len() >= MOST_LOGS {
            all.pop_front();
        }
        all.push_back((key.clone(), String::new()));
        drop(all);
        Log { logs: self.clone(), key }
    }
}

/// Takes what a container prints.
#[derive(Clone, Debug)]
pub struct Log {
    logs: Logs,
    key: Key,
}

impl Log {
    /// Adds a line, without its end.
    pub fn line(&self, line: &str) {
        let mut all = self.logs.0.lock();
        let Some((_, text)) = all.iter_mut().find(|(key, _)| *key == self.key) else { return };
        text.push_str(line);
        text.push('\n');
        if text.len() > LONGEST_LOG {
            // Down to half of it, so that not every further line moves the rest; from the beginning of a line, if one begins there.
            let cut = text.ceil_char_boundary(text.len() - LONGEST_LOG / 2);
            let next = text[cut..].find('\n').map(|end| cut + end + 1).filter(|next| *next < text.len());
            let cut = next.unwrap_or(cut);
            text.drain(..cut);
        }
    }

    /// The end of it, as a container's message.
    fn end(&self) -> String {
        let [namespace, pod, container] = &self.key;
        let text = self.logs.of(namespace, pod, container).unwrap_or_default();
        let text = text.trim_end();
        let start = text.ceil_char_boundary(text.len().saturating_sub(LONGEST_MESSAGE));
        let lines: Vec<&str> = text[start..].lines().collect();
        lines[lines.len().saturating_sub(MOST_LINES)..].join("\n")
    }
}

/// Who runs Jobs.
#[derive(Clone, Debug)]
pub(crate) struct Runner {
    program: Arc<dyn Program>,
    logs: Logs,
    jobs: Cache<Job>,
}

impl Runner {
    pub(crate) fn new(program: Arc<dyn Program>, logs: Logs) -> Self {
        let selection = Selection::labelled(ON_CLUSTER_LAYERING).within(OPERATOR_NAMESPACE);
        Self { program, logs, jobs: Cache::of(Missing::Wait, selection) }
    }

    /// Runs Jobs until the future is dropped.
    pub(crate) async fn run(&self, environment: &Environment) {
        tokio::join!(self.jobs.clone().fill(environment.client.clone()), self.live(environment));
    }

    async fn live(&self, environment: &Environment) {
        let mut changes = self.jobs.changes();
        let mut synced = (environment.pods.changes(), environment.seen.nodes.changes());
        let mut doing: BTreeMap<String, BoxFuture<'_, ()>> = BTreeMap::new();
        let mut pods = environment.pods.changes();
        loop {
            let ready = self.jobs.is_synced() && environment.pods.is_synced() && environment.seen.nodes.is_synced();
            let wanted: BTreeMap<String, Arc<Job>> = match ready {
                true => self.jobs.all().into_iter().filter(|job| is_wanted(job)).map(|job| (uid(&job), job)).collect(),
                false => BTreeMap::new(),
            };
            // A Job that is deleted, or suspended, takes its work along.
            doing.retain(|uid, _| wanted.contains_key(uid));
            for (uid, job) in wanted {
                doing.entry(uid).or_insert_with(|| Tries { environment, runner: self, job }.run().boxed());
            }
            let left = left(environment, &doing);
            for pod in &left {
                release(environment, pod).await;
            }
            tokio::select! {
                biased;
                _ = changes.changed() => sleep(QUIET).await,
                _ = synced.0.changed(), if !ready => {}
                _ = synced.1.changed(), if !ready => {}
                uid = first(&mut doing) => { doing.remove(&uid); }
                // A pod that was made for a Job which was deleted at that moment.
                _ = pods.changed(), if ready && !self.jobs.all().is_empty() => sleep(QUIET).await,
            }
        }
    }
}

/// The first work that is done. It is looked at in the order of the Jobs: which of those that wait for the same is woken first is chance.
fn first<'d>(doing: &'d mut BTreeMap<String, BoxFuture<'_, ()>>) -> impl Future<Output = String> + 'd {
    poll_fn(|context| {
        let done = doing.iter_mut().find_map(|(uid, work)| work.as_mut().poll(context).is_ready().then(|| uid.clone()));
        done.map_or(Poll::Pending, Poll::Ready)
    })
}

fn uid(job: &Job) -> String {
    job.uid().unwrap_or_default()
}

/// Whether a Job is to be worked on.
fn is_wanted(job: &Job) -> bool {
    let status = job.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let done =
        conditions.iter().any(|held| ["Complete", "Failed"].contains(&held.type_.as_str()) && held.status == "True");
    let suspended = job.spec.as_ref().is_some_and(|spec| spec.suspend == Some(true));
    !done && !suspended && job.metadata.deletion_timestamp.is_none()
}

/// How a try ended.
enum End {
    /// Its container did what it was to do.
    Done,
    /// It did not, or somebody deleted the pod.
    Failed,
    /// The pod was deleted, and the Job does not count that.
    Ignored,
}

/// The tries of a Job.
struct Tries<'w> {
    environment: &'w Environment,
    runner: &'w Runner,
    job: Arc<Job>,
}

impl Tries<'_> {
    async fn run(self) {
        let limit = self.job.spec.as_ref().and_then(|spec| spec.active_deadline_seconds);
        let Some(limit) = limit.and_then(|seconds| u64::try_from(seconds).ok()) else { return self.until_done().await };
        let begun = self.job.creation_timestamp().map(|time| self.environment.now().duration_since(time.0));
        let passed = begun.and_then(|passed| Duration::try_from(passed).ok()).unwrap_or_default();
        let left = Duration::from_secs(limit).saturating_sub(passed);
        if timeout(left, self.until_done()).await.is_err() {
            let (reason, said) = ("DeadlineExceeded", "Job was active longer than specified deadline");
            for pod in self.pods().iter().filter(|pod| !is_over(pod)) {
                self.ended(&pod.name_any(), reason, said).await;
            }
            let counted = json!({"active": 0, "ready": 0, "failed": self.failed()});
            self.finish("Failed", reason, said, counted).await;
        }
    }

    async fn until_done(&self) {
        // The process that ran it may have ended before it could say so of the Job.
        if self.pods().iter().any(|pod| phase(pod) == "Succeeded") {
            return self.complete().await;
        }
        for pod in self.pods().iter().filter(|pod| !is_over(pod)) {
            self.ended(&pod.name_any(), "Lost", "the process that ran it ended").await;
            release(self.environment, pod).await;
        }
        let mut failed = self.failed();
        let most = self.job.spec.as_ref().and_then(|spec| spec.backoff_limit).unwrap_or(TRIES);
        let mut pause = FIRST_PAUSE;
        while failed <= most {
            if failed > 0 {
                sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
            let Some(pod) = self.make().await else { return };
            self.started(failed).await;
            let end = self.pod(&pod).await;
            release(self.environment, &pod).await;
            match end {
                End::Done => return self.complete().await,
                End::Failed => failed += 1,
                End::Ignored => {}
            }
            if failed <= most {
                self.status(&json!({"active": 0, "ready": 0, "failed": failed})).await;
            }
        }
        let counted = json!({"active": 0, "ready": 0, "failed": failed});
        self.finish("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit", counted).await;
    }

    /// Says that a try runs, after so many that failed. The first one is when the Job started.
    async fn started(&self, failed: i32) {
        let mut counted = json!({"active": 1, "ready": 1, "failed": failed});
        if self.job.status.as_ref().is_none_or(|status| status.start_time.is_none()) && failed == 0 {
            counted["startTime"] = json!(self.environment.now().to_string());
        }
        self.status(&counted).await;
    }

    async fn complete(&self) {
        let time = self.environment.now().to_string();
        let counted = json!({"active": 0, "ready": 0, "succeeded": 1, "completionTime": time});
        self.finish("Complete", "CompletionsReached", "Reached expected number of succeeded pods", counted).await;
    }

    /// Its pods.
    fn pods(&self) -> Vec<Arc<Pod>> {
        let uid = uid(&self.job);
        let mut pods = self.environment.pods.all();
        pods.retain(|pod| pod.owner_references().iter().any(|owner| owner.uid == uid));
        pods
    }

    /// Tries that failed before this process began.
    fn failed(&self) -> i32 {
        let is_failed = |pod: &&Arc<Pod>| phase(pod) == "Failed";
        let left = i32::try_from(self.pods().iter().filter(is_failed).count()).unwrap_or(i32::MAX);
        left.max(self.job.status.as_ref().and_then(|status| status.failed).unwrap_or_default())
    }

    /// Makes the pod of a try; absent when the Job is gone.
    async fn make(&self) -> Option<Pod> {
        let template = self.job.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
        let owner = json!({
            "apiVersion": "batch/v1", "kind": "Job", "name": self.job.name_any(), "uid": uid(&self.job),
            "controller": true, "blockOwnerDeletion": true,
        });
        let labels = template.metadata.and_then(|metadata| metadata.labels).unwrap_or_default();
        let name = format!("{}-", self.job.name_any());
        let metadata = json!({
            "generateName": name, "labels": labels, "ownerReferences": [owner], "finalizers": [TRACKING],
        });
        let pod = serde_json::from_value::<Pod>(json!({"metadata": metadata, "spec": template.spec}));
        let pod = pod.map_err(|error| tracing::error!(%error, "a pod cannot be built")).ok()?;
        let made = self.created(&pod).await?;
        self.environment.pods.observe(made.clone());
        self.tell(&Event::normal("SuccessfulCreate", format!("Created pod: {}", made.name_any()))).await;
        Some(made)
    }

    /// Creates a pod, however often that is refused; absent when the Job's namespace is gone. Each refusal is told once.
    async fn created(&self, pod: &Pod) -> Option<Pod> {
        let (api, mut pause, mut told) = (self.api::<Pod>(), FIRST_PAUSE, String::new());
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        loop {
            let create = async || match api.create(&parameters, pod).await {
                Ok(made) => Ok(Ok(Some(made))),
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Ok(None)),
                Err(kube::Error::Api(status)) if REFUSALS.contains(&status.code) => Ok(Err(status.message.clone())),
                Err(error) => Err(error),
            };
            match self.environment.insist(&self.job.name_any(), create).await {
                Ok(made) => return made,
                Err(why) if without_pod(&self.job, &why) != told => {
                    self.tell(&Event::warning("FailedCreate", format!("Error creating: {why}"))).await;
                    told = without_pod(&self.job, &why);
                }
                Err(_) => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// An event about the Job.
    async fn tell(&self, event: &Event) {
        let recorder = Recorder::new(self.environment.client.clone(), JOB_CONTROLLER, self.environment.clock());
        recorder.record(&*self.job, event).await;
    }

    /// Binds a pod to a node, once one takes it.
    async fn bind(&self, pod: &Pod) {
        let name = pod.name_any();
        let mut changes = (self.environment.seen.nodes.changes(), self.environment.pods.changes());
        let mut told = String::new();
        loop {
            let (nodes, pods) = (self.environment.seen.nodes.all(), self.environment.pods.all());
            let nodes: Vec<&Node> = nodes.iter().map(AsRef::as_ref).collect();
            let pods: Vec<&Pod> = pods.iter().map(AsRef::as_ref).collect();
            match scheduled(&nodes, &pods) {
                Ok(node) => return self.bound(&name, &node).await,
                Err(why) if why != told => {
                    let condition =
                        json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why});
                    let status = json!({"phase": "Pending", "conditions": [condition]});
                    self.patch::<Pod>(&name, &status, |pod| self.environment.pods.observe(pod)).await;
                    told = why;
                }
                Err(_) => {}
            }
            tokio::select! {
                biased;
                _ = changes.0.changed() => {}
                _ = changes.1.changed() => {}
            }
        }
    }

    async fn bound(&self, pod: &str, node: &str) {
        let target = json!({"apiVersion": "v1", "kind": "Node", "name": node});
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod}, "target": target});
        let api = self.api::<Pod>();
        let bind = async || match api.create_subresource("binding", pod, &PostParams::default(), &binding).await {
            // A pod that is gone, or bound by somebody else, is no matter of the scheduler any more.
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
            answered => answered.map(|_: Value| ()),
        };
        self.environment.insist(pod, bind).await;
    }

    /// Runs a pod, until it ends or is deleted.
    async fn pod(&self, pod: &Pod) -> End {
        tokio::select! {
            biased;
            end = self.on_a_node(pod) => end,
            end = self.gone(pod) => end,
        }
    }

    async fn on_a_node(&self, pod: &Pod) -> End {
        self.bind(pod).await;
        self.containers(pod).await
    }

    async fn gone(&self, pod: &Pod) -> End {
        let (mut changes, namespace) = (self.environment.pods.changes(), pod.namespace().unwrap_or_default());
        loop {
            let now = self.environment.pods.get_in(&namespace, &pod.name_any()).filter(|now| now.uid() == pod.uid());
            match now {
                None => return End::Failed,
                Some(now) if now.metadata.deletion_timestamp.is_some() => {
                    return if is_ignored(&self.job, &now) { End::Ignored } else { End::Failed };
                }
                Some(_) => {}
            }
            if changes.changed().await.is_err() {
                return End::Failed;
            }
        }
    }

    async fn containers(&self, pod: &Pod) -> End {
        let name = pod.name_any();
        let Some(spec) = &pod.spec else { return End::Failed };
        let [container] = spec.containers.as_slice() else {
            self.ended(&name, "Unsupported", "a pod with one container is run here, and no other").await;
            return End::Failed;
        };
        let files = match self.mounted(spec, container).await {
            Ok(files) => files,
            Err(why) => {
                self.ended(&name, "FailedMount", &why).await;
                return End::Failed;
            }
        };
        let log = self.runner.logs.open(pod, &container.name);
        let begun = self.environment.now().to_string();
        let state = json!({"running": {"startedAt": begun}});
        self.pod_status(&name, &Said { phase: "Running", spec, state, is_ready: true }).await;
        let words = container.command.iter().flatten().chain(container.args.iter().flatten());
        let running = Running { arguments: words.cloned().collect(), files, log: log.clone() };
        let (phase, code, reason, end) = match self.runner.program.run(running).await {
            Ok(()) => ("Succeeded", 0, "Completed", End::Done),
            Err(said) => {
                said.lines().for_each(|line| log.line(line));
                ("Failed", 1, "Error", End::Failed)
            }
        };
        let message = if code == 0 { String::new() } else { log.end() };
        let ended = self.environment.now().to_string();
        let state = json!({"terminated": {
            "exitCode": code, "reason": reason, "message": message, "startedAt": begun, "finishedAt": ended,
        }});
        self.pod_status(&name, &Said { phase, spec, state, is_ready: false }).await;
        end
    }

    /// The files of a container's volumes. Objects that are not there are waited for.
    async fn mounted(&self, spec: &PodSpec, container: &Container) -> Result<BTreeMap<String, Vec<u8>>, String> {
        let mut files = BTreeMap::new();
        for mount in container.volume_mounts.iter().flatten() {
            let volume = spec.volumes.iter().flatten().find(|volume| volume.name == mount.name);
            let volume = volume.ok_or_else(|| format!("there is no volume {:?}", mount.name))?;
            for (path, content) in self.volume(volume).await {
                files.insert(format!("{}/{path}", mount.mount_path.trim_end_matches('/')), content);
            }
        }
        let size: usize = files.values().map(Vec::len).sum();
        if size > MOST_MOUNTED {
            return Err(format!("its volumes hold {size} bytes, at most {MOST_MOUNTED} are mounted"));
        }
        Ok(files)
    }

    /// The files of a volume, by path in it.
    async fn volume(&self, volume: &Volume) -> Vec<(String, Vec<u8>)> {
        if let Some(source) = &volume.config_map {
            let optional = source.optional == Some(true);
            let Some(map) = self.wait::<ConfigMap>(&source.name, optional).await else { return Vec::new() };
            let text = map.data.into_iter().flatten().map(|(key, text)| (key, text.into_bytes()));
            let bytes = map.binary_data.into_iter().flatten().map(|(key, bytes)| (key, bytes.0));
            return chosen(text.chain(bytes).collect(), source.items.as_deref());
        }
        if let Some(source) = &volume.secret {
            let (name, optional) = (source.secret_name.as_deref().unwrap_or_default(), source.optional == Some(true));
            let Some(secret) = self.wait::<Secret>(name, optional).await else { return Vec::new() };
            let data = secret.data.into_iter().flatten().map(|(key, bytes)| (key, bytes.0));
            return chosen(data.collect(), source.items.as_deref());
        }
        Vec::new()
    }

    /// An object of the Job's namespace, once it is there; absent when it need not be.
    async fn wait<K>(&self, name: &str, optional: bool) -> Option<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let api = self.api::<K>();
        loop {
            let found = self.environment.insist(name, || api.get_opt(name)).await;
            if found.is_some() || optional {
                return found;
            }
            sleep(MOUNT_PAUSE).await;
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.environment.client.clone(), &self.job.namespace().unwrap_or_default())
    }

    async fn pod_status(&self, name: &str, said: &Said<'_>) {
        let status = said.status(&self.environment.now().to_string());
        self.patch::<Pod>(name, &status, |pod| self.environment.pods.observe(pod)).await;
    }

    /// Says of a pod that something other than its container ended it.
    async fn ended(&self, name: &str, reason: &str, message: &str) {
        let status = json!({"phase": "Failed", "reason": reason, "message": message});
        self.patch::<Pod>(name, &status, |pod| self.environment.pods.observe(pod)).await;
    }

    async fn status(&self, status: &Value) {
        self.patch::<Job>(&self.job.name_any(), status, |job| self.runner.jobs.observe(job)).await;
    }

    async fn finish(&self, type_: &str, reason: &str, message: &str, mut counted: Value) {
        let now = self.environment.now().to_string();
        counted["conditions"] = json!([{
            "type": type_, "status": "True", "reason": reason, "message": message,
            "lastProbeTime": now, "lastTransitionTime": now,
        }]);
        self.status(&counted).await;
    }

    /// Patches a status. For an object that is gone there is nothing left to say.
    async fn patch<K>(&self, name: &str, status: &Value, observe: impl Fn(K))
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let (api, patch) = (self.api::<K>(), Patch::Merge(json!({ "status": status })));
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let write = async || match api.patch_status(name, &parameters, &patch).await {
            Ok(written) => {
                observe(written);
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(error),
        };
        self.environment.insist(name, write).await;
    }
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// The keys of an object as files: those that are listed, under the paths that are given for them, or all.
fn chosen(
    mut data: BTreeMap<String, Vec<u8>>,
    items: Option<&[k8s_openapi::api::core::v1::KeyToPath]>,
) -> Vec<(String, Vec<u8>)> {
    match items {
        None => data.into_iter().collect(),
        Some(items) => items.iter().filter_map(|item| Some((item.path.clone(), data.remove(&item.key)?))).collect(),
    }
}

/// What a pod says.
struct Said<'a> {
    phase: &'static str,
    spec: &'a PodSpec,
    /// State of its container.
    state: Value,
    is_ready: bool,
}

impl Said<'_> {
    fn status(&self, now: &str) -> Value {
        let of = |container: &Container, state: &Value, ready: bool| {
            json!({
                "name": container.name, "image": container.image, "imageID": "", "ready": ready, "started": ready,
                "restartCount": 0, "state": state,
            })
        };
        // The program is that of this process: there is nothing to copy.
        let copied = json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}});
        let first: Vec<Value> =
            self.spec.init_containers.iter().flatten().map(|container| of(container, &copied, false)).collect();
        let all: Vec<Value> =
            self.spec.containers.iter().map(|container| of(container, &self.state, self.is_ready)).collect();
        let ready = if self.is_ready { "True" } else { "False" };
        let mut status = json!({
            "phase": self.phase, "initContainerStatuses": first, "containerStatuses": all,
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": now},
                {"type": "Ready", "status": ready, "lastTransitionTime": now},
            ],
        });
        if self.is_ready {
            status["startTime"] = json!(now);
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n"}})).unwrap()
    }

    #[test]
    fn logs_are_bounded_and_their_end_is_kept() {
        let logs = Logs::default();
        let log = logs.open(&pod(), "c");
        for number in 0..40_000 {
            log.line(&format!("line {number} ä"));
        }
        let text = logs.of("n", "p", "c").unwrap();
        assert!(text.len() <= LONGEST_LOG && text.len() > LONGEST_LOG / 3, "{}", text.len());
        assert!(text.starts_with("line ") && text.ends_with("line 39999 ä\n"));
        let end = log.end();
        assert!(end.len() <= LONGEST_MESSAGE && end.lines().count() == MOST_LINES && end.ends_with("39999 ä"));
        log.line(&"x".repeat(LONGEST_LOG * 2));
        let text = logs.of("n", "p", "c").unwrap();
        assert!(text.len() <= LONGEST_LOG && text.ends_with("xx\n"), "{}", text.len());
        assert_eq!(log.end().len(), LONGEST_MESSAGE);
        for _ in 0..MOST_LOGS {
            logs.open(&pod(), "other");
        }
        assert_eq!(logs.of("n", "p", "c"), None);
        log.line("of one that is forgotten");
    }

    #[test]
    fn keys_become_files_as_they_are_listed() {
        let data = BTreeMap::from([("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"2".to_vec())]);
        assert_eq!(chosen(data.clone(), None).len(), 2);
        let item = |key: &str| json!({"key": key, "path": format!("{key}.txt")});
        let items: Vec<_> =
            [item("b"), item("c")].into_iter().map(|item| serde_json::from_value(item).unwrap()).collect();
        assert_eq!(chosen(data, Some(&items)), [("b.txt".to_owned(), b"2".to_vec())]);
    }
}
