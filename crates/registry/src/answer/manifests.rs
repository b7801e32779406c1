//! Manifests.

use super::{Answer, Ask, DIGEST, bare, full, next, set};
use crate::{
    Registry,
    address::{Name, Reference},
    manifest::LARGEST,
    refusal::{Code, Refusal},
};
use bytes::Bytes;
use http::{
    HeaderName, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION},
};
use std::fmt::Display;

/// Confirms that the registry knows a manifest's subject.
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

impl Registry {
    pub(super) async fn manifest(&self, name: &Name, reference: &Reference) -> Answer {
        let stored = self.store.manifest(name, reference).await?;
        let length = stored.bytes.len().to_string();
        let mut response = Response::new(full(stored.bytes));
        set(&mut response, CONTENT_TYPE, &stored.media_type);
        set(&mut response, CONTENT_LENGTH, &length);
        set(&mut response, DIGEST, stored.digest.as_str());
        Ok(response)
    }

    pub(super) async fn put_manifest<B>(&self, ask: &Ask, name: &Name, reference: &Reference, mut body: B) -> Answer
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Display,
    {
        let mut bytes = Vec::new();
        while let Some(chunk) = next(&mut body).await? {
            if bytes.len() + chunk.len() > LARGEST {
                let message = format!("the manifest is larger than {LARGEST} bytes, which is the most that is taken");
                return Err(Refusal::with(StatusCode::PAYLOAD_TOO_LARGE, Code::ManifestInvalid, message));
            }
            bytes.extend_from_slice(&chunk);
        }
        let sent_as = ask.header(&CONTENT_TYPE).and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        let (digest, manifest) = self.store.put(name, reference, sent_as, Bytes::from(bytes)).await?;
        let mut response = bare(StatusCode::CREATED);
        set(&mut response, LOCATION, &format!("/v2/{name}/manifests/{digest}"));
        set(&mut response, DIGEST, digest.as_str());
        if let Some(subject) = &manifest.subject {
            set(&mut response, SUBJECT, subject.as_str());
        }
        Ok(response)
    }
}
