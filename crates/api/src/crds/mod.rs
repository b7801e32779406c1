//! CustomResourceDefinitions, generated from the types of this crate.
//!
//! | module | what it holds |
//! |---|---|
//! | [`own`] | names, columns and annotations of our kinds |
//! | [`foreign`] | definitions of kinds that OpenShift brings and a plain Kubernetes cluster lacks |
//! | `structural` | from a derived schema to a structural one |
//! | `feature_set` | what is switched on |
//!
//! Schemas come from `schemars` derives on the spec and status types; what Rust cannot say (CEL rules, list types,
//! required fields of types that are read leniently) stands in attributes next to the fields.

mod feature_set;
mod foreign;
mod own;
mod structural;

pub use feature_set::{FeatureSet, UnknownFeatureSet};
pub use foreign::foreign;
pub use own::own;

use serde_json::Value;

/// Every definition: [`own`] and [`foreign`], ordered by name.
#[must_use]
pub fn crds(set: FeatureSet) -> Vec<Value> {
    let mut all = own(set);
    all.extend(foreign());
    all.sort_by(|a, b| name(a).cmp(name(b)));
    all
}

/// `metadata.name` of a definition.
#[must_use]
pub fn name(crd: &Value) -> &str {
    crd.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}
