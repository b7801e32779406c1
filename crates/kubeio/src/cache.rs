//! The current objects of a kind.
//!
//! A cache is a watch folded into a map sorted by name. An object that cannot be decoded is left out and listed in
//! [`Cache::broken`]; it never stops the watch of the others. [`Cache::observe`] takes in writes at once, so a controller never
//! decides on a state older than its own last write; when the watch reports the same version, it is not decoded again.

#[cfg(test)]
mod tests;

use crate::{
    drive::chain,
    outage,
    read::{Identity, Read, Unreadable},
    watch::{Event, Source},
    watches::{Missing, Selection},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Client, Resource, core::NamespaceResourceScope};
use parking_lot::{RwLock, RwLockReadGuard};
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    ops::Bound,
    sync::Arc,
};
use tokio::sync::watch;

/// Namespace (empty for cluster-scoped kinds) and name.
type Key = (String, String);

/// What a cache can hold.
pub trait Cached: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static {}
impl<K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static> Cached for K {}

/// All objects of a kind, kept up to date by the task that [`Cache::fill`] runs.
#[derive(Debug)]
pub struct Cache<K> {
    shared: Arc<Shared<K>>,
}

impl<K> Clone for Cache<K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

#[derive(Debug)]
struct Shared<K> {
    missing: Missing,
    selection: Selection,
    objects: RwLock<Objects<K>>,
    changes: watch::Sender<u64>,
    revisions: watch::Sender<u64>,
}

/// How far a reader has followed the changes of a cache; a new one has seen none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark(u64);

/// Which objects were added, changed or deleted, in order; each appears only once, at its last change.
#[derive(Debug, Default)]
struct History {
    last: BTreeMap<Arc<Key>, u64>,
    order: BTreeMap<u64, Arc<Key>>,
    end: u64,
}

impl History {
    fn note(&mut self, key: &Key) {
        self.end += 1;
        let key = match self.last.get_mut(key) {
            Some(last) => {
                let before = std::mem::replace(last, self.end);
                self.order.remove(&before)
            }
            None => {
                let key = Arc::new(key.clone());
                self.last.insert(key.clone(), self.end);
                Some(key)
            }
        };
        self.order.extend(key.map(|key| (self.end, key)));
    }
}

#[derive(Debug)]
struct Objects<K> {
    found: BTreeMap<Key, Arc<K>>,
    history: History,
    broken: BTreeMap<Key, Unreadable>,
    /// Uids of objects that the watch reported as deleted: the response to an earlier write does not bring them back.
    gone: BTreeMap<Key, Option<String>>,
    /// Objects that somebody is waiting for.
    awaited: BTreeMap<Key, watch::Sender<u64>>,
    /// The number of changes to anything but a status, and of those to a status that count.
    revision: u64,
    /// Whether a change to the status counts.
    counts: fn(&K, &K) -> bool,
    synced: bool,
    /// Whether the API server knows the kind; assumed until it says otherwise.
    served: bool,
    failing: Option<String>,
}

impl<K: Cached> Default for Cache<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Cached> Cache<K> {
    /// An empty cache of all objects of a kind, not yet synced. If the kind is missing, it waits for it.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Missing::Wait, Selection::default())
    }

    /// An empty cache of these objects, not yet synced.
    #[must_use]
    pub fn of(missing: Missing, selection: Selection) -> Self {
        let objects = Objects {
            found: BTreeMap::new(),
            history: History::default(),
            broken: BTreeMap::new(),
            gone: BTreeMap::new(),
            awaited: BTreeMap::new(),
            revision: 0,
            counts: |_, _| false,
            synced: false,
            served: true,
            failing: None,
        };
        let (objects, changes, revisions) = (RwLock::new(objects), watch::channel(0).0, watch::channel(0).0);
        Self { shared: Arc::new(Shared { missing, selection, objects, changes, revisions }) }
    }

    /// Also notifies [`Self::revisions`] of changes to the status for which this holds, given the object before and after.
    #[must_use]
    pub fn revised_when(self, counts: fn(&K, &K) -> bool) -> Self {
        self.shared.objects.write().counts = counts;
        self
    }

    pub(crate) fn selection(&self) -> &Selection {
        &self.shared.selection
    }

    pub(crate) fn missing(&self) -> Missing {
        self.shared.missing
    }

    /// Every object, in (namespace, name) order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<K>> {
        self.read().found.values().cloned().collect()
    }

    /// Names of the objects that were added, changed or deleted since the mark, each with the current object if it still exists;
    /// advances the mark. Unchanged objects, of which there may be thousands, cost nothing. For cluster-scoped kinds.
    pub fn since(&self, mark: &mut Mark) -> Vec<(String, Option<Arc<K>>)> {
        let objects = self.read();
        let later = objects.history.order.range((Bound::Excluded(mark.0), Bound::Unbounded));
        let changed = later.map(|(_, key)| (key.1.clone(), objects.found.get(&**key).cloned())).collect();
        mark.0 = objects.history.end;
        changed
    }

    /// A mark after every change so far.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.read().history.end)
    }

    /// The cluster-scoped object with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<K>> {
        self.read().found.get(&(String::new(), name.to_owned())).cloned()
    }

    /// Objects that exist but cannot be read, in (namespace, name) order.
    #[must_use]
    pub fn broken(&self) -> Vec<Unreadable> {
        self.read().broken.values().cloned().collect()
    }

    /// A receiver that is notified of every change, and once when the cache is first complete.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Like [`Self::changes`], but ignores changes to the status alone, for kinds with a generation, unless they
    /// [count](Self::revised_when).
    #[must_use]
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.shared.revisions.subscribe()
    }

    /// A receiver that is notified only of changes to the cluster-scoped object with this name: thousands may wait, each for its
    /// own object.
    #[must_use]
    pub fn changes_of(&self, name: &str) -> watch::Receiver<u64> {
        let key = (String::new(), name.to_owned());
        self.shared.objects.write().awaited.entry(key).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    /// Whether everything that existed at startup has been seen.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.read().synced
    }

    /// Whether the API server knows the kind. It is only ever false for an optional kind.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.read().served
    }

    /// Why the objects are unknown or no longer kept up to date; `None` while all is well.
    #[must_use]
    pub fn failing(&self) -> Option<String> {
        self.read().failing.clone()
    }

    /// Takes in an object that a write returned, unless the watch already reported a newer version or its deletion.
    pub fn observe(&self, object: K) {
        self.write(|objects| {
            let gone = objects.gone.get(&key(&object)).is_some_and(|uid| *uid == object.meta().uid);
            !gone && objects.apply(object)
        });
    }

    /// Watches until cancelled. Errors are logged and retried with back-off, because an unreachable API server comes back.
    pub async fn fill(self, client: Client) {
        let url = K::url_path(&(), self.selection().namespace);
        let about = format!("watch of {}", K::plural(&()));
        let source = Source { client, url, parameters: self.selection().parameters() };
        let is_held = |identity: &Identity| self.read().holds(identity);
        source
            .follow(is_held, |event| match event {
                Ok(event) => {
                    outage::fine(&about);
                    self.write(|objects| objects.fold(event));
                }
                Err(error) if self.missing() == Missing::Empty && error.is_not_found() => {
                    outage::fine(&about);
                    self.write(Objects::empty);
                }
                Err(error) => {
                    let why = chain(&error);
                    outage::failed(&about, &why);
                    self.write(|objects| objects.fail(why));
                }
            })
            .await;
    }

    fn read(&self) -> RwLockReadGuard<'_, Objects<K>> {
        self.shared.objects.read()
    }

    fn write(&self, change: impl FnOnce(&mut Objects<K>) -> bool) {
        let mut objects = self.shared.objects.write();
        let before = objects.revision;
        let (changed, revised) = (change(&mut objects), objects.revision != before);
        drop(objects);
        if changed {
            self.shared.changes.send_modify(|version| *version += 1);
        }
        if revised {
            self.shared.revisions.send_modify(|version| *version += 1);
        }
    }
}

impl<K: Cached + Resource<Scope = NamespaceResourceScope>> Cache<K> {
    /// The object with this name in a namespace.
    #[must_use]
    pub fn get_in(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.read().found.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }
}

impl<K: Cached> Objects<K> {
    /// Records that there are no objects. Returns whether that was unknown before.
    fn empty(&mut self) -> bool {
        let changed = !self.synced || self.served || !self.found.is_empty() || self.failing.is_some();
        self.found.keys().for_each(|key| self.history.note(key));
        self.found.clear();
        self.broken.clear();
        self.announce_all();
        self.revision += u64::from(changed);
        self.failing = None;
        self.synced = true;
        self.served = false;
        changed
    }

    fn fail(&mut self, why: String) -> bool {
        let changed = self.failing.as_ref() != Some(&why);
        self.failing = Some(why);
        changed
    }

    /// Folds in one watch event; returns whether something changed.
    fn fold(&mut self, event: Event<K>) -> bool {
        let failed = self.failing.take().is_some();
        self.served = true;
        match event {
            Event::Listed(all) => {
                let mut listed = BTreeSet::new();
                for read in all {
                    listed.insert(self.take(read).1);
                }
                self.found.retain(|key, _| {
                    let stays = listed.contains(key);
                    if !stays {
                        self.history.note(key);
                    }
                    stays
                });
                self.broken.retain(|key, _| listed.contains(key));
                self.announce_all();
                self.revision += 1;
                self.synced = true;
                true
            }
            Event::Watching => failed,
            Event::Applied(read) => self.take(read).0,
            Event::Deleted(identity) => {
                let key = (identity.namespace, identity.name);
                let broken = self.broken.remove(&key).is_some();
                self.gone.insert(key.clone(), identity.uid);
                let found = self.found.remove(&key).is_some();
                self.history.note(&key);
                self.announce(&key);
                self.revision += 1;
                found || broken
            }
        }
    }

    /// Takes in what was read; returns whether that changed something, and which object.
    fn take(&mut self, read: Read<K>) -> (bool, Key) {
        match read {
            Read::Object(object) => {
                let key = key(&object);
                (self.apply(object), key)
            }
            Read::Not(odd) => {
                let (identity, unreadable) = *odd;
                let key = (identity.namespace, identity.name);
                self.found.remove(&key);
                self.history.note(&key);
                self.announce(&key);
                if self.broken.get(&key) == Some(&unreadable) {
                    return (false, key);
                }
                tracing::warn!(
                    kind = unreadable.kind,
                    namespace = unreadable.namespace,
                    name = unreadable.name,
                    why = unreadable.why,
                    "an object cannot be read and is skipped"
                );
                self.broken.insert(key.clone(), unreadable);
                self.revision += 1;
                (true, key)
            }
        }
    }

    fn apply(&mut self, mut object: K) -> bool {
        let key = key(&object);
        let mended = self.broken.remove(&key).is_some();
        let (uid, version) = (object.meta().uid.as_deref(), object.meta().resource_version.as_deref());
        let held = self.found.get(&key);
        let revised = |held: &K| is_revised(held.meta(), object.meta()) || (self.counts)(held, &object);
        self.revision += u64::from(mended || held.is_none_or(|held| revised(held)));
        if held.is_some_and(|held| !is_newer(uid, version, held.as_ref())) {
            return mended;
        }
        self.gone.remove(&key);
        // Unused here, and a third of a node's size.
        object.meta_mut().managed_fields = None;
        self.announce(&key);
        self.history.note(&key);
        self.found.insert(key, Arc::new(object));
        true
    }

    /// Whether this version of an object, or a newer one, is in the cache.
    fn holds(&self, identity: &Identity) -> bool {
        let key = (identity.namespace.clone(), identity.name.clone());
        let version = Some(identity.resource_version.as_str());
        self.found.get(&key).is_some_and(|held| !is_newer(identity.uid.as_deref(), version, held.as_ref()))
    }

    /// Notifies those who wait for an object that it changed.
    fn announce(&mut self, key: &Key) {
        let Some(waiting) = self.awaited.get(key) else { return };
        if waiting.is_closed() {
            self.awaited.remove(key);
        } else {
            waiting.send_modify(|version| *version += 1);
        }
    }

    fn announce_all(&mut self) {
        self.awaited.retain(|_, waiting| !waiting.is_closed());
        self.awaited.values().for_each(|waiting| waiting.send_modify(|version| *version += 1));
    }
}

fn key(object: &impl kube::ResourceExt) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// Whether more than the status was written. The generation counts changes of an object's spec (Kubernetes API conventions,
/// "Metadata"); for an object without one, status changes cannot be distinguished.
fn is_revised(before: &ObjectMeta, now: &ObjectMeta) -> bool {
    let of = |meta: &ObjectMeta| (meta.generation, meta.deletion_timestamp.clone());
    let same = (&before.uid, &before.labels, &before.annotations) == (&now.uid, &now.labels, &now.annotations);
    now.generation.is_none() || of(before) != of(now) || !same
}

/// Whether an object with this uid and version replaces the one in the cache: a recreated object always, otherwise one with a
/// greater resource version. Resource versions of one object are comparable as integers (Kubernetes API concepts, "Resource
/// versions").
fn is_newer(uid: Option<&str>, version: Option<&str>, held: &impl Resource) -> bool {
    let held = held.meta();
    if uid != held.uid.as_deref() {
        return true;
    }
    let number = |version: Option<&str>| version.and_then(|version| version.parse::<u64>().ok());
    match (number(version), number(held.resource_version.as_deref())) {
        (Some(new), Some(old)) => new > old,
        _ => true,
    }
}
