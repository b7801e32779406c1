//! What registries say of images.

use crate::{Access, access};
use futures::{
    FutureExt as _,
    future::{BoxFuture, select_all},
};
use k8s_openapi::api::core::v1::Secret;
use std::{collections::BTreeMap, fmt::Debug, time::Duration};
use tokio::time::timeout;
use weir_images::{Authfile, Images, Source};
use weir_rules::build::plan::Presence;

/// How long it may take until it is known how images are read: one listing of a few kinds, and some time for a server that is busy.
const UNKNOWN: Duration = Duration::from_mins(1);

/// The labels of an image that is there; absent when it is not.
pub type Labels = Option<BTreeMap<String, String>>;

/// Who asks registries.
pub trait Registries: Debug + Send + Sync {
    /// The labels of an image, by digest, as its registry has it now, read with this Secret.
    fn labels(&self, image: String, secret: Secret) -> BoxFuture<'static, Result<Labels, String>>;
}

/// Whether an image is there, from what a registry said of it.
pub(super) fn presence(image: &str, said: Result<Labels, String>) -> Presence {
    match said {
        Ok(Some(_)) => Presence::There,
        Ok(None) => Presence::Gone,
        Err(why) => {
            tracing::warn!(image, why, "whether the image is there is not known");
            Presence::Unknown
        }
    }
}

/// How images are read.
#[derive(Clone, Debug)]
pub enum Registry {
    /// As the objects of the cluster say: by its mirrors, certificates and proxy.
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
    /// Reads as `access` does.
    #[must_use]
    pub fn new(access: Access) -> Self {
        access.into()
    }

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
}

impl Registries for Registry {
    fn labels(&self, image: String, secret: Secret) -> BoxFuture<'static, Result<Labels, String>> {
        let this = self.clone();
        async move { this.with(&secret).await?.present(&image).await.map_err(|error| error.to_string()) }.boxed()
    }
}
