//! Whether the pools that a cluster update waits for are done.
//!
//! R-REQUIRED-1 Pools with the label `required-for-upgrade` are required; the built-in control plane and arbiter have it.
//! R-REQUIRED-2 A Degraded pool is waited for, required or not.
//! R-REQUIRED-3 A required pool is done when all of its nodes run a configuration that these controllers made for this
//! release, with the OS image of the pool's stream, and its status observed its present spec and says Updated.
//! An image that a MachineConfig overrides is not compared.
//! R-REQUIRED-4 Whatever blocks a pool is named, including a stream that is not available.
//! R-REQUIRED-5 A required pool that is paused will not move by itself: that is an error at once.
//! R-REQUIRED-6 Others get 10 min for each node of the required pools, and at least 10 min.
//! R-REQUIRED-7 While the pods of the rendering controller are waited for, pools that do not fail are waited for after them.
//!
//! Source: `syncRequiredMachineConfigPools` and `isMachineConfigPoolConfigurationValid` in `pkg/operator` of
//! github.com/openshift/machine-config-operator; R-REQUIRED-4 and the least time are ours.

use crate::view::Annotations;
use crate::{
    stream::{StreamsView, resolve_stream},
    view::PoolView,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use weir_api::{
    MachineConfig, MachineConfigPool,
    condition::{find_true, is_true},
    keys::{
        config::{
            GENERATED_BY_CONTROLLER_VERSION, OS_IMAGE_URL_OVERRIDDEN, RELEASE_IMAGE_VERSION, REQUIRED_FOR_UPGRADE,
        },
        names::WORKER,
        pool::{DEGRADED, NODE_DEGRADED, PINNED_IMAGE_SETS_DEGRADED, RENDER_DEGRADED, UPDATED, UPDATING},
    },
};

/// Time for one node to be drained, written and rebooted.
const TIME_PER_NODE: SignedDuration = SignedDuration::from_mins(10);

/// The inputs.
#[derive(Clone, Copy, Debug)]
pub struct RequiredView<'a> {
    /// All pools, by name.
    pub pools: &'a [PoolView<'a>],
    /// MachineConfigs by name; only those of status configurations are looked up.
    pub configs: &'a BTreeMap<&'a str, &'a MachineConfig>,
    /// The available streams.
    pub streams: &'a StreamsView<'a>,
    /// OS image of the release while there are no streams; empty when unknown.
    pub base_image: &'a str,
    /// The unique id of the controllers' build.
    pub build: &'a str,
    /// Release the cluster should run; absent when unknown, and then not compared.
    pub release: Option<&'a str>,
    /// Since when pools have been waited for; absent when they were not.
    pub since: Option<Timestamp>,
}

/// The state of the pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Required {
    /// All are done.
    Done,
    /// One is waited for.
    Waiting {
        /// What blocks it.
        why: String,
    },
    /// One is stuck, or not done in time.
    Failed {
        /// What blocks it.
        why: String,
    },
}

impl Required {
    /// The same, after the rendering controller (R-REQUIRED-7); `rollout` says what its pods are waited for, if they are.
    #[must_use]
    pub fn behind(self, rollout: Option<String>) -> Self {
        match (rollout, self) {
            (Some(why), Self::Done | Self::Waiting { .. }) => Self::Waiting { why },
            (_, required) => required,
        }
    }
}

/// Evaluates the pools.
#[must_use]
pub fn required(view: &RequiredView<'_>, now: Timestamp) -> Required {
    let Some((pool, why)) = view.pools.iter().find_map(|pool| Some((pool, kept(view, pool)?))) else {
        return Required::Done;
    };
    if is_required(pool) && pool.paused && !is_true(pool.conditions(), DEGRADED) {
        let name = pool.name;
        let why = if is_true(pool.conditions(), UPDATED) {
            format!(
                "the required MachineConfigPool {name} was paused with no pending updates; no further syncing will \
                 occur until it is unpaused"
            )
        } else {
            format!("required MachineConfigPool {name} is paused and cannot sync until it is unpaused")
        };
        return Required::Failed { why };
    }
    let nodes: i32 = view
        .pools
        .iter()
        .filter(|p| is_required(p))
        .filter_map(|p| p.object.status.as_ref())
        .map(|s| s.machine_count)
        .sum();
    let time = TIME_PER_NODE.saturating_mul(nodes.max(1));
    match view.since {
        Some(since) if now.duration_since(since) >= time => Required::Failed {
            why: format!("during syncRequiredMachineConfigPools: [context deadline exceeded, {why}]"),
        },
        _ => Required::Waiting { why },
    }
}

fn is_required(pool: &PoolView<'_>) -> bool {
    pool.object.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(REQUIRED_FOR_UPGRADE))
}

/// What blocks a pool, if anything.
fn kept(view: &RequiredView<'_>, pool: &PoolView<'_>) -> Option<String> {
    let name = pool.name;
    let status = pool.object.status.clone().unwrap_or_default();
    let counts = |degraded: &str| {
        let (total, ready) = (status.machine_count, status.ready_machine_count);
        let (updated, unavailable) = (status.updated_machine_count, status.unavailable_machine_count);
        format!("total: {total}, ready {ready}, updated: {updated}, unavailable: {unavailable}, {degraded}")
    };
    if let Some(degraded) = find_true(pool.conditions(), DEGRADED) {
        let counts = counts(&format!("reason: {}", degraded.message));
        let text = "is not ready, retrying. Status: (pool degraded: true";
        return Some(format!("MachineConfigPool {name} {text} {counts})"));
    }
    if !is_required(pool) {
        return None;
    }
    if let Some(wait) = pool.render_wait() {
        return Some(format!("MachineConfigPool {name} is still to be rendered: {}", wait.message));
    }
    let worker = view.pools.iter().find(|p| p.name == WORKER);
    let image = match resolve_stream(pool, worker, view.streams) {
        Ok(stream) => stream.set.map_or_else(|| view.base_image.to_owned(), |set| set.os_image),
        Err(error) => return Some(format!("MachineConfigPool {name} has no OS image stream: {error}")),
    };
    if let Some(why) = invalid(view, pool, &image) {
        return Some(format!("MachineConfigPool {name} has not progressed to latest configuration: {why}, retrying"));
    }
    let seen = pool.object.metadata.generation.unwrap_or_default() <= status.observed_generation.unwrap_or_default();
    if seen && is_true(pool.conditions(), UPDATED) {
        return None;
    }
    let counts = counts(&format!("degraded: {}", status.degraded_machine_count));
    Some(format!("required MachineConfigPool {name} is not ready, retrying. Status: ({counts})"))
}

fn configuration(pool: &MachineConfigPool) -> &str {
    pool.status.as_ref().and_then(|s| s.configuration.as_ref()).map(|c| c.name()).unwrap_or_default()
}

/// What is wrong with the last completed configuration of the pool.
fn invalid(view: &RequiredView<'_>, pool: &PoolView<'_>, image: &str) -> Option<String> {
    let (name, words) = (pool.name, pool_words(pool));
    let status = pool.object.status.as_ref().and_then(|s| s.configuration.as_ref());
    if pool.target.is_none() {
        return Some(format!("configuration spec for pool {name} is empty: {words}"));
    }
    let Some(status) = status.filter(|c| !c.name().is_empty()) else {
        return Some(format!("configuration status for pool {name} is empty: {words}"));
    };
    let sources: Vec<_> = status.source.iter().flatten().filter_map(|source| source.name()).collect();
    if sources.is_empty() {
        return Some(format!(
            "list of MachineConfigs that were used to generate configuration for pool {name} is empty: {words}"
        ));
    }
    for config in std::iter::once(status.name()).chain(sources) {
        let Some(object) = view.configs.get(config) else {
            return Some(format!("machineconfig.machineconfiguration.openshift.io {config:?} not found"));
        };
        let expected = view.build;
        match Annotations::of(&object.metadata).get(GENERATED_BY_CONTROLLER_VERSION) {
            None if config == status.name() => {
                return Some(format!("{config} must be created by controller version {expected}: {words}"));
            }
            Some(has) if has != expected => {
                return Some(format!(
                    "controller version mismatch for {config} expected {expected} has {has}: {words}"
                ));
            }
            _ => {}
        }
    }
    let rendered = view.configs.get(status.name())?;
    other_release(view, pool, rendered, image)
}

fn other_release(
    view: &RequiredView<'_>,
    pool: &PoolView<'_>,
    rendered: &MachineConfig,
    image: &str,
) -> Option<String> {
    let (pool, config) = (pool.name, rendered.metadata.name.as_deref().unwrap_or_default());
    let got = rendered.spec.os_image_url.as_deref().unwrap_or_default();
    let marks = Annotations::of(&rendered.metadata);
    if got != image && !marks.has(OS_IMAGE_URL_OVERRIDDEN) {
        return Some(format!("osImageURL mismatch for {pool} in {config} expected: {image} got: {got}"));
    }
    let expected = view.release?;
    match marks.get(RELEASE_IMAGE_VERSION) {
        Some(got) if got == expected => None,
        Some(got) => {
            Some(format!("release image version mismatch for {pool} in {config} expected: {expected} got: {got}"))
        }
        None => Some(format!("unable to access annotation {RELEASE_IMAGE_VERSION} for {config} expected: {expected}")),
    }
}

/// A pool's state in one line, as in the ClusterOperator's extension.
#[must_use]
pub fn pool_words(pool: &PoolView<'_>) -> String {
    let (conditions, target) = (pool.conditions(), pool.target.unwrap_or_default());
    let status = pool.object.status.clone().unwrap_or_default();
    let fails = |type_, what: &str| {
        let condition = find_true(conditions, type_)?;
        Some(format!("pool is degraded because {what} \"{}\": \"{}\"", condition.reason, condition.message))
    };
    if let Some(text) = fails(RENDER_DEGRADED, "rendering fails with") {
        return text;
    }
    if let Some(text) = fails(NODE_DEGRADED, "nodes fail with") {
        return text;
    }
    if is_true(conditions, UPDATED) {
        return format!(
            "all {} nodes are at latest configuration {}",
            status.machine_count,
            configuration(pool.object)
        );
    }
    if is_true(conditions, UPDATING) {
        let (updated, ready, total) = (status.updated_machine_count, status.ready_machine_count, status.machine_count);
        return format!("{updated} (ready {ready}) out of {total} nodes are updating to latest configuration {target}");
    }
    fails(PINNED_IMAGE_SETS_DEGRADED, "pinned image sets failed with").unwrap_or_else(|| "<unknown>".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use weir_api::OSImageStream;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn pools_are_waited_for_after_what_renders_them() {
        let of = |why: &str| Required::Waiting { why: why.to_owned() };
        let failed = Required::Failed { why: "paused".to_owned() };
        for (pools, rollout, expected) in [
            (Required::Done, None, Required::Done),
            (Required::Done, Some("pods"), of("pods")),
            (of("pool"), Some("pods"), of("pods")),
            (of("pool"), None, of("pool")),
            (failed.clone(), Some("pods"), failed),
        ] {
            assert_eq!(pools.behind(rollout.map(str::to_owned)), expected);
        }
    }

    /// A pool that is done, changed by a patch.
    fn pool(name: &str, patch: &Value) -> MachineConfigPool {
        let mut pool = json!({
            "metadata": {"name": name, "generation": 2, "labels": {REQUIRED_FOR_UPGRADE: ""}},
            "spec": {"configuration": {"name": format!("rendered-{name}-1")}},
            "status": {
                "observedGeneration": 2, "machineCount": 3, "updatedMachineCount": 3, "readyMachineCount": 3,
                "unavailableMachineCount": 0, "degradedMachineCount": 0,
                "configuration": {"name": format!("rendered-{name}-1"), "source": [{"name": "00-base"}]},
                "conditions": [{"type": "Updated", "status": "True"}],
            },
        });
        json_patch_merge(&mut pool, patch);
        serde_json::from_value(pool).unwrap()
    }

    fn json_patch_merge(target: &mut Value, patch: &Value) {
        match (target, patch) {
            (Value::Object(target), Value::Object(patch)) => {
                for (key, value) in patch {
                    json_patch_merge(target.entry(key).or_insert(Value::Null), value);
                }
            }
            (target, patch) => *target = patch.clone(),
        }
    }

    fn config(name: &str, annotations: &Value, image: &str) -> MachineConfig {
        serde_json::from_value(json!({
            "metadata": {"name": name, "annotations": annotations}, "spec": {"osImageURL": image},
        }))
        .unwrap()
    }

    struct Case {
        pools: Vec<MachineConfigPool>,
        configs: Vec<MachineConfig>,
        since: Option<Timestamp>,
        enabled: bool,
    }

    impl Case {
        fn new(patch: &Value) -> Self {
            let made = json!({GENERATED_BY_CONTROLLER_VERSION: "b1", RELEASE_IMAGE_VERSION: "5.0.1"});
            let configs = vec![config("rendered-master-1", &made, "os@1"), config("00-base", &json!({}), "")];
            Self { pools: vec![pool("master", patch)], configs, since: None, enabled: true }
        }

        fn with(mut self, annotations: &Value, image: &str) -> Self {
            self.configs[0] = config("rendered-master-1", annotations, image);
            self
        }

        fn judge(&self, now: i64) -> Required {
            let stream: OSImageStream = serde_json::from_value(json!({
                "spec": {"defaultStream": "a"},
                "status": {"defaultStream": "a", "availableStreams": [
                    {"name": "a", "osImage": "os@1", "osExtensionsImage": "e@1"},
                ]},
            }))
            .unwrap();
            let streams =
                StreamsView { enabled: self.enabled, object: Some(&stream), build: None, follows_release: false };
            let pools: Vec<_> = self.pools.iter().map(PoolView::new).collect();
            let configs = self.configs.iter().map(|c| (c.metadata.name.as_deref().unwrap(), c)).collect();
            let view = RequiredView {
                pools: &pools,
                configs: &configs,
                streams: &streams,
                base_image: "base@1",
                build: "b1",
                release: Some("5.0.1"),
                since: self.since,
            };
            required(&view, at(now))
        }

        fn why(&self) -> String {
            match self.judge(0) {
                Required::Waiting { why } => why,
                other => panic!("{other:?}"),
            }
        }
    }

    const WORDS: &str = "all 3 nodes are at latest configuration rendered-master-1";

    #[test]
    fn a_pool_that_has_it_all_is_done() {
        assert_eq!(Case::new(&json!({})).judge(0), Required::Done);
        assert_eq!(Case::new(&json!({"spec": {"paused": true}})).judge(0), Required::Done);
        // An override is not compared, whatever the annotation says.
        let overridden = json!({
            GENERATED_BY_CONTROLLER_VERSION: "b1", RELEASE_IMAGE_VERSION: "5.0.1", OS_IMAGE_URL_OVERRIDDEN: "false",
        });
        assert_eq!(Case::new(&json!({})).with(&overridden, "other").judge(0), Required::Done);
        let mut off = Case::new(&json!({}))
            .with(&json!({GENERATED_BY_CONTROLLER_VERSION: "b1", RELEASE_IMAGE_VERSION: "5.0.1"}), "base@1");
        off.enabled = false;
        assert_eq!(off.judge(0), Required::Done);
    }

    #[test]
    fn a_pool_that_is_still_to_be_rendered_is_not_done() {
        let waits = |status: &str, reason: &str| {
            let held = json!({"type": "RenderDegraded", "status": status, "reason": reason, "message": "not complete"});
            Case::new(&json!({"status": {"conditions": [{"type": "Updated", "status": "True"}, held]}}))
        };
        assert_eq!(waits("False", "").judge(0), Required::Done);
        let why = "MachineConfigPool master is still to be rendered: not complete";
        assert_eq!(waits("False", "ControllerConfigNotComplete").why(), why);
        assert_eq!(waits("True", "ObjectUnreadable").why(), why);
        // Another operator's pools are not blocked by a pool that no release requires.
        let mut other = waits("False", "ControllerConfigNotComplete");
        other.pools[0].metadata.labels = None;
        assert_eq!(other.judge(0), Required::Done);
    }

    #[test]
    fn what_keeps_a_pool_is_named() {
        let latest = "MachineConfigPool master has not progressed to latest configuration";
        for (case, wanted) in [
            (
                Case::new(&json!({"spec": {"configuration": {"name": ""}}})),
                format!("{latest}: configuration spec for pool master is empty: {WORDS}, retrying"),
            ),
            (
                Case::new(&json!({"status": {"configuration": {"source": []}}})),
                format!(
                    "{latest}: list of MachineConfigs that were used to generate configuration for pool master is empty: {WORDS}, retrying"
                ),
            ),
            (
                Case::new(&json!({})).with(&json!({}), "os@1"),
                format!("{latest}: rendered-master-1 must be created by controller version b1: {WORDS}, retrying"),
            ),
            (
                Case::new(&json!({})).with(&json!({GENERATED_BY_CONTROLLER_VERSION: "b0"}), "os@1"),
                format!(
                    "{latest}: controller version mismatch for rendered-master-1 expected b1 has b0: {WORDS}, retrying"
                ),
            ),
            (
                Case::new(&json!({})).with(&json!({GENERATED_BY_CONTROLLER_VERSION: "b1"}), "os@0"),
                format!(
                    "{latest}: osImageURL mismatch for master in rendered-master-1 expected: os@1 got: os@0, retrying"
                ),
            ),
            (
                Case::new(&json!({})).with(&json!({GENERATED_BY_CONTROLLER_VERSION: "b1"}), "os@1"),
                format!(
                    "{latest}: unable to access annotation {RELEASE_IMAGE_VERSION} for rendered-master-1 expected: 5.0.1, retrying"
                ),
            ),
            (
                Case::new(&json!({"spec": {"osImageStream": {"name": "gone"}}})),
                "MachineConfigPool master has no OS image stream: could not get OSImageStreamSet for pool master: \
                 osimagestreams.machineconfiguration.openshift.io \"gone\" not found; the pool's spec.osImageStream names it, available are: a"
                    .to_owned(),
            ),
            (
                Case::new(&json!({"metadata": {"generation": 3}})),
                "required MachineConfigPool master is not ready, retrying. Status: (total: 3, ready 3, updated: 3, \
                 unavailable: 0, degraded: 0)"
                    .to_owned(),
            ),
            (
                Case::new(&json!({"metadata": {"labels": null}, "status": {"conditions": [
                    {"type": "Degraded", "status": "True", "message": "no disk"},
                ]}})),
                "MachineConfigPool master is not ready, retrying. Status: (pool degraded: true total: 3, ready 3, \
                 updated: 3, unavailable: 0, reason: no disk)"
                    .to_owned(),
            ),
        ] {
            assert_eq!(case.why(), wanted);
        }
    }

    #[test]
    fn paused_pools_fail_at_once_and_others_in_time() {
        let failed = |case: &Case, now| match case.judge(now) {
            Required::Failed { why } => why,
            other => panic!("{other:?}"),
        };
        let paused = Case::new(&json!({"spec": {"paused": true}, "status": {"conditions": []}}));
        assert_eq!(
            failed(&paused, 0),
            "required MachineConfigPool master is paused and cannot sync until it is unpaused"
        );
        let unseen = Case::new(&json!({"spec": {"paused": true}, "metadata": {"generation": 3}}));
        assert!(failed(&unseen, 0).contains("was paused with no pending updates"));
        let mut slow = Case::new(&json!({"metadata": {"generation": 3}}));
        slow.since = Some(at(0));
        assert!(matches!(slow.judge(1799), Required::Waiting { .. }));
        assert!(failed(&slow, 1800).starts_with(
            "during syncRequiredMachineConfigPools: [context deadline exceeded, required MachineConfigPool master"
        ));
        let mut empty = Case::new(&json!({"metadata": {"generation": 3}, "status": {"machineCount": 0}}));
        empty.since = Some(at(0));
        assert!(matches!(empty.judge(599), Required::Waiting { .. }));
        assert!(matches!(empty.judge(600), Required::Failed { .. }));
    }

    #[test]
    fn a_pool_in_one_line() {
        let words = |conditions: Value| {
            let pool = pool("master", &json!({"status": {"conditions": conditions}}));
            pool_words(&PoolView::new(&pool))
        };
        let condition = |type_: &str| json!({"type": type_, "status": "True", "reason": "R", "message": "m"});
        for (types, wanted) in [
            (&["Updated", "RenderDegraded"][..], "pool is degraded because rendering fails with \"R\": \"m\""),
            (&["Updated", "NodeDegraded"], "pool is degraded because nodes fail with \"R\": \"m\""),
            (&["Updated", "Updating"], WORDS),
            (&["Updating"], "3 (ready 3) out of 3 nodes are updating to latest configuration rendered-master-1"),
            (&["PinnedImageSetsDegraded"], "pool is degraded because pinned image sets failed with \"R\": \"m\""),
            (&[], "<unknown>"),
        ] {
            assert_eq!(words(json!(types.iter().map(|t| condition(t)).collect::<Vec<_>>())), wanted);
        }
    }
}
