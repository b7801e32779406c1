//! The ControllerConfig of a real cluster: the facts that rendering needs, from the cluster's own objects.
//!
//! R-CONTROLLER-CONFIG-1 Only on OpenShift: there is an Infrastructure, and weir created neither it nor the
//! ControllerConfig.
//! R-CONTROLLER-CONFIG-2 The release's list of images must be of the release that the cluster should run.
//! R-CONTROLLER-CONFIG-3 Registries' certificates are those of the internal registry and those that the Image
//! configuration names; a missing ConfigMap that it names counts as empty. Both together are published for
//! other components, even when none are left.
//! R-CONTROLLER-CONFIG-4 The root CA is that of the machine config server, or the cluster's while the server has none.
//! R-CONTROLLER-CONFIG-5 DNS address and IP families come from the service networks, the network type from the status, or
//! from the spec while the status has none. Infrastructure and DNS are embedded whole.
//! R-CONTROLLER-CONFIG-6 Kubelets trust what the API server publishes for them. Until the bootstrap is complete they trust the
//! installer's bundle, with the API server's current signer, and there is no pull secret for the internal registry:
//! that is what the first machines were booted with.
//! R-CONTROLLER-CONFIG-7 Nodes trust the administrator's certificates, followed by those of the proxy.
//! R-CONTROLLER-CONFIG-8 The pull secret for the internal registry has the logins of the puller's account and of
//! the cluster's pull secret, which wins; the login for the registry also applies to its default route.
//! R-CONTROLLER-CONFIG-9 OS images are set only while there are no streams.
//! R-CONTROLLER-CONFIG-10 Machines boot from the machine config server at the API server's internal name, or at its virtual
//! address on platforms that have one.
//! R-CONTROLLER-CONFIG-11 One that another build manages is left alone, with everything that belongs to it: two builds that write it
//! would undo each other's work forever, and what the other build generated would no longer count.
//!
//! Source: `syncRenderConfig` in `pkg/operator/sync.go` and `pkg/operator/render.go` of
//! github.com/openshift/machine-config-operator. R-CONTROLLER-CONFIG-1 is ours.

mod bundles;
mod discovered;
mod error;
mod images;
pub mod merge;
mod pull_secret;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use bundles::entry as bytes_of;
pub use error::RenderConfigError;
pub use merge::{ConfigChange, Marks, change};

use crate::operator::take_over::other_build;
use crate::view::Annotations;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference, Secret, ServiceAccount};
use std::collections::BTreeMap;
use weir_api::{
    ControllerConfig, DNS, Image, Infrastructure, Network, Proxy,
    controller_config::ControllerConfigSpec,
    keys::{
        config::SEEDED,
        config_maps,
        names::{CLUSTER, OPERATOR_NAMESPACE},
        namespaces, secrets,
    },
};

/// ConfigMaps by namespace and name.
pub type ConfigMaps<'a> = BTreeMap<(&'a str, &'a str), &'a ConfigMap>;

/// Key of certificate bundles.
pub const BUNDLE: &str = "ca-bundle.crt";

/// ConfigMaps that are read, by namespace and name; in addition those of [`namespaces::CONFIG`] that Image and Proxy name.
pub const READ: [(&str, &str); 12] = [
    (OPERATOR_NAMESPACE, config_maps::IMAGES),
    (OPERATOR_NAMESPACE, config_maps::SERVER_CA),
    (OPERATOR_NAMESPACE, crate::stream::catalog::os_image_url::NAME),
    (OPERATOR_NAMESPACE, config_maps::KUBECONFIG_DATA),
    (namespaces::CONFIG_MANAGED, config_maps::REGISTRY_CA),
    (namespaces::CONFIG_MANAGED, config_maps::CLIENT_CA),
    (namespaces::CONFIG_MANAGED, config_maps::CLOUD_CONFIG),
    (namespaces::CONFIG_MANAGED, config_maps::API_SERVER_CA),
    (namespaces::KUBE_SYSTEM, config_maps::ROOT_CA),
    (namespaces::KUBE_SYSTEM, config_maps::BOOTSTRAP),
    (namespaces::API_SERVER_OPERATOR, config_maps::TO_KUBELET_CLIENT_CA),
    (namespaces::CONFIG_MANAGED, config_maps::MERGED_REGISTRY_CA),
];

/// Platforms whose nodes need a cloud configuration.
const NEED_CLOUD_CONF: [&str; 4] = ["Azure", "GCP", "OpenStack", "VSphere"];
const CLOUD_CONF: &str = "cloud.conf";
const CLOUD_CA: &str = "ca-bundle.pem";

/// The inputs.
#[derive(Clone, Debug)]
pub struct RenderConfigView<'a> {
    /// What the cluster runs on.
    pub infrastructure: &'a Infrastructure,
    /// Its networks.
    pub network: Option<&'a Network>,
    /// Its proxy.
    pub proxy: Option<&'a Proxy>,
    /// Its domain.
    pub dns: Option<&'a DNS>,
    /// Its policy for image registries.
    pub image: Option<&'a Image>,
    /// ConfigMaps: [`READ`] and those of [`namespaces::CONFIG`].
    pub maps: ConfigMaps<'a>,
    /// Whether there is a registry inside the cluster.
    pub has_registry: bool,
    /// The account with the logins for it.
    pub puller: Option<&'a ServiceAccount>,
    /// Secrets of that account, by name.
    pub puller_secrets: BTreeMap<&'a str, &'a Secret>,
    /// The cluster's pull secret.
    pub pull_secret: Option<&'a Secret>,
    /// Whether there are OS image streams.
    pub streams: bool,
    /// Version of the release the cluster should run.
    pub version: &'a str,
}

/// The result.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderConfig {
    /// The ControllerConfig's spec.
    pub spec: ControllerConfigSpec,
    /// All registries' certificates, by registry, for other components to read.
    pub registry_ca: BTreeMap<String, String>,
    /// Host and port of the machine config server.
    pub server: String,
    /// ConfigMap of [`namespaces::CONFIG`] that the Image configuration names and that does not exist.
    pub missing_ca: Option<String>,
}

/// Whether the ControllerConfig is ours to manage (R-CONTROLLER-CONFIG-1).
#[must_use]
pub fn is_kept(infrastructure: Option<&Infrastructure>, config: Option<&ControllerConfig>) -> bool {
    infrastructure.is_some_and(|object| !Annotations::of(&object.metadata).has(SEEDED))
        && config.is_none_or(|object| !Annotations::of(&object.metadata).has(SEEDED))
}

/// Checks that no other build manages the ControllerConfig (R-CONTROLLER-CONFIG-11).
///
/// # Errors
/// When one does, with what to do.
pub fn kept_by_us(config: Option<&ControllerConfig>, build: &str) -> Result<(), RenderConfigError> {
    match other_build(config, build) {
        Some(found) => Err(RenderConfigError::OtherBuild { found: found.to_owned(), own: build.to_owned() }),
        None => Ok(()),
    }
}

/// Computes the ControllerConfig from the cluster's objects.
///
/// # Errors
/// When a required object is missing, or contains something invalid.
pub fn render_config(view: &RenderConfigView<'_>) -> Result<RenderConfig, RenderConfigError> {
    let singleton = |kind| RenderConfigError::Missing { kind, name: CLUSTER.to_owned() };
    let mut spec =
        ControllerConfigSpec { images: images::of_templates(&view.maps, view.version)?, ..Default::default() };
    let image = view.image.ok_or_else(|| singleton("images.config.openshift.io"))?;
    let none = ConfigMap::default();
    let managed = view.maps.get(&(namespaces::CONFIG_MANAGED, config_maps::REGISTRY_CA)).copied().unwrap_or(&none);
    let user = image.spec.additional_trusted_ca.as_ref().map(|reference| reference.name.as_str());
    let user = user.filter(|name| !name.is_empty());
    let found = user.and_then(|name| view.maps.get(&(namespaces::CONFIG, name)).copied());
    let missing_ca = user.filter(|_| found.is_none()).map(str::to_owned);
    let user = found.unwrap_or(&none);
    spec.image_registry_bundle_data = Some(bundles::registries(managed));
    spec.image_registry_bundle_user_data = Some(bundles::registries(user));
    spec.root_ca_data = STANDARD.encode(root_ca(view)?);
    let network = view.network.ok_or_else(|| singleton("networks.config.openshift.io"))?;
    let dns = view.dns.ok_or_else(|| singleton("dnses.config.openshift.io"))?;
    kubelets(view, &dns.spec.base_domain, &mut spec)?;
    discovered::discover(&mut spec, view.infrastructure, network, view.proxy)?;
    spec.dns = Some(discovered::embedded(dns, "DNS"));
    spec.additional_trust_bundle = filled(trust(view)?);
    cloud(view, &mut spec)?;
    if !view.streams {
        (spec.base_os_container_image, spec.base_os_extensions_container_image) =
            images::of_os(&view.maps, view.version)?;
    }
    spec.pull_secret = Some(ObjectReference {
        namespace: Some(namespaces::CONFIG.to_owned()),
        name: Some(secrets::PULL.to_owned()),
        ..Default::default()
    });
    Ok(RenderConfig {
        spec,
        registry_ca: bundles::merged(managed, user),
        server: server::address(view.infrastructure)?,
        missing_ca,
    })
}

/// Bytes as an object holds them; absent when there are none.
fn filled(bytes: Vec<u8>) -> Option<String> {
    (!bytes.is_empty()).then(|| STANDARD.encode(bytes))
}

/// R-CONTROLLER-CONFIG-4.
fn root_ca(view: &RenderConfigView<'_>) -> Result<Vec<u8>, RenderConfigError> {
    let own = bundles::bytes(&view.maps, OPERATOR_NAMESPACE, config_maps::SERVER_CA, BUNDLE);
    let found = match own {
        Err(RenderConfigError::NoConfigMap { .. }) => {
            bundles::bytes(&view.maps, namespaces::KUBE_SYSTEM, config_maps::ROOT_CA, "ca.crt")
        }
        own => own,
    };
    found.map_err(|error| RenderConfigError::ServerCa(Box::new(error)))
}

/// R-CONTROLLER-CONFIG-6.
fn kubelets(
    view: &RenderConfigView<'_>,
    domain: &str,
    spec: &mut ControllerConfigSpec,
) -> Result<(), RenderConfigError> {
    let maps = &view.maps;
    let trusted = if maps.contains_key(&(namespaces::KUBE_SYSTEM, config_maps::BOOTSTRAP)) {
        spec.internal_registry_pull_secret = pull_secret::internal(view, domain)?.and_then(filled);
        bundles::bytes(maps, namespaces::CONFIG_MANAGED, config_maps::CLIENT_CA, BUNDLE)?
    } else {
        let initial = bundles::bytes(maps, namespaces::CONFIG, config_maps::INITIAL_SERVER_CA, BUNDLE)?;
        match bundles::bytes(maps, namespaces::API_SERVER_OPERATOR, config_maps::TO_KUBELET_CLIENT_CA, BUNDLE) {
            Ok(signers) => bundles::with_signers(&initial, &signers),
            Err(_) => initial,
        }
    };
    spec.kube_api_server_serving_ca_data = STANDARD.encode(trusted);
    Ok(())
}

/// R-CONTROLLER-CONFIG-7.
fn trust(view: &RenderConfigView<'_>) -> Result<Vec<u8>, RenderConfigError> {
    let (maps, namespace) = (&view.maps, namespaces::CONFIG);
    let mut bundle = match bundles::trusted(maps, namespace, config_maps::USER_CA, BUNDLE) {
        Err(RenderConfigError::NoConfigMap { .. }) => Vec::new(),
        found => found?,
    };
    let of_proxy = view.proxy.and_then(|proxy| proxy.spec.trusted_ca.as_ref()).map(|reference| reference.name.as_str());
    if let Some(name) = of_proxy.filter(|name| !name.is_empty() && *name != config_maps::USER_CA) {
        bundle.extend(bundles::trusted(maps, namespace, name, BUNDLE)?);
    }
    Ok(bundle)
}

fn cloud(view: &RenderConfigView<'_>, spec: &mut ControllerConfigSpec) -> Result<(), RenderConfigError> {
    let platform = view.infrastructure.platform();
    let needs_conf = NEED_CLOUD_CONF.contains(&platform);
    let named = view.infrastructure.spec.cloud_config.as_ref().is_some_and(|reference| !reference.name.is_empty());
    let Some(map) = view.maps.get(&(namespaces::CONFIG_MANAGED, config_maps::CLOUD_CONFIG)) else {
        return if needs_conf || named { Err(RenderConfigError::NoCloudConfig(platform.to_owned())) } else { Ok(()) };
    };
    match map.data.as_ref().and_then(|data| data.get(CLOUD_CONF)) {
        Some(conf) => spec.cloud_provider_config.clone_from(conf),
        None if needs_conf => return Err(RenderConfigError::NoCloudConf(platform.to_owned())),
        None => {}
    }
    spec.cloud_provider_ca_data = bundles::entry(map, CLOUD_CA).and_then(filled);
    Ok(())
}
