//! Keeps the last rollouts of every pool in a ConfigMap: what changed, what came of it, how long nodes took.
//!
//! | module | part |
//! |---|---|
//! | `act` | asks who wrote what changed, and writes |
//!
//! Without a rollout it writes nothing, and looks at nothing but pools and the nodes that changed.

mod act;

use crate::{Cluster, Context, cluster::Watcher};
use act::Writer;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use parking_lot::Mutex;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};
use tokio::sync::watch;
use weir_api::{MachineConfigNode, MachineConfigPool, condition::is_true, keys::pool::UPDATED};
use weir_kubeio::{Error, Event, Mark, Next, Recorder};
use weir_rules::{
    history::{Again, History, PREFIX, PoolLook, UnreadHistory, due, of_map},
    view::{NodeReport, NodeView, PoolView},
};

/// Component name in events.
const COMPONENT: &str = "weir-history";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPool {
    pool: String,
}

/// Nodes that rebooted more than once for one rollout, by pool. One count per process, like its log.
static AGAIN: LazyLock<Family<OfPool, Counter>> = LazyLock::new(Family::default);

/// Adds what is counted to what is served.
pub fn register(registry: &mut Registry) {
    let help = "Reboots of nodes beyond the first on their way to one configuration, by pool";
    registry.register("weir_reboots_again", help, AGAIN.clone());
}

/// A node that rebooted again, with its pool.
type Rebooted = (String, Arc<Node>, Again);

/// The controller of histories.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    recorder: Recorder,
    state: Mutex<State>,
}

/// What is known, and up to which changes.
#[derive(Debug, Default)]
struct State {
    pools: BTreeMap<String, Kept>,
    nodes: Mark,
    reports: Mark,
}

/// The history of a pool.
#[derive(Clone, Debug, Default)]
struct Kept {
    history: History,
    /// Whether it differs from what is written.
    changed: bool,
    /// Whether it is to be written at once: a rollout ended.
    urgent: bool,
    /// The last write, or when the rollout began.
    since: Option<Timestamp>,
    /// What is written and cannot be read, so that nothing is written over it (R-HISTORY-8).
    unread: Option<UnreadHistory>,
    /// What was told of that.
    told: Option<UnreadHistory>,
}

impl Kept {
    /// What goes on from what is written.
    fn of(read: Result<History, UnreadHistory>) -> Self {
        match read {
            Ok(history) => Self { history, ..Self::default() },
            Err(unread) => Self { unread: Some(unread), ..Self::default() },
        }
    }

    /// When it is to be written, if it is.
    fn due(&self, now: Timestamp) -> Option<Timestamp> {
        (self.changed && self.unread.is_none()).then(|| if self.urgent { now } else { due(self.since, now) })
    }
}

impl Controller {
    /// One that has not looked yet.
    #[must_use]
    pub fn new(context: Context) -> Self {
        let recorder = context.recorder(COMPONENT);
        Self { context, recorder, state: Mutex::default() }
    }

    /// Takes up pools that are new, and forgets those that are gone.
    fn take_up(&self, state: &mut State, pools: &[Arc<MachineConfigPool>]) {
        let names: BTreeSet<&str> = pools.iter().map(|pool| name_of(pool)).collect();
        let gone: Vec<String> = state.pools.keys().filter(|name| !names.contains(name.as_str())).cloned().collect();
        for name in gone {
            state.pools.remove(&name);
            AGAIN.remove(&OfPool { pool: name });
        }
        for name in names {
            state.pools.entry(name.to_owned()).or_insert_with(|| {
                // An increase can be seen only of a series that was there before it.
                drop(AGAIN.get_or_create(&OfPool { pool: name.to_owned() }));
                Kept::of(of_pool(&self.context.cluster, name))
            });
        }
        // Somebody may have corrected or deleted it.
        for (name, kept) in state.pools.iter_mut().filter(|(_, kept)| kept.unread.is_some()) {
            match of_pool(&self.context.cluster, name) {
                Err(unread) => kept.unread = Some(unread),
                read => *kept = Kept::of(read),
            }
        }
    }

    /// Says of which pools the history cannot be read, once.
    async fn tell_unread(&self, state: &mut State) {
        for (name, kept) in &mut state.pools {
            let Some(unread) = kept.unread.as_ref().filter(|unread| kept.told.as_ref() != Some(*unread)) else {
                continue;
            };
            tracing::warn!(pool = name, "{unread}");
            if let Some(pool) = self.context.cluster.pools.get(name) {
                self.recorder.record(&*pool, &Event::warning(UnreadHistory::CODE, unread.to_string())).await;
            }
            kept.told = kept.unread.clone();
        }
    }

    /// Looks at pools and nodes; returns the pools of which a rollout began, and the nodes that rebooted again, with their pools.
    fn look(&self, state: &mut State, now: Timestamp) -> (Vec<String>, Vec<Rebooted>) {
        let cluster = &self.context.cluster;
        let pools = cluster.pools.all();
        self.take_up(state, &pools);
        let changed = cluster.nodes.since(&mut state.nodes).into_iter().map(|(name, _)| name);
        let reported = cluster.reports.since(&mut state.reports).into_iter().map(|(name, _)| name);
        let changed: BTreeSet<String> = changed.chain(reported).collect();
        // Nodes come first: the last ones are done when their pool is.
        let mut again = self.look_at_nodes(state, &changed, now);
        self.drop_nodes(state);
        let began = look_at_pools(state, &pools, now);
        if !began.is_empty() {
            // Nodes that were told before their pool was seen to begin are not looked at again by themselves.
            let of_those = |report: &Arc<MachineConfigNode>| began.contains(&report.spec.pool.name);
            let members = cluster.reports.all().into_iter().filter(of_those);
            let members = members.filter_map(|report| report.metadata.name.clone()).collect();
            again.extend(self.look_at_nodes(state, &members, now));
        }
        (began, again)
    }

    /// Takes nodes out of rollouts that are not in the pool any more.
    fn drop_nodes(&self, state: &mut State) {
        let cluster = &self.context.cluster;
        for (pool, kept) in &mut state.pools {
            // A report that is not there, or not yet, says nothing.
            let is_elsewhere =
                |name: &str| cluster.reports.get(name).is_some_and(|report| report.spec.pool.name != *pool);
            kept.changed |= kept.history.leave(|name| cluster.nodes.get(name).is_some() && !is_elsewhere(name));
        }
    }

    fn look_at_nodes(&self, state: &mut State, names: &BTreeSet<String>, now: Timestamp) -> Vec<Rebooted> {
        let cluster = &self.context.cluster;
        let mut again = Vec::new();
        for name in names {
            let Some((node, report)) = cluster.nodes.get(name).zip(cluster.reports.get(name)) else { continue };
            let Some(kept) = state.pools.get_mut(&report.spec.pool.name) else { continue };
            let boot = node.status.as_ref().and_then(|status| status.node_info.as_ref());
            let boot = boot.map(|info| info.boot_id.clone()).unwrap_or_default();
            let view = NodeView::new(&node);
            let (changed, found) = kept.history.node(&view, Some(&NodeReport::new(&report)), &boot, now);
            kept.changed |= changed;
            again.extend(found.map(|found| (report.spec.pool.name.clone(), node.clone(), found)));
        }
        again
    }
}

/// Follows the pools; returns those of which a rollout began.
fn look_at_pools(state: &mut State, pools: &[Arc<MachineConfigPool>], now: Timestamp) -> Vec<String> {
    let mut began = Vec::new();
    for pool in pools {
        let Some(kept) = state.pools.get_mut(name_of(pool)) else { continue };
        let turn = kept.history.follow(&look(pool), now);
        if turn.began {
            began.push(name_of(pool).to_owned());
        }
        if turn.began || turn.ended {
            (kept.changed, kept.urgent) = (true, kept.urgent || turn.ended);
            kept.since = kept.since.filter(|_| !turn.began).or(Some(now));
        }
    }
    began
}

/// What is written of every pool; what cannot be read counts as nothing.
pub fn written(cluster: &Cluster) -> BTreeMap<String, History> {
    let of = |pool: &str| (pool.to_owned(), of_pool(cluster, pool).unwrap_or_default());
    cluster.pools.all().iter().map(|pool| of(name_of(pool))).collect()
}

/// What is written of a pool.
fn of_pool(cluster: &Cluster, pool: &str) -> Result<History, UnreadHistory> {
    let map = cluster.histories.get_in(act::NAMESPACE, &format!("{PREFIX}{pool}"));
    map.map_or(Ok(None), |map| of_map(pool, &map)).map(Option::unwrap_or_default)
}

fn name_of(pool: &MachineConfigPool) -> &str {
    pool.metadata.name.as_deref().unwrap_or_default()
}

fn look(pool: &MachineConfigPool) -> PoolLook {
    let status = pool.status.as_ref();
    let former = status.and_then(|status| status.configuration.as_ref()).map(|config| config.name().to_owned());
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    PoolLook {
        target: PoolView::new(pool).target.unwrap_or_default().to_owned(),
        former: former.unwrap_or_default(),
        updated: is_true(conditions, UPDATED),
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "history";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.context.cluster.node_changes();
        all.push(self.context.cluster.pools.changes());
        // Nothing is decided before they have been seen.
        all.push(self.context.cluster.histories.changes());
        all
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        let cluster = &self.context.cluster;
        let is_synced = cluster.is_synced() && cluster.watches.is_synced(&[Watcher::History]);
        // What another build manages, it reports itself.
        if !is_synced || self.context.kept_by_us().is_err() {
            return Ok(Next::Await);
        }
        let now = self.context.clock.now();
        let mut state = std::mem::take(&mut *self.state.lock());
        let (began, again) = self.look(&mut state, now);
        let writer = Writer { context: &self.context };
        if !began.is_empty() {
            let causes = writer.causes(&began, &state.pools).await;
            for (pool, cause) in causes {
                if let Some(kept) = state.pools.get_mut(&pool) {
                    kept.history.caused_by(cause.causes, cause.streams);
                }
            }
        }
        for (pool, node, again) in again {
            AGAIN.get_or_create(&OfPool { pool }).inc();
            self.recorder.record(&*node, &Event::warning(Again::CODE, again.to_string())).await;
        }
        let mut outcome = Ok(());
        for (pool, kept) in &mut state.pools {
            if kept.due(now).is_none_or(|due| due > now) {
                continue;
            }
            // Somebody else may have written it meanwhile.
            if let Err(unread) = of_pool(cluster, pool) {
                kept.unread = Some(unread);
                continue;
            }
            let written = writer.write(pool, &kept.history).await;
            if written.is_ok() {
                (kept.changed, kept.urgent, kept.since) = (false, false, Some(now));
            }
            outcome = outcome.and(written);
        }
        self.tell_unread(&mut state).await;
        let next = state.pools.values().filter_map(|kept| kept.due(now)).min();
        *self.state.lock() = state;
        outcome?;
        Ok(Next::until(next, now))
    }
}
