//! Go's `text/template`, as far as the templates of releases go, exactly; everything else is refused with line and column.
//!
//! What a template prints ends up in files on nodes, where a byte more reboots a fleet: nothing is half evaluated, nothing
//! that this engine does not know is passed over. Beyond what releases use there are `with`, comments, variables,
//! `break`, `continue`, `define`, `template`, `block`, `print`, `println`, `printf`, `slice` and all comparisons. Methods, complex
//! numbers, and the functions `html`, `js`, `urlquery` and `call` are refused.
//!
//! | module | question |
//! |---|---|
//! | [`value`] | what a template can be given |
//! | [`types`] | how JSON becomes values of Go's struct types |
//! | [`function`] | what a template can call beside the language's own |
//! | `lex`, `number`, `parse`, `tree` | how text becomes a template |
//! | `execute`, `builtin`, `format` | what it prints |
//!
//! Source: the package `text/template` of Go's standard library, <https://pkg.go.dev/text/template>.

mod builtin;
mod error;
mod execute;
mod format;
pub mod function;
mod lex;
mod number;
mod parse;
mod tree;
pub mod types;
pub mod value;

pub use error::{Error, Stage};
pub use function::{Functions, Parameter, Signature};
pub use types::{TypeError, Types};
pub use value::Value;

use std::collections::BTreeMap;

/// Longest text of a template. The longest of a release has some 20 KiB.
pub const MAX_TEXT: usize = 4 << 20;

/// How far a template may go. A template of a release stays a thousand times below each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of output.
    pub output: usize,
    /// Commands executed, and rounds of loops.
    pub steps: usize,
    /// Structures within each other, counted through templates that call each other.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { output: 8 << 20, steps: 1_000_000, depth: 200 }
    }
}

/// A template that was read.
#[derive(Clone, Debug)]
pub struct Template {
    name: String,
    text: String,
    templates: BTreeMap<String, tree::List>,
}

impl Template {
    /// Reads a template. `name` is what errors call it, usually the path of its file.
    ///
    /// # Errors
    /// When the text is no template, or uses what is not supported.
    pub fn parse(name: &str, text: &str, functions: &dyn Functions) -> Result<Self, Error> {
        let error = |(at, reason)| Error::at(name, text, at, Stage::Parse, reason);
        if text.len() > MAX_TEXT {
            return Err(error((0, format!("longer than {MAX_TEXT} bytes"))));
        }
        let is_function = |name: &str| functions.signature(name).is_some() || builtin::signature(name).is_some();
        let templates = parse::parse(name, text, &is_function).map_err(error)?;
        Ok(Self { name: name.to_owned(), text: text.to_owned(), templates })
    }

    /// What it prints with this data.
    ///
    /// # Errors
    /// Where and why it stopped; what was printed until then is not given.
    pub fn execute(&self, data: &Value, functions: &dyn Functions, limits: Limits) -> Result<String, Error> {
        let mut executor = execute::Executor {
            name: &self.name,
            text: &self.text,
            templates: &self.templates,
            functions,
            limits,
            steps: 0,
            depth: 0,
            out: String::new(),
        };
        let data = if matches!(data, Value::Nil) { Value::Missing } else { data.clone() };
        executor.template(0, &self.name, data)?;
        Ok(executor.out)
    }
}
