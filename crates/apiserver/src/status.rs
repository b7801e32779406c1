//! Failures as the `Status` objects that clients read.
//!
//! Texts and codes are those of `k8s.io/apimachinery/pkg/api/errors`: controllers match on `reason`, people on `message`.

use http::StatusCode;
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, sync::Arc};
use weir_apischema::schema::{FieldError, MOST_ERRORS};

/// How messages name a resource.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    /// API group; empty for the core group.
    pub(crate) group: &'a str,
    pub(crate) plural: &'a str,
    pub(crate) kind: &'a str,
}

impl Names<'_> {
    /// `plural.group`
    pub(crate) fn group_resource(self) -> String {
        dotted(self.plural, self.group)
    }

    /// `Kind.group`
    fn group_kind(self) -> String {
        dotted(self.kind, self.group)
    }
}

fn dotted(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

/// What failures are about.
pub(crate) trait Named {
    fn names(&self) -> Names<'_>;
}

impl<T: Named> Named for Arc<T> {
    fn names(&self) -> Names<'_> {
        (**self).names()
    }
}

/// A request that failed, as the client will read it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) code: StatusCode,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// `details` of the Status; `None` leaves it out.
    pub(crate) details: Option<Map<String, Value>>,
    /// `metadata.continue` of the Status: a list can continue with it in spite of the failure.
    pub(crate) next: Option<String>,
}

fn details(name: &str, group: &str, kind: &str) -> Map<String, Value> {
    let mut details = Map::new();
    for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
        if !value.is_empty() {
            details.insert(key.into(), value.into());
        }
    }
    details
}

impl Failure {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, next: None }
    }

    fn about(mut self, resource: &impl Named, name: &str) -> Self {
        self.details = Some(details(name, resource.names().group, resource.names().plural));
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(crate) fn not_found(resource: &impl Named, name: &str) -> Self {
        let message = format!("{} {name:?} not found", resource.names().group_resource());
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(resource, name)
    }

    /// There is no such resource, e.g. `/api/v1/bogus`.
    pub(crate) fn no_resource() -> Self {
        let mut failure =
            Self::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource");
        failure.details = Some(Map::new());
        failure
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        let mut failure = Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message);
        failure.details = Some(Map::new());
        failure
    }

    pub(crate) fn already_exists(resource: &impl Named, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", resource.names().group_resource());
        Self::new(StatusCode::CONFLICT, "AlreadyExists", message).about(resource, name)
    }

    pub(crate) fn conflict(resource: &impl Named, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.names().group_resource());
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(resource, name)
    }

    /// The object changed since the client read it.
    pub(crate) fn stale(resource: &impl Named, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    /// A precondition of a DELETE does not hold; kube-apiserver words it with the kind, not the resource.
    pub(crate) fn precondition(resource: &impl Named, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.names().group_kind());
        let mut failure = Self::new(StatusCode::CONFLICT, "Conflict", message);
        failure.details = Some(details(name, resource.names().group, resource.names().kind));
        failure
    }

    /// Server-side apply found fields of other managers with other values.
    pub(crate) fn apply_conflict(message: String, causes: Vec<Value>) -> Self {
        let mut failure = Self::new(StatusCode::CONFLICT, "Conflict", message);
        failure.details = Some(Map::from_iter([("causes".into(), Value::Array(causes))]));
        failure
    }

    pub(crate) fn invalid(resource: &impl Named, name: &str, errors: &[FieldError]) -> Self {
        let names = resource.names();
        Self::invalid_kind(&names.group_kind(), names.group, names.kind, name, errors)
    }

    /// [`Failure::invalid`] for a kind that is not a resource, e.g. `PatchOptions.meta.k8s.io`.
    pub(crate) fn invalid_kind(group_kind: &str, group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        // The message contains each error once, but the causes list every one, like the error aggregate of the
        // reference.
        let mut seen = BTreeSet::new();
        let errors = errors.get(..MOST_ERRORS).unwrap_or(errors);
        let texts: Vec<String> = errors.iter().map(|e| e.to_string()).filter(|t| seen.insert(t.clone())).collect();
        let text = if texts.len() == 1 { texts.concat() } else { format!("[{}]", texts.join(", ")) };
        let causes =
            errors.iter().map(|e| json!({"reason": e.reason.as_str(), "message": e.message, "field": e.field}));
        let mut details = details(name, group, kind);
        details.insert("causes".into(), causes.collect());
        let message = format!("{group_kind} {name:?} is invalid: {text}");
        let mut failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
        failure.details = Some(details);
        failure
    }

    /// A patch that cannot be applied to the object as it is.
    pub(crate) fn unprocessable_patch() -> Self {
        let message = "the server rejected our request due to an error in our request";
        let mut failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
        failure.details = Some(Map::new());
        failure
    }

    pub(crate) fn forbidden(resource: &impl Named, name: &str, why: &str) -> Self {
        let message = format!("{} {name:?} is forbidden: {why}", resource.names().group_resource());
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).about(resource, name)
    }

    /// A namespace that is being deleted accepts no new objects.
    pub(crate) fn terminating(resource: &impl Named, name: &str, namespace: &str) -> Self {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut failure = Self::forbidden(resource, name, &why);
        let message = format!("namespace {namespace} is being terminated");
        let cause = json!([{"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}]);
        if let Some(details) = &mut failure.details {
            details.insert("causes".into(), cause);
        }
        failure
    }

    /// An admission policy refuses the request.
    pub(crate) fn policy(
        resource: &impl Named,
        name: &str,
        code: u16,
        reason: &'static str,
        message: String,
        cause: String,
    ) -> Self {
        let code = StatusCode::from_u16(code).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
        let mut failure = Self::new(code, reason, message).about(resource, name);
        if let Some(details) = &mut failure.details {
            details.insert("causes".into(), json!([{"message": cause}]));
        }
        failure
    }

    /// A user may not do this.
    pub(crate) fn denied(message: String, name: &str, group: &str, resource: &str) -> Self {
        let mut failure = Self::new(StatusCode::FORBIDDEN, "Forbidden", message);
        failure.details = Some(details(name, group, resource));
        failure
    }

    /// A PodDisruptionBudget does not permit the eviction of a pod now.
    pub(crate) fn disruption(cause: String) -> Self {
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        let mut failure = Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        let cause = json!([{"reason": "DisruptionBudget", "message": cause}]);
        failure.details = Some(Map::from_iter([("causes".into(), cause)]));
        failure
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn unsupported_media(accepted: &[&str]) -> Self {
        let accepted = accepted.join(", ");
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    pub(crate) fn compressed(encoding: &str) -> Self {
        let message = format!("Content-Encoding {encoding:?} is not supported: send the body as it is");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    pub(crate) fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json";
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    /// The history that a watch or a list needs is gone.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// The version that the pages of a list show is gone; the token continues with the present objects.
    pub(crate) fn expired_page(token: String) -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. You can start a \
            new list without the continue parameter, or use the continue token in this response to retrieve the \
            remainder of the results. Continuing with the provided token results in an inconsistent list - objects \
            that were created, modified, or deleted between the time the first chunk was returned and now may show up \
            in the list.";
        let mut failure = Self::expired(message);
        failure.next = Some(token);
        failure
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    pub(crate) fn too_many(message: impl Into<String>, retry_after: u32) -> Self {
        let mut failure = Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        failure.details = Some(Map::from_iter([("retryAfterSeconds".into(), retry_after.into())]));
        failure
    }

    /// A request that would take too long, or too much memory.
    pub(crate) fn too_large_entity(message: String) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    pub(crate) fn too_many_headers(most: usize) -> Self {
        let message = format!("a request may have {most} headers");
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "", message)
    }

    /// A client that does not send what it announced.
    pub(crate) fn too_slow(seconds: u64) -> Self {
        let message = format!("Timeout: the body of the request was not complete after {seconds} s");
        Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message)
    }

    /// A resourceVersion from the future.
    pub(crate) fn too_new(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let mut failure = Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message);
        let cause = json!([{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]);
        failure.details = Some(Map::from_iter([("causes".into(), cause), ("retryAfterSeconds".into(), 1.into())]));
        failure
    }

    /// Something that a cluster has and this server does not.
    pub(crate) fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// An error for which kube-apiserver has no reason; it responds with 500 and none.
    pub(crate) fn unclassified(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
    }

    pub(crate) fn to_value(&self) -> Value {
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code.as_u16()});
        if let Some(map) = status.as_object_mut() {
            if !self.reason.is_empty() {
                map.insert("reason".into(), self.reason.into());
            }
            if let Some(details) = &self.details {
                map.insert("details".into(), details.clone().into());
            }
            if let Some(next) = &self.next {
                map.insert("metadata".into(), json!({"continue": next}));
            }
        }
        status
    }
}
