//! `weir explain` as a program.

use anyhow::{Result, ensure};
use std::process::Command;

const GOLDEN: &str = include_str!("golden/distro-diff.txt");
/// Lines and columns of a small terminal window.
const SCREEN: (usize, usize) = (24, 100);

fn explain(arguments: &[&str]) -> Result<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_weir")).arg("explain").args(arguments).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn the_whole_difference_of_the_distributions_fits_on_a_screen() -> Result<()> {
    assert_eq!(
        explain(&["distro", "--diff"])?,
        GOLDEN,
        "when it is meant to differ, write it to tests/golden and docs"
    );
    assert!(GOLDEN.lines().count() <= SCREEN.0 && GOLDEN.lines().all(|line| line.chars().count() <= SCREEN.1));
    Ok(())
}

#[test]
fn the_documentation_shows_it_as_it_is() {
    assert!(include_str!("../../../../docs/user/okd.md").contains(GOLDEN));
}

#[test]
fn all_of_it_as_data() -> Result<()> {
    let all: serde_json::Value = serde_json::from_str(&explain(&["distro", "-o", "json"])?)?;
    let rows = all.as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(rows.len() > GOLDEN.lines().count(), "what does not differ is there as well");
    let rule = rows.iter().find(|row| row["setting"] == "streams.rule");
    assert_eq!(rule.map(|row| &row["values"]["okd"]), Some(&serde_json::json!("one-following-release")));
    Ok(())
}
