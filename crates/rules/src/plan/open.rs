//! Of which pools it is not known what they are rendered to after a change, and why.
//!
//! R-OPEN-1 A pool of files is open if one of the MachineConfigs that it is rendered from is not among them: what it would be rendered to
//! without it is nothing that will happen.
//! R-OPEN-2 So are all pools of files if something changes that MachineConfigs are generated from, and files leave out an object that every
//! cluster has and that these are generated from, too: ControllerConfig, FeatureGate, for mirrors and policies of images also Image.
//! R-OPEN-3 So are all pools, also those of a cluster, if the TLS settings of the API server change: the MachineConfigs of templates follow
//! them, and the templates are in the image of the release. With a release that is planned together with it they are known.
//! R-OPEN-4 So are all pools if nothing could be generated from an object before, and still cannot be after a change of what concerns it.
//! R-OPEN-5 Pools that every cluster has are open if files leave them out.
//! R-OPEN-6 Of files without a MachineConfiguration it is not known which node disruption policies there are: what takes a reboot because
//! none covers it takes one at most.
//! R-OPEN-7 So are all pools if something changes that MachineConfigs are generated from, and an object that these are generated from, too,
//! cannot be read (R-UNREADABLE).
//! R-OPEN-8 A pool of files is open if files leave out what decides about its stream, image or features, such as the OSImageStream.
//! R-OPEN-9 So are all pools of files if MachineConfigs for registries would be generated otherwise, and the files do not explain those that
//! are there (R-REGENERATE-5): without an object that is left out, mirrors and policies would vanish that stay.
//!
//! An open pool has no differences, and nothing is said of its nodes.

use super::{
    PoolPlan,
    generated::{Inputs, Regenerated, without},
};
use crate::{
    objects::counted::Count,
    rollout::{actions::Because, listed},
    view::PoolView,
    world::{World, why::Unknown},
};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::MachineConfigPool;

/// Kinds of objects that MachineConfigs are generated from, all of one name or several.
const SETTINGS: [&str; 12] = [
    "KubeletConfig",
    "ContainerRuntimeConfig",
    "InternalReleaseImage",
    "APIServer",
    "Image",
    "ImageDigestMirrorSet",
    "ImageTagMirrorSet",
    "ImageContentSourcePolicy",
    "ClusterImagePolicy",
    "ImagePolicy",
    "CRIOCredentialProviderConfig",
    "Secret",
];

/// The open pools, and why each is.
pub(super) type Open = BTreeMap<String, String>;

/// R-OPEN-1 to R-OPEN-4, R-OPEN-7 to R-OPEN-9.
pub(super) fn pools(before: &World, after: &World, generated: &Regenerated) -> Open {
    let mut open: Open = before.pools.iter().filter_map(|pool| missing_configs(before, pool)).collect();
    if let Some(why) = of_all(before, after, generated) {
        for name in after.pools.iter().filter_map(|pool| pool.metadata.name.as_ref()) {
            open.entry(name.clone()).or_insert_with(|| why.clone());
        }
    }
    for (name, why) in after.pools.iter().filter_map(|pool| undecided(before, after, pool)) {
        open.entry(name).or_insert(why);
    }
    open.retain(|name, _| after.pools.iter().any(|pool| pool.metadata.name.as_ref() == Some(name)));
    open
}

fn of_all(before: &World, after: &World, generated: &Regenerated) -> Option<String> {
    let Regenerated { inputs, stuck, .. } = generated;
    if !stuck.is_empty() {
        return Some(format!("before and after the change, nothing can be generated from {}", stuck.join(", ")));
    }
    if !inputs.release && before.tls() != after.tls() {
        let templates = "the MachineConfigs of templates follow the TLS settings of APIServer cluster";
        return Some(format!(
            "{templates}, and the templates are in the image of the release, which is not read for this"
        ));
    }
    let odd: Vec<&str> = after.unreadable.iter().map(|object| object.kind.as_str()).filter(is_setting).collect();
    if inputs.changed() && !odd.is_empty() {
        let of = listed(odd.iter().copied().collect::<BTreeSet<_>>());
        return Some(format!("MachineConfigs are generated from {of} too, and not every such object can be read"));
    }
    let of_files = || left_out(after, *inputs).or_else(|| unexplained(before, &generated.unexplained));
    (!before.whole).then(of_files).flatten()
}

/// R-OPEN-2.
fn left_out(after: &World, inputs: Inputs) -> Option<String> {
    if !(inputs.kubelets || inputs.runtimes || inputs.registries || inputs.common && has_settings(after)) {
        return None;
    }
    let left_out = [
        ("ControllerConfig machine-config-controller", after.controller_config.is_none()),
        ("FeatureGate cluster", after.feature_gate.is_none()),
        ("Image.config.openshift.io cluster", inputs.registries && after.settings.image.is_none()),
    ];
    let missing: Vec<&str> = left_out.into_iter().filter(|(_, missing)| *missing).map(|(object, _)| object).collect();
    let are = if missing.len() == 1 { "is" } else { "are" };
    (!missing.is_empty()).then(|| {
        format!("MachineConfigs are generated from {} too, which {are} not among the files", missing.join(", "))
    })
}

/// R-OPEN-9.
fn unexplained(before: &World, configs: &[String]) -> Option<String> {
    let (has, is) = if configs.len() == 1 { ("has", "it was") } else { ("have", "they were") };
    let names = listed(configs.iter().map(String::as_str));
    let kinds = without(before).join(", ");
    let found = format!(
        "MachineConfig {names} {has} something that the files do not explain: an object that {is} generated from may be left out of them, which hold no {kinds}"
    );
    (!configs.is_empty()).then_some(found)
}

/// Whether there is anything that MachineConfigs are generated from.
fn has_settings(world: &World) -> bool {
    !world.kubelets.is_empty() || !world.runtimes.is_empty() || world.settings.image.is_some()
}

/// Whether MachineConfigs are generated from objects of a kind.
fn is_setting(kind: &&str) -> bool {
    SETTINGS.contains(kind)
}

/// R-OPEN-1. What cannot be read is among the files: no pool that takes it is rendered (R-UNREADABLE-1).
fn missing_configs(before: &World, pool: &MachineConfigPool) -> Option<(String, String)> {
    if before.whole {
        return None;
    }
    let told = pool.spec.configuration.as_ref()?.source.as_deref().unwrap_or_default();
    let names = told.iter().filter_map(|source| source.reference.name.as_deref());
    let is_odd = |name: &str| {
        before.unreadable.iter().any(|odd| (odd.kind.as_str(), odd.name.as_str()) == ("MachineConfig", name))
    };
    let missing: Vec<&str> = names.filter(|name| before.config(name).is_none() && !is_odd(name)).collect();
    let are = if missing.len() == 1 { "is" } else { "are" };
    let number = Count(missing.len(), "MachineConfig");
    let what = listed(missing.iter().copied());
    let why = format!("of what it is rendered from, {number} {are} not among the files: {what}");
    (!missing.is_empty()).then(|| (pool.metadata.name.clone().unwrap_or_default(), why))
}

/// R-OPEN-8.
fn undecided(before: &World, after: &World, pool: &MachineConfigPool) -> Option<(String, String)> {
    if before.whole {
        return None;
    }
    let view = PoolView::new(pool);
    let failure = after.parts(&view, &after.pool_views()).err()?;
    Some((view.name.to_owned(), Unknown::of(&failure, &view)?.why()))
}

/// What is not known of all of them, for people. `missing` are the pools that files leave out (R-OPEN-5).
pub(super) fn said(open: &Open, missing: &[&str], before: &World, pools: &[PoolPlan]) -> Vec<String> {
    let mut by_why: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (pool, why) in open {
        by_why.entry(why).or_default().push(pool);
    }
    let of_pools = by_why.into_iter().map(|(why, pools)| {
        let (what, are) = if pools.len() == 1 { ("pool", "is") } else { ("pools", "are") };
        format!("what {what} {} {are} rendered to: {why}", listed(pools))
    });
    let of_missing = missing.iter().map(|pool| format!("what the nodes of pool {pool} do: it is not among the files"));
    of_pools.chain(of_missing).chain(policies(before, pools)).collect()
}

/// R-OPEN-6.
fn policies(before: &World, pools: &[PoolPlan]) -> Option<String> {
    let nodes = pools.iter().filter_map(|pool| pool.nodes.as_deref()).flatten();
    let mut causes = nodes.filter_map(|node| node.effect.as_ref().ok()).flat_map(|effect| effect.decisive());
    let decided = causes.any(|cause| cause.because == Because::NoPolicy);
    (decided && !before.whole && before.configuration.is_none()).then(|| {
        "whether a node disruption policy covers what differs: MachineConfiguration cluster is not among the files"
            .to_owned()
    })
}
