//! The kubeconfig: text, and writing it so that a reader sees all of it or nothing.

use crate::Error;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// Only the owner may read and write it; it contains the administrator's token.
const MODE: u32 = 0o600;

/// The kubeconfig of an administrator.
pub(crate) fn text(address: SocketAddr, ca_pem: &str, token: &str) -> String {
    let ca = STANDARD.encode(ca_pem);
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: weir
  cluster:
    server: https://{address}
    certificate-authority-data: {ca}
users:
- name: admin
  user:
    token: {token}
contexts:
- name: weir
  context:
    cluster: weir
    user: admin
    namespace: default
current-context: weir
"
    )
}

/// Writes a file that only its owner can read, by renaming a finished one; it is on the disk when this returns.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    put(path, text, fs::File::sync_all)
}

fn put(path: &Path, text: &str, settle: fn(&fs::File) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "is not a file name"))?;
    let unfinished = folder.join(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        settle(&file)?;
        fs::rename(&unfinished, path)
    })();
    if written.is_err() {
        // Left over from a failed attempt, if it exists.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), Error> {
    // Every start writes it again, so a start need not wait for the disk.
    put(path, text, |_| Ok(())).map_err(|cause| Error::Kubeconfig { path: path.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_kubeconfig_is_private_and_whole_or_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        write(&path, "one").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = write(&folder.path().join("none/kubeconfig"), "x").unwrap_err();
        assert!(matches!(error, Error::Kubeconfig { .. }));
    }
}
