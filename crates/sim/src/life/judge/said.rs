//! Whether what is said is of now: after a second in which nothing happened, and with nothing wrong, the numbers of each pool are those of
//! its nodes, counted here, and so is whether it is updated.

use super::{Judge, POOL, is, is_away, is_moving, of_conditions, text};
use crate::story::judge::annotation;
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;
use weir_api::keys::names::{ARBITER, CLUSTER_OPERATOR, MASTER};

/// So long after the last change, all that follows from it has been said.
const SAID_WITHIN: Duration = Duration::from_secs(1);
/// The line of the ClusterOperator that is of no pool.
const LAST_ERROR: &str = "lastSyncError";
/// So long after a trouble, a process may still have to be started, or to get the lease.
const AFTER_TROUBLE: Duration = Duration::from_mins(5);

impl Judge<'_> {
    /// Something happens, and before that nothing has happened since then.
    pub(super) fn quiet(&mut self, at: Instant) {
        let Some(last) = self.last.replace(at) else { return };
        let (now, begun) = (last + SAID_WITHIN, self.doings.begun);
        let troubled = self.doings.troubles.iter().any(|(begun, over)| *begun <= now && *over + AFTER_TROUBLE >= now);
        if at < now || troubled || begun.is_none_or(|begun| last < begun) || self.doings.is_standing_by(now) {
            return;
        }
        let names: Vec<String> = self.pools.keys().cloned().collect();
        for name in names {
            if let Some(what) = self.outdated(&name) {
                self.violated(now, what);
            }
        }
        if let Some(what) = self.unlike_pools() {
            self.violated(now, what);
        }
    }

    /// What the ClusterOperator says of pools that is not so.
    fn unlike_pools(&self) -> Option<String> {
        let lines = self.get("ClusterOperator", CLUSTER_OPERATOR)["status"]["extension"].as_object()?;
        let said: BTreeSet<&str> = lines.keys().map(String::as_str).filter(|key| *key != LAST_ERROR).collect();
        let pools = self.now.keys().filter(|(kind, _)| *kind == POOL);
        let pools: BTreeSet<&str> = pools.map(|(_, name)| name.as_str()).collect();
        if said != pools {
            return Some(format!(
                "the ClusterOperator had lines for {said:?} a second after the last change, and there are {pools:?}"
            ));
        }
        let line = |name: &&str| lines.get(*name).map(text).unwrap_or_default();
        let wrong = pools.into_iter().find(|name| line(name).starts_with("all ") != self.is_said_updated(name))?;
        Some(format!("the ClusterOperator said {:?} of {wrong} a second after the last change", line(&wrong)))
    }

    /// Whether a pool says that it is updated, and of nothing that fails.
    fn is_said_updated(&self, name: &str) -> bool {
        let pool = self.get(POOL, name);
        is(pool, "Updated") && !is(pool, "RenderDegraded") && !is(pool, "NodeDegraded")
    }

    /// The ClusterOperator was written: a version that it reports is that of all nodes of the control plane.
    pub(super) fn reported(&mut self, at: Instant, before: Option<&Value>, after: &Value) {
        let versions = |operator: &Value| operator["status"]["versions"].clone();
        let Some(before) = before.filter(|before| !versions(before).is_null()) else { return };
        if versions(before) == versions(after) {
            return;
        }
        let since = self.doings.since(at);
        let late: Vec<&str> = [MASTER, ARBITER]
            .into_iter()
            .flat_map(|pool| self.of_pool(pool))
            .filter(|node| is_moving(self.get("Node", node)))
            .filter(|node| self.nodes.get(*node).and_then(|past| past.same).is_some_and(|same| same <= since))
            .collect();
        if !late.is_empty() {
            self.violated(at, format!("version {} was reported, and {late:?} are on their way", versions(after)));
        }
    }

    /// What a pool says that is not so.
    fn outdated(&self, name: &str) -> Option<String> {
        let pool = self.get(POOL, name);
        if of_conditions(pool).iter().any(|c| c["reason"] == "InvalidNodeSelector") || pool.is_null() {
            // Nobody knows which nodes it has.
            return None;
        }
        let target = text(&pool["spec"]["configuration"]["name"]);
        if target.is_empty() {
            // One that was never rendered has nothing that its nodes could run, and counts none.
            return is(pool, "Updated").then(|| format!("{name} said Updated=true, and was never rendered"));
        }
        let nodes: Vec<&Value> = self.of_pool(name).into_iter().map(|node| self.get("Node", node)).collect();
        let layered = self.pools.get(name).and_then(|past| past.layered.0.last()).is_some_and(|(_, layered)| *layered);
        let reached = |node: &&&Value| {
            let of_image = annotation(node, "desiredImage").is_some_and(|image| !image.is_empty());
            !is_moving(node) && annotation(node, "desiredConfig") == Some(target) && of_image == layered
        };
        let fails = |node: &Value| ["Degraded", "Unreconcilable"].map(Some).contains(&annotation(node, "state"));
        let lost = |node: &&&Value| {
            let on_its_way = [("currentConfig", "desiredConfig"), ("currentImage", "desiredImage")]
                .into_iter()
                .any(|(current, desired)| annotation(node, current) != annotation(node, desired));
            let failing = fails(node) && on_its_way;
            is_away(node) || (is_moving(node) && !failing)
        };
        let count = |field: &str, wanted: usize| {
            let said = pool["status"][field].as_u64().unwrap_or_default();
            (said != u64::try_from(wanted).unwrap_or(u64::MAX))
                .then(|| format!("{name} said {field} {said} a second after the last change, and it is {wanted}"))
        };
        let (updated, ready) =
            (nodes.iter().filter(reached).count(), nodes.iter().filter(reached).filter(|node| !is_away(node)).count());
        let counted = count("machineCount", nodes.len())
            .or_else(|| count("unavailableMachineCount", nodes.iter().filter(lost).count()))
            .or_else(|| count("degradedMachineCount", nodes.iter().filter(|node| fails(node)).count()));
        if layered || counted.is_some() {
            // Whether an image is reached is another question.
            return counted;
        }
        let all = ready == nodes.len() && !nodes.iter().any(|node| lost(&node));
        let waits = of_conditions(pool).iter().any(|c| text(&c["message"]).contains("; waits for another one"));
        count("updatedMachineCount", updated).or_else(|| count("readyMachineCount", ready)).or_else(|| {
            let said = is(pool, "Updated");
            (said != all && !waits)
                .then(|| format!("{name} said Updated={said} a second after the last change, and it is not so"))
        })
    }
}
