//! Which file of the templates a generator starts from.
//!
//! R-BASE-1 The templates of the pool's role are searched in the order of their names. The first MachineConfig that is valid
//! Ignition and has a file at the path provides its decoded contents.
//! R-BASE-2 One that is not valid Ignition counts as having no files.
//!
//! Source: `findKubeletConfig` in `pkg/controller/kubelet-config/helpers.go` and `generateOriginalContainerRuntimeConfigs` in
//! `pkg/controller/container-runtime-config` of github.com/openshift/machine-config-operator.

use serde_json::Value;
use std::collections::BTreeMap;
use weir_api::MachineConfig;
use weir_ignition::{Config, contents};

/// The templates of each pool's role, sorted by name, or why there are none.
pub type Templates = BTreeMap<String, Result<Vec<MachineConfig>, String>>;

/// Why there is nothing to start from. Permanent: other templates or another ControllerConfig are needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    /// The templates of the pool's role fail.
    #[error("GenerateMachineConfigsforRole failed with error: {0}")]
    Templates(String),
    /// No template of the role contains the file.
    #[error("no template for pool {pool} writes {path}: the release's templates are not complete")]
    Absent {
        /// The pool.
        pool: String,
        /// Path of the file.
        path: String,
    },
    /// The file is not UTF-8 or cannot be decoded.
    #[error("{path} of the templates for pool {pool} cannot be read: {why}")]
    Unreadable {
        /// The pool.
        pool: String,
        /// Path of the file.
        path: String,
        /// What is wrong.
        why: String,
    },
}

/// The templates for a pool.
///
/// # Errors
/// If they fail.
pub fn of_pool<'a>(templates: &'a Templates, pool: &str) -> Result<&'a [MachineConfig], BaseError> {
    match templates.get(pool) {
        Some(Ok(configs)) => Ok(configs),
        Some(Err(error)) => Err(BaseError::Templates(error.clone())),
        None => Err(BaseError::Templates(format!("there are no templates for pool {pool}"))),
    }
}

/// The text of a file in the templates (R-BASE-1).
///
/// # Errors
/// If no template contains it, or its contents cannot be read.
pub fn file(templates: &Templates, pool: &str, path: &str) -> Result<String, BaseError> {
    let unreadable = |why: String| BaseError::Unreadable { pool: pool.to_owned(), path: path.to_owned(), why };
    if let Some(text) = of_pool(templates, pool)?.iter().find_map(|config| held(config, path)) {
        return text.map_err(unreadable);
    }
    Err(BaseError::Absent { pool: pool.to_owned(), path: path.to_owned() })
}

/// The text of a file that a MachineConfig writes; absent when it writes none, or none that can be read.
#[must_use]
pub fn text_of(config: &MachineConfig, path: &str) -> Option<String> {
    held(config, path)?.ok()
}

/// What is in the file at the path, or what is wrong with it; absent when there is none, or the configuration is not valid.
fn held(config: &MachineConfig, path: &str) -> Option<Result<String, String>> {
    let ignition = Config::read(config.spec.config.as_ref()?).ok()?;
    ignition.validate().ok()?;
    let file = ignition.files().find(|file| file.get("path").is_some_and(|found| found == path))?;
    let Some(held) = file.get("contents").and_then(Value::as_object) else { return Some(Ok(String::new())) };
    let bytes = contents::decode(held).map_err(|error| error.to_string());
    Some(bytes.and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::config::{File, machine_config};
    use serde_json::json;

    #[test]
    fn the_first_valid_config_with_the_file_counts() {
        let config = |name: &str, text: &str| machine_config(name, "w", "b", &[File::new("/f", text.to_owned())]);
        let mut broken = config("00", "broken");
        broken.spec.config.as_mut().unwrap()["storage"]["files"]
            .as_array_mut()
            .unwrap()
            .push(json!({"path": "relative"}));
        let mut binary = config("01", "");
        binary.spec.config.as_mut().unwrap()["storage"]["files"][0]["contents"]["source"] = json!("data:;base64,/w==");
        let of = |configs: Vec<MachineConfig>| file(&[("w".to_owned(), Ok(configs))].into(), "w", "/f");
        let empty = MachineConfig::default();
        assert_eq!(of(vec![broken.clone(), empty, config("02", "a"), config("03", "b")]).as_deref(), Ok("a"));
        let absent = of(vec![broken]).unwrap_err();
        assert_eq!(absent, BaseError::Absent { pool: "w".to_owned(), path: "/f".to_owned() });
        assert!(of(vec![binary]).unwrap_err().to_string().starts_with("/f of the templates for pool w cannot be read"));
        let failed: Templates = [("w".to_owned(), Err("no field Nope".to_owned()))].into();
        assert!(file(&failed, "w", "/f").unwrap_err().to_string().ends_with("failed with error: no field Nope"));
        assert!(file(&failed, "x", "/f").unwrap_err().to_string().ends_with("there are no templates for pool x"));
    }
}
