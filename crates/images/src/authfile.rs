//! Whose credentials a registry is shown.
//!
//! Docker's `config.json` in its modern and legacy form, or a Kubernetes Secret that holds one. Unknown fields are
//! tolerated: a credential helper beside them does not make the others useless.
//!
//! Sources: `man 5 containers-auth.json` of github.com/containers/image; Secret types of the Kubernetes API reference.

use base64::{Engine as _, alphabet, engine};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// Padding is optional: tools disagree about it.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new().with_decode_padding_mode(engine::DecodePaddingMode::Indifferent),
);

/// Credentials by registry, or by registry and repository prefix. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Authfile {
    entries: BTreeMap<String, Credential>,
    warnings: Vec<String>,
}

/// How to log in. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// User and password.
    Basic {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// An OAuth2 refresh token, exchanged for access tokens.
    IdentityToken(String),
    /// A bearer token, sent as it is.
    RegistryToken(String),
}

/// Why an authfile cannot be used. Says where, never what stands there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAuthfile {
    /// It is neither JSON nor YAML.
    #[error("the authfile is neither JSON nor YAML ({0}); it must be a docker config.json or a Secret that holds one")]
    Syntax(String),
    /// It is something else.
    #[error("the authfile {0}; it must be a docker config.json or a Secret that holds one")]
    Shape(String),
    /// One entry cannot be used.
    #[error("the authfile's entry for {host}: {why}")]
    Entry {
        /// Which entry.
        host: String,
        /// Why.
        why: &'static str,
    },
}

const SECRET_KEYS: [&str; 2] = [".dockerconfigjson", ".dockercfg"];
/// Keys of a modern file beside `auths`: `{"auths":{},"HttpHeaders":{}}` is not a legacy file with two hosts.
const TOP_LEVEL: [&str; 8] =
    ["auths", "credhelpers", "credsstore", "httpheaders", "currentcontext", "detachkeys", "psformat", "proxies"];

impl Authfile {
    /// Reads an authfile.
    ///
    /// # Errors
    /// When it is no docker config and no Secret that holds one, or an entry is malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadAuthfile> {
        let value: Value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            // The position only: the message of the YAML reader quotes what it read.
            Err(json) => std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| serde_saphyr::from_str(text).ok())
                .filter(Value::is_object)
                .ok_or_else(|| BadAuthfile::Syntax(format!("line {} column {}", json.line(), json.column())))?,
        };
        let Value::Object(object) = value else {
            return Err(BadAuthfile::Shape("holds no JSON object".to_owned()));
        };
        match object.get("kind").and_then(Value::as_str) {
            Some("Secret") => Self::secret(&object),
            Some(kind) => Err(BadAuthfile::Shape(format!("is a {kind}"))),
            None => Self::docker_config(&object),
        }
    }

    fn secret(object: &Map<String, Value>) -> Result<Self, BadAuthfile> {
        let field = |map: &str| {
            let map = object.get(map)?.as_object()?;
            SECRET_KEYS.iter().find_map(|key| map.get(*key)?.as_str())
        };
        let shape = |why: &str| BadAuthfile::Shape(why.to_owned());
        let text = match (field("stringData"), field("data")) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (None, Some(text)) => BASE64.decode(text).map_err(|_| shape("is a Secret whose data is not base64"))?,
            (None, None) => return Err(shape("is a Secret without the key .dockerconfigjson or .dockercfg")),
        };
        match serde_json::from_slice(&text) {
            Ok(Value::Object(object)) => Self::docker_config(&object),
            _ => Err(shape("is a Secret whose docker config is no JSON object")),
        }
    }

    fn docker_config(object: &Map<String, Value>) -> Result<Self, BadAuthfile> {
        let lower: Vec<(String, &Value)> = object.iter().map(|(key, value)| (key.to_lowercase(), value)).collect();
        let modern = lower.iter().find(|(key, _)| key == "auths").map(|(_, value)| *value);
        let mut warnings: Vec<String> = lower
            .iter()
            .filter(|(key, value)| matches!(key.as_str(), "credhelpers" | "credsstore") && is_set(value))
            .map(|(key, _)| format!("{key} of the authfile is ignored: credential helpers are not run"))
            .collect();
        let hosts = match modern {
            Some(Value::Object(hosts)) => hosts.clone(),
            Some(Value::Null) => Map::new(),
            Some(_) => return Err(BadAuthfile::Shape("has a field auths that is no JSON object".to_owned())),
            None => {
                let host = |key: &str| !TOP_LEVEL.contains(&key.to_lowercase().as_str());
                object.iter().filter(|(key, _)| host(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
            }
        };
        let mut entries = BTreeMap::new();
        for (host, entry) in hosts {
            match credential(&host, &entry)? {
                Some(credential) => _ = entries.insert(host, credential),
                None => warnings.push(format!("the authfile's entry for {host} holds no credentials and is ignored")),
            }
        }
        Ok(Self { entries, warnings })
    }

    /// The credentials for a repository: those of the repository itself, else of the nearest prefix, else of the host,
    /// else of a legacy key such as `https://host/v1/`.
    #[must_use]
    pub fn credential(&self, registry: &str, repository: &str) -> Option<&Credential> {
        self.entry(registry, repository).map(|(_, credential)| credential)
    }

    /// As [`Self::credential`], with the name of the entry.
    #[must_use]
    pub fn entry(&self, registry: &str, repository: &str) -> Option<(&str, &Credential)> {
        let full = format!("{registry}/{repository}");
        let prefixes =
            std::iter::successors(Some(full.as_str()), |key| key.rsplit_once('/').map(|(shorter, _)| shorter));
        let exact = prefixes.into_iter().find_map(|key| self.entries.get_key_value(key));
        let wanted = canonical_host(registry);
        let legacy = || self.entries.iter().find(|(key, _)| legacy_host(key) == Some(wanted));
        exact.or_else(legacy).map(|(key, credential)| (key.as_str(), credential))
    }

    /// Adds the entries of another file for what has none yet.
    pub fn add(&mut self, other: Self) {
        for (key, credential) in other.entries {
            self.entries.entry(key).or_insert(credential);
        }
        self.warnings.extend(other.warnings);
    }

    /// What a user should know about the file; never a secret.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
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

fn credential(host: &str, entry: &Value) -> Result<Option<Credential>, BadAuthfile> {
    let bad = |why| BadAuthfile::Entry { host: host.to_owned(), why };
    let Value::Object(entry) = entry else { return Err(bad("it is no JSON object")) };
    let text = |wanted: &str| {
        let found = entry.iter().find(|(key, value)| key.to_lowercase() == wanted && !value.is_null());
        match found {
            Some((_, Value::String(text))) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(bad("a field that should be text is not")),
            None => Ok(None),
        }
    };
    if let Some(token) = text("registrytoken")? {
        return Ok(Some(Credential::RegistryToken(token.to_owned())));
    }
    if let Some(token) = text("identitytoken")? {
        return Ok(Some(Credential::IdentityToken(token.to_owned())));
    }
    if let Some(auth) = text("auth")? {
        let decoded = BASE64.decode(auth).map_err(|_| bad("its auth is not base64"))?;
        let decoded = String::from_utf8(decoded).map_err(|_| bad("its auth is not UTF-8 text"))?;
        // Old docker versions padded the password with NUL.
        let basic = decoded.split_once(':').map(|(user, password)| Credential::Basic {
            user: user.to_owned(),
            password: password.trim_end_matches('\0').to_owned(),
        });
        return Ok(basic);
    }
    Ok(match (text("username")?, text("password")?) {
        (Some(user), Some(password)) => {
            Some(Credential::Basic { user: user.to_owned(), password: password.to_owned() })
        }
        _ => None,
    })
}

fn canonical_host(host: &str) -> &str {
    if host == "index.docker.io" || host == "registry-1.docker.io" { "docker.io" } else { host }
}

/// The host of a key that is a URL or a host; `None` for one with a repository path.
fn legacy_host(key: &str) -> Option<&str> {
    match key.split_once("://") {
        Some((_, rest)) => rest.split('/').next().map(canonical_host),
        None if key.contains('/') => None,
        None => Some(canonical_host(key)),
    }
}

impl fmt::Debug for Authfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authfile").field(&self.entries.keys().collect::<Vec<_>>()).finish()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(…)",
            Self::IdentityToken(_) => "IdentityToken(…)",
            Self::RegistryToken(_) => "RegistryToken(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(user: &str) -> String {
        format!("{{\"auth\":\"{}\"}}", BASE64.encode(format!("{user}:pa:ss")))
    }

    fn user<'a>(file: &'a Authfile, registry: &str, repository: &str) -> Option<&'a str> {
        match file.credential(registry, repository)? {
            Credential::Basic { user, password } => {
                assert_eq!(password, "pa:ss");
                Some(user)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_nearest_prefix_wins() {
        let text = format!(
            r#"{{"auths":{{"quay.io":{},"quay.io/rel":{},"quay.io/rel/ocp":{},"https://legacy.io/v1/":{},
            "https://index.docker.io/v1/":{}}}}}"#,
            entry("host"),
            entry("rel"),
            entry("ocp"),
            entry("legacy"),
            entry("hub")
        );
        let file = Authfile::parse(text.as_bytes()).unwrap();
        for (registry, repository, expected) in [
            ("quay.io", "rel/ocp", Some("ocp")),
            ("quay.io", "rel/ocp/deep", Some("ocp")),
            ("quay.io", "rel/other", Some("rel")),
            ("quay.io", "release/x", Some("host")),
            ("quay.io:443", "rel", None),
            ("legacy.io", "a", Some("legacy")),
            ("docker.io", "library/ubi", Some("hub")),
            ("elsewhere.io", "a", None),
        ] {
            assert_eq!(user(&file, registry, repository), expected, "{registry}/{repository}");
        }
    }

    #[test]
    fn every_accepted_shape() {
        let modern = format!("{{\"auths\":{{\"a.io\":{}}}}}", entry("u"));
        let shouted = modern.replace("auths", "AUTHS");
        let extra = format!(r#"{{"auths":{{"a.io":{}}},"HttpHeaders":{{"X":"y"}},"new":1}}"#, entry("u"));
        let legacy = format!("{{\"a.io\":{}}}", entry("u"));
        let fields = r#"{"auths":{"a.io":{"username":"u","password":"pa:ss","email":"e","new":[1]}}}"#.to_owned();
        let secret = format!(
            r#"{{"apiVersion":"v1","kind":"Secret","data":{{".dockerconfigjson":"{}"}}}}"#,
            BASE64.encode(&modern)
        );
        let yaml = format!(
            "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/dockercfg\ndata:\n  .dockercfg: {}\n",
            BASE64.encode(&legacy)
        );
        for text in [modern, shouted, extra, legacy, fields, secret, yaml] {
            let file = Authfile::parse(text.as_bytes()).unwrap();
            assert_eq!(user(&file, "a.io", "x"), Some("u"), "{text}");
        }
        for empty in [r"{}", r#"{"auths":{}}"#, r#"{"auths":null}"#, r#"{"auths":{},"HttpHeaders":{}}"#] {
            assert_eq!(Authfile::parse(empty.as_bytes()).unwrap(), Authfile::default(), "{empty}");
        }
    }

    #[test]
    fn tokens_and_what_is_ignored_with_a_warning() {
        let text = r#"{"auths":{"i.io":{"auth":"","identitytoken":"t"},"r.io":{"registrytoken":"t"},"n.io":{},
            "colon.io":{"auth":"YQ=="}},"credsStore":"desktop","credHelpers":{}}"#;
        let file = Authfile::parse(text.as_bytes()).unwrap();
        assert_eq!(file.credential("i.io", "a"), Some(&Credential::IdentityToken("t".to_owned())));
        assert_eq!(file.credential("r.io", "a"), Some(&Credential::RegistryToken("t".to_owned())));
        assert_eq!(file.warnings().len(), 3, "{:?}", file.warnings());
        assert_eq!(format!("{file:?}"), r#"Authfile(["i.io", "r.io"])"#);
    }

    #[test]
    fn what_is_refused_never_quotes_a_secret() {
        for text in [
            "",
            "null",
            "[]",
            "hunter2",
            "{\"auths\": hunter2",
            r#"{"auths":"hunter2"}"#,
            r#"{"auths":{"username":"hunter2"}}"#,
            r#"{"auths":{"a.io":{"auth":"hunter2!"}}}"#,
            r#"{"auths":{"a.io":{"auth":{"hunter2":1}}}}"#,
            r#"{"a.io":"hunter2"}"#,
            r#"{"kind":"ConfigMap","data":{"x":"hunter2"}}"#,
            r#"{"kind":"Secret","data":{"x":"hunter2"}}"#,
            r#"{"kind":"Secret","data":{".dockerconfigjson":"hunter2!"}}"#,
        ] {
            let error = Authfile::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
