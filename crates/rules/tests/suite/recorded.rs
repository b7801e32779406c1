//! Reads recorded cases and turns their inputs into views.
#![allow(clippy::unwrap_used, reason = "a test: a malformed recording shall stop it")]

use k8s_openapi::api::core::v1::Node;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{MachineConfig, MachineConfigNode, MachineConfigPool, OSImageStream};
use weir_rules::{
    explain::Objects,
    lost::{Lost, lost},
    membership::{Membership, assign},
    rollout::RolloutView,
    view::{NodeReport, NodeView, PoolView},
};

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
    machine_os_configs: Vec<Value>,
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

    pub(crate) fn pool_views(&self) -> Vec<PoolView<'_>> {
        self.all_pools().map(PoolView::new).collect()
    }

    pub(crate) fn node_views(&self) -> Vec<NodeView<'_>> {
        self.nodes.iter().map(NodeView::new).collect()
    }

    pub(crate) fn gate(&self, name: &str) -> bool {
        self.gates.iter().any(|g| g == name)
    }

    pub(crate) fn streams(&self) -> Option<&OSImageStream> {
        self.os_image_stream.as_ref()
    }

    pub(crate) fn certificates(&self) -> &[Value] {
        &self.controller_certificates
    }

    /// Pools of the case that a MachineOSConfig puts into image mode.
    pub(crate) fn image_mode_pools(&self) -> BTreeSet<&str> {
        self.machine_os_configs.iter().filter_map(|m| m["spec"]["machineConfigPool"]["name"].as_str()).collect()
    }

    /// The case as `explain` takes it.
    pub(crate) fn objects(&self) -> Objects {
        let operator = |pod: &&Value| pod["metadata"]["labels"]["k8s-app"] == "machine-config-operator";
        let node = |pod: &Value| pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
        Objects {
            pools: self.all_pools().cloned().collect(),
            nodes: self.nodes.clone(),
            nodes_unseen: false,
            configs: self.machine_configs.clone(),
            all_configs: false,
            reports: self.machine_config_nodes.clone(),
            operator_nodes: self.pods.iter().filter(operator).map(node).collect(),
            image_mode_pools: self.image_mode_pools().into_iter().map(str::to_owned).collect(),
            streams: self.streams().filter(|_| self.gate("OSStreams")).cloned(),
            topology: self.control_plane_topology.clone(),
            certificates: self.certificates().to_vec(),
            counts_from_reports: self.gate("ImageModeStatusReporting"),
        }
    }

    pub(crate) fn world(&self) -> World<'_> {
        let operator = |pod: &&Value| pod["metadata"]["labels"]["k8s-app"] == "machine-config-operator";
        let owner = |config: &'_ MachineConfig| {
            let owners = config.metadata.owner_references.as_ref()?;
            Some(owners.first()?.name.clone())
        };
        World {
            inputs: self,
            pools: self.pool_views(),
            nodes: self.node_views(),
            operator_nodes: self
                .pods
                .iter()
                .filter(operator)
                .map(|p| p["spec"]["nodeName"].as_str().unwrap_or_default())
                .collect(),
            image_mode_pools: self.image_mode_pools(),
            owners: self.machine_configs.iter().filter_map(|c| Some((c.metadata.name.clone()?, owner(c)?))).collect(),
        }
    }
}

/// Views of a case, and what they borrow from.
pub(crate) struct World<'a> {
    inputs: &'a Inputs,
    pools: Vec<PoolView<'a>>,
    nodes: Vec<NodeView<'a>>,
    operator_nodes: Vec<&'a str>,
    image_mode_pools: BTreeSet<&'a str>,
    owners: BTreeMap<String, String>,
}

/// What the rules take.
pub(crate) struct Views<'a> {
    world: &'a World<'a>,
    pub(crate) membership: Membership<'a>,
    pub(crate) reports: BTreeMap<&'a str, NodeReport<'a>>,
    pub(crate) config_map: BTreeMap<&'a str, &'a MachineConfig>,
    owners: BTreeMap<&'a str, &'a str>,
}

impl<'a> World<'a> {
    pub(crate) fn views(&'a self) -> Views<'a> {
        let configs = self.inputs.machine_configs.iter();
        Views {
            world: self,
            membership: assign(&self.pools, &self.nodes),
            reports: self.inputs.machine_config_nodes.iter().map(NodeReport::new).map(|r| (r.node, r)).collect(),
            config_map: configs.filter_map(|c| Some((c.metadata.name.as_deref()?, c))).collect(),
            owners: self.owners.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect(),
        }
    }
}

impl<'a> Views<'a> {
    pub(crate) fn pool(&self, name: &str) -> &'a PoolView<'a> {
        self.world.pools.iter().find(|p| p.name == name).unwrap()
    }

    pub(crate) fn nodes_of(&self, pool: &str) -> Vec<&'a NodeView<'a>> {
        self.membership.nodes[pool].iter().map(|&i| &self.world.nodes[i]).collect()
    }

    pub(crate) fn lost(&self) -> Vec<Lost> {
        lost(&self.world.pools, &self.world.nodes, &self.membership)
    }

    pub(crate) fn rollout(&'a self) -> RolloutView<'a> {
        RolloutView {
            pools: &self.world.pools,
            nodes: &self.world.nodes,
            membership: &self.membership,
            reports: &self.reports,
            topology: self.world.inputs.control_plane_topology.as_deref(),
            settle: None,
            operator_nodes: &self.world.operator_nodes,
            image_mode_pools: &self.world.image_mode_pools,
            config_owners: &self.owners,
            configs: None,
            halted: None,
            previous: None,
        }
    }
}
