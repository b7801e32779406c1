//! How subcommands that read manifests are told where they are.

use crate::manifests::{self, Files, Reading};
use clap::Args;
use std::path::PathBuf;
use weir_distro::Profile;

/// Where manifests are, and which distribution they are for
#[derive(Clone, Debug, Args)]
pub struct ManifestSource {
    /// Files and folders with manifests, `-` for standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true, num_args = 1..)]
    pub files: Vec<PathBuf>,
    /// Distribution of the cluster: decides about streams that are gone
    #[arg(long, value_name = "NAME", value_parser = Profile::by_name)]
    pub distribution: Option<&'static Profile>,
}

impl ManifestSource {
    /// Reads the manifests, lists unpacked.
    #[must_use]
    pub fn manifests(&self) -> Reading {
        manifests::read(&self.files, Files::Manifests).unpacked()
    }
}
