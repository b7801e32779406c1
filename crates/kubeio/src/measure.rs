//! How long the controllers of this process take, and how often they fail. One per process, like its log.

use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use std::{sync::LazyLock, time::Duration};

type Labels = [(&'static str, &'static str); 1];
type Passes = Family<Labels, Histogram, fn() -> Histogram>;

static PASSES: LazyLock<Passes> = LazyLock::new(|| Family::new_with_constructor(histogram));
static FAILURES: LazyLock<Family<Labels, Counter>> = LazyLock::new(Family::default);

/// From half a millisecond, a pass over an idle cluster, to half a minute, the longest drain step.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 4.0, 9))
}

/// Records one pass of a controller.
pub fn passed(controller: &'static str, took: Duration, failed: bool) {
    let labels = [("controller", controller)];
    PASSES.get_or_create(&labels).observe(took.as_secs_f64());
    if failed {
        FAILURES.get_or_create(&labels).inc();
    }
}

/// Adds these metrics to the registry that is served.
pub fn register(registry: &mut Registry) {
    registry.register("weir_reconcile_duration_seconds", "How long one pass of a controller took", PASSES.clone());
    registry.register("weir_reconcile_errors", "Passes of a controller that failed", FAILURES.clone());
}
