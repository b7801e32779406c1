//! What a machine is, and what its Node object says at each step. Pure: times and ids are arguments.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weir_api::keys::{daemon, names, node, rollout};
use weir_rules::view::{DaemonState, NodeView};

/// Topology of a single-node control plane, as nodes are told (`config/v1` of github.com/openshift/api).
const SINGLE_REPLICA: &str = "SingleReplica";

/// Label of every Node that a fleet created: the pool its machine boots with. It distinguishes them from real nodes.
pub const POOL_LABEL: &str = "fleet.weir/pool";
/// Their architecture.
const ARCHITECTURE: &str = "amd64";
/// What Node Feature Discovery says of their processors, which any OS takes.
const FEATURES: [&str; 2] = ["AVX2", "FMA3"];
/// What the machines report of their software.
const KUBELET_VERSION: &str = "v1.33.0";
const KERNEL_VERSION: &str = "6.12.0-simulated";
const RUNTIME_VERSION: &str = "cri-o://1.33.0";
/// Port of a kubelet, on which nothing listens here.
const KUBELET_PORT: u16 = 10_250;
/// Where all zones are.
const REGION: &str = "simulated";
/// What a machine has, and what its system leaves for pods: a small server.
const CAPACITY: [(&str, &str); 6] = [
    ("cpu", "4"),
    ("memory", "16777216Ki"),
    ("ephemeral-storage", "125293548Ki"),
    ("pods", "110"),
    ("hugepages-1Gi", "0"),
    ("hugepages-2Mi", "0"),
];
const ALLOCATABLE: [(&str, &str); 6] = [
    ("cpu", "3500m"),
    ("memory", "15626240Ki"),
    ("ephemeral-storage", "114396791822"),
    ("pods", "110"),
    ("hugepages-1Gi", "0"),
    ("hugepages-2Mi", "0"),
];

/// A machine, whether or not it has joined the cluster yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Name of its Node object.
    pub name: String,
    /// Pool whose configuration it boots with.
    pub pool: String,
    /// Failure domain, if it has one.
    pub zone: Option<String>,
}

/// The state of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The readable name of the operating system.
    pub os: String,
    /// Changes with every boot; a UUID.
    pub boot_id: String,
}

/// What a machine is told to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Rendered MachineConfig.
    pub config: String,
    /// Image, in image mode.
    pub image: Option<String>,
}

impl Machine {
    /// Machines of a pool, named `<pool>-0` and up, spread over zones `a`, `b` and `c`.
    #[must_use]
    pub fn of_pool(pool: &str, count: u32) -> Vec<Self> {
        let zones = ["a", "b", "c"];
        let spread = (0..count).zip(zones.iter().cycle());
        spread
            .map(|(n, zone)| Self {
                name: format!("{pool}-{n}"),
                pool: pool.to_owned(),
                zone: Some((*zone).to_owned()),
            })
            .collect()
    }

    /// Role labels: a master is also labelled as control plane; a node of any other pool but arbiter is also a worker.
    fn labels(&self) -> BTreeMap<String, String> {
        let mut roles = vec![self.pool.as_str()];
        match self.pool.as_str() {
            names::MASTER => roles.push("control-plane"),
            names::WORKER | names::ARBITER => {}
            _ => roles.push(names::WORKER),
        }
        let mut labels: BTreeMap<String, String> =
            roles.into_iter().map(|role| (format!("{}{role}", node::ROLE_PREFIX), String::new())).collect();
        labels.insert(node::OS.to_owned(), "linux".to_owned());
        labels.insert(POOL_LABEL.to_owned(), self.pool.clone());
        labels.insert("kubernetes.io/hostname".to_owned(), self.name.clone());
        labels.insert("kubernetes.io/arch".to_owned(), ARCHITECTURE.to_owned());
        for feature in FEATURES {
            labels.insert(format!("feature.node.kubernetes.io/cpu-cpuid.{feature}"), "true".to_owned());
        }
        if let Some(zone) = &self.zone {
            labels.insert(node::ZONE.to_owned(), zone.clone());
            labels.insert("topology.kubernetes.io/region".to_owned(), REGION.to_owned());
        }
        labels
    }

    /// The Node object with which the machine joins after its first boot: it runs what it was booted into and says so.
    ///
    /// Its kubelet keeps pods off a machine of the control plane, unless there is `no_other` for them.
    #[must_use]
    pub fn joining(&self, booted: &Told, no_other: bool) -> Value {
        let mut annotations = json!({
            daemon::CURRENT_CONFIG: booted.config,
            rollout::DESIRED_CONFIG: booted.config,
            daemon::STATE: daemon::STATE_DONE,
            daemon::REASON: "",
        });
        if let Some(image) = &booted.image {
            annotations[daemon::CURRENT_IMAGE] = json!(image);
            annotations[rollout::DESIRED_IMAGE] = json!(image);
        }
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": self.labels(), "annotations": annotations},
            "spec": if self.pool == names::MASTER && !no_other {
                json!({"taints": [{"key": node::MASTER, "effect": "NoSchedule"}]})
            } else {
                json!({})
            },
        })
    }
}

/// The address of a machine: its own, as far as 16 million suffice.
#[must_use]
pub fn address(name: &str) -> String {
    let [.., a, b, c] = hashed(0, name).to_be_bytes();
    format!("10.{a}.{b}.{c}")
}

/// Hexadecimal digits that belong to a machine.
fn id(seed: u64, name: &str) -> String {
    format!("{:016x}{:016x}", hashed(seed, name), hashed(!seed, name))
}

/// Status patch of a machine that is up.
#[must_use]
pub fn up(name: &str, running: &Running, now: Timestamp) -> Value {
    let condition = |type_: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": type_, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": second(now), "lastTransitionTime": second(now),
        })
    };
    let system = id(1, name);
    let uuid = format!("{}-{}-{}-{}-{}", &system[..8], &system[8..12], &system[12..16], &system[16..20], &system[20..]);
    json!({"status": {
        "addresses": [{"type": "InternalIP", "address": address(name)}, {"type": "Hostname", "address": name}],
        "capacity": BTreeMap::from(CAPACITY),
        "allocatable": BTreeMap::from(ALLOCATABLE),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
        "conditions": [
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ],
        "nodeInfo": {
            "architecture": ARCHITECTURE,
            "operatingSystem": "linux",
            "bootID": running.boot_id,
            "osImage": running.os,
            "machineID": id(0, name), "systemUUID": uuid,
            "kernelVersion": KERNEL_VERSION, "containerRuntimeVersion": RUNTIME_VERSION,
            "kubeletVersion": KUBELET_VERSION, "kubeProxyVersion": "",
        },
    }})
}

/// Status patch of a machine that is down: nothing posts its status any more.
#[must_use]
pub fn down(now: Timestamp) -> Value {
    json!({"status": {"conditions": [{
        "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.", "lastTransitionTime": second(now),
    }]}})
}

/// Patch: the daemon has started to update, and requests a drain if needed. A failure stays visible until the update is done.
#[must_use]
pub fn working(node: &Node, drain: Option<&str>) -> Value {
    let mut patch = json!({});
    if !NodeView::new(node).is_degraded() {
        patch[daemon::STATE] = json!(daemon::STATE_WORKING);
    }
    if let Some(drain) = drain {
        patch[daemon::DESIRED_DRAIN] = json!(drain);
    }
    annotations(&patch)
}

/// Patch: the daemon requests a drain, or its end.
#[must_use]
pub fn asking(drain: &str) -> Value {
    annotations(&json!({daemon::DESIRED_DRAIN: drain, daemon::POST_CONFIG_ACTION: ""}))
}

/// Patch: the machine is about to reboot.
#[must_use]
pub fn rebooting() -> Value {
    annotations(&json!({daemon::POST_CONFIG_ACTION: daemon::ACTION_REBOOTING}))
}

/// Patch: the update is done. An image that was taken back is no longer reported.
#[must_use]
pub fn done(told: &Told) -> Value {
    annotations(&json!({
        daemon::STATE: daemon::STATE_DONE,
        daemon::CURRENT_CONFIG: told.config,
        daemon::CURRENT_IMAGE: told.image,
        daemon::REASON: "",
        daemon::POST_CONFIG_ACTION: "",
    }))
}

/// Patch: the update failed.
#[must_use]
pub fn degraded(reason: &str) -> Value {
    let reason: String = reason.chars().take(daemon::REASON_MAX).collect();
    annotations(&json!({
        daemon::STATE: daemon::STATE_DEGRADED, daemon::REASON: reason, daemon::POST_CONFIG_ACTION: "",
    }))
}

/// The daemon's message when the OS differs from that of its config (`pkg/daemon/daemon.go`).
#[must_use]
pub fn unexpected_os(config: &str, wanted: &str, found: &str) -> String {
    format!(
        "unexpected on-disk state validating against {config}: expected target osImageURL \"{wanted}\", have \"{found}\""
    )
}

/// The operating system a Node shows; empty before its first boot.
#[must_use]
pub fn os(node: &Node) -> &str {
    node.status.as_ref().and_then(|status| status.node_info.as_ref()).map_or("", |info| info.os_image.as_str())
}

/// Whether a machine must drain and reboot to run what it was told, with this OS.
#[must_use]
pub fn changes(node: &Node, told: &Told, os: &str) -> bool {
    NodeView::new(node).current_config != Some(&told.config) || changes_image(node, told) || self::os(node) != os
}

/// Whether what a machine was told is another image than the one it runs, or none.
#[must_use]
pub fn changes_image(node: &Node, told: &Told) -> bool {
    NodeView::new(node).current_image.filter(|image| !image.is_empty()) != told.image.as_deref()
}

/// Whether there is no other node for this one's pods (`SingleReplica`), and so no drain.
#[must_use]
pub fn is_single(node: &Node) -> bool {
    NodeView::new(node).topology == Some(SINGLE_REPLICA)
}

fn annotations(annotations: &Value) -> Value {
    json!({"metadata": {"annotations": annotations}})
}

/// Kubernetes writes times in whole seconds.
fn second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What a Node is told to run.
#[must_use]
pub fn told(node: &Node) -> Option<Told> {
    let view = NodeView::new(node);
    let set = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    Some(Told { config: set(view.desired_config)?, image: set(view.desired_image) })
}

/// As [`told`], if it differs from what the node runs or the node has not reported "done" for it.
#[must_use]
pub fn wanted(node: &Node) -> Option<Told> {
    let (view, told) = (NodeView::new(node), told(node)?);
    let idle = matches!(view.state, DaemonState::Silent | DaemonState::Done);
    (view.current_config != Some(&told.config) || changes_image(node, &told) || !idle).then_some(told)
}

/// Whether the kubelet of a Node's machine has posted a status and still does.
#[must_use]
pub fn is_up(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The boot ID of a machine's n-th boot in a run with this seed.
#[must_use]
pub fn boot_id(seed: u64, name: &str, boot: u64) -> String {
    let name = hashed(seed, name);
    let (high, low) = (mix(name ^ boot), mix(mix(name ^ boot)));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

fn hashed(seed: u64, name: &str) -> u64 {
    name.bytes().fold(seed, |hash, byte| mix(hash ^ u64::from(byte)))
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(annotations: &Value) -> Node {
        serde_json::from_value(json!({"metadata": {"name": "n", "annotations": annotations}})).unwrap()
    }

    #[test]
    fn a_machine_wants_work_when_told_another_config_or_left_in_mid_update() {
        let told = json!({daemon::CURRENT_CONFIG: "a", rollout::DESIRED_CONFIG: "b", daemon::STATE: "Done"});
        let config = |name: &str| Some(Told { config: name.to_owned(), image: None });
        assert_eq!(wanted(&node(&told)), config("b"));
        let interrupted = json!({daemon::CURRENT_CONFIG: "a", rollout::DESIRED_CONFIG: "a", daemon::STATE: "Working"});
        assert_eq!(wanted(&node(&interrupted)), config("a"));
        let idle = json!({daemon::CURRENT_CONFIG: "a", rollout::DESIRED_CONFIG: "a", daemon::STATE: "Done"});
        assert_eq!(wanted(&node(&idle)), None);
        let image = json!({
            daemon::CURRENT_CONFIG: "a", rollout::DESIRED_CONFIG: "a", rollout::DESIRED_IMAGE: "i", daemon::STATE: "Done",
        });
        assert_eq!(wanted(&node(&image)), Some(Told { config: "a".to_owned(), image: Some("i".to_owned()) }));
        let back = json!({
            daemon::CURRENT_CONFIG: "a", rollout::DESIRED_CONFIG: "a", daemon::CURRENT_IMAGE: "i", daemon::STATE: "Done",
        });
        assert_eq!(wanted(&node(&back)), config("a"));
        assert_eq!(wanted(&node(&json!({}))), None);
    }

    #[test]
    fn a_joining_machine_says_what_it_runs() {
        let machine = Machine { name: "infra-0".to_owned(), pool: "infra".to_owned(), zone: None };
        let booted = Told { config: "rendered-infra-1".to_owned(), image: Some("i".to_owned()) };
        let object: Node = serde_json::from_value(machine.joining(&booted, false)).unwrap();
        assert_eq!((wanted(&object), told(&object)), (None, Some(booted)));
        let labels = object.metadata.labels.unwrap();
        assert!(labels.contains_key("node-role.kubernetes.io/infra"));
        assert!(labels.contains_key("node-role.kubernetes.io/worker"));
    }

    #[test]
    fn pods_are_kept_off_the_control_plane_where_there_are_workers() {
        let machine = |pool: &str| Machine { name: format!("{pool}-0"), pool: pool.to_owned(), zone: None };
        let taints = |pool: &str, no_other| {
            machine(pool).joining(&Told { config: "c".to_owned(), image: None }, no_other)["spec"].clone()
        };
        assert_eq!(taints("master", false)["taints"][0]["key"], "node-role.kubernetes.io/master");
        assert_eq!((taints("master", true), taints("worker", false)), (json!({}), json!({})));
    }

    #[test]
    fn boots_differ_and_repeat_with_the_seed() {
        assert_eq!(boot_id(7, "a", 1), boot_id(7, "a", 1));
        let ids = [boot_id(7, "a", 1), boot_id(7, "a", 2), boot_id(7, "b", 1), boot_id(8, "a", 1)];
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        assert!(ids.iter().all(|id| id.len() == 36));
    }
}
