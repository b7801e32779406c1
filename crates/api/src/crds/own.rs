//! The kinds that weir defines: one entry each, with everything that the type itself does not say.

use super::{
    FeatureSet,
    definition::{AGE, Column, Definition, column, wide},
};
use crate::{
    ContainerRuntimeConfig, ControllerConfig, InternalReleaseImage, KubeletConfig, MachineConfig, MachineConfigNode,
    MachineConfigPool, MachineConfiguration, MachineOSBuild, MachineOSConfig, OSImageStream, PinnedImageSet,
};
use serde_json::Value;

const POOL_COLUMNS: &[Column] = &[
    column("Config", "string", ".status.configuration.name"),
    column("Updated", "string", ".status.conditions[?(@.type==\"Updated\")].status"),
    column("Updating", "string", ".status.conditions[?(@.type==\"Updating\")].status"),
    column("Degraded", "string", ".status.conditions[?(@.type==\"Degraded\")].status"),
    column("MachineCount", "number", ".status.machineCount"),
    column("ReadyMachineCount", "number", ".status.readyMachineCount"),
    column("UpdatedMachineCount", "number", ".status.updatedMachineCount"),
    column("DegradedMachineCount", "number", ".status.degradedMachineCount"),
    AGE,
];

const MACHINE_CONFIG_COLUMNS: &[Column] = &[
    column(
        "GeneratedByController",
        "string",
        r".metadata.annotations.machineconfiguration\.openshift\.io/generated-by-controller-version",
    ),
    column("IgnitionVersion", "string", ".spec.config.ignition.version"),
    AGE,
];

const BUILD_COLUMNS: &[Column] = &[
    column("Prepared", "string", ".status.conditions[?(@.type==\"Prepared\")].status"),
    column("Building", "string", ".status.conditions[?(@.type==\"Building\")].status"),
    column("Succeeded", "string", ".status.conditions[?(@.type==\"Succeeded\")].status"),
    column("Interrupted", "string", ".status.conditions[?(@.type==\"Interrupted\")].status"),
    column("Failed", "string", ".status.conditions[?(@.type==\"Failed\")].status"),
    AGE,
];

const NODE_COLUMNS: &[Column] = &[
    column("PoolName", "string", ".spec.pool.name"),
    column("DesiredConfig", "string", ".spec.configVersion.desired"),
    column("CurrentConfig", "string", ".status.configVersion.current"),
    column("Updated", "string", ".status.conditions[?(@.type==\"Updated\")].status"),
    AGE,
    wide("UpdatePrepared", "string", ".status.conditions[?(@.type==\"UpdatePrepared\")].status"),
    wide("UpdateExecuted", "string", ".status.conditions[?(@.type==\"UpdateExecuted\")].status"),
    wide("UpdatePostActionComplete", "string", ".status.conditions[?(@.type==\"UpdatePostActionComplete\")].status"),
    wide("UpdateComplete", "string", ".status.conditions[?(@.type==\"UpdateComplete\")].status"),
    wide("Resumed", "string", ".status.conditions[?(@.type==\"Resumed\")].status"),
    wide("UpdatedFilesAndOS", "string", ".status.conditions[?(@.type==\"AppliedFilesAndOS\")].status"),
    wide("CordonedNode", "string", ".status.conditions[?(@.type==\"Cordoned\")].status"),
    wide("DrainedNode", "string", ".status.conditions[?(@.type==\"Drained\")].status"),
    wide("RebootedNode", "string", ".status.conditions[?(@.type==\"RebootedNode\")].status"),
    wide("UncordonedNode", "string", ".status.conditions[?(@.type==\"Uncordoned\")].status"),
];

fn definitions() -> Vec<Definition> {
    vec![
        Definition::of::<ControllerConfig>().approved(1453).by_set(),
        Definition::of::<MachineConfigPool>().short(&["mcp"]).columns(POOL_COLUMNS).approved(1453),
        Definition::of::<MachineConfig>()
            .short(&["mc"])
            .columns(MACHINE_CONFIG_COLUMNS)
            .without_status()
            .without_subresource()
            .approved(1453),
        Definition::of::<MachineConfigNode>().columns(NODE_COLUMNS).approved(2255).not_hosted().by_set(),
        Definition::of::<OSImageStream>().approved(2555),
        Definition::of::<KubeletConfig>().approved(1453).by_set(),
        Definition::of::<ContainerRuntimeConfig>().short(&["ctrcfg"]).approved(1453).by_set(),
        Definition::of::<PinnedImageSet>().without_status().without_subresource().approved(2198),
        Definition::of::<MachineOSConfig>().approved(2090),
        Definition::of::<MachineOSBuild>().columns(BUILD_COLUMNS).approved(2090),
        Definition::of::<InternalReleaseImage>().approved(2510).not_hosted(),
        Definition::of::<MachineConfiguration>().approved(1453).not_labelled(),
    ]
}

/// Definitions of our kinds for a feature set, ordered by name.
#[must_use]
pub fn own(set: FeatureSet) -> Vec<Value> {
    let mut crds: Vec<Value> = definitions().into_iter().map(|definition| definition.into_crd(set)).collect();
    crds.sort_by(|a, b| super::name(a).cmp(super::name(b)));
    crds
}
