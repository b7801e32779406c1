//! Why the server could not be set up. Errors of requests are in `status`.

use std::{io, net::SocketAddr, path::PathBuf};
use weir_api::Class;

/// Why the server could not start. Causes are part of the message, so that a printed chain of errors names them once.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("listening on {address}: {cause}; choose another port, or stop the program that uses this one")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// A file or folder of the data directory cannot be read or written.
    #[error("{doing} {path}: {cause}; give a data directory that this user can write", path = path.display())]
    Data {
        /// What was attempted, e.g. `creating`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The contents of the data directory were changed.
    #[error("{path} is damaged: {why}; restore an intact copy, or move the data directory away to start afresh", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file in the data directory should be secret but is not: others may know its contents.
    #[error("{path}: {why}; remove the file to have a new one made; what relies on the old one stops working", path = path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The disk cannot store the data.
    #[error("writing to the data directory: {why}; make room on its disk and start again")]
    Full {
        /// What the system said.
        why: String,
    },
    /// Another server uses the data directory.
    #[error("the data directory {path} is in use by another server; stop it, or give another directory", path = path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The kubeconfig cannot be written to the requested path.
    #[error("writing the kubeconfig {path}: {cause}; give a path in a folder that exists and that this user can write", path = path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The stored certificates or the token are damaged, or new ones cannot be made.
    #[error(
        "{what}: {why}; remove the folder pki of the data directory to have new ones made; kubeconfigs and tokens issued with the old ones stop working"
    )]
    Credentials {
        /// Which one.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A CustomResourceDefinition given at the start is refused.
    #[error("CustomResourceDefinition {name:?}: {message}")]
    Definition {
        /// Name of the definition.
        name: String,
        /// The message that the API would have returned.
        message: String,
    },
}

impl Error {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Listen { cause, .. } if cause.kind() == io::ErrorKind::AddrInUse => Class::Transient,
            Self::InUse { .. } => Class::Transient,
            _ => Class::Permanent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn a_cause_is_printed_once() {
        let cause = || io::Error::new(io::ErrorKind::AddrInUse, "in use");
        let listen = Error::Listen { address: ([127, 0, 0, 1], 6443).into(), cause: cause() };
        assert_eq!(listen.class(), Class::Transient);
        let data = Error::Data { doing: "creating", path: "d".into(), cause: cause() };
        for error in [listen, data, Error::Kubeconfig { path: "k".into(), cause: cause() }] {
            assert!(error.source().is_none());
            assert_eq!(error.to_string().matches("in use").count(), 1, "{error}");
        }
    }
}
