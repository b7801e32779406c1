//! Pools in image mode: which image their nodes get, and what they do for it.

use super::*;

fn os_config(content: &str) -> Json {
    json!({
        "apiVersion": format!("{MACHINE_CONFIG_GROUP}/v1"), "kind": "MachineOSConfig", "metadata": {"name": "worker"},
        "spec": {
            "machineConfigPool": {"name": "worker"}, "imageBuilder": {"imageBuilderType": "Job"},
            "renderedImagePushSecret": {"name": "push"}, "renderedImagePushSpec": "r.example.com/own:latest",
            "containerFile": [{"containerfileArch": "NoArch", "content": content}],
        },
    })
}

/// The image that nodes of pool `worker` run.
const IMAGE: &str = "r.example.com/own@sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// A cluster of a release.
fn released() -> World {
    let marks = json!({format!("{PREFIX}/release-image-version"): "5.0.0"});
    at_rest_with([ours(
        "ControllerConfig",
        json!({"metadata": {"name": "machine-config-controller", "annotations": marks}, "spec": {}}),
    )])
}

/// A cluster of a release whose pool `worker` runs an image that was built for it.
fn layered() -> World {
    let mut world = released();
    let Object::MachineOSConfig(config) = ours("MachineOSConfig", os_config("FROM configs AS final\n")) else {
        panic!("a MachineOSConfig")
    };
    let pool = world.pools.iter().find(|pool| pool.metadata.name.as_deref() == Some("worker")).unwrap().clone();
    let target = crate::view::PoolView::new(&pool).target.unwrap();
    let rendered = world.config(target).unwrap().clone();
    let build = crate::build::identity::build_of(&pool, &config, &rendered).unwrap();
    let mut config = config.as_ref().clone();
    config.metadata.generation = Some(1);
    config.status.get_or_insert_default().observed_generation = Some(1);
    target::in_effect(&mut world, config, target::succeeded(build, IMAGE.to_owned()));
    for node in &mut world.nodes {
        let name = node.metadata.name.clone().unwrap();
        if ["a", "b", "c"].contains(&name.as_str()) {
            let marks = std::sync::Arc::make_mut(node).metadata.annotations.get_or_insert_default();
            for key in ["currentImage", "desiredImage"] {
                marks.insert(format!("{PREFIX}/{key}"), IMAGE.to_owned());
            }
        }
    }
    world
}

fn image_of(plan: &Plan) -> &str {
    plan.pools.iter().find(|pool| pool.pool == "worker").and_then(|pool| pool.image.as_deref()).unwrap_or_default()
}

#[test]
fn a_pool_that_comes_to_image_mode_reboots_although_its_configuration_stays() {
    // It is the same where the release is not known.
    for world in [released(), at_rest()] {
        let plan = planned(&world, &[Change::Apply(os_config("FROM configs AS final\n"))]);
        assert_eq!(order(&plan), "a b c");
        assert_eq!(plan.reboots(), 3);
        assert!(image_of(&plan).starts_with("an image is built on it first"), "{}", image_of(&plan));
    }
}

#[test]
fn what_decides_about_an_image_decides_about_a_new_one_and_a_reboot() {
    assert!(planned(&layered(), &[]).changes_nothing());
    let arguments = Change::Apply(config("99-worker-a", "worker", &json!({"kernelArguments": ["a"]})));
    let gone = Change::Delete(change::Reference::ours("MachineOSConfig", "worker"));
    let built = "an image is built on it first";
    for (change, image, does) in [
        (Change::Apply(os_config("FROM configs AS final\nRUN true\n")), built, "drain, reboot"),
        (arguments, built, "drain, reboot"),
        (motd("a"), "the image in effect is used again", "drain, reboot"),
        (gone, "", "drain, reboot"),
    ] {
        let plan = planned(&layered(), &[change]);
        let waves = order(&plan);
        assert!(waves.ends_with("b c") && waves.contains('a'), "{image}: {waves}");
        assert!(image_of(&plan).starts_with(image) && image_of(&plan).is_empty() == image.is_empty(), "{plan:#?}");
        let worker: Vec<String> = self::does(&plan, "worker").split("; ").map(str::to_owned).collect();
        assert!(worker.iter().all(|node| node.starts_with(does)), "{image}: {worker:?}");
    }
}

#[test]
fn a_file_that_needs_no_reboot_needs_none_in_image_mode_either() {
    let policy = json!({"nodeDisruptionPolicy": {"files": [{"path": "/etc/motd", "actions": [{"type": "None"}]}]}});
    let policy = json!({
        "apiVersion": format!("{OPERATOR_GROUP}/v1"), "kind": "MachineConfiguration", "metadata": {"name": "cluster"}, "spec": policy,
    });
    let plan = planned(&layered(), &[Change::Apply(policy), motd("a")]);
    assert_eq!(plan.reboots(), 0, "{plan:#?}");
    assert_eq!(order(&plan), "d+a b c");
}

#[test]
fn no_node_goes_while_no_image_can_be_built() {
    let unfinished = Change::Apply(os_config("FROM nowhere AS\n"));
    let packages = || Change::Apply(config("99-worker-a", "worker", &json!({"kernelType": "realtime"})));
    let with = |change, facts: &Facts| super::super::plan(&layered(), &[change], facts, now()).unwrap();
    let without_programs = Facts { builds_without_programs: true, ..Facts::default() };
    assert_eq!(with(packages(), &Facts::default()).reboots(), 4);
    // What the worker role brings concerns pool `infra` with node d, too.
    for (change, facts, why, goes) in [
        (unfinished, &Facts::default(), "Containerfile", ""),
        (packages(), &without_programs, "this builder, which runs no program, installs none", "d"),
    ] {
        let plan = with(change, facts);
        assert_eq!((plan.is_inhibited(), order(&plan).as_str()), (true, goes), "{plan:#?}");
        let said = plan.findings.iter().find(|finding| finding.code == Code::Build).unwrap();
        assert!(said.found.contains(why), "{}", said.found);
        assert_eq!(
            (said.pool.as_deref(), said.evidence.as_slice()),
            (Some("worker"), &["MachineOSConfig worker".to_owned()][..])
        );
        assert!(image_of(&plan).starts_with("no image can be built: "), "{}", image_of(&plan));
        let worker = plan.pools.iter().find(|pool| pool.pool == "worker").unwrap();
        assert!(worker.nodes.iter().flatten().all(|node| !matches!(node.turn, Turn::Wave(_))), "{worker:#?}");
    }
}

#[test]
fn nodes_wait_for_an_image_whose_build_failed() {
    let mut world = layered();
    for build in &mut world.os_builds {
        let status = std::sync::Arc::make_mut(build).status.as_mut().unwrap();
        status.digested_image_push_spec = None;
        status.conditions.iter_mut().flatten().for_each(|said| "Failed".clone_into(&mut said.type_));
    }
    let mut config = world.os_configs[0].as_ref().clone();
    config.status.as_mut().unwrap().current_image_pull_spec = None;
    world.put(config.into());
    let plan = planned(&world, &[]);
    assert!(plan.waves.is_empty(), "{plan:#?}");
    assert!(image_of(&plan).contains(" failed; change the MachineOSConfig"), "{}", image_of(&plan));
    let worker = plan.pools.iter().find(|pool| pool.pool == "worker").unwrap();
    let turns: Vec<&Turn> = worker.nodes.iter().flatten().map(|node| &node.turn).collect();
    assert!(turns.iter().all(|turn| matches!(turn, Turn::Waits(_))), "{turns:?}");
}

/// Status says that no image is built; a plan must not promise reboots.
#[test]
fn no_node_goes_while_the_secret_to_push_with_is_missing() {
    let given = Change::Apply(os_config("FROM configs AS final\n"));
    assert_eq!(secrets(&released(), std::slice::from_ref(&given)), ["push".to_owned()].into());
    let with = |world: &World, secrets: &[(&str, bool)]| {
        let secrets = secrets.iter().map(|(name, there)| ((*name).to_owned(), *there)).collect();
        plan(world, std::slice::from_ref(&given), &Facts { secrets, ..Facts::default() }, now()).unwrap()
    };
    let missing = with(&released(), &[("push", false)]);
    assert_eq!((order(&missing).as_str(), missing.is_inhibited()), ("", true), "{}", text(&missing));
    let said = missing.findings.iter().find(|finding| finding.code == Code::Build).unwrap();
    let why = "there is no Secret \"push\" in namespace openshift-machine-config-operator: make it there";
    assert!(said.found.contains(why), "{}", said.found);
    assert!(image_of(&missing).contains(why), "{}", image_of(&missing));
    let there = with(&released(), &[("push", true)]);
    let says = |plan: &Plan| plan.unknown.iter().filter(|said| said.starts_with("whether Secret push of")).count();
    assert_eq!((order(&there).as_str(), says(&there)), ("a b c", 0));
    // Files hold no Secrets.
    let unknown = with(&released(), &[]);
    assert_eq!(
        (order(&unknown).as_str(), says(&unknown), codes(&unknown).len()),
        ("a b c", 1, 0),
        "{}",
        text(&unknown)
    );
    // Without a build none is needed.
    let facts = Facts { secrets: [("push".to_owned(), false)].into(), ..Facts::default() };
    for changes in [vec![], vec![motd("a")]] {
        let plan = plan(&layered(), &changes, &facts, now()).unwrap();
        assert!(!codes(&plan).contains(&"R-PLAN-BUILD") && says(&plan) == 0, "{}", text(&plan));
    }
}
