//! Files and units of a rendered MachineConfig as they are on disk, for images whose base has no program that writes them.
//!
//! R-ROOT-1 Files, folders and links of `storage` are where they say, with mode and owner; a file without a mode has 0644, a
//! folder 0755.
//! R-ROOT-2 A unit's contents are in `/etc/systemd/system`, its drop-ins in a folder `NAME.d` beside it. A masked unit is a link to
//! `/dev/null`; whether a unit is enabled is written to a preset, as Ignition does.
//! R-ROOT-3 The whole MachineConfig is in `/etc/machine-config-daemon/currentconfig`, by which the daemon knows what the image
//! holds; of its metadata only name, labels and annotations, so that the same configuration makes the same image.
//! R-ROOT-4 Users and their keys are not in the image: the daemon keeps them.
//! R-ROOT-5 What is fetched from elsewhere, or added to a file of the base, is refused.
//!
//! Source: the specification of Ignition 3.5, <https://coreos.github.io/ignition/configuration-v3_5/>, and its
//! `internal/exec/stages/files`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use weir_api::MachineConfig;
use weir_ignition::{Config, contents};

/// Where the daemon looks for what the image holds; only what a machine runs as a whole is there (R-ROOT-3).
pub const CURRENT: &str = "/etc/machine-config-daemon/currentconfig";
const UNITS: &str = "/etc/systemd/system";
const PRESET: &str = "/etc/systemd/system-preset/20-ignition.preset";
/// A masked unit is a link to it.
const NOWHERE: &str = "/dev/null";
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;
const LINK_MODE: u32 = 0o777;
/// Only the daemon reads it.
const CURRENT_MODE: u32 = 0o600;
/// The user of every node that is no system user, with its group.
const CORE: (&str, u64) = ("core", 1000);
/// Limit of the bytes of all files: far above what a MachineConfig holds.
const MOST: usize = 256 << 20;

/// A path of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From the root.
    pub path: String,
    /// Permissions.
    pub mode: u32,
    /// User and group.
    pub owner: (u64, u64),
    /// What it is.
    pub what: What,
}

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A file with this content.
    File(Vec<u8>),
    /// A symbolic link.
    Link(String),
    /// A folder.
    Folder,
}

/// What cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("MachineConfig {config} cannot be laid down in an image: {what}: {why}")]
pub struct NotLaid {
    /// The rendered MachineConfig.
    pub config: String,
    /// The path or unit.
    pub what: String,
    /// Why.
    pub why: String,
}

/// All paths that a rendered MachineConfig makes, by path.
///
/// # Errors
/// With the first that cannot be made.
pub fn root(rendered: &MachineConfig) -> Result<Vec<Entry>, NotLaid> {
    let config = rendered.metadata.name.clone().unwrap_or_default();
    laid(rendered).map_err(|(what, why)| NotLaid { config, what, why })
}

/// The content of one file of a rendered MachineConfig; absent when it has no such file.
///
/// # Errors
/// When its Ignition configuration or the file's content cannot be read.
pub fn file(rendered: &MachineConfig, path: &str) -> Result<Option<Vec<u8>>, NotLaid> {
    let refused = |what: &str, why: String| {
        let config = rendered.metadata.name.clone().unwrap_or_default();
        NotLaid { config, what: what.to_owned(), why }
    };
    let Some(raw) = &rendered.spec.config else { return Ok(None) };
    let ignition = Config::read(raw).map_err(|error| refused("its Ignition configuration", error.to_string()))?;
    let found = ignition.files().find(|file| text(file, "path") == path);
    found.map(|file| content(file).map_err(|(what, why)| refused(&what, why))).transpose()
}

type Refused = (String, String);

/// The metadata that does not depend on the API server.
fn lasting(metadata: &ObjectMeta) -> ObjectMeta {
    let ObjectMeta { name, labels, annotations, .. } = metadata.clone();
    ObjectMeta { name, labels, annotations, ..ObjectMeta::default() }
}

fn laid(rendered: &MachineConfig) -> Result<Vec<Entry>, Refused> {
    let whole = |why: String| ("its Ignition configuration".to_owned(), why);
    let mut entries = BTreeMap::new();
    let mut put = |entry: Entry| _ = entries.insert(entry.path.clone(), entry);
    if let Some(raw) = &rendered.spec.config {
        let ignition = Config::read(raw).map_err(|error| whole(error.to_string()))?;
        for folder in ignition.list("storage", "directories") {
            put(entry(folder, FOLDER_MODE, What::Folder));
        }
        for file in ignition.files() {
            put(entry(file, FILE_MODE, What::File(content(file)?)));
        }
        for link in ignition.list("storage", "links") {
            if link.get("hard").and_then(Value::as_bool) == Some(true) {
                return Err((text(link, "path"), "it is a hard link; use a symbolic one".to_owned()));
            }
            let mut entry = entry(link, LINK_MODE, What::Link(text(link, "target")));
            entry.mode = LINK_MODE;
            put(entry);
        }
        units(&ignition, &mut put);
    }
    let current = MachineConfig { metadata: lasting(&rendered.metadata), ..rendered.clone() };
    let current = serde_json::to_vec(&current).map_err(|error| whole(error.to_string()))?;
    put(made(CURRENT.to_owned(), CURRENT_MODE, What::File(current)));
    let size = |entry: &Entry| if let What::File(content) = &entry.what { content.len() } else { 0 };
    let all: usize = entries.values().map(size).sum();
    if all > MOST {
        return Err(whole(format!("its files have {all} bytes together, at most {MOST} are laid down")));
    }
    Ok(entries.into_values().collect())
}

fn content(file: &Map<String, Value>) -> Result<Vec<u8>, Refused> {
    let path = text(file, "path");
    if file.get("append").and_then(Value::as_array).is_some_and(|parts| !parts.is_empty()) {
        return Err((path, "it is added to a file of the base; give the whole file".to_owned()));
    }
    let Some(resource) = file.get("contents").and_then(Value::as_object) else { return Ok(Vec::new()) };
    contents::decode(resource).map_err(|error| (path, error.to_string()))
}

fn units(ignition: &Config, put: &mut impl FnMut(Entry)) {
    let mut preset = String::new();
    for unit in ignition.list("systemd", "units") {
        let name = text(unit, "name");
        let path = format!("{UNITS}/{name}");
        if unit.get("mask").and_then(Value::as_bool) == Some(true) {
            put(made(path.clone(), LINK_MODE, What::Link(NOWHERE.to_owned())));
        } else if let Some(content) = unit.get("contents").and_then(Value::as_str).filter(|text| !text.is_empty()) {
            put(made(path.clone(), FILE_MODE, What::File(content.into())));
        }
        for dropin in unit.get("dropins").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object) {
            if let Some(content) = dropin.get("contents").and_then(Value::as_str).filter(|text| !text.is_empty()) {
                put(made(format!("{path}.d/{}", text(dropin, "name")), FILE_MODE, What::File(content.into())));
            }
        }
        match unit.get("enabled").and_then(Value::as_bool) {
            Some(true) => preset.push_str(&format!("enable {name}\n")),
            Some(false) => preset.push_str(&format!("disable {name}\n")),
            None => {}
        }
    }
    if !preset.is_empty() {
        put(made(PRESET.to_owned(), FILE_MODE, What::File(preset.into_bytes())));
    }
}

fn made(path: String, mode: u32, what: What) -> Entry {
    Entry { path, mode, owner: (0, 0), what }
}

fn entry(object: &Map<String, Value>, mode: u32, what: What) -> Entry {
    let given = object.get("mode").and_then(Value::as_u64).and_then(|mode| u32::try_from(mode).ok());
    let id = |key: &str| {
        let who = object.get(key)?.as_object()?;
        let named = || who.get("name").and_then(Value::as_str).filter(|name| *name == CORE.0).map(|_| CORE.1);
        who.get("id").and_then(Value::as_u64).or_else(named)
    };
    let owner = (id("user").unwrap_or_default(), id("group").unwrap_or_default());
    Entry { path: text(object, "path"), mode: given.unwrap_or(mode), owner, what }
}

fn text(object: &Map<String, Value>, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(storage: &Value, units: &Value) -> Result<BTreeMap<String, Entry>, NotLaid> {
        let config = json!({"ignition": {"version": "3.5.0"}, "storage": storage, "systemd": {"units": units}});
        let object = json!({"metadata": {"name": "rendered-worker-1", "uid": "u", "resourceVersion": "7"}, "spec": {"config": config}});
        let entries = root(&serde_json::from_value(object).unwrap())?;
        Ok(entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect())
    }

    #[test]
    fn files_and_units_are_where_a_booted_machine_has_them() {
        let files = json!([
            {"path": "/etc/a", "mode": 0o600, "user": {"name": "core"}, "group": {"id": 7}, "contents": {"source": "data:,x%0A"}},
            {"path": "/etc/empty"},
        ]);
        let storage = json!({
            "files": files, "directories": [{"path": "/var/d"}], "links": [{"path": "/etc/l", "target": "a"}],
        });
        let units = json!([
            {"name": "a.service", "enabled": true, "contents": "[Unit]\n", "dropins": [{"name": "10.conf", "contents": "[Service]\n"}]},
            {"name": "b.service", "mask": true},
            {"name": "c.service", "enabled": false},
        ]);
        let found = of(&storage, &units).unwrap();
        let file = |text: &str| What::File(text.as_bytes().to_vec());
        let a = Entry { path: "/etc/a".into(), mode: 0o600, owner: (1000, 7), what: file("x\n") };
        assert_eq!(found["/etc/a"], a);
        assert_eq!((found["/etc/empty"].mode, &found["/etc/empty"].what), (0o644, &file("")));
        assert_eq!((found["/var/d"].mode, &found["/var/d"].what), (0o755, &What::Folder));
        assert_eq!(found["/etc/l"].what, What::Link("a".into()));
        assert_eq!(found["/etc/systemd/system/a.service"].what, file("[Unit]\n"));
        assert_eq!(found["/etc/systemd/system/a.service.d/10.conf"].what, file("[Service]\n"));
        assert_eq!(found["/etc/systemd/system/b.service"].what, What::Link("/dev/null".into()));
        assert_eq!(found[PRESET].what, file("enable a.service\ndisable c.service\n"));
        let What::File(current) = &found[CURRENT].what else { panic!("no file") };
        let current: MachineConfig = serde_json::from_slice(current).unwrap();
        assert_eq!((current.metadata.name.as_deref(), current.metadata.uid), (Some("rendered-worker-1"), None));
        assert_eq!(found[CURRENT].mode, 0o600);
        assert_eq!(found.len(), 9);
    }

    #[test]
    fn what_cannot_be_laid_down_is_named() {
        for (file, says) in [
            (json!({"path": "/etc/a", "contents": {"source": "https://a.example/b"}}), "/etc/a: could not decode"),
            (json!({"path": "/etc/a", "append": [{"source": "data:,x"}]}), "/etc/a: it is added to a file of the base"),
        ] {
            let said = of(&json!({ "files": [file] }), &json!([])).unwrap_err().to_string();
            assert!(said.contains(says) && said.contains("rendered-worker-1"), "{said}");
        }
    }

    #[test]
    fn one_file_alone() {
        let files = json!([{"path": "/etc/a", "contents": {"source": "data:,x"}}, {"path": "/etc/b", "contents": {"source": "https://a.example"}}]);
        let config = json!({"ignition": {"version": "3.5.0"}, "storage": {"files": files}});
        let config: MachineConfig =
            serde_json::from_value(json!({"metadata": {"name": "r"}, "spec": {"config": config}})).unwrap();
        assert_eq!(file(&config, "/etc/a").unwrap(), Some(b"x".to_vec()));
        assert_eq!(file(&config, "/etc/c").unwrap(), None);
        assert_eq!(file(&config, "/etc/b").unwrap_err().what, "/etc/b");
        assert_eq!(file(&MachineConfig::named("r", Default::default()), "/etc/a").unwrap(), None);
    }
}
