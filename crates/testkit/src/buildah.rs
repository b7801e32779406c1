//! What tests need that build images with Debian's `buildah`.

use anyhow::{Context as _, Result};
use std::{path::Path, process::Command};
use weir_recorded::{Absent, skip};

/// Debian's `busybox-static`: a shell and its commands in one file that needs no other.
const BUSYBOX: &str = "/bin/busybox";
/// Bytes of a program in which it says how it is loaded (elf(5)).
const HEADERS: usize = 4_096;

/// A busybox that runs in an image without anything else; `None`, with a printed line, where that or buildah is not installed.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn busybox() -> Result<Option<Vec<u8>>> {
    if Command::new("buildah").arg("--version").output().is_err() {
        skip("a test that builds an image", &Absent::Program("buildah"));
        return Ok(None);
    }
    if !Path::new(BUSYBOX).exists() {
        skip("a test that builds an image", &Absent::Program("busybox"));
        return Ok(None);
    }
    let program = std::fs::read(BUSYBOX).context(BUSYBOX)?;
    // One that is linked with libraries names their loader at its very beginning.
    if program.get(..HEADERS).unwrap_or_default().windows(8).any(|part| part == b"ld-linux") {
        skip("a test that builds an image", &Absent::Program("busybox-static"));
        return Ok(None);
    }
    Ok(Some(program))
}
