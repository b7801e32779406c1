//! The writes weir makes. Merge patches name just what is to change, so fields that weir does not know survive.

use crate::{Cache, Error, cache::Cached, error::optional};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::Serialize;
use serde_json::Value;

/// Field manager of everything weir writes, the reference's name, so that a takeover does not split ownership.
pub const FIELD_MANAGER: &str = "machine-config-operator";

/// Patches an object and folds the answer into the cache.
///
/// Put `metadata.resourceVersion` into the patch to make it conditional.
///
/// # Errors
/// When the server refuses it or cannot be reached.
pub async fn merge<K: Cached + Serialize>(
    api: &Api<K>,
    cache: &Cache<K>,
    name: &str,
    patch: &Value,
) -> Result<(), Error> {
    written(api, cache, name, Part::Object, Ok(Patch::Merge(patch))).await
}

/// Patches an object's status and folds the answer into the cache.
///
/// # Errors
/// When the server refuses it or cannot be reached.
pub async fn merge_status<K: Cached + Serialize>(
    api: &Api<K>,
    cache: &Cache<K>,
    name: &str,
    patch: &Value,
) -> Result<(), Error> {
    written(api, cache, name, Part::Status, Ok(Patch::Merge(patch))).await
}

/// Edits an object by a JSON patch (RFC 6902), which sets whole fields, and folds the answer into the cache.
///
/// # Errors
/// When the patch is none, or the server refuses it or cannot be reached.
pub async fn edit<K: Cached + Serialize>(
    api: &Api<K>,
    cache: &Cache<K>,
    name: &str,
    patch: &Value,
) -> Result<(), Error> {
    written(api, cache, name, Part::Object, operations(patch)).await
}

/// As [`edit`], for the status.
///
/// # Errors
/// When the patch is none, or the server refuses it or cannot be reached.
pub async fn edit_status<K: Cached + Serialize>(
    api: &Api<K>,
    cache: &Cache<K>,
    name: &str,
    patch: &Value,
) -> Result<(), Error> {
    written(api, cache, name, Part::Status, operations(patch)).await
}

fn operations(patch: &Value) -> kube::Result<Patch<&Value>> {
    serde_json::from_value(patch.clone()).map(Patch::Json).map_err(kube::Error::SerdeError)
}

/// What of an object is written.
#[derive(Clone, Copy)]
enum Part {
    Object,
    Status,
}

async fn written<K: Cached + Serialize>(
    api: &Api<K>,
    cache: &Cache<K>,
    name: &str,
    part: Part,
    patch: kube::Result<Patch<&Value>>,
) -> Result<(), Error> {
    let (doing, answer) = match (part, patch) {
        (Part::Object, Ok(patch)) => ("patching", api.patch(name, &parameters(), &patch).await),
        (Part::Status, Ok(patch)) => ("patching the status of", api.patch_status(name, &parameters(), &patch).await),
        (_, Err(error)) => ("patching", Err(error)),
    };
    cache.observe(answer.map_err(|source| Error::new::<K>(doing, name, source))?);
    Ok(())
}

/// Makes an object what is given by server-side apply, taking over the fields that others applied, and folds the answer into
/// the cache.
///
/// # Errors
/// When the server refuses it or cannot be reached.
pub async fn apply<K: Cached + Serialize>(
    api: &Api<K>,
    cache: &Cache<K>,
    name: &str,
    object: &Value,
) -> Result<(), Error> {
    let answer = api.patch(name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(object)).await;
    cache.observe(answer.map_err(|source| Error::new::<K>("applying", name, source))?);
    Ok(())
}

/// Deletes an object; one that is gone already is deleted.
///
/// # Errors
/// When the server refuses it or cannot be reached.
pub async fn delete<K: Cached>(api: &Api<K>, name: &str) -> Result<(), Error> {
    let gone = api.delete(name, &DeleteParams::default()).await.map(drop);
    optional(gone).map(drop).map_err(|source| Error::new::<K>("deleting", name, source))
}

/// Creates an object and folds the answer into the cache. True when it was created, false when it was there already.
///
/// # Errors
/// When the server refuses it or cannot be reached.
pub async fn create<K: Cached + Serialize>(api: &Api<K>, cache: &Cache<K>, object: &K) -> Result<bool, Error> {
    let name = object.meta().name.clone().unwrap_or_default();
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match api.create(&parameters, object).await.map_err(|source| Error::new::<K>("creating", &name, source)) {
        Ok(created) => {
            cache.observe(created);
            Ok(true)
        }
        Err(error) if error.is_conflict() => Ok(false),
        Err(error) => Err(error),
    }
}

fn parameters() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}
