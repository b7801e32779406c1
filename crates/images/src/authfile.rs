//! Which credentials to use for a registry.
//!
//! Docker's `config.json` in its modern and legacy form, or a Kubernetes Secret that holds one
//! ([`weir_api::docker_config`]). Unknown fields are tolerated: a credential helper must not make the other entries
//! useless. An unusable entry does not affect the others; it is an error only when its registry asks for a login.
//!
//! Sources: `man 5 containers-auth.json` of github.com/containers/image; Secret types of the Kubernetes API reference.

use base64::{Engine as _, alphabet, engine};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;
use weir_api::docker_config::{DockerConfig, NotDockerConfig};

/// Padding is optional: tools disagree about it.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new().with_decode_padding_mode(engine::DecodePaddingMode::Indifferent),
);

/// Credentials by registry, or by registry and repository prefix. Never logged.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Authfile {
    entries: BTreeMap<String, Result<Credential, BadEntry>>,
    warnings: Vec<String>,
}

/// How to log in. Never logged.
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

/// Why an authfile cannot be used. Names the position, never the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAuthfile {
    /// It is neither JSON nor YAML.
    #[error("the authfile is neither JSON nor YAML ({0}); it must be a docker config.json or a Secret that holds one")]
    Syntax(String),
    /// Valid JSON or YAML, but not an authfile.
    #[error("the authfile {0}; it must be a docker config.json or a Secret that holds one")]
    Shape(String),
}

/// Why an entry cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEntry {
    /// The field has another type.
    #[error("it is no JSON object")]
    Shape,
    /// A field.
    #[error("a field that should be text is not")]
    Field,
    /// Not a valid encoding of user and password.
    #[error("its auth is not base64")]
    Base64,
    /// Bytes.
    #[error("its auth is not UTF-8 text")]
    Text,
}

impl From<NotDockerConfig> for BadAuthfile {
    fn from(why: NotDockerConfig) -> Self {
        Self::Shape(why.to_string())
    }
}

impl Authfile {
    /// Reads an authfile.
    ///
    /// # Errors
    /// When it is neither a docker config nor a Secret that contains one.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadAuthfile> {
        let value: Value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            // The position only: the YAML reader's message quotes the input.
            Err(json) => std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| serde_saphyr::from_str(text).ok())
                .filter(Value::is_object)
                .ok_or_else(|| BadAuthfile::Syntax(format!("line {} column {}", json.line(), json.column())))?,
        };
        let Value::Object(object) = &value else { return Err(NotDockerConfig::NoObject.into()) };
        match object.get("kind").and_then(Value::as_str) {
            Some("Secret") => {
                // The reader's message quotes the input.
                let shape = |_| BadAuthfile::Shape("is a Secret whose data is not base64".to_owned());
                Self::of_secret(&serde_json::from_value(value).map_err(shape)?)
            }
            Some(kind) => Err(BadAuthfile::Shape(format!("is a {kind}"))),
            None => Ok(Self::of(DockerConfig::of(object)?)),
        }
    }

    /// The logins of a pull secret.
    ///
    /// # Errors
    /// When it contains no docker config.
    pub fn of_secret(secret: &Secret) -> Result<Self, BadAuthfile> {
        Ok(Self::of(DockerConfig::of_secret(secret)?))
    }

    fn of(config: DockerConfig) -> Self {
        let helper = |field| format!("{field} of the authfile is ignored: credential helpers are not run");
        let mut warnings: Vec<String> = config.helpers.into_iter().map(helper).collect();
        let mut entries = BTreeMap::new();
        for (host, entry) in config.logins {
            match credential(&entry).transpose() {
                Some(credential) => {
                    if let Err(why) = &credential {
                        let text = "is not used unless its registry asks for a login";
                        warnings.push(format!("the authfile's entry for {host} {text}: {why}"));
                    }
                    entries.insert(host, credential);
                }
                None => warnings.push(format!("the authfile's entry for {host} holds no credentials and is ignored")),
            }
        }
        Self { entries, warnings }
    }

    /// The credentials for a repository: those of the repository itself, else of the nearest prefix, else of the host,
    /// else of a legacy key such as `https://host/v1/`. Returned with the name of the entry, which is present even if the entry is
    /// unusable.
    #[must_use]
    pub fn entry(&self, registry: &str, repository: &str) -> Option<(&str, Result<&Credential, BadEntry>)> {
        let full = format!("{registry}/{repository}");
        let prefixes =
            std::iter::successors(Some(full.as_str()), |key| key.rsplit_once('/').map(|(shorter, _)| shorter));
        let exact = prefixes.into_iter().find_map(|key| self.entries.get_key_value(key));
        let wanted = canonical_host(registry);
        let legacy = || self.entries.iter().find(|(key, _)| legacy_host(key) == Some(wanted));
        exact.or_else(legacy).map(|(key, credential)| (key.as_str(), credential.as_ref().map_err(|why| *why)))
    }

    /// Adds the entries of another file for registries that have none yet.
    pub fn add(&mut self, other: Self) {
        for (key, credential) in other.entries {
            self.entries.entry(key).or_insert(credential);
        }
        self.warnings.extend(other.warnings);
    }

    /// As a docker `config.json`, for other programs. Entries that cannot be used are left out.
    #[must_use]
    pub fn to_json(&self) -> String {
        let usable = self.entries.iter().filter_map(|(key, credential)| Some((key, credential.as_ref().ok()?)));
        let entry = |credential: &Credential| match credential {
            Credential::Basic { user, password } => json!({"auth": BASE64.encode(format!("{user}:{password}"))}),
            Credential::IdentityToken(token) => json!({ "identitytoken": token }),
            Credential::RegistryToken(token) => json!({ "registrytoken": token }),
        };
        let auths: Map<String, Value> = usable.map(|(key, credential)| (key.clone(), entry(credential))).collect();
        json!({ "auths": auths }).to_string()
    }

    /// Everything in it that nobody may read, to be looked for in what is shown.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let of = |credential: &Credential| match credential {
            Credential::Basic { user, password } => {
                vec![password.clone(), BASE64.encode(format!("{user}:{password}"))]
            }
            Credential::IdentityToken(token) | Credential::RegistryToken(token) => vec![token.clone()],
        };
        self.entries.values().flatten().flat_map(of).collect()
    }

    /// What a user should know about the file; contains no secrets.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// How to log in according to an entry; `None` when it does not say.
fn credential(entry: &Value) -> Result<Option<Credential>, BadEntry> {
    let Value::Object(entry) = entry else { return Err(BadEntry::Shape) };
    if let Some(token) = text(entry, "registrytoken")? {
        return Ok(Some(Credential::RegistryToken(token.to_owned())));
    }
    if let Some(token) = text(entry, "identitytoken")? {
        return Ok(Some(Credential::IdentityToken(token.to_owned())));
    }
    if let Some(auth) = text(entry, "auth")? {
        let decoded = BASE64.decode(auth).map_err(|_| BadEntry::Base64)?;
        let decoded = String::from_utf8(decoded).map_err(|_| BadEntry::Text)?;
        // Old docker versions padded the password with NUL.
        let basic = decoded.split_once(':').map(|(user, password)| Credential::Basic {
            user: user.to_owned(),
            password: password.trim_end_matches('\0').to_owned(),
        });
        return Ok(basic);
    }
    Ok(match (text(entry, "username")?, text(entry, "password")?) {
        (Some(user), Some(password)) => {
            Some(Credential::Basic { user: user.to_owned(), password: password.to_owned() })
        }
        _ => None,
    })
}

/// A field of an entry, by case-insensitive name; `None` when it is empty.
fn text<'a>(entry: &'a Map<String, Value>, wanted: &str) -> Result<Option<&'a str>, BadEntry> {
    match entry.iter().find(|(key, value)| key.eq_ignore_ascii_case(wanted) && !value.is_null()) {
        Some((_, Value::String(text))) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(BadEntry::Field),
        None => Ok(None),
    }
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
        match file.entry(registry, repository)?.1.unwrap() {
            Credential::Basic { user, password } => {
                assert_eq!(password, "pa:ss");
                Some(user)
            }
            other => panic!("{other:?}"),
        }
    }

    fn credential<'a>(file: &'a Authfile, registry: &str) -> Option<Result<&'a Credential, BadEntry>> {
        file.entry(registry, "a").map(|(_, credential)| credential)
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
    fn what_is_written_for_others_opens_the_same_doors() {
        let text = format!(
            r#"{{"auths":{{"a.io/b":{},"c.io":{{"identitytoken":"to-ken"}},"bad.io":{{"auth":7}}}}}}"#,
            entry("u")
        );
        let file = Authfile::parse(text.as_bytes()).unwrap();
        let again = Authfile::parse(file.to_json().as_bytes()).unwrap();
        assert_eq!((user(&again, "a.io", "b"), again.entries.len()), (Some("u"), 2));
        assert_eq!(credential(&again, "c.io"), credential(&file, "c.io"));
        assert_eq!(file.secrets(), ["pa:ss".to_owned(), BASE64.encode("u:pa:ss"), "to-ken".to_owned()]);
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
        assert_eq!(credential(&file, "i.io"), Some(Ok(&Credential::IdentityToken("t".to_owned()))));
        assert_eq!(credential(&file, "r.io"), Some(Ok(&Credential::RegistryToken("t".to_owned()))));
        assert_eq!(file.warnings().len(), 3, "{:?}", file.warnings());
        assert_eq!(format!("{file:?}"), r#"Authfile(["i.io", "r.io"])"#);
    }

    #[test]
    fn an_entry_that_cannot_be_used_says_nothing_about_others() {
        for (odd, why) in [
            (r#"{"auth":"hunter2!"}"#, BadEntry::Base64),
            (r#"{"auth":"<hunter2>"}"#, BadEntry::Base64),
            (r#"{"auth":"_w=="}"#, BadEntry::Base64),
            (r#"{"auth":"/w=="}"#, BadEntry::Text),
            (r#"{"auth":{"hunter2":1}}"#, BadEntry::Field),
            (r#"{"identitytoken":["hunter2"]}"#, BadEntry::Field),
            (r#""hunter2""#, BadEntry::Shape),
        ] {
            let config = format!(r#"{{"auths":{{"a.io":{},"odd.io/x":{odd},"odd.io":{}}}}}"#, entry("u"), entry("v"));
            let secret = format!(
                r#"{{"kind":"Secret","data":{{".dockerconfigjson":"{}"}}}}"#,
                engine::general_purpose::STANDARD.encode(&config)
            );
            for text in [config, secret] {
                let file = Authfile::parse(text.as_bytes()).unwrap();
                assert_eq!(user(&file, "a.io", "b"), Some("u"), "{odd}");
                // Nor does it fall back to the login of the whole registry.
                assert_eq!(file.entry("odd.io", "x/y"), Some(("odd.io/x", Err(why))), "{odd}");
                assert_eq!(user(&file, "odd.io", "y"), Some("v"), "{odd}");
                let said = file.warnings().join(" ");
                assert!(
                    said.contains("odd.io/x") && said.contains(&why.to_string()) && !said.contains("hunter2"),
                    "{said}"
                );
            }
        }
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
