//! What all requests share, and what is derived from stored objects: resources, policies, grants.

use crate::{
    Error, Settings,
    admission::Policies,
    clock::{Clock, Ids},
    disruption::Disruptions,
    expiry::{EVENTS, Expiry},
    identity::{User, admin},
    journal::Journal,
    kinds::{self, definition},
    object::meta,
    pipeline::{Change, FieldValidation, Options, Part, Write, Written},
    rbac::{self, Attributes, Authorization, Grants},
    registry::{Registry, Resource},
    status::Failure,
    store::{Key, Store, Writer},
    tls,
    tokens::TokenKey,
};
use parking_lot::{Mutex, RwLock};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::{Semaphore, watch};

/// Watches that may be open at once.
const MOST_WATCHES: usize = 10_000;

/// Requests with large bodies that are worked on at once: each may take a hundred megabytes for a moment.
const MOST_ASIDE: usize = 4;

/// What all requests share. A clone is another handle.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    registry: Arc<RwLock<Arc<Registry>>>,
    policies: Arc<RwLock<Arc<Policies>>>,
    grants: Arc<RwLock<Arc<Grants>>>,
    pub(crate) expiry: Arc<Expiry>,
    /// What budgets count.
    pub(crate) disruptions: Arc<Mutex<Disruptions>>,
    /// The turn to write a definition, from reading the names of the others to storing it.
    pub(crate) definitions: Arc<Mutex<()>>,
    authorization: Authorization,
    pub(crate) tokens: Arc<BTreeMap<String, User>>,
    pub(crate) token_key: TokenKey,
    /// The certificate authority that clients verify the server with; `None` while it does not listen.
    authority: Arc<RwLock<Option<Arc<str>>>>,
    /// The resource of namespaces, which every namespaced write looks at.
    pub(crate) namespaces: Arc<Resource>,
    pub(crate) watches: Arc<Semaphore>,
    /// Requests with large bodies that are worked on at once.
    pub(crate) aside: Arc<Semaphore>,
    /// Turns true when watches have to end.
    pub(crate) shutdown: watch::Receiver<bool>,
    stop: Arc<watch::Sender<bool>>,
}

/// Who the server itself writes as.
const MANAGER: &str = "weir-apiserver";

impl State {
    /// The state of a new server, or of the one that left its data directory.
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
            Some(data_dir) => Journal::open(data_dir).map(|(journal, stored)| Store::restored(journal, stored))?,
        };
        let token_key = match &settings.data_dir {
            None => TokenKey::generate(),
            Some(data_dir) => TokenKey::of_folder(&data_dir.join(tls::FOLDER))?,
        };
        let state = Self {
            store: Arc::new(store),
            clock: settings.clock,
            ids: settings.ids,
            registry: Arc::new(RwLock::new(Arc::new(registry))),
            policies: Arc::default(),
            grants: Arc::default(),
            expiry: Arc::default(),
            disruptions: Arc::default(),
            definitions: Arc::default(),
            authorization: settings.authorization,
            tokens: Arc::new(settings.tokens),
            token_key,
            authority: Arc::default(),
            namespaces,
            watches: Arc::new(Semaphore::new(MOST_WATCHES)),
            aside: Arc::new(Semaphore::new(MOST_ASIDE)),
            shutdown,
            stop: Arc::new(stop),
        };
        state.reload();
        Ok(state)
    }

    /// Ends all watches. Requests are still answered.
    pub(crate) fn end_watches(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) fn authorization(&self) -> Authorization {
        self.authorization
    }

    /// The server listens: everybody is told with which authority it does.
    pub(crate) fn set_authority(&self, authority: &str) {
        *self.authority.write() = Some(authority.into());
        self.furnish_all();
    }

    pub(crate) fn authority(&self) -> Option<Arc<str>> {
        self.authority.read().clone()
    }

    pub(crate) fn grants(&self) -> Arc<Grants> {
        self.grants.read().clone()
    }

    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.registry.read().clone()
    }

    pub(crate) fn policies(&self) -> Arc<Policies> {
        self.policies.read().clone()
    }

    /// A write by the server itself.
    pub(crate) fn create(&self, resource: &Arc<Resource>, namespace: &str, object: Value) -> Result<Written, Failure> {
        self.write(resource, namespace, |write| write.create(object))
    }

    pub(crate) fn write<T>(&self, resource: &Arc<Resource>, namespace: &str, act: impl FnOnce(&Write<'_>) -> T) -> T {
        let options = Options {
            dry_run: false,
            manager: MANAGER.into(),
            field_validation: FieldValidation::Ignore,
            given: Map::new(),
        };
        act(&Write { state: self, resource, namespace, part: Part::Main, options: &options, user: &admin() })
    }

    pub(crate) fn define(&self, crd: Value) -> Result<(), Failure> {
        let registry = self.registry();
        let definitions = registry.of_storage(definition::STORAGE).ok_or_else(Failure::no_resource)?;
        let name = meta(&crd, "name").to_owned();
        let exists = self.store.get(definition::STORAGE, &Key::new("", &name)).is_some();
        if exists {
            self.write(definitions, "", |write| write.update(&name, Change::Replace(crd)))?;
        } else {
            self.create(definitions, "", crd)?;
        }
        Ok(())
    }

    /// Called after an object of the resource was written or removed: a changed definition is served at once, a
    /// changed policy is obeyed at once.
    pub(crate) fn written(&self, writer: &mut Writer<'_>, resource: &Resource, key: &Key) {
        self.count_budgets(writer, resource, &key.namespace);
        self.furnish(writer, resource, key);
        if *resource.storage == *EVENTS {
            self.expire_events(writer, key);
        }
        if *resource.storage == *definition::STORAGE {
            self.reload_definitions();
        }
        if Policies::concerns(&resource.storage) {
            self.reload_policies();
        }
        if Grants::concerns(&resource.storage) {
            if Grants::concerns_sums(&resource.storage) {
                self.aggregate_roles(writer);
            }
            self.reload_grants();
        }
    }

    /// Brings what is derived from stored objects up to date.
    fn reload(&self) {
        self.reload_definitions();
        self.reload_policies();
        self.reload_grants();
        self.queue_events();
    }

    fn reload_definitions(&self) {
        let old = self.registry();
        let custom: Vec<Arc<Resource>> = {
            let tables = self.store.read();
            let table = tables.table(definition::STORAGE);
            let definitions = table.into_iter().flat_map(|t| t.range("", None));
            let resources = definitions.flat_map(|(key, object)| {
                let known = old.of_definition(&key.name, object.version);
                if known.is_empty() { definition::resources(&object.value(), object.version) } else { known }
            });
            resources.collect()
        };
        *self.registry.write() = Arc::new(Registry::new(kinds::built_in(), custom));
    }

    fn reload_policies(&self) {
        let policies = Policies::load(&self.store.read());
        *self.policies.write() = Arc::new(policies);
    }

    fn reload_grants(&self) {
        let grants = Grants::load(&self.store.read(), &self.grants());
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
