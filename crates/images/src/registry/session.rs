//! One request to a registry: HTTP or HTTPS, logging in on request, and redirects.

use super::challenge::Challenge;
use super::clients::authority;
use super::token::Tokens;
use super::{PULL, Repository, answer};
use crate::authfile::Credential;
use crate::cache::Cache;
use crate::digest::ByteStream;
use crate::error::{Fault, TlsCause};
use crate::logins::TokenServer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use parking_lot::Mutex;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Registries redirect once, to their storage.
const MAX_REDIRECTS: usize = 5;

/// A registry, and what was learnt about it.
#[derive(Debug)]
pub(super) struct Endpoint {
    host: String,
    pub(super) insecure: bool,
    /// An insecure registry that has no TLS.
    plain: AtomicBool,
    challenge: Mutex<KnownChallenge>,
    cache: Option<Arc<Cache>>,
    pub(super) tokens: Tokens,
}

/// How the registry wants clients to log in.
#[derive(Clone, Debug)]
enum KnownChallenge {
    Nothing,
    /// As of an earlier run; it may have changed.
    Remembered(Challenge),
    Said(Challenge),
}

/// One request.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// A path from the root of the registry, or a whole URL.
    pub(super) path: &'a str,
    pub(super) accept: &'static [&'static str],
    pub(super) body: Body<'a>,
    /// The action in the repository: `pull` or `pull,push`.
    pub(super) actions: &'static str,
}

/// The request body.
pub(super) enum Body<'a> {
    None,
    /// Its media type.
    Bytes(&'a str, Bytes),
    /// Can be sent once; its length.
    Stream(Mutex<Option<ByteStream>>, u64),
}

impl Endpoint {
    pub(super) fn new(host: &str, insecure: bool, cache: Option<Arc<Cache>>) -> Self {
        let remembered = cache.as_ref().and_then(|cache| cache.logins().of(host));
        let known = remembered.map_or(KnownChallenge::Nothing, |TokenServer { realm, service, .. }| {
            KnownChallenge::Remembered(Challenge::Bearer { realm, service })
        });
        Self {
            host: host.to_owned(),
            insecure,
            plain: AtomicBool::new(false),
            challenge: Mutex::new(known),
            cache,
            tokens: Tokens::default(),
        }
    }

    /// Whether a login was required.
    pub(super) fn asks_for_login(&self) -> bool {
        !matches!(self.known(), KnownChallenge::Nothing)
    }

    fn known(&self) -> KnownChallenge {
        self.challenge.lock().clone()
    }

    fn learn(&self, known: KnownChallenge) {
        *self.challenge.lock() = known;
    }

    /// Remembers for the next run what was needed to read from this repository.
    pub(super) fn remember(&self, realm: &str, service: Option<&str>, repository: &str) {
        let Some(cache) = &self.cache else { return };
        if let Err(error) = cache.logins().put(&self.host, realm, service, repository) {
            tracing::warn!("the token server of {} was not remembered: {error}", self.host);
        }
    }

    fn url(&self, path: &str, plain: bool) -> Result<Url, Fault> {
        if path.starts_with("http") {
            return Url::parse(path).map_err(|error| Fault::malformed("the registry's URL", error));
        }
        let scheme = if plain { "http" } else { "https" };
        Url::parse(&format!("{scheme}://{}{path}", self.host))
            .map_err(|error| Fault::malformed("the registry's URL", error))
    }
}

impl Repository {
    /// Requests a pull token, if the token server is known from an earlier run.
    pub(super) async fn ask_ahead(&self) {
        if let KnownChallenge::Remembered(Challenge::Bearer { realm, service }) = self.endpoint.known()
            && let Err(fault) = self.token(&realm, service.as_deref(), PULL).await
        {
            tracing::debug!("no token for {} in advance: {fault}", self.spec.name());
        }
    }

    /// Sends a request; if the registry asks for a login, logs in and sends it again.
    pub(super) async fn send(&self, ask: &Ask<'_>) -> Result<Response, Fault> {
        let first = match self.endpoint.known() {
            KnownChallenge::Said(challenge) => self.authorization(&challenge, ask.actions).await?,
            KnownChallenge::Remembered(challenge) => match self.authorization(&challenge, ask.actions).await {
                Ok(first) => first,
                Err(_) => {
                    self.endpoint.learn(KnownChallenge::Nothing);
                    None
                }
            },
            KnownChallenge::Nothing => None,
        };
        let response = self.reach(ask, first.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let refused = Fault::Unauthorized { given: self.credential()?.is_some() };
        let Some(challenge) = Challenge::of(response.headers()) else { return Err(refused) };
        self.endpoint.learn(KnownChallenge::Said(challenge.clone()));
        if let Some(stale) = &first {
            self.endpoint.tokens.forget(&self.spec.repository, ask.actions, stale);
        }
        let second = self.authorization(&challenge, ask.actions).await?;
        if second.is_none() || second == first {
            return Err(refused);
        }
        let response = self.reach(ask, second.as_ref()).await?;
        if response.status() == StatusCode::UNAUTHORIZED { Err(refused) } else { Ok(response) }
    }

    /// The header that answers the challenge; `None` when there are no credentials.
    async fn authorization(&self, challenge: &Challenge, actions: &str) -> Result<Option<HeaderValue>, Fault> {
        match (challenge, self.credential()?) {
            (_, Some(Credential::RegistryToken(token))) => secret(&format!("Bearer {token}")).map(Some),
            (Challenge::Basic, Some(Credential::Basic { user, password })) => basic(user, password).map(Some),
            (Challenge::Basic, _) => Ok(None),
            (Challenge::Bearer { realm, service }, _) => self.token(realm, service.as_deref(), actions).await.map(Some),
        }
    }

    /// Sends a request; an insecure registry without TLS gets it in plain HTTP.
    async fn reach(&self, ask: &Ask<'_>, authorization: Option<&HeaderValue>) -> Result<Response, Fault> {
        let plain = self.endpoint.plain.load(Ordering::Relaxed);
        let over_tls = match self.follow(ask, authorization, plain).await {
            Err(fault @ (Fault::Tls { .. } | Fault::Unreachable { .. })) if self.endpoint.insecure && !plain => fault,
            sent => return sent,
        };
        // A server that replies to a TLS handshake with something else has no TLS, and its reply does not matter.
        let speaks_tls = !matches!(over_tls, Fault::Tls { cause: TlsCause::NotSpoken, .. });
        let fault = match self.follow(ask, authorization, true).await {
            // TLS servers say this to any plain HTTP request.
            Ok(response) if response.status() == StatusCode::BAD_REQUEST && speaks_tls => {
                match self.success(response, "image").await {
                    Err(fault) => fault,
                    Ok(response) => return Ok(response),
                }
            }
            Ok(response) => {
                self.endpoint.plain.store(true, Ordering::Relaxed);
                return Ok(response);
            }
            Err(fault) => fault,
        };
        if !speaks_tls || fault == over_tls {
            return Err(fault);
        }
        Err(Fault::Twice { tls: Box::new(over_tls), plain: Box::new(fault) })
    }

    /// Sends a request and follows redirects. Credentials stay with their registry.
    async fn follow(&self, ask: &Ask<'_>, authorization: Option<&HeaderValue>, plain: bool) -> Result<Response, Fault> {
        let home = self.endpoint.url("/", plain)?;
        let from = self.endpoint.url(ask.path, plain)?;
        let journey = Journey { method: &ask.method, home: &home, authorization, what: "the registry's redirect" };
        self.travel(from, journey, |mut request| {
            for kind in ask.accept {
                request = request.header(ACCEPT, *kind);
            }
            ask.body.attach(request)
        })
        .await
    }

    /// Sends a request wherever redirects lead.
    pub(super) async fn travel(
        &self,
        from: Url,
        journey: Journey<'_>,
        prepare: impl Fn(RequestBuilder) -> Result<RequestBuilder, Fault>,
    ) -> Result<Response, Fault> {
        let broken = |why: &dyn std::fmt::Display| Fault::malformed(journey.what, why);
        let mut url = from;
        for _ in 0..=MAX_REDIRECTS {
            let insecure = self.is_insecure(&url);
            let safe = insecure || url.scheme() == "https";
            if !safe && !self.endpoint.insecure {
                return Err(broken(&format!("it leads to {}, which has no TLS", authority(&url))));
            }
            let client = self.clients.client(&url, insecure)?;
            let mut request = prepare(client.request(journey.method.clone(), url.clone()))?;
            let at_home = safe && authority(&url) == authority(journey.home);
            if let Some(value) = journey.authorization.filter(|_| at_home) {
                request = request.header(AUTHORIZATION, value.clone());
            }
            let response = request.send().await.map_err(|error| match answer::failure(error) {
                // A host that is already marked insecure need not be suggested.
                Fault::Tls { host, why, .. } if insecure && !self.is_home(&url) => {
                    Fault::Tls { host, why, cause: TlsCause::Other }
                }
                Fault::Tls { host, why, cause: cause @ TlsCause::Certificate } => {
                    let missed = self.clients.missed(&host);
                    let why = if missed.is_empty() { why } else { format!("{why} (what cannot be used: {missed})") };
                    Fault::Tls { host, why, cause }
                }
                fault => fault,
            })?;
            let reads = *journey.method == Method::GET || *journey.method == Method::HEAD;
            if !response.status().is_redirection() || !reads {
                return Ok(response);
            }
            url = location(&response).ok_or_else(|| broken(&"it has no usable Location"))?;
        }
        Err(broken(&format!("there are more than {MAX_REDIRECTS}")))
    }

    /// Whether this is the registry itself.
    pub(super) fn is_home(&self, url: &Url) -> bool {
        self.endpoint.url("/", url.scheme() == "http").is_ok_and(|home| authority(&home) == authority(url))
    }

    /// Whether the host of this URL is marked insecure: neither its identity nor confidentiality is expected.
    pub(super) fn is_insecure(&self, url: &Url) -> bool {
        if self.is_home(url) { self.endpoint.insecure } else { self.registries.is_insecure(&authority(url)) }
    }
}

/// A request that may be redirected.
#[derive(Clone, Copy)]
pub(super) struct Journey<'a> {
    pub(super) method: &'a Method,
    /// The host that the credentials are for.
    pub(super) home: &'a Url,
    pub(super) authorization: Option<&'a HeaderValue>,
    /// What is wrong with a redirect.
    pub(super) what: &'static str,
}

impl Body<'_> {
    fn attach(&self, request: RequestBuilder) -> Result<RequestBuilder, Fault> {
        Ok(match self {
            Self::None => request,
            Self::Bytes("", bytes) => request.header(CONTENT_LENGTH, bytes.len()).body(bytes.clone()),
            Self::Bytes(media_type, bytes) => request.header(CONTENT_TYPE, *media_type).body(bytes.clone()),
            Self::Stream(chunks, size) => {
                let taken = chunks.lock().take();
                let why = || Fault::Unreachable {
                    host: String::new(),
                    why: "the upload was interrupted by a login".to_owned(),
                };
                let body = reqwest::Body::wrap_stream(taken.ok_or_else(why)?);
                request.header(CONTENT_TYPE, "application/octet-stream").header(CONTENT_LENGTH, *size).body(body)
            }
        })
    }
}

/// The redirect target of a response.
pub(super) fn location(response: &Response) -> Option<Url> {
    let target = response.headers().get(LOCATION)?.to_str().ok()?;
    response.url().join(target).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

pub(super) fn basic(user: &str, password: &str) -> Result<HeaderValue, Fault> {
    secret(&format!("Basic {}", BASE64.encode(format!("{user}:{password}"))))
}

/// A header value that is never logged.
pub(super) fn secret(text: &str) -> Result<HeaderValue, Fault> {
    let unusable = |_| Fault::malformed("a credential", "it has characters that cannot be sent");
    let mut value = HeaderValue::from_str(text).map_err(unusable)?;
    value.set_sensitive(true);
    Ok(value)
}
