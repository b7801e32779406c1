//! Whether a Secret can be used to log in to registries, and the one form in which builds get it.
//!
//! R-BUILDLOGINS-1 Its type is one of the two for logins, it has the key of that type with something in it, and not the key of
//! the other. Each fault has its own message.
//! R-BUILDLOGINS-2 A build gets a copy: logins by registry, in the newer form, whichever form the user's Secret has. Later changes
//! of that Secret do not reach a build that has started.
//!
//! Source: "Secret types" of the Kubernetes documentation; `pkg/secrets` of
//! github.com/openshift/machine-config-operator.

use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde_json::{Map, Value, json};
use weir_api::{
    docker_config::{DockerConfig, SECRET_KEYS, SECRET_TYPE},
    keys::names::OPERATOR_NAMESPACE,
};

/// The older type of Secrets with logins.
const OLD_TYPE: &str = "kubernetes.io/dockercfg";
/// What a login consists of.
const FIELDS: [&str; 6] = ["username", "password", "email", "auth", "identitytoken", "registrytoken"];

/// Why a Secret cannot be used. Names the place, never the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Secret {name:?} in namespace {OPERATOR_NAMESPACE} {why}")]
pub struct BadLogins {
    /// The Secret.
    pub name: String,
    /// What is wrong.
    pub why: String,
}

/// That a Secret which a MachineOSConfig names is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no Secret {name:?} in namespace {OPERATOR_NAMESPACE}: make it there, of type {SECRET_TYPE}, or name another one"
)]
pub struct NoSecret {
    /// Its name.
    pub name: String,
}

/// The logins of a Secret, as a docker config.
///
/// # Errors
/// When it cannot be used.
pub fn logins(secret: &Secret) -> Result<Vec<u8>, BadLogins> {
    let name = secret.metadata.name.clone().unwrap_or_default();
    let config = read(secret).map_err(|why| BadLogins { name, why })?;
    let auths: Map<String, Value> = config.logins.into_iter().map(|(host, entry)| (host, login(&entry))).collect();
    Ok(json!({ "auths": auths }).to_string().into_bytes())
}

fn read(secret: &Secret) -> Result<DockerConfig, String> {
    let [new_key, old_key] = SECRET_KEYS;
    let type_ = secret.type_.as_deref().unwrap_or_default();
    let (key, other) = match type_ {
        SECRET_TYPE => (new_key, old_key),
        OLD_TYPE => (old_key, new_key),
        "" => return Err(format!("has no type: make one of type {SECRET_TYPE}")),
        _ => return Err(format!("has type {type_:?}, and logins are in one of type {SECRET_TYPE} or {OLD_TYPE}")),
    };
    let value = |key: &str| secret.data.as_ref().and_then(|data| data.get(key));
    let Some(ByteString(text)) = value(key) else {
        return Err(format!("has type {type_} and lacks its key {key}"));
    };
    if text.is_empty() {
        return Err(format!("has nothing in its key {key}"));
    }
    if value(other).is_some() {
        return Err(format!("has type {type_} and the key {other} of another type: remove one of the two"));
    }
    DockerConfig::of_secret(secret).map_err(|error| error.to_string())
}

fn login(entry: &Value) -> Value {
    let fields = entry.as_object().into_iter().flatten();
    let kept = fields.filter(|(key, value)| {
        FIELDS.iter().any(|field| key.eq_ignore_ascii_case(field))
            && value.as_str().is_some_and(|text| !text.is_empty())
    });
    Value::Object(kept.map(|(key, value)| (key.to_lowercase(), value.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(type_: Option<&str>, data: &[(&str, &str)]) -> Result<String, String> {
        let data = data.iter().map(|(key, text)| ((*key).to_owned(), ByteString(text.as_bytes().to_vec()))).collect();
        let mut secret = Secret { type_: type_.map(str::to_owned), data: Some(data), ..Secret::default() };
        secret.metadata.name = Some("push".to_owned());
        logins(&secret).map(|text| String::from_utf8(text).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn both_forms_become_one() {
        let expected = r#"{"auths":{"a.io":{"auth":"eDp5"}}}"#;
        let (new, old) = (r#"{"auths":{"a.io":{"auth":"eDp5","email":"","x":1}}}"#, r#"{"a.io":{"Auth":"eDp5"}}"#);
        for (type_, key, text) in [
            (SECRET_TYPE, ".dockerconfigjson", new),
            (SECRET_TYPE, ".dockerconfigjson", old),
            (OLD_TYPE, ".dockercfg", old),
            (OLD_TYPE, ".dockercfg", new),
        ] {
            assert_eq!(of(Some(type_), &[(key, text)]).as_deref(), Ok(expected), "{type_} {text}");
        }
    }

    #[test]
    fn each_fault_is_named_and_no_content() {
        let (new, old) = (".dockerconfigjson", ".dockercfg");
        for (type_, data, says) in [
            (None, &[(new, "{}")][..], "has no type"),
            (Some("Opaque"), &[(new, "{}")], "has type \"Opaque\""),
            (Some(SECRET_TYPE), &[], "lacks its key .dockerconfigjson"),
            (Some(OLD_TYPE), &[(new, "{}")], "lacks its key .dockercfg"),
            (Some(SECRET_TYPE), &[(new, "")], "has nothing in its key"),
            (Some(SECRET_TYPE), &[(new, "{}"), (old, "{}")], "remove one of the two"),
            (Some(SECRET_TYPE), &[(new, "hunter2")], "no JSON object"),
        ] {
            let said = of(type_, data).unwrap_err();
            assert!(said.starts_with("Secret \"push\" in namespace") && said.contains(says), "{says}: {said}");
            assert!(!said.contains("hunter2"));
        }
    }
}
