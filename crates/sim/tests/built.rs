//! The stories of image mode with buildah, where it works.
//!
//! A program of their own: each build keeps a processor busy for a while, and what has little time, such as another story, would miss
//! it beside this.

use anyhow::{Context as _, Result, ensure};
use std::sync::Arc;
use weir_controllers::{Access, build::buildah::Buildah};
use weir_images::Images;
use weir_sim::story::{Builders, Report, built, built_in};
use weir_testkit::buildah::busybox;

/// A build takes a second or two, on a machine that does nothing else. Made without a program it takes some milliseconds.
const TIMES: u32 = 8;

fn play(name: &str, changed: &[(&str, &str)]) -> Result<()> {
    // Only where what the tests with buildah need is there.
    if busybox()?.is_none() {
        return Ok(());
    }
    let (_, text) = built_in().iter().find(|(built_in, _)| *built_in == name).context("no such story")?;
    let mut text = (*text).to_owned();
    for (there, instead) in changed {
        ensure!(text.contains(there), "{name} has no {there}");
        text = text.replace(there, instead);
    }
    let report = on_threads(&text)?;
    ensure!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    Ok(())
}

fn on_threads(text: &str) -> Result<Report> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(async {
        let buildah = Buildah::find(folder.path(), Images::new(Default::default())).await?;
        built(text, Builders::new(move |access: Access| Arc::new(buildah.reading(access)), TIMES)).await
    })?;
    ensure!(std::fs::read_dir(folder.path())?.next().is_none(), "something is left of a build");
    Ok(report)
}

#[test]
fn ocp_image_mode() -> Result<()> {
    play("ocp-image-mode", &[])
}

#[test]
fn ocp_image_mode_switch() -> Result<()> {
    play("ocp-image-mode-switch", &[])
}

#[test]
fn okd_image_mode_hop() -> Result<()> {
    play("okd-image-mode-hop", &[])
}

/// A step that has to run is run, and fails for want of a shell in the sample's base.
#[test]
fn image_mode_build_fails() -> Result<()> {
    let refused = r#"reason: BuildRefused, says: "\"RUN dnf install -y tree\": this builder runs no program""#;
    let failed = r#"reason: BuildFailed, says: "RUN dnf install -y tree""#;
    play("image-mode-build-fails", &[(refused, failed), ("says: cannot be reached", "says: connection refused")])
}
