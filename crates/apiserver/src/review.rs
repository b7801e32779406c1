//! Requests that are answered and not stored (who am I, what may I do), and subresources with an effect: scale, eviction, binding,
//! tokens.

use crate::{
    authentication::bearer,
    body,
    clock::rfc3339,
    delete::{DeleteOptions, delete},
    discovery::REVIEWS,
    host::Host as _,
    logs,
    object::{self, strings, text},
    patch::{self, Patch},
    pipeline::{Change, Options, Outcome, Part, Write},
    rbac::{Attributes, rules_of},
    registry::Resource,
    request::{Request, Target},
    response::{self, Body},
    scale::Scale,
    served::Served as _,
    state::State,
    status::Failure,
    store::{Key, Object, Writer},
    tokens::{self, Account, Bound, Extra},
    versions::in_version,
};
use http::{Method, Response, StatusCode};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::sync::Arc;
use weir_apischema::{policy::User, schema::FieldError};

/// Whether this resource is answered rather than stored.
pub(crate) fn is_review(group: &str, plural: &str) -> bool {
    REVIEWS.iter().any(|(g, p, _)| *g == group && *p == plural)
}

/// Answers a review.
pub(crate) fn answer(state: &State, request: &Request, plural: &str) -> Result<Response<Body>, Failure> {
    let kind = REVIEWS.iter().find(|(_, p, _)| *p == plural).map_or("", |(.., kind)| kind);
    let mut review = body::object(&request.body, request.content_type(), kind)?;
    let status = match plural {
        "selfsubjectreviews" => {
            let user = &request.user;
            json!({"userInfo": {"username": user.username, "groups": user.groups, "extra": user.extra}})
        }
        "selfsubjectaccessreviews" => access(state, &request.user, &review),
        "selfsubjectrulesreviews" => {
            let namespace = text(&review, &["spec", "namespace"]);
            if namespace.is_empty() {
                return Err(Failure::bad_request("no namespace on request"));
            }
            rules_of(&state.grants(), state.authorization(), &request.user, namespace)
        }
        "tokenreviews" => whose(state, text(&review, &["spec", "token"]))?,
        _ => {
            let spec = review.get("spec").unwrap_or(&Value::Null);
            let extra = spec.get("extra").cloned().and_then(|e| serde_json::from_value(e).ok()).unwrap_or_default();
            let user = User {
                username: text(spec, &["user"]).to_owned(),
                uid: text(spec, &["uid"]).to_owned(),
                groups: strings(spec.get("groups")),
                extra,
            };
            access(state, &user, &review)
        }
    };
    object::set(&mut review, "status", status);
    object::edit_meta(&mut review, |meta| meta.insert("creationTimestamp".into(), Value::Null));
    Ok(response::json(StatusCode::CREATED, &review))
}

/// Whose token this is. A token that is nobody's is no error of the request
/// (`pkg/registry/authentication/tokenreview/storage.go` of github.com/kubernetes/kubernetes).
fn whose(state: &State, token: &str) -> Result<Value, Failure> {
    if token.is_empty() {
        return Err(Failure::bad_request("token is required for TokenReview in authentication"));
    }
    let user = bearer(state, token, state.administrator().as_deref());
    Ok(user.map_or_else(
        || json!({"user": {}, "error": "invalid bearer token"}),
        |user| {
            let User { username, uid, groups, extra } = user;
            json!({"authenticated": true, "user": {"username": username, "uid": uid, "groups": groups, "extra": extra}})
        },
    ))
}

fn access(state: &State, user: &User, review: &Value) -> Value {
    let spec = review.get("spec").unwrap_or(&Value::Null);
    let resource = |field| text(spec, &["resourceAttributes", field]);
    let path = |field| text(spec, &["nonResourceAttributes", field]);
    let verb = if resource("verb").is_empty() { path("verb") } else { resource("verb") };
    let wanted = Attributes {
        verb,
        group: resource("group"),
        resource: resource("resource"),
        subresource: resource("subresource"),
        namespace: resource("namespace"),
        name: resource("name"),
        path: path("path"),
    };
    json!({"allowed": state.authorize(user, &wanted).is_ok()})
}

/// Handles a subresource with an effect.
pub(crate) fn subresource(state: &State, request: &Request, target: &Target) -> Result<Response<Body>, Failure> {
    let Target { resource, namespace, name, subresource } = target;
    let key = Key::new(namespace, name);
    if let Some(scale) = resource.scale.as_ref().filter(|_| subresource == "scale") {
        return rescale(state, request, target, scale);
    }
    if resource.is("", "pods") && OF_KUBELETS.contains(&subresource.as_str()) {
        let pod = state.store.get(&resource.storage, &key).map(|pod| pod.value());
        let log = pod.filter(|_| subresource == "log").and_then(|pod| logs::answer(state, request, &key, &pod));
        return log.unwrap_or_else(|| Err(no_kubelet(state, resource, &key, subresource)));
    }
    if subresource == "proxy" && !resource.is_custom() {
        return Err(no_proxy(state, resource, &key));
    }
    if request.method != Method::POST {
        return Err(Failure::no_resource());
    }
    let parse = |kind| body::object(&request.body, request.content_type(), kind);
    match subresource.as_str() {
        "eviction" if resource.is("", "pods") => evict(state, request, resource, &key, &parse("Eviction")?),
        "binding" if resource.is("", "pods") => {
            bind(state, resource, &key, text(&parse("Binding")?, &["target", "name"]))?;
            Ok(response::json(StatusCode::CREATED, &success()))
        }
        "token" if resource.is("", "serviceaccounts") => token(state, resource, &key, parse("TokenRequest")?),
        _ => Err(Failure::no_resource()),
    }
}

/// Answers a request for the scale of an object.
fn rescale(state: &State, request: &Request, target: &Target, scale: &Scale) -> Result<Response<Body>, Failure> {
    let Target { resource, namespace, name, .. } = target;
    let current = || -> Result<Value, Failure> {
        let object = state.store.get(&resource.storage, &Key::new(namespace, name));
        let object = object.ok_or_else(|| Failure::not_found(resource, name))?;
        Ok(scale.show(&in_version(resource, &object)))
    };
    let wanted = match request.method {
        Method::GET => return Ok(response::json(StatusCode::OK, &current()?)),
        Method::PUT => body::object(&request.body, request.content_type(), "Scale")?,
        Method::PATCH => match Patch::parse(resource, request.content_type(), &request.body, false)? {
            Patch::Json(patch) => patch::json::apply(&current()?, &patch)?,
            // Nothing in a Scale merges by key.
            Patch::Merge(patch) | Patch::Strategic(patch) => patch::apply_merge(&current()?, &patch),
            Patch::Apply { .. } => return Err(Failure::unsupported_media(&patch::OF_CUSTOM_KINDS[..2])),
        },
        _ => return Err(Failure::method_not_allowed()),
    };
    let replicas =
        object::at(&wanted, &["spec", "replicas"]).map_or(Some(0), Value::as_i64).filter(|count| *count >= 0);
    let replicas = replicas.ok_or_else(|| negative(resource, name))?;
    let version = if request.method == Method::PUT { object::meta(&wanted, "resourceVersion") } else { "" };
    let change = Patch::Merge(scale.patch(replicas, version));
    let options = Options::read(request)?;
    let write = Write { host: state, resource, namespace, part: Part::Main, options: &options, user: &request.user };
    let written = write.update(name, Change::Patch(change))?;
    let shown = match &written.outcome {
        Outcome::Stored(stored) => scale.show(&in_version(resource, stored)),
        Outcome::Shown(object) => scale.show(object),
    };
    Ok(response::json(StatusCode::OK, &shown))
}

fn negative(resource: &Resource, name: &str) -> Failure {
    let why = "must be greater than or equal to 0";
    let error = FieldError::invalid_unshown("spec.replicas", why);
    Failure::invalid(resource, name, &[error])
}

/// Subresources of pods that require a kubelet.
const OF_KUBELETS: [&str; 6] = ["log", "exec", "attach", "portforward", "proxy", "ephemeralcontainers"];

/// The response to a request that requires a kubelet.
fn no_kubelet(state: &State, resource: &Resource, key: &Key, what: &str) -> Failure {
    let name = &key.name;
    match state.store.get(&resource.storage, key).map(|pod| pod.value()) {
        None => Failure::not_found(resource, name),
        Some(pod) if text(&pod, &["spec", "nodeName"]).is_empty() && what != "ephemeralcontainers" => {
            Failure::bad_request(format!("pod {name} does not have a host assigned"))
        }
        Some(_) => Failure::not_implemented(format!(
            "pod {name} is stored and does not run: this server has no kubelet to ask for {what}; use a cluster for that"
        )),
    }
}

/// The response to a request for a program behind a proxy: the log of a node, a page of a service.
fn no_proxy(state: &State, resource: &Resource, key: &Key) -> Failure {
    let (name, kind) = (&key.name, resource.kind.to_lowercase());
    if state.store.get(&resource.storage, key).is_none() {
        return Failure::not_found(resource, name);
    }
    Failure::not_implemented(format!(
        "{kind} {name} is stored and does not run: this server has no kubelet and no program to ask, so there are no logs, \
         metrics or pages of it; use a cluster for that"
    ))
}

fn evict(
    state: &State,
    request: &Request,
    resource: &Arc<Resource>,
    key: &Key,
    eviction: &Value,
) -> Result<Response<Body>, Failure> {
    let options = eviction.get("deleteOptions").cloned().unwrap_or_default();
    let options = DeleteOptions::read(&options, &request.query)?;
    let allowed =
        |writer: &Writer<'_>, pod: &Object| state.disruptions.lock().check(writer, &state.registry(), key, pod);
    delete(state, resource, key, &options, &request.user, Some(&allowed))?;
    Ok(response::json(StatusCode::CREATED, &success()))
}

fn bind(state: &State, resource: &Arc<Resource>, key: &Key, node: &str) -> Result<(), Failure> {
    let mut writer = state.writer();
    let stored = writer.get(&resource.storage, key).ok_or_else(|| Failure::not_found(resource, &key.name))?;
    let old = stored.value();
    let bound = text(&old, &["spec", "nodeName"]);
    if !bound.is_empty() {
        let why = format!("pod {} is already assigned to node {bound:?}", key.name);
        return Err(Failure::conflict(resource, &key.name, &why));
    }
    let mut new = old.clone();
    object::edit(&mut new, "spec", |spec| spec.insert("nodeName".into(), node.into()));
    writer.put(&resource.storage, key.clone(), new);
    Ok(())
}

fn token(state: &State, resource: &Arc<Resource>, key: &Key, mut request: Value) -> Result<Response<Body>, Failure> {
    let account = state.store.get(&resource.storage, key).ok_or_else(|| Failure::not_found(resource, &key.name))?;
    let account = account.value();
    let asked = object::at(&request, &["spec", "expirationSeconds"]).and_then(Value::as_i64);
    let seconds = tokens::lifetime(asked)?;
    let now = state.now();
    let expires = now.saturating_add(SignedDuration::from_secs(seconds));
    let expires = expires.map_err(|_| Failure::bad_request("expirationSeconds is too large"))?;
    let (bound, extra) = bound_to(state, &request, &key.namespace)?.unzip();
    let bearer = Account {
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
        uid: object::meta(&account, "uid").to_owned(),
        bound,
        extra: extra.unwrap_or_default(),
    };
    let token = state.token_key.issue(&bearer, now, expires);
    object::edit(&mut request, "spec", |spec| spec.insert("expirationSeconds".into(), seconds.into()));
    object::set(&mut request, "status", json!({"token": token, "expirationTimestamp": rfc3339(expires)}));
    Ok(response::json(StatusCode::CREATED, &request))
}

/// The object that a token is bound to, and the claims about it in the token: policies compare them with the object
/// that the pod's node writes (`pkg/registry/core/serviceaccount/storage/token.go` of
/// github.com/kubernetes/kubernetes).
fn bound_to(state: &State, request: &Value, namespace: &str) -> Result<Option<(Bound, Extra)>, Failure> {
    let reference = |field| text(request, &["spec", "boundObjectRef", field]);
    let (kind, name) = (reference("kind"), reference("name"));
    if kind.is_empty() && name.is_empty() {
        return Ok(None);
    }
    let registry = state.registry();
    let resource = Some(kind).filter(|kind| BINDABLE.contains(kind)).and_then(|kind| registry.of_kind("v1", kind));
    let resource = resource.ok_or_else(|| {
        let version = reference("apiVersion");
        Failure::bad_request(format!("cannot bind token to object of type {version}, Kind={kind}"))
    })?;
    let key = Key::new(if resource.namespaced { namespace } else { "" }, name);
    let stored = state.store.get(&resource.storage, &key).ok_or_else(|| Failure::not_found(resource, name))?.value();
    let uid = object::meta(&stored, "uid");
    if !reference("uid").is_empty() && reference("uid") != uid {
        let why = format!(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and then recreated",
            reference("uid")
        );
        return Err(Failure::conflict(resource, name, &why));
    }
    let prefix = kind.to_lowercase();
    let mut extra = Extra::new();
    let mut tell =
        |what: &str, value: &str| extra.insert(format!("authentication.kubernetes.io/{what}"), vec![value.to_owned()]);
    if kind != "Secret" {
        tell(&format!("{prefix}-name"), name);
        tell(&format!("{prefix}-uid"), uid);
    }
    if kind == "Pod" {
        tell("node-name", text(&stored, &["spec", "nodeName"]));
    }
    Ok(Some((Bound { kind: kind.to_owned(), name: name.to_owned(), uid: uid.to_owned() }, extra)))
}

/// Kinds that tokens may be bound to.
const BINDABLE: [&str; 3] = ["Node", "Pod", "Secret"];

fn success() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": StatusCode::CREATED.as_u16()})
}
