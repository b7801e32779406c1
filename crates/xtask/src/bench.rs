//! Which benchmark runs which target.

use anyhow::Result;
use std::path::Path;

/// The benchmarks there are.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Name {
    /// Start to updated fleet, and the switch of 2,000 nodes
    Up,
    /// The embedded API server
    Apiserver,
    /// Stream discovery against a registry
    Discovery,
    /// Rendering
    Render,
}

/// Runs the benchmark in the release profile; it prints its own figures.
pub fn run(root: &Path, name: Name) -> Result<()> {
    let (package, target) = match name {
        Name::Up => ("weir", "up"),
        Name::Apiserver => ("weir-apiserver", "apiserver"),
        Name::Discovery => ("weir-images", "discovery"),
        Name::Render => ("weir-rules", "render"),
    };
    crate::cargo(root, &["bench", "--package", package, "--bench", target])
}
