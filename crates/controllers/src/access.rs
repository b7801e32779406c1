//! How images are read: as the command line says, and as the cluster's own objects say.
//!
//! A change of mirrors, of the pull secret, of certificates or of the proxy takes effect with the next image that is read; what is
//! cached by digest stays.

use crate::cluster::Watcher;
use futures::future::select_all;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use parking_lot::Mutex;
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::watch;
use weir_api::{
    ControllerConfig,
    image_config::Image,
    keys::{
        names::{CLUSTER, CONTROLLER_CONFIG, OPERATOR_NAMESPACE},
        namespaces, secrets,
    },
    mirrors::{content_source::ImageContentSourcePolicy, digest::ImageDigestMirrorSet, tag::ImageTagMirrorSet},
};
use weir_images::{
    Images,
    cluster::{BadCluster, Policy},
};
use weir_kubeio::{
    Cache,
    Missing::{Empty, Wait},
    Selection, Watches,
    watches::Unseen,
};
use weir_rules::stream::catalog::os_image_url;

/// The objects that say how images are read, and the one that names OS images in addition to the release's.
#[derive(Clone, Debug)]
pub struct Objects {
    watches: Watches<Watcher>,
    pub(crate) image: Cache<Image>,
    pub(crate) digest_sets: Cache<ImageDigestMirrorSet>,
    pub(crate) content_sources: Cache<ImageContentSourcePolicy>,
    pub(crate) tag_sets: Cache<ImageTagMirrorSet>,
    pub(crate) pull_secret: Cache<Secret>,
    os_image_url: Cache<ConfigMap>,
}

impl Objects {
    /// Their rows. Kinds of OpenShift among them need not exist.
    pub(crate) fn new(of: &mut Watches<Watcher>) -> Self {
        let (who, all) = (Watcher::Images, Selection::default);
        Self {
            image: of.row(who, Empty, all()),
            digest_sets: of.row(who, Empty, all()),
            content_sources: of.row(who, Empty, all()),
            tag_sets: of.row(who, Empty, all()),
            pull_secret: of.row(who, Wait, Selection::named(secrets::PULL).within(namespaces::CONFIG)),
            os_image_url: of.row(who, Wait, Selection::named(os_image_url::NAME).within(OPERATOR_NAMESPACE)),
            watches: of.clone(),
        }
    }

    /// Watches them until the future is dropped.
    pub async fn fill(self, client: Client) {
        self.watches.fill(&client, &[Watcher::Images]).await;
    }

    /// The ConfigMap that names a pair of OS images in addition to those of the release.
    #[must_use]
    pub fn os_image_url(&self) -> Option<Arc<ConfigMap>> {
        self.os_image_url.get_in(OPERATOR_NAMESPACE, os_image_url::NAME)
    }
}

/// Why images cannot be read now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// One of the objects has not been seen yet.
    #[error("it is not known yet how images are read: {what} {}", match why {
        Some(why) => format!("cannot be watched: {why}"),
        None => "has not been listed".to_owned(),
    })]
    Unseen {
        /// The object.
        what: String,
        /// The reason, if known.
        why: Option<String>,
    },
    /// One of the objects cannot be used.
    #[error(transparent)]
    Unusable(#[from] BadCluster),
}

/// How long an image is retried before it counts as failed: the controllers retry by themselves, and report the problem meanwhile.
pub const RETRY: Duration = Duration::from_secs(2);

/// Rebuilds [`Images`] when what they depend on changes. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct Access {
    objects: Objects,
    configs: Cache<ControllerConfig>,
    start: Images,
    made: Arc<Mutex<Option<Made>>>,
}

struct Made {
    from: Seen,
    images: Result<Images, BadCluster>,
}

/// The objects at one moment.
#[derive(Clone)]
struct Seen {
    image: Option<Arc<Image>>,
    digest_sets: Vec<Arc<ImageDigestMirrorSet>>,
    content_sources: Vec<Arc<ImageContentSourcePolicy>>,
    tag_sets: Vec<Arc<ImageTagMirrorSet>>,
    pull_secret: Option<Arc<Secret>>,
    config: Option<Arc<ControllerConfig>>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("start", &self.start).finish_non_exhaustive()
    }
}

impl Access {
    /// Reads images as `start` does, and as the objects of the cluster say.
    #[must_use]
    pub fn new(cluster: &crate::Cluster, start: Images) -> Self {
        Self::of(cluster.access.clone(), cluster.controller_configs.clone(), start)
    }

    fn of(objects: Objects, configs: Cache<ControllerConfig>, start: Images) -> Self {
        let mut source = start.source().clone();
        source.patience.retry = source.patience.retry.min(RETRY);
        let start = Images::new(source);
        Self { objects, configs, start, made: Arc::default() }
    }

    /// The current way to read images: the identical value while nothing changes.
    ///
    /// # Errors
    /// If an object has not been seen yet or is invalid.
    pub fn images(&self) -> Result<Images, Error> {
        if let Some(Unseen { what, why }) = self.objects.watches.unseen(&[Watcher::Images]).into_iter().next() {
            return Err(Error::Unseen { what, why });
        }
        let seen = self.seen();
        let mut made = self.made.lock();
        let current = match made.take().filter(|made| made.from == seen) {
            Some(current) => current,
            None => Made { images: seen.images(&self.start), from: seen },
        };
        let images = current.images.clone();
        *made = Some(current);
        Ok(images?)
    }

    /// The cache of images by digest, if there is one.
    #[must_use]
    pub fn cache(&self) -> Option<&weir_images::Cache> {
        self.start.source().cache.as_deref()
    }

    /// Changes of anything that images depend on.
    #[must_use]
    pub fn changes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.objects.watches.changes(&[Watcher::Images]);
        all.push(self.configs.changes());
        all
    }

    /// The objects of the cluster that affect how images are read, for whoever has to correct them.
    #[must_use]
    pub fn in_use(&self) -> String {
        self.seen().to_string()
    }

    fn seen(&self) -> Seen {
        Seen {
            image: self.objects.image.get(CLUSTER),
            digest_sets: self.objects.digest_sets.all(),
            content_sources: self.objects.content_sources.all(),
            tag_sets: self.objects.tag_sets.all(),
            pull_secret: self.objects.pull_secret.get_in(namespaces::CONFIG, secrets::PULL),
            config: self.configs.get(CONTROLLER_CONFIG),
        }
    }
}

/// The way to read images that `start` and the objects of a cluster give now, for a command that runs no controller.
///
/// # Errors
/// If an object cannot be read or is invalid.
pub async fn once(client: Client, start: Images) -> Result<Images, Error> {
    // Without the kind, there is nothing to apply.
    let configs = Cache::of(Empty, Selection::default());
    let access = Access::of(crate::Cluster::default().access, configs.clone(), start);
    let filling = async {
        tokio::join!(access.objects.clone().fill(client.clone()), configs.clone().fill(client));
    };
    let mut changes = access.changes();
    let seeing = async {
        loop {
            let images = access.images();
            let waits = matches!(images, Err(Error::Unseen { why: None, .. })) || !configs.is_synced();
            if !waits || configs.failing().is_some() {
                return images;
            }
            if select_all(changes.iter_mut().map(|change| Box::pin(change.changed()))).await.0.is_err() {
                return images;
            }
        }
    };
    tokio::select! {
        biased;
        images = seeing => images,
        () = filling => access.images(),
    }
}

impl Seen {
    fn images(&self, start: &Images) -> Result<Images, BadCluster> {
        let policy = Policy {
            image: self.image.as_deref(),
            digest_sets: self.digest_sets.iter().map(AsRef::as_ref).collect(),
            content_sources: self.content_sources.iter().map(AsRef::as_ref).collect(),
            tag_sets: self.tag_sets.iter().map(AsRef::as_ref).collect(),
        };
        let named = format!("{}/{}", namespaces::CONFIG, secrets::PULL);
        let secret = self.pull_secret.as_deref().map(|secret| (named.as_str(), secret));
        let config = self.config.as_ref().map(|config| &config.spec);
        let source = start.source().clone().with_cluster(&policy, config, secret)?;
        for warning in source.authfile.warnings() {
            tracing::warn!("{named}: {warning}");
        }
        for unusable in source.trust.unusable() {
            tracing::warn!("certificates that cannot be used: {unusable}");
        }
        Ok(Images::new(source))
    }
}

/// Only those parts of the objects that images depend on: a changed status rebuilds nothing.
impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        fn same<K, S: PartialEq>(a: &[Arc<K>], b: &[Arc<K>], part: impl Fn(&K) -> &S) -> bool {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| part(a) == part(b))
        }
        let settings = |config: &Option<Arc<ControllerConfig>>| {
            config.as_ref().map(|config| {
                let spec = &config.spec;
                (
                    spec.image_registry_bundle_data.clone(),
                    spec.image_registry_bundle_user_data.clone(),
                    spec.additional_trust_bundle.clone(),
                    spec.root_ca_data.clone(),
                    spec.proxy.clone(),
                )
            })
        };
        let data =
            |secret: &Option<Arc<Secret>>| secret.as_ref().map(|secret| (secret.type_.clone(), secret.data.clone()));
        self.image.as_ref().map(|image| &image.spec) == other.image.as_ref().map(|image| &image.spec)
            && same(&self.digest_sets, &other.digest_sets, |set| &set.spec)
            && same(&self.content_sources, &other.content_sources, |set| &set.spec)
            && same(&self.tag_sets, &other.tag_sets, |set| &set.spec)
            && data(&self.pull_secret) == data(&other.pull_secret)
            && settings(&self.config) == settings(&other.config)
    }
}

/// The objects that affect reading, by kind and name.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta, kind: &str| {
            format!("{kind} {}", meta.name.as_deref().unwrap_or_default())
        };
        let mut all: Vec<String> = Vec::new();
        all.extend(self.digest_sets.iter().map(|set| name(&set.metadata, "ImageDigestMirrorSet")));
        all.extend(self.content_sources.iter().map(|set| name(&set.metadata, "ImageContentSourcePolicy")));
        all.extend(self.tag_sets.iter().map(|set| name(&set.metadata, "ImageTagMirrorSet")));
        all.extend(
            self.image.iter().filter(|image| image.spec.registry_sources.is_some()).map(|_| "Image cluster".into()),
        );
        all.extend(self.pull_secret.iter().map(|_| format!("Secret {}/{}", namespaces::CONFIG, secrets::PULL)));
        if let Some(config) = &self.config {
            let spec = &config.spec;
            let proxy = spec.proxy.as_ref().is_some_and(|p| !p.https_proxy.is_empty() || !p.http_proxy.is_empty());
            all.extend(proxy.then(|| "the proxy of the ControllerConfig".to_owned()));
            let bundles = spec.image_registry_bundle_data.iter().chain(&spec.image_registry_bundle_user_data).flatten();
            let certificates = spec.additional_trust_bundle.iter().any(|bundle| !bundle.is_empty())
                || !spec.root_ca_data.is_empty()
                || bundles.count() > 0;
            all.extend(certificates.then(|| "the certificates of the ControllerConfig".to_owned()));
        }
        if all.is_empty() { f.write_str("none") } else { f.write_str(&all.join(", ")) }
    }
}
