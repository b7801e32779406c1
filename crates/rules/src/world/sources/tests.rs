use crate::{
    history::NOT_KNOWN,
    world::{Object, World},
};
use serde_json::{Value, json};
use weir_api::kind::MACHINE_CONFIG_GROUP;

const ROLE: &str = "machineconfiguration.openshift.io/role";

fn put(world: &mut World, kind: &str, value: Value) {
    world.put(Object::read(MACHINE_CONFIG_GROUP, kind, value).unwrap().unwrap());
}

fn config(name: &str, spec: &Value) -> Value {
    json!({"metadata": {"name": name, "labels": {ROLE: "worker"}}, "spec": spec})
}

fn arguments(name: &str, arguments: &[&str]) -> Value {
    config(name, &json!({"kernelArguments": arguments}))
}

fn pool(name: &str, stream: &str) -> Value {
    let selector = json!({"matchExpressions": [{"key": ROLE, "operator": "In", "values": ["worker", name]}]});
    let mut pool = json!({"metadata": {"name": name}, "spec": {"machineConfigSelector": selector}});
    if !stream.is_empty() {
        pool["spec"]["osImageStream"] = json!({"name": stream});
    }
    pool
}

/// The streams of a release, with the default one.
fn streams(release: &str, default: &str) -> Value {
    let images = |of: &str| json!({"name": of, "osImage": format!("r/os@{of}{release}"), "osExtensionsImage": format!("r/ext@{of}{release}")});
    json!({
        "metadata": {"name": "cluster"}, "spec": {"defaultStream": default},
        "status": {"availableStreams": [images("a"), images("b")], "defaultStream": default},
    })
}

/// Two pools, of which one inherits, and a MachineConfig of each of three users.
fn world() -> World {
    let mut world = World::of([]);
    put(&mut world, "OSImageStream", streams("", "a"));
    ["worker", "infra"].into_iter().for_each(|name| put(&mut world, "MachineConfigPool", pool(name, "")));
    put(&mut world, "MachineConfig", arguments("00-worker", &[]));
    put(&mut world, "MachineConfig", arguments("50-one", &["one", "1"]));
    put(&mut world, "MachineConfig", arguments("60-two", &["two"]));
    let image = json!({"osImageURL": "r/own@1", "kernelType": "realtime"});
    put(&mut world, "MachineConfig", config("70-image", &image));
    world
}

/// What history says of the change of a world, by pool: each object with what it changed.
fn changed(of: &str, before: World, change: impl FnOnce(&mut World)) -> Vec<String> {
    let render = |world: &World| {
        let views = world.views();
        views.rendered(views.pools.iter().find(|pool| pool.name == of).unwrap()).unwrap()
    };
    let mut world = before;
    let from = render(&world);
    change(&mut world);
    let to = render(&world);
    let configuration =
        |rendered: &crate::render::Rendered| json!({"name": rendered.name(), "source": rendered.source});
    let pool = world.pools.iter().find(|pool| pool.metadata.name.as_deref() == Some(of)).unwrap();
    let mut pool = serde_json::to_value(&**pool).unwrap();
    pool["spec"]["configuration"] = configuration(&to);
    pool["status"] = json!({"configuration": configuration(&from)});
    put(&mut world, "MachineConfigPool", pool);
    for config in [&from.config, &to.config] {
        put(&mut world, "MachineConfig", serde_json::to_value(config).unwrap());
    }
    let views = world.views();
    let pool = views.pools.iter().find(|pool| pool.name == of).unwrap();
    let all = views.changed(pool, from.name(), to.name());
    all.into_iter().map(|one| format!("{}: {}", one.object, one.what.join(", "))).collect()
}

fn remove(world: &mut World, name: &str) {
    assert!(world.remove((MACHINE_CONFIG_GROUP, "MachineConfig"), "", name));
}

fn of_nobody(what: &str) -> String {
    format!("{NOT_KNOWN}: {what}")
}

#[test]
fn what_is_there_comes_from_the_object_that_has_it() {
    let said = changed("worker", world(), |world| put(world, "MachineConfig", arguments("80-more", &["more"])));
    assert_eq!(said, ["machineconfig/80-more: kernelArguments more"]);
    let said = changed("worker", world(), |world| {
        let mut made = arguments("99-worker-generated-kubelet", &["made"]);
        let owner = |api: &str, kind: &str| json!([{"apiVersion": api, "kind": kind, "name": "pods", "uid": "1"}]);
        made["metadata"]["ownerReferences"] = owner("machineconfiguration.openshift.io/v1", "KubeletConfig");
        put(world, "MachineConfig", made);
        let mut made = arguments("99-worker-generated-registries", &["other"]);
        made["metadata"]["ownerReferences"] = owner("config.openshift.io/v1", "Image");
        put(world, "MachineConfig", made);
    });
    assert_eq!(
        said,
        ["kubeletconfig/pods: kernelArguments made", "image.config.openshift.io/pods: kernelArguments other"]
    );
}

#[test]
fn what_is_gone_comes_from_the_one_config_that_is_gone() {
    let said = changed("worker", world(), |world| remove(world, "60-two"));
    assert_eq!(said, ["machineconfig/60-two: kernelArguments without two"]);
    // An image of its own, and a kernel that is the default again.
    let said = changed("worker", world(), |world| remove(world, "70-image"));
    assert_eq!(said, ["machineconfig/70-image: osImageURL, kernelType"]);
    let said = changed("worker", world(), |world| ["60-two", "50-one"].into_iter().for_each(|one| remove(world, one)));
    assert_eq!(
        said,
        [of_nobody("kernelArguments without one, kernelArguments without 1, kernelArguments without two")]
    );
    // It is still there, and says less.
    let said = changed("worker", world(), |world| put(world, "MachineConfig", arguments("50-one", &["1"])));
    assert_eq!(said, [of_nobody("kernelArguments without one")]);
}

#[test]
fn images_come_from_whoever_chose_the_stream_or_from_the_release() {
    let plain = || {
        let mut world = world();
        remove(&mut world, "70-image");
        world
    };
    let images = "osImageURL, baseOSExtensionsContainerImage";
    let chosen = |world: &mut World| put(world, "MachineConfigPool", pool("worker", "b"));
    assert_eq!(changed("worker", plain(), chosen), [format!("mcp/worker: {images}")]);
    assert_eq!(changed("infra", plain(), chosen), [format!("mcp/worker: {images}")]);
    let default = |world: &mut World| put(world, "OSImageStream", streams("", "b"));
    assert_eq!(changed("infra", plain(), default), [format!("osimagestream/cluster: {images}")]);
    let release = |world: &mut World| put(world, "OSImageStream", streams("-2", "a"));
    assert_eq!(changed("infra", plain(), release), [format!("clusterversion/version: {images}")]);
    // Beside an image of its own only that of the extensions is the stream's.
    assert_eq!(changed("worker", world(), release), ["clusterversion/version: baseOSExtensionsContainerImage"]);
}

#[test]
fn a_config_that_is_gone_is_told() {
    let mut world = world();
    put(&mut world, "MachineConfig", arguments("rendered-worker-2", &[]));
    let views = world.views();
    let pool = views.pools.iter().find(|pool| pool.name == "worker").unwrap();
    let said = views.changed(pool, "rendered-worker-1", "rendered-worker-2");
    assert_eq!(said[0].object, NOT_KNOWN);
    assert_eq!(said[0].what, ["MachineConfig rendered-worker-1 is not there any more"]);
}
