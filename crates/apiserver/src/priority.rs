//! Priorities of pods, from their classes.
//!
//! Source: `plugin/pkg/admission/priority` and `pkg/apis/scheduling` of github.com/kubernetes/kubernetes.
//!
//! 1. A new pod has the priority and the preemption policy of the class it names, which must exist.
//! 2. A pod that names none gets the global default class, the one with the lowest value if there are several; without
//!    such a class, its priority is 0.
//! 3. A pod may specify its priority or policy itself only if they agree with the class.

use crate::{
    object::{self, meta, text},
    registry::Resource,
    status::Failure,
    store::{Key, Store},
};
use serde_json::{Value, json};

const CLASSES: &str = "priorityclasses.scheduling.k8s.io";
/// Classes of the system itself, and their values.
const SYSTEM: [(&str, i64, &str); 2] = [
    (
        "system-cluster-critical",
        2_000_000_000,
        "For pods that the cluster cannot do without, whichever node they run on.",
    ),
    ("system-node-critical", 2_000_001_000, "For pods that a node cannot do without."),
];
const PREEMPTS: &str = "PreemptLowerPriority";

/// Whether a class is one of the system's own.
pub(crate) fn is_of_system(class: &Value) -> bool {
    let value = class.get("value").and_then(Value::as_i64);
    SYSTEM.iter().any(|(name, own, _)| *name == meta(class, "name") && Some(*own) == value)
}

/// The classes of the system, as they are created: group, plural name and object.
pub(crate) fn first() -> impl Iterator<Item = (&'static str, &'static str, Value)> {
    SYSTEM.into_iter().map(|(name, value, description)| {
        let class = json!({"metadata": {"name": name}, "value": value, "description": description});
        ("scheduling.k8s.io", "priorityclasses", class)
    })
}

/// Gives a new pod its priority.
pub(crate) fn prioritise(store: &Store, resource: &Resource, pod: &mut Value) -> Result<(), Failure> {
    let named = text(pod, &["spec", "priorityClassName"]);
    let class = if named.is_empty() {
        default_class(store)
    } else {
        let stored = store.get(CLASSES, &Key::new("", named)).map(|stored| stored.value());
        let why = || {
            Failure::forbidden(resource, meta(pod, "name"), &format!("no PriorityClass with name {named} was found"))
        };
        Some(stored.ok_or_else(why)?)
    };
    let of_class = |field| class.as_ref().and_then(|class| class.get(field)).filter(|v| !v.is_null());
    let wanted = [
        ("priority", "integer", "priority", of_class("value").cloned().unwrap_or_else(|| 0.into())),
        (
            "preemptionPolicy",
            "string",
            "PreemptionPolicy",
            of_class("preemptionPolicy").cloned().unwrap_or_else(|| PREEMPTS.into()),
        ),
    ];
    for (field, kind, called, value) in wanted {
        if let Some(given) = object::at(pod, &["spec", field]).filter(|given| !given.is_null() && **given != value) {
            let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let why = format!(
                "the {kind} value of {called} ({}) must not be provided in pod spec; priority admission controller computed {} from the given PriorityClass name",
                shown(given),
                shown(&value)
            );
            return Err(Failure::forbidden(resource, meta(pod, "name"), &why));
        }
        object::edit(pod, "spec", |spec| spec.insert(field.into(), value));
    }
    if let Some(class) = class {
        let name = meta(&class, "name").to_owned();
        object::edit(pod, "spec", |spec| spec.insert("priorityClassName".into(), name.into()));
    }
    Ok(())
}

fn default_class(store: &Store) -> Option<Value> {
    let tables = store.read();
    let all = tables.table(CLASSES).into_iter().flat_map(|table| table.range("", None));
    let defaults =
        all.map(|(_, class)| class.value()).filter(|class| class.get("globalDefault") == Some(&Value::Bool(true)));
    defaults.min_by_key(|class| class.get("value").and_then(Value::as_i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ApiServer, Settings, served::Served as _};

    #[test]
    fn pods_have_the_priority_of_their_class() {
        let server = ApiServer::new(Settings::default()).unwrap();
        let registry = server.state.registry();
        let (pods, classes) = (registry.find("", "v1", "pods").unwrap(), registry.of_storage(CLASSES).unwrap());
        let class = |name: &str, value: i64, default: bool| {
            let class = json!({"metadata": {"name": name}, "value": value, "globalDefault": default, "preemptionPolicy": "Never"});
            server.state.create(classes, "", class).unwrap();
        };
        let admitted = |spec: Value| {
            let mut pod = json!({"metadata": {"name": "p"}, "spec": spec});
            prioritise(&server.state.store, pods, &mut pod)
                .map(|()| pod["spec"].clone())
                .map_err(|failure| failure.message)
        };
        assert_eq!(admitted(json!({})), Ok(json!({"priority": 0, "preemptionPolicy": PREEMPTS})));
        let critical = json!({"priorityClassName": "system-node-critical"});
        assert_eq!(admitted(critical).unwrap()["priority"], 2_000_001_000_i64);
        assert_eq!(
            admitted(json!({"priorityClassName": "none"})),
            Err("pods \"p\" is forbidden: no PriorityClass with name none was found".into())
        );
        class("high", 9, true);
        class("low", 5, true);
        let low = json!({"priorityClassName": "low", "priority": 5, "preemptionPolicy": "Never"});
        assert_eq!(admitted(json!({})), Ok(low.clone()));
        assert_eq!(admitted(low.clone()), Ok(low));
        let refused = admitted(json!({"priorityClassName": "high", "priority": 5})).unwrap_err();
        assert!(refused.contains("the integer value of priority (5) must not be provided in pod spec"), "{refused}");
        assert!(refused.ends_with("computed 9 from the given PriorityClass name"), "{refused}");
    }
}
