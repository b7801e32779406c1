//! Structural schemas of custom resources: what a CustomResourceDefinition says about its objects, compiled once and
//! applied to many. Pure: no I/O, no clock.
//!
//! | module | question |
//! |---|---|
//! | `structural` `definition` | whether that is allowed |
//! | `compile` `field_path` | its rules, ready to run; whether its defaults are valid |
//! | `cost` | whether its rules may cost too much |
//! | `prune` | which fields are unknown |
//! | `default` | which defaults are filled in |
//! | `values` | whether values are allowed |
//! | `lists` | sets and maps: corresponding and repeated elements |
//! | `embedded` | whether embedded resources are resources |
//! | `rules` | whether the rules hold |
//! | `field` `path` | how errors read |

mod compile;
mod cost;
mod default;
mod definition;
mod embedded;
mod field;
mod field_path;
mod lists;
mod path;
mod prune;
mod rules;
mod structural;
mod values;

pub use default::Oversized;
pub use field::{FieldError, MOST_ERRORS, Reason};
pub use path::Path;
pub(crate) use rules::message_of;

use crate::node::Node;
use path::NIL;
use serde_json::Value;
use values::Report;

/// A compiled schema. Shared freely between threads.
#[derive(Debug)]
pub struct Schema {
    root: Node,
}

/// Which part of a resource a write may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    Status,
}

impl Schema {
    /// Compiles an `openAPIV3Schema`.
    ///
    /// # Errors
    /// Whatever kube-apiserver refuses in a CustomResourceDefinition, with its messages: a schema that is not
    /// structural, parts of JSON schema that are not supported, rules that do not compile, invalid defaults. Fields are
    /// relative to the schema (empty for the schema itself); [`FieldError::under`] puts them below the path of the
    /// version, which is `spec.validation.openAPIV3Schema` when all versions share one schema and
    /// `spec.versions[i].schema.openAPIV3Schema` otherwise.
    pub fn compile(openapi: &Value) -> Result<Self, Vec<FieldError>> {
        let mut root: Node = serde_json::from_value(openapi.clone())
            .map_err(|error| vec![FieldError::invalid("", &Value::from(""), &error.to_string())])?;
        let mut errors = structural::check(&root);
        errors.extend(definition::check(&root));
        if errors.is_empty() {
            errors = compile::rules(&mut root, "", true, None);
        }
        if errors.is_empty() {
            compile::defaults(&root, "", &mut errors);
        }
        if errors.is_empty() { Ok(Self { root }) } else { Err(errors) }
    }

    /// The rules that may cost more than kube-apiserver accepts, with its messages. Fields are like those of
    /// [`Schema::compile`]. `unchanged`: the schema is stored already, so only the sum is checked.
    #[must_use]
    pub fn too_expensive(&self, unchanged: bool) -> Vec<FieldError> {
        cost::check(&self.root, unchanged)
    }

    /// Removes fields that the schema does not know, and returns the paths (`spec.list[0].x`) of the first hundred, sorted.
    /// `fieldValidation: Strict` refuses them and `Warn` warns of them. Type and metadata of a resource are kept.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        prune::prune(object, &self.root)
    }

    /// Drops nulls that count as absent and fills in defaults.
    ///
    /// # Errors
    /// If the defaults exceed the maximum size of an object.
    pub fn default(&self, object: &mut Value) -> Result<(), Oversized> {
        default::apply(object, &self.root)
    }

    /// Validates a resource that is created (`old` is `None`) or that replaces `old`. Both must be pruned and
    /// defaulted. On update, unchanged values are accepted even if they are no longer valid.
    #[must_use]
    pub fn validate(&self, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        self.check(new, old, Scope::All)
    }

    /// Validates a write through `/status`. Only values in `status` are checked, and messages name them relative to it; rules are
    /// evaluated on the whole resource.
    #[must_use]
    pub fn validate_status(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        self.check(new, Some(old), Scope::Status)
    }

    fn check(&self, new: &Value, old: Option<&Value>, scope: Scope) -> Vec<FieldError> {
        let mut report = Report::new("");
        match scope {
            Scope::All => values::check(new, old, &self.root, &Path::ROOT, &mut report),
            Scope::Status => {
                report.prefix = "status";
                let old = old.and_then(|old| old.get("status"));
                if let (Some(status), Some(node)) = (new.get("status"), self.root.properties.get("status")) {
                    values::check(status, old, node, &Path::ROOT, &mut report);
                }
            }
        }
        let mut errors = report.errors;
        if scope == Scope::All {
            embedded::check(new, &self.root, &Path::ROOT, &mut errors);
        }
        errors.extend(self.repetitions(new, old));
        if !self.root.has_rules {
            return errors;
        }
        if errors.iter().any(FieldError::blocks_rules) {
            let detail = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
            errors.push(FieldError::invalid(NIL, &Value::Null, detail));
        } else {
            errors.extend(rules::check(new, old, &self.root, &Path::ROOT, true));
        }
        errors
    }

    /// Repeated elements of sets and maps; none if the old object already had some.
    fn repetitions(&self, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let of = |object: &Value| {
            let mut errors = Vec::new();
            lists::check(object, &self.root, &Path::ROOT, &mut errors);
            errors
        };
        let errors = of(new);
        if !errors.is_empty() && old.is_some_and(|old| !of(old).is_empty()) { Vec::new() } else { errors }
    }
}
