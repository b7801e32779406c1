//! What a rollout depends on, out of manifests or a cluster.

use crate::manifests::{self, Files, Manifest, Reading};
use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, Client, Resource, api::ListParams};
use serde::de::DeserializeOwned;
use std::{
    fmt::Debug,
    path::{Path, PathBuf},
};
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
use weir_rules::{
    view::unreadable::UnreadableObject,
    world::{Object, World},
};

/// The objects as they are found.
#[derive(Default)]
struct Found(Vec<Object>);

/// Reads manifests: files, `-` for standard input, and folders with all that is below them, such as a must-gather.
///
/// # Errors
/// When a file that was named cannot be read. One found in a folder is passed over with a warning.
pub fn of_files(paths: &[PathBuf]) -> Result<World> {
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
    Ok(World::of(found.0))
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
    /// What can be taken is, whatever else there is.
    fn take_all(&mut self, reading: Reading) -> Result<()> {
        reading.unpacked().each(|manifest| self.take(&manifest))
    }

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
/// When it has wrong fields, or is of a kind that our group does not have.
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
        _ => {
            manifest.check_kind()?;
            return Ok(None);
        }
    }))
}

/// Other pods, of which a must-gather has thousands, are not even read.
fn may_run_operator(manifest: &Manifest) -> bool {
    manifest.object["metadata"]["labels"][APP] == OPERATOR_APP
}
