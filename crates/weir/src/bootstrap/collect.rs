//! Which of the installer's manifests are used.

use crate::generate::setting;
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::sync::Arc;
use weir_api::{
    MachineConfig, MachineConfigPool, MachineOSConfig,
    keys::{config, names},
    kind::{CONFIG_GROUP, IMAGE_GROUP, MACHINE_CONFIG_GROUP},
};
use weir_manifests::{Manifest, Reading};
use weir_rules::{
    template::login::REGISTRY_SECRET,
    world::{Object, World},
};

/// The tag that identifies the release's ImageStream.
const OPERATOR_TAG: &str = "machine-config-operator";

/// The objects that are used.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) world: World,
    /// Names of the MachineConfigs, in the order in which they were found.
    pub(super) order: Vec<String>,
    pub(super) os_configs: Vec<MachineOSConfig>,
    /// The release payload.
    pub(super) image_stream: Option<Value>,
    pub(super) api_server: Option<Value>,
    /// KubeletConfigs and ContainerRuntimeConfigs, which take templates to be of use.
    pub(super) settings: Vec<String>,
}

impl Collected {
    /// Sorts the manifests.
    pub(super) fn of(reading: Reading<'_>) -> Result<Self> {
        let mut collected = Self::default();
        let mut pools: Vec<MachineConfigPool> = Vec::new();
        reading.each(|manifest| {
            let place = &manifest.place;
            let context =
                || format!("error parsing {:?} [{}] manifest", place.file.display().to_string(), place.document);
            collected.take(&manifest, &mut pools).with_context(context)
        })?;
        for pool in distinct(pools) {
            collected.world.put(pool.into());
        }
        Ok(collected)
    }

    fn take(&mut self, manifest: &Manifest, pools: &mut Vec<MachineConfigPool>) -> Result<()> {
        for field in ["kind", "apiVersion"] {
            if manifest.object[field].as_str().is_none_or(str::is_empty) {
                let shown = if field == "kind" { "Kind" } else { field };
                bail!("Object '{shown}' is missing in '{}'", manifest.object);
            }
        }
        let version = manifest.object["apiVersion"].as_str().unwrap_or_default();
        let version = version.rsplit('/').next().unwrap_or_default();
        let world = &mut self.world;
        match (manifest.group(), version, manifest.kind()) {
            (MACHINE_CONFIG_GROUP, "v1", "MachineConfigPool") => pools.push(manifest.read()?),
            (MACHINE_CONFIG_GROUP, "v1", "MachineConfig") => {
                let name = manifest.name().to_owned();
                if world.config(&name).is_some() {
                    bail!("there is another MachineConfig {name}");
                }
                world.put(manifest.read::<MachineConfig>()?.into());
                self.order.push(name);
            }
            (MACHINE_CONFIG_GROUP, "v1", "ControllerConfig") => {
                world.controller_config = Some(Arc::new(manifest.read()?));
            }
            (MACHINE_CONFIG_GROUP, "v1" | "v1alpha1", "OSImageStream") => {
                world.streams = Some(Arc::new(manifest.read()?));
            }
            (MACHINE_CONFIG_GROUP, "v1", "MachineOSConfig") => self.os_configs.push(manifest.read()?),
            (CONFIG_GROUP, "v1", "FeatureGate") if manifest.name() == names::CLUSTER => {
                world.feature_gate = Some(Arc::new(manifest.read()?));
            }
            (IMAGE_GROUP, "v1", "ImageStream") if has_operator(&manifest.object) => {
                self.image_stream = Some(manifest.object.clone());
            }
            (group, version, kind) => {
                manifest.check_kind()?;
                if let Some(mut object) = setting(manifest)? {
                    if let Object::Secret(secret) = &mut object {
                        if manifest.name() != REGISTRY_SECRET {
                            // A Secret of the cluster is none that machines log in with.
                            return Ok(());
                        }
                        Arc::make_mut(secret).metadata.namespace = Some(names::OPERATOR_NAMESPACE.to_owned());
                    }
                    if matches!(object, Object::KubeletConfig(_) | Object::ContainerRuntimeConfig(_)) {
                        self.settings.push(format!("{kind} {}", manifest.name()));
                    }
                    if matches!(object, Object::APIServer(_)) && manifest.name() == names::CLUSTER {
                        self.api_server = Some(manifest.object.clone());
                    }
                    world.put(object);
                    return Ok(());
                }
                tracing::debug!("{}: {kind} of {group}/{version} is passed over", manifest.place);
            }
        }
        Ok(())
    }
}

fn has_operator(image_stream: &Value) -> bool {
    let tags = image_stream.pointer("/spec/tags").and_then(Value::as_array);
    tags.into_iter().flatten().any(|tag| tag["name"] == OPERATOR_TAG)
}

/// One pool of each name: of several, the last that differs from the built-in one, because the user made it.
fn distinct(pools: Vec<MachineConfigPool>) -> Vec<MachineConfigPool> {
    let mut kept: Vec<MachineConfigPool> = Vec::new();
    for pool in pools {
        match kept.iter_mut().find(|k| k.metadata.name == pool.metadata.name) {
            None => kept.push(pool),
            Some(_) if Some(&pool) == built_in(pool.metadata.name.as_deref().unwrap_or_default()).as_ref() => {}
            Some(earlier) => *earlier = pool,
        }
    }
    kept
}

/// The pools that every cluster has.
///
/// Source: `manifests/*.machineconfigpool.yaml` of github.com/openshift/machine-config-operator.
fn built_in(name: &str) -> Option<MachineConfigPool> {
    if ![names::MASTER, names::WORKER, names::ARBITER].contains(&name) {
        return None;
    }
    let mut labels =
        json!({ config::BUILT_IN: "", format!("pools.operator.machineconfiguration.openshift.io/{name}"): "" });
    if name != names::WORKER {
        labels[config::REQUIRED_FOR_UPGRADE] = json!("");
    }
    let pool = json!({
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "machineConfigSelector": { "matchLabels": { config::ROLE: name } },
            "nodeSelector": { "matchLabels": { format!("{}{name}", weir_api::keys::node::ROLE_PREFIX): "" } },
        },
    });
    serde_json::from_value(pool).ok()
}
