//! The release's OS image streams, before there is an OSImageStream.

use super::collect::Collected;
use crate::{cli::bootstrap::Bootstrap, inputs::policy};
use anyhow::{Context as _, Result, anyhow};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use weir_api::{
    Class, OSImageStream, keys::names::CLUSTER, os_image_stream::OSImageStreamSpec,
    os_image_stream::OSImageStreamStatus,
};
use weir_controllers::stream::observe;
use weir_distro::{Evidence, Profile, detect};
use weir_images::{
    Authfile, Images, Release,
    release::{ImageReferences, Strictness},
};
use weir_rules::stream::catalog::{Candidate, Existing, Failure, Input, Inspected, Source, SourceKind, catalog};

/// Topology of a control plane outside the cluster.
const EXTERNAL: &str = "External";

/// Reads images of the release.
#[derive(Debug)]
pub(super) struct Streams {
    images: Images,
}

impl Streams {
    pub(super) fn new(arguments: &Bootstrap, collected: &Collected, pull_secret: Authfile) -> Result<Self> {
        let mut source = arguments.images.open()?;
        if arguments.images.authfile.is_none() {
            source.authfile = pull_secret;
        }
        let mut config = collected.world.controller_config.as_ref().map(|config| config.spec.clone());
        // A hosted control plane is elsewhere: the nodes' proxy is not its own.
        if let Some(config) = config.as_mut().filter(|config| config.control_plane_topology() == Some(EXTERNAL)) {
            config.proxy = None;
        }
        let policy = policy(&collected.world.settings);
        let source = source.with_cluster(&policy, config.as_ref(), None)?;
        Ok(Self { images: Images::new(source) })
    }

    /// Labels of an image.
    pub(super) async fn labels(&self, image: &str) -> Result<BTreeMap<String, String>> {
        Ok(self.images.labels(image).await?)
    }

    /// Finds the streams and sets the ControllerConfig's images to those of the default.
    pub(super) async fn find(
        &self,
        collected: &mut Collected,
        distribution: Option<&'static Profile>,
        version: &str,
    ) -> Result<&'static Profile> {
        let release = self.release(collected).await?;
        let tags: Vec<&str> = release.tags.iter().map(|tag| tag.name.as_str()).collect();
        let feature_set = collected.world.feature_gate.as_ref().map(|f| f.spec.feature_set.as_str());
        let explicit = distribution.map(|d| d.name.as_str());
        let profile = detect(Evidence { explicit, payload_tags: &tags, feature_set })?.profile;
        let mut sources = vec![observe::of_release(&self.images, profile, &release).await.source];
        sources.extend(self.of_controller_config(collected).await);
        let requested = collected.world.streams.take();
        let existing = Existing {
            spec_default: requested.as_ref().map_or("", |s| &s.spec.default_stream),
            status_default: requested.as_ref().and_then(|s| s.status.as_ref()).map_or("", |s| &s.default_stream),
            streams: &[],
        };
        let input = Input { sources, existing, in_use: &BTreeSet::new(), installed: version.parse().ok() };
        let found = catalog(profile, input).context("error inspecting available OSImageStreams")?;
        let default = found.stream(&found.default).context("the default stream is not among the streams")?;
        if let Some(config) = &mut collected.world.controller_config {
            let config = Arc::make_mut(config);
            config.spec.base_os_container_image.clone_from(&default.set.os_image);
            config.spec.base_os_extensions_container_image.clone_from(&default.set.os_extensions_image);
        }
        let mut object = OSImageStream::named(CLUSTER, OSImageStreamSpec::asking_for(&found.default));
        object.status = Some(OSImageStreamStatus {
            available_streams: found.available_streams(),
            default_stream: found.default.clone(),
            ..Default::default()
        });
        collected.world.streams = Some(Arc::new(object));
        Ok(profile)
    }

    /// The release from the manifests, else from its image.
    async fn release(&self, collected: &Collected) -> Result<Release> {
        if let Some(object) = &collected.image_stream {
            let list = ImageReferences::parse(&serde_json::to_vec(object)?, Strictness::Typed)?;
            return Ok(Release { image: String::new(), version: list.name, tags: list.tags });
        }
        let config = collected.world.controller_config.as_ref();
        let image = config.map(|c| c.spec.release_image.as_str()).filter(|image| !image.is_empty());
        let image = image.ok_or_else(|| {
            anyhow!("neither an ImageStream of the release nor releaseImage in the ControllerConfig tells the release")
        })?;
        self.images.release(image).await.with_context(|| format!("reading release {image}"))
    }

    async fn of_controller_config(&self, collected: &Collected) -> Option<Source> {
        let spec = &collected.world.controller_config.as_ref()?.spec;
        let names = [spec.base_os_container_image.clone(), spec.base_os_extensions_container_image.clone()];
        if names.iter().any(String::is_empty) {
            return None;
        }
        let labels = self.images.labels_of(&names).await.into_iter().map(|labels| {
            // An absent image is no stream; the release may still have it.
            labels
                .map(|(labels, _)| labels)
                .map_err(|error| Failure { class: Class::Final, message: error.to_string() })
        });
        let named = names.iter().map(|image| Candidate { tag: String::new(), image: image.clone() });
        let inspected = named.zip(labels).map(|(candidate, labels)| Inspected { candidate, labels });
        Some(Source { kind: SourceKind::Explicit, images: Ok(inspected.collect()) })
    }
}
