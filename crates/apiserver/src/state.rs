//! State shared by all requests, and what is derived from stored objects: resources, policies, grants.

use crate::{
    Error,
    admission::Policies,
    body,
    clock::{Clock, Ids},
    disruption::Disruptions,
    expiry::{EVENTS, Expiry},
    furnishing::{furnish, furnish_all},
    host::Host,
    identity::User,
    kinds::{self, definition},
    logs::PodLogs,
    object::meta,
    patch::Patch,
    pipeline::{Change, Write, Written, as_manager, as_server},
    quota::Quota,
    rbac::{self, Attributes, Authorization, Grants},
    registry::{Registry, Resource},
    served::Served,
    settings::Settings,
    status::Failure,
    store::{Key, Object, Store, Tables, Writer},
    tls,
    tokens::TokenKey,
};
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard, RwLock};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::{Semaphore, watch};

/// Maximum number of open watches, in total and per user: one costs what its client does not read, up to 128 KiB.
const MOST_WATCHES: usize = 5_000;
const MOST_WATCHES_OF_A_USER: usize = 1_000;
/// Maximum size of all bodies being received, in total and from one user, in bytes.
const MOST_BODIES: usize = 32 * body::LARGEST;
const MOST_BODIES_OF_A_USER: usize = 16 * body::LARGEST;

/// The field manager of `kubectl apply --server-side`.
const APPLIER: &str = "kubectl";

/// Maximum number of large bodies processed at the same time: each may take a hundred megabytes for a moment.
const MOST_ASIDE: usize = 4;

/// What all requests share. A clone is another handle.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) store: Arc<Store>,
    /// The last version that has to be on disk before the request with this handle is answered.
    until: Arc<AtomicU64>,
    pub(crate) clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    registry: Arc<RwLock<Arc<Registry>>>,
    policies: Arc<RwLock<Arc<Policies>>>,
    grants: Arc<RwLock<Arc<Grants>>>,
    pub(crate) expiry: Arc<Expiry>,
    /// The counts of PodDisruptionBudgets.
    pub(crate) disruptions: Arc<Mutex<Disruptions>>,
    definitions: Arc<Mutex<()>>,
    authorization: Authorization,
    kubelets: bool,
    pub(crate) tokens: Arc<BTreeMap<String, User>>,
    pub(crate) token_key: TokenKey,
    pub(crate) logs: Option<Arc<dyn PodLogs>>,
    /// The certificate authority with which clients verify the server; `None` while it does not listen.
    authority: Arc<RwLock<Option<Arc<str>>>>,
    /// The administrator's token; `None` while the server does not listen.
    administrator: Arc<RwLock<Option<Arc<str>>>>,
    /// The resource of namespaces, which every namespaced write needs.
    pub(crate) namespaces: Arc<Resource>,
    /// Open watches.
    pub(crate) watches: Arc<Quota>,
    /// Bytes of bodies that are being read.
    pub(crate) bodies: Arc<Quota>,
    /// Requests with large bodies that are being processed on threads of their own; `None` for no such threads.
    pub(crate) aside: Option<Arc<Semaphore>>,
    /// Turns true when watches have to end.
    pub(crate) shutdown: watch::Receiver<bool>,
    stop: Arc<watch::Sender<bool>>,
}

impl State {
    /// The state of a new server, or the state restored from the data directory.
    ///
    /// # Errors
    /// When the data directory cannot be used.
    pub(crate) fn new(settings: Settings) -> Result<Self, Error> {
        let registry = Registry::new(kinds::built_in(), []);
        let namespaces = registry.find("", "v1", "namespaces").cloned();
        let namespaces = namespaces
            .ok_or_else(|| Error::Definition { name: "namespaces".into(), message: "is not built in".into() })?;
        let (stop, shutdown) = watch::channel(false);
        let store = match &settings.data_dir {
            None => Store::default(),
            Some(data_dir) => Store::open(data_dir)?,
        };
        let token_key = match &settings.data_dir {
            None => TokenKey::generate(),
            Some(data_dir) => TokenKey::of_folder(&data_dir.join(tls::FOLDER))?,
        };
        let state = Self {
            store: Arc::new(store),
            until: Arc::default(),
            clock: settings.clock,
            ids: settings.ids,
            registry: Arc::new(RwLock::new(Arc::new(registry))),
            policies: Arc::default(),
            grants: Arc::default(),
            expiry: Arc::default(),
            disruptions: Arc::default(),
            definitions: Arc::default(),
            authorization: settings.authorization,
            kubelets: settings.kubelets,
            tokens: Arc::new(settings.tokens),
            token_key,
            logs: settings.logs,
            authority: Arc::default(),
            administrator: Arc::default(),
            namespaces,
            watches: Quota::new("open watches", MOST_WATCHES, MOST_WATCHES_OF_A_USER),
            bodies: Quota::new("request bytes in flight", MOST_BODIES, MOST_BODIES_OF_A_USER),
            aside: settings.threads.then(|| Arc::new(Semaphore::new(MOST_ASIDE))),
            shutdown,
            stop: Arc::new(stop),
        };
        state.reload();
        Ok(state)
    }

    /// The state of another server that begins with the same objects and keeps its own in memory.
    pub(crate) fn copy(&self, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        let (stop, shutdown) = watch::channel(false);
        let copy = Self {
            store: Arc::new(self.store.copy()),
            until: Arc::default(),
            clock,
            ids,
            registry: Arc::new(RwLock::new(self.registry.read().clone())),
            policies: Arc::new(RwLock::new(self.policies.read().clone())),
            grants: Arc::new(RwLock::new(self.grants.read().clone())),
            expiry: Arc::default(),
            disruptions: Arc::default(),
            definitions: Arc::default(),
            authority: Arc::new(RwLock::new(self.authority.read().clone())),
            administrator: Arc::default(),
            watches: Quota::new("open watches", MOST_WATCHES, MOST_WATCHES_OF_A_USER),
            bodies: Quota::new("request bytes in flight", MOST_BODIES, MOST_BODIES_OF_A_USER),
            aside: self.aside.as_ref().map(|_| Arc::new(Semaphore::new(MOST_ASIDE))),
            shutdown,
            stop: Arc::new(stop),
            ..self.clone()
        };
        copy.expiry.queue(&copy.store.read(), copy.now());
        copy
    }

    /// A handle for one request.
    pub(crate) fn for_request(&self) -> Self {
        Self { until: Arc::default(), ..self.clone() }
    }

    /// Waits until everything that this handle wrote, or read as a writer, is on disk and served.
    ///
    /// # Errors
    /// If that will never happen.
    pub(crate) async fn settled(&self) -> Result<(), Failure> {
        match self.until.load(Ordering::Relaxed) {
            // A read-only request, or one that was refused earlier.
            0 => Ok(()),
            until => self.store.settled(until).await.map_err(|why| self.not_stored(&why)),
        }
    }

    /// Waits until everything is on disk, at the start.
    ///
    /// # Errors
    /// If the disk fails.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.store.flush().map_err(|why| Error::Full { why })
    }

    /// Checks whether anything can be written.
    ///
    /// # Errors
    /// If the disk has failed.
    pub(crate) fn check_disk(&self) -> Result<(), Failure> {
        self.store.failure().map_or(Ok(()), |why| Err(self.not_stored(&why)))
    }

    /// Rolls back changes that could not be stored, everywhere; returns the failure.
    fn not_stored(&self, why: &str) -> Failure {
        if self.store.take_back() {
            self.reload();
        }
        Failure::internal(format!(
            "the write could not be stored: {why}; nothing is written any more until there is room on the disk of the data \
             directory and the server was started again"
        ))
    }

    /// Ends all watches. Requests are still answered.
    pub(crate) fn end_watches(&self) {
        self.stop.send_replace(true);
    }

    /// The server is listening: its authority is published.
    pub(crate) fn set_authority(&self, authority: &str) {
        *self.authority.write() = Some(authority.into());
        furnish_all(self, Some(authority));
    }

    /// The server is listening: this token is the administrator's.
    pub(crate) fn set_administrator(&self, token: &str) {
        *self.administrator.write() = Some(token.into());
    }

    /// The administrator's token, once the server listens.
    pub(crate) fn administrator(&self) -> Option<Arc<str>> {
        self.administrator.read().clone()
    }

    /// A write by the server itself.
    pub(crate) fn create(&self, resource: &Arc<Resource>, namespace: &str, object: Value) -> Result<Written, Failure> {
        self.write(resource, namespace, |write| write.create(object))
    }

    pub(crate) fn write<T>(&self, resource: &Arc<Resource>, namespace: &str, act: impl FnOnce(&Write<'_>) -> T) -> T {
        as_server(self, resource, namespace, act)
    }

    /// Creates the initial objects, unless they exist.
    ///
    /// # Errors
    /// If one is refused.
    pub(crate) fn create_first(&self, group: &str, plural: &str, object: Value) -> Result<(), Error> {
        let registry = self.registry();
        let Some(resource) = registry.find(group, "v1", plural) else { return Ok(()) };
        let name = meta(&object, "name").to_owned();
        match self.create(resource, "", object) {
            Err(failure) if failure.reason != "AlreadyExists" => {
                Err(Error::Definition { name, message: failure.message })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn define(&self, crd: Value) -> Result<(), Failure> {
        let registry = self.registry();
        let definitions = registry.of_storage(definition::STORAGE).ok_or_else(Failure::no_resource)?;
        let name = meta(&crd, "name").to_owned();
        // As if an administrator had applied it, who may then apply another one without taking it from anybody.
        let change = Change::Patch(Patch::Apply { object: crd, force: true });
        as_manager(self, APPLIER, definitions, "", |write| write.update(&name, change))?;
        Ok(())
    }

    /// Brings what is derived from stored objects up to date with what is served.
    fn reload(&self) {
        let tables = self.store.read();
        self.reload_definitions(&tables);
        self.reload_policies(&tables);
        self.reload_grants(&tables);
        self.expiry.queue(&tables, self.now());
    }

    fn reload_definitions(&self, tables: &Tables) {
        let old = self.registry();
        let definitions = tables.table(definition::STORAGE).into_iter().flat_map(|t| t.range("", None));
        let custom: Vec<Arc<Resource>> = definitions
            .flat_map(|(key, object)| {
                let known = old.of_definition(&key.name, object.version);
                if known.is_empty() { definition::resources(&object.value(), object.version) } else { known }
            })
            .collect();
        *self.registry.write() = Arc::new(Registry::new(kinds::built_in(), custom));
    }

    fn reload_policies(&self, tables: &Tables) {
        *self.policies.write() = Arc::new(Policies::load(tables));
    }

    fn reload_grants(&self, tables: &Tables) {
        let grants = Grants::load(tables, &self.grants());
        *self.grants.write() = Arc::new(grants);
    }

    /// Whether a user may do this.
    pub(crate) fn authorize(&self, user: &User, wanted: &Attributes<'_>) -> Result<(), Failure> {
        let allowed =
            self.authorization == Authorization::AlwaysAllow || rbac::is_allowed(&self.grants.read(), user, wanted);
        tracing::debug!(
            user = user.username,
            verb = wanted.verb,
            group = wanted.group,
            resource = wanted.resource,
            subresource = wanted.subresource,
            namespace = wanted.namespace,
            name = wanted.name,
            allowed,
            "authorization"
        );
        if allowed { Ok(()) } else { Err(rbac::refusal(user, wanted)) }
    }
}

impl Served for State {
    fn registry(&self) -> Arc<Registry> {
        self.registry.read().clone()
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Host for State {
    fn namespaces(&self) -> &Arc<Resource> {
        &self.namespaces
    }

    fn ids(&self) -> &dyn Ids {
        &*self.ids
    }

    fn policies(&self) -> Arc<Policies> {
        self.policies.read().clone()
    }

    fn grants(&self) -> Arc<Grants> {
        self.grants.read().clone()
    }

    fn authorization(&self) -> Authorization {
        self.authorization
    }

    fn kubelets(&self) -> bool {
        self.kubelets
    }

    fn definitions(&self) -> MutexGuard<'_, ()> {
        self.definitions.lock()
    }

    fn latest(&self, resource: &str, key: &Key) -> Option<Arc<Object>> {
        let tables = self.store.latest();
        self.until.fetch_max(tables.version, Ordering::Relaxed);
        tables.get(resource, key)
    }

    fn writer(&self) -> Writer<'_> {
        self.store.writer(&self.until)
    }

    /// A changed definition is served at once, and a changed policy applies at once.
    fn written(&self, writer: &mut Writer<'_>, resource: &Resource, key: &Key) {
        if Disruptions::concerns(&resource.storage) {
            self.disruptions.lock().count(writer, &self.registry(), self.now(), &key.namespace);
        }
        let authority = self.authority.read().clone();
        furnish(self, authority.as_deref(), writer, resource, key);
        if *resource.storage == *EVENTS {
            self.expiry.written(writer, key, self.now());
        }
        if *resource.storage == *definition::STORAGE {
            self.reload_definitions(&writer.read());
        }
        if Policies::concerns(&resource.storage) {
            self.reload_policies(&writer.read());
        }
        if Grants::concerns(&resource.storage) {
            if Grants::concerns_aggregation(&resource.storage) {
                rbac::aggregate(writer);
            }
            self.reload_grants(&writer.read());
        }
    }
}
