//! Deletion: preconditions, finalizers, propagation, and what deletion of one object does to others.
//!
//! There is no controller manager beside this server, so garbage is collected here, in the write that creates it: a
//! legal, if unusually prompt, order of events. Other writers may get a turn between two objects.

use crate::{
    admission::Question,
    clock::rfc3339,
    host::Host,
    identity::User,
    kinds::{core, definition, node, pod},
    object::{self, edit_meta, has_finalizers, is_deleting, list, meta, text},
    registry::Resource,
    status::Failure,
    store::{Key, Object, Writer},
    versions::in_version,
};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use weir_apischema::policy::Operation;

/// What happens to the dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagation {
    Background,
    Foreground,
    Orphan,
}

const FOREGROUND_FINALIZER: &str = "foregroundDeletion";
const ORPHAN_FINALIZER: &str = "orphan";

/// Namespaces that may not be deleted (`plugin/pkg/admission/namespace/lifecycle` of github.com/kubernetes/kubernetes).
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

/// Options of a DELETE, from its body and its query.
#[derive(Debug)]
pub(crate) struct DeleteOptions {
    pub(crate) dry_run: bool,
    uid: Option<String>,
    version: Option<String>,
    propagation: Propagation,
    /// Seconds that a pod has to end, if that is said.
    grace: Option<i64>,
    /// The options themselves, as admission sees them.
    given: Map<String, Value>,
}

impl DeleteOptions {
    /// Reads `DeleteOptions`; the query's parameters are those of a request without a body.
    pub(crate) fn read(body: &Value, query: &crate::request::Query) -> Result<Self, Failure> {
        let precondition =
            |field| object::at(body, &["preconditions", field]).and_then(Value::as_str).map(str::to_owned);
        let policy = match text(body, &["propagationPolicy"]) {
            "" => query.get("propagationPolicy"),
            policy => policy,
        };
        let propagation = match policy {
            "" if body.get("orphanDependents") == Some(&Value::Bool(true)) => Propagation::Orphan,
            "" | "Background" => Propagation::Background,
            "Foreground" => Propagation::Foreground,
            "Orphan" => Propagation::Orphan,
            other => {
                let supported = ["Foreground", "Background", "Orphan"];
                let error =
                    weir_apischema::schema::FieldError::not_supported("propagationPolicy", &other.into(), supported);
                return Err(Failure::invalid_kind(
                    "DeleteOptions.meta.k8s.io",
                    "meta.k8s.io",
                    "DeleteOptions",
                    "",
                    &[error],
                ));
            }
        };
        let dry_run = query.get("dryRun") == "All" || list(body, &["dryRun"]).iter().any(|d| d == "All");
        let mut given = body.as_object().cloned().unwrap_or_default();
        if !policy.is_empty() {
            given.insert("propagationPolicy".into(), policy.into());
        }
        let grace = body.get("gracePeriodSeconds").and_then(Value::as_i64);
        let grace = grace.or_else(|| query.get("gracePeriodSeconds").parse().ok());
        let (uid, version) = (precondition("uid"), precondition("resourceVersion"));
        Ok(Self { dry_run, uid, version, propagation, grace, given })
    }
}

/// The result of a deletion.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// The object is gone; its last state.
    Gone(Value),
    /// It stays until its finalizers are done.
    Waiting(Value),
}

/// The check of an eviction: whether the pod, as it is at the moment of deletion, may go.
pub(crate) type Eviction<'a> = dyn Fn(&Writer<'_>, &Object) -> Result<(), Failure> + 'a;

/// Maximum number of attempts if the object keeps changing in the meantime. A check takes a moment, so a client that writes all the
/// time can win.
const ATTEMPTS: usize = 20;

/// Deletes one object. The check of an eviction is made in the same turn, and the pod says that it was evicted.
pub(crate) fn delete(
    host: &dyn Host,
    resource: &Arc<Resource>,
    key: &Key,
    options: &DeleteOptions,
    user: &User,
    eviction: Option<&Eviction<'_>>,
) -> Result<Deleted, Failure> {
    if resource.is("", "namespaces") && IMMORTAL.contains(&&*key.name) {
        return Err(Failure::forbidden(resource, &key.name, "this namespace may not be deleted"));
    }
    let missing = || Failure::not_found(resource, &key.name);
    let mut judged = host.latest(&resource.storage, key).ok_or_else(missing)?;
    let mut object = judge(host, resource, key, &judged, options, user)?;
    for _ in 0..ATTEMPTS {
        let mut writer = host.writer();
        let stored = writer.get(&resource.storage, key).ok_or_else(missing)?;
        if Arc::ptr_eq(&stored, &judged) {
            if let Some(check) = eviction {
                check(&writer, &stored)?;
            }
            if options.dry_run {
                return Ok(Deleted::Gone(object));
            }
            if eviction.is_some() {
                disrupt(host, &mut writer, resource, key);
            }
            return Ok(delete_locked(host, &mut writer, resource, key, (options.propagation, options.grace)));
        }
        drop(writer);
        object = judge(host, resource, key, &stored, options, user)?;
        judged = stored;
    }
    Err(Failure::stale(resource, &key.name))
}

/// Checks whether the object may be deleted in its present state; returns it.
fn judge(
    host: &dyn Host,
    resource: &Arc<Resource>,
    key: &Key,
    stored: &Object,
    options: &DeleteOptions,
    user: &User,
) -> Result<Value, Failure> {
    let object = in_version(resource, stored);
    check_preconditions(resource, &object, options)?;
    host.policies().ask(
        host,
        &Question {
            operation: Operation::Delete,
            resource,
            subresource: "",
            namespace: &key.namespace,
            name: &key.name,
            user,
            dry_run: options.dry_run,
            options: &options.given,
            new: None,
            old: Some(&object),
        },
    )?;
    Ok(object)
}

/// Says of a pod that it is deleted because it was evicted, so that its Job need not count it as a failure.
fn disrupt(host: &dyn Host, writer: &mut Writer<'_>, resource: &Arc<Resource>, key: &Key) {
    let Some(stored) = writer.get(&resource.storage, key) else { return };
    let mut pod = stored.value();
    if pod::disrupt(&mut pod, &rfc3339(host.now())) {
        writer.put(&resource.storage, key.clone(), pod);
    }
}

/// Deletes an object that is known to exist, together with its dependents.
fn delete_locked(
    host: &dyn Host,
    writer: &mut Writer<'_>,
    resource: &Arc<Resource>,
    key: &Key,
    (how, grace): (Propagation, Option<i64>),
) -> Deleted {
    let Some(stored) = writer.get(&resource.storage, key) else { return Deleted::Gone(Value::Null) };
    let old = stored.value();
    let mut new = old.clone();
    match how {
        Propagation::Background => {}
        Propagation::Foreground => add_finalizer(&mut new, FOREGROUND_FINALIZER),
        Propagation::Orphan => add_finalizer(&mut new, ORPHAN_FINALIZER),
    }
    let is_namespace = resource.is("", "namespaces");
    let is_pod = resource.is("", "pods");
    let grace = if is_pod { pod::grace(&old, grace) } else { 0 };
    let is_run = grace > 0 && is_run(host, writer, resource, &old);
    if !is_run && !has_finalizers(&new) && (!is_namespace || core::is_finalized(&new)) {
        if is_pod {
            mark(host, resource, &mut new, grace);
            remove(host, writer, resource, key, new.clone());
            return Deleted::Gone(new);
        }
        remove(host, writer, resource, key, old);
        return Deleted::Gone(in_version(resource, &stored));
    }
    mark(host, resource, &mut new, grace);
    if is_namespace {
        object::edit(&mut new, "status", |status| status.insert("phase".into(), "Terminating".into()));
    }
    let marked = if new == old {
        in_version(resource, &stored)
    } else {
        let marked = writer.put(&resource.storage, key.clone(), new);
        host.written(writer, resource, key);
        in_version(resource, &marked)
    };
    if is_namespace {
        empty_namespace(host, writer, &key.name);
    }
    match how {
        Propagation::Foreground => delete_dependents(host, writer, meta(&old, "uid"), Propagation::Foreground),
        Propagation::Orphan => orphan_dependents(host, writer, meta(&old, "uid")),
        Propagation::Background => {}
    }
    settle(host, writer, resource, key);
    // The response shows the object as the deletion found it, even if nothing held it for long.
    Deleted::Waiting(marked)
}

/// Whether this is a pod whose kubelet says when it has ended. Without one it could never end.
fn is_run(host: &dyn Host, writer: &Writer<'_>, resource: &Resource, pod: &Value) -> bool {
    let runs = || writer.get("nodes", &Key::new("", text(pod, &["spec", "nodeName"])));
    host.kubelets() && resource.is("", "pods") && runs().is_some_and(|node| node::is_ready(&node.value()))
}

/// Whether this is a pod that was told to end and has not done so yet.
pub(crate) fn is_ending(host: &dyn Host, writer: &Writer<'_>, resource: &Resource, object: &Value) -> bool {
    const LEFT: [&str; 2] = ["metadata", "deletionGracePeriodSeconds"];
    object::at(object, &LEFT).and_then(Value::as_i64).is_some_and(|left| left > 0)
        && is_run(host, writer, resource, object)
}

fn mark(host: &dyn Host, resource: &Resource, object: &mut Value, grace: i64) {
    if is_deleting(object) {
        return;
    }
    let end = host.now().saturating_add(SignedDuration::from_secs(grace)).unwrap_or_else(|_| host.now());
    edit_meta(object, |meta| {
        meta.insert("deletionTimestamp".into(), rfc3339(end).into());
        meta.insert("deletionGracePeriodSeconds".into(), grace.into());
        if let Some(generation) = meta.get("generation").and_then(Value::as_i64).filter(|_| resource.generation) {
            meta.insert("generation".into(), (generation + 1).into());
        }
    });
}

/// Removes an object and everything that has to be removed with it. `last` is its last stored state.
pub(crate) fn remove(host: &dyn Host, writer: &mut Writer<'_>, resource: &Arc<Resource>, key: &Key, last: Value) {
    let uid = meta(&last, "uid").to_owned();
    let owners = list(&last, &["metadata", "ownerReferences"]).to_vec();
    if *resource.storage == *definition::STORAGE {
        remove_custom_objects(host, writer, &last);
    }
    writer.delete(&resource.storage, key, last);
    host.written(writer, resource, key);
    delete_dependents(host, writer, &uid, Propagation::Background);
    for owner in owners {
        release_owner(host, writer, &owner, &key.namespace);
    }
    if resource.namespaced {
        finish_namespace(host, writer, &key.namespace);
    }
}

/// Removes the objects of a deleted definition.
fn remove_custom_objects(host: &dyn Host, writer: &mut Writer<'_>, crd: &Value) {
    // A definition and its table have the same name.
    let Some(resource) = host.registry().of_storage(meta(crd, "name")).cloned() else { return };
    let keys: Vec<Key> = {
        let tables = writer.read();
        let all = tables.table(&resource.storage).into_iter().flat_map(|t| t.range("", None));
        all.map(|(key, _)| key.clone()).collect()
    };
    for key in keys {
        writer.give_way();
        delete_locked(host, writer, &resource, &key, (Propagation::Background, None));
    }
}

/// Deletes the dependents of a deleted owner; one that has another owner only loses the reference.
fn delete_dependents(host: &dyn Host, writer: &mut Writer<'_>, uid: &str, how: Propagation) {
    let dependents = writer.read().dependents(uid);
    for (storage, key) in dependents {
        writer.give_way();
        let Some(resource) = host.registry().of_storage(&storage).cloned() else { continue };
        let Some(stored) = writer.get(&storage, &key) else { continue };
        let old = stored.value();
        let owners = list(&old, &["metadata", "ownerReferences"]);
        let others = owners.iter().any(|o| text(o, &["uid"]) != uid && owner_exists(host, writer, o, &key.namespace));
        if how == Propagation::Background && others {
            rewrite_owners(writer, &resource, &key, old.clone(), uid);
        } else if !others && !is_deleting(&old) {
            delete_locked(host, writer, &resource, &key, (how, None));
        }
    }
}

fn orphan_dependents(host: &dyn Host, writer: &mut Writer<'_>, uid: &str) {
    let dependents = writer.read().dependents(uid);
    for (storage, key) in dependents {
        writer.give_way();
        let Some(resource) = host.registry().of_storage(&storage).cloned() else { continue };
        if let Some(stored) = writer.get(&storage, &key) {
            rewrite_owners(writer, &resource, &key, stored.value(), uid);
        }
    }
}

/// Removes an owner from an object's references.
fn rewrite_owners(writer: &mut Writer<'_>, resource: &Resource, key: &Key, mut new: Value, uid: &str) {
    edit_meta(&mut new, |meta| {
        let owners: Vec<Value> = meta.remove("ownerReferences").and_then(|o| o.as_array().cloned()).unwrap_or_default();
        let left: Vec<Value> = owners.into_iter().filter(|o| text(o, &["uid"]) != uid).collect();
        if !left.is_empty() {
            meta.insert("ownerReferences".into(), left.into());
        }
    });
    writer.put(&resource.storage, key.clone(), new);
}

fn find_owner(host: &dyn Host, writer: &Writer<'_>, owner: &Value, namespace: &str) -> Option<(Arc<Resource>, Key)> {
    let registry = host.registry();
    let resource = registry.of_kind(text(owner, &["apiVersion"]), text(owner, &["kind"]))?;
    let key = Key::new(if resource.namespaced { namespace } else { "" }, text(owner, &["name"]));
    let stored = writer.get(&resource.storage, &key)?;
    (meta(&stored.value(), "uid") == text(owner, &["uid"])).then(|| (resource.clone(), key))
}

fn owner_exists(host: &dyn Host, writer: &Writer<'_>, owner: &Value, namespace: &str) -> bool {
    find_owner(host, writer, owner, namespace).is_some()
}

/// Deletes an object all of whose owners are known to be gone: it would never be collected otherwise. The write that
/// created it has still succeeded.
pub(crate) fn collect_abandoned(
    host: &dyn Host,
    writer: &mut Writer<'_>,
    resource: &Arc<Resource>,
    key: &Key,
    owners: &[Value],
) {
    let registry = host.registry();
    let known = |owner: &Value| {
        let kind = registry.of_kind(text(owner, &["apiVersion"]), text(owner, &["kind"]));
        // A cluster-scoped object does not tell the namespace of a namespaced owner.
        kind.is_some_and(|kind| !kind.namespaced || !key.namespace.is_empty())
    };
    let absent = |owner: &Value| known(owner) && !owner_exists(host, writer, owner, &key.namespace);
    if !owners.is_empty() && owners.iter().all(absent) {
        delete_locked(host, writer, resource, key, (Propagation::Background, None));
    }
}

/// An owner that waits for its dependents may be removable now.
fn release_owner(host: &dyn Host, writer: &mut Writer<'_>, owner: &Value, namespace: &str) {
    if let Some((resource, key)) = find_owner(host, writer, owner, namespace) {
        settle(host, writer, &resource, &key);
    }
}

/// Removes the garbage collector's finalizers from an object whose dependents are gone, and removes the object if
/// nothing else holds it.
fn settle(host: &dyn Host, writer: &mut Writer<'_>, resource: &Arc<Resource>, key: &Key) {
    let Some(stored) = writer.get(&resource.storage, key) else { return };
    let old = stored.value();
    if !is_deleting(&old) {
        return;
    }
    let uid = meta(&old, "uid");
    let dependents = writer.read().dependents(uid);
    let blocked = dependents.iter().any(|(storage, dependent)| {
        let object = writer.get(storage, dependent).map(|o| o.value()).unwrap_or_default();
        let owners = list(&object, &["metadata", "ownerReferences"]);
        owners.iter().any(|o| text(o, &["uid"]) == uid && o["blockOwnerDeletion"] == true)
    });
    let done = |finalizer: &Value| finalizer == ORPHAN_FINALIZER || (finalizer == FOREGROUND_FINALIZER && !blocked);
    let finalizers = list(&old, &["metadata", "finalizers"]);
    let left: Vec<Value> = finalizers.iter().filter(|f| !done(f)).cloned().collect();
    if left.len() == finalizers.len() {
        return;
    }
    let mut new = old.clone();
    let is_last = left.is_empty();
    edit_meta(&mut new, |meta| {
        if left.is_empty() { meta.remove("finalizers") } else { meta.insert("finalizers".into(), left.into()) }
    });
    if is_last
        && (!resource.is("", "namespaces") || core::is_finalized(&new))
        && !is_ending(host, writer, resource, &new)
    {
        remove(host, writer, resource, key, old);
    } else {
        writer.put(&resource.storage, key.clone(), new);
    }
}

/// Deletes everything in a namespace that is being deleted.
fn empty_namespace(host: &dyn Host, writer: &mut Writer<'_>, namespace: &str) {
    let content = writer.read().in_namespace(namespace);
    for (storage, key) in content {
        writer.give_way();
        let Some(resource) = host.registry().of_storage(&storage).cloned() else { continue };
        delete_locked(host, writer, &resource, &key, (Propagation::Background, None));
    }
    finish_namespace(host, writer, namespace);
}

/// Finalizes a namespace that is being deleted and has become empty.
fn finish_namespace(host: &dyn Host, writer: &mut Writer<'_>, namespace: &str) {
    let key = Key::new("", namespace);
    let resource = host.namespaces().clone();
    let Some(stored) = writer.get(&resource.storage, &key) else { return };
    let old = stored.value();
    if !is_deleting(&old) || writer.read().has_namespace(namespace) {
        return;
    }
    let mut new = old.clone();
    object::edit(&mut new, "spec", |spec| {
        let finalizers = spec.remove("finalizers").and_then(|f| f.as_array().cloned()).unwrap_or_default();
        let left: Vec<Value> = finalizers.into_iter().filter(|f| f != core::NAMESPACE_FINALIZER).collect();
        if !left.is_empty() {
            spec.insert("finalizers".into(), left.into());
        }
    });
    if core::is_finalized(&new) && !has_finalizers(&new) {
        remove(host, writer, &resource, &key, old);
    } else if new != old {
        writer.put(&resource.storage, key, new);
    }
}

fn add_finalizer(object: &mut Value, finalizer: &str) {
    edit_meta(object, |meta| {
        let list = meta.entry("finalizers").or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut().filter(|l| !l.iter().any(|f| f == finalizer)) {
            list.push(finalizer.into());
        }
    });
}

fn check_preconditions(resource: &Resource, object: &Value, options: &DeleteOptions) -> Result<(), Failure> {
    let name = meta(object, "name");
    let differs = |wanted: &Option<String>, field| wanted.as_deref().is_some_and(|w| w != meta(object, field));
    if differs(&options.uid, "uid") {
        let (sent, own) = (options.uid.as_deref().unwrap_or_default(), meta(object, "uid"));
        return Err(Failure::precondition(
            resource,
            name,
            &format!(
                "the UID in the precondition ({sent}) does not match the UID in record ({own}). The object might have been deleted and then recreated"
            ),
        ));
    }
    if differs(&options.version, "resourceVersion") {
        let (sent, own) = (options.version.as_deref().unwrap_or_default(), meta(object, "resourceVersion"));
        return Err(Failure::precondition(
            resource,
            name,
            &format!(
                "the ResourceVersion in the precondition ({sent}) does not match the ResourceVersion in record ({own}). The object might have been modified"
            ),
        ));
    }
    Ok(())
}

/// The response to a completed DELETE.
pub(crate) fn success(resource: &Resource, object: &Value) -> Value {
    let mut details = json!({"name": meta(object, "name"), "kind": resource.plural, "uid": meta(object, "uid")});
    if !resource.group.is_empty() {
        object::set(&mut details, "group", resource.group.as_str().into());
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
