//! Whether what is planned is what happens: in a life in which nothing goes wrong by chance, every change is planned before it is made, and
//! what the nodes then did is compared with it.
//!
//! The world, the changes and the order in which everything runs follow from the seed. Compared are the configuration of every pool, which
//! nodes were told another one or another image and in which order, which were cordoned, and how often each one booted. The order is left
//! out where the plan says that it is not known.
//!
//! Some machines are slow. Others fail before the first plan is made: it is made for a pool in which one has failed. Once that one has been
//! told something else it is repaired, as the plan assumes (R-FORWARD-2). A budget that allows nothing is changed once the drains that it
//! blocks, which the plan names, have begun.

mod compare;

use self::compare::{Happened, compare, is_blocked, told, unforeseen};
use super::{
    LOOK, Life,
    cluster::Cluster,
    judge::Doings,
    prepared::{Distribution, Prepared},
    script::Intent,
    stage::Stage,
    ways::{self, Way},
    works,
    world::{self, World},
};
use crate::{
    Chance,
    history::History,
    write::{merge, place, resource},
};
use anyhow::{Context as _, Result};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams},
    core::DynamicObject,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    time::Duration,
};
use tokio::time::sleep;
use weir_api::{
    keys::{
        config::ROLE,
        names::{MASTER, WORKER},
    },
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP, OPERATOR_GROUP},
};
use weir_controllers::{stream::observe, templates};
use weir_distro::{Profile, StreamsRule};
use weir_fleet::faults::Kind;
use weir_rules::{
    plan::{self, Change, Facts, Payload, Plan, Turn, change::Reference},
    world::{Object, World as Objects, generated::ReleaseTemplates},
};

/// Changes in a life: these, and at last one of the other kinds.
pub const CHANGES: u64 = DRAWN + 1;
const DRAWN: u64 = 6;
/// Kinds of changes that are drawn from, without those about images, and with them.
const KINDS_OF_CHANGES: u64 = 15;
const WITH_IMAGES: u64 = 19;
/// The other kinds: what changes nodes less often.
const OTHER_KINDS: u64 = 9;
/// How many times it is looked at most whether machines failed again or drains are blocked.
const LOOKS: usize = 8;
/// Until then, a change has been seen by everybody whom it concerns.
const NOTICED: Duration = Duration::from_secs(30);
/// Between a change and a plan that is made while nodes follow it pass so many of these, besides.
const SOONER: Duration = Duration::from_secs(5);
const SOONEST: u64 = 20;
/// The file that changes are about, and that policies name.
const FILE: &str = "/etc/sim";
/// The unit that changes and policies are about.
const UNIT: &str = "sim.service";
/// A pool that is made for a node.
const OWN_POOL: &str = "own";
/// What a policy lets machines do about the file or the unit.
const ACTIONS: [&str; 4] = ["None", "Reboot", "Drain", "Restart"];

/// What a change depends on, as `weir plan` reads it from a cluster.
const KINDS: [(&str, &str); 19] = [
    (CONFIG_GROUP, "ClusterVersion"),
    (CONFIG_GROUP, "FeatureGate"),
    (CONFIG_GROUP, "Infrastructure"),
    (CONFIG_GROUP, "APIServer"),
    (CONFIG_GROUP, "Image"),
    (CONFIG_GROUP, "ImageDigestMirrorSet"),
    (CONFIG_GROUP, "Node"),
    (OPERATOR_GROUP, "MachineConfiguration"),
    (MACHINE_CONFIG_GROUP, "ControllerConfig"),
    (MACHINE_CONFIG_GROUP, "OSImageStream"),
    (MACHINE_CONFIG_GROUP, "MachineConfigPool"),
    (MACHINE_CONFIG_GROUP, "MachineConfig"),
    (MACHINE_CONFIG_GROUP, "KubeletConfig"),
    (MACHINE_CONFIG_GROUP, "ContainerRuntimeConfig"),
    (MACHINE_CONFIG_GROUP, "MachineOSConfig"),
    (MACHINE_CONFIG_GROUP, "MachineOSBuild"),
    ("", "Node"),
    ("", "Pod"),
    ("policy", "PodDisruptionBudget"),
];

/// What came of the plans of a life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foreseen {
    /// Its seed.
    pub seed: u64,
    /// Changes that were planned and made.
    pub plans: usize,
    /// Changes that the plan refused, and that were not made.
    pub refused: usize,
    /// Nodes that rebooted, as planned.
    pub reboots: usize,
    /// Nodes that changed without a reboot, as planned.
    pub quiet: usize,
    /// Nodes that were to wait, and did.
    pub waits: usize,
    /// Nodes whose drains were to be blocked by a budget, and were.
    pub blocked: usize,
    /// Nodes that had failed before, and did what was planned all the same.
    pub failed: usize,
    /// Nodes of pools in image mode that rebooted into an image.
    pub images: usize,
    /// Where what happened is not what was planned; empty if it was.
    pub differences: Vec<String>,
}

/// Lives the quiet life of a seed, and compares its plans with what happens: of the changes with these numbers, of [`CHANGES`].
///
/// # Errors
/// When it cannot be lived, which is a defect of the simulation.
pub fn foresee(seed: u64, changes: Range<u64>, prepared: &Prepared) -> Result<Foreseen> {
    let mut world = World { other_operator: false, ..World::of(seed).context("there is no distribution")? };
    world.faults.retain(|fault| [Kind::Slow, Kind::Degraded].contains(&fault.fault));
    // A machine that fails does so until it is repaired.
    world.faults.iter_mut().filter(|fault| fault.fault == Kind::Degraded).for_each(|fault| fault.times = None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let stage = Stage::new();
    let order = Chance::for_purpose(seed, "order");
    let life = async {
        tokio::select! {
            biased;
            () = stage.endless() => {
                Ok(Foreseen { seed, differences: vec!["something goes on without end".to_owned()], ..Foreseen::default() })
            }
            found = foreseen((seed, changes), &world, prepared, stage.clone()) => found,
        }
    };
    runtime.block_on(stage.play(order, life)).with_context(|| format!("foreseeing life {seed}"))
}

async fn foreseen(
    (seed, numbers): (u64, Range<u64>),
    world: &World,
    prepared: &Prepared,
    stage: Stage,
) -> Result<Foreseen> {
    let mut cluster = Cluster::new(seed, world, prepared, stage).await?;
    let history = History::start(cluster.client()).await?;
    cluster.run()?;
    let (doings, notes, since) = (Doings::default(), Vec::new(), BTreeMap::new());
    let mut life = Life { cluster, history, doings, notes, since };
    let mut found = Foreseen { seed, ..Foreseen::default() };
    if !life.settle().await {
        found.differences.push("the new cluster does not come to rest".to_owned());
        return Ok(found);
    }
    let shared = prepared.distribution(world.profile)?;
    let mut chance = Chance::for_purpose(seed, "changes");
    if !life.fail(world).await? {
        found.differences.push("it does not come to rest with failing machines".to_owned());
        return Ok(found);
    }
    let mut release = world.release;
    for number in numbers {
        let changes = wanted(&mut chance, world, (shared, &mut release), number).await?;
        if number == DRAWN && chance.one_in(2) {
            // The plan is made while pools are on their way.
            let meanwhile: Vec<Change> = world.nodes.pools().map(|(pool, _)| arguments(pool, CHANGES)).collect();
            make(&mut life.cluster, &meanwhile, release).await?;
            sleep(NOTICED + SOONER * u32::try_from(chance.below(SOONEST)).unwrap_or_default()).await;
        }
        life.foresee(world, changes, release, &mut found).await?;
        if !found.differences.is_empty() {
            break;
        }
    }
    Ok(found)
}

impl Life<'_> {
    /// Lets the machines fail that are to: their pools change before anything is planned.
    async fn fail(&mut self, world: &World) -> Result<bool> {
        let failing = world.faults.iter().filter(|fault| fault.fault == Kind::Degraded).flat_map(|fault| &fault.nodes);
        let pools = failing.filter_map(|node| node.rsplit_once('-')).map(|(pool, _)| pool);
        let pools: BTreeSet<&str> = pools.collect();
        if pools.is_empty() {
            return Ok(true);
        }
        let changes: Vec<Change> = pools.into_iter().map(|pool| arguments(pool, DRAWN)).collect();
        make(&mut self.cluster, &changes, world.release).await?;
        sleep(NOTICED).await;
        Ok(self.unblock(&BTreeMap::new()).await?.is_some())
    }

    /// Waits until what was asked for is done: nodes that failed, and have been told something else, are repaired, and drains that a budget
    /// blocks go on; gives the nodes that did not move before that, or nothing if the cluster does not come to rest.
    async fn unblock(&mut self, before: &BTreeMap<String, Value>) -> Result<Option<BTreeSet<String>>> {
        let mut blocked = BTreeSet::new();
        for _ in 0..LOOKS {
            let rested = self.settle_within(LOOK).await;
            let ways: Vec<Way> = {
                let seen = self.history.look();
                let retold =
                    |node: &str| before.get(node).is_some_and(|before| told(before) != told(seen.get("Node", node)));
                let goes_on = |way: &Way| match way {
                    Way::Repair(node) => retold(node),
                    Way::Change(intent) => matches!(intent, Intent::Budget { .. }),
                };
                ways::named(&seen).into_iter().filter(goes_on).collect()
            };
            if rested && ways.is_empty() {
                return Ok(Some(blocked));
            }
            for way in ways {
                if matches!(way, Way::Change(_)) {
                    blocked.extend(self.draining());
                }
                self.go(way).await?;
            }
        }
        Ok(None)
    }

    /// Nodes whose drains are not over.
    fn draining(&self) -> Vec<String> {
        let seen = self.history.look();
        seen.all("Node").filter(|(_, node)| ways::is_draining(node)).map(|(name, _)| name.to_owned()).collect()
    }

    /// Plans a change, makes it, and compares.
    async fn foresee(
        &mut self,
        world: &World,
        changes: Vec<Change>,
        release: usize,
        found: &mut Foreseen,
    ) -> Result<()> {
        let objects = Objects { profile: Some(world.profile), ..read(self.cluster.client()).await? };
        let facts = Facts { builds_without_programs: true, ..Facts::default() };
        let plan = match plan::plan(&objects, &changes, &facts, self.cluster.now()) {
            Ok(plan) => plan,
            Err(_) => {
                found.refused += 1;
                return Ok(());
            }
        };
        let (start, before) = {
            let seen = self.history.look();
            let nodes = seen.all("Node").map(|(name, node)| (name.to_owned(), node.clone()));
            (seen.changes.len(), nodes.collect::<BTreeMap<String, Value>>())
        };
        make(&mut self.cluster, &changes, release).await?;
        let named = said(&changes);
        sleep(NOTICED).await;
        let Some(blocked) = self.unblock(&before).await? else {
            found.differences.push(format!("{named}: it does not come to rest"));
            return Ok(());
        };
        let seen = self.history.look();
        let happened = Happened::of(before, seen.changes.get(start..).unwrap_or_default());
        let pools: BTreeMap<&str, &Value> = seen.all("MachineConfigPool").collect();
        let differences = compare(&plan, &happened, &pools);
        found.differences.extend(differences.into_iter().map(|difference| format!("{named}: {difference}")));
        found.differences.extend(unforeseen(&plan, &blocked).map(|node| format!("{named}: {node}")));
        found.plans += 1;
        found.count(&plan, &happened.failed);
        Ok(())
    }
}

impl Foreseen {
    fn count(&mut self, plan: &Plan, failed: &BTreeSet<String>) {
        let layered = plan.pools.iter().filter(|pool| pool.image.is_some()).filter_map(|pool| pool.nodes.as_deref());
        self.images += layered.flatten().filter(|node| matches!(node.turn, Turn::Wave(_))).count();
        for node in plan.acting() {
            self.blocked += usize::from(is_blocked(node));
            self.failed += usize::from(failed.contains(&node.node));
            let reboots = node.effect.as_ref().is_ok_and(weir_rules::rollout::actions::Effect::reboots);
            match (&node.turn, reboots) {
                (Turn::Waits(_), _) => self.waits += 1,
                (_, true) => self.reboots += 1,
                (_, false) => self.quiet += 1,
            }
        }
    }
}

/// Everything that a plan depends on.
async fn read(client: &Client) -> Result<Objects> {
    let mut all = Vec::new();
    for (group, kind) in KINDS {
        let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource(&version, kind));
        let listed = match api.list(&ListParams::default()).await {
            Ok(listed) => listed,
            Err(kube::Error::Api(status)) if status.is_not_found() => continue,
            Err(error) => return Err(error).with_context(|| format!("listing {kind}")),
        };
        for object in listed {
            let read = Object::read(group, kind, serde_json::to_value(object)?);
            all.push(read.with_context(|| format!("no decision depends on {kind}"))??);
        }
    }
    Ok(Objects { whole: true, ..Objects::of(all) })
}

/// What somebody wants next.
async fn wanted(
    chance: &mut Chance,
    world: &World,
    (shared, release): (&Distribution, &mut usize),
    number: u64,
) -> Result<Vec<Change>> {
    let pools: Vec<String> = world.nodes.pools().map(|(pool, _)| pool.to_owned()).collect();
    let role = chance.pick(&pools).cloned().unwrap_or_default();
    let of_release = world::releases(world.profile).into_iter().nth(*release);
    let streams = of_release.map(|release| release.streams).unwrap_or_default();
    if number == DRAWN {
        return Ok(others(chance, world, &role));
    }
    let pool = |spec: Value| Change::Apply(object(MACHINE_CONFIG_GROUP, "MachineConfigPool", &role, &spec));
    let kinds = if world.builds { WITH_IMAGES } else { KINDS_OF_CHANGES };
    let one = match chance.below(kinds) {
        0 | 1 => file(&role, number),
        2 | 3 => return Ok(vec![policy(chance), file(&role, number)]),
        4 => return Ok(vec![arguments(&role, number), file(&role, number)]),
        5 => arguments(&role, number),
        6 => Change::Delete(Reference::ours("MachineConfig", &name(&role, "file"))),
        7 => Change::Stream { pool: role, stream: chance.pick(&streams).cloned().unwrap_or_default() },
        8 if world.profile.streams.rule == StreamsRule::Many => {
            Change::DefaultStream(chance.pick(&streams).cloned().unwrap_or_default())
        }
        9 => pool(json!({"paused": true})),
        10 => pool(json!({"paused": false})),
        11 => pool(json!({"maxUnavailable": world::most_unavailable(chance)})),
        12 => kubelet(if chance.one_in(3) { MASTER } else { WORKER }, number),
        13 => return Ok(vec![pool(json!({"paused": false})), mirrors(number)]),
        KINDS_OF_CHANGES => Change::Delete(Reference::ours("MachineOSConfig", &role)),
        kind if kind > KINDS_OF_CHANGES => Change::Apply(works::os_config(&role, number)),
        _ if *release + 1 < world::RELEASES => {
            *release += 1;
            Change::Release(Box::new(payload(shared, world.profile, *release).await?))
        }
        _ => file(&role, number),
    };
    Ok(vec![one])
}

/// A change of one of the other kinds.
fn others(chance: &mut Chance, world: &World, role: &str) -> Vec<Change> {
    let ignition = |part: &str, value: Value| {
        config(role, part, &json!({"config": {"ignition": {"version": "3.4.0"}, part: value}}))
    };
    let unit = || ignition("systemd", json!({"units": [{"name": UNIT, "enabled": true, "contents": "[Unit]\n"}]}));
    let key = || ignition("passwd", json!({"users": [{"name": "core", "sshAuthorizedKeys": ["ssh-ed25519 sim"]}]}));
    let one = match chance.below(OTHER_KINDS) {
        0 => unit(),
        1 => return vec![of_units(chance), unit()],
        2 => key(),
        3 => config(role, "extensions", &json!({"extensions": ["usbguard"]})),
        4 => config(role, "kernel", &json!({"kernelType": "realtime"})),
        5 => {
            let of = if chance.one_in(3) { MASTER } else { WORKER };
            let label = format!("pools.operator.machineconfiguration.openshift.io/{of}");
            let selector = json!({"matchLabels": {label: ""}});
            let settings = json!({"logLevel": "debug", "pidsLimit": 4096});
            let spec = json!({"machineConfigPoolSelector": selector, "containerRuntimeConfig": settings});
            Change::Apply(object(MACHINE_CONFIG_GROUP, "ContainerRuntimeConfig", "plan", &spec))
        }
        6 => Change::Delete(Reference::ours("MachineConfigPool", &a_custom_pool(chance, world))),
        7 => return vec![unit(), key()],
        // A pool of its own for a node.
        _ => {
            let configs = json!([{"key": ROLE, "operator": "In", "values": [WORKER, OWN_POOL]}]);
            let spec = json!({
                "machineConfigSelector": {"matchExpressions": configs},
                "nodeSelector": {"matchLabels": {"kubernetes.io/hostname": format!("{role}-0")}},
            });
            Change::Apply(object(MACHINE_CONFIG_GROUP, "MachineConfigPool", OWN_POOL, &spec))
        }
    };
    vec![one]
}

/// A custom pool; the name of none where there is none.
fn a_custom_pool(chance: &mut Chance, world: &World) -> String {
    let custom: Vec<&str> = world.nodes.custom().collect();
    chance.pick(&custom).copied().unwrap_or(OWN_POOL).to_owned()
}

async fn payload(shared: &Distribution, profile: &Profile, at: usize) -> Result<Payload> {
    let release = shared.releases.get(at).context("there is no such release")?;
    let source = observe::of_release(&shared.images, profile, release).await.source;
    let tree = templates::of_release(&shared.images, release).await?;
    Ok(Payload {
        image: release.image.clone(),
        version: release.version.clone(),
        tags: release.tags.iter().map(|tag| (tag.name.clone(), tag.image.clone())).collect(),
        source,
        templates: ReleaseTemplates { tree, release: Some(release.version.clone()) },
        kubernetes: None,
    })
}

fn object(group: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn name(role: &str, what: &str) -> String {
    format!("99-{role}-plan-{what}")
}

fn config(role: &str, what: &str, spec: &Value) -> Change {
    let mut config = object(MACHINE_CONFIG_GROUP, "MachineConfig", &name(role, what), spec);
    config["metadata"]["labels"] = json!({ROLE: role});
    Change::Apply(config)
}

fn file(role: &str, revision: u64) -> Change {
    let contents = json!({"source": format!("data:,{revision}")});
    let file = json!({"path": FILE, "mode": 420, "overwrite": true, "contents": contents});
    let ignition = json!({"ignition": {"version": "3.4.0"}, "storage": {"files": [file]}});
    config(role, "file", &json!({ "config": ignition }))
}

fn arguments(role: &str, revision: u64) -> Change {
    config(role, "arguments", &json!({"kernelArguments": [format!("sim.{role}={revision}")]}))
}

fn policy(chance: &mut Chance) -> Change {
    disruption(&json!({"files": [{"path": FILE, "actions": [action(chance)]}]}))
}

fn of_units(chance: &mut Chance) -> Change {
    disruption(&json!({"units": [{"name": UNIT, "actions": [action(chance)]}]}))
}

fn action(chance: &mut Chance) -> Value {
    match chance.pick(&ACTIONS).copied().unwrap_or_default() {
        "Restart" => json!({"type": "Restart", "restart": {"serviceName": "chronyd.service"}}),
        other => json!({ "type": other }),
    }
}

fn disruption(policy: &Value) -> Change {
    let spec = json!({"managementState": "Managed", "nodeDisruptionPolicy": policy});
    Change::Apply(object(OPERATOR_GROUP, "MachineConfiguration", "cluster", &spec))
}

fn kubelet(role: &str, revision: u64) -> Change {
    let label = format!("pools.operator.machineconfiguration.openshift.io/{role}");
    let spec = json!({
        "machineConfigPoolSelector": {"matchLabels": {label: ""}}, "kubeletConfig": {"maxPods": 200 + revision},
    });
    Change::Apply(object(MACHINE_CONFIG_GROUP, "KubeletConfig", &format!("plan-{role}"), &spec))
}

fn mirrors(revision: u64) -> Change {
    let mirror = json!({"source": "registry.example.com/a", "mirrors": [format!("mirror-{revision}.example.com/a")]});
    Change::Apply(object(CONFIG_GROUP, "ImageDigestMirrorSet", "plan", &json!({"imageDigestMirrors": [mirror]})))
}

/// Makes the changes, policies first: machines ask for them when they change.
async fn make(cluster: &mut Cluster<'_>, changes: &[Change], release: usize) -> Result<()> {
    for change in changes {
        match change {
            Change::Apply(object) => merge(cluster.client(), object).await?,
            Change::Delete(of) => {
                let object = object(&of.group, &of.kind, &of.name, &Value::Null);
                place(cluster.client(), &object)
                    .delete(&of.name, &DeleteParams::default())
                    .await
                    .context("deleting")?;
            }
            Change::Stream { pool, stream } => {
                let intent = Intent::Stream { pool: pool.clone(), name: Some(stream.clone()) };
                cluster.act(&intent).await?;
            }
            Change::DefaultStream(stream) => cluster.act(&Intent::Default(stream.clone())).await?,
            Change::Release(_) => cluster.act(&Intent::Release(release)).await?,
        }
    }
    Ok(())
}

/// What is changed, in a line.
fn said(changes: &[Change]) -> String {
    let each = changes.iter().map(|change| match change {
        Change::Apply(object) => object.to_string(),
        Change::Release(release) => format!("release {}", release.version),
        other => format!("{other:?}"),
    });
    each.collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lives that are compared in every run of the tests; `cargo xtask plans` compares hundreds.
    const LIVES: u64 = 3;

    #[test]
    fn what_is_planned_is_what_happens() {
        let prepared = Prepared::new().unwrap();
        let mut all = Foreseen::default();
        for seed in 0..LIVES {
            let found = foresee(seed, 0..CHANGES, &prepared).unwrap();
            assert_eq!(found.differences, [""; 0], "seed {seed}");
            all.plans += found.plans;
            all.reboots += found.reboots;
            all.quiet += found.quiet;
            all.waits += found.waits;
            all.blocked += found.blocked;
            all.failed += found.failed;
            all.images += found.images;
        }
        println!("{LIVES} lives (seeds 0 to {}): {all:?}", LIVES - 1);
        assert!(all.plans > 10 && all.reboots > 5, "{all:?}");
    }

    /// Lives whose plans did not come true once: drains took along as many tries of a build as it has.
    const MENDED: [u64; 1] = [11_692];

    #[test]
    fn plans_that_were_wrong_once_come_true() {
        let prepared = Prepared::new().unwrap();
        for seed in MENDED {
            assert_eq!(foresee(seed, 0..CHANGES, &prepared).unwrap().differences, [""; 0], "seed {seed}");
        }
    }
}
