//! The server, and the way of a request to the module that answers it.

use crate::{
    Error, body,
    clock::{Clock, Ids, RandomIds, SystemClock},
    delete::{self, DeleteOptions, Deleted},
    discovery,
    identity::{User, admin},
    list::rendered,
    object::{self, meta},
    openapi,
    patch::Patch,
    pipeline::{Change, FieldValidation, Options, Outcome, Part, Write, Written, in_version},
    rbac::{Attributes, Authorization},
    registry::{Registry, Resource},
    request::{Request, Target, View},
    response::{self, Body},
    review,
    schema::FieldError,
    service::Service,
    state::State,
    status::Failure,
    store::Key,
};
use http::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// Minor version of the Kubernetes release whose API this server has.
const MINOR: &str = "33";
/// Says that this is not a cluster: no scheduler, no kubelets, no controllers.
pub(crate) const GIT_VERSION: &str = "v1.33.0-embedded";

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
        let data_dir = settings.data_dir.clone();
        let state = State::new(settings)?;
        for name in FIRST_NAMESPACES {
            let namespace = json!({"metadata": {"name": name}});
            match state.create(&state.namespaces.clone(), "", namespace) {
                Ok(_) => {}
                Err(failure) if failure.reason == "AlreadyExists" => {}
                Err(failure) => return Err(Error::Definition { name: name.into(), message: failure.message }),
            }
        }
        state.create_first_roles()?;
        state.create_first_classes()?;
        // A data directory may be older than what a namespace has.
        state.furnish_all();
        state.flush()?;
        Ok(Self { state, data_dir })
    }

    /// Registers CustomResourceDefinitions, or brings registered ones up to date.
    ///
    /// # Errors
    /// The first definition that the API would refuse, or a disk that does not take them.
    pub fn define(&self, crds: impl IntoIterator<Item = Value>) -> Result<(), Error> {
        for crd in crds {
            let name = meta(&crd, "name").to_owned();
            self.state.define(crd).map_err(|failure| Error::Definition { name, message: failure.message })?;
        }
        self.state.flush()
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

    /// Resolves when the disk of the data directory has refused something: from then on every write is refused, and what was
    /// stored before is served. Never resolves without a data directory.
    pub async fn disk_refused(&self) -> Error {
        Error::Full { why: self.state.store.failed().await }
    }

    /// Ends all watches. Requests are still answered.
    pub fn end_watches(&self) {
        self.state.end_watches();
    }
}

impl State {
    /// Answers a request that its user may make.
    pub(crate) fn answer(&self, request: &Request) -> Response<Body> {
        self.route(request).unwrap_or_else(|failure| response::failure(&failure))
    }

    /// Whether the user may make this request. Its body has not been read.
    pub(crate) fn may_ask(&self, request: &Request) -> Result<(), Failure> {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let target = Target::find(&self.registry(), &request.path);
        self.authorize_request(request, &path, target.as_ref().and_then(|t| t.as_ref().ok()))
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
        if request.method != Method::GET && path.first().is_none_or(|p| *p != "api" && *p != "apis") {
            return Err(Failure::method_not_allowed());
        }
        let wants_aggregated = discovery::wants_aggregated(request.accept());
        match path.as_slice() {
            ["version"] => ok(&version()),
            [] => ok(&discovery::paths(&registry)),
            [check @ ("healthz" | "livez" | "readyz"), ..] => Ok(self.health(check, request.query.is_on("verbose"))),
            ["api"] if wants_aggregated => Ok(aggregated(true)),
            ["apis"] if wants_aggregated => Ok(aggregated(false)),
            ["api"] => ok(&discovery::core_versions()),
            ["apis"] => ok(&discovery::groups(&registry)),
            ["apis", group] => found(discovery::group(&registry, group)),
            ["api", version] => found(discovery::resources(&registry, "", version)),
            ["apis", group, version] => found(discovery::resources(&registry, group, version)),
            ["openapi", "v2"] => Ok(openapi::old(request.accept())),
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

    /// A server that cannot write is alive, so that what is there can be read, and is not ready.
    fn health(&self, check: &str, verbose: bool) -> Response<Body> {
        match self.store.failure().filter(|_| check != "livez") {
            Some(why) => {
                let text = format!("[+]ping ok\n[-]journal failed: {why}\n{check} check failed\n");
                response::text(StatusCode::INTERNAL_SERVER_ERROR, text)
            }
            None if verbose => {
                response::text(StatusCode::OK, format!("[+]ping ok\n[+]journal ok\n{check} check passed\n"))
            }
            None => response::text(StatusCode::OK, "ok"),
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
        if request.method != Method::GET {
            self.check_disk()?;
        }
        let key = Key::new(namespace, name);
        let part = match subresource.as_str() {
            "" => Part::Main,
            "status" if resource.status => Part::Status,
            "finalize" if resource.is("", "namespaces") => Part::Finalize,
            other => {
                return match resource.scale.as_ref().filter(|_| other == "scale") {
                    Some(scale) => self.scale(request, &target, scale),
                    None => review::subresource(self, request, &target),
                };
            }
        };
        let (query, accept) = (&request.query, request.accept());
        let exact = !name.is_empty();
        match (&request.method, exact) {
            (&Method::GET, false) if query.is_on("watch") => {
                self.watch(resource, namespace, query.clone(), accept, &request.user.username)
            }
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
        let written = self.act(request, target, part, act)?;
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

    /// Writes with the options of the request.
    pub(crate) fn act(
        &self,
        request: &Request,
        target: &Target,
        part: Part,
        act: impl FnOnce(&Write<'_>) -> Result<Written, Failure>,
    ) -> Result<Written, Failure> {
        let query = &request.query;
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
        let mut given: Map<String, Value> = ["fieldManager", "fieldValidation"]
            .into_iter()
            .filter(|name| !query.get(name).is_empty())
            .map(|name| (name.to_owned(), query.get(name).into()))
            .collect();
        given.extend(dry_run.then(|| ("dryRun".to_owned(), json!(["All"]))));
        let options = Options { dry_run, manager: request.field_manager(), field_validation, given };
        let write = Write {
            state: self,
            resource: &target.resource,
            namespace: &target.namespace,
            part,
            options: &options,
            user: &request.user,
        };
        act(&write)
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
        Ok(match self.delete(resource, key, &options, &request.user, None)? {
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
            match self.delete(resource, &key, &options, &request.user, None) {
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
