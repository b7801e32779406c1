//! The benchmark that boots an image: it needs much of the machine, and is a package of its own, which no other build sees.

use crate::prerequisites::{is_root, may_mount, on_path};
use anyhow::{Context as _, Result};
use std::{path::Path, process::Command};

/// Programs that it calls, and Debian's packages that have them.
const PROGRAMS: [(&str, &str); 9] = [
    ("apt-get", "apt"),
    ("buildah", "buildah"),
    ("kubectl", "kubernetes-client"),
    ("mmdebstrap", "mmdebstrap"),
    ("nsenter", "util-linux"),
    ("ostree", "ostree"),
    ("pkg-config", "pkg-config"),
    ("skopeo", "skopeo"),
    ("systemd-nspawn", "systemd-container"),
];
/// Libraries that it is linked with, by their names for pkg-config, and Debian's packages that have their headers.
const LIBRARIES: [(&str, &str); 3] =
    [("libzstd", "libzstd-dev"), ("openssl", "libssl-dev"), ("ostree-1", "libostree-dev")];
/// Its package, which is no member of the workspace.
const MANIFEST: &str = "bench/boot/Cargo.toml";
/// Where that is built.
const TARGET: &str = "target/bench-boot";

/// Runs it with the program as users build it; where it cannot run it is skipped, with what is missing.
pub fn run(root: &Path) -> Result<()> {
    let missing = missing();
    if !missing.is_empty() {
        println!("skipping the benchmark boot: {}", missing.join("; "));
        return Ok(());
    }
    crate::cargo(root, &["build", "--release", "--package", "weir"])?;
    let weir = crate::program(root, "release")?;
    let weir = weir.to_str().context("the workspace's path is not Unicode")?;
    crate::cargo(
        root,
        &["run", "--release", "--locked", "--quiet", "--manifest-path", MANIFEST, "--target-dir", TARGET, "--", weir],
    )
}

/// What keeps it from running here, in words.
fn missing() -> Vec<String> {
    let absent = PROGRAMS.iter().filter(|(program, _)| !on_path(program));
    let mut all: Vec<String> =
        absent.map(|(program, package)| format!("{program} is not installed (package {package})")).collect();
    let is_there = |library: &str| {
        let found = Command::new("pkg-config").args(["--exists", library]).status();
        found.is_ok_and(|status| status.success())
    };
    let absent = LIBRARIES.iter().filter(|(library, _)| on_path("pkg-config") && !is_there(library));
    all.extend(absent.map(|(library, package)| format!("{library} is not installed (package {package})")));
    if !is_root() || !may_mount() {
        all.push("it needs root, with the right to mount".to_owned());
    }
    all
}
