//! Builds images without any program: files and units of the MachineConfig as one layer, what the Containerfile holds as others.

use super::{
    builder::{Builder, Order},
    registry::Registry,
};
use futures::{
    FutureExt as _,
    future::{BoxFuture, ready},
};
use std::time::Duration;
use weir_images::{
    Images, PullSpec,
    derive::{Additions, Entry, What},
    manifest::Platform,
};
use weir_rules::build::{
    identity::without_tag,
    ready::Ability,
    root::{self, root},
    steps::{Layer, steps},
};

/// The builder.
#[derive(Clone, Debug)]
pub struct Layers {
    registry: Registry,
    platform: Platform,
}

impl Layers {
    /// Reads base images as `registry` says, and pushes by the same certificates and proxy.
    #[must_use]
    pub fn new(registry: impl Into<Registry>) -> Self {
        Self { registry: registry.into(), platform: Platform::host() }
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
        let from = self.registry.base(order.pull_secret.as_ref()).await;
        let from = from.map_err(|error| format!("pulling the base image: {error}"))?;
        let push = self.registry.with(&order.push_secret).await;
        let push = push.map_err(|error| format!("pushing to {to}: {error}"))?;
        order.log.line(&format!("building on {base}, pushing to {to}"));
        let pushed = once(&push).derive(&once(&from), base, &additions, &to).await;
        let digest = pushed.map_err(|error| format!("building on {base} and pushing to {to}: {error}"))?;
        order.log.line(&format!("pushed {digest}"));
        Ok(format!("{}@{digest}", without_tag(&order.push_spec)))
    }
}

/// The same without attempts of its own: who ordered the build tries again.
fn once(images: &Images) -> Images {
    let mut source = images.source().clone();
    source.patience.retry = Duration::ZERO;
    Images::new(source)
}

/// The same for an archive.
pub(super) fn entry(entry: root::Entry) -> Entry {
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
}
