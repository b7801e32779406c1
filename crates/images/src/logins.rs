//! How to log in to registries, kept on disk between runs, next to the cache.
//!
//! A registry names its token server only when it refuses a request. Remembering it saves the refused
//! request, a whole round trip to a distant registry. The stored data is a guess: if it yields no token,
//! the registry is asked as if nothing were known. The file contains no tokens or credentials.
//!
//! The images of a release are often in another repository than the release itself, and need another token: the
//! repositories that were read are remembered too, and their tokens are requested in advance.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Name of the file in the cache folder.
pub const FILE_NAME: &str = "token-servers.json";
const VERSION: u32 = 1;
/// A cluster uses a handful of registries; a file with more than this was not written here.
const MAX_FILE: u64 = 1 << 20;
const MAX_HOSTS: usize = 1000;
/// A release and its images are in one or two repositories; requesting tokens for more in advance is not worth it.
const MAX_REPOSITORIES: usize = 4;

/// Where the tokens of a registry come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenServer {
    /// URL of the token server.
    pub realm: String,
    /// The registry's name at the token server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Repositories for which a token was requested, the most recent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
}

/// Token servers, by `host[:port]` of the registry.
#[derive(Debug)]
pub struct Logins {
    folder: PathBuf,
    known: Mutex<BTreeMap<String, TokenServer>>,
}

#[derive(Default, Serialize, Deserialize)]
struct Document {
    version: u32,
    #[serde(default)]
    hosts: BTreeMap<String, TokenServer>,
}

impl Logins {
    /// The contents of a folder. A file that is missing, broken or of another version counts as empty.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), known: Mutex::new(load(folder)) }
    }

    /// The last known token server of this registry.
    #[must_use]
    pub fn of(&self, host: &str) -> Option<TokenServer> {
        self.known.lock().get(host).cloned()
    }

    /// Remembers a registry's token server, and that a token was requested for this repository. If two processes
    /// write at once, the later wins: the other one only loses a round trip.
    ///
    /// # Errors
    /// When the file cannot be written; only this process then knows the data.
    pub fn put(&self, host: &str, realm: &str, service: Option<&str>, repository: &str) -> io::Result<()> {
        let mut known = self.known.lock();
        let same = |server: &&TokenServer| server.realm == realm && server.service.as_deref() == service;
        if known.get(host).filter(same).is_some_and(|server| server.repositories.iter().any(|r| r == repository)) {
            return Ok(());
        }
        let mut hosts = load(&self.folder);
        if hosts.len() >= MAX_HOSTS {
            hosts.clear();
        }
        let mut repositories = hosts.remove(host).map(|server| server.repositories).unwrap_or_default();
        repositories.retain(|known| known != repository);
        repositories.insert(0, repository.to_owned());
        repositories.truncate(MAX_REPOSITORIES);
        let server = TokenServer { realm: realm.to_owned(), service: service.map(str::to_owned), repositories };
        hosts.insert(host.to_owned(), server);
        known.clone_from(&hosts);
        std::fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        serde_json::to_writer(file.as_file_mut(), &Document { version: VERSION, hosts })?;
        file.persist(self.folder.join(FILE_NAME)).map(drop).map_err(|error| error.error)
    }
}

fn load(folder: &Path) -> BTreeMap<String, TokenServer> {
    let path = folder.join(FILE_NAME);
    let small = std::fs::metadata(&path).is_ok_and(|data| data.len() <= MAX_FILE);
    let text = if small { std::fs::read(path).unwrap_or_default() } else { Vec::new() };
    let document: Document = serde_json::from_slice(&text).unwrap_or_default();
    if document.version == VERSION { document.hosts } else { BTreeMap::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_there_in_another_run() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("cache");
        let (one, other) = (Logins::open(&at), Logins::open(&at));
        one.put("a.io", "https://a.io/token", Some("s"), "x/y").unwrap();
        other.put("b.io:5000", "https://b.io/token", None, "x").unwrap();
        let third = Logins::open(&at);
        let repositories = |logins: &Logins| logins.of("a.io").unwrap().repositories;
        assert_eq!(third.of("a.io").unwrap().realm, "https://a.io/token");
        assert_eq!(third.of("a.io").unwrap().service.as_deref(), Some("s"));
        assert_eq!(third.of("b.io:5000").unwrap().realm, "https://b.io/token");
        for repository in ["1", "2", "3", "4", "3"] {
            third.put("a.io", "https://a.io/token", Some("s"), repository).unwrap();
        }
        assert_eq!(repositories(&third), ["4", "3", "2", "1"]);
        assert_eq!(repositories(&Logins::open(&at)), ["4", "3", "2", "1"]);
        for text in ["", "{", r#"{"version":2,"hosts":{}}"#, "[]", r#"{"version":1,"hosts":{"a.io":1}}"#] {
            std::fs::write(at.join(FILE_NAME), text).unwrap();
            assert_eq!(Logins::open(&at).of("a.io"), None, "{text}");
        }
    }
}
