//! How a prepared write is stored: with exclusive access, and only if what it was computed from still exists.

use super::{Basis, Outcome, Prepared, Write, Written};
use crate::{
    delete::{collect_abandoned, is_ending, remove},
    kinds::{core, definition},
    object::{has_finalizers, is_deleting, list},
    status::Failure,
    store::{Key, Writer},
    versions::stored_form,
};
use parking_lot::MutexGuard;
use serde_json::Value;
use std::{ops::ControlFlow, sync::Arc};

impl Write<'_> {
    /// Definitions are written one after the other, whatever they define: validating one requires the names of all
    /// others.
    pub(super) fn one_definition(&self) -> Option<MutexGuard<'_, ()>> {
        (*self.resource.storage == *definition::STORAGE).then(|| self.host.definitions())
    }

    /// Stores a new object.
    pub(super) fn commit_new(&self, writer: &mut Writer<'_>, prepared: Prepared) -> Result<Written, Failure> {
        let name = prepared.name.clone();
        self.commit(writer, prepared)?.ok_or_else(|| Failure::already_exists(self.resource, &name))
    }

    /// Completes a write that stores nothing, without waiting for a turn.
    pub(super) fn settle(&self, prepared: Prepared) -> ControlFlow<Written, Prepared> {
        let Prepared { basis: Basis::Object { stored, old }, new, .. } = &prepared else {
            return ControlFlow::Continue(prepared);
        };
        let outcome = if new == old {
            Outcome::Stored(stored.clone())
        } else if self.options.dry_run {
            Outcome::Shown(new.clone())
        } else {
            return ControlFlow::Continue(prepared);
        };
        ControlFlow::Break(Written { code: prepared.code, outcome, warnings: prepared.warnings })
    }

    /// Stores the computed object; `None` if the stored one has changed since.
    pub(super) fn commit(&self, writer: &mut Writer<'_>, prepared: Prepared) -> Result<Option<Written>, Failure> {
        let Prepared { name, new, code, warnings, basis, .. } = prepared;
        let key = Key::new(self.namespace, &name);
        let current = writer.get(&self.resource.storage, &key);
        let old = match (basis, current) {
            (Basis::Nothing { namespace }, None) => {
                self.recheck_namespace(&name, namespace.as_ref())?;
                None
            }
            (Basis::Object { stored, old }, Some(current)) if Arc::ptr_eq(&current, &stored) => Some(old),
            _ => return Ok(None),
        };
        let outcome = if self.options.dry_run { Outcome::Shown(new) } else { self.store(writer, key, new, old) };
        Ok(Some(Written { code, outcome, warnings }))
    }

    /// Stores the object, or removes it if it was only waiting for its last finalizer to go.
    fn store(&self, writer: &mut Writer<'_>, key: Key, new: Value, old: Option<Value>) -> Outcome {
        let waits = self.has_content(&new) || is_ending(self.host, writer, self.resource, &new);
        let finished = is_deleting(&new) && !has_finalizers(&new) && !waits;
        let previous = old.map(|old| stored_form(self.resource, old));
        if finished {
            let last = previous.unwrap_or_else(|| new.clone());
            remove(self.host, writer, self.resource, &key, last);
            return Outcome::Shown(new);
        }
        const OWNERS: [&str; 2] = ["metadata", "ownerReferences"];
        let owners = list(&new, &OWNERS).to_vec();
        let same_owners = previous.as_ref().is_some_and(|previous| list(previous, &OWNERS) == owners);
        let stored = writer.put(&self.resource.storage, key.clone(), stored_form(self.resource, new));
        self.host.written(writer, self.resource, &key);
        if !same_owners {
            collect_abandoned(self.host, writer, self.resource, &key, &owners);
        }
        Outcome::Stored(stored)
    }

    /// Whether this is a namespace whose content has not been finalized; it stays until then.
    fn has_content(&self, object: &Value) -> bool {
        self.resource.is("", "namespaces") && !core::is_finalized(object)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        ApiServer, Settings,
        host::Host as _,
        patch::Patch,
        pipeline::{Change, Outcome},
        served::Served as _,
        store::Key,
    };
    use serde_json::{Value, json};
    use std::{
        sync::{Arc, mpsc},
        time::Duration,
    };

    fn with_map(data: Value) -> ApiServer {
        let server = ApiServer::new(Settings::default()).unwrap();
        let maps = server.state.registry().find("", "v1", "configmaps").unwrap().clone();
        server.state.create(&maps, "default", json!({"metadata": {"name": "m"}, "data": data})).unwrap();
        server
    }

    fn merge(server: &ApiServer, patch: Value) -> Result<Outcome, String> {
        let maps = server.state.registry().find("", "v1", "configmaps").unwrap().clone();
        let change = Change::Patch(Patch::Merge(patch));
        let written = server.state.write(&maps, "default", |write| write.update("m", change));
        written.map(|written| written.outcome).map_err(|failure| failure.message)
    }

    /// Another writer holds the turn throughout: writes that are refused or change nothing do not wait for it.
    #[test]
    fn only_what_is_stored_waits_for_its_turn() {
        let server = with_map(json!({"a": "b"}));
        let turn = server.state.writer();
        let (done, told) = mpsc::channel();
        let other = server.clone();
        std::thread::spawn(move || {
            let refused = merge(&other, json!({"data": {"": "x"}})).is_err();
            let large = merge(&other, json!({"metadata": {"annotations": {"x": "y".repeat(2 << 20)}}})).is_err();
            let same = matches!(merge(&other, json!({"data": {"a": "b"}})), Ok(Outcome::Stored(_)));
            done.send((refused, large, same)).unwrap();
        });
        assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok((true, true, true)));
        drop(turn);
    }

    /// Writers of the same object conflict all the time; no client notices, and nothing is lost.
    #[test]
    fn conflicting_writes_are_computed_again() {
        const WRITERS: usize = 8;
        const WRITES: usize = 50;
        let server = Arc::new(with_map(json!({})));
        std::thread::scope(|threads| {
            for writer in 0..WRITERS {
                let server = &server;
                threads.spawn(move || {
                    for n in 0..WRITES {
                        merge(server, json!({"data": {(format!("{writer}.{n}")): "x"}})).unwrap();
                    }
                });
            }
        });
        let stored = server.state.store.get("configmaps", &Key::new("default", "m")).unwrap().value();
        assert_eq!(stored["data"].as_object().unwrap().len(), WRITERS * WRITES);
    }
}
