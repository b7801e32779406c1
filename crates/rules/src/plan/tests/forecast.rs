//! How long a plan takes, and that a plan without a change says the same of it as the pool's status does.

use super::*;
use crate::world::explain::explain;

/// The world in which pool `worker` is to reach a changed file, and what it is to reach.
fn to_reach() -> (World, String) {
    let mut world = at_rest();
    world.put(ours("MachineConfig", config("99-worker-motd", "worker", &file("/etc/motd", "x"))));
    let targets = target::targets(&world.clone(), &mut world, &Facts::default());
    let of_worker = targets.iter().find(|target| target.pool == "worker").unwrap().after.config.clone().unwrap();
    (world, of_worker)
}

/// Has nodes say this of themselves.
fn mark(world: &mut World, name: &str, marks: &[(&str, &str)]) {
    edit(&mut world.nodes, |node| {
        if node.metadata.name.as_deref() == Some(name) {
            let held = node.metadata.annotations.as_mut().unwrap();
            held.extend(marks.iter().map(|(key, value)| (format!("{PREFIX}/{key}"), (*value).to_owned())));
        }
    });
}

fn of_worker(world: &mut World, change: impl Fn(&mut MachineConfigPool)) {
    edit(&mut world.pools, |pool| {
        if pool.metadata.name.as_deref() == Some("worker") {
            change(pool);
        }
    });
}

fn forecast(plan: &Plan) -> String {
    let pool = plan.pools.iter().find(|pool| pool.pool == "worker").unwrap();
    pool.forecast.as_ref().unwrap().to_string()
}

#[test]
fn a_plan_without_a_change_and_the_status_count_the_same_nodes() {
    let (at_first, target) = to_reach();
    let two = |world: &mut World| of_worker(world, |pool| pool.spec.max_unavailable = Some(IntOrString::Int(2)));
    let told = |world: &mut World, name: &str, state: &str| {
        mark(world, name, &[("desiredConfig", &target), ("state", state)]);
    };
    let mut cases: Vec<(&str, World)> = vec![("nobody has started", at_first.clone())];
    let mut case = |name: &'static str, change: &dyn Fn(&mut World)| {
        let mut world = at_first.clone();
        change(&mut world);
        cases.push((name, world));
    };
    case("one is under way", &|world| told(world, "a", "Working"));
    case("one fails, and leaves no room", &|world| told(world, "a", "Degraded"));
    case("one fails, one is under way, and there is room", &|world| {
        two(world);
        told(world, "a", "Degraded");
        told(world, "b", "Working");
    });
    case("one is on its way to somewhere else", &|world| {
        mark(world, "a", &[("desiredConfig", "elsewhere"), ("state", "Working")]);
    });
    case("one is not ready", &|world| {
        edit(&mut world.nodes, |node| {
            if node.metadata.name.as_deref() == Some("a") {
                node.status.as_mut().unwrap().conditions.as_mut().unwrap()[0].status = "Unknown".to_owned();
            }
        });
    });
    case("the pool is paused, and one is under way", &|world| {
        told(world, "a", "Working");
        of_worker(world, |pool| pool.spec.paused = Some(true));
    });
    case("nothing is allowed", &|world| {
        of_worker(world, |pool| pool.spec.max_unavailable = Some(IntOrString::Int(-1)))
    });
    for (name, world) in cases {
        let plan = planned(&world, &[]);
        let planned = plan.pools.iter().find(|pool| pool.pool == "worker").unwrap().forecast.as_ref();
        let status = explain(&world, "worker", now()).unwrap().forecast;
        let counted = |found: Option<&crate::forecast::Forecast>| {
            found.map(|found| (found.nodes, found.waiting, found.left, found.over(now())))
        };
        assert_eq!(counted(planned), counted(status.as_ref()), "{name}: {planned:?} {status:?}");
        assert!(status.is_some(), "{name}");
    }
}

#[test]
fn what_a_node_finishes_first_counts_and_the_node_counts_once() {
    let mut world = at_rest();
    mark(&mut world, "a", &[("desiredConfig", "elsewhere"), ("state", "Working")]);
    let said = forecast(&planned(&world, &[motd("x")]));
    // The first arrives, and then all three go one by one.
    assert!(said.starts_with("3 nodes to go in 20m to 40m, 1 at a time ("), "{said}");
}

#[test]
fn a_budget_that_allows_nothing_leaves_no_end_in_sight() {
    let mut world = at_rest();
    let pod = json!({"metadata": {"name": "web-0", "namespace": "shop", "labels": {"app": "web"}}, "spec": {"nodeName": "b", "containers": []}});
    world.put(object("", "Pod", pod));
    let budget = |allowed: i32| {
        let status =
            json!({"disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1});
        let value = json!({
            "metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"matchLabels": {"app": "web"}}}, "status": status,
        });
        object("policy", "PodDisruptionBudget", value)
    };
    world.put(budget(0));
    let plan = planned(&world, &[motd("x")]);
    let why = "b: pod shop/web-0: budget web allows no disruption";
    assert_eq!(forecast(&plan), format!("3 nodes to go, no end in sight: {why}"));
    assert!(!text(&plan).lines().any(|line| line.contains(why) && line.contains("over between")), "{}", text(&plan));
    let told = data(&plan);
    let of_worker = told["pools"].as_array().unwrap().iter().find(|pool| pool["pool"] == "worker").unwrap();
    assert_eq!((&of_worker["forecast"]["noEnd"], &of_worker["forecast"]["over"]), (&json!(why), &Json::Null));
    world.put(budget(1));
    assert!(forecast(&planned(&world, &[motd("x")])).starts_with("3 nodes to go in 15m to 30m, "));
}

#[test]
fn nodes_that_wait_or_stay_behind_are_no_reboots_in_the_headline() {
    let paused = |pool: &'static str| {
        move |world: &mut World| {
            edit(&mut world.pools, |held: &mut MachineConfigPool| {
                held.spec.paused = Some(held.spec.paused == Some(true) || held.metadata.name.as_deref() == Some(pool));
            });
        }
    };
    let of = |changes: &[&dyn Fn(&mut World)]| {
        let mut world = at_rest();
        changes.iter().for_each(|change| change(&mut world));
        let plan = planned(&world, &[motd("x")]);
        (summary(&plan), plan.reboots())
    };
    assert_eq!(of(&[&paused("worker")]), ("1 node reboots; 3 nodes wait for a paused pool".to_owned(), 4));
    let all = of(&[&paused("worker"), &paused("infra")]);
    assert_eq!(all, ("no node starts; 4 nodes wait for paused pools".to_owned(), 4));
    let nothing = |world: &mut World| {
        of_worker(world, |pool| pool.spec.max_unavailable = Some(IntOrString::Int(-1)));
    };
    assert_eq!(of(&[&nothing]), ("1 node reboots; 3 nodes stay behind".to_owned(), 4));
}

#[test]
fn what_files_are_of_is_when_it_is_judged() {
    let mut world = at_rest();
    edit(&mut world.nodes, |node| {
        let made = "2025-06-01T00:00:00Z".parse().unwrap();
        node.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(made));
    });
    let plan = planned(&world, &[motd("x")]);
    let said = text(&plan);
    assert!(said.contains("; over between 2025-06-01T00:15:00Z and 2025-06-01T00:30:00Z\n"), "{said}");
    assert!(said.ends_with("\nas of 2025-06-01T00:00:00Z: the newest time in the files\n"), "{said}");
    assert_eq!((said.matches("as of ").count(), &data(&plan)["asOf"]), (1, &json!("2025-06-01T00:00:00Z")));
}

#[test]
fn nodes_of_a_pool_that_stay_are_told_by_their_number() {
    let mut world = at_rest();
    let of_infra = planned(&world, &[motd("x")]).pools.into_iter().find(|pool| pool.pool == "infra").unwrap();
    let there = of_infra.after.config.unwrap();
    mark(&mut world, "d", &[("desiredConfig", &there), ("currentConfig", &there)]);
    let said = text(&planned(&world, &[motd("x")]));
    assert!(said.contains("\n  1 node stays as it is\n"), "{said}");
    assert!(world.remove(("", "Node"), "", "d"));
    let said = text(&planned(&world, &[motd("x")]));
    assert!(said.contains("pool infra: ") && !said.contains("as it is") && !said.contains("as they are"), "{said}");
}
