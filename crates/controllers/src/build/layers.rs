//! Builds images without any program: files and units of the MachineConfig as one layer, what the Containerfile holds as others.

use super::builder::{Builder, Order};
use crate::{Access, access};
use futures::{
    FutureExt as _,
    future::{BoxFuture, ready, select_all},
};
use k8s_openapi::api::core::v1::Secret;
use std::time::Duration;
use tokio::time::timeout;
use weir_images::{
    Authfile, Images, PullSpec, Source,
    derive::{Additions, Entry, What},
    manifest::Platform,
};
use weir_rules::build::{
    identity::without_tag,
    plan::Presence,
    ready::Ability,
    root::{self, root},
    steps::{Layer, steps},
};

/// How long it may take until it is known how images are read: one listing of a few kinds, and some time for a server that is busy.
const UNKNOWN: Duration = Duration::from_mins(1);

/// The builder.
#[derive(Clone, Debug)]
pub struct Layers {
    access: Access,
    platform: Platform,
}

impl Layers {
    /// Reads base images as `access` does, and pushes by the same certificates and proxy.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self { access, platform: Platform::host() }
    }

    /// Images as the cluster reads them. In a process that has just started that is not known at once.
    async fn images(&self) -> Result<Images, access::Error> {
        let known = async {
            let mut changes = self.access.changes();
            while matches!(self.access.images(), Err(access::Error::Unseen { .. })) {
                let next = changes.iter_mut().map(|change| change.changed().boxed());
                // One that ends says nothing any more.
                if select_all(next).await.0.is_err() {
                    break;
                }
            }
        };
        // What is unknown for longer is an error with its reason.
        _ = timeout(UNKNOWN, known).await;
        self.access.images()
    }

    /// The same with this Secret alone.
    async fn with(&self, secret: &Secret) -> Result<Images, String> {
        let images = self.images().await.map_err(|error| error.to_string())?;
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        let authfile = Authfile::of_secret(secret).map_err(|error| format!("Secret {name}: {error}"))?;
        Ok(Images::new(Source { authfile, ..images.source().clone() }))
    }

    async fn make(&self, order: &Order) -> Result<String, String> {
        let (base, file) = (&order.base, &order.containerfile);
        let steps = steps(file, base).map_err(|error| error.to_string())?;
        let mut additions = Additions {
            labels: steps.labels,
            variables: steps.variables,
            layers: Vec::with_capacity(steps.layers.len()),
        };
        for layer in steps.layers {
            let entries = match layer {
                Layer::Root => root(&order.rendered).map_err(|error| error.to_string())?,
                Layer::Files(files) => files,
            };
            additions.layers.push(entries.into_iter().map(entry).collect());
        }
        let to: PullSpec =
            order.push_spec.parse().map_err(|error| format!("pushing to {}: {error}", order.push_spec))?;
        let from = match &order.pull_secret {
            Some(secret) => self.with(secret).await.map_err(|error| format!("pulling the base image: {error}"))?,
            None => self.images().await.map_err(|error| format!("pulling the base image: {error}"))?,
        };
        let registry = self.with(&order.push_secret).await.map_err(|error| format!("pushing to {to}: {error}"))?;
        let pushed = registry.derive(&from, base, &additions, &to).await;
        let digest = pushed.map_err(|error| format!("building on {base} and pushing to {to}: {error}"))?;
        Ok(format!("{}@{digest}", without_tag(&order.push_spec)))
    }
}

fn entry(entry: root::Entry) -> Entry {
    let what = match entry.what {
        root::What::File(content) => What::File(content),
        root::What::Link(target) => What::Link(target),
        root::What::Folder => What::Folder,
    };
    Entry { path: entry.path, mode: entry.mode, owner: entry.owner, what }
}

impl Builder for Layers {
    fn ability(&self) -> BoxFuture<'_, Ability<'_>> {
        ready(Ability { programs: false, architecture: &self.platform.architecture }).boxed()
    }

    fn build(&self, order: Order) -> BoxFuture<'static, Result<String, String>> {
        let this = self.clone();
        async move { this.make(&order).await }.boxed()
    }

    fn presence(&self, image: String, push_secret: Secret) -> BoxFuture<'static, Presence> {
        let this = self.clone();
        async move {
            let Ok(images) = this.with(&push_secret).await else { return Presence::Unknown };
            match images.exists(&image).await {
                Ok(true) => Presence::There,
                Ok(false) => Presence::Gone,
                Err(error) => {
                    tracing::warn!(image, %error, "whether the image is there is not known");
                    Presence::Unknown
                }
            }
        }
        .boxed()
    }
}
