//! Cordons, evicts, reports.

use super::{
    Controller,
    memory::Known,
    observe::{Observed, look},
};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use std::sync::Arc;
use weir_api::keys::gates::IMAGE_MODE_STATUS_REPORTING;
use weir_kubeio::{
    Error, Event,
    drive::chain,
    outage, patch,
    pods::{Evicted, evict},
};
use weir_rules::{
    rollout::drain::{Answer, LIST_AGAIN, NodeDrain, PodName, SOON, Step},
    status::node_status::{drain_reports, record, status_patch},
    view::NodeView,
};

/// What the controller is called in figures, as in the reference.
const SUB_CONTROLLER: &str = "machine-config-controller-drain";
/// What an outage is told of for all of them.
const LOOKING: &str = "lists of the pods of nodes that drain";
/// Evictions under way at the same time on one node.
const AT_ONCE: usize = 16;

pub(super) struct Actor<'a> {
    pub(super) controller: &'a Controller,
}

impl Actor<'_> {
    /// Takes a node one step on; when to look again.
    pub(super) async fn step(&self, node: &Arc<Node>) -> Option<Timestamp> {
        let view = NodeView::new(node);
        let mut known = self.controller.memory.take(view.name);
        let next = self.take(node, &view, &mut known).await;
        self.controller.memory.put(view.name, known);
        next
    }

    async fn take(&self, node: &Node, view: &NodeView<'_>, known: &mut Known) -> Option<Timestamp> {
        let now = self.controller.context.clock.now();
        match look(self.controller, view, known, now).await {
            Ok(()) => outage::fine(&LOOKING),
            Err(error) => {
                if error.is_unanswered() {
                    outage::failed(LOOKING, &chain(&error));
                } else {
                    outage::fine(&LOOKING);
                    tracing::warn!(node = view.name, error = %chain(&error), "the pods of a node that drains are not known");
                }
                return Some(now + LIST_AGAIN);
            }
        }
        let observed = Observed::new(self.controller, view.name);
        let plan = observed.decide(view, known, now)?;
        self.tell(node, &plan, known, now).await;
        if self.report(&observed, view, &plan, known, now).await.is_err_and(|error| error.is_conflict()) {
            return Some(now + SOON);
        }
        if let Step::Unknown { verb } = &plan.step {
            tracing::warn!(node = view.name, verb, "non-recognized drain verb detected");
        }
        match &plan.step {
            Step::Evict { pods } => {
                self.evict(pods, known, now).await;
                // Some go at once; who is left shows the next list.
                known.pods = None;
                plan.again(now)
            }
            step => match step.patch(view, &plan.asked, now) {
                Some(change) => self.write(view.name, &plan, &change, known, now).await,
                None => plan.again(now),
            },
        }
    }

    async fn write(
        &self,
        name: &str,
        plan: &NodeDrain,
        change: &serde_json::Value,
        known: &mut Known,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let context = &self.controller.context;
        let written = patch::merge(&context.client, &context.cluster.nodes, name, change).await;
        match &written {
            Ok(()) => tracing::info!(node = name, asked = plan.asked, step = %plan.step, "drain"),
            // It was deleted in the meantime, and its watch will say so.
            Err(error) if error.is_not_found() => return None,
            // The node changed while its taint was to go with it: it is looked at anew.
            Err(error) if error.is_conflict() => return Some(now + SOON),
            Err(error) => tracing::warn!(node = name, step = %plan.step, error = %chain(error), "drain"),
        }
        let failed = written.is_err();
        if !failed && matches!(plan.step, Step::Drained | Step::Uncordoned { .. }) {
            let verb = plan.asked.split_once('-').map_or(plan.asked.as_str(), |(verb, _)| verb);
            context.cluster.steps.took(SUB_CONTROLLER, verb, name, now);
        }
        known.tried.written(written.map_err(|error| chain(&error)), now);
        // What follows a write is decided when its answer has changed the cache; after a failure the rule says when.
        failed.then_some(now + SOON)
    }

    async fn evict(&self, pods: &[PodName], known: &mut Known, now: Timestamp) {
        let client = &self.controller.context.client;
        let asked: Vec<_> = pods
            .iter()
            .map(|pod| async move { (pod, evict(client, &pod.namespace, &pod.name, &pod.uid).await) })
            .collect();
        let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
        for (pod, answer) in answers {
            tracing::info!(namespace = pod.namespace, pod = pod.name, %answer, "eviction");
            let answer = match answer {
                Evicted::Accepted | Evicted::Gone => Answer::Accepted,
                Evicted::Refused(said) => Answer::Refused(said),
                Evicted::Failed(said) => Answer::Failed(said),
            };
            known.tried.evicted(&pod.uid, answer, now);
        }
    }

    /// Says in the MachineConfigNode what the node is at, before it is done: its daemon goes on as soon as it is.
    async fn report(
        &self,
        observed: &Observed,
        view: &NodeView<'_>,
        plan: &NodeDrain,
        known: &Known,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(report) = &observed.report else { return Ok(()) };
        let context = &self.controller.context;
        let images = context.gates().is_ok_and(|gates| gates.is_on(IMAGE_MODE_STATUS_REPORTING));
        let reports = drain_reports(view, plan, &known.tried);
        let Some(status) = record(report, view, &reports, images, now) else { return Ok(()) };
        let change = status_patch(report, &status);
        let written = patch::merge_status(&context.client, &context.cluster.reports, view.name, &change).await;
        if let Err(error) = &written {
            tracing::debug!(node = view.name, error = %chain(error), "the drain could not be reported");
        }
        written
    }

    async fn tell(&self, node: &Node, plan: &NodeDrain, known: &mut Known, now: Timestamp) {
        let Some(notice) = &plan.notice else { return };
        known.tried.told = Some((plan.stage, now));
        self.controller.recorder.record(node, &Event::warning(notice.reason, notice.message.clone())).await;
    }
}
