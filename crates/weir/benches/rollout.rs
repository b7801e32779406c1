//! Figures of a rollout, as one printed table: `weir apiserver`, `weir run all` and `weir fleet` as three processes, and after
//! that the requests of the controllers, counted in this process.
//!
//! Run with `cargo xtask bench rollout`, which names the program built for release; without a name this profile's own is taken.
//! Nodes need no drain unless it says so. Times are of this machine; quote the median of several runs.

use anyhow::{Context as _, Result};
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::{
    Api, Client,
    api::{Patch, PostParams, WatchEvent, WatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::Path,
    pin::pin,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};
use weir_api::{
    MachineConfig, MachineConfigPool,
    condition::{ConditionType, find},
    crds::{FeatureSet, crds},
    keys::rollout::DESIRED_CONFIG,
};
use weir_apiserver::{ApiServer, Settings};
use weir_controllers::{Build, Cluster, Context, cluster::Watcher, drain, nodes, rollout};
use weir_distro::Profile;
use weir_fleet::{Faults, Fleet, Machine, Workload};
use weir_kubeio::{Clock, drive, wait::until};
use weir_sim::{Trouble, Troubled};
use weir_testkit::{Program, client, measured};

/// Nodes of the run in which requests are counted.
const COUNTED: u32 = 200;
/// Pods of each of them in the run in which evictions are counted.
const PODS: u32 = 2;

fn main() -> Result<()> {
    let Some(binary) = measured(env!("CARGO_BIN_EXE_weir")) else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let small = runtime.block_on(processes(&binary, &[("worker", 6)], "50ms", json!(1)))?;
    row("6 nodes: patch to first node told", &seconds(small.told), "");
    row("6 nodes: memory of the controllers", &small.memory(), "");
    // Four steps of a machine are 50 ms: noticing, working, rebooting, reporting.
    let single = runtime.block_on(processes(&binary, &[("worker", 1_000)], "12500us", json!(1)))?;
    row("1,000 nodes, one at a time, each 50 ms away in all", &seconds(single.done), "≤ 70 s");
    row("… processor time of the controllers", &seconds(single.processor), "≤ 6 s");
    row("… memory of the controllers", &single.memory(), "≤ 48 MiB");
    let large = runtime.block_on(processes(&binary, &[("worker", 1_000)], "50ms", json!("10%")))?;
    row("1,000 nodes, 10% at once, 50 ms steps: first node told", &seconds(large.told), "≤ 0.5 s");
    row("… the pool stops saying Updated", &seconds(large.moving), "≤ 1 s");
    row("… every node updated", &seconds(large.done), "≤ 9 s");
    row("… processor time of the controllers", &seconds(large.processor), "");
    row("… memory of the controllers", &large.memory(), "≤ 48 MiB");
    let pools: Vec<String> = (0..10).map(|n| format!("pool-{n}")).collect();
    let pools: Vec<(&str, u32)> = pools.iter().map(|pool| (pool.as_str(), 500)).collect();
    let huge = runtime.block_on(processes(&binary, &pools, "10ms", json!("10%")))?;
    row("5,000 nodes in 10 pools, 10% of each, 10 ms steps", &seconds(huge.done), "≤ 45 s");
    row("… memory of the controllers", &huge.memory(), "≤ 100 MiB");
    for (drains, wanted) in [(false, "≤ 4"), (true, "")] {
        let requests = runtime.block_on(requests(drains, None))?;
        let total: u64 = requests.values().sum();
        let with = if drains { "with" } else { "without" };
        row(&format!("requests of the controllers a node, {with} drains"), &each(total), wanted);
        for (what, count) in requests {
            row(&format!("    {what}"), &each(count), "");
        }
    }
    for heeds_taints in [false, true] {
        let workload = Workload { pods: PODS, budget: None, heeds_taints };
        let requests = runtime.block_on(requests(true, Some(workload)))?;
        let evicted = requests.get("create pods/eviction").copied().unwrap_or_default();
        let with = if heeds_taints { "heeds" } else { "does not heed" };
        let what = format!("evictions a pod, {PODS} pods a node, where the scheduler {with} taints");
        row(&what, &format!("{:.2}", ratio(evicted, COUNTED * PODS)), "");
        let total: u64 = requests.values().sum();
        row("    requests of the controllers a node", &each(total), if heeds_taints { "≤ 9" } else { "" });
        for (what, count) in requests {
            row(&format!("    {what}"), &each(count), "");
        }
    }
    Ok(())
}

fn row(what: &str, figure: &str, wanted: &str) {
    println!("{what:<60} {figure:>14}   {wanted}");
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn ratio(count: u64, of: u32) -> f64 {
    count as f64 / f64::from(of)
}

fn each(count: u64) -> String {
    format!("{:.2}", ratio(count, COUNTED))
}

/// When things happened after the patch, and what the controllers took.
struct Measured {
    told: Duration,
    moving: Duration,
    done: Duration,
    /// Processor time of the controllers from the patch on.
    processor: Duration,
    peak: u64,
}

impl Measured {
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    fn memory(&self) -> String {
        format!("{:.1} MiB", self.peak as f64 / f64::from(1 << 20))
    }
}

/// A switch of the stream of all workers, with three processes.
async fn processes(binary: &Path, pools: &[(&str, u32)], step: &str, limit: Value) -> Result<Measured> {
    let folder = tempfile::tempdir()?;
    let (kubeconfig, payload) = (folder.path().join("kubeconfig"), folder.path().join("payload"));
    let command = |arguments: &[&str]| {
        let mut command = Command::new(binary);
        command.args(arguments);
        command
    };
    let built = command(&["payload", "build", "--distribution", "ocp", "-o"]).arg(&payload).output()?;
    anyhow::ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let start = |mut command: Command, until: &str| -> Result<Program> {
        let mut program = Program::start(command.arg("--kubeconfig").arg(&kubeconfig))?;
        program.until(until)?;
        Ok(program)
    };
    let _server = start(command(&["apiserver", "--listen", "127.0.0.1:0"]), "serving https://")?;
    let release = format!("oci:{}", payload.display());
    let controllers =
        start(command(&["run", "all", "--settle", "0", "--release", &release]), "running against https://")?;
    let client = client(&kubeconfig).await?;
    for (pool, _) in pools.iter().filter(|(pool, _)| *pool != "worker") {
        custom(&client, pool).await?;
    }
    let nodes: Vec<String> = pools.iter().map(|(pool, count)| format!("{pool}={count}")).collect();
    let fleet = command(&["fleet", "--no-drains", "--step-time", step, "--nodes", &nodes.join(",")]);
    let total: u32 = pools.iter().map(|(_, count)| count).sum();
    let _fleet = start(fleet, &format!("all {total} nodes have joined"))?;
    settled(&client, pools, None).await?;
    for (pool, _) in pools {
        merge(&client, pool, json!({"spec": {"maxUnavailable": limit}})).await?;
    }
    let (told, moving) = (told(client.clone()), moving(client.clone(), pools[0].0.to_owned()));
    let (told, moving) = (tokio::spawn(told), tokio::spawn(moving));
    // Both watch before anything happens.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (start, before) = (Instant::now(), controllers.processor_time()?);
    merge(&client, "worker", json!({"spec": {"osImageStream": {"name": "rhel-9"}}})).await?;
    settled(&client, pools, Some("rhel-9")).await?;
    let done = start.elapsed();
    let since = |at: Instant| at.saturating_duration_since(start);
    let (peak, processor) = (controllers.peak_memory()?, controllers.processor_time()?.saturating_sub(before));
    Ok(Measured { told: since(told.await??), moving: since(moving.await??), done, processor, peak })
}

/// A pool of workers with a role of their own.
async fn custom(client: &Client, name: &str) -> Result<()> {
    let role = "machineconfiguration.openshift.io/role";
    let spec = json!({
        "machineConfigSelector": {"matchExpressions": [{"key": role, "operator": "In", "values": ["worker", name]}]},
        "nodeSelector": {"matchLabels": {format!("node-role.kubernetes.io/{name}"): ""}},
    });
    create::<MachineConfigPool>(client, json!({"metadata": {"name": name}, "spec": spec})).await
}

async fn create<K>(client: &Client, object: Value) -> Result<()>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
        + Clone
        + Serialize
        + DeserializeOwned
        + std::fmt::Debug,
{
    let object: K = serde_json::from_value(object)?;
    Api::<K>::all(client.clone()).create(&PostParams::default(), &object).await?;
    Ok(())
}

async fn merge(client: &Client, pool: &str, patch: Value) -> Result<()> {
    let api: Api<MachineConfigPool> = Api::all(client.clone());
    api.patch(pool, &Default::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

/// Waits until all nodes of these pools are updated, and run the stream if one is named.
async fn settled(client: &Client, pools: &[(&str, u32)], stream: Option<&str>) -> Result<()> {
    for (pool, count) in pools {
        let count = i32::try_from(*count)?;
        let there = |pool: &MachineConfigPool| {
            let Some(status) = &pool.status else { return false };
            let runs = status.os_image_stream.as_ref().map(|stream| stream.name.as_str());
            status.updated_machine_count == count && (stream.is_none() || runs == stream)
        };
        until(&Api::all(client.clone()), pool, there).await?;
    }
    Ok(())
}

/// When the first node is told another config than it was told before.
async fn told(client: Client) -> Result<Instant> {
    let api: Api<Node> = Api::all(client);
    let desired = |node: &Node| node.metadata.annotations.as_ref().and_then(|a| a.get(DESIRED_CONFIG)).cloned();
    let list = api.list(&Default::default()).await?;
    let before: BTreeMap<_, _> = list.items.iter().map(|node| (node.metadata.name.clone(), desired(node))).collect();
    let mut events =
        pin!(api.watch(&WatchParams::default(), &list.metadata.resource_version.unwrap_or_default()).await?);
    while let Some(event) = events.try_next().await? {
        if let WatchEvent::Modified(node) = event
            && before.get(&node.metadata.name) != Some(&desired(&node))
        {
            return Ok(Instant::now());
        }
    }
    anyhow::bail!("the watch of nodes ended")
}

/// When the pool stops saying Updated.
async fn moving(client: Client, pool: String) -> Result<Instant> {
    let stops = |pool: &MachineConfigPool| {
        let conditions = pool.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        find(conditions, ConditionType::new("Updated")).is_some_and(|condition| condition.status == "False")
    };
    until(&Api::all(client), &pool, stops).await?;
    Ok(Instant::now())
}

/// Requests, by verb and resource, that the controllers of rollouts, drains and MachineConfigNodes make for one update of
/// every node, 10% at once.
async fn requests(drains: bool, workload: Option<Workload>) -> Result<BTreeMap<String, u64>> {
    let server = ApiServer::new(Settings::default())?;
    server.define(crds(FeatureSet::Default))?;
    let direct = Client::new(server.service(), "default");
    create::<Namespace>(&direct, json!({"metadata": {"name": "openshift-machine-config-operator"}})).await?;
    for config in ["r1", "r2"] {
        create::<MachineConfig>(&direct, json!({"metadata": {"name": config}, "spec": {"osImageURL": config}})).await?;
    }
    let selector = json!({"matchLabels": {"node-role.kubernetes.io/worker": ""}});
    let spec = json!({"configuration": {"name": "r1"}, "maxUnavailable": "10%", "nodeSelector": selector});
    create::<MachineConfigPool>(&direct, json!({"metadata": {"name": "worker"}, "spec": spec})).await?;
    let trouble = Trouble::default();
    let context = Context {
        client: Client::new(Troubled::new(server.service(), trouble.clone()), "default"),
        cluster: Cluster::default(),
        clock: Clock::system(),
        profile: Profile::all().first().context("no distribution is built in")?,
        build: Arc::new(Build { raw: "v".to_owned(), hash: "h".to_owned(), release: None }),
        settle: Duration::ZERO,
        generating: Default::default(),
    };
    let machines = Machine::of_pool("worker", COUNTED);
    let settings = weir_fleet::Settings {
        step: Duration::from_millis(50),
        seed: 1,
        os: Arc::new(str::to_owned),
        drains,
        faults: Faults::default(),
        workload,
    };
    let fleet = Fleet::new(direct.clone(), Clock::system(), settings, machines);
    let (drain, nodes) = (drain::Controller::new(context.clone()), nodes::Controller::new(context.clone()));
    let rollout = rollout::Controller::new(context.clone());
    let pools = [("worker", COUNTED)];
    let measured = async {
        settled(&direct, &pools, None).await?;
        // What the nodes say of themselves at first is no part of an update.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let _ = trouble.take_requests();
        merge(&direct, "worker", json!({"spec": {"configuration": {"name": "r2"}}})).await?;
        moving(direct.clone(), "worker".to_owned()).await?;
        settled(&direct, &pools, None).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(trouble.take_requests())
    };
    let drains = context.cluster.watches.fill(&context.client, &[Watcher::Drains]);
    let watches = async { tokio::join!(weir_controllers::watch(&context), drains) };
    tokio::select! {
        measured = measured => measured,
        () = fleet.run() => anyhow::bail!("the fleet ended"),
        _ = watches => anyhow::bail!("the watches ended"),
        _ = async { tokio::join!(drive(&drain), drive(&nodes), drive(&rollout)) } => anyhow::bail!("the controllers ended"),
    }
}
