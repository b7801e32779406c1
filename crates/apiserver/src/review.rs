//! Questions that are answered and not stored (who am I, what may I do), and subresources that act.

use crate::{
    body,
    delete::DeleteOptions,
    discovery::REVIEWS,
    object::{self, text},
    request::{Request, Target},
    response::{self, Body},
    server::State,
    status::Failure,
    store::Key,
};
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

/// Whether this is one of the questions.
pub(crate) fn is_review(group: &str, plural: &str) -> bool {
    REVIEWS.iter().any(|(g, p, _)| *g == group && *p == plural)
}

/// Answers a question.
pub(crate) fn answer(state: &State, request: &Request, plural: &str) -> Result<Response<Body>, Failure> {
    let kind = REVIEWS.iter().find(|(_, p, _)| *p == plural).map_or("", |(.., kind)| kind);
    let mut review = body::object(&request.body, request.content_type(), kind)?;
    let status = match plural {
        "selfsubjectreviews" => {
            let user = &request.user;
            json!({"userInfo": {"username": user.username, "groups": user.groups, "extra": user.extra}})
        }
        // Everybody who gets this far may do everything.
        _ => json!({"allowed": true}),
    };
    object::set(&mut review, "status", status);
    object::edit_meta(&mut review, |meta| meta.insert("creationTimestamp".into(), state.now().into()));
    Ok(response::json(StatusCode::CREATED, &review))
}

/// A subresource that acts: eviction, binding.
pub(crate) fn subresource(state: &State, request: &Request, target: &Target) -> Result<Response<Body>, Failure> {
    let Target { resource, namespace, name, subresource } = target;
    if request.method != Method::POST || !resource.is("", "pods") {
        return Err(Failure::no_resource());
    }
    let key = Key::new(namespace, name);
    match subresource.as_str() {
        "eviction" => {
            let eviction = body::object(&request.body, request.content_type(), "Eviction")?;
            let options = object::at(&eviction, &["deleteOptions"]).cloned().unwrap_or_default();
            state.delete(resource, &key, &DeleteOptions::read(&options, &request.query)?, &request.user)?;
            Ok(response::json(StatusCode::CREATED, &success()))
        }
        "binding" => {
            let binding = body::object(&request.body, request.content_type(), "Binding")?;
            let node = text(&binding, &["target", "name"]).to_owned();
            bind(state, resource, &key, &node)?;
            Ok(response::json(StatusCode::CREATED, &success()))
        }
        _ => Err(Failure::no_resource()),
    }
}

fn bind(
    state: &State,
    resource: &std::sync::Arc<crate::registry::Resource>,
    key: &Key,
    node: &str,
) -> Result<(), Failure> {
    let mut writer = state.store.writer();
    let stored = writer.get(&resource.storage, key).ok_or_else(|| Failure::not_found(resource, &key.name))?;
    let old = stored.value();
    let bound = text(&old, &["spec", "nodeName"]);
    if !bound.is_empty() {
        let why = format!("pod {} is already assigned to node {bound:?}", key.name);
        return Err(Failure::conflict(resource, &key.name, &why));
    }
    let mut new = old.clone();
    object::edit(&mut new, "spec", |spec| spec.insert("nodeName".into(), node.into()));
    writer.put(&resource.storage, key.clone(), new, Some(&old));
    Ok(())
}

fn success() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})
}
