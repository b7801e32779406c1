//! Says which commit a build is of.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=WEIR_COMMIT");
    let kind = env::var("PROFILE").unwrap_or_default();
    // While weir is worked on, a commit says little, and each one would compile everything anew.
    let commit = env::var("WEIR_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = commit.or_else(|| if kind == "release" { of_checkout() } else { None });
    let commit = commit.unwrap_or_else(|| if kind == "release" { "unknown" } else { "development" }.to_owned());
    println!("cargo::rustc-env=WEIR_COMMIT={commit}");
    println!("cargo::rustc-env=WEIR_BUILD={kind} build");
}

/// The commit that is checked out; absent without git, or outside a checkout.
fn of_checkout() -> Option<String> {
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--path-format=absolute", "--git-path", file])?;
        println!("cargo::rerun-if-changed={path}");
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let said = Command::new("git").args(arguments).output().ok().filter(|said| said.status.success())?;
    Some(String::from_utf8(said.stdout).ok()?.trim().to_owned()).filter(|text| !text.is_empty())
}
