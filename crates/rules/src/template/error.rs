//! Why nothing is generated. No message has a line of what a template printed: the pull secret may be in it.

use crate::template::transpile::FileError;
use weir_gotemplate::TypeError;

/// Why there are no MachineConfigs. Trying again helps nothing until templates or cluster change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The ControllerConfig names no pull secret.
    #[error("no pull secret: spec.pullSecret of the ControllerConfig is to name a secret")]
    NoPullSecret,
    /// The pull secret is no JSON.
    #[error("couldn't compact pullsecret: line {line}, column {column}: not JSON")]
    PullSecret {
        /// Line of the text, from 1.
        line: usize,
        /// Column of the line, from 1.
        column: usize,
    },
    /// The ControllerConfig is not what its kind is.
    #[error("ControllerConfig: {0}")]
    ControllerConfig(#[from] TypeError),
    /// The templates of a role make nothing.
    #[error("failed to create MachineConfig for role {role}: {cause}")]
    Role {
        /// Name of the folder.
        role: String,
        /// Why.
        cause: Box<RoleError>,
    },
}

/// Why the templates of a role make nothing. Paths are those in the tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// There are no templates of the role.
    #[error("failed to read dir {0:?}: there is none among the templates")]
    NoFolder(String),
    /// A layer or its part is a file.
    #[error("expected template directory, {0:?} is not a directory")]
    NotAFolder(String),
    /// Another role made a MachineConfig of this name.
    #[error("another role makes a MachineConfig {0}")]
    SameName(String),
    /// The Infrastructure names no platform.
    #[error("cannot generate MachineConfigs when no platformStatus.type is set")]
    NoPlatform,
    /// The platform is called like a folder that is none of a platform.
    #[error("platform {0} unsupported")]
    Platform(String),
    /// A template cannot be read.
    #[error("failed to parse template {path}: {0}", path = .0.template)]
    Parse(weir_gotemplate::Error),
    /// A template stopped.
    #[error("failed to execute template: {0}")]
    Execute(weir_gotemplate::Error),
    /// What a template printed is no file.
    #[error("error transpiling CoreOS config to Ignition config: failed to unmarshal {path} into struct: {why}")]
    File {
        /// The template.
        path: String,
        /// What is wrong with what it printed.
        why: FileError,
    },
    /// What a template printed is no unit.
    #[error(
        "error transpiling CoreOS config to Ignition config: failed to unmarshal systemd unit {path} into struct: {why}"
    )]
    Unit {
        /// The template.
        path: String,
        /// What is wrong with what it printed.
        why: FileError,
    },
}
