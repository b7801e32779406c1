//! What admission policies refuse: R-LINT-11.

use super::{Code, Finding};
use crate::operator::policies::{NoParameters, Write, always, refused};
use serde_json::Value;

/// Asks the policies that exist in every cluster; the kind is group, name and plural name.
pub(super) fn check((group, kind, resource): (&str, &str, &str), object: &Value) -> Option<Finding> {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    // What a cluster has was taken by it, and stays as it is.
    let old = (!text("uid").is_empty()).then_some(object);
    let (namespace, name) = (text("namespace"), text("name"));
    let write = Write { resource, group, kind, namespace, name, new: object, old };
    let refusal = refused(&always(), &write, &NoParameters)?;
    Some(Finding {
        code: Code::RefusedByPolicy,
        path: refusal.field.to_owned(),
        message: refusal.message,
        remedy: "correct it: a cluster refuses it".to_owned(),
    })
}
