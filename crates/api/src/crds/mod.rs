//! CustomResourceDefinitions, generated from the types of this crate.
//!
//! | module | contents |
//! |---|---|
//! | [`own`] | names, columns and annotations of our kinds |
//! | [`foreign`] | definitions of OpenShift's kinds that a plain Kubernetes cluster lacks |
//! | `definition` | what every definition is made of |
//! | `structural` | from a derived schema to a structural one |
//! | `feature_set` | which features are enabled |
//!
//! Schemas come from `schemars` derives on the spec and status types; what Rust cannot express (CEL rules, list types,
//! required fields of types that are read leniently) is in attributes on the fields.

mod definition;
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
    all.extend(foreign(set));
    all.sort_by(|a, b| name(a).cmp(name(b)));
    all
}

/// `metadata.name` of a definition.
#[must_use]
pub fn name(crd: &Value) -> &str {
    crd.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}
