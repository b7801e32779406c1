//! The current position in an object; nothing is allocated until there is an error to report.

use std::fmt::Write;

/// One step of a path.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    /// A named field.
    Field(&'a str),
    /// A key of a map.
    Key(&'a str),
    /// A list position.
    Index(usize),
}

/// A path as a chain of steps towards the root.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path<'a> {
    last: Option<(&'a Path<'a>, Step<'a>)>,
}

impl<'a> Path<'a> {
    /// The whole object.
    pub const ROOT: Path<'static> = Path { last: None };

    /// A named field of it.
    #[must_use]
    pub fn field(&'a self, name: &'a str) -> Path<'a> {
        Path { last: Some((self, Step::Field(name))) }
    }

    pub(crate) fn key(&'a self, name: &'a str) -> Path<'a> {
        Path { last: Some((self, Step::Key(name))) }
    }

    /// An element of the list there, from 0.
    #[must_use]
    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path { last: Some((self, Step::Index(index))) }
    }

    /// `a.b[0].c`: map keys look like fields. How the OpenAPI validator and the pruner write paths.
    #[must_use]
    pub fn dotted(&self) -> String {
        self.render(true)
    }

    /// `a.b[0].c` and `labels[key]`: how field errors write paths. Empty at the root.
    pub(crate) fn bracketed(&self) -> String {
        self.render(false)
    }

    /// Like `bracketed`, with Go's name for an empty path.
    pub(crate) fn or_nil(&self) -> String {
        if self.last.is_none() { NIL.into() } else { self.bracketed() }
    }

    fn render(&self, dotted_keys: bool) -> String {
        let Some((parent, step)) = self.last else { return String::new() };
        let mut text = parent.render(dotted_keys);
        match step {
            Step::Index(index) => _ = write!(text, "[{index}]"),
            Step::Key(key) if !dotted_keys => _ = write!(text, "[{}]", shown(key)),
            Step::Key(name) | Step::Field(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(shown(name));
            }
        }
        text
    }
}

/// Maximum number of bytes of a name that paths show: longer than any meaningful name, and short enough to be repeated
/// for every field below it.
const LONGEST_STEP: usize = 512;

fn shown(name: &str) -> &str {
    &name[..name.floor_char_boundary(LONGEST_STEP)]
}

/// What Go prints for the path of a whole object.
pub(crate) const NIL: &str = "<nil>";
