//! All objects in memory, their versions, and the recent past for watchers.
//!
//! An object is kept as the bytes that are served, serialised once per write; lists and watch events reuse them. One writer at a
//! time ([`Store::writer`]) prepares a change while reads continue; the tables are locked only to insert it. A watcher stores only
//! the last version that it has seen, and reads later changes from the shared log.
//!
//! With a journal there are two sets of tables, which share the objects:
//!
//! 1. Writers see the head: every change so far. All changes of a request go to the journal together.
//! 2. Requests and watchers see a change once the journal has it on disk.
//! 3. If the journal fails, the head is reset to what is served, and nothing is written any more.

use crate::{
    Error,
    journal::{self, Change, Journal},
    object,
};
use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::watch;

pub(crate) use crate::stored::{Event, EventKind, Key, Object, serialise, type_head};

/// The objects of one resource.
#[derive(Debug)]
pub(crate) struct Table {
    objects: BTreeMap<Key, Arc<Object>>,
    bytes: usize,
    log: VecDeque<Arc<Event>>,
    log_bytes: usize,
    /// Changes up to here are no longer in the log.
    floor: u64,
    wake: watch::Sender<u64>,
}

/// Minimum capacity of the log of a resource, in bytes.
const LOG_BYTES: usize = 1 << 20;
/// Beyond that, the log may hold this fraction of the size of the resource's objects, so that a watcher of a large resource
/// survives a change of a quarter of them at once. The log keeps older versions of objects in memory, which nothing else needs.
const LOG_SHARE: usize = 4;
/// The cost of an event in addition to the object's bytes.
const EVENT_OVERHEAD: usize = 256;

impl Table {
    fn new(floor: u64) -> Self {
        Self {
            objects: BTreeMap::new(),
            bytes: 0,
            log: VecDeque::new(),
            log_bytes: 0,
            floor,
            wake: watch::channel(floor).0,
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.objects.get(key)
    }

    /// Objects in key order, after `after` where given; of one namespace unless it is empty.
    pub(crate) fn range<'a>(
        &'a self,
        namespace: &'a str,
        after: Option<&'a Key>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Object>)> {
        let first = Key::new(namespace, "");
        let start = match after {
            Some(after) if *after >= first => Bound::Excluded(after.clone()),
            _ => Bound::Included(first),
        };
        self.objects
            .range((start, Bound::Unbounded))
            .take_while(move |(key, _)| namespace.is_empty() || *key.namespace == *namespace)
    }

    /// Changes after `version`; `None` when the log does not reach back that far.
    pub(crate) fn since(&self, version: u64) -> Option<impl Iterator<Item = &Arc<Event>>> {
        if version < self.floor {
            return None;
        }
        let first = self.log.partition_point(|event| event.object.version <= version);
        Some(self.log.range(first..))
    }

    /// As [`Table::range`], as it was at a version; `None` when the log does not reach back that far.
    pub(crate) fn range_at<'a>(
        &'a self,
        namespace: &'a str,
        after: Option<&'a Key>,
        version: u64,
    ) -> Option<BTreeMap<&'a Key, &'a Arc<Object>>> {
        // The first change of an object since then holds its previous state.
        let mut before: BTreeMap<&Key, Option<&Arc<Object>>> = BTreeMap::new();
        for event in self.since(version)? {
            before.entry(&event.key).or_insert(event.previous.as_ref());
        }
        let mut objects: BTreeMap<_, _> =
            self.range(namespace, after).filter(|(key, _)| !before.contains_key(key)).collect();
        let asked =
            |key: &Key| after.is_none_or(|after| key > after) && (namespace.is_empty() || *key.namespace == *namespace);
        objects
            .extend(before.into_iter().filter_map(|(key, object)| Some((key, object?))).filter(|(key, _)| asked(key)));
        Some(objects)
    }

    fn record(&mut self, event: Arc<Event>) {
        let version = event.object.version;
        self.log_bytes += event.object.raw.len() + EVENT_OVERHEAD;
        self.log.push_back(event);
        while self.log_bytes > LOG_BYTES + self.bytes / LOG_SHARE {
            let Some(oldest) = self.log.pop_front() else { break };
            self.log_bytes -= oldest.object.raw.len() + EVENT_OVERHEAD;
            self.floor = oldest.object.version;
        }
        self.wake.send_replace(version);
    }

    fn copy(&self) -> Self {
        Self {
            objects: self.objects.clone(),
            bytes: self.bytes,
            log: self.log.clone(),
            log_bytes: self.log_bytes,
            ..Self::new(self.floor)
        }
    }
}

/// Objects by the owner uids in their `ownerReferences`.
type Dependents = BTreeMap<Box<str>, BTreeSet<(Arc<str>, Key)>>;

/// All tables at one version.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// The last assigned version.
    pub(crate) version: u64,
    /// This process has no history from before this version.
    floor: u64,
    tables: BTreeMap<Arc<str>, Table>,
    dependents: Dependents,
}

impl Tables {
    pub(crate) fn table(&self, resource: &str) -> Option<&Table> {
        self.tables.get(resource)
    }

    pub(crate) fn get(&self, resource: &str, key: &Key) -> Option<Arc<Object>> {
        self.tables.get(resource)?.get(key).cloned()
    }

    /// Objects that name this uid as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<(Arc<str>, Key)> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// Everything in a namespace.
    pub(crate) fn in_namespace(&self, namespace: &str) -> Vec<(Arc<str>, Key)> {
        let tables = self.tables.iter();
        tables.flat_map(|(name, t)| t.range(namespace, None).map(|(key, _)| (name.clone(), key.clone()))).collect()
    }

    /// Whether there is anything in a namespace.
    pub(crate) fn has_namespace(&self, namespace: &str) -> bool {
        self.tables.values().any(|table| table.range(namespace, None).next().is_some())
    }

    fn table_mut(&mut self, resource: &Arc<str>) -> &mut Table {
        let floor = self.floor;
        self.tables.entry(resource.clone()).or_insert_with(|| Table::new(floor))
    }

    fn index(&mut self, resource: &Arc<str>, key: &Key, object: &Object, present: bool) {
        for owner in &object.owners {
            let entry = (resource.clone(), key.clone());
            let known = self.dependents.entry(owner.clone()).or_default();
            if present {
                known.insert(entry);
            } else {
                known.remove(&entry);
            }
            if known.is_empty() {
                self.dependents.remove(owner);
            }
        }
    }

    /// Inserts a change and notifies watchers.
    pub(crate) fn publish(&mut self, resource: &Arc<str>, event: Arc<Event>) {
        self.version = event.object.version;
        if let Some(previous) = &event.previous {
            self.index(resource, &event.key, previous, false);
        }
        let stays = event.kind != EventKind::Deleted;
        if stays {
            self.index(resource, &event.key, &event.object, true);
        }
        let table = self.table_mut(resource);
        table.bytes -= event.previous.as_ref().map_or(0, |previous| previous.raw.len());
        if stays {
            table.bytes += event.object.raw.len();
            table.objects.insert(event.key.clone(), event.object.clone());
        } else {
            table.objects.remove(&event.key);
        }
        table.record(event);
    }

    /// The same objects and the same history, without watchers.
    fn copy(&self) -> Self {
        let tables = self.tables.iter().map(|(name, table)| (name.clone(), table.copy())).collect();
        Self { version: self.version, floor: self.floor, tables, dependents: self.dependents.clone() }
    }
}

/// The tables, and the one writer.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// What readers see.
    served: Arc<RwLock<Tables>>,
    /// What writers see; `None` without a journal, when readers and writers see the same.
    head: Option<RwLock<Tables>>,
    turn: Mutex<()>,
    /// `None` if everything is only in memory.
    journal: Option<Journal>,
}

impl Store {
    /// A store that continues with the contents of a data directory.
    ///
    /// # Errors
    /// If the directory cannot be used, or its contents are damaged.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, Error> {
        let (database, stored) = journal::open(data_dir)?;
        let mut tables = Tables { version: stored.version, floor: stored.version, ..Tables::default() };
        for (resource, key, value, version) in stored.objects {
            let object = Object::new(&value, version);
            tables.index(&resource, &key, &object, true);
            let table = tables.table_mut(&resource);
            table.bytes += object.raw.len();
            table.objects.insert(key, Arc::new(object));
        }
        let head = Some(RwLock::new(tables.copy()));
        let served = Arc::new(RwLock::new(tables));
        let journal = Some(Journal::start(database, stored.version, publisher(served.clone()))?);
        Ok(Self { served, head, turn: Mutex::new(()), journal })
    }

    /// Another store with the same objects and the same history, in memory.
    pub(crate) fn copy(&self) -> Self {
        Self { served: Arc::new(RwLock::new(self.read().copy())), ..Self::default() }
    }

    /// Waits until everything up to a version is on disk, if there is one, and served.
    ///
    /// # Errors
    /// Why the disk does not take it.
    pub(crate) async fn settled(&self, version: u64) -> Result<(), String> {
        match &self.journal {
            Some(journal) => journal.wait(version).await,
            None => Ok(()),
        }
    }

    /// The same for everything so far. Blocks the thread.
    ///
    /// # Errors
    /// Why the disk does not take it.
    pub(crate) fn flush(&self) -> Result<(), String> {
        self.journal.as_ref().map_or(Ok(()), Journal::flush)
    }

    /// Resolves with the reason when nothing can be written any more; never without a disk.
    pub(crate) async fn failed(&self) -> String {
        let Some(journal) = &self.journal else { return std::future::pending().await };
        match journal.wait(u64::MAX).await {
            Err(why) => why,
            // No version is that high, so this cannot happen.
            Ok(()) => std::future::pending().await,
        }
    }

    /// Why nothing can be written any more, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        self.journal.as_ref()?.failure()
    }

    /// Rolls back changes that the journal did not store; returns whether there were any.
    pub(crate) fn take_back(&self) -> bool {
        let _turn = self.turn.lock();
        let Some(head) = &self.head else { return false };
        let (mut head, served) = (head.write(), self.served.read());
        let differs = head.version != served.version;
        if differs {
            *head = served.copy();
        }
        differs
    }

    /// What writers see. It may not be on disk yet, so it is not served.
    pub(crate) fn latest(&self) -> RwLockReadGuard<'_, Tables> {
        self.head.as_ref().unwrap_or(&self.served).read()
    }

    /// What readers see.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.served.read()
    }

    pub(crate) fn get(&self, resource: &str, key: &Key) -> Option<Arc<Object>> {
        self.served.read().get(resource, key)
    }

    /// Waits for exclusive access. The last version that the writer has seen or written is noted in `until`.
    pub(crate) fn writer<'a>(&'a self, until: &'a AtomicU64) -> Writer<'a> {
        Writer { store: self, turn: self.turn.lock(), changes: Vec::new(), until }
    }

    /// A signal that fires after every change of the resource.
    pub(crate) fn subscribe(&self, resource: &Arc<str>) -> watch::Receiver<u64> {
        if let Some(table) = self.served.read().tables.get(resource) {
            return table.wake.subscribe();
        }
        self.served.write().table_mut(resource).wake.subscribe()
    }
}

/// Serves what the journal has written.
fn publisher(served: Arc<RwLock<Tables>>) -> impl Fn(Vec<Change>) + Send {
    move |changes| {
        let mut tables = served.write();
        for Change { resource, event } in changes {
            tables.publish(&resource, event);
        }
    }
}

/// The right to write. Dropping it hands all its changes to the journal together.
pub(crate) struct Writer<'a> {
    store: &'a Store,
    turn: MutexGuard<'a, ()>,
    changes: Vec<Change>,
    until: &'a AtomicU64,
}

impl Writer<'_> {
    /// Gives waiting writers a turn before this writer continues.
    pub(crate) fn give_way(&mut self) {
        self.hand_over();
        MutexGuard::bump(&mut self.turn);
    }

    pub(crate) fn get(&self, resource: &str, key: &Key) -> Option<Arc<Object>> {
        self.read().get(resource, key)
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.store.latest()
    }

    fn hand_over(&mut self) {
        // Changes that were only read may not be on disk yet either.
        self.until.fetch_max(self.read().version, Ordering::Relaxed);
        if let Some(journal) = self.store.journal.as_ref().filter(|_| !self.changes.is_empty()) {
            journal.write(std::mem::take(&mut self.changes));
        }
    }

    fn stamp(&self, value: &mut Value) -> Arc<Object> {
        let version = self.read().version + 1;
        object::edit_meta(value, |m| m.insert("resourceVersion".into(), version.to_string().into()));
        Arc::new(Object::new(value, version))
    }

    /// Stores a new version of an object and returns it.
    pub(crate) fn put(&mut self, resource: &Arc<str>, key: Key, mut value: Value) -> Arc<Object> {
        let object = self.stamp(&mut value);
        let previous = self.get(resource, &key);
        let kind = if previous.is_some() { EventKind::Modified } else { EventKind::Added };
        self.change(resource, Event { kind, key, object: object.clone(), previous });
        object
    }

    /// Removes an object; `value` is its parsed last version.
    pub(crate) fn delete(&mut self, resource: &Arc<str>, key: &Key, mut value: Value) {
        let object = self.stamp(&mut value);
        let previous = self.get(resource, key);
        self.change(resource, Event { kind: EventKind::Deleted, key: key.clone(), object, previous });
    }

    fn change(&mut self, resource: &Arc<str>, event: Event) {
        let event = Arc::new(event);
        match &self.store.head {
            Some(head) => {
                head.write().publish(resource, event.clone());
                self.changes.push(Change { resource: resource.clone(), event });
            }
            None => self.store.served.write().publish(resource, event),
        }
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        // Before the turn ends, so that changes reach the journal in the order of their versions.
        self.hand_over();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn write(store: &Store, name: &str, size: usize) -> u64 {
        let resource: Arc<str> = "things".into();
        let key = Key::new("ns", name);
        let value = json!({"metadata": {"name": name, "namespace": "ns"}, "data": "x".repeat(size)});
        store.writer(&AtomicU64::new(0)).put(&resource, key, value).version
    }

    #[test]
    fn the_log_is_bounded_by_bytes_and_says_when_it_does_not_reach_back() {
        let store = Store::default();
        for _ in 0..40 {
            write(&store, "one", LOG_BYTES / 20);
        }
        let tables = store.read();
        let table = tables.table("things").unwrap();
        assert!(table.log_bytes <= LOG_BYTES + table.bytes / LOG_SHARE);
        assert!(table.since(0).is_none());
        assert!(table.since(table.floor).is_some());
        assert_eq!(table.since(tables.version).unwrap().count(), 0);
    }

    #[test]
    fn earlier_versions_can_be_listed() {
        let store = Store::default();
        for name in ["a", "b", "c"] {
            write(&store, name, 1);
        }
        let then = store.read().version;
        let resource: Arc<str> = "things".into();
        let b = Key::new("ns", "b");
        let value = store.get(&resource, &b).unwrap().value();
        store.writer(&AtomicU64::new(0)).delete(&resource, &b, value);
        write(&store, "c", 2);
        write(&store, "c", 3);
        write(&store, "bb", 1);
        let tables = store.read();
        let table = tables.table("things").unwrap();
        let at = |version, after| {
            let objects = table.range_at("ns", after, version)?;
            Some(
                objects.into_iter().map(|(key, object)| format!("{}@{}", key.name, object.version)).collect::<Vec<_>>(),
            )
        };
        assert_eq!(at(then, None).unwrap(), ["a@1", "b@2", "c@3"]);
        let a = Key::new("ns", "a");
        assert_eq!(at(then, Some(&a)).unwrap(), ["b@2", "c@3"]);
        assert_eq!(at(tables.version, None).unwrap(), ["a@1", "bb@7", "c@6"]);
        assert_eq!(table.range_at("other", None, then).unwrap().len(), 0);
    }

    #[test]
    fn versions_are_shared_by_all_resources_and_ordered_by_key() {
        let store = Store::default();
        let versions: Vec<u64> = ["b", "a", "c"].map(|name| write(&store, name, 1)).to_vec();
        assert_eq!(versions, [1, 2, 3]);
        let tables = store.read();
        let table = tables.table("things").unwrap();
        let names = |after| table.range("ns", after).map(|(k, _)| k.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(None), ["a", "b", "c"]);
        assert_eq!(names(Some(&Key::new("ns", "a"))), ["b", "c"]);
        assert_eq!(table.range("other", None).count(), 0);
    }
}
