//! Go's `text/template`, exactly, as far as the templates of releases use it; everything else is refused with line and column.
//!
//! The output of templates ends up in files on nodes, where one more byte reboots a fleet: nothing is evaluated half-way, and
//! nothing unknown is ignored. In addition to what releases use, `with`, comments, variables, `break`, `continue`, `define`,
//! `template`, `block`, `print`, `println`, `printf`, `slice` and all comparisons are supported. Methods, complex numbers, and the
//! functions `html`, `js`, `urlquery` and `call` are refused.
//!
//! | module | subject |
//! |---|---|
//! | [`value`] | the values that a template can be given |
//! | [`types`] | how JSON becomes values of Go's struct types |
//! | [`function`] | functions in addition to the built-in ones |
//! | `lex`, `number`, `parse`, `tree` | how text becomes a template |
//! | `execute`, `builtin`, `format` | how it is executed |
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

/// Maximum length of a template. The longest of a release has some 20 KiB.
pub const MAX_TEXT: usize = 4 << 20;

/// Limits of an execution. Templates of releases stay below each by a factor of a thousand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum output in bytes.
    pub output: usize,
    /// Maximum number of commands and loop iterations.
    pub steps: usize,
    /// Maximum nesting of structures, including templates that call each other.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { output: 8 << 20, steps: 1_000_000, depth: 200 }
    }
}

/// A parsed template.
#[derive(Clone, Debug)]
pub struct Template {
    name: String,
    text: String,
    templates: BTreeMap<String, tree::List>,
}

impl Template {
    /// Parses a template. `name` identifies it in errors, usually the path of its file.
    ///
    /// # Errors
    /// If the text is not a template, or uses something that is not supported.
    pub fn parse(name: &str, text: &str, functions: &dyn Functions) -> Result<Self, Error> {
        let error = |(at, reason)| Error::at(name, text, at, Stage::Parse, reason);
        if text.len() > MAX_TEXT {
            return Err(error((0, format!("longer than {MAX_TEXT} bytes"))));
        }
        let is_function = |name: &str| functions.signature(name).is_some() || builtin::signature(name).is_some();
        let templates = parse::parse(name, text, &is_function).map_err(error)?;
        Ok(Self { name: name.to_owned(), text: text.to_owned(), templates })
    }

    /// Executes it with this data and returns its output.
    ///
    /// # Errors
    /// Where and why execution failed; there is no partial output.
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
