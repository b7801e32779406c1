//! What keeps a pool on what it has, what its nodes leave, and where what they leave came from.

use super::{findings::to_el_10, *};
use crate::history::NOT_KNOWN;

fn runc() -> Json {
    let crio = file("/etc/crio/crio.conf.d/99-runc", "[crio.runtime]\ndefault_runtime = \"runc\"\n");
    config("99-crio", "worker", &crio)
}

fn paused(world: &World, is_paused: bool) -> Change {
    let worker = world.pools.iter().find(|pool| pool.metadata.name.as_deref() == Some("worker")).unwrap();
    let mut object = serde_json::to_value(worker.as_ref()).unwrap();
    object["spec"]["paused"] = json!(is_paused);
    Change::Apply(object)
}

/// Makes worker go to the next OS; its nodes, and those of infra, are not there yet.
fn asked_for_el_10(world: &mut World) {
    edit(&mut world.pools, |pool: &mut MachineConfigPool| {
        if pool.metadata.name.as_deref() == Some("worker") {
            pool.spec.os_image_stream = serde_json::from_value(json!({"name": "rhel-10"})).unwrap();
            pool.spec.paused = Some(true);
        }
    });
}

fn of_pool<'p>(plan: &'p Plan, pool: &str) -> Vec<&'p str> {
    let of = plan.findings.iter().filter(|finding| finding.pool.as_deref() == Some(pool));
    of.map(|finding| finding.code.as_str()).collect()
}

#[test]
fn a_pool_keeps_what_it_has_where_its_os_would_not_have_what_it_asks_for() {
    let plan = planned(&at_rest(), &[Change::Apply(runc()), to_el_10()]);
    assert!(plan.pools.iter().all(|pool| !pool.changes()) && plan.waves.is_empty(), "{}", text(&plan));
    assert_eq!((of_pool(&plan, "worker"), of_pool(&plan, "infra")), (vec!["R-PLAN-RUNC"], vec!["R-PLAN-RUNC"]));
    assert!(text(&plan).starts_with("nothing changes: no node reboots; something is in the way\n"), "{}", text(&plan));
}

#[test]
fn what_keeps_a_pool_as_before_is_in_the_way_of_a_change_that_concerns_the_pool() {
    let mut world = at_rest();
    world.put(ours("MachineConfig", runc()));
    asked_for_el_10(&mut world);
    let other = Change::Apply(config("99-master-motd", "master", &file("/etc/motd", "x")));
    let plan = planned(&world, &[other]);
    assert_eq!((order(&plan).as_str(), plan.is_inhibited()), ("m", false), "{:?}", plan.findings);
    assert_eq!(of_pool(&plan, "worker"), ["R-PLAN-NOT-RENDERED"]);
    let found = plan.findings.iter().find(|finding| finding.pool.as_deref() == Some("worker")).unwrap();
    assert!(found.found.starts_with("it keeps what it has, as before the change: MachineConfigPool worker targets"));
    assert_eq!(found.evidence, ["MachineConfig 99-crio: /etc/crio/crio.conf.d/99-runc:2"]);
    let plan = planned(&world, &[paused(&world, false)]);
    assert_eq!((of_pool(&plan, "worker"), of_pool(&plan, "infra")), (vec!["R-PLAN-RUNC"], vec!["R-PLAN-NOT-RENDERED"]));
    assert!(plan.is_inhibited() && plan.waves.is_empty() && plan.unknown.is_empty(), "{:?}", plan.unknown);
    let plan = planned(&world, &[Change::Apply(config("99-crio", "worker", &file("/etc/x", "x")))]);
    assert!(plan.pools.iter().filter(|pool| pool.changes()).count() == 2, "{}", text(&plan));
}

#[test]
fn what_a_pool_would_be_rendered_from_concerns_it() {
    // Without a FeatureGate no pool of a cluster is rendered.
    let world = World { whole: true, ..at_rest() };
    let plan = planned(&world, &[motd("x")]);
    let told = |pool: &str| of_pool(&plan, pool);
    assert_eq!((told("worker"), told("infra")), (vec!["R-PLAN-RENDER"], vec!["R-PLAN-RENDER"]));
    assert_eq!((told("master"), plan.is_inhibited()), (vec!["R-PLAN-NOT-RENDERED"], true));
}

#[test]
fn a_pool_that_fails_for_an_object_names_it() {
    let mut odd = config("99-odd", "worker", &file("/etc/x", "x"));
    odd["spec"]["kernelType"] = json!("odd");
    let plan = planned(&at_rest(), &[Change::Apply(odd)]);
    let found = plan.findings.iter().find(|finding| finding.pool.as_deref() == Some("worker")).unwrap();
    assert_eq!((found.code, &found.evidence), (Code::Render, &vec!["MachineConfig 99-odd".to_owned()]));
}

#[test]
fn nodes_that_move_while_the_target_stays_are_looked_at() {
    let extensions = config("99-x", "worker", &json!({"extensions": ["usbguard"], "kernelArguments": [ODD]}));
    let mut world = at_rest_with([ours("MachineConfig", extensions)]);
    asked_for_el_10(&mut world);
    target::targets(&world.clone(), &mut world, &Facts::default());
    let plan = planned(&world, &[paused(&world, false)]);
    let wanted = ["R-PLAN-EXTENSIONS", "R-PLAN-ARCHITECTURE-LEVEL-UNKNOWN", "R-PLAN-KERNEL-ARGUMENTS"];
    assert_eq!((of_pool(&plan, "worker"), plan.pools.iter().any(PoolPlan::changes)), (wanted.to_vec(), false));
    let image = "whether the nodes of pool worker can read image r/os@rhel-10";
    assert!(plan.unknown.iter().any(|said| said.starts_with(image)), "{:?}", plan.unknown);
    assert_eq!(plan.new_images(), BTreeSet::from(["r/os@rhel-10"]));
    assert_eq!(plan.extensions_images(), BTreeSet::from(["r/ext@rhel-10"]));
    // Of what goes on without the change nothing is said.
    let other = Change::Apply(config("99-master-motd", "master", &file("/etc/motd", "x")));
    assert_eq!(of_pool(&planned(&world, &[other]), "worker"), ["R-PLAN-PAUSED"]);
}

/// An argument that the next OS ignores.
const ODD: &str = "systemd.unified_cgroup_hierarchy=0";

#[test]
fn extensions_and_arguments_that_a_pool_gets_more_are_looked_at() {
    let of = |world: &World, spec: &Json| planned(world, &[Change::Apply(config("99-y", "worker", spec))]);
    let has = config("99-x", "worker", &json!({"extensions": ["kerberos"], "kernelArguments": [ODD]}));
    let world = at_rest_with([ours("MachineConfig", has)]);
    assert_eq!(of_pool(&of(&world, &json!({"extensions": ["kerberos"], "kernelArguments": ["a"]})), "worker"), [""; 0]);
    let plan = of(&world, &json!({"extensions": ["usbguard"]}));
    let said = &plan.findings.iter().find(|finding| finding.code == Code::Extensions).unwrap().found;
    assert!(
        said.starts_with("it gets the extensions usbguard, and whether those of its OS include them is not"),
        "{said}"
    );
    let plan = of(&world, &json!({"extensions": ["usbgard"]}));
    let found = plan.findings.iter().find(|finding| finding.pool.as_deref() == Some("worker")).unwrap();
    assert_eq!((found.code, found.found.as_str()), (Code::ExtensionsMissing, "there is no extension usbgard"));
    assert_eq!(found.evidence, ["MachineConfig 99-y"]);
    assert!(plan.is_inhibited() && found.remedy.contains("usbguard"), "{}", found.remedy);
    // On the next OS one that is there is not told again.
    let mut next = world;
    asked_for_el_10(&mut next);
    edit(&mut next.pools, |pool: &mut MachineConfigPool| pool.spec.paused = None);
    let targets = target::targets(&next.clone(), &mut next, &Facts::default());
    for (name, pool) in [("a", "worker"), ("b", "worker"), ("c", "worker"), ("d", "infra")] {
        let target = targets.iter().find(|target| target.pool == pool).unwrap();
        next.put(object("", "Node", node(name, pool, target.after.config.as_deref().unwrap())));
    }
    let of_arguments = |arguments: &[&str]| of(&next, &json!({"kernelArguments": arguments}));
    assert_eq!(of_pool(&of_arguments(&["a"]), "worker"), [""; 0]);
    let more = "systemd.legacy_systemd_cgroup_controller=1";
    let plan = of_arguments(&[more]);
    let found = plan.findings.iter().find(|finding| finding.code == Code::KernelArguments).unwrap();
    assert_eq!(found.found, format!("its OS ignores the kernel arguments {more}"));
}

#[test]
fn what_gave_a_part_that_goes_is_not_known_once_it_is_gone() {
    let mut world = at_rest_with([ours("MachineConfig", config("99-gone", "worker", &file("/etc/gone", "x")))]);
    assert!(world.remove((MACHINE_CONFIG_GROUP, "MachineConfig"), "", "99-gone"));
    edit(&mut world.pools, |pool: &mut MachineConfigPool| {
        pool.spec.configuration.as_mut().unwrap().source = None;
    });
    let plan = planned(&world, &[motd("x")]);
    let worker = plan.pools.iter().find(|pool| pool.pool == "worker").unwrap();
    let of = |what: &str| {
        let found = worker.differences.as_ref().unwrap().iter().find(|difference| difference.what == what).unwrap();
        (found.after.is_some(), found.origin.object.as_str())
    };
    assert_eq!(of("file /etc/gone"), (false, NOT_KNOWN));
    assert_eq!(of("file /etc/motd"), (true, "MachineConfig 99-worker-motd"));
    let plan = planned(
        &at_rest_with([ours("MachineConfig", config("99-y", "worker", &json!({"kernelArguments": ["a"]})))]),
        &[Change::Delete(change::Reference::ours("MachineConfig", "99-y"))],
    );
    let worker = plan.pools.iter().find(|pool| pool.pool == "worker").unwrap();
    assert_eq!(worker.differences.as_ref().unwrap()[0].origin.object, "MachineConfig 99-y");
}
