//! `/healthz`, `/readyz` and `/metrics` over plain HTTP.
//!
//! Healthy: the process responds. Ready: it is a standby, or it leads and its caches are filled.

use super::{connections, exposition::Format, leader::BUILDER};
use anyhow::{Context as _, Result};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, text::encode},
    metrics::{MetricType, gauge::ConstGauge},
    registry::Registry,
};
use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};
use tokio::net::TcpListener;
use weir_controllers::{Context, build::counters, figures::figures, history};
use weir_kubeio::{Fence, measure};

/// What is known about the process; nothing until the API server has answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Health(Arc<OnceLock<Connected>>);

#[derive(Debug)]
struct Connected {
    context: Context,
    fences: Vec<(&'static str, Fence)>,
}

impl Health {
    /// Sets what is known.
    pub(super) fn know(&self, context: Context, fences: Vec<(&'static str, Fence)>) {
        // Set once.
        _ = self.0.set(Connected { context, fences });
    }

    /// Why the process is not ready, if it is not.
    fn obstacle(&self) -> Option<&'static str> {
        let Some(known) = self.0.get() else { return Some("waiting for the API server") };
        // Another builder keeps a process that does more than that from building, and from nothing else.
        let only = known.fences.len() == 1;
        let leads =
            known.fences.iter().filter(|(lease, _)| only || *lease != BUILDER).all(|(_, fence)| fence.is_open());
        (leads && !known.context.cluster.is_synced()).then_some("not everything has been seen yet")
    }
}

impl Collector for Health {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(Connected { context, fences }) = self.0.get() else { return Ok(()) };
        for figure in figures(context) {
            let mut metric = encoder.encode_descriptor(figure.name, figure.help, None, MetricType::Gauge)?;
            for (labels, value) in &figure.values {
                ConstGauge::new(*value).encode(metric.encode_family(&labels.as_slice())?)?;
            }
        }
        let help = "1, with the version and the commit of this process";
        let mut metric = encoder.encode_descriptor("weir_build_info", help, None, MetricType::Gauge)?;
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("commit", weir_rules::render::COMMIT)];
        ConstGauge::new(1_i64).encode(metric.encode_family(&labels)?)?;
        let help = "1 while this process holds the lease";
        let mut metric = encoder.encode_descriptor("weir_leader", help, None, MetricType::Gauge)?;
        for (lease, fence) in fences {
            let labels = [("lease", *lease)];
            ConstGauge::new(i64::from(fence.is_open())).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// Starts serving; the process is not ready before [`Health::know`].
///
/// # Errors
/// When the address is not available.
pub(super) async fn serve(address: SocketAddr, health: Health) -> Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("serving metrics on {address}"))?;
    let mut registry = Registry::default();
    measure::register(&mut registry);
    counters::register(&mut registry);
    history::register(&mut registry);
    registry.register_collector(Box::new(health.clone()));
    let at = listener.local_addr().unwrap_or(address);
    tell!("serving http://{at}/metrics, /healthz and /readyz");
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state((health, Arc::new(registry)));
    tokio::spawn(connections::serve(listener, router));
    Ok(())
}

type Served = (Health, Arc<Registry>);

async fn ready(State((health, _)): State<Served>) -> impl IntoResponse {
    match health.obstacle() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State((_, registry)): State<Served>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::accepted(accept);
    let mut open = String::new();
    match encode(&mut open, &registry) {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, format.media_type())], format.of(open)),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain")], format!("{error}\n")),
    }
}
