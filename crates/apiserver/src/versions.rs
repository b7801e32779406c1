//! One object in the versions of its resource. Only events differ in more than their `apiVersion`.

use crate::{kinds::event, object, registry::Resource, store::Object};
use serde_json::Value;

/// A stored object in a version of its resource.
pub(crate) fn in_version(resource: &Resource, stored: &Object) -> Value {
    let mut value = stored.value();
    if resource.group == "events.k8s.io" {
        event::from_core(&mut value);
    } else if object::text(&value, &["apiVersion"]) != resource.api_version() {
        object::set(&mut value, "apiVersion", resource.api_version().into());
    }
    value
}

/// The stored form of an object in a version of its resource.
pub(crate) fn stored_form(resource: &Resource, mut value: Value) -> Value {
    if resource.group == "events.k8s.io" {
        event::to_core(&mut value);
    }
    value
}
