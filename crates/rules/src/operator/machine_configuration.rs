//! What the operator writes to the MachineConfiguration.
//!
//! R-CONFIGURATION-1 A missing one is created, managed and otherwise empty.
//! R-CONFIGURATION-2 Its status says which policies are in force (R-DISRUPTION), whose boot images follow the release
//! (R-BOOT) and, while its gate is on, how old they count as (R-SKEW). Nothing else of the status is written, so
//! that the boot image controller's conditions are never lost.
//! R-CONFIGURATION-3 When boot images begin to follow by default, the time is recorded on the object, before the status.
//! R-CONFIGURATION-4 A failure to update boot images is also the operator's failure.
//!
//! Source: `syncMachineConfiguration` in `pkg/operator/sync.go` of github.com/openshift/machine-config-operator, which
//! writes the status as a whole.

use crate::{
    objects::edit::{edit, means_same},
    operator::{
        boot_image_skew::{SkewView, skew},
        boot_images::{Managed, follows_all, managed, support},
    },
    render::node_disruption::in_force,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use weir_api::{
    ClusterVersion, Infrastructure, MachineConfiguration,
    condition::find_true,
    keys::{boot_image::OPTED_IN_AT, machine_configuration::BOOT_IMAGE_UPDATE_DEGRADED, names::CLUSTER},
    machine_configuration::MachineConfigurationSpec,
};

/// The inputs.
#[derive(Clone, Copy, Debug)]
pub struct ConfigurationView<'a> {
    /// The object.
    pub object: &'a MachineConfiguration,
    /// What the cluster runs on.
    pub infrastructure: &'a Infrastructure,
    /// The cluster's past releases.
    pub cluster: Option<&'a ClusterVersion>,
    /// Whether control plane machine sets can follow.
    pub control_plane_gate: bool,
    /// Whether the age of boot images is evaluated.
    pub skew_gate: bool,
    /// Whether bare metal boots from images that an administrator provides.
    pub legacy_provisioning: bool,
}

/// The object to create when there is none.
#[must_use]
pub fn initial() -> MachineConfiguration {
    let spec = MachineConfigurationSpec {
        management_state: Some("Managed".to_owned()),
        ..MachineConfigurationSpec::default()
    };
    MachineConfiguration::named(CLUSTER, spec)
}

/// The change to the object's annotations, as a merge patch; `None` when there is none (R-CONFIGURATION-3).
#[must_use]
pub fn note(view: &ConfigurationView<'_>, now: Timestamp) -> Option<Value> {
    let opted_in = of_boot_images(view).is_some_and(|managed| managed.opted_in);
    let time = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    opted_in.then(|| json!({"metadata": {"annotations": {OPTED_IN_AT: time}}}))
}

/// The change to the status, as a JSON patch; `None` when there is none.
#[must_use]
pub fn status(view: &ConfigurationView<'_>) -> Option<Value> {
    let object = view.object;
    let live = object.status.clone().unwrap_or_default();
    let mut wanted = live.clone();
    wanted.observed_generation = object.metadata.generation;
    let policies = wanted.node_disruption_policy_status.get_or_insert_default();
    policies.cluster_policies = Some(in_force(object.spec.node_disruption_policy.as_ref()));
    if let Some(managed) = of_boot_images(view) {
        wanted.managed_boot_images_status = Some(managed.status);
    }
    if view.skew_gate {
        let images = wanted.managed_boot_images_status.as_ref();
        wanted.boot_image_skew_enforcement_status = Some(skew(&SkewView {
            spec: object.spec.boot_image_skew_enforcement.as_ref(),
            live: live.boot_image_skew_enforcement_status.as_ref(),
            infrastructure: view.infrastructure,
            legacy_provisioning: view.legacy_provisioning,
            follows_all: support(view.infrastructure).machine_sets && images.is_some_and(follows_all),
            cluster: view.cluster,
        }));
    }
    let [old, new] = [&live, &wanted].map(|status| serde_json::to_value(status).unwrap_or_default());
    let changed = |field: &str| !means_same(&old[field], &new[field]);
    let changed: Vec<&str> = FIELDS.into_iter().filter(|field| changed(field)).collect();
    let set = match (changed.is_empty(), &object.status) {
        (true, _) => Vec::new(),
        (false, None) => vec![("/status".to_owned(), new)],
        (false, Some(_)) => changed.iter().map(|field| (format!("/status/{field}"), new[*field].clone())).collect(),
    };
    edit(&object.metadata, set)
}

/// Fields of the status that the operator owns.
const FIELDS: [&str; 4] =
    ["observedGeneration", "nodeDisruptionPolicyStatus", "managedBootImagesStatus", "bootImageSkewEnforcementStatus"];

fn of_boot_images(view: &ConfigurationView<'_>) -> Option<Managed> {
    let live = view.object.status.as_ref().and_then(|status| status.managed_boot_images_status.as_ref());
    let spec = view.object.spec.managed_boot_images.as_ref();
    managed(spec, live, support(view.infrastructure), view.control_plane_gate)
}

/// Why boot images could not be updated, if so (R-CONFIGURATION-4).
#[must_use]
pub fn failure(object: &MachineConfiguration) -> Option<String> {
    let conditions = object.status.as_ref()?.conditions.as_deref()?;
    let degraded = find_true(conditions, BOOT_IMAGE_UPDATE_DEGRADED)?;
    Some(format!("bootimage update failed: {}", degraded.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<T: serde::de::DeserializeOwned>(value: &Value) -> T {
        serde_json::from_value(value.clone()).unwrap()
    }

    fn aws() -> Infrastructure {
        of(&json!({"status": {"platformStatus": {"type": "AWS"}}}))
    }

    fn view<'a>(object: &'a MachineConfiguration, infrastructure: &'a Infrastructure) -> ConfigurationView<'a> {
        ConfigurationView {
            object,
            infrastructure,
            cluster: None,
            control_plane_gate: false,
            skew_gate: true,
            legacy_provisioning: false,
        }
    }

    fn paths(patch: &Value) -> Vec<&str> {
        patch.as_array().unwrap().iter().map(|op| op["path"].as_str().unwrap()).collect()
    }

    #[test]
    fn the_status_is_written_once_and_only_what_is_ours() {
        let platform = aws();
        let mut object = initial();
        object.metadata.resource_version = Some("5".to_owned());
        object.metadata.generation = Some(1);
        assert_eq!(object.spec.management_state.as_deref(), Some("Managed"));
        let patch = status(&view(&object, &platform)).unwrap();
        assert_eq!(paths(&patch), ["/metadata/resourceVersion", "/status"]);
        let written = &patch[1]["value"];
        assert_eq!(written["observedGeneration"], 1);
        assert_eq!(written["managedBootImagesStatus"]["machineManagers"][0]["selection"]["mode"], "All");
        let begun = json!({"mode": "Automatic", "automatic": {"ocpVersion": "0.0.0"}});
        assert_eq!(written["bootImageSkewEnforcementStatus"], begun);
        let at = "2026-01-02T03:04:05.6Z".parse().unwrap();
        let note = note(&view(&object, &platform), at).unwrap();
        assert_eq!(note["metadata"]["annotations"][OPTED_IN_AT], "2026-01-02T03:04:05Z");

        // Once it is written nothing remains to be done, and other fields are not touched.
        object.status = Some(of(written));
        let condition = json!({"type": "BootImageUpdateDegraded", "status": "True", "reason": "x", "message": "no disk",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        object.status.as_mut().unwrap().conditions = Some(of(&json!([condition])));
        assert_eq!(status(&view(&object, &platform)), None);
        assert_eq!(super::note(&view(&object, &platform), at), None);
        assert_eq!(failure(&object).as_deref(), Some("bootimage update failed: no disk"));
        object.spec.managed_boot_images = Some(of(&json!({"machineManagers": []})));
        object.metadata.generation = Some(2);
        let patch = status(&view(&object, &platform)).unwrap();
        assert_eq!(
            paths(&patch)[1..],
            ["/status/observedGeneration", "/status/managedBootImagesStatus", "/status/bootImageSkewEnforcementStatus",]
        );
        assert_eq!(patch[3]["value"]["mode"], "Manual");
    }

    #[test]
    fn gate_and_platform() {
        let (object, bare) = (initial(), of(&json!({"status": {"platformStatus": {"type": "None"}}})));
        let patch = status(&ConfigurationView { skew_gate: false, ..view(&object, &bare) }).unwrap();
        let written = &patch[1]["value"];
        assert!(written["managedBootImagesStatus"].is_null() && written["bootImageSkewEnforcementStatus"].is_null());
        assert!(written["nodeDisruptionPolicyStatus"]["clusterPolicies"]["files"].is_array());
        assert_eq!(note(&view(&object, &bare), Timestamp::UNIX_EPOCH), None);
        assert_eq!(failure(&object), None);
    }
}
