//! Certificates from files and folders.
//!
//! Source: `man 5 containers-certs.d` of github.com/containers/image for the folder of one host; a per-host folder has one
//! such folder, or one file, for each host.

use crate::trust::{BadTrust, Trust};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// In a per-host folder, files with other names are not certificates.
const PER_HOST: [&str; 4] = ["crt", "pem", "cert", "cer"];

/// Adds a file of CAs, or every file directly in a folder, for all hosts.
///
/// # Errors
/// When one of them cannot be read or is broken.
pub fn add_bundles(trust: &mut Trust, path: &Path) -> Result<(), BadTrust> {
    let what =
        || format!("could not load additional trust bundles: could not stat path {:?}", path.display().to_string());
    let found = std::fs::metadata(path).map_err(|error| bad(what(), &error))?;
    let mut files = vec![path.to_owned()];
    if found.is_dir() {
        files = entries(path)?;
        // Also through links, as in mounted ConfigMaps; a link to a folder is not a bundle.
        files.retain(|file| file.is_file());
    }
    for file in files {
        trust.add_bundle(&file.display().to_string(), &read(&file)?)?;
    }
    Ok(())
}

/// Adds the certificates of every host: `DIR/HOST[:PORT]/*.crt` and client certificates, or `DIR/HOST[:PORT].crt`. A
/// port may be written as `..PORT`, as the names of ConfigMap keys demand.
///
/// # Errors
/// When one of them cannot be read or is broken.
pub fn add_hosts(trust: &mut Trust, folder: &Path) -> Result<(), BadTrust> {
    let what = || format!("could not load certificates: lstat {}", folder.display());
    std::fs::metadata(folder).map_err(|error| bad(what(), &error))?;
    for entry in entries(folder)? {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_dir() {
            add_folder(trust, &entry, Some(&host_of(&name)))?;
        } else if let Some(host) = certificate_name(&entry) {
            trust.add_host_bundle(&host_of(host), &read(&entry)?)?;
        }
    }
    Ok(())
}

/// Adds the certificates of one folder for one host, or for all: `*.crt` are CAs, `*.cert` and `*.key` are client
/// certificates and their keys. A folder that does not exist has none.
///
/// # Errors
/// When one of them cannot be read or is broken, or half of a pair is missing.
pub fn add_folder(trust: &mut Trust, folder: &Path, host: Option<&str>) -> Result<(), BadTrust> {
    if !folder.exists() {
        return Ok(());
    }
    let files = entries(folder)?;
    let with = |extension: &str| -> BTreeSet<PathBuf> {
        files.iter().filter(|file| file.extension().is_some_and(|e| e == extension)).cloned().collect()
    };
    for file in with("crt") {
        let (origin, pem) = (file.display().to_string(), read(&file)?);
        match host {
            Some(host) => trust.add_host_bundle(host, &pem)?,
            None => trust.add_bundle(&origin, &pem)?,
        };
    }
    let keys = with("key");
    for certificate in with("cert") {
        let key = certificate.with_extension("key");
        if !keys.contains(&key) {
            let why = format!(
                "missing key {} for client certificate {}. Note that CA certificates should use the extension .crt",
                name(&key),
                name(&certificate)
            );
            return Err(BadTrust { origin: folder.display().to_string(), why });
        }
        let (chain, key) = (read(&certificate)?, read(&key)?);
        trust.set_identity(host, &chain, &key)?;
    }
    Ok(())
}

/// Writes into an empty folder what [`add_folder`] reads, for other programs: what these hosts are trusted by, and what is presented
/// to them.
///
/// # Errors
/// When a file cannot be written.
pub fn write_folder(trust: &Trust, folder: &Path, hosts: &[&str]) -> std::io::Result<()> {
    for (at, host) in hosts.iter().enumerate() {
        let bundle = trust.pem(host);
        if !bundle.is_empty() {
            std::fs::write(folder.join(format!("{at}.crt")), bundle)?;
        }
        if let Some((chain, key)) = trust.identity_pem(host) {
            std::fs::write(folder.join(format!("{at}.cert")), chain)?;
            std::fs::write(folder.join(format!("{at}.key")), key)?;
        }
    }
    Ok(())
}

/// The host that a bundle in a ControllerConfig, or a key of a ConfigMap, is for.
#[must_use]
pub fn host_of(file: &str) -> String {
    file.replace("..", ":")
}

fn certificate_name(file: &Path) -> Option<&str> {
    let extension = file.extension()?.to_str()?;
    if PER_HOST.contains(&extension) { file.file_stem()?.to_str() } else { None }
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, BadTrust> {
    let all = std::fs::read_dir(folder).and_then(|all| all.map(|entry| entry.map(|entry| entry.path())).collect());
    let mut all: Vec<PathBuf> = all.map_err(|error| bad(folder.display().to_string(), &error))?;
    all.sort();
    Ok(all)
}

fn read(file: &Path) -> Result<Vec<u8>, BadTrust> {
    std::fs::read(file).map_err(|error| bad(file.display().to_string(), &error))
}

fn bad(origin: String, error: &std::io::Error) -> BadTrust {
    let text = error.to_string();
    // The reference's messages have no error number.
    let why = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
    BadTrust { origin, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued() -> (String, weir_testkit::certificates::Issued) {
        let authority = weir_testkit::Authority::new("ca").unwrap();
        (authority.pem().to_owned(), authority.client("me").unwrap())
    }

    #[test]
    fn folders_as_tools_leave_them() {
        let (ca, own) = issued();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("hosts/a.io:5000")).unwrap();
        std::fs::write(at("hosts/a.io:5000/ca.crt"), &ca).unwrap();
        std::fs::write(at("hosts/a.io:5000/me.cert"), &own.certificate).unwrap();
        std::fs::write(at("hosts/b.io..5001.crt"), &ca).unwrap();
        std::fs::write(at("hosts/readme.txt"), "no certificate").unwrap();
        let mut trust = Trust::default();
        let error = add_hosts(&mut trust, &at("hosts")).unwrap_err().to_string();
        assert!(error.contains("missing key me.key for client certificate me.cert"), "{error}");
        std::fs::write(at("hosts/a.io:5000/me.key"), &own.key).unwrap();
        let mut trust = Trust::default();
        add_hosts(&mut trust, &at("hosts")).unwrap();
        assert_eq!(trust.hosts().collect::<Vec<_>>(), ["a.io:5000", "b.io:5001"]);
    }

    #[test]
    fn what_is_written_for_others_is_what_a_host_is_trusted_by() {
        let (ca, own) = issued();
        let mut trust = Trust::default();
        trust.add_host_bundle("a.io", ca.as_bytes()).unwrap();
        trust.add_host_bundle("b.io", ca.as_bytes()).unwrap();
        trust.set_identity(Some("a.io"), own.certificate.as_bytes(), own.key.as_bytes()).unwrap();
        for (host, certificates, identities) in [("a.io", 1, 1), ("b.io", 1, 0), ("c.io", 0, 0)] {
            let folder = tempfile::tempdir().unwrap();
            write_folder(&trust, folder.path(), &[host]).unwrap();
            let mut read = Trust::default();
            add_folder(&mut read, folder.path(), Some("x")).unwrap();
            assert_eq!(read.pem("x"), trust.pem(host), "{host}");
            assert_eq!(read.pem("x").matches("BEGIN CERTIFICATE").count(), certificates, "{host}");
            assert_eq!(read.identity_pem("x").iter().count(), identities, "{host}");
            assert_eq!(read.identity_pem("x"), trust.identity_pem(host), "{host}");
        }
    }

    #[test]
    fn bundles_through_links_and_what_is_not_there() {
        let (ca, _) = issued();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("mount/..data")).unwrap();
        std::fs::write(at("mount/..data/ca-bundle.crt"), &ca).unwrap();
        std::os::unix::fs::symlink("..data/ca-bundle.crt", at("mount/ca-bundle.crt")).unwrap();
        std::os::unix::fs::symlink("mount", at("link")).unwrap();
        for path in ["mount", "link", "mount/ca-bundle.crt"] {
            let mut trust = Trust::default();
            add_bundles(&mut trust, &at(path)).unwrap();
            assert_eq!(trust.bundle_size(), 1, "{path}");
        }
        let mut trust = Trust::default();
        let error = add_bundles(&mut trust, Path::new("/none")).unwrap_err().to_string();
        assert_eq!(
            error,
            "could not load additional trust bundles: could not stat path \"/none\": no such file or directory"
        );
        let error = add_hosts(&mut trust, Path::new("/none")).unwrap_err().to_string();
        assert_eq!(error, "could not load certificates: lstat /none: no such file or directory");
        std::fs::write(at("bad.crt"), "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").unwrap();
        assert!(add_bundles(&mut trust, &at("bad.crt")).is_err());
        add_folder(&mut trust, Path::new("/none"), None).unwrap();
    }
}
