//! The files of one KubeletConfig for one pool.
//!
//! R-FILES-1 `node-sizing-enabled.env`, if the KubeletConfig says whether nodes compute reservations, or if it reserves memory, CPU
//! or ephemeral storage; then the reservation is only there and not in the kubelet's configuration. The defaults are 1Gi, 500m and
//! 1Gi.
//! R-FILES-2 A drop-in of the kubelet's unit, if the KubeletConfig has a log level.
//! R-FILES-3 `kubelet.conf`: the base, with the KubeletConfig's TLS profile if it has one, and its settings merged in.
//! `protectKernelDefaults: false` is honoured.
//! R-FILES-4 The control group reserved for the system is removed if nothing is enforced for it: if the KubeletConfig enforces
//! other things and names no such group. If CPUs are reserved for the system it is always removed, and nothing is enforced for it;
//! pods are always enforced.
//!
//! Source: `generateKubeletIgnFiles` in `pkg/controller/kubelet-config/helpers.go`, `kubelet_config_autosizing.go` and
//! `kubelet_config_compressible.go` beside it, of github.com/openshift/machine-config-operator.

use super::{
    KubeletError,
    base::KUBELET_CONF,
    merge::{Ineffective, merge},
    settings::Settings,
};
use crate::{generated::config::File, template::TlsSettings};
use serde_json::Value;
use weir_api::KubeletConfig;
use weir_distro::ReleaseVersion;

const NODE_SIZING: &str = "/etc/node-sizing-enabled.env";
const LOGGING: &str = "/etc/systemd/system/kubelet.service.d/20-logging.conf";
/// Reservations outside of the kubelet's configuration, with variable and default.
const RESERVED: [(&str, &str, &str); 3] = [
    ("memory", "SYSTEM_RESERVED_MEMORY", "1Gi"),
    ("cpu", "SYSTEM_RESERVED_CPU", "500m"),
    ("ephemeral-storage", "SYSTEM_RESERVED_ES", "1Gi"),
];
/// The enforcement for the system's control group.
const FOR_SYSTEM: [&str; 2] = ["system-reserved", "system-reserved-compressible"];

/// The files, and the settings of the KubeletConfig without effect.
///
/// # Errors
/// If the merged configuration is invalid or cannot be written.
pub fn files(
    config: &KubeletConfig,
    wanted: Option<Settings>,
    mut base: Settings,
    release: ReleaseVersion,
) -> Result<(Vec<File>, Vec<Ineffective>), KubeletError> {
    let mut files = Vec::new();
    if let Some(profile) = &config.spec.tls_security_profile {
        let tls = TlsSettings::of(Some(profile));
        base.set("tlsMinVersion", tls.min_version);
        base.set("tlsCipherSuites", tls.cipher_suites);
    }
    let mut ineffective = Vec::new();
    let mut reserved = None;
    if let Some(mut wanted) = wanted {
        reserved = take_reserved(&mut wanted);
        wanted.0.remove("featureGates");
        if config.spec.kubelet_config.as_ref().is_some_and(|raw| raw["protectKernelDefaults"] == false) {
            base.set("protectKernelDefaults", false);
        }
        ineffective = merge(&mut base, &wanted);
        let enforced = wanted.texts("enforceNodeAllocatable");
        let for_system = enforced.iter().any(|what| FOR_SYSTEM.contains(what));
        if wanted.text("systemReservedCgroup").is_empty() && !enforced.is_empty() && !for_system {
            base.set("systemReservedCgroup", "");
        }
    }
    if let Some(values) = reserved {
        files.push(File::new(NODE_SIZING, node_sizing(false, &values)));
    } else if let Some(is_sized) = config.spec.auto_sizing_reserved {
        files.push(File::new(NODE_SIZING, node_sizing(is_sized, &[None, None, None])));
    }
    if let Some(level) = config.spec.log_level {
        files.push(File::new(LOGGING, format!("[Service]\nEnvironment=\"KUBELET_LOG_LEVEL={level}\"\n")));
    }
    settle_cgroups(&mut base)?;
    files.push(File::new(KUBELET_CONF, base.write(release).map_err(KubeletError::Written)?));
    Ok((files, ineffective))
}

/// Removes what is reserved elsewhere; absent if there is nothing of it.
fn take_reserved(wanted: &mut Settings) -> Option<[Option<String>; 3]> {
    let reserved = wanted.0.get_mut("systemReserved")?.as_object_mut()?;
    let given = RESERVED.map(|(key, _, _)| reserved.remove(key));
    let some = given.iter().any(Option::is_some);
    some.then(|| given.map(|value| value.as_ref().and_then(Value::as_str).filter(|v| !v.is_empty()).map(str::to_owned)))
}

fn node_sizing(is_sized: bool, values: &[Option<String>; 3]) -> String {
    let mut text = format!("NODE_SIZING_ENABLED={is_sized}\n");
    for ((_, variable, default), value) in RESERVED.iter().zip(values) {
        text.push_str(&format!("{variable}={}\n", value.as_deref().unwrap_or(default)));
    }
    text
}

/// R-FILES-4, and that both names of the system's control group agree.
fn settle_cgroups(settings: &mut Settings) -> Result<(), KubeletError> {
    if !settings.text("reservedSystemCPUs").is_empty() {
        settings.set("systemReservedCgroup", "");
        let mut enforced = settings.texts("enforceNodeAllocatable");
        enforced.retain(|what| !FOR_SYSTEM.contains(what));
        if !enforced.contains(&"pods") {
            enforced.insert(0, "pods");
        }
        let enforced: Vec<Value> = enforced.into_iter().map(Value::from).collect();
        settings.set("enforceNodeAllocatable", enforced);
    }
    let (reserved, system) = (settings.text("systemReservedCgroup"), settings.text("systemCgroups"));
    if !reserved.is_empty() && !system.is_empty() && reserved != system {
        return Err(KubeletError::MergedCgroups { reserved: reserved.to_owned(), system: system.to_owned() });
    }
    Ok(())
}
