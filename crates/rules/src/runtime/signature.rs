//! Which signature an image policy requires.
//!
//! R-SIGNATURE-1 A key, Fulcio's authority with Rekor's log, or a custom authority, with the subject that its certificates must
//! have. Keys and certificates are base64.
//! R-SIGNATURE-2 The signed name is that of the image, of its repository, of a given repository, or one with a replaced prefix.
//! R-SIGNATURE-3 An invalid policy stops generation, also for the other policies: nodes keep the policies that they have.
//! R-SIGNATURE-4 What is base64 but holds no key or certificate in PEM is generated as it is, and reported.
//!
//! Source: `policyItemFromSpec` in `pkg/controller/container-runtime-config/helpers.go` of
//! github.com/openshift/machine-config-operator; `signature/policy_types.go` of github.com/containers/image. R-SIGNATURE-4 is ours; its form
//! is that of RFC 7468, with the SubjectPublicKeyInfo of RFC 5280 for keys.

use super::scope::{is_mirror, is_repository, repository};
use crate::{
    generated::json_text::Json,
    objects::pem::{self, SEQUENCE, of_tag},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use weir_api::image_policy::{SignaturePolicy, SignedIdentity};

/// What is wrong with a policy. Permanent until it changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A key or certificate is invalid.
    #[error("{0} is not base64: it must be the base64 of a key or certificate in PEM")]
    Data(&'static str),
    /// The root of trust does not match its type.
    #[error("policyType is {policy_type:?}, and {missing} is not there")]
    Missing {
        /// `policyType`.
        policy_type: String,
        /// The field.
        missing: &'static str,
    },
    /// An unknown root of trust.
    #[error("unknown policyType: {0}, must be PublicKey, FulcioCAWithRekor or PKI")]
    PolicyType(String),
    /// No subject is given.
    #[error("At least one of subjectEmail, subjectHostname must be specified")]
    Subject,
    /// The identity is invalid.
    #[error("error getting signedIdentity for {policy}: {why}")]
    Identity {
        /// `matchPolicy`.
        policy: String,
        /// What is wrong.
        why: String,
    },
    /// An unknown identity.
    #[error("unknown signedIdentity match policy: {0}")]
    MatchPolicy(String),
}

/// The requirement, in the form of `policy.json`.
///
/// # Errors
/// If the policy is invalid.
pub fn requirement(policy: &SignaturePolicy) -> Result<Json, SignatureError> {
    let root = &policy.root_of_trust;
    let missing = |missing| SignatureError::Missing { policy_type: root.policy_type.clone(), missing };
    let mut fields = vec![text("type", "sigstoreSigned")];
    match root.policy_type.as_str() {
        "PublicKey" => {
            let key = root.public_key.as_ref().ok_or_else(|| missing("publicKey"))?;
            fields.extend(data("keyData", "keyData", &key.key_data)?);
            fields.extend(data(
                "rekorPublicKeyData",
                "rekorKeyData",
                key.rekor_key_data.as_deref().unwrap_or_default(),
            )?);
        }
        "FulcioCAWithRekor" => {
            let fulcio = root.fulcio_ca_with_rekor.as_ref().ok_or_else(|| missing("fulcioCAWithRekor"))?;
            let mut inner: Vec<_> = data("caData", "fulcioCAData", &fulcio.fulcio_ca_data)?.into_iter().collect();
            inner.push(text("oidcIssuer", &fulcio.fulcio_subject.oidc_issuer));
            inner.push(text("subjectEmail", &fulcio.fulcio_subject.signed_email));
            fields.push(("fulcio".to_owned(), Json::Object(inner)));
            fields.extend(data("rekorPublicKeyData", "rekorKeyData", &fulcio.rekor_key_data)?);
        }
        "PKI" => {
            let pki = root.pki.as_ref().ok_or_else(|| missing("pki"))?;
            let subject = &pki.pki_certificate_subject;
            let [email, hostname] = [&subject.email, &subject.hostname].map(|name| name.as_deref().unwrap_or_default());
            if email.is_empty() && hostname.is_empty() {
                return Err(SignatureError::Subject);
            }
            let mut inner: Vec<_> = data("caRootsData", "caRootsData", &pki.ca_roots_data)?.into_iter().collect();
            let intermediates = pki.ca_intermediates_data.as_deref().unwrap_or_default();
            inner.extend(data("caIntermediatesData", "caIntermediatesData", intermediates)?);
            let names = [("subjectEmail", email), ("subjectHostname", hostname)];
            inner.extend(names.into_iter().filter(|(_, name)| !name.is_empty()).map(|(key, name)| text(key, name)));
            fields.push(("pki".to_owned(), Json::Object(inner)));
        }
        other => return Err(SignatureError::PolicyType(other.to_owned())),
    }
    fields.push(("signedIdentity".to_owned(), identity(policy.signed_identity.as_ref())?));
    Ok(Json::Object(fields))
}

fn text(key: &str, value: &str) -> (String, Json) {
    (key.to_owned(), Json::Value(value.into()))
}

/// A key or certificate; nothing if it is empty.
fn data(key: &str, field: &'static str, value: &str) -> Result<Option<(String, Json)>, SignatureError> {
    if value.is_empty() {
        return Ok(None);
    }
    STANDARD.decode(value).map_err(|_| SignatureError::Data(field))?;
    Ok(Some(text(key, value)))
}

/// Whether machines can read the text.
type Reads = fn(&[u8]) -> bool;

/// The first field whose keys or certificates machines cannot read (R-SIGNATURE-4); absent if all can be read.
#[must_use]
pub fn unreadable(policy: &SignaturePolicy) -> Option<&'static str> {
    let root = &policy.root_of_trust;
    let mut fields: Vec<(&'static str, &str, Reads)> = Vec::new();
    if let Some(key) = &root.public_key {
        fields.push(("keyData", &key.key_data, is_key));
        fields.extend(key.rekor_key_data.as_deref().map(|data| ("rekorKeyData", data, is_key as Reads)));
    }
    if let Some(fulcio) = &root.fulcio_ca_with_rekor {
        fields.push(("fulcioCAData", &fulcio.fulcio_ca_data, has_certificates));
        fields.push(("rekorKeyData", &fulcio.rekor_key_data, is_key));
    }
    if let Some(pki) = &root.pki {
        fields.push(("caRootsData", &pki.ca_roots_data, has_certificates));
        let intermediates = pki.ca_intermediates_data.as_deref();
        fields.extend(intermediates.map(|data| ("caIntermediatesData", data, has_certificates as Reads)));
    }
    let is_bad = |data: &str, is: Reads| STANDARD.decode(data).is_ok_and(|text| !is(&text));
    fields.into_iter().find(|(_, data, is)| !data.is_empty() && is_bad(data, *is)).map(|(field, ..)| field)
}

fn is_key(text: &[u8]) -> bool {
    let whole = |der: &[u8]| of_tag(der, SEQUENCE).is_some_and(|(_, rest)| rest.is_empty());
    matches!(&pem::blocks(text)[..], [(_, der)] if whole(der))
}

fn has_certificates(text: &[u8]) -> bool {
    !pem::certificates(text).is_empty()
}

fn identity(identity: Option<&SignedIdentity>) -> Result<Json, SignatureError> {
    let Some(identity) = identity else { return Ok(Json::Object(vec![text("type", "matchRepoDigestOrExact")])) };
    let policy = identity.match_policy.as_str();
    let wrong = |why: String| SignatureError::Identity { policy: policy.to_owned(), why };
    let fields = match policy {
        "MatchRepoDigestOrExact" => vec![text("type", "matchRepoDigestOrExact")],
        "MatchRepository" => vec![text("type", "matchRepository")],
        "ExactRepository" => {
            let exact = identity.exact_repository.as_ref().map(|exact| exact.repository.as_str()).unwrap_or_default();
            if !is_image(exact) {
                return Err(wrong(format!("Invalid format of dockerRepository {exact:?}: a repository in lower case")));
            }
            vec![text("type", "exactRepository"), text("dockerRepository", exact)]
        }
        "RemapIdentity" => {
            let remap = identity.remap_identity.as_ref();
            let [prefix, signed] = [remap.map(|r| r.prefix.as_str()), remap.map(|r| r.signed_prefix.as_str())]
                .map(Option::unwrap_or_default);
            for (field, name) in [("prefix", prefix), ("signedPrefix", signed)] {
                if !is_mirror(name) {
                    return Err(wrong(format!("{field} {name:?} must be a host, with or without port and path")));
                }
            }
            vec![text("type", "remapIdentity"), text("prefix", prefix), text("signedPrefix", signed)]
        }
        other => return Err(SignatureError::MatchPolicy(other.to_owned())),
    };
    Ok(Json::Object(fields))
}

/// Whether a text names an image, possibly without a host.
fn is_image(text: &str) -> bool {
    let full = [text.to_owned(), format!("docker.io/{text}"), format!("docker.io/library/{text}")];
    full.iter().any(|name| is_repository(name) || repository(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::json_text::compact;
    use serde_json::{Value, json};

    fn of(policy: Value) -> Result<String, String> {
        let policy: SignaturePolicy = serde_json::from_value(policy).unwrap();
        requirement(&policy).map(|json| compact(&json)).map_err(|error| error.to_string())
    }

    fn key() -> Value {
        json!({"policyType": "PublicKey", "publicKey": {"keyData": "aw==", "rekorKeyData": "cg=="}})
    }

    #[test]
    fn a_policy_that_makes_no_sense_says_why() {
        for (policy, part) in [
            (
                json!({"rootOfTrust": {"policyType": "PublicKey", "publicKey": {"keyData": "a b"}}}),
                "keyData is not base64",
            ),
            (json!({"rootOfTrust": {"policyType": "PublicKey"}}), "publicKey is not there"),
            (json!({"rootOfTrust": {"policyType": "Magic"}}), "unknown policyType: Magic"),
            (json!({"rootOfTrust": {"policyType": "PKI", "pki": {"caRootsData": ""}}}), "At least one of"),
            (
                json!({"rootOfTrust": key(), "signedIdentity": {"matchPolicy": "Foo"}}),
                "unknown signedIdentity match policy: Foo",
            ),
            (
                json!({"rootOfTrust": key(), "signedIdentity": {"matchPolicy": "ExactRepository", "exactRepository": {"repository": "X Y"}}}),
                "error getting signedIdentity for ExactRepository: Invalid format of dockerRepository \"X Y\"",
            ),
            (
                json!({"rootOfTrust": key(), "signedIdentity": {"matchPolicy": "RemapIdentity", "remapIdentity": {"prefix": "a.io"}}}),
                "signedPrefix \"\" must be a host",
            ),
        ] {
            let error = of(policy).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn keys_that_machines_cannot_read_are_named() {
        let key = |label: &str, body: &str| {
            STANDARD.encode(format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"))
        };
        let of = |root: Value| {
            let policy: SignaturePolicy = serde_json::from_value(json!({ "rootOfTrust": root })).unwrap();
            unreadable(&policy)
        };
        let public = |key: &str| json!({"policyType": "PublicKey", "publicKey": {"keyData": key}});
        assert_eq!(of(public(&key("PUBLIC KEY", "MAA="))), None);
        for broken in
            [key("PUBLIC KEY", "AAAA"), key("PUBLIC KEY", "MAI="), key("PUBLIC KEY", "!"), STANDARD.encode("no")]
        {
            assert_eq!(of(public(&broken)), Some("keyData"), "{broken}");
        }
        assert_eq!(of(public("a b")), None, "that is an error");
        let pki = json!({"policyType": "PKI", "pki": {"caRootsData": key("CERTIFICATE", "MAA=")}});
        assert_eq!(of(pki), Some("caRootsData"));
    }

    #[test]
    fn identities_as_the_file_has_them() {
        let with = |identity: Value| of(json!({"rootOfTrust": key(), "signedIdentity": identity})).unwrap();
        let start = r#"{"type":"sigstoreSigned","keyData":"aw==","rekorPublicKeyData":"cg==","signedIdentity":"#;
        for (identity, end) in [
            (json!({"matchPolicy": "MatchRepository"}), r#"{"type":"matchRepository"}}"#),
            (
                json!({"matchPolicy": "ExactRepository", "exactRepository": {"repository": "a.io/b"}}),
                r#"{"type":"exactRepository","dockerRepository":"a.io/b"}}"#,
            ),
            (
                json!({"matchPolicy": "RemapIdentity", "remapIdentity": {"prefix": "a.io", "signedPrefix": "b.io/c"}}),
                r#"{"type":"remapIdentity","prefix":"a.io","signedPrefix":"b.io/c"}}"#,
            ),
        ] {
            assert_eq!(with(identity), format!("{start}{end}"));
        }
    }
}
