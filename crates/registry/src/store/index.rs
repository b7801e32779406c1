//! The contents in memory: read from disk at startup, and changed together with it.

use super::disk::Disk;
use crate::{Error, address::Name, address::is_tag, manifest::Manifest};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};
use weir_images::{Digest, Layout};

#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) repositories: BTreeMap<Name, Repository>,
    pub(crate) blobs: BTreeMap<Digest, Blob>,
    pub(crate) offered: Offered,
}

#[derive(Debug, Default)]
pub(crate) struct Repository {
    pub(crate) manifests: BTreeMap<Digest, Held>,
    pub(crate) tags: BTreeMap<String, Digest>,
}

/// A manifest.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) manifest: Manifest,
    /// Size of its file in bytes.
    pub(crate) size: u64,
}

#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) size: u64,
    /// When it was last sent or requested.
    pub(crate) wanted: Timestamp,
}

/// Contents of layouts.
#[derive(Debug, Default)]
pub(crate) struct Offered {
    pub(crate) layouts: Vec<Layout>,
    /// Manifests with their media types. A layout's manifests are available under any name.
    pub(crate) manifests: BTreeMap<Digest, String>,
    pub(crate) tags: BTreeMap<Name, BTreeMap<String, Digest>>,
}

impl Offered {
    pub(crate) fn holder(&self, digest: &Digest) -> Option<&Layout> {
        self.layouts.iter().find(|layout| layout.holds(digest))
    }
}

impl Index {
    /// Reads what is on disk. Damaged files are left alone and not served.
    pub(crate) fn read(disk: &Disk) -> Result<Self, Error> {
        let mut index = Self::default();
        let blobs = disk.blobs();
        for path in entries(&blobs)? {
            let Some(digest) = digest_of(&path) else { continue };
            let data = fs::metadata(&path).map_err(Error::data("reading", &path))?;
            let wanted = data.modified().ok().and_then(|at| Timestamp::try_from(at).ok()).unwrap_or_default();
            index.blobs.insert(digest, Blob { size: data.len(), wanted });
        }
        for folder in entries(&disk.repositories())? {
            let Some(name) = folder.file_name().and_then(|name| Name::of_flat(name.to_str()?)) else { continue };
            index.repositories.insert(name, repository(&folder)?);
        }
        Ok(index)
    }

    /// Whether a manifest refers to it.
    pub(crate) fn is_needed(&self, blob: &Digest) -> bool {
        self.manifests().any(|held| held.manifest.blobs.contains(blob))
    }

    /// Blobs that manifests refer to.
    pub(crate) fn needed(&self) -> BTreeSet<&Digest> {
        self.manifests().flat_map(|held| &held.manifest.blobs).collect()
    }

    pub(crate) fn manifests(&self) -> impl Iterator<Item = &Held> {
        self.repositories.values().flat_map(|repository| repository.manifests.values())
    }
}

fn repository(folder: &Path) -> Result<Repository, Error> {
    let mut repository = Repository::default();
    for path in entries(&folder.join("manifests"))? {
        let file = fs::read(&path).map_err(Error::data("reading", &path))?;
        match digest_of(&path).and_then(|digest| Some((held(&digest, &file)?, digest))) {
            Some((held, digest)) => _ = repository.manifests.insert(digest, held),
            None => tracing::warn!("{} is damaged and is not served; remove it and push it again", path.display()),
        }
    }
    for path in entries(&folder.join("tags"))? {
        let text = fs::read_to_string(&path).map_err(Error::data("reading", &path))?;
        let tag = path.file_name().and_then(|name| name.to_str()).filter(|tag| is_tag(tag));
        if let (Some(tag), Ok(digest)) = (tag, text.trim().parse::<Digest>())
            && repository.manifests.contains_key(&digest)
        {
            repository.tags.insert(tag.to_owned(), digest);
        }
    }
    Ok(repository)
}

/// The manifest in a file, if it matches the digest.
fn held(digest: &Digest, file: &[u8]) -> Option<Held> {
    let (media_type, bytes) = split(file)?;
    digest.verify(bytes).ok()?;
    let manifest = Manifest::parse(bytes, media_type).ok()?;
    Some(Held { manifest, size: file.len() as u64 })
}

/// Media type and bytes in a manifest's file.
pub(crate) fn split(file: &[u8]) -> Option<(&str, &[u8])> {
    let end = file.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&file[..end]).ok()?, &file[end + 1..]))
}

fn digest_of(path: &Path) -> Option<Digest> {
    format!("sha256:{}", path.file_name()?.to_str()?).parse().ok()
}

/// The contents of a folder, sorted by name; empty if it does not exist.
fn entries(folder: &Path) -> Result<Vec<std::path::PathBuf>, Error> {
    let read = || {
        let mut found = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        found.sort();
        io::Result::Ok(found)
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(Error::data("reading", folder)),
    }
}
