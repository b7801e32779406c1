//! PodDisruptionBudgets: their status, kept on every change of a pod or a budget, and evictions that honour it.
//!
//! What `k8s.io/kubernetes/pkg/controller/disruption` does in the background happens here in the write that makes it
//! necessary.

use crate::{
    clock::rfc3339,
    object::{self, list, meta, text},
    registry::Resource,
    selectors,
    state::State,
    status::Failure,
    store::{Key, Tables, Writer},
};
use serde_json::{Value, json};

const PODS: &str = "pods";
const BUDGETS: &str = "poddisruptionbudgets.policy";

/// Where a budget stands.
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

fn selects(budget: &Value, pod: &Value) -> bool {
    let Some(selector) = object::at(budget, &["spec", "selector"]) else { return false };
    let labels = object::at(pod, &["metadata", "labels"]);
    selectors::matches(selector, |key| labels.and_then(|l| l.get(key)).and_then(Value::as_str))
}

fn is_ready(pod: &Value) -> bool {
    list(pod, &["status", "conditions"]).iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

fn is_healthy(pod: &Value) -> bool {
    is_ready(pod) && !object::is_deleting(pod)
}

fn has_ended(pod: &Value) -> bool {
    matches!(text(pod, &["status", "phase"]), "Succeeded" | "Failed")
}

/// A bound that is a number or a percentage of the pods, rounded up.
fn scaled(bound: &Value, of: i64) -> i64 {
    match bound {
        Value::String(percent) => {
            let percent: i64 = percent.trim_end_matches('%').parse().unwrap_or_default();
            (percent * of + 99) / 100
        }
        number => number.as_i64().unwrap_or_default(),
    }
}

fn in_namespace(tables: &Tables, storage: &str, namespace: &str) -> Vec<(Key, Value)> {
    let table = tables.table(storage);
    table.into_iter().flat_map(|t| t.range(namespace, None)).map(|(k, o)| (k.clone(), o.value())).collect()
}

/// How many pods there should be: as many as their controllers want, or as many as there are.
fn expected(state: &State, pods: &[&Value], namespace: &str) -> i64 {
    let mut bare = 0i64;
    let mut owners: Vec<(String, i64)> = Vec::new();
    for pod in pods {
        let owner = list(pod, &["metadata", "ownerReferences"]).iter().find(|o| o["controller"] == true);
        let scale = owner.and_then(|owner| {
            let registry = state.registry();
            let resource = registry.of_kind(text(owner, &["apiVersion"]), text(owner, &["kind"]))?;
            let stored = state.store.get(&resource.storage, &Key::new(namespace, text(owner, &["name"])))?.value();
            let replicas = object::at(&stored, &["spec", "replicas"]).and_then(Value::as_i64)?;
            (meta(&stored, "uid") == text(owner, &["uid"])).then(|| (meta(&stored, "uid").to_owned(), replicas))
        });
        match scale {
            None => bare += 1,
            Some(owner) if !owners.contains(&owner) => owners.push(owner),
            Some(_) => {}
        }
    }
    bare + owners.iter().map(|(_, replicas)| replicas).sum::<i64>()
}

fn count(state: &State, budget: &Value, pods: &[(Key, Value)], namespace: &str) -> Count {
    let mine: Vec<&Value> = pods.iter().map(|(_, p)| p).filter(|p| selects(budget, p) && !has_ended(p)).collect();
    let expected = expected(state, &mine, namespace);
    let bound = |field| object::at(budget, &["spec", field]).filter(|v| !v.is_null());
    let desired = match (bound("minAvailable"), bound("maxUnavailable")) {
        (Some(least), _) => scaled(least, expected),
        (None, Some(most)) => (expected - scaled(most, expected)).max(0),
        (None, None) => 0,
    };
    let healthy = mine.iter().filter(|p| is_healthy(p)).count();
    Count { expected, healthy: i64::try_from(healthy).unwrap_or(i64::MAX), desired }
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

impl State {
    /// Brings the budgets of a namespace up to date, when the resource that changed matters to them.
    pub(crate) fn count_budgets(&self, writer: &mut Writer<'_>, changed: &Resource, namespace: &str) {
        if *changed.storage != *PODS && *changed.storage != *BUDGETS {
            return;
        }
        let budgets = in_namespace(&writer.read(), BUDGETS, namespace);
        if budgets.is_empty() {
            return;
        }
        let Some(resource) = self.registry().of_storage(BUDGETS).cloned() else { return };
        let pods = in_namespace(&writer.read(), PODS, namespace);
        let now = rfc3339(self.clock.now());
        for (key, old) in budgets {
            let mut new = old.clone();
            object::set(&mut new, "status", status(&old, &count(self, &old, &pods, namespace), &now));
            if new != old {
                writer.put(&resource.storage, key, new, Some(&old));
            }
        }
    }

    /// Whether a budget lets this pod be evicted now.
    pub(crate) fn check_budget(&self, pod: &Value, namespace: &str) -> Result<(), Failure> {
        if has_ended(pod) || object::is_deleting(pod) || text(pod, &["status", "phase"]) == "Pending" {
            return Ok(());
        }
        let (budgets, pods) = {
            let tables = self.store.read();
            (in_namespace(&tables, BUDGETS, namespace), in_namespace(&tables, PODS, namespace))
        };
        let concerned: Vec<&(Key, Value)> = budgets.iter().filter(|(_, budget)| selects(budget, pod)).collect();
        let (key, budget) = match concerned.as_slice() {
            [] => return Ok(()),
            [one] => one,
            _ => {
                return Err(Failure::internal(
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
                ));
            }
        };
        let count = count(self, budget, &pods, namespace);
        let lenient = text(budget, &["spec", "unhealthyPodEvictionPolicy"]) == "AlwaysAllow";
        let spare = count.healthy >= count.desired && count.desired > 0;
        if count.allowed() > 0 || (!is_ready(pod) && (lenient || spare)) {
            return Ok(());
        }
        let (name, desired, healthy) = (&key.name, count.desired, count.healthy);
        let cause = format!("The disruption budget {name} needs {desired} healthy pods and has {healthy} currently");
        Err(Failure::disruption(cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ApiServer, Settings};

    fn pods(ready: usize, not_ready: usize) -> Vec<(Key, Value)> {
        let pod = |n: usize| {
            let status = if n < ready { "True" } else { "False" };
            let pod = json!({"metadata": {"name": format!("p{n}"), "labels": {"app": "a"}},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": status}]}});
            (Key::new("default", &format!("p{n}")), pod)
        };
        (0..ready + not_ready).map(pod).collect()
    }

    #[test]
    fn bounds_are_numbers_or_percentages() {
        let server = ApiServer::new(Settings::default()).unwrap();
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
            spec["selector"] = json!({"matchLabels": {"app": "a"}});
            let budget = json!({"spec": spec});
            let count = count(&server.state, &budget, &pods(ready, not_ready), "default");
            assert_eq!(count.allowed(), allowed, "{budget} {ready} {not_ready}");
        }
    }
}
