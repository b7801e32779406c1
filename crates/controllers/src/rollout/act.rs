//! Writes nodes, and the status of pools.

use crate::{Context, last_said::LastSaid};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{
    condition::is_true,
    keys::{
        pool::UPDATED,
        rollout::{CONTROL_PLANE_TOPOLOGY, CUSTOM_POOL_LABELS_APPLIED, DESIRED_CONFIG, DESIRED_IMAGE},
    },
    pool::MachineConfigPoolStatus,
};
use weir_kubeio::{Error, Event, Recorder, batch, patch};
use weir_rules::{
    rollout::{Adopt, Mark, RolloutPlan, Start, lost::Lost},
    view::NodeView,
    world::{NewStatus, World},
};

/// Name of the controller in metrics, as in the reference.
const SUB_CONTROLLER: &str = "machine-config-controller-node";

/// Maximum number of marks written in one pass, so that they do not delay nodes that may start.
const MARKS: usize = 64;

pub(super) struct Writer<'a> {
    pub(super) context: &'a Context,
    pub(super) recorder: &'a Recorder,
    pub(super) last_said: &'a LastSaid,
    pub(super) lost: &'a LastSaid,
    /// Nodes that may have been told something: there was no answer.
    pub(super) unsure: &'a Mutex<BTreeSet<String>>,
}

impl Writer<'_> {
    /// Gives every node that may start its target. A node whose write failed gets it in the next pass.
    pub(super) async fn tell(&self, plan: &RolloutPlan) -> Result<(), Error> {
        let told = batch(plan.start.iter().map(|start| (start, self.start(start))).collect()).await;
        let mut by_pool: BTreeMap<(&str, &str, Option<&str>), Vec<&str>> = BTreeMap::new();
        let mut outcome = Ok(());
        for (start, result) in told {
            match result {
                Ok(()) if !self.is_told(start) => {}
                Ok(()) => {
                    by_pool.entry((&start.pool, &start.config, start.image.as_deref())).or_default().push(&start.node)
                }
                Err(error) => {
                    if error.is_unanswered() {
                        self.unsure.lock().insert(start.node.clone());
                    }
                    outcome = outcome.and(Err(error));
                }
            }
        }
        for ((pool, config, image), nodes) in by_pool {
            let (reason, what) = match image {
                None => ("SetDesiredConfig", format!("MachineConfig: {config}")),
                Some(image) => ("SetDesiredConfigAndOSImage", format!("MachineConfig: {config} / Image: {image}")),
            };
            let text = match nodes.as_slice() {
                [node] => format!("Targeted node {node} to {what}"),
                nodes => format!("Set target for {} nodes to {what}", nodes.len()),
            };
            tracing::info!(pool, config, image, nodes = nodes.join(","), "told");
            self.event(pool, &Event::normal(reason, text)).await;
            let context = self.context;
            context.cluster.steps.took(SUB_CONTROLLER, "Sync Machine Config Pool", pool, context.clock.now());
        }
        for adopt in &plan.adopt {
            outcome = outcome.and(self.adopt(adopt).await);
        }
        outcome
    }

    /// Writes the statuses that changed.
    pub(super) async fn report(&self, statuses: &[NewStatus]) -> Result<(), Error> {
        let mut outcome = Ok(());
        for wanted in statuses {
            outcome = outcome.and(self.status(wanted).await);
        }
        outcome
    }

    /// Records on each node without a pool why it has none, once.
    pub(super) async fn lost(&self, lost: &[Lost]) {
        let names: BTreeSet<&str> = lost.iter().map(|lost| lost.node.as_str()).collect();
        self.lost.retain(|node| names.contains(node));
        for lost in lost.iter().filter(|lost| lost.told) {
            let text = format!("in no pool: {}", lost.reason);
            if let Some(node) = self.context.cluster.nodes.get(&lost.node)
                && self.lost.is_new(&lost.node, &text)
            {
                self.recorder.record(&*node, &Event::warning(lost.reason.code(), text)).await;
            }
        }
    }

    /// Writes the marks of nodes; returns whether there are more than fit into one pass.
    pub(super) async fn mark(&self, plan: &RolloutPlan) -> Result<bool, Error> {
        let now = plan.marks.iter().take(MARKS).map(|mark| ((), self.note(mark)));
        let written = batch(now.collect()).await;
        written.into_iter().try_for_each(|((), outcome)| outcome).map(|()| plan.marks.len() > MARKS)
    }

    async fn note(&self, mark: &Mark) -> Result<(), Error> {
        let Some(node) = self.context.cluster.nodes.get(&mark.node) else { return Ok(()) };
        let Some(patch) = mark.patch(&NodeView::new(&node)) else { return Ok(()) };
        match self.node(&mark.node, &patch).await {
            // The node changed meanwhile; its watch triggers a new decision.
            Err(error) if error.is_conflict() => Ok(()),
            written => written,
        }
    }

    /// Gives a node its target, unless its pool's target changed since the plan was made.
    async fn start(&self, start: &Start) -> Result<(), Error> {
        let Context { client, cluster, .. } = self.context;
        if start.changes_pool && !patch::look_again(client, &cluster.pools, &start.pool).await? {
            return Ok(());
        }
        let _shared = self.context.cluster.targets.read().await;
        if !self.is_current(start) {
            return Ok(());
        }
        let mut annotations = json!({DESIRED_CONFIG: start.config});
        if start.drop_image || start.image.is_some() {
            annotations[DESIRED_IMAGE] = json!(start.image);
        }
        if let Some(topology) = &start.topology {
            annotations[CONTROL_PLANE_TOPOLOGY] = json!(topology);
        }
        let metadata = json!({"resourceVersion": start.version, "annotations": annotations});
        self.node(&start.node, &json!({"metadata": metadata})).await
    }

    fn is_told(&self, start: &Start) -> bool {
        let node = self.context.cluster.nodes.get(&start.node);
        node.is_some_and(|node| NodeView::new(&node).is_told(start.target()))
    }

    fn is_current(&self, start: &Start) -> bool {
        let cluster = &self.context.cluster;
        let now = World {
            pools: cluster.pools.get(&start.pool).into_iter().collect(),
            os_configs: cluster.os_configs.all(),
            os_builds: cluster.os_builds.all(),
            ..World::default()
        };
        now.pool_views().first().is_some_and(|pool| pool.aim() == start.target() && !pool.paused && !pool.deleting)
    }

    async fn adopt(&self, adopt: &Adopt) -> Result<(), Error> {
        let applied = json!({CUSTOM_POOL_LABELS_APPLIED: ""});
        self.node(&adopt.node, &json!({"metadata": {"labels": adopt.labels, "annotations": applied}})).await
    }

    async fn node(&self, name: &str, patch: &Value) -> Result<(), Error> {
        match patch::merge(&self.context.client, &self.context.cluster.nodes, name, patch).await {
            // The node was deleted meanwhile, and its watch will show it.
            Err(error) if error.is_not_found() => Ok(()),
            written => written,
        }
    }

    async fn status(&self, wanted: &NewStatus) -> Result<(), Error> {
        let mut status = serde_json::to_value(&wanted.status).unwrap_or_default();
        if wanted.status.os_image_stream.is_none() {
            // A merge patch keeps what it does not mention.
            status["osImageStream"] = Value::Null;
        }
        let pool = wanted.pool.metadata.name.as_deref().unwrap_or_default();
        // Another controller writes other conditions of the same list, so the patch applies only to the version that was read.
        let version = &wanted.pool.metadata.resource_version;
        let patch = json!({"metadata": {"resourceVersion": version}, "status": status});
        patch::merge_status(&self.context.client, &self.context.cluster.pools, pool, &patch).await?;
        let before = wanted.pool.status.as_ref();
        if is_updated(Some(&wanted.status)) && !is_updated(before) {
            let config = wanted.status.configuration.as_ref().map(|configuration| configuration.name());
            tracing::info!(pool, config, nodes = wanted.status.updated_machine_count, "done");
        }
        if let Some(text) = &wanted.completed {
            self.event(pool, &Event::normal("Completed", text.clone())).await;
        }
        match &wanted.stalled {
            Some(reason) if self.last_said.is_new(pool, &reason.to_string()) => {
                self.event(pool, &Event::warning(reason.code(), reason.to_string())).await;
            }
            Some(_) => {}
            None => self.last_said.forget(pool),
        }
        Ok(())
    }

    async fn event(&self, pool: &str, event: &Event) {
        if let Some(pool) = self.context.cluster.pools.get(pool) {
            self.recorder.record(&*pool, event).await;
        }
    }
}

/// Whether the status says that every node runs the target.
fn is_updated(status: Option<&MachineConfigPoolStatus>) -> bool {
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    is_true(conditions, UPDATED)
}
