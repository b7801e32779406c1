//! `weir copy-program`: this program, copied where another image can run it.

use crate::exit::Outcome;
use anyhow::Context as _;
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
};

/// Everybody may run it.
const MODE: u32 = 0o755;

/// Where to.
#[derive(Debug, clap::Args)]
pub struct CopyProgram {
    /// Path of the copy
    #[arg(value_name = "FILE")]
    pub to: PathBuf,
}

impl CopyProgram {
    /// Copies the program; a file that is there is replaced.
    ///
    /// # Errors
    /// When it cannot be read, or not be written there.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let program = std::env::current_exe().context("finding this program")?;
        let copied =
            fs::copy(&program, &self.to).and_then(|_| fs::set_permissions(&self.to, Permissions::from_mode(MODE)));
        copied.with_context(|| format!("copying {} to {}", program.display(), self.to.display()))?;
        Ok(Outcome::Done)
    }
}
