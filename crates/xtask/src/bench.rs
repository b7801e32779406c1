//! The benchmarks and their targets.

use anyhow::{Context as _, Result};
use std::path::Path;

/// The benchmarks there are.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Name {
    /// Start to updated fleet, and the switch of 2,000 nodes
    Up,
    /// A rollout: API server, controllers and nodes as processes, up to 5,000 nodes; requests of the controllers
    Rollout,
    /// The embedded API server
    Apiserver,
    /// Stream discovery against a registry, and against our own for comparison
    Discovery,
    /// Rendering
    Render,
    /// The page: how fast it is with 1,000 nodes, and what open pages cost
    Page,
    /// Reading a large cluster's objects and a must-gather from files
    Reading,
    /// An OS image that weir's own build makes, deployed by ostree and booted in a container; as root
    Boot,
}

/// Runs the benchmark in the release profile; it prints its own figures.
pub fn run(root: &Path, name: Name) -> Result<()> {
    let (package, target) = match name {
        Name::Up => return with_binary(root, "weir", "up"),
        Name::Rollout => return with_binary(root, "weir", "rollout"),
        Name::Page => return with_binary(root, "weir", "page"),
        Name::Reading => return with_binary(root, "weir", "reading"),
        Name::Boot => return crate::boot::run(root),
        Name::Render => return with_binary(root, "weir-rules", "render"),
        Name::Apiserver => ("weir-apiserver", "apiserver"),
        Name::Discovery => {
            bench(root, "weir-images", "discovery")?;
            ("weir-registry", "discovery")
        }
    };
    bench(root, package, target)
}

fn bench(root: &Path, package: &str, target: &str) -> Result<()> {
    crate::cargo(root, &["bench", "--package", package, "--bench", target])
}

/// Measures the program as users build it: the bench profile unwinds where the release profile aborts.
fn with_binary(root: &Path, package: &str, bench: &str) -> Result<()> {
    crate::cargo(root, &["build", "--release", "--package", "weir"])?;
    let program = crate::program(root, "release")?;
    let program = program.to_str().context("the workspace's path is not Unicode")?;
    crate::cargo(root, &["bench", "--package", package, "--bench", bench, "--", program])
}
