//! `weir explain`: why something is as it is.

mod distro;
mod file;
mod rollout;
mod stream;

use crate::exit::Outcome;
use anyhow::Result;

/// What to explain.
#[derive(Debug, clap::Args)]
pub struct Explain {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// What is particular to each distribution
    Distro(distro::Distro),
    /// Where a file on a pool's machines comes from, and what is in it
    File(file::File),
    /// Which nodes a pool has, which of them may go, and what the others wait for
    Rollout(rollout::Rollout),
    /// Which OS image stream a pool gets, why, and which images that are
    Stream(stream::Stream),
}

impl Explain {
    /// Explains.
    ///
    /// # Errors
    /// When there is nothing to explain.
    pub fn run(&self) -> Result<Outcome> {
        match &self.what {
            What::Distro(distro) => distro.run(),
            What::File(file) => file.run(),
            What::Rollout(rollout) => rollout.run(),
            What::Stream(stream) => stream.run(),
        }
    }
}
