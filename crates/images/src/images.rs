//! The front: releases, labels and files by pull spec, from layouts and registries, with mirrors and retries.

mod outline;

use crate::authfile::Authfile;
use crate::cache::{Cache, Learnt};
use crate::digest::{ByteStream, Digest};
use crate::error::{Attempt, Error, Fault};
use crate::layers::{self, Folder, Layers};
use crate::layout::Layout;
use crate::manifest::{Descriptor, ImageManifest, MAX_DOCUMENT, Manifest, Platform};
use crate::proxy::Proxy;
use crate::pull_spec::{BadPullSpec, Location, PullSpec, Version};
use crate::registries::Registries;
use crate::registry::{Registry, Repository};
use crate::release::{IMAGE_REFERENCES, ImageReferences, MAX_IMAGE_REFERENCES, Release, Strictness};
use crate::retry::{Patience, patiently};
use crate::trust::Trust;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _};
use outline::{ArchitecturesOf, ListingOf};
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use weir_api::keys::image::RELEASE;

/// Where images come from, and how they are read.
#[derive(Clone, Debug)]
pub struct Source {
    /// Asked first, by digest.
    pub layouts: Vec<Layout>,
    /// Asked next: those that are added later.
    pub added: Added,
    /// Credentials for registries.
    pub authfile: Authfile,
    /// Mirrors, blocked and insecure registries.
    pub registries: Registries,
    /// Certificates.
    pub trust: Trust,
    /// Proxy.
    pub proxy: Proxy,
    /// The platform for which an index is resolved.
    pub platform: Platform,
    /// Cached metadata of images in registries.
    pub cache: Option<Arc<Cache>>,
    /// Never ask registries.
    pub offline: bool,
    /// How long to retry.
    pub patience: Patience,
}

/// Layouts that are added while images are read. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Added(Arc<RwLock<Vec<Layout>>>);

impl Added {
    /// Adds one.
    pub fn add(&self, layout: Layout) {
        self.0.write().push(layout);
    }

    /// The last one that holds this.
    fn holding(&self, digest: &Digest) -> Option<Layout> {
        self.0.read().iter().rev().find(|layout| layout.holds(digest)).cloned()
    }
}

impl Default for Source {
    fn default() -> Self {
        Self {
            layouts: Vec::new(),
            added: Added::default(),
            authfile: Authfile::default(),
            registries: Registries::default(),
            trust: Trust::default(),
            proxy: Proxy::default(),
            platform: Platform::host(),
            cache: None,
            offline: false,
            patience: Patience::default(),
        }
    }
}

impl Source {
    /// Adds the layout that a reference such as `oci:DIR` names, so that the images of a release in it are found
    /// there; any other reference adds nothing.
    ///
    /// # Errors
    /// When the reference is invalid, or there is no layout.
    pub fn with_layout_of(mut self, reference: &str) -> Result<Self, Error> {
        let about = |fault: Fault| fault.about(reference, "");
        if let Location::Layout { folder, .. } = reference.parse().map_err(|bad: BadPullSpec| about(bad.into()))? {
            self.layouts.push(Layout::open(&folder).map_err(about)?);
        }
        Ok(self)
    }
}

/// Images inspected concurrently: every stream of a release at once, and few enough for any registry.
const CONCURRENCY: usize = 16;

/// Reads images. Cheap to clone; clones share connections and tokens.
#[derive(Clone, Debug)]
pub struct Images(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    registry: Registry,
}

/// Where an image was read. The text names entries of the authfile, never their contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// In a layout.
    Layout(String),
    /// Nowhere: the answer was cached.
    Cache,
    /// In a registry.
    Registry {
        /// The repository.
        place: String,
        /// Whether that is a mirror of what the pull spec names.
        mirror: bool,
        /// The authfile entry that was used; `None` when no login was required, or there is none.
        entry: Option<String>,
        /// The locations asked before, and why they failed.
        before: Vec<Attempt>,
    },
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout(folder) => write!(f, "read from {folder}"),
            Self::Cache => f.write_str("known from the cache, not read"),
            Self::Registry { place, mirror, entry, before } => {
                write!(f, "read from {} {place}, ", if *mirror { "mirror" } else { "its source" })?;
                match entry {
                    Some(entry) => write!(f, "logged in with the authfile's entry {entry}")?,
                    None => f.write_str("without credentials")?,
                }
                for attempt in before {
                    write!(f, "; before that {} failed: {}", attempt.place, attempt.fault)?;
                }
                Ok(())
            }
        }
    }
}

/// Where one image is read from.
#[derive(Clone, Debug)]
enum Store {
    Layout(Layout),
    Repository(Repository),
}

/// An image found in a layout or registry.
struct Found {
    /// What the pull spec names: the index, if there is one.
    digest: Digest,
    manifest: ImageManifest,
    store: Store,
}

impl Images {
    /// From this source.
    #[must_use]
    pub fn new(source: Source) -> Self {
        let Source { authfile, registries, trust, proxy, cache, .. } = source.clone();
        Self(Arc::new(Inner { source, registry: Registry::new(authfile, registries, trust, proxy, cache) }))
    }

    /// Where they come from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.0.source
    }

    /// Whether these are clones of each other.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The release payload that a pull spec (`host/repository@digest`, `oci:DIR`) names.
    ///
    /// # Errors
    /// When it cannot be read or is no release payload.
    pub async fn release(&self, pull_spec: &str) -> Result<Release, Error> {
        self.reach_release(pull_spec).await.map(|(release, _)| release)
    }

    /// Like [`Self::release`], with where it was read.
    ///
    /// # Errors
    /// As there.
    pub async fn reach_release(&self, pull_spec: &str) -> Result<(Release, Way), Error> {
        self.read(pull_spec, &ReleaseOf).await.map(|((release, ..), way)| (release, way))
    }

    /// The labels of an image.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn labels(&self, pull_spec: &str) -> Result<BTreeMap<String, String>, Error> {
        self.read(pull_spec, &LabelsOf).await.map(|(labels, _)| labels)
    }

    /// The labels of several images, in their order, read concurrently; with where each was read.
    pub async fn labels_of(&self, pull_specs: &[String]) -> Vec<Result<(BTreeMap<String, String>, Way), Error>> {
        let each = |pull_spec: String| {
            let images = self.clone();
            async move { images.read(&pull_spec, &LabelsOf).await }
        };
        let all: Vec<_> = pull_specs.iter().cloned().map(each).collect();
        futures::stream::iter(all).buffered(CONCURRENCY).collect().await
    }

    /// One regular file of an image, at most `limit` bytes; `None` when the image does not have it.
    ///
    /// # Errors
    /// When the image cannot be read or the file is larger.
    pub async fn file(&self, pull_spec: &str, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        self.read(pull_spec, &FileOf { path, limit }).await.map(|(content, _)| content)
    }

    /// All regular files below a folder of an image, at most `limit` bytes together; `None` when the image has no such
    /// folder.
    ///
    /// # Errors
    /// When the image cannot be read, the files are larger, or a link is among them.
    pub async fn folder(&self, pull_spec: &str, path: &str, limit: u64) -> Result<Option<Folder>, Error> {
        self.read(pull_spec, &FolderOf { path, limit }).await.map(|(folder, _)| folder)
    }

    /// The names of all files below a folder of an image; `None` when the image has no such folder. All its layers are read.
    ///
    /// # Errors
    /// When the image cannot be read.
    pub async fn listing(&self, pull_spec: &str, path: &str) -> Result<Option<BTreeSet<String>>, Error> {
        let (found, _) = self.read(pull_spec, &ListingOf { path }).await?;
        Ok(found.map(|folder| folder.files.into_keys().collect()))
    }

    /// The architectures that an image is there for, as Go calls them; empty when it does not say.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn architectures(&self, pull_spec: &str) -> Result<BTreeSet<String>, Error> {
        match self.read(pull_spec, &ArchitecturesOf).await {
            Ok((found, _)) => Ok(found),
            Err(error) => error.available().ok_or(error),
        }
    }

    /// The release payload of a layout.
    ///
    /// # Errors
    /// When it contains none, or several.
    pub async fn release_of(&self, layout: &Layout) -> Result<Release, Error> {
        let place = layout.place();
        let spec = self.entry(layout, None).await.map_err(|fault| fault.about(&place, ""))?;
        self.read_layout(&spec.to_string(), layout, &spec, &ReleaseOf).await.map(|((release, ..), _)| release)
    }

    /// A manifest or config in a layout, verified.
    pub(crate) async fn stored(&self, layout: &Layout, digest: &Digest) -> Result<Bytes, Fault> {
        Store::Layout(layout.clone()).manifest(&Version::Digest(digest.clone())).await.map(|(_, bytes)| bytes)
    }

    /// Whether an image is there. One that no location has is not; any other failure says neither.
    ///
    /// # Errors
    /// When a location could not be asked.
    pub async fn exists(&self, pull_spec: &str) -> Result<bool, Error> {
        match self.read(pull_spec, &BaseOf).await {
            Ok(_) => Ok(true),
            Err(error) if error.attempts.iter().all(|attempt| matches!(attempt.fault, Fault::NotFound { .. })) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The labels of an image as it is there now, never from a cache; absent when no location has it. Any other failure says neither.
    ///
    /// # Errors
    /// When a location could not be asked, or the image cannot be read.
    pub async fn present(&self, pull_spec: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
        match self.read(pull_spec, &BaseOf).await {
            Ok((base, _)) => base.manifest.labels(&base.config).map(Some).map_err(|fault| fault.about(pull_spec, "")),
            Err(error) if error.attempts.iter().all(|attempt| matches!(attempt.fault, Fault::NotFound { .. })) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// An image to put something on top of.
    pub(crate) async fn base(&self, pull_spec: &str) -> Result<Base, Error> {
        self.read(pull_spec, &BaseOf).await.map(|(base, _)| base)
    }

    /// The repository to push to: mirrors are only for pulling.
    pub(crate) fn repository(&self, to: &PullSpec) -> Result<Option<Repository>, Fault> {
        let source = self.0.registry.places(to).pop().transpose()?;
        source.map(|place| self.0.registry.repository(&place)).transpose()
    }

    pub(crate) fn patience(&self) -> Patience {
        self.0.source.patience
    }

    /// Reads something from an image: from a layout that has it, else from the registries.
    async fn read<R: Reading>(&self, image: &str, reading: &R) -> Result<(R::Out, Way), Error> {
        let whole = |fault: Fault| fault.about(image, "");
        let spec = match image.parse::<Location>().map_err(|bad| whole(bad.into()))? {
            Location::Registry(spec) => spec,
            Location::Layout { folder, digest } => {
                let layout = Layout::open(&folder).map_err(whole)?;
                let spec = self.entry(&layout, digest).await.map_err(whole)?;
                return self.read_layout(image, &layout, &spec, reading).await;
            }
        };
        if let Some(layout) = spec.digest().and_then(|digest| self.layout_of(digest)) {
            return self.read_layout(image, &layout, &spec, reading).await;
        }
        if self.0.source.offline {
            return Err(whole(Fault::NotInLayout));
        }
        self.read_registries(image, &spec, reading).await
    }

    /// The layout that holds this.
    fn layout_of(&self, digest: &Digest) -> Option<Layout> {
        let source = &self.0.source;
        source.layouts.iter().find(|layout| layout.holds(digest)).cloned().or_else(|| source.added.holding(digest))
    }

    async fn read_layout<R: Reading>(
        &self,
        image: &str,
        layout: &Layout,
        spec: &PullSpec,
        reading: &R,
    ) -> Result<(R::Out, Way), Error> {
        let found = Store::Layout(layout.clone()).find(&spec.version, &self.0.source.platform).await;
        let done = match found {
            Ok(found) => reading.read(&found, spec).await,
            Err(fault) => Err(fault),
        };
        done.map(|done| (done, Way::Layout(layout.place()))).map_err(|fault| fault.about(image, &layout.place()))
    }

    /// Which image of a layout is meant.
    async fn entry(&self, layout: &Layout, digest: Option<Digest>) -> Result<PullSpec, Fault> {
        let listed = layout.images();
        let problem = |why: &str| Fault::File { path: layout.place(), why: why.to_owned() };
        if let Some(digest) = digest {
            let image = listed.iter().find(|image| image.digest == digest);
            return image.map(|image| layout.name(image)).ok_or_else(|| problem("it lists no image with this digest"));
        }
        if let [only] = listed {
            return Ok(layout.name(only));
        }
        let mut releases = Vec::new();
        for image in listed {
            let version = Version::Digest(image.digest.clone());
            let found = Store::Layout(layout.clone()).find(&version, &self.0.source.platform).await?;
            if found.labels().await?.contains_key(RELEASE) {
                releases.push(layout.name(image));
            }
        }
        match <[PullSpec; 1]>::try_from(releases) {
            Ok([only]) => Ok(only),
            Err(none) if none.is_empty() => {
                Err(Fault::NotRelease { why: format!("none of its images has the label {RELEASE}") })
            }
            Err(_) => Err(problem("it lists several release images; add @ and the digest of one of them")),
        }
    }

    /// Asks every location in turn, and retries while that can help and time remains.
    async fn read_registries<R: Reading>(
        &self,
        image: &str,
        spec: &PullSpec,
        reading: &R,
    ) -> Result<(R::Out, Way), Error> {
        let cache = self.0.source.cache.as_deref().zip(spec.digest());
        if let Some(known) = cache.and_then(|(cache, digest)| reading.recall(cache, digest, spec)) {
            return Ok((known, Way::Cache));
        }
        let (done, way) = patiently(self.0.source.patience, image, || self.round(image, spec, reading)).await?;
        if let Some((cache, digest)) = cache
            && let Err(error) = reading.remember(cache, digest, &done)
        {
            tracing::warn!("failed to cache inspection result for digest {digest}: {error}");
        }
        Ok((done, way))
    }

    async fn round<R: Reading>(&self, image: &str, spec: &PullSpec, reading: &R) -> Result<(R::Out, Way), Error> {
        let mut attempts = Vec::new();
        let places = self.0.registry.places(spec);
        for (at, place) in places.iter().enumerate() {
            let place = match place {
                Ok(place) => place,
                Err(bad) => {
                    let fault = Fault::malformed("a name in the registries configuration", bad);
                    attempts.push(Attempt { place: String::new(), fault });
                    continue;
                }
            };
            let attempt = async {
                let repository = self.0.registry.repository(place)?;
                let found =
                    Store::Repository(repository.clone()).find(&place.spec.version, &self.0.source.platform).await?;
                Ok((reading.read(&found, spec).await?, repository.logged_in_as().map(str::to_owned)))
            };
            let name = place.spec.name();
            match attempt.await {
                Ok((done, entry)) => {
                    tracing::debug!("image {image} was read from {}", place.spec);
                    let mirror = at + 1 < places.len();
                    return Ok((done, Way::Registry { place: name, mirror, entry, before: attempts }));
                }
                Err(fault) => attempts.push(Attempt { place: name, fault }),
            }
        }
        Err(Error { image: image.to_owned(), attempts })
    }
}

/// Something to read from an image.
trait Reading: Sync {
    /// What it is.
    type Out: Send;
    fn read(&self, found: &Found, spec: &PullSpec) -> impl Future<Output = Result<Self::Out, Fault>> + Send;
    /// The cached answer.
    fn recall(&self, cache: &Cache, digest: &Digest, spec: &PullSpec) -> Option<Self::Out>;
    fn remember(&self, cache: &Cache, digest: &Digest, out: &Self::Out) -> std::io::Result<()>;
}

/// The release, the list it was made from, and the labels if they had to be read for it.
struct ReleaseOf;

impl Reading for ReleaseOf {
    type Out = (Release, Vec<u8>, Option<BTreeMap<String, String>>);

    /// The version is in the list and in a label, and the label costs another request.
    async fn read(&self, found: &Found, spec: &PullSpec) -> Result<Self::Out, Fault> {
        let text = found.file(IMAGE_REFERENCES, MAX_IMAGE_REFERENCES).await?;
        let (mut release, text) = release(&spec.by_digest(found.digest.clone()), text)?;
        if !release.version.is_empty() {
            return Ok((release, text, None));
        }
        let labels = found.labels().await?;
        release.version = labels.get(RELEASE).cloned().unwrap_or_default();
        Ok((release, text, Some(labels)))
    }

    fn recall(&self, cache: &Cache, digest: &Digest, spec: &PullSpec) -> Option<Self::Out> {
        let (mut release, text) = release(spec, cache.file(digest, IMAGE_REFERENCES)?).ok()?;
        if release.version.is_empty() {
            release.version = cache.labels(digest)?.remove(RELEASE).unwrap_or_default();
        }
        Some((release, text, None))
    }

    fn remember(&self, cache: &Cache, digest: &Digest, (_, text, labels): &Self::Out) -> std::io::Result<()> {
        let file = Some((IMAGE_REFERENCES, Some(text.as_slice())));
        cache.put(digest, &Learnt { labels: labels.as_ref(), file })
    }
}

fn release(image: &PullSpec, text: Option<Vec<u8>>) -> Result<(Release, Vec<u8>), Fault> {
    let missing = || Fault::NotRelease { why: format!("it has no file {IMAGE_REFERENCES}") };
    let text = text.filter(|text| !text.is_empty()).ok_or_else(missing)?;
    let list = ImageReferences::parse(&text, Strictness::Typed)?;
    Ok((Release { image: image.to_string(), version: list.name, tags: list.tags }, text))
}

struct LabelsOf;

impl Reading for LabelsOf {
    type Out = BTreeMap<String, String>;

    async fn read(&self, found: &Found, _: &PullSpec) -> Result<Self::Out, Fault> {
        found.labels().await
    }

    fn recall(&self, cache: &Cache, digest: &Digest, _: &PullSpec) -> Option<Self::Out> {
        cache.labels(digest)
    }

    fn remember(&self, cache: &Cache, digest: &Digest, labels: &Self::Out) -> std::io::Result<()> {
        cache.put(digest, &Learnt { labels: Some(labels), file: None })
    }
}

/// An image with what its layers are copied from.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) manifest: ImageManifest,
    pub(crate) config: Bytes,
    store: Store,
}

impl Base {
    /// The chunks of one of its layers, not yet verified.
    pub(crate) async fn blob(&self, layer: &Descriptor) -> Result<ByteStream, Fault> {
        self.store.blob(&layer.digest).await
    }
}

struct BaseOf;

impl Reading for BaseOf {
    type Out = Base;

    async fn read(&self, found: &Found, _: &PullSpec) -> Result<Self::Out, Fault> {
        let config = found.store.document(found.manifest.image_config()?, "the image config").await?;
        Ok(Base { manifest: found.manifest.clone(), config, store: found.store.clone() })
    }

    /// Whether it is there says only who has it.
    fn recall(&self, _: &Cache, _: &Digest, _: &PullSpec) -> Option<Self::Out> {
        None
    }

    fn remember(&self, _: &Cache, _: &Digest, _: &Self::Out) -> std::io::Result<()> {
        Ok(())
    }
}

struct FileOf<'a> {
    path: &'a str,
    limit: u64,
}

impl Reading for FileOf<'_> {
    type Out = Option<Vec<u8>>;

    async fn read(&self, found: &Found, _: &PullSpec) -> Result<Self::Out, Fault> {
        found.file(self.path, self.limit).await
    }

    fn recall(&self, cache: &Cache, digest: &Digest, _: &PullSpec) -> Option<Self::Out> {
        cache.file(digest, self.path)
    }

    fn remember(&self, cache: &Cache, digest: &Digest, content: &Self::Out) -> std::io::Result<()> {
        cache.put(digest, &Learnt { labels: None, file: Some((self.path, content.as_deref())) })
    }
}

struct FolderOf<'a> {
    path: &'a str,
    limit: u64,
}

impl FolderOf<'_> {
    /// What the cache calls the folder: no file ends like this.
    fn key(&self) -> String {
        format!("{}/", self.path)
    }
}

impl Reading for FolderOf<'_> {
    type Out = Option<Folder>;

    async fn read(&self, found: &Found, _: &PullSpec) -> Result<Self::Out, Fault> {
        layers::folder(found, self.path, self.limit).await
    }

    fn recall(&self, cache: &Cache, digest: &Digest, _: &PullSpec) -> Option<Self::Out> {
        match cache.file(digest, &self.key())? {
            Some(packed) => Folder::unpack(&packed, self.limit).map(Some),
            None => Some(None),
        }
    }

    fn remember(&self, cache: &Cache, digest: &Digest, out: &Self::Out) -> std::io::Result<()> {
        let packed = out.as_ref().map(Folder::pack).transpose()?;
        cache.put(digest, &Learnt { labels: None, file: Some((&self.key(), packed.as_deref())) })
    }
}

impl Store {
    async fn find(self, version: &Version, platform: &Platform) -> Result<Found, Fault> {
        let (digest, bytes) = self.manifest(version).await?;
        // A tag may mean something else tomorrow.
        let judged = |fault: Fault| if matches!(version, Version::Tag(_)) { fault.unproved() } else { fault };
        let manifest = match Manifest::parse(&bytes).map_err(judged)? {
            Manifest::Image(manifest) => manifest,
            Manifest::Index(index) => {
                let chosen = index.choose(platform).map_err(judged)?;
                let (_, bytes) = self.manifest(&Version::Digest(chosen.digest.clone())).await?;
                match Manifest::parse(&bytes)? {
                    Manifest::Image(manifest) => manifest,
                    Manifest::Index(_) => {
                        return Err(Fault::content(
                            "the image index",
                            "it refers to another index instead of an image",
                        ));
                    }
                }
            }
        };
        Ok(Found { digest, manifest, store: self })
    }

    async fn manifest(&self, version: &Version) -> Result<(Digest, Bytes), Fault> {
        match (self, version) {
            (Self::Repository(repository), version) => repository.manifest(version).await,
            (Self::Layout(layout), Version::Digest(digest)) => {
                let size = layout.size(digest)?;
                let descriptor = Descriptor {
                    media_type: String::new(),
                    digest: digest.clone(),
                    size,
                    platform: None,
                    annotations: BTreeMap::new(),
                };
                Ok((digest.clone(), self.document(&descriptor, "the manifest").await?))
            }
            (Self::Layout(_), Version::Tag(_)) => Err(Fault::NotInLayout),
        }
    }

    async fn blob(&self, digest: &Digest) -> Result<ByteStream, Fault> {
        match self {
            Self::Layout(layout) => layout.blob(digest).await,
            Self::Repository(repository) => repository.blob(digest).await,
        }
    }

    /// A whole small blob, verified.
    async fn document(&self, descriptor: &Descriptor, what: &str) -> Result<Bytes, Fault> {
        if descriptor.size > MAX_DOCUMENT {
            let why = format!("it is larger than {MAX_DOCUMENT} bytes, the most that is accepted");
            return Err(Fault::content(what, why));
        }
        let chunks = descriptor.digest.verified(self.blob(&descriptor.digest).await?, Some(descriptor.size));
        let all = chunks.try_fold(BytesMut::new(), async |mut all, chunk| {
            all.extend_from_slice(&chunk);
            Ok(all)
        });
        Ok(all.await?.freeze())
    }
}

impl Found {
    async fn labels(&self) -> Result<BTreeMap<String, String>, Fault> {
        let config = self.store.document(self.manifest.image_config()?, "the image config").await?;
        self.manifest.labels(&config)
    }

    async fn file(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Fault> {
        layers::file(self, path, limit).await
    }
}

impl Layers for Found {
    fn count(&self) -> usize {
        self.manifest.layers.len()
    }

    fn identity(&self, at: usize) -> (&Digest, u64) {
        let layer = &self.manifest.layers[at];
        (&layer.digest, layer.size)
    }

    async fn open(&self, at: usize) -> Result<ByteStream, Fault> {
        self.store.blob(&self.manifest.layers[at].digest).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>(_: &T) {}

    #[test]
    fn reading_can_move_between_threads() {
        let images = Images::new(Source::default());
        is_send(&images.release("a.io/b"));
        is_send(&images.labels_of(&[]));
        is_send(&images.file("a.io/b", "/c", 1));
        is_send(&images.folder("a.io/b", "/c", 1));
    }
}
