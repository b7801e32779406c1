//! What a rollout depends on, out of manifests or a cluster.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, Client, Resource, api::ListParams};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, fmt::Debug, path::PathBuf};
use weir_api::{
    ClusterVersion, ControllerConfig, FeatureGate, Infrastructure, MachineConfig, MachineConfigNode, MachineConfigPool,
    MachineOSConfig, OSImageStream,
    keys::{
        gates::{IMAGE_MODE_STATUS_REPORTING, OS_STREAMS},
        names::{CLUSTER, CONTROLLER_CONFIG, OPERATOR_APP, OPERATOR_NAMESPACE, VERSION},
        pod::APP,
    },
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP},
};
use weir_kubeio::{
    error::optional,
    read::{self, Listed},
};
use weir_manifests::{Kind, Manifest, Rule};
use weir_rules::{status::explain::Objects, stream::gates::gates_offline};

/// The objects as they are found, each once.
#[derive(Default)]
struct Found {
    pools: BTreeMap<String, MachineConfigPool>,
    nodes: BTreeMap<String, Node>,
    configs: BTreeMap<String, MachineConfig>,
    reports: BTreeMap<String, MachineConfigNode>,
    pods: BTreeMap<String, Pod>,
    image_mode: BTreeMap<String, MachineOSConfig>,
    streams: BTreeMap<String, OSImageStream>,
    controller_configs: BTreeMap<String, ControllerConfig>,
    infrastructures: BTreeMap<String, Infrastructure>,
    feature_gates: BTreeMap<String, FeatureGate>,
    versions: BTreeMap<String, ClusterVersion>,
}

/// What is taken out of files.
const KINDS: [Kind<'static>; 11] = [
    POOL,
    (MACHINE_CONFIG_GROUP, "MachineConfig"),
    (MACHINE_CONFIG_GROUP, "MachineConfigNode"),
    (MACHINE_CONFIG_GROUP, "MachineOSConfig"),
    (MACHINE_CONFIG_GROUP, "OSImageStream"),
    (MACHINE_CONFIG_GROUP, "ControllerConfig"),
    (CONFIG_GROUP, "Infrastructure"),
    (CONFIG_GROUP, "FeatureGate"),
    (CONFIG_GROUP, "ClusterVersion"),
    ("", "Node"),
    ("", "Pod"),
];
const POOL: Kind<'static> = (MACHINE_CONFIG_GROUP, "MachineConfigPool");

/// Reads files, folders and archives.
///
/// # Errors
/// When they cannot be read, or hold no pool.
pub fn of_files(paths: &[PathBuf]) -> Result<Objects> {
    let mut found = Found::default();
    weir_manifests::read(paths, Rule::Objects(&KINDS)).each(|manifest| found.take(&manifest))?.need(POOL)?;
    let mut objects = found.objects(false)?;
    objects.nodes_unseen = objects.nodes.is_empty();
    Ok(objects)
}

/// Reads a cluster.
///
/// # Errors
/// When it cannot be asked. A kind it does not have counts as none of that kind.
pub async fn of_cluster(client: &Client) -> Result<Objects> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let found = Found {
        pools: all(client).await?,
        nodes: all(client).await?,
        configs: all(client).await?,
        reports: all(client).await?,
        pods: listed(pods, &ListParams::default().labels(&format!("{APP}={OPERATOR_APP}"))).await?,
        image_mode: all(client).await?,
        streams: all(client).await?,
        controller_configs: all(client).await?,
        infrastructures: all(client).await?,
        feature_gates: all(client).await?,
        versions: all(client).await?,
    };
    found.objects(true)
}

pub(crate) async fn all<K>(client: &Client) -> Result<BTreeMap<String, K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    listed(Api::all(client.clone()), &ListParams::default()).await
}

pub(crate) async fn listed<K>(api: Api<K>, parameters: &ListParams) -> Result<BTreeMap<String, K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let name = |object: &K| object.meta().name.clone().unwrap_or_default();
    let listed = optional(read::list(&api, parameters).await).with_context(|| format!("listing {}", K::plural(&())))?;
    let Some(Listed { items, unreadable }) = listed else { return Ok(BTreeMap::new()) };
    for odd in unreadable {
        tracing::warn!("{odd}; it is passed over");
    }
    Ok(items.into_iter().map(|object| (name(&object), object)).collect())
}

impl Found {
    fn take(&mut self, manifest: &Manifest) -> Result<()> {
        match (manifest.group(), manifest.kind()) {
            (MACHINE_CONFIG_GROUP, "MachineConfigPool") => keep(manifest, &mut self.pools),
            (MACHINE_CONFIG_GROUP, "MachineConfig") => keep(manifest, &mut self.configs),
            (MACHINE_CONFIG_GROUP, "MachineConfigNode") => keep(manifest, &mut self.reports),
            (MACHINE_CONFIG_GROUP, "MachineOSConfig") => keep(manifest, &mut self.image_mode),
            (MACHINE_CONFIG_GROUP, "OSImageStream") => keep(manifest, &mut self.streams),
            (MACHINE_CONFIG_GROUP, "ControllerConfig") => keep(manifest, &mut self.controller_configs),
            (CONFIG_GROUP, "Infrastructure") => keep(manifest, &mut self.infrastructures),
            (CONFIG_GROUP, "FeatureGate") => keep(manifest, &mut self.feature_gates),
            (CONFIG_GROUP, "ClusterVersion") => keep(manifest, &mut self.versions),
            ("", "Node") => keep(manifest, &mut self.nodes),
            ("", "Pod") if runs_operator(manifest) => keep(manifest, &mut self.pods),
            _ => Ok(()),
        }
    }

    fn objects(self, all_configs: bool) -> Result<Objects> {
        let config = self.controller_configs.get(CONTROLLER_CONFIG);
        let gates = gates_offline(self.feature_gates.get(CLUSTER), config, self.versions.get(VERSION))?;
        // Without a FeatureGate streams are what is usual.
        let streams_on = gates.as_ref().is_none_or(|gates| gates.is_on(OS_STREAMS));
        let counts_from_reports = gates.is_some_and(|gates| gates.is_on(IMAGE_MODE_STATUS_REPORTING));
        let infrastructure = self.infrastructures.get(CLUSTER).and_then(|i| i.status.as_ref());
        let topology = match config {
            Some(config) => config.spec.control_plane_topology().map(str::to_owned),
            None => infrastructure.and_then(|status| status.control_plane_topology.clone()),
        };
        let known = config.and_then(|config| config.status.as_ref()).map(|s| s.controller_certificates.as_slice());
        let certificates = known.unwrap_or_default().iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
        let node_of = |pod: Pod| pod.spec.and_then(|spec| spec.node_name).unwrap_or_default();
        Ok(Objects {
            topology,
            certificates,
            counts_from_reports,
            all_configs,
            streams: self.streams.get(CLUSTER).filter(|_| streams_on).cloned(),
            pools: self.pools.into_values().collect(),
            nodes: self.nodes.into_values().collect(),
            nodes_unseen: false,
            configs: self.configs.into_values().collect(),
            reports: self.reports.into_values().collect(),
            operator_nodes: self.pods.into_values().map(node_of).collect(),
            image_mode_pools: self.image_mode.into_values().map(|c| c.spec.machine_config_pool.name).collect(),
        })
    }
}

fn keep<K: DeserializeOwned>(manifest: &Manifest, kept: &mut BTreeMap<String, K>) -> Result<()> {
    kept.insert(manifest.name().to_owned(), manifest.read()?);
    Ok(())
}

fn runs_operator(manifest: &Manifest) -> bool {
    let metadata = &manifest.object["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap_or(OPERATOR_NAMESPACE);
    namespace == OPERATOR_NAMESPACE && metadata["labels"][APP] == OPERATOR_APP
}
