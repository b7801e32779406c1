//! Counts what happens to builds. One count per process, like its log.

use crate::{Context, cluster::Watcher};
use parking_lot::Mutex;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};
use std::{collections::BTreeMap, sync::LazyLock};
use tokio::sync::watch;
use weir_kubeio::{Error, Next};
use weir_rules::build::{
    counted::{Amount, Counted, Labels, Look},
    told::{FIGURES, FigureKind},
};

/// Labels as they are served.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPool {
    pool: String,
    state: Option<String>,
}

impl From<Labels> for OfPool {
    fn from(labels: Labels) -> Self {
        Self { pool: labels.pool, state: labels.state.map(str::to_owned) }
    }
}

/// Figures that count, by name.
struct Figures {
    counters: BTreeMap<&'static str, Family<OfPool, Counter>>,
    histograms: BTreeMap<&'static str, Family<OfPool, Histogram, Buckets>>,
}

/// Makes histograms with these bounds, in seconds.
#[derive(Clone, Debug)]
struct Buckets(&'static [u32]);

impl prometheus_client::metrics::family::MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied().map(f64::from))
    }
}

static COUNTED: LazyLock<Figures> = LazyLock::new(|| {
    let mut figures = Figures { counters: BTreeMap::new(), histograms: BTreeMap::new() };
    for figure in FIGURES {
        match figure.kind {
            FigureKind::Gauge => {}
            FigureKind::Counter => _ = figures.counters.insert(figure.name, Family::default()),
            FigureKind::Histogram(bounds) => {
                figures.histograms.insert(figure.name, Family::new_with_constructor(Buckets(bounds)));
            }
        }
    }
    figures
});

/// Adds what is counted to what is served.
pub fn register(registry: &mut Registry) {
    for (name, counter) in &COUNTED.counters {
        // The ending is added where it is served.
        let name = name.strip_suffix("_total").unwrap_or(name);
        registry.register(name, "Counted of builds of OS images, by pool", counter.clone());
    }
    for (name, histogram) in &COUNTED.histograms {
        registry.register(*name, "How long builds of OS images took, by pool", histogram.clone());
    }
}

fn count(counted: Counted) {
    let labels = OfPool::from(counted.labels);
    match counted.what {
        Amount::More(more) => {
            if let Some(counter) = COUNTED.counters.get(counted.figure) {
                counter.get_or_create(&labels).inc_by(more);
            }
        }
        Amount::Took(seconds) => {
            if let Some(histogram) = COUNTED.histograms.get(counted.figure) {
                histogram.get_or_create(&labels).observe(seconds);
            }
        }
    }
}

/// The controller that counts. It writes nothing.
#[derive(Debug)]
pub struct Counters {
    context: Context,
    last: Mutex<Option<Look>>,
}

impl Counters {
    /// One that has not looked yet.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context, last: Mutex::default() }
    }
}

impl weir_kubeio::Controller for Counters {
    type Error = Error;
    const NAME: &'static str = "build_counters";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.context.cluster.intent_changes();
        all.extend(self.context.cluster.watches.changes(&[Watcher::Builds]));
        all
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        let cluster = &self.context.cluster;
        if !cluster.is_configuration_synced() {
            return Ok(Next::Await);
        }
        let (pools, builds, jobs) = (cluster.pools.all(), cluster.os_builds.all(), cluster.jobs());
        let jobs: Vec<_> = jobs.iter().map(AsRef::as_ref).collect();
        let look = Look::at(pools.iter().map(AsRef::as_ref), builds.iter().map(AsRef::as_ref), &jobs);
        let mut last = self.last.lock();
        look.since(last.as_ref(), self.context.clock.now()).into_iter().for_each(count);
        *last = Some(look);
        Ok(Next::Await)
    }
}
