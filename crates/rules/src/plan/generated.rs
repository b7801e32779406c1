//! Which MachineConfigs are generated otherwise after a change.
//!
//! R-REGENERATE-1 Everything is generated twice, from the world before and after (R-FORESEE-3). What is the same both times is left
//! alone, whatever exists.
//! R-REGENERATE-2 Settings are applied on top of what the cluster's MachineConfigs of templates give to a pool, `00-` and `01-`; a pool
//! without any of its own gets those of the workers.
//! R-REGENERATE-3 An object from which nothing can be generated only after the change is in the way. If that was so before, and something
//! that concerns it changes, it is not known what will be generated from it once it can be.
//! R-REGENERATE-4 After an update, the MachineConfigs of templates are generated from those of the release, and settings are applied on
//! top of these.
//! R-REGENERATE-5 What is generated for registries otherwise than before is not explained where files give something else than what is there
//! even without the change, and hold no object of one of the kinds that it is generated from: that object may be left out.

use super::finding::{Code, Finding};
use crate::{
    generated::base,
    render::Build,
    runtime::image::generated_name,
    view::Annotations,
    world::{
        World,
        generated::{Generators, IMAGE, Item, ReleaseTemplates, difference::difference},
        why::refused_mirrors,
    },
};
use jiff::Timestamp;
use std::{collections::BTreeSet, sync::Arc};
use weir_api::{
    MachineConfig,
    keys::{
        config::{RELEASE_IMAGE_VERSION, ROLE},
        names::WORKER,
    },
};

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Regenerated {
    pub(super) findings: Vec<Finding>,
    pub(super) unknown: Vec<String>,
    pub(super) inputs: Inputs,
    /// Objects from which nothing can be generated, before and after a change of what concerns them.
    pub(super) stuck: Vec<String>,
    /// MachineConfigs for registries that files do not explain (R-REGENERATE-5).
    pub(super) unexplained: Vec<String>,
}

/// What changes of what MachineConfigs are generated from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inputs {
    /// The release, with its templates.
    pub(super) release: bool,
    /// KubeletConfigs.
    pub(super) kubelets: bool,
    /// ContainerRuntimeConfigs.
    pub(super) runtimes: bool,
    /// Mirrors and policies of images.
    pub(super) registries: bool,
    /// What all of them depend on.
    pub(super) common: bool,
}

impl Inputs {
    pub(super) fn changed(self) -> bool {
        self.release || self.kubelets || self.runtimes || self.registries || self.common
    }

    /// Whether something changes that concerns this object, of kind and name.
    fn concerns(self, object: &str) -> bool {
        let own = match object.split([' ', '.', '/']).next() {
            Some("KubeletConfig") => self.kubelets,
            Some("ContainerRuntimeConfig") => self.runtimes,
            Some("Image") => self.registries,
            _ => return false,
        };
        !self.release && (own || self.common)
    }
}

/// Brings the MachineConfigs of the world after a change up to date. After an update, `templates` are those of the release.
pub(super) fn regenerate(
    before: &World,
    after: &mut World,
    templates: Option<&ReleaseTemplates>,
    now: Timestamp,
) -> Regenerated {
    let inputs = Inputs { release: templates.is_some(), ..changed(before, after) };
    let mut found = Regenerated { inputs, ..Regenerated::default() };
    if !inputs.changed() {
        return found;
    }
    let old = items(before, now);
    let generate = |world: &World| {
        templates.map_or_else(|| items(world, now), |templates| items_of_release(world, templates, now))
    };
    let new = generate(after);
    found.unexplained = unexplained(before, (&old, &new));
    for item in &new {
        match item {
            Item::Refused { object, why } if old.contains(item) => {
                if inputs.concerns(object) {
                    found.stuck.push(format!("{object} ({why})"));
                }
            }
            _ if old.contains(item) => {}
            // Files without it say nothing about the object (R-OPEN-2).
            Item::Refused { .. } if !after.whole && after.controller_config.is_none() => {}
            Item::Made(config) => after.put((**config).clone().into()),
            Item::Gone(name) => after.configs.retain(|config| config.metadata.name.as_ref() != Some(name)),
            Item::Refused { object, why } => {
                let said = format!("nothing can be generated from {object}: {why}");
                let mirrors = refused_mirrors(&after.settings).into_iter().filter(|_| IMAGE == *object);
                let mut to_blame: Vec<String> = mirrors.map(|(kind, name)| format!("{kind} {name}")).collect();
                if to_blame.is_empty() {
                    to_blame.push(object.clone());
                }
                let remedy = format!("correct {}", to_blame.join(" or "));
                found.findings.push(Finding::of(Code::Generate, None, said, remedy).seen_in(to_blame));
            }
            Item::Noticed { object, what } => found.unknown.push(format!("{object}: {what}")),
        }
    }
    drop_ungenerated(after, &names(&old) - &names(&new), generate);
    found
}

/// Deletes what is no longer generated. What would be generated just as it is there is not written, and stays.
fn drop_ungenerated(after: &mut World, names: BTreeSet<&str>, generate: impl Fn(&World) -> Vec<Item>) {
    if names.is_empty() {
        return;
    }
    let is_one = |config: &Arc<MachineConfig>| config.metadata.name.as_deref().is_some_and(|name| names.contains(name));
    let mut without = after.clone();
    without.configs.retain(|config| !is_one(config));
    let again = generate(&without);
    let is_again =
        |config: &MachineConfig| config.metadata.name.as_deref().is_some_and(|name| made(&again, name).is_some());
    after.configs.retain(|config| !is_one(config) || is_again(config));
}

/// R-REGENERATE-5. Where nothing could be generated, that is said instead (R-REGENERATE-3).
fn unexplained(before: &World, (old, new): (&[Item], &[Item])) -> Vec<String> {
    let is_refused = |item: &Item| matches!(item, Item::Refused { object, .. } if object == IMAGE);
    if before.whole || without(before).is_empty() || old.iter().any(is_refused) {
        return Vec::new();
    }
    let pools = before.pools.iter().filter_map(|pool| pool.metadata.name.as_deref());
    let is_odd = |name: &String| {
        let Some(((there, ours), then)) = before.config(name).zip(made(old, name)).zip(made(new, name)) else {
            return false;
        };
        ours != then && difference(there, ours).is_some() && difference(there, then).is_some()
    };
    pools.map(generated_name).filter(is_odd).collect()
}

/// A MachineConfig that is written because it is not there as it is generated.
fn made<'i>(items: &'i [Item], name: &str) -> Option<&'i MachineConfig> {
    items.iter().find_map(|item| match item {
        Item::Made(config) if config.metadata.name.as_deref() == Some(name) => Some(config.as_ref()),
        _ => None,
    })
}

/// Kinds that MachineConfigs for registries are generated from, and of which a world has no object; not every cluster has some.
pub(super) fn without(world: &World) -> Vec<&'static str> {
    let settings = &world.settings;
    let kinds = [
        ("ImageDigestMirrorSet", settings.digest_mirrors.is_empty()),
        ("ImageTagMirrorSet", settings.tag_mirrors.is_empty()),
        ("ImageContentSourcePolicy", settings.content_sources.is_empty()),
        ("ClusterImagePolicy", settings.cluster_policies.is_empty()),
        ("ImagePolicy", settings.policies.is_empty()),
    ];
    kinds.into_iter().filter(|(_, none)| *none).map(|(kind, _)| kind).collect()
}

/// What is not the very same of what something is generated from.
fn changed(before: &World, after: &World) -> Inputs {
    fn same<K>(a: &[Arc<K>], b: &[Arc<K>]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
    }
    let (a, b) = (&before.settings, &after.settings);
    let names = |world: &World| world.pools.iter().map(|pool| pool.metadata.name.clone()).collect::<Vec<_>>();
    let labels = |world: &World| world.pools.iter().map(|pool| pool.metadata.labels.clone()).collect::<Vec<_>>();
    let registries = same(a.image.as_slice(), b.image.as_slice())
        && same(a.release_image.as_slice(), b.release_image.as_slice())
        && same(&a.digest_mirrors, &b.digest_mirrors)
        && same(&a.tag_mirrors, &b.tag_mirrors)
        && same(&a.content_sources, &b.content_sources)
        && same(&a.cluster_policies, &b.cluster_policies)
        && same(&a.policies, &b.policies);
    let common = same(before.feature_gate.as_slice(), after.feature_gate.as_slice())
        && same(a.api_server.as_slice(), b.api_server.as_slice())
        && same(a.node.as_slice(), b.node.as_slice())
        && same(a.credential_providers.as_slice(), b.credential_providers.as_slice())
        && (names(before), labels(before)) == (names(after), labels(after));
    Inputs {
        release: false,
        kubelets: !same(&before.kubelets, &after.kubelets),
        runtimes: !same(&before.runtimes, &after.runtimes),
        registries: !registries,
        common: !common,
    }
}

fn items(world: &World, now: Timestamp) -> Vec<Item> {
    let build = Build::ours();
    let release = world
        .controller_config
        .as_ref()
        .and_then(|config| Annotations::of(&config.metadata).get(RELEASE_IMAGE_VERSION).map(str::to_owned));
    let (templates, of_pools) = (ReleaseTemplates { release, ..ReleaseTemplates::default() }, of_cluster(world));
    Generators::new(world, &templates, &of_pools, &build, now).of_settings(now)
}

/// R-REGENERATE-4.
fn items_of_release(world: &World, templates: &ReleaseTemplates, now: Timestamp) -> Vec<Item> {
    let build = Build::ours();
    let of_pools = world.templates_of_pools(templates, &build);
    Generators::new(world, templates, &of_pools, &build, now).all(now)
}

/// R-REGENERATE-2.
fn of_cluster(world: &World) -> base::Templates {
    let of_role = |role: &str| -> Vec<MachineConfig> {
        let is_of = |config: &&Arc<MachineConfig>| {
            let labels = config.metadata.labels.as_ref();
            let name = config.metadata.name.as_deref().unwrap_or_default();
            labels.and_then(|labels| labels.get(ROLE)).is_some_and(|held| held == role)
                && (name.starts_with("00-") || name.starts_with("01-"))
        };
        world.configs.iter().filter(is_of).map(|config| config.as_ref().clone()).collect()
    };
    let names = world.pools.iter().filter_map(|pool| pool.metadata.name.as_deref());
    let of = |pool: &str| match of_role(pool) {
        own if !own.is_empty() => Ok(own),
        _ => Ok(of_role(WORKER)),
    };
    names.map(|pool| (pool.to_owned(), of(pool))).collect()
}

fn names(items: &[Item]) -> BTreeSet<&str> {
    let made = items.iter().filter_map(|item| match item {
        Item::Made(config) => config.metadata.name.as_deref(),
        _ => None,
    });
    made.collect()
}
