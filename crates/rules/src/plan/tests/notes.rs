//! What of a change has no effect, and nodes that have no part in it.

use super::*;
use std::sync::Arc;

fn found(plan: &Plan, code: Code) -> Vec<(&str, &[String])> {
    let found = plan.findings.iter().filter(|finding| finding.code == code);
    found.map(|finding| (finding.found.as_str(), finding.evidence.as_slice())).collect()
}

#[test]
fn a_machine_config_that_no_pool_selects_is_told_with_its_role_and_those_of_pools() {
    let mut nameless = config("99-nobody", "", &json!({"kernelArguments": ["a"]}));
    nameless["metadata"]["labels"] = json!({"role": "worker"});
    let typo = Change::Apply(config("99-typo", "wroker", &json!({"kernelArguments": ["a"]})));
    let plan = planned(&at_rest(), &[typo.clone(), Change::Apply(nameless), motd("x")]);
    let evidence = |name: &str| format!("MachineConfig {name}: metadata.labels");
    let (typo_at, nobody_at) = ([evidence("99-typo")], [evidence("99-nobody")]);
    assert_eq!(
        found(&plan, Code::NoPool),
        [
            (
                "no pool selects MachineConfig 99-typo: its label machineconfiguration.openshift.io/role is \"wroker\", and pools select infra, \
                 master, worker",
                &typo_at[..]
            ),
            (
                "no pool selects MachineConfig 99-nobody: it has no label machineconfiguration.openshift.io/role, and pools select infra, \
                 master, worker",
                &nobody_at[..]
            ),
        ]
    );
    assert!(!plan.is_inhibited());
    // What was there before is no part of the change, and what is deleted has no effect on purpose.
    let mut world = at_rest();
    world.put(ours("MachineConfig", config("99-typo", "wroker", &json!({"kernelArguments": ["a"]}))));
    let gone = Change::Delete(change::Reference::ours("MachineConfig", "99-typo"));
    for changes in [vec![motd("x")], vec![gone]] {
        assert!(found(&planned(&world, &changes), Code::NoPool).is_empty());
    }
    // A pool that the same change makes takes it.
    let taken = Change::Apply({
        let mut pool = pool("wroker", &["worker", "wroker"]);
        pool["apiVersion"] = json!(format!("{MACHINE_CONFIG_GROUP}/v1"));
        pool["kind"] = json!("MachineConfigPool");
        pool
    });
    assert!(found(&planned(&at_rest(), &[typo, taken]), Code::NoPool).is_empty());
}

#[test]
fn nothing_is_told_of_what_a_pool_takes_that_files_leave_out() {
    let mut world = at_rest();
    world.pools.retain(|pool| pool.metadata.name.as_deref() != Some("master"));
    let of_master = Change::Apply(config("99-master-a", "master", &json!({"kernelArguments": ["a"]})));
    assert!(found(&planned(&world, std::slice::from_ref(&of_master)), Code::NoPool).is_empty());
    world.whole = true;
    assert_eq!(found(&planned(&world, &[of_master]), Code::NoPool).len(), 1, "a cluster has it or not");
}

fn os_config(name: &str, pool: &str) -> Change {
    Change::Apply(json!({
        "apiVersion": format!("{MACHINE_CONFIG_GROUP}/v1"), "kind": "MachineOSConfig", "metadata": {"name": name},
        "spec": {
            "machineConfigPool": {"name": pool}, "imageBuilder": {"imageBuilderType": "Job"},
            "renderedImagePushSecret": {"name": "push"}, "renderedImagePushSpec": "r.example.com/own:latest",
        },
    }))
}

#[test]
fn a_machine_os_config_without_a_pool_is_told() {
    let plan = planned(&at_rest(), &[os_config("gpu", "gpu")]);
    let at = ["MachineOSConfig gpu: spec.machineConfigPool".to_owned()];
    assert_eq!(
        found(&plan, Code::NoPool),
        [(
            "MachineOSConfig gpu has no effect: there is no MachineConfigPool \"gpu\": make it, or name another in spec.machineConfigPool",
            &at[..]
        )]
    );
    assert!(plan.changes_nothing() && !plan.is_inhibited());
    assert!(found(&planned(&at_rest(), &[os_config("worker", "worker")]), Code::NoPool).is_empty());
}

#[test]
fn a_node_of_two_pools_is_told_whatever_changes() {
    let mut world = at_rest();
    world.put(ours("MachineConfigPool", pool("gpu", &["worker", "gpu"])));
    let targets = target::targets(&world.clone(), &mut world, &Facts::default());
    assert_eq!(targets.len(), 4);
    let node = world.nodes.iter_mut().find(|node| node.metadata.name.as_deref() == Some("d")).unwrap();
    let labels = Arc::make_mut(node).metadata.labels.get_or_insert_default();
    labels.insert("node-role.kubernetes.io/gpu".to_owned(), String::new());
    for changes in [vec![], vec![motd("x")]] {
        let plan = planned(&world, &changes);
        let said = found(&plan, Code::Stays);
        let nodes = ["d".to_owned()];
        assert_eq!(
            said,
            [(
                "1 node is in no pool and keeps what it runs: custom pools gpu, infra all match it; change labels so that one does",
                &nodes[..]
            )]
        );
        assert!(!plan.is_inhibited());
    }
}

/// Whoever has two of three files must not read that no node reboots.
#[test]
fn nodes_that_a_pool_counted_and_files_leave_out_are_not_known() {
    let mut world = at_rest();
    for pool in &mut world.pools {
        let counted = if pool.metadata.name.as_deref() == Some("worker") { 3 } else { 1 };
        Arc::make_mut(pool).status.get_or_insert_default().machine_count = counted;
    }
    let all = planned(&world, &[]);
    assert!(all.changes_nothing() && !all.leaves_open(), "{}", text(&all));
    world.nodes.retain(|node| node.metadata.name.as_deref() != Some("b"));
    let plan = planned(&world, &[]);
    assert!(!plan.changes_nothing() && plan.leaves_open());
    assert_eq!(plan.unknown, ["how 1 of the 3 nodes of pool worker is: it is not among the files"]);
    assert!(text(&plan).starts_with("what 1 node will do is not known\n"), "{}", text(&plan));
    let plan = planned(&world, &[motd("x")]);
    assert!(summary(&plan).starts_with("3 nodes reboot; what 1 node will do is not known"), "{}", summary(&plan));
    // A cluster is read whole: there a pool's count is behind.
    world.whole = true;
    assert!(planned(&world, &[]).changes_nothing());
}
