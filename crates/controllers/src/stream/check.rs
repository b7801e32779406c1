//! While the gate of streams is off, no image is inspected, but whether the release is for this cluster is still checked.

use super::{Acted, Controller};
use crate::access;
use std::time::Duration;
use weir_kubeio::drive::chain;
use weir_rules::stream::{
    mismatch::{Mismatch, MismatchView, mismatches},
    problem::PayloadEvidence,
};

/// Pause before an unreadable release is tried again: nothing waits for it.
const AGAIN: Duration = Duration::from_mins(1);

impl Controller {
    /// Checks the tags of the desired release, once for each release.
    pub(super) async fn check(&self) -> Acted {
        let version = self.context.cluster_version();
        let desired = version.as_ref().and_then(|v| v.status.as_ref()).map(|status| status.desired.image.as_str());
        let is_checked = |release: &str| self.checked.lock().as_deref() == Some(release);
        let Some(release) = desired.filter(|release| !release.is_empty() && !is_checked(release)) else {
            return Acted::Waits;
        };
        let found = match self.access.images() {
            Ok(images) => images.release(release).await.map_err(|error| chain(&error)),
            Err(access::Error::Unseen { why: None, .. }) => return Acted::Waits,
            Err(error) => Err(chain(&error)),
        };
        match found {
            Ok(found) => {
                let tags = found.tags.into_iter().map(|tag| tag.name).collect();
                let evidence = PayloadEvidence { tags, several_streams: Vec::new() };
                Acted::Checked { release: release.to_owned(), evidence }
            }
            Err(why) => {
                // Nothing waits for it: without streams, pools use the images that the ControllerConfig names.
                tracing::warn!(release, why, "cannot see whether the release is for this cluster");
                Acted::Again(AGAIN)
            }
        }
    }

    /// How a release contradicts the distribution; the evidence is empty if it does not.
    pub(super) fn weigh(&self, evidence: PayloadEvidence) -> (PayloadEvidence, Vec<Mismatch>) {
        let misfit = mismatches(&MismatchView {
            profile: self.context.profile,
            payload_tags: &evidence.tags.iter().map(String::as_str).collect::<Vec<_>>(),
            several_streams: &evidence.several_streams,
            feature_set: None,
        });
        (if misfit.is_empty() { PayloadEvidence::default() } else { evidence }, misfit)
    }
}
