//! The pull secret of all machines, with the login for images of a release that the cluster stores itself.
//!
//! R-LOGIN-1 It is the secret that the ControllerConfig names, and it must have the type of a pull secret.
//! R-LOGIN-2 If there is an InternalReleaseImage, machines log in to its registry, both under the cluster's internal name and on
//! themselves, with the password in its secret.
//! R-LOGIN-3 A pull secret that has both logins stays byte for byte the same; otherwise it is written anew, with sorted keys.
//!
//! Source: `MergeIRIAuthIntoPullSecret` in `pkg/controller/internalreleaseimage` of
//! github.com/openshift/machine-config-operator.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use weir_api::{
    controller_config::ControllerConfigSpec,
    docker_config::{SECRET_KEYS, SECRET_TYPE},
};

/// Port of the registry on control plane machines.
const PORT: u16 = 22625;
/// Name of the user.
const USER: &str = "openshift";

/// Secret with the password for that registry, in the operator's namespace.
pub const REGISTRY_SECRET: &str = "internal-release-image-registry-auth";
/// Key of the password in its secret.
const PASSWORD: &str = "password";

/// Why there is no pull secret, or no login in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The secret that the ControllerConfig names does not exist.
    #[error("pull secret {namespace}/{name}: there is no such Secret")]
    Missing {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// It has another type.
    #[error("expected secret type {SECRET_TYPE} found {0}")]
    Type(String),
    /// The login cannot be added.
    #[error("could not merge IRI registry credentials into pull secret: {0}")]
    Merge(Box<Self>),
    /// The secret has no password.
    #[error("IRI registry credentials secret missing or empty \"password\" field")]
    NoPassword,
    /// The cluster has no domain.
    #[error("the ControllerConfig names no base domain in spec.dns")]
    NoDomain,
    /// The pull secret is not JSON.
    #[error("could not parse pull secret: line {line}, column {column}: not JSON")]
    PullSecret {
        /// Line of the text, from 1.
        line: usize,
        /// Column of the line, from 1.
        column: usize,
    },
    /// The pull secret is not a Docker configuration.
    #[error("pull secret missing 'auths' field")]
    NoLogins,
}

/// The secrets that the pull secret is made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Secrets<'a> {
    /// The one that the ControllerConfig names; absent if it does not exist.
    pub pull: Option<&'a Secret>,
    /// Whether the cluster stores images of a release itself, that is, whether there is an InternalReleaseImage.
    pub keeps_images: bool,
    /// The one with the password for them; absent if it does not exist.
    pub registry: Option<&'a Secret>,
}

/// The pull secret of all machines, as text; absent if the ControllerConfig names none.
///
/// # Errors
/// If it does not exist, is not a pull secret, or the login cannot be added.
pub fn pull_secret(spec: &ControllerConfigSpec, secrets: &Secrets<'_>) -> Result<Option<String>, LoginError> {
    let Some(named) = &spec.pull_secret else { return Ok(None) };
    let of = |field: &Option<String>| field.clone().unwrap_or_default();
    let missing = || LoginError::Missing { namespace: of(&named.namespace), name: of(&named.name) };
    let secret = secrets.pull.ok_or_else(missing)?;
    let found = secret.type_.as_deref().unwrap_or_default();
    if found != SECRET_TYPE {
        return Err(LoginError::Type(found.to_owned()));
    }
    let text = String::from_utf8_lossy(&held(secret, SECRET_KEYS[0]).unwrap_or_default()).into_owned();
    if !secrets.keeps_images {
        return Ok(Some(text));
    }
    let password = secrets.registry.and_then(|secret| held(secret, PASSWORD));
    let domain = spec.dns.as_ref().and_then(|dns| dns.pointer("/spec/baseDomain")?.as_str());
    let merged = with_login(&text, password.as_deref(), domain);
    merged.map(Some).map_err(|why| LoginError::Merge(Box::new(why)))
}

/// The data of a secret; `stringData` counts too, as it does for an API server.
fn held(secret: &Secret, key: &str) -> Option<Vec<u8>> {
    let text = secret.string_data.as_ref().and_then(|data| data.get(key)).map(|text| text.clone().into_bytes());
    text.or_else(|| secret.data.as_ref()?.get(key).map(|bytes| bytes.0.clone()))
}

/// The pull secret with both logins. `password` and `domain` as the cluster has them.
///
/// # Errors
/// If something is missing or cannot be read.
pub fn with_login(pull_secret: &str, password: Option<&[u8]>, domain: Option<&str>) -> Result<String, LoginError> {
    let password = password.filter(|password| !password.is_empty()).ok_or(LoginError::NoPassword)?;
    let domain = domain.filter(|domain| !domain.is_empty()).ok_or(LoginError::NoDomain)?;
    let unread = |error: serde_json::Error| LoginError::PullSecret { line: error.line(), column: error.column() };
    let mut config: Value = serde_json::from_str(pull_secret).map_err(unread)?;
    let logins = config.get_mut("auths").and_then(Value::as_object_mut).ok_or(LoginError::NoLogins)?;
    let login = STANDARD.encode([USER.as_bytes(), b":", password].concat());
    let hosts = [format!("api-int.{domain}:{PORT}"), format!("localhost:{PORT}")];
    if hosts.iter().all(|host| logins.get(host).is_some_and(|known| known["auth"] == login)) {
        return Ok(pull_secret.to_owned());
    }
    for host in hosts {
        logins.insert(host, json!({ "auth": login }));
    }
    Ok(as_go(&config.to_string()))
}

/// JSON with the characters escaped that Go escapes; they occur only inside strings.
fn as_go(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pull_secret_is_the_named_one_and_of_its_type() {
        let spec = |named: bool| ControllerConfigSpec {
            pull_secret: named.then(|| serde_json::from_value(json!({"namespace": "c", "name": "p"})).unwrap()),
            dns: Some(json!({"spec": {"baseDomain": "d.test"}})),
            ..ControllerConfigSpec::default()
        };
        let secret = |type_: &str, data: Value| -> Secret {
            serde_json::from_value(json!({"type": type_, "stringData": data})).unwrap()
        };
        let pull = secret(SECRET_TYPE, json!({".dockerconfigjson": "{\"auths\":{}}"}));
        let opaque = secret("Opaque", json!({}));
        let password = secret("Opaque", json!({"password": "pw"}));
        let of = |pull, keeps_images, registry| {
            pull_secret(&spec(true), &Secrets { pull, keeps_images, registry }).map_err(|error| error.to_string())
        };
        assert_eq!(pull_secret(&spec(false), &Secrets::default()), Ok(None));
        assert_eq!(of(Some(&pull), false, None).unwrap().unwrap(), "{\"auths\":{}}");
        assert!(of(Some(&pull), true, Some(&password)).unwrap().unwrap().contains("api-int.d.test:22625"));
        assert_eq!(of(None, false, None).unwrap_err(), "pull secret c/p: there is no such Secret");
        let error = of(Some(&opaque), false, None).unwrap_err();
        assert_eq!(error, "expected secret type kubernetes.io/dockerconfigjson found Opaque");
        let error = of(Some(&pull), true, Some(&opaque)).unwrap_err();
        assert!(
            error.starts_with("could not merge IRI registry credentials into pull secret: IRI registry"),
            "{error}"
        );
    }

    #[test]
    fn what_is_there_stays_to_the_byte_and_what_is_new_is_written_as_go_writes() {
        let fresh = with_login(r#"{"auths": {"b": {"auth": "a<&>"}}, "a": 1}"#, Some(b"pw"), Some("d.test")).unwrap();
        let login = r#"{"auth":"b3BlbnNoaWZ0OnB3"}"#;
        let expected = format!(
            r#"{{"a":1,"auths":{{"api-int.d.test:22625":{login},"b":{{"auth":"a\u003c\u0026\u003e"}},"localhost:22625":{login}}}}}"#
        );
        assert_eq!(fresh, expected);
        let spaced = fresh.replace(':', ": ").replace(".test: ", ".test:").replace("localhost: ", "localhost:");
        assert_eq!(with_login(&spaced, Some(b"pw"), Some("d.test")).unwrap(), spaced);
        assert_eq!(with_login("{}", Some(b"pw"), None), Err(LoginError::NoDomain));
        assert_eq!(with_login("{\n\"a\"}", Some(b"pw"), Some("d")), Err(LoginError::PullSecret { line: 2, column: 4 }));
    }
}
