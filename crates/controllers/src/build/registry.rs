//! How a builder reads images, and logs in where it pushes to.

use crate::{Access, access};
use futures::{FutureExt as _, future::select_all};
use k8s_openapi::api::core::v1::Secret;
use std::time::Duration;
use tokio::time::timeout;
use weir_images::{Authfile, Images, Source};
use weir_rules::build::plan::Presence;

/// How long it may take until it is known how images are read: one listing of a few kinds, and some time for a server that is busy.
const UNKNOWN: Duration = Duration::from_mins(1);

/// Where a builder's images come from.
#[derive(Clone, Debug)]
pub enum Registry {
    /// As the objects of the cluster say.
    Cluster(Access),
    /// Always the same.
    Fixed(Images),
}

impl From<Access> for Registry {
    fn from(access: Access) -> Self {
        Self::Cluster(access)
    }
}

impl From<Images> for Registry {
    fn from(images: Images) -> Self {
        Self::Fixed(images)
    }
}

impl Registry {
    /// Images as they are read now. In a process that has just started that is not known at once.
    pub(super) async fn images(&self) -> Result<Images, access::Error> {
        let access = match self {
            Self::Fixed(images) => return Ok(images.clone()),
            Self::Cluster(access) => access,
        };
        let known = async {
            let mut changes = access.changes();
            while matches!(access.images(), Err(access::Error::Unseen { .. })) {
                let next = changes.iter_mut().map(|change| change.changed().boxed());
                // One that ends says nothing any more.
                if select_all(next).await.0.is_err() {
                    break;
                }
            }
        };
        // What is unknown for longer is an error with its reason.
        _ = timeout(UNKNOWN, known).await;
        access.images()
    }

    /// The same with this Secret alone.
    pub(super) async fn with(&self, secret: &Secret) -> Result<Images, String> {
        let images = self.images().await.map_err(|error| error.to_string())?;
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        let authfile = Authfile::of_secret(secret).map_err(|error| format!("Secret {name}: {error}"))?;
        Ok(Images::new(Source { authfile, ..images.source().clone() }))
    }

    /// What the base image is pulled with.
    pub(super) async fn base(&self, secret: Option<&Secret>) -> Result<Images, String> {
        match secret {
            Some(secret) => self.with(secret).await,
            None => self.images().await.map_err(|error| error.to_string()),
        }
    }

    /// Whether an image is where it was pushed to.
    pub(super) async fn presence(&self, image: &str, push_secret: &Secret) -> Presence {
        let Ok(images) = self.with(push_secret).await else { return Presence::Unknown };
        match images.exists(image).await {
            Ok(true) => Presence::There,
            Ok(false) => Presence::Gone,
            Err(error) => {
                tracing::warn!(image, %error, "whether the image is there is not known");
                Presence::Unknown
            }
        }
    }
}
