//! The ConfigMap in which other components find all registries' certificates.
//!
//! R-REGISTRY-CA-1 It contains exactly the current certificates, and nothing when there are none any more.
//!
//! Source: `syncRenderConfig` in `pkg/operator/sync.go` of github.com/openshift/machine-config-operator, which leaves the
//! last ones when none remain.

use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use weir_api::keys::{config::OWNING_COMPONENT, config_maps::MERGED_REGISTRY_CA, namespaces::CONFIG_MANAGED};

/// Its owning component.
const OWNER: &str = "Machine Config Operator";

/// What to do with it.
#[derive(Clone, Debug, PartialEq)]
pub enum RegistryCaChange {
    /// Create it.
    Create(Box<ConfigMap>),
    /// Change it, by a merge patch.
    Patch(Value),
}

/// What to do with it; `None` when nothing.
#[must_use]
pub fn change(live: Option<&ConfigMap>, wanted: &BTreeMap<String, String>) -> Option<RegistryCaChange> {
    let Some(live) = live else {
        let metadata = ObjectMeta {
            name: Some(MERGED_REGISTRY_CA.to_owned()),
            namespace: Some(CONFIG_MANAGED.to_owned()),
            annotations: Some(BTreeMap::from([(OWNING_COMPONENT.to_owned(), OWNER.to_owned())])),
            ..ObjectMeta::default()
        };
        let data = Some(wanted.clone());
        return Some(RegistryCaChange::Create(Box::new(ConfigMap { metadata, data, ..ConfigMap::default() })));
    };
    let held = live.data.clone().unwrap_or_default();
    if held == *wanted {
        return None;
    }
    let gone = held.keys().filter(|key| !wanted.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let new = wanted.iter().map(|(key, value)| (key.clone(), json!(value)));
    let data: Map<String, Value> = gone.chain(new).collect();
    Some(RegistryCaChange::Patch(json!({"metadata": {"annotations": {OWNING_COMPONENT: OWNER}}, "data": data})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_there_is_and_nothing_when_nothing_is_left() {
        let wanted: BTreeMap<String, String> = BTreeMap::from([("a.io..5000".to_owned(), "PEM".to_owned())]);
        let Some(RegistryCaChange::Create(map)) = change(None, &wanted) else { panic!() };
        assert_eq!(map.data.as_ref(), Some(&wanted));
        assert_eq!(change(Some(&map), &wanted), None);
        let Some(RegistryCaChange::Patch(patch)) = change(Some(&map), &BTreeMap::new()) else { panic!() };
        assert_eq!(patch["data"], json!({"a.io..5000": null}));
        let Some(RegistryCaChange::Create(empty)) = change(None, &BTreeMap::new()) else { panic!() };
        assert_eq!(change(Some(&empty), &BTreeMap::new()), None);
        let Some(RegistryCaChange::Patch(patch)) = change(Some(&empty), &wanted) else { panic!() };
        assert_eq!(patch["data"], json!({"a.io..5000": "PEM"}));
    }
}
