//! Writes the initial objects of a cluster.

use anyhow::{Context as _, Result, anyhow};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    core::{DynamicObject, GroupVersionKind},
    discovery::ApiResource,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weir_api::{
    FeatureGate,
    keys::{
        gates::{OS_STREAMS, SIGSTORE_IMAGE_VERIFICATION},
        names::CLUSTER,
    },
};
use weir_kubeio::{error::said, patch::FIELD_MANAGER};
use weir_rules::objects::seed::{Owner, Seed};

/// Creates an object as in the seed, or updates it. An existing object of a user is left alone.
///
/// # Errors
/// When the API server refuses it or does not respond.
pub async fn apply(client: &Client, seed: &Seed) -> Result<()> {
    write(client, &seed.object, Some(seed.owner)).await
}

/// Creates an object, or merges a manifest into it, in which null removes a field.
///
/// # Errors
/// When the API server refuses it or does not respond.
pub async fn merge(client: &Client, manifest: &Value) -> Result<()> {
    write(client, manifest, None).await
}

/// Writes the feature gates of each version: whether there are streams; image policies always are.
///
/// # Errors
/// When the API server refuses it or does not respond.
pub(crate) async fn write_gates(client: &Client, streams: &BTreeMap<String, bool>) -> Result<()> {
    let list = |(version, on): (&String, &bool)| {
        let [gate, other] = [OS_STREAMS, SIGSTORE_IMAGE_VERIFICATION].map(|gate| json!({ "name": gate }));
        let (enabled, disabled) = if *on { (vec![gate, other], Vec::new()) } else { (vec![other], vec![gate]) };
        json!({"version": version, "enabled": enabled, "disabled": disabled})
    };
    let lists: Vec<Value> = streams.iter().map(list).collect();
    let api: Api<FeatureGate> = Api::all(client.clone());
    let patch = Patch::Merge(json!({"status": {"featureGates": lists}}));
    api.patch_status(CLUSTER, &PatchParams::default(), &patch).await.context("writing the gates")?;
    Ok(())
}

async fn write(client: &Client, manifest: &Value, owner: Option<Owner>) -> Result<()> {
    let mut object: DynamicObject = serde_json::from_value(manifest.clone()).context("reading a manifest")?;
    let status = object.data.as_object_mut().and_then(|data| data.remove("status"));
    let kind = object.types.clone().unwrap_or_default().kind;
    let name = object.metadata.name.clone().unwrap_or_default();
    let what = || format!("writing {kind} {name}");
    let api = place(client, manifest);
    let manager = Some(FIELD_MANAGER.to_owned());
    let parameters = PatchParams { field_manager: manager.clone(), ..PatchParams::default() };
    let there = said_of(api.get_opt(&name).await).with_context(what)?.is_some();
    let created = match there {
        true => None,
        false => {
            let parameters = PostParams { field_manager: manager.clone(), ..PostParams::default() };
            match api.create(&parameters, &object).await {
                // Another process prepares the same API server: then it exists.
                Err(kube::Error::Api(status)) if status.is_already_exists() => None,
                created => Some(said_of(created).with_context(what)?),
            }
        }
    };
    match created {
        Some(_) => {}
        None if owner == Some(Owner::User) => return Ok(()),
        None => {
            if owner.is_some() {
                // A merge patch removes null fields. Null fields of a seed are already null, and may be required.
                drop_nulls(&mut object.data);
            }
            said_of(api.patch(&name, &parameters, &Patch::Merge(&object)).await).with_context(what)?;
        }
    }
    if let Some(status) = status {
        let patch: Value = json!({ "status": status });
        said_of(api.patch_status(&name, &parameters, &Patch::Merge(&patch)).await).with_context(what)?;
    }
    Ok(())
}

fn said_of<T>(answer: kube::Result<T>) -> Result<T> {
    answer.map_err(|error| anyhow!(said(&error)))
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(drop_nulls);
    }
}

/// Where an object like this one is.
#[must_use]
pub fn place(client: &Client, manifest: &Value) -> Api<DynamicObject> {
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
    let kind = resource(text("/apiVersion").unwrap_or_default(), text("/kind").unwrap_or_default());
    match text("/metadata/namespace") {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind),
        None => Api::all_with(client.clone(), &kind),
    }
}

/// The kind of a manifest.
#[must_use]
pub fn resource(api_version: &str, kind: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = GroupVersionKind::gvk(group, version, kind);
    ApiResource::from_gvk(&kind)
}
