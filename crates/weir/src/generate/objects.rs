//! The objects that MachineConfigs are generated from.

use anyhow::{Result, bail};
use serde::de::DeserializeOwned;
use std::{path::PathBuf, sync::Arc};
use weir_api::{
    APIServer, CRIOCredentialProviderConfig, ClusterImagePolicy, ClusterVersion, ContainerRuntimeConfig,
    ControllerConfig, FeatureGate, Image, ImageContentSourcePolicy, ImageDigestMirrorSet, ImagePolicy,
    ImageTagMirrorSet, InternalReleaseImage, KubeletConfig, MachineConfigPool, NodeConfig,
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP, OPERATOR_GROUP},
};
use weir_manifests::{Kind, Manifest, Rule, Want};
use weir_rules::world::{Object, World};

const CONTROLLER_CONFIG: Kind<'static> = (MACHINE_CONFIG_GROUP, "ControllerConfig");

/// How an object is read.
pub type Take = fn(&Manifest) -> Result<Object>;

/// Reads an object of the kind.
///
/// # Errors
/// When it has invalid fields.
pub fn take<K: DeserializeOwned + Into<Object>>(manifest: &Manifest) -> Result<Object> {
    Ok(manifest.read::<K>()?.into())
}

/// Settings that MachineConfigs are generated from, and how each is read.
pub const SETTINGS: [(Kind<'static>, Take); 14] = [
    ((MACHINE_CONFIG_GROUP, "InternalReleaseImage"), take::<InternalReleaseImage>),
    ((MACHINE_CONFIG_GROUP, "KubeletConfig"), take::<KubeletConfig>),
    ((MACHINE_CONFIG_GROUP, "ContainerRuntimeConfig"), take::<ContainerRuntimeConfig>),
    ((CONFIG_GROUP, "APIServer"), take::<APIServer>),
    ((CONFIG_GROUP, "FeatureGate"), take::<FeatureGate>),
    ((CONFIG_GROUP, "Node"), take::<NodeConfig>),
    ((CONFIG_GROUP, "Image"), take::<Image>),
    ((CONFIG_GROUP, "ImageDigestMirrorSet"), take::<ImageDigestMirrorSet>),
    ((CONFIG_GROUP, "ImageTagMirrorSet"), take::<ImageTagMirrorSet>),
    ((CONFIG_GROUP, "ClusterImagePolicy"), take::<ClusterImagePolicy>),
    ((CONFIG_GROUP, "ImagePolicy"), take::<ImagePolicy>),
    ((CONFIG_GROUP, "CRIOCredentialProviderConfig"), take::<CRIOCredentialProviderConfig>),
    ((OPERATOR_GROUP, "ImageContentSourcePolicy"), take::<ImageContentSourcePolicy>),
    (("", "Secret"), take::<k8s_openapi::api::core::v1::Secret>),
];

/// What else is read from files.
const OTHERS: [(Kind<'static>, Take); 2] = [
    ((MACHINE_CONFIG_GROUP, "MachineConfigPool"), take::<MachineConfigPool>),
    ((CONFIG_GROUP, "ClusterVersion"), take::<ClusterVersion>),
];

/// The setting in a manifest; absent when its kind is none.
///
/// # Errors
/// When it has invalid fields.
pub fn setting(manifest: &Manifest) -> Result<Option<Object>> {
    of(&SETTINGS, manifest)
}

fn of(kinds: &[(Kind<'static>, Take)], manifest: &Manifest) -> Result<Option<Object>> {
    let row = kinds.iter().find(|(kind, _)| *kind == (manifest.group(), manifest.kind()));
    row.map(|(_, take)| take(manifest)).transpose()
}

/// Takes the objects out of files, folders and archives.
///
/// # Errors
/// All that could not be read; or there is no ControllerConfig, or a second one.
pub fn of_files(paths: &[PathBuf]) -> Result<World> {
    let kinds = SETTINGS.iter().chain(&OTHERS).map(|(kind, _)| *kind).chain([CONTROLLER_CONFIG]);
    let wants: Vec<Want<'_>> = kinds.map(Want::all).collect();
    let (mut world, mut configs) = (World::default(), Vec::<ControllerConfig>::new());
    let read = weir_manifests::read(paths, Rule::Objects(&wants));
    read.each(|manifest| {
        if (manifest.group(), manifest.kind()) == CONTROLLER_CONFIG {
            // A newer version takes the place of the one before it.
            configs.retain(|config| config.metadata.name.as_deref() != Some(manifest.name()));
            configs.push(manifest.read()?);
        }
        let found = setting(&manifest)?.or(of(&OTHERS, &manifest)?);
        found.into_iter().for_each(|object| world.put(object));
        anyhow::Ok(())
    })?
    .need(CONTROLLER_CONFIG)?;
    if let [one, other, ..] = configs.as_slice() {
        let name = |config: &ControllerConfig| config.metadata.name.clone().unwrap_or_default();
        bail!("there are two ControllerConfigs, {} and {}: give those of one cluster", name(one), name(other));
    }
    world.controller_config = configs.pop().map(Arc::new);
    Ok(world)
}
