//! A small registry for images: pull and push over TLS with a login, blobs in a folder.
//!
//! For one cluster that is tried out on one machine. It speaks the OCI distribution protocol, so that whatever pulls and pushes images can use it.
//!
//! | module | question |
//! |---|---|
//! | `address` | what a request is about |
//! | `manifest` | what a manifest refers to |
//! | `range` | which part of a blob |
//! | `refusal` | what a client is told when it does not get what it asks for |
//! | `store` | what is held, on the disk and in memory |
//! | `answer` | what a request gets |
//! | `credentials` | login, certificate and port, kept with the data |
//! | [`serve`] | the registry on a socket |
//! | [`error`] | why it could not be started |
//!
//! One login opens everything. A blob that is held is held for every repository: who may read one may read all.
//!
//! Source: `spec.md` of the OCI distribution specification, <https://github.com/opencontainers/distribution-spec>.

mod address;
mod answer;
mod credentials;
pub mod error;
mod manifest;
mod range;
mod refusal;
pub mod serve;
mod store;

pub use answer::Body;
pub use error::Error;
pub use serve::Listener;

use credentials::Credentials;
use jiff::Timestamp;
use std::{path::Path, sync::Arc};
use store::Store;
use weir_images::Layout;

/// How much a registry takes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one blob.
    pub blob: u64,
    /// Bytes of all blobs and manifests together, those on their way included.
    pub all: u64,
}

/// A layer of an operating system has some GiB, and a laptop's disk some hundred.
impl Default for Limits {
    fn default() -> Self {
        Self { blob: 16 << 30, all: 64 << 30 }
    }
}

/// A registry whose blobs are in a folder.
#[derive(Clone, Debug)]
pub struct Registry {
    store: Arc<Store>,
    credentials: Arc<Credentials>,
}

impl Registry {
    /// Opens the registry of a folder, which is made on first use. `now` tells the time.
    ///
    /// # Errors
    /// When the folder cannot be used, is used by another process, or does not hold what was written there.
    pub fn open(folder: &Path, limits: Limits, now: fn() -> Timestamp) -> Result<Self, Error> {
        let store = Store::open(folder, limits, now)?;
        let credentials = Credentials::of_folder(folder)?;
        Ok(Self { store: Arc::new(store), credentials: Arc::new(credentials) })
    }

    /// Serves what a layout holds as well, under the names it has there but for the host. It is read from where it is, and
    /// cannot be deleted here.
    ///
    /// # Errors
    /// When one of its images cannot be read.
    pub async fn offer(&self, layout: Layout) -> Result<(), Error> {
        self.store.offer(layout).await
    }

    /// Removes blobs that no manifest refers to and that nobody has asked for since a while, and uploads that nobody goes on
    /// with; returns how many blobs went. While it is served that is done from time to time.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn collect(&self, now: Timestamp) -> Result<usize, Error> {
        self.store.collect(now)
    }

    /// User and password.
    #[must_use]
    pub fn login(&self) -> (&str, &str) {
        (&self.credentials.user, &self.credentials.password)
    }
}
