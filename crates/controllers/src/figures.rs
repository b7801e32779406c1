//! The cluster in numbers, from what is seen of it.

use crate::{Context, rollout::observe::Observed};
use weir_api::keys::names::{CLUSTER, GATE_OS_STREAMS};
use weir_rules::figures::{Figure, FiguresView};

/// All numbers; none before everything has been seen.
#[must_use]
pub fn figures(context: &Context) -> Vec<Figure> {
    let cluster = &context.cluster;
    if !cluster.is_synced() {
        return Vec::new();
    }
    let plan = Observed::new(context).plan(None, context.clock.now());
    let (pools, configs) = (cluster.pools.all(), cluster.configs.all());
    let is_on = context.gates().is_ok_and(|gates| gates.is_on(GATE_OS_STREAMS));
    weir_rules::figures::figures(&FiguresView {
        pools: &pools.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        configs: &configs
            .iter()
            .filter_map(|config| Some((config.metadata.name.as_deref()?, config.as_ref())))
            .collect(),
        streams: cluster.streams.get(CLUSTER).filter(|_| is_on).as_deref(),
        plan: &plan,
    })
}
