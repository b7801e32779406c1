//! Records everything that happens to the nodes of a cluster, for checks afterwards.
//!
//! The checks use the Node objects alone and separate code, not the rules under test.

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client,
    api::{ListParams, WatchEvent, WatchParams},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::{sync::Mutex, task::JoinHandle};

const PREFIX: &str = "machineconfiguration.openshift.io/";
const ROLE: &str = "node-role.kubernetes.io/";

/// A recording in progress.
#[derive(Debug)]
pub struct Recorder {
    seen: Arc<Mutex<Vec<Change>>>,
    task: JoinHandle<Result<()>>,
}

/// A node after it changed; absent when it was deleted.
#[derive(Clone, Debug)]
pub struct Change {
    /// Name of the node.
    pub node: String,
    /// The node as it then was.
    pub after: Option<Node>,
}

/// The recording: the nodes at every moment, in order.
#[derive(Clone, Debug, Default)]
pub struct History(pub Vec<Change>);

impl Recorder {
    /// Starts recording every change of a node.
    ///
    /// # Errors
    /// When the nodes cannot be listed.
    pub async fn start(client: Client) -> Result<Self> {
        let api: Api<Node> = Api::all(client);
        let list = api.list(&ListParams::default()).await.context("listing nodes")?;
        let version = list.metadata.resource_version.clone().unwrap_or_default();
        let seen = Arc::new(Mutex::new(list.items.into_iter().map(Change::now).collect()));
        let task = tokio::spawn(record(api, version, seen.clone()));
        Ok(Self { seen, task })
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// When it has a gap because the watch ended early.
    pub async fn finish(self) -> Result<History> {
        if self.task.is_finished() {
            match self.task.await {
                Ok(Ok(())) => bail!("the watch of nodes ended by itself"),
                Ok(Err(error)) => return Err(error),
                Err(error) => bail!("the recording ended: {error}"),
            }
        }
        self.task.abort();
        Ok(History(self.seen.lock().await.clone()))
    }
}

async fn record(api: Api<Node>, mut version: String, seen: Arc<Mutex<Vec<Change>>>) -> Result<()> {
    loop {
        let mut events = api.watch(&WatchParams::default(), &version).await.context("watching nodes")?.boxed();
        while let Some(event) = events.try_next().await.context("watching nodes")? {
            let change = match event {
                WatchEvent::Added(node) | WatchEvent::Modified(node) => Change::now(node),
                WatchEvent::Deleted(node) => Change { after: None, ..Change::now(node) },
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(status) => bail!("watching nodes: {}", status.message),
            };
            if let Some(now) = change.after.as_ref().and_then(|node| node.metadata.resource_version.clone()) {
                version = now;
            }
            seen.lock().await.push(change);
        }
    }
}

impl Change {
    fn now(node: Node) -> Self {
        Self { node: node.metadata.name.clone().unwrap_or_default(), after: Some(node) }
    }
}

impl History {
    /// The most nodes with this role, and no role of `except`, that were down or in mid-update at the same moment.
    #[must_use]
    pub fn most_unavailable(&self, role: &str, except: &[&str]) -> usize {
        let mut down: BTreeMap<&str, bool> = BTreeMap::new();
        let mut most = 0;
        for change in &self.0 {
            let counts = change.after.as_ref().is_some_and(|node| {
                has_role(node, role) && !except.iter().any(|role| has_role(node, role)) && is_unavailable(node)
            });
            down.insert(&change.node, counts);
            most = most.max(down.values().filter(|down| **down).count());
        }
        most
    }

    /// How many times nodes of this name prefix were told a new configuration.
    #[must_use]
    pub fn times_told(&self, prefix: &str) -> usize {
        let mut told: BTreeMap<&str, String> = BTreeMap::new();
        let mut times = 0;
        for change in self.0.iter().filter(|change| change.node.starts_with(prefix)) {
            let desired = change.after.as_ref().and_then(|node| annotation(node, "desiredConfig")).unwrap_or_default();
            if let Some(before) = told.insert(&change.node, desired.to_owned()) {
                times += usize::from(before != desired);
            }
        }
        times
    }
}

/// Down, cordoned, or updating to another configuration.
fn is_unavailable(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let not_ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status != "True");
    let cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or_default();
    let moving = annotation(node, "currentConfig") != annotation(node, "desiredConfig");
    not_ready || cordoned || moving || annotation(node, "state") != Some("Done")
}

fn annotation<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.metadata.annotations.as_ref()?.get(&format!("{PREFIX}{key}")).map(String::as_str)
}

fn has_role(node: &Node, role: &str) -> bool {
    node.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(&format!("{ROLE}{role}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(name: &str, current: &str, desired: &str, ready: &str) -> Change {
        let node = json!({
            "metadata": {
                "name": name, "labels": {"node-role.kubernetes.io/worker": ""},
                "annotations": {
                    format!("{PREFIX}currentConfig"): current, format!("{PREFIX}desiredConfig"): desired,
                    format!("{PREFIX}state"): "Done",
                },
            },
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        });
        Change::now(serde_json::from_value(node).unwrap())
    }

    #[test]
    fn the_most_at_the_same_moment_counts_not_the_sum() {
        let one_by_one = [
            change("a", "1", "1", "True"),
            change("a", "1", "2", "True"),
            change("a", "2", "2", "True"),
            change("b", "1", "1", "Unknown"),
        ];
        assert_eq!(History(one_by_one.to_vec()).most_unavailable("worker", &[]), 1);
        assert_eq!(History(one_by_one.to_vec()).times_told("a"), 1);
        let together = [change("a", "1", "2", "True"), change("b", "1", "1", "Unknown"), change("a", "2", "2", "True")];
        assert_eq!(History(together.to_vec()).most_unavailable("worker", &[]), 2);
        assert_eq!(History(together.to_vec()).most_unavailable("worker", &["worker"]), 0);
    }
}
