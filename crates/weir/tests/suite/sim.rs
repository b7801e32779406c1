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

#[test]
fn what_makes_no_sense_is_refused() -> Result<()> {
    for arguments in [["--seed", "-1"], ["--seeds", "many"], ["--threads", "0"]] {
        assert_eq!(sim(&arguments, |_| {})?.status.code(), Some(2), "{arguments:?}");
    }
    Ok(())
}
