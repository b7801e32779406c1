//! An address of somebody else that is notified over HTTP.
//!
//! Its path and query may hold a token: nothing but scheme and host is ever shown.

use crate::{client, error::said};
use http::{Request, Uri, header::CONTENT_TYPE, uri::Scheme};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
};
use std::{fmt, time::Duration};
use tokio::time::timeout;

/// How long one attempt may take: whoever receives notifications has nothing to compute.
pub const ATTEMPT: Duration = Duration::from_secs(10);
/// User agent.
const COMPONENT: &str = "notify";
/// The longest address; browsers and servers take no more than this.
const LONGEST: usize = 2_048;

/// An address.
#[derive(Clone)]
pub struct Webhook {
    client: Client,
    path: String,
    host: String,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("host", &self.host).finish_non_exhaustive()
    }
}

/// An address that cannot be used. It is not shown, since it may hold a token.
#[derive(Debug, thiserror::Error)]
pub enum BadAddress {
    /// It is no address of a web server.
    #[error("it is no URL that begins with https:// or http:// and names a host")]
    NoUrl,
    /// It is too long.
    #[error("it is longer than {LONGEST} characters")]
    Long,
    /// It has a user or password.
    #[error("a user and password in it are not sent; put a token into its path or query")]
    Login,
    /// TLS or a proxy cannot be set up.
    #[error("no client for it can be made: {0}")]
    Client(String),
}

/// Why something was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// The answer was not one of success.
    #[error("{host} answers with status {status}")]
    Refused {
        /// The host.
        host: String,
        /// The status.
        status: u16,
    },
    /// There was no answer in time.
    #[error("{host} does not answer within {ATTEMPT:?}")]
    Silent {
        /// The host.
        host: String,
    },
    /// It could not be reached.
    #[error("{host} cannot be reached: {why}")]
    Unreached {
        /// The host.
        host: String,
        /// Why.
        why: String,
    },
}

impl Webhook {
    /// Checks an address.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn check(address: &str) -> Result<Uri, BadAddress> {
        if address.len() > LONGEST {
            return Err(BadAddress::Long);
        }
        let uri: Uri = address.parse().map_err(|_| BadAddress::NoUrl)?;
        let is_web = uri.scheme() == Some(&Scheme::HTTPS) || uri.scheme() == Some(&Scheme::HTTP);
        let authority = uri.authority().filter(|authority| is_web && !authority.host().is_empty());
        match authority.ok_or(BadAddress::NoUrl)?.as_str().contains('@') {
            true => Err(BadAddress::Login),
            false => Ok(uri),
        }
    }

    /// One for an address. Nothing is sent yet.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn new(address: &str) -> Result<Self, BadAddress> {
        let uri = Self::check(address)?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let mut parts = uri.into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        let origin = Uri::from_parts(parts).map_err(|_| BadAddress::NoUrl)?;
        let host = origin.to_string().trim_end_matches('/').to_owned();
        // Who retries, and how often, is decided elsewhere.
        let mut config = Config::new(origin);
        config.default_retry = false;
        let builder: ClientBuilder<_> =
            client::builder(config, COMPONENT).map_err(|error| BadAddress::Client(said(&error)))?;
        Ok(Self { client: builder.build(), path, host })
    }

    /// Scheme and host, which may be shown.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Posts JSON with these headers; success is an answer of success. What it says otherwise is not read.
    ///
    /// # Errors
    /// When there is no such answer in time.
    pub async fn post(&self, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<(), Undelivered> {
        let host = self.host.clone();
        let mut request = Request::post(&self.path).header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let unreached = |why: String| Undelivered::Unreached { host: self.host.clone(), why };
        let request = request.body(Body::from(body)).map_err(|error| unreached(error.to_string()))?;
        match timeout(ATTEMPT, self.client.send(request)).await {
            Err(_) => Err(Undelivered::Silent { host }),
            Ok(Err(error)) => Err(unreached(self.without_path(&said(&error)))),
            Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
            Ok(Ok(answer)) => Err(Undelivered::Refused { host, status: answer.status().as_u16() }),
        }
    }

    /// Errors of a transport may name the address.
    fn without_path(&self, text: &str) -> String {
        if self.path == "/" { text.to_owned() } else { text.replace(&self.path, "/…") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_of_a_web_server_and_its_token_is_never_shown() {
        let wrong = |text: &str| Webhook::check(text).unwrap_err().to_string();
        for text in ["", "hooks.example.com/a", "ftp://a/b", "https://", "/a", "https:///x"] {
            assert!(wrong(text).contains("begins with https://"), "{text}");
        }
        assert!(wrong("https://user:secret@a/").contains("put a token into its path"));
        assert!(wrong(&format!("https://a/{}", "x".repeat(LONGEST))).contains("longer than 2048"));
        assert!(!wrong("https://user:secret@a/").contains("secret"));
    }
}
