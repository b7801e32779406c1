//! Login, certificate and port: created once and stored with the data, so that image names, authfiles and trust stay valid.
//!
//! | file | content |
//! |---|---|
//! | `auth.json` | the login as `podman login` writes it, for the address |
//! | `tls.crt`, `tls.key` | the self-signed certificate and its key |
//! | `address` | where it listens |

use crate::Error;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::{
    CipherSuite, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File, Permissions},
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) const AUTHFILE: &str = "auth.json";
pub(crate) const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const ADDRESS: &str = "address";
const USER: &str = "weir";
/// Minimum length of a password: 128 bits in hexadecimal digits.
const SHORTEST: usize = 32;
/// For every file: readable only by its owner.
const MODE: u32 = 0o600;

#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) folder: PathBuf,
    pub(crate) user: String,
    pub(crate) password: String,
    certificate: String,
    key: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads what is in the folder, and creates what is missing.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self, Error> {
        let (user, password) = match read(&folder.join(AUTHFILE))? {
            Some(text) => login(&text).map_err(bad(&folder.join(AUTHFILE)))?,
            None => (USER.to_owned(), uuid::Uuid::new_v4().simple().to_string()),
        };
        let path = folder.join(CERTIFICATE);
        // The certificate is written last, so a key without a certificate has never been used.
        let (certificate, key) = match (read(&path)?, read(&folder.join(KEY))?) {
            (Some(certificate), Some(key)) => (certificate, key),
            _ => {
                let (certificate, key) = issue().map_err(|error| bad(&path)(error.to_string()))?;
                write(&folder.join(KEY), &key)?;
                write(&path, &certificate)?;
                (certificate, key)
            }
        };
        Ok(Self { folder: folder.to_owned(), user, password, certificate, key })
    }

    /// The previous address; at first, any free port on loopback.
    pub(crate) fn address(&self) -> Result<SocketAddr, Error> {
        let path = self.folder.join(ADDRESS);
        let Some(text) = read(&path)? else { return Ok((Ipv4Addr::LOCALHOST, 0).into()) };
        let address: SocketAddr =
            text.trim().parse().map_err(|_| bad(&path)(format!("{text:?} is no address and port")))?;
        if address.ip().is_loopback() {
            return Ok(address);
        }
        Err(bad(&path)(format!("{address} can be reached from other machines")))
    }

    pub(crate) fn listen_error(&self, address: SocketAddr, cause: io::Error) -> Error {
        Error::Listen { address, kept: self.folder.join(ADDRESS), cause }
    }

    /// Stores the address, and the login for it.
    pub(crate) fn keep(&self, address: SocketAddr) -> Result<(), Error> {
        let entry = json!({ "auth": BASE64.encode(format!("{}:{}", self.user, self.password)) });
        let authfile = format!("{:#}\n", json!({ "auths": { address.to_string(): entry } }));
        // The login comes first: an address without one would get another login.
        for (name, text) in [(AUTHFILE, authfile), (ADDRESS, format!("{address}\n"))] {
            let path = self.folder.join(name);
            if read(&path)?.as_deref() != Some(text.as_str()) {
                write(&path, &text)?;
            }
        }
        Ok(())
    }

    /// Whether an `Authorization` header is the login.
    pub(crate) fn allow(&self, header: Option<&str>) -> bool {
        let wanted = BASE64.encode(format!("{}:{}", self.user, self.password));
        let shown = header.and_then(|header| header.split_once(' '));
        // Comparing digests takes the same time whatever they contain.
        let digest = |text: &str| Sha256::digest(text.as_bytes());
        shown.is_some_and(|(scheme, value)| {
            scheme.eq_ignore_ascii_case("basic") && digest(value.trim()) == digest(&wanted)
        })
    }

    pub(crate) fn server_config(&self) -> Result<ServerConfig, Error> {
        let wrong = |name: &str, why: String| bad(&self.folder.join(name))(why);
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes())
            .map_err(|error| wrong(CERTIFICATE, error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|error| wrong(KEY, error.to_string()))?;
        let mut provider = rustls::crypto::ring::default_provider();
        // AES has ten rounds with this key and fourteen with the longer one, which clients prefer.
        provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(CERTIFICATE, error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(|error| wrong(CERTIFICATE, error.to_string()))?;
        config.ignore_client_order = true;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// A self-signed certificate for loopback, and its key.
fn issue() -> Result<(String, String), rcgen::Error> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "weir-registry");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// User and password of an authfile with one entry.
fn login(text: &str) -> Result<(String, String), String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let entry = value["auths"].as_object().and_then(|entries| entries.values().next());
    let encoded = entry.and_then(|entry| entry["auth"].as_str()).ok_or("it has no login")?;
    let decoded = BASE64.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.ok_or("its login is not base64 of text")?;
    let (user, password) = decoded.split_once(':').ok_or("its login has no password")?;
    if password.len() < SHORTEST {
        return Err(format!("its password has {} characters, and needs {SHORTEST}", password.len()));
    }
    Ok((user.to_owned(), password.to_owned()))
}

fn bad(path: &Path) -> impl FnOnce(String) -> Error {
    let path = path.to_owned();
    move |why| Error::Credentials { path, why }
}

fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::data("reading", path)(error)),
    }
}

/// Writes all of it or nothing. Startup does not wait for the disk: what a power failure leaves empty is created again.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let unfinished = path.with_extension("unfinished");
    let written = (|| {
        let mut file = File::create(&unfinished)?;
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.write_all(text.as_bytes())?;
        fs::rename(&unfinished, path)
    })();
    written.map_err(Error::data("writing", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_stays_and_what_is_damaged_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let first = Credentials::of_folder(folder.path()).unwrap();
        assert_eq!(first.address().unwrap().port(), 0);
        first.keep("127.0.0.1:5000".parse().unwrap()).unwrap();
        let second = Credentials::of_folder(folder.path()).unwrap();
        assert_eq!((&second.password, &second.certificate), (&first.password, &first.certificate));
        assert_eq!(second.address().unwrap(), "127.0.0.1:5000".parse().unwrap());
        assert!(second.server_config().is_ok());
        for name in [AUTHFILE, CERTIFICATE, KEY, ADDRESS] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, MODE, "{name}");
        }
        for name in [AUTHFILE, CERTIFICATE, KEY] {
            fs::write(folder.path().join(name), "").unwrap();
            let made = Credentials::of_folder(folder.path()).unwrap();
            assert!(made.server_config().is_ok(), "{name} is made anew");
            made.keep("127.0.0.1:5000".parse().unwrap()).unwrap();
        }
        for (name, text) in [
            (ADDRESS, "somewhere"),
            (ADDRESS, "0.0.0.0:5000"),
            (CERTIFICATE, "no PEM"),
            (AUTHFILE, "{}"),
            (AUTHFILE, r#"{"auths": {"h": {"auth": "d2VpcjpzaG9ydA=="}}}"#),
        ] {
            let whole = fs::read(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name), text).unwrap();
            let found = Credentials::of_folder(folder.path());
            let error = found.and_then(|found| found.address().and(found.server_config()).map(drop)).unwrap_err();
            assert!(error.to_string().contains(name) && error.to_string().contains("remove"), "{error}");
            fs::write(folder.path().join(name), whole).unwrap();
        }
    }

    #[test]
    fn only_the_login_opens() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::of_folder(folder.path()).unwrap();
        let encoded = BASE64.encode(format!("{USER}:{}", credentials.password));
        for (header, opens) in [
            (Some(format!("Basic {encoded}")), true),
            (Some(format!("basic {encoded}")), true),
            (Some(format!("Bearer {encoded}")), false),
            (Some(format!("Basic {}", BASE64.encode("weir:weir"))), false),
            (Some("Basic".into()), false),
            (None, false),
        ] {
            assert_eq!(credentials.allow(header.as_deref()), opens, "{header:?}");
        }
    }
}
