//! Settings for which no MachineConfigs are generated yet, and the pools they select.
//!
//! R-UNSUPPORTED-1 KubeletConfigs and ContainerRuntimeConfigs select the pools whose labels their selector matches, if
//! it is neither absent nor empty; PinnedImageSets select the pools whose `machineConfigSelector` matches the set's labels.
//! R-UNSUPPORTED-2 Settings that another operator applied, unchanged since, are in effect: the status is of the
//! present generation and ends in success, or the pool's spec names the set.
//! R-UNSUPPORTED-3 Everything else is reported: once on the object, and on each pool for as long as it lasts.
//!
//! Source of the first two: `pkg/controller/kubelet-config`, `pkg/controller/container-runtime-config`,
//! `pkg/controller/pinnedimageset` and `pkg/apihelpers` of github.com/openshift/machine-config-operator.

use crate::{
    objects::selector::{Labels, Selector},
    view::PoolView,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use std::fmt;
use weir_api::{
    Condition, ContainerRuntimeConfig, KubeletConfig, PinnedImageSet,
    condition::TRUE,
    keys::{
        generated::{ACCEPTED, SUCCESS},
        pool::SETTINGS_NOT_APPLIED,
    },
};

/// Objects of kinds that are not supported yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct SettingsView<'a> {
    /// All KubeletConfigs.
    pub kubelets: &'a [&'a KubeletConfig],
    /// All ContainerRuntimeConfigs.
    pub runtimes: &'a [&'a ContainerRuntimeConfig],
    /// All PinnedImageSets.
    pub pinned: &'a [&'a PinnedImageSet],
}

/// Settings without effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unsupported {
    /// Kind of the object.
    pub kind: &'static str,
    /// Name of the object.
    pub name: String,
    /// Pools that it selects and that lack it, by name.
    pub pools: Vec<String>,
}

/// Reason of events and conditions about settings.
pub const CODE: &str = SETTINGS_NOT_APPLIED.name();

const KUBELET: &str = "KubeletConfig";
const RUNTIME: &str = "ContainerRuntimeConfig";
const PINNED: &str = "PinnedImageSet";

/// Maximum number of names in a sentence.
const NAMED: usize = 5;

/// All settings without effect, by kind and name.
#[must_use]
pub fn unsupported(settings: &SettingsView<'_>, pools: &[PoolView<'_>]) -> Vec<Unsupported> {
    let mut found = Vec::new();
    let mut add = |kind, metadata: &ObjectMeta, pools: Vec<&str>| {
        let mut pools: Vec<String> = pools.into_iter().map(str::to_owned).collect();
        pools.sort_unstable();
        found.push(Unsupported { kind, name: metadata.name.clone().unwrap_or_default(), pools });
    };
    for config in settings.kubelets {
        let status = config.status.as_ref().map(|s| (s.observed_generation, s.conditions.as_deref()));
        if !is_taken_in(&config.metadata, status) {
            add(KUBELET, &config.metadata, selected(config.spec.machine_config_pool_selector.as_ref(), pools));
        }
    }
    for config in settings.runtimes {
        let status = config.status.as_ref().map(|s| (s.observed_generation, s.conditions.as_deref()));
        if !is_taken_in(&config.metadata, status) {
            add(RUNTIME, &config.metadata, selected(config.spec.machine_config_pool_selector.as_ref(), pools));
        }
    }
    for set in settings.pinned {
        let (all, lacking) = pinned(set, pools);
        if all == 0 || !lacking.is_empty() {
            add(PINNED, &set.metadata, lacking);
        }
    }
    found.sort();
    found
}

/// R-UNSUPPORTED-2, for a status with this generation and these conditions.
fn is_taken_in(metadata: &ObjectMeta, status: Option<(Option<i64>, Option<&[Condition]>)>) -> bool {
    let Some((observed, conditions)) = status else { return false };
    let last = conditions.and_then(<[_]>::last);
    metadata.generation == observed
        && last.is_some_and(|last| last.type_ == SUCCESS || (last.type_ == ACCEPTED && last.status == TRUE))
}

/// R-UNSUPPORTED-1 for the first two kinds. An invalid selector matches nothing.
fn selected<'a>(selector: Option<&LabelSelector>, pools: &[PoolView<'a>]) -> Vec<&'a str> {
    let Ok(selector) = Selector::parse(selector) else { return Vec::new() };
    if selector.is_everything() {
        return Vec::new();
    }
    static NONE: Labels = Labels::new();
    let labels = |pool: &PoolView<'a>| pool.object.metadata.labels.as_ref().unwrap_or(&NONE);
    pools.iter().filter(|pool| selector.matches(labels(pool))).map(|pool| pool.name).collect()
}

/// How many pools a set selects, and which of them do not name it.
fn pinned<'a>(set: &PinnedImageSet, pools: &[PoolView<'a>]) -> (usize, Vec<&'a str>) {
    let labels = set.metadata.labels.clone().unwrap_or_default();
    let wants = |pool: &&PoolView<'a>| {
        let selector = Selector::parse(pool.object.spec.machine_config_selector.as_ref());
        selector.is_ok_and(|selector| !selector.is_everything() && selector.matches(&labels))
    };
    let names = |pool: &PoolView<'a>| {
        let named = pool.object.spec.pinned_image_sets.iter().flatten();
        named.into_iter().any(|named| Some(named.name.as_str()) == set.metadata.name.as_deref())
    };
    let all: Vec<&PoolView<'a>> = pools.iter().filter(wants).collect();
    (all.len(), all.into_iter().filter(|pool| !names(pool)).map(|pool| pool.name).collect())
}

/// The notice for a pool's users about settings that select it; `None` when there are none.
#[must_use]
pub fn of_pool(found: &[Unsupported], pool: &str) -> Option<String> {
    let own = found.iter().filter(|settings| settings.pools.iter().any(|name| name == pool));
    let own: Vec<String> = own.map(|settings| format!("{} {}", settings.kind, settings.name)).collect();
    let more = own.len().saturating_sub(NAMED);
    let named = own.get(..NAMED.min(own.len())).unwrap_or_default().join(", ");
    match (own.len(), more) {
        (0, _) => None,
        (_, 0) => Some(format!("not applied to this pool: {named}; {WHY}")),
        _ => Some(format!("not applied to this pool: {named} and {more} more; {WHY}")),
    }
}

const WHY: &str = "nothing is made of these kinds here: write the files as MachineConfigs";

/// The message on the object itself.
impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, pools } = self;
        write!(f, "{kind} {name} has no effect")?;
        if !pools.is_empty() {
            write!(f, " on pools {}", pools.join(", "))?;
        }
        write!(f, ": {WHY}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};
    use weir_api::MachineConfigPool;

    fn of<T: DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn pools() -> Vec<MachineConfigPool> {
        let role = |role: &str| json!({"matchLabels": {"role": role}});
        ["infra", "master", "worker"]
            .map(|name| {
                let named = if name == "infra" { json!([{"name": "kept"}]) } else { Value::Null };
                of(json!({
                    "metadata": {"name": name, "labels": {"pool": name}},
                    "spec": {"machineConfigSelector": role(if name == "infra" { "worker" } else { name }), "pinnedImageSets": named},
                }))
            })
            .to_vec()
    }

    fn found(settings: &SettingsView<'_>) -> Vec<String> {
        let pools = pools();
        let views: Vec<_> = pools.iter().map(PoolView::new).collect();
        let said = |found: Unsupported| format!("{} {}: {}", found.kind, found.name, found.pools.join(" "));
        unsupported(settings, &views).into_iter().map(said).collect()
    }

    #[test]
    fn selectors_of_settings_match_labels_of_pools() {
        let kubelet = |selector: Value| -> KubeletConfig {
            of(json!({"metadata": {"name": "k"}, "spec": {"machineConfigPoolSelector": selector}}))
        };
        for (selector, expected) in [
            (json!({"matchLabels": {"pool": "worker"}}), "KubeletConfig k: worker"),
            (
                json!({"matchExpressions": [{"key": "pool", "operator": "Exists"}]}),
                "KubeletConfig k: infra master worker",
            ),
            (json!({}), "KubeletConfig k: "),
            (Value::Null, "KubeletConfig k: "),
            (json!({"matchExpressions": [{"key": "pool", "operator": "Odd"}]}), "KubeletConfig k: "),
        ] {
            let config = kubelet(selector);
            assert_eq!(found(&SettingsView { kubelets: &[&config], ..SettingsView::default() }), [expected]);
        }
    }

    #[test]
    fn what_was_taken_in_before_is_not_told() {
        let runtime = |generation: i64, type_: &str, status: &str| -> ContainerRuntimeConfig {
            of(json!({
                "metadata": {"name": "r", "generation": generation},
                "spec": {"machineConfigPoolSelector": {"matchLabels": {"pool": "worker"}}, "containerRuntimeConfig": {}},
                "status": {"observedGeneration": 1, "conditions": [
                    {"type": "Failure", "status": "False"}, {"type": type_, "status": status},
                ]},
            }))
        };
        for (generation, type_, status, told) in [
            (1, "Success", "True", false),
            (1, "Accepted", "True", false),
            (1, "Accepted", "False", true),
            (1, "Failure", "True", true),
            (2, "Success", "True", true),
        ] {
            let config = runtime(generation, type_, status);
            let found = found(&SettingsView { runtimes: &[&config], ..SettingsView::default() });
            assert_eq!(!found.is_empty(), told, "{generation} {type_} {status}");
        }
    }

    #[test]
    fn selectors_of_pools_match_labels_of_pinned_images() {
        let set = |name: &str, role: &str| -> PinnedImageSet {
            of(json!({"metadata": {"name": name, "labels": {"role": role}}, "spec": {"pinnedImages": []}}))
        };
        for (name, role, expected) in [
            ("new", "worker", &["PinnedImageSet new: infra worker"][..]),
            ("kept", "worker", &["PinnedImageSet kept: worker"]),
            ("new", "none", &["PinnedImageSet new: "]),
        ] {
            let set = set(name, role);
            assert_eq!(found(&SettingsView { pinned: &[&set], ..SettingsView::default() }), expected);
        }
    }

    #[test]
    fn a_pool_names_a_few_and_counts_the_rest() {
        let of = |count: usize| -> Vec<Unsupported> {
            let one =
                |number| Unsupported { kind: KUBELET, name: format!("k{number}"), pools: vec!["worker".to_owned()] };
            (0..count).map(one).collect()
        };
        assert_eq!(of_pool(&of(2), "master"), None);
        assert_eq!(
            of_pool(&of(2), "worker").unwrap(),
            format!("not applied to this pool: KubeletConfig k0, KubeletConfig k1; {WHY}")
        );
        let many = of_pool(&of(1000), "worker").unwrap();
        assert!(many.contains("KubeletConfig k4 and 995 more;") && many.len() < 300, "{many}");
        assert_eq!(of(1)[0].to_string(), format!("KubeletConfig k0 has no effect on pools worker: {WHY}"));
    }
}
