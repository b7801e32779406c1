//! The objects that MachineConfigs are generated from.

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::{ObjectReference, Secret};
use std::path::PathBuf;
use weir_api::{
    APIServer, CRIOCredentialProviderConfig, ClusterImagePolicy, ClusterVersion, ContainerRuntimeConfig,
    ControllerConfig, FeatureGate, Image, ImageContentSourcePolicy, ImageDigestMirrorSet, ImagePolicy,
    ImageTagMirrorSet, InternalReleaseImage, KubeletConfig, MachineConfigPool, NodeConfig,
    keys::names::{CLUSTER, OPERATOR_NAMESPACE, VERSION},
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP, OPERATOR_GROUP},
};
use weir_manifests::{Kind, Manifest, Rule};
use weir_rules::template::login::{REGISTRY_SECRET, Secrets};

const CONTROLLER_CONFIG: Kind<'static> = (MACHINE_CONFIG_GROUP, "ControllerConfig");
/// What is taken out of files.
const KINDS: [Kind<'static>; 17] = [
    CONTROLLER_CONFIG,
    (MACHINE_CONFIG_GROUP, "InternalReleaseImage"),
    (MACHINE_CONFIG_GROUP, "MachineConfigPool"),
    (MACHINE_CONFIG_GROUP, "KubeletConfig"),
    (MACHINE_CONFIG_GROUP, "ContainerRuntimeConfig"),
    (CONFIG_GROUP, "APIServer"),
    (CONFIG_GROUP, "FeatureGate"),
    (CONFIG_GROUP, "ClusterVersion"),
    (CONFIG_GROUP, "Node"),
    (CONFIG_GROUP, "Image"),
    (CONFIG_GROUP, "ImageDigestMirrorSet"),
    (CONFIG_GROUP, "ImageTagMirrorSet"),
    (CONFIG_GROUP, "ClusterImagePolicy"),
    (CONFIG_GROUP, "ImagePolicy"),
    (CONFIG_GROUP, "CRIOCredentialProviderConfig"),
    (OPERATOR_GROUP, "ImageContentSourcePolicy"),
    ("", "Secret"),
];

/// The objects, each as far as it is there.
#[derive(Debug, Default)]
pub struct Objects {
    /// The cluster's facts.
    pub controller_config: ControllerConfig,
    /// How the cluster's API is served: which TLS.
    pub api_server: Option<APIServer>,
    /// The release images that the cluster keeps itself.
    pub release_image: Option<InternalReleaseImage>,
    /// Secrets; the ControllerConfig names one.
    pub secrets: Vec<Secret>,
    /// The pools that settings are generated for.
    pub pools: Vec<MachineConfigPool>,
    /// Settings of kubelets.
    pub kubelet_configs: Vec<KubeletConfig>,
    /// Settings of container runtimes.
    pub runtime_configs: Vec<ContainerRuntimeConfig>,
    /// Which features are on.
    pub feature_gate: Option<FeatureGate>,
    /// Which release's list of features counts where the templates are of none.
    pub cluster_version: Option<ClusterVersion>,
    /// nodes.config.
    pub node_config: Option<NodeConfig>,
    /// Which registries are used, and how.
    pub image: Option<Image>,
    /// Mirrors of images by digest.
    pub digest_mirrors: Vec<ImageDigestMirrorSet>,
    /// Mirrors of images by tag.
    pub tag_mirrors: Vec<ImageTagMirrorSet>,
    /// Mirrors in their old form.
    pub content_sources: Vec<ImageContentSourcePolicy>,
    /// Which signatures all nodes demand.
    pub cluster_policies: Vec<ClusterImagePolicy>,
    /// Which signatures namespaces demand.
    pub policies: Vec<ImagePolicy>,
    /// Where the container runtime gets logins from.
    pub credential_providers: Option<CRIOCredentialProviderConfig>,
}

/// Takes the objects out of files, folders and archives.
///
/// # Errors
/// All that could not be read; or there is no ControllerConfig, or a second one.
pub fn of_files(paths: &[PathBuf]) -> Result<Objects> {
    let mut configs = Vec::new();
    let mut objects = Objects::default();
    let read = weir_manifests::read(paths, Rule::Objects(&KINDS));
    read.each(|manifest| objects.take(&manifest, &mut configs))?.need(CONTROLLER_CONFIG)?;
    if let [one, other, ..] = configs.as_slice() {
        let name = |config: &ControllerConfig| config.metadata.name.clone().unwrap_or_default();
        bail!("there are two ControllerConfigs, {} and {}: give those of one cluster", name(one), name(other));
    }
    objects.controller_config = configs.pop().unwrap_or_default();
    Ok(objects)
}

impl Objects {
    fn take(&mut self, manifest: &Manifest, configs: &mut Vec<ControllerConfig>) -> Result<()> {
        match (manifest.kind(), manifest.name()) {
            ("ControllerConfig", _) => configs.push(manifest.read()?),
            ("InternalReleaseImage", CLUSTER) => self.release_image = Some(manifest.read()?),
            ("APIServer", CLUSTER) => self.api_server = Some(manifest.read()?),
            ("Secret", _) => self.secrets.push(manifest.read()?),
            ("MachineConfigPool", _) => self.pools.push(manifest.read()?),
            ("KubeletConfig", _) => self.kubelet_configs.push(manifest.read()?),
            ("ContainerRuntimeConfig", _) => self.runtime_configs.push(manifest.read()?),
            ("FeatureGate", CLUSTER) => self.feature_gate = Some(manifest.read()?),
            ("ClusterVersion", VERSION) => self.cluster_version = Some(manifest.read()?),
            ("Node", CLUSTER) => self.node_config = Some(manifest.read()?),
            ("Image", CLUSTER) => self.image = Some(manifest.read()?),
            ("ImageDigestMirrorSet", _) => self.digest_mirrors.push(manifest.read()?),
            ("ImageTagMirrorSet", _) => self.tag_mirrors.push(manifest.read()?),
            ("ImageContentSourcePolicy", _) => self.content_sources.push(manifest.read()?),
            ("ClusterImagePolicy", _) => self.cluster_policies.push(manifest.read()?),
            ("ImagePolicy", _) => self.policies.push(manifest.read()?),
            ("CRIOCredentialProviderConfig", CLUSTER) => self.credential_providers = Some(manifest.read()?),
            _ => {}
        }
        Ok(())
    }

    /// Those that the pull secret is made of.
    #[must_use]
    pub fn secrets(&self) -> Secrets<'_> {
        let named = self.controller_config.spec.pull_secret.as_ref();
        let of = |reference: &ObjectReference| {
            self.secret(
                reference.namespace.as_deref().unwrap_or_default(),
                reference.name.as_deref().unwrap_or_default(),
            )
        };
        Secrets {
            pull: named.and_then(of),
            keeps_images: self.release_image.is_some(),
            registry: self.secret(OPERATOR_NAMESPACE, REGISTRY_SECRET),
        }
    }

    fn secret(&self, namespace: &str, name: &str) -> Option<&Secret> {
        let is = |field: &Option<String>, wanted: &str| field.as_deref().unwrap_or_default() == wanted;
        self.secrets.iter().find(|secret| is(&secret.metadata.namespace, namespace) && is(&secret.metadata.name, name))
    }
}
