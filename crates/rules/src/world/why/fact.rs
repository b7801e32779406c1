//! What objects alone say. The wording exists only here.

use super::Among;
use crate::{
    objects::{author::Author, counted::Count},
    view::{DrainVerb, NodeView},
};
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
    /// An object keeps a pool from being rendered, or from getting what it is rendered to.
    InTheWay {
        /// The pool.
        pool: String,
        /// What in the object does, where that is known.
        what: Option<String>,
    },
    /// An object gives something to a file that is generated from several.
    GivesToIt,
    /// A condition of the node says that it is not ready.
    NotReady {
        /// Type of the condition.
        type_: &'static str,
        /// Its status.
        status: String,
        /// Its reason and message, as far as it has them.
        said: String,
    },
    /// The daemon goes on trying.
    TriesAgain,
    /// An object chooses the stream of a pool.
    Chooses {
        /// Who wrote that, if that is known.
        by: Option<Author>,
    },
    /// The stream is the one of before, and its image is another one.
    OfRelease,
    /// The operator reports no problem.
    NothingWrong {
        /// Pools that are not as they should be all the same, with how they are.
        pools: Vec<String>,
    },
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
    /// Only weir writes who cordoned a node; that others did for a drain, the daemon's request says.
    pub(super) fn of(node: &NodeView<'_>) -> Self {
        let is_to_drain = node.desired_drain.is_some_and(|asked| asked.verb() == DrainVerb::Drain);
        match node.cordoned_by {
            Some(CORDONED_BY_CONTROLLER) => Self::ForDrain,
            Some(CORDONED_BY_OTHER) => Self::Before,
            _ if is_to_drain => Self::ForDrain,
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
            Self::InTheWay { .. } => "InTheWay",
            Self::GivesToIt => "GivesToIt",
            Self::NotReady { .. } => "NotReady",
            Self::TriesAgain => "TriesAgain",
            Self::Chooses { .. } => "Chooses",
            Self::OfRelease => "OfRelease",
            Self::NothingWrong { .. } => "AsExpected",
        }
    }
}

impl fmt::Display for Cordon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForDrain => "is cordoned for the drain of its update",
            Self::Before => "was cordoned by somebody else before its drain, and stays so",
            Self::NotKnown => "is cordoned, and not for a drain",
        })
    }
}

/// What is said, and what is added to it where that is known.
fn with<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    said: impl fmt::Display,
    lead: &str,
    more: Option<&T>,
) -> fmt::Result {
    write!(f, "{said}")?;
    more.map_or(Ok(()), |more| write!(f, "{lead}{more}"))
}

fn gone(f: &mut fmt::Formatter<'_>, config: &str, is_told: bool, among: Among) -> fmt::Result {
    let does = if is_told { "was told to run" } else { "runs" };
    let which = match among {
        Among::Cluster => "does not exist: it",
        Among::Files => "is not among the files: if the cluster does not have it either, it",
    };
    write!(f, "{does} MachineConfig {config}, which {which}")?;
    f.write_str(" was deleted, or what the machine was installed with differs from what the cluster renders")
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
            Self::Cordoned { cordon, by } => with(f, cordon, ", by ", by.as_ref()),
            Self::NoPoolSeen => f.write_str("is in none of the pools among the files"),
            Self::ConfigGone { config, is_told, among } => gone(f, config, *is_told, *among),
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
            Self::InTheWay { pool, what } => {
                with(f, format_args!("is in the way of pool {pool}"), ", with ", what.as_ref())
            }
            Self::GivesToIt => f.write_str("gives something to it"),
            Self::NotReady { type_, status, said } => {
                write!(f, "is not ready: its condition {type_} is {status}")?;
                if said.is_empty() { Ok(()) } else { write!(f, ": {said}") }
            }
            Self::TriesAgain => {
                f.write_str("its daemon goes on trying, and begins anew when its pool gets another configuration")
            }
            Self::Chooses { by } => with(f, "chooses the stream", ", as last written by ", by.as_ref()),
            Self::OfRelease => f.write_str("its release brought another image"),
            Self::NothingWrong { pools } if pools.is_empty() => f.write_str("reports no problem"),
            Self::NothingWrong { pools } => write!(f, "reports no problem, and yet {}", pools.join(", ")),
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
