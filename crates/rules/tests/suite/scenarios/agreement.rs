//! Read-only commands say what the controllers do: R-WORLD-3, for random clusters.

use super::scenario::Scenario;
use jiff::{SignedDuration, Timestamp};
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::sync::Arc;
use weir_api::{
    ClusterVersion, ControllerConfig, FeatureGate, Infrastructure, OSImageStream,
    condition::{FALSE, TRUE},
    keys::{
        names::{CLUSTER, CONTROLLER_CONFIG, VERSION},
        pool::RENDER_DEGRADED,
    },
};
use weir_distro::Profile;
use weir_rules::{
    objects::conditions::{Said, set_condition},
    render::Build,
    rollout::{RolloutPlan, halt::Halt},
    status::notices::set_notices,
    stream::{
        mismatch,
        problem::{CatalogProblem, PayloadEvidence, StreamProblems},
    },
    view::unreadable::UnreadableObject,
    world::{
        GeneratedWith, Object, Process, World,
        explain::{explain_all, summary},
    },
};

/// A pool or a node of a scenario, or what happens to one.
fn command() -> impl Strategy<Value = String> {
    let pool = prop::sample::select(vec!["master", "worker", "infra", "arbiter"]);
    let node = prop::sample::select(vec!["a", "b", "c", "d", "e", "f"]);
    let config = prop::sample::select(vec!["c0", "c1", "c2"]);
    let max = prop::sample::select(vec![
        "max=1",
        "max=2",
        "max=50%",
        "max=0",
        "max=odd",
        "paused=yes",
        "image-mode=yes",
        "image-mode=no",
    ]);
    let roles = prop::sample::select(vec!["worker", "worker,infra", "master", "infra,gpu", "gpu", "arbiter"]);
    let state = prop::sample::select(vec!["zone=z1", "zone=z2", "cordoned=yes", "ready=no", "age=3", "age=1"]);
    let built = prop::sample::select(vec!["building", "fails no", "done i1", "named i1", "done i2", "named i2"]);
    let does = prop::sample::select(vec!["working", "drain", "rebooting", "done", "fails it is broken"]);
    prop_oneof![
        6 => (pool.clone(), config.clone()).prop_map(|(pool, config)| format!("pool {pool} target={config}")),
        3 => (pool.clone(), max).prop_map(|(pool, max)| format!("pool {pool} {max}")),
        1 => prop::sample::select(vec!["deleting=yes", "selector=odd"]).prop_map(|odd| format!("pool infra {odd}")),
        9 => (node.clone(), roles, config.clone())
            .prop_map(|(node, roles, config)| format!("node {node} pool={roles} runs={config}")),
        4 => (node.clone(), state).prop_map(|(node, state)| format!("node {node} {state}")),
        3 => (node.clone(), does).prop_map(|(node, does)| format!("daemon {node} {does}")),
        1 => (node.clone(), pool.clone()).prop_map(|(node, pool)| format!("first {node} c0 {pool}")),
        1 => node.prop_map(|node| format!("operator {node}")),
        1 => Just("topology HighlyAvailableArbiter".to_owned()),
        2 => (pool, built).prop_map(|(pool, does)| format!("build {pool} {does}")),
        2 => Just("go".to_owned()),
        2 => Just("wait 2s".to_owned()),
    ]
}

/// What holds for the cluster as a whole.
#[derive(Clone, Debug)]
struct Whole {
    /// Build on the ControllerConfig.
    build: &'static str,
    /// Versions that the FeatureGate has lists for; there is none without any.
    lists: &'static [&'static str],
    streams_on: bool,
    counts: bool,
    /// Release that the cluster is to run: version and image.
    desired: Option<(&'static str, &'static str)>,
    /// Marks of the OSImageStream: image and build; there is none without.
    made: Option<(&'static str, &'static str)>,
    foreign: bool,
    /// Release that could not be read.
    problem: Option<&'static str>,
    unreadable: Option<&'static str>,
    /// Whether a pool is still as a contradiction left it.
    stale: bool,
}

fn whole() -> impl Strategy<Value = Whole> {
    let some = prop::sample::select::<&'static str>;
    let cluster = (
        prop_oneof![6 => Just("us"), 1 => Just("them")],
        prop_oneof![6 => Just(&["5.0.0"][..]), 2 => Just(&["5.0.0", "5.0.1"][..]), 1 => Just(&["4.9.0"][..]), 1 => Just(&[][..])],
        any::<bool>(),
        any::<bool>(),
        prop_oneof![6 => Just(Some(("5.0.0", "r@1"))), 1 => Just(Some(("5.0.1", "r@2"))), 1 => Just(None)],
    );
    let found = (
        prop_oneof![8 => Just(Some(("r@1", "h"))), 1 => Just(Some(("r@1", "other"))), 1 => Just(Some(("", ""))), 1 => Just(None)],
        prop_oneof![8 => Just(false), 1 => Just(true)],
        prop::option::weighted(0.2, some(vec!["r@1", "r@2"])),
        prop::option::weighted(0.25, some(UNREADABLE.to_vec())),
        prop_oneof![4 => Just(false), 1 => Just(true)],
    );
    (cluster, found).prop_map(|((build, lists, streams_on, counts, desired), found)| {
        let (made, foreign, problem, unreadable, stale) = found;
        Whole { build, lists, streams_on, counts, desired, made, foreign, problem, unreadable, stale }
    })
}

/// Kinds of which an object may be unreadable.
const UNREADABLE: [&str; 8] = [
    "Node",
    "MachineConfigPool",
    "MachineConfigNode",
    "MachineConfig",
    "ControllerConfig",
    "OSImageStream",
    "FeatureGate",
    "ClusterVersion",
];

const SETTLE: SignedDuration = SignedDuration::from_secs(3);

fn read<K: DeserializeOwned + Into<Object>>(object: &impl Serialize) -> Object {
    serde_json::from_value::<K>(serde_json::to_value(object).unwrap()).unwrap().into()
}

impl Whole {
    /// The world of the controllers.
    fn acting(&self, scenario: &Scenario) -> World {
        let mut world = scenario.world();
        world.whole = true;
        let on = [("OSStreams", self.streams_on), ("ImageModeStatusReporting", self.counts)];
        let on: Vec<Value> = on.iter().filter(|(_, on)| *on).map(|(gate, _)| json!({ "name": gate })).collect();
        let lists: Vec<Value> =
            self.lists.iter().map(|version| json!({"version": version, "enabled": on.clone()})).collect();
        if !lists.is_empty() {
            world
                .put(read::<FeatureGate>(&json!({"metadata": {"name": "cluster"}, "status": {"featureGates": lists}})));
        }
        if let Some((version, image)) = self.desired {
            let desired = json!({"version": version, "image": image});
            world
                .put(read::<ClusterVersion>(&json!({"metadata": {"name": "version"}, "status": {"desired": desired}})));
        }
        if let Some((image, build)) = self.made {
            let key = |name: &str| format!("machineconfiguration.openshift.io/{name}");
            let marks = json!({key("release-payload-image"): image, key("release-image-version"): build});
            let set = json!({"name": "s", "osImage": "i", "osExtensionsImage": "e"});
            let status = json!({"defaultStream": "s", "availableStreams": [set]});
            world.put(read::<OSImageStream>(
                &json!({"metadata": {"name": "cluster", "annotations": marks}, "status": status}),
            ));
        }
        if let Some(config) = &mut world.controller_config {
            let mark = ("machineconfiguration.openshift.io/generated-by-version".to_owned(), self.build.to_owned());
            Arc::make_mut(config).metadata.annotations = Some([mark].into());
        }
        // Nobody who sees a ControllerConfig takes the topology from here.
        let infrastructure = json!({"metadata": {"name": "cluster"}, "status": {"controlPlaneTopology": "External"}});
        world.put(read::<Infrastructure>(&infrastructure));
        if let Some(kind) = self.unreadable {
            make_unreadable(&mut world, kind);
        }
        let catalog = self.problem.map(|release| CatalogProblem {
            release: release.to_owned(),
            why: "no answer".to_owned(),
            blocking: false,
            next: None,
        });
        let tags = if self.foreign { vec!["stream-coreos".to_owned()] } else { Vec::new() };
        let problems = StreamProblems { evidence: PayloadEvidence { tags, several_streams: Vec::new() }, catalog };
        let build = Build { raw: "us".to_owned(), hash: "h".to_owned(), release: None };
        world.profile = Some(Profile::by_name("ocp").unwrap());
        world.process = Some(Process {
            build: Arc::new(build),
            settle: SETTLE,
            generates: false,
            problems,
            generated_with: GeneratedWith::Any,
        });
        self.say(&mut world, scenario.now);
        world
    }

    /// The controllers say on the pools what they know, as the render controller does.
    fn say(&self, world: &mut World, now: Timestamp) {
        let observed = world.clone();
        let views = observed.pool_views();
        for view in views.iter().filter(|view| !view.deleting) {
            let mut pool = view.object.clone();
            let conditions = pool.status.get_or_insert_default().conditions.get_or_insert_default();
            let said = observed.parts(view, &views).err();
            let message = said.as_ref().map(|failure| failure.message(view.object)).unwrap_or_default();
            let reason = said.as_ref().map(|failure| failure.code()).unwrap_or_default();
            let status = if said.is_some_and(|failure| failure.is_failure()) { TRUE } else { FALSE };
            set_condition(conditions, Said { type_: RENDER_DEGRADED, status, reason, message: &message }, now);
            set_notices(conditions, &observed.facts(), now);
            world.put(pool.into());
        }
        if self.stale
            && observed.halt(&views).is_none()
            && let Some(pool) = world.pools.iter_mut().find(|pool| pool.metadata.deletion_timestamp.is_none())
        {
            let conditions = Arc::make_mut(pool).status.get_or_insert_default().conditions.get_or_insert_default();
            let said = Said { type_: RENDER_DEGRADED, status: TRUE, reason: mismatch::CODE, message: "it contradicts" };
            set_condition(conditions, said, now);
        }
    }
}

/// One object of the kind is there and cannot be read, so that nothing is known of it but its name.
fn make_unreadable(world: &mut World, kind: &str) {
    let name = match kind {
        "ControllerConfig" => world.controller_config.take().map(|_| CONTROLLER_CONFIG),
        "OSImageStream" => world.streams.take().map(|_| CLUSTER),
        "FeatureGate" => world.feature_gate.take().map(|_| CLUSTER),
        "ClusterVersion" => world.version.take().map(|_| VERSION),
        _ => Some("c1"),
    };
    world.unreadable.extend(name.map(|name| UnreadableObject {
        kind: kind.to_owned(),
        name: name.to_owned(),
        labels: Default::default(),
        said: format!("{kind} {name} cannot be read: too deep"),
    }));
}

/// The same cluster as a command reads it: nothing but its objects, as the API server prints them.
fn looking(acting: &World) -> World {
    fn all<'a, K: Serialize + DeserializeOwned + Into<Object>>(
        objects: &'a [Arc<K>],
    ) -> impl Iterator<Item = Object> + 'a {
        objects.iter().map(|object| read::<K>(object.as_ref()))
    }
    let singles = [
        acting.version.iter().map(|o| read::<ClusterVersion>(o.as_ref())).next(),
        acting.feature_gate.iter().map(|o| read::<FeatureGate>(o.as_ref())).next(),
        acting.infrastructure.iter().map(|o| read::<Infrastructure>(o.as_ref())).next(),
        acting.controller_config.iter().map(|o| read::<ControllerConfig>(o.as_ref())).next(),
        acting.streams.iter().map(|o| read::<OSImageStream>(o.as_ref())).next(),
    ];
    let unreadable = acting.unreadable.iter().cloned().map(Object::Unreadable);
    let objects = (all(&acting.nodes).chain(all(&acting.pools)).chain(all(&acting.configs)))
        .chain(all(&acting.reports))
        .chain(all(&acting.os_configs))
        .chain(all(&acting.os_builds))
        .chain(all(&acting.pods))
        .chain(singles.into_iter().flatten())
        .chain(unreadable);
    World { whole: true, ..World::of(objects) }
}

/// Who starts, in which order and towards what; who waits, in which pool and for what; who is done.
fn said(plan: &RolloutPlan) -> impl PartialEq + std::fmt::Debug + use<> {
    let hold: Vec<_> = plan.hold.iter().map(|h| (h.node.clone(), h.pool.clone(), h.reason.clone())).collect();
    (plan.start.clone(), hold, plan.done.clone(), plan.adopt.clone(), plan.next)
}

proptest! {
    #![proptest_config(Config { cases: 200, rng_seed: RngSeed::Fixed(11), failure_persistence: None, ..Config::default() })]

    #[test]
    fn commands_and_controllers_say_the_same(
        commands in prop::collection::vec(command(), 10..45),
        whole in whole(),
    ) {
        let mut scenario = Scenario::new();
        for command in ["settle 3s", "configs c0 c1"].iter().map(|text| (*text).to_owned()).chain(commands) {
            // Of what is not there nothing happens.
            let _ = scenario.run(&command);
        }
        let acting = whole.acting(&scenario);
        let looking = looking(&acting);
        let plan = acting.views().plan(None, scenario.now);
        let looked = looking.views().plan(None, scenario.now);
        prop_assert_eq!(said(&plan), said(&looked));
        let told = explain_all(&looking, scenario.now);
        let starts: Vec<&String> = told.iter().flat_map(|pool| &pool.start).collect();
        prop_assert!(plan.start.iter().all(|start| starts.contains(&&start.node)) && plan.start.len() == starts.len());
        for (told, known) in told.iter().zip(explain_all(&acting, scenario.now)) {
            prop_assert_eq!(told.json(), known.json());
        }
    }
}

/// `weir status` of a cluster in which nothing starts promises no start, and says what is in the way.
#[test]
fn a_halted_cluster_is_promised_nothing() {
    let mut scenario = Scenario::new();
    for command in
        ["configs c0 c1", "pool worker target=c1", "node a pool=worker runs=c0", "node b pool=worker runs=c0"]
    {
        scenario.run(command).unwrap();
    }
    let fine = Whole {
        build: "us",
        lists: &["5.0.0"],
        streams_on: true,
        counts: false,
        desired: Some(("5.0.0", "r@1")),
        made: Some(("r@1", "h")),
        foreign: false,
        problem: None,
        unreadable: None,
        stale: false,
    };
    let told = |whole: &Whole| {
        let world = looking(&whole.acting(&scenario));
        let halt = world.halt(&world.pool_views());
        (halt, summary(&explain_all(&world, scenario.now), scenario.now))
    };
    let (halt, text) = told(&fine);
    assert!(halt.is_none() && text.contains("worker: a may start now\n"), "{text}");
    let halted = |whole: Whole| {
        let (halt, text) = told(&whole);
        assert!(!text.contains("may start now"), "{text}");
        let halt = halt.unwrap();
        assert!(text.contains(&format!("worker: a, b wait: no rollout may start: {halt}\n")), "{text}");
        halt
    };
    assert!(matches!(halted(Whole { build: "them", ..fine.clone() }), Halt::OtherBuild(_)));
    assert!(matches!(halted(Whole { foreign: true, ..fine.clone() }), Halt::Mismatch(_)));
    assert!(matches!(halted(Whole { unreadable: Some("Node"), ..fine.clone() }), Halt::Unreadable(_)));
    assert_eq!(halted(Whole { made: None, ..fine.clone() }), Halt::BeingRead);
    assert_eq!(halted(Whole { made: Some(("r@0", "h")), ..fine.clone() }), Halt::BeingRead);
    assert_eq!(halted(Whole { made: Some(("r@1", "other")), ..fine.clone() }), Halt::BeingRead);
    let remade = Whole { made: Some(("r@1", "other")), unreadable: Some("ControllerConfig"), ..fine.clone() };
    assert_eq!(halted(remade), Halt::BeingRead);
    assert_eq!(halted(Whole { stale: true, ..fine.clone() }), Halt::Stale);
    // Of several the first is said.
    let foreign = Whole { foreign: true, unreadable: Some("Node"), made: None, ..fine.clone() };
    assert!(matches!(halted(Whole { build: "them", ..foreign.clone() }), Halt::OtherBuild(_)));
    assert!(matches!(halted(foreign.clone()), Halt::Mismatch(_)));
    assert!(matches!(halted(Whole { foreign: false, ..foreign }), Halt::Unreadable(_)));
    // What keeps the release from being read lets nodes go on: their targets are those of the streams known before.
    assert_eq!(told(&Whole { made: Some(("r@0", "h")), problem: Some("r@1"), ..fine }).0, None);
}
