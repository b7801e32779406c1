//! Files and folders that only their owner may read: everything in a data directory is, or may be, secret.

use crate::Error;
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

/// Modes of our files and folders.
pub(crate) const FILE: u32 = 0o600;
const FOLDER: u32 = 0o700;
/// In a folder with this bit, users may not remove files of others: it is shared, e.g. `/tmp`.
const STICKY: u32 = 0o1000;

/// Creates a folder, or makes one of ours private: one that is empty, or contains one of these files.
pub(crate) fn folder(path: &Path, ours: &[&str]) -> Result<(), Error> {
    let failed = |cause| Error::Data { doing: "creating", path: path.to_owned(), cause };
    if !path.is_dir() {
        return fs::DirBuilder::new().recursive(true).mode(FOLDER).create(path).map_err(failed);
    }
    let is_empty = || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    let is_ours = ours.iter().any(|name| path.join(name).exists()) || is_empty();
    if is_ours { close(path, FOLDER) } else { Ok(()) }
}

/// Makes one of our files accessible to its owner only.
pub(crate) fn file(path: &Path) -> Result<(), Error> {
    close(path, FILE)
}

fn close(path: &Path, mode: u32) -> Result<(), Error> {
    let closed = (|| {
        let permissions = fs::metadata(path)?.permissions();
        if permissions.mode() & 0o777 & !mode != 0 && permissions.mode() & STICKY == 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        io::Result::Ok(())
    })();
    closed.map_err(|cause| Error::Data { doing: "closing to others", path: path.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_files_are_made_private() {
        let root = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let make = |name: &str, mode: u32, file: &str| {
            let path = root.path().join(name);
            fs::create_dir(&path).unwrap();
            if !file.is_empty() {
                fs::write(path.join(file), "").unwrap();
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        for (name, before, file, after) in [
            ("empty", 0o755, "", 0o700),
            ("ours", 0o777, "ours.db", 0o700),
            ("tighter", 0o500, "ours.db", 0o500),
            ("theirs", 0o755, "photo.png", 0o755),
            ("common", 0o1777, "ours.db", 0o1777),
        ] {
            let path = make(name, before, file);
            folder(&path, &["ours.db"]).unwrap();
            assert_eq!(mode(&path), after, "{name}");
        }
        let new = root.path().join("a/b");
        folder(&new, &[]).unwrap();
        assert_eq!((mode(&new), mode(new.parent().unwrap())), (0o700, 0o700));
    }
}
