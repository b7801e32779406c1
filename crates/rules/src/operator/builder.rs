//! What builds of OS images need from the operator, and whether the builder has to run.
//!
//! R-BUILDER-1 A pool is in image mode for the operator when it has the label `layering-enabled`, or a MachineOSConfig names it. (In the
//! reference one labelled pool hides all others.)
//! R-BUILDER-2 The builder runs while there is such a pool, a MachineOSConfig, though it may name no pool, or a MachineOSBuild, which it
//! is to clean away; one that cannot be read counts.
//! R-BUILDER-3 While a pool is in image mode there is a copy of the cluster's pull secret beside the pods that build, and for each such
//! pool one of the certificates of the subscription, if the cluster has any. Copies go with their original, and with the pool's image
//! mode; not while a pool or a MachineOSConfig cannot be read, which may be in image mode.
//! R-BUILDER-4 A copy has our label; one that another operator left is taken over. A copy that says the same is not written.
//! R-BUILDER-5 What cannot work is told: a pool with the label that no MachineOSConfig names, and nodes whose operating system is not
//! replaced as a whole. Other pools are built for all the same. (In the reference either keeps the builder from being set up.)
//! R-BUILDER-6 A node's text about its operating system counts when it is one, in words: simulated nodes may say which image they run.
//!
//! Source: `syncMachineOSBuilder` in `pkg/operator/sync.go` of github.com/openshift/machine-config-operator. R-BUILDER-4 is ours.

use crate::world::World;
use k8s_openapi::{
    ByteString,
    api::core::v1::{Node, Secret},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{
    MachineConfigPool,
    docker_config::SECRET_TYPE,
    keys::{
        names::OPERATOR_NAMESPACE,
        operand::{MANAGED_BY, OPERATOR},
        pool::LAYERING_ENABLED,
        secrets,
    },
};

/// What every image-based operating system has in its name.
const COREOS: &str = "CoreOS";
/// Type of a Secret without a meaning of its own.
const OPAQUE: &str = "Opaque";
/// At most this many nodes are named in a message.
const QUOTED: usize = 5;

/// Originals of copies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Originals<'a> {
    /// The cluster's pull secret.
    pub pull_secret: Option<&'a Secret>,
    /// The certificates of its subscription.
    pub entitlement: Option<&'a Secret>,
}

/// What is to be done about copies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Copies {
    /// To be applied.
    pub apply: Vec<Secret>,
    /// Names of those to be deleted.
    pub delete: Vec<String>,
}

/// What cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotWork {
    /// Nothing says what is to be built.
    #[error("MachineOSConfig for pool {0} missing, did you create it?")]
    NoConfig(String),
    /// The operating system of nodes is made of packages.
    #[error(
        "on-cluster layering is only supported on CoreOS-based nodes: [{}]; move these nodes to another pool",
        .0.join(", ")
    )]
    NotCoreOs(Vec<String>),
}

/// The pools in image mode (R-BUILDER-1), by name.
#[must_use]
pub fn layered(world: &World) -> Vec<&MachineConfigPool> {
    let named: BTreeSet<&str> =
        world.os_configs.iter().map(|config| config.spec.machine_config_pool.name.as_str()).collect();
    let is_layered = |pool: &&MachineConfigPool| is_labelled(pool) || named.contains(name_of(pool));
    world.pools.iter().map(AsRef::as_ref).filter(is_layered).collect()
}

/// Whether the builder has to run (R-BUILDER-2).
#[must_use]
pub fn is_needed(world: &World) -> bool {
    let unreadable = is_unreadable(world, &["MachineOSConfig", "MachineOSBuild"]);
    let objects = !world.os_configs.is_empty() || !world.os_builds.is_empty();
    objects || unreadable || world.pools.iter().any(|pool| is_labelled(pool))
}

fn is_unreadable(world: &World, kinds: &[&str]) -> bool {
    world.unreadable.iter().any(|object| kinds.contains(&object.kind.as_str()))
}

/// What is to be done about copies; `live` are those with our label (R-BUILDER-3).
#[must_use]
pub fn copies(world: &World, originals: Originals<'_>, live: &[&Secret]) -> Copies {
    let pools = layered(world);
    let wanted: Vec<Secret> = wanted(&pools, originals);
    let found = |name: Option<&String>| live.iter().find(|held| held.metadata.name.as_ref() == name);
    let is_new = |copy: &&Secret| found(copy.metadata.name.as_ref()).is_none_or(|held| !is_same(held, copy));
    let is_wanted = |name: &String| wanted.iter().any(|copy| copy.metadata.name.as_ref() == Some(name));
    let unsure = is_unreadable(world, &["MachineOSConfig", "MachineConfigPool"]);
    let names = live.iter().filter(|held| !unsure && held.metadata.deletion_timestamp.is_none());
    let delete = names.filter_map(|held| held.metadata.name.clone()).filter(|name| is_copy(name) && !is_wanted(name));
    Copies { delete: delete.collect(), apply: wanted.iter().filter(is_new).cloned().collect() }
}

/// What cannot work (R-BUILDER-5).
#[must_use]
pub fn cannot_work(world: &World) -> Vec<CannotWork> {
    let mut found = Vec::new();
    for pool in world.pools.iter().filter(|pool| is_labelled(pool)) {
        let name = name_of(pool);
        if !world.os_configs.iter().any(|config| config.spec.machine_config_pool.name == name) {
            found.push(CannotWork::NoConfig(name.to_owned()));
        }
    }
    let nodes = not_coreos(world);
    if !nodes.is_empty() {
        found.push(CannotWork::NotCoreOs(nodes));
    }
    found
}

fn not_coreos(world: &World) -> Vec<String> {
    let pools = layered(world);
    if pools.is_empty() {
        return Vec::new();
    }
    let os = |node: &Node| Some(node.status.as_ref()?.node_info.as_ref()?.os_image.clone());
    let others = world.nodes.iter().filter_map(|node| {
        let os = os(node).filter(|os| is_told(os) && !os.contains(COREOS))?;
        Some((node.metadata.name.clone()?, os))
    });
    let (others, views): (BTreeMap<String, String>, _) = (others.collect(), world.views());
    let mut said = Vec::new();
    for pool in pools.into_iter().map(name_of) {
        let found = views.nodes_of(pool).into_iter().filter_map(|node| Some((node.name, others.get(node.name)?)));
        said.extend(found.map(|(node, os)| {
            format!("non-CoreOS OS {os:?} detected on node {node:?} in MachineConfigPool(s) {pool}")
        }));
    }
    let more = said.len().saturating_sub(QUOTED);
    said.truncate(QUOTED);
    said.extend((more > 0).then(|| format!("and {more} more")));
    said
}

/// R-BUILDER-6.
fn is_told(os: &str) -> bool {
    os.trim().contains(' ')
}

fn wanted(pools: &[&MachineConfigPool], originals: Originals<'_>) -> Vec<Secret> {
    if pools.is_empty() {
        return Vec::new();
    }
    let pull = originals.pull_secret.map(|of| copy(secrets::PULL_COPY.to_owned(), SECRET_TYPE, of, None));
    let of_pool = |pool: &&MachineConfigPool| {
        let of = originals.entitlement?;
        Some(copy(format!("{}-{}", secrets::ENTITLEMENT, name_of(pool)), OPAQUE, of, Some(owner(pool))))
    };
    pull.into_iter().chain(pools.iter().filter_map(of_pool)).collect()
}

fn copy(name: String, type_: &str, of: &Secret, owner: Option<OwnerReference>) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(OPERATOR_NAMESPACE.to_owned()),
            labels: Some(BTreeMap::from([(MANAGED_BY.to_owned(), OPERATOR.to_owned())])),
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        type_: Some(type_.to_owned()),
        data: of.data.clone(),
        ..Secret::default()
    }
}

fn owner(pool: &MachineConfigPool) -> OwnerReference {
    OwnerReference {
        api_version: pool.api_version.clone(),
        kind: pool.kind.clone(),
        name: name_of(pool).to_owned(),
        uid: pool.metadata.uid.clone().unwrap_or_default(),
        ..OwnerReference::default()
    }
}

/// R-BUILDER-4.
fn is_same(held: &Secret, wanted: &Secret) -> bool {
    let data = |secret: &Secret| -> BTreeMap<String, ByteString> { secret.data.clone().unwrap_or_default() };
    let owners = |secret: &Secret| -> BTreeSet<String> {
        secret.metadata.owner_references.iter().flatten().map(|owner| owner.uid.clone()).collect()
    };
    data(held) == data(wanted) && owners(wanted).is_subset(&owners(held))
}

/// Whether a Secret of this name is one of the copies.
fn is_copy(name: &str) -> bool {
    let of_pool = name.strip_prefix(secrets::ENTITLEMENT).is_some_and(|rest| rest.starts_with('-'));
    name == secrets::PULL_COPY || of_pool
}

fn is_labelled(pool: &MachineConfigPool) -> bool {
    pool.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(LAYERING_ENABLED))
}

fn name_of(pool: &MachineConfigPool) -> &str {
    pool.metadata.name.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::unreadable::UnreadableObject;
    use serde_json::{Value, json};
    use weir_api::{MachineOSBuild, MachineOSConfig};

    fn pool(name: &str, labels: Value) -> MachineConfigPool {
        let selector = json!({"matchLabels": {format!("node-role.kubernetes.io/{name}"): ""}});
        let metadata = json!({"name": name, "uid": format!("of-{name}"), "labels": labels});
        serde_json::from_value(json!({"metadata": metadata, "spec": {"nodeSelector": selector}})).unwrap()
    }

    fn config(pool: &str) -> MachineOSConfig {
        let mut config = MachineOSConfig::named(pool, Default::default());
        config.spec.machine_config_pool = weir_api::references::NameReference::to(pool);
        config
    }

    fn node(name: &str, pool: &str, os: &str) -> Node {
        let labels = json!({format!("node-role.kubernetes.io/{pool}"): ""});
        let info: Value = json!({
            "architecture": "", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "",
            "kubeletVersion": "", "machineID": "", "operatingSystem": "", "osImage": os, "systemUUID": "",
        });
        serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}, "status": {"nodeInfo": info}}))
            .unwrap()
    }

    fn secret(name: &str, data: &str) -> Secret {
        serde_json::from_value(json!({"metadata": {"name": name}, "data": {"k": data}})).unwrap()
    }

    fn names(pools: &[&MachineConfigPool]) -> Vec<String> {
        pools.iter().map(|pool| name_of(pool).to_owned()).collect()
    }

    #[test]
    fn a_label_hides_no_other_pool_and_what_is_left_keeps_the_builder() {
        let pools =
            || [pool("infra", json!({LAYERING_ENABLED: ""})), pool("master", json!({})), pool("worker", json!({}))];
        let world = World::of(pools().into_iter().map(Into::into).chain([config("worker").into()]));
        assert_eq!(names(&layered(&world)), ["infra", "worker"]);
        assert!(is_needed(&world));
        assert!(!is_needed(&World::of([pool("worker", json!({})).into()])));
        let left = MachineOSBuild::named("worker-1", Default::default());
        assert!(is_needed(&World::of([left.into()])));
        assert!(is_needed(&World::of([config("nonsense").into()])));
    }

    #[test]
    fn copies_come_change_and_go() {
        let world = World::of([pool("worker", json!({})).into(), config("worker").into()]);
        let (pull, entitlement) = (secret("pull-secret", "YQ=="), secret("etc-pki-entitlement", "Yg=="));
        let originals = Originals { pull_secret: Some(&pull), entitlement: Some(&entitlement) };
        let made = copies(&world, originals, &[]).apply;
        let said: Vec<_> =
            made.iter().map(|copy| (copy.metadata.name.as_deref().unwrap(), copy.type_.as_deref())).collect();
        assert_eq!(
            said,
            [
                ("global-pull-secret-copy", Some("kubernetes.io/dockerconfigjson")),
                ("etc-pki-entitlement-worker", Some("Opaque")),
            ]
        );
        assert_eq!(made[1].metadata.owner_references.as_ref().unwrap()[0].uid, "of-worker");
        let live: Vec<&Secret> = made.iter().collect();
        assert_eq!(copies(&world, originals, &live), Copies::default());
        let changed = Originals { pull_secret: Some(&entitlement), ..originals };
        assert_eq!(copies(&world, changed, &live).apply.len(), 1);
        let without = Originals { entitlement: None, ..originals };
        assert_eq!(copies(&world, without, &live).delete, ["etc-pki-entitlement-worker"]);
        let other = secret("etc-pki-entitlements", "YQ==");
        let opted_out = World::of([pool("worker", json!({})).into()]);
        let gone = copies(&opted_out, originals, &[live[0], live[1], &other]);
        assert_eq!(gone.delete, ["global-pull-secret-copy", "etc-pki-entitlement-worker"]);
        assert!(gone.apply.is_empty());
        for (kind, deleted) in [("MachineOSConfig", 0), ("MachineConfigPool", 0), ("MachineOSBuild", 2)] {
            let mut unsure = World::of([pool("worker", json!({})).into()]);
            let (kind, name, said) = (kind.to_owned(), "odd".to_owned(), String::new());
            unsure.unreadable.push(UnreadableObject { kind, name, labels: Default::default(), said });
            let found = copies(&unsure, originals, &[live[0], live[1]]).delete;
            assert_eq!(found.len(), deleted, "{:?}", unsure.unreadable);
        }
    }

    #[test]
    fn what_cannot_work_is_told_with_pool_and_node() {
        let labelled = pool("infra", json!({LAYERING_ENABLED: ""}));
        let of = |os: &str| {
            let nodes = (0..7).map(|n| node(&format!("w{n}"), "worker", os).into());
            World::of(nodes.chain([labelled.clone().into(), pool("worker", json!({})).into(), config("worker").into()]))
        };
        let said: Vec<String> = cannot_work(&of("Ubuntu 24.04 LTS")).iter().map(ToString::to_string).collect();
        assert_eq!(said[0], "MachineOSConfig for pool infra missing, did you create it?");
        assert!(
            said[1].contains("\"Ubuntu 24.04 LTS\" detected on node \"w0\" in MachineConfigPool(s) worker"),
            "{said:?}"
        );
        assert!(said[1].contains("and 2 more]"), "{said:?}");
        for fine in ["Red Hat Enterprise Linux CoreOS 9.6.20250523-0 (Plow)", "", "127.0.0.1:5000/os/worker@sha256:1"] {
            assert_eq!(cannot_work(&of(fine)).len(), 1, "{fine}");
        }
    }
}
