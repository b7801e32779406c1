//! Which layers of the templates a cluster uses, and in which order.
//!
//! R-LAYERS-1 `_base`, always.
//! R-LAYERS-2 `on-prem` on platforms whose load balancers run on the machines.
//! R-LAYERS-3 `cloud-platform-alt-dns` on a cloud where the cluster serves its own names and knows the addresses of its load
//! balancers; not with templates of releases before 4.19, which contain the folder but do not use it.
//! R-LAYERS-4 The platform's folder; `none` for an unknown platform. A cluster has to say which platform it is on.
//! R-LAYERS-5 `sno` with one control plane machine, `two-node-with-fencing` with two; also for workers.
//!
//! Source: `getPaths` in `pkg/controller/template/render.go` of github.com/openshift/machine-config-operator.

use crate::template::{
    error::RoleError,
    functions::{Platform, on_prem_field},
};
use weir_api::controller_config::ControllerConfigSpec;

/// Topology of a cluster with arbiters.
pub const WITH_ARBITER: &str = "HighlyAvailableArbiter";
/// First release that uses the layer of R-LAYERS-3.
const ALTERNATIVE_DNS_SINCE: (u32, u32) = (4, 19);

/// Platforms with a folder of their own, which has their name in lower case.
const PLATFORMS: [&str; 13] = [
    "AWS",
    "Azure",
    "BareMetal",
    "External",
    "GCP",
    "KubeVirt",
    "Libvirt",
    "None",
    "Nutanix",
    "OpenStack",
    "PowerVS",
    "VSphere",
    "oVirt",
];

/// The layers; later ones take precedence. `release` is the version that the templates belong to.
///
/// # Errors
/// If the cluster does not say which platform it is on.
pub fn layers(spec: &ControllerConfigSpec, release: Option<&str>) -> Result<Vec<String>, RoleError> {
    let platform = Platform::of(spec.infra.as_ref());
    let folder = match platform.name() {
        "" => return Err(RoleError::NoPlatform),
        // A platform that would be confused with the layer for all.
        name @ "_base" => return Err(RoleError::Platform(name.to_owned())),
        name if PLATFORMS.contains(&name) => name.to_ascii_lowercase(),
        _ => "none".to_owned(),
    };
    let topology = spec.control_plane_topology().unwrap_or_default();
    let alternative = platform.serves_names() && release.and_then(minor).is_none_or(|is| is >= ALTERNATIVE_DNS_SINCE);
    let layers = [
        (true, "_base"),
        (on_prem_field(platform.name()).is_some(), "on-prem"),
        (alternative, "cloud-platform-alt-dns"),
        (true, folder.as_str()),
        (topology == "SingleReplica", "sno"),
        (topology == "DualReplica", "two-node-with-fencing"),
    ];
    Ok(layers.into_iter().filter(|(counts, _)| *counts).map(|(_, layer)| layer.to_owned()).collect())
}

fn minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
