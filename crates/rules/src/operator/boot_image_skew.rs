//! How old the boot images count as.
//!
//! R-SKEW-1 As the user says: by the given version, or not at all.
//! R-SKEW-2 If the user does not say: not at all where no machine is ever created from them, that is on bare metal that boots from the
//! release's own images, and with a single node.
//! R-SKEW-3 By the boot image controller's record, where all machine sets follow the release. The record is only started
//! here, with the release the cluster was installed with.
//! R-SKEW-4 Else by the release the cluster was installed with.
//! R-SKEW-5 That is the last completed entry of the history, which is newest first, else its last one.
//!
//! Source: `pkg/operator/sync.go` of github.com/openshift/machine-config-operator.

use weir_api::{
    ClusterVersion, Infrastructure,
    machine_configuration::{AutomaticSkew, BootImageSkewEnforcement, BootImageSkewEnforcementStatus, ManualSkew},
};

const AUTOMATIC: &str = "Automatic";
const MANUAL: &str = "Manual";
const NONE: &str = "None";
const BY_RELEASE: &str = "OCPVersion";
const COMPLETED: &str = "Completed";
/// A version older than every other, for when the cluster does not say.
const UNKNOWN: &str = "0.0.0";

/// The inputs.
#[derive(Clone, Copy, Debug)]
pub struct SkewView<'a> {
    /// The user's choice.
    pub spec: Option<&'a BootImageSkewEnforcement>,
    /// The current status.
    pub live: Option<&'a BootImageSkewEnforcementStatus>,
    /// What the cluster runs on.
    pub infrastructure: &'a Infrastructure,
    /// Whether bare metal boots from images that an administrator provides, rather than from those of the release.
    pub legacy_provisioning: bool,
    /// Whether all machine sets follow the release.
    pub follows_all: bool,
    /// The cluster's past releases.
    pub cluster: Option<&'a ClusterVersion>,
}

/// The wanted status.
#[must_use]
pub fn skew(view: &SkewView<'_>) -> BootImageSkewEnforcementStatus {
    let of = |mode: &str| BootImageSkewEnforcementStatus {
        mode: mode.to_owned(),
        ..BootImageSkewEnforcementStatus::default()
    };
    let topology = view.infrastructure.status.as_ref().and_then(|status| status.control_plane_topology.as_deref());
    let from_release = view.infrastructure.platform() == "BareMetal" && !view.legacy_provisioning;
    match view.spec {
        Some(spec) if spec.mode == MANUAL => {
            return BootImageSkewEnforcementStatus { manual: spec.manual.clone(), ..of(MANUAL) };
        }
        Some(_) => return of(NONE),
        None if from_release || topology == Some("SingleReplica") => return of(NONE),
        None => {}
    }
    let installed = Some(installed(view.cluster));
    if !view.follows_all {
        let manual = ManualSkew { mode: BY_RELEASE.to_owned(), release_version: installed, ..ManualSkew::default() };
        return BootImageSkewEnforcementStatus { manual: Some(manual), ..of(MANUAL) };
    }
    match view.live.filter(|live| live.mode == AUTOMATIC && live.automatic.is_some()) {
        Some(noted) => noted.clone(),
        None => {
            let automatic = AutomaticSkew { release_version: installed, ..AutomaticSkew::default() };
            BootImageSkewEnforcementStatus { automatic: Some(automatic), ..of(AUTOMATIC) }
        }
    }
}

/// R-SKEW-5, as major, minor and patch.
fn installed(cluster: Option<&ClusterVersion>) -> String {
    let history = cluster.and_then(|cluster| cluster.status.as_ref()).map(|status| status.history.as_slice());
    let history = history.unwrap_or_default();
    let first = history.iter().rfind(|update| update.state == COMPLETED).or(history.last());
    first.and_then(|update| three_numbers(&update.version)).unwrap_or_else(|| UNKNOWN.to_owned())
}

fn three_numbers(version: &str) -> Option<String> {
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    let numbers: Vec<u32> = version[..end].split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let &[major, minor, patch] = &numbers[..] else { return None };
    Some(format!("{major}.{minor}.{patch}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn history(updates: &[(&str, &str)]) -> ClusterVersion {
        let each = updates.iter().map(|(version, state)| json!({"version": version, "state": state}));
        of(json!({"status": {"desired": {}, "history": each.collect::<Vec<_>>()}}))
    }

    #[test]
    fn by_whom_and_with_which_version() {
        let cluster = history(&[("5.0.1", "Partial"), ("5.0.0", "Completed"), ("4.14.3-rc.1", "Completed")]);
        let manual = json!({"mode": "Manual", "manual": {"mode": "OCPVersion", "ocpVersion": "4.14.3"}});
        let begun = json!({"mode": "Automatic", "automatic": {"ocpVersion": "4.14.3"}});
        let noted =
            json!({"mode": "Automatic", "automatic": {"ocpVersion": "5.0.0", "rhcosVersion": "9.6.20251015-1"}});
        let none = json!({"mode": "None"});
        let users = json!({"mode": "Manual", "manual": {"mode": "RHCOSVersion", "rhcosVersion": "9.2.20231023-0"}});
        let (aws, metal) = (json!({"type": "AWS"}), json!({"type": "BareMetal"}));
        let nothing = Value::Null;
        let table = [
            (&nothing, &nothing, &aws, "HighlyAvailable", true, &begun),
            (&nothing, &manual, &aws, "HighlyAvailable", true, &begun),
            (&nothing, &noted, &aws, "HighlyAvailable", true, &noted),
            (&nothing, &noted, &aws, "HighlyAvailable", false, &manual),
            (&nothing, &noted, &aws, "SingleReplica", true, &none),
            (&nothing, &nothing, &metal, "HighlyAvailable", false, &none),
            (&users, &noted, &metal, "SingleReplica", true, &users),
            (&none, &noted, &aws, "HighlyAvailable", true, &none),
        ];
        for (spec, live, platform, topology, follows_all, expected) in table {
            let status = json!({"platformStatus": platform, "controlPlaneTopology": topology});
            let infrastructure = of(json!({ "status": status }));
            let (spec, live): (Option<BootImageSkewEnforcement>, Option<BootImageSkewEnforcementStatus>) =
                (of(spec.clone()), of(live.clone()));
            let view = SkewView {
                spec: spec.as_ref(),
                live: live.as_ref(),
                infrastructure: &infrastructure,
                legacy_provisioning: false,
                follows_all,
                cluster: Some(&cluster),
            };
            assert_eq!(json!(skew(&view)), *expected);
        }
        let infrastructure = of(json!({"status": {"platformStatus": metal}}));
        let view = SkewView {
            spec: None,
            live: None,
            infrastructure: &infrastructure,
            legacy_provisioning: true,
            follows_all: false,
            cluster: Some(&cluster),
        };
        assert_eq!(json!(skew(&view)), manual, "bare metal with images of its own");
    }

    #[test]
    fn the_release_of_the_installation() {
        for (updates, version) in [
            (&[("5.0.1", "Completed"), ("4.14.0", "Completed"), ("4.13.0", "Partial")][..], "4.14.0"),
            (&[("5.0.1", "Partial"), ("4.13.9", "Partial")], "4.13.9"),
            (&[("odd", "Completed")], "0.0.0"),
            (&[], "0.0.0"),
        ] {
            assert_eq!(installed(Some(&history(updates))), version);
        }
        assert_eq!(installed(None), "0.0.0");
    }
}
