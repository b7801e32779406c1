//! Holds back what can be rendered but must not be rolled out. If the rule says that the labels of the OS image decide, it reads
//! them.

use super::Made;
use crate::Access;
use std::time::Duration;
use weir_distro::Profile;
use weir_rules::render::{
    failure::RenderFailure,
    guard::{RuncGuard, WithoutRunc, runc_guard},
};

/// Timeout for an image; the next pool waits behind it.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn guard(access: &Access, profile: &Profile, pool: &str, made: &Made) -> Result<(), RenderFailure> {
    let without = WithoutRunc::of(profile);
    // Without streams, nothing is known about operating systems.
    let Some(stream) = &made.stream else { return Ok(()) };
    let mut decided = runc_guard(pool, &made.rendered, Some(stream), without)?;
    if let RuncGuard::AskImage { image, .. } = &decided {
        let unknown = |why: String| RenderFailure::UnknownImage { pool: pool.to_owned(), why };
        let images = access.images().map_err(|error| unknown(error.to_string()))?;
        let asked = tokio::time::timeout(PATIENCE, images.labels(image)).await;
        let labels = asked.map_err(|_| unknown(format!("{image}: no answer after {} s", PATIENCE.as_secs())))?;
        let labels = labels.map_err(|error| unknown(weir_kubeio::drive::chain(&error)))?;
        decided = decided.with_labels(&labels, without);
    }
    match decided {
        RuncGuard::Inhibited(inhibitor) => Err(RenderFailure::Inhibited(inhibitor)),
        RuncGuard::Clear | RuncGuard::AskImage { .. } => Ok(()),
    }
}
