//! Where things are on disk, and how they are written completely or not at all.
//!
//! | path | content |
//! |---|---|
//! | `blobs/HEX` | a blob by its sha256 |
//! | `repositories/NAME/manifests/HEX` | media type, line feed, manifest; `+` stands for `/` in the name |
//! | `repositories/NAME/tags/TAG` | the digest it stands for |
//! | `unfinished/ID` | files being written; never read, and removed at startup |
//!
//! A file is written elsewhere, flushed to disk, and then moved into place in one step: it is complete or missing, whenever the
//! process ends.

use crate::{Error, address::Name};
use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};
use weir_images::Digest;

/// Images may contain secrets: files are readable only by their owner.
const FOLDER_MODE: u32 = 0o700;

#[derive(Clone, Debug)]
pub(crate) struct Disk {
    root: PathBuf,
}

/// A file being written; removed unless it is moved into place.
#[derive(Debug)]
pub(crate) struct Unfinished {
    path: PathBuf,
    placed: bool,
}

impl Disk {
    /// Creates the folders, and removes unfinished files of an earlier process.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let disk = Self { root: root.to_owned() };
        let unfinished = disk.root.join("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(Error::data("emptying", &unfinished))?;
        }
        for folder in [unfinished, disk.blobs(), disk.repositories()] {
            make(&folder).map_err(Error::data("creating", &folder))?;
        }
        Ok(disk)
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(crate) fn repositories(&self) -> PathBuf {
        self.root.join("repositories")
    }

    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    pub(crate) fn manifest(&self, name: &Name, digest: &Digest) -> PathBuf {
        self.repositories().join(name.flat()).join("manifests").join(digest.hex())
    }

    pub(crate) fn tag(&self, name: &Name, tag: &str) -> PathBuf {
        self.repositories().join(name.flat()).join("tags").join(tag)
    }

    pub(crate) fn unfinished(&self) -> Unfinished {
        let id = uuid::Uuid::new_v4().simple().to_string();
        Unfinished { path: self.root.join("unfinished").join(id), placed: false }
    }

    /// Writes a file that is not in its place yet.
    pub(crate) fn write(&self, parts: &[&[u8]]) -> io::Result<Unfinished> {
        let unfinished = self.unfinished();
        let mut file = File::create_new(&unfinished.path)?;
        for part in parts {
            file.write_all(part)?;
        }
        file.sync_all()?;
        Ok(unfinished)
    }
}

impl Unfinished {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file has been flushed; it is in its place when this returns.
    pub(crate) fn place(mut self, to: &Path) -> io::Result<()> {
        let parent = to.parent().unwrap_or(Path::new("."));
        make(parent)?;
        fs::rename(&self.path, to)?;
        self.placed = true;
        File::open(parent)?.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.placed {
            // The next startup removes what is left.
            let _ = fs::remove_file(&self.path);
        }
    }
}

pub(crate) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)
}

/// Removes a file; success if it does not exist.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
