//! What objects alone say. The wording exists only here.

use super::Among;
use crate::objects::{author::Author, counted::Count};
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
        /// Whether there may be no further ones.
        all: bool,
    },
    /// None of the pools that there are selects the node.
    NoPoolSeen,
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
        /// Where it was looked for.
        among: Among,
    },
    /// A pod has to go before the node is drained, and budgets do not allow it.
    Blocked {
        /// Namespace and name.
        pod: String,
        /// The budgets.
        budgets: Vec<String>,
    },
    /// Pods have to go before the node is drained.
    ToGo {
        /// How many.
        pods: usize,
        /// Whether it is known that no budget forbids it.
        free: bool,
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
    /// A MachineConfig gives a part.
    Gives {
        /// Which fields of it; empty for what has none.
        fields: Vec<String>,
        /// The field of the MachineConfig that has it, if it is there as it was given.
        field: Option<String>,
    },
    /// Whether what nodes are to reach has a part.
    Holds {
        /// The rendered configuration.
        config: String,
        /// What the pool renders to now; absent if the configuration has the part.
        now: Option<String>,
    },
    /// The release's templates have a file for it.
    OfTemplates {
        /// The path on machines.
        path: String,
        /// The pool.
        pool: String,
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
    /// Nothing that there is says what the operator reports.
    NotReported,
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
            Self::NoPoolSeen | Self::NotReported => "NotKnown",
            Self::ConfigGone { .. } => "ConfigGone",
            Self::Blocked { .. } => "DrainBlocked",
            Self::ToGo { .. } => "Draining",
            Self::Gives { .. } => "Gives",
            Self::Holds { now: None, .. } => "Holds",
            Self::Holds { .. } => "HoldsNot",
            Self::OfTemplates { .. } => "OfTemplates",
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
            Self::InPools { first, others, all } if others.is_empty() => {
                write!(f, "is in pool {first}{}", if *all { " only" } else { "" })
            }
            Self::InPools { first, others, .. } => {
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
            Self::NoPoolSeen => f.write_str("is in none of the pools among the files"),
            Self::ConfigGone { config, is_told, among } => {
                let what = if *is_told { "was told to run" } else { "runs" };
                f.write_str(what)?;
                write!(f, " MachineConfig {config}, which ")?;
                f.write_str(match among {
                    Among::Cluster => "does not exist: it",
                    Among::Files => "is not among the files: if the cluster does not have it either, it",
                })?;
                f.write_str(
                    " was deleted, or what the machine was installed with differs from what the cluster renders",
                )
            }
            Self::Blocked { pod, budgets } => {
                write!(f, "pod {pod} has to go, and budget {} allows no disruption", budgets.join(", "))
            }
            Self::ToGo { pods, free } => {
                write!(f, "{} still to go", Count(*pods, "pod"))?;
                if *free { f.write_str(", and no budget is in the way") } else { Ok(()) }
            }
            Self::Gives { fields, field } => {
                let fields = if fields.is_empty() { "it".to_owned() } else { fields.join(", ") };
                write!(f, "gives {fields}")?;
                field.as_ref().map_or(Ok(()), |field| write!(f, " in {field}"))
            }
            Self::Holds { config, now: None } => write!(f, "{config}, which its nodes are to reach, has it"),
            Self::Holds { config, now: Some(now) } => {
                write!(f, "{config}, which its nodes are to reach, does not have it; the pool renders to {now} now")
            }
            Self::OfTemplates { path, pool } => {
                write!(f, "has it from a template, which weir explain file {path} --pool {pool} --release REF names")
            }
            Self::Moves { from, to } => write!(f, "goes from {from} to {to}"),
            Self::Differs { more: 0, what } => write!(f, "gives another {what}"),
            Self::Differs { more, .. } => write!(f, "differs in {more} more parts"),
            Self::OfStream { stream } => write!(f, "the image is that of stream {stream}"),
            Self::Generated { from } => write!(f, "is generated from {from}"),
            Self::Written { by } => write!(f, "was last written by {by}"),
            Self::NothingWrong => f.write_str("reports no problem"),
            Self::NotReported => f.write_str("what it reports is not known"),
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
