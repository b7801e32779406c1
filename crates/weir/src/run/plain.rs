//! A Kubernetes API server that is not OpenShift: missing objects are created, differing ones refused.
//!
//! Our objects are annotated, so that only they are ever moved to another release. Objects of others are used
//! as they are, or refused by name.

use anyhow::{Context as _, Result, anyhow, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::{
    api::core::v1::Node, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
    core::DynamicObject,
};
use serde_json::Value;
use std::{fmt, time::Duration};
use tokio::time::timeout;
use weir_api::{
    crds::{FeatureSet, crds, name},
    keys::{
        config::SEEDED,
        names::{ARBITER, MASTER},
        node::ROLE_PREFIX,
    },
};
use weir_kubeio::{
    error::{optional, said},
    wait::until,
};
use weir_rules::objects::seed::{Facts, Owner, Shape, objects};
use weir_sim::write;

/// The field manager of `kubectl apply --server-side`.
const APPLIER: &str = "kubectl";
/// Definitions created at the same time.
const AT_ONCE: usize = 8;
/// A definition that is not served by then never will be: the API server needs a second at most.
const SERVED: Duration = Duration::from_secs(30);

/// What was done to an API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Definitions that were missing.
    pub definitions: usize,
    /// Objects that were missing or were moved to the release.
    pub objects: usize,
}

/// What keeps an object from matching the release.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Difference {
    object: String,
    field: &'static str,
    is: String,
    wanted: String,
    /// We created the object, and may change it when told to.
    ours: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, field, is, wanted, ours } = self;
        write!(f, "{object}: {field} is {is}, and for --release it would have to be {wanted}; ")?;
        match ours {
            true => write!(f, "leave --release out to run what is there, or add --update to move to this release"),
            false => {
                write!(f, "weir did not make it and does not touch it: change it yourself, or leave --release out")
            }
        }
    }
}

/// Creates what is missing for a release.
///
/// # Errors
/// When an existing object contradicts the release, or something cannot be written; in the first case nothing was written.
pub async fn prepare(client: &Client, facts: &Facts<'_>, update: bool) -> Result<Done> {
    let seeds = objects(facts);
    let mut due = Vec::new();
    let mut differences = Vec::new();
    for seed in &seeds {
        let Some(found) = read(client, &seed.object).await? else {
            due.push(seed);
            continue;
        };
        if seed.owner == Owner::User {
            continue;
        }
        let of_seed = differing(&found, &seed.object);
        if of_seed.iter().all(|difference| difference.ours && update) {
            due.extend((!of_seed.is_empty() || is_unfinished(&found, &seed.object)).then_some(seed));
        } else {
            differences.extend(of_seed);
        }
    }
    if !differences.is_empty() {
        let all: Vec<String> = differences.iter().map(ToString::to_string).collect();
        bail!("{}", all.join("\n       "));
    }
    let definitions = define(client).await?;
    for seed in &due {
        write::apply(client, seed).await?;
    }
    Ok(Done { definitions, objects: due.len() })
}

/// The nodes that the API server has.
///
/// # Errors
/// When they cannot be listed.
pub async fn shape(client: &Client) -> Result<Shape> {
    let api: Api<Node> = Api::all(client.clone());
    let nodes =
        api.list_metadata(&ListParams::default()).await.map_err(|e| anyhow!(said(&e))).context("listing nodes")?;
    let with = |role: &str| {
        let label = format!("{ROLE_PREFIX}{role}");
        nodes
            .iter()
            .filter(|node| node.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(&label)))
            .count()
    };
    Ok(Shape { masters: with(MASTER), arbiter: with(ARBITER) > 0, custom: Vec::new() })
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

async fn read(client: &Client, wanted: &Value) -> Result<Option<Value>> {
    let (kind, name) = (text(wanted, "/kind"), text(wanted, "/metadata/name"));
    let api: Api<DynamicObject> = write::place(client, wanted);
    let found = optional(api.get(name).await)
        .map_err(|e| anyhow!(said(&e)))
        .with_context(|| format!("reading {kind} {name}"))?;
    found.map(|object| serde_json::to_value(object).context("reading an object")).transpose()
}

/// Fields that identify a release, by kind.
fn compared(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "ClusterVersion" => {
            &[("status.desired.image", "/status/desired/image"), ("status.desired.version", "/status/desired/version")]
        }
        "ControllerConfig" => &[("spec.releaseImage", "/spec/releaseImage")],
        _ => &[],
    }
}

/// Existing objects that differ from the wanted ones. Missing ones are no difference: another process may be creating them.
fn differing(found: &Value, wanted: &Value) -> Vec<Difference> {
    let kind = text(wanted, "/kind");
    let ours = found.pointer("/metadata/annotations").is_some_and(|annotations| annotations.get(SEEDED).is_some());
    let difference = |field, is: &str, wanted_value: &str| Difference {
        object: format!("{kind} {}", text(wanted, "/metadata/name")),
        field,
        is: is.to_owned(),
        wanted: wanted_value.to_owned(),
        ours,
    };
    let fields = compared(kind).iter().filter_map(|(field, pointer)| {
        let (is, wanted) = (text(found, pointer), text(wanted, pointer));
        (!is.is_empty() && is != wanted).then(|| difference(field, is, wanted))
    });
    let gates = (kind == "FeatureGate").then(|| versions(found)).filter(|versions| !versions.is_empty());
    let missing = gates.and_then(|versions| {
        let wanted = versions_of_first(wanted);
        (!versions.contains(&wanted)).then(|| {
            difference("status.featureGates", &format!("for {}", versions.join(", ")), &format!("for {wanted}"))
        })
    });
    fields.chain(missing).collect()
}

/// One of our objects whose creation was interrupted: it has no status.
fn is_unfinished(found: &Value, wanted: &Value) -> bool {
    match text(wanted, "/kind") {
        "FeatureGate" => versions(found).is_empty(),
        kind => {
            compared(kind).iter().any(|(_, pointer)| pointer.starts_with("/status") && text(found, pointer).is_empty())
        }
    }
}

fn versions(gates: &Value) -> Vec<&str> {
    let lists = gates.pointer("/status/featureGates").and_then(Value::as_array);
    lists.into_iter().flatten().map(|list| text(list, "/version")).collect()
}

fn versions_of_first(gates: &Value) -> &str {
    text(gates, "/status/featureGates/0/version")
}

/// Creates missing definitions and waits until they are served; returns how many there were.
async fn define(client: &Client) -> Result<usize> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let listed = api.list_metadata(&ListParams::default()).await.map_err(|e| anyhow!(said(&e)));
    let there = listed.context("listing CustomResourceDefinitions")?;
    let is_there = |crd: &Value| there.iter().any(|found| found.metadata.name.as_deref() == Some(name(crd)));
    let missing: Vec<Value> = crds(FeatureSet::Default).into_iter().filter(|crd| !is_there(crd)).collect();
    let created = stream::iter(missing).map(|crd| create(&api, crd)).buffer_unordered(AT_ONCE);
    created.try_fold(0, |count, ()| async move { Ok(count + 1) }).await
}

async fn create(api: &Api<CustomResourceDefinition>, crd: Value) -> Result<()> {
    let of = name(&crd).to_owned();
    let what = || format!("creating CustomResourceDefinition {of}");
    // As it is: our type of a definition does not know everything in it. And as kubectl would, so that kubectl may change it.
    let parameters = PatchParams::apply(APPLIER);
    match api.patch(&of, &parameters, &Patch::Apply(crd)).await {
        Ok(_) => {}
        // Another process was faster.
        Err(kube::Error::Api(status)) if status.is_conflict() => {}
        Err(error) => return Err(anyhow!(said(&error))).with_context(what),
    }
    let served = timeout(SERVED, until(api, &of, is_established)).await;
    served.with_context(|| format!("{}: it is not served after {SERVED:?}", what()))?.with_context(what)
}

fn is_established(definition: &CustomResourceDefinition) -> bool {
    let mut conditions = definition.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.any(|condition| condition.type_ == "Established" && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn version(image: &str, ours: bool) -> Value {
        let annotations = if ours { json!({SEEDED: "v1"}) } else { json!({}) };
        json!({
            "kind": "ClusterVersion", "metadata": {"name": "version", "annotations": annotations},
            "status": {"desired": {"image": image, "version": "5.0.0"}},
        })
    }

    #[test]
    fn a_difference_names_object_field_both_values_and_the_way_out() {
        let of = |ours| differing(&version("a@sha256:1", ours), &version("b@sha256:2", true));
        let (ours, others) = (of(true), of(false));
        assert_eq!(ours.len(), 1);
        let text = ours[0].to_string();
        for part in ["ClusterVersion version", "status.desired.image", "a@sha256:1", "b@sha256:2", "--update"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!others[0].to_string().contains("--update"));
    }

    #[test]
    fn what_is_missing_is_unfinished_and_no_difference() {
        let bare = json!({"kind": "ClusterVersion", "metadata": {"name": "version"}});
        assert_eq!(differing(&bare, &version("b@sha256:2", true)), []);
        assert!(is_unfinished(&bare, &version("b@sha256:2", true)));
        assert!(!is_unfinished(&version("b@sha256:2", true), &version("b@sha256:2", true)));
    }

    #[test]
    fn gates_of_other_releases_only_are_a_difference() {
        let gates = |versions: &[&str]| {
            let lists: Vec<Value> = versions.iter().map(|version| json!({ "version": version })).collect();
            json!({"kind": "FeatureGate", "metadata": {"name": "cluster"}, "status": {"featureGates": lists}})
        };
        let wanted = gates(&["5.0.0"]);
        assert_eq!(differing(&gates(&["4.22.0", "5.0.0"]), &wanted), []);
        assert_eq!(differing(&gates(&[]), &wanted), []);
        assert!(is_unfinished(&gates(&[]), &wanted));
        let found = differing(&gates(&["4.22.0"]), &wanted);
        assert_eq!((found[0].is.as_str(), found[0].wanted.as_str()), ("for 4.22.0", "for 5.0.0"));
    }
}
