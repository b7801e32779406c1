//! Routes a request to the module that answers it.

use crate::{
    body,
    delete::{self, DeleteOptions, Deleted},
    discovery::{self, GIT_VERSION},
    list, object, openapi, openapi_v2,
    patch::Patch,
    pipeline::{Change, Options, Outcome, Part, Write, Written},
    protobuf::encode,
    rbac::Attributes,
    registry::{Registry, Resource},
    request::{Request, Target, View},
    response::{self, Body},
    review,
    selectors::Selector,
    served::Served as _,
    state::State,
    status::Failure,
    store::Key,
    versions::in_version,
    watch,
};
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use weir_apischema::schema::FieldError;

/// Minor version of the Kubernetes release whose API this server provides.
const MINOR: &str = "33";

/// Answers a request that its user may make.
pub(crate) fn answer(state: &State, request: &Request) -> Response<Body> {
    route(state, request).unwrap_or_else(|failure| response::failure(&failure))
}

/// Whether the user may make this request, whose body has not been read yet.
pub(crate) fn may_ask(state: &State, request: &Request) -> Result<(), Failure> {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let target = Target::find(&state.registry(), &request.path);
    authorize_request(state, request, &path, target.as_ref().and_then(|t| t.as_ref().ok()))
}

fn route(state: &State, request: &Request) -> Result<Response<Body>, Failure> {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let registry = state.registry();
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
        [check @ ("healthz" | "livez" | "readyz"), ..] => Ok(health(state, check, request.query.is_on("verbose"))),
        ["api"] if wants_aggregated => Ok(aggregated(true)),
        ["apis"] if wants_aggregated => Ok(aggregated(false)),
        ["api"] => ok(&discovery::core_versions()),
        ["apis"] => ok(&discovery::groups(&registry)),
        ["apis", group] => found(discovery::group(&registry, group)),
        ["api", version] => found(discovery::resources(&registry, "", version)),
        ["apis", group, version] => found(discovery::resources(&registry, group, version)),
        ["openapi", "v2"] => Ok(openapi_v2::answer(&registry, &state.store, request.accept())),
        ["openapi", "v3"] => ok(&openapi::index(&registry)),
        ["openapi", "v3", "api", version] => openapi_document(state, &registry, "", version),
        ["openapi", "v3", "apis", group, version] => openapi_document(state, &registry, group, version),
        ["apis", group, "v1", review] if request.method == Method::POST && review::is_review(group, review) => {
            review::answer(state, request, review)
        }
        _ => match target {
            Some(target) => resource(state, request, target?),
            None => Ok(page_not_found()),
        },
    }
}

/// A server that cannot write is not ready, but alive, so that its objects can still be read.
fn health(state: &State, check: &str, verbose: bool) -> Response<Body> {
    match state.store.failure().filter(|_| check != "livez") {
        Some(why) => {
            let text = format!("[+]ping ok\n[-]journal failed: {why}\n{check} check failed\n");
            response::text(StatusCode::INTERNAL_SERVER_ERROR, text)
        }
        None if verbose => response::text(StatusCode::OK, format!("[+]ping ok\n[+]journal ok\n{check} check passed\n")),
        None => response::text(StatusCode::OK, "ok"),
    }
}

fn authorize_request(state: &State, request: &Request, path: &[&str], target: Option<&Target>) -> Result<(), Failure> {
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
            // A list or watch of one object by name needs the right to that object only.
            name: if exact { &t.name } else { selected_name(request.query.get("fieldSelector")) },
            path: "",
        },
        (None, ["apis", group, "v1", review]) if review::is_review(group, review) => {
            Attributes { verb, group, resource: review, ..Attributes::default() }
        }
        (None, _) => Attributes { verb, path: &joined, ..Attributes::default() },
    };
    state.authorize(&request.user, &wanted)
}

fn openapi_document(state: &State, registry: &Registry, group: &str, version: &str) -> Result<Response<Body>, Failure> {
    Ok(match registry.version(group, version) {
        Some(version) => response::json(StatusCode::OK, &openapi::document(&state.store, version)),
        None => match openapi::of_reviews(group).filter(|_| version == "v1") {
            Some(document) => response::json(StatusCode::OK, &document),
            None => page_not_found(),
        },
    })
}

fn resource(state: &State, request: &Request, target: Target) -> Result<Response<Body>, Failure> {
    let Target { resource, namespace, name, subresource } = &target;
    if request.method != Method::GET {
        state.check_disk()?;
    }
    let key = Key::new(namespace, name);
    let part = match subresource.as_str() {
        "" => Part::Main,
        "status" if resource.status => Part::Status,
        "finalize" if resource.is("", "namespaces") => Part::Finalize,
        _ => return review::subresource(state, request, &target),
    };
    let (query, accept) = (&request.query, request.accept());
    let exact = !name.is_empty();
    if encode::is_wanted(accept) && (query.is_on("watch") || !encode::can_write(resource)) {
        return Err(Failure::not_acceptable());
    }
    match (&request.method, exact) {
        (&Method::GET, false) if query.is_on("watch") => {
            watch::watch(state, resource, namespace, query.clone(), accept, &request.user.username)
        }
        (&Method::GET, false) => list::list(state, resource, namespace, query, accept),
        (&Method::GET, true) => list::get(state, resource, &key, query, accept),
        (&Method::POST, false) if !(resource.namespaced && namespace.is_empty()) => {
            let object = body::object(&request.body, request.content_type(), &resource.kind)?;
            modify(state, request, &target, part, |write| write.create(object))
        }
        (&Method::PUT, true) => {
            let object = body::object(&request.body, request.content_type(), &resource.kind)?;
            modify(state, request, &target, part, |write| write.update(name, Change::Replace(object)))
        }
        (&Method::PATCH, true) => {
            let patch = Patch::parse(resource, request.content_type(), &request.body, query.is_on("force"))?;
            if matches!(patch, Patch::Apply { .. }) {
                check_apply(request)?;
            }
            modify(state, request, &target, part, |write| write.update(name, Change::Patch(patch)))
        }
        (&Method::DELETE, true) if part == Part::Main => delete_one(state, request, resource, &key),
        (&Method::DELETE, false) => delete_all(state, request, resource, namespace),
        _ => Err(Failure::method_not_allowed()),
    }
}

fn modify(
    state: &State,
    request: &Request,
    target: &Target,
    part: Part,
    act: impl FnOnce(&Write<'_>) -> Result<Written, Failure>,
) -> Result<Response<Body>, Failure> {
    let query = &request.query;
    let view = View::negotiate(request.accept(), false)?;
    let options = Options::read(request)?;
    let Target { resource, namespace, .. } = target;
    let written = act(&Write { host: state, resource, namespace, part, options: &options, user: &request.user })?;
    let mut answer = match (&written.outcome, view) {
        (Outcome::Stored(stored), View::Object) => response::bytes(written.code, list::rendered(resource, stored)),
        (Outcome::Stored(stored), view) => {
            let object = in_version(resource, stored);
            response::json(written.code, &list::shown(state, resource, &object, view, query))
        }
        (Outcome::Shown(object), view) => {
            response::json(written.code, &list::shown(state, resource, object, view, query))
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

fn delete_one(
    state: &State,
    request: &Request,
    resource: &Arc<Resource>,
    key: &Key,
) -> Result<Response<Body>, Failure> {
    let options = delete_options(request)?;
    let returns_object = resource.built_in().is_some_and(|kind| kind.returns_deleted);
    Ok(match delete::delete(state, resource, key, &options, &request.user, None)? {
        Deleted::Gone(object) if !returns_object => response::json(StatusCode::OK, &delete::success(resource, &object)),
        Deleted::Gone(object) | Deleted::Waiting(object) => response::json(StatusCode::OK, &object),
    })
}

fn delete_all(
    state: &State,
    request: &Request,
    resource: &Arc<Resource>,
    namespace: &str,
) -> Result<Response<Body>, Failure> {
    let options = delete_options(request)?;
    let query = &request.query;
    let selector = Selector::parse(query.get("labelSelector"), query.get("fieldSelector"), resource)?;
    let keys: Vec<Key> = {
        let tables = state.store.read();
        let all = tables.table(&resource.storage).into_iter().flat_map(|t| t.range(namespace, None));
        all.filter(|(key, object)| selector.matches(key, object)).map(|(key, _)| key.clone()).collect()
    };
    let mut items = Vec::new();
    for key in keys {
        match delete::delete(state, resource, &key, &options, &request.user, None) {
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
    let metadata = json!({"resourceVersion": state.store.read().version.to_string()});
    let list =
        json!({"kind": resource.list_kind, "apiVersion": resource.api_version(), "metadata": metadata, "items": items});
    Ok(response::json(StatusCode::OK, &list))
}

/// The name that a field selector requires, as `pkg/endpoints/request/requestinfo.go` of k8s.io/apiserver reads it.
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

fn page_not_found() -> Response<Body> {
    response::text(StatusCode::NOT_FOUND, "404 page not found\n")
}

fn version() -> Value {
    let mut version = json!({"major": "1", "minor": MINOR, "gitVersion": GIT_VERSION});
    // Clients print these fields; there is no Go toolchain to name here.
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
