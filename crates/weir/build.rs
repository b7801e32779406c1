//! Says how the program is linked.

use std::{env, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=link.ld");
    let variable = |name: &str| env::var(name).map_err(io::Error::other);
    let is = |key: &str, value: &str| variable(key).is_ok_and(|found| found == value);
    if !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return Ok(());
    }
    let link = |argument: &str| println!("cargo::rustc-link-arg-bins=-Wl,{argument}");
    // Relative relocations are 3 MiB otherwise, which every process reads at its start. A linker that does not know this warns.
    link("-z,pack-relative-relocs");
    // Rust's own linker is the one for this processor, and the options are its own.
    if is("CARGO_CFG_TARGET_ARCH", "x86_64") && is("PROFILE", "release") {
        // Code that is the same for many types is there once: 4 MiB. Nothing here tells functions apart by their address.
        link("--icf=all");
        link(&format!("-T,{}/link.ld", variable("CARGO_MANIFEST_DIR")?));
    }
    Ok(())
}
