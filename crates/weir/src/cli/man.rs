//! `weir man`: manual pages, from what `--help` says.

use crate::exit::Outcome;
use anyhow::{Context as _, Result};
use std::{fs, path::PathBuf};

/// Write manual pages: weir.1, and one for each subcommand
#[derive(Debug, clap::Args)]
pub struct Man {
    /// Folder to write to; it is made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Man {
    pub(super) fn run(&self) -> Result<Outcome> {
        let at = || format!("writing manual pages into {}", self.folder.display());
        fs::create_dir_all(&self.folder).with_context(at)?;
        clap_mangen::generate_to(super::command(), &self.folder).with_context(at)?;
        Ok(Outcome::Done)
    }
}
