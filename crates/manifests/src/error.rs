//! What can go wrong.

use crate::Place;
use std::{
    io,
    path::{Path, PathBuf},
};
use weir_api::kind::{MACHINE_CONFIG_GROUP, MACHINE_CONFIG_KINDS};

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refuses, or the archive is broken.
    #[error("reading {}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The system's message.
        source: io::Error,
    },
    /// A pipe, device or socket in a folder: reading it might never end.
    #[error("{}: no regular file", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// [`Limits::file`](crate::Limits::file).
    #[error("{}: larger than {most} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        most: u64,
    },
    /// [`Limits::documents`](crate::Limits::documents).
    #[error("{place}: one document more than the {most} that are read; split the file")]
    TooManyDocuments {
        /// The first that is not read.
        place: Place,
        /// The limit.
        most: usize,
    },
    /// [`Limits::files`](crate::Limits::files).
    #[error("{}: more than {most} files and folders; name those that hold the cluster's objects", path.display())]
    TooManyFiles {
        /// Folder or archive.
        path: PathBuf,
        /// The limit.
        most: usize,
    },
    /// [`Limits::depth`](crate::Limits::depth).
    #[error("{}: more than {most} folders within each other", path.display())]
    TooDeep {
        /// What is too deep.
        path: PathBuf,
        /// The limit.
        most: usize,
    },
    /// [`Limits::kept`](crate::Limits::kept).
    #[error("{}: more than {most} bytes of objects; name the files or folders that hold the cluster's configuration", path.display())]
    TooMuch {
        /// The file or archive with the first object that is too much.
        path: PathBuf,
        /// The limit.
        most: u64,
    },
    /// Compressed data where text is expected.
    #[error("{}: compressed; archives are read from files that end in .tar, .tar.gz, .tgz or .zip", path.display())]
    Compressed {
        /// Where it is.
        path: PathBuf,
    },
    /// Neither YAML nor JSON.
    #[error("{place}: line {line}: {why}")]
    Text {
        /// The document.
        place: Place,
        /// Line of the file, from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// Not an API object.
    #[error("{place}: the object has no kind")]
    NoKind {
        /// Its position.
        place: Place,
    },
    /// What machines get, without the object that brings it to them.
    #[error(
        "{place}: an Ignition config, and no object of a cluster; weir extract and weir diff take it as ignition/FILE, without --from, and a \
         MachineConfig has it in spec.config"
    )]
    Ignition {
        /// Its position.
        place: Place,
    },
    /// Most likely a typo.
    #[error("{place}: {title}: {} has no such kind; it has {}", MACHINE_CONFIG_GROUP, MACHINE_CONFIG_KINDS.join(", "))]
    UnknownKind {
        /// Its position.
        place: Place,
        /// Kind and name.
        title: String,
    },
    /// Of a later version of its kind.
    #[error(
        "{place}: {title} is of {version}, and v{known} is read; take a newer weir, or what the API server has as v{known}"
    )]
    Newer {
        /// Its position.
        place: Place,
        /// Kind and name.
        title: String,
        /// Its `apiVersion`.
        version: String,
        /// The version that is known.
        known: u32,
    },
    /// A field has the wrong type.
    #[error("{place}: {title}: line {line}: {field}{}{reason}", if field.is_empty() { "" } else { ": " })]
    Field {
        /// The object's position.
        place: Place,
        /// Kind and name.
        title: String,
        /// Line of the file, from 1.
        line: usize,
        /// The path of the field; empty where it is not known.
        field: String,
        /// What is wrong with it.
        reason: serde_json::Error,
    },
    /// Nothing tells it from others of its kind.
    #[error("{place}: a {kind} without a name; write metadata.name")]
    NoName {
        /// Its position.
        place: Place,
        /// Its kind.
        kind: String,
    },
    /// Two different versions of one object, and no way to tell which one counts.
    #[error("{place}: there is another {title} before this one, in {before}")]
    Twice {
        /// Position of the second.
        place: Place,
        /// Kind and name.
        title: String,
        /// Position of the first.
        before: Place,
    },
    /// An object that a cluster has once, in two versions that were created independently.
    #[error("{place}: this {title} is of another cluster than the one in {before}; read one cluster at a time")]
    TwoClusters {
        /// Position of the second.
        place: Place,
        /// Kind and name.
        title: String,
        /// Position of the first.
        before: Place,
    },
}

impl ReadError {
    /// The file, folder or archive, and the line of the file where there is one: of the document, if no other is known.
    #[must_use]
    pub fn at(&self) -> (&Path, Option<usize>) {
        match self {
            Self::Io { path, .. }
            | Self::NoFile { path }
            | Self::TooLarge { path, .. }
            | Self::TooManyFiles { path, .. }
            | Self::TooDeep { path, .. }
            | Self::TooMuch { path, .. }
            | Self::Compressed { path } => (path, None),
            Self::TooManyDocuments { place, .. }
            | Self::NoKind { place }
            | Self::NoName { place, .. }
            | Self::Ignition { place }
            | Self::UnknownKind { place, .. }
            | Self::Newer { place, .. }
            | Self::Twice { place, .. }
            | Self::TwoClusters { place, .. } => (&place.file, Some(place.line)),
            Self::Text { place, line, .. } | Self::Field { place, line, .. } => (&place.file, Some(*line)),
        }
    }

    /// Whether it was read, but is not an object we know.
    pub(crate) fn is_no_object(&self) -> bool {
        matches!(self, Self::NoKind { .. } | Self::Ignition { .. } | Self::UnknownKind { .. })
    }

    /// Whether nothing that is read together with it can be told apart.
    pub(crate) fn is_of_two_clusters(&self) -> bool {
        matches!(self, Self::TwoClusters { .. })
    }

    /// Whether a newer weir could read it.
    pub(crate) fn is_newer(&self) -> bool {
        matches!(self, Self::Newer { .. })
    }
}

/// An object that YAML cannot represent.
#[derive(Debug, thiserror::Error)]
#[error("writing YAML")]
pub struct WriteError(#[from] serde_saphyr::SerializeError);
