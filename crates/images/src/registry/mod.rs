//! Talking to a registry: the pull side of the OCI distribution specification, and as much of the push side as pushing
//! a payload needs.
//!
//! One request is one attempt: the caller decides what a failure means and whether to retry.
//!
//! | module | question |
//! |---|---|
//! | `clients` | how to connect to a host |
//! | `challenge` | how a registry wants clients to log in |
//! | `token` | getting and keeping tokens |
//! | `session` | one request: scheme, login, redirects |
//! | [`answer`] | what a response means |
//!
//! Source: `spec.md` of the OCI distribution specification.

mod answer;
mod challenge;
mod clients;
mod session;
mod token;

use crate::authfile::{Authfile, BadEntry, Credential};
use crate::cache::Cache;
use crate::digest::{ByteStream, Digest};
use crate::error::Fault;
use crate::manifest::{MAX_DOCUMENT, media};
use crate::proxy::Proxy;
use crate::pull_spec::{BadPullSpec, PullSpec, Version};
use crate::registries::{Place, Registries};
use crate::trust::Trust;
use bytes::Bytes;
use clients::{Clients, authority};
use futures::StreamExt as _;
use parking_lot::Mutex;
use reqwest::{Method, StatusCode};
use session::{Ask, Body, Endpoint};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Accepted media types, best first. Obsolete schema 1 is not among them.
const ACCEPT: [&str; 4] = [media::MANIFEST, media::DOCKER_MANIFEST, media::DOCKER_LIST, media::INDEX];
/// What a token must allow for pulling.
const PULL: &str = "pull";
/// And for pushing.
const PUSH: &str = "pull,push";
/// And for deleting, which registries name differently.
const ANYTHING: &str = "*";
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// The registries, as configured.
#[derive(Debug, Default)]
pub struct Registry {
    authfile: Authfile,
    registries: Arc<Registries>,
    clients: Arc<Clients>,
    cache: Option<Arc<Cache>>,
    endpoints: Mutex<BTreeMap<(String, bool), Arc<Endpoint>>>,
}

/// One repository of one registry.
#[derive(Clone, Debug)]
pub struct Repository {
    spec: PullSpec,
    endpoint: Arc<Endpoint>,
    clients: Arc<Clients>,
    /// Which hosts are insecure.
    registries: Arc<Registries>,
    /// The authfile entry for it: its name and contents.
    login: Option<(String, Result<Credential, BadEntry>)>,
}

impl Registry {
    /// With these credentials, locations, certificates and this proxy; how to log in to registries is stored
    /// next to the cache.
    #[must_use]
    pub fn new(
        authfile: Authfile,
        registries: Registries,
        trust: Trust,
        proxy: Proxy,
        cache: Option<Arc<Cache>>,
    ) -> Self {
        let (registries, clients) = (Arc::new(registries), Arc::new(Clients::new(trust, proxy)));
        Self { authfile, registries, clients, cache, endpoints: Mutex::default() }
    }

    /// The locations to ask for an image, in order.
    #[must_use]
    pub fn places(&self, spec: &PullSpec) -> Vec<Result<Place, BadPullSpec>> {
        self.registries.places(spec)
    }

    /// The repository at a location. For a registry known from an earlier run, tokens are requested at once, which requires a
    /// runtime.
    ///
    /// # Errors
    /// [`Fault::Blocked`].
    pub fn repository(&self, place: &Place) -> Result<Repository, Fault> {
        if let Some(prefix) = &place.blocked_by {
            return Err(Fault::Blocked { prefix: prefix.clone() });
        }
        let repository = |endpoint: Arc<Endpoint>, spec: PullSpec| {
            let found = self.authfile.entry(&spec.registry, &spec.repository);
            let login = found.map(|(entry, credential)| (entry.to_owned(), credential.cloned()));
            Repository { spec, endpoint, clients: self.clients.clone(), registries: self.registries.clone(), login }
        };
        let host = if place.spec.registry == DOCKER_HUB { DOCKER_HUB_API } else { &place.spec.registry };
        let key = (host.to_owned(), place.insecure);
        let mut endpoints = self.endpoints.lock();
        if let Some(endpoint) = endpoints.get(&key) {
            return Ok(repository(endpoint.clone(), place.spec.clone()));
        }
        let endpoint = Arc::new(Endpoint::new(host, place.insecure, self.cache.clone()));
        endpoints.insert(key, endpoint.clone());
        let remembered = self.cache.as_ref().and_then(|cache| cache.logins().of(host));
        for other in remembered.into_iter().flat_map(|server| server.repositories) {
            let ahead = repository(endpoint.clone(), PullSpec { repository: other, ..place.spec.clone() });
            // Not awaited: a request that needs the token finds it, or waits for the same response.
            tokio::spawn(async move { ahead.ask_ahead().await });
        }
        Ok(repository(endpoint, place.spec.clone()))
    }
}

impl Repository {
    /// Its name in messages.
    #[must_use]
    pub fn place(&self) -> String {
        self.spec.name()
    }

    /// The authfile entry whose credentials the registry asked for; `None` when it asked for none, or there are none.
    #[must_use]
    pub fn logged_in_as(&self) -> Option<&str> {
        self.login.as_ref().map(|(entry, _)| entry.as_str()).filter(|_| self.endpoint.asks_for_login())
    }

    /// The credentials for a login; `None` when there are none.
    fn credential(&self) -> Result<Option<&Credential>, Fault> {
        match &self.login {
            Some((_, Ok(credential))) => Ok(Some(credential)),
            Some((entry, Err(why))) => Err(Fault::Login { entry: entry.clone(), why: *why }),
            None => Ok(None),
        }
    }

    /// Passes on a success of the registry, or of a redirect target; anything else becomes a fault.
    async fn success(&self, response: reqwest::Response, what: &'static str) -> Result<reqwest::Response, Fault> {
        let at = authority(response.url());
        let by =
            if self.is_home(response.url()) { String::new() } else { format!("{at}, which the registry refers to,") };
        answer::success(response, what, self.login.is_some(), by).await
    }

    fn path(&self, rest: &str) -> String {
        format!("/v2/{}/{rest}", self.spec.repository)
    }

    async fn pull(
        &self,
        path: &str,
        accept: &'static [&'static str],
        what: &'static str,
    ) -> Result<reqwest::Response, Fault> {
        let ask = Ask { method: Method::GET, path, accept, body: Body::None, actions: PULL };
        let response = self.send(&ask).await?;
        self.success(response, what).await
    }

    /// The bytes of a manifest or index and their digest, which is the requested one if there was one.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn manifest(&self, version: &Version) -> Result<(Digest, Bytes), Fault> {
        let response = self.pull(&self.path(&format!("manifests/{version}")), &ACCEPT, "image").await?;
        let bytes = answer::limited(response, "the manifest", MAX_DOCUMENT).await?;
        match version {
            Version::Digest(digest) => digest.verify(&bytes).map(|()| (digest.clone(), bytes)),
            Version::Tag(_) => Ok((Digest::of(&bytes), bytes)),
        }
    }

    /// The chunks of a blob, not yet verified.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn blob(&self, digest: &Digest) -> Result<ByteStream, Fault> {
        let response = self.pull(&self.path(&format!("blobs/{digest}")), &[], "blob").await?;
        Ok(response.bytes_stream().map(|chunk| chunk.map_err(answer::failure)).boxed())
    }

    /// Whether the repository has this blob.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn has_blob(&self, digest: &Digest) -> Result<bool, Fault> {
        let path = self.path(&format!("blobs/{digest}"));
        let ask = Ask { method: Method::HEAD, path: &path, accept: &[], body: Body::None, actions: PUSH };
        let response = self.send(&ask).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        self.success(response, "blob").await.map(|_| true)
    }

    /// Uploads a blob of this size to the repository; `open` returns its chunks.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn put_blob(&self, digest: &Digest, size: u64, chunks: ByteStream) -> Result<(), Fault> {
        let path = self.path("blobs/uploads/");
        let ask =
            Ask { method: Method::POST, path: &path, accept: &[], body: Body::Bytes("", Bytes::new()), actions: PUSH };
        let begun = self.success(self.send(&ask).await?, "repository").await?;
        let location = session::location(&begun)
            .ok_or_else(|| Fault::malformed("the registry's answer to an upload", "it has no usable Location"))?;
        let mut target = location;
        target.query_pairs_mut().append_pair("digest", digest.as_str());
        let stream = Body::Stream(Mutex::new(Some(chunks)), size);
        let ask = Ask { method: Method::PUT, path: target.as_str(), accept: &[], body: stream, actions: PUSH };
        self.success(self.send(&ask).await?, "upload").await.map(drop)
    }

    /// Deletes a manifest, and with it the tags that lead to it.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn delete_manifest(&self, version: &Version) -> Result<(), Fault> {
        let path = self.path(&format!("manifests/{version}"));
        let ask = Ask { method: Method::DELETE, path: &path, accept: &[], body: Body::None, actions: ANYTHING };
        self.success(self.send(&ask).await?, "image").await.map(drop)
    }

    /// Uploads a manifest to the repository.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn put_manifest(&self, version: &Version, media_type: &str, bytes: Bytes) -> Result<(), Fault> {
        let path = self.path(&format!("manifests/{version}"));
        let body = Body::Bytes(media_type, bytes);
        let ask = Ask { method: Method::PUT, path: &path, accept: &[], body, actions: PUSH };
        self.success(self.send(&ask).await?, "repository").await.map(drop)
    }
}
