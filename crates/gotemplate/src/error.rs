//! Why a template is refused or stops.

/// Why a template cannot be parsed, or stopped while it was executed. Nothing of its output is to be used then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template: {template}:{line}:{column}: {reason}")]
pub struct Error {
    /// Name that the template was given, usually the path of its file.
    pub template: String,
    /// Line, from 1.
    pub line: usize,
    /// Byte in the line, from 0, as Go counts it.
    pub column: usize,
    /// Whether the text is no template, or one that stopped.
    pub stage: Stage,
    /// What is wrong there.
    pub reason: String,
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading the text.
    Parse,
    /// Executing what was read.
    Execute,
}

impl Error {
    /// An error at a byte of a text.
    pub(crate) fn at(template: &str, text: &str, offset: usize, stage: Stage, reason: String) -> Self {
        let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
        Self { template: template.to_owned(), line, column, stage, reason }
    }
}
