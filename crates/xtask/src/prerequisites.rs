//! What the tests need from the machine beyond a Rust toolchain, git and a C compiler.
//!
//! As root on a machine with apt, missing programs are installed. Otherwise they are named, together with what is
//! skipped; the tests themselves skip with a line when a program is absent.

use anyhow::{Context as _, Result, ensure};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

struct Program {
    name: &'static str,
    package: &'static str,
    skipped: &'static str,
}

const PROGRAMS: [Program; 11] = [
    Program { name: "buildah", package: "buildah", skipped: "tests that build images with it" },
    Program { name: "busybox", package: "busybox-static", skipped: "tests that build images with buildah" },
    Program { name: "chromium", package: "chromium", skipped: "tests of the page in a browser" },
    Program { name: "chromedriver", package: "chromium-driver", skipped: "tests of the page in a browser" },
    Program { name: "docker-registry", package: "docker-registry", skipped: "tests against a real registry" },
    Program { name: "newuidmap", package: "uidmap", skipped: "builds by a user with subordinate ids" },
    Program { name: "setcap", package: "libcap2-bin", skipped: "builds without the right to mount" },
    Program { name: "kubectl", package: "kubernetes-client", skipped: "tests with kubectl" },
    Program { name: "promtool", package: "prometheus", skipped: "checks of the alerts" },
    Program { name: "skopeo", package: "skopeo", skipped: "copies with skopeo" },
    Program { name: "python3", package: "python3", skipped: "comparison with the independent YAML and merge oracles" },
];

/// The checks of accessibility that the tests of the page run, as npm names them. Fetched, never committed: their licence is another.
const AXE: &str = "axe-core@4.14.1";

/// Where axe-core's script is once it is fetched.
pub fn axe(root: &Path) -> PathBuf {
    root.join("target/axe-core/package/axe.min.js")
}

/// Installs what is missing where possible, and says what is skipped otherwise.
pub fn install(root: &Path) {
    programs();
    if let Err(error) = fetch_axe(root) {
        eprintln!("skipping the accessibility checks of axe-core: {error:#}");
    }
}

fn fetch_axe(root: &Path) -> Result<()> {
    if axe(root).exists() {
        return Ok(());
    }
    let folder = root.join("target/axe-core");
    std::fs::create_dir_all(&folder)?;
    let pack = Command::new("npm")
        .args(["pack", "--silent", "--fetch-timeout=20000", "--fetch-retries=1", AXE])
        .current_dir(&folder)
        .output()
        .context("npm")?;
    ensure!(pack.status.success(), "npm pack {AXE}: {}", String::from_utf8_lossy(&pack.stderr).trim());
    let archive = String::from_utf8_lossy(&pack.stdout).trim().to_owned();
    let unpack = Command::new("tar").args(["-xzf", &archive, "package/axe.min.js"]).current_dir(&folder).output();
    let unpack = unpack.context("tar")?;
    ensure!(unpack.status.success(), "tar: {}", String::from_utf8_lossy(&unpack.stderr).trim());
    Ok(())
}

fn programs() {
    let missing: Vec<&Program> = PROGRAMS.iter().filter(|p| !on_path(p.name)).collect();
    if missing.is_empty() {
        return;
    }
    if is_root() && on_path("apt-get") {
        let packages: Vec<&str> = missing.iter().map(|p| p.package).collect();
        eprintln!("== installing {}", packages.join(", "));
        apt(&["update", "--quiet"]);
        for package in packages {
            apt(&["install", "--yes", "--quiet", "--no-install-recommends", package]);
        }
    }
    for program in missing.iter().filter(|p| !on_path(p.name)) {
        eprintln!("skipping {}: {} is not installed (package {})", program.skipped, program.name, program.package);
    }
}

fn apt(arguments: &[&str]) {
    let run = Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").output();
    match run {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            eprintln!("apt-get {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Err(error) => eprintln!("apt-get {}: {error}", arguments.join(" ")),
    }
}

/// Whether a program can be started by its name.
pub fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Whether this user may mount something in a namespace of its own.
pub fn may_mount() -> bool {
    Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|done| done.status.success())
}

/// Whether this user is root.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|data| data.uid() == 0)
}
