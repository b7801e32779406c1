//! Whatever a schema lets in comes out of our types again.
//!
//! Objects are made from schemas, our own and the published ones, with a field more in every struct, as a later version of
//! the API may have; they go through the type and back. Null and absent are one; so are empty and absent where
//! [`EMPTY_IS_ABSENT`] says so.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
    test_runner::{Config, RngSeed, TestRunner},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use weir_api::{
    APIServer, ClusterOperator, ClusterVersion, DNS, FeatureGate, Image, ImageContentSourcePolicy,
    ImageDigestMirrorSet, ImageStream, ImageTagMirrorSet, Infrastructure, Network, NodeConfig, Proxy,
    crds::{FeatureSet, crds},
};

const SEED: u64 = 4;
/// Objects per schema.
const CASES: u32 = 48;

/// Optional fields that the type leaves out when they are empty.
const EMPTY_IS_ABSENT: &[&str] = &[
    "ControllerConfig.spec.platform",
    "ControllerConfig.spec.etcdDiscoveryDomain",
    "ControllerConfig.spec.baseOSExtensionsContainerImage",
    "ControllerConfig.spec.osImageURL",
    "ControllerConfig.spec.networkType",
    "ControllerConfig.spec.proxy.httpProxy",
    "ControllerConfig.spec.proxy.httpsProxy",
    "ControllerConfig.spec.proxy.noProxy",
    "ControllerConfig.status.controllerCertificates",
    "FeatureGate.spec.featureSet",
];

/// A field that no version of the API has.
const OF_A_LATER_VERSION: &str = "fieldOfTomorrow";

/// Structs of Kubernetes itself, by the end of their path. They are read as `k8s-openapi` has them.
const OF_KUBERNETES: &[&str] = &["elector", "elector.matchExpressions[]", ".pullSecret"];

type Trip = fn(Value) -> serde_json::Result<Value>;

fn through<T: DeserializeOwned + Serialize>(object: Value) -> serde_json::Result<Value> {
    serde_json::from_value::<T>(object).and_then(serde_json::to_value)
}

fn trip(kind: &str) -> Trip {
    match kind {
        "APIServer" => through::<APIServer>,
        "CRIOCredentialProviderConfig" => through::<weir_api::CRIOCredentialProviderConfig>,
        "ClusterImagePolicy" => through::<weir_api::ClusterImagePolicy>,
        "ClusterOperator" => through::<ClusterOperator>,
        "ClusterVersion" => through::<ClusterVersion>,
        "ContainerRuntimeConfig" => through::<weir_api::ContainerRuntimeConfig>,
        "ControllerConfig" => through::<weir_api::ControllerConfig>,
        "DNS" => through::<DNS>,
        "FeatureGate" => through::<FeatureGate>,
        "Image" => through::<Image>,
        "ImageContentSourcePolicy" => through::<ImageContentSourcePolicy>,
        "ImageDigestMirrorSet" => through::<ImageDigestMirrorSet>,
        "ImagePolicy" => through::<weir_api::ImagePolicy>,
        "ImageStream" => through::<ImageStream>,
        "ImageTagMirrorSet" => through::<ImageTagMirrorSet>,
        "Infrastructure" => through::<Infrastructure>,
        "InternalReleaseImage" => through::<weir_api::InternalReleaseImage>,
        "KubeletConfig" => through::<weir_api::KubeletConfig>,
        "MachineConfig" => through::<weir_api::MachineConfig>,
        "MachineConfigNode" => through::<weir_api::MachineConfigNode>,
        "MachineConfigPool" => through::<weir_api::MachineConfigPool>,
        "MachineConfiguration" => through::<weir_api::MachineConfiguration>,
        "MachineOSBuild" => through::<weir_api::MachineOSBuild>,
        "MachineOSConfig" => through::<weir_api::MachineOSConfig>,
        "Network" => through::<Network>,
        "Node" => through::<NodeConfig>,
        "OSImageStream" => through::<weir_api::OSImageStream>,
        "PinnedImageSet" => through::<weir_api::PinnedImageSet>,
        "Proxy" => through::<Proxy>,
        "Scheduler" => through::<weir_api::Scheduler>,
        _ => panic!("{kind} has no type"),
    }
}

fn any_text() -> BoxedStrategy<String> {
    vec(any::<char>(), 0..6).prop_map(|chars| chars.into_iter().collect()).boxed()
}

fn any_json() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map(any_text(), inner, 0..3).prop_map(|map| map.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
    .boxed()
}

fn any_object() -> BoxedStrategy<Value> {
    btree_map(any_text(), any_json(), 0..3).prop_map(|map| map.into_iter().collect::<Map<_, _>>().into()).boxed()
}

/// Values that have the shape a schema asks for. Patterns and CEL rules are not honoured: no type of ours knows them.
fn valid(schema: &Value) -> BoxedStrategy<Value> {
    let value = if let Some(choices) = schema["enum"].as_array() {
        select(choices.clone()).boxed()
    } else if schema["x-kubernetes-int-or-string"] == true {
        prop_oneof![any::<i32>().prop_map(Value::from), any_text().prop_map(Value::from)].boxed()
    } else {
        match schema["type"].as_str() {
            Some("string") => text(schema),
            Some("integer") => integer(schema),
            Some("boolean") => any::<bool>().prop_map(Value::from).boxed(),
            Some("array") => {
                let min = usize::try_from(schema["minItems"].as_u64().unwrap_or(0)).unwrap();
                vec(valid(&schema["items"]), min..=min.max(2)).prop_map(Value::from).boxed()
            }
            Some("object") => object(schema),
            _ => any_json(),
        }
    };
    if schema["nullable"] == true { prop_oneof![Just(Value::Null), value].boxed() } else { value }
}

fn text(schema: &Value) -> BoxedStrategy<Value> {
    match schema["format"].as_str() {
        Some("date-time") => (2000..2100_u16, 1..=12_u8, 1..=28_u8, 0..24_u8, 0..60_u8)
            .prop_map(|(year, month, day, hour, minute)| {
                format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:59Z").into()
            })
            .boxed(),
        Some("byte") => select(vec!["", "AA==", "d2Vpcg=="]).prop_map(Value::from).boxed(),
        _ => any_text().prop_map(Value::from).boxed(),
    }
}

fn integer(schema: &Value) -> BoxedStrategy<Value> {
    let most = if schema["format"] == "int32" { i64::from(i32::MAX) } else { i64::MAX };
    let min = schema["minimum"].as_i64().unwrap_or(-most);
    (min..=schema["maximum"].as_i64().unwrap_or(most)).prop_map(Value::from).boxed()
}

fn object(schema: &Value) -> BoxedStrategy<Value> {
    let Some(properties) = schema["properties"].as_object() else {
        return match &schema["additionalProperties"] {
            Value::Null => any_object(),
            inner => btree_map(any_text(), valid(inner), 0..3)
                .prop_map(|map| map.into_iter().collect::<Map<_, _>>().into())
                .boxed(),
        };
    };
    let required = |name: &String| schema["required"].as_array().is_some_and(|names| names.contains(&json!(name)));
    let fields: Vec<BoxedStrategy<Option<(String, Value)>>> = properties
        .iter()
        .map(|(name, property)| {
            let (name, value) = (name.clone(), valid(property));
            let always = required(&name);
            let field = value.prop_map(move |value| (name.clone(), value));
            if always { field.prop_map(Some).boxed() } else { option::of(field).boxed() }
        })
        .collect();
    let later = option::of(any_json());
    let object = (fields, later).prop_map(|(fields, later)| {
        let later = later.map(|value| (OF_A_LATER_VERSION.to_owned(), value));
        fields.into_iter().flatten().chain(later).collect::<Map<_, _>>().into()
    });
    object.boxed()
}

fn root(crd: &Value) -> (String, BoxedStrategy<Value>) {
    let kind = crd["spec"]["names"]["kind"].as_str().unwrap().to_owned();
    let mut schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    for frame in ["apiVersion", "kind", "metadata"] {
        schema["properties"].as_object_mut().unwrap().remove(frame);
    }
    let header = json!({
        "apiVersion": format!("{}/{}", crd["spec"]["group"].as_str().unwrap(), crd["spec"]["versions"][0]["name"].as_str().unwrap()),
        "kind": kind,
        "metadata": { "name": "x", "labels": { "a": "" }, "annotations": { "b": "c" }, "resourceVersion": "7" },
    });
    let whole = valid(&schema).prop_map(move |mut object| {
        // What an object has on top is fixed by the conventions of the API.
        object.as_object_mut().unwrap().remove(OF_A_LATER_VERSION);
        object.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
        object
    });
    (kind, whole.boxed())
}

/// Paths at which something of `before` is not in `after`.
fn lost(path: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Null, _) => {}
        (Value::Object(a), Value::Object(b)) => {
            let of_kubernetes = OF_KUBERNETES.iter().any(|end| path.ends_with(end));
            for (key, value) in a.iter().filter(|(key, _)| !(of_kubernetes && *key == OF_A_LATER_VERSION)) {
                lost(&format!("{path}.{key}"), value, b.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).for_each(|(a, b)| lost(&format!("{path}[]"), a, b, found));
        }
        _ if before == after => {}
        (before, Value::Null) if EMPTY_IS_ABSENT.contains(&path) && (*before == json!("") || *before == json!([])) => {}
        _ => found.push(format!("{path}: {before} became {after}")),
    }
}

fn check(source: &str, crd: &Value) {
    let (kind, objects) = root(crd);
    let trip = trip(&kind);
    let outcome = runner().run(&objects, |before| {
        let after = trip(before.clone()).map_err(|error| TestCaseError::fail(format!("{kind}: {error}: {before}")))?;
        let mut found = Vec::new();
        lost(&kind, &before, &after, &mut found);
        prop_assert!(found.is_empty(), "{found:#?}");
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{source}, seed {SEED}: {error}"));
}

/// A new one for each schema: a runner counts its cases over all its runs.
fn runner() -> TestRunner {
    let seed = RngSeed::Fixed(SEED);
    TestRunner::new(Config { cases: CASES, rng_seed: seed, failure_persistence: None, ..Config::default() })
}

#[test]
fn what_our_schemas_let_in_comes_out_again() {
    for crd in crds(FeatureSet::TechPreviewNoUpgrade) {
        check("ours", &crd);
    }
}

#[test]
fn what_the_published_schemas_let_in_comes_out_again() {
    let Some(definitions) = crate::published::definitions() else { return };
    for (file, crd) in definitions {
        check(&file, &crd);
    }
}

#[test]
fn read_types_keep_what_they_do_not_know() {
    let kinds: [(&str, Trip); 14] = [
        ("APIServer", through::<APIServer>),
        ("ClusterOperator", through::<ClusterOperator>),
        ("ClusterVersion", through::<ClusterVersion>),
        ("DNS", through::<DNS>),
        ("FeatureGate", through::<FeatureGate>),
        ("Image", through::<Image>),
        ("ImageContentSourcePolicy", through::<ImageContentSourcePolicy>),
        ("ImageDigestMirrorSet", through::<ImageDigestMirrorSet>),
        ("ImageStream", through::<ImageStream>),
        ("ImageTagMirrorSet", through::<ImageTagMirrorSet>),
        ("Infrastructure", through::<Infrastructure>),
        ("Network", through::<Network>),
        ("Node", through::<NodeConfig>),
        ("Proxy", through::<Proxy>),
    ];
    for (kind, trip) in kinds {
        let outcome = runner().run(&(any_object(), any_object()), |(spec, status)| {
            let before = json!({ "kind": kind, "metadata": { "name": "cluster" }, "spec": spec, "status": status });
            let after = trip(before.clone()).unwrap();
            let mut found = Vec::new();
            lost(kind, &before, &after, &mut found);
            prop_assert!(found.is_empty(), "{found:#?}");
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{kind}, seed {SEED}: {error}"));
    }
}

#[test]
fn a_nearly_empty_object_is_read() {
    for crd in crds(FeatureSet::TechPreviewNoUpgrade) {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        for object in [json!({}), json!({ "metadata": { "name": "x" }, "spec": {}, "status": {} })] {
            assert!(trip(kind)(object.clone()).is_ok(), "{kind} {object}");
        }
    }
}
