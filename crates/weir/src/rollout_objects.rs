//! What a rollout depends on, out of manifests or a cluster.

use crate::manifests::{self, Files, Manifest, Reading};
use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, Client, Resource, api::ListParams};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeMap,
    fmt::Debug,
    path::{Path, PathBuf},
};
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
use weir_rules::{
    status::explain::Objects,
    stream::gates::{Gates, gates},
};

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

/// Reads manifests: files, `-` for standard input, and folders with all that is below them, such as a must-gather.
///
/// # Errors
/// When a file that was named cannot be read. One found in a folder is passed over with a warning.
pub fn of_files(paths: &[PathBuf]) -> Result<Objects> {
    let mut found = Found::default();
    for path in paths {
        if !path.is_dir() {
            found.take_all(manifests::read(std::slice::from_ref(path), Files::All))?;
            continue;
        }
        for file in below(path)? {
            if let Err(error) = found.take_all(manifests::read(std::slice::from_ref(&file), Files::All)) {
                tracing::warn!("passed over: {error:#}");
            }
        }
    }
    let mut objects = found.objects(false)?;
    objects.nodes_unseen = objects.nodes.is_empty();
    Ok(objects)
}

/// Manifests in a folder and all folders below it, by name; links to folders are not followed.
fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let context = || format!("reading folder {}", folder.display());
        for entry in std::fs::read_dir(&folder).with_context(context)? {
            let entry = entry.with_context(context)?;
            let (path, kind) = (entry.path(), entry.file_type().with_context(context)?);
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
            if kind.is_dir() {
                folders.push(path);
            } else if ["yaml", "yml", "json"].contains(&extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
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
    /// What can be taken is, whatever else there is.
    fn take_all(&mut self, reading: Reading) -> Result<()> {
        reading.unpacked().each(|manifest| self.take(&manifest))
    }

    /// Takes an object; of several of one name the last counts.
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
            _ => manifest.check_kind(),
        }
    }

    fn objects(self, all_configs: bool) -> Result<Objects> {
        let gates = self.gates()?;
        // Without a FeatureGate streams are what is usual.
        let streams_on = gates.as_ref().is_none_or(|gates| gates.is_on(OS_STREAMS));
        let counts_from_reports = gates.is_some_and(|gates| gates.is_on(IMAGE_MODE_STATUS_REPORTING));
        let config = self.controller_configs.get(CONTROLLER_CONFIG);
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

    /// The gates of the release; `None` when there is no FeatureGate.
    fn gates(&self) -> Result<Option<Gates>> {
        let Some(object) = self.feature_gates.get(CLUSTER) else { return Ok(None) };
        let lists = object.status.as_ref().map(|s| s.feature_gates.as_slice()).unwrap_or_default();
        let version = match lists {
            // The one list there is must be the one that is meant.
            [only] => Some(only.version.as_str()),
            _ => None,
        };
        Ok(Some(gates(Some(object), version, self.versions.get(VERSION))?))
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
