//! Forgets cached images that the cluster no longer uses, now and then.

use crate::{Access, Context, cluster::Watcher};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::sleep;
use weir_images::{Cache, Digest, pull_spec::digest_of};
use weir_rules::stream::catalog::kept::{KeptView, kept};

/// Time until a restart has settled (as in the reference, `pkg/imageutils` of github.com/openshift/machine-config-operator).
const FIRST: Duration = Duration::from_mins(10);
/// After that, daily, as in the reference.
const PERIOD: Duration = Duration::from_hours(24);

/// Forgets on schedule until the future is dropped.
pub async fn forget(context: &Context, access: &Access) {
    // Without a cache there is nothing to forget.
    let Some(cache) = access.cache() else { return std::future::pending().await };
    sleep(FIRST).await;
    loop {
        match evict(context, cache).await {
            Ok(0) => {}
            Ok(images) => tracing::info!(images, "forgot what was known of images that are no longer used"),
            Err(error) => tracing::warn!(error, "what is known of unused images was not forgotten"),
        }
        sleep(PERIOD).await;
    }
}

/// Forgets once; returns the number of images.
async fn evict(context: &Context, cache: &Cache) -> Result<usize, String> {
    if !context.cluster.watches.is_synced(&[Watcher::Settings]) {
        return Err("PinnedImageSets have not been seen".to_owned());
    }
    let world = context.configuration();
    let view = KeptView {
        cluster: world.version.as_deref(),
        object: world.streams.as_deref(),
        controller_config: world.controller_config.as_deref(),
        pools: &world.pools.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        pinned: &world.pinned,
    };
    let config_of = |name: &str| world.config(name).map(AsRef::as_ref);
    let Some(kept) = kept(&view, config_of) else { return Ok(0) };
    let kept: BTreeSet<Digest> = kept.into_iter().filter_map(digest_of).collect();
    cache.evict(&kept).map_err(|error| error.to_string())
}
