//! Pushing a payload from a layout to a repository.
//!
//! A release names its images in the registry it was built for. In another registry it must name them there, so the
//! release image gets one more layer, with its list of images rewritten. Every other image keeps its digest.

use super::image::{EPOCH, layer};
use super::{digests, image_tag};
use crate::digest::Digest;
use crate::error::{Error, Fault};
use crate::images::Images;
use crate::layout::Layout;
use crate::manifest::{Blob, Descriptor, ImageManifest, Manifest, blob, described, media};
use crate::pull_spec::{PullSpec, Version, digest_of};
use crate::registry::Repository;
use crate::release::{IMAGE_REFERENCES, ImageReferences, Release, Tag};
use crate::retry::patiently;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

/// Blobs sent concurrently.
const CONCURRENCY: usize = 8;

/// The result of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Pull spec of the release image, by digest.
    pub release: String,
    /// Its pull spec by tag.
    pub tagged: String,
    /// Images pushed, including the release.
    pub images: usize,
    /// Blobs that were sent.
    pub sent: usize,
    /// Blobs that already existed.
    pub present: usize,
}

/// Pushes the release of a layout and the images it refers to into the repository of `to`; images that the layout does
/// not have stay where they are.
///
/// # Errors
/// When the layout contains no release, or the registry refuses it.
pub async fn push(images: &Images, layout: &Layout, to: &PullSpec) -> Result<Pushed, Error> {
    let name = to.name();
    let release = images.release_of(layout).await?;
    let Some(repository) = images.repository(to).map_err(|fault| fault.about(&name, ""))? else {
        return Err(Fault::malformed("the registries configuration", "it leads nowhere").about(&name, ""));
    };
    let push = Push { images, layout, repository, name: &name };
    let list = ImageReferences { name: release.version.clone(), tags: release.tags.clone() };
    let held: Vec<Digest> = digests(&list).into_iter().filter(|digest| layout.holds(digest)).collect();
    let mut counts = (0, 0);
    for digest in &held {
        push.image(digest, &mut counts).await?;
    }
    let moved = push.rewritten(&release, to).await.map_err(|fault| fault.about(&release.image, &layout.place()))?;
    for (descriptor, bytes) in [&moved.config, &moved.layer] {
        push.count(push.blob(descriptor, Some(bytes.clone())).await?, &mut counts);
    }
    push.blobs(&moved.others, &mut counts).await?;
    let tag = Version::Tag(image_tag(&release.version));
    for version in [Version::Digest(moved.manifest.0.digest.clone()), tag.clone()] {
        push.manifest(&version, &moved.manifest.0.media_type, moved.manifest.1.clone()).await?;
    }
    Ok(Pushed {
        release: to.by_digest(moved.manifest.0.digest).to_string(),
        tagged: PullSpec { version: tag, ..to.clone() }.to_string(),
        images: held.len() + 1,
        sent: counts.0,
        present: counts.1,
    })
}

struct Push<'a> {
    images: &'a Images,
    layout: &'a Layout,
    repository: Repository,
    name: &'a str,
}

/// The release image under its new registry.
struct Moved {
    manifest: Blob,
    config: Blob,
    layer: Blob,
    /// The layers it had.
    others: Vec<Descriptor>,
}

impl Push<'_> {
    /// An image or an index, with everything it refers to.
    async fn image(&self, digest: &Digest, counts: &mut (usize, usize)) -> Result<(), Error> {
        let here = |fault: Fault| fault.about(digest.as_str(), &self.layout.place());
        let bytes = self.images.stored(self.layout, digest).await.map_err(here)?;
        let manifest = Manifest::parse(&bytes).map_err(here)?;
        let media_type = match manifest {
            Manifest::Image(image) => {
                let mut all = image.layers;
                all.push(image.config);
                self.blobs(&all, counts).await?;
                image.media_type
            }
            Manifest::Index(index) => {
                for child in &index.manifests {
                    // A layout may contain only some of the platforms; registries refuse an index that lacks one.
                    Box::pin(self.image(&child.digest, counts)).await?;
                }
                index.media_type
            }
        };
        let media_type = if media_type.is_empty() { media::MANIFEST.to_owned() } else { media_type };
        self.manifest(&Version::Digest(digest.clone()), &media_type, bytes).await
    }

    async fn blobs(&self, all: &[Descriptor], counts: &mut (usize, usize)) -> Result<(), Error> {
        let each: Vec<_> = all.iter().map(|descriptor| self.blob(descriptor, None)).collect();
        let sent: Vec<bool> = futures::stream::iter(each).buffer_unordered(CONCURRENCY).try_collect().await?;
        for sent in sent {
            self.count(sent, counts);
        }
        Ok(())
    }

    fn count(&self, sent: bool, (total, present): &mut (usize, usize)) {
        *total += usize::from(sent);
        *present += usize::from(!sent);
    }

    /// Whether the blob had to be sent.
    async fn blob(&self, descriptor: &Descriptor, bytes: Option<Bytes>) -> Result<bool, Error> {
        let send = || async {
            if self.repository.has_blob(&descriptor.digest).await? {
                return Ok(false);
            }
            let chunks = match &bytes {
                Some(bytes) => {
                    let bytes = bytes.clone();
                    futures::stream::once(async { Ok(bytes) }).boxed()
                }
                None => descriptor.digest.verified(self.layout.blob(&descriptor.digest).await?, Some(descriptor.size)),
            };
            self.repository.put_blob(&descriptor.digest, descriptor.size, chunks).await.map(|()| true)
        };
        let place = self.repository.place();
        let about = |fault: Fault| fault.about(self.name, &place);
        patiently(self.images.patience(), self.name, || async { send().await.map_err(about) }).await
    }

    async fn manifest(&self, version: &Version, media_type: &str, bytes: Bytes) -> Result<(), Error> {
        let place = self.repository.place();
        let send = || async {
            let put = self.repository.put_manifest(version, media_type, bytes.clone()).await;
            put.map_err(|fault| fault.about(self.name, &place))
        };
        patiently(self.images.patience(), self.name, send).await
    }

    /// The release image with one more layer, in which the list names the images where they will be.
    async fn rewritten(&self, release: &Release, to: &PullSpec) -> Result<Moved, Fault> {
        let Some(digest) = digest_of(&release.image) else {
            return Err(Fault::malformed("the release image", "it has no digest"));
        };
        let Manifest::Image(mut manifest) = Manifest::parse(&self.images.stored(self.layout, &digest).await?)? else {
            let why = "it is an index; push the release image of one platform".to_owned();
            return Err(Fault::Malformed { what: "the release image".to_owned(), why });
        };
        let list = moved_list(release, self.layout, to).to_json()?;
        let layer =
            layer(&[(IMAGE_REFERENCES, &list)]).map_err(|error| Fault::malformed("the list of images", error))?;
        let config = self.images.stored(self.layout, &manifest.config.digest).await?;
        let mut config: Value = serde_json::from_slice(&config).map_err(|e| Fault::malformed("the image config", e))?;
        append(&mut config, "/rootfs/diff_ids", json!(layer.diff_id));
        append(&mut config, "/history", json!({ "created": EPOCH, "created_by": "weir payload push" }));
        let others = manifest.layers.clone();
        let config = described(&manifest.config.media_type, &config)?;
        let kind = if manifest.media_type == media::DOCKER_MANIFEST { DOCKER_LAYER } else { media::LAYER };
        let layer = blob(kind, layer.gzipped);
        manifest.config = config.0.clone();
        manifest.layers.push(layer.0.clone());
        let manifest = described(&media_type(&manifest), &manifest)?;
        Ok(Moved { manifest, config, layer, others })
    }
}

const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

fn media_type(manifest: &ImageManifest) -> String {
    if manifest.media_type.is_empty() { media::MANIFEST.to_owned() } else { manifest.media_type.clone() }
}

fn moved_list(release: &Release, layout: &Layout, to: &PullSpec) -> ImageReferences {
    let moved = |tag: &Tag| {
        let held = tag.image.as_deref().and_then(digest_of).filter(|digest| layout.holds(digest));
        let image = held.map(|digest| to.by_digest(digest).to_string()).or_else(|| tag.image.clone());
        Tag { image, ..tag.clone() }
    };
    ImageReferences { name: release.version.clone(), tags: release.tags.iter().map(moved).collect() }
}

fn append(document: &mut Value, at: &str, value: Value) {
    if let Some(list) = document.pointer_mut(at).and_then(Value::as_array_mut) {
        list.push(value);
    }
}
