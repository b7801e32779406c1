//! What a rollout depends on, from manifests or a cluster.

use crate::generate::{SETTINGS, Take, take};
use anyhow::{Context as _, Result};
use k8s_openapi::api::{
    core::v1::{ConfigMap, Node, Pod, PodSpec, PodStatus, Secret},
    policy::v1::PodDisruptionBudget,
};
use kube::{Api, Client, Resource, api::ListParams};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    path::PathBuf,
};
use weir_api::{
    APIServer, CRIOCredentialProviderConfig, ClusterImagePolicy, ClusterOperator, ClusterVersion,
    ContainerRuntimeConfig, ControllerConfig, FeatureGate, Image, ImageContentSourcePolicy, ImageDigestMirrorSet,
    ImagePolicy, ImageTagMirrorSet, Infrastructure, InternalReleaseImage, KubeletConfig, MachineConfig,
    MachineConfigNode, MachineConfigPool, MachineConfiguration, MachineOSBuild, MachineOSConfig, NodeConfig,
    OSImageStream,
    keys::{
        config::HISTORY_OF,
        names::{CLUSTER_OPERATOR, OPERATOR_APP, OPERATOR_NAMESPACE},
        namespaces,
        pod::APP,
        secrets,
    },
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP, OPERATOR_GROUP},
};
use weir_kubeio::{
    error::optional,
    read::{self, Listed, Unreadable},
};
use weir_manifests::{Kind, Manifest, ReadError, Reading, Rule, Want};
use weir_rules::{
    template::login::REGISTRY_SECRET,
    view::unreadable::{UnreadableObject, all},
    world::{Object, World},
};

/// All objects that decisions need. Of pods and ConfigMaps, of which a must-gather has thousands, those that may run an operator, and
/// those with the histories of pools.
fn wants() -> Vec<Want<'static>> {
    let want = |(kind, _): &(Kind<'static>, Take)| match *kind {
        POD => Want::labelled(POD, APP, OPERATOR_APP),
        CONFIG_MAP => Want::with_label(CONFIG_MAP, HISTORY_OF),
        kind => Want::all(kind),
    };
    KINDS.iter().chain(&SETTINGS).map(want).collect()
}

/// The objects as they are found.
#[derive(Default)]
struct Found(Vec<Object>);

const POD: Kind<'static> = ("", "Pod");
const CONFIG_MAP: Kind<'static> = ("", "ConfigMap");
pub(crate) const POOL: Kind<'static> = (MACHINE_CONFIG_GROUP, "MachineConfigPool");
pub(crate) const CONFIG: Kind<'static> = (MACHINE_CONFIG_GROUP, "MachineConfig");
pub(crate) const NODE: Kind<'static> = ("", "Node");

/// Disruption budgets.
const BUDGET: Kind<'static> = ("policy", "PodDisruptionBudget");

/// What is read from files, and how.
const KINDS: [(Kind<'static>, Take); 15] = [
    (POOL, take::<MachineConfigPool>),
    (CONFIG, take::<MachineConfig>),
    ((MACHINE_CONFIG_GROUP, "MachineConfigNode"), take::<MachineConfigNode>),
    ((MACHINE_CONFIG_GROUP, "MachineOSConfig"), take::<MachineOSConfig>),
    ((MACHINE_CONFIG_GROUP, "MachineOSBuild"), take::<MachineOSBuild>),
    ((MACHINE_CONFIG_GROUP, "OSImageStream"), take::<OSImageStream>),
    ((MACHINE_CONFIG_GROUP, "ControllerConfig"), take::<ControllerConfig>),
    ((CONFIG_GROUP, "Infrastructure"), take::<Infrastructure>),
    ((CONFIG_GROUP, "FeatureGate"), take::<FeatureGate>),
    ((CONFIG_GROUP, "ClusterVersion"), take::<ClusterVersion>),
    ((CONFIG_GROUP, "ClusterOperator"), take::<ClusterOperator>),
    ((OPERATOR_GROUP, "MachineConfiguration"), take::<MachineConfiguration>),
    (NODE, take::<Node>),
    (POD, take::<Pod>),
    (CONFIG_MAP, take::<ConfigMap>),
];

/// What an import reads: all that users set, and nodes.
pub(crate) fn importable() -> Vec<Want<'static>> {
    let decides = |kind: &Kind<'static>| ![POD, CONFIG_MAP].contains(kind);
    KINDS.iter().chain(&SETTINGS).map(|(kind, _)| *kind).filter(decides).map(Want::all).collect()
}

/// Reads files, folders and archives. An object with a field of a wrong type is told and kept as unreadable (R-UNREADABLE-4).
///
/// # Errors
/// When they cannot be read, or hold no pool.
pub fn of_files(paths: &[PathBuf]) -> Result<World> {
    of_files_with(paths, &[POOL])
}

/// As [`of_files`], where objects of these kinds must be there.
///
/// # Errors
/// When they cannot be read, or hold no object of one of these kinds.
pub fn of_files_with(paths: &[PathBuf], needed: &[Kind<'_>]) -> Result<World> {
    let wants = wants();
    world(weir_manifests::read(paths, Rule::Objects(&wants)), needed)
}

/// As [`of_files_with`], for whoever names objects of these kinds: a file in a folder that cannot be read is told, and
/// hides no others.
///
/// # Errors
/// When they cannot be read, or hold no object of one of these kinds.
pub fn named_of_files(paths: &[PathBuf], needed: &[Kind<'_>]) -> Result<World> {
    let wants = wants();
    world(weir_manifests::read(paths, Rule::Objects(&wants)).passing_over(), needed)
}

fn world(read: Reading<'_>, needed: &[Kind<'_>]) -> Result<World> {
    let mut found = Vec::new();
    let seen = read.each(|manifest| {
        found.extend(readable(&manifest, object(&manifest))?);
        anyhow::Ok(())
    })?;
    needed.iter().try_for_each(|kind| seen.need(*kind))?;
    Ok(told(World::of(found)))
}

/// As [`of_files`], with every pod and every disruption budget: what drains will evict.
///
/// # Errors
/// As [`of_files`].
pub fn everything_of_files(paths: &[PathBuf]) -> Result<World> {
    let (mut found, mut wants) = (Vec::new(), wants());
    wants.retain(|want| want.kind != POD);
    wants.extend([Want::all(POD).only(&LEAN), Want::all(BUDGET)]);
    let read = weir_manifests::read(paths, Rule::Objects(&wants));
    read.each(|manifest| {
        let read = match (manifest.group(), manifest.kind()) {
            ("", "Pod") => manifest.read::<Pod>().map(|pod| Some(lean(pod).into())).map_err(anyhow::Error::from),
            kind if kind == BUDGET => take::<PodDisruptionBudget>(&manifest).map(Some),
            _ => object(&manifest),
        };
        found.extend(readable(&manifest, read)?);
        anyhow::Ok(())
    })?
    .need(POOL)?;
    Ok(told(World::of(found)))
}

/// What was read of a manifest. A field of a wrong type makes of it an object that is there and cannot be read.
///
/// # Errors
/// The others.
pub(crate) fn readable(manifest: &Manifest, read: Result<Option<Object>>) -> Result<Option<Object>> {
    let Err(error) = read else { return read };
    match error.downcast_ref::<ReadError>() {
        Some(ReadError::Field { field, reason, .. }) => {
            tracing::info!("passed over: {error}");
            // As of a cluster, without what the field holds: a plan is shown to others.
            let why = read::harmless(reason);
            let colon = if field.is_empty() { "" } else { ": " };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let labels = manifest.object["metadata"]["labels"].as_object();
            Ok(Some(kept(Unreadable {
                kind: manifest.kind().to_owned(),
                namespace: text(&manifest.object["metadata"]["namespace"]),
                name: manifest.name().to_owned(),
                labels: labels.into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect(),
                why: format!("{field}{colon}{why}"),
            })))
        }
        _ => Err(error),
    }
}

/// The same world; tells which of its objects cannot be read.
pub(crate) fn told(world: World) -> World {
    if let Some(said) = all(&world.unreadable) {
        let count = world.unreadable.len();
        let (objects, where_from) = if count == 1 { ("object", "it is") } else { ("objects", "they are") };
        tracing::warn!("what depends on {count} {objects} is not known: {said}; -v says where {where_from}");
    }
    without_histories(world)
}

/// The same world; tells of which pools histories are there and cannot be read.
fn without_histories(world: World) -> World {
    for unread in world.unread_histories() {
        tracing::warn!("{unread}");
    }
    world
}

fn kept(odd: Unreadable) -> Object {
    let said = odd.to_string();
    Object::Unreadable(UnreadableObject { kind: odd.kind, name: odd.name, labels: odd.labels, said })
}

/// As [`of_cluster`], with every pod and every disruption budget: what drains will evict. Whoever may not list them does without, and
/// is told what is not known.
///
/// # Errors
/// As [`of_cluster`].
pub async fn everything_of_cluster(client: &Client) -> Result<(World, Option<String>)> {
    let mut world = of_cluster(client).await?;
    let parameters = ListParams::default();
    let pods = read::list(&Api::<Pod>::all(client.clone()), &parameters).await;
    let budgets = read::list(&Api::<PodDisruptionBudget>::all(client.clone()), &parameters).await;
    match (pods, budgets) {
        (Ok(pods), Ok(budgets)) => {
            pods.items.into_iter().for_each(|pod| world.put(lean(pod).into()));
            budgets.items.into_iter().for_each(|budget| world.put(budget.into()));
            Ok((world, None))
        }
        (Err(error), _) | (_, Err(error)) => {
            let why = weir_kubeio::error::said(&error);
            Ok((world, Some(format!("which pods drains will evict: {why}"))))
        }
    }
}

/// Adds the pods of a node and all disruption budgets: what is in the way of its drain.
///
/// # Errors
/// When they may not be listed.
pub async fn put_drained(client: &Client, world: &mut World, node: &str) -> Result<()> {
    let here = ListParams::default().fields(&format!("spec.nodeName={node}"));
    let pods = read::list(&Api::<Pod>::all(client.clone()), &here).await?;
    let budgets = read::list(&Api::<PodDisruptionBudget>::all(client.clone()), &ListParams::default()).await?;
    pods.items.into_iter().for_each(|pod| world.put(lean(pod).into()));
    budgets.items.into_iter().for_each(|budget| world.put(budget.into()));
    Ok(())
}

/// The fields of a pod that decide about its eviction, and what it is identified by (see [`lean`]).
const LEAN: [&str; 14] = [
    "apiVersion",
    "kind",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.resourceVersion",
    "metadata.creationTimestamp",
    "metadata.deletionTimestamp",
    "metadata.labels",
    "metadata.annotations",
    "metadata.ownerReferences",
    "metadata.finalizers",
    "spec.nodeName",
    "status.phase",
];

/// What decides about an eviction; the rest of a pod is long, and there may be many thousands.
fn lean(pod: Pod) -> Pod {
    let mut metadata = pod.metadata;
    metadata.managed_fields = None;
    let node = pod.spec.and_then(|spec| spec.node_name);
    let phase = pod.status.and_then(|status| status.phase);
    Pod {
        metadata,
        spec: Some(PodSpec { node_name: node, ..PodSpec::default() }),
        status: Some(PodStatus { phase, ..PodStatus::default() }),
    }
}

/// Which Secrets of these names the operator's namespace has. Those that may not be read are left out.
pub async fn secrets_of_cluster(client: &Client, names: BTreeSet<String>) -> BTreeMap<String, bool> {
    let secrets = Api::<Secret>::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let mut found = BTreeMap::new();
    for name in names {
        if let Ok(secret) = secrets.get_metadata_opt(&name).await {
            found.insert(name, secret.is_some());
        }
    }
    found
}

/// Reads a whole cluster.
///
/// # Errors
/// When it cannot be reached. A kind it does not have counts as empty.
pub async fn of_cluster(client: &Client) -> Result<World> {
    let mut found = configuration(client).await?;
    // Nothing but its own report depends on it: those who may not read it get the rest.
    let operator = Api::<ClusterOperator>::all(client.clone()).get_opt(CLUSTER_OPERATOR).await;
    found.0.extend(operator.ok().flatten().map(Object::from));
    // Neither does anything depend on what was: a cluster that another operator manages has none.
    let maps = Api::<ConfigMap>::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let histories = maps.list(&ListParams::default().labels(HISTORY_OF)).await;
    found.0.extend(histories.into_iter().flatten().map(Object::from));
    found.all::<Node>(client).await?;
    found.all::<MachineConfigNode>(client).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    found.listed(pods, &ListParams::default().labels(&format!("{APP}={OPERATOR_APP}"))).await?;
    Ok(without_histories(World { whole: true, ..World::of(found.0) }))
}

/// Reads the configuration of a cluster, without nodes, of which there may be thousands.
///
/// # Errors
/// As [`of_cluster`].
pub async fn configuration_of_cluster(client: &Client) -> Result<World> {
    Ok(World { whole: true, ..World::of(configuration(client).await?.0) })
}

async fn configuration(client: &Client) -> Result<Found> {
    let mut found = Found::default();
    found.all::<ClusterVersion>(client).await?;
    found.all::<FeatureGate>(client).await?;
    found.all::<ControllerConfig>(client).await?;
    found.all::<OSImageStream>(client).await?;
    found.all::<MachineConfiguration>(client).await?;
    found.all::<MachineConfigPool>(client).await?;
    found.all::<MachineConfig>(client).await?;
    found.all::<MachineOSConfig>(client).await?;
    found.all::<MachineOSBuild>(client).await?;
    found.settings(client).await?;
    Ok(found)
}

impl Found {
    /// What else MachineConfigs are generated from. Secrets that may not be read are left out.
    async fn settings(&mut self, client: &Client) -> Result<()> {
        self.all::<KubeletConfig>(client).await?;
        self.all::<ContainerRuntimeConfig>(client).await?;
        self.all::<APIServer>(client).await?;
        self.all::<NodeConfig>(client).await?;
        self.all::<Image>(client).await?;
        self.all::<CRIOCredentialProviderConfig>(client).await?;
        self.all::<InternalReleaseImage>(client).await?;
        self.all::<ImageDigestMirrorSet>(client).await?;
        self.all::<ImageTagMirrorSet>(client).await?;
        self.all::<ImageContentSourcePolicy>(client).await?;
        self.all::<ClusterImagePolicy>(client).await?;
        self.all::<ImagePolicy>(client).await?;
        for (namespace, name) in [(namespaces::CONFIG, secrets::PULL), (OPERATOR_NAMESPACE, REGISTRY_SECRET)] {
            let secret = Api::<Secret>::namespaced(client.clone(), namespace).get_opt(name).await;
            self.0.extend(secret.ok().flatten().map(Object::from));
        }
        Ok(())
    }

    async fn all<K>(&mut self, client: &Client) -> Result<()>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Into<Object>,
    {
        self.listed(Api::<K>::all(client.clone()), &ListParams::default()).await
    }

    async fn listed<K>(&mut self, api: Api<K>, parameters: &ListParams) -> Result<()>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Into<Object>,
    {
        let listed =
            optional(read::list(&api, parameters).await).with_context(|| format!("listing {}", K::plural(&())))?;
        let Some(Listed { items, unreadable }) = listed else { return Ok(()) };
        self.0.extend(items.into_iter().map(Into::into));
        for odd in unreadable {
            tracing::warn!("{odd}");
            self.0.push(kept(odd));
        }
        Ok(())
    }
}

/// The object of a manifest, if decisions need its kind.
///
/// # Errors
/// When it has invalid fields.
pub(crate) fn object(manifest: &Manifest) -> Result<Option<Object>> {
    let kind = (manifest.group(), manifest.kind());
    let row = KINDS.iter().chain(&SETTINGS).find(|(one, _)| *one == kind);
    row.map(|(_, take)| take(manifest)).transpose()
}
