//! The initial objects of one of our clusters that runs a release, before any controller acts.

use crate::{operator::policies, render::Build, status::update_history::begun, stream::gates::gates};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weir_api::{
    ClusterVersion, FeatureGate,
    cluster_version::Release,
    docker_config::{SECRET_KEYS, SECRET_TYPE},
    keys::{
        config::{
            BUILT_IN, DISTRIBUTION, GENERATED_BY_VERSION, RELEASE_IMAGE_VERSION, REQUIRED_FOR_UPGRADE, ROLE, SEEDED,
        },
        gates::{IRRECONCILABLE_MACHINE_CONFIG, OS_STREAMS, SIGSTORE_IMAGE_VERIFICATION},
        names::{ARBITER, ARBITER_TOPOLOGY, CLUSTER, CONTROLLER_CONFIG, MASTER, OPERATOR_NAMESPACE, VERSION, WORKER},
        namespaces,
        node::ROLE_PREFIX,
        secrets,
    },
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP},
};
use weir_distro::Profile;

/// Who owns an object after the first start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The user: it is created when missing and left alone from then on.
    User,
    /// The cluster: it is updated at every start.
    Cluster,
}

/// An object and its owner.
#[derive(Clone, Debug)]
pub struct Seed {
    /// Its owner.
    pub owner: Owner,
    /// The object, including its status.
    pub object: Value,
}

/// What the objects are made from.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Version of the release to run.
    pub version: &'a str,
    /// Pull spec of its release image.
    pub image: &'a str,
    /// Pull specs of its images by tag.
    pub images: &'a BTreeMap<&'a str, &'a str>,
    /// Its distribution.
    pub profile: &'a Profile,
    /// Our build.
    pub build: &'a Build,
    /// The cluster's machines.
    pub shape: &'a Shape,
    /// The ClusterVersion of an earlier start, whose history is continued.
    pub before: Option<&'a ClusterVersion>,
    /// The FeatureGate of an earlier start, whose lists for other releases are kept.
    pub gates: Option<&'a FeatureGate>,
    /// The current time.
    pub now: Timestamp,
}

/// The machines of a cluster, as far as its configuration depends on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Machines of the control plane; 0 while none is known.
    pub masters: usize,
    /// Whether an arbiter complements two masters.
    pub arbiter: bool,
    /// Pools other than the built-in ones.
    pub custom: Vec<String>,
}

impl Shape {
    fn topology(&self) -> &'static str {
        match self {
            Self { arbiter: true, .. } => ARBITER_TOPOLOGY,
            Self { masters: 1, .. } => "SingleReplica",
            _ => "HighlyAvailable",
        }
    }

    fn roles(&self) -> impl Iterator<Item = &'static str> {
        [MASTER, WORKER].into_iter().chain(self.arbiter.then_some(ARBITER))
    }
}

/// All objects, in an order in which they can be created; annotated, so that they are not mistaken for those of OpenShift.
#[must_use]
pub fn objects(facts: &Facts<'_>) -> Vec<Seed> {
    let cluster = |object| Seed { owner: Owner::Cluster, object };
    let user = |object| Seed { owner: Owner::User, object };
    let mut seeds = vec![
        user(namespace(OPERATOR_NAMESPACE)),
        user(namespace(namespaces::CONFIG)),
        user(pull_secret()),
        cluster(cluster_version(facts)),
        cluster(feature_gate(facts)),
        cluster(infrastructure(facts)),
    ];
    seeds.extend(pools(facts).into_iter().map(user));
    seeds.push(cluster(controller_config(facts)));
    seeds.extend(policies(facts).into_iter().map(cluster));
    for seed in &mut seeds {
        seed.object["metadata"]["annotations"][SEEDED] = json!(facts.build.raw);
    }
    seeds
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn config(kind: &str, name: &str, spec: &Value, status: &Value) -> Value {
    let version = format!("{CONFIG_GROUP}/v1");
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec, "status": status})
}

fn cluster_version(facts: &Facts<'_>) -> Value {
    let desired = Release { version: facts.version.to_owned(), image: facts.image.to_owned(), ..Release::default() };
    let status = json!(begun(facts.before, &desired, facts.now));
    let spec = json!({"clusterID": "00000000-0000-0000-0000-000000000000"});
    let mut object = config("ClusterVersion", VERSION, &spec, &status);
    object["metadata"]["annotations"] = json!({DISTRIBUTION: facts.profile.name});
    object
}

fn feature_gate(facts: &Facts<'_>) -> Value {
    let version = facts.version;
    // All are on by default in releases.
    let enabled =
        [IRRECONCILABLE_MACHINE_CONFIG, OS_STREAMS, SIGSTORE_IMAGE_VERIFICATION].map(|gate| json!({"name": gate}));
    let mut gates = vec![json!({"version": version, "enabled": enabled, "disabled": []})];
    let before = facts.gates.and_then(|object| object.status.as_ref()).map(|status| &status.feature_gates);
    gates.extend(before.into_iter().flatten().filter(|of| of.version != version).map(|of| json!(of)));
    let spec = json!({"featureSet": facts.profile.sample.feature_set});
    config("FeatureGate", CLUSTER, &spec, &json!({ "featureGates": gates }))
}

/// The admission policies, which the operator maintains: here they apply from the beginning.
fn policies(facts: &Facts<'_>) -> Vec<Value> {
    let version = Some(facts.version);
    let seeded = serde_json::from_value(feature_gate(facts)).ok();
    let gates = gates(facts.gates, version, None).or_else(|_| gates(seeded.as_ref(), version, None)).ok();
    let wanted =
        policies::wanted(facts.profile, gates.as_ref()).into_iter().filter(|wanted| wanted.is_wanted == Some(true));
    wanted.flat_map(|wanted| [wanted.bound.policy, wanted.bound.binding]).collect()
}

fn infrastructure(facts: &Facts<'_>) -> Value {
    let status = json!({
        "controlPlaneTopology": facts.shape.topology(),
        "infrastructureTopology": "HighlyAvailable",
        "infrastructureName": "weir",
        "apiServerInternalURI": API_SERVER,
        "platform": "None",
        "platformStatus": {"type": "None"},
    });
    config("Infrastructure", CLUSTER, &json!({"platformSpec": {"type": "None"}}), &status)
}

/// The pull secret of machines that pull nothing.
fn pull_secret() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": namespaces::CONFIG, "name": secrets::PULL},
        "type": SECRET_TYPE,
        "data": {SECRET_KEYS[0]: STANDARD.encode(NO_LOGINS)},
    })
}

fn pool(name: &str, labels: &Value, selector: &Value) -> Value {
    json!({
        "apiVersion": format!("{MACHINE_CONFIG_GROUP}/v1"),
        "kind": "MachineConfigPool",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "machineConfigSelector": selector,
            "nodeSelector": {"matchLabels": {format!("{ROLE_PREFIX}{name}"): ""}},
        },
    })
}

/// A custom pool: it selects the nodes of the role of its name, and inherits from the worker pool.
///
/// Source: `docs/custom-pools.md` of github.com/openshift/machine-config-operator.
#[must_use]
pub fn custom_pool(name: &str) -> Value {
    let both = json!([{"key": ROLE, "operator": "In", "values": [WORKER, name]}]);
    pool(name, &json!({}), &json!({ "matchExpressions": both }))
}

/// The built-in pools, and custom ones.
fn pools(facts: &Facts<'_>) -> Vec<Value> {
    let built_in = |name: &str| {
        let mut labels = json!({BUILT_IN: "", format!("pools.operator.machineconfiguration.openshift.io/{name}"): ""});
        if name != WORKER {
            labels[REQUIRED_FOR_UPGRADE] = json!("");
        }
        pool(name, &labels, &json!({"matchLabels": {ROLE: name}}))
    };
    facts.shape.roles().map(built_in).chain(facts.shape.custom.iter().map(|name| custom_pool(name))).collect()
}

/// Where machines would find the API server.
const API_SERVER: &str = "https://api-int.example.com:6443";
/// A Docker configuration without logins.
const NO_LOGINS: &str = "{\"auths\":{}}";
/// Base64 of `# none
/// `: the API requires some bytes.
const NO_CERTIFICATES: &str = "IyBub25lCg==";

fn controller_config(facts: &Facts<'_>) -> Value {
    let image = |name: &str| facts.images.get(name).copied().unwrap_or_default();
    let layout = &facts.profile.payload;
    json!({
        "apiVersion": format!("{MACHINE_CONFIG_GROUP}/v1"),
        "kind": "ControllerConfig",
        "metadata": {
            "name": CONTROLLER_CONFIG,
            "annotations": {
                GENERATED_BY_VERSION: facts.build.raw, RELEASE_IMAGE_VERSION: facts.version,
            },
        },
        "spec": {
            "additionalTrustBundle": null,
            "baseOSContainerImage": image(&layout.base_os_tag),
            "baseOSExtensionsContainerImage": image(&layout.base_extensions_tag),
            "cloudProviderCAData": null,
            "cloudProviderConfig": "",
            "clusterDNSIP": "172.30.0.10",
            "dns": {"apiVersion": format!("{CONFIG_GROUP}/v1"), "kind": "DNS", "metadata": {"name": CLUSTER}, "spec": {"baseDomain": "example.com"}, "status": {}},
            "images": {},
            "infra": infrastructure(facts),
            "ipFamilies": "IPv4",
            "kubeAPIServerServingCAData": NO_CERTIFICATES,
            "network": null,
            "proxy": null,
            "pullSecret": {"namespace": namespaces::CONFIG, "name": secrets::PULL},
            "releaseImage": facts.image,
            "rootCAData": NO_CERTIFICATES,
        },
    })
}
