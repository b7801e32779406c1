//! What of a change has no effect, and which nodes have no part in it.
//!
//! R-NOTES-1 A MachineConfig that is applied and that no pool selects changes nothing, now or later. It is told, with its role and the roles
//! that pools select. So is a MachineOSConfig whose pool is not there, or for whose pool another one counts (R-LIMITS-3).
//! R-NOTES-2 Where files leave out a pool that every cluster has, nothing is told of what that pool would take.
//! R-NOTES-3 Nodes that no pool has before the change as after it, and that should be in one (R-LOST), are in no pool's nodes. They are told,
//! too. Those that only the change takes out of their pool are told by R-PREFLIGHT-9.
//! R-NOTES-4 Files that hold fewer nodes of a pool than the pool counted say nothing about the others (R-EXPLAIN-11).

use super::{
    Changed, PoolPlan,
    change::Happens,
    finding::{Code, Finding},
};
use crate::{
    build::{
        limits::{Limit, limits},
        ready::no_such_pool,
    },
    objects::{
        counted::Count,
        selector::{Labels, Selector},
    },
    rollout::{
        WaitReason, listed,
        lost::{Lost, lost},
    },
    world::{Views, World, why::Unknown},
};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{MachineConfig, MachineOSConfig, keys::config::ROLE, kind::MACHINE_CONFIG_GROUP};

/// R-NOTES-1, R-NOTES-3.
pub(super) fn findings(before: &World, after: &World, changed: &[Changed]) -> Vec<Finding> {
    let left_out = after.views().left_out();
    let applied = changed.iter().filter(|one| one.what != Happens::Deleted);
    let ours = applied.map(|one| &one.object).filter(|object| object.group == MACHINE_CONFIG_GROUP);
    let without_effect = ours.filter_map(|object| match object.kind.as_str() {
        "MachineConfig" => selected_by_none(after, after.config(&object.name)?, &left_out),
        "MachineOSConfig" => {
            let mut all = after.os_configs.iter();
            let config = all.find(|config| config.metadata.name.as_ref() == Some(&object.name))?;
            for_no_pool(after, config, &left_out)
        }
        _ => None,
    });
    without_effect.chain(in_no_pool(before, after, &left_out)).collect()
}

/// R-NOTES-1, R-NOTES-2.
fn selected_by_none(after: &World, config: &MachineConfig, left_out: &[&str]) -> Option<Finding> {
    static NO_LABELS: Labels = Labels::new();
    let labels = config.metadata.labels.as_ref().unwrap_or(&NO_LABELS);
    let role = labels.get(ROLE);
    // One that cannot be read might select it.
    let takes = |selector: &Selector| !selector.is_everything() && selector.matches(labels);
    let selectors = after.pools.iter().map(|pool| Selector::parse(pool.spec.machine_config_selector.as_ref()));
    if role.is_some_and(|role| left_out.contains(&role.as_str()))
        || selectors.into_iter().any(|selector| selector.as_ref().map_or(true, takes))
    {
        return None;
    }
    let has = match role {
        Some(role) => format!("its label {ROLE} is {role:?}"),
        None => format!("it has no label {ROLE}"),
    };
    let roles = roles(after);
    let select = match roles.len() {
        0 => "no pool selects by that label".to_owned(),
        _ => format!("pools select {}", listed(roles.iter().copied())),
    };
    let name = config.metadata.name.as_deref().unwrap_or_default();
    let found = format!("no pool selects MachineConfig {name}: {has}, and {select}");
    let remedy =
        "give it the label of the pool that it is for, as spec.machineConfigSelector of the pool asks".to_owned();
    let evidence = format!("MachineConfig {name}: metadata.labels");
    Some(Finding::of(Code::NoPool, None, found, remedy).seen_in(vec![evidence]))
}

/// The roles that pools select MachineConfigs by.
fn roles(world: &World) -> BTreeSet<&str> {
    let selectors = || world.pools.iter().filter_map(|pool| pool.spec.machine_config_selector.as_ref());
    let one = selectors().filter_map(|selector| selector.match_labels.as_ref()?.get(ROLE)).map(String::as_str);
    let asked = selectors().flat_map(|selector| selector.match_expressions.iter().flatten());
    let several = asked.filter(|asked| asked.key == ROLE && asked.operator == "In");
    one.chain(several.flat_map(|asked| asked.values.iter().flatten().map(String::as_str))).collect()
}

/// R-NOTES-1, R-NOTES-2.
fn for_no_pool(after: &World, config: &MachineOSConfig, left_out: &[&str]) -> Option<Finding> {
    let name = config.metadata.name.as_deref().unwrap_or_default();
    let pool = config.spec.machine_config_pool.name.as_str();
    let is_there = after.pools.iter().any(|held| held.metadata.name.as_deref() == Some(pool));
    let all: Vec<&MachineOSConfig> = after.os_configs.iter().map(AsRef::as_ref).collect();
    let second = || limits(config, &all).into_iter().find(|limit| matches!(limit, Limit::Second { .. }));
    let why = match is_there {
        true => second()?.to_string(),
        false if left_out.contains(&pool) => return None,
        false => no_such_pool(pool),
    };
    let found = format!("MachineOSConfig {name} has no effect: {why}");
    let remedy = "change what the message names, or leave the MachineOSConfig out".to_owned();
    let evidence = format!("MachineOSConfig {name}: spec.machineConfigPool");
    Some(Finding::of(Code::NoPool, None, found, remedy).seen_in(vec![evidence]))
}

/// R-NOTES-3.
fn in_no_pool(before: &World, after: &World, left_out: &[&str]) -> Vec<Finding> {
    let of = |views: &Views<'_>| lost(&views.pools, &views.nodes, &views.membership);
    let was: BTreeSet<String> = of(&before.views()).into_iter().map(|lost| lost.node).collect();
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // Without a pool that files leave out, no node of it is in one.
    let is_told = |lost: &Lost| lost.told && (lost.reason != WaitReason::NoPool || left_out.is_empty());
    for lost in of(&after.views()).into_iter().filter(|lost| was.contains(&lost.node) && is_told(lost)) {
        groups.entry(lost.reason.to_string()).or_default().push(lost.node);
    }
    let said = groups.into_iter().map(|(why, nodes)| {
        let (is, keeps) = if nodes.len() == 1 { ("is", "keeps what it runs") } else { ("are", "keep what they run") };
        let found = format!("{} {is} in no pool and {keeps}: {why}", Count(nodes.len(), "node"));
        let first = nodes.first().map(String::as_str).unwrap_or_default();
        let remedy = format!("`weir why node/{first}` has the command");
        Finding::of(Code::Stays, None, found, remedy).seen_in(nodes)
    });
    said.collect()
}

/// R-NOTES-4.
pub(super) fn nodes_left_out(after: &World) -> Vec<Unknown> {
    let views = after.views();
    // Where there are no nodes at all, that is said of each pool.
    if views.nodes.is_empty() {
        return Vec::new();
    }
    let of = |pool| Unknown::of_nodes(after, pool, views.nodes_of(pool.name).len());
    views.pools.iter().filter_map(of).collect()
}

/// How many nodes these are, without those of pools of whose nodes nothing is said.
pub(super) fn unseen(left_out: &[Unknown], pools: &[PoolPlan]) -> usize {
    let number = left_out.iter().map(|unknown| match unknown {
        Unknown::Nodes { pool, held, counted } if !pools.iter().any(|one| one.pool == *pool && one.is_unknown()) => {
            counted.saturating_sub(*held)
        }
        _ => 0,
    });
    number.sum()
}
