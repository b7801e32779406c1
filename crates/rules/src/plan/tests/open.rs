//! What is not known of pools when objects are missing, and of settings that change what nothing here can compute.

use super::*;
use crate::view::unreadable::UnreadableObject;

fn settings(kind: &str, spec: &Json) -> Change {
    Change::Apply(json!({
        "apiVersion": "config.openshift.io/v1", "kind": kind, "metadata": {"name": "cluster"}, "spec": spec,
    }))
}

fn pods(max: u32) -> Change {
    Change::Apply(json!({
        "apiVersion": format!("{MACHINE_CONFIG_GROUP}/v1"), "kind": "KubeletConfig", "metadata": {"name": "pods"},
        "spec": {
            "machineConfigPoolSelector": {"matchLabels": {"pool": "worker"}}, "kubeletConfig": {"maxPods": max},
        },
    }))
}

/// What every cluster has and generators need.
pub(super) fn features() -> [Object; 3] {
    let lists = json!([{"version": "4.20.1", "enabled": [{"name": "OSStreams"}], "disabled": []}]);
    let status = json!({
        "desired": {"version": "4.20.1", "image": "r.io/release@old"}, "history": [], "observedGeneration": 1,
    });
    let config = |kind: &str, name: &str, status: &Json| {
        object("config.openshift.io", kind, json!({"metadata": {"name": name}, "spec": {}, "status": status}))
    };
    [
        config("FeatureGate", "cluster", &json!({"featureGates": lists})),
        config("ClusterVersion", "version", &status),
        ours("ControllerConfig", json!({"metadata": {"name": "machine-config-controller"}})),
    ]
}

pub(super) fn cluster(more: impl IntoIterator<Item = Object>) -> World {
    World { whole: true, ..at_rest_with(features().into_iter().chain(more)) }
}

fn open(plan: &Plan) -> Vec<&str> {
    assert_eq!(plan.leaves_open(), !plan.changes_nothing(), "{}", text(plan));
    plan.unknown_pools().map(|pool| pool.pool.as_str()).collect()
}

#[test]
fn a_pool_is_not_rendered_without_its_machine_configs() {
    let mut world = at_rest_with([ours("MachineConfig", config("50-x", "worker", &file("/etc/x", "x")))]);
    world.configs.retain(|config| config.metadata.name.as_deref() != Some("50-x"));
    let plan = planned(&world, &[]);
    assert_eq!((open(&plan), plan.reboots(), order(&plan)), (vec!["infra", "worker"], 0, String::new()));
    let said = text(&plan);
    assert!(said.starts_with("what the nodes of infra, worker will do is not known\npool infra: stays on"), "{said}");
    assert!(!said.contains("default") && !said.contains("as they are"), "{said}");
    let why = "of what it is rendered from, 1 MachineConfig is not among the files: 50-x";
    assert_eq!(plan.unknown[0], format!("what pools infra, worker are rendered to: {why}"));
}

fn odd(kind: &str, name: &str, role: &str) -> Object {
    let said =
        format!("{kind} {name} cannot be read: spec.kernelArguments: invalid type: integer, expected a sequence");
    let labels = [(format!("{PREFIX}/role"), role.to_owned())].into();
    Object::Unreadable(UnreadableObject { kind: kind.to_owned(), name: name.to_owned(), labels, said })
}

/// What cannot be read is not nothing: the pools that take it are not planned without it, and the others are.
#[test]
fn a_pool_is_not_rendered_without_a_machine_config_that_cannot_be_read() {
    let mut world = at_rest_with([ours("MachineConfig", config("50-x", "infra", &file("/etc/x", "x")))]);
    world.configs.retain(|config| config.metadata.name.as_deref() != Some("50-x"));
    world.put(odd("MachineConfig", "50-x", "infra"));
    let plan = planned(&world, &[motd("x")]);
    assert_eq!(plan.unknown_pools().map(|pool| pool.pool.as_str()).collect::<Vec<_>>(), ["infra"]);
    assert_eq!((order(&plan), does(&plan, "worker").contains("reboot")), ("a b c".to_owned(), true));
    assert!(plan.leaves_open() && codes(&plan).is_empty(), "{:?}", plan.findings);
    let of_pool = "pool infra is not rendered, nor was it before the change: MachineConfig 50-x cannot be read";
    assert!(plan.unknown.iter().any(|said| said.contains(of_pool)), "{:?}", plan.unknown);
    let why = "what follows from objects that cannot be read: MachineConfig 50-x cannot be read: ";
    assert!(plan.unknown.iter().any(|said| said.starts_with(why)), "{:?}", plan.unknown);
    // One that is read again is planned with.
    let again = Change::Apply(config("50-x", "infra", &file("/etc/x", "y")));
    let gone = Change::Delete(change::Reference::ours("MachineConfig", "50-x"));
    for change in [again, gone] {
        let plan = planned(&world, &[change]);
        let is_odd = |said: &String| said.contains("cannot be read");
        assert!(!plan.leaves_open() && !plan.unknown.iter().any(is_odd), "{:?}", plan.unknown);
    }
}

#[test]
fn nothing_is_generated_without_settings_that_cannot_be_read() {
    let mut world = cluster([ours("MachineConfigPool", pool("worker", &["worker"]))]);
    world.put(odd("KubeletConfig", "odd", "worker"));
    let plan = planned(&world, &[motd("x")]);
    assert_eq!(plan.unknown_pools().count(), 0, "nothing is generated anew: {}", text(&plan));
    let plan = planned(&world, &[pods(100)]);
    assert_eq!(plan.unknown_pools().count(), plan.pools.len(), "{}", text(&plan));
    let why = "MachineConfigs are generated from KubeletConfig too, and not every such object can be read";
    assert!(plan.unknown.iter().any(|said| said.ends_with(why)), "{:?}", plan.unknown);
}

#[test]
fn a_pool_that_every_cluster_has_is_not_taken_to_be_absent() {
    let mut world = at_rest();
    world.pools.retain(|pool| pool.metadata.name.as_deref() != Some("worker"));
    let plan = planned(&world, &[motd("x")]);
    assert!(plan.leaves_open() && !plan.changes_nothing());
    assert!(summary(&plan).contains("what the nodes of worker will do is not known"), "{}", summary(&plan));
    assert!(plan.unknown.iter().any(|said| said == "what the nodes of pool worker do: it is not among the files"));
    world.whole = true;
    assert!(planned(&world, &[motd("x")]).missing.is_empty());
}

#[test]
fn settings_are_not_applied_to_what_files_leave_out() {
    let world = at_rest();
    for change in [pods(300), settings("Image", &json!({"registrySources": {"blockedRegistries": ["a.example.com"]}}))]
    {
        let plan = planned(&world, &[change]);
        assert_eq!(open(&plan), ["infra", "master", "worker"], "{}", text(&plan));
        assert!(plan.findings.is_empty(), "{:?}", plan.findings);
        let said = plan.unknown.iter().find(|said| said.contains("generated from")).unwrap();
        assert!(
            said.contains("ControllerConfig machine-config-controller, FeatureGate cluster too, which are"),
            "{said}"
        );
    }
}

#[test]
fn tls_settings_change_templates_that_are_not_read() {
    let modern = || settings("APIServer", &json!({"tlsSecurityProfile": {"type": "Modern", "modern": {}}}));
    let world = cluster([]);
    let plan = planned(&world, &[modern()]);
    assert_eq!(open(&plan), ["infra", "master", "worker"]);
    assert!(plan.unknown[0].contains("TLS settings of APIServer cluster"), "{:?}", plan.unknown);
    let other = settings("APIServer", &json!({"audit": {"profile": "None"}}));
    assert!(planned(&world, &[other]).changes_nothing());
}

#[test]
fn what_cannot_be_generated_before_and_after_is_no_reason_to_say_nothing() {
    let mut world = cluster([]);
    let Change::Apply(mut odd) = pods(250) else { unreachable!() };
    odd["spec"]["kubeletConfig"]["cgroupDriver"] = json!("cgroupfs");
    odd["metadata"]["name"] = json!("odd");
    world.put(ours("KubeletConfig", odd));
    let plan = planned(&world, &[pods(300)]);
    assert_eq!(open(&plan), ["infra", "master", "worker"], "{}", text(&plan));
    assert!(plan.unknown[0].contains("nothing can be generated from KubeletConfig odd"), "{:?}", plan.unknown);
    // A change of something else has nothing to do with it.
    assert!(planned(&world, &[motd("x")]).unknown_pools().next().is_none());
}

#[test]
fn what_belongs_to_a_deleted_image_goes_with_it() {
    let mut registries =
        config("99-worker-generated-registries", "worker", &file("/etc/containers/registries.conf", "x"));
    registries["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "config.openshift.io/v1", "kind": "Image", "name": "cluster", "uid": "u"}]);
    let image = json!({"metadata": {"name": "cluster"}});
    let world = cluster([ours("MachineConfig", registries), object("config.openshift.io", "Image", image)]);
    let of_image = change::Reference {
        group: "config.openshift.io".to_owned(),
        kind: "Image".to_owned(),
        namespace: String::new(),
        name: "cluster".to_owned(),
    };
    let plan = planned(&world, &[Change::Delete(of_image)]);
    let worker = plan.pools.iter().find(|pool| pool.pool == "worker").unwrap();
    let gone: Vec<&str> = worker.differences.as_ref().unwrap().iter().map(|one| one.what.as_str()).collect();
    assert_eq!(gone, ["file /etc/containers/registries.conf"], "{:?} {:?}", plan.findings, plan.unknown);
}

#[test]
fn files_without_a_machine_configuration_say_that_policies_are_not_known() {
    let said = |world: &World| planned(world, &[motd("x")]).unknown.join("\n");
    let mut world = at_rest();
    assert!(said(&world).contains("whether a node disruption policy covers what differs"), "{}", said(&world));
    world.whole = true;
    assert!(!said(&world).contains("policy"), "{}", said(&world));
}

/// The files lack the object, not the cluster.
#[test]
fn pools_are_open_without_the_streams_and_features_that_decide_about_them() {
    let whole = || at_rest_with(features());
    let without = |change: &dyn Fn(&mut World)| {
        let mut world = World { whole: false, ..whole() };
        change(&mut world);
        world
    };
    for (world, why) in [
        (without(&|world| world.streams = None), "there is no OSImageStream among the files"),
        (
            without(&|world| (world.streams, world.feature_gate, world.controller_config) = (None, None, None)),
            "neither a ControllerConfig nor an OSImageStream is among the files",
        ),
    ] {
        for changes in [vec![], vec![motd("x")]] {
            let plan = planned(&world, &changes);
            assert_eq!(open(&plan), ["infra", "master", "worker"], "{}", text(&plan));
            assert_eq!(plan.unknown, [format!("what pools infra, master, worker are rendered to: {why}")]);
            assert!(plan.findings.is_empty(), "{:?}", plan.findings);
            let said = text(&plan);
            assert!(!said.contains(" stay") || !said.contains("as they are"), "{said}");
        }
    }
}

fn mirrors(kind: &str, name: &str, list: &str) -> Json {
    json!({
        "apiVersion": "config.openshift.io/v1", "kind": kind, "metadata": {"name": name},
        "spec": {list: [{"source": format!("{name}.example.com/a"), "mirrors": ["m.example.com/a"]}]},
    })
}

/// A cluster with mirrors, and with what is generated from them.
fn mirrored() -> World {
    let template = |role: &str| {
        let files = [
            ("/etc/containers/registries.conf", "unqualified-search-registries = ['a.example.com']\n"),
            ("/etc/containers/policy.json", "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}"),
            ("/etc/containers/storage.conf", "[storage]\n"),
        ];
        let mut spec = file("/etc/base", "b");
        for (path, text) in files {
            let one = file(path, text)["config"]["storage"]["files"][0].clone();
            spec["config"]["storage"]["files"].as_array_mut().unwrap().push(one);
        }
        ours("MachineConfig", config(&format!("00-{role}"), role, &spec))
    };
    let built_in = |name: &str| {
        let mut pool = pool(name, &[name]);
        pool["metadata"]["labels"] = json!({format!("{PREFIX}/mco-built-in"): ""});
        ours("MachineConfigPool", pool)
    };
    let image = || object("config.openshift.io", "Image", json!({"metadata": {"name": "cluster"}}));
    let given = || {
        let of_roles = ["master", "worker"].map(|role| [template(role), built_in(role)]);
        let release = json!({"metadata": {"name": "machine-config-controller"}, "spec": {"releaseImage": "r.example.com/a/release:1"}});
        let more = [image(), ours("ControllerConfig", release)];
        features().into_iter().chain(of_roles.into_iter().flatten()).chain(more)
    };
    let digests = || {
        object(
            "config.openshift.io",
            "ImageDigestMirrorSet",
            mirrors("ImageDigestMirrorSet", "d", "imageDigestMirrors"),
        )
    };
    let before = at_rest_with(given());
    let mut after = before.clone();
    after.put(digests());
    super::super::generated::regenerate(&before, &mut after, None, now());
    let is_made = |config: &&std::sync::Arc<MachineConfig>| {
        config.metadata.name.as_deref().is_some_and(|name| name.ends_with("-generated-registries"))
    };
    let made: Vec<Object> = after.configs.iter().filter(is_made).map(|config| config.as_ref().clone().into()).collect();
    assert_eq!(made.len(), 2, "{:?}", after.configs.iter().map(|config| &config.metadata.name).collect::<Vec<_>>());
    at_rest_with(given().chain([digests()]).chain(made))
}

/// Files without the mirrors that are in force would have them vanish with any other.
#[test]
fn pools_are_open_where_registries_have_what_no_object_among_the_files_explains() {
    let tags = || Change::Apply(mirrors("ImageTagMirrorSet", "t", "imageTagMirrors"));
    let plan = planned(&mirrored(), &[tags()]);
    assert!(plan.unknown_pools().next().is_none() && plan.acting().count() > 0, "{}", text(&plan));
    let mut world = mirrored();
    world.settings.digest_mirrors.clear();
    let plan = planned(&world, &[tags()]);
    assert_eq!(open(&plan), ["infra", "master", "worker"], "{}", text(&plan));
    assert_eq!(
        plan.unknown[0],
        "what pools infra, master, worker are rendered to: MachineConfig 99-master-generated-registries, \
         99-worker-generated-registries have something that the files do not explain: an object that they were generated from may be left \
         out of them, which hold no ImageDigestMirrorSet, ImageTagMirrorSet, ImageContentSourcePolicy, ClusterImagePolicy, ImagePolicy"
    );
    // A change that brings what is missing explains it.
    let brought = Change::Apply(mirrors("ImageDigestMirrorSet", "d", "imageDigestMirrors"));
    assert!(planned(&world, &[brought]).changes_nothing());
    // What has nothing to do with registries is planned, and in a cluster there is nothing that is left out.
    assert!(planned(&world, &[motd("x")]).unknown_pools().next().is_none());
    world.whole = true;
    assert!(planned(&world, &[tags()]).unknown_pools().next().is_none());
}
