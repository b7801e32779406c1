//! Taking an image away from its registry.
//!
//! The registry is asked to forget a manifest, and with it every tag that leads to it. What it does with layers is its own affair.
//!
//! Source: "Content Management" in `spec.md` of the OCI distribution specification,
//! <https://github.com/opencontainers/distribution-spec>.

use crate::error::{Error, Fault};
use crate::images::Images;
use crate::pull_spec::PullSpec;
use crate::retry::patiently;

impl Images {
    /// Removes an image, which is named by digest, where it was pushed to: mirrors are only for pulling. Returns whether it was there.
    ///
    /// # Errors
    /// When the registry cannot be reached, does not allow it, or cannot do it.
    pub async fn remove(&self, image: &str) -> Result<bool, Error> {
        let about = |fault: Fault| fault.about(image, "");
        let spec: PullSpec = image.parse().map_err(|error| about(Fault::PullSpec(error)))?;
        let repository = self.repository(&spec).map_err(about)?;
        let repository =
            repository.ok_or_else(|| about(Fault::malformed("the registries configuration", "it leads nowhere")))?;
        let place = repository.place();
        let send = || async {
            match repository.delete_manifest(&spec.version).await {
                Ok(()) => Ok(true),
                Err(Fault::NotFound { .. }) => Ok(false),
                Err(fault) => Err(fault.about(image, &place)),
            }
        };
        patiently(self.patience(), image, send).await
    }
}
