//! Where things are on the disk, and how they get there whole.
//!
//! | path | content |
//! |---|---|
//! | `blobs/HEX` | a blob by its sha256 |
//! | `repositories/NAME/manifests/HEX` | media type, line feed, manifest; `+` stands for `/` in the name |
//! | `repositories/NAME/tags/TAG` | the digest it stands for |
//! | `unfinished/ID` | what is being written; nobody reads it, and a start removes it |
//!
//! A file is written beside, flushed to the disk, and then moved to its place in one step: it is whole or not there, whenever the process ends.

use crate::{Error, address::Name};
use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};
use weir_images::Digest;

/// Images may hold secrets: nobody else reads them.
const FOLDER_MODE: u32 = 0o700;

#[derive(Clone, Debug)]
pub(crate) struct Disk {
    root: PathBuf,
}

/// A file on its way; removed unless it is put into its place.
#[derive(Debug)]
pub(crate) struct Unfinished {
    path: PathBuf,
    placed: bool,
}

impl Disk {
    /// Makes the folders, and removes what an earlier process did not finish.
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

    /// Writes a file that is yet to be put into its place.
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
            // What is left is removed by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

pub(crate) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)
}

/// Removes a file; one that is not there is removed already.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
