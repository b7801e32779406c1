//! Definitions of another release.

use serde_json::{Value, json};
use weir_api::{
    crds::{FeatureSet, crds},
    kind::CONFIG_GROUP,
};

/// Those of config.openshift.io accept any content: fields that our types do not know, and values that they cannot read.
pub fn of_another_release() -> Vec<Value> {
    let mut all = crds(FeatureSet::Default);
    for definition in all.iter_mut().filter(|definition| definition["spec"]["group"] == CONFIG_GROUP) {
        definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    }
    all
}
