//! The contents of `policy.json`, on all nodes and for a namespace.
//!
//! R-IMAGE-POLICY-1 Either allowed or blocked registries are given, not both; only the release's repository may be allowed beside blocked
//! ones.
//! R-IMAGE-POLICY-2 A scope of an image policy is inside an allowed registry, if there are any, and inside no blocked one.
//! R-IMAGE-POLICY-3 Allowed registries are accepted and all others rejected, or blocked ones are rejected and all others accepted. Image
//! policies add their requirements to those of their scopes, in the order of their names.
//! R-IMAGE-POLICY-4 This replaces the templates' settings for `docker`, and for `atomic` for scopes with at most two slashes. If there is
//! nothing to set, the templates' file stays as it is.
//! R-IMAGE-POLICY-5 The file of a namespace is that of all nodes plus the requirements of its policies.
//!
//! Source: `updatePolicyJSON` and `updateNamespacedPolicyJSONs` in `pkg/controller/container-runtime-config/helpers.go` of
//! github.com/openshift/machine-config-operator. The order of names is ours: the reference has none.

use super::scope::{is_nested, is_scope};
use crate::generated::json_text::{Json, indented};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Path of the file.
pub const POLICY_JSON: &str = "/etc/containers/policy.json";
/// Maximum number of slashes in a scope of `atomic`.
const ATOMIC_SLASHES: usize = 2;
/// Keys of requirements, in the order of Go's structs.
const KEYS: [&str; 13] = [
    "type",
    "keyType",
    "keyPath",
    "keyPaths",
    "keyData",
    "keyDatas",
    "fulcio",
    "rekorPublicKeyPath",
    "rekorPublicKeyPaths",
    "rekorPublicKeyData",
    "rekorPublicKeyDatas",
    "pki",
    "signedIdentity",
];
const TYPES: [&str; 5] = ["insecureAcceptAnything", "reject", "signedBy", "signedBaseLayer", "sigstoreSigned"];

/// Requirements by scope.
pub type Scopes = BTreeMap<String, Vec<Json>>;

/// Why there is no policy. Permanent until an object or the templates change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Both lists are given.
    #[error("invalid images config: only one of AllowedRegistries or BlockedRegistries may be specified")]
    Both,
    /// A scope that is not allowed.
    #[error("{kind} configured for the scope {scope} is not nested inside allowedRegistries")]
    NotAllowed {
        /// `clusterimagePolicy` or `imagePolicy`.
        kind: &'static str,
        /// The scope.
        scope: String,
    },
    /// A scope that is blocked.
    #[error("{kind} configured for the scope {scope} is nested inside blockedRegistries")]
    Blocked {
        /// `clusterimagePolicy` or `imagePolicy`.
        kind: &'static str,
        /// The scope.
        scope: String,
    },
    /// A scope is invalid.
    #[error("invalid entry for {list} registries {scope:?}: a host, a repository, or *. and a domain")]
    Scope {
        /// `allowed` or `blocked`.
        list: &'static str,
        /// The given scope.
        scope: String,
    },
    /// The templates' file cannot be read.
    #[error("policy.json of the templates: {0}")]
    Base(String),
}

/// What the policy of all nodes depends on.
#[derive(Clone, Copy, Debug)]
pub struct PolicyView<'a> {
    /// The templates' file.
    pub base: &'a str,
    /// Allowed registries; empty for none.
    pub allowed: &'a [String],
    /// Blocked registries; empty for none.
    pub blocked: &'a [String],
    /// Repository of the release.
    pub payload: &'a str,
    /// Requirements of ClusterImagePolicies.
    pub scopes: &'a Scopes,
}

/// The policy of all nodes.
///
/// # Errors
/// If lists and policies contradict each other.
pub fn policy(view: &PolicyView<'_>) -> Result<String, PolicyError> {
    let PolicyView { allowed, blocked, .. } = *view;
    if !allowed.is_empty() && !blocked.is_empty() && allowed != [view.payload] {
        return Err(PolicyError::Both);
    }
    check("clusterimagePolicy", view.scopes.keys(), allowed, blocked)?;
    if allowed.is_empty() && blocked.is_empty() && view.scopes.is_empty() {
        return Ok(view.base.to_owned());
    }
    let mut listed =
        blocked.iter().map(|scope| ("blocked", scope)).chain(allowed.iter().map(|scope| ("allowed", scope)));
    if let Some((list, scope)) = listed.find(|(_, scope)| !is_scope(scope)) {
        return Err(PolicyError::Scope { list, scope: scope.clone() });
    }
    let mut policy = Policy::parse(view.base)?;
    let only = |type_: &str| vec![Json::Object(vec![("type".to_owned(), Json::Value(type_.into()))])];
    let mut scopes = Scopes::new();
    if !allowed.is_empty() {
        policy.default = only("reject");
        let open = allowed.iter().filter(|scope| !view.scopes.contains_key(*scope));
        scopes.extend(open.map(|scope| (scope.clone(), only("insecureAcceptAnything"))));
    }
    if !blocked.is_empty() {
        policy.default = only("insecureAcceptAnything");
        scopes.extend(blocked.iter().map(|scope| (scope.clone(), only("reject"))));
    }
    add(&mut scopes, view.scopes);
    let atomic = scopes.clone().into_iter().filter(|(scope, _)| is_atomic(scope)).collect();
    policy.transports.insert("atomic".to_owned(), atomic);
    policy.transports.insert("docker".to_owned(), scopes);
    Ok(policy.write())
}

/// The policy of a namespace: that of all nodes plus the requirements of its ImagePolicies.
///
/// # Errors
/// If its scopes contradict the lists, or the policy of all nodes cannot be read.
pub fn of_namespace(all: &str, scopes: &Scopes, allowed: &[String], blocked: &[String]) -> Result<String, PolicyError> {
    check("imagePolicy", scopes.keys(), allowed, blocked)?;
    let mut policy = Policy::parse(all)?;
    add(policy.transports.entry("docker".to_owned()).or_default(), scopes);
    let atomic: Scopes = scopes.clone().into_iter().filter(|(scope, _)| is_atomic(scope)).collect();
    add(policy.transports.entry("atomic".to_owned()).or_default(), &atomic);
    Ok(policy.write())
}

/// Whether scopes agree with the lists: R-IMAGE-POLICY-2.
///
/// # Errors
/// The first that does not.
pub(super) fn check<'s>(
    kind: &'static str,
    scopes: impl Iterator<Item = &'s String>,
    allowed: &[String],
    blocked: &[String],
) -> Result<(), PolicyError> {
    for scope in scopes {
        if !allowed.is_empty() && !allowed.iter().any(|outer| is_nested(scope, outer)) {
            return Err(PolicyError::NotAllowed { kind, scope: scope.clone() });
        }
        if blocked.iter().any(|outer| is_nested(scope, outer)) {
            return Err(PolicyError::Blocked { kind, scope: scope.clone() });
        }
    }
    Ok(())
}

fn add(scopes: &mut Scopes, more: &Scopes) {
    for (scope, requirements) in more {
        scopes.entry(scope.clone()).or_default().extend(requirements.iter().cloned());
    }
}

fn is_atomic(scope: &str) -> bool {
    scope.matches('/').count() <= ATOMIC_SLASHES
}

/// A parsed policy.
struct Policy {
    default: Vec<Json>,
    transports: BTreeMap<String, Scopes>,
}

impl Policy {
    fn parse(text: &str) -> Result<Self, PolicyError> {
        let bad = PolicyError::Base;
        let value: Value = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        let object = |value: Value, what: &str| match value {
            Value::Object(fields) => Ok(fields),
            _ => Err(bad(format!("{what} is not an object"))),
        };
        let mut policy = Self { default: Vec::new(), transports: BTreeMap::new() };
        for (key, value) in object(value, "it")? {
            match key.as_str() {
                "default" => policy.default = requirements("default", value)?,
                "transports" => {
                    for (transport, scopes) in object(value, "transports")? {
                        let read = policy.transports.entry(transport.clone()).or_default();
                        for (scope, value) in object(scopes, &transport)? {
                            read.insert(scope.clone(), requirements(&scope, value)?);
                        }
                    }
                }
                other => return Err(bad(format!("unknown key {other:?}"))),
            }
        }
        if policy.default.is_empty() {
            return Err(bad("default is missing".to_owned()));
        }
        Ok(policy)
    }

    fn write(self) -> String {
        let scopes = |scopes: Scopes| {
            Json::Object(scopes.into_iter().map(|(scope, requirements)| (scope, Json::List(requirements))).collect())
        };
        let transports = self.transports.into_iter().map(|(transport, of)| (transport, scopes(of))).collect();
        indented(&Json::Object(vec![
            ("default".to_owned(), Json::List(self.default)),
            ("transports".to_owned(), Json::Object(transports)),
        ]))
    }
}

fn requirements(scope: &str, value: Value) -> Result<Vec<Json>, PolicyError> {
    let Value::Array(items) = value else { return Err(PolicyError::Base(format!("{scope:?} is not a list"))) };
    let one = |item: Value| {
        let known = item["type"].as_str().is_some_and(|type_| TYPES.contains(&type_));
        match item {
            Value::Object(fields) if known => Ok(in_order(fields)),
            _ => Err(PolicyError::Base(format!("a requirement of {scope:?} has an unknown type"))),
        }
    };
    items.into_iter().map(one).collect()
}

fn in_order(mut fields: Map<String, Value>) -> Json {
    let mut ordered: Vec<(String, Json)> = Vec::new();
    for key in KEYS {
        let value = match (key, fields.remove(key)) {
            ("signedIdentity", Some(Value::Object(inner))) => Some(in_order(inner)),
            (_, value) => value.map(Json::Value),
        };
        ordered.extend(value.map(|value| (key.to_owned(), value)));
    }
    ordered.extend(fields.into_iter().map(|(key, value)| (key, Json::Value(value))));
    Json::Object(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(base: &str) -> Result<String, PolicyError> {
        let blocked = ["a.io".to_owned()];
        policy(&PolicyView { base, allowed: &[], blocked: &blocked, payload: "q.io/r", scopes: &Scopes::new() })
    }

    #[test]
    fn a_base_that_is_no_policy_says_why() {
        for (base, part) in [
            ("{", "EOF"),
            ("[]", "it is not an object"),
            ("{\"defaults\": []}", "unknown key \"defaults\""),
            ("{\"transports\": {}}", "default is missing"),
            ("{\"default\": [{\"type\": \"magic\"}]}", "a requirement of \"default\" has an unknown type"),
            ("{\"default\": [{\"type\": \"reject\"}], \"transports\": {\"oci\": []}}", "oci is not an object"),
        ] {
            let error = of(base).unwrap_err().to_string();
            assert!(error.starts_with("policy.json of the templates: ") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn requirements_of_the_base_keep_the_order_of_go() {
        let base = r#"{"default":[{"keyPath":"/k","signedIdentity":{"dockerRepository":"a","type":"exactRepository"},"type":"signedBy","keyType":"GPGKeys"}]}"#;
        let same = policy(&PolicyView { base, allowed: &[], blocked: &[], payload: "", scopes: &Scopes::new() });
        assert_eq!(same.as_deref(), Ok(base));
        let named = of_namespace(base, &Scopes::new(), &[], &[]).unwrap();
        let [type_, key, path, identity] =
            ["signedBy", "GPGKeys", "/k", "exactRepository"].map(|part| named.find(part).unwrap());
        assert!(type_ < key && key < path && path < identity, "{named}");
    }
}
