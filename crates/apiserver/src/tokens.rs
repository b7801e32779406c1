//! Tokens of service accounts: JSON Web Tokens (RFC 7519), signed with a key of this server (HS256).
//!
//! 1. A token belongs to one service account, identified by uid: it is valid as long as the account exists, and not for
//!    a later account of the same name. A token that is bound to a pod, a secret or a node also becomes invalid with
//!    that object.
//! 2. It is valid for the requested time: at least ten minutes, at most a year.

use crate::{
    Error, identity,
    object::{self, meta},
    private, secret,
    served::Served,
    status::Failure,
    store::Key,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::hmac;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path};
use weir_apischema::{policy::User, schema::FieldError};

const FILE: &str = "token.key";
/// Without `expirationSeconds`, a token is valid for an hour; less than ten minutes or more than 2^32 seconds must not
/// be requested (`k8s.io/kubernetes/pkg/apis/authentication/validation`).
const DEFAULT_SECONDS: i64 = 3600;
const LEAST_SECONDS: i64 = 600;
const MOST_SECONDS: i64 = 1 << 32;
/// A request for more gets this, as with `--service-account-max-token-expiration` of kube-apiserver: a year, the longest that a
/// cluster issues by itself (`ExpirationExtensionSeconds` of `pkg/serviceaccount/claims.go`).
const LONGEST_SECONDS: i64 = 365 * 24 * 60 * 60;

/// The lifetime of a token for which this lifetime was requested.
pub(crate) fn lifetime(asked: Option<i64>) -> Result<i64, Failure> {
    let seconds = asked.unwrap_or(DEFAULT_SECONDS);
    let why = match seconds {
        ..LEAST_SECONDS => "may not specify a duration less than 10 minutes",
        LEAST_SECONDS..=MOST_SECONDS => return Ok(seconds.min(LONGEST_SECONDS)),
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    let error = FieldError::invalid("spec.expirationSeconds", &seconds.into(), why);
    Err(Failure::invalid_kind(
        "TokenRequest.authentication.k8s.io",
        "authentication.k8s.io",
        "TokenRequest",
        "",
        &[error],
    ))
}

/// The key that tokens are signed with.
#[derive(Clone)]
pub(crate) struct TokenKey(hmac::Key);

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey")
    }
}

impl TokenKey {
    /// Generates a new one.
    pub(crate) fn generate() -> Self {
        Self::new(&secret::generate())
    }

    fn new(secret: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// Reads the key from the folder of secrets, or generates it on first use.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self, Error> {
        private::folder(folder, &[FILE])?;
        secret::of_file(&folder.join(FILE)).map(|secret| Self::new(&secret))
    }

    /// A token of a service account.
    pub(crate) fn issue(&self, account: &Account, now: Timestamp, expires: Timestamp) -> String {
        let claims = json!({"sub": account.user_name(), "uid": account.uid, "iat": now.as_second(),
            "exp": expires.as_second(), "bound": account.bound.as_ref().map(Bound::to_value), "extra": account.extra});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The account of a token, if the token is genuine and has not expired. Whether the account still exists is not
    /// checked.
    fn verify(&self, token: &str, now: Timestamp) -> Option<Account> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.0, signed.as_bytes(), &signature).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        let number = |name| claims.get(name).and_then(Value::as_i64);
        let (issued, expires) = (number("iat")?, number("exp")?);
        if expires <= now.as_second() || expires.saturating_sub(issued) > LONGEST_SECONDS {
            return None;
        }
        let (namespace, name) = object::text(&claims, &["sub"]).strip_prefix(ACCOUNT)?.split_once(':')?;
        Some(Account {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: object::text(&claims, &["uid"]).to_owned(),
            bound: claims.get("bound").filter(|bound| !bound.is_null()).map(Bound::of_value),
            extra: claims.get("extra").cloned().and_then(|e| serde_json::from_value(e).ok()).unwrap_or_default(),
        })
    }

    /// The user of a service account's token: the token is genuine, and what it is bound to still exists.
    pub(crate) fn user(&self, served: &dyn Served, token: &str) -> Option<User> {
        let account = self.verify(token, served.now())?;
        let accounts = Bound { kind: ACCOUNT_KIND.into(), name: account.name.clone(), uid: account.uid.clone() };
        let is_there = |bound: &Bound| is_there(served, bound, &account.namespace);
        (is_there(&accounts) && account.bound.as_ref().is_none_or(is_there)).then(|| account.user())
    }
}

/// Whether what a token is bound to still exists.
fn is_there(served: &dyn Served, bound: &Bound, namespace: &str) -> bool {
    let registry = served.registry();
    let Some(resource) = registry.of_kind("v1", &bound.kind) else { return false };
    let key = Key::new(if resource.namespaced { namespace } else { "" }, &bound.name);
    let Some(stored) = served.store().get(&resource.storage, &key) else { return false };
    let value = stored.value();
    !bound.uid.is_empty() && meta(&value, "uid") == bound.uid && !object::is_deleting(&value)
}

/// First part of the user names of service accounts.
const ACCOUNT: &str = "system:serviceaccount:";
const ACCOUNT_KIND: &str = "ServiceAccount";

/// Attributes of a user in addition to name and groups.
pub(crate) type Extra = BTreeMap<String, Vec<String>>;

/// A service account that has a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    /// The object, other than the account, whose deletion ends the token.
    pub(crate) bound: Option<Bound>,
    /// What policies see as `userInfo.extra`.
    pub(crate) extra: Extra,
}

/// An object of the core group that a token is bound to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

impl Bound {
    fn to_value(&self) -> Value {
        json!({"kind": self.kind, "name": self.name, "uid": self.uid})
    }

    fn of_value(value: &Value) -> Self {
        let text = |field| object::text(value, &[field]).to_owned();
        Self { kind: text("kind"), name: text("name"), uid: text("uid") }
    }
}

impl Account {
    fn user_name(&self) -> String {
        format!("{ACCOUNT}{}:{}", self.namespace, self.name)
    }

    fn user(self) -> User {
        let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{}", self.namespace)];
        let user = identity::user(&self.user_name(), &groups);
        User { uid: self.uid, extra: self.extra, ..user }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_genuine_until_it_expires() {
        let key = TokenKey::generate();
        let bound = Bound { kind: "Pod".into(), name: "p".into(), uid: "q".into() };
        let extra = Extra::from([("k".to_owned(), vec!["v".to_owned()])]);
        let account = Account { namespace: "n".into(), name: "a".into(), uid: "u".into(), bound: Some(bound), extra };
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let token = key.issue(&account, at(0), at(100));
        assert_eq!(key.verify(&token, at(99)).as_ref(), Some(&account));
        assert!(key.verify(&token, at(100)).is_none());
        assert!(TokenKey::generate().verify(&token, at(0)).is_none());
        let (head, tail) = token.split_at(token.len() / 2);
        assert!(key.verify(&format!("{head}x{tail}"), at(0)).is_none());
        for nonsense in ["", ".", "a.b", "a.b.c"] {
            assert!(key.verify(nonsense, at(0)).is_none());
        }
        let endless = key.issue(&account, at(0), at(LONGEST_SECONDS + 1));
        assert!(key.verify(&endless, at(1)).is_none());
        let user = account.user();
        assert_eq!((user.username.as_str(), user.uid.as_str()), ("system:serviceaccount:n:a", "u"));
        assert_eq!(user.extra["k"], ["v"]);
        assert!(user.groups.contains(&"system:serviceaccounts:n".to_owned()));
    }

    #[test]
    fn a_lifetime_has_bounds() {
        let years = |n: i64| n * LONGEST_SECONDS;
        for (asked, given) in [(None, 3600), (Some(600), 600), (Some(years(1)), years(1)), (Some(years(100)), years(1))]
        {
            assert_eq!(lifetime(asked).ok(), Some(given), "{asked:?}");
        }
        for asked in [i64::MIN, -1, 0, 599, MOST_SECONDS + 1, i64::MAX] {
            assert!(lifetime(Some(asked)).unwrap_err().message.contains("may not specify a duration"), "{asked}");
        }
    }
}
