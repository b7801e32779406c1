//! Tokens of service accounts: JSON Web Tokens (RFC 7519), signed with a key of this server (HS256).

use crate::{Error, identity, kubeconfig::write_private, policy::User};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::hmac;
use serde_json::{Value, json};
use std::{fs, path::Path};

const FILE: &str = "token.key";
/// A token without `expirationSeconds` lives an hour; none lives shorter than ten minutes
/// (`k8s.io/kubernetes/pkg/apis/authentication/validation`).
pub(crate) const DEFAULT_SECONDS: i64 = 3600;
pub(crate) const LEAST_SECONDS: i64 = 600;

/// The key that tokens are signed with.
#[derive(Clone)]
pub(crate) struct TokenKey(hmac::Key);

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey")
    }
}

impl TokenKey {
    /// Makes a new one.
    pub(crate) fn generate() -> Self {
        Self::new(&secret())
    }

    fn new(secret: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// Reads the key of a data directory, or makes it on first use.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        if path.exists() {
            let secret = fs::read_to_string(&path);
            return secret.map(|s| Self::new(&s)).map_err(|cause| Error::Data { doing: "reading", path, cause });
        }
        fs::create_dir_all(folder).map_err(|cause| Error::Data {
            doing: "creating",
            path: folder.to_owned(),
            cause,
        })?;
        let secret = secret();
        write_private(&path, &secret).map_err(|cause| Error::Data { doing: "writing", path, cause })?;
        Ok(Self::new(&secret))
    }

    /// A token of a service account. `extra` is what policies see as `userInfo.extra`.
    pub(crate) fn issue(&self, account: &Account<'_>, expires: Timestamp) -> String {
        let claims =
            json!({"sub": account.user_name(), "exp": expires.as_second(), "uid": account.uid, "extra": account.extra});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// Whose token it is, if it is genuine and has not expired.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Option<User> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.0, signed.as_bytes(), &signature).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        if claims.get("exp")?.as_i64()? <= now.as_second() {
            return None;
        }
        let name = claims.get("sub")?.as_str()?;
        let namespace = name.strip_prefix(ACCOUNT)?.split(':').next()?;
        let mut user =
            identity::user(name, &["system:serviceaccounts", &format!("system:serviceaccounts:{namespace}")]);
        user.uid = claims.get("uid").and_then(Value::as_str).unwrap_or_default().to_owned();
        user.extra = claims.get("extra").cloned().and_then(|e| serde_json::from_value(e).ok()).unwrap_or_default();
        Some(user)
    }
}

/// First part of the user names of service accounts.
const ACCOUNT: &str = "system:serviceaccount:";

/// 244 random bits, as text.
fn secret() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

/// A service account that gets a token.
pub(crate) struct Account<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) uid: &'a str,
    pub(crate) extra: Value,
}

impl Account<'_> {
    fn user_name(&self) -> String {
        format!("{ACCOUNT}{}:{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_genuine_until_it_expires() {
        let key = TokenKey::generate();
        let account = Account { namespace: "n", name: "a", uid: "u", extra: json!({"k": ["v"]}) };
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let token = key.issue(&account, at(100));
        let user = key.verify(&token, at(99)).unwrap();
        assert_eq!(user.username, "system:serviceaccount:n:a");
        assert_eq!((user.uid.as_str(), user.extra["k"].as_slice()), ("u", &["v".to_owned()][..]));
        assert!(user.groups.contains(&"system:serviceaccounts:n".to_owned()));
        assert!(key.verify(&token, at(100)).is_none());
        assert!(TokenKey::generate().verify(&token, at(0)).is_none());
        let (head, tail) = token.split_at(token.len() / 2);
        assert!(key.verify(&format!("{head}x{tail}"), at(0)).is_none());
        for nonsense in ["", ".", "a.b", "a.b.c"] {
            assert!(key.verify(nonsense, at(0)).is_none());
        }
    }
}
