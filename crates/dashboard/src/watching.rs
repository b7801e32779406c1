//! A cluster as the page sees it: the table of what it watches. It only reads, and no secrets.

use crate::source::{Everything, Source};
use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod};
use kube::Client;
use std::{fmt, sync::Arc};
use tokio::sync::watch;
use weir_api::{
    ClusterOperator, ClusterVersion, ControllerConfig, FeatureGate, MachineConfig, MachineConfigNode,
    MachineConfigPool, MachineConfiguration, MachineOSBuild, MachineOSConfig, OSImageStream,
    keys::{
        config::HISTORY_OF,
        names::{CLUSTER, CLUSTER_OPERATOR, CONTROLLER_CONFIG, OPERATOR_APP, OPERATOR_NAMESPACE, VERSION},
        pod::APP,
    },
};
use weir_kubeio::{Cache, Clock, Missing::Empty, Selection, Unreadable, Watches};
use weir_rules::{operator::install::Watched, view::unreadable::UnreadableObject, world::World};

/// Groups of watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watcher {
    /// What decides about pools and nodes.
    Decides,
    /// What is only told: those who may not read it get the rest.
    Tells,
}

/// Both.
const ALL: &[Watcher] = &[Watcher::Decides, Watcher::Tells];

/// Reads everything that a plan depends on.
pub type ReadAll = Arc<dyn Fn(Client) -> BoxFuture<'static, Result<Everything, String>> + Send + Sync>;

/// A cluster that is watched. Cheap to clone: clones share the objects.
#[derive(Clone)]
pub struct Watching {
    caches: Caches,
    client: Client,
    clock: Clock,
    everything: ReadAll,
}

/// The table.
#[derive(Clone, Debug)]
struct Caches {
    watches: Watches<Watcher>,
    versions: Cache<ClusterVersion>,
    gates: Cache<FeatureGate>,
    streams: Cache<OSImageStream>,
    controller_configs: Cache<ControllerConfig>,
    configurations: Cache<MachineConfiguration>,
    pools: Cache<MachineConfigPool>,
    configs: Cache<MachineConfig>,
    os_configs: Cache<MachineOSConfig>,
    os_builds: Cache<MachineOSBuild>,
    nodes: Cache<Node>,
    reports: Cache<MachineConfigNode>,
    operator_pods: Cache<Pod>,
    operators: Cache<ClusterOperator>,
    histories: Cache<ConfigMap>,
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching").field("caches", &self.caches).finish_non_exhaustive()
    }
}

impl Default for Caches {
    fn default() -> Self {
        let (mut of, all) = (Watches::default(), Selection::default);
        let (who, tells) = (Watcher::Decides, Watcher::Tells);
        Self {
            versions: of.row(who, Empty, all()),
            gates: of.row(who, Empty, all()),
            streams: of.row(who, Empty, all()),
            controller_configs: of.row(who, Empty, all()),
            configurations: of.row(who, Empty, all()),
            pools: of.row(who, Empty, all()),
            configs: of.row(who, Empty, all()),
            os_configs: of.row(who, Empty, all()),
            os_builds: of.row(who, Empty, all()),
            nodes: of.row(who, Empty, all()),
            reports: of.row(who, Empty, all()),
            operator_pods: of.row(
                who,
                Empty,
                Selection::labelled(format!("{APP}={OPERATOR_APP}")).within(OPERATOR_NAMESPACE),
            ),
            operators: of.row(tells, Empty, Selection::named(CLUSTER_OPERATOR)),
            histories: of.row(tells, Empty, Selection::labelled(HISTORY_OF).within(OPERATOR_NAMESPACE)),
            watches: of,
        }
    }
}

/// What the page watches, for the role that allows it.
#[must_use]
pub fn watched() -> Vec<Watched> {
    let watched = |row: &weir_kubeio::watches::Row<Watcher>| Watched {
        group: row.kind.group.clone(),
        plural: row.kind.plural.clone(),
        namespace: row.selection.namespace,
        name: row.selection.name,
    };
    Caches::default().watches.of(ALL).map(watched).collect()
}

impl Watching {
    /// Of the cluster of this client. Kinds that it does not have count as empty.
    #[must_use]
    pub fn new(client: Client, clock: Clock, everything: ReadAll) -> Self {
        Self { caches: Caches::default(), client, clock, everything }
    }

    /// Watches until the future is dropped.
    pub async fn fill(&self) {
        self.caches.watches.fill(&self.client, ALL).await;
    }

    /// Waits until everything has been seen once.
    pub async fn synced(&self) {
        self.caches.watches.synced(&[Watcher::Decides]).await;
    }
}

impl Source for Watching {
    fn world(&self) -> World {
        let unreadable = |object: Unreadable| UnreadableObject {
            said: object.to_string(),
            kind: object.kind,
            name: object.name,
            labels: object.labels,
        };
        World {
            version: self.caches.versions.get(VERSION),
            cluster_operator: self.caches.operators.get(CLUSTER_OPERATOR),
            feature_gate: self.caches.gates.get(CLUSTER),
            controller_config: self.caches.controller_configs.get(CONTROLLER_CONFIG),
            streams: self.caches.streams.get(CLUSTER),
            configuration: self.caches.configurations.get(CLUSTER),
            pools: self.caches.pools.all(),
            configs: self.caches.configs.all(),
            os_configs: self.caches.os_configs.all(),
            os_builds: self.caches.os_builds.all(),
            nodes: self.caches.nodes.all(),
            reports: self.caches.reports.all(),
            pods: self.caches.operator_pods.all(),
            histories: self.caches.histories.all(),
            unreadable: self.caches.watches.broken(&[Watcher::Decides]).into_iter().map(unreadable).collect(),
            whole: true,
            ..World::default()
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn changes(&self) -> Vec<watch::Receiver<u64>> {
        self.caches.watches.changes(ALL)
    }

    fn trouble(&self) -> Option<String> {
        self.caches.watches.failing(&[Watcher::Decides])
    }

    fn everything(&self) -> BoxFuture<'static, Result<Everything, String>> {
        (self.everything)(self.client.clone())
    }
}
