//! Continuing another build's work.
//!
//! Decided once the leases are held: while this process stood by, the other operator may have updated the cluster.

use anyhow::{Context as _, Result};
use std::sync::Arc;
use weir_api::keys::names::CONTROLLER_CONFIG;
use weir_controllers::{Build, Context};
use weir_rules::operator::take_over::{Continued, TakeOverView, continued};

/// The same context with the annotations of the build that ran before; requires running watches.
///
/// # Errors
/// When there is no work to continue.
pub(super) async fn taken_over(context: &Context) -> Result<Context> {
    context.cluster.synced().await;
    let cluster = &context.cluster;
    let (controller_config, configs) = (cluster.controller_configs.get(CONTROLLER_CONFIG), cluster.configs.all());
    let version = context.cluster_version();
    let found = continued(&TakeOverView {
        controller_config: controller_config.as_deref(),
        configs: &configs.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        desired: version.as_ref().and_then(|version| Some(version.status.as_ref()?.desired.version.as_str())),
    });
    let Continued { raw, hash, release } = found.context("taking over")?;
    tell!("continuing the work of build {raw} ({hash}) for release {release}");
    let build = Arc::new(Build { raw, hash, release: Some(release) });
    Ok(Context { build, ..context.clone() })
}
