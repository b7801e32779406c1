//! While the gate of streams is off, no image is inspected, but whether the release is for this cluster is still checked.

use super::{Controller, Error};
use crate::access;
use std::time::Duration;
use weir_kubeio::{Next, drive::chain};
use weir_rules::stream::{
    mismatch::{Mismatch, MismatchView, clause, mismatches},
    problem::{Evidence, StreamProblems},
};

/// Pause before an unreadable release is tried again: nothing waits for it.
const AGAIN: Duration = Duration::from_mins(1);

impl Controller {
    /// Checks the tags of the desired release, once for each release.
    pub(super) async fn look(&self) -> Result<Next, Error> {
        let version = self.context.cluster_version();
        let desired = version.as_ref().and_then(|v| v.status.as_ref()).map(|status| status.desired.image.as_str());
        let Some(release) = desired.filter(|release| !release.is_empty() && !self.has_looked_at(release)) else {
            return Ok(Next::Await);
        };
        let found = match self.access.images() {
            Ok(images) => images.release(release).await.map_err(|error| chain(&error)),
            Err(access::Error::Unseen { why: None, .. }) => return Ok(Next::Await),
            Err(error) => Err(chain(&error)),
        };
        let found = match found {
            Ok(found) => found,
            Err(why) => {
                // Nothing waits for it: without streams, pools use the images that the ControllerConfig names.
                tracing::warn!(release, why, "cannot see whether the release is for this cluster");
                return Ok(Next::After(AGAIN));
            }
        };
        let tags = found.tags.into_iter().map(|tag| tag.name).collect();
        let misfit = self.weigh(Evidence { tags, several_streams: Vec::new() });
        *self.looked.lock() = Some(release.to_owned());
        if misfit.is_empty() {
            return Ok(Next::Await);
        }
        let error = Error::Mismatch { release: release.to_owned(), why: clause(self.context.profile, &misfit) };
        self.warn(error.code(), chain(&error)).await;
        Err(error)
    }

    /// Forgets the problems with streams; the result of the check stays while the gate is off.
    pub(super) fn clear(&self, off: bool) {
        let keep = off && self.looked.lock().is_some();
        self.context.cluster.stream_problems.change(|problems| {
            let evidence = if keep { std::mem::take(&mut problems.evidence) } else { Evidence::default() };
            *problems = StreamProblems { evidence, catalog: None };
        });
    }

    /// Shares how a release contradicts the distribution, if it does.
    pub(super) fn weigh(&self, evidence: Evidence) -> Vec<Mismatch> {
        let misfit = mismatches(&MismatchView {
            profile: self.context.profile,
            payload_tags: &evidence.tags.iter().map(String::as_str).collect::<Vec<_>>(),
            several_streams: &evidence.several_streams,
            feature_set: None,
        });
        let evidence = if misfit.is_empty() { Evidence::default() } else { evidence };
        self.context.cluster.stream_problems.change(|problems| problems.evidence = evidence);
        misfit
    }

    fn has_looked_at(&self, release: &str) -> bool {
        self.looked.lock().as_deref() == Some(release)
    }
}
