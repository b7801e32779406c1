//! Blobs being uploaded: at once, in several requests, or mounted from another repository.
//!
//! Source: "Pushing blobs" and "Mounting a blob from another repository" of the OCI distribution specification.

use super::{Answer, Ask, DIGEST, bare, next, set};
use crate::{
    Registry,
    address::{Name, digest},
    range,
    refusal::{Code, Refusal},
    store::Upload,
};
use bytes::Bytes;
use http::{
    HeaderName, Response, StatusCode,
    header::{CONTENT_RANGE, LOCATION, RANGE},
};
use std::fmt::Display;
use weir_images::Digest;

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

impl Registry {
    /// Begins an upload; one with a digest is the whole blob, and one to be mounted may exist already.
    pub(super) async fn begin<B>(&self, ask: &Ask, name: &Name, body: B) -> Answer
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Display,
    {
        if let Some(mount) = ask.query("mount") {
            let mount = digest(mount)?;
            if self.store.blob(&mount).is_ok() {
                return Ok(created(name, &mount));
            }
        }
        let whole = ask.query("digest").map(digest).transpose()?;
        let upload = self.store.uploads().begin(name).await?;
        match whole {
            Some(whole) => self.complete(name, upload, &whole, body).await,
            None => {
                let response = state(StatusCode::ACCEPTED, name, &upload);
                upload.keep().await?;
                Ok(response)
            }
        }
    }

    pub(super) async fn progress(&self, name: &Name, id: &str) -> Answer {
        let upload = self.store.uploads().take(name, id)?;
        let response = state(StatusCode::NO_CONTENT, name, &upload);
        upload.keep().await?;
        Ok(response)
    }

    pub(super) async fn go_on<B>(&self, ask: &Ask, name: &Name, id: &str, body: B) -> Answer
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Display,
    {
        let upload = self.store.uploads().take(name, id)?;
        let (mut upload, end) = match continues(ask, name, upload).await? {
            Ok(continued) => continued,
            Err(response) => return Ok(response),
        };
        receive(&mut upload, body, end).await?;
        let response = state(StatusCode::ACCEPTED, name, &upload);
        upload.keep().await?;
        Ok(response)
    }

    pub(super) async fn finish<B>(&self, ask: &Ask, name: &Name, id: &str, body: B) -> Answer
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Display,
    {
        let whole = digest(ask.query("digest").unwrap_or_default())?;
        let upload = self.store.uploads().take(name, id)?;
        match continues(ask, name, upload).await? {
            Ok((mut upload, end)) => {
                if end.is_some() {
                    receive(&mut upload, body, end).await?;
                    return self.complete(name, upload, &whole, http_body_util::Empty::new()).await;
                }
                self.complete(name, upload, &whole, body).await
            }
            Err(response) => Ok(response),
        }
    }

    async fn complete<B>(&self, name: &Name, mut upload: Upload, whole: &Digest, body: B) -> Answer
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Display,
    {
        receive(&mut upload, body, None).await?;
        let gone = || Refusal::new(Code::BlobUploadUnknown, "the upload has ended");
        self.store.adopt(upload.into_content().ok_or_else(gone)?, whole).await?;
        Ok(created(name, whole))
    }
}

/// Checks that the data begins where the last part ended; returns where it says it ends. Otherwise returns the response, and the
/// upload stays for another attempt.
async fn continues(
    ask: &Ask,
    name: &Name,
    upload: Upload,
) -> Result<Result<(Upload, Option<u64>), Response<super::Body>>, Refusal> {
    let Some(header) = ask.header(&CONTENT_RANGE) else { return Ok(Ok((upload, None))) };
    match range::of_chunk(header) {
        Some((first, last)) if first == upload.length() => Ok(Ok((upload, Some(last.saturating_add(1))))),
        _ => {
            let response = state(StatusCode::RANGE_NOT_SATISFIABLE, name, &upload);
            upload.keep().await?;
            Ok(Err(response))
        }
    }
}

async fn receive<B>(upload: &mut Upload, mut body: B, end: Option<u64>) -> Result<(), Refusal>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    while let Some(chunk) = next(&mut body).await? {
        upload.write(&chunk).await?;
    }
    match end.filter(|end| *end != upload.length()) {
        None => Ok(()),
        Some(end) => {
            let message = format!("the chunk was to end at byte {end}, and ended at {}", upload.length());
            Err(Refusal::new(Code::SizeInvalid, message))
        }
    }
}

/// Where an upload continues, and how far it is.
fn state(status: StatusCode, name: &Name, upload: &Upload) -> Response<super::Body> {
    let mut response = bare(status);
    set(&mut response, LOCATION, &format!("/v2/{name}/blobs/uploads/{}", upload.id()));
    set(&mut response, RANGE, &format!("0-{}", upload.length().saturating_sub(1)));
    set(&mut response, UPLOAD_ID, upload.id());
    response
}

fn created(name: &Name, digest: &Digest) -> Response<super::Body> {
    let mut response = bare(StatusCode::CREATED);
    set(&mut response, LOCATION, &format!("/v2/{name}/blobs/{digest}"));
    set(&mut response, DIGEST, digest.as_str());
    response
}
