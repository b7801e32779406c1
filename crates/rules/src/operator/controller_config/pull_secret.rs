//! The pull secret for the internal registry (R-CONTROLLER-CONFIG-8).

use super::{RenderConfigError, RenderConfigView};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Map, Value, json};
use weir_api::{
    docker_config::{DockerConfig, SECRET_TYPE},
    keys::secrets,
};

/// Where services reach the registry.
const REGISTRY: &str = "image-registry.openshift-image-registry.svc:5000";
/// Where machines reach it before they are in the cluster; the cluster's domain follows.
const ROUTE: &str = "default-route-openshift-image-registry.apps.";

/// The logins of the puller's account and of the cluster's pull secret, as JSON; empty without a registry, without the
/// account, or without a login.
pub(super) fn internal(view: &RenderConfigView<'_>, domain: &str) -> Result<Option<Vec<u8>>, RenderConfigError> {
    let Some(account) = view.puller.filter(|_| view.has_registry) else { return Ok(None) };
    let mut logins = Map::new();
    for reference in account.image_pull_secrets.iter().flatten() {
        let name = reference.name.as_str();
        let secret = view.puller_secrets.get(name).ok_or_else(|| RenderConfigError::NoPullSecret(name.to_owned()))?;
        logins.extend(held(secret, name)?);
    }
    logins.extend(of_cluster(view.pull_secret)?);
    if let Some(login) = logins.get(REGISTRY).cloned() {
        logins.insert(format!("{ROUTE}{domain}"), login);
    }
    Ok((!logins.is_empty()).then(|| json!({"auths": logins}).to_string().into_bytes()))
}

fn of_cluster(secret: Option<&Secret>) -> Result<Map<String, Value>, RenderConfigError> {
    let missing = || RenderConfigError::Missing { kind: "secrets", name: secrets::PULL.to_owned() };
    let secret = secret.ok_or_else(missing)?;
    let found = secret.type_.clone().unwrap_or_default();
    if found != SECRET_TYPE {
        return Err(RenderConfigError::SecretType { expected: SECRET_TYPE, found });
    }
    held(secret, secrets::PULL)
}

fn held(secret: &Secret, name: &str) -> Result<Map<String, Value>, RenderConfigError> {
    let config = DockerConfig::of_secret(secret).map_err(|_| RenderConfigError::NoLogins(name.to_owned()))?;
    Ok(config.logins)
}
