//! What is wrong with a configuration, and where.

use std::{borrow::Cow, fmt};

/// All errors, in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One entry for each error; never a warning.
    pub entries: Vec<Entry>,
}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where, as a path from the root: `$.storage.files.0.path`.
    pub path: String,
    /// The message.
    pub message: Cow<'static, str>,
}

impl Entry {
    /// Where, as API servers write paths: `storage.files[0].path`; empty for the whole.
    #[must_use]
    pub fn field(&self) -> String {
        let mut field = String::new();
        for step in self.path.split('.').skip(1) {
            if step.bytes().all(|byte| byte.is_ascii_digit()) {
                field.extend(["[", step, "]"]);
            } else {
                field.extend([if field.is_empty() { "" } else { "." }, step]);
            }
        }
        field
    }
}

impl Report {
    /// Whether there are no errors.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn one(path: String, message: impl Into<Cow<'static, str>>) -> Self {
        Self { entries: vec![Entry { path, message: message.into() }] }
    }
}

/// One line for each entry.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|e| writeln!(f, "error at {}: {}", e.path, e.message))
    }
}

/// A step from an object or list into its contents.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Field(&'static str),
    Index(usize),
}

/// A path as the report prints it; `under` is one more step, or several joined with dots.
pub(crate) fn path(steps: &[Step], under: &str) -> String {
    use fmt::Write as _;
    let mut path = String::from("$");
    for step in steps {
        // Writing into a String cannot fail.
        let _ = match step {
            Step::Field(name) => write!(path, ".{name}"),
            Step::Index(index) => write!(path, ".{index}"),
        };
    }
    if !under.is_empty() {
        path.extend([".", under]);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::Entry;

    #[test]
    fn fields() {
        for (path, field) in [
            ("$", ""),
            ("$.ignition", "ignition"),
            ("$.storage.files.0.contents.source", "storage.files[0].contents.source"),
            ("$.passwd.users.12", "passwd.users[12]"),
        ] {
            assert_eq!(Entry { path: path.to_owned(), message: "".into() }.field(), field);
        }
    }
}
