//! What is in the way of a drain, as far as pods and budgets say it.

use super::{Asking, FOLLOWED, Fact, Unknown};
use crate::{
    rollout::drain::leaves,
    view::{BudgetView, NodeView, PodView},
    world::remedy::BUDGETS,
};
use weir_api::keys::{names::OPERATOR_APP, pod::APP};

impl<'a> Asking<'a> {
    /// R-WHY-8.
    pub(super) fn drain(&mut self, node: &NodeView<'a>, depth: usize) {
        let world = self.world;
        let here: Vec<PodView<'_>> =
            world.pods.iter().map(|pod| PodView::new(pod)).filter(|pod| pod.node == node.name).collect();
        self.why.drained.insert(node.name.to_owned());
        // Those of the operator are read for another reason, and without the others.
        if here.iter().all(is_of_operator) {
            // Whoever drains reports what is in the way; whether that is all, pods say, which a second look reads.
            if world.whole && self.views.reports.get(node.name).is_some_and(|report| report.has_conditions) {
                return;
            }
            let (node, among) = (node.name.to_owned(), self.among());
            return self.unknown(Unknown::Pods { node, among });
        }
        let budgets: Vec<BudgetView<'_>> = world.budgets.iter().map(|budget| BudgetView::new(budget)).collect();
        let to_go: Vec<PodView<'_>> = here.into_iter().filter(|pod| leaves(pod, None) && !pod.finished).collect();
        let about = format!("node/{}", node.name);
        let mut blocked = 0;
        for pod in &to_go {
            let none = budgets.iter().filter(|budget| budget.allowed < 1 && budget.covers(pod));
            let none: Vec<String> = none.map(|budget| budget.name.to_owned()).collect();
            blocked += usize::from(!none.is_empty());
            if !none.is_empty() && blocked <= FOLLOWED {
                let pod = format!("{}/{}", pod.namespace, pod.name);
                self.fact(&about, depth, &Fact::Blocked { pod, budgets: none });
            }
        }
        if blocked > 0 {
            return self.command(BUDGETS.to_owned());
        }
        let is_known = world.whole || !budgets.is_empty();
        self.fact(&about, depth, &Fact::ToGo { pods: to_go.len(), free: is_known });
        if !is_known && !to_go.is_empty() {
            self.unknown(Unknown::Budgets { node: node.name.to_owned() });
        }
    }
}

/// Whether decisions depend on where the pod is: it may run the operator.
pub(super) fn is_of_operator(pod: &PodView<'_>) -> bool {
    pod.labels.get(APP).is_some_and(|app| app == OPERATOR_APP)
}
