//! Skipped tests, counted by name; in CI, a skip without need is a failure.

use crate::prerequisites::{may_mount, on_path};
use anyhow::{Context as _, Result, bail};
use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path};

/// Names the file to which tests append a line for each skip: cause, name of what is missing, what was
/// skipped, separated by tabs. `weir_recorded::skip` writes it.
pub const FILE: &str = "WEIR_SKIPPED";

/// Discards the skips of an earlier run.
pub fn forget(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(|| file.display().to_string()),
        _ => Ok(()),
    }
}

/// Prints what was skipped, and how many times. With `strict`, a skip is an error if what it says is missing is present.
pub fn report(file: &Path, strict: bool) -> Result<()> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read.with_context(|| file.display().to_string())?,
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in text.lines() {
        *counts.entry(line).or_default() += 1;
    }
    let (mut unforced, mut total) = (Vec::new(), 0);
    for (line, count) in counts {
        let mut fields = line.split('\t');
        let (Some(cause), Some(name), Some(what)) = (fields.next(), fields.next(), fields.next()) else {
            bail!("{}: {line:?} is not \"cause, name, what\"", file.display());
        };
        total += count;
        eprintln!("skipped {count} x {what}: {name} is absent");
        if is_there(cause, name) {
            unforced.push(format!("{what}: {name}"));
        }
    }
    eprintln!("skipped in all: {total}");
    if strict && !unforced.is_empty() {
        bail!("skipped although what is needed is there: {}", unforced.join(", "));
    }
    Ok(())
}

fn is_there(cause: &str, name: &str) -> bool {
    match cause {
        "program" => on_path(name),
        "path" => Path::new(name).exists(),
        "right" => may_mount(),
        // A cause that nobody can check is no reason for a skip.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_machine_forces_may_be_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("skipped");
        assert!(report(&file, true).is_ok());
        let there = folder.path().display().to_string();
        for (line, allowed) in [
            ("program\tno-such-program\ta test".to_owned(), true),
            ("path\t/no/such/path\ta test".to_owned(), true),
            (format!("path\t{there}\ta test"), false),
            ("mood\tbad\ta test".to_owned(), false),
            ("nonsense".to_owned(), false),
        ] {
            fs::write(&file, format!("{line}\n{line}\n")).unwrap();
            assert_eq!(report(&file, true).is_ok(), allowed, "{line}");
        }
        fs::write(&file, format!("path\t{there}\ta test\n")).unwrap();
        assert!(report(&file, false).is_ok());
        forget(&file).unwrap();
        forget(&file).unwrap();
        assert!(!file.exists());
    }
}
