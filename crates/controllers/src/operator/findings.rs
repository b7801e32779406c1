//! The findings of the operator's parts, for the part that reports them. After a restart, every part finds them again.

use super::sources::Sources;
use crate::{Context, cluster::Watcher};
use jiff::Timestamp;
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use weir_api::keys::names::CONTROLLER_CONFIG;
use weir_kubeio::{Error, Next, drive::chain};
use weir_rules::{
    operator::controller_config::RenderConfig,
    status::cluster_status::{Failure, Task},
};

/// Interval for retrying what failed and for checking what is waited for: obstacles disappear and timeouts expire without any
/// change.
pub(super) const JUDGE_AGAIN: Duration = Duration::from_secs(30);

/// The findings of one part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) failed: Vec<Failure>,
    /// What it waits for.
    pub(super) waits: Option<String>,
}

/// The findings of all parts, in the order of the parts. Cheap to clone: clones share them.
#[derive(Clone, Debug)]
pub(super) struct Findings {
    /// Absent until the part has looked.
    found: Arc<Mutex<Vec<Option<Found>>>>,
    changes: Arc<watch::Sender<u64>>,
}

impl Default for Findings {
    fn default() -> Self {
        Self { found: Arc::default(), changes: Arc::new(watch::channel(0).0) }
    }
}

impl Findings {
    /// All findings; nothing until every part has looked.
    pub(super) fn all(&self) -> Option<Vec<Found>> {
        self.found.lock().iter().cloned().collect()
    }

    /// A receiver that is notified of every change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn put(&self, place: usize, found: Found) {
        let mut all = self.found.lock();
        let changed = all.get(place).is_some_and(|before| before.as_ref() != Some(&found));
        if changed {
            all[place] = Some(found);
            self.changes.send_modify(|version| *version += 1);
        }
    }
}

/// What every part is given, including the place for its findings.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) context: Context,
    findings: Findings,
    place: usize,
}

impl Part {
    /// Adds a part after the existing ones.
    pub(super) fn new(context: &Context, findings: &Findings) -> Self {
        let mut found = findings.found.lock();
        found.push(None);
        Self { context: context.clone(), findings: findings.clone(), place: found.len() - 1 }
    }

    /// Changes of what configures the cluster, and of what these watches see.
    pub(super) fn wakes(&self, watchers: &[Watcher]) -> Vec<watch::Receiver<u64>> {
        let mut all = self.context.cluster.intent_changes();
        all.extend(self.context.cluster.watches.changes(watchers));
        all
    }

    /// Stores the findings; returns when to look again.
    pub(super) fn found(&self, found: Found, again: Option<Timestamp>, now: Timestamp) -> Next {
        let waits = !found.failed.is_empty() || found.waits.is_some();
        self.findings.put(self.place, found);
        let again = again.map(|at| at.duration_since(now).unsigned_abs());
        again.into_iter().chain(waits.then_some(JUDGE_AGAIN)).min().map_or(Next::Await, Next::After)
    }

    /// Like [`Self::found`], for a part that can only find failures.
    pub(super) fn failed(&self, failed: impl IntoIterator<Item = Failure>) -> Next {
        let failed = failed.into_iter().collect();
        self.found(Found { failed, waits: None }, None, self.context.clock.now())
    }

    /// When to look again if there is nothing to do: something has not been seen yet, or this operator does not manage the cluster.
    pub(super) fn idle(&self, is_seen: bool, keeps: bool) -> Option<Next> {
        match (is_seen, keeps) {
            (false, _) => Some(Next::Await),
            (true, false) => Some(self.failed(None)),
            (true, true) => None,
        }
    }

    /// Whether everything that shows the kind of cluster ([`Watcher::TELL_CLUSTER`]) has been seen, or is known to fail.
    pub(super) fn has_seen_cluster(&self) -> bool {
        let cluster = &self.context.cluster;
        let unseen = cluster.sources.unseen(&cluster.watches);
        let is_synced = cluster.is_configuration_synced() && cluster.operators.is_synced();
        is_synced && unseen.is_none_or(|unseen| unseen.why.is_some())
    }

    /// Whether the cluster is an OpenShift.
    pub(super) fn is_openshift(&self) -> bool {
        let cluster = &self.context.cluster;
        cluster.sources.is_kept(cluster.controller_configs.get(CONTROLLER_CONFIG).as_deref())
    }

    /// Whether it is one that this operator manages.
    pub(super) fn keeps_openshift(&self) -> bool {
        self.context.kept_by_us().is_ok() && self.is_openshift()
    }

    /// The first object of an OpenShift that is unknown or not understood.
    pub(super) fn unreadable(&self) -> Option<Failure> {
        let cluster = &self.context.cluster;
        let unseen = cluster.sources.unseen(&cluster.watches);
        let unseen = unseen.and_then(|unseen| Some(format!("{} cannot be watched: {}", unseen.what, unseen.why?)));
        let why = unseen.or_else(|| {
            let broken = Sources::broken(&cluster.watches)?;
            Some(format!("{} {} cannot be read: {}; mend it", broken.kind, broken.name, broken.why))
        });
        why.map(|why| Failure::Work { task: Task::RenderConfig, why })
    }

    /// What follows from the objects of an OpenShift; nothing while it is unknown whether there are streams.
    pub(super) fn rendered(&self) -> Result<Option<RenderConfig>, Failure> {
        if let Some(failure) = self.unreadable() {
            return Err(failure);
        }
        let Ok(streams) = self.context.has_streams() else { return Ok(None) };
        let cluster = &self.context.cluster;
        let has_registry = cluster.operators.get(REGISTRY_OPERATOR).is_some();
        let rendered = cluster.sources.render(has_registry, streams, &self.context.version());
        rendered.map(Some).map_err(|error| Failure::Work { task: Task::RenderConfig, why: error.to_string() })
    }
}

/// ClusterOperator of the internal registry.
const REGISTRY_OPERATOR: &str = "image-registry";

/// Failure to write an object.
pub(super) fn not_kept(task: Task, error: &Error) -> Failure {
    Failure::Work { task, why: format!("failed to keep {} {}: {}", error.kind, error.name, chain(error)) }
}
