//! Writes the objects a cluster starts with.

use super::seed::{Owner, Seed};
use anyhow::{Context as _, Result, anyhow};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    core::{DynamicObject, GroupVersionKind, TypeMeta},
    discovery::ApiResource,
};
use serde_json::{Value, json};
use weir_api::keys::names::CONTROLLER_CONFIG;
use weir_kubeio::{error::said, patch::FIELD_MANAGER};

/// Makes an object what the seed says. A user's object that exists is left alone.
pub(super) async fn apply(client: &Client, seed: &Seed) -> Result<()> {
    let mut object: DynamicObject = serde_json::from_value(seed.object.clone()).context("reading a built-in object")?;
    let status = object.data.as_object_mut().and_then(|data| data.remove("status"));
    let TypeMeta { api_version, kind } = object.types.clone().unwrap_or_default();
    let name = object.metadata.name.clone().unwrap_or_default();
    let what = || format!("writing {kind} {name}");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource(&api_version, &kind)?);
    let refused = |error: kube::Error| anyhow!(said(&error));
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let written = match api.get_opt(&name).await.map_err(refused).with_context(what)? {
        Some(_) if seed.owner == Owner::User => return Ok(()),
        Some(before) => {
            // A merge patch would take a field that is to be null for one to be removed.
            object.metadata = merged(before.metadata, object.metadata);
            api.replace(&name, &parameters, &object).await.map_err(refused).with_context(what)?
        }
        None => api.create(&parameters, &object).await.map_err(refused).with_context(what)?,
    };
    if let Some(mut status) = status {
        if name == CONTROLLER_CONFIG {
            status["observedGeneration"] = json!(written.metadata.generation);
        }
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patch: Value = json!({ "status": status });
        api.patch_status(&name, &parameters, &Patch::Merge(&patch)).await.map_err(refused).with_context(what)?;
    }
    Ok(())
}

/// What there was, with the labels and annotations that are wanted.
fn merged(before: ObjectMeta, wanted: ObjectMeta) -> ObjectMeta {
    let mut both = before;
    both.labels.get_or_insert_default().extend(wanted.labels.unwrap_or_default());
    both.annotations.get_or_insert_default().extend(wanted.annotations.unwrap_or_default());
    both
}

fn resource(api_version: &str, kind: &str) -> Result<ApiResource> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = GroupVersionKind::gvk(group, version, kind);
    Ok(ApiResource::from_gvk(&kind))
}
