//! Which machine sets' boot images follow the release.
//!
//! R-BOOT-1 Platforms differ: whose machine sets can follow, and whether they do so by default.
//! R-BOOT-2 An empty list in the spec opts out of everything, and is copied to the status.
//! R-BOOT-3 Otherwise machine sets follow as the user says; by default all of them where the platform does so by
//! default, else none. When that begins it is recorded, because nobody asked for it.
//! R-BOOT-4 Control plane machine sets follow as the user says, by default none, where gate and platform support them.
//! R-BOOT-5 Other managers in the status stay.
//!
//! Source: `syncMachineConfiguration` in `pkg/operator/sync.go` and `pkg/apihelpers/apihelpers.go` of
//! github.com/openshift/machine-config-operator.

use weir_api::{
    Infrastructure,
    machine_configuration::{MachineManager, MachineManagerSelector, ManagedBootImages},
};

/// Plural of machine sets.
pub const MACHINE_SETS: &str = "machinesets";
const CONTROL_PLANE: &str = "controlplanemachinesets";
const GROUP: &str = "machine.openshift.io";
/// Mode of a manager whose machine sets all follow.
pub const ALL: &str = "All";
const NONE: &str = "None";
/// A cloud of this name runs in a private data centre and has no images of releases.
const STACK: &str = "AzureStackCloud";

/// What a platform supports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Support {
    /// Machine sets can be followed.
    pub machine_sets: bool,
    /// Control plane machine sets can.
    pub control_plane: bool,
    /// They follow by default.
    pub by_default: bool,
}

/// What the cluster's platform supports (R-BOOT-1).
#[must_use]
pub fn support(infrastructure: &Infrastructure) -> Support {
    let cloud = || {
        let platform = infrastructure.status.as_ref()?.platform_status.as_ref()?;
        platform.other.get("azure")?.get("cloudName")?.as_str()
    };
    let all = Support { machine_sets: true, control_plane: true, by_default: true };
    match infrastructure.platform() {
        "AWS" | "GCP" => all,
        "VSphere" => Support { control_plane: false, ..all },
        "Azure" if cloud() != Some(STACK) => all,
        _ => Support::default(),
    }
}

/// The wanted status.
#[derive(Clone, Debug, PartialEq)]
pub struct Managed {
    /// The status.
    pub status: ManagedBootImages,
    /// Machine sets begin to follow although nobody asked for it.
    pub opted_in: bool,
}

/// The wanted status; `None` where the platform does not support it, and then the status stays.
#[must_use]
pub fn managed(
    spec: Option<&ManagedBootImages>,
    live: Option<&ManagedBootImages>,
    support: Support,
    control_plane_gate: bool,
) -> Option<Managed> {
    if !support.machine_sets {
        return None;
    }
    let asked = spec.and_then(|spec| spec.machine_managers.as_ref());
    if let (Some(spec), true) = (spec, asked.is_some_and(Vec::is_empty)) {
        return Some(Managed { status: spec.clone(), opted_in: false });
    }
    let held = live.and_then(|live| live.machine_managers.as_ref());
    let of = |list: Option<&Vec<MachineManager>>, resource: &str| {
        list.into_iter().flatten().find(|m| m.resource == resource && m.api_group == GROUP).cloned()
    };
    let user = of(asked, MACHINE_SETS);
    let was_off = held.is_none() || of(held, MACHINE_SETS).is_some_and(|manager| manager.selection.mode == NONE);
    let opted_in = user.is_none() && support.by_default && was_off;
    let silent = if support.by_default { ALL } else { NONE };
    let mut managers = vec![user.unwrap_or_else(|| manager(MACHINE_SETS, silent))];
    if control_plane_gate && support.control_plane {
        managers.push(of(asked, CONTROL_PLANE).unwrap_or_else(|| manager(CONTROL_PLANE, NONE)));
    }
    let mut status = live.cloned().unwrap_or_default();
    let list = status.machine_managers.get_or_insert_default();
    for new in managers {
        match list.iter_mut().find(|old| old.resource == new.resource && old.api_group == new.api_group) {
            Some(old) => *old = new,
            None => list.push(new),
        }
    }
    Some(Managed { status, opted_in })
}

/// Whether all machine sets follow.
#[must_use]
pub fn follows_all(status: &ManagedBootImages) -> bool {
    let mut managers = status.machine_managers.iter().flatten();
    managers.any(|m| m.resource == MACHINE_SETS && m.api_group == GROUP && m.selection.mode == ALL)
}

fn manager(resource: &str, mode: &str) -> MachineManager {
    let selection = MachineManagerSelector { mode: mode.to_owned(), ..MachineManagerSelector::default() };
    MachineManager {
        resource: resource.to_owned(),
        api_group: GROUP.to_owned(),
        selection,
        ..MachineManager::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn on(platform: Value) -> Support {
        let object = json!({"status": {"platformStatus": platform}});
        support(&serde_json::from_value(object).unwrap())
    }

    fn list(managers: &[(&str, &str)]) -> Value {
        let each = managers.iter().map(|(resource, mode)| {
            json!({"resource": resource, "apiGroup": "machine.openshift.io", "selection": {"mode": mode}})
        });
        json!({"machineManagers": each.collect::<Vec<_>>()})
    }

    #[test]
    fn platforms() {
        let (yes, no) = (true, false);
        for (platform, sets, control_plane, by_default) in [
            (json!({"type": "AWS"}), yes, yes, yes),
            (json!({"type": "GCP"}), yes, yes, yes),
            (json!({"type": "VSphere"}), yes, no, yes),
            (json!({"type": "Azure", "azure": {"cloudName": "AzurePublicCloud"}}), yes, yes, yes),
            (json!({"type": "Azure", "azure": {"cloudName": "AzureStackCloud"}}), no, no, no),
            (json!({"type": "BareMetal"}), no, no, no),
            (json!({"type": "None"}), no, no, no),
        ] {
            assert_eq!(on(platform), Support { machine_sets: sets, control_plane, by_default });
        }
    }

    #[test]
    fn who_follows_and_whether_it_began_by_itself() {
        let (sets, planes) = ("machinesets", "controlplanemachinesets");
        let (aws, vsphere) = (on(json!({"type": "AWS"})), on(json!({"type": "VSphere"})));
        let nothing = Value::Null;
        let table = [
            // No explicit setting.
            (&nothing, &nothing, aws, false, list(&[(sets, "All")]), true),
            (&nothing, &list(&[(sets, "None")]), aws, false, list(&[(sets, "All")]), true),
            (&nothing, &list(&[(sets, "All")]), aws, false, list(&[(sets, "All")]), false),
            (&nothing, &list(&[]), aws, false, list(&[(sets, "All")]), false),
            // The user's setting.
            (&list(&[]), &list(&[(sets, "All")]), aws, true, list(&[]), false),
            (&list(&[(sets, "None")]), &nothing, aws, false, list(&[(sets, "None")]), false),
            (&list(&[(planes, "All")]), &nothing, aws, true, list(&[(sets, "All"), (planes, "All")]), true),
            (&nothing, &nothing, aws, true, list(&[(sets, "All"), (planes, "None")]), true),
            (&nothing, &nothing, vsphere, true, list(&[(sets, "All")]), true),
            // Others' entries in the status keep their positions.
            (
                &list(&[(sets, "None")]),
                &list(&[("others", "All"), (sets, "All")]),
                aws,
                false,
                list(&[("others", "All"), (sets, "None")]),
                false,
            ),
        ];
        for (spec, live, support, gate, status, opted_in) in table {
            let of = |value: &Value| serde_json::from_value::<Option<ManagedBootImages>>(value.clone()).unwrap();
            let found = managed(of(spec).as_ref(), of(live).as_ref(), support, gate).unwrap();
            assert_eq!((json!(found.status), found.opted_in), (status, opted_in), "{spec} {live}");
        }
        assert_eq!(managed(None, None, Support::default(), true), None);
    }
}
