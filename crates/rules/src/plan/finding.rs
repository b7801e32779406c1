//! What is in the way of a change, and what users should know about it.
//!
//! R-FINDING-1 A finding says what was looked at, what was found and what to do. Its code stays the same from release to release.
//! R-FINDING-2 An inhibitor that was accepted is shown as a notice. Only what a user may know better can be accepted: what is not
//! known here, and what costs time only.

use std::{fmt, str::FromStr};

/// Which finding it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The pool cannot be rendered.
    Render,
    /// A MachineConfig overrides the OS image of a pool that names a stream.
    ImageConflict,
    /// The pool's stream does not exist.
    StreamGone,
    /// The configuration asks for runc, and the OS has none.
    Runc,
    /// No image can be built for a pool in image mode.
    Build,
    /// Nothing can be generated from an object.
    Generate,
    /// A node's daemon refuses the change.
    Irreconcilable,
    /// No node starts anywhere.
    Halted,
    /// An image cannot be read.
    ImageUnreadable,
    /// An image is not there for the architecture of nodes.
    ImageArchitecture,
    /// The target's extensions image lacks the packages of extensions.
    ExtensionsMissing,
    /// A release that cannot be reached from here, or kubelets that do not go with it.
    VersionSkew,
    /// Whether the target's OS has the extensions is not known.
    Extensions,
    /// The nodes' processors are too old for the OS.
    ArchitectureLevel,
    /// It is not known whether they are.
    ArchitectureLevelUnknown,
    /// Budgets allow no eviction of pods that have to go.
    Budget,
    /// Boot images are older than the target allows.
    BootImage,
    /// The target ignores kernel arguments.
    KernelArguments,
    /// The configuration asks for runc, and whether the OS image has it is not known.
    RuncUnknown,
    /// The pool is not rendered, as before the change, which has nothing to do with it.
    NotRendered,
    /// The pool's stream is no longer carried by the release.
    StreamRetained,
    /// A name of a stream has no effect.
    StreamIgnored,
    /// A MachineConfig overrides the OS image, so the pool follows no stream.
    ImageOverridden,
    /// The pool is paused.
    Paused,
    /// Nodes do not get where they should without somebody doing something.
    Stays,
    /// Nodes may be told of what was wanted before, too.
    Meanwhile,
    /// Pods are lost: nobody starts them elsewhere.
    PodsLost,
    /// No pool takes an object of the change.
    NoPool,
}

/// How a finding counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    Inhibits,
    /// It inhibits unless a user accepts it.
    Acceptable,
    Notice,
}

impl Code {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 28] = [
        Self::Render,
        Self::ImageConflict,
        Self::StreamGone,
        Self::Runc,
        Self::Build,
        Self::Generate,
        Self::Irreconcilable,
        Self::Halted,
        Self::ImageUnreadable,
        Self::ImageArchitecture,
        Self::ExtensionsMissing,
        Self::VersionSkew,
        Self::Extensions,
        Self::ArchitectureLevel,
        Self::ArchitectureLevelUnknown,
        Self::Budget,
        Self::BootImage,
        Self::KernelArguments,
        Self::RuncUnknown,
        Self::NotRendered,
        Self::StreamRetained,
        Self::StreamIgnored,
        Self::ImageOverridden,
        Self::Paused,
        Self::Stays,
        Self::Meanwhile,
        Self::PodsLost,
        Self::NoPool,
    ];

    const fn row(self) -> (&'static str, Counts) {
        use Counts::{Acceptable, Inhibits, Notice};
        match self {
            Self::Render => ("R-PLAN-RENDER", Inhibits),
            Self::ImageConflict => ("R-PLAN-IMAGE-CONFLICT", Inhibits),
            Self::StreamGone => ("R-PLAN-STREAM-GONE", Inhibits),
            Self::Runc => ("R-PLAN-RUNC", Inhibits),
            Self::Build => ("R-PLAN-BUILD", Inhibits),
            Self::Generate => ("R-PLAN-GENERATE", Inhibits),
            Self::Irreconcilable => ("R-PLAN-IRRECONCILABLE", Inhibits),
            Self::Halted => ("R-PLAN-HALTED", Inhibits),
            Self::ImageUnreadable => ("R-PLAN-IMAGE-UNREADABLE", Inhibits),
            Self::ImageArchitecture => ("R-PLAN-IMAGE-ARCHITECTURE", Inhibits),
            Self::ExtensionsMissing => ("R-PLAN-EXTENSIONS-MISSING", Inhibits),
            Self::VersionSkew => ("R-PLAN-VERSION-SKEW", Inhibits),
            Self::Extensions => ("R-PLAN-EXTENSIONS", Acceptable),
            Self::ArchitectureLevel => ("R-PLAN-ARCHITECTURE-LEVEL", Inhibits),
            Self::ArchitectureLevelUnknown => ("R-PLAN-ARCHITECTURE-LEVEL-UNKNOWN", Acceptable),
            Self::Budget => ("R-PLAN-BUDGET", Acceptable),
            Self::BootImage => ("R-PLAN-BOOT-IMAGE", Acceptable),
            Self::KernelArguments => ("R-PLAN-KERNEL-ARGUMENTS", Notice),
            Self::RuncUnknown => ("R-PLAN-RUNC-UNKNOWN", Notice),
            Self::NotRendered => ("R-PLAN-NOT-RENDERED", Notice),
            Self::StreamRetained => ("R-PLAN-STREAM-RETAINED", Notice),
            Self::StreamIgnored => ("R-PLAN-STREAM-IGNORED", Notice),
            Self::ImageOverridden => ("R-PLAN-IMAGE-OVERRIDDEN", Notice),
            Self::Paused => ("R-PLAN-PAUSED", Notice),
            Self::Stays => ("R-PLAN-STAYS", Notice),
            Self::Meanwhile => ("R-PLAN-MEANWHILE", Notice),
            Self::PodsLost => ("R-PLAN-PODS-LOST", Notice),
            Self::NoPool => ("R-PLAN-NO-POOL", Notice),
        }
    }

    /// The code, for people and scripts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// When it is said, as a clause.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Render => {
                "the pool cannot be rendered: a MachineConfig is invalid, or machines would have to be installed anew"
            }
            Self::ImageConflict => "a MachineConfig brings an OS image, and the pool names a stream",
            Self::StreamGone => "the stream does not exist",
            Self::Runc => "the configuration asks for runc, and the OS has none",
            Self::Build => "no OS image can be built for a pool in image mode before somebody changes something",
            Self::Generate => "nothing can be generated from an object",
            Self::Irreconcilable => "the daemon of a node refuses the change",
            Self::Halted => "no node starts anywhere",
            Self::ImageUnreadable => "an image cannot be read",
            Self::ImageArchitecture => "an OS image is not there for the architecture of nodes",
            Self::ExtensionsMissing => {
                "there is no such extension, or the extensions image of the OS has no package of it"
            }
            Self::VersionSkew => "the release is older or skips a minor version, or kubelets are too old for it",
            Self::Extensions => "the pool gets extensions, and whether the OS has them is not known",
            Self::ArchitectureLevel => {
                "processors are older than the OS allows, by the labels of Node Feature Discovery"
            }
            Self::ArchitectureLevelUnknown => "there are no such labels",
            Self::Budget => "budgets allow no eviction of pods that have to go",
            Self::BootImage => "new machines boot from images that are too old for the OS",
            Self::KernelArguments => "the OS ignores kernel arguments",
            Self::RuncUnknown => "the configuration asks for runc, and whether the image has it is not known",
            Self::NotRendered => "the pool is not rendered, as before the change, which has nothing to do with it",
            Self::StreamRetained => "the release no longer carries the stream",
            Self::StreamIgnored => "the name of a stream has no effect",
            Self::ImageOverridden => "a MachineConfig brings the OS image, so the pool follows no stream",
            Self::Paused => "the pool is paused",
            Self::Stays => "nodes stay behind until somebody does something",
            Self::Meanwhile => "nodes may be told of what was wanted before, too, until the change takes effect",
            Self::PodsLost => "pods that no controller owns are gone after a drain",
            Self::NoPool => "no pool takes an object of the change, which has no effect",
        }
    }

    /// Whether it is in the way, in words.
    #[must_use]
    pub const fn weight(self) -> &'static str {
        match self.row().1 {
            Counts::Inhibits => "in the way",
            Counts::Acceptable => "in the way unless accepted",
            Counts::Notice => "a note",
        }
    }

    /// Whether a user may accept it (R-FINDING-2).
    #[must_use]
    pub fn may_be_accepted(self) -> bool {
        self.row().1 == Counts::Acceptable
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A code that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{asked} is none of what may be accepted: {}", acceptable().join(", "))]
pub struct NotAcceptable {
    /// As given.
    pub asked: String,
}

fn acceptable() -> Vec<&'static str> {
    Code::ALL.iter().filter(|code| code.may_be_accepted()).map(|code| code.as_str()).collect()
}

impl FromStr for Code {
    type Err = NotAcceptable;

    /// Reads a code that may be accepted.
    fn from_str(text: &str) -> Result<Self, NotAcceptable> {
        let found = Self::ALL.into_iter().find(|code| code.as_str() == text && code.may_be_accepted());
        found.ok_or_else(|| NotAcceptable { asked: text.to_owned() })
    }
}

/// Something that is in the way, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which it is.
    pub code: Code,
    /// The pool; absent if it concerns all of them.
    pub pool: Option<String>,
    /// What was found.
    pub found: String,
    /// What it was found in: objects, files and lines, nodes.
    pub evidence: Vec<String>,
    /// What to do.
    pub remedy: String,
    /// Whether the user accepted it.
    pub accepted: bool,
}

impl Finding {
    pub(super) fn of(code: Code, pool: Option<&str>, found: String, remedy: String) -> Self {
        Self { code, pool: pool.map(str::to_owned), found, evidence: Vec::new(), remedy, accepted: false }
    }

    pub(super) fn seen_in(self, evidence: Vec<String>) -> Self {
        Self { evidence, ..self }
    }

    /// Whether it is in the way.
    #[must_use]
    pub fn inhibits(&self) -> bool {
        match self.code.row().1 {
            Counts::Inhibits => true,
            Counts::Acceptable => !self.accepted,
            Counts::Notice => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct_and_only_some_may_be_accepted() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(names.iter().all(|name| name.starts_with("R-PLAN-")));
        assert!(Code::ALL.is_sorted(), "findings are shown in the order of the codes");
        assert_eq!("R-PLAN-BUDGET".parse(), Ok(Code::Budget));
        for refused in ["R-PLAN-RUNC", "R-PLAN-PAUSED", "budget"] {
            let said = refused.parse::<Code>().unwrap_err().to_string();
            assert!(
                said.starts_with(&format!("{refused} is none of what may be accepted: R-PLAN-EXTENSIONS, ")),
                "{said}"
            );
        }
    }

    #[test]
    fn what_is_accepted_is_no_longer_in_the_way() {
        let of =
            |code, accepted| Finding { accepted, ..Finding::of(code, None, String::new(), String::new()) }.inhibits();
        assert!(of(Code::Budget, false) && !of(Code::Budget, true));
        assert!(of(Code::Runc, true) && !of(Code::Paused, false));
    }
}
