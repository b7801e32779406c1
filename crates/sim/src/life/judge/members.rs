//! Which pool a node is in, by the selectors of the pools, and what must hold for nodes that are in none.

use super::{Judge, POOL, of_conditions, text};
use crate::story::judge::annotation;
use serde_json::Value;
use tokio::time::Instant;
use weir_api::keys::names::{MASTER, RENDERED_PREFIX, WORKER};

impl<'a> Judge<'a> {
    /// The pool that a node is in; empty if it is in none: no pool selects it, several custom pools do, or the selector of the pool whose
    /// configuration it has cannot be read.
    pub(super) fn pool_of(&self, node: &Value) -> String {
        let pools = self.now.iter().filter(|((kind, _), _)| *kind == POOL);
        let selected: Vec<(&str, Option<bool>)> = pools
            .map(|((_, name), pool)| {
                (name.as_str(), selects(&pool["spec"]["nodeSelector"], &node["metadata"]["labels"]))
            })
            .collect();
        let by = |name: &str| selected.iter().any(|(pool, selects)| *pool == name && *selects == Some(true));
        let custom: Vec<&str> = selected
            .iter()
            .filter(|(pool, selects)| *selects == Some(true) && ![MASTER, WORKER].contains(pool))
            .map(|(pool, _)| *pool)
            .collect();
        let has = |pool: &str| {
            let told = ["currentConfig", "desiredConfig"].into_iter().filter_map(|key| annotation(node, key));
            told.filter_map(|config| config.strip_prefix(RENDERED_PREFIX)?.rsplit_once('-')).any(|(of, _)| of == pool)
        };
        let unreadable = selected.iter().any(|(pool, selects)| selects.is_none() && has(pool));
        match custom.as_slice() {
            [_, _, ..] => "",
            _ if by(MASTER) => MASTER,
            _ if unreadable => "",
            [custom] => custom,
            [] if by(WORKER) => WORKER,
            [] => "",
        }
        .to_owned()
    }

    /// The nodes of a pool.
    pub(super) fn of_pool(&self, pool: &str) -> Vec<&'a str> {
        let nodes = self.now.iter().filter(|((kind, _), _)| *kind == "Node").map(|(_, node)| *node);
        nodes.filter(|node| self.pool_of(node) == pool).map(|node| text(&node["metadata"]["name"])).collect()
    }

    /// Notes in which pool a node is; whether that is another one than before.
    pub(super) fn member(&mut self, at: Instant, node: &str, pool: &str) -> bool {
        let past = self.nodes.entry(node.to_owned()).or_default();
        let last = past.member.0.last().map(|(then, last)| (*then, last.clone()));
        past.member.note(at, pool.to_owned());
        match last {
            Some((_, last)) if last == pool => false,
            Some((then, last)) => {
                if last.is_empty() {
                    self.said(at, node, then);
                }
                true
            }
            None => false,
        }
    }

    /// A pool selects otherwise: nodes may be in other pools.
    pub(super) fn reselected(&mut self, at: Instant) {
        let nodes: Vec<(String, String)> = self
            .now
            .iter()
            .filter(|((kind, _), _)| *kind == "Node")
            .map(|((_, name), node)| (name.clone(), self.pool_of(node)))
            .collect();
        for (name, pool) in nodes {
            if self.member(at, &name, &pool)
                && let Some(past) = self.nodes.get_mut(&name)
            {
                (past.same, past.reselected) = (Some(at), Some(at));
                past.moved += 1;
            }
        }
        self.sizes(at);
    }

    /// Notes how many nodes each pool has.
    pub(super) fn sizes(&mut self, at: Instant) {
        let names: Vec<String> = self.pools.keys().cloned().collect();
        for name in names {
            let size = self.of_pool(&name).len();
            self.pools.entry(name).or_default().sizes.note(at, size);
        }
    }

    /// Whether a node has been in no pool all that time.
    pub(super) fn is_outside(&self, node: &str, since: Instant) -> bool {
        self.nodes.get(node).is_some_and(|past| past.member.since(since).all(String::is_empty))
    }

    /// Whether it was said that a node has been in no pool since then.
    pub(super) fn said(&mut self, at: Instant, node: &str, since: Instant) {
        let object = self.get("Node", node);
        // A node that nobody ever managed may be nobody's concern.
        if self.doings.since(at) <= since || annotation(object, "desiredConfig").is_none() {
            return;
        }
        let pools = self.now.iter().filter(|((kind, _), _)| *kind == POOL).map(|(_, pool)| *pool);
        let mut conditions = pools.chain(self.deleting).flat_map(of_conditions);
        // Of many nodes the first are named, and the others counted; each has an event.
        let names = |message: &str| message.contains(node) || message.contains(" more");
        let said =
            conditions.any(|c| c["type"] == "NodesWithoutPool" && c["status"] == "True" && names(text(&c["message"])));
        if !said {
            self.violated(at, format!("{node} was in no pool, and no pool said so"));
        }
    }
}

/// Whether a selector selects these labels; `None` if it cannot be read.
pub(super) fn selects(selector: &Value, labels: &Value) -> Option<bool> {
    let by_label = selector["matchLabels"].as_object();
    let by_expression = selector["matchExpressions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut all = !by_expression.is_empty() || by_label.is_some_and(|all| !all.is_empty());
    for (key, value) in by_label.into_iter().flatten() {
        all &= labels[key] == *value;
    }
    for expression in by_expression {
        let label = &labels[text(&expression["key"])];
        let one_of = expression["values"].as_array().is_some_and(|values| values.contains(label));
        all &= match text(&expression["operator"]) {
            "In" => one_of,
            "NotIn" => !one_of,
            "Exists" => !label.is_null(),
            "DoesNotExist" => label.is_null(),
            _ => return None,
        };
    }
    Some(all)
}
