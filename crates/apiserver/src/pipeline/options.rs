//! How something is written.

use crate::{request::Request, status::Failure};
use serde_json::{Map, Value, json};
use weir_apischema::schema::FieldError;

/// What happens to fields that the kind does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Strict,
    Warn,
    Ignore,
}

/// Options that come with a write.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) dry_run: bool,
    pub(crate) manager: String,
    pub(crate) field_validation: FieldValidation,
    /// The options as given in the request, for admission.
    pub(crate) given: Map<String, Value>,
}

impl Options {
    /// The options of a request.
    ///
    /// # Errors
    /// If an option does not have the given value.
    pub(crate) fn read(request: &Request) -> Result<Self, Failure> {
        let query = &request.query;
        let dry_run = match query.get("dryRun") {
            "" => false,
            "All" => true,
            other => return Err(invalid_option("dryRun", other, &["All"])),
        };
        let field_validation = match query.get("fieldValidation") {
            "" | "Warn" => FieldValidation::Warn,
            "Strict" => FieldValidation::Strict,
            "Ignore" => FieldValidation::Ignore,
            other => return Err(invalid_option("fieldValidation", other, &["Ignore", "Warn", "Strict"])),
        };
        let mut given: Map<String, Value> = ["fieldManager", "fieldValidation"]
            .into_iter()
            .filter(|name| !query.get(name).is_empty())
            .map(|name| (name.to_owned(), query.get(name).into()))
            .collect();
        given.extend(dry_run.then(|| ("dryRun".to_owned(), json!(["All"]))));
        Ok(Self { dry_run, manager: request.field_manager(), field_validation, given })
    }
}

fn invalid_option(field: &str, value: &str, supported: &[&str]) -> Failure {
    let error = FieldError::not_supported(field, &value.into(), supported.iter().copied());
    Failure::invalid_kind("CreateOptions.meta.k8s.io", "meta.k8s.io", "CreateOptions", "", &[error])
}

/// Which part of the object an endpoint writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Main,
    Status,
    /// `namespaces/x/finalize`.
    Finalize,
}

impl Part {
    pub(crate) fn subresource(self) -> &'static str {
        match self {
            Self::Main => "",
            Self::Status => "status",
            Self::Finalize => "finalize",
        }
    }
}
