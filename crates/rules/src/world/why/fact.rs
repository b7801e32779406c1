//! What objects alone say. The wording exists only here.

use crate::objects::author::Author;
use std::fmt;
use weir_api::keys::drain::{CORDONED_BY_CONTROLLER, CORDONED_BY_OTHER};
use weir_ignition::{diff::Subject, file_address};

/// What an object says; reads as a clause about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The node runs what its pool wants.
    Done {
        /// The configuration.
        config: String,
    },
    /// The node may start.
    MayStart {
        /// Its place in the order, from 1.
        number: usize,
    },
    /// Which pools the node is in.
    InPools {
        /// The one that decides.
        first: String,
        /// The others.
        others: Vec<String>,
    },
    /// The node is cordoned.
    Cordoned {
        /// What for.
        cordon: Cordon,
        /// Who wrote it, if that is known.
        by: Option<Author>,
    },
    /// A rendered MachineConfig that the node names does not exist.
    ConfigGone {
        /// Its name.
        config: String,
        /// Whether the node was told to run it.
        is_told: bool,
    },
    /// From one configuration to another.
    Moves {
        /// What there was.
        from: String,
        /// What there is to be.
        to: String,
    },
    /// Something differs between the two.
    Differs {
        /// What; empty with `more`.
        what: String,
        /// How much more that is not named.
        more: usize,
    },
    /// The images of a stream.
    OfStream {
        /// The stream.
        stream: String,
    },
    /// A controller made it.
    Generated {
        /// From what.
        from: String,
    },
    /// A user made it.
    Written {
        /// Who, and when.
        by: Author,
    },
    /// The operator reports no problem.
    NothingWrong,
}

/// What a node is cordoned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cordon {
    /// For the drain of its update.
    ForDrain,
    /// Before its drain began, by somebody else.
    Before,
    /// Nothing says.
    NotKnown,
}

impl Cordon {
    pub(super) fn of(by: Option<&str>) -> Self {
        match by {
            Some(CORDONED_BY_CONTROLLER) => Self::ForDrain,
            Some(CORDONED_BY_OTHER) => Self::Before,
            _ => Self::NotKnown,
        }
    }
}

impl Fact {
    /// The reason in CamelCase.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Done { .. } => "Done",
            Self::MayStart { .. } => "MayStart",
            Self::InPools { .. } => "InPools",
            Self::Cordoned { .. } => "Cordoned",
            Self::ConfigGone { .. } => "ConfigGone",
            Self::Moves { .. } => "Moves",
            Self::Differs { .. } => "Differs",
            Self::OfStream { .. } => "OfStream",
            Self::Generated { .. } => "Generated",
            Self::Written { .. } => "Written",
            Self::NothingWrong => "AsExpected",
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { config } => write!(f, "runs {config}, as its pool wants"),
            Self::MayStart { number } => write!(f, "may start now, as number {number}"),
            Self::InPools { first, others } if others.is_empty() => write!(f, "is in pool {first} only"),
            Self::InPools { first, others } => {
                write!(f, "is in pool {first}, which decides, and in {}", others.join(", "))
            }
            Self::Cordoned { cordon, by } => {
                f.write_str(match cordon {
                    Cordon::ForDrain => "is cordoned for the drain of its update",
                    Cordon::Before => "was cordoned by somebody else before its drain, and stays so",
                    Cordon::NotKnown => "is cordoned, and not for a drain",
                })?;
                by.as_ref().map_or(Ok(()), |by| write!(f, ", by {by}"))
            }
            Self::ConfigGone { config, is_told } => {
                let what = if *is_told { "was told to run" } else { "runs" };
                write!(
                    f,
                    "{what} MachineConfig {config}, which does not exist: it was deleted, or what the machine was installed with \
                     differs from what the cluster renders"
                )
            }
            Self::Moves { from, to } => write!(f, "goes from {from} to {to}"),
            Self::Differs { more: 0, what } => write!(f, "gives another {what}"),
            Self::Differs { more, .. } => write!(f, "differs in {more} more parts"),
            Self::OfStream { stream } => write!(f, "the image is that of stream {stream}"),
            Self::Generated { from } => write!(f, "is generated from {from}"),
            Self::Written { by } => write!(f, "was last written by {by}"),
            Self::NothingWrong => f.write_str("reports no problem"),
        }
    }
}

/// The address of a part in a rendered configuration.
pub(in crate::world) fn addresses(subject: &Subject) -> Option<String> {
    match subject {
        Subject::File(path) => Some(file_address(path)),
        Subject::Directory(path) => Some(format!("storage.directories[{path}]")),
        Subject::Link(path) => Some(format!("storage.links[{path}]")),
        Subject::Unit(name) => Some(format!("systemd.units[{name}]")),
        Subject::Dropin { unit, name } => Some(format!("systemd.units[{unit}].dropins[{name}]")),
        Subject::User(name) => Some(format!("passwd.users[{name}]")),
        Subject::Group(name) => Some(format!("passwd.groups[{name}]")),
        Subject::Section(_) => None,
    }
}
