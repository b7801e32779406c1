//! The stages of a write: decode, patch, default, restore what the client may not change, record ownership, admit,
//! validate, increment the generation, and commit unless nothing changed.
//!
//! 1. Everything except the commit happens while others write: the object is read and the result computed, and only then does the
//!    write wait for its turn ([`crate::store::Writer`]).
//! 2. If the object has changed in the meantime, the result is computed again, up to [`ATTEMPTS`] times. After that, a small object
//!    is written before anybody else gets a turn, and the writer of a large one gets a conflict.
//! 3. The result is checked against [`bounds`] before it is visible to anybody.
//!
//! `options` decides how an object may be written, `checks` what a write must agree with before it is decoded, `commit` how it is
//! stored.

mod checks;
mod commit;
mod options;

pub(crate) use options::{FieldValidation, Options, Part};

use crate::{
    admission::Question,
    bounds,
    clock::rfc3339,
    decode,
    host::Host,
    identity::{User, admin},
    kinds::{definition, node},
    managed_fields,
    object::{self, edit_meta, is_deleting, list, meta},
    patch::{self, Patch},
    priority,
    rbac::Granting,
    registry::{Definition, Resource},
    status::Failure,
    store::{Key, Object, Writer},
    unrun,
    versions::in_version,
};
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::{borrow::Cow, collections::HashSet, ops::ControlFlow, sync::Arc};
use weir_apischema::{names, policy::Operation, schema::FieldError, weight::Weight};

/// A write that is under way.
pub(crate) struct Write<'a> {
    pub(crate) host: &'a dyn Host,
    pub(crate) resource: &'a Arc<Resource>,
    pub(crate) namespace: &'a str,
    pub(crate) part: Part,
    pub(crate) options: &'a Options,
    pub(crate) user: &'a User,
}

/// The result of a write.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) code: StatusCode,
    pub(crate) outcome: Outcome,
    pub(crate) warnings: Vec<String>,
}

/// The object after a write.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// As it is stored; its bytes are the response.
    Stored(Arc<Object>),
    /// As it would be stored, or as it was when it was removed; in the version of the request.
    Shown(Value),
}

/// The field manager of the server's own writes.
const MANAGER: &str = "weir-apiserver";

/// A write by the server itself.
pub(crate) fn as_server<T>(
    host: &dyn Host,
    resource: &Arc<Resource>,
    namespace: &str,
    act: impl FnOnce(&Write<'_>) -> T,
) -> T {
    as_manager(host, MANAGER, resource, namespace, act)
}

/// A write by the server under the name of another field manager.
pub(crate) fn as_manager<T>(
    host: &dyn Host,
    manager: &str,
    resource: &Arc<Resource>,
    namespace: &str,
    act: impl FnOnce(&Write<'_>) -> T,
) -> T {
    let options = Options {
        dry_run: false,
        manager: manager.into(),
        field_validation: FieldValidation::Ignore,
        given: Map::new(),
    };
    act(&Write { host, resource, namespace, part: Part::Main, options: &options, user: &admin() })
}

/// A change of an existing object.
#[derive(Debug)]
pub(crate) enum Change {
    Replace(Value),
    Patch(Patch),
}

/// How many times a write is computed before its turn; kube-apiserver retries patches as often.
const ATTEMPTS: usize = 5;
/// Maximum number of bytes of an object that is computed so quickly that others may wait for it.
const SMALL: usize = 64 << 10;

/// A computed write that waits for its turn.
struct Prepared {
    name: String,
    new: Value,
    weight: Weight,
    code: StatusCode,
    warnings: Vec<String>,
    basis: Basis,
}

/// What a write was computed from.
enum Basis {
    /// There was no such object, and this was its namespace.
    Nothing { namespace: Option<Arc<Object>> },
    /// The object as it is stored, and as the writer sees it.
    Object { stored: Arc<Object>, old: Value },
}

impl Write<'_> {
    /// Creates an object.
    pub(crate) fn create(&self, mut new: Value) -> Result<Written, Failure> {
        self.prepare_name(&mut new)?;
        let _one = self.one_definition();
        let prepared = self.prepare_new(new, None)?;
        self.commit_new(&mut self.host.writer(), prepared)
    }

    /// The same for a caller that has the turn already.
    pub(crate) fn create_in(&self, writer: &mut Writer<'_>, mut new: Value) -> Result<Written, Failure> {
        self.prepare_name(&mut new)?;
        let prepared = self.prepare_new(new, None)?;
        self.commit_new(writer, prepared)
    }

    fn prepare_name(&self, new: &mut Value) -> Result<(), Failure> {
        self.check_kind(new)?;
        self.name(new)
    }

    /// Computes a new object. `applied` is set if it comes from a server-side apply, which has already recorded
    /// ownership.
    fn prepare_new(&self, mut new: Value, applied: Option<()>) -> Result<Prepared, Failure> {
        let namespace = self.check_namespace(meta(&new, "name"))?;
        let mut warnings = self.decode(&mut new, applied.is_some())?;
        let name = meta(&new, "name").to_owned();
        if !meta(&new, "resourceVersion").is_empty() {
            return Err(Failure::bad_request("resourceVersion should not be set on objects to be created"));
        }
        let now = rfc3339(self.host.now());
        let uid = self.host.ids().uid();
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
            // What keeps the pod from being of use at all comes before what another cluster would have ready for it.
            unrun::check(self.host.store(), self.resource, self.namespace, &new)?;
            priority::prioritise(self.host.store(), self.resource, &mut new)?;
        }
        self.validate(&new, None)?;
        warnings.extend(self.ask(Operation::Create, &name, &new, None)?);
        let weight = bounds::check_stored(&new)?;
        let basis = Basis::Nothing { namespace };
        Ok(Prepared { name, new, weight, code: StatusCode::CREATED, warnings, basis })
    }

    /// Replaces or patches an object.
    pub(crate) fn update(&self, name: &str, change: Change) -> Result<Written, Failure> {
        let mut is_small = true;
        for _ in 0..ATTEMPTS {
            let _one = self.one_definition();
            let prepared = match self.settle(self.prepare(name, &change)?) {
                ControlFlow::Break(written) => return Ok(written),
                ControlFlow::Continue(prepared) => prepared,
            };
            is_small = prepared.weight.bytes <= SMALL;
            if let Some(written) = self.commit(&mut self.host.writer(), prepared)? {
                return Ok(written);
            }
        }
        if is_small {
            return self.update_in(&mut self.host.writer(), name, change);
        }
        Err(Failure::stale(self.resource, name))
    }

    /// The same for a caller that has the turn already.
    pub(crate) fn update_in(&self, writer: &mut Writer<'_>, name: &str, change: Change) -> Result<Written, Failure> {
        match self.settle(self.prepare(name, &change)?) {
            ControlFlow::Break(written) => Ok(written),
            ControlFlow::Continue(prepared) => {
                self.commit(writer, prepared)?.ok_or_else(|| Failure::stale(self.resource, name))
            }
        }
    }

    /// Computes the result of a change to an object that may not exist.
    fn prepare(&self, name: &str, change: &Change) -> Result<Prepared, Failure> {
        let Some(stored) = self.host.latest(&self.resource.storage, &Key::new(self.namespace, name)) else {
            return self.prepare_missing(name, change);
        };
        let old = in_version(self.resource, &stored);
        let now = rfc3339(self.host.now());
        let strict = matches!(change, Change::Replace(_));
        let (mut new, is_applied) = self.changed(&old, change, &now, name)?;
        self.check_identity(&mut new, name)?;
        self.check_preconditions(&old, &new, &stored, name)?;
        bounds::check_draft(&new)?;
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
        let weight = bounds::check_stored(&new)?;
        let basis = Basis::Object { stored, old };
        Ok(Prepared { name: name.to_owned(), new, weight, code: StatusCode::OK, warnings, basis })
    }

    /// A write to an object that does not exist: an apply creates it, and a PUT of some kinds does.
    fn prepare_missing(&self, name: &str, change: &Change) -> Result<Prepared, Failure> {
        let creates = self.resource.built_in().is_some_and(|kind| kind.create_on_update);
        match change {
            _ if self.part != Part::Main => Err(Failure::not_found(self.resource, name)),
            Change::Replace(new) if creates => {
                let mut new = new.clone();
                self.check_kind(&mut new)?;
                self.check_identity(&mut new, name)?;
                self.prepare_new(new, None)
            }
            Change::Patch(Patch::Apply { object, force }) => {
                if !meta(object, "uid").is_empty() {
                    return Err(Failure::conflict(
                        self.resource,
                        name,
                        "uid mismatch: the provided object specified uid, and no existing object was found",
                    ));
                }
                let mut object = object.clone();
                self.check_kind(&mut object)?;
                self.check_identity(&mut object, name)?;
                let empty = json!({"apiVersion": self.resource.api_version(), "kind": self.resource.kind,
                    "metadata": {"name": name}});
                let now = rfc3339(self.host.now());
                let new = self.apply(&empty, &object, &now, *force)?;
                self.prepare_new(new, Some(()))
            }
            _ => Err(Failure::not_found(self.resource, name)),
        }
    }

    /// The object after the change, and whether ownership is already recorded.
    fn changed(&self, old: &Value, change: &Change, now: &str, name: &str) -> Result<(Value, bool), Failure> {
        Ok(match change {
            Change::Replace(new) => {
                let mut new = new.clone();
                self.check_kind(&mut new)?;
                (new, false)
            }
            Change::Patch(Patch::Json(patch)) => (patch::json::apply(old, patch)?, false),
            Change::Patch(Patch::Merge(patch)) => (patch::apply_merge(old, patch), false),
            Change::Patch(Patch::Strategic(patch)) => {
                (patch::strategic::apply(old, patch, self.resource.types().root())?, false)
            }
            Change::Patch(Patch::Apply { object, force }) => {
                let mut object = object.clone();
                self.check_kind(&mut object)?;
                self.check_identity(&mut object, name)?;
                let version = meta(&object, "resourceVersion");
                if !version.is_empty() && version != meta(old, "resourceVersion") {
                    return Err(Failure::stale(self.resource, name));
                }
                (self.apply(old, &object, now, *force)?, true)
            }
        })
    }

    fn apply(&self, live: &Value, applied: &Value, now: &str, force: bool) -> Result<Value, Failure> {
        if !list(applied, &["metadata", "managedFields"]).is_empty() {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        let shape = self.resource.types().root();
        let fields = applied.as_object().cloned().unwrap_or_default();
        if let Some(complaint) = managed_fields::untypable(&fields, shape) {
            let name = meta(applied, "name");
            let place =
                if self.namespace.is_empty() { format!("/{name}") } else { format!("{}/{name}", self.namespace) };
            let (version, kind) = (self.resource.api_version(), &self.resource.kind);
            return Err(Failure::unclassified(format!(
                "failed to create typed patch object ({place}; {version}, Kind={kind}): {complaint}"
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

    /// Drops unknown fields and adds those that are always present; returns warnings.
    fn decode(&self, new: &mut Value, patched: bool) -> Result<Vec<String>, Failure> {
        let mut dropped = decode::typed(new, self.resource)?;
        match &self.resource.definition {
            Definition::BuiltIn(kind) => {
                decode::add_zero(new, decode::zero(self.resource));
                (kind.rules.default)(new);
            }
            Definition::Custom(custom) => {
                dropped.extend(custom.schema.prune(new));
                // kube-apiserver fills them in, and etcd then refuses the object.
                custom.schema.default(new).map_err(|_| bounds::too_large())?;
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

    /// Restores what clients cannot change, and what this endpoint does not write.
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
            Part::Main if self.resource.status && new.get("status") != old.get("status") => {
                object::put(new, "status", old.get("status").cloned());
            }
            Part::Main => {}
            Part::Status => {
                let keeps_metadata = self.resource.is_custom() && new.get("metadata") != old.get("metadata");
                let owners = object::at(new, &["metadata", "managedFields"]).filter(|_| keeps_metadata).cloned();
                let is_written = |name: &str| name == "status" || (name == "metadata" && !self.resource.is_custom());
                put_back(new, old, is_written);
                if keeps_metadata {
                    edit_meta(new, |m| match owners {
                        Some(owners) => m.insert("managedFields".into(), owners),
                        None => m.remove("managedFields"),
                    });
                }
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
        if self.resource.is("", "nodes") && self.host.kubelets() {
            node::taint(new, now);
        }
        if *self.resource.storage == *definition::STORAGE && self.part == Part::Main {
            let taken = self.host.registry().names(object::text(new, &["spec", "group"]), meta(new, "name"));
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
        fn fields(of: &Value) -> impl Iterator<Item = (&String, &Value)> {
            of.as_object().into_iter().flatten()
        }
        let is_same = fields(new).filter(|(name, _)| counted(name)).eq(fields(old).filter(|(name, _)| counted(name)));
        if !is_same {
            let generation = object::at(old, &["metadata", "generation"]).and_then(Value::as_i64).unwrap_or_default();
            edit_meta(new, |meta| meta.insert("generation".into(), (generation + 1).into()));
        }
    }

    fn ask(&self, operation: Operation, name: &str, new: &Value, old: Option<&Value>) -> Result<Vec<String>, Failure> {
        let (user, resource, namespace) = (self.user, self.resource, self.namespace);
        let granting = Granting { user, resource, namespace, new, old };
        granting.check(&self.host.grants(), self.host.authorization(), &self.host.store().read())?;
        let question = Question {
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
        };
        self.host.policies().ask(self.host, &question)
    }
}

/// Restores all fields except those that are written.
fn put_back(new: &mut Value, old: &Value, is_written: impl Fn(&str) -> bool) {
    let (Value::Object(new), Value::Object(old)) = (new, old) else { return };
    new.retain(|name, _| is_written(name) || old.contains_key(name));
    for (name, value) in old.iter().filter(|(name, _)| !is_written(name)) {
        if new.get(name) != Some(value) {
            new.insert(name.clone(), value.clone());
        }
    }
}

fn new_finalizers(new: &Value, old: &Value) -> Vec<FieldError> {
    let before: HashSet<&Value> = list(old, &["metadata", "finalizers"]).iter().collect();
    let added: Vec<String> =
        list(new, &["metadata", "finalizers"]).iter().filter(|f| !before.contains(f)).map(Value::to_string).collect();
    if added.is_empty() {
        return Vec::new();
    }
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        added.join(", ")
    );
    // Reported twice, because the reference checks it for the metadata and for the object.
    vec![FieldError::forbidden("metadata.finalizers", &why); 2]
}
