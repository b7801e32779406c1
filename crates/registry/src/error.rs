//! Why the registry could not be started. Errors of requests are in `refusal`.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use weir_api::Class;

/// Why the registry could not be started. Causes are part of the message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be bound.
    #[error("listening on {address}: {cause}; stop the program that uses the port, or remove {kept} to have another one chosen, which changes the names of the images", kept = kept.display())]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The file that contains it.
        kept: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A file or folder cannot be read or written.
    #[error("{doing} {path}: {cause}; give a folder that this user can write, on a disk with room", path = path.display())]
    Data {
        /// What was attempted, e.g. `creating`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// Another process uses the folder.
    #[error("{path} is in use by another registry; stop it, or give another folder", path = path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Login, certificate or address were changed, or new ones cannot be created.
    #[error("{path}: {why}; remove the file to have a new one made", path = path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A layout to be served cannot be read.
    #[error(transparent)]
    Layout(#[from] weir_images::Fault),
}

impl Error {
    pub(crate) fn data(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Data { doing, path, cause }
    }

    /// Whether trying again later can help.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Listen { .. } | Self::InUse { .. } => Class::Transient,
            Self::Data { .. } | Self::Credentials { .. } | Self::Layout(_) => Class::Permanent,
        }
    }
}
