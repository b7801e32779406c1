//! Which configuration changes a running machine can apply.
//!
//! R-RECONCILE-1 Groups, and users other than `core`, cannot change; `core` can get other SSH keys and another
//! password, and nothing else. Removed users stay on the machine.
//! R-RECONCILE-2 Ignition's own kernel arguments, disks, file systems, RAID arrays and directories cannot change; links
//! cannot change but can be removed. For disks, file systems and RAID arrays this can be overridden: only machines installed
//! from now on will have them.
//! R-RECONCILE-3 Files cannot append to others, nor can one be the file that forces an update.
//! R-RECONCILE-4 FIPS mode cannot change.
//! R-RECONCILE-5 The message names the first MachineConfig that fails alone for the same reason.
//!
//! Source: `pkg/controller/common/reconcile.go` of github.com/openshift/machine-config-operator. One of the reference's
//! messages swaps the names of old and new; that is kept.

use crate::render::name_of;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use weir_api::{MachineConfig, MachineConfiguration};
use weir_ignition::{Config, InvalidError, ParseError, ReadError};

/// A file whose presence makes the daemon skip its checks; it cannot come from a configuration.
///
/// Source: `MachineConfigDaemonForceFile` in `pkg/daemon/constants` of github.com/openshift/machine-config-operator.
const FORCE_FILE: &str = "/run/machine-config-daemon-force";
/// The only user that a configuration may change.
const USER: &str = "core";

/// A section of the configuration that may change nevertheless.
///
/// Source: `IrreconcilableValidationOverrides` in `operator/v1/types_machineconfiguration.go` of
/// github.com/openshift/api.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Override {
    /// `storage.disks`.
    Disks,
    /// `storage.filesystems`.
    FileSystems,
    /// `storage.raid`.
    Raid,
}

impl Override {
    /// The override of this name in a MachineConfiguration; `None` when unknown.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "Disks" => Some(Self::Disks),
            "FileSystems" => Some(Self::FileSystems),
            "Raid" => Some(Self::Raid),
            _ => None,
        }
    }
}

/// The overrides of a MachineConfiguration. Unknown names override nothing.
#[must_use]
pub fn overrides(configuration: Option<&MachineConfiguration>) -> BTreeSet<Override> {
    let set = configuration.and_then(|object| object.spec.irreconcilable_validation_overrides.as_ref());
    let storage = set.and_then(|set| set.storage.as_ref());
    storage.into_iter().flatten().filter_map(|name| Override::by_name(name)).collect()
}

/// Why a configuration cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Irreconcilable {
    /// One MachineConfig is the cause.
    #[error("reconciliation failed between current config {current:?} and base config {config:?}: {reason}")]
    Config {
        /// The rendered MachineConfig that the pool has.
        current: String,
        /// The MachineConfig that causes it.
        config: String,
        /// What cannot change.
        reason: String,
    },
    /// No single MachineConfig is the cause.
    #[error("render reconciliation error: {full}; component errors: {}", components.as_deref().unwrap_or("<nil>"))]
    Rendered {
        /// What is wrong with the result.
        full: String,
        /// The first error of a single MachineConfig, if any.
        components: Option<String>,
    },
}

/// Why a machine cannot move from one configuration to another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReconcileError {
    /// The old configuration cannot be read.
    #[error("parsing old Ignition config from machineconfig {config:?} failed: {error}")]
    Old {
        /// The MachineConfig.
        config: String,
        /// What is wrong with it.
        error: ReadError,
    },
    /// The new configuration cannot be read.
    #[error("parsing new Ignition config from machineconfig {config:?} failed: {error}")]
    New {
        /// The MachineConfig.
        config: String,
        /// What is wrong with it.
        error: ReadError,
    },
    /// The new configuration is invalid.
    #[error("validating new Ignition config from machineconfig {config:?} failed: {error}")]
    Invalid {
        /// The MachineConfig.
        config: String,
        /// What is wrong with it.
        error: InvalidError,
    },
    /// Something differs that must not.
    #[error("new machineconfig {old:?} is not reconcilable against {new:?}: {reason}")]
    Change {
        /// The old MachineConfig.
        old: String,
        /// The new MachineConfig.
        new: String,
        /// What cannot change.
        reason: Reason,
    },
}

/// What cannot change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say it")]
pub enum Reason {
    #[error("invalid passwd change(s): ignition Passwd Groups section contains changes")]
    Groups,
    #[error("invalid passwd change(s): ignition passwd user section contains unsupported changes: non-core user")]
    OtherUser,
    #[error(
        "invalid passwd change(s): ignition passwd user section contains unsupported changes: user must be core and \
         have 1 or more sshKeys"
    )]
    NoWayIn,
    #[error("invalid passwd change(s): SSH keys and password hash are not reconcilable")]
    UserFields,
    #[error("ignition {0} section contains changes")]
    Section(&'static str),
    #[error("ignition file {0} includes append")]
    Append(String),
    #[error("cannot create {FORCE_FILE} via Ignition")]
    ForceFile,
    #[error("detected change to FIPS flag; refusing to modify FIPS on a running cluster")]
    Fips,
}

/// Whether a machine that runs `old` can move to `new`.
///
/// # Errors
/// When it cannot, or one of the two cannot be read.
pub fn reconcilable(
    old: &MachineConfig,
    new: &MachineConfig,
    overrides: &BTreeSet<Override>,
) -> Result<(), ReconcileError> {
    let owned = |config: &MachineConfig| name_of(&config.metadata).to_owned();
    let before = read(old).map_err(|error| ReconcileError::Old { config: owned(old), error })?;
    let after = read(new).map_err(|error| ReconcileError::New { config: owned(new), error })?;
    after.validate().map_err(|error| ReconcileError::Invalid { config: owned(new), error })?;
    let fips = |config: &MachineConfig| config.spec.fips.unwrap_or_default();
    let reason = changed(&before, &after, overrides).or((fips(old) != fips(new)).then_some(Reason::Fips));
    match reason {
        None => Ok(()),
        Some(reason) => Err(ReconcileError::Change { old: owned(old), new: owned(new), reason }),
    }
}

fn read(config: &MachineConfig) -> Result<Config, ReadError> {
    match config.spec.config.as_ref().filter(|c| !c.is_null()) {
        Some(raw) => Config::read(raw),
        None => Err(ReadError::Parse(ParseError::Empty)),
    }
}

/// Checks the result of rendering and finds the cause (R-RECONCILE-5).
pub(crate) fn with_blame(
    current: &MachineConfig,
    rendered: &MachineConfig,
    configs: &[&MachineConfig],
    overrides: &BTreeSet<Override>,
) -> Result<(), Irreconcilable> {
    let Err(full) = reconcilable(current, rendered, overrides) else { return Ok(()) };
    let full = full.to_string();
    let alone: Vec<Option<String>> =
        configs.iter().map(|c| reconcilable(current, c, overrides).err().map(|e| e.to_string())).collect();
    for (config, error) in configs.iter().zip(&alone) {
        let reason = error.as_deref().map(|e| e.split_once(": ").map_or(e, |(_, reason)| reason));
        if let Some(reason) = reason.filter(|reason| full.contains(reason)) {
            return Err(Irreconcilable::Config {
                current: name_of(&current.metadata).to_owned(),
                config: name_of(&config.metadata).to_owned(),
                reason: reason.to_owned(),
            });
        }
    }
    Err(Irreconcilable::Rendered { full, components: alone.into_iter().flatten().next() })
}

fn changed(old: &Config, new: &Config, overrides: &BTreeSet<Override>) -> Option<Reason> {
    let differs = |section: &str, list: &str| list_of(old, section, list) != list_of(new, section, list);
    if differs("passwd", "groups") {
        return Some(Reason::Groups);
    }
    if differs("passwd", "users")
        && let Some(reason) = users(new)
    {
        return Some(reason);
    }
    if old.section("kernelArguments") != new.section("kernelArguments") {
        return Some(Reason::Section("kargs"));
    }
    for (list, allowed) in [
        ("disks", Some(Override::Disks)),
        ("filesystems", Some(Override::FileSystems)),
        ("raid", Some(Override::Raid)),
        ("directories", None),
    ] {
        if !allowed.is_some_and(|allowed| overrides.contains(&allowed)) && differs("storage", list) {
            return Some(Reason::Section(list));
        }
    }
    if differs("storage", "links") && new.list("storage", "links").next().is_some() {
        return Some(Reason::Section("links"));
    }
    new.files().find_map(|file| match file.get("path").and_then(Value::as_str).unwrap_or_default() {
        path if file.get("append").and_then(Value::as_array).is_some_and(|a| !a.is_empty()) => {
            Some(Reason::Append(path.to_owned()))
        }
        FORCE_FILE => Some(Reason::ForceFile),
        _ => None,
    })
}

fn list_of<'c>(config: &'c Config, section: &str, list: &str) -> Option<&'c Value> {
    config.section(section)?.get(list)
}

/// What is wrong with the new users, which differ from the old ones (R-RECONCILE-1).
fn users(new: &Config) -> Option<Reason> {
    let users: Vec<&Map<String, Value>> = new.list("passwd", "users").collect();
    let last = users.last()?;
    if users.iter().any(|user| user.get("name").and_then(Value::as_str) != Some(USER)) {
        return Some(Reason::OtherUser);
    }
    let keys = last.get("sshAuthorizedKeys").and_then(Value::as_array).is_some_and(|keys| !keys.is_empty());
    if !keys && !last.contains_key("passwordHash") {
        return Some(Reason::NoWayIn);
    }
    let other = last.keys().any(|field| !matches!(field.as_str(), "name" | "sshAuthorizedKeys" | "passwordHash"));
    other.then_some(Reason::UserFields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{RenderError, RenderInput, render};
    use serde_json::json;
    use weir_api::{ControllerConfig, MachineConfigPool};

    fn config(name: &str, sections: Value, fips: bool) -> MachineConfig {
        let mut ignition = sections;
        ignition["ignition"] = json!({ "version": "3.5.0" });
        let object =
            json!({ "metadata": { "name": name, "labels": {} }, "spec": { "config": ignition, "fips": fips } });
        serde_json::from_value(object).unwrap()
    }

    fn change(old: Value, new: Value) -> Option<String> {
        let error = reconcilable(&config("old", old, false), &config("new", new, false), &BTreeSet::new()).err()?;
        let text = error.to_string();
        let reason = text.strip_prefix("new machineconfig \"old\" is not reconcilable against \"new\": ");
        Some(reason.unwrap_or(&text).to_owned())
    }

    fn core(fields: Value) -> Value {
        let mut user = fields;
        user["name"] = json!("core");
        json!({ "passwd": { "users": [user] } })
    }

    #[test]
    fn what_can_change() {
        let unit = json!({ "systemd": { "units": [{ "name": "a.service", "contents": "[A]" }] } });
        let file = json!({ "storage": { "files": [{ "path": "/a", "contents": { "source": "data:,1" } }] } });
        let link = json!({ "storage": { "links": [{ "path": "/l", "target": "/t" }] } });
        for (old, new) in [
            (core(json!({ "sshAuthorizedKeys": ["a"] })), core(json!({ "sshAuthorizedKeys": ["b", "c"] }))),
            (core(json!({ "sshAuthorizedKeys": ["a"] })), core(json!({ "passwordHash": "h" }))),
            (core(json!({ "shell": "/x" })), json!({})),
            (core(json!({ "shell": "/x" })), core(json!({ "shell": "/x" }))),
            (link, json!({})),
            (unit, file),
        ] {
            assert_eq!(change(old.clone(), new.clone()), None, "{old} {new}");
        }
    }

    #[test]
    fn what_cannot_change() {
        let storage = |list: &str, entry: Value| json!({ "storage": { list: [entry] } });
        let disk = storage("disks", json!({ "device": "/dev/a" }));
        for (new, reason) in [
            (
                json!({ "passwd": { "groups": [{ "name": "g" }] } }),
                "invalid passwd change(s): ignition Passwd Groups section contains changes",
            ),
            (
                json!({ "passwd": { "users": [{ "name": "x" }] } }),
                "invalid passwd change(s): ignition passwd user section contains unsupported changes: non-core user",
            ),
            (
                core(json!({})),
                "invalid passwd change(s): ignition passwd user section contains unsupported changes: user must be core and \
                 have 1 or more sshKeys",
            ),
            (
                core(json!({ "sshAuthorizedKeys": ["a"], "uid": 0 })),
                "invalid passwd change(s): SSH keys and password hash are not reconcilable",
            ),
            (json!({ "kernelArguments": { "shouldExist": ["a"] } }), "ignition kargs section contains changes"),
            (disk.clone(), "ignition disks section contains changes"),
            (
                storage("filesystems", json!({ "device": "/dev/a", "format": "xfs" })),
                "ignition filesystems section contains changes",
            ),
            (
                storage("raid", json!({ "name": "r", "level": "1", "devices": ["/d"] })),
                "ignition raid section contains changes",
            ),
            (storage("directories", json!({ "path": "/d" })), "ignition directories section contains changes"),
            (storage("links", json!({ "path": "/l", "target": "/t" })), "ignition links section contains changes"),
            (
                storage("files", json!({ "path": "/a", "append": [{ "source": "data:,1" }] })),
                "ignition file /a includes append",
            ),
            (
                storage("files", json!({ "path": FORCE_FILE, "contents": { "source": "data:," } })),
                "cannot create /run/machine-config-daemon-force via Ignition",
            ),
        ] {
            assert_eq!(change(json!({}), new).as_deref(), Some(reason));
        }
        let (old, new) = (config("old", json!({}), false), config("new", json!({}), true));
        let error = reconcilable(&old, &new, &BTreeSet::new()).unwrap_err().to_string();
        assert!(
            error.ends_with(": detected change to FIPS flag; refusing to modify FIPS on a running cluster"),
            "{error}"
        );
        let with_disk = config("new", disk, false);
        assert_eq!(reconcilable(&old, &with_disk, &[Override::Disks].into()), Ok(()));
        assert!(reconcilable(&old, &with_disk, &[Override::Raid].into()).is_err());
        let mut none = old.clone();
        none.spec.config = None;
        assert_eq!(
            reconcilable(&old, &none, &BTreeSet::new()).unwrap_err().to_string(),
            "parsing new Ignition config from machineconfig \"old\" failed: failed to parse Ignition config: parsing \
             Ignition config spec v3 failed with error: not a config (empty)\nReport: "
        );
    }

    #[test]
    fn who_is_the_cause() {
        let pool: MachineConfigPool = serde_json::from_value(json!({ "metadata": { "name": "p" } })).unwrap();
        let controller = ControllerConfig::default();
        let base = config("00-base", json!({}), false);
        let disk = config("50-disk", json!({ "storage": { "disks": [{ "device": "/dev/a" }] } }), false);
        let mut fips = config("60-fips", json!({}), true);
        fips.spec.config = None;
        let of = |configs: &[&MachineConfig], current| {
            render(&RenderInput { current, ..RenderInput::new(&pool, configs, &controller) })
        };
        let current = of(&[&base], None).unwrap().config;
        let name = current.metadata.name.clone().unwrap();
        assert_eq!(of(&[&base], Some(&current)).unwrap().config, current);
        let cause = |configs: &[&MachineConfig]| match of(configs, Some(&current)) {
            Err(RenderError::Irreconcilable(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            cause(&[&disk, &base]),
            format!(
                "reconciliation failed between current config {name:?} and base config \"50-disk\": ignition disks section \
                 contains changes"
            )
        );
        let error = cause(&[&base, &fips]);
        assert!(
            error.starts_with("render reconciliation error: new machineconfig ") && error.contains("FIPS"),
            "{error}"
        );
        assert!(
            error.contains("; component errors: parsing new Ignition config from machineconfig \"60-fips\" failed"),
            "{error}"
        );
    }
}
