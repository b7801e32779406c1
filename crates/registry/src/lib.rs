//! A small registry for images: pull and push over TLS with a login, blobs in a folder.
//!
//! It is meant for trying out one cluster on one machine. It speaks the OCI distribution protocol, so that anything that pulls and
//! pushes images can use it.
//!
//! | module | subject |
//! |---|---|
//! | `address` | what a request is about |
//! | `manifest` | what a manifest refers to |
//! | `range` | parts of a blob |
//! | `refusal` | errors for clients |
//! | `store` | the contents, on disk and in memory |
//! | `answer` | responses |
//! | `credentials` | login, certificate and port, kept with the data |
//! | [`serve`] | the registry on a socket |
//! | [`error`] | why it could not be started |
//!
//! One login gives access to everything. A blob is available in every repository: whoever may read one may read all.
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

/// Limits of a registry.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum size of one blob, in bytes.
    pub blob: u64,
    /// Maximum size of all blobs and manifests together, in bytes, including uploads in progress.
    pub all: u64,
}

/// A layer of an operating system has some GiB, and a laptop's disk some hundreds of them.
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
    /// Opens the registry in a folder, which is created on first use. `now` returns the time.
    ///
    /// # Errors
    /// If the folder cannot be used, is used by another process, or its files were changed.
    pub fn open(folder: &Path, limits: Limits, now: fn() -> Timestamp) -> Result<Self, Error> {
        let store = Store::open(folder, limits, now)?;
        let credentials = Credentials::of_folder(folder)?;
        Ok(Self { store: Arc::new(store), credentials: Arc::new(credentials) })
    }

    /// Also serves the contents of a layout, under the names in it except for the host. They stay in their folder and cannot be
    /// deleted here.
    ///
    /// # Errors
    /// If one of its images cannot be read.
    pub async fn offer(&self, layout: Layout) -> Result<(), Error> {
        self.store.offer(layout).await
    }

    /// Removes blobs that no manifest refers to and that were not requested for a while, and abandoned uploads; returns the number
    /// of removed blobs. While the registry is served, this happens from time to time.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn collect(&self, now: Timestamp) -> Result<usize, Error> {
        self.store.collect(now)
    }

    /// User and password.
    #[must_use]
    pub fn login(&self) -> (&str, &str) {
        (&self.credentials.user, &self.credentials.password)
    }
}
