//! Whether a pool is where somebody waits for it to be, and what it still takes.
//!
//! R-AWAIT-1 A pool is updated when all its nodes run its target, by the objects as they are and by the status that was written of
//! them, and nothing newer is to be rendered: what a user just changed is not passed over because the pool's status is of before.
//! R-AWAIT-2 It is on a stream when it is updated and its status names the stream. A stream that the cluster does not have is refused.
//! R-AWAIT-3 Where weir does not render the pool, its target is taken for what it renders to.
//! R-AWAIT-4 A degraded pool is told, and waited for: what degrades it may pass.

use super::{
    World,
    explain::{Explained, Health, NoSuchPool, explain, groups},
};
use crate::{
    objects::counted::Count,
    render::Build,
    rollout::{listed, pause::Paused},
    view::PoolView,
};
use jiff::Timestamp;
use weir_api::{condition::is_true, keys::pool::UPDATED};

/// What somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// All nodes run what they should.
    Updated,
    /// All nodes run this stream.
    Stream(String),
}

/// What is waited for cannot come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NeverComes {
    /// There is no such pool.
    #[error(transparent)]
    Pool(#[from] NoSuchPool),
    /// There is no such stream.
    #[error("there is no OS image stream {asked:?}; {}", there(known))]
    Stream {
        /// The name.
        asked: String,
        /// Those that there are.
        known: Vec<String>,
    },
}

fn there(known: &[String]) -> String {
    if known.is_empty() { "this cluster has none".to_owned() } else { format!("there are: {}", known.join(", ")) }
}

/// How a pool stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is where it is waited for.
    pub reached: bool,
    /// What it waits for, in a line.
    pub waits: String,
    /// Why it is degraded, in lines.
    pub degraded: Vec<String>,
}

/// How the pool stands.
///
/// # Errors
/// When there is no such pool or stream.
pub fn standing(world: &World, pool: &str, awaited: &Awaited, now: Timestamp) -> Result<Standing, NeverComes> {
    let explained = explain(world, pool, now)?;
    let said = explained.causes().into_iter();
    let said = said.map(|cause| if cause.message.is_empty() { &cause.reason } else { &cause.message });
    let degraded = said.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let views = world.pool_views();
    let view = views.iter().find(|view| view.name == pool);
    let news = view.and_then(|view| to_be_rendered(world, view, &views));
    let written = view.is_some_and(|view| is_true(view.conditions(), UPDATED) && is_observed(view));
    let updated = explained.health() == Health::Updated && news.is_none() && written;
    let on = |stream: &str| runs(&explained) == Some(stream);
    let waits = match awaited {
        Awaited::Updated => (!updated).then(|| news.unwrap_or_else(|| to_go(&explained))),
        Awaited::Stream(stream) => {
            is_there(world, stream)?;
            let elsewhere = view.and_then(|view| goes_elsewhere(world, view, &views, stream));
            (!updated || !on(stream)).then(|| elsewhere.or(news).unwrap_or_else(|| to_go(&explained)))
        }
    };
    Ok(Standing { reached: waits.is_none(), waits: waits.unwrap_or_default(), degraded })
}

fn is_observed(view: &PoolView<'_>) -> bool {
    let observed = view.object.status.as_ref().and_then(|status| status.observed_generation);
    view.object.metadata.generation.is_none_or(|now| observed.is_none_or(|observed| observed >= now))
}

/// The stream that the pool's status names.
fn runs(explained: &Explained) -> Option<&str> {
    explained.status.os_image_stream.as_ref().map(|stream| stream.name.as_str())
}

/// R-AWAIT-1 and R-AWAIT-3.
fn to_be_rendered(world: &World, view: &PoolView<'_>, views: &[PoolView<'_>]) -> Option<String> {
    if !world.is_rendered_by_weir(view) {
        return None;
    }
    let (parts, _) = world.parts(view, views).ok()?;
    let rendered = parts.render(view.object, &Build::ours()).ok()?;
    let differs = view.target != Some(rendered.name());
    differs.then(|| "a change is to be rendered first".to_owned())
}

/// R-AWAIT-2.
fn is_there(world: &World, stream: &str) -> Result<(), NeverComes> {
    let status = world.streams.as_ref().and_then(|streams| streams.status.as_ref());
    let known: Vec<String> =
        status.iter().flat_map(|status| &status.available_streams).map(|s| s.name.clone()).collect();
    if known.iter().any(|known| known == stream) {
        return Ok(());
    }
    Err(NeverComes::Stream { asked: stream.to_owned(), known })
}

/// That the pool is not to get the stream at all, as things are.
fn goes_elsewhere(world: &World, view: &PoolView<'_>, views: &[PoolView<'_>], stream: &str) -> Option<String> {
    let resolved = world.stream(view, views).ok()?;
    let gets = resolved.set.as_ref().map(|set| set.name.as_str()).filter(|gets| *gets != stream)?;
    let because = &resolved.because;
    Some(format!(
        "the pool gets stream {gets}, not {stream}: {because}; weir switch {} {stream} changes that",
        view.name
    ))
}

/// What a node waits for that only says that others go first.
const IN_ORDER: [&str; 3] = ["Updating", "Queued", "NoCapacity"];

/// What an update still takes.
fn to_go(pool: &Explained) -> String {
    let health = pool.health();
    if matches!(health, Health::NotRendered | Health::NotKnown) {
        return health.word().to_owned();
    }
    let (all, left) = (pool.nodes.len(), pool.to_go());
    let mut said = vec![format!("{} of {} done", all.saturating_sub(left), Count(all, "node"))];
    said.extend(pool.under_way().into_iter().map(|(step, nodes)| {
        let names = listed(nodes.iter().copied());
        format!("{names} {}", step.phase())
    }));
    for (what, held) in groups(pool) {
        let reason = held.first().map(|held| held.reason.code());
        if !reason.is_some_and(|reason| IN_ORDER.contains(&reason)) {
            let names = listed(held.iter().map(|held| held.node.as_str()));
            said.push(format!("{names} {}: {what}", if held.len() == 1 { "waits" } else { "wait" }));
        }
    }
    said.extend(pool.pause.as_ref().and_then(Paused::told));
    said.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Object;
    use k8s_openapi::api::core::v1::Node;
    use serde_json::{Value, json};
    use weir_api::{MachineConfigPool, OSImageStream};

    const DESIRED: &str = "machineconfiguration.openshift.io/desiredConfig";
    const CURRENT: &str = "machineconfiguration.openshift.io/currentConfig";
    const STATE: &str = "machineconfiguration.openshift.io/state";

    fn of<K: serde::de::DeserializeOwned + Into<Object>>(value: Value) -> Object {
        serde_json::from_value::<K>(value).unwrap().into()
    }

    /// A pool of two nodes that run this, and what its status says.
    fn world(current: [&str; 2], updated: &str, generation: i64) -> World {
        let label = json!({"node-role.kubernetes.io/worker": ""});
        let node = |name: &str, runs: &str| {
            of::<Node>(json!({
                "metadata": {"name": name, "labels": label, "annotations": {CURRENT: runs, DESIRED: runs, STATE: "Done"}},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            }))
        };
        let pool = of::<MachineConfigPool>(json!({
            "metadata": {"name": "worker", "generation": generation},
            "spec": {"configuration": {"name": "r2"}, "nodeSelector": {"matchLabels": label}},
            "status": {"observedGeneration": 1, "osImageStream": {"name": "one"}, "conditions": [
                {"type": "Updated", "status": updated, "lastTransitionTime": "2026-01-01T00:00:00Z"},
                {"type": "NodeDegraded", "status": "True", "reason": "1 nodes are reporting degraded status", "message": "no space\nleft",
                 "lastTransitionTime": "2026-01-01T00:00:00Z"},
            ]},
        }));
        let set = |name: &str| json!({"name": name, "osImage": name, "osExtensionsImage": name});
        let streams = of::<OSImageStream>(json!({
            "metadata": {"name": "cluster"}, "spec": {},
            "status": {"defaultStream": "one", "availableStreams": [set("one"), set("two")]},
        }));
        World::of(vec![pool, node("a", current[0]), node("b", current[1]), streams])
    }

    fn of_world(world: &World, awaited: &Awaited) -> Standing {
        standing(world, "worker", awaited, Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn a_pool_is_updated_by_its_nodes_and_by_its_status() {
        let of = |nodes, updated, generation| of_world(&world(nodes, updated, generation), &Awaited::Updated);
        assert!(of(["r2", "r2"], "True", 1).reached);
        assert!(!of(["r2", "r2"], "False", 1).reached, "nobody has written yet that it is");
        assert!(!of(["r2", "r2"], "True", 2).reached, "the status is of before the last change");
        let going = of(["r1", "r2"], "True", 1);
        assert!(!going.reached && going.waits.starts_with("1 of 2 nodes done"), "{going:?}");
    }

    #[test]
    fn a_stream_is_waited_for_where_it_can_come() {
        let there = world(["r2", "r2"], "True", 1);
        let never =
            |awaited: &Awaited| standing(&there, "worker", awaited, Timestamp::UNIX_EPOCH).unwrap_err().to_string();
        let none = never(&Awaited::Stream("three".into()));
        assert_eq!(none, "there is no OS image stream \"three\"; there are: one, two");
        let other = of_world(&there, &Awaited::Stream("two".into()));
        assert!(!other.reached, "{other:?}");
        let nobody = standing(&there, "gpu", &Awaited::Updated, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(nobody.to_string(), "there is no MachineConfigPool \"gpu\"; there are: worker");
        let bare = NeverComes::Stream { asked: "a".into(), known: Vec::new() };
        assert_eq!(bare.to_string(), "there is no OS image stream \"a\"; this cluster has none");
    }
}
