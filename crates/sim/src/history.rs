//! Everything that happens to a cluster's objects, from API watches alone.

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use kube::{
    Client, Resource as _,
    api::{ListParams, WatchEvent, WatchParams},
    core::{DynamicObject, GroupVersionKind, Request},
    discovery::ApiResource,
};
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};
use tokio::{sync::watch, task::JoinSet, time::Instant};
use weir_api::kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP};

/// The kinds that are watched.
const KINDS: [(&str, &str); 10] = [
    (MACHINE_CONFIG_GROUP, "MachineConfigPool"),
    (MACHINE_CONFIG_GROUP, "MachineConfig"),
    (MACHINE_CONFIG_GROUP, "MachineOSConfig"),
    (MACHINE_CONFIG_GROUP, "OSImageStream"),
    (MACHINE_CONFIG_GROUP, "ControllerConfig"),
    (CONFIG_GROUP, "FeatureGate"),
    (CONFIG_GROUP, "ClusterVersion"),
    (CONFIG_GROUP, "ClusterOperator"),
    ("", "Node"),
    ("", "Event"),
];

/// Kinds of what runs on nodes: what budgets protect, and what they count.
const WORKLOAD: [(&str, &str); 3] = [("", "Pod"), ("policy", "PodDisruptionBudget"), ("apps", "ReplicaSet")];

/// An object by kind and name.
pub(crate) type Key = (&'static str, String);

/// An object after it changed; absent when it was deleted.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) key: Key,
    pub(crate) version: u64,
    pub(crate) at: Instant,
    pub(crate) after: Option<Value>,
}

/// All current objects, and every change since the beginning.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) now: BTreeMap<Key, Value>,
    pub(crate) changes: Vec<Change>,
    /// When the last change came.
    pub(crate) last: Option<Instant>,
    /// Why a watch has a gap, which no story may have.
    pub(crate) gap: Option<String>,
}

/// The recorded changes of the watched objects.
#[derive(Debug)]
pub(crate) struct History {
    seen: Arc<Mutex<Seen>>,
    news: watch::Receiver<u64>,
    _watches: JoinSet<()>,
}

impl History {
    /// Starts with all existing objects.
    pub(crate) async fn start(client: &Client) -> Result<Self> {
        Self::of(client, &KINDS).await
    }

    /// The same, with what runs on nodes.
    pub(crate) async fn with_pods(client: &Client) -> Result<Self> {
        Self::of(client, &[KINDS.as_slice(), &WORKLOAD].concat()).await
    }

    async fn of(client: &Client, kinds: &[(&'static str, &'static str)]) -> Result<Self> {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let (sender, news) = watch::channel(0);
        let mut watches = JoinSet::new();
        for &(group, kind) in kinds {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
            let place = Request::new(DynamicObject::url_path(&resource, None));
            let what = || format!("listing {kind}");
            let request = place.list(&ListParams::default()).with_context(what)?;
            let mut list: Value = client.request(request).await.with_context(what)?;
            let version = text(&list["metadata"]["resourceVersion"]).to_owned();
            let (api_version, items) = (list["apiVersion"].take(), list["items"].take());
            for mut object in items.as_array().cloned().unwrap_or_default() {
                // The items of a list do not name their kind.
                object["apiVersion"] = api_version.clone();
                object["kind"] = kind.into();
                lock(&seen).fold(kind, object, true);
            }
            let (client, seen, sender) = (client.clone(), seen.clone(), sender.clone());
            watches.spawn(async move {
                if let Err(error) = follow(&client, &place, kind, version, &seen, &sender).await {
                    lock(&seen).gap = Some(format!("{error:#}"));
                    sender.send_modify(|count| *count += 1);
                }
            });
        }
        Ok(Self { seen, news, _watches: watches })
    }

    /// Runs a function on it.
    pub(crate) fn look(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// A receiver that is notified of every change.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.clone()
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock()
}

async fn follow(
    client: &Client,
    place: &Request,
    kind: &'static str,
    mut version: String,
    seen: &Mutex<Seen>,
    news: &watch::Sender<u64>,
) -> Result<()> {
    let what = || format!("watching {kind}");
    loop {
        let request = place.watch(&WatchParams::default(), &version).with_context(what)?;
        let mut events = Box::pin(client.request_events::<Value>(request).await.with_context(what)?);
        while let Some(event) = events.next().await {
            let (object, exists) = match event.with_context(what)? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, true),
                WatchEvent::Deleted(object) => (object, false),
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(status) => bail!("watching {kind}: {}", status.message),
            };
            version = text(&object["metadata"]["resourceVersion"]).to_owned();
            lock(seen).fold(kind, object, exists);
            news.send_modify(|count| *count += 1);
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl Seen {
    fn fold(&mut self, kind: &'static str, mut object: Value, exists: bool) {
        let metadata = object["metadata"].as_object_mut();
        metadata.and_then(|metadata| metadata.remove("managedFields"));
        let key = (kind, text(&object["metadata"]["name"]).to_owned());
        let version = text(&object["metadata"]["resourceVersion"]).parse().unwrap_or_default();
        let after = exists.then_some(object);
        match &after {
            Some(value) => _ = self.now.insert(key.clone(), value.clone()),
            None => _ = self.now.remove(&key),
        }
        let at = Instant::now();
        self.changes.push(Change { key, version, at, after });
        self.last = Some(at);
    }

    /// The object; null when it does not exist.
    pub(crate) fn get(&self, kind: &'static str, name: &str) -> &Value {
        self.now.get(&(kind, name.to_owned())).unwrap_or(&Value::Null)
    }

    /// All objects of a kind, with their names.
    pub(crate) fn all(&self, kind: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.now.iter().filter(move |((of, _), _)| *of == kind).map(|((_, name), value)| (name.as_str(), value))
    }
}
