//! Takes the image out of the MachineConfig with which an installer pinned it, once a user has asked for another.

use super::Controller;
use weir_kubeio::{Error, Event, patch};
use weir_rules::build::pinned::pinned;

/// Reason of the event on the pool.
const REPLACED: &str = "PreBuiltImageReplaced";

impl Controller {
    /// Before anything is rendered: a pool that was freed is rendered without the image at once.
    pub(super) async fn free(&self) -> Result<(), Error> {
        let (context, world) = (&self.context, self.context.configuration());
        let pools = world.pool_views();
        if context.kept_by_us().is_err() || world.mismatch(&pools).is_some() {
            return Ok(());
        }
        for pool in pools.iter().filter(|pool| !pool.deleting) {
            let Some(pinned) = pinned(&world, pool.object).filter(|pinned| pinned.asked.is_some()) else { continue };
            patch::merge(&context.client, &context.cluster.configs, &pinned.config, &pinned.freed()).await?;
            tracing::info!(pool = pool.name, config = pinned.config, image = pinned.image, "pinned no more");
            self.recorder.record(pool.object, &Event::normal(REPLACED, pinned.to_string())).await;
        }
        Ok(())
    }
}
