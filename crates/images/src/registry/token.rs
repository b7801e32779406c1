//! Getting tokens from a token server, and keeping them until they expire.
//!
//! Source: "Token Authentication Specification" and "OAuth2" of github.com/distribution/distribution.

use super::clients::authority;
use super::session::{basic, secret};
use super::{PULL, Repository, answer};
use crate::authfile::Credential;
use crate::error::Fault;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// As in the reference implementation's registry client.
const MAX_TOKEN: u64 = 1 << 20;
/// What the specification says when the token server does not.
const DEFAULT_LIFE: u64 = 60;
/// A token is not used when it is about to expire: the request has to arrive, too.
const MARGIN: Duration = Duration::from_secs(10);
const CLIENT_ID: &str = "weir";

type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;

/// The tokens of one registry, by repository and actions.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<BTreeMap<(String, String), Slot>>);

#[derive(Debug)]
struct Token {
    header: HeaderValue,
    until: Instant,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Tokens {
    fn slot(&self, repository: &str, actions: &str) -> Slot {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry((repository.to_owned(), actions.to_owned())).or_default().clone()
    }

    /// Drops a token that the registry no longer takes, unless somebody else has replaced it already.
    pub(super) fn forget(&self, repository: &str, actions: &str, stale: &HeaderValue) {
        if let Ok(mut slot) = self.slot(repository, actions).try_lock()
            && slot.as_ref().is_some_and(|token| token.header == *stale)
        {
            *slot = None;
        }
    }
}

impl Repository {
    /// A token for these actions in the repository; one request for it, however many wait.
    pub(super) async fn token(&self, realm: &str, service: Option<&str>, actions: &str) -> Result<HeaderValue, Fault> {
        let slot = self.endpoint.tokens.slot(&self.spec.repository, actions);
        let mut slot = slot.lock().await;
        if let Some(token) = slot.as_ref().filter(|token| Instant::now() + MARGIN < token.until) {
            return Ok(token.header.clone());
        }
        let token = self.fetch_token(realm, service, actions).await?;
        let header = token.header.clone();
        *slot = Some(token);
        if actions == PULL {
            self.endpoint.remember(realm, service, &self.spec.repository);
        }
        Ok(header)
    }

    async fn fetch_token(&self, realm: &str, service: Option<&str>, actions: &str) -> Result<Token, Fault> {
        let broken = |why: &dyn std::fmt::Display| Fault::malformed("the registry's token server", why);
        let mut url = Url::parse(realm).map_err(|error| broken(&error))?;
        if url.scheme() != "https" && !self.endpoint.insecure {
            return Err(broken(&"its address has no TLS"));
        }
        let scope = format!("repository:{}:{actions}", self.spec.repository);
        let insecure = self.endpoint.insecure && authority(&url) == self.spec.registry;
        let client = self.clients.client(&url, insecure)?;
        let request = if let Some(Credential::IdentityToken(token)) = &self.credential {
            let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", CLIENT_ID)];
            let own = [("scope", scope.as_str()), ("service", service.unwrap_or_default())];
            let form = form(fields.into_iter().chain(own));
            let kind = "application/x-www-form-urlencoded";
            client.request(Method::POST, url).header(CONTENT_TYPE, kind).body(form)
        } else {
            let named = service.map(|service| ("service", service));
            url.query_pairs_mut().extend_pairs(named.into_iter().chain([("scope", scope.as_str())]));
            let request = client.request(Method::GET, url);
            match &self.credential {
                Some(Credential::Basic { user, password }) => request.header(AUTHORIZATION, basic(user, password)?),
                _ => request,
            }
        };
        let response = request.send().await.map_err(answer::failure)?;
        let given = self.credential.is_some();
        // A token server says 403 where it means that the credentials are wrong.
        let response = answer::success(response, "token", given).await.map_err(|fault| match fault {
            Fault::Denied { .. } => Fault::Unauthorized { given },
            other => other,
        })?;
        let body = answer::limited(response, "the token server's answer", MAX_TOKEN).await?;
        // The message of the JSON reader may quote the token.
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| broken(&"its answer is no token"))?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        let header = secret(&format!("Bearer {}", token.ok_or_else(|| broken(&"its answer holds no token"))?))?;
        let life = Duration::from_secs(answer.expires_in.unwrap_or(DEFAULT_LIFE).clamp(DEFAULT_LIFE, 24 * 3600));
        Ok(Token { header, until: Instant::now() + life })
    }
}

fn form<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    // The writer for forms comes with the URL type: fill in a query and take it out again.
    let Ok(mut url) = Url::parse("form:") else { return String::new() };
    url.query_pairs_mut().extend_pairs(fields);
    url.query().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_form_is_escaped() {
        let fields = [("scope", "repository:a/b:pull,push"), ("refresh_token", "x&y=z é+")];
        assert_eq!(
            super::form(fields.into_iter()),
            "scope=repository%3Aa%2Fb%3Apull%2Cpush&refresh_token=x%26y%3Dz+%C3%A9%2B"
        );
    }
}
