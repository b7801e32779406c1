//! What is in the way of a drain, as far as pods and budgets say it.

use super::{Asking, FOLLOWED, Fact, Unknown};
use crate::{
    rollout::drain::leaves,
    view::{BudgetView, NodeView, PodView},
    world::remedy::{BUDGETS, of_blocked, of_budget},
};
use weir_api::keys::{names::OPERATOR_APP, pod::APP};

impl<'a> Asking<'a> {
    /// R-WHY-8. What blocks the drain is as the MachineConfigNode says it; empty if it does not.
    pub(super) fn drain(&mut self, node: &NodeView<'a>, said: &str, depth: usize) {
        let named = of_blocked(said);
        if !named.is_empty() {
            return named.into_iter().for_each(|command| self.command(command));
        }
        self.why.drained.insert(node.name.to_owned());
        if said.is_empty() {
            return self.pods(node, depth);
        }
        // Somebody says what is in the way, in words of its own.
        if !self.blocked(node, depth) {
            self.command(BUDGETS.to_owned());
        }
    }

    /// The pods on a node.
    fn here(&self, node: &NodeView<'a>) -> Vec<PodView<'a>> {
        self.world.pods.iter().map(|pod| PodView::new(pod)).filter(|pod| pod.node == node.name).collect()
    }

    /// Which pods budgets keep on a node; whether there are any.
    fn blocked(&mut self, node: &NodeView<'a>, depth: usize) -> bool {
        let budgets: Vec<BudgetView<'_>> = self.world.budgets.iter().map(|budget| BudgetView::new(budget)).collect();
        let none = |pod: &PodView<'a>| -> Vec<String> {
            let none = budgets.iter().filter(|budget| budget.allowed < 1 && budget.covers(pod));
            none.map(|budget| budget.name.to_owned()).collect()
        };
        let blocked = to_go(self.here(node)).into_iter().map(|pod| (none(&pod), pod));
        let blocked: Vec<_> = blocked.filter(|(none, _)| !none.is_empty()).take(FOLLOWED).collect();
        let any = !blocked.is_empty();
        for (budgets, pod) in blocked {
            budgets.iter().for_each(|name| self.command(of_budget(pod.namespace, name)));
            let pod = format!("{}/{}", pod.namespace, pod.name);
            self.fact(&format!("node/{}", node.name), depth, &Fact::Blocked { pod, budgets });
        }
        any
    }

    /// What pods and budgets say where nobody else does.
    fn pods(&mut self, node: &NodeView<'a>, depth: usize) {
        let world = self.world;
        let here = self.here(node);
        // Those of the operator are read for another reason, and without the others.
        if here.iter().all(is_of_operator) {
            // Whoever drains reports what is in the way; whether that is all, pods say, which a second look reads.
            if world.whole && self.views.reports.get(node.name).is_some_and(|report| report.has_conditions) {
                return;
            }
            let (node, among) = (node.name.to_owned(), self.among());
            return self.unknown(Unknown::Pods { node, among });
        }
        if self.blocked(node, depth) {
            return;
        }
        let pods = to_go(here).len();
        let is_known = world.whole || !world.budgets.is_empty();
        self.fact(&format!("node/{}", node.name), depth, &Fact::ToGo { pods, free: is_known });
        if !is_known && pods > 0 {
            self.unknown(Unknown::Budgets { node: node.name.to_owned() });
        }
    }
}

/// Those that have to go before a node is drained.
fn to_go(here: Vec<PodView<'_>>) -> Vec<PodView<'_>> {
    here.into_iter().filter(|pod| leaves(pod, None) && !pod.finished).collect()
}

/// Whether decisions depend on where the pod is: it may run the operator.
pub(super) fn is_of_operator(pod: &PodView<'_>) -> bool {
    pod.labels.get(APP).is_some_and(|app| app == OPERATOR_APP)
}
