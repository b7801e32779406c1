//! What pools are rendered from, out of manifests or a cluster, and rendering them.

use crate::manifests::Manifest;
use anyhow::{Context as _, Result, bail};
use kube::{Api, Client, api::ListParams};
use std::collections::BTreeSet;
use weir_api::{
    ControllerConfig, FeatureGate, MachineConfig, MachineConfigPool, MachineConfiguration, OSImageStream,
    keys::{
        config::RELEASE_IMAGE_VERSION,
        names::{CLUSTER, GATE_OS_STREAMS, IRRECONCILABLE_MACHINE_CONFIG, WORKER},
    },
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP, OPERATOR_GROUP},
};
use weir_distro::{Profile, StreamsRule};
use weir_rules::{
    gates::{Gates, gates},
    guard::{RuncGuard, WithoutRunc, runc_guard},
    reconcilable::Override,
    render::{RenderError, RenderInput, Rendered, render},
    selector::Selector,
    stream::{StreamsView, resolve_stream},
    view::PoolView,
};

/// What pools are rendered from.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The pools, by name.
    pub pools: Vec<MachineConfigPool>,
    /// The MachineConfigs.
    pub configs: Vec<MachineConfig>,
    /// Images and release version.
    pub controller_config: Option<ControllerConfig>,
    /// Which features are on.
    pub feature_gate: Option<FeatureGate>,
    /// The streams; they count when their feature is on, or nothing says whether it is.
    pub streams: Option<OSImageStream>,
    /// Which changes pass although machines cannot follow.
    pub machine_configuration: Option<MachineConfiguration>,
}
