//! Why nothing is generated. No message quotes the output of a template: it may contain the pull secret.

use crate::template::transpile::FileError;
use weir_gotemplate::TypeError;

/// Why there are no MachineConfigs. A retry does not help until templates or cluster change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The ControllerConfig names no pull secret.
    #[error("no pull secret: spec.pullSecret of the ControllerConfig is to name a secret")]
    NoPullSecret,
    /// The pull secret is not JSON.
    #[error("couldn't compact pullsecret: line {line}, column {column}: not JSON")]
    PullSecret {
        /// Line of the text, from 1.
        line: usize,
        /// Column of the line, from 1.
        column: usize,
    },
    /// The ControllerConfig does not fit its kind.
    #[error("ControllerConfig: {0}")]
    ControllerConfig(#[from] TypeError),
    /// The templates of a role fail.
    #[error("failed to create MachineConfig for role {role}: {cause}")]
    Role {
        /// Name of the folder.
        role: String,
        /// Why.
        cause: Box<RoleError>,
    },
}

/// Why the templates of a role fail. Paths are those in the tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// The role has no templates.
    #[error("failed to read dir {0:?}: there is none among the templates")]
    NoFolder(String),
    /// A layer or a part of one is a file instead of a folder.
    #[error("expected template directory, {0:?} is not a directory")]
    NotAFolder(String),
    /// Another role made a MachineConfig of the same name.
    #[error("another role makes a MachineConfig {0}")]
    SameName(String),
    /// The Infrastructure names no platform.
    #[error("cannot generate MachineConfigs when no platformStatus.type is set")]
    NoPlatform,
    /// The platform has the name of a folder that is not a platform's.
    #[error("platform {0} unsupported")]
    Platform(String),
    /// A template cannot be parsed.
    #[error("failed to parse template {path}: {0}", path = .0.template)]
    Parse(weir_gotemplate::Error),
    /// The evaluation of a template failed.
    #[error("failed to execute template: {0}")]
    Execute(weir_gotemplate::Error),
    /// The output of a template is not a file.
    #[error("error transpiling CoreOS config to Ignition config: failed to unmarshal {path} into struct: {why}")]
    File {
        /// The template.
        path: String,
        /// What is wrong with its output.
        why: FileError,
    },
    /// The output of a template is not a unit.
    #[error(
        "error transpiling CoreOS config to Ignition config: failed to unmarshal systemd unit {path} into struct: {why}"
    )]
    Unit {
        /// The template.
        path: String,
        /// What is wrong with its output.
        why: FileError,
    },
}
