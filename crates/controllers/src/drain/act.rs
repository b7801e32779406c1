//! Cordons, evicts, reports.

use super::{
    Controller,
    memory::NodeMemory,
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
    rollout::drain::{AFTER_CONFLICT, Answer, LIST_AGAIN, NodeDrain, PodName, SOON, Step},
    status::node_status::{drain_reports, record, status_patch},
    view::NodeView,
};

/// Name of the controller in metrics, as in the reference.
const SUB_CONTROLLER: &str = "machine-config-controller-drain";
/// Subject of an outage that is reported once for all nodes.
const LOOKING: &str = "lists of the pods of nodes that drain";
/// What lines of the log are about, besides pods.
const OF_PODS: &str = "pods";
const OF_NODE: &str = "node";
/// Maximum number of concurrent evictions on one node.
const AT_ONCE: usize = 16;

pub(super) struct Actor<'a> {
    pub(super) controller: &'a Controller,
}

impl Actor<'_> {
    /// Moves a node one step forward; returns when to look again.
    pub(super) async fn step(&self, node: &Arc<Node>) -> Option<Timestamp> {
        let view = NodeView::new(node);
        let mut memory = self.controller.memory.take(view.name);
        let next = self.take(node, &view, &mut memory).await;
        self.controller.memory.put(view.name, memory);
        next
    }

    async fn take(&self, node: &Node, view: &NodeView<'_>, memory: &mut NodeMemory) -> Option<Timestamp> {
        let now = self.controller.context.clock.now();
        match look(self.controller, view, memory, now).await {
            Ok(()) => outage::fine(&LOOKING),
            Err(error) => {
                if error.is_unanswered() {
                    outage::failed(LOOKING, &chain(&error));
                } else {
                    outage::fine(&LOOKING);
                    let error = chain(&error);
                    if memory.is_news(OF_PODS, &error) {
                        tracing::warn!(node = view.name, error, "the pods of a node that drains are not known");
                    }
                }
                return Some(now + LIST_AGAIN);
            }
        }
        let observed = Observed::new(self.controller, view.name);
        let plan = observed.decide(view, memory, now)?;
        self.tell(node, &plan, memory, now).await;
        if self.report(&observed, view, &plan, memory, now).await.is_err_and(|error| error.is_conflict()) {
            return Some(now + SOON);
        }
        if let Step::Unknown { verb } = &plan.step {
            tracing::warn!(node = view.name, verb, "non-recognized drain verb detected");
        }
        match &plan.step {
            Step::Evict { pods } => {
                // Some pods leave at once; the next list shows which remain.
                if self.evict(pods, memory, now).await {
                    memory.pods = None;
                }
                plan.again(now)
            }
            step => match step.patch(view, &plan.asked, now) {
                Some(change) => self.write(view.name, &plan, &change, memory, now).await,
                None => plan.again(now),
            },
        }
    }

    async fn write(
        &self,
        name: &str,
        plan: &NodeDrain,
        change: &serde_json::Value,
        memory: &mut NodeMemory,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let context = &self.controller.context;
        let written = patch::merge(&context.client, &context.cluster.nodes, name, change).await;
        match &written {
            // That it was cordoned follows from what comes next.
            Ok(()) if matches!(plan.step, Step::Begin { .. }) => {
                tracing::debug!(node = name, asked = plan.asked, step = %plan.step, "drain");
            }
            Ok(()) => tracing::info!(node = name, asked = plan.asked, step = %plan.step, "drain"),
            // The node was deleted meanwhile, and its watch will show it.
            Err(error) if error.is_not_found() => return None,
            // The node changed meanwhile, and its watch will show it: the next look decides anew.
            Err(error) if error.is_conflict() => return Some(now + AFTER_CONFLICT),
            Err(error) => {
                let error = chain(error);
                if memory.is_news(OF_NODE, &error) {
                    tracing::warn!(node = name, step = %plan.step, error, "drain");
                }
            }
        }
        let failed = written.is_err();
        if !failed && matches!(plan.step, Step::Drained | Step::Uncordoned { .. }) {
            let verb = plan.asked.split_once('-').map_or(plan.asked.as_str(), |(verb, _)| verb);
            context.cluster.steps.took(SUB_CONTROLLER, verb, name, now);
        }
        memory.tried.written(written.map_err(|error| chain(&error)), now);
        // After a successful write, the changed cache triggers the next decision; after a failure, the rule says when to retry.
        failed.then_some(now + SOON)
    }

    /// Returns whether any of the pods may be stopping.
    async fn evict(&self, pods: &[PodName], memory: &mut NodeMemory, now: Timestamp) -> bool {
        let client = &self.controller.context.client;
        let asked: Vec<_> = pods
            .iter()
            .map(|pod| async move { (pod, evict(client, &pod.namespace, &pod.name, &pod.uid).await) })
            .collect();
        let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
        let mut may_stop = false;
        for (pod, answer) in answers {
            if memory.is_news(&pod.uid, &answer.to_string()) {
                tracing::info!(namespace = pod.namespace, pod = pod.name, %answer, "eviction");
            }
            let answer = match answer {
                Evicted::Accepted | Evicted::Gone => Answer::Accepted,
                Evicted::Blocked(said) => Answer::Blocked(said),
                Evicted::Refused(said) => Answer::Refused(said),
                Evicted::Unanswered(said) => Answer::Unanswered(said),
                Evicted::Failed(said) => Answer::Failed(said),
            };
            may_stop |= answer.may_stop();
            memory.tried.evicted(&pod.uid, answer, now);
        }
        may_stop
    }

    /// Reports the step in the MachineConfigNode before the node is told: its daemon goes on as soon as it is.
    async fn report(
        &self,
        observed: &Observed,
        view: &NodeView<'_>,
        plan: &NodeDrain,
        memory: &NodeMemory,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(report) = &observed.report else { return Ok(()) };
        let context = &self.controller.context;
        let images = context.is_on(IMAGE_MODE_STATUS_REPORTING);
        let reports = drain_reports(view, plan, &memory.tried);
        let Some(status) = record(report, view, &reports, images, now) else { return Ok(()) };
        let change = status_patch(report, &status);
        let written = patch::merge_status(&context.client, &context.cluster.reports, view.name, &change).await;
        if let Err(error) = &written {
            tracing::debug!(node = view.name, error = %chain(error), "the drain could not be reported");
        }
        written
    }

    async fn tell(&self, node: &Node, plan: &NodeDrain, memory: &mut NodeMemory, now: Timestamp) {
        let Some(notice) = &plan.notice else { return };
        memory.tried.told = Some((plan.stage, now, notice.who.clone()));
        self.controller.recorder.record(node, &Event::warning(notice.reason, notice.message.clone())).await;
    }
}
