//! The OCI image layout, in a folder or in memory.
//!
//! Names in a layout stay registry-style (`registry.example.com/ocp/os@sha256:…`); a layout resolves them by digest.
//!
//! Source: `image-layout.md` of the OCI image specification.

use crate::digest::{ByteStream, Digest};
use crate::error::Fault;
use crate::manifest::{Descriptor, Index, MAX_DOCUMENT, media};
use crate::pull_spec::{PullSpec, Version};
use bytes::Bytes;
use futures::StreamExt as _;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MARKER: &str = "oci-layout";
const MARKER_TEXT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX: &str = "index.json";
/// Annotation of an entry of the index: the name of the image.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Images by digest, in a folder or in memory.
#[derive(Clone, Debug)]
pub struct Layout {
    index: Arc<Index>,
    blobs: Blobs,
}

#[derive(Clone, Debug)]
enum Blobs {
    Memory(Arc<BTreeMap<Digest, Bytes>>),
    Folder(Arc<PathBuf>),
}

/// A layout under construction.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    blobs: BTreeMap<Digest, Bytes>,
    images: Vec<Descriptor>,
}

impl Builder {
    /// Adds a blob.
    pub fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Descriptor {
        let digest = Digest::of(&bytes);
        let size = bytes.len() as u64;
        self.blobs.insert(digest.clone(), bytes.into());
        Descriptor { media_type: media_type.to_owned(), digest, size, platform: None, annotations: BTreeMap::new() }
    }

    /// Lists an image, whose manifest is among the blobs, under a registry-style name.
    pub fn image(&mut self, mut manifest: Descriptor, name: &str) {
        manifest.annotations.insert(REF_NAME.to_owned(), name.to_owned());
        self.images.push(manifest);
    }

    /// The layout in memory.
    #[must_use]
    pub fn finish(self) -> Layout {
        let index = Index { schema_version: 2, media_type: media::INDEX.to_owned(), manifests: self.images };
        Layout { index: Arc::new(index), blobs: Blobs::Memory(Arc::new(self.blobs)) }
    }
}

impl Layout {
    /// Opens the layout in a folder.
    ///
    /// # Errors
    /// When there is none or its index is broken.
    pub fn open(folder: &Path) -> Result<Self, Fault> {
        let marker = folder.join(MARKER);
        if !marker.is_file() {
            return Err(Fault::File {
                path: folder.display().to_string(),
                why: format!("no OCI layout: it has no file {MARKER}"),
            });
        }
        let path = folder.join(INDEX);
        let length = std::fs::metadata(&path).map_err(|error| Fault::file(&path, &error))?.len();
        if length > MAX_DOCUMENT {
            return Err(Fault::TooLarge { what: path.display().to_string(), limit: MAX_DOCUMENT });
        }
        let text = std::fs::read(&path).map_err(|error| Fault::file(&path, &error))?;
        let index =
            serde_json::from_slice(&text).map_err(|error| Fault::malformed(path.display().to_string(), error))?;
        Ok(Self { index: Arc::new(index), blobs: Blobs::Folder(Arc::new(folder.to_owned())) })
    }

    /// The same without a blob, as a registry that was not sent everything; absent for a folder, from which nothing is taken.
    #[must_use]
    pub fn without(&self, digest: &Digest) -> Option<Self> {
        let Blobs::Memory(blobs) = &self.blobs else { return None };
        let rest = blobs.iter().filter(|(held, _)| *held != digest);
        let rest = rest.map(|(digest, bytes)| (digest.clone(), bytes.clone())).collect();
        Some(Self { index: self.index.clone(), blobs: Blobs::Memory(Arc::new(rest)) })
    }

    /// The images listed, in order.
    #[must_use]
    pub fn images(&self) -> &[Descriptor] {
        &self.index.manifests
    }

    /// The registry-style name by digest of a listed image. An image listed without such a name gets one under a
    /// nonexistent host, since only its digest matters here.
    #[must_use]
    pub fn name(&self, image: &Descriptor) -> PullSpec {
        let listed = image.annotations.get(REF_NAME).filter(|name| name.contains('/'));
        let spec = listed.and_then(|name| name.parse::<PullSpec>().ok()).unwrap_or_else(|| PullSpec {
            registry: "layout.invalid".to_owned(),
            repository: "image".to_owned(),
            version: Version::Digest(image.digest.clone()),
        });
        spec.by_digest(image.digest.clone())
    }

    /// The tag of a listed image.
    #[must_use]
    pub fn tag(&self, image: &Descriptor) -> Option<String> {
        match image.annotations.get(REF_NAME)?.parse::<PullSpec>().ok()?.version {
            Version::Tag(tag) => Some(tag),
            Version::Digest(_) => None,
        }
    }

    /// Its name in messages.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.blobs {
            Blobs::Memory(_) => "the built-in layout".to_owned(),
            Blobs::Folder(folder) => format!("oci:{}", folder.display()),
        }
    }

    /// Whether it contains this blob.
    #[must_use]
    pub fn holds(&self, digest: &Digest) -> bool {
        match &self.blobs {
            Blobs::Memory(blobs) => blobs.contains_key(digest),
            Blobs::Folder(folder) => blob_path(folder, digest).is_file(),
        }
    }

    /// Length of a blob in bytes.
    ///
    /// # Errors
    /// When it is not there.
    pub fn size(&self, digest: &Digest) -> Result<u64, Fault> {
        match &self.blobs {
            Blobs::Memory(blobs) => {
                blobs.get(digest).map(|bytes| bytes.len() as u64).ok_or_else(|| self.missing(digest))
            }
            Blobs::Folder(folder) => {
                let path = blob_path(folder, digest);
                std::fs::metadata(&path).map(|data| data.len()).map_err(|error| Fault::file(&path, &error))
            }
        }
    }

    /// The chunks of a blob, as stored: the caller verifies them.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn blob(&self, digest: &Digest) -> Result<ByteStream, Fault> {
        match &self.blobs {
            Blobs::Memory(blobs) => {
                let bytes = blobs.get(digest).cloned().ok_or_else(|| self.missing(digest))?;
                Ok(futures::stream::once(async { Ok(bytes) }).boxed())
            }
            Blobs::Folder(folder) => {
                let path = blob_path(folder, digest);
                let file = tokio::fs::File::open(&path).await.map_err(|error| Fault::file(&path, &error))?;
                let chunks = tokio_util::io::ReaderStream::new(file);
                Ok(chunks.map(move |chunk| chunk.map_err(|error| Fault::file(&path, &error))).boxed())
            }
        }
    }

    fn missing(&self, digest: &Digest) -> Fault {
        Fault::File { path: self.place(), why: format!("there is no blob {digest}") }
    }

    /// Writes a layout from memory into a folder: all of it, or nothing. A folder with a layout is
    /// replaced; one with anything else is left alone.
    ///
    /// # Errors
    /// When the folder contains something else, or cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Fault> {
        let Blobs::Memory(blobs) = &self.blobs else {
            return Err(Fault::File { path: self.place(), why: "it is in a folder already".to_owned() });
        };
        let replaced = refuse_other(folder)?;
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(|error| Fault::file(parent, &error))?;
        let temporary = tempfile::Builder::new()
            .prefix(".weir-layout-")
            .tempdir_in(parent)
            .map_err(|error| Fault::file(parent, &error))?;
        let whole = temporary.path().join("new");
        for (digest, bytes) in blobs.iter() {
            store(&blob_path(&whole, digest), bytes)?;
        }
        let index = serde_json::to_vec(&*self.index).map_err(|error| Fault::malformed("the index", error))?;
        store(&whole.join(INDEX), &index)?;
        store(&whole.join(MARKER), MARKER_TEXT)?;
        // The old layout moves into the temporary folder, and is deleted with it, or moved back.
        let old = temporary.path().join("old");
        if replaced {
            std::fs::rename(folder, &old).map_err(|error| Fault::file(folder, &error))?;
        }
        std::fs::rename(&whole, folder).map_err(|error| {
            if replaced {
                // What was just moved away can be moved back; if not, this error is the one that matters.
                let _ = std::fs::rename(&old, folder);
            }
            Fault::file(folder, &error)
        })
    }
}

/// Whether there is a folder to replace.
fn refuse_other(folder: &Path) -> Result<bool, Fault> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Fault::file(folder, &error)),
    };
    if entries.count() > 0 && !folder.join(MARKER).is_file() {
        let why = "it is not empty and holds no OCI layout; give another folder or empty it".to_owned();
        return Err(Fault::File { path: folder.display().to_string(), why });
    }
    Ok(true)
}

fn store(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let write = || {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = std::fs::File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error: std::io::Error| Fault::file(path, &error))
}

fn blob_path(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join("blobs").join(digest.algorithm()).join(digest.hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(content: &[u8]) -> Layout {
        let mut builder = Builder::default();
        let manifest = builder.blob(media::MANIFEST, content.to_vec());
        builder.image(manifest, "registry.example.com/ocp/os:1");
        builder.finish()
    }

    async fn content(layout: &Layout, digest: &Digest) -> Result<Vec<u8>, Fault> {
        let mut chunks = digest.verified(layout.blob(digest).await?, None);
        let mut all = Vec::new();
        while let Some(chunk) = chunks.next().await {
            all.extend_from_slice(&chunk?);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_folder_answers_as_memory_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/payload");
        let memory = sample(b"one");
        memory.write(&path).unwrap();
        let stored = Layout::open(&path).unwrap();
        for layout in [&memory, &stored] {
            let image = &layout.images()[0];
            assert_eq!(content(layout, &image.digest).await.unwrap(), b"one");
            assert_eq!(layout.size(&image.digest), Ok(3));
            assert_eq!(layout.name(image).to_string(), format!("registry.example.com/ocp/os@{}", Digest::of(b"one")));
            assert!(!layout.holds(&Digest::of(b"two")));
            assert!(layout.blob(&Digest::of(b"two")).await.is_err());
        }
        sample(b"two").write(&path).unwrap();
        assert!(Layout::open(&path).unwrap().holds(&Digest::of(b"two")));
        assert!(!stored.holds(&Digest::of(b"one")));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left behind");
    }

    #[tokio::test]
    async fn a_changed_blob_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("payload");
        sample(b"one").write(&path).unwrap();
        let layout = Layout::open(&path).unwrap();
        let digest = layout.images()[0].digest.clone();
        std::fs::write(blob_path(&path, &digest), b"two").unwrap();
        assert!(matches!(content(&layout, &digest).await, Err(Fault::Digest { .. })));
    }

    #[test]
    fn a_folder_with_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        sample(b"one").write(folder.path()).unwrap();
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("thesis.txt"), "years of work").unwrap();
        let error = sample(b"one").write(other.path()).unwrap_err().to_string();
        assert!(error.contains("not empty"), "{error}");
        assert!(other.path().join("thesis.txt").exists());
        assert!(Layout::open(other.path()).unwrap_err().to_string().contains("oci-layout"));
        let file = other.path().join("thesis.txt");
        assert!(sample(b"one").write(&file).is_err());
        assert!(sample(b"one").write(&file.join("below")).is_err());
        assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1);
    }
}
