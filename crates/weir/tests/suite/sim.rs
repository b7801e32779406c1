//! `weir sim`: the same seed gives the same life, in whatever process.

use anyhow::Result;
use std::process::{Command, Output};

/// A life with faults that takes little time.
const SEED: &str = "5";

fn sim(arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.arg("sim").args(arguments);
    prepare(&mut command);
    Ok(command.output()?)
}

#[test]
fn the_same_seed_gives_the_same_bytes_in_another_process_folder_environment_and_number_of_threads() -> Result<()> {
    let once = sim(&["--seed", SEED, "--trace", "--threads", "1"], |_| {})?;
    let text = String::from_utf8_lossy(&once.stdout);
    assert_eq!(once.status.code(), Some(0), "{text}");
    assert!(text.lines().count() > 50 && text.contains("faults end") && text.contains("seed 5 held: "), "{text}");
    let folder = tempfile::tempdir()?;
    let again = sim(&["--seed", SEED, "--trace", "--threads", "3"], |command| {
        command.current_dir(folder.path()).env_clear().env("TZ", "Asia/Tokyo").env("HOME", folder.path());
    })?;
    assert_eq!(text, String::from_utf8_lossy(&again.stdout));
    let told = String::from_utf8_lossy(&again.stderr);
    assert!(told.starts_with("1 life, 0 violations, ") && told.ends_with(" lives a second\n"), "{told}");
    Ok(())
}

/// A life in which one thing happens.
const LIFE: &str = "\
seed: 1
world: {distribution: okd, release: 0, nodes: 'master=1,worker=1', step: 1s, settle: 1s, request: 0s, event: 0s}
events:
- {at: 10s, what: {intent: {config: {role: worker, number: 0, revision: 1, good: true}}}}
";

#[test]
fn a_life_from_a_file_is_lived_and_one_that_is_wrong_is_named_with_its_line_or_field() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let live = |text: &str, more: &[&str]| -> Result<Output> {
        std::fs::write(folder.path().join("life.yaml"), text)?;
        sim(&[&["--life", "life.yaml"], more].concat(), |command| _ = command.current_dir(folder.path()))
    };
    let lived = live(LIFE, &["--coverage"])?;
    let text = String::from_utf8_lossy(&lived.stdout);
    assert_eq!(lived.status.code(), Some(0), "{text}");
    assert!(text.starts_with("seed 1 held: ") && text.contains("      1  intent      config\n"), "{text}");
    assert!(text.contains("      0  fault       cut: not yet\n"), "{text}");
    let shrunk = live(LIFE, &["--shrink"])?;
    assert_eq!((shrunk.status.code(), shrunk.stdout.len()), (Some(0), 0), "everything held");
    for (what, instead, said) in [
        ("okd", "none", "line 2: "),
        ("at: 10s", "at: soon", "line 4: "),
        ("seed: 1", "seed: one", "line 1: a whole number that is not negative is expected here (column 7)"),
        ("at: 10s", "at: 99h", "events[0].at: "),
        ("seed: 1", "sed: 1", "sed"),
    ] {
        let refused = live(&LIFE.replacen(what, instead, 1), &[])?;
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{told}");
        assert!(told.starts_with("error: life.yaml: ") && told.contains(said), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    let large = live(&format!("{LIFE}#{}", "x".repeat(1 << 20)), &[])?;
    assert!(String::from_utf8_lossy(&large.stderr).contains("no larger than 1048576 bytes"));
    Ok(())
}

#[test]
fn what_makes_no_sense_is_refused() -> Result<()> {
    assert_eq!(sim(&["--shrink"], |_| {})?.status.code(), Some(2), "of which life");
    for arguments in [["--seed", "-1"], ["--seeds", "many"], ["--threads", "0"]] {
        assert_eq!(sim(&arguments, |_| {})?.status.code(), Some(2), "{arguments:?}");
    }
    Ok(())
}
