//! The writes that weir makes. The cache determines the namespace of its objects. Merge patches name only what changes, so fields
//! that weir does not know survive.

use crate::{Cache, Error, cache::Cached, error::optional, read};
use kube::{
    Client,
    api::{DeleteParams, GetParams, Patch, PatchParams, PostParams},
    core::Request,
};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Debug;

/// Field manager of everything that weir writes: the reference's name, so that taking over does not split ownership.
pub const FIELD_MANAGER: &str = "machine-config-operator";

/// Patches an object and folds the response into the cache.
///
/// Put `metadata.resourceVersion` into the patch to make it conditional.
///
/// # Errors
/// When the server refuses it or cannot be reached.
pub async fn merge<K: Cached>(client: &Client, cache: &Cache<K>, name: &str, patch: &Value) -> Result<(), Error> {
    written(client, cache, name, Part::Object, Ok(Patch::Merge(patch))).await
}

/// Like [`merge`], for the status.
///
/// # Errors
/// When the server refuses it or cannot be reached.
pub async fn merge_status<K: Cached>(
    client: &Client,
    cache: &Cache<K>,
    name: &str,
    patch: &(impl Serialize + Debug + Sync),
) -> Result<(), Error> {
    written(client, cache, name, Part::Status, Ok(Patch::Merge(patch))).await
}

/// Edits an object with a JSON patch (RFC 6902), which sets whole fields, and folds the response into the cache.
///
/// # Errors
/// If the patch is invalid, or the server refuses it or cannot be reached.
pub async fn edit<K: Cached>(client: &Client, cache: &Cache<K>, name: &str, patch: &Value) -> Result<(), Error> {
    written(client, cache, name, Part::Object, operations(patch)).await
}

/// Like [`edit`], for the status.
///
/// # Errors
/// If the patch is invalid, or the server refuses it or cannot be reached.
pub async fn edit_status<K: Cached>(client: &Client, cache: &Cache<K>, name: &str, patch: &Value) -> Result<(), Error> {
    written(client, cache, name, Part::Status, operations(patch)).await
}

fn operations(patch: &Value) -> kube::Result<Patch<&Value>> {
    serde_json::from_value(patch.clone()).map(Patch::Json).map_err(kube::Error::SerdeError)
}

/// Like [`edit_status`], for an object in a namespace, if the cache holds objects of several.
///
/// # Errors
/// As [`edit_status`].
pub async fn edit_status_in<K: Cached>(
    client: &Client,
    cache: &Cache<K>,
    namespace: &str,
    name: &str,
    patch: &Value,
) -> Result<(), Error> {
    let place = place(cache, Some(namespace));
    written_to(client, cache, (place, name), Part::Status, operations(patch)).await
}

/// Which part of an object is written.
#[derive(Clone, Copy)]
enum Part {
    Object,
    Status,
}

async fn written<K: Cached>(
    client: &Client,
    cache: &Cache<K>,
    name: &str,
    part: Part,
    patch: kube::Result<Patch<impl Serialize + Debug>>,
) -> Result<(), Error> {
    written_to(client, cache, (place(cache, None), name), part, patch).await
}

async fn written_to<K: Cached>(
    client: &Client,
    cache: &Cache<K>,
    (place, name): (Request, &str),
    part: Part,
    patch: kube::Result<Patch<impl Serialize + Debug>>,
) -> Result<(), Error> {
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let (doing, request) = match part {
        Part::Object => ("patching", patch.map(|patch| place.patch(name, &parameters, &patch))),
        Part::Status => {
            ("patching the status of", patch.map(|patch| place.patch_subresource("status", name, &parameters, &patch)))
        }
    };
    let answer = match request {
        Ok(request) => read::answer(client, request).await,
        Err(error) => Err(error),
    };
    cache.observe(answer.map_err(|source| Error::new::<K>(doing, name, source))?);
    Ok(())
}

/// Sets an object to the given one by server-side apply, taking over fields that others applied, and folds the response into the
/// cache.
///
/// # Errors
/// When the server refuses it or cannot be reached.
pub async fn apply<K: Cached>(client: &Client, cache: &Cache<K>, name: &str, object: &Value) -> Result<(), Error> {
    let namespace = object["metadata"]["namespace"].as_str();
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let answer = read::answer(client, place(cache, namespace).patch(name, &parameters, &Patch::Apply(object))).await;
    cache.observe(answer.map_err(|source| Error::new::<K>("applying", name, source))?);
    Ok(())
}

/// Deletes an object, with a namespace if it has one; success if it is gone already.
///
/// # Errors
/// When the server refuses it or cannot be reached.
pub async fn delete<K: Cached>(
    client: &Client,
    cache: &Cache<K>,
    namespace: Option<&str>,
    name: &str,
) -> Result<(), Error> {
    delete_as(client, cache, (namespace, name), &DeleteParams::default()).await
}

/// Like [`delete`], with what it owns: there are kinds whose dependents stay behind unless one asks for this.
///
/// # Errors
/// When the server refuses it or cannot be reached.
pub async fn delete_with_dependents<K: Cached>(
    client: &Client,
    cache: &Cache<K>,
    namespace: Option<&str>,
    name: &str,
) -> Result<(), Error> {
    delete_as(client, cache, (namespace, name), &DeleteParams::background()).await
}

async fn delete_as<K: Cached>(
    client: &Client,
    cache: &Cache<K>,
    (namespace, name): (Option<&str>, &str),
    how: &DeleteParams,
) -> Result<(), Error> {
    let gone = match place(cache, namespace).delete(name, how) {
        Ok(request) => client.request_status::<K>(request).await.map(drop),
        Err(error) => Err(kube::Error::BuildRequest(error)),
    };
    optional(gone).map(drop).map_err(|source| Error::new::<K>("deleting", name, source))
}

/// Creates an object and folds the response into the cache. Returns whether it was created; false if it existed already.
///
/// # Errors
/// When the server refuses it or cannot be reached.
pub async fn create<K: Cached + Serialize>(client: &Client, cache: &Cache<K>, object: &K) -> Result<bool, Error> {
    let name = object.meta().name.clone().unwrap_or_default();
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let answer = match serde_json::to_vec(object) {
        Ok(text) => read::answer(client, place(cache, None).create(&parameters, text)).await,
        Err(error) => Err(kube::Error::SerdeError(error)),
    };
    match answer.map_err(|source| Error::new::<K>("creating", &name, source)) {
        Ok(created) => {
            cache.observe(created);
            Ok(true)
        }
        Err(error) if error.is_already_exists() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Asks for an object, past the cache, and folds the response in: what came of a write without an answer, or what is newest. Returns
/// whether it is there; from the cache, its watch takes it.
///
/// # Errors
/// When the server refuses it or cannot be reached.
pub async fn look_again<K: Cached>(client: &Client, cache: &Cache<K>, name: &str) -> Result<bool, Error> {
    let answer = read::answer(client, place(cache, None).get(name, &GetParams::default())).await;
    let found = optional(answer).map_err(|source| Error::new::<K>("reading", name, source))?;
    Ok(found.map(|found| cache.observe(found)).is_some())
}

/// A request to the cache's objects, or to those in a namespace.
fn place<K: Cached>(cache: &Cache<K>, namespace: Option<&str>) -> Request {
    Request::new(K::url_path(&(), namespace.or(cache.selection().namespace)))
}
