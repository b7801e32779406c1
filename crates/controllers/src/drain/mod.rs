//! Drains nodes whose daemon requests it, and uncordons them.
//!
//! | module | part |
//! |---|---|
//! | `memory` | attempts on each node |
//! | `observe` | a node's pods, disruption budgets, DaemonSets |
//! | `act` | cordons, evicts, reports |

mod act;
mod memory;
mod observe;

use crate::Context;
use act::Actor;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use memory::Memory;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::watch;
use weir_kubeio::{Error, Mark, Next, Recorder};
use weir_rules::view::NodeView;

/// Component name in events, as in the reference.
const COMPONENT: &str = "machineconfigcontroller-nodecontroller";
/// Maximum number of nodes handled at the same time. More would only lengthen the server's queue.
const AT_ONCE: usize = 32;

/// The drain controller.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    recorder: Recorder,
    memory: Memory,
    nodes: Mutex<Nodes>,
}

/// Up to where nodes were seen, and those of them that request something, by name.
#[derive(Debug, Default)]
struct Nodes {
    seen: Mark,
    asking: BTreeMap<String, Arc<Node>>,
}

impl Controller {
    /// A controller without any attempts yet.
    #[must_use]
    pub fn new(context: Context) -> Self {
        let recorder = context.recorder(COMPONENT);
        Self { context, recorder, memory: Memory::default(), nodes: Mutex::default() }
    }

    /// Nodes that request something. Attempts on other nodes are forgotten.
    fn asking(&self) -> Vec<Arc<Node>> {
        let mut nodes = self.nodes.lock();
        let Nodes { seen, asking } = &mut *nodes;
        for (name, node) in self.context.cluster.nodes.since(seen) {
            match node.filter(|node| NodeView::new(node).asked_drain().is_some()) {
                Some(node) => _ = asking.insert(name, node),
                None => _ = asking.remove(&name),
            }
        }
        self.memory.keep(|name| asking.contains_key(name));
        asking.values().cloned().collect()
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "drain";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.context.cluster.node_changes();
        all.push(self.context.cluster.budgets.changes());
        all
    }

    /// One pass over all nodes that request something. It never fails: a failure on one node is remembered for that node and does
    /// not delay others.
    async fn reconcile(&self) -> Result<Next, Error> {
        // What another build told its nodes, that build also completes.
        if !self.context.cluster.is_synced() || self.context.kept_by_us().is_err() {
            return Ok(Next::Await);
        }
        let asking = self.asking();
        let actor = Actor { controller: self };
        let steps: Vec<_> = asking.iter().map(|node| actor.step(node)).collect();
        let next: Vec<Option<Timestamp>> = stream::iter(steps).buffer_unordered(AT_ONCE).collect().await;
        let now = self.context.clock.now();
        Ok(next.into_iter().flatten().min().map_or(Next::Await, |at| Next::After(until(at, now))))
    }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}
