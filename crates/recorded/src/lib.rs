//! What tests compare with, and what they leave out.
//!
//! Recordings of other programs are committed under `tests/golden`, so that every clone checks them. Published definitions,
//! notes and oracles are not ours to commit: they are looked for in a folder beside the clone, and a test that does not
//! find them says so with [`skip`]. `cargo xtask test` prints all that was skipped at its end.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// Names the file to which [`skip`] appends a line; set by `cargo xtask test`.
pub const SKIPPED: &str = "WEIR_SKIPPED";

/// Why a test, or a part of one, did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    /// A program that is not installed.
    Program(&'static str),
    /// A folder or file that is not part of the project.
    Path(PathBuf),
    /// The right to mount, which root has unless it is in a container.
    Mounts,
}

/// Where a recording is.
///
/// # Panics
/// When it is not there: it is part of the project.
#[must_use]
pub fn golden(path: &str) -> PathBuf {
    let found = root().join("tests/golden").join(path);
    assert!(found.exists(), "{} is missing from the checkout", found.display());
    found
}

/// The text of a recording.
///
/// # Panics
/// When it cannot be read.
#[must_use]
#[allow(clippy::panic, reason = "for tests: a recording that cannot be read shall stop one")]
pub fn read(path: &str) -> String {
    let path = golden(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
}

/// Reference data that is not part of the project, from the folder beside the clone; `None`, counted as a skip of `what`,
/// where it is absent.
#[must_use]
pub fn reference(what: &str, path: &str) -> Option<PathBuf> {
    let found = root().join("../shared").join(path);
    if found.exists() {
        return Some(found);
    }
    skip(what, &Absent::Path(found));
    None
}

/// Counts and prints that `what` did not run.
pub fn skip(what: &str, why: &Absent) {
    let (cause, name) = match why {
        Absent::Program(name) => ("program", (*name).to_owned()),
        Absent::Path(path) => ("path", path.display().to_string()),
        Absent::Mounts => ("right", "mount".to_owned()),
    };
    println!("skipped: {what}: {name} is absent");
    let Some(file) = env::var_os(SKIPPED) else { return };
    let line = format!("{cause}\t{name}\t{what}\n");
    // One write: many tests append to the same file.
    let written =
        fs::OpenOptions::new().create(true).append(true).open(&file).and_then(|mut f| f.write_all(line.as_bytes()));
    if let Err(error) = written {
        eprintln!("{}: {error}", Path::new(&file).display());
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
