//! Registry logins: docker's `config.json` in its modern and its legacy form, or a Secret that contains one.
//!
//! Entries are kept as they are. Each is validated only when its registry is needed: an invalid entry
//! for one registry does not affect another.
//!
//! Sources: `man 5 containers-auth.json` of github.com/containers/image; Secret types of the Kubernetes API reference.

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Map, Value};
use std::fmt;

/// Type of a Secret that contains a docker config in its modern form.
pub const SECRET_TYPE: &str = "kubernetes.io/dockerconfigjson";
/// Keys of a Secret that may contain a docker config, the modern one first. Its form does not depend on the key.
pub const SECRET_KEYS: [&str; 2] = [".dockerconfigjson", ".dockercfg"];
/// Field of the modern form that contains the logins.
const AUTHS: &str = "auths";
/// Fields that name credential helpers.
const HELPERS: [&str; 2] = ["credhelpers", "credsstore"];
/// Other fields of the modern form: `{"HttpHeaders":{}}` is not a legacy file with one host.
const OTHERS: [&str; 5] = ["httpheaders", "currentcontext", "detachkeys", "psformat", "proxies"];

/// The contents of a docker config.
#[derive(Clone, Default, PartialEq)]
pub struct DockerConfig {
    /// The logins as written, by registry, or by registry and repository prefix. Never log them.
    pub logins: Map<String, Value>,
    /// Fields that name credential helpers.
    pub helpers: Vec<String>,
}

/// Why something is not a docker config. Names the position, never the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDockerConfig {
    /// Neither JSON nor, where that is allowed, YAML of an object.
    #[error("holds no JSON object")]
    NoObject,
    /// Not a Secret, or one without data of this type.
    #[error("is a Secret without the key .dockerconfigjson or .dockercfg")]
    NoKey,
    /// A Secret whose key contains something else.
    #[error("is a Secret whose docker config is no JSON object")]
    Content,
    /// The modern form, with something other than logins in their field.
    #[error("has a field auths that is no JSON object")]
    Auths,
    /// Neither form: nothing in it can be a login.
    #[error("has neither a field auths nor an entry for a registry")]
    NoLogins,
}

impl DockerConfig {
    /// Parses the file, as JSON.
    ///
    /// # Errors
    /// When it is not a docker config.
    pub fn of(object: &Map<String, Value>) -> Result<Self, NotDockerConfig> {
        let field = |wanted: &str| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted));
        let known =
            |key: &str| [AUTHS].iter().chain(&HELPERS).chain(&OTHERS).any(|field| key.eq_ignore_ascii_case(field));
        let helpers = HELPERS.iter().filter_map(|name| field(name)).filter(|(_, value)| is_set(value));
        let logins = match field(AUTHS) {
            Some((_, Value::Object(logins))) => logins.clone(),
            Some((_, Value::Null)) => Map::new(),
            Some(_) => return Err(NotDockerConfig::Auths),
            None => {
                let hosts = object.iter().filter(|(key, _)| !known(key));
                let hosts: Map<_, _> = hosts.map(|(key, value)| (key.clone(), value.clone())).collect();
                if !hosts.is_empty() && !hosts.values().any(Value::is_object) {
                    return Err(NotDockerConfig::NoLogins);
                }
                hosts
            }
        };
        Ok(Self { logins, helpers: helpers.map(|(key, _)| key.clone()).collect() })
    }

    /// Reads the file from a Secret. A blank one contains no logins.
    ///
    /// # Errors
    /// When it contains none.
    pub fn of_secret(secret: &Secret) -> Result<Self, NotDockerConfig> {
        let text = SECRET_KEYS.iter().find_map(|key| secret.string_data.as_ref()?.get(*key).map(String::as_bytes));
        let data = || SECRET_KEYS.iter().find_map(|key| secret.data.as_ref()?.get(*key).map(|data| data.0.as_slice()));
        let bytes = text.or_else(data).ok_or(NotDockerConfig::NoKey)?;
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let object: Map<String, Value> = serde_json::from_slice(bytes).map_err(|_| NotDockerConfig::Content)?;
        Self::of(&object)
    }
}

fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    }
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DockerConfig").field(&self.logins.keys().collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(value: &Value) -> Result<Vec<String>, NotDockerConfig> {
        DockerConfig::of(value.as_object().unwrap()).map(|config| config.logins.keys().cloned().collect())
    }

    #[test]
    fn both_forms_and_what_is_neither() {
        for (value, expected) in [
            (json!({}), Ok(vec![])),
            (json!({"auths": null}), Ok(vec![])),
            (json!({"AUTHS": {"a.io": {}, "b.io": "odd"}}), Ok(vec!["a.io", "b.io"])),
            (json!({"auths": {"a.io": 1}}), Ok(vec!["a.io"])),
            (json!({"auths": {}, "HttpHeaders": {}}), Ok(vec![])),
            (json!({"HttpHeaders": {}, "credHelpers": {}}), Ok(vec![])),
            (json!({"a.io": {}, "b.io": 1}), Ok(vec!["a.io", "b.io"])),
            (json!({"a.io": 1}), Err(NotDockerConfig::NoLogins)),
            (json!({"auths": "x"}), Err(NotDockerConfig::Auths)),
        ] {
            let expected = expected.map(|hosts| hosts.into_iter().map(str::to_owned).collect());
            assert_eq!(of(&value), expected, "{value}");
        }
        let helped = json!({"credsStore": "desktop", "credHelpers": {}, "auths": {}});
        assert_eq!(DockerConfig::of(helped.as_object().unwrap()).unwrap().helpers, ["credsStore"]);
    }

    #[test]
    fn in_a_secret_the_form_does_not_depend_on_the_key() {
        let read = |map: &str, key: &str, text: &str| {
            let data = if map == "data" { json!(k8s_openapi::ByteString(text.into())) } else { json!(text) };
            let secret = serde_json::from_value(json!({ map: { key: data } })).unwrap();
            DockerConfig::of_secret(&secret).map(|config| config.logins.len())
        };
        for map in ["data", "stringData"] {
            for key in SECRET_KEYS {
                assert_eq!(read(map, key, r#"{"auths":{"a.io":{}}}"#), Ok(1));
                assert_eq!(read(map, key, r#"{"a.io":{},"b.io":{}}"#), Ok(2));
                assert_eq!(read(map, key, " \n"), Ok(0));
                assert_eq!(read(map, key, "null"), Err(NotDockerConfig::Content));
            }
            assert_eq!(read(map, "other", "{}"), Err(NotDockerConfig::NoKey));
        }
    }
}
