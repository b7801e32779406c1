//! The name of a rendered MachineConfig, and its size.

use super::{RenderError, name_of};
use crate::render::goyaml::{self, ControlCharacter};
use md5::{Digest as _, Md5};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use weir_api::{MachineConfig, machine_config::MachineConfigSpec};
use weir_ignition::json_len;

/// The prefix of every hash input. A change would rename, and so roll out again, every existing rendered MachineConfig.
///
/// Source: `pkg/controller/render/hash.go` of github.com/openshift/machine-config-operator.
const SALT: [u8; 80] = [
    0x10, 0x7c, 0xce, 0xe4, 0x8b, 0x38, 0xaf, 0xaf, 0x4f, 0xe5, 0x86, 0x76, 0x9d, 0x9a, 0xd3, 0x6e, 0x19, 0x5d, 0x2f,
    0xfd, 0xac, 0x6a, 0x25, 0x07, 0xae, 0x0d, 0xa0, 0xb9, 0x6e, 0x11, 0x57, 0x34, 0xdb, 0x83, 0x0c, 0xce, 0xda, 0x8d,
    0x74, 0x87, 0xbc, 0xb5, 0xc0, 0x97, 0xe9, 0x3e, 0x7e, 0xa5, 0x40, 0x53, 0xb3, 0x77, 0x0f, 0xa8, 0xd0, 0xc5, 0x92,
    0x6b, 0x3a, 0xe3, 0x85, 0xbc, 0xee, 0x1a, 0x21, 0x1a, 0xeb, 0xca, 0x20, 0xad, 0x1f, 0xea, 0x29, 0x90, 0x94, 0x4f,
    0x06, 0xce, 0x17, 0x16,
];

/// Names a spec for a pool. All fields of the spec are set.
pub(super) fn named(pool: &str, spec: MachineConfigSpec) -> Result<(String, MachineConfigSpec), ControlCharacter> {
    let mut value = to_value(spec);
    let text = goyaml::to_string(&value)?;
    let name = format!("rendered-{pool}-{}", salted_hash(&[&text]));
    Ok((name, from_value(&mut value)))
}

/// The hash in names of rendered MachineConfigs and of builds: MD5 in lower case hexadecimal digits.
pub(crate) fn salted_hash(texts: &[&str]) -> String {
    let salted = Md5::new().chain_update(SALT);
    let digest = texts.iter().fold(salted, |hash, text| hash.chain_update(text)).finalize();
    digest.iter().fold(String::new(), |mut hex, byte| {
        // Writing into a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The spec as JSON without copying its config.
fn to_value(spec: MachineConfigSpec) -> Value {
    let mut fields = Map::new();
    fields.insert("osImageURL".to_owned(), spec.os_image_url.into());
    fields.insert("baseOSExtensionsContainerImage".to_owned(), spec.base_os_extensions_container_image.into());
    fields.insert("config".to_owned(), spec.config.into());
    fields.insert("kernelArguments".to_owned(), spec.kernel_arguments.into());
    fields.insert("extensions".to_owned(), spec.extensions.into());
    fields.insert("fips".to_owned(), spec.fips.into());
    fields.insert("kernelType".to_owned(), spec.kernel_type.into());
    Value::Object(fields)
}

fn from_value(value: &mut Value) -> MachineConfigSpec {
    let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
    let texts = |value: &Value, key: &str| {
        let items = value[key].as_array()?.iter();
        Some(items.filter_map(|item| item.as_str().map(str::to_owned)).collect())
    };
    MachineConfigSpec {
        os_image_url: text(value, "osImageURL"),
        base_os_extensions_container_image: text(value, "baseOSExtensionsContainerImage"),
        kernel_arguments: texts(value, "kernelArguments"),
        extensions: texts(value, "extensions"),
        fips: value["fips"].as_bool(),
        kernel_type: text(value, "kernelType"),
        config: Some(value["config"].take()),
        ..MachineConfigSpec::default()
    }
}

/// Refuses what the API server would refuse: measured like the reference does, without `apiVersion` and `kind`.
pub(super) fn check_size(config: &MachineConfig, limit: Option<usize>) -> Result<(), RenderError> {
    let Some(limit) = limit else { return Ok(()) };
    let metadata = &config.metadata;
    let owners: Vec<Value> = metadata
        .owner_references
        .iter()
        .flatten()
        .map(|o| {
            json!({
                "apiVersion": o.api_version, "kind": o.kind, "name": o.name, "uid": o.uid, "controller": true,
                "blockOwnerDeletion": true,
            })
        })
        .collect();
    let spec = &config.spec;
    let rest = json!({
        "metadata": { "name": metadata.name, "annotations": metadata.annotations, "ownerReferences": owners },
        "spec": {
            "osImageURL": spec.os_image_url, "baseOSExtensionsContainerImage": spec.base_os_extensions_container_image,
            "config": 0, "kernelArguments": spec.kernel_arguments, "extensions": spec.extensions, "fips": spec.fips,
            "kernelType": spec.kernel_type,
        },
    });
    let size = json_len(&rest) - "0".len() + spec.config.as_ref().map_or(0, json_len);
    if size > limit {
        return Err(RenderError::TooLarge { name: name_of(metadata).to_owned(), size, limit });
    }
    Ok(())
}
