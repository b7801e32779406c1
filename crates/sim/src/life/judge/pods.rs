//! What must hold for pods: evictions and drains.

use super::{Judge, is, is_cordoned, text};
use crate::{history::Change, story::judge::annotation};
use serde_json::Value;

impl Judge<'_> {
    /// A pod came, changed or went.
    pub(super) fn pod(&mut self, change: &Change, before: Option<&Value>) {
        let name = &change.key.1;
        let came = self.pods.get(name).copied().unwrap_or_default();
        match &change.after {
            Some(_) => _ = self.pods.entry(name.clone()).or_insert(change.version),
            None => _ = self.pods.remove(name),
        }
        let Some(before) = before.filter(|before| !is_ending(before)) else { return };
        let goes = change.after.as_ref().is_none_or(is_ending);
        // Pods of a node that is gone are cleared away, also when it has come back meanwhile.
        let node = self.nodes.get(text(&before["spec"]["nodeName"])).and_then(|node| node.came);
        let lost = node.is_none_or(|node| node > came);
        if !goes || lost || self.doings.deleted.contains(name) || !is_healthy(before) {
            return;
        }
        let budgets = self.now.iter().filter(|((kind, _), _)| *kind == "PodDisruptionBudget");
        let mut found = Vec::new();
        for ((_, budget), object) in budgets.filter(|(_, object)| selects(object, before)) {
            let (healthy, needed) = self.counts(object);
            if healthy < needed {
                let counts = format!("{healthy} are left, {needed} have to be");
                found.push(format!("a pod was evicted that budget {budget} needs: {name}; {counts}"));
            }
        }
        found.into_iter().for_each(|what| self.violated(change.at, what));
    }

    /// How many pods of a budget are healthy, and how many have to be.
    fn counts(&self, budget: &Value) -> (u64, u64) {
        let pods = self.now.iter().filter(|((kind, _), _)| *kind == "Pod").map(|(_, pod)| *pod);
        let pods: Vec<&Value> = pods.filter(|pod| selects(budget, pod) && !has_ended(pod)).collect();
        let healthy = pods.iter().filter(|pod| is_healthy(pod)).count();
        let sets = self.now.iter().filter(|((kind, _), _)| *kind == "ReplicaSet");
        let wanted: u64 = sets
            .filter(|((_, set), _)| pods.iter().any(|pod| is_of(pod, set)))
            .filter_map(|(_, set)| set["spec"]["replicas"].as_u64())
            .sum();
        let alone = pods.iter().filter(|pod| pod["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty));
        let expected = wanted + number(alone.count());
        let spec = &budget["spec"];
        let needed = match (&spec["minAvailable"], &spec["maxUnavailable"]) {
            (Value::Null, most) => expected.saturating_sub(share(most, expected)),
            (least, _) => share(least, expected),
        };
        (number(healthy), needed)
    }

    /// A node changed: whether it is said to be drained, and is.
    pub(super) fn drained(&mut self, change: &Change, before: Option<&Value>, after: &Value) {
        let name = &change.key.1;
        let past = self.nodes.entry(name.clone()).or_default();
        past.came = before.and(past.came).or(Some(change.version));
        past.cordoned = is_cordoned(after).then(|| past.cordoned.unwrap_or(change.version));
        let done = |node: &Value| annotation(node, "lastAppliedDrain").unwrap_or_default().to_owned();
        let (said, was) = (done(after), before.map(done).unwrap_or_default());
        let Some(since) = past.cordoned.filter(|_| said != was && said.starts_with("drain-")) else { return };
        let left = |pod: &&String| {
            let object = self.get("Pod", pod);
            text(&object["spec"]["nodeName"]) == name && self.pods.get(*pod).is_some_and(|came| *came < since)
        };
        let left: Vec<String> = self.pods.keys().filter(left).cloned().collect();
        for pod in left {
            self.violated(change.at, format!("{name} was said to be drained, and was not: {pod}"));
        }
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A number, or that percentage of the pods, rounded up.
fn share(bound: &Value, of: u64) -> u64 {
    let percent = bound.as_str().and_then(|text| text.strip_suffix('%')?.parse::<u64>().ok());
    percent.map_or_else(|| bound.as_u64().unwrap_or_default(), |percent| (percent * of).div_ceil(100))
}

/// Whether a budget counts the pod: lives select by labels alone.
fn selects(budget: &Value, pod: &Value) -> bool {
    let labels = budget["spec"]["selector"]["matchLabels"].as_object();
    let same_place = budget["metadata"]["namespace"] == pod["metadata"]["namespace"];
    same_place && labels.is_some_and(|all| all.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value))
}

fn is_of(pod: &Value, set: &str) -> bool {
    let owners = pod["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten().any(|owner| owner["kind"] == "ReplicaSet" && owner["name"] == set)
}

fn is_ending(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

fn has_ended(pod: &Value) -> bool {
    ["Succeeded", "Failed"].contains(&text(&pod["status"]["phase"]))
}

fn is_healthy(pod: &Value) -> bool {
    is(pod, "Ready") && !is_ending(pod) && !has_ended(pod)
}
