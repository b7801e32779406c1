//! The files of one KubeletConfig in one pool.
//!
//! R-FILES-1 `node-sizing-enabled.env` when the KubeletConfig reserves memory, CPU or ephemeral storage, which it then does instead
//! of the kubelet's configuration; or when it says whether nodes compute that. What is not given is 1Gi, 500m and 1Gi.
//! R-FILES-2 A drop-in of the kubelet's unit when it has a log level.
//! R-FILES-3 `kubelet.conf`: the base, with the TLS profile of the KubeletConfig when it has one, and what it wants merged over that.
//! `protectKernelDefaults: false` has its effect.
//! R-FILES-4 The control group reserved for the system goes when nothing is enforced for it: when the KubeletConfig enforces
//! other things and names none. With CPUs reserved for the system it goes in any case, and nothing is enforced for it;
//! pods always are.
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
/// What is reserved outside of the kubelet's configuration, with its variable and its default.
const RESERVED: [(&str, &str, &str); 3] = [
    ("memory", "SYSTEM_RESERVED_MEMORY", "1Gi"),
    ("cpu", "SYSTEM_RESERVED_CPU", "500m"),
    ("ephemeral-storage", "SYSTEM_RESERVED_ES", "1Gi"),
];
/// What is enforced for the system's control group.
const FOR_SYSTEM: [&str; 2] = ["system-reserved", "system-reserved-compressible"];

/// The files, and what of the KubeletConfig has no effect.
///
/// # Errors
/// When the merged configuration makes no sense or cannot be written.
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

/// Takes out what is reserved elsewhere; absent when none of it is there.
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

/// R-FILES-4, and that both names of the system's control group are one.
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
