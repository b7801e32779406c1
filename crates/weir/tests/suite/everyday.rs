//! What a user meets on the first day: help, completions, manual pages, version.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::up::{up, weir};
use anyhow::Result;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Instant,
};
use weir_testkit::Program;

/// Longest that a completion may take with an idle cluster; an idle machine needs a tenth of it, one that tests may need all.
const PATIENCE: u128 = 1_000;

fn said(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What bash is told for the last word of a line.
fn completed(kubeconfig: &Path, line: &[&str]) -> Vec<String> {
    let mut asks = weir();
    asks.env("WEIR_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", (line.len() - 1).to_string()).arg("--").args(line);
    asks.env("KUBECONFIG", kubeconfig);
    said(asks.output().unwrap()).lines().map(str::to_owned).collect()
}

#[test]
fn names_are_completed_from_the_cluster() -> Result<()> {
    let Some(cluster) = up(&["--nodes", "master=1,worker=1,infra=1"])? else { return Ok(()) };
    let asks = |line: &[&str]| completed(&cluster.kubeconfig, line);
    let begun = Instant::now();
    let pools = asks(&["weir", "switch", ""]);
    assert!(begun.elapsed().as_millis() < PATIENCE, "{:?}", begun.elapsed());
    for pool in ["infra", "master", "worker"] {
        assert!(pools.iter().any(|found| found == pool), "{pools:?}");
    }
    assert_eq!(asks(&["weir", "switch", "wor"]), ["worker"]);
    assert_eq!(asks(&["weir", "switch", "worker", "rhel-"]), ["rhel-10", "rhel-9"]);
    assert_eq!(asks(&["weir", "explain", "stream", "--pool", "m"]), ["master"]);
    assert_eq!(asks(&["weir", "diff", "node/w"]), ["node/worker-0"]);
    assert_eq!(asks(&["weir", "explain", "file", "--pool", "infra", "/etc/machine-r"]), ["/etc/machine-role"]);
    // The cluster may be named on the line that is not finished.
    let named = cluster.kubeconfig.to_str().unwrap();
    assert_eq!(completed(Path::new("/nowhere"), &["weir", "status", "--kubeconfig", named, "inf"]), ["infra"]);
    // Without a cluster there are no names, and no error.
    assert_eq!(completed(Path::new("/nowhere"), &["weir", "switch", "wor"]), [""; 0]);
    assert!(completed(Path::new("/nowhere"), &["weir", "sta"]).contains(&"status".to_owned()));
    Ok(())
}

#[test]
fn every_subcommand_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man");
    assert_eq!(said(weir().arg("man").arg(&pages).output().unwrap()), "");
    let read = |name: &str| fs::read_to_string(pages.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    for (name, says) in [
        ("weir.1", "A machine config operator"),
        ("weir-up.1", "weir up \\-\\-until updated"),
        ("weir-explain-file.1", "Where a file on a pool"),
        ("weir-run-builder.1", "\\-\\-operator\\-image"),
    ] {
        let page = read(name);
        assert!(page.contains(".TH ") && page.contains(says), "{name}: {page}");
    }
    assert!(!pages.join("weir-copy-program.1").exists(), "what users do not call has no page");
    let is_file = folder.path().join("file");
    fs::write(&is_file, "").unwrap();
    let refused = weir().arg("man").arg(&is_file).output().unwrap();
    assert!(
        !refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("writing manual pages into")
    );
}

#[test]
fn a_status_that_is_watched_on_a_terminal_has_a_bar_for_each_pool() -> Result<()> {
    let Some(cluster) = up(&["--nodes", "master=1,worker=1"])? else { return Ok(()) };
    let watch = format!("{} status --watch", env!("CARGO_BIN_EXE_weir"));
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &watch, "/dev/null"]).env("KUBECONFIG", &cluster.kubeconfig);
    if Command::new("script").arg("--version").output().is_err() {
        weir_recorded::skip("status on a terminal", &weir_recorded::Absent::Program("script"));
        return Ok(());
    }
    let mut terminal = Program::start(&mut terminal)?;
    let (master, worker) = (terminal.line()?, terminal.line()?);
    let bar = format!("{} 1/1", "█".repeat(30));
    // The screen is cleared first (ECMA-48: CUP, ED).
    let first = format!("\u{1b}[H\u{1b}[2Jmaster  {bar}");
    // A terminal that reads nothing shows the end of its input.
    assert_eq!(master.trim_end().rsplit("\u{8}").next(), Some(first.as_str()), "{master:?}");
    assert_eq!(worker.trim_end(), format!("worker  {bar}"));
    Ok(())
}

#[test]
fn a_version_says_which_commit_and_how_it_was_built() {
    let version = said(weir().arg("--version").output().unwrap());
    assert!(
        version.starts_with("weir 0.") && version.contains(" (commit ") && version.ends_with(" build)\n"),
        "{version}"
    );
}

#[test]
fn values_are_taken_as_people_write_them() {
    let refused = |arguments: &[&str]| {
        let output = weir().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = refused(&["up", "--step-time", "5"]);
    assert!(said.contains("5 has no unit; write 5s for seconds or 5ms for milliseconds"), "{said}");
    let said = refused(&["up", "--distribution", "fedora"]);
    assert!(said.contains("use one of ocp, okd"), "{said}");
    let help = weir().args(["up", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("[possible values: ocp, okd]") && help.contains("Examples:\n  weir up\n"), "{help}");
    let folder = tempfile::tempdir().unwrap();
    let payload = folder.path().join("payload");
    let built = weir().args(["payload", "build", "--distribution", "OKD", "-o"]).arg(&payload).output().unwrap();
    assert!(built.status.success(), "{built:?}");
    let release = format!("oci:{}", payload.display());
    let listed = |format: &str| {
        self::said(weir().args(["get", "osimagestream", "--release-image", &release, "-o", format]).output().unwrap())
    };
    let (names, table) = (listed("name"), listed("wide"));
    assert_eq!((names.lines().count(), table.lines().count()), (1, 2), "{names}{table}");
    assert!(table.starts_with("STREAM") && table.lines().last().unwrap().starts_with(names.trim()), "{table}");
    assert!(listed("json").contains("\"kind\": \"OSImageStream\""));
}
