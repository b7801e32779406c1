//! The cluster in numbers, from what is seen of it.

use crate::{Context, rollout::observe::Observed};
use std::collections::BTreeSet;
use weir_api::keys::names::{CLUSTER, CONTROLLER_CONFIG, GATE_OS_STREAMS};
use weir_rules::status::figures::{Figure, FiguresView, ReferenceView};

/// All numbers; none before everything has been seen.
#[must_use]
pub fn figures(context: &Context) -> Vec<Figure> {
    let cluster = &context.cluster;
    if !cluster.is_synced() {
        return Vec::new();
    }
    let now = context.clock.now();
    let plan = Observed::new(context).views().plan(None, now);
    let (pools, configs) = (cluster.pools.all(), cluster.configs.all());
    let (nodes, reports) = (cluster.nodes.all(), cluster.reports.all());
    let names = pools.iter().map(|pool| &pool.metadata).chain(nodes.iter().map(|node| &node.metadata));
    let names: BTreeSet<&str> = names.filter_map(|metadata| metadata.name.as_deref()).collect();
    let is_on = context.gates().is_ok_and(|gates| gates.is_on(GATE_OS_STREAMS));
    let pools: Vec<_> = pools.iter().map(AsRef::as_ref).collect();
    weir_rules::status::figures::figures(
        &FiguresView {
            pools: &pools,
            configs: &configs
                .iter()
                .filter_map(|config| Some((config.metadata.name.as_deref()?, config.as_ref())))
                .collect(),
            streams: cluster.streams.get(CLUSTER).filter(|_| is_on).as_deref(),
            plan: &plan,
            reference: ReferenceView {
                pools: &pools,
                nodes: &nodes.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
                reports: &reports.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
                controller_config: cluster.controller_configs.get(CONTROLLER_CONFIG).as_deref(),
                configuration: cluster.configurations.get(CLUSTER).as_deref(),
                steps: &cluster.steps.of(|name| names.contains(name)),
            },
        },
        now,
    )
}
