//! Reads recorded cases and turns their inputs into views.
#![allow(clippy::unwrap_used, reason = "a test: a malformed recording shall stop it")]

use k8s_openapi::api::core::v1::{Node, Pod};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use weir_api::{
    ControllerConfig, FeatureGate, MachineConfig, MachineConfigNode, MachineConfigPool, MachineOSBuild,
    MachineOSConfig, OSImageStream,
};
use weir_rules::world::{Object, World};

/// The release of the recordings, which name none.
const RELEASE: &str = "5.0.0";

/// One recorded case.
#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    #[serde(rename = "input")]
    pub(crate) inputs: Inputs,
    #[serde(default)]
    pub(crate) output: Value,
    #[serde(default)]
    pub(crate) error: Option<String>,
}

/// The objects of a case.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(crate) struct Inputs {
    pool: Option<MachineConfigPool>,
    pools: Vec<MachineConfigPool>,
    other_pools: Vec<MachineConfigPool>,
    nodes: Vec<Node>,
    pods: Vec<Value>,
    machine_configs: Vec<MachineConfig>,
    machine_config_nodes: Vec<MachineConfigNode>,
    #[serde(rename = "machineOSConfigs")]
    machine_os_configs: Vec<MachineOSConfig>,
    #[serde(rename = "machineOSBuilds")]
    machine_os_builds: Vec<MachineOSBuild>,
    os_image_stream: Option<OSImageStream>,
    controller_certificates: Vec<Value>,
    control_plane_topology: Option<String>,
    gates: Vec<String>,
}

/// All cases of a recording; those in image mode stand in a file of their own, where there are any.
pub(crate) fn cases(name: &str) -> Vec<Case> {
    let in_image_mode = format!("{name}-image-mode");
    let files: &[&str] = if name == "membership" { &[name] } else { &[name, &in_image_mode] };
    let texts = files.iter().map(|file| weir_recorded::read(&format!("rollout/{file}.jsonl")));
    let parse = |line: &str| serde_json::from_str(line).unwrap();
    texts.flat_map(|text| text.lines().map(parse).collect::<Vec<_>>()).collect()
}

impl Inputs {
    pub(crate) fn pool_name(&self) -> &str {
        self.pool.as_ref().and_then(|p| p.metadata.name.as_deref()).unwrap()
    }

    fn all_pools(&self) -> impl Iterator<Item = &MachineConfigPool> {
        self.pool.iter().chain(&self.pools).chain(&self.other_pools)
    }

    pub(crate) fn certificates(&self) -> &[Value] {
        &self.controller_certificates
    }

    /// The objects of the case. The recordings hold no more MachineConfigs than are looked at; that nodes are missing counts only
    /// where there is none.
    pub(crate) fn world(&self) -> World {
        fn all<K: Clone + Into<Object>>(objects: &[K]) -> impl Iterator<Item = Object> {
            objects.iter().cloned().map(Into::into)
        }
        fn read<K: DeserializeOwned + Into<Object>>(object: Value) -> Object {
            serde_json::from_value::<K>(object).unwrap().into()
        }
        let gates: Vec<Value> = self.gates.iter().map(|gate| json!({ "name": gate })).collect();
        let gates = json!({"metadata": {"name": "cluster"}, "status": {"featureGates": [{"version": RELEASE, "enabled": gates}]}});
        let infra = json!({"status": {"controlPlaneTopology": self.control_plane_topology}});
        let controller_config = json!({
            "metadata": {"name": "machine-config-controller"}, "spec": {"infra": infra},
            "status": {"controllerCertificates": self.controller_certificates},
        });
        let mut streams = self.os_image_stream.clone();
        streams.iter_mut().for_each(|object| object.metadata.name = Some("cluster".to_owned()));
        let objects = (self.all_pools().cloned().map(Into::into))
            .chain(all(&self.nodes))
            .chain(all(&self.machine_configs))
            .chain(all(&self.machine_config_nodes))
            .chain(all(&self.machine_os_configs))
            .chain(all(&self.machine_os_builds))
            .chain(self.pods.iter().cloned().map(read::<Pod>))
            .chain(streams.map(Into::into))
            .chain([read::<FeatureGate>(gates), read::<ControllerConfig>(controller_config)]);
        World { whole: self.nodes.is_empty(), release: Some(RELEASE.to_owned()), ..World::of(objects) }
    }
}
