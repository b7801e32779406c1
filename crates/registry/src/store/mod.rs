//! The contents, on disk and in memory.
//!
//! | module | subject |
//! |---|---|
//! | `disk` | where things are, and how they are written |
//! | `index` | what exists |
//! | `room` | how much more fits |
//! | `uploads` | blobs being uploaded |
//!
//! The index is locked while a file is moved into place or removed: what it lists exists.

mod disk;
mod index;
mod room;
mod uploads;

use crate::{
    Error, Limits,
    address::{Name, Reference},
    manifest::{self, Manifest},
    refusal::{Code, Refusal},
};
use bytes::Bytes;
use disk::Disk;
use futures::TryStreamExt as _;
use index::{Blob, Held, Index};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use room::{Room, Taken};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};
use uploads::Uploads;
use weir_images::{Digest, Layout};

pub(crate) use uploads::{Content, Upload};

/// A push sends blobs first and the manifest that needs them last, so an unreferenced blob is kept this long.
const GRACE: SignedDuration = SignedDuration::from_hours(1);
/// Maximum number of manifests: each takes some hundred bytes of memory.
const MOST_MANIFESTS: usize = 10_000;
/// Maximum number of tags of a repository.
const MOST_TAGS: usize = 10_000;

#[derive(Debug)]
pub(crate) struct Store {
    disk: Disk,
    pub(crate) now: fn() -> Timestamp,
    index: Mutex<Index>,
    room: Arc<Room>,
    uploads: Arc<Uploads>,
    _lock: Lock,
}

/// What keeps others from opening the same folder.
#[derive(Debug)]
struct Lock(File);

impl Lock {
    fn of(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("lock");
        let file = File::create(&path).map_err(Error::data("creating", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(fs::TryLockError::WouldBlock) => Err(Error::InUse { path: folder.to_owned() }),
            Err(fs::TryLockError::Error(cause)) => Err(Error::data("locking", &path)(cause)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing it is not enough: a child that has not become another program yet has it open, too.
        _ = self.0.unlock();
    }
}

/// Where a blob is.
#[derive(Debug)]
pub(crate) enum Place {
    File(PathBuf),
    Layout(Layout),
}

/// A manifest as it was pushed.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) bytes: Bytes,
}

impl Store {
    pub(crate) fn open(folder: &Path, limits: Limits, now: fn() -> Timestamp) -> Result<Self, Error> {
        disk::make(folder).map_err(Error::data("creating", folder))?;
        let lock = Lock::of(folder)?;
        let disk = Disk::open(folder)?;
        let index = Index::read(&disk)?;
        let room = Arc::new(Room::new(limits.all));
        room.found(index.blobs.values().map(|blob| blob.size).sum());
        room.found(index.manifests().map(|held| held.size).sum());
        let uploads = Arc::new(Uploads::new(disk.clone(), room.clone(), limits.blob));
        let store = Self { disk, now, index: Mutex::new(index), room, uploads, _lock: lock };
        store.collect(now())?;
        Ok(store)
    }

    pub(crate) async fn offer(&self, layout: Layout) -> Result<(), Error> {
        let (mut manifests, mut tags) = (Vec::new(), Vec::new());
        for image in layout.images() {
            let spec = layout.name(image);
            let bytes: Vec<Bytes> =
                image.digest.verified(layout.blob(&image.digest).await?, Some(image.size)).try_collect().await?;
            let Ok(parsed) = Manifest::parse(&bytes.concat(), "") else { continue };
            // What an index lists is stored as well, as far as it exists.
            manifests.extend(
                parsed.manifests.iter().filter(|child| layout.holds(child)).map(|child| (child.clone(), String::new())),
            );
            manifests.push((image.digest.clone(), parsed.media_type));
            if let (Ok(name), Some(tag)) = (Name::parse(&spec.repository), layout.tag(image)) {
                tags.push((name, tag, image.digest.clone()));
            }
        }
        let mut index = self.index.lock();
        for (name, tag, digest) in tags {
            index.offered.tags.entry(name).or_default().insert(tag, digest);
        }
        index.offered.manifests.extend(manifests);
        index.offered.layouts.push(layout);
        Ok(())
    }

    pub(crate) fn uploads(&self) -> &Arc<Uploads> {
        &self.uploads
    }

    /// The place and size of a blob, whose reader wants to use it.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<(Place, u64), Refusal> {
        let mut index = self.index.lock();
        if let Some(blob) = index.blobs.get_mut(digest) {
            blob.wanted = (self.now)();
            return Ok((Place::File(self.disk.blob(digest)), blob.size));
        }
        let unknown = || Refusal::new(Code::BlobUnknown, format!("there is no blob {digest}"));
        let layout = index.offered.holder(digest).ok_or_else(unknown)?;
        let size = layout.size(digest).map_err(|_| unknown())?;
        Ok((Place::Layout(layout.clone()), size))
    }

    /// Moves a complete blob into its place.
    pub(crate) async fn adopt(&self, content: Content, digest: &Digest) -> Result<(), Refusal> {
        let (unfinished, taken) = content.finish(digest).await?;
        let mut index = self.index.lock();
        let wanted = (self.now)();
        if let Some(blob) = index.blobs.get_mut(digest) {
            blob.wanted = wanted;
            return Ok(());
        }
        unfinished.place(&self.disk.blob(digest)).map_err(|error| Refusal::disk(&error))?;
        index.blobs.insert(digest.clone(), Blob { size: taken.keep(), wanted });
        Ok(())
    }

    /// What is pushed here must not depend on a layout, which may be replaced before the next startup.
    async fn own(&self, digest: &Digest) -> Result<(), Refusal> {
        let layout = {
            let index = self.index.lock();
            let held = index.blobs.contains_key(digest);
            index.offered.holder(digest).filter(|_| !held).cloned()
        };
        let Some(layout) = layout else { return Ok(()) };
        let unreadable = |fault: weir_images::Fault| Refusal::new(Code::Unknown, fault.to_string());
        let mut chunks = layout.blob(digest).await.map_err(unreadable)?;
        let mut content = self.uploads.content().await?;
        while let Some(chunk) = chunks.try_next().await.map_err(unreadable)? {
            content.write(&chunk).await?;
        }
        self.adopt(content, digest).await
    }

    pub(crate) fn remove_blob(&self, digest: &Digest) -> Result<(), Refusal> {
        let mut index = self.index.lock();
        if !index.blobs.contains_key(digest) {
            let offered = index.offered.holder(digest).is_some();
            return Err(if offered {
                of_release()
            } else {
                Refusal::new(Code::BlobUnknown, format!("there is no blob {digest}"))
            });
        }
        if index.is_needed(digest) {
            let message = "a manifest refers to this blob; delete the manifest first";
            return Err(Refusal::new(Code::Unsupported, message));
        }
        disk::remove(&self.disk.blob(digest)).map_err(|error| Refusal::disk(&error))?;
        let removed = index.blobs.remove(digest);
        self.room.give(removed.map_or(0, |blob| blob.size));
        Ok(())
    }

    pub(crate) async fn manifest(&self, name: &Name, reference: &Reference) -> Result<Stored, Refusal> {
        let (digest, offered) = self.find(name, reference)?;
        let unknown = || Refusal::new(Code::ManifestUnknown, format!("there is no manifest {digest} in {name}"));
        if let Some((layout, media_type)) = offered {
            let chunks = layout.blob(&digest).await.map_err(|_| unknown())?;
            let bytes: Vec<Bytes> =
                digest.verified(chunks, Some(manifest::LARGEST as u64)).try_collect().await.map_err(|_| unknown())?;
            let bytes = Bytes::from(bytes.concat());
            let media_type = if media_type.is_empty() { Manifest::parse(&bytes, "")?.media_type } else { media_type };
            return Ok(Stored { digest, media_type, bytes });
        }
        let file = tokio::fs::read(self.disk.manifest(name, &digest)).await.map_err(|_| unknown())?;
        let (media_type, start) = index::split(&file)
            .map(|(media, bytes)| (media.to_owned(), file.len() - bytes.len()))
            .ok_or_else(unknown)?;
        Ok(Stored { media_type, bytes: Bytes::from(file).slice(start..), digest })
    }

    /// The digest of a manifest, and the layout that provides it if it was not pushed.
    fn find(&self, name: &Name, reference: &Reference) -> Result<(Digest, Option<(Layout, String)>), Refusal> {
        let index = self.index.lock();
        let (own, offered) = (index.repositories.get(name), index.offered.tags.get(name));
        let digest = match reference {
            Reference::Digest(digest) => Some(digest),
            Reference::Tag(tag) => {
                own.and_then(|own| own.tags.get(tag)).or_else(|| offered.and_then(|tags| tags.get(tag)))
            }
        };
        if let Some(digest) = digest {
            if own.is_some_and(|own| own.manifests.contains_key(digest)) {
                return Ok((digest.clone(), None));
            }
            if let (Some(media_type), Some(layout)) =
                (index.offered.manifests.get(digest), index.offered.holder(digest))
            {
                return Ok((digest.clone(), Some((layout.clone(), media_type.clone()))));
            }
        }
        let what = match reference {
            Reference::Digest(digest) => digest.to_string(),
            Reference::Tag(tag) => format!("tagged {tag:?}"),
        };
        Err(Refusal::new(Code::ManifestUnknown, format!("there is no manifest {what} in {name}")))
    }

    /// Stores a manifest whose blobs exist.
    pub(crate) async fn put(
        self: &Arc<Self>,
        name: &Name,
        reference: &Reference,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<(Digest, Manifest), Refusal> {
        let digest = Digest::of(&bytes);
        if let Reference::Digest(wanted) = reference
            && *wanted != digest
        {
            return Err(Refusal::new(Code::DigestInvalid, format!("what came is {digest}, not {wanted}")));
        }
        let manifest = Manifest::parse(&bytes, media_type)?;
        for blob in &manifest.blobs {
            self.own(blob).await?;
        }
        for child in &manifest.manifests {
            let reference = Reference::Digest(child.clone());
            if let Ok((_, Some(_))) = self.find(name, &reference) {
                let stored = self.manifest(name, &reference).await?;
                Box::pin(self.put(name, &reference, &stored.media_type, stored.bytes)).await?;
            }
        }
        let (store, name, tag) = (
            self.clone(),
            name.clone(),
            match reference {
                Reference::Tag(tag) => Some(tag.clone()),
                Reference::Digest(_) => None,
            },
        );
        let (of, held) = (digest.clone(), manifest.clone());
        let written = tokio::task::spawn_blocking(move || store.write(&name, tag.as_deref(), &of, held, &bytes));
        written.await.map_err(|error| Refusal::new(Code::Unknown, error.to_string()))??;
        Ok((digest, manifest))
    }

    fn write(
        &self,
        name: &Name,
        tag: Option<&str>,
        digest: &Digest,
        manifest: Manifest,
        bytes: &[u8],
    ) -> Result<(), Refusal> {
        let disk = |error: std::io::Error| Refusal::disk(&error);
        let mut taken = Taken::none(self.room.clone());
        taken.more((manifest.media_type.len() + 1 + bytes.len()) as u64)?;
        let file = self.disk.write(&[manifest.media_type.as_bytes(), b"\n", bytes]).map_err(disk)?;
        let tagged = tag.map(|_| self.disk.write(&[digest.as_str().as_bytes()])).transpose().map_err(disk)?;
        let mut index = self.index.lock();
        self.check_references(&index, name, &manifest)?;
        let known = index.repositories.get(name);
        let is_new = known.is_none_or(|known| !known.manifests.contains_key(digest));
        let new_tag = tag.is_some_and(|tag| known.is_none_or(|known| !known.tags.contains_key(tag)));
        if is_new && index.manifests().count() >= MOST_MANIFESTS {
            return Err(Refusal::full(&format!("the registry holds {MOST_MANIFESTS} manifests")));
        }
        if new_tag && known.is_some_and(|known| known.tags.len() >= MOST_TAGS) {
            return Err(Refusal::full(&format!("{name} has {MOST_TAGS} tags")));
        }
        file.place(&self.disk.manifest(name, digest)).map_err(disk)?;
        let repository = index.repositories.entry(name.clone()).or_default();
        let before = repository.manifests.insert(digest.clone(), Held { manifest, size: taken.keep() });
        self.room.give(before.map_or(0, |before| before.size));
        if let (Some(tag), Some(tagged)) = (tag, tagged) {
            tagged.place(&self.disk.tag(name, tag)).map_err(disk)?;
            repository.tags.insert(tag.to_owned(), digest.clone());
        }
        Ok(())
    }

    fn check_references(&self, index: &Index, name: &Name, manifest: &Manifest) -> Result<(), Refusal> {
        let children = index.repositories.get(name).map(|repository| &repository.manifests);
        let blobs = manifest.blobs.iter().find(|blob| !index.blobs.contains_key(blob));
        let manifests = manifest.manifests.iter().find(|child| children.is_none_or(|held| !held.contains_key(child)));
        match blobs.or(manifests) {
            None => Ok(()),
            Some(missing) => Err(Refusal::new(
                Code::ManifestBlobUnknown,
                format!("the manifest refers to {missing}, which is not here; push it first"),
            )),
        }
    }

    /// Removes a tag, or a manifest with its tags.
    pub(crate) fn remove(&self, name: &Name, reference: &Reference) -> Result<(), Refusal> {
        let (digest, offered) = self.find(name, reference)?;
        if offered.is_some() {
            return Err(of_release());
        }
        let mut index = self.index.lock();
        let Some(repository) = index.repositories.get_mut(name) else { return Ok(()) };
        let gone: Vec<String> = match reference {
            Reference::Tag(tag) => vec![tag.clone()],
            Reference::Digest(_) => {
                repository.tags.iter().filter(|(_, of)| **of == digest).map(|(tag, _)| tag.clone()).collect()
            }
        };
        let disk = |error: std::io::Error| Refusal::disk(&error);
        for tag in gone {
            disk::remove(&self.disk.tag(name, &tag)).map_err(disk)?;
            repository.tags.remove(&tag);
        }
        if let Reference::Digest(digest) = reference {
            disk::remove(&self.disk.manifest(name, digest)).map_err(disk)?;
            let removed = repository.manifests.remove(digest);
            self.room.give(removed.map_or(0, |held| held.size));
        }
        Ok(())
    }

    /// Tags of a repository in order, after the given one.
    pub(crate) fn tags(&self, name: &Name, after: &str) -> Result<Vec<String>, Refusal> {
        let index = self.index.lock();
        let (own, offered) = (index.repositories.get(name).map(|own| &own.tags), index.offered.tags.get(name));
        if own.is_none() && offered.is_none() {
            return Err(Refusal::new(Code::NameUnknown, format!("there is no repository {name}")));
        }
        let all = [own, offered].into_iter().flatten().flat_map(|tags| tags.keys());
        let mut tags: Vec<String> = all.filter(|tag| tag.as_str() > after).cloned().collect();
        tags.sort();
        tags.dedup();
        Ok(tags)
    }

    /// Manifests of a repository that refer to this one, after the given one.
    pub(crate) fn referrers(&self, name: &Name, subject: &Digest, after: &str) -> Vec<Digest> {
        let index = self.index.lock();
        let held = index.repositories.get(name).into_iter().flat_map(|own| &own.manifests);
        let about =
            held.filter(|(digest, held)| held.manifest.subject.as_ref() == Some(subject) && digest.as_str() > after);
        about.map(|(digest, _)| digest.clone()).collect()
    }

    pub(crate) fn collect(&self, now: Timestamp) -> Result<usize, Error> {
        self.uploads.expire();
        let mut index = self.index.lock();
        let needed = index.needed();
        let old = |blob: &Blob| now.duration_since(blob.wanted) >= GRACE;
        let unused = index.blobs.iter().filter(|(digest, blob)| !needed.contains(digest) && old(blob));
        let unused: Vec<Digest> = unused.map(|(digest, _)| digest.clone()).collect();
        for digest in &unused {
            let path = self.disk.blob(digest);
            disk::remove(&path).map_err(Error::data("removing", &path))?;
            let removed = index.blobs.remove(digest);
            self.room.give(removed.map_or(0, |blob| blob.size));
        }
        Ok(unused.len())
    }
}

fn of_release() -> Refusal {
    Refusal::new(Code::Unsupported, "this belongs to the release that is served here, and cannot be deleted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_dropped_is_free_although_a_child_still_has_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::of(folder.path()).unwrap();
        let child = lock.0.try_clone().unwrap();
        assert!(matches!(Lock::of(folder.path()), Err(Error::InUse { .. })));
        drop(lock);
        Lock::of(folder.path()).unwrap();
        drop(child);
    }
}
