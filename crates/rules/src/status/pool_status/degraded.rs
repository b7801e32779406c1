//! The failing nodes of a pool and their messages (R-POOL-3).

use super::PoolStatusView;
use crate::objects::quoted::quoted;

/// Failing nodes and their messages.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeFailures<'a> {
    /// Nodes whose MachineConfigNode reports a failure, by name.
    pub(super) reported: Vec<&'a str>,
    named: usize,
    said: Vec<String>,
}

/// Collects them: messages of MachineConfigNodes first, then those of daemons. When no MachineConfigNode reports a failure,
/// the daemons' annotations stand in, so that a failure always has a name.
pub(super) fn node_failures<'a>(view: &PoolStatusView<'a>) -> NodeFailures<'a> {
    let mut failures = NodeFailures::default();
    for node in view.nodes {
        let report = view.reports.get(node.name).and_then(|r| r.degraded.as_ref());
        if let Some(degraded) = report {
            failures.reported.push(node.name);
            failures.said.push(sentence(node.name, degraded.message));
        }
    }
    let reported = |name: &str| failures.reported.binary_search(&name).is_ok();
    let stand_in = failures.reported.is_empty();
    let named = view.nodes.iter().filter(|n| if stand_in { n.is_degraded() } else { reported(n.name) });
    let named: Vec<_> = named.collect();
    failures.named = named.len();
    failures.said.extend(named.iter().filter(|n| !n.reason.is_empty()).map(|n| sentence(n.name, n.reason)));
    failures
}

fn sentence(node: &str, said: &str) -> String {
    format!("Node {node} is reporting: {}", quoted(said))
}

impl NodeFailures<'_> {
    pub(super) fn reason(&self) -> String {
        format!("{} nodes are reporting degraded status on sync", self.named)
    }

    pub(super) fn message(&self) -> String {
        self.said.join(", ")
    }
}
