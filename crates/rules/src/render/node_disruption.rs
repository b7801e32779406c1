//! What a change of a file, unit or key does to a node instead of a reboot.
//!
//! R-DISRUPTION-1 The effective policies are the operator's own, each replaced in its place by the user's for the same path
//! or unit, followed by the user's others in order.
//! R-DISRUPTION-2 For SSH keys the user's policy applies when it has an action, else the operator's: no action.
//!
//! Source: `pkg/apihelpers/apihelpers.go` of github.com/openshift/machine-config-operator.

use weir_api::machine_configuration::{
    FilePolicy, NodeDisruptionPolicy, PolicyAction, ServiceAction, SshKeyPolicy, UnitPolicy,
};

/// Short form of the action for a change.
#[derive(Clone, Copy)]
enum Act {
    Nothing,
    Special,
    DaemonReload,
    Reload(&'static str),
    Restart(&'static str),
}

const CRIO: &str = "crio.service";
const TRUST: &str = "coreos-update-ca-trust.service";
const REGISTRY: &str = "iri-registry.service";
const KUBELET: &str = "kubelet.service";

const FILES: [(&str, &[Act]); 13] = [
    ("/var/lib/kubelet/config.json", &[Act::Nothing]),
    ("/etc/machine-config-daemon/no-reboot/containers-gpg.pub", &[Act::Reload(CRIO)]),
    ("/etc/containers/policy.json", &[Act::Reload(CRIO)]),
    ("/etc/containers/registries.conf", &[Act::Special]),
    ("/etc/containers/registries.d", &[Act::Reload(CRIO)]),
    ("/etc/crio/policies", &[Act::Reload(CRIO)]),
    ("/etc/nmstate/openshift", &[Act::Nothing]),
    (
        "/etc/pki/ca-trust/source/anchors/openshift-config-user-ca-bundle.crt",
        &[Act::Restart(TRUST), Act::Restart(CRIO)],
    ),
    ("/etc/kubernetes/credential-providers", &[Act::Restart(KUBELET)]),
    (
        "/etc/systemd/system/kubelet.service.d/40-kubelet-crio-image-credential-provider.conf",
        &[Act::DaemonReload, Act::Restart(KUBELET)],
    ),
    ("/etc/iri-registry", &[Act::Restart(REGISTRY)]),
    ("/usr/local/bin/load-registry-image.sh", &[Act::Restart(REGISTRY)]),
    ("/etc/pki/ca-trust/source/anchors/iri-root-ca.crt", &[Act::Restart(TRUST)]),
];
const UNITS: [(&str, &[Act]); 1] = [(REGISTRY, &[Act::DaemonReload, Act::Restart(REGISTRY)])];

/// The effective policies.
#[must_use]
pub fn in_force(user: Option<&NodeDisruptionPolicy>) -> NodeDisruptionPolicy {
    let mut files: Vec<FilePolicy> = FILES
        .iter()
        .map(|(path, acts)| FilePolicy { path: (*path).to_owned(), actions: actions(acts), ..FilePolicy::default() })
        .collect();
    for policy in user.and_then(|user| user.files.as_deref()).unwrap_or_default() {
        match files.iter_mut().find(|own| own.path == policy.path) {
            Some(own) => own.clone_from(policy),
            None => files.push(policy.clone()),
        }
    }
    let mut units: Vec<UnitPolicy> = UNITS
        .iter()
        .map(|(name, acts)| UnitPolicy { name: (*name).to_owned(), actions: actions(acts), ..UnitPolicy::default() })
        .collect();
    for policy in user.and_then(|user| user.units.as_deref()).unwrap_or_default() {
        match units.iter_mut().find(|own| own.name == policy.name) {
            Some(own) => own.clone_from(policy),
            None => units.push(policy.clone()),
        }
    }
    let own = || SshKeyPolicy { actions: actions(&[Act::Nothing]), ..SshKeyPolicy::default() };
    let sshkey = user.and_then(|user| user.sshkey.clone()).filter(|policy| !policy.actions.is_empty());
    let sshkey = Some(sshkey.unwrap_or_else(own));
    NodeDisruptionPolicy { files: Some(files), units: Some(units), sshkey, ..NodeDisruptionPolicy::default() }
}

fn actions(acts: &[Act]) -> Vec<PolicyAction> {
    acts.iter().map(|act| action(*act)).collect()
}

fn action(act: Act) -> PolicyAction {
    let of = |type_: &str| PolicyAction { type_: type_.to_owned(), ..PolicyAction::default() };
    let on = |unit: &str| Some(ServiceAction { service_name: unit.to_owned(), ..ServiceAction::default() });
    match act {
        Act::Nothing => of("None"),
        Act::Special => of("Special"),
        Act::DaemonReload => of("DaemonReload"),
        Act::Reload(unit) => PolicyAction { reload: on(unit), ..of("Reload") },
        Act::Restart(unit) => PolicyAction { restart: on(unit), ..of("Restart") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn merged(user: Value) -> Value {
        json!(in_force(Some(&serde_json::from_value(user).unwrap())))
    }

    #[test]
    fn the_users_policies_take_the_place_of_the_operators_or_come_after_them() {
        let own = json!(in_force(None));
        assert_eq!(own["sshkey"], json!({"actions": [{"type": "None"}]}));
        let trust = json!({"actions": [
            {"type": "Restart", "restart": {"serviceName": "coreos-update-ca-trust.service"}},
            {"type": "Restart", "restart": {"serviceName": "crio.service"}},
        ], "path": "/etc/pki/ca-trust/source/anchors/openshift-config-user-ca-bundle.crt"});
        assert_eq!(own["files"][7], trust);
        assert_eq!(merged(json!({})), own);

        let [reboot, nothing] = [json!([{"type": "Reboot"}]), json!([{"type": "None"}])];
        let user = json!({
            "files": [
                {"path": "/etc/mine", "actions": nothing},
                {"path": "/etc/containers/registries.conf", "actions": reboot},
            ],
            "units": [{"name": "iri-registry.service", "actions": reboot}, {"name": "a.service", "actions": nothing}],
            "sshkey": {"actions": []},
        });
        let found = merged(user);
        let files = found["files"].as_array().unwrap();
        assert_eq!(files.len(), own["files"].as_array().unwrap().len() + 1);
        assert_eq!(files[3], json!({"path": "/etc/containers/registries.conf", "actions": reboot}));
        assert_eq!(files.last().unwrap()["path"], "/etc/mine");
        assert_eq!(files[2], own["files"][2]);
        let units = json!([
            {"name": "iri-registry.service", "actions": reboot}, {"name": "a.service", "actions": nothing},
        ]);
        assert_eq!(found["units"], units);
        assert_eq!(found["sshkey"], own["sshkey"], "a policy without an action is none");
        assert_eq!(merged(json!({"sshkey": {"actions": reboot}}))["sshkey"]["actions"], reboot);
    }
}
