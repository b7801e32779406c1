//! From credentials to a user, and from a user to one that it may impersonate.

use crate::{
    identity::{self, User},
    rbac::Attributes,
    state::State,
    status::Failure,
};
use http::HeaderMap;
use std::collections::BTreeMap;

const ANONYMOUS: &str = "system:anonymous";

/// Whether this is the user of requests without credentials.
pub(crate) fn is_anonymous(user: &User) -> bool {
    user.username == ANONYMOUS
}

fn anonymous() -> User {
    User { username: ANONYMOUS.into(), groups: vec!["system:unauthenticated".into()], ..User::default() }
}

/// The user of a request over the network. A certificate takes precedence over a token.
///
/// # Errors
/// For a token that this server did not issue, or whose service account is gone.
pub(crate) fn authenticate(
    state: &State,
    headers: &HeaderMap,
    certificate: Option<&User>,
    admin: &str,
) -> Result<User, Failure> {
    if let Some(user) = certificate {
        return Ok(user.clone());
    }
    let Some(header) = headers.get(http::header::AUTHORIZATION) else { return Ok(anonymous()) };
    let token = header.to_str().ok().and_then(|h| h.strip_prefix("Bearer ")).map(str::trim);
    let token = token.filter(|token| !token.is_empty()).ok_or_else(Failure::unauthorized)?;
    bearer(state, token, Some(admin)).ok_or_else(Failure::unauthorized)
}

/// The user whose token this is. `admin` is the administrator's, where there is one.
pub(crate) fn bearer(state: &State, token: &str, admin: Option<&str>) -> Option<User> {
    if admin.is_some_and(|admin| is_same(token, admin)) {
        return Some(identity::admin());
    }
    let known = state.tokens.iter().find(|(secret, _)| is_same(token, secret)).map(|(_, user)| user.clone());
    known.or_else(|| state.token_key.user(state, token))
}

/// The user that the `Impersonate-*` headers ask for, if the real user may impersonate it.
pub(crate) fn impersonated(state: &State, user: User, headers: &HeaderMap) -> Result<User, Failure> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let Some(name) = text("impersonate-user") else {
        if headers.keys().any(|k| k.as_str().starts_with("impersonate-")) {
            return Err(Failure::bad_request("requested impersonation without impersonating a user"));
        }
        return Ok(user);
    };
    let may = |resource: &str, subresource: &str, name: &str| {
        let group = if resource == "users" || resource == "groups" { "" } else { "authentication.k8s.io" };
        state.authorize(
            &user,
            &Attributes { verb: "impersonate", group, resource, subresource, name, ..Attributes::default() },
        )
    };
    may("users", "", name)?;
    let mut groups = Vec::new();
    for group in headers.get_all("impersonate-group") {
        let group = group.to_str().unwrap_or_default();
        may("groups", "", group)?;
        groups.push(group);
    }
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (header, value) in headers {
        let Some(key) = header.as_str().strip_prefix("impersonate-extra-") else { continue };
        let key = percent_encoding::percent_decode_str(key).decode_utf8_lossy().into_owned();
        let value = value.to_str().unwrap_or_default();
        may("userextras", &key, value)?;
        extra.entry(key).or_default().push(value.to_owned());
    }
    let mut acting = identity::user(name, &groups);
    acting.uid = text("impersonate-uid").unwrap_or_default().to_owned();
    if !acting.uid.is_empty() {
        may("uids", "", &acting.uid)?;
    }
    if let Some((namespace, _)) = name.strip_prefix("system:serviceaccount:").and_then(|n| n.split_once(':')) {
        acting.groups.push("system:serviceaccounts".into());
        acting.groups.push(format!("system:serviceaccounts:{namespace}"));
    }
    acting.extra = extra;
    Ok(acting)
}

/// Compares in constant time, which does not reveal how much of a guess is right.
fn is_same(guess: &str, secret: &str) -> bool {
    let (guess, secret) = (guess.as_bytes(), secret.as_bytes());
    guess.len() == secret.len() && guess.iter().zip(secret).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
