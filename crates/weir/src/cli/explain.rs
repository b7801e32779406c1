//! `weir explain`: why something is the way it is.

mod distro;
mod file;
mod rollout;
mod rule;
mod stream;
mod take_over;

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
    /// How the distributions differ
    Distro(distro::Distro),
    /// Where a file on a pool's machines comes from, and its contents
    File(Box<file::File>),
    /// Which nodes a pool has, which may start, and what the others wait for
    Rollout(rollout::Rollout),
    /// What a code in the output stands for, such as R-ROLLOUT-2
    Rule(rule::Rule),
    /// Which OS image stream a pool gets, why, and its images
    Stream(stream::Stream),
    /// Whether weir can take over what another operator generates, and which nodes would notice
    TakeOver(Box<take_over::TakeOver>),
}

impl Explain {
    /// Explains it.
    ///
    /// # Errors
    /// When it cannot be explained.
    pub fn run(&self) -> Result<Outcome> {
        match &self.what {
            What::Distro(distro) => distro.run(),
            What::File(file) => file.run(),
            What::Rollout(rollout) => rollout.run(),
            What::Rule(rule) => rule.run(),
            What::Stream(stream) => stream.run(),
            What::TakeOver(take_over) => take_over.run(),
        }
    }
}
