//! The registry of watches: one row for each kind of object, with who watches it, which of its objects, and what to do if the API
//! server does not know the kind.
//!
//! These rows are used for watching, for checking at startup whether everything is served, for naming what has not been seen, and
//! for granting rights. Each component has its own type for its watchers.

use crate::{Cache, Unreadable, cache::Cached, error::optional, in_order::in_order};
use futures::future::{BoxFuture, select_all};
use kube::{
    Client, Resource as _,
    api::ListParams,
    core::{ApiResource, DynamicObject, ObjectList, PartialObjectMeta, Request},
};
use std::{fmt, sync::Arc};
use tokio::sync::watch;

/// Which objects of a kind; all of them by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only those in this namespace.
    pub namespace: Option<&'static str>,
    /// Only the one with this name.
    pub name: Option<&'static str>,
    /// Only those that a label selector matches.
    pub labels: Option<String>,
    /// Only those that a field selector matches; not together with a name.
    pub fields: Option<&'static str>,
}

impl Selection {
    /// The object with this name.
    #[must_use]
    pub fn named(name: &'static str) -> Self {
        Self { name: Some(name), ..Self::default() }
    }

    /// Those that a label selector matches.
    #[must_use]
    pub fn labelled(selector: impl Into<String>) -> Self {
        Self { labels: Some(selector.into()), ..Self::default() }
    }

    /// Those that a field selector matches.
    #[must_use]
    pub fn with_fields(selector: &'static str) -> Self {
        Self { fields: Some(selector), ..Self::default() }
    }

    /// The same, only in a namespace.
    #[must_use]
    pub fn within(self, namespace: &'static str) -> Self {
        Self { namespace: Some(namespace), ..self }
    }

    /// The parameters of a list of them.
    pub(crate) fn parameters(&self) -> ListParams {
        let named = self.name.map(|name| format!("metadata.name={name}"));
        ListParams {
            label_selector: self.labels.clone(),
            field_selector: named.or_else(|| self.fields.map(str::to_owned)),
            ..ListParams::default()
        }
    }
}

/// What to do if the API server does not know a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing works without it: the program says so at startup and ends.
    Refuse,
    /// It is retried until it exists; whatever needs it waits.
    Wait,
    /// There are no objects of it.
    Empty,
}

/// A cache of any kind.
trait Watched: fmt::Debug + Send + Sync {
    fn fill(&self, client: Client) -> BoxFuture<'static, ()>;
    fn changes(&self) -> watch::Receiver<u64>;
    fn broken(&self) -> Vec<Unreadable>;
    fn is_synced(&self) -> bool;
    fn failing(&self) -> Option<String>;
}

impl<K: Cached> Watched for Cache<K> {
    fn fill(&self, client: Client) -> BoxFuture<'static, ()> {
        Box::pin(self.clone().fill(client))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        Self::changes(self)
    }

    fn broken(&self) -> Vec<Unreadable> {
        Self::broken(self)
    }

    fn is_synced(&self) -> bool {
        Self::is_synced(self)
    }

    fn failing(&self) -> Option<String> {
        Self::failing(self)
    }
}

/// A row: who watches what.
#[derive(Clone, Debug)]
pub struct Row<W> {
    /// The watcher.
    pub watcher: W,
    /// The kind.
    pub kind: ApiResource,
    /// What to do without the kind.
    pub missing: Missing,
    /// Which objects of it.
    pub selection: Selection,
    cache: Arc<dyn Watched>,
}

/// Which objects, in words: a kind, one object of it, or those in a namespace.
impl<W> fmt::Display for Row<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = &self.kind.kind;
        match (self.selection.namespace, self.selection.name) {
            (None, None) => f.write_str(kind),
            (None, Some(name)) => write!(f, "{kind} {name}"),
            (Some(namespace), None) => write!(f, "{kind}s of {namespace}"),
            (Some(namespace), Some(name)) => write!(f, "{kind} {namespace}/{name}"),
        }
    }
}

impl<W> Row<W> {
    /// Whether the API server knows the kind and permits listing these objects.
    ///
    /// # Errors
    /// If it does not permit it, or cannot be reached.
    pub async fn is_served(&self, client: &Client) -> kube::Result<bool> {
        let place = Request::new(DynamicObject::url_path(&self.kind, self.selection.namespace));
        let request = place.list_metadata(&self.selection.parameters().limit(1)).map_err(kube::Error::BuildRequest)?;
        Ok(optional(client.request::<ObjectList<PartialObjectMeta>>(request).await)?.is_some())
    }
}

/// What has not been seen yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// Which objects.
    pub what: String,
    /// The reason, if known.
    pub why: Option<String>,
}

/// The rows. Cheap to clone: clones share the objects.
#[derive(Clone, Debug)]
pub struct Watches<W>(Vec<Row<W>>);

impl<W> Default for Watches<W> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<W: Copy + PartialEq> Watches<W> {
    /// Adds a row: the cache of what `watcher` watches.
    pub fn row<K: Cached>(&mut self, watcher: W, missing: Missing, selection: Selection) -> Cache<K> {
        let cache = Cache::of(missing, selection.clone());
        let kind = ApiResource::erase::<K>(&());
        self.0.push(Row { watcher, kind, missing, selection, cache: Arc::new(cache.clone()) });
        cache
    }

    /// The rows of these watchers.
    pub fn of(&self, watchers: &[W]) -> impl Iterator<Item = &Row<W>> {
        self.0.iter().filter(|row| watchers.contains(&row.watcher))
    }

    /// Watches for them until the future is dropped.
    pub async fn fill(&self, client: &Client, watchers: &[W]) {
        in_order(self.of(watchers).map(|row| row.cache.fill(client.clone()))).await;
    }

    /// Whether they have seen everything that existed at startup.
    #[must_use]
    pub fn is_synced(&self, watchers: &[W]) -> bool {
        self.of(watchers).all(|row| row.cache.is_synced())
    }

    /// Waits until they have.
    pub async fn synced(&self, watchers: &[W]) {
        let mut changes = self.changes(watchers);
        while !self.is_synced(watchers) {
            let next = changes.iter_mut().map(|change| Box::pin(async { change.changed().await.is_ok() }));
            select_all(next).await;
        }
    }

    /// What they have not seen yet. Known failures come first: they say more than what has just not arrived yet.
    #[must_use]
    pub fn unseen(&self, watchers: &[W]) -> Vec<Unseen> {
        let unseen = self.of(watchers).filter(|row| !row.cache.is_synced());
        let mut all: Vec<_> = unseen.map(|row| Unseen { what: row.to_string(), why: row.cache.failing() }).collect();
        all.sort_by_key(|unseen| unseen.why.is_none());
        all
    }

    /// Why something of it is not kept up to date; `None` while all is.
    #[must_use]
    pub fn failing(&self, watchers: &[W]) -> Option<String> {
        self.of(watchers).find_map(|row| row.cache.failing())
    }

    /// Changes of what they watch.
    #[must_use]
    pub fn changes(&self, watchers: &[W]) -> Vec<watch::Receiver<u64>> {
        self.of(watchers).map(|row| row.cache.changes()).collect()
    }

    /// The objects among them that exist but cannot be read.
    #[must_use]
    pub fn broken(&self, watchers: &[W]) -> Vec<Unreadable> {
        self.of(watchers).flat_map(|row| row.cache.broken()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::{ConfigMap, Node};

    #[derive(Clone, Copy, PartialEq)]
    enum Watcher {
        One,
        Other,
    }

    /// An API server that serves only nodes, and has none; requests are recorded.
    fn server() -> (Client, Arc<parking_lot::Mutex<Vec<String>>>) {
        let asked = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let noted = asked.clone();
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let uri = request.uri().to_string();
            noted.lock().push(uri.clone());
            async move {
                if uri.contains("watch=") {
                    std::future::pending::<()>().await;
                }
                let (code, text) = match uri.starts_with("/api/v1/nodes") {
                    true => {
                        (200, r#"{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[]}"#)
                    }
                    false => {
                        (404, r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no","code":404}"#)
                    }
                };
                let answer =
                    http::Response::builder().status(code).body(kube::client::Body::from(text.as_bytes().to_vec()));
                Ok::<_, std::convert::Infallible>(answer.unwrap())
            }
        });
        (Client::new(service, "default"), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn each_watcher_sees_its_rows_and_a_missing_kind_is_handled_as_its_row_says() {
        let mut watches = Watches::default();
        let nodes: Cache<Node> = watches.row(Watcher::One, Missing::Refuse, Selection::labelled("a=b"));
        let maps: Cache<ConfigMap> = watches.row(Watcher::One, Missing::Empty, Selection::named("m").within("n"));
        let wanted: Cache<ConfigMap> = watches.row(Watcher::Other, Missing::Wait, Selection::default().within("n"));
        let (client, asked) = server();
        tokio::select! {
            () = watches.fill(&client, &[Watcher::One]) => {}
            () = watches.synced(&[Watcher::One]) => {}
        }
        assert!(nodes.is_synced() && maps.is_synced() && !maps.is_served() && !wanted.is_synced());
        let lists: Vec<_> = asked.lock().iter().filter(|uri| !uri.contains("watch=")).cloned().collect();
        assert!(
            lists.iter().any(|uri| uri.starts_with("/api/v1/nodes?") && uri.contains("labelSelector=a%3Db")),
            "{lists:?}"
        );
        let named =
            |uri: &String| uri.starts_with("/api/v1/namespaces/n/configmaps?") && uri.contains("metadata.name%3Dm");
        assert!(lists.iter().any(named) && lists.len() == 2, "{lists:?}");
        tokio::select! {
            () = watches.fill(&client, &[Watcher::Other]) => {}
            _ = async { watches.changes(&[Watcher::Other])[0].changed().await } => {}
        }
        let unseen = watches.unseen(&[Watcher::One, Watcher::Other]);
        assert_eq!(unseen.iter().map(|unseen| unseen.what.as_str()).collect::<Vec<_>>(), ["ConfigMaps of n"]);
        assert!(unseen[0].why.is_some());
    }

    #[tokio::test]
    async fn a_kind_that_is_not_served_is_reported() {
        let mut watches = Watches::default();
        let _: Cache<Node> = watches.row(Watcher::One, Missing::Refuse, Selection::default());
        let _: Cache<ConfigMap> = watches.row(Watcher::One, Missing::Refuse, Selection::named("m").within("n"));
        let (client, _) = server();
        let mut served = Vec::new();
        for row in watches.of(&[Watcher::One]) {
            served.push((row.to_string(), row.is_served(&client).await.unwrap()));
        }
        assert_eq!(served, [("Node".to_owned(), true), ("ConfigMap n/m".to_owned(), false)]);
    }
}
