//! Checks that a write agrees with its endpoint, its namespace, and its preconditions.

use super::Write;
use crate::{
    object::{self, edit_meta, is_deleting, meta},
    status::{Failure, Named as _},
    store::{Key, Object},
};
use serde_json::{Value, json};
use std::sync::Arc;

impl Write<'_> {
    /// `apiVersion` and `kind` may be left out, but must not contradict the endpoint.
    pub(super) fn check_kind(&self, new: &mut Value) -> Result<(), Failure> {
        let (version, kind) = (self.resource.api_version(), self.resource.kind.as_str());
        if !new.is_object() {
            return Err(Failure::bad_request(format!(
                "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: json: cannot unmarshal into Go value of type struct"
            )));
        }
        let sent = object::text(new, &["apiVersion"]);
        let sent_kind = object::text(new, &["kind"]);
        if !sent_kind.is_empty() && sent_kind != kind {
            let short = |v: &str| v.rsplit('/').next().unwrap_or_default().to_owned();
            let group = if self.resource.group.is_empty() {
                "core"
            } else {
                self.resource.group.split('.').next().unwrap_or_default()
            };
            return Err(Failure::bad_request(format!(
                "{sent_kind} in version {:?} cannot be handled as a {kind}: converting ({}.{sent_kind}) to ({group}.{kind}): unknown conversion",
                short(sent),
                short(sent)
            )));
        }
        if !sent.is_empty() && sent != version {
            return Err(Failure::bad_request(format!(
                "the API version in the data ({sent}) does not match the expected API version ({version})"
            )));
        }
        object::set(new, "apiVersion", version.into());
        object::set(new, "kind", kind.into());
        if !new.get("metadata").is_some_and(Value::is_object) {
            object::set(new, "metadata", json!({}));
        }
        Ok(())
    }

    /// Gives the object a name if it has only a prefix, and its namespace.
    pub(super) fn name(&self, new: &mut Value) -> Result<(), Failure> {
        self.check_namespace_field(new)?;
        if meta(new, "name").is_empty() && !meta(new, "generateName").is_empty() {
            const LONGEST_PREFIX: usize = 58;
            let prefix: String = meta(new, "generateName").chars().take(LONGEST_PREFIX).collect();
            let name = format!("{prefix}{}", self.host.ids().suffix());
            edit_meta(new, |meta| meta.insert("name".into(), name.into()));
        }
        Ok(())
    }

    pub(super) fn check_namespace_field(&self, new: &mut Value) -> Result<(), Failure> {
        let sent = meta(new, "namespace").to_owned();
        if !self.resource.namespaced {
            edit_meta(new, |meta| meta.remove("namespace"));
        } else if sent.is_empty() {
            edit_meta(new, |meta| meta.insert("namespace".into(), self.namespace.into()));
        } else if sent != self.namespace {
            let message = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Failure::bad_request(message));
        }
        Ok(())
    }

    pub(super) fn check_identity(&self, new: &mut Value, name: &str) -> Result<(), Failure> {
        let sent = meta(new, "name").to_owned();
        if sent.is_empty() {
            edit_meta(new, |meta| meta.insert("name".into(), name.into()));
        } else if sent != name {
            return Err(Failure::bad_request(format!(
                "the name of the object ({sent}) does not match the name on the URL ({name})"
            )));
        }
        self.check_namespace_field(new)
    }

    /// New objects need a namespace that exists and is not being deleted; returns it.
    pub(super) fn check_namespace(&self, name: &str) -> Result<Option<Arc<Object>>, Failure> {
        let namespace = self.current_namespace()?;
        if namespace.as_ref().is_some_and(|namespace| is_deleting(&namespace.value())) {
            return Err(Failure::terminating(self.resource, name, self.namespace));
        }
        Ok(namespace)
    }

    /// The same, for a caller that has checked the namespace.
    pub(super) fn recheck_namespace(&self, name: &str, before: Option<&Arc<Object>>) -> Result<(), Failure> {
        let now = self.current_namespace()?;
        let same = now.as_ref().zip(before).is_none_or(|(now, before)| Arc::ptr_eq(now, before));
        if same { Ok(()) } else { self.check_namespace(name).map(|_| ()) }
    }

    fn current_namespace(&self) -> Result<Option<Arc<Object>>, Failure> {
        if !self.resource.namespaced {
            return Ok(None);
        }
        let namespaces = self.host.namespaces();
        let found = self.host.latest(&namespaces.storage, &Key::new("", self.namespace));
        found.map(Some).ok_or_else(|| Failure::not_found(namespaces, self.namespace))
    }

    pub(super) fn check_preconditions(
        &self,
        old: &Value,
        new: &Value,
        stored: &Object,
        name: &str,
    ) -> Result<(), Failure> {
        let (sent, own) = (meta(new, "uid"), meta(old, "uid"));
        if !sent.is_empty() && sent != own {
            let place = if self.namespace.is_empty() { name.to_owned() } else { format!("{}/{name}", self.namespace) };
            let registry = self.resource.names().group_resource();
            return Err(Failure::conflict(
                self.resource,
                name,
                &format!(
                    "StorageError: invalid object, Code: 4, Key: /registry/{registry}/{place}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {sent}, UID in object meta: {own}"
                ),
            ));
        }
        let version = meta(new, "resourceVersion");
        if !version.is_empty() && version != "0" && version != stored.version.to_string() {
            return Err(Failure::stale(self.resource, name));
        }
        Ok(())
    }
}
