//! Converts objects between the versions of their resource. Only events differ in more than `apiVersion`.

use crate::{kinds::event, object, registry::Resource, store::Object};
use serde_json::Value;

/// A stored object, converted to the version of a resource.
pub(crate) fn in_version(resource: &Resource, stored: &Object) -> Value {
    let mut value = stored.value();
    if resource.group == "events.k8s.io" {
        event::from_core(&mut value);
    } else if object::text(&value, &["apiVersion"]) != resource.api_version() {
        object::set(&mut value, "apiVersion", resource.api_version().into());
    }
    value
}

/// The stored form of an object in the version of a resource.
pub(crate) fn stored_form(resource: &Resource, mut value: Value) -> Value {
    if resource.group == "events.k8s.io" {
        event::to_core(&mut value);
    }
    value
}
