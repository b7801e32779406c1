//! CSIDriver and CSINode: stored and validated; no volume is ever attached here.
//!
//! Source: "CSIDriver" and "CSINode" of the Kubernetes API reference.

use crate::{
    built_in::Rules,
    object::{list, set_default, text},
};
use serde_json::json;
use std::collections::BTreeSet;
use weir_apischema::schema::FieldError;

pub(super) const DRIVER: Rules = Rules {
    default: |driver| {
        if let Some(spec) = driver.get_mut("spec") {
            let defaults = [
                ("attachRequired", json!(true)),
                ("podInfoOnMount", json!(false)),
                ("storageCapacity", json!(false)),
                ("fsGroupPolicy", json!("ReadWriteOnceWithFSType")),
                ("volumeLifecycleModes", json!(["Persistent"])),
                ("requiresRepublish", json!(false)),
                ("seLinuxMount", json!(false)),
            ];
            for (field, value) in defaults {
                set_default(spec, field, value);
            }
        }
    },
    ..Rules::NONE
};

pub(super) const NODE: Rules = Rules {
    validate: |new, _| {
        let mut errors = Vec::new();
        let mut seen = BTreeSet::new();
        for (index, driver) in list(new, &["spec", "drivers"]).iter().enumerate() {
            let field = |name: &str| format!("spec.drivers[{index}].{name}");
            for required in ["name", "nodeID"] {
                if text(driver, &[required]).is_empty() {
                    errors.push(FieldError::required(field(required), ""));
                }
            }
            let name = text(driver, &["name"]);
            if !seen.insert(name) {
                errors.push(FieldError::duplicate(field("name"), Some(&name.into())));
            }
        }
        errors
    },
    ..Rules::NONE
};
