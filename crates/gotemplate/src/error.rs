//! Why a template is refused, or its execution failed.

/// Why a template cannot be parsed, or its execution failed. Its output must not be used then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template: {template}:{line}:{column}: {reason}")]
pub struct Error {
    /// Name given for the template, usually the path of its file.
    pub template: String,
    /// Line, from 1.
    pub line: usize,
    /// Byte in the line, from 0, as Go counts it.
    pub column: usize,
    /// Whether parsing or execution failed.
    pub stage: Stage,
    /// What is wrong there.
    pub reason: String,
}

/// The activity that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Parsing.
    Parse,
    /// Execution.
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
