//! What a machine notices when it goes from one configuration to another.
//!
//! R-CHANGES-1 Contents of files count as they are on disk: another encoding, compression or order of keys is no difference.
//! R-CHANGES-2 An absent field and an empty one are the same; so are the kernel type `default` and none.
//! R-CHANGES-3 Names, labels and annotations of the MachineConfigs do not count.
//!
//! Source: `MachineConfigSpec` in `machineconfiguration/v1/types.go` of github.com/openshift/api.

use weir_api::MachineConfig;
use weir_ignition::{Config, ReadError, diff};

/// Everything that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// Fields beside the Ignition config, in the order of the API.
    pub fields: Vec<FieldChange>,
    /// Files, units and everything else of the Ignition config, sorted.
    pub parts: Vec<diff::Change>,
}

/// A field of the MachineConfig's spec that differs. A field with one value is a list of one; an empty list is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// Its name in the API.
    pub field: &'static str,
    /// What it was.
    pub before: Vec<String>,
    /// What it is.
    pub after: Vec<String>,
}

impl Changes {
    /// Whether the machine notices nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.parts.is_empty()
    }
}

/// Which of the two configurations cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("MachineConfig {config}: {source}")]
pub struct Unreadable {
    /// Its name.
    pub config: String,
    /// Why.
    pub source: ReadError,
}

/// What changes from one configuration to another.
///
/// # Errors
/// When the Ignition config of either cannot be read.
pub fn changes(before: &MachineConfig, after: &MachineConfig) -> Result<Changes, Unreadable> {
    let pairs = fields(before).into_iter().zip(fields(after));
    let fields = pairs.filter(|(before, after)| before != after);
    let fields = fields.map(|((field, before), (_, after))| FieldChange { field, before, after }).collect();
    Ok(Changes { fields, parts: diff::diff(&ignition(before)?, &ignition(after)?) })
}

fn ignition(config: &MachineConfig) -> Result<Config, Unreadable> {
    let Some(raw) = config.spec.config.as_ref().filter(|raw| !raw.is_null()) else { return Ok(Config::empty()) };
    let name = || config.metadata.name.clone().unwrap_or_default();
    Config::read(raw).map_err(|source| Unreadable { config: name(), source })
}

fn fields(config: &MachineConfig) -> [(&'static str, Vec<String>); 6] {
    let spec = &config.spec;
    let one = |value: Option<&String>| value.filter(|value| !value.is_empty()).cloned().into_iter().collect::<Vec<_>>();
    let many = |values: Option<&Vec<String>>| values.cloned().unwrap_or_default();
    let kernel = spec.kernel_type.as_ref().filter(|kernel| *kernel != DEFAULT_KERNEL);
    let fips = spec.fips.filter(|on| *on).map(|on| on.to_string());
    [
        ("osImageURL", one(spec.os_image_url.as_ref())),
        ("baseOSExtensionsContainerImage", one(spec.base_os_extensions_container_image.as_ref())),
        ("kernelType", one(kernel)),
        ("kernelArguments", many(spec.kernel_arguments.as_ref())),
        ("extensions", many(spec.extensions.as_ref())),
        ("fips", fips.into_iter().collect()),
    ]
}

/// The kernel type that everybody has who asks for none.
const DEFAULT_KERNEL: &str = "default";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use weir_ignition::diff::Subject;

    fn config(spec: Value) -> MachineConfig {
        serde_json::from_value(json!({"metadata": {"name": "a"}, "spec": spec})).unwrap()
    }

    fn with_file(source: &str, mode: u32) -> Value {
        let file = json!({"path": "/etc/a", "mode": mode, "contents": {"source": source}});
        json!({"config": {"ignition": {"version": "3.5.0"}, "storage": {"files": [file]}}})
    }

    #[test]
    fn what_a_machine_does_not_notice_is_no_change() {
        for (before, after) in [
            (json!({}), json!({"kernelType": "default", "fips": false, "extensions": [], "osImageURL": ""})),
            (with_file("data:,a%0A", 420), with_file("data:text/plain;base64,YQo=", 420)),
            (json!({"config": null}), json!({"config": {"ignition": {"version": "3.5.0"}}})),
        ] {
            let found = changes(&config(before), &config(after)).unwrap();
            assert!(found.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn every_field_and_part_is_told_before_and_after() {
        let before = json!({"osImageURL": "r/a", "kernelArguments": ["a", "b"], "kernelType": "realtime"});
        let after = json!({"osImageURL": "r/b", "kernelArguments": ["b"], "fips": true, "extensions": ["usbguard"]});
        let found = changes(&config(before), &config(after)).unwrap();
        let told: Vec<_> = found.fields.iter().map(|c| (c.field, c.before.join(" "), c.after.join(" "))).collect();
        let own = |all: [(&'static str, &str, &str); 5]| all.map(|(f, a, b)| (f, a.to_owned(), b.to_owned()));
        let wanted = own([
            ("osImageURL", "r/a", "r/b"),
            ("kernelType", "realtime", ""),
            ("kernelArguments", "a b", "b"),
            ("extensions", "", "usbguard"),
            ("fips", "", "true"),
        ]);
        assert_eq!(told, wanted);
        let found = changes(&config(with_file("data:,a", 420)), &config(with_file("data:,a", 384))).unwrap();
        assert_eq!(found.parts.iter().map(|part| &part.subject).collect::<Vec<_>>(), [&Subject::File("/etc/a".into())]);
        let unreadable = json!({"config": {"ignition": {"version": "9.0.0"}}});
        assert!(changes(&config(json!({})), &config(unreadable)).unwrap_err().to_string().contains("MachineConfig a"));
    }
}
