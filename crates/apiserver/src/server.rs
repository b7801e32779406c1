//! The server: its state, and the way of a request to the module that answers it.

use crate::{
    Error,
    admission::Policies,
    body,
    clock::{Clock, Ids, RandomIds, SystemClock},
    delete::{self, DeleteOptions, Deleted},
    discovery,
    expiry::{EVENTS, Expiry},
    identity::{User, admin},
    journal::Journal,
    kinds::{self, definition},
    list::rendered,
    object::{self, meta},
    openapi,
    patch::Patch,
    pipeline::{Change, FieldValidation, Options, Outcome, Part, Write, Written, in_version},
    rbac::{self, Attributes, Authorization, Grants},
    registry::{Registry, Resource},
    request::{Request, Target, View},
    response::{self, Body},
    review,
    schema::FieldError,
    service::Service,
    status::Failure,
    store::{Key, Store, Writer},
    tls,
    tokens::TokenKey,
};
use http::{Method, Response, StatusCode};
use parking_lot::RwLock;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tokio::sync::{Semaphore, watch};

/// Minor version of the Kubernetes release whose API this server has.
const MINOR: &str = "33";
/// Says that this is not a cluster: no scheduler, no kubelets, no controllers.
pub(crate) const GIT_VERSION: &str = "v1.33.0-embedded";

/// Watches that may be open at once.
const MOST_WATCHES: usize = 10_000;

/// Namespaces that every cluster has.
const FIRST_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// How the server is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where objects, certificates and the administrator's token are kept; `None` keeps everything in memory.
    pub data_dir: Option<PathBuf>,
    /// Source of timestamps.
    pub clock: Arc<dyn Clock>,
    /// Source of identifiers.
    pub ids: Arc<dyn Ids>,
    /// Who decides what users other than administrators may do.
    pub authorization: Authorization,
    /// Bearer tokens beside the administrator's and those of service accounts.
    pub tokens: BTreeMap<String, User>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: None,
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            authorization: Authorization::default(),
            tokens: BTreeMap::new(),
        }
    }
}

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
    authorization: Authorization,
    pub(crate) tokens: Arc<BTreeMap<String, User>>,
    pub(crate) token_key: TokenKey,
    /// The resource of namespaces, which every namespaced write looks at.
    pub(crate) namespaces: Arc<Resource>,
    pub(crate) watches: Arc<Semaphore>,
    /// Turns true when watches have to end.
    pub(crate) shutdown: watch::Receiver<bool>,
    stop: Arc<watch::Sender<bool>>,
}

/// A Kubernetes-compatible API server. A clone is another handle to the same server.
#[derive(Clone, Debug)]
pub struct ApiServer {
    pub(crate) state: State,
    pub(crate) data_dir: Option<PathBuf>,
}

impl ApiServer {
    /// Sets up a server. Nothing listens yet: see [`ApiServer::service`] and [`crate::Listener`].
    ///
    /// # Errors
    /// When the data directory cannot be used.
    pub fn new(settings: Settings) -> Result<Self, Error> {
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
        let state = State {
            store: Arc::new(store),
            clock: settings.clock,
            ids: settings.ids,
            registry: Arc::new(RwLock::new(Arc::new(registry))),
            policies: Arc::default(),
            grants: Arc::default(),
            expiry: Arc::default(),
            authorization: settings.authorization,
            tokens: Arc::new(settings.tokens),
            token_key,
            namespaces,
            watches: Arc::new(Semaphore::new(MOST_WATCHES)),
            shutdown,
            stop: Arc::new(stop),
        };
        state.reload();
        for name in FIRST_NAMESPACES {
            let namespace = json!({"metadata": {"name": name}});
            match state.create(&state.namespaces.clone(), "", namespace) {
                Ok(_) => {}
                Err(failure) if failure.reason == "AlreadyExists" => {}
                Err(failure) => return Err(Error::Definition { name: name.into(), message: failure.message }),
            }
        }
        state.create_cluster_admin()?;
        Ok(Self { state, data_dir: settings.data_dir })
    }

    /// Registers CustomResourceDefinitions, or brings registered ones up to date.
    ///
    /// # Errors
    /// The first definition that the API would refuse.
    pub fn define(&self, crds: impl IntoIterator<Item = Value>) -> Result<(), Error> {
        for crd in crds {
            let name = meta(&crd, "name").to_owned();
            self.state.define(crd).map_err(|failure| Error::Definition { name, message: failure.message })?;
        }
        Ok(())
    }

    /// The server as a tower service that acts as `system:admin`, for `kube::Client::new`.
    #[must_use]
    pub fn service(&self) -> Service {
        self.service_as(admin())
    }

    /// The server as a tower service that acts as this user.
    #[must_use]
    pub fn service_as(&self, user: User) -> Service {
        Service::new(self.state.clone(), user)
    }

    /// Ends all watches. Requests are still answered.
    pub fn end_watches(&self) {
        self.state.stop.send_replace(true);
    }
}

/// Who the server itself writes as.
const MANAGER: &str = "weir-apiserver";

impl State {
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

    fn write<T>(&self, resource: &Arc<Resource>, namespace: &str, act: impl FnOnce(&Write<'_>) -> T) -> T {
        let options = Options { dry_run: false, manager: MANAGER.into(), field_validation: FieldValidation::Ignore };
        act(&Write { state: self, resource, namespace, part: Part::Main, options: &options, user: &admin() })
    }

    /// The role that bindings name when they grant everything.
    fn create_cluster_admin(&self) -> Result<(), Error> {
        let role = json!({"metadata": {"name": "cluster-admin"}, "rules": [
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, {"verbs": ["*"], "nonResourceURLs": ["*"]}]});
        let registry = self.registry();
        let Some(roles) = registry.find("rbac.authorization.k8s.io", "v1", "clusterroles") else { return Ok(()) };
        match self.create(roles, "", role) {
            Ok(_) => Ok(()),
            Err(failure) if failure.reason == "AlreadyExists" => Ok(()),
            Err(failure) => Err(Error::Definition { name: "cluster-admin".into(), message: failure.message }),
        }
    }

    fn define(&self, crd: Value) -> Result<(), Failure> {
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
        let grants = Grants::load(&self.store.read());
        *self.grants.write() = Arc::new(grants);
    }

    /// Whether a user may do this.
    pub(crate) fn authorize(&self, user: &User, wanted: &Attributes<'_>) -> Result<(), Failure> {
        let allowed =
            self.authorization == Authorization::AlwaysAllow || rbac::is_allowed(&self.grants.read(), user, wanted);
        if allowed { Ok(()) } else { Err(rbac::refusal(user, wanted)) }
    }

    /// Answers a request.
    pub(crate) fn answer(&self, request: &Request) -> Response<Body> {
        self.route(request).unwrap_or_else(|failure| response::failure(&failure))
    }

    fn route(&self, request: &Request) -> Result<Response<Body>, Failure> {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let registry = self.registry();
        let ok = |value: &Value| Ok(response::json(StatusCode::OK, value));
        let aggregated = |core| response::typed_json(&discovery::aggregated(&registry, core), discovery::AGGREGATED);
        let found = |value: Option<Value>| match value {
            Some(value) => Ok(response::json(StatusCode::OK, &value)),
            None => Ok(page_not_found()),
        };
        let target = Target::find(&registry, &request.path);
        self.authorize_request(request, &path, target.as_ref().and_then(|t| t.as_ref().ok()))?;
        if request.method != Method::GET && path.first().is_none_or(|p| *p != "api" && *p != "apis") {
            return Err(Failure::method_not_allowed());
        }
        let wants_aggregated = discovery::wants_aggregated(request.accept());
        match path.as_slice() {
            ["version"] => ok(&version()),
            ["healthz" | "livez" | "readyz", ..] => Ok(response::text(StatusCode::OK, "ok")),
            ["api"] if wants_aggregated => Ok(aggregated(true)),
            ["apis"] if wants_aggregated => Ok(aggregated(false)),
            ["api"] => ok(&discovery::core_versions()),
            ["apis"] => ok(&discovery::groups(&registry)),
            ["apis", group] => found(discovery::group(&registry, group)),
            ["api", version] => found(discovery::resources(&registry, "", version)),
            ["apis", group, version] => found(discovery::resources(&registry, group, version)),
            ["openapi", "v3"] => ok(&openapi::index(&registry)),
            ["openapi", "v3", "api", version] => self.openapi_document(&registry, "", version),
            ["openapi", "v3", "apis", group, version] => self.openapi_document(&registry, group, version),
            ["apis", group, "v1", review] if request.method == Method::POST && review::is_review(group, review) => {
                review::answer(self, request, review)
            }
            _ => match target {
                Some(target) => self.resource(request, target?),
                None => Ok(page_not_found()),
            },
        }
    }

    fn authorize_request(&self, request: &Request, path: &[&str], target: Option<&Target>) -> Result<(), Failure> {
        let joined = format!("/{}", path.join("/"));
        let exact = target.is_some_and(|t| !t.name.is_empty());
        let verb = match (&request.method, exact) {
            (&Method::GET, _) if target.is_none() => "get",
            (&Method::GET, false) if request.query.is_on("watch") => "watch",
            (&Method::GET, false) => "list",
            (&Method::GET, true) => "get",
            (&Method::POST, _) => "create",
            (&Method::PUT, _) => "update",
            (&Method::PATCH, _) => "patch",
            (&Method::DELETE, false) => "deletecollection",
            (&Method::DELETE, true) => "delete",
            (other, _) => &other.as_str().to_lowercase(),
        };
        let wanted = match (target, path) {
            (Some(t), _) => Attributes {
                verb,
                group: &t.resource.group,
                resource: &t.resource.plural,
                subresource: &t.subresource,
                namespace: &t.namespace,
                // A list or watch of one object by its name needs the right to that one only.
                name: if exact { &t.name } else { selected_name(request.query.get("fieldSelector")) },
                path: "",
            },
            (None, ["apis", group, "v1", review]) if review::is_review(group, review) => {
                Attributes { verb, group, resource: review, ..Attributes::default() }
            }
            (None, _) => Attributes { verb, path: &joined, ..Attributes::default() },
        };
        self.authorize(&request.user, &wanted)
    }

    fn openapi_document(&self, registry: &Registry, group: &str, version: &str) -> Result<Response<Body>, Failure> {
        Ok(match registry.version(group, version) {
            Some(version) => response::json(StatusCode::OK, &self.openapi(version)),
            None => page_not_found(),
        })
    }

    fn resource(&self, request: &Request, target: Target) -> Result<Response<Body>, Failure> {
        let Target { resource, namespace, name, subresource } = &target;
        let key = Key::new(namespace, name);
        let part = match subresource.as_str() {
            "" => Part::Main,
            "status" if resource.status => Part::Status,
            "finalize" if resource.is("", "namespaces") => Part::Finalize,
            _ => return review::subresource(self, request, &target),
        };
        let (query, accept) = (&request.query, request.accept());
        let exact = !name.is_empty();
        match (&request.method, exact) {
            (&Method::GET, false) if query.is_on("watch") => self.watch(resource, namespace, query.clone(), accept),
            (&Method::GET, false) => self.list(resource, namespace, query, accept),
            (&Method::GET, true) => self.get(resource, &key, query, accept),
            (&Method::POST, false) if !(resource.namespaced && namespace.is_empty()) => {
                let object = body::object(&request.body, request.content_type(), &resource.kind)?;
                self.modify(request, &target, part, |write| write.create(object))
            }
            (&Method::PUT, true) => {
                let object = body::object(&request.body, request.content_type(), &resource.kind)?;
                self.modify(request, &target, part, |write| write.update(name, Change::Replace(object)))
            }
            (&Method::PATCH, true) => {
                let patch = Patch::parse(resource, request.content_type(), &request.body, query.is_on("force"))?;
                if matches!(patch, Patch::Apply { .. }) {
                    check_apply(request)?;
                }
                self.modify(request, &target, part, |write| write.update(name, Change::Patch(patch)))
            }
            (&Method::DELETE, true) if part == Part::Main => self.delete_one(request, resource, &key),
            (&Method::DELETE, false) => self.delete_all(request, resource, namespace),
            _ => Err(Failure::method_not_allowed()),
        }
    }

    fn modify(
        &self,
        request: &Request,
        target: &Target,
        part: Part,
        act: impl FnOnce(&Write<'_>) -> Result<Written, Failure>,
    ) -> Result<Response<Body>, Failure> {
        let query = &request.query;
        let view = View::negotiate(request.accept(), false)?;
        let dry_run = match query.get("dryRun") {
            "" => false,
            "All" => true,
            other => return Err(invalid_option("dryRun", other, &["All"])),
        };
        let field_validation = match query.get("fieldValidation") {
            "" | "Warn" => FieldValidation::Warn,
            "Strict" => FieldValidation::Strict,
            "Ignore" => FieldValidation::Ignore,
            other => return Err(invalid_option("fieldValidation", other, &["Ignore", "Warn", "Strict"])),
        };
        let options = Options { dry_run, manager: request.field_manager(), field_validation };
        let write = Write {
            state: self,
            resource: &target.resource,
            namespace: &target.namespace,
            part,
            options: &options,
            user: &request.user,
        };
        let written = act(&write)?;
        let mut answer = match (&written.outcome, view) {
            (Outcome::Stored(stored), View::Object) => {
                response::bytes(written.code, rendered(&target.resource, stored))
            }
            (Outcome::Stored(stored), view) => {
                let object = in_version(&target.resource, stored);
                response::json(written.code, &self.shown(&target.resource, &object, view, query))
            }
            (Outcome::Shown(object), view) => {
                response::json(written.code, &self.shown(&target.resource, object, view, query))
            }
        };
        response::warn(&mut answer, &written.warnings);
        Ok(answer)
    }

    fn delete_options(request: &Request) -> Result<DeleteOptions, Failure> {
        let options = match request.body.as_ref() {
            [] => Value::Null,
            bytes => body::object(bytes, request.content_type(), "DeleteOptions")?,
        };
        DeleteOptions::read(&options, &request.query)
    }

    fn delete_one(&self, request: &Request, resource: &Arc<Resource>, key: &Key) -> Result<Response<Body>, Failure> {
        let options = Self::delete_options(request)?;
        let returns_object = resource.built_in().is_some_and(|kind| kind.returns_deleted);
        Ok(match self.delete(resource, key, &options, &request.user)? {
            Deleted::Gone(object) if !returns_object => {
                response::json(StatusCode::OK, &delete::success(resource, &object))
            }
            Deleted::Gone(object) | Deleted::Waiting(object) => response::json(StatusCode::OK, &object),
        })
    }

    fn delete_all(
        &self,
        request: &Request,
        resource: &Arc<Resource>,
        namespace: &str,
    ) -> Result<Response<Body>, Failure> {
        let options = Self::delete_options(request)?;
        let query = &request.query;
        let selector =
            crate::selectors::Selector::parse(query.get("labelSelector"), query.get("fieldSelector"), resource)?;
        let keys: Vec<Key> = {
            let tables = self.store.read();
            let all = tables.table(&resource.storage).into_iter().flat_map(|t| t.range(namespace, None));
            all.filter(|(key, object)| selector.matches(key, object)).map(|(key, _)| key.clone()).collect()
        };
        let mut items = Vec::new();
        for key in keys {
            match self.delete(resource, &key, &options, &request.user) {
                Ok(Deleted::Gone(mut object) | Deleted::Waiting(mut object)) => {
                    if !resource.is_custom() {
                        object::remove(&mut object, "apiVersion");
                        object::remove(&mut object, "kind");
                    }
                    items.push(object);
                }
                Err(failure) if failure.code == StatusCode::NOT_FOUND => {}
                Err(failure) => return Err(failure),
            }
        }
        let metadata = json!({"resourceVersion": self.store.read().version.to_string()});
        let list = json!({"kind": resource.list_kind, "apiVersion": resource.api_version(), "metadata": metadata, "items": items});
        Ok(response::json(StatusCode::OK, &list))
    }
}

/// Name that a field selector asks for, as `pkg/endpoints/request/requestinfo.go` of k8s.io/apiserver reads it.
fn selected_name(fields: &str) -> &str {
    let mut names = fields.split(',').filter_map(|field| field.strip_prefix("metadata.name="));
    let name = names.next().map(|name| name.strip_prefix('=').unwrap_or(name)).unwrap_or_default();
    if names.next().is_some() { "" } else { name }
}

fn check_apply(request: &Request) -> Result<(), Failure> {
    if request.query.get("fieldManager").is_empty() {
        let error = FieldError::required("fieldManager", "is required for apply patch");
        return Err(Failure::invalid_kind("PatchOptions.meta.k8s.io", "meta.k8s.io", "PatchOptions", "", &[error]));
    }
    Ok(())
}

fn invalid_option(field: &str, value: &str, supported: &[&str]) -> Failure {
    let error = FieldError::not_supported(field, &value.into(), supported.iter().copied());
    Failure::invalid_kind("CreateOptions.meta.k8s.io", "meta.k8s.io", "CreateOptions", "", &[error])
}

fn page_not_found() -> Response<Body> {
    response::text(StatusCode::NOT_FOUND, "404 page not found\n")
}

fn version() -> Value {
    let mut version = json!({"major": "1", "minor": MINOR, "gitVersion": GIT_VERSION});
    // Clients print these; there is no Go here to name.
    for (field, value) in
        [("gitCommit", ""), ("gitTreeState", ""), ("buildDate", ""), ("goVersion", "none"), ("compiler", "rustc")]
    {
        object::set(&mut version, field, value.into());
    }
    let platform = format!("{}/{}", std::env::consts::OS, architecture());
    object::set(&mut version, "platform", platform.into());
    version
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
