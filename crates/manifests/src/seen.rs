//! What was found, for errors about what was not.

use crate::{Kind, gathered};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// Maximum number of kinds and places in a message; of more only the count is given.
const NAMED: usize = 8;

/// How many objects there are of a kind and group.
pub(crate) type Counts = BTreeMap<(String, String), usize>;

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The paths that were given.
    pub(crate) places: Vec<PathBuf>,
    /// Files that were read.
    pub(crate) files: usize,
    /// Objects of each kind.
    pub(crate) kinds: Counts,
    /// Files that were unreadable and skipped.
    passed_over: usize,
    /// The first of them, and why.
    passed_over_first: Vec<String>,
    /// Errors that were passed on.
    pub(crate) errors: usize,
    /// The given paths in which there was nothing, and how many files each has.
    barren: Vec<(PathBuf, usize)>,
}

/// How far reading has come.
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    /// Objects and errors.
    found: usize,
    files: usize,
}

/// There is no object of the required kind.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct NothingFound(String);

impl Seen {
    pub(crate) fn new(places: &[PathBuf]) -> Self {
        Self { places: places.to_vec(), ..Self::default() }
    }

    /// Counts a file that is unreadable and skipped.
    pub(crate) fn pass_over(&mut self, said: String) {
        tracing::info!("passed over: {said}");
        self.passed_over += 1;
        if self.passed_over_first.len() < NAMED {
            self.passed_over_first.push(said);
        }
    }

    /// Which files were unreadable and skipped, for people; absent if none was.
    pub(crate) fn said_of_passed_over(&self) -> Option<String> {
        let (files, first) = (Count(self.passed_over, "file"), self.passed_over_first.join("; "));
        let was = if self.passed_over == 1 { "was" } else { "were" };
        let more = match self.passed_over.saturating_sub(self.passed_over_first.len()) {
            0 => String::new(),
            more => format!("; and {more} more, which -v names"),
        };
        (self.passed_over > 0).then(|| format!("{files} could not be read and {was} passed over: {first}{more}"))
    }

    /// The kinds of all objects that were found, wanted or not: groups and names.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &str)> {
        self.kinds.keys().map(|(kind, group)| (group.as_str(), kind.as_str()))
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress { found: self.kinds.values().sum::<usize>() + self.errors, files: self.files }
    }

    /// Notes whether there was anything in a given path, which has just been read.
    pub(crate) fn note(&mut self, path: &Path, before: Progress) {
        let now = self.progress();
        if now.found == before.found {
            self.barren.push((path.to_owned(), now.files - before.files));
        }
    }

    /// The given paths without any object, and without an error, with what to say of each.
    pub fn barren(&self) -> impl Iterator<Item = (String, NothingFound)> {
        self.barren.iter().map(|(path, files)| {
            let (place, count) = (named(path), Count(*files, "file"));
            let names = if *files == 0 { gathered::NAMES } else { "" };
            let said = format!("no object in {place}: found none in {count}{names}");
            (place, NothingFound(said))
        })
    }

    /// Checks that there is an object of a kind.
    ///
    /// # Errors
    /// When there is none: where it was looked for, and what was found instead.
    pub fn need(&self, (group, kind): Kind<'_>) -> Result<(), NothingFound> {
        if self.kinds.contains_key(&(kind.to_owned(), group.to_owned())) {
            return Ok(());
        }
        let places = first(self.places.iter().map(|place| named(place)).collect());
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(kind, count)| (std::cmp::Reverse(**count), *kind));
        // The required kind exists only in another group, which explains the problem.
        let told = |((name, group), count): (&(String, String), &usize)| {
            if name == kind { format!("{count} {name} of group {group:?}") } else { format!("{count} {name}") }
        };
        let found = match kinds.as_slice() {
            [] => "no object".to_owned(),
            kinds => first(kinds.iter().copied().map(told).collect()),
        };
        let files = Count(self.files, "file");
        let passed_over = match self.passed_over {
            0 => String::new(),
            count => format!("; {} could not be read", Count(count, "file")),
        };
        Err(NothingFound(format!(
            "no {kind} in {places}: found {found} in {files}{}{passed_over}",
            if self.files == 0 { gathered::NAMES } else { "" },
        )))
    }
}

/// A given path, for people.
fn named(place: &Path) -> String {
    match place.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => place.display().to_string(),
    }
}

/// Some of them, and how many more there are.
fn first(mut all: Vec<String>) -> String {
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    let told = all.join(", ");
    if more == 0 { told } else { format!("{told} and {more} more") }
}

struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.0, self.1)
    }
}
