//! The cluster of a life: API server, processes and machines, on one thread.

use super::{
    operator,
    prepared::{BEGINNING, Distribution, Door, Prepared},
    process::{Process, REPLICAS},
    script::{Fault, Intent, LATEST, Operator, SLOW},
    stage::{Running, Stage},
    ways, workload,
    works::{self, Works},
    world::{CUSTOM, World},
};
use crate::{
    Chance, Trouble,
    builds::BuildPods,
    story::judge::ROLE,
    trouble::Pace,
    write::{apply, merge, place, write_gates},
};
use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep};
use weir_api::{
    ClusterVersion, MachineConfigPool,
    keys::{
        build::REBUILD,
        config::ROLE as CONFIG_ROLE,
        names::{CLUSTER, VERSION, WORKER},
    },
    kind::MACHINE_CONFIG_GROUP,
};
use weir_apiserver::ApiServer;
use weir_controllers::Build;
use weir_fleet::{
    Faults, Fleet, Logs, Machine,
    faults::{LIFT, STOPPED},
};
use weir_images::{Added, Images, Release, Source};
use weir_kubeio::Clock;
use weir_rules::objects::seed::{Facts, Seed, Shape, custom_pool, objects};

/// Annotation of nodes that somebody cordoned by hand.
pub(super) const BY_HAND: &str = "sim.weir/cordoned-by-hand";
/// How kernel arguments of users begin.
pub(super) const ARGUMENT: &str = "sim.";
/// One of so many requests is lost while the way to the API server is bad.
const LOST: u64 = 8;
/// How often it is looked whether a machine has joined, and how long at most.
const JOINS_WITHIN: Duration = Duration::from_secs(1);
const LONGEST_JOIN: Duration = Duration::from_mins(10);
/// How long processes stay away that were killed at a write.
const AWAY: Duration = Duration::from_secs(5);

/// The cluster.
pub(super) struct Cluster<'a> {
    seed: u64,
    world: &'a World,
    shared: &'a Distribution,
    door: Door,
    stage: Stage,
    server: ApiServer,
    /// For what users do; it is never in trouble.
    client: Client,
    clock: Clock,
    /// The clocks of the processes, by their group on the stage: only that of the first is ever set.
    clocks: [Clock; 2],
    desired: usize,
    gates: BTreeMap<String, bool>,
    processes: Vec<Running>,
    /// The build as which processes run, and who that is.
    build: Build,
    operator: Operator,
    /// How many times processes were started.
    started: u64,
    fleet: Option<Running>,
    /// What is missing for processes that start, and how it is added for them.
    half: Option<Added>,
    /// The builder and its registry, if images can be built.
    pub(super) works: Option<Works>,
    /// Pods that somebody deleted.
    pub(super) deleted: BTreeSet<String>,
    /// Between the processes and the API server.
    pub(super) trouble: Trouble,
}

impl<'a> Cluster<'a> {
    /// A cluster as an installation leaves it, with nothing running yet.
    pub(super) async fn new(seed: u64, world: &'a World, prepared: &'a Prepared, stage: Stage) -> Result<Self> {
        let shared = prepared.distribution(world.profile)?;
        let clock = Clock::starting_at(BEGINNING);
        let server = prepared.server(seed, clock.clone());
        let client = Client::new(server.service(), "default");
        let trouble = Trouble::default();
        trouble.pace(Pace {
            seed: Chance::for_purpose(seed, "way").draw(),
            request: world.request,
            event: world.event,
            lost: 0,
        });
        let (desired, gates) = (world.release, BTreeMap::new());
        let (build, operator) = (Build::ours(), Operator::Other);
        let (processes, fleet) = (Vec::new(), None);
        let mut cluster = Self {
            seed,
            world,
            shared,
            door: prepared.door.clone(),
            stage,
            server,
            client,
            clock,
            clocks: [Clock::starting_at(BEGINNING), Clock::starting_at(BEGINNING)],
            desired,
            gates,
            processes,
            build,
            operator,
            started: 0,
            fleet,
            half: None,
            works: world.builds.then(|| Works::new(seed)),
            deleted: BTreeSet::new(),
            trouble,
        };
        let first = cluster.release()?.version.clone();
        cluster.gates.insert(first, true);
        cluster.build = cluster.own_build()?;
        for seed in cluster.seeds().await? {
            apply(&cluster.client, &seed).await?;
        }
        write_gates(&cluster.client, &cluster.gates).await?;
        if world.builds {
            merge(&cluster.client, &works::secret()).await?;
        }
        for (pool, most) in &world.unavailable {
            cluster.pool(pool, json!({ "maxUnavailable": most })).await?;
        }
        Ok(cluster)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The time of the cluster.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn release(&self) -> Result<&'a Release> {
        self.shared.releases.get(self.desired).context("there is no such release")
    }

    /// Starts processes and machines.
    pub(super) fn run(&mut self) -> Result<()> {
        self.start()?;
        let names = self.shared.names.clone();
        let settings = weir_fleet::Settings {
            step: self.world.step,
            seed: self.seed,
            os: Arc::new(move |image: &str| names.get(image).cloned().unwrap_or_else(|| image.to_owned())),
            drains: true,
            faults: Faults::new(self.world.faults.clone())?,
            workload: self.world.pods.as_ref().map(workload::workload).transpose()?,
        };
        let machines = self.world.nodes.pools().flat_map(|(pool, count)| Machine::of_pool(pool, count)).collect();
        let mut fleet = Fleet::new(self.client.clone(), self.clock.clone(), settings, machines);
        if let Some(works) = &self.works {
            let pods = BuildPods::new(Arc::new(works.clone()), self.client.clone());
            fleet = fleet.building(Arc::new(pods), Logs::default());
        }
        self.fleet = Some(self.stage.spawn(fleet.run()));
        Ok(())
    }

    /// Starts the processes of the desired release, unless they run.
    fn start(&mut self) -> Result<()> {
        if !self.processes.is_empty() {
            return Ok(());
        }
        self.started += 1;
        let process = Process {
            stage: self.stage.clone(),
            door: self.door.clone(),
            server: self.server.service(),
            trouble: self.trouble.clone(),
            clock: self.clocks[0].clone(),
            profile: self.world.profile,
            build: self.build.clone(),
            settle: self.world.settle,
            images: self.images(),
            two: self.world.two_processes,
            works: self.works.clone(),
        };
        let replica = |group| {
            let clock = if group == 1 { &self.clocks[0] } else { &self.clocks[1] };
            let process = Process { clock: clock.clone(), ..process.clone() };
            process.replica(replica_name(group, self.started), group)
        };
        self.processes = match self.world.replicas {
            true => (1..=REPLICAS).map(replica).collect(),
            false => process.starts(1),
        };
        Ok(())
    }

    /// Where processes that start find images.
    fn images(&self) -> Images {
        match &self.half {
            Some(added) => Images::new(Source {
                layouts: self.shared.halves.clone(),
                added: added.clone(),
                offline: true,
                ..Source::default()
            }),
            None => self.shared.images.clone(),
        }
    }

    /// Kills the processes. What they asked for and was not answered may have been done or not.
    pub(super) fn kill(&mut self) {
        self.processes.clear();
        self.suspend(false);
        self.trouble.stop_after(None);
    }

    /// The build that manages a cluster of the desired release: every release has its own.
    fn own_build(&self) -> Result<Build> {
        if self.world.other_operator {
            return Ok(operator::other(&self.release()?.version));
        }
        let (own, version) = (Build::ours(), self.release()?.version.clone());
        Ok(Build { hash: format!("{}-{version}", own.hash), release: Some(version), ..own })
    }

    /// Suspends the process that works, or lets all go on.
    fn suspend(&self, suspended: bool) {
        let holder = self.trouble.holder();
        for group in 1..=REPLICAS {
            let is_it = !self.world.replicas || holder == Some(replica_name(group, self.started));
            self.stage.suspend(group, suspended && is_it);
        }
    }

    /// Lets something go wrong, or end; returns what follows, and when.
    pub(super) fn fault(&mut self, fault: &Fault) -> Result<Option<(Duration, Fault)>> {
        match fault {
            Fault::Down(down) => self.trouble.down(*down),
            Fault::Conflicts(on) => self.trouble.conflicts(*on),
            Fault::Late(true) => self.trouble.worsen(LATEST, LOST),
            Fault::Late(false) => self.trouble.worsen(self.world.event, 0),
            Fault::Stall(on) => self.trouble.stall(*on),
            Fault::Refuse(requests) => self.trouble.refuse(*requests),
            Fault::Cut => self.trouble.break_watches(),
            Fault::KillAtWrite(writes) => self.trouble.stop_after(Some(*writes)),
            Fault::Slow(true) => self.trouble.slow(SLOW),
            Fault::Slow(false) => self.trouble.slow(self.world.request),
            Fault::Lag(_) => {}
            Fault::ClockForward(by) => self.clocks[0].step(signed(*by)),
            Fault::ClockBack(by) => self.clocks[0].step(-signed(*by)),
            Fault::HalfPayload(true) => _ = self.half.get_or_insert_default(),
            Fault::HalfPayload(false) => {
                let all = self.half.take().map(|added| (added, self.shared.images.source().layouts.clone()));
                all.into_iter().for_each(|(added, layouts)| layouts.into_iter().for_each(|layout| added.add(layout)));
            }
            Fault::NoRegistry(on) => self.builds(|trouble| trouble.unreachable = *on),
            Fault::FailingBuilds(on) => self.builds(|trouble| trouble.failing = *on),
            Fault::SlowBuilds(on) => self.builds(|trouble| trouble.slow = *on),
            Fault::OtherDigests(on) => self.builds(|trouble| trouble.other_digest = *on),
            Fault::Start => self.start()?,
            Fault::Kill(away) => {
                self.kill();
                return Ok(Some((*away, Fault::Start)));
            }
            Fault::Suspend(time) => {
                self.suspend(true);
                return Ok(Some((*time, Fault::Resume)));
            }
            Fault::Resume => self.suspend(false),
        }
        Ok(None)
    }

    fn builds(&self, change: impl FnOnce(&mut works::Trouble)) {
        if let Some(works) = &self.works {
            works.trouble(change);
        }
    }

    /// The processes are at their last write: they are killed; returns what follows, and when.
    pub(super) fn stopped(&mut self) -> (Duration, Fault) {
        self.kill();
        (AWAY, Fault::Start)
    }

    /// Does what somebody wants.
    pub(super) async fn act(&mut self, intent: &Intent) -> Result<()> {
        match intent {
            Intent::Stream { pool, name } => {
                let stream = name.as_ref().map(|name| json!({ "name": name }));
                self.pool(pool, json!({ "osImageStream": stream })).await
            }
            Intent::Default(stream) => {
                let object = ours("OSImageStream", CLUSTER, &json!({ "defaultStream": stream }));
                self.change(&object).await
            }
            Intent::Config { role, number, revision, good } => {
                merge(&self.client, &config(role, *number, *revision, *good)).await
            }
            Intent::NoConfig { role, number } => self.delete(&config(role, *number, 0, true)).await,
            Intent::Pause { pool, paused } => self.pool(pool, json!({ "paused": paused })).await,
            Intent::Unavailable { pool, most } => self.pool(pool, json!({ "maxUnavailable": most })).await,
            Intent::Release(release) => self.update(*release).await,
            Intent::Gate(on) => {
                self.gates.values_mut().for_each(|gate| *gate = *on);
                write_gates(&self.client, &self.gates).await
            }
            Intent::Cordon { node, on } => self.cordon(node, *on).await,
            Intent::Kubelet { node, runs } => self.kubelet(node, *runs).await,
            Intent::Relabel { node, pool } => {
                let mut labels: BTreeMap<String, Option<&str>> =
                    self.world.nodes.custom().map(|custom| (format!("{ROLE}{custom}"), None)).collect();
                labels.extend(pool.iter().map(|pool| (format!("{ROLE}{pool}"), Some(""))));
                let metadata = json!({"name": node, "labels": labels});
                self.change(&json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata})).await
            }
            Intent::Roles { node, roles } => {
                let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
                self.change(&self.labelled(node, &roles)).await
            }
            Intent::Select { pool, role } => self.select(pool, role.as_deref()).await,
            Intent::Pool { pool } => merge(&self.client, &custom_pool(pool)).await,
            Intent::NoPool { pool } => self.delete(&custom_pool(pool)).await,
            Intent::Operator(operator) => self.run_as(*operator).await,
            Intent::Layered { pool, revision: Some(revision) } => {
                merge(&self.client, &works::os_config(pool, *revision)).await
            }
            Intent::Layered { pool, revision: None } => self.delete(&works::os_config(pool, 0)).await,
            Intent::Rebuild { pool } => {
                let metadata = json!({"name": pool, "annotations": {REBUILD: ""}});
                let version = format!("{MACHINE_CONFIG_GROUP}/v1");
                self.change(&json!({"apiVersion": version, "kind": "MachineOSConfig", "metadata": metadata})).await
            }
            Intent::DeletePods { node } => {
                self.deleted.extend(workload::delete_on(&self.client, node).await?);
                Ok(())
            }
            Intent::Budget { most } => workload::budget(&self.client, most.as_ref()).await,
            Intent::Replace { node } => {
                self.delete(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})).await
            }
        }
    }

    /// A change that gives a node these roles, of those that are not of the control plane.
    fn labelled(&self, node: &str, roles: &[&str]) -> Value {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": self.roles(roles)}})
    }

    /// Labels of these roles, and null for those of others: a merge patch keeps what it does not name.
    fn roles(&self, roles: &[&str]) -> BTreeMap<String, Option<&'static str>> {
        let all = CUSTOM.into_iter().chain(self.world.nodes.custom()).chain([WORKER]);
        all.map(|role| (format!("{ROLE}{role}"), roles.contains(&role).then_some(""))).collect()
    }

    /// A custom pool selects the nodes of a role; without one, its selector is one that the API takes and nobody can read.
    async fn select(&self, pool: &str, role: Option<&str>) -> Result<()> {
        let unreadable = json!([{"key": "sim", "operator": "Unknown"}]);
        let selector = json!({
            "matchLabels": self.roles(role.as_slice()), "matchExpressions": role.is_none().then_some(unreadable),
        });
        self.pool(pool, json!({ "nodeSelector": selector })).await
    }

    /// Merges a manifest into an object, if it exists. Whoever is refused leaves it at that.
    async fn change(&self, object: &Value) -> Result<()> {
        let api = place(&self.client, object);
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        match api.patch(name, &PatchParams::default(), &Patch::Merge(object)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if [403, 404, 422].contains(&status.code) => Ok(()),
            Err(error) => Err(error).context("a user's change"),
        }
    }

    async fn delete(&self, object: &Value) -> Result<()> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        match place(&self.client, object).delete(name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(error).context("a user's deletion"),
        }
    }

    async fn pool(&self, name: &str, spec: Value) -> Result<()> {
        self.change(&ours("MachineConfigPool", name, &spec)).await
    }

    async fn kubelet(&self, node: &str, runs: bool) -> Result<()> {
        let annotations = json!({ STOPPED: (!runs).then_some("") });
        let metadata = json!({"name": node, "annotations": annotations});
        self.change(&json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata})).await
    }

    async fn cordon(&self, node: &str, on: bool) -> Result<()> {
        let mark = on.then_some("");
        self.change(&json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": node, "annotations": {BY_HAND: mark}},
            "spec": {"unschedulable": on.then_some(true)},
        }))
        .await
    }

    async fn update(&mut self, release: usize) -> Result<()> {
        let on = self.gates.values().next_back().copied().unwrap_or(true);
        self.desired = release;
        self.gates.insert(self.release()?.version.clone(), on);
        write_gates(&self.client, &self.gates).await?;
        let seeds = self.seeds().await?;
        let of = |kind: &'static str| seeds.iter().filter(move |seed| seed.object["kind"] == kind);
        for seed in of("ClusterVersion") {
            apply(&self.client, seed).await?;
        }
        self.kill();
        for seed in of("ControllerConfig") {
            apply(&self.client, seed).await?;
        }
        // A release brings its own operator.
        (self.build, self.operator) = (self.own_build()?, Operator::Other);
        self.start()
    }

    /// The objects of a cluster that runs the desired release.
    async fn seeds(&self) -> Result<Vec<Seed>> {
        let versions: Api<ClusterVersion> = Api::all(self.client.clone());
        let before = versions.get_opt(VERSION).await.context("reading ClusterVersion")?;
        let release = self.release()?;
        let seeds = objects(&Facts {
            version: &release.version,
            image: &release.image,
            images: &release.by_tag(),
            profile: self.world.profile,
            build: &self.own_build()?,
            shape: &Shape::from(&self.world.nodes),
            before: before.as_ref(),
            gates: None,
            now: self.clock.now(),
        });
        let other = self.world.other_operator;
        Ok(seeds.into_iter().map(|seed| if other { operator::of_other(seed) } else { seed }).collect())
    }

    /// Lets another operator manage the cluster, if it is not weir's own.
    async fn run_as(&mut self, operator: Operator) -> Result<()> {
        if !self.world.other_operator {
            return Ok(());
        }
        self.kill();
        let version = self.release()?.version.clone();
        self.build = operator::build(&self.client, operator, &version).await?;
        self.operator = operator;
        self.start()
    }

    /// Whether weir runs and is to leave everything to the other operator.
    pub(super) fn stands_by(&self) -> bool {
        self.operator != Operator::Other && self.build.raw == Build::ours().raw
    }

    /// Ends what goes wrong and is nobody's intent. Machines that fail again and again stay so.
    pub(super) async fn heal(&mut self) -> Result<()> {
        self.trouble.lag(None);
        let all = [
            Fault::Down(false),
            Fault::Conflicts(false),
            Fault::Late(false),
            Fault::Stall(false),
            Fault::Slow(false),
            Fault::Refuse(0),
            Fault::HalfPayload(false),
        ];
        for over in &all {
            self.fault(over)?;
        }
        self.builds(|trouble| *trouble = works::Trouble::default());
        self.trouble.stop_after(None);
        self.start()?;
        self.joined().await
    }

    /// Repairs a machine: it fails no more.
    pub(super) async fn repair(&self, node: &str) -> Result<()> {
        let metadata = json!({"name": node, "annotations": {LIFT: ""}});
        self.change(&json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata})).await
    }

    /// Waits until machines that are being replaced have joined: a machine is repaired by its node.
    async fn joined(&self) -> Result<()> {
        let (nodes, pools) =
            (Api::<Node>::all(self.client.clone()), Api::<MachineConfigPool>::all(self.client.clone()));
        let end = Instant::now() + LONGEST_JOIN;
        loop {
            let found = nodes.list(&Default::default()).await.context("listing nodes")?;
            let pools = pools.list(&Default::default()).await.context("listing pools")?;
            let is_there = |name: &str| found.items.iter().any(|node| node.metadata.name.as_deref() == Some(name));
            // There is nothing that a machine of a deleted pool could boot.
            let boots = |name: &str| {
                pools
                    .items
                    .iter()
                    .filter_map(|pool| pool.metadata.name.as_deref())
                    .any(|pool| name.strip_prefix(pool).is_some_and(|rest| rest.starts_with('-')))
            };
            let missing: Vec<String> =
                self.world.names().into_iter().filter(|name| !is_there(name) && boots(name)).collect();
            if missing.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < end, "{missing:?} have not joined within {LONGEST_JOIN:?}");
            sleep(JOINS_WITHIN).await;
        }
    }
}

fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or_default()
}

/// The name of a replica, which no other ever had.
fn replica_name(group: u64, started: u64) -> String {
    format!("replica-{group}-{started}")
}

/// A version of Ignition that there is not.
const UNKNOWN: &str = "9.9.9";

fn ours(kind: &str, name: &str, spec: &Value) -> Value {
    let version = format!("{MACHINE_CONFIG_GROUP}/v1");
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// A MachineConfig of a user.
fn config(role: &str, number: u64, revision: u64, good: bool) -> Value {
    let spec = json!({
        "config": {"ignition": {"version": if good { "3.4.0" } else { UNKNOWN }}},
        "kernelArguments": [format!("{ARGUMENT}{role}.{number}={revision}")],
    });
    let mut object = ours("MachineConfig", &ways::config_name(role, number), &spec);
    object["metadata"]["labels"] = json!({ CONFIG_ROLE: role });
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_forward_or_back_is_so_for_all_that_have_it_and_goes_on_from_there() {
        let (clock, other) = (Clock::starting_at(BEGINNING), Clock::starting_at(BEGINNING));
        let same = clock.clone();
        sleep(Duration::from_secs(10)).await;
        clock.step(signed(Duration::from_mins(1)));
        assert_eq!(same.now().duration_since(other.now()), SignedDuration::from_secs(60));
        clock.step(-signed(Duration::from_mins(2)));
        sleep(Duration::from_secs(10)).await;
        assert_eq!(other.now().duration_since(same.now()), SignedDuration::from_secs(60));
    }
}
