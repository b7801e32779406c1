//! Deletes the images of MachineOSBuilds that are gone, as far as nothing needs them.

use crate::{Access, Context};
use futures::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};
use parking_lot::Mutex;
use std::{fmt::Debug, sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};
use weir_api::{
    MachineOSBuild, MachineOSConfig,
    keys::{build::PUSH_SECRET, names::OPERATOR_NAMESPACE},
};
use weir_images::{Authfile, Images, Source};
use weir_kubeio::{Error, Next, error::said};
use weir_rules::{
    build::prune::{Fate, NodeImages, fate, gone},
    view::{Annotations, NodeView},
};

/// Timeout for a registry. An image that is not deleted by then stays behind.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who deletes images from registries.
pub trait Remover: Debug + Send + Sync {
    /// Deletes an image, by digest, with the login of this Secret. Gives whether it was there.
    fn remove(&self, image: String, secret: Secret) -> BoxFuture<'static, Result<bool, String>>;
}

impl Remover for Access {
    fn remove(&self, image: String, secret: Secret) -> BoxFuture<'static, Result<bool, String>> {
        let images = self.images().map_err(|error| error.to_string());
        async move {
            let name = secret.metadata.name.as_deref().unwrap_or_default();
            let authfile = Authfile::of_secret(&secret).map_err(|error| format!("Secret {name}: {error}"))?;
            let images = Images::new(Source { authfile, ..images?.source().clone() });
            images.remove(&image).await.map_err(|error| error.to_string())
        }
        .boxed()
    }
}

/// The controller that deletes images. It writes nothing to the API server.
#[derive(Debug)]
pub struct Pruner {
    context: Context,
    remover: Arc<dyn Remover>,
    /// The builds of the last look.
    last: Mutex<Vec<Arc<MachineOSBuild>>>,
}

impl Pruner {
    /// One that has not looked yet.
    #[must_use]
    pub fn new(context: Context, remover: Arc<dyn Remover>) -> Self {
        Self { context, remover, last: Mutex::default() }
    }

    /// What becomes of the images of these builds.
    fn fates(&self, left: &[&MachineOSBuild], now: &[&MachineOSBuild]) -> Vec<(String, Fate)> {
        let cluster = &self.context.cluster;
        let (configs, nodes) = (cluster.os_configs.all(), cluster.nodes.all());
        let configs: Vec<&MachineOSConfig> = configs.iter().map(AsRef::as_ref).collect();
        let views: Vec<NodeView<'_>> = nodes.iter().map(|node| NodeView::new(node)).collect();
        let images = views.iter().map(|node| NodeImages { current: node.current_image, desired: node.desired_image });
        let images: Vec<NodeImages<'_>> = images.collect();
        let secret =
            |build: &MachineOSBuild| Annotations::of(&build.metadata).get(PUSH_SECRET).unwrap_or_default().to_owned();
        left.iter().map(|build| (secret(build), fate(build, now, &configs, &images))).collect()
    }

    /// Deletes it, or says that it stays (R-PRUNE-5).
    async fn delete(&self, image: &str, secret: &str) {
        let secrets: Api<Secret> = Api::namespaced(self.context.client.clone(), OPERATOR_NAMESPACE);
        let removed = async {
            let secret = secrets.get(secret).await.map_err(|error| format!("Secret {secret}: {}", said(&error)))?;
            self.remover.remove(image.to_owned(), secret).await
        };
        match timeout(PATIENCE, removed).await.unwrap_or_else(|_| Err("its registry does not answer".to_owned())) {
            Ok(true) => tracing::info!(image, "its MachineOSBuild is gone, and so is the image"),
            Ok(false) => tracing::debug!(image, "its MachineOSBuild is gone, and the image was gone before"),
            Err(why) => tracing::warn!(image, why, "its MachineOSBuild is gone, and the image stays in its registry"),
        }
    }
}

impl weir_kubeio::Controller for Pruner {
    type Error = Error;
    const NAME: &'static str = "image_pruner";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        self.context.cluster.intent_changes()
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        let cluster = &self.context.cluster;
        // Nodes decide, too.
        if !cluster.is_synced() || self.context.kept_by_us().is_err() {
            return Ok(Next::Await);
        }
        let now = cluster.os_builds.all();
        let before = std::mem::replace(&mut *self.last.lock(), now.clone());
        let (before, now): (Vec<&MachineOSBuild>, Vec<&MachineOSBuild>) =
            (before.iter().map(AsRef::as_ref).collect(), now.iter().map(AsRef::as_ref).collect());
        let left = gone(&before, &now);
        let mut deleted: Vec<(String, String)> = Vec::new();
        for (build, (secret, fate)) in left.iter().zip(self.fates(&left, &now)) {
            match fate {
                Fate::NoImage => {}
                Fate::Keep { image, because } => {
                    tracing::info!(build = build.name_any(), image, ?because, "the image stays in its registry");
                }
                Fate::Delete { image } => deleted.push((image, secret)),
            }
        }
        // Builds of files alone share an image.
        deleted.sort();
        deleted.dedup_by(|one, other| one.0 == other.0);
        join_all(deleted.iter().map(|(image, secret)| self.delete(image, secret))).await;
        Ok(Next::Await)
    }
}
