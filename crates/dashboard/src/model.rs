//! What the page shows and `/data/v1` returns, from a world: the values that the commands print, in their words.
//!
//! R-PICTURE-1 A picture is of one moment: everything on a page was seen at the same time, and nothing in it depends on when it is looked at.
//! R-PICTURE-2 What is said is said by the rules; here it is only put where the page has a place for it.
//! R-PICTURE-3 A node is shown as what weighs most: it fails, it is on its way, it may start, it waits, it is not ready, it is there.
//!
//! | module | what it is about |
//! |---|---|
//! | `pools` | pools: how far, what is wrong, what their nodes wait for |
//! | `nodes` | nodes: what they run and what they do |
//! | `cluster` | the cluster: its release, gates, operator, and streams |

mod cluster;
mod nodes;
mod pools;

pub use cluster::{ClusterState, Said, Stream, Successor};
pub use nodes::{Node, NodeState};
pub use pools::{Expected, Group, Note, NoteKind, Past, Phase, Pool, Slots, numbers};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use weir_rules::{
    history::History,
    rollout::RolloutPlan,
    world::{Views, World, explain::health},
};

/// The whole cluster at one moment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// When it was seen.
    #[schemars(with = "String")]
    pub taken: Timestamp,
    /// Why it is no longer kept up to date; absent while it is.
    pub trouble: Option<String>,
    /// How the pools are, in a line, worst first.
    pub health: String,
    /// The commands that get it further.
    pub next: Vec<String>,
    /// The cluster.
    pub cluster: ClusterState,
    /// The OS image streams, by name.
    pub streams: Vec<Stream>,
    /// The pools, by name.
    pub pools: Vec<Pool>,
    /// The nodes, by name.
    pub nodes: Vec<Node>,
}

impl Overview {
    /// Looks at a world by its views, and by the plan of its rollout.
    #[must_use]
    pub fn of(views: &Views<'_>, plan: &RolloutPlan, trouble: Option<String>, now: Timestamp) -> Self {
        let world = views.world();
        let explained = views.explain_all(plan, now);
        let nodes = nodes::nodes(views, plan);
        let pools: Vec<Pool> = explained.iter().map(|pool| pools::pool(world, views, pool, now)).collect();
        let mut next: Vec<String> = Vec::new();
        for command in explained.iter().flat_map(weir_rules::world::explain::Explained::next) {
            if !next.contains(&command) {
                next.push(command);
            }
        }
        Self {
            taken: now,
            trouble,
            health: health(&explained),
            next,
            cluster: cluster::cluster(world, views),
            streams: cluster::streams(world, &pools, &nodes),
            pools,
            nodes,
        }
    }

    /// The pool with this name.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.name == name)
    }

    /// The node with this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

/// The histories of pools that have one, by name.
#[must_use]
pub fn histories(world: &World) -> BTreeMap<String, History> {
    let names = world.pools.iter().filter_map(|pool| pool.metadata.name.clone());
    let found = names.filter_map(|name| Some((world.history(&name)?, name)));
    found.filter(|(history, _)| !history.rollouts.is_empty()).map(|(history, name)| (name, history)).collect()
}
