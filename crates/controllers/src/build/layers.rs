//! Builds images without any program: files and units of the MachineConfig as one layer, what the Containerfile holds as others.

use super::builder::{Builder, Order};
use crate::Access;
use futures::{FutureExt as _, future::BoxFuture};
use k8s_openapi::api::core::v1::Secret;
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

    /// Images as the cluster reads them, but with this Secret alone.
    fn with(&self, secret: &Secret) -> Result<Images, String> {
        let images = self.access.images().map_err(|error| error.to_string())?;
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
            Some(secret) => self.with(secret).map_err(|error| format!("pulling the base image: {error}"))?,
            None => self.access.images().map_err(|error| format!("pulling the base image: {error}"))?,
        };
        let registry = self.with(&order.push_secret).map_err(|error| format!("pushing to {to}: {error}"))?;
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
    fn ability(&self) -> Ability<'_> {
        Ability { programs: false, architecture: &self.platform.architecture }
    }

    fn build(&self, order: Order) -> BoxFuture<'static, Result<String, String>> {
        let this = self.clone();
        async move { this.make(&order).await }.boxed()
    }

    fn presence(&self, image: String, push_secret: Secret) -> BoxFuture<'static, Presence> {
        let images = self.with(&push_secret);
        async move {
            let Ok(images) = images else { return Presence::Unknown };
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
