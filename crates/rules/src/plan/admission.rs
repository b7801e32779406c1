//! Whether the API would accept a change, in its words.
//!
//! R-ADMISSION-1 An object of a kind that has a CustomResourceDefinition is judged by its schema, rules included, as it is before and
//! after. A field that the schema does not know is refused, as `kubectl` asks for. Its name, labels and annotations are those that an
//! API server allows.
//! R-ADMISSION-2 Then the admission policies judge it that are in force with the cluster's gates.
//! R-ADMISSION-3 The definitions are those of this build and of the cluster's feature set. Kinds without a definition are judged by
//! their types alone.
//!
//! Source of the wording: `pkg/registry` and `pkg/endpoints/handlers` of k8s.io/apiserver.

use super::change::Reference;
use crate::{
    operator::policies::{self, Write},
    world::World,
};
use serde_json::Value;
use std::{collections::BTreeSet, sync::LazyLock};
use weir_api::crds::{FeatureSet, crds};
use weir_apischema::{
    names::{NameRule, validate_metadata},
    policy::ParamSource,
    schema::Schema,
};

/// Judges an object: `given` is what a user wrote, `new` what becomes of it, where defaults are filled in.
///
/// # Errors
/// The message of the API's refusal.
pub(super) fn admit(
    world: &World,
    reference: &Reference,
    given: &Value,
    new: &mut Value,
    old: Option<&Value>,
) -> Result<(), String> {
    let Some(definition) = definition(world, reference) else { return Ok(()) };
    if let Some(schema) = schema(&definition, given)? {
        check_fields(&schema, reference, given)?;
        // What only a newer API knows stays in a stored object, and is nobody's mistake here.
        let mut judged = new.clone();
        let _ = schema.prune(&mut judged);
        let mut before = old.cloned();
        if let Some(before) = &mut before {
            let _ = schema.prune(before);
        }
        schema.default(&mut judged).map_err(|_| "Request entity too large: limit is 3145728".to_owned())?;
        let mut errors = validate_metadata(&judged, NameRule::Subdomain, !reference.namespace.is_empty());
        errors.extend(schema.validate(&judged, before.as_ref()));
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect::<BTreeSet<_>>().into_iter().collect();
        let text = if let [one] = texts.as_slice() { one.clone() } else { format!("[{}]", texts.join(", ")) };
        if !texts.is_empty() {
            return Err(format!("{}.{} {:?} is invalid: {text}", reference.kind, reference.group, reference.name));
        }
    }
    let resource = definition.pointer("/spec/names/plural").and_then(Value::as_str).unwrap_or_default();
    by_policies(world, reference, resource, new, old)
}

/// The definition of the object's kind; absent if it has none.
fn definition(world: &World, reference: &Reference) -> Option<Value> {
    static DEFAULT: LazyLock<Vec<Value>> = LazyLock::new(|| crds(FeatureSet::Default));
    let named = world.feature_gate.as_ref().map(|object| object.spec.feature_set.as_str()).unwrap_or_default();
    let set = FeatureSet::ALL.into_iter().find(|set| set.name() == named).unwrap_or_default();
    let of_set = (set != FeatureSet::Default).then(|| crds(set));
    let is_it = |definition: &&Value| {
        let at = |place: &str| definition.pointer(place).and_then(Value::as_str);
        at("/spec/group") == Some(&reference.group) && at("/spec/names/kind") == Some(&reference.kind)
    };
    of_set.as_ref().unwrap_or(&DEFAULT).iter().find(is_it).cloned()
}

/// The schema of the version that the object is written in.
fn schema(definition: &Value, given: &Value) -> Result<Option<Schema>, String> {
    let written = given["apiVersion"].as_str().unwrap_or_default();
    let version = written.rsplit('/').next().unwrap_or_default();
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    let found = versions.into_iter().flatten().find(|entry| entry["name"] == version);
    let kind = given["kind"].as_str().unwrap_or_default();
    let Some(found) = found else {
        return Err(format!("no matches for kind {kind:?} in version {written:?}"));
    };
    let Some(openapi) = found.pointer("/schema/openAPIV3Schema") else { return Ok(None) };
    Schema::compile(openapi).map(Some).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn check_fields(schema: &Schema, reference: &Reference, given: &Value) -> Result<(), String> {
    let unknown = schema.prune(&mut given.clone());
    if unknown.is_empty() {
        return Ok(());
    }
    let texts: Vec<String> = unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
    let kind = &reference.kind;
    let version = given["apiVersion"].as_str().and_then(|version| version.rsplit('/').next()).unwrap_or_default();
    let texts = texts.join(", ");
    Err(format!("{kind} in version {version:?} cannot be handled as a {kind}: strict decoding error: {texts}"))
}

/// R-ADMISSION-2. Without a known distribution, only the policies that all distributions have.
fn by_policies(
    world: &World,
    reference: &Reference,
    resource: &str,
    new: &Value,
    old: Option<&Value>,
) -> Result<(), String> {
    let gates = world.gates().ok();
    let all = match world.distribution() {
        Some(profile) => policies::wanted(profile, gates.as_ref())
            .into_iter()
            .filter(|wanted| wanted.is_wanted == Some(true))
            .map(|wanted| wanted.bound)
            .collect(),
        None => policies::always(),
    };
    let write = Write {
        resource,
        group: &reference.group,
        kind: &reference.kind,
        namespace: &reference.namespace,
        name: &reference.name,
        new,
        old,
    };
    policies::refused(&all, &write, &Parameters(world)).map_or(Ok(()), |refusal| Err(refusal.message))
}

/// What policies look at beside the object.
struct Parameters<'w>(&'w World);

impl ParamSource for Parameters<'_> {
    fn namespaced(&self, _: &str, _: &str) -> Option<bool> {
        // Those of the policies of machine configuration are not.
        Some(false)
    }

    fn objects(&self, api_version: &str, kind: &str, _: Option<&str>, name: Option<&str>) -> Vec<Value> {
        let (group, _) = api_version.split_once('/').unwrap_or_default();
        name.and_then(|name| self.0.find((group, kind), "", name)).into_iter().collect()
    }
}
