//! PodDisruptionBudgets: their status, kept on every change of a pod or a budget, and evictions that honour it.
//!
//! What `k8s.io/kubernetes/pkg/controller/disruption` does in the background happens here in the write that makes it necessary.
//!
//! 1. Pods are not counted again for every write: for each namespace with a budget, the server keeps which of its pods are healthy
//!    and who owns them, and for each budget how many of those it selects ([`Disruptions`]).
//! 2. These counts follow the log of the pods' changes, whoever made them, up to the current version. If the log does not reach
//!    back far enough, everything is counted again.
//! 3. An eviction is decided and carried out in one turn, so that two cannot use up the same disruption.

use crate::{
    clock::rfc3339,
    object::{self, list, text},
    registry::Registry,
    selectors,
    status::Failure,
    store::{Event, EventKind, Key, Object, Tables, Writer},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

const PODS: &str = "pods";
const BUDGETS: &str = "poddisruptionbudgets.policy";

/// The counts of a budget.
#[derive(Debug, PartialEq, Eq)]
struct Count {
    expected: i64,
    healthy: i64,
    desired: i64,
}

impl Count {
    fn allowed(&self) -> i64 {
        if self.expected == 0 { 0 } else { (self.healthy - self.desired).max(0) }
    }
}

/// The counts for all budgets, at a version.
#[derive(Debug, Default)]
pub(crate) struct Disruptions {
    seen: u64,
    namespaces: BTreeMap<Box<str>, Local>,
}

/// The same for a namespace that has budgets.
#[derive(Debug, Default)]
struct Local {
    pods: BTreeMap<Arc<str>, Pod>,
    budgets: BTreeMap<Arc<str>, Budget>,
}

/// What matters about a pod in addition to its labels, which are in the store. Pods that have ended do not count.
#[derive(Debug)]
struct Pod {
    is_healthy: bool,
    /// Its controller.
    owner: Option<Arc<Owner>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Owner {
    api_version: String,
    kind: String,
    name: String,
    uid: String,
    #[serde(deserialize_with = "null_is_default")]
    controller: bool,
}

/// A budget, and how many pods it selects.
#[derive(Debug)]
struct Budget {
    version: u64,
    value: Value,
    healthy: i64,
    /// By controller; `None` for pods without one.
    owners: BTreeMap<Option<Arc<Owner>>, i64>,
}

/// The part of a stored pod that is needed; decoding it costs a fraction of decoding all.
#[derive(Default, Deserialize)]
#[serde(default)]
struct StoredPod {
    metadata: StoredMeta,
    status: StoredStatus,
}

/// The part of a stored controller that is needed.
#[derive(Default, Deserialize)]
#[serde(default)]
struct StoredOwner {
    metadata: StoredMeta,
    spec: StoredScale,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StoredScale {
    replicas: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StoredMeta {
    uid: String,
    deletion_timestamp: Option<String>,
    owner_references: Vec<Owner>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StoredStatus {
    phase: String,
    conditions: Vec<StoredCondition>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StoredCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl Pod {
    /// `None` for a pod that has ended.
    fn read(object: &Object) -> Option<Self> {
        // A stored pod has the right types, so decoding does not fail.
        let pod: StoredPod = serde_json::from_slice(&object.raw).unwrap_or_default();
        if matches!(pod.status.phase.as_str(), "Succeeded" | "Failed") {
            return None;
        }
        let is_ready = pod.status.conditions.iter().any(|c| c.kind == "Ready" && c.status == "True");
        let owner = pod.metadata.owner_references.into_iter().find(|owner| owner.controller).map(Arc::new);
        Some(Self { is_healthy: is_ready && pod.metadata.deletion_timestamp.is_none(), owner })
    }
}

impl Budget {
    fn new(object: &Object) -> Self {
        Self { version: object.version, value: object.value(), healthy: 0, owners: BTreeMap::new() }
    }

    fn selects(&self, pod: &Object) -> bool {
        let selector = object::at(&self.value, &["spec", "selector"]);
        selector.is_some_and(|selector| selectors::matches(selector, |key| pod.label(key)))
    }

    /// Adds a pod that it selects to the counts (`times` is 1), or removes it (-1).
    fn add(&mut self, pod: &Pod, times: i64) {
        self.healthy += i64::from(pod.is_healthy) * times;
        let own = self.owners.entry(pod.owner.clone()).or_default();
        *own += times;
        if *own == 0 {
            self.owners.remove(&pod.owner);
        }
    }

    /// How many pods there should be: as many as their controllers want, or as many as there are.
    fn expected(&self, registry: &Registry, tables: &Tables, namespace: &str) -> i64 {
        let wanted = |owner: &Owner| {
            let resource = registry.of_kind(&owner.api_version, &owner.kind)?;
            let stored = tables.get(&resource.storage, &Key::new(namespace, &owner.name))?;
            let stored: StoredOwner = serde_json::from_slice(&stored.raw).unwrap_or_default();
            stored.spec.replicas.filter(|_| stored.metadata.uid == owner.uid)
        };
        let pods = self.owners.iter();
        pods.map(|(owner, there)| owner.as_ref().and_then(|owner| wanted(owner)).unwrap_or(*there)).sum()
    }

    fn count(&self, registry: &Registry, tables: &Tables, namespace: &str) -> Count {
        let expected = self.expected(registry, tables, namespace);
        let bound = |field| object::at(&self.value, &["spec", field]).filter(|v| !v.is_null());
        let desired = match (bound("minAvailable"), bound("maxUnavailable")) {
            (Some(least), _) => scaled(least, expected),
            (None, Some(most)) => (expected - scaled(most, expected)).max(0),
            (None, None) => 0,
        };
        Count { expected, healthy: self.healthy, desired }
    }
}

impl Local {
    fn of(tables: &Tables, namespace: &str) -> Self {
        let pods = tables.table(PODS).into_iter().flat_map(|table| table.range(namespace, None));
        let pods = pods.filter_map(|(key, object)| Some((key.name.clone(), Pod::read(object)?)));
        Self { pods: pods.collect(), budgets: BTreeMap::new() }
    }

    fn follow(&mut self, event: &Event) {
        let name = &event.key.name;
        if let (Some(pod), Some(before)) = (self.pods.remove(name), &event.previous) {
            self.budgets.values_mut().filter(|b| b.selects(before)).for_each(|b| b.add(&pod, -1));
        }
        if event.kind == EventKind::Deleted {
            return;
        }
        if let Some(pod) = Pod::read(&event.object) {
            self.budgets.values_mut().filter(|b| b.selects(&event.object)).for_each(|b| b.add(&pod, 1));
            self.pods.insert(name.clone(), pod);
        }
    }

    /// Takes over the current budgets; counts again for those whose selector has changed.
    fn take_budgets(&mut self, tables: &Tables, namespace: &str) {
        let mut known = std::mem::take(&mut self.budgets);
        for (key, object) in tables.table(BUDGETS).into_iter().flat_map(|table| table.range(namespace, None)) {
            let budget = match known.remove(&key.name) {
                Some(budget) if budget.version == object.version => budget,
                before => self.recount(tables, namespace, Budget::new(object), before),
            };
            self.budgets.insert(key.name.clone(), budget);
        }
    }

    fn recount(&self, tables: &Tables, namespace: &str, budget: Budget, before: Option<Budget>) -> Budget {
        let selector = |budget: &Budget| object::at(&budget.value, &["spec", "selector"]).cloned();
        match before {
            Some(before) if selector(&before) == selector(&budget) => {
                Budget { healthy: before.healthy, owners: before.owners, ..budget }
            }
            _ => {
                let mut budget = budget;
                for (name, pod) in &self.pods {
                    let stored = tables.get(PODS, &Key::new(namespace, name));
                    if stored.is_some_and(|stored| budget.selects(&stored)) {
                        budget.add(pod, 1);
                    }
                }
                budget
            }
        }
    }
}

impl Disruptions {
    /// Brings everything up to the version of the tables; returns the counts for a namespace, if it has budgets.
    fn at(&mut self, tables: &Tables, namespace: &str) -> Option<&mut Local> {
        let changes = match tables.table(PODS) {
            Some(table) if !self.namespaces.is_empty() => table.since(self.seen),
            _ => None,
        };
        match changes {
            Some(changes) => {
                for event in changes {
                    if let Some(local) = self.namespaces.get_mut(&*event.key.namespace) {
                        local.follow(event);
                    }
                }
            }
            None => self.namespaces.clear(),
        }
        self.seen = tables.version;
        let has_budgets = tables.table(BUDGETS).is_some_and(|table| table.range(namespace, None).next().is_some());
        if !has_budgets {
            self.namespaces.remove(namespace);
            return None;
        }
        let local = self.namespaces.entry(namespace.into()).or_insert_with(|| Local::of(tables, namespace));
        local.take_budgets(tables, namespace);
        Some(local)
    }
}

fn null_is_default<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn is_ready(pod: &Value) -> bool {
    list(pod, &["status", "conditions"]).iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

fn has_ended(pod: &Value) -> bool {
    matches!(text(pod, &["status", "phase"]), "Succeeded" | "Failed")
}

/// The value of a bound that is a number or a percentage of the pods, rounded up.
fn scaled(bound: &Value, of: i64) -> i64 {
    match bound {
        Value::String(percent) => {
            let percent: i64 = percent.trim_end_matches('%').parse().unwrap_or_default();
            (percent * of + 99) / 100
        }
        number => number.as_i64().unwrap_or_default(),
    }
}

fn status(budget: &Value, count: &Count, now: &str) -> Value {
    let generation = object::at(budget, &["metadata", "generation"]).cloned().unwrap_or_default();
    let (state, reason) = if count.allowed() > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let old = list(budget, &["status", "conditions"]).iter().find(|c| c["type"] == "DisruptionAllowed");
    let since = old.filter(|c| c["status"] == state).map_or(now, |c| text(c, &["lastTransitionTime"]));
    let condition = json!({"type": "DisruptionAllowed", "status": state, "reason": reason, "message": "",
        "observedGeneration": generation, "lastTransitionTime": since});
    json!({"currentHealthy": count.healthy, "desiredHealthy": count.desired, "disruptionsAllowed": count.allowed(),
        "expectedPods": count.expected, "observedGeneration": generation, "conditions": [condition]})
}

impl Disruptions {
    /// Whether a change of this table matters to budgets.
    pub(crate) fn concerns(storage: &str) -> bool {
        storage == PODS || storage == BUDGETS
    }

    /// Brings the budgets of a namespace up to date.
    pub(crate) fn count(&mut self, writer: &mut Writer<'_>, registry: &Registry, now: Timestamp, namespace: &str) {
        let tables = writer.read();
        let Some(local) = self.at(&tables, namespace) else { return };
        let counts: Vec<Count> = local.budgets.values().map(|b| b.count(registry, &tables, namespace)).collect();
        drop(tables);
        let storage: Arc<str> = BUDGETS.into();
        let now = rfc3339(now);
        for ((name, budget), count) in local.budgets.iter_mut().zip(counts) {
            let status = status(&budget.value, &count, &now);
            if budget.value.get("status") != Some(&status) {
                let mut new = budget.value.clone();
                object::set(&mut new, "status", status);
                let stored = writer.put(&storage, Key::new(namespace, name), new.clone());
                (budget.value, budget.version) = (new, stored.version);
            }
        }
    }

    /// Whether a budget lets this pod be evicted now.
    pub(crate) fn check(
        &mut self,
        writer: &Writer<'_>,
        registry: &Registry,
        key: &Key,
        stored: &Object,
    ) -> Result<(), Failure> {
        let pod = stored.value();
        if has_ended(&pod) || object::is_deleting(&pod) || text(&pod, &["status", "phase"]) == "Pending" {
            return Ok(());
        }
        let tables = writer.read();
        let Some(local) = self.at(&tables, &key.namespace) else { return Ok(()) };
        let mut concerned = local.budgets.iter().filter(|(_, budget)| budget.selects(stored));
        let Some((name, budget)) = concerned.next() else { return Ok(()) };
        if concerned.next().is_some() {
            return Err(Failure::internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
        let count = budget.count(registry, &tables, &key.namespace);
        let lenient = text(&budget.value, &["spec", "unhealthyPodEvictionPolicy"]) == "AlwaysAllow";
        let spare = count.healthy >= count.desired && count.desired > 0;
        if count.allowed() > 0 || (!is_ready(&pod) && (lenient || spare)) {
            return Ok(());
        }
        let (desired, healthy) = (count.desired, count.healthy);
        let cause = format!("The disruption budget {name} needs {desired} healthy pods and has {healthy} currently");
        Err(Failure::disruption(cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ApiServer, Settings,
        delete::{DeleteOptions, delete},
        host::Host as _,
        identity::admin,
        patch::Patch,
        pipeline::Change,
        registry::Resource,
        request::Query,
        served::Served as _,
    };
    use proptest::{
        prelude::*,
        test_runner::{Config, RngSeed},
    };

    struct Cluster(ApiServer);

    impl Cluster {
        fn new() -> Self {
            Self(ApiServer::new(Settings::default()).unwrap())
        }

        fn resource(&self, storage: &str) -> Arc<Resource> {
            self.0.state.registry().of_storage(storage).unwrap().clone()
        }

        fn create(&self, storage: &str, object: Value) {
            self.0.state.create(&self.resource(storage), "default", object).unwrap();
        }

        fn change(&self, storage: &str, name: &str, patch: Value) {
            let change = Change::Patch(Patch::Merge(patch));
            self.0.state.write(&self.resource(storage), "default", |write| write.update(name, change)).unwrap();
        }

        fn set_status(&self, name: &str, status: Value) {
            let (state, key, storage) = (&self.0.state, Key::new("default", name), self.resource(PODS).storage.clone());
            let mut writer = state.writer();
            let old = writer.get(PODS, &key).unwrap().value();
            let mut new = old.clone();
            object::set(&mut new, "status", status);
            writer.put(&storage, key, new);
            state.disruptions.lock().count(&mut writer, &state.registry(), state.now(), "default");
        }

        fn delete(&self, storage: &str, name: &str) {
            let options = DeleteOptions::read(&Value::Null, &Query::default()).unwrap();
            let (resource, key) = (self.resource(storage), Key::new("default", name));
            delete(&self.0.state, &resource, &key, &options, &admin(), None).unwrap();
        }

        fn pod(&self, name: &str, labels: Value, ready: bool) {
            self.create(PODS, json!({"metadata": {"name": name, "labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}));
            let ready = if ready { "True" } else { "False" };
            self.set_status(name, json!({"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}));
        }

        fn status(&self, name: &str) -> Value {
            let budget = self.0.state.store.get(BUDGETS, &Key::new("default", name)).unwrap().value();
            let mut status = budget["status"].clone();
            object::remove(&mut status, "conditions");
            object::remove(&mut status, "observedGeneration");
            status
        }

        /// The counts of a budget when everything is counted again.
        fn recounted(&self, name: &str) -> Value {
            let mut fresh = Disruptions::default();
            let tables = self.0.state.store.read();
            let local = fresh.at(&tables, "default").unwrap();
            let count = local.budgets[name].count(&self.0.state.registry(), &tables, "default");
            json!({"currentHealthy": count.healthy, "desiredHealthy": count.desired,
                "disruptionsAllowed": count.allowed(), "expectedPods": count.expected})
        }
    }

    #[test]
    fn bounds_are_numbers_or_percentages() {
        let cases = [
            (json!({"minAvailable": 2}), (3, 0), 1),
            (json!({"minAvailable": 2}), (2, 1), 0),
            (json!({"minAvailable": "50%"}), (3, 0), 1),
            (json!({"maxUnavailable": 1}), (3, 0), 1),
            (json!({"maxUnavailable": 1}), (2, 1), 0),
            (json!({"maxUnavailable": "30%"}), (10, 0), 3),
            (json!({"minAvailable": 0}), (0, 0), 0),
        ];
        for (mut spec, (ready, not_ready), allowed) in cases {
            let cluster = Cluster::new();
            spec["selector"] = json!({"matchLabels": {"app": "a"}});
            let shown = format!("{spec} {ready} {not_ready}");
            cluster.create(BUDGETS, json!({"metadata": {"name": "b"}, "spec": spec}));
            for n in 0..ready + not_ready {
                cluster.pod(&format!("p{n}"), json!({"app": "a"}), n < ready);
            }
            assert_eq!(cluster.status("b")["disruptionsAllowed"], allowed, "{shown}");
        }
    }

    /// A change of the pods or budgets.
    #[derive(Debug, Clone)]
    enum Step {
        Pod(u8, bool, bool),
        Status(u8, &'static str, bool),
        Label(u8, bool),
        Delete(u8),
        Budget(u8, bool),
        Select(u8, bool),
        Scale(i64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..6_u8, any::<bool>(), any::<bool>()).prop_map(|(n, owned, ready)| Step::Pod(n, owned, ready)),
            3 => (0..6_u8, prop::sample::select(vec!["Running", "Succeeded", "Failed"]), any::<bool>())
                .prop_map(|(n, phase, ready)| Step::Status(n, phase, ready)),
            2 => (0..6_u8, any::<bool>()).prop_map(|(n, on)| Step::Label(n, on)),
            2 => (0..6_u8).prop_map(Step::Delete),
            1 => (0..2_u8, any::<bool>()).prop_map(|(n, there)| Step::Budget(n, there)),
            1 => (0..2_u8, any::<bool>()).prop_map(|(n, all)| Step::Select(n, all)),
            1 => (0..5_i64).prop_map(Step::Scale),
        ]
    }

    fn selector(all: bool) -> Value {
        if all { json!({}) } else { json!({"matchLabels": {"app": "a"}}) }
    }

    impl Cluster {
        fn exists(&self, storage: &str, name: &str) -> bool {
            self.0.state.store.get(storage, &Key::new("default", name)).is_some()
        }

        fn step(&self, step: &Step) {
            let label = |on: bool| json!({"app": if on { "a" } else { "b" }});
            match step {
                Step::Pod(n, owned, ready) if !self.exists(PODS, &format!("p{n}")) => {
                    self.pod(&format!("p{n}"), label(true), *ready);
                    let set = self.0.state.store.get("replicasets.apps", &Key::new("default", "rs")).unwrap().value();
                    let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "controller": true, "uid": object::meta(&set, "uid")}]);
                    if *owned {
                        self.change(PODS, &format!("p{n}"), json!({"metadata": {"ownerReferences": owner}}));
                    }
                }
                Step::Status(n, phase, ready) if self.exists(PODS, &format!("p{n}")) => {
                    let ready = if *ready { "True" } else { "False" };
                    let conditions = json!([{"type": "Ready", "status": ready}]);
                    self.set_status(&format!("p{n}"), json!({"phase": phase, "conditions": conditions}));
                }
                Step::Label(n, on) if self.exists(PODS, &format!("p{n}")) => {
                    self.change(PODS, &format!("p{n}"), json!({"metadata": {"labels": label(*on)}}));
                }
                Step::Delete(n) if self.exists(PODS, &format!("p{n}")) => self.delete(PODS, &format!("p{n}")),
                Step::Budget(n, there) => match (self.exists(BUDGETS, &format!("b{n}")), there) {
                    (false, true) => self.create(
                        BUDGETS,
                        json!({"metadata": {"name": format!("b{n}")},
                        "spec": {"maxUnavailable": "50%", "selector": selector(*n == 0)}}),
                    ),
                    (true, false) => self.delete(BUDGETS, &format!("b{n}")),
                    _ => {}
                },
                Step::Select(n, all) if self.exists(BUDGETS, &format!("b{n}")) => {
                    let patch = json!({"spec": {"selector": {"matchLabels": if *all { Value::Null } else { json!({"app": "a"}) }}}});
                    self.change(BUDGETS, &format!("b{n}"), patch);
                }
                Step::Scale(replicas) => {
                    self.change("replicasets.apps", "rs", json!({"spec": {"replicas": replicas}}));
                    // Budgets take note of it with the next change of a pod.
                    self.pod("heard", json!({}), true);
                    self.delete(PODS, "heard");
                }
                _ => {}
            }
        }
    }

    proptest! {
        #![proptest_config(Config { cases: 100, rng_seed: RngSeed::Fixed(5), failure_persistence: None, ..Config::default() })]

        #[test]
        fn counts_equal_those_of_a_recount(steps in prop::collection::vec(any_step(), 1..40)) {
            let cluster = Cluster::new();
            let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
            cluster.create("replicasets.apps", json!({"metadata": {"name": "rs"}, "spec": {"selector": selector(false), "template": template}}));
            for step in &steps {
                cluster.step(step);
                for budget in ["b0", "b1"].iter().filter(|name| cluster.exists(BUDGETS, name)) {
                    prop_assert_eq!(cluster.status(budget), cluster.recounted(budget), "{:?} after {:?}", step, steps);
                }
            }
        }
    }
}
