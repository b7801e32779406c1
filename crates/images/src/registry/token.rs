//! Getting tokens from a token server, and keeping them until they expire.
//!
//! Source: "Token Authentication Specification" and "OAuth2" of github.com/distribution/distribution.

use super::clients::authority;
use super::session::{Journey, basic, secret};
use super::{PULL, Repository, answer};
use crate::authfile::Credential;
use crate::error::Fault;
use parking_lot::Mutex;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// As in the reference implementation's registry client.
const MAX_TOKEN: u64 = 1 << 20;
/// The specification's default when the token server names none.
const DEFAULT_LIFE: u64 = 60;
/// A token that is about to expire is not used: the request still has to arrive.
const MARGIN: Duration = Duration::from_secs(10);
const CLIENT_ID: &str = "weir";
const FORM: &str = "application/x-www-form-urlencoded";
/// A token server answers in a tenth of a second; meanwhile every request that needs the same token waits.
const TOKEN_TIME: Duration = Duration::from_secs(30);

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
        let mut all = self.0.lock();
        all.entry((repository.to_owned(), actions.to_owned())).or_default().clone()
    }

    /// Drops a token that the registry no longer accepts, unless it has already been replaced.
    pub(super) fn forget(&self, repository: &str, actions: &str, stale: &HeaderValue) {
        if let Ok(mut slot) = self.slot(repository, actions).try_lock()
            && slot.as_ref().is_some_and(|token| token.header == *stale)
        {
            *slot = None;
        }
    }
}

impl Repository {
    /// A token for these actions in the repository; one request for it, however many callers wait.
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
        let host = Url::parse(realm).map(|url| authority(&url)).unwrap_or_default();
        let slow = |_| Fault::Unreachable { host, why: format!("no token after {} s", TOKEN_TIME.as_secs()) };
        timeout(TOKEN_TIME, self.ask_for_token(realm, service, actions)).await.map_err(slow)?
    }

    async fn ask_for_token(&self, realm: &str, service: Option<&str>, actions: &str) -> Result<Token, Fault> {
        let broken = |why: &dyn std::fmt::Display| Fault::malformed("the registry's token server", why);
        let mut url = Url::parse(realm).map_err(|error| broken(&error))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(broken(&"its address is neither http nor https"));
        }
        let credential = self.credential()?;
        // A registry may name any host as token server; that host is contacted only as configured.
        if credential.is_some() && url.scheme() != "https" && !self.is_insecure(&url) {
            return Err(Fault::Realm { host: authority(&url) });
        }
        let scope = format!("repository:{}:{actions}", self.spec.repository);
        let form = if let Some(Credential::IdentityToken(token)) = credential {
            let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", CLIENT_ID)];
            let own = [("scope", scope.as_str()), ("service", service.unwrap_or_default())];
            Some(form(fields.into_iter().chain(own)))
        } else {
            let named = service.map(|service| ("service", service));
            url.query_pairs_mut().extend_pairs(named.into_iter().chain([("scope", scope.as_str())]));
            None
        };
        let authorization = match credential {
            Some(Credential::Basic { user, password }) => Some(basic(user, password)?),
            _ => None,
        };
        let (method, home) = (if form.is_some() { Method::POST } else { Method::GET }, url.clone());
        let what = "the token server's redirect";
        let journey = Journey { method: &method, home: &home, authorization: authorization.as_ref(), what };
        let sent = self.travel(url, journey, |request| match &form {
            Some(form) => Ok(request.header(CONTENT_TYPE, FORM).body(form.clone())),
            None => Ok(request),
        });
        self.token_of(sent.await?).await
    }

    async fn token_of(&self, response: Response) -> Result<Token, Fault> {
        let broken = |why: &dyn std::fmt::Display| Fault::malformed("the registry's token server", why);
        // A token server returns 403 where it means that the credentials are wrong.
        if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(Fault::Unauthorized { given: self.login.is_some() });
        }
        let by = format!("the token server {}", authority(response.url()));
        let response = answer::success(response, "token", self.login.is_some(), by).await?;
        let body = answer::limited(response, "the token server's answer", MAX_TOKEN).await?;
        // The JSON reader's message may quote the token.
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| broken(&"its answer is no token"))?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        let header = secret(&format!("Bearer {}", token.ok_or_else(|| broken(&"its answer holds no token"))?))?;
        let life = Duration::from_secs(answer.expires_in.unwrap_or(DEFAULT_LIFE).clamp(DEFAULT_LIFE, 24 * 3600));
        Ok(Token { header, until: Instant::now() + life })
    }
}

fn form<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    // The form encoder comes with the URL type: fill in a query and take it out again.
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
