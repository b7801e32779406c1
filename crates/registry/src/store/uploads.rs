//! Blobs being uploaded.
//!
//! 1. An upload is started, gets its bytes in one or several requests, and is finished with the digest that they must have.
//! 2. Only one request at a time holds it. A request that fails in the middle of its body ends the upload and removes its data.
//! 3. Their number is limited; one that is not continued for [`IDLE`] is ended, at the latest when its place is needed.

use super::{
    disk::{Disk, Unfinished},
    room::{Room, Taken},
};
use crate::{
    address::Name,
    refusal::{Code, Refusal},
};
use bytes::Bytes;
use http::StatusCode;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::Duration};
use tokio::{fs::File, io::AsyncWriteExt as _, time::Instant};
use weir_images::Digest;

/// Maximum number of uploads in progress: several clients that send eight layers each.
pub(crate) const MOST: usize = 64;
/// A client that pauses for this long between two requests is gone.
pub(crate) const IDLE: Duration = Duration::from_mins(15);

#[derive(Debug)]
pub(crate) struct Uploads {
    disk: Disk,
    room: Arc<Room>,
    /// Maximum size of a blob.
    limit: u64,
    open: Mutex<BTreeMap<String, Slot>>,
}

#[derive(Debug)]
struct Slot {
    name: Name,
    /// Absent while a request holds it.
    content: Option<Content>,
    touched: Instant,
}

/// The data so far.
#[derive(Debug)]
pub(crate) struct Content {
    file: File,
    unfinished: Unfinished,
    hasher: Sha256,
    taken: Taken,
    limit: u64,
}

/// An upload held by a request; ended when dropped.
#[derive(Debug)]
pub(crate) struct Upload {
    uploads: Arc<Uploads>,
    id: String,
    content: Option<Content>,
    kept: bool,
}

impl Uploads {
    pub(crate) fn new(disk: Disk, room: Arc<Room>, limit: u64) -> Self {
        Self { disk, room, limit, open: Mutex::default() }
    }

    pub(crate) async fn begin(self: &Arc<Self>, name: &Name) -> Result<Upload, Refusal> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        {
            let mut open = self.open.lock();
            if open.len() >= MOST {
                expire(&mut open);
            }
            if open.len() >= MOST {
                let message = format!("{MOST} uploads are in progress; finish or cancel one, or try again later");
                return Err(Refusal::new(Code::TooManyRequests, message));
            }
            open.insert(id.clone(), Slot { name: name.clone(), content: None, touched: Instant::now() });
        }
        let mut upload = Upload { uploads: self.clone(), id, content: None, kept: false };
        upload.content = Some(self.content().await?);
        Ok(upload)
    }

    /// A blob that does not come from a client.
    pub(crate) async fn content(&self) -> Result<Content, Refusal> {
        let unfinished = self.disk.unfinished();
        let file = File::create_new(unfinished.path()).await.map_err(|error| Refusal::disk(&error))?;
        let room = self.room.clone();
        Ok(Content { file, unfinished, hasher: Sha256::new(), taken: Taken::none(room), limit: self.limit })
    }

    pub(crate) fn take(self: &Arc<Self>, name: &Name, id: &str) -> Result<Upload, Refusal> {
        let mut open = self.open.lock();
        let slot = open.get_mut(id).filter(|slot| slot.name == *name).ok_or_else(|| {
            Refusal::new(Code::BlobUploadUnknown, "there is no such upload in progress; begin a new one")
        })?;
        let content = slot.content.take().ok_or_else(|| {
            Refusal::with(StatusCode::CONFLICT, Code::BlobUploadInvalid, "another request goes on with this upload")
        })?;
        Ok(Upload { uploads: self.clone(), id: id.to_owned(), content: Some(content), kept: false })
    }

    /// Ends abandoned uploads.
    pub(crate) fn expire(&self) {
        expire(&mut self.open.lock());
    }
}

fn expire(open: &mut BTreeMap<String, Slot>) {
    open.retain(|_, slot| slot.content.is_none() || slot.touched.elapsed() < IDLE);
}

impl Upload {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn length(&self) -> u64 {
        self.content.as_ref().map_or(0, |content| content.taken.bytes())
    }

    pub(crate) async fn write(&mut self, chunk: &Bytes) -> Result<(), Refusal> {
        match &mut self.content {
            Some(content) => content.write(chunk).await,
            None => Ok(()),
        }
    }

    /// Returns it, so that another request can continue it.
    pub(crate) async fn keep(mut self) -> Result<(), Refusal> {
        if let Some(content) = &mut self.content {
            content.file.flush().await.map_err(|error| Refusal::disk(&error))?;
        }
        let mut open = self.uploads.open.lock();
        if let Some(slot) = open.get_mut(&self.id) {
            slot.content = self.content.take();
            slot.touched = Instant::now();
            self.kept = true;
        }
        Ok(())
    }

    /// The data is complete.
    pub(crate) fn into_content(mut self) -> Option<Content> {
        self.content.take()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Another request may hold it by now.
        if !self.kept {
            self.uploads.open.lock().remove(&self.id);
        }
    }
}

impl Content {
    pub(crate) async fn write(&mut self, chunk: &Bytes) -> Result<(), Refusal> {
        let bytes = chunk.len() as u64;
        if self.taken.bytes() + bytes > self.limit {
            let message = format!("the blob is larger than {} bytes, which is the most that is taken", self.limit);
            return Err(Refusal::with(StatusCode::PAYLOAD_TOO_LARGE, Code::SizeInvalid, message));
        }
        self.taken.more(bytes)?;
        self.hasher.update(chunk);
        self.file.write_all(chunk).await.map_err(|error| Refusal::disk(&error))
    }

    /// Flushes it to disk; returns the file if the bytes have this digest.
    pub(crate) async fn finish(mut self, wanted: &Digest) -> Result<(Unfinished, Taken), Refusal> {
        let actual = self.hasher.finalize().iter().fold(String::new(), |mut text, byte| {
            // Writing into a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        if actual != wanted.hex() {
            let message = format!("what came is sha256:{actual}, not {wanted}");
            return Err(Refusal::new(Code::DigestInvalid, message));
        }
        let flushed = async {
            self.file.flush().await?;
            self.file.sync_all().await
        };
        flushed.await.map_err(|error| Refusal::disk(&error))?;
        Ok((self.unfinished, self.taken))
    }
}
