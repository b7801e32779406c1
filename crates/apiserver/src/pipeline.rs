//! The way of a write: decode, patch, default, keep what the client may not change, record ownership, admit, validate,
//! count the generation, and commit unless nothing changed.
//!
//! The whole way is one critical section per server ([`crate::store::Writer`]), so that every step sees the object it
//! will replace. `checks` holds what a write must agree with before it is decoded.

mod checks;

use crate::{
    admission::Question,
    clock::rfc3339,
    decode,
    identity::User,
    kinds::{definition, event},
    managed_fields, names,
    object::{self, edit_meta, has_finalizers, is_deleting, list, meta},
    patch::{self, Patch},
    policy::Operation,
    rbac::Granting,
    registry::{Definition, Resource},
    schema::FieldError,
    state::State,
    status::Failure,
    store::{Key, Object, Writer},
};
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::{borrow::Cow, sync::Arc};

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
    /// What the request itself says of them, as admission sees it.
    pub(crate) given: Map<String, Value>,
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
    fn subresource(self) -> &'static str {
        match self {
            Self::Main => "",
            Self::Status => "status",
            Self::Finalize => "finalize",
        }
    }
}

/// A write that is under way.
pub(crate) struct Write<'a> {
    pub(crate) state: &'a State,
    pub(crate) resource: &'a Arc<Resource>,
    pub(crate) namespace: &'a str,
    pub(crate) part: Part,
    pub(crate) options: &'a Options,
    pub(crate) user: &'a User,
}

/// What a write came to.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) code: StatusCode,
    pub(crate) outcome: Outcome,
    pub(crate) warnings: Vec<String>,
}

/// The object after a write.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// As it is stored; its bytes are the answer.
    Stored(Arc<Object>),
    /// As it would be stored, or as it was when it went; in the version of the request.
    Shown(Value),
}

/// The change of an existing object.
#[derive(Debug)]
pub(crate) enum Change {
    Replace(Value),
    Patch(Patch),
}

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

fn stored_form(resource: &Resource, mut value: Value) -> Value {
    if resource.group == "events.k8s.io" {
        event::to_core(&mut value);
    }
    value
}

impl Write<'_> {
    /// Creates an object.
    pub(crate) fn create(&self, new: Value) -> Result<Written, Failure> {
        self.create_in(&mut self.state.store.writer(), new)
    }

    /// The same for those who have the turn already.
    pub(crate) fn create_in(&self, writer: &mut Writer<'_>, mut new: Value) -> Result<Written, Failure> {
        self.check_kind(&mut new)?;
        self.name(&mut new)?;
        self.create_locked(writer, new, None)
    }

    /// `applied` is set when the object comes from a server-side apply, whose owners are already recorded.
    fn create_locked(&self, writer: &mut Writer<'_>, mut new: Value, applied: Option<()>) -> Result<Written, Failure> {
        self.check_namespace(writer, meta(&new, "name"))?;
        let mut warnings = self.decode(&mut new, applied.is_some())?;
        let name = meta(&new, "name").to_owned();
        if !meta(&new, "resourceVersion").is_empty() {
            return Err(Failure::bad_request("resourceVersion should not be set on objects to be created"));
        }
        let now = rfc3339(self.state.clock.now());
        let uid = self.state.ids.uid();
        edit_meta(&mut new, |meta| {
            for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"] {
                meta.remove(field);
            }
            meta.insert("uid".into(), uid.into());
            meta.insert("creationTimestamp".into(), now.as_str().into());
            if self.resource.generation {
                meta.insert("generation".into(), 1.into());
            }
        });
        let rules = self.resource.built_in().map(|kind| kind.rules);
        let keeps_status = self.resource.built_in().is_some_and(|kind| kind.status_on_create);
        if self.resource.status && !keeps_status {
            let zero = decode::zero(self.resource);
            object::put(&mut new, "status", zero.get("status").cloned());
        }
        if applied.is_none() {
            self.track(decode::zero(self.resource), &mut new, &now);
        }
        if let Some(rules) = rules {
            (rules.prepare)(&mut new, None);
        }
        self.admit(&mut new, None, &now);
        if self.resource.is("", "pods") {
            self.state.prioritise(self.resource, &mut new)?;
        }
        self.validate(&new, None)?;
        let key = Key::new(self.namespace, &name);
        warnings.extend(self.ask(Operation::Create, &name, &new, None)?);
        if writer.get(&self.resource.storage, &key).is_some() {
            return Err(Failure::already_exists(self.resource, &name));
        }
        let outcome = self.commit(writer, key, new, None);
        Ok(Written { code: StatusCode::CREATED, outcome, warnings })
    }

    /// Replaces or patches an object.
    pub(crate) fn update(&self, name: &str, change: Change) -> Result<Written, Failure> {
        self.update_in(&mut self.state.store.writer(), name, change)
    }

    /// The same for those who have the turn already.
    pub(crate) fn update_in(&self, writer: &mut Writer<'_>, name: &str, change: Change) -> Result<Written, Failure> {
        let key = Key::new(self.namespace, name);
        let stored = writer.get(&self.resource.storage, &key);
        let Some(stored) = stored else { return self.update_missing(writer, name, change) };
        let old = in_version(self.resource, &stored);
        let now = rfc3339(self.state.clock.now());
        let strict = matches!(change, Change::Replace(_));
        let (mut new, is_applied) = self.changed(&old, change, &now, name)?;
        self.check_identity(&mut new, name)?;
        self.check_preconditions(&old, &new, &stored, name)?;
        let mut warnings = self.decode(&mut new, !strict)?;
        self.restore(&mut new, &old);
        if let Some(kind) = self.resource.built_in().filter(|_| self.part == Part::Main) {
            (kind.rules.prepare)(&mut new, Some(&old));
        }
        if !is_applied {
            self.track(&old, &mut new, &now);
        }
        self.admit(&mut new, Some(&old), &now);
        self.validate(&new, Some(&old))?;
        self.count_generation(&mut new, &old);
        warnings.extend(self.ask(Operation::Update, name, &new, Some(&old))?);
        let outcome = if new == old { Outcome::Stored(stored) } else { self.commit(writer, key, new, Some(old)) };
        Ok(Written { code: StatusCode::OK, outcome, warnings })
    }

    /// A write to an object that does not exist: an apply creates it, and a PUT of some kinds does.
    fn update_missing(&self, writer: &mut Writer<'_>, name: &str, change: Change) -> Result<Written, Failure> {
        let creates = self.resource.built_in().is_some_and(|kind| kind.create_on_update);
        match change {
            _ if self.part != Part::Main => Err(Failure::not_found(self.resource, name)),
            Change::Replace(mut new) if creates => {
                self.check_kind(&mut new)?;
                self.check_identity(&mut new, name)?;
                self.create_locked(writer, new, None)
            }
            Change::Patch(Patch::Apply { mut object, force }) => {
                if !meta(&object, "uid").is_empty() {
                    return Err(Failure::conflict(
                        self.resource,
                        name,
                        "uid mismatch: the provided object specified uid, and no existing object was found",
                    ));
                }
                self.check_kind(&mut object)?;
                self.check_identity(&mut object, name)?;
                let empty = json!({"apiVersion": self.resource.api_version(), "kind": self.resource.kind,
                    "metadata": {"name": name}});
                let now = rfc3339(self.state.clock.now());
                let new = self.apply(&empty, &object, &now, force)?;
                self.create_locked(writer, new, Some(()))
            }
            _ => Err(Failure::not_found(self.resource, name)),
        }
    }

    /// The object after the change, and whether ownership is already recorded.
    fn changed(&self, old: &Value, change: Change, now: &str, name: &str) -> Result<(Value, bool), Failure> {
        Ok(match change {
            Change::Replace(mut new) => {
                self.check_kind(&mut new)?;
                (new, false)
            }
            Change::Patch(Patch::Json(patch)) => (patch::apply_json(old, &patch)?, false),
            Change::Patch(Patch::Merge(patch)) => (patch::apply_merge(old, &patch), false),
            Change::Patch(Patch::Strategic(patch)) => {
                (patch::strategic::apply(old, &patch, self.resource.types().root())?, false)
            }
            Change::Patch(Patch::Apply { mut object, force }) => {
                self.check_kind(&mut object)?;
                self.check_identity(&mut object, name)?;
                let version = meta(&object, "resourceVersion");
                if !version.is_empty() && version != meta(old, "resourceVersion") {
                    return Err(Failure::stale(self.resource, name));
                }
                (self.apply(old, &object, now, force)?, true)
            }
        })
    }

    fn apply(&self, live: &Value, applied: &Value, now: &str, force: bool) -> Result<Value, Failure> {
        if !list(applied, &["metadata", "managedFields"]).is_empty() {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        let shape = self.resource.types().root();
        let fields = applied.as_object().cloned().unwrap_or_default();
        if let Some(path) = managed_fields::undeclared(&fields, shape) {
            let name = meta(applied, "name");
            let place =
                if self.namespace.is_empty() { format!("/{name}") } else { format!("{}/{name}", self.namespace) };
            let (version, kind) = (self.resource.api_version(), &self.resource.kind);
            return Err(Failure::unclassified(format!(
                "failed to create typed patch object ({place}; {version}, Kind={kind}): {path}: field not declared in schema"
            )));
        }
        let api_version = self.resource.api_version();
        let ignored = self.ignored();
        managed_fields::apply(live, applied, shape, &self.writer(&api_version, now, &ignored), force)
    }

    fn writer<'w>(&'w self, api_version: &'w str, now: &'w str, ignored: &'w [&'w str]) -> managed_fields::Writer<'w> {
        managed_fields::Writer {
            manager: &self.options.manager,
            subresource: self.part.subresource(),
            api_version,
            time: now,
            ignored,
        }
    }

    /// Top-level fields that this endpoint does not write.
    fn ignored(&self) -> Vec<&'static str> {
        match self.part {
            Part::Main if self.resource.status => vec!["f:status"],
            Part::Main => Vec::new(),
            _ if self.resource.is_custom() => vec!["f:spec", "f:metadata"],
            Part::Status => vec!["f:spec"],
            Part::Finalize => vec!["f:status", "f:metadata"],
        }
    }

    fn track(&self, old: &Value, new: &mut Value, now: &str) {
        let api_version = self.resource.api_version();
        let ignored = self.ignored();
        let mut before = Cow::Borrowed(old);
        if old.get("metadata").is_none() {
            object::set(before.to_mut(), "metadata", json!({}));
        }
        let shape = self.resource.types().root();
        managed_fields::update(&before, new, shape, &self.writer(&api_version, now, &ignored));
    }

    /// Drops what the kind does not have and fills in what it always has; returns warnings.
    fn decode(&self, new: &mut Value, patched: bool) -> Result<Vec<String>, Failure> {
        let mut dropped = decode::typed(new, self.resource)?;
        match &self.resource.definition {
            Definition::BuiltIn(kind) => {
                decode::add_zero(new, decode::zero(self.resource));
                (kind.rules.default)(new);
            }
            Definition::Custom(custom) => {
                dropped.extend(custom.schema.prune(new));
                custom.schema.default(new);
            }
        }
        let texts: Vec<String> = dropped.iter().map(|path| format!("unknown field {path:?}")).collect();
        match self.options.field_validation {
            _ if texts.is_empty() => Ok(texts),
            FieldValidation::Ignore => Ok(Vec::new()),
            FieldValidation::Warn => Ok(texts),
            FieldValidation::Strict => Err(self.unknown_fields(&texts, patched)),
        }
    }

    fn unknown_fields(&self, texts: &[String], patched: bool) -> Failure {
        let (kind, version) = (&self.resource.kind, &self.resource.version);
        let text = format!("strict decoding error: {}", texts.join(", "));
        if patched {
            let error = FieldError::invalid_unshown("patch", &text);
            return Failure::invalid_kind("", "", "", "", &[error]);
        }
        Failure::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {text}"))
    }

    /// Puts back what clients cannot change, and what this endpoint does not write.
    fn restore(&self, new: &mut Value, old: &Value) {
        const FIXED: [&str; 7] = [
            "uid",
            "creationTimestamp",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "resourceVersion",
        ];
        let before = old.get("metadata").and_then(Value::as_object);
        match self.part {
            Part::Main if self.resource.status => object::put(new, "status", old.get("status").cloned()),
            Part::Main => {}
            Part::Status => {
                let status = object::remove(new, "status");
                let metadata = object::remove(new, "metadata").unwrap_or_default();
                let mut kept = old.clone();
                if !self.resource.is_custom() {
                    object::set(&mut kept, "metadata", metadata);
                } else {
                    let owners = metadata.get("managedFields").cloned();
                    edit_meta(&mut kept, |m| match owners {
                        Some(owners) => m.insert("managedFields".into(), owners),
                        None => m.remove("managedFields"),
                    });
                }
                object::put(&mut kept, "status", status);
                *new = kept;
            }
            Part::Finalize => {
                let finalizers = object::at(new, &["spec", "finalizers"]).cloned();
                *new = old.clone();
                object::edit(new, "spec", |spec| match finalizers {
                    Some(finalizers) => spec.insert("finalizers".into(), finalizers),
                    None => spec.remove("finalizers"),
                });
            }
        }
        edit_meta(new, |meta: &mut Map<String, Value>| {
            for field in FIXED {
                object::copy_field(meta, before, field);
            }
        });
    }

    fn admit(&self, new: &mut Value, old: Option<&Value>, now: &str) {
        if let Some(kind) = self.resource.built_in().filter(|_| self.part == Part::Main) {
            (kind.rules.admit)(new, old);
        }
        if *self.resource.storage == *definition::STORAGE && self.part == Part::Main {
            let taken = self.state.registry().names(object::text(new, &["spec", "group"]), meta(new, "name"));
            definition::establish(new, &taken, now);
        }
    }

    fn validate(&self, new: &Value, old: Option<&Value>) -> Result<(), Failure> {
        let rule = self.resource.built_in().map_or(names::NameRule::Subdomain, |kind| kind.names);
        let mut errors = names::validate_metadata(new, rule, self.resource.namespaced);
        if let Some(old) = old.filter(|old| is_deleting(old)) {
            errors.extend(new_finalizers(new, old));
        }
        match &self.resource.definition {
            Definition::BuiltIn(kind) => errors.extend((kind.rules.validate)(new, old)),
            Definition::Custom(custom) => errors.extend(match old {
                Some(old) if self.part == Part::Status => custom.schema.validate_status(new, old),
                old => custom.schema.validate(new, old),
            }),
        }
        if errors.is_empty() { Ok(()) } else { Err(Failure::invalid(self.resource, meta(new, "name"), &errors)) }
    }

    fn count_generation(&self, new: &mut Value, old: &Value) {
        if !self.resource.generation || self.part != Part::Main {
            return;
        }
        let counted = |name: &str| name != "metadata" && !(self.resource.status && name == "status");
        let parts = |v: &Value| -> Map<String, Value> {
            let fields = v.as_object().into_iter().flatten();
            fields.filter(|(name, _)| counted(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        if parts(new) != parts(old) {
            let generation = object::at(old, &["metadata", "generation"]).and_then(Value::as_i64).unwrap_or_default();
            edit_meta(new, |meta| meta.insert("generation".into(), (generation + 1).into()));
        }
    }

    fn ask(&self, operation: Operation, name: &str, new: &Value, old: Option<&Value>) -> Result<Vec<String>, Failure> {
        let (user, resource, namespace) = (self.user, self.resource, self.namespace);
        self.state.check_grant(&Granting { user, resource, namespace, new, old })?;
        self.state.admit(&Question {
            operation,
            resource: self.resource,
            subresource: self.part.subresource(),
            namespace: self.namespace,
            name,
            user: self.user,
            dry_run: self.options.dry_run,
            options: &self.options.given,
            new: Some(new),
            old,
        })
    }

    /// Stores the object, or removes it when it was only waiting for its last finalizer.
    fn commit(&self, writer: &mut Writer<'_>, key: Key, new: Value, old: Option<Value>) -> Outcome {
        if self.options.dry_run {
            return Outcome::Shown(new);
        }
        let finished = is_deleting(&new) && !has_finalizers(&new) && !self.has_content(&new);
        let previous = old.map(|old| stored_form(self.resource, old));
        if finished {
            let last = previous.unwrap_or_else(|| new.clone());
            self.state.remove(writer, self.resource, &key, last);
            return Outcome::Shown(new);
        }
        const OWNERS: [&str; 2] = ["metadata", "ownerReferences"];
        let owners = list(&new, &OWNERS).to_vec();
        let same_owners = previous.as_ref().is_some_and(|previous| list(previous, &OWNERS) == owners);
        let stored =
            writer.put(&self.resource.storage, key.clone(), stored_form(self.resource, new), previous.as_ref());
        self.state.written(writer, self.resource, &key);
        if !same_owners {
            self.state.collect_abandoned(writer, self.resource, &key, &owners);
        }
        Outcome::Stored(stored)
    }

    /// A namespace goes when its content has gone.
    fn has_content(&self, object: &Value) -> bool {
        self.resource.is("", "namespaces") && !crate::kinds::core::is_finalized(object)
    }
}

fn new_finalizers(new: &Value, old: &Value) -> Vec<FieldError> {
    let before = list(old, &["metadata", "finalizers"]);
    let added: Vec<String> =
        list(new, &["metadata", "finalizers"]).iter().filter(|f| !before.contains(f)).map(Value::to_string).collect();
    if added.is_empty() {
        return Vec::new();
    }
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        added.join(", ")
    );
    // The reference finds it once in the metadata and once in the object.
    vec![FieldError::forbidden("metadata.finalizers", &why); 2]
}
