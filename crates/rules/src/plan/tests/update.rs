//! What an update of the cluster does.

use super::*;
use crate::{
    plan::release::Payload,
    stream::catalog::{Candidate, Inspected, Source, SourceKind},
    template::Tree,
    world::generated::ReleaseTemplates,
};
use weir_api::keys::image::{BOOTC, EXTENSIONS, STREAM_CLASS};
use weir_distro::Profile;

/// An image of a release, by what its digest is made of.
fn image(of: char) -> String {
    format!("r.io/release@sha256:{}", of.to_string().repeat(64))
}

/// A release with these streams, each with the digits of its two images.
fn release(profile: &str, version: &str, streams: &[(&str, [char; 2])]) -> Payload {
    let layout = &Profile::by_name(profile).unwrap().payload;
    let mut tags = std::collections::BTreeMap::from([(layout.base_os_tag.clone(), Some(image('b')))]);
    let mut images = Vec::new();
    for (stream, digits) in streams {
        for (part, digit) in [BOOTC, EXTENSIONS].into_iter().zip(digits) {
            let tag = format!("{stream}-coreos-{part}");
            let labels =
                [(part, "true"), (STREAM_CLASS, stream)].map(|(key, value)| (key.to_owned(), value.to_owned()));
            let candidate = Candidate { tag: tag.clone(), image: image(*digit) };
            tags.insert(tag, Some(candidate.image.clone()));
            images.push(Inspected { candidate, labels: Ok(labels.into()) });
        }
    }
    Payload {
        image: image('0'),
        version: version.to_owned(),
        tags,
        source: Source { kind: SourceKind::Payload, images: Ok(images) },
        templates: ReleaseTemplates { tree: Tree::default(), release: Some(version.to_owned()) },
        kubernetes: None,
    }
}

fn to(release: &Payload) -> Change {
    Change::Release(Box::new(release.clone()))
}

/// [`at_rest`] as a cluster of a distribution, which runs a release.
fn running(profile: &str, version: &str) -> World {
    let mut world = World { profile: Some(Profile::by_name(profile).unwrap()), ..at_rest() };
    let status =
        json!({"desired": {"version": version, "image": "r.io/release@old"}, "history": [], "observedGeneration": 1});
    world.put(object(
        "config.openshift.io",
        "ClusterVersion",
        json!({"metadata": {"name": "version"}, "spec": {}, "status": status}),
    ));
    world
}

fn pool_of<'p>(plan: &'p Plan, name: &str) -> &'p PoolPlan {
    plan.pools.iter().find(|pool| pool.pool == name).unwrap()
}

#[test]
fn pools_get_the_images_of_the_release_and_keep_their_streams() {
    let next = release("ocp", "4.21.3", &[("el-9", ['1', '2']), ("rhel-10", ['3', '4'])]);
    let plan = planned(&running("ocp", "4.20.1"), &[to(&next)]);
    for pool in ["worker", "infra", "master"] {
        let pool = pool_of(&plan, pool);
        assert_eq!(pool.after.os_image, Some(image('1')), "{}", pool.pool);
        assert_eq!((pool.before.stream.as_deref(), pool.after.stream.as_deref()), (Some("el-9"), Some("el-9")));
        let differences: Vec<_> = pool.differences.as_ref().unwrap().iter().map(|one| one.what.as_str()).collect();
        assert!(differences.contains(&"osImageURL"), "{differences:?}");
    }
    assert_eq!((order(&plan).as_str(), plan.reboots()), ("m+d+a b c", 5));
    assert_eq!(plan.changes[0].to_string(), "ClusterVersion version is changed");
    assert!(!plan.findings.iter().any(|finding| finding.code == Code::VersionSkew), "{:?}", plan.findings);
    // The stream that another change names is one of the release's.
    let both = [to(&next), Change::Stream { pool: "worker".to_owned(), stream: "rhel-10".to_owned() }];
    let plan = planned(&running("ocp", "4.20.1"), &both);
    assert_eq!(pool_of(&plan, "worker").after.os_image, Some(image('3')));
    assert_eq!(pool_of(&plan, "master").after.os_image, Some(image('1')));
}

#[test]
fn a_dropped_stream_is_kept_while_it_is_used_and_a_new_one_can_be_named() {
    let next = release("ocp", "4.21.3", &[("rhel-10", ['3', '4']), ("rhel-11", ['5', '6'])]);
    let mut world = running("ocp", "4.20.1");
    let set = json!({"name": "el-9", "osImage": image('8'), "osExtensionsImage": image('9')});
    let status = json!({"availableStreams": [set], "defaultStream": "el-9"});
    world.put(ours(
        "OSImageStream",
        json!({"metadata": {"name": "cluster"}, "spec": {"defaultStream": "el-9"}, "status": status}),
    ));
    let master = Change::Stream { pool: "master".to_owned(), stream: "rhel-11".to_owned() };
    let plan = planned(&world, &[to(&next), master]);
    let of = |pool: &str| (pool_of(&plan, pool).after.os_image.clone(), pool_of(&plan, pool).after.stream.clone());
    assert_eq!(of("worker"), (Some(image('8')), Some("el-9".to_owned())));
    assert_eq!(of("master"), (Some(image('5')), Some("rhel-11".to_owned())));
    let retained = plan.findings.iter().filter(|finding| finding.code == Code::StreamRetained);
    assert_eq!(retained.map(|finding| finding.pool.as_deref().unwrap()).collect::<Vec<_>>(), ["infra", "worker"]);
}

/// The one stream has another name in the new release: the default and all pools move with it, also one that names the old one.
#[test]
fn a_release_with_another_one_stream_takes_everybody_along() {
    let set = json!({"name": "centos-9", "osImage": "r/os@centos-9", "osExtensionsImage": "r/ext@centos-9"});
    let status = json!({"availableStreams": [set], "defaultStream": "centos-9"});
    let mut world = running("okd", "4.21.0-okd-scos.1");
    world.put(ours(
        "OSImageStream",
        json!({"metadata": {"name": "cluster"}, "spec": {"defaultStream": "centos-9"}, "status": status}),
    ));
    edit(&mut world.pools, |pool: &mut MachineConfigPool| {
        if pool.metadata.name.as_deref() == Some("infra") {
            let named = json!({"name": "centos-9"});
            pool.spec.os_image_stream = Some(serde_json::from_value(named).unwrap());
        }
    });
    let next = release("okd", "5.0.0-okd-scos.0", &[("centos-10", ['1', '2'])]);
    let plan = planned(&world, &[to(&next)]);
    for pool in ["worker", "infra", "master"] {
        assert_eq!(pool_of(&plan, pool).after.stream.as_deref(), Some("centos-10"), "{pool}");
    }
    let ignored: Vec<_> = plan.findings.iter().filter(|finding| finding.code == Code::StreamIgnored).collect();
    assert_eq!(ignored.iter().map(|finding| finding.pool.as_deref()).collect::<Vec<_>>(), [Some("infra")]);
    // It is the next major version of the OS, too.
    assert!(codes(&plan).contains(&"R-PLAN-ARCHITECTURE-LEVEL-UNKNOWN"), "{:?}", codes(&plan));
}

#[test]
fn releases_that_the_controllers_would_not_take_are_refused() {
    let refused = |profile: &str, next: &Payload| {
        plan(&running(profile, "4.20.1"), &[to(next)], &Facts::default(), now()).unwrap_err().to_string()
    };
    let other = refused("ocp", &release("okd", "5.0.0", &[("centos-10", ['1', '2'])]));
    assert!(other.starts_with("release 5.0.0 is not for this cluster: this cluster runs as ocp, but "), "{other}");
    let several = refused("okd", &release("okd", "5.0.0", &[("centos-10", ['1', '2']), ("centos-11", ['3', '4'])]));
    assert!(several.contains("carries 2 streams where there is one: centos-10, centos-11"), "{several}");
    let none = refused("ocp", &release("ocp", "5.0.0", &[]));
    assert!(none.starts_with("the release has no catalogue of streams: "), "{none}");
    let nobody = World { profile: None, ..running("ocp", "4.20.1") };
    let said = plan(&nobody, &[to(&release("ocp", "5.0.0", &[]))], &Facts::default(), now()).unwrap_err().to_string();
    assert!(said.contains("give --distribution"), "{said}");
}

#[test]
fn skipped_versions_and_old_kubelets_are_in_the_way() {
    let mut next = release("ocp", "4.22.0", &[("el-9", ['1', '2'])]);
    let said = |world: &World, next: &Payload| {
        let plan = planned(world, &[to(next)]);
        let found = plan.findings.into_iter().filter(|finding| finding.code == Code::VersionSkew);
        found.map(|finding| (finding.found.clone(), finding.evidence.join("; "))).collect::<Vec<_>>()
    };
    let skipped = said(&running("ocp", "4.20.1"), &next);
    assert_eq!(skipped[0].0, "release 4.22.0 skips a minor version, 4.20.1");
    assert_eq!(skipped[0].1, "ClusterVersion version: status.desired.version 4.20.1");
    assert_eq!(said(&running("ocp", "4.21.1"), &next), []);
    let older = said(&running("ocp", "5.0.0"), &next);
    assert_eq!(older[0].0, "release 4.22.0 is older than the one that the cluster runs, 5.0.0");
    next.kubernetes = Some("1.35.2".parse().unwrap());
    for (kubelet, wanted) in [("v1.35.0", false), ("v1.32.9", false), ("v1.31.4", true), ("v1.36.0", true), ("", false)]
    {
        let mut world = running("ocp", "4.21.1");
        edit(&mut world.nodes, |node| {
            if node.metadata.name.as_deref() == Some("c") {
                kubelet.clone_into(&mut node.status.as_mut().unwrap().node_info.as_mut().unwrap().kubelet_version);
            }
        });
        let found = said(&world, &next);
        assert_eq!(found.len(), usize::from(wanted), "{kubelet}: {found:?}");
        assert!(
            found.iter().all(|(said, who)| said.contains("the kubelets of 1 node do not") && who == "c"),
            "{found:?}"
        );
    }
}

/// Features and templates are those of the release.
#[test]
fn what_templates_and_features_are_after_an_update() {
    let mut world = running("ocp", "4.20.1");
    let controller = json!({
        "metadata": {"name": "machine-config-controller", "annotations": {format!("{PREFIX}/release-image-version"): "4.20.1"}},
        "spec": {"images": {"infraImageKey": "r/pod@old", "own": "r/own"},
            "pullSecret": {"namespace": "openshift-config", "name": "pull-secret"}, "releaseImage": "r.io/release@old",
            "infra": {"status": {"platformStatus": {"type": "None"}}}, "network": null},
    });
    world.put(ours("ControllerConfig", controller));
    let secret = json!({
        "metadata": {"namespace": "openshift-config", "name": "pull-secret"}, "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": "{}"},
    });
    world.put(object("", "Secret", secret));
    let gates = json!({"featureGates": [{"version": "4.20.1", "enabled": [{"name": "OSStreams"}], "disabled": []}]});
    world.put(object(
        "config.openshift.io",
        "FeatureGate",
        json!({"metadata": {"name": "cluster"}, "spec": {}, "status": gates}),
    ));
    let mut next = release("ocp", "4.21.3", &[("el-9", ['1', '2'])]);
    next.tags.insert("pod".to_owned(), Some(image('7')));
    for role in ["master", "worker"] {
        let text = "path: /etc/pause\nmode: 0644\ncontents:\n  inline: |\n    {{.Images.infraImageKey}}\n";
        next.templates.tree.add_file(&format!("{role}/00-{role}/_base/files/pause"), text.as_bytes()).unwrap();
    }
    let plan = planned(&world, &[to(&next)]);
    let worker = pool_of(&plan, "worker");
    let pause = worker.differences.as_ref().unwrap().iter().find(|one| one.what == "file /etc/pause");
    let pause = pause.unwrap_or_else(|| panic!("{:?} {:?} {:?}", worker.differences, plan.findings, plan.unknown));
    assert_eq!(pause.origin.object, "MachineConfig 00-worker");
    let text = |value: &Option<Value>| match value {
        Some(Value::Part(state)) => format!("{:?}", state.contents),
        other => format!("{other:?}"),
    };
    assert!(text(&pause.after).contains(&image('7')), "{}", text(&pause.after));
    assert!(
        plan.unknown.iter().any(|text| text.starts_with("which features release 4.21.3 has: ")),
        "{:?}",
        plan.unknown
    );
}
