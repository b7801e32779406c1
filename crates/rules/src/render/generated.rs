//! Whether what another operator generated for kubelets matches the feature gates that are on.
//!
//! R-STALE-GENERATED-1 The kubelet's configuration is generated as `97-`, `98-` and `99-POOL-generated-kubelet…`. It contains every gate
//! of the FeatureGate's list, on or off, and others of its own.
//! R-STALE-GENERATED-2 One that has another value for a listed gate is stale: the list changed, and nothing generates it again.
//! One that is unreadable is ignored.
//! R-STALE-GENERATED-3 A pool reports which of the MachineConfigs that it selects are stale. It keeps them: they are no reason to
//! fail, and generating them again reboots the pool's nodes.
//!
//! Source of R-STALE-GENERATED-1: `pkg/controller/kubelet-config` of github.com/openshift/machine-config-operator.

use crate::objects::selector::{Labels, Selector};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use weir_api::{MachineConfig, MachineConfigPool, feature_gate::FeatureGateDetails};
use weir_ignition::contents;

/// Where the kubelet's configuration is.
const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
/// Size limit for reading it: a hundred times its usual size.
const MOST: usize = 1 << 20;
/// Maximum number of gates in a message.
const NAMED: usize = 5;

/// MachineConfigs of a pool that do not match the gates that are on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleGenerated {
    /// Their names.
    pub configs: Vec<String>,
    /// The gates that differ, with their current values.
    pub gates: BTreeMap<String, bool>,
}

/// Whether a MachineConfig of this name is generated for kubelets (R-STALE-GENERATED-1).
#[must_use]
pub fn is_for_kubelets(name: &str) -> bool {
    ["97-", "98-", "99-"].iter().any(|number| name.starts_with(number)) && name.contains("-generated-kubelet")
}

/// The gates that a generated MachineConfig was made for; absent when it does not say.
#[must_use]
pub fn gates_of(config: &MachineConfig) -> Option<BTreeMap<String, bool>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kubelet {
        #[serde(default)]
        feature_gates: BTreeMap<String, bool>,
    }
    let files = config.spec.config.as_ref()?.pointer("/storage/files")?.as_array()?;
    let file = files.iter().find(|file| file["path"] == KUBELET_CONF)?;
    let bytes = contents::decode(file.get("contents").and_then(Value::as_object)?).ok()?;
    let text = std::str::from_utf8(&bytes).ok().filter(|text| text.len() <= MOST)?;
    serde_saphyr::from_str::<Kubelet>(text).ok().map(|kubelet| kubelet.feature_gates)
}

/// Which of a pool's generated MachineConfigs are stale. `made_for` returns the gates of those for kubelets
/// ([`gates_of`]); `None` when none is stale.
#[must_use]
pub fn stale<'a>(
    pool: &MachineConfigPool,
    list: &FeatureGateDetails,
    made_for: impl IntoIterator<Item = (&'a MachineConfig, &'a BTreeMap<String, bool>)>,
) -> Option<StaleGenerated> {
    let selector = Selector::parse(pool.spec.machine_config_selector.as_ref()).ok()?;
    static NONE: Labels = Labels::new();
    let on: BTreeSet<&str> = list.enabled.iter().map(|gate| gate.name.as_str()).collect();
    let listed = list.enabled.iter().chain(&list.disabled).map(|gate| gate.name.as_str());
    let now: BTreeMap<&str, bool> = listed.map(|gate| (gate, on.contains(gate))).collect();
    let mut found = StaleGenerated { configs: Vec::new(), gates: BTreeMap::new() };
    for (config, gates) in made_for {
        let differs = |(gate, on): &(&&str, &bool)| gates.get(**gate) != Some(*on);
        let mut other = now.iter().filter(differs).peekable();
        if selector.matches(config.metadata.labels.as_ref().unwrap_or(&NONE)) && other.peek().is_some() {
            found.configs.push(config.metadata.name.clone().unwrap_or_default());
            found.gates.extend(other.map(|(gate, on)| ((*gate).to_owned(), *on)));
        }
    }
    (!found.configs.is_empty()).then_some(found)
}

impl fmt::Display for StaleGenerated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gate = |(gate, on): (&String, &bool)| format!("{gate} is {} now", if *on { "on" } else { "off" });
        let mut gates: Vec<String> = self.gates.iter().take(NAMED).map(gate).collect();
        if let Some(more @ 1..) = self.gates.len().checked_sub(NAMED) {
            gates.push(format!("{more} more"));
        }
        write!(
            f,
            "{} of other feature gates ({}), and nobody makes {} anew: kubelets keep their gates until the operator that \
             generated them is back, and nodes of the pool reboot then",
            match self.configs.as_slice() {
                [one] => format!("{one} is"),
                several => format!("{} are", several.join(", ")),
            },
            gates.join(", "),
            if self.configs.len() == 1 { "it" } else { "them" },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde_json::json;

    fn config(name: &str, role: &str, kubelet: &str) -> MachineConfig {
        let source = format!("data:text/plain;charset=utf-8;base64,{}", STANDARD.encode(kubelet));
        let file = json!({"path": KUBELET_CONF, "contents": {"source": source, "compression": ""}});
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"role": role}},
            "spec": {"config": {"ignition": {"version": "3.5.0"}, "storage": {"files": [{"path": "/etc/other"}, file]}}},
        }))
        .unwrap()
    }

    fn list(enabled: &[&str], disabled: &[&str]) -> FeatureGateDetails {
        let names = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>();
        serde_json::from_value(json!({"version": "v", "enabled": names(enabled), "disabled": names(disabled)})).unwrap()
    }

    const OF_A: &str =
        "apiVersion: kubelet.config.k8s.io/v1beta1\nfeatureGates:\n  A: true\n  B: false\n  Own: true\nmaxPods: 250\n";

    #[test]
    fn the_generated_names_are_known() {
        for (name, expected) in [
            ("98-worker-generated-kubelet", true),
            ("99-infra-generated-kubelet-1", true),
            ("99-worker-generated-registries", false),
            ("01-worker-kubelet", false),
        ] {
            assert_eq!(is_for_kubelets(name), expected, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        for text in ["featureGates: [", "featureGates: 7", "featureGates: {A: yes please}"] {
            assert_eq!(gates_of(&config("98-worker-generated-kubelet", "worker", text)), None, "{text}");
        }
        assert_eq!(gates_of(&MachineConfig::default()), None);
        let large = format!("{OF_A}comment: {}\n", "x".repeat(MOST));
        assert_eq!(gates_of(&config("98-worker-generated-kubelet", "worker", &large)), None);
    }

    #[test]
    fn a_turned_gate_is_named_with_the_configs_of_the_pool_that_do_not_know() {
        let pool: MachineConfigPool =
            serde_json::from_value(json!({"spec": {"machineConfigSelector": {"matchLabels": {"role": "worker"}}}}))
                .unwrap();
        let configs = [
            config("97-worker-generated-kubelet", "worker", OF_A),
            config("98-master-generated-kubelet", "master", OF_A),
            config("98-worker-generated-kubelet", "worker", OF_A),
        ];
        let read: Vec<_> = configs.iter().map(|config| (config, gates_of(config).unwrap())).collect();
        let of = |list: &FeatureGateDetails| {
            stale(&pool, list, read.iter().map(|(config, gates)| (*config, gates))).map(|found| found.to_string())
        };
        // A gate in both lists is on.
        for fits in [list(&["A"], &["B"]), list(&["A"], &["A", "B"]), list(&[], &[])] {
            assert_eq!(of(&fits), None);
        }
        let turned = of(&list(&["B"], &["A"])).unwrap();
        assert!(
            turned.starts_with(
                "97-worker-generated-kubelet, 98-worker-generated-kubelet are of other feature gates (A is off now, B is on now)"
            ),
            "{turned}"
        );
        let many: Vec<String> = (0..200).map(|number| format!("Gate{number}")).collect();
        let added = of(&list(&many.iter().map(String::as_str).collect::<Vec<_>>(), &[])).unwrap();
        assert!(added.contains(", 195 more)") && added.len() < 500, "{added}");
    }
}
