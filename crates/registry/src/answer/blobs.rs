//! Stored blobs.

use super::{Answer, Ask, Body, DIGEST, empty, full, set};
use crate::{
    Registry,
    range::{self, Wanted},
    refusal::{Code, Refusal},
    store::Place,
};
use futures::TryStreamExt as _;
use http::{
    Method, Response, StatusCode,
    header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE},
};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use std::{io, ops::Range, path::Path};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;
use weir_images::{Digest, Layout};

/// How much is read from the disk at once. Most configs are smaller, and are sent without a stream.
const CHUNK: usize = 64 << 10;

impl Registry {
    pub(super) async fn blob(&self, ask: &Ask, digest: &Digest) -> Answer {
        let (place, size) = self.store.blob(digest)?;
        let wanted = range::wanted(ask.header(&RANGE), size);
        let part = match &wanted {
            Wanted::All => 0..size,
            Wanted::Part(part) => part.clone(),
            Wanted::Nothing => {
                let message = format!("the blob has {size} bytes");
                return Err(Refusal::with(StatusCode::RANGE_NOT_SATISFIABLE, Code::SizeInvalid, message));
            }
        };
        let body = match place {
            _ if ask.method == Method::HEAD => empty(),
            Place::File(path) => file(&path, part.clone()).await?,
            Place::Layout(layout) => offered(&layout, digest, part.clone()).await?,
        };
        let mut response = Response::new(body);
        if matches!(wanted, Wanted::Part(_)) {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut response, CONTENT_RANGE, &format!("bytes {}-{}/{size}", part.start, part.end - 1));
        }
        set(&mut response, CONTENT_LENGTH, &(part.end - part.start).to_string());
        set(&mut response, CONTENT_TYPE, "application/octet-stream");
        set(&mut response, ACCEPT_RANGES, "bytes");
        set(&mut response, DIGEST, digest.as_str());
        Ok(response)
    }
}

async fn file(path: &Path, part: Range<u64>) -> Result<Body, Refusal> {
    let length = part.end - part.start;
    let opened = async {
        let mut file = tokio::fs::File::open(path).await?;
        if part.start > 0 {
            file.seek(io::SeekFrom::Start(part.start)).await?;
        }
        if length > CHUNK as u64 {
            let chunks = ReaderStream::with_capacity(file.take(length), CHUNK);
            return Ok(StreamBody::new(chunks.map_ok(Frame::data)).boxed_unsync());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        file.take(length).read_to_end(&mut bytes).await?;
        io::Result::Ok(full(bytes))
    };
    opened.await.map_err(|error| match error.kind() {
        // It was just deleted.
        io::ErrorKind::NotFound => Refusal::new(Code::BlobUnknown, "the blob has been deleted"),
        _ => Refusal::disk(&error),
    })
}

async fn offered(layout: &Layout, digest: &Digest, part: Range<u64>) -> Result<Body, Refusal> {
    let chunks = layout.blob(digest).await.map_err(|fault| Refusal::new(Code::Unknown, fault.to_string()))?;
    let mut at = 0;
    let cut = chunks.map_err(io::Error::other).map_ok(move |chunk| {
        let length = chunk.len() as u64;
        let within = |end: u64| usize::try_from(end.saturating_sub(at).min(length)).unwrap_or_default();
        let (from, to) = (within(part.start), within(part.end));
        at += length;
        Frame::data(chunk.slice(from..to))
    });
    Ok(StreamBody::new(cut).boxed_unsync())
}
