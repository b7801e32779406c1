//! Debian's `docker-registry` on a free loopback port, with TLS and users.

use crate::certificates::Authority;
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const PROGRAM: &str = "docker-registry";
/// The registry's log line with its address.
const LISTENING: &str = "listening on ";
/// The lowest bcrypt cost: tests need no strong hash.
const BCRYPT_COST: u32 = 4;

/// The settings of a registry.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// TLS with a certificate signed by [`Registry::ca`].
    pub tls: bool,
    /// Only this user and password are accepted.
    pub user: Option<(String, String)>,
    /// Only clients with a certificate of this CA (PEM) may connect.
    pub client_ca: Option<String>,
}

/// A running registry; stopped when dropped.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    address: String,
    authority: Authority,
    user: Option<(String, String)>,
    folder: TempDir,
}

impl Registry {
    /// Starts a registry; `None`, with a line on stderr, when the program is not installed.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(options: &Options) -> Result<Option<Self>> {
        let folder = tempfile::tempdir().context("a folder for the registry")?;
        let authority = Authority::new("testkit registry CA")?;
        let file = write_config(folder.path(), options, &authority)?;
        let started =
            Command::new(PROGRAM).arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                weir_recorded::skip("a test with a registry", &weir_recorded::Absent::Program(PROGRAM));
                return Ok(None);
            }
            Err(error) => return Err(error).context("starting docker-registry"),
        };
        let log = child.stderr.take().context("the registry's log")?;
        let mut lines = BufReader::new(log).lines();
        let mut said = String::new();
        let address = loop {
            let Some(line) = lines.next().transpose()? else {
                child.wait()?;
                bail!("docker-registry did not start: {said}");
            };
            if let Some((_, rest)) = line.split_once(LISTENING) {
                break rest.split(['"', ',']).next().unwrap_or(rest).to_owned();
            }
            writeln!(said, "{line}")?;
        };
        // The pipe must be read, or the registry stops when it is full.
        std::thread::spawn(move || lines.map_while(std::io::Result::ok).for_each(drop));
        Ok(Some(Self { child, address, authority, user: options.user.clone(), folder }))
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.address
    }

    /// The CA of its certificate, PEM.
    #[must_use]
    pub fn ca(&self) -> &str {
        self.authority.pem()
    }

    /// An authfile with its user, or with this password instead.
    #[must_use]
    pub fn authfile(&self, password: Option<&str>) -> String {
        let Some((user, own)) = &self.user else { return "{\"auths\":{}}".to_owned() };
        let entry = serde_json::json!({ "username": user, "password": password.unwrap_or(own) });
        serde_json::json!({ "auths": { self.host(): entry } }).to_string()
    }

    /// Where it stores a blob, for tampering.
    #[must_use]
    pub fn blob(&self, hex: &str) -> std::path::PathBuf {
        let blobs = self.folder.path().join("storage/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_config(folder: &Path, options: &Options, authority: &Authority) -> Result<std::path::PathBuf> {
    let storage = folder.join("storage");
    let mut text = format!(
        "version: 0.1\nlog:\n  level: info\n  accesslog:\n    disabled: true\nstorage:\n  delete:\n    enabled: true\n  filesystem:\n    \
         rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\n",
        storage.display()
    );
    if options.tls {
        let issued = authority.server()?;
        let (certificate, key) = (folder.join("server.crt"), folder.join("server.key"));
        std::fs::write(&certificate, issued.certificate)?;
        std::fs::write(&key, issued.key)?;
        writeln!(text, "  tls:\n    certificate: {}\n    key: {}", certificate.display(), key.display())?;
        if let Some(ca) = &options.client_ca {
            let path = folder.join("clients.crt");
            std::fs::write(&path, ca)?;
            writeln!(text, "    clientcas:\n      - {}", path.display())?;
        }
    }
    if let Some((user, password)) = &options.user {
        let path = folder.join("htpasswd");
        std::fs::write(&path, format!("{user}:{}\n", bcrypt::hash(password, BCRYPT_COST)?))?;
        writeln!(text, "auth:\n  htpasswd:\n    realm: testkit\n    path: {}", path.display())?;
    }
    let file = folder.join("config.yml");
    std::fs::write(&file, text)?;
    Ok(file)
}
