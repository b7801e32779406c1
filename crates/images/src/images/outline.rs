//! What can be said of an image without the contents of its files.

use super::{Found, Reading};
use crate::cache::{Cache, Learnt};
use crate::digest::Digest;
use crate::error::Fault;
use crate::layers::{self, Folder};
use crate::manifest::Manifest;
use crate::pull_spec::{PullSpec, Version};
use std::collections::BTreeSet;

/// The names of the files below a folder.
pub(super) struct ListingOf<'a> {
    pub(super) path: &'a str,
}

impl ListingOf<'_> {
    /// What the cache calls the listing: neither a file nor a folder ends like this.
    fn key(&self) -> String {
        format!("{}//", self.path)
    }
}

impl Reading for ListingOf<'_> {
    type Out = Option<Folder>;

    async fn read(&self, found: &Found, _: &PullSpec) -> Result<Self::Out, Fault> {
        layers::listing(found, self.path).await
    }

    fn recall(&self, cache: &Cache, digest: &Digest, _: &PullSpec) -> Option<Self::Out> {
        match cache.file(digest, &self.key())? {
            // Its files are empty.
            Some(packed) => Folder::unpack(&packed, 0).map(Some),
            None => Some(None),
        }
    }

    fn remember(&self, cache: &Cache, digest: &Digest, out: &Self::Out) -> std::io::Result<()> {
        let packed = out.as_ref().map(Folder::pack).transpose()?;
        cache.put(digest, &Learnt { labels: None, file: Some((&self.key(), packed.as_deref())) })
    }
}

/// The architectures that an image is there for.
pub(super) struct ArchitecturesOf;

impl ArchitecturesOf {
    /// What the cache calls it: no path begins like this.
    const KEY: &str = "architectures";
}

impl Reading for ArchitecturesOf {
    type Out = BTreeSet<String>;

    async fn read(&self, found: &Found, _: &PullSpec) -> Result<Self::Out, Fault> {
        let (_, bytes) = found.store.manifest(&Version::Digest(found.digest.clone())).await?;
        match Manifest::parse(&bytes)? {
            Manifest::Index(index) => Ok(index.architectures()),
            Manifest::Image(manifest) => {
                let config = found.store.document(manifest.image_config()?, "the image config").await?;
                manifest.architecture(&config).map(|found| found.into_iter().collect())
            }
        }
    }

    fn recall(&self, cache: &Cache, digest: &Digest, _: &PullSpec) -> Option<Self::Out> {
        let text = String::from_utf8(cache.file(digest, Self::KEY)??).ok()?;
        Some(text.lines().map(str::to_owned).collect())
    }

    fn remember(&self, cache: &Cache, digest: &Digest, out: &Self::Out) -> std::io::Result<()> {
        let text = out.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
        cache.put(digest, &Learnt { labels: None, file: Some((Self::KEY, Some(text.as_bytes()))) })
    }
}
