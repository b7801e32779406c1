//! Reading folders.

use crate::{
    Limits, ReadError,
    gathered::{is_manifest, is_mark},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A manifest file in a folder, or an error.
pub(crate) struct Found {
    pub(crate) file: Result<PathBuf, ReadError>,
    /// Whether a tool collected it.
    pub(crate) gathered: bool,
}

/// The manifest files in a folder and all its subfolders, by name. Links to folders are not followed.
///
/// # Errors
/// When there are too many of them, or they are too deep.
pub(crate) fn below(root: &Path, limits: &Limits) -> Result<Vec<Found>, ReadError> {
    let mut walk = Walk { root, limits, entries: 0, found: Vec::new(), folders: Vec::new() };
    walk.folders.push((root.to_owned(), 1, false));
    while let Some((folder, depth, gathered)) = walk.folders.pop() {
        if depth > limits.depth {
            return Err(ReadError::TooDeep { path: folder, most: limits.depth });
        }
        walk.enter(folder, depth, gathered)?;
    }
    walk.found.sort_by(|a, b| path(a).cmp(&path(b)));
    Ok(walk.found)
}

fn path(found: &Found) -> Option<&Path> {
    found.file.as_deref().ok()
}

/// The files of a folder, by name, whatever they are called; subfolders are ignored.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let failed = |source| ReadError::Io { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

struct Walk<'a> {
    root: &'a Path,
    limits: &'a Limits,
    entries: usize,
    found: Vec<Found>,
    folders: Vec<(PathBuf, usize, bool)>,
}

impl Walk<'_> {
    fn enter(&mut self, folder: PathBuf, depth: usize, gathered: bool) -> Result<(), ReadError> {
        let left = self.limits.files - self.entries;
        let listed = fs::read_dir(&folder).and_then(|listed| listed.take(left + 1).collect::<io::Result<Vec<_>>>());
        let entries = match listed {
            Ok(entries) => entries,
            Err(error) => {
                self.refuse(folder, error, gathered);
                return Ok(());
            }
        };
        if entries.len() > left {
            return Err(ReadError::TooManyFiles { path: self.root.to_owned(), most: self.limits.files });
        }
        self.entries += entries.len();
        let gathered = gathered || entries.iter().any(|entry| is_mark(Path::new(&entry.file_name())));
        for entry in entries {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.folders.push((path, depth + 1, gathered)),
                Ok(kind) if kind.is_symlink() && path.is_dir() => {
                    tracing::debug!("{}: a link to a folder is not followed", path.display());
                }
                Ok(_) if is_manifest(&path) => self.found.push(Found { file: Ok(path), gathered }),
                Ok(_) => {}
                Err(error) => self.refuse(path, error, gathered),
            }
        }
        Ok(())
    }

    fn refuse(&mut self, path: PathBuf, source: io::Error, gathered: bool) {
        self.found.push(Found { file: Err(ReadError::Io { path, source }), gathered });
    }
}
