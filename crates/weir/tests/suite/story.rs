//! `weir up --story`: what it lists, plays and refuses.

use anyhow::{Context as _, Result};
use std::process::Command;
use weir_sim::story::built_in;

/// A cluster that is asked for the impossible.
const FALSE_HOPE: &str = "
about: something that does not come true
distribution: ocp
payloads: {five: {version: 5.0.0, streams: [rhel-9, rhel-10]}}
start: {payload: five, nodes: 'master=1'}
steps:
- title: the default is another one
  within: 2s
  expect: [{streams: {available: [rhel-10, rhel-9], default: rhel-9}}]
";

fn up(arguments: &[&str]) -> Result<(Option<i32>, String, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_weir")).arg("up").args(arguments).output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((output.status.code(), text(output.stdout), text(output.stderr)))
}

#[test]
fn the_program_lists_plays_and_fails() -> Result<()> {
    let (code, list, _) = up(&["--story", "list"])?;
    assert_eq!((code, list.lines().count()), (Some(0), built_in().len()));
    let (code, timeline, _) = up(&["--story", "okd-day-zero"])?;
    assert_eq!(code, Some(0), "{timeline}");
    assert!(
        timeline.contains("✓ worker is updated, runs centos-10") && timeline.ends_with("everything held\n"),
        "{timeline}"
    );
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("false-hope.yaml");
    std::fs::write(&file, FALSE_HOPE)?;
    let (code, _, said) = up(&["--story", file.to_str().context("utf-8")?])?;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("the default is another one: not within 2s") && said.contains("default \"rhel-10\""),
        "{said}"
    );
    std::fs::write(&file, FALSE_HOPE.replace("payload: five", "payload: six"))?;
    let (code, _, said) = up(&["--story", file.to_str().context("utf-8")?])?;
    assert!(code == Some(1) && said.contains("the story has no payload \"six\""), "{said}");
    let (code, _, said) = up(&["--story", "nowhere"])?;
    assert!(
        code == Some(1) && said.contains("built-in story; those are image-mode-build-fails, ocp-4-to-5, ocp-dual"),
        "{said}"
    );
    Ok(())
}
