//! What must hold at the end of a life, and until then once nothing is wrong any more.

use super::{Judge, LONGEST_PAUSE, POOL, is, is_away, is_moving, said, text};
use crate::{history::Change, life::cluster::ARGUMENT, story::judge::annotation};
use serde_json::Value;
use std::collections::BTreeSet;
use tokio::time::Instant;
use weir_api::keys::names::{ARBITER, MASTER, WORKER};

impl Judge<'_> {
    /// Whether anything took its time, once nothing was wrong any more.
    pub(super) fn pauses(&mut self, healed: Instant, changes: &[&Change]) {
        let (mut before, mut failing) = (healed, BTreeSet::new());
        for change in changes {
            let at = change.at;
            if at > healed {
                let pause = at.saturating_duration_since(before);
                // A machine that failed tries again after pauses of its own.
                if pause > LONGEST_PAUSE && failing.is_empty() {
                    self.violated(at, format!("nothing happened for {} s, and then something", pause.as_secs()));
                }
                before = at;
            }
            if change.key.0 == "Node" {
                match change.after.as_ref().and_then(|node| annotation(node, "state")) {
                    Some("Degraded") => _ = failing.insert(change.key.1.as_str()),
                    _ => _ = failing.remove(change.key.1.as_str()),
                }
            }
        }
    }

    /// Whether a pool's target has what users wrote for it, and nothing else of theirs.
    fn acknowledged(&mut self, at: Instant, pool: &str, target: &str) {
        let custom = ![MASTER, WORKER, ARBITER].contains(&pool);
        let for_pool = |config: &&Value| {
            let role = text(&config["metadata"]["labels"]["machineconfiguration.openshift.io/role"]);
            role == pool || (custom && role == WORKER)
        };
        let configs = self.now.iter().filter(|((kind, _), _)| *kind == "MachineConfig").map(|(_, config)| *config);
        let wrote: BTreeSet<&str> = configs.filter(for_pool).flat_map(of_users).collect();
        let has: BTreeSet<&str> = of_users(self.get("MachineConfig", target)).collect();
        if wrote != has {
            self.violated(at, format!("{pool} runs {target} at the end with {has:?}: users wrote {wrote:?}"));
        }
    }

    pub(super) fn end(&mut self, at: Instant) {
        let pools: Vec<String> = self.pools.keys().cloned().collect();
        for name in pools {
            let (pool, nodes) = (self.get(POOL, &name), self.of_pool(&name));
            if pool.is_null() {
                continue;
            }
            let target = text(&pool["spec"]["configuration"]["name"]);
            for node in nodes {
                let object = self.get("Node", node);
                let told = annotation(object, "desiredConfig").unwrap_or_default();
                if is_moving(object) || is_away(object) || told != target {
                    self.violated(at, format!("{node} of {name} is not as it should be at the end"));
                }
            }
            if !is(pool, "Updated") || is(pool, "Degraded") {
                self.violated(at, format!("{name} is not updated at the end: {}", said(pool)));
            }
            self.images_at_the_end(at, &name);
            let image = text(&self.get("MachineConfig", target)["spec"]["osImageURL"]).to_owned();
            if !self.images_of(&name, at).contains(&image) {
                self.violated(at, format!("{name} runs {image} at the end, to which it does not resolve"));
            }
            self.acknowledged(at, &name, target);
        }
        for node in self.of_pool("") {
            self.violated(at, format!("{node} is in no pool at the end"));
        }
        let operator = self.get("ClusterOperator", "machine-config");
        let well = is(operator, "Available") && !is(operator, "Progressing") && !is(operator, "Degraded");
        if !operator.is_null() && !well {
            self.violated(at, format!("the ClusterOperator is not well at the end: {}", said(operator)));
        }
        for (what, times) in &self.doings.writes_at_rest {
            self.violated(at, format!("{what} was asked for {times} times while nothing happened"));
        }
    }
}

/// The kernel arguments of users in a MachineConfig.
fn of_users(config: &Value) -> impl Iterator<Item = &str> {
    let arguments = config["spec"]["kernelArguments"].as_array();
    arguments.into_iter().flatten().map(text).filter(|argument| argument.starts_with(ARGUMENT))
}
