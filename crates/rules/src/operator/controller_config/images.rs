//! Pull specs from the release's ConfigMaps (R-CONTROLLER-CONFIG-2 and -9).

use super::{ConfigMaps, RenderConfigError};
use crate::stream::catalog::os_image_url;
use serde::Deserialize;
use std::collections::BTreeMap;
use weir_api::keys::{config_maps, names::OPERATOR_NAMESPACE};

/// The one key of the ConfigMap.
const KEY: &str = "images.json";

/// Pull specs of the release's operands.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Images {
    release_version: String,
    machine_config_operator: String,
    infra_image: String,
    keepalived_image: String,
    coredns_image: String,
    haproxy_image: String,
    baremetal_runtime_cfg_image: String,
    kube_rbac_proxy: String,
    docker_registry_image: String,
}

/// The images that templates mention, by template key.
pub(super) fn of_templates(
    maps: &ConfigMaps<'_>,
    version: &str,
) -> Result<BTreeMap<String, String>, RenderConfigError> {
    let (namespace, name) = (OPERATOR_NAMESPACE, config_maps::IMAGES);
    let missing = || RenderConfigError::NoConfigMap { namespace: namespace.to_owned(), name: name.to_owned() };
    let map = maps.get(&(namespace, name)).ok_or_else(missing)?;
    let no_key = || RenderConfigError::NoKey { key: KEY, namespace: namespace.to_owned(), name: name.to_owned() };
    let text = map.data.as_ref().and_then(|data| data.get(KEY)).ok_or_else(no_key)?;
    let images: Images = serde_json::from_str(text).map_err(|error| RenderConfigError::Images(error.to_string()))?;
    if images.release_version != version {
        return Err(RenderConfigError::OtherRelease { found: images.release_version, own: version.to_owned() });
    }
    let by_key = [
        ("machineConfigOperator", images.machine_config_operator.clone()),
        ("apiServerWatcherKey", images.machine_config_operator),
        ("infraImageKey", images.infra_image),
        ("keepalivedImage", images.keepalived_image),
        ("corednsImage", images.coredns_image),
        ("haproxyImage", images.haproxy_image),
        ("baremetalRuntimeCfgImage", images.baremetal_runtime_cfg_image),
        ("kubeRbacProxyImage", images.kube_rbac_proxy),
        ("dockerRegistryImage", images.docker_registry_image),
    ];
    Ok(by_key.map(|(key, image)| (key.to_owned(), image)).into())
}

/// OS and extensions image of a cluster without streams.
pub(super) fn of_os(maps: &ConfigMaps<'_>, version: &str) -> Result<(String, String), RenderConfigError> {
    let name = os_image_url::NAME;
    let bad = RenderConfigError::OsImages;
    let map = maps.get(&(OPERATOR_NAMESPACE, name));
    let data = map.ok_or_else(|| bad(format!("configmap {OPERATOR_NAMESPACE}/{name} not found")))?.data.as_ref();
    let value = |key: &str| data.and_then(|data| data.get(key)).cloned();
    if let Some(key) = os_image_url::REQUIRED.into_iter().find(|key| value(key).is_none()) {
        return Err(bad(format!("expected missing data key {key:?} to be present in ConfigMap {name}")));
    }
    let of = value(os_image_url::VERSION).unwrap_or_default();
    if of != version {
        return Err(bad(format!("refusing to read osImageURL version {of:?}, operator version {version:?}")));
    }
    let image = |key| value(key).unwrap_or_default();
    Ok((image(os_image_url::OS), image(os_image_url::EXTENSIONS)))
}
