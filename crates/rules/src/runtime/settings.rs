//! Which ContainerRuntimeConfigs are refused, and the files of the others.
//!
//! R-RUNTIME-1 Refused are, in this order: fewer than 20 processes, except 0; log sizes of up to 8192 bytes, except 0 and less; a
//! negative overlay size; an unknown log level or runtime; paths of stores that are not plain absolute paths. An invalid quantity
//! is refused before all that.
//! R-RUNTIME-2 `storage.conf` is written if something in it changes: the overlay size, or stores while their gate is on. Every
//! other setting is a drop-in of CRI-O with one key.
//! R-RUNTIME-3 If `storage.conf` cannot be read, the ContainerRuntimeConfig fails and nothing of it is written.
//!
//! Source: `validateUserContainerRuntimeConfig` and `createCRIODropinFiles` in `pkg/controller/container-runtime-config/helpers.go`
//! of github.com/openshift/machine-config-operator, which writes the rest if `storage.conf` cannot be read.

use super::storage::{self, StorageError};
use crate::generated::{
    config::File,
    quantity::{BadQuantity, Quantity},
    toml_text::{Table, Toml, to_string},
};
use weir_api::container_runtime_config::{ContainerRuntimeConfiguration, Store};

/// Path of the storage configuration.
pub const STORAGE_CONF: &str = "/etc/containers/storage.conf";
const DROP_IN: &str = "/etc/crio/crio.conf.d/01-ctrcfg-";
/// Minimum number of processes in a container.
const FEWEST_PROCESSES: i64 = 20;
/// Log sizes up to this many bytes are too small.
const SMALLEST_LOG: i64 = 8192;
const LOG_LEVELS: [&str; 8] = ["", "error", "fatal", "panic", "warn", "info", "debug", "trace"];
const RUNTIMES: [&str; 3] = ["", "crun", "runc"];

/// Why the settings are refused. Permanent until they change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// An invalid quantity.
    #[error("invalid {field}: {error}")]
    Quantity {
        /// The field.
        field: &'static str,
        /// What is wrong.
        error: BadQuantity,
    },
    /// Too few processes.
    #[error("invalid PidsLimit {0}")]
    PidsLimit(i64),
    /// Too small a log.
    #[error("invalid LogSizeMax \"{0}\", cannot be less than 8kB")]
    LogSizeMax(String),
    /// A negative size.
    #[error("invalid overlaySize \"{0}\", cannot be less than 0")]
    OverlaySize(String),
    /// An unknown log level.
    #[error("invalid LogLevel {0:?}, must be one of error, fatal, panic, warn, info, debug, or trace")]
    LogLevel(String),
    /// An unknown runtime.
    #[error("invalid DefaultRuntime {0:?}, must be one of crun, runc")]
    DefaultRuntime(String),
    /// Invalid paths of stores.
    #[error("{}", .0.join("\n"))]
    Stores(Vec<String>),
    /// `storage.conf` of the templates cannot be read.
    #[error("could not update container runtime config with new changes: error decoding crio config: {0}")]
    Storage(#[from] StorageError),
}

impl SettingsError {
    /// The field of the ContainerRuntimeConfig that it is about (`spec.containerRuntimeConfig.pidsLimit`).
    #[must_use]
    pub fn field(&self) -> String {
        let name = match self {
            Self::Quantity { field, .. } => field,
            Self::PidsLimit(_) => "pidsLimit",
            Self::LogSizeMax(_) => "logSizeMax",
            Self::OverlaySize(_) => "overlaySize",
            Self::LogLevel(_) => "logLevel",
            Self::DefaultRuntime(_) => "defaultRuntime",
            Self::Stores(_) | Self::Storage(_) => return "spec.containerRuntimeConfig".to_owned(),
        };
        format!("spec.containerRuntimeConfig.{name}")
    }
}

/// Valid settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pids_limit: Option<i64>,
    log_level: String,
    log_size_max: i64,
    overlay_size: Option<Quantity>,
    default_runtime: String,
    stores: [Vec<String>; 3],
}

/// Checks the settings: R-RUNTIME-1.
///
/// # Errors
/// The first problem; for stores, all problems.
pub fn validate(given: &ContainerRuntimeConfiguration) -> Result<Settings, SettingsError> {
    let quantity = |field, quantity: &Option<_>| {
        quantity.as_ref().map(Quantity::of).transpose().map_err(|error| SettingsError::Quantity { field, error })
    };
    let log_size = quantity("logSizeMax", &given.log_size_max)?;
    let overlay_size = quantity("overlaySize", &given.overlay_size)?;
    if let Some(limit) = given.pids_limit.filter(|limit| *limit != 0 && *limit < FEWEST_PROCESSES) {
        return Err(SettingsError::PidsLimit(limit));
    }
    if let Some(size) = log_size.filter(|size| (1..=SMALLEST_LOG).contains(&size.rounded_up())) {
        return Err(SettingsError::LogSizeMax(size.to_string()));
    }
    if let Some(size) = overlay_size.filter(|size| size.rounded_up() < 0) {
        return Err(SettingsError::OverlaySize(size.to_string()));
    }
    let log_level = given.log_level.clone().unwrap_or_default();
    if !LOG_LEVELS.contains(&log_level.as_str()) {
        return Err(SettingsError::LogLevel(log_level));
    }
    let default_runtime = given.default_runtime.clone().unwrap_or_default();
    if !RUNTIMES.contains(&default_runtime.as_str()) {
        return Err(SettingsError::DefaultRuntime(default_runtime));
    }
    let stores = [
        ("AdditionalLayerStores", &given.additional_layer_stores),
        ("AdditionalImageStores", &given.additional_image_stores),
        ("AdditionalArtifactStores", &given.additional_artifact_stores),
    ];
    let wrong: Vec<String> = stores
        .iter()
        .flat_map(|(field, stores)| stores.iter().flatten().filter_map(|store| wrong_path(field, &store.path)))
        .collect();
    if !wrong.is_empty() {
        return Err(SettingsError::Stores(wrong));
    }
    let paths = |stores: &Option<Vec<Store>>| stores.iter().flatten().map(|store| store.path.clone()).collect();
    Ok(Settings {
        pids_limit: given.pids_limit,
        log_level,
        log_size_max: log_size.map(Quantity::rounded_up).unwrap_or_default(),
        overlay_size: overlay_size.filter(|size| size.rounded_up() != 0),
        default_runtime,
        stores: stores.map(|(_, stores)| paths(stores)),
    })
}

fn wrong_path(field: &str, path: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    if path.is_empty() {
        return Some(format!("invalid {field}: path must not be empty"));
    }
    if path.len() < 2 || !path.starts_with('/') || !path.bytes().all(plain) {
        return Some(format!(
            "invalid {field} path {path:?}: must be an absolute path containing only alphanumeric characters, '/', '.', '_', and '-'"
        ));
    }
    path.contains("//").then(|| format!("invalid {field} path {path:?}: must not contain consecutive forward slashes"))
}

impl Settings {
    /// The files: R-RUNTIME-2. `storage` is the templates' `storage.conf`, `with_stores` whether the gate of stores is on.
    ///
    /// # Errors
    /// If `storage.conf` has to change and cannot be read.
    pub fn files(&self, storage: &str, with_stores: bool) -> Result<Vec<File>, SettingsError> {
        let mut files = Vec::new();
        let [layers, images, artifacts] =
            self.stores.each_ref().map(|stores| if with_stores { stores.as_slice() } else { &[] });
        if self.overlay_size.is_some() || !layers.is_empty() || !images.is_empty() {
            let size = self.overlay_size.map(|size| size.to_string());
            let text = storage::with(storage, size.as_deref(), layers, images)?;
            files.push(File::new(STORAGE_CONF, text));
        }
        let mut drop_in = |name: &str, key: &str, value: Toml| {
            let runtime: Table = vec![(key.to_owned(), value)];
            let crio = vec![("runtime".to_owned(), Toml::Table(runtime))];
            let document = vec![("crio".to_owned(), Toml::Table(crio))];
            files.push(File::new(&format!("{DROP_IN}{name}"), to_string(&document)));
        };
        if !self.log_level.is_empty() {
            drop_in("logLevel", "log_level", Toml::Text(self.log_level.clone()));
        }
        if let Some(limit) = self.pids_limit {
            drop_in("pidsLimit", "pids_limit", Toml::Number(limit));
        }
        if self.log_size_max != 0 {
            drop_in("logSizeMax", "log_size_max", Toml::Number(self.log_size_max));
        }
        if !self.default_runtime.is_empty() {
            drop_in("defaultRuntime", "default_runtime", Toml::Text(self.default_runtime.clone()));
        }
        if !artifacts.is_empty() {
            drop_in("additionalArtifactStores", "additional_artifact_stores", Toml::Texts(artifacts.to_vec()));
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn error(given: Value) -> String {
        validate(&serde_json::from_value(given).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_refused_says_why() {
        for (given, message) in [
            (json!({"pidsLimit": 19}), "invalid PidsLimit 19"),
            (json!({"pidsLimit": -1}), "invalid PidsLimit -1"),
            (json!({"logSizeMax": 8192}), "invalid LogSizeMax \"8192\", cannot be less than 8kB"),
            (json!({"overlaySize": "-1G"}), "invalid overlaySize \"-1G\", cannot be less than 0"),
            (json!({"additionalLayerStores": [{"path": ""}]}), "invalid AdditionalLayerStores: path must not be empty"),
        ] {
            assert_eq!(error(given), message);
        }
        let quantity = error(json!({"overlaySize": "ten"}));
        assert!(quantity.starts_with("invalid overlaySize: \"ten\" is not a quantity"), "{quantity}");
        let both =
            error(json!({"additionalLayerStores": [{"path": "a"}], "additionalImageStores": [{"path": "/a//b"}]}));
        assert!(both.lines().count() == 2 && both.ends_with("must not contain consecutive forward slashes"), "{both}");
    }

    #[test]
    fn storage_that_cannot_be_read_fails_it_all() {
        let settings =
            validate(&serde_json::from_value(json!({"overlaySize": "3G", "pidsLimit": 44})).unwrap()).unwrap();
        let error = settings.files("[storage\nx", false).unwrap_err().to_string();
        assert!(error.contains("error decoding crio config: storage.conf of the templates"), "{error}");
        assert_eq!(settings.files("", false).unwrap().len(), 2);
        let limit = validate(&serde_json::from_value(json!({"pidsLimit": 44})).unwrap()).unwrap();
        assert_eq!(limit.files("[storage\nx", false).unwrap().len(), 1);
    }
}
