//! Metrics about the cluster, from the controllers' view of it.

use crate::{Context, history};
use std::collections::BTreeSet;
use weir_rules::status::figures::{Figure, FiguresView, ReferenceView};

/// All metrics; none before everything has been seen.
#[must_use]
pub fn figures(context: &Context) -> Vec<Figure> {
    let cluster = &context.cluster;
    if !cluster.is_synced() {
        return Vec::new();
    }
    let now = context.clock.now();
    let world = context.world();
    let views = world.views();
    let names = views.pools.iter().map(|pool| pool.name).chain(views.nodes.iter().map(|node| node.name));
    let names: BTreeSet<&str> = names.collect();
    let pools: Vec<_> = world.pools.iter().map(AsRef::as_ref).collect();
    weir_rules::status::figures::figures(
        &FiguresView {
            pools: &pools,
            configs: &views.configs,
            streams: world.streams_in_effect(),
            os_configs: &world.os_configs.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
            os_builds: &world.os_builds.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
            plan: &views.plan(None, now),
            histories: &history::written(cluster),
            reference: ReferenceView {
                pools: &pools,
                nodes: &world.nodes.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
                reports: &world.reports.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
                controller_config: world.controller_config.as_deref(),
                configuration: world.configuration.as_deref(),
                steps: &cluster.steps.of(|name| names.contains(name)),
            },
        },
        now,
    )
}
