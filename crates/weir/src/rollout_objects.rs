//! What a rollout depends on, out of manifests or a cluster.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, Client, Resource, api::ListParams};
use serde::de::DeserializeOwned;
use std::{fmt::Debug, path::PathBuf};
use weir_api::{
    ClusterVersion, ControllerConfig, FeatureGate, Infrastructure, MachineConfig, MachineConfigNode, MachineConfigPool,
    MachineConfiguration, MachineOSConfig, OSImageStream,
    keys::{
        names::{OPERATOR_APP, OPERATOR_NAMESPACE},
        pod::APP,
    },
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP, OPERATOR_GROUP},
};
use weir_kubeio::{
    error::optional,
    read::{self, Listed},
};
use weir_manifests::{Kind, Manifest, Rule};
use weir_rules::{
    view::unreadable::UnreadableObject,
    world::{Object, World},
};

/// The objects as they are found.
#[derive(Default)]
struct Found(Vec<Object>);

/// What is taken out of files.
const KINDS: [Kind<'static>; 12] = [
    POOL,
    (MACHINE_CONFIG_GROUP, "MachineConfig"),
    (MACHINE_CONFIG_GROUP, "MachineConfigNode"),
    (MACHINE_CONFIG_GROUP, "MachineOSConfig"),
    (MACHINE_CONFIG_GROUP, "OSImageStream"),
    (MACHINE_CONFIG_GROUP, "ControllerConfig"),
    (CONFIG_GROUP, "Infrastructure"),
    (CONFIG_GROUP, "FeatureGate"),
    (CONFIG_GROUP, "ClusterVersion"),
    (OPERATOR_GROUP, "MachineConfiguration"),
    ("", "Node"),
    ("", "Pod"),
];
pub(crate) const POOL: Kind<'static> = (MACHINE_CONFIG_GROUP, "MachineConfigPool");

/// Reads files, folders and archives.
///
/// # Errors
/// When they cannot be read, or hold no pool.
pub fn of_files(paths: &[PathBuf]) -> Result<World> {
    let mut found = Found::default();
    let read = weir_manifests::read(paths, Rule::Objects(&KINDS));
    read.each(|manifest| found.take(&manifest))?.need(POOL)?;
    Ok(World::of(found.0))
}

/// Reads a whole cluster.
///
/// # Errors
/// When it cannot be asked. A kind it does not have counts as none of that kind.
pub async fn of_cluster(client: &Client) -> Result<World> {
    let mut found = configuration(client).await?;
    found.all::<Node>(client).await?;
    found.all::<MachineConfigNode>(client).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    found.listed(pods, &ListParams::default().labels(&format!("{APP}={OPERATOR_APP}"))).await?;
    Ok(World { whole: true, ..World::of(found.0) })
}

/// Reads what configures a cluster: no nodes, of which there may be thousands.
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
    Ok(found)
}

impl Found {
    fn take(&mut self, manifest: &Manifest) -> Result<()> {
        self.0.extend(object(manifest)?);
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
            let said = odd.to_string();
            let odd = UnreadableObject { kind: odd.kind, name: odd.name, labels: odd.labels, said };
            self.0.push(Object::Unreadable(odd));
        }
        Ok(())
    }
}

/// The object of a manifest, when it is of a kind that decisions need.
///
/// # Errors
/// When it has wrong fields.
pub(crate) fn object(manifest: &Manifest) -> Result<Option<Object>> {
    Ok(Some(match (manifest.group(), manifest.kind()) {
        (MACHINE_CONFIG_GROUP, "MachineConfigPool") => manifest.read::<MachineConfigPool>()?.into(),
        (MACHINE_CONFIG_GROUP, "MachineConfig") => manifest.read::<MachineConfig>()?.into(),
        (MACHINE_CONFIG_GROUP, "MachineConfigNode") => manifest.read::<MachineConfigNode>()?.into(),
        (MACHINE_CONFIG_GROUP, "MachineOSConfig") => manifest.read::<MachineOSConfig>()?.into(),
        (MACHINE_CONFIG_GROUP, "OSImageStream") => manifest.read::<OSImageStream>()?.into(),
        (MACHINE_CONFIG_GROUP, "ControllerConfig") => manifest.read::<ControllerConfig>()?.into(),
        (CONFIG_GROUP, "Infrastructure") => manifest.read::<Infrastructure>()?.into(),
        (CONFIG_GROUP, "FeatureGate") => manifest.read::<FeatureGate>()?.into(),
        (CONFIG_GROUP, "ClusterVersion") => manifest.read::<ClusterVersion>()?.into(),
        (OPERATOR_GROUP, "MachineConfiguration") => manifest.read::<MachineConfiguration>()?.into(),
        ("", "Node") => manifest.read::<Node>()?.into(),
        ("", "Pod") if may_run_operator(manifest) => manifest.read::<Pod>()?.into(),
        _ => return Ok(None),
    }))
}

/// Other pods, of which a must-gather has thousands, are not even read.
fn may_run_operator(manifest: &Manifest) -> bool {
    manifest.object["metadata"]["labels"][APP] == OPERATOR_APP
}
