//! What the world is after a change.
//!
//! R-CHANGE-1 An object that is applied is created, or changed as `kubectl apply` changes it: fields that it gives are set, lists as a
//! whole; fields that it gave when it was applied before, and does not give now, are removed; everything else stays.
//! R-CHANGE-2 Identity, times and status of an existing object stay.
//! R-CHANGE-3 Objects that the controllers write are not applied: rendered MachineConfigs, ControllerConfig, builds and statuses follow
//! from the others.
//! R-CHANGE-4 Naming a stream in a pool is bound to what `weir switch` is bound to (R-SWITCH-1). A new default stream is one of those
//! that there are.
//! R-CHANGE-5 A release is what `release` makes of it (R-UPDATE).
//! R-CHANGE-6 An object with finalizers that is deleted is being deleted until its controllers have let go of it, which they do.
//! R-CHANGE-7 MachineConfigs that belong to a deleted object alone, such as a pool or Image, are deleted with it, by the cluster's garbage
//! collector.
//! R-CHANGE-8 MachineConfigs that are generated are not changed either: they are made again. So is a pool that every cluster has, when it is
//! deleted: without what users had set in it (R-BUILT-IN-2).
//!
//! Source of R-CHANGE-1: <https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/>.

use super::{
    admission,
    release::{self, Payload},
};
use crate::{
    generated::config::made_of,
    operator::built_in::{PoolChange, built_in},
    stream::{
        catalog::CatalogError,
        gates::GatesError,
        switch::{SwitchError, can_be_named, can_name},
    },
    template::layers::WITH_ARBITER,
    view::Annotations,
    world::{Object, World},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use serde_json::{Map, Value, json};
use std::{fmt, sync::Arc};
use weir_api::{
    MachineConfigPool,
    keys::names::{CLUSTER, RENDERED_PREFIX},
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP},
    pool::OsImageStreamReference,
};

/// A change of the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// An object is applied.
    Apply(Value),
    /// An object is deleted.
    Delete(Reference),
    /// A pool names another stream.
    Stream {
        /// The pool.
        pool: String,
        /// The stream.
        stream: String,
    },
    /// Another stream becomes the default.
    DefaultStream(String),
    /// The cluster is updated to a release.
    Release(Box<Payload>),
}

impl Change {
    /// The release, if it is an update.
    pub(super) fn release(&self) -> Option<&Payload> {
        if let Self::Release(release) = self { Some(release) } else { None }
    }
}

/// An object by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its API group; empty for the core group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty if it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The object.
    pub object: Reference,
    /// What happens to it.
    pub what: Happens,
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happens {
    /// It is created.
    Created,
    /// It is changed.
    Changed,
    /// It is as it should be already.
    Unchanged,
    /// It is deleted.
    Deleted,
}

/// Why a change is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No decision depends on the kind.
    #[error("{0}: no configuration of machines depends on this kind")]
    OtherKind(Reference),
    /// The object has no name.
    #[error("a {0} has no name: metadata.name is missing")]
    NoName(String),
    /// The controllers write it.
    #[error("{0}: the controllers write this object; change what it is made of")]
    Written(Reference),
    /// The controllers generate it.
    #[error("{object} is generated from {of}, and made again; change that")]
    Generated {
        /// The object.
        object: Reference,
        /// What it is generated from.
        of: String,
    },
    /// It is to be deleted and does not exist.
    #[error("{0} does not exist")]
    Absent(Reference),
    /// The API would refuse it, in these words.
    #[error("{0}")]
    Api(String),
    /// A stream that cannot be named.
    #[error(transparent)]
    Stream(#[from] SwitchError),
    /// It is unknown whether there are streams.
    #[error(transparent)]
    Gates(#[from] GatesError),
    /// A release can only be judged for a distribution.
    #[error(
        "what release {0} would do is not known: nothing says which distribution the cluster is; give --distribution"
    )]
    NoDistribution(String),
    /// A release of another distribution.
    #[error("release {release} is not for this cluster: {why}")]
    OtherDistribution {
        /// Its version.
        release: String,
        /// How it contradicts the cluster.
        why: String,
    },
    /// A release without streams that the controllers could use.
    #[error("the release has no catalogue of streams: {0}")]
    Catalog(#[from] CatalogError),
}

/// Kinds that the controllers write, all in the group of machine configuration (R-CHANGE-3).
const WRITTEN: [&str; 3] = ["ControllerConfig", "MachineOSBuild", "MachineConfigNode"];
/// Group and kind of what a world holds as a report: no configuration depends on it.
const REPORTS: [(&str, &str); 2] = [("", "ConfigMap"), (CONFIG_GROUP, "ClusterOperator")];
/// The kind that is there twice: in the core group, which is meant where no group is named, and in that of the configuration of a cluster.
const TWICE: &str = "Node";
/// What `kubectl apply` was given the last time.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Metadata that no user decides.
const KEPT: [&str; 7] =
    ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "deletionTimestamp", "selfLink"];

/// Makes a change. What is not known of it is added to `unknown`.
///
/// # Errors
/// When it cannot be made.
pub(super) fn apply(
    world: &mut World,
    change: &Change,
    now: Timestamp,
    unknown: &mut Vec<String>,
) -> Result<Changed, Refused> {
    match change {
        Change::Apply(object) => put(world, object, now),
        Change::Delete(reference) => {
            check(reference)?;
            delete(world, reference, now)?;
            Ok(Changed { object: reference.clone(), what: Happens::Deleted })
        }
        Change::Stream { pool, stream } => {
            can_name(&world.pool_views(), &world.streams_view()?, pool, stream)?;
            let mut what = Happens::Unchanged;
            for held in world.pools.iter_mut().filter(|held| held.metadata.name.as_ref() == Some(pool)) {
                let named = held.spec.os_image_stream.as_ref().map(|stream| stream.name.as_str());
                if named != Some(stream) {
                    let name = OsImageStreamReference { name: stream.clone(), ..OsImageStreamReference::default() };
                    Arc::make_mut(held).spec.os_image_stream = Some(name);
                    what = Happens::Changed;
                }
            }
            Ok(Changed { object: Reference::ours("MachineConfigPool", pool), what })
        }
        Change::DefaultStream(stream) => default_stream(world, stream),
        Change::Release(payload) => release::update(world, payload, unknown),
    }
}

/// R-CHANGE-6.
fn delete(world: &mut World, reference: &Reference, now: Timestamp) -> Result<(), Refused> {
    let kind = (reference.group.as_str(), reference.kind.as_str());
    let found = world.find(kind, &reference.namespace, &reference.name);
    let Some(mut object) = found else {
        // One that cannot be read is there all the same.
        let is_there = world.forget_unreadable(kind.1, &reference.name);
        return if is_there { Ok(()) } else { Err(Refused::Absent(reference.clone())) };
    };
    check_generated(world, reference)?;
    let stays = object["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty());
    object["metadata"]["deletionTimestamp"] = json!(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    match Object::read(kind.0, kind.1, object).filter(|_| stays) {
        Some(Ok(object)) => world.put(object),
        _ => _ = world.remove(kind, &reference.namespace, &reference.name),
    }
    make_again(world, reference, now);
    Ok(())
}

/// R-CHANGE-8.
fn check_generated(world: &World, reference: &Reference) -> Result<(), Refused> {
    let ours = (reference.group.as_str(), reference.kind.as_str()) == (MACHINE_CONFIG_GROUP, "MachineConfig");
    let found = world.config(&reference.name).filter(|_| ours);
    match found.and_then(|config| made_of(config)) {
        Some(of) => Err(Refused::Generated { object: reference.clone(), of }),
        None => Ok(()),
    }
}

/// R-CHANGE-8: the pool that was deleted, if every cluster has it.
fn make_again(world: &mut World, reference: &Reference, now: Timestamp) {
    if (reference.group.as_str(), reference.kind.as_str()) != (MACHINE_CONFIG_GROUP, "MachineConfigPool") {
        return;
    }
    let missing = built_in(&world.pool_views(), world.topology() == Some(WITH_ARBITER));
    for change in missing {
        if let PoolChange::Create(mut pool) = change
            && pool.metadata.name.as_ref() == Some(&reference.name)
        {
            pool.metadata.creation_timestamp = Some(Time(now));
            world.put((*pool).into());
        }
    }
}

/// Takes out what is being deleted, once its controllers have let go of it.
pub(super) fn finish(world: &mut World, changes: &[Change]) {
    for change in changes {
        if let Change::Delete(reference) = change {
            let is_back = |pool: &Arc<MachineConfigPool>| {
                pool.metadata.name.as_ref() == Some(&reference.name) && pool.metadata.deletion_timestamp.is_none()
            };
            if reference.kind == "MachineConfigPool" && world.pools.iter().any(is_back) {
                continue;
            }
            world.remove((&reference.group, &reference.kind), &reference.namespace, &reference.name);
            let of_it = |owner: &OwnerReference| {
                let group = owner.api_version.rsplit_once('/').map_or("", |(group, _)| group);
                (group, &owner.kind, &owner.name) == (reference.group.as_str(), &reference.kind, &reference.name)
            };
            world.configs.retain(|config| {
                let owners = config.metadata.owner_references.as_deref().unwrap_or_default();
                owners.is_empty() || !owners.iter().all(of_it)
            });
        }
    }
}

fn default_stream(world: &mut World, stream: &str) -> Result<Changed, Refused> {
    can_be_named(&world.streams_view()?, stream)?;
    let Some(object) = world.streams.as_mut() else { return Err(SwitchError::Off.into()) };
    let before = object.status.as_ref().map(|status| status.default_stream.clone());
    let object = Arc::make_mut(object);
    stream.clone_into(&mut object.spec.default_stream);
    if let Some(status) = &mut object.status {
        stream.clone_into(&mut status.default_stream);
    }
    let what = if before.as_deref() == Some(stream) { Happens::Unchanged } else { Happens::Changed };
    Ok(Changed { object: Reference::ours("OSImageStream", CLUSTER), what })
}

fn check(reference: &Reference) -> Result<(), Refused> {
    if REPORTS.contains(&(&reference.group, &reference.kind)) {
        return Err(Refused::OtherKind(reference.clone()));
    }
    let rendered = reference.kind == "MachineConfig" && reference.name.starts_with(RENDERED_PREFIX);
    let ours = reference.group == MACHINE_CONFIG_GROUP;
    if ours && (rendered || WRITTEN.contains(&reference.kind.as_str())) {
        return Err(Refused::Written(reference.clone()));
    }
    Ok(())
}

fn put(world: &mut World, given: &Value, now: Timestamp) -> Result<Changed, Refused> {
    let reference = Reference::of(given).ok_or_else(|| Refused::NoName(kind_of(given).to_owned()))?;
    check(&reference)?;
    let kind = (reference.group.as_str(), reference.kind.as_str());
    let old = world.find(kind, &reference.namespace, &reference.name);
    let mut new = match &old {
        None => created(given, now),
        Some(old) => changed(old, given),
    };
    if old.as_ref() == Some(&new) {
        return Ok(Changed { object: reference, what: Happens::Unchanged });
    }
    check_generated(world, &reference)?;
    admission::admit(world, &reference, given, &mut new, old.as_ref()).map_err(Refused::Api)?;
    if let Some(old) = old.as_ref().filter(|old| old["spec"] != new["spec"]) {
        new["metadata"]["generation"] = json!(old["metadata"]["generation"].as_i64().unwrap_or_default() + 1);
    }
    let Some(read) = Object::read(kind.0, kind.1, new) else { return Err(Refused::OtherKind(reference)) };
    let object = read.map_err(|error| Refused::Api(format!("{reference}: {error}")))?;
    let stream = match &object {
        Object::OSImageStream(object) => Some(object.spec.default_stream.clone()),
        _ => None,
    };
    world.put(object);
    // The status follows, as the controllers write it.
    if let Some(stream) = stream.filter(|stream| !stream.is_empty()) {
        default_stream(world, &stream)?;
    }
    let what = if old.is_some() { Happens::Changed } else { Happens::Created };
    Ok(Changed { object: reference, what })
}

fn kind_of(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

fn created(given: &Value, now: Timestamp) -> Value {
    let mut new = given.clone();
    if let Some(metadata) = new["metadata"].as_object_mut() {
        metadata.retain(|field, _| !KEPT.contains(&field.as_str()));
        metadata.insert("creationTimestamp".to_owned(), json!(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
        metadata.insert("generation".to_owned(), json!(1));
    }
    if let Some(fields) = new.as_object_mut() {
        fields.remove("status");
    }
    new
}

/// R-CHANGE-1, R-CHANGE-2.
fn changed(old: &Value, given: &Value) -> Value {
    let mut patch = given.clone();
    let metadata = serde_json::from_value(old["metadata"].clone()).unwrap_or_default();
    let last = Annotations::of(&metadata).get(LAST_APPLIED).and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let Some(last) = last {
        remove_dropped(&mut patch, &last);
    }
    if let Some(fields) = patch.as_object_mut() {
        fields.retain(|field, _| !["status", "apiVersion", "kind"].contains(&field.as_str()));
    }
    if let Some(metadata) = patch["metadata"].as_object_mut() {
        metadata.retain(|field, _| !KEPT.contains(&field.as_str()));
    }
    let mut new = old.clone();
    merge(&mut new, &patch);
    new
}

/// Adds a null to the patch for every field that was given the last time and is not given now.
fn remove_dropped(patch: &mut Value, last: &Value) {
    let (Some(patch), Some(last)) = (patch.as_object_mut(), last.as_object()) else { return };
    for (field, before) in last {
        match patch.get_mut(field) {
            None => _ = patch.insert(field.clone(), Value::Null),
            Some(now) => remove_dropped(now, before),
        }
    }
}

/// A merge patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(target) = target.as_object_mut() else { return };
    for (field, value) in patch {
        if value.is_null() {
            target.remove(field);
        } else {
            merge(target.entry(field.clone()).or_insert(Value::Null), value);
        }
    }
}

impl Reference {
    /// An object of the group of machine configuration.
    #[must_use]
    pub fn ours(kind: &str, name: &str) -> Self {
        let (group, kind, name) = (MACHINE_CONFIG_GROUP.to_owned(), kind.to_owned(), name.to_owned());
        Self { group, kind, namespace: String::new(), name }
    }

    /// What a manifest is called; absent if it has no name.
    #[must_use]
    pub fn of(object: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let version = text(&object["apiVersion"]);
        let (group, _) = version.split_once('/').unwrap_or_default();
        let (namespace, name) = (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
        let reference = Self { group: group.to_owned(), kind: text(&object["kind"]), namespace, name };
        (!reference.name.is_empty()).then_some(reference)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, namespace, name, .. } = self;
        let kind = match (group.as_str(), self.kind.as_str()) {
            (CONFIG_GROUP, kind @ TWICE) => format!("{kind}.{group}"),
            (_, kind) => kind.to_owned(),
        };
        match namespace.as_str() {
            "" => write!(f, "{kind} {name}"),
            namespace => write!(f, "{kind} {namespace}/{name}"),
        }
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            Happens::Created => "is created",
            Happens::Changed => "is changed",
            Happens::Unchanged => "is so already",
            Happens::Deleted => "is deleted",
        };
        write!(f, "{} {what}", self.object)
    }
}
