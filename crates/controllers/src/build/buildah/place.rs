//! Where a build works: a folder that is gone when the build is.

use rustix::process::{Gid, Uid};
use std::{
    fs, io,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

/// How its folder begins.
const PREFIX: &str = "build-";
/// Only whoever builds gets in: there are logins and keys in it.
const PRIVATE: u32 = 0o700;
/// What was killed lets go of files and mounts after some milliseconds. This is for a machine that does a lot beside it.
const LET_GO: Duration = Duration::from_secs(5);
const LET_GO_STEP: Duration = Duration::from_millis(20);

/// A user that programs are run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
}

/// A folder with all that one build needs and makes.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    owner: Option<User>,
}

impl Place {
    /// A new one, in this folder, for this user or whoever runs this.
    pub(super) fn new(within: &Path, owner: Option<User>) -> io::Result<Self> {
        fs::create_dir_all(within)?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(within)?.keep();
        let place = Self { folder, owner };
        fs::set_permissions(&place.folder, fs::Permissions::from_mode(PRIVATE))?;
        for below in ["storage", "run", "tmp", "home", "context"] {
            fs::create_dir(place.at(below))?;
        }
        Ok(place)
    }

    /// A path in it.
    pub(super) fn at(&self, below: &str) -> PathBuf {
        self.folder.join(below)
    }

    /// Writes a file, and the folders that it is in.
    pub(super) fn write(&self, below: &str, content: impl AsRef<[u8]>) -> io::Result<PathBuf> {
        let path = self.at(below);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, content)?;
        Ok(path)
    }

    /// Gives what has been written so far to the user who builds.
    pub(super) fn hand_over(&self) -> io::Result<()> {
        self.owner.as_ref().map_or(Ok(()), |owner| give(&self.folder, owner))
    }
}

fn give(path: &Path, owner: &User) -> io::Result<()> {
    chown(path, Some(owner.uid.as_raw()), Some(owner.gid.as_raw()))?;
    // What is stored belongs to whoever stored it.
    if path.file_name().is_some_and(|name| name == "storage") || !path.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        give(&entry?.path(), owner)?;
    }
    Ok(())
}

/// Removes what builds left behind that were ended together with their process.
pub(super) fn sweep(within: &Path) {
    let old = fs::read_dir(within).into_iter().flatten().flatten().map(|entry| entry.path());
    let left =
        old.filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX)));
    left.for_each(|folder| remove(&folder));
}

/// Removes a folder, whatever it takes.
fn remove(folder: &Path) {
    let end = Instant::now() + LET_GO;
    let mut asked = false;
    loop {
        let error = match fs::remove_dir_all(folder) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => error,
        };
        // Without root, files in it belong to users that only buildah can act as.
        if !asked && error.kind() == io::ErrorKind::PermissionDenied {
            asked = true;
            _ = Command::new("buildah").args(["unshare", "rm", "-rf", "--"]).arg(folder).output();
            continue;
        }
        if Instant::now() > end {
            tracing::warn!(folder = %folder.display(), %error, "what a build left behind cannot be removed");
            return;
        }
        sleep(LET_GO_STEP);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}
