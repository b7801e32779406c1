//! One thing wrong with one field, in the words of the Kubernetes API.

use crate::text::gotext;
use serde_json::Value;
use std::fmt;

/// Why a field is refused. The names are the wire values of `status.details.causes[].reason`
/// (package k8s.io/apimachinery/pkg/util/validation/field).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A required value is missing.
    Required,
    /// Two entries that must differ are equal.
    Duplicate,
    /// The value breaks a rule.
    Invalid,
    /// The value is not one of an enumeration.
    NotSupported,
    /// The value would be fine elsewhere, but not here.
    Forbidden,
    /// A string is too long.
    TooLong,
    /// A list or map has too many entries.
    TooMany,
    /// The value has another JSON type than the schema asks for.
    TypeInvalid,
    /// The server could not decide.
    Internal,
}

impl Reason {
    /// The wire name, e.g. `FieldValueRequired`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::Internal => "InternalError",
        }
    }

    /// The words a message starts with.
    fn words(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
        }
    }
}

/// A refused field: `status.details.causes[]` of a 422 answer has one entry for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field, e.g. `spec.items[1].name`; `<nil>` for the whole object.
    pub field: String,
    /// Machine-readable reason.
    pub reason: Reason,
    /// The message without the field, e.g. `Invalid value: "x": must be lower case`.
    pub message: String,
}

/// Maximum number of errors: nobody reads more, and a small cause can have many.
pub const MOST_ERRORS: usize = 100;
/// Maximum number of bytes of a value that a message shows.
const LONGEST_VALUE: usize = 8 << 10;

impl FieldError {
    fn new(field: impl Into<String>, reason: Reason, value: Option<String>, detail: &str) -> Self {
        let mut message = reason.words().to_owned();
        let shown = |value: String| match value.len() > LONGEST_VALUE {
            true => format!("{} ...", &value[..value.floor_char_boundary(LONGEST_VALUE)]),
            false => value,
        };
        let value = value.map(shown);
        for part in value.as_deref().into_iter().chain((!detail.is_empty()).then_some(detail)) {
            message.push_str(": ");
            message.push_str(part);
        }
        Self { field: field.into(), reason, message }
    }

    /// `Required value[: detail]`.
    #[must_use]
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, Reason::Required, None, detail)
    }

    /// `Forbidden: detail`.
    #[must_use]
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, Reason::Forbidden, None, detail)
    }

    /// `Internal error: detail`.
    #[must_use]
    pub fn internal(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, Reason::Internal, None, detail)
    }

    /// `Invalid value: <value>: detail`.
    #[must_use]
    pub fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::new(field, Reason::Invalid, Some(gotext::value(value)), detail)
    }

    /// `Invalid value: <shown>: detail`, for a value that is not shown as JSON.
    #[must_use]
    pub(crate) fn invalid_shown(field: impl Into<String>, shown: String, detail: &str) -> Self {
        Self::new(field, Reason::Invalid, Some(shown), detail)
    }

    /// `Invalid value: detail`, for a value too large to be shown.
    #[must_use]
    pub fn invalid_unshown(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, Reason::Invalid, None, detail)
    }

    /// `Invalid value: "<type>": detail`: the value has the wrong JSON type.
    #[must_use]
    pub fn type_invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::new(field, Reason::TypeInvalid, Some(gotext::value(value)), detail)
    }

    /// `Duplicate value: <value>`; a value of `None` is not shown.
    #[must_use]
    pub fn duplicate(field: impl Into<String>, value: Option<&Value>) -> Self {
        Self::new(field, Reason::Duplicate, value.map(gotext::value), "")
    }

    /// `Unsupported value: <value>: supported values: "a", "b"`.
    #[must_use]
    pub fn not_supported<'a>(
        field: impl Into<String>,
        value: &Value,
        supported: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let supported: Vec<_> = supported.into_iter().map(gotext::quote).collect();
        let detail = format!("supported values: {}", supported.join(", "));
        Self::new(field, Reason::NotSupported, Some(gotext::value(value)), &detail)
    }

    /// `Too long: may not be more than N bytes`.
    #[must_use]
    pub fn too_long(field: impl Into<String>, limit: i64) -> Self {
        let unit = if limit == 1 { "byte" } else { "bytes" };
        Self::new(field, Reason::TooLong, None, &format!("may not be more than {limit} {unit}"))
    }

    /// `Too many: N: must have at most M items`.
    #[must_use]
    pub fn too_many(field: impl Into<String>, actual: usize, limit: i64) -> Self {
        let unit = if limit == 1 { "item" } else { "items" };
        let detail = format!("must have at most {limit} {unit}");
        Self::new(field, Reason::TooMany, Some(actual.to_string()), &detail)
    }

    /// The same error below `parent`: this puts a schema's errors below the path of their version.
    #[must_use]
    pub fn under(mut self, parent: &str) -> Self {
        let separator = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        self.field = format!("{parent}{separator}{}", self.field);
        self
    }

    /// Whether expressions cannot be evaluated on an object with this error, because it may not have the shape they
    /// were written for (`hasBlockingErr` of k8s.io/apiextensions-apiserver/pkg/registry/customresource).
    #[must_use]
    pub fn blocks_rules(&self) -> bool {
        use Reason::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
        matches!(self.reason, NotSupported | Required | TooLong | TooMany | TypeInvalid)
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}
