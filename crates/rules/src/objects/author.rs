//! Who wrote an object, from its `managedFields`.
//!
//! R-AUTHOR-1 The author of an object is the manager that wrote it last; a status has authors of its own, and they do not count.
//! R-AUTHOR-2 The author of a field is the manager that owns it; of several, the one that wrote last.
//! R-AUTHOR-3 Where `managedFields` were left out, as in caches, nobody is known.
//!
//! Source: `ManagedFieldsEntry` of the API reference of Kubernetes, and its page on server-side apply.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use std::fmt;

/// A manager, and when it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// Its name, which is that of a program: `kubectl-edit`.
    pub manager: String,
    /// When it wrote last, if that is recorded.
    pub at: Option<Timestamp>,
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.manager)?;
        self.at.map_or(Ok(()), |at| write!(f, " at {at}"))
    }
}

/// Who wrote the object last (R-AUTHOR-1).
#[must_use]
pub fn of_object(metadata: &ObjectMeta) -> Option<Author> {
    latest(entries(metadata))
}

/// Who owns the field at this path, each part a name of a field (R-AUTHOR-2).
#[must_use]
pub fn of_field(metadata: &ObjectMeta, path: &[&str]) -> Option<Author> {
    latest(entries(metadata).filter(|entry| owns(entry, path)))
}

fn entries(metadata: &ObjectMeta) -> impl Iterator<Item = &ManagedFieldsEntry> {
    let all = metadata.managed_fields.iter().flatten();
    all.filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty())
}

fn owns(entry: &ManagedFieldsEntry, path: &[&str]) -> bool {
    let mut at = entry.fields_v1.as_ref().map(|fields| &fields.0);
    for part in path {
        at = at.and_then(|fields| fields.get(format!("f:{part}")));
    }
    at.is_some()
}

fn latest<'a>(entries: impl Iterator<Item = &'a ManagedFieldsEntry>) -> Option<Author> {
    let at = |entry: &ManagedFieldsEntry| entry.time.as_ref().map(|time| time.0);
    let last = entries.max_by_key(|entry| at(entry))?;
    Some(Author { manager: last.manager.clone().filter(|manager| !manager.is_empty())?, at: at(last) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata() -> ObjectMeta {
        let entry = |manager: &str, time: &str, fields: serde_json::Value, subresource: &str| {
            json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "time": time, "fieldsType": "FieldsV1",
                   "fieldsV1": fields, "subresource": subresource})
        };
        serde_json::from_value(json!({"managedFields": [
            entry("kubectl-create", "2026-01-01T00:00:00Z", json!({"f:spec": {"f:config": {}}}), ""),
            entry("kubectl-cordon", "2026-01-02T00:00:00Z", json!({"f:spec": {"f:unschedulable": {}}}), ""),
            entry("kubelet", "2026-01-03T00:00:00Z", json!({"f:status": {}}), "status"),
        ]}))
        .unwrap()
    }

    #[test]
    fn the_last_writer_counts_and_statuses_do_not() {
        assert_eq!(of_object(&metadata()).unwrap().to_string(), "kubectl-cordon at 2026-01-02T00:00:00Z");
        assert_eq!(of_field(&metadata(), &["spec", "config"]).unwrap().manager, "kubectl-create");
        assert_eq!(of_field(&metadata(), &["spec", "taints"]), None);
        assert_eq!(of_object(&ObjectMeta::default()), None);
    }
}
