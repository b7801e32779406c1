//! What was last decided, for as long as nothing changes that it depends on. Most changes are rendered MachineConfigs and targets of
//! pools, and generating everything anew takes longer than all else that follows such a change.

use std::sync::Arc;
use weir_api::{MachineConfig, MachineConfigPool, keys::names::RENDERED_PREFIX, pool::MachineConfigPoolSpec};
use weir_rules::world::{
    Settings, World,
    generated::{
        ReleaseTemplates,
        plan::{Decision, Part},
    },
};

/// A decision after which nothing was left to write, and what it was made from.
#[derive(Debug)]
pub(super) struct Decided {
    world: World,
    templates: Arc<ReleaseTemplates>,
    decision: Decision,
}

impl Decided {
    /// `None` for a decision after which something is written.
    pub(super) fn new(world: &World, templates: &Arc<ReleaseTemplates>, decision: &Decision) -> Option<Self> {
        let writes_nothing = match decision {
            Decision::Write(parts) => parts.iter().all(is_idle),
            Decision::Fail(_) | Decision::Leave(_) | Decision::Adopt(_) => false,
        };
        // Nodes and what they report come and go, and decide nothing here: their old selves would be kept alive.
        let of_nodes = || World {
            nodes: Vec::new(),
            reports: Vec::new(),
            pods: Vec::new(),
            histories: Vec::new(),
            ..world.clone()
        };
        let of = || Self { world: of_nodes(), templates: templates.clone(), decision: decision.clone() };
        writes_nothing.then(of)
    }

    /// The decision, if it was made from the same.
    pub(super) fn holds(&self, world: &World, templates: &Arc<ReleaseTemplates>) -> Option<Decision> {
        let holds = Arc::ptr_eq(&self.templates, templates) && is_same(&self.world, world);
        holds.then(|| self.decision.clone())
    }
}

fn is_idle(part: &Part) -> bool {
    !part.changes_configs() && part.before.is_none() && part.after.is_none() && part.statuses.is_empty()
}

/// Whether the same is generated from both. Objects that caches hold are another one after every change.
fn is_same(before: &World, now: &World) -> bool {
    same(before.version.as_ref(), now.version.as_ref())
        && same(before.feature_gate.as_ref(), now.feature_gate.as_ref())
        && same(before.controller_config.as_ref(), now.controller_config.as_ref())
        && same(before.streams.as_ref(), now.streams.as_ref())
        && same(before.configuration.as_ref(), now.configuration.as_ref())
        && same(&before.os_configs, &now.os_configs)
        && same(&before.os_builds, &now.os_builds)
        && same(&before.kubelets, &now.kubelets)
        && same(&before.runtimes, &now.runtimes)
        && same(&before.pinned, &now.pinned)
        && same(sources(&before.configs), sources(&now.configs))
        && are_same_settings(&before.settings, &now.settings)
        && before.pools.len() == now.pools.len()
        && before.pools.iter().zip(&now.pools).all(|(before, now)| is_same_pool(before, now))
        && before.unreadable == now.unreadable
        && before.release == now.release
        && before.process == now.process
}

fn same<'a, T: 'a>(before: impl IntoIterator<Item = &'a Arc<T>>, now: impl IntoIterator<Item = &'a Arc<T>>) -> bool {
    let (mut before, mut now) = (before.into_iter(), now.into_iter());
    loop {
        match (before.next(), now.next()) {
            (None, None) => return true,
            (Some(before), Some(now)) if Arc::ptr_eq(before, now) => {}
            _ => return false,
        }
    }
}

/// The MachineConfigs that are not made by rendering.
fn sources(configs: &[Arc<MachineConfig>]) -> impl Iterator<Item = &Arc<MachineConfig>> {
    let is_rendered = |config: &Arc<MachineConfig>| {
        config.metadata.name.as_ref().is_some_and(|name| name.starts_with(RENDERED_PREFIX))
    };
    configs.iter().filter(move |config| !is_rendered(config))
}

/// Neither a pool's target nor its status decides about what is generated.
fn is_same_pool(before: &Arc<MachineConfigPool>, now: &Arc<MachineConfigPool>) -> bool {
    let spec = |pool: &MachineConfigPool| MachineConfigPoolSpec { configuration: None, ..pool.spec.clone() };
    let meta = |pool: &MachineConfigPool| {
        let meta = &pool.metadata;
        (meta.uid.clone(), meta.name.clone(), meta.labels.clone(), meta.deletion_timestamp.clone())
    };
    Arc::ptr_eq(before, now) || (meta(before) == meta(now) && spec(before) == spec(now))
}

fn are_same_settings(before: &Settings, now: &Settings) -> bool {
    same(before.api_server.as_ref(), now.api_server.as_ref())
        && same(before.node.as_ref(), now.node.as_ref())
        && same(before.image.as_ref(), now.image.as_ref())
        && same(before.credential_providers.as_ref(), now.credential_providers.as_ref())
        && same(before.release_image.as_ref(), now.release_image.as_ref())
        && same(&before.digest_mirrors, &now.digest_mirrors)
        && same(&before.tag_mirrors, &now.tag_mirrors)
        && same(&before.content_sources, &now.content_sources)
        && same(&before.cluster_policies, &now.cluster_policies)
        && same(&before.policies, &now.policies)
        && same(&before.secrets, &now.secrets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pool(target: &str, label: &str) -> Arc<MachineConfigPool> {
        let object = json!({
            "metadata": {"name": "worker", "uid": "u", "resourceVersion": target, "labels": {"a": label}},
            "spec": {"paused": false, "configuration": {"name": target}},
        });
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn config(name: &str) -> Arc<MachineConfig> {
        Arc::new(serde_json::from_value(json!({"metadata": {"name": name}, "spec": {}})).unwrap())
    }

    #[test]
    fn a_decision_holds_until_something_changes_that_it_depends_on() {
        let templates = Arc::new(ReleaseTemplates::default());
        let world = World { pools: vec![pool("r1", "b")], configs: vec![config("00-worker")], ..World::default() };
        let decided = Decided::new(&world, &templates, &Decision::Write(Vec::new())).unwrap();
        let holds = |world: &World| decided.holds(world, &templates).is_some();
        assert!(holds(&world));
        let rendered = [world.configs.clone(), vec![config("rendered-worker-1")]].concat();
        assert!(holds(&World { pools: vec![pool("r2", "b")], configs: rendered, ..world.clone() }));
        assert!(!holds(&World { pools: vec![pool("r1", "c")], ..world.clone() }));
        assert!(!holds(&World { configs: vec![config("00-worker")], ..world.clone() }), "another object of this name");
        let users = [world.configs.clone(), vec![config("99-worker-x")]].concat();
        assert!(!holds(&World { configs: users, ..world.clone() }));
        assert!(!holds(&World { release: Some("5.0.0".to_owned()), ..world.clone() }));
        assert!(
            decided.holds(&world, &Arc::new(ReleaseTemplates::default())).is_none(),
            "templates that were read again"
        );
        assert!(Decided::new(&world, &templates, &Decision::Fail(String::new())).is_none());
    }
}
