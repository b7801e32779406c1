//! The pull secret for the registry inside the cluster (R-CONTROLLER-CONFIG-8).

use super::{RenderConfigError, RenderConfigView};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Map, Value, json};
use weir_api::keys::secrets;

/// Where services reach the registry.
const REGISTRY: &str = "image-registry.openshift-image-registry.svc:5000";
/// Where machines reach it that are not in the cluster yet; the cluster's domain follows.
const ROUTE: &str = "default-route-openshift-image-registry.apps.";
const MODERN_TYPE: &str = "kubernetes.io/dockerconfigjson";
const MODERN: &str = ".dockerconfigjson";
const LEGACY: &str = ".dockercfg";

/// The logins of the puller's account and of the cluster's pull secret, as JSON; nothing without a registry, without the
/// account, or without a login.
pub(super) fn internal(view: &RenderConfigView<'_>, domain: &str) -> Result<Option<Vec<u8>>, RenderConfigError> {
    let Some(account) = view.puller.filter(|_| view.has_registry) else { return Ok(None) };
    let mut logins = Map::new();
    for reference in account.image_pull_secrets.iter().flatten() {
        let name = reference.name.as_str();
        let secret = view.puller_secrets.get(name).ok_or_else(|| RenderConfigError::NoPullSecret(name.to_owned()))?;
        let own = object(secret, LEGACY).and_then(|bytes| serde_json::from_slice::<Map<String, Value>>(bytes).ok());
        logins.extend(own.ok_or_else(|| RenderConfigError::NoLogins(name.to_owned()))?);
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
    if found != MODERN_TYPE {
        return Err(RenderConfigError::SecretType { expected: MODERN_TYPE, found });
    }
    let bytes = object(secret, MODERN).unwrap_or_default();
    if matches!(bytes.trim_ascii(), b"" | b"{}") {
        return Ok(Map::new());
    }
    let no_logins = || RenderConfigError::NoLogins(secrets::PULL.to_owned());
    let mut file: Map<String, Value> = serde_json::from_slice(bytes).map_err(|_| no_logins())?;
    match file.remove("auths") {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(logins)) => Ok(logins),
        Some(_) => Err(no_logins()),
    }
}

fn object<'a>(secret: &'a Secret, key: &str) -> Option<&'a [u8]> {
    secret.data.as_ref()?.get(key).map(|value| value.0.as_slice())
}
