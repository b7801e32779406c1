//! The image that runs weir in a cluster: the program alone, which therefore is linked statically.

use anyhow::{Context as _, Result, bail};
use std::{fs, path::Path, process::Command};

/// Where systems keep the certificates of their CAs in one file.
const CERTIFICATES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];
/// Linked this way, the program needs no library of its image; what it depends on is compiled as ever.
const STATIC: [&str; 2] = ["-C", "target-feature=+crt-static"];

/// Builds the program for release, and an image of this name from it.
pub fn run(root: &Path, name: &str) -> Result<()> {
    let program = ["rustc", "--release", "--package", "weir", "--bin", "weir", "--"];
    crate::cargo(root, &[program.as_slice(), &STATIC].concat())?;
    let folder = root.join("target/image");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let certificates = CERTIFICATES.iter().find(|file| Path::new(file).exists());
    let Some(certificates) = certificates else {
        bail!("this system has no certificates in {}", CERTIFICATES.join(" or "))
    };
    for (from, to) in
        [(crate::program(root, "release")?.as_path(), "weir"), (Path::new(certificates), "ca-certificates.crt")]
    {
        fs::copy(from, folder.join(to)).with_context(|| format!("copying {}", from.display()))?;
    }
    let mut buildah = Command::new("buildah");
    buildah.args(["bud", "--tag", name, "--file"]).arg(root.join("Containerfile")).arg(&folder);
    let built = buildah.status().context("buildah, of the package of this name, is needed")?;
    if !built.success() {
        bail!("buildah failed");
    }
    Ok(())
}
