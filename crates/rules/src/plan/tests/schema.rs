//! The schema of a plan's data in the documentation is that of what is printed.

use super::*;
use weir_api::keys::drain;

const SCHEMA: &str = include_str!("../../../../../docs/user/plan.schema.json");

/// Compares data with a schema; notes every place of the schema that the data fills.
#[derive(Default)]
struct Walk {
    wrong: Vec<String>,
    filled: BTreeSet<String>,
}

impl Walk {
    fn walk(&mut self, at: &str, schema: &Json, data: &Json) {
        let types: Vec<&str> = match &schema["type"] {
            Json::Array(all) => all.iter().filter_map(Json::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        let own = match data {
            Json::Null => "null",
            Json::Bool(_) => "boolean",
            Json::Number(_) => "integer",
            Json::String(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        };
        if !types.is_empty() && !types.contains(&own) {
            self.wrong.push(format!("{at} is {own}, and not {types:?}"));
        }
        if schema["enum"].as_array().is_some_and(|known| !known.contains(data)) {
            self.wrong.push(format!("{at} is {data}"));
        }
        if !data.is_null() {
            self.filled.insert(at.to_owned());
        }
        for one in data.as_array().into_iter().flatten() {
            self.walk(&format!("{at}[]"), &schema["items"], one);
        }
        let (Some(fields), Some(known)) = (data.as_object(), schema["properties"].as_object()) else { return };
        for (name, value) in fields {
            match known.get(name) {
                Some(schema) => self.walk(&format!("{at}.{name}"), schema, value),
                None => self.wrong.push(format!("{at}.{name} is not in the schema")),
            }
        }
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
        self.wrong
            .extend(required.filter(|name| !fields.contains_key(*name)).map(|name| format!("{at}.{name} is absent")));
    }
}

/// Every place that a schema describes.
fn places(at: &str, schema: &Json, found: &mut BTreeSet<String>) {
    found.insert(at.to_owned());
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        places(&format!("{at}.{name}"), schema, found);
    }
    if schema["items"].is_object() {
        places(&format!("{at}[]"), &schema["items"], found);
    }
}

/// Worlds and changes that together fill every place.
fn plans() -> Vec<Plan> {
    let mut world = at_rest();
    world.put(ours("MachineConfig", config("99-x", "worker", &json!({"extensions": ["usbguard"]}))));
    let pod = json!({
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "ReplicaSet", "name": "web", "uid": "u", "controller": true}]},
        "spec": {"nodeName": "b", "containers": []},
    });
    world.put(object("", "Pod", pod));
    let bare = json!({"metadata": {"name": "bare", "namespace": "shop"}, "spec": {"nodeName": "b", "containers": []}});
    world.put(object("", "Pod", bare));
    let budget = json!({
        "metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"matchLabels": {"app": "web"}}},
        "status": {"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1},
    });
    world.put(object("policy", "PodDisruptionBudget", budget));
    let history = json!({"rollouts": [{
        "from": "r0", "to": "r1", "began": "2025-01-01T00:00:00Z", "ended": "2025-01-01T01:00:00Z", "result": "done",
        "phases": {
            "drain": {"count": 10, "median": 10_000, "ninety": 30_000, "longest": 40_000},
            "apply": {"count": 10, "median": 10_000, "ninety": 30_000, "longest": 40_000},
            "reboot": {"count": 10, "median": 10_000, "ninety": 30_000, "longest": 40_000},
            "ready": {"count": 10, "median": 10_000, "ninety": 30_000, "longest": 40_000},
        },
        "total": {"count": 10, "median": 60_000, "ninety": 120_000, "longest": 130_000},
    }]});
    let map = json!({"metadata": {"name": "weir-history-worker"}, "data": {"history.json": history.to_string()}});
    world.put(object("", "ConfigMap", map));
    edit(&mut world.nodes, |node| node.metadata.resource_version = Some("7".to_owned()));
    edit(&mut world.pools, |pool| pool.metadata.resource_version = Some("8".to_owned()));
    let mut odd = at_rest();
    edit(&mut odd.nodes, |node| {
        if node.metadata.name.as_deref() == Some("b") {
            let marks = node.metadata.annotations.as_mut().unwrap();
            marks.insert(format!("{PREFIX}/currentConfig"), "rendered-gone".to_owned());
            marks.insert(format!("{PREFIX}/desiredConfig"), "rendered-gone".to_owned());
        }
        if node.metadata.name.as_deref() == Some("c") {
            let marks = node.metadata.annotations.as_mut().unwrap();
            marks.insert(format!("{PREFIX}/desiredConfig"), "rendered-before".to_owned());
        }
    });
    edit(&mut odd.pools, |pool: &mut MachineConfigPool| {
        pool.spec.paused = Some(pool.metadata.name.as_deref() == Some("worker"));
        if pool.metadata.name.as_deref() == Some("infra") {
            let wrong = k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::String("many".to_owned());
            pool.spec.max_unavailable = Some(wrong);
        }
    });
    edit(&mut odd.nodes, |node| {
        if node.metadata.name.as_deref() == Some("d") {
            let made = "2025-12-31T00:00:00Z".parse().unwrap();
            node.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(made));
        }
    });
    let mut late = at_rest();
    late.put(ours("MachineConfig", config("99-worker-motd", "worker", &file("/etc/motd", "a"))));
    let told = planned(&late, &[]).pools.iter().find(|pool| pool.pool == "worker").unwrap().after.config.clone();
    edit(&mut late.nodes, |node| {
        if node.metadata.name.as_deref() == Some("a") {
            let marks = node.metadata.annotations.as_mut().unwrap();
            marks.insert(format!("{PREFIX}/desiredConfig"), told.clone().unwrap());
            marks.insert(format!("{PREFIX}/desiredDrain"), format!("drain-{}", told.as_deref().unwrap()));
            marks.insert(drain::DRAIN_STARTED.to_owned(), "2025-12-31T00:00:00Z".to_owned());
        }
    });
    let mut image_mode = at_rest();
    let spec = json!({
        "machineConfigPool": {"name": "worker"}, "imageBuilder": {"imageBuilderType": "Job"},
        "renderedImagePushSecret": {"name": "push"}, "renderedImagePushSpec": "r/own:1",
    });
    image_mode.put(ours("MachineOSConfig", json!({"metadata": {"name": "worker"}, "spec": spec})));
    let unit = json!({"config": {"ignition": {"version": "3.5.0"}, "systemd": {"units": [
        {"name": "a.service", "enabled": true, "contents": "[Unit]\n"},
    ]}}});
    let restart = json!({"type": "Restart", "restart": {"serviceName": "a.service"}});
    let policy = json!({"nodeDisruptionPolicy": {"units": [{"name": "a.service", "actions": [restart]}]}});
    let policy = json!({
        "apiVersion": format!("{OPERATOR_GROUP}/v1"), "kind": "MachineConfiguration", "metadata": {"name": "cluster"}, "spec": policy,
    });
    let stream = Change::Stream { pool: "worker".to_owned(), stream: "rhel-10".to_owned() };
    let mut kubelet = at_rest();
    let owned = json!([{"apiVersion": "v1", "kind": "KubeletConfig", "name": "pods", "uid": "u"}]);
    let mut generated = config("99-worker-generated-kubelet", "worker", &file("/etc/kubernetes/kubelet.conf", "new"));
    generated["metadata"]["ownerReferences"] = owned;
    kubelet.put(ours("MachineConfig", generated));
    vec![
        planned(&world, &[motd("a"), stream]),
        planned(&odd, &[motd("a")]),
        planned(&image_mode, &[motd("a")]),
        planned(&late, &[]),
        planned(&at_rest(), &[Change::Apply(policy), Change::Apply(config("99-unit", "worker", &unit))]),
        planned(&kubelet, &[Change::Delete(change::Reference::ours("MachineConfig", "00-worker"))]),
    ]
}

#[test]
fn the_schema_describes_what_is_printed_and_nothing_else() {
    let schema: Json = serde_json::from_str(SCHEMA).unwrap();
    let mut walk = Walk::default();
    for plan in plans() {
        walk.walk("", &schema, &data(&plan));
    }
    assert_eq!(walk.wrong, [""; 0]);
    let mut all = BTreeSet::new();
    places("", &schema, &mut all);
    // A pool whose present configuration cannot be read is not rendered, and then nothing differs.
    all.remove(".pools[].differencesNotKnown");
    let never: Vec<&String> = all.difference(&walk.filled).collect();
    assert!(never.is_empty(), "no plan here fills {never:?}");
}
