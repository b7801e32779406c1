//! A registry in a folder, asked without a socket.
#![allow(clippy::unwrap_used, reason = "for tests: what cannot be asked shall stop one")]

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{convert::Infallible, fmt::Display, path::Path};
use tempfile::TempDir;
use weir_images::Digest;
use weir_registry::{Limits, Registry};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

pub struct Place {
    pub folder: TempDir,
    pub registry: Registry,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A request's method, path and headers; the login is added.
pub type Ask<'a> = (Method, &'a str, &'a [(&'a str, &'a str)]);

impl Place {
    pub fn new() -> Self {
        Self::limited(Limits::default())
    }

    pub fn limited(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = open(folder.path(), limits);
        Self { folder, registry }
    }

    /// As after a start of another process.
    pub fn restart(self) -> Self {
        let Self { folder, registry } = self;
        drop(registry);
        let registry = open(folder.path(), Limits::default());
        Self { folder, registry }
    }

    /// Files that are being written.
    pub fn unfinished(&self) -> usize {
        self.folder.path().join("unfinished").read_dir().unwrap().count()
    }

    pub async fn ask(&self, ask: Ask<'_>, body: impl Into<Bytes>) -> Answer {
        send(&self.registry, ask, Full::new(body.into())).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask((Method::GET, path, &[]), "").await
    }

    /// Pushes a blob at once.
    pub async fn blob(&self, content: &[u8]) -> Digest {
        push_blob(&self.registry, content).await
    }

    /// Pushes an image with one layer under a name and tag or digest.
    pub async fn image(&self, name: &str, reference: &str, layer: &[u8]) -> (Answer, Value) {
        let manifest = image(&self.blob(b"{}").await, &self.blob(layer).await);
        (self.manifest(name, reference, &manifest).await, manifest)
    }

    pub async fn manifest(&self, name: &str, reference: &str, manifest: &Value) -> Answer {
        let path = format!("/v2/{name}/manifests/{reference}");
        self.ask((Method::PUT, &path, &[("content-type", MANIFEST)]), manifest.to_string()).await
    }
}

pub fn open(folder: &Path, limits: Limits) -> Registry {
    Registry::open(folder, limits, Timestamp::now).unwrap()
}

pub fn image(config: &Digest, layer: &Digest) -> Value {
    let descriptor = |digest: &Digest, kind: &str| json!({"mediaType": kind, "digest": digest, "size": 1});
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor(layer, "application/vnd.oci.image.layer.v1.tar+gzip")],
    })
}

pub async fn push_blob(registry: &Registry, content: &[u8]) -> Digest {
    let digest = Digest::of(content);
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    let answer = send(registry, (Method::POST, &path, &[]), Full::new(Bytes::copy_from_slice(content))).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    digest
}

pub async fn send<B>(registry: &Registry, (method, path, headers): Ask<'_>, body: B) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + Unpin,
    B::Error: Display,
{
    let (user, password) = registry.login();
    let login = format!("Basic {}", BASE64.encode(format!("{user}:{password}")));
    let mut request = Request::builder().method(method).uri(path).header("authorization", login);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = registry.answer(request.body(body).unwrap()).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Code of the error.
    pub fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.code().as_str()), (status, code), "{}", self.text());
    }

    #[track_caller]
    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }
}

/// A body whose chunks come as somebody sends them.
pub fn chunks(
    chunks: impl futures::Stream<Item = Bytes> + Send + 'static,
) -> impl http_body::Body<Data = Bytes, Error = Infallible> + Send + Unpin {
    use futures::StreamExt as _;
    http_body_util::StreamBody::new(chunks.map(|chunk| Ok(http_body::Frame::data(chunk))).boxed())
}
