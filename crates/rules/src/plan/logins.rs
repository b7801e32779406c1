//! The Secrets that OS images are built with.
//!
//! R-PLANLOGINS-1 Where an OS image is built first, the Secrets are needed that the MachineOSConfig names, in the operator's namespace: to
//! push, and to pull if it names one. While one of them is missing, no image can be built (R-READY), and no node goes.
//! R-PLANLOGINS-2 Secrets are looked for by name; one that the change brings is there. Of those that nobody looked for, and that are not
//! among the objects, it is not known: files hardly ever hold Secrets. That is said once.

use super::{
    Change, Facts,
    target::{PoolTarget, Refused},
};
use crate::{
    build::{limits::of_pool, logins::NoSecret},
    rollout::listed,
    world::World,
};
use k8s_openapi::api::core::v1::Secret;
use std::{collections::BTreeSet, sync::Arc};
use weir_api::{MachineOSConfig, keys::names::OPERATOR_NAMESPACE, kind::MACHINE_CONFIG_GROUP};

/// Names of the Secrets that OS images are built with before and after a change.
#[must_use]
pub fn secrets(world: &World, changes: &[Change]) -> BTreeSet<String> {
    let given = changes.iter().filter_map(|change| match change {
        Change::Apply(object) if object["kind"] == "MachineOSConfig" => {
            let group = object["apiVersion"].as_str()?.split_once('/')?.0;
            Some(object["spec"].clone()).filter(|_| group == MACHINE_CONFIG_GROUP)
        }
        _ => None,
    });
    let given = given.flat_map(|spec| {
        let name = |field: &str| spec[field]["name"].as_str().map(str::to_owned);
        [name("renderedImagePushSecret"), name("baseImagePullSecret")].into_iter().flatten()
    });
    let held = world.os_configs.iter().flat_map(|config| named(config)).map(str::to_owned);
    held.chain(given).filter(|name| !name.is_empty()).collect()
}

fn named(config: &MachineOSConfig) -> BTreeSet<&str> {
    let spec = &config.spec;
    let names = [Some(&spec.rendered_image_push_secret), spec.base_image_pull_secret.as_ref()];
    names.into_iter().flatten().map(|secret| secret.name.as_str()).filter(|name| !name.is_empty()).collect()
}

/// The Secrets that images of a pool are built with; none if it is not in image mode.
fn of<'w>(world: &'w World, pool: &str) -> BTreeSet<&'w str> {
    let configs: Vec<&MachineOSConfig> = world.os_configs.iter().map(AsRef::as_ref).collect();
    of_pool(pool, &configs).map(named).unwrap_or_default()
}

/// R-PLANLOGINS-1.
pub(super) fn refuse(before: &World, after: &World, targets: &mut [PoolTarget], facts: &Facts) {
    for target in targets.iter_mut().filter(|target| target.builds && target.refused.is_none()) {
        let is_missing = |name: &&str| facts.secrets.get(*name) == Some(&false);
        let missing: BTreeSet<&str> = of(after, &target.pool).into_iter().filter(is_missing).collect();
        let said: Vec<String> = missing.iter().map(|name| NoSecret { name: (*name).to_owned() }.to_string()).collect();
        if said.is_empty() {
            continue;
        }
        let why = said.join("; ");
        let was = of(before, &target.pool);
        let configs: Vec<&MachineOSConfig> = after.os_configs.iter().map(AsRef::as_ref).collect();
        let config = of_pool(&target.pool, &configs).and_then(|config| config.metadata.name.clone());
        target.image = Some(format!("no image can be built: {why}"));
        let before = missing.iter().all(|name| was.contains(name));
        target.refused = Some(Refused { config: config.unwrap_or_default(), why, before });
    }
}

/// R-PLANLOGINS-2.
pub(super) fn not_known(after: &World, targets: &[PoolTarget], facts: &Facts) -> Option<String> {
    let (mut names, mut pools) = (BTreeSet::new(), Vec::new());
    for target in targets.iter().filter(|target| target.builds && target.refused.is_none()) {
        let of_it: BTreeSet<&str> =
            of(after, &target.pool).into_iter().filter(|name| !is_known(after, name, facts)).collect();
        if !of_it.is_empty() {
            names.extend(of_it);
            pools.push(target.pool.as_str());
        }
    }
    if names.is_empty() {
        return None;
    }
    let why = match (after.whole, names.len()) {
        (true, 1) => "it was not looked for",
        (true, _) => "they were not looked for",
        (false, 1) => "it is not among the files",
        (false, _) => "they are not among the files",
    };
    let (is, secrets) =
        (if names.len() == 1 { "is" } else { "are" }, if names.len() == 1 { "Secret" } else { "Secrets" });
    let of_pools = if pools.len() == 1 { "pool" } else { "pools" };
    let (names, pools) = (listed(names.iter().copied()), listed(pools));
    Some(format!(
        "whether {secrets} {names} of namespace {OPERATOR_NAMESPACE}, which the OS images of {of_pools} {pools} are built with, {is} there: {why}"
    ))
}

fn is_known(world: &World, name: &str, facts: &Facts) -> bool {
    let is_it = |secret: &Arc<Secret>| {
        let metadata = &secret.metadata;
        (metadata.namespace.as_deref(), metadata.name.as_deref()) == (Some(OPERATOR_NAMESPACE), Some(name))
    };
    facts.secrets.contains_key(name) || world.settings.secrets.iter().any(is_it)
}
