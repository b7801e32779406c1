//! What an image consists of: manifests, indexes, image configs, and platform selection.
//!
//! Sources: `manifest.md`, `image-index.md` and `config.md` of the OCI image specification; "Image Manifest V 2,
//! Schema 2" of github.com/distribution/distribution.

use crate::digest::Digest;
use crate::error::Fault;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Media types that weir writes or asks for.
pub mod media {
    /// OCI image manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// OCI image index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// Docker image manifest, schema 2.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker manifest list.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// OCI image config.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// Docker image config.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// Layer: a gzipped tar archive.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
}

/// Largest manifest, index or config that is accepted, as in the reference implementation's registry client.
pub const MAX_DOCUMENT: u64 = 4 << 20;
/// An image with more layers could not be run anyway.
const MAX_LAYERS: usize = 500;

/// A content-addressed blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default)]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Its platform, if it is one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Anything else about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A blob with its content.
pub(crate) type Blob = (Descriptor, Bytes);

/// The blob of a document, as JSON.
pub(crate) fn described(media_type: &str, document: &impl Serialize) -> Result<Blob, Fault> {
    let bytes = serde_json::to_vec(document).map_err(|error| Fault::malformed("the image", error))?;
    Ok(blob(media_type, bytes))
}

/// The blob of these bytes.
pub(crate) fn blob(media_type: &str, bytes: Vec<u8>) -> Blob {
    let descriptor = Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::of(&bytes),
        size: bytes.len() as u64,
        platform: None,
        annotations: BTreeMap::new(),
    };
    (descriptor, bytes.into())
}

/// The machine an image is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// As Go calls it: `amd64`, `arm64`, ….
    pub architecture: String,
    /// As Go calls it: `linux`, ….
    pub os: String,
    /// Variant of the architecture, mostly absent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// What a manifest digest or tag names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manifest {
    /// One image.
    Image(ImageManifest),
    /// One image for each platform.
    Index(Index),
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// Always 2.
    pub schema_version: u32,
    /// OCI or Docker.
    #[serde(default)]
    pub media_type: String,
    /// The image config.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
}

/// One image for each platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// OCI or Docker.
    #[serde(default)]
    pub media_type: String,
    /// The images.
    pub manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    manifests: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// Reads a manifest or an index.
    ///
    /// # Errors
    /// When it is invalid, or of an obsolete format.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let broken = |why: serde_json::Error| Fault::content("the manifest", why);
        let kind: Kind = serde_json::from_slice(bytes).map_err(broken)?;
        if kind.schema_version != 2 {
            let why =
                format!("schema version {} is obsolete; push the image again with a current tool", kind.schema_version);
            return Err(Fault::content("the manifest", why));
        }
        let index = matches!(kind.media_type.as_str(), media::INDEX | media::DOCKER_LIST);
        if index || (kind.media_type.is_empty() && kind.manifests.is_some()) {
            return serde_json::from_slice(bytes).map(Self::Index).map_err(broken);
        }
        let image: ImageManifest = serde_json::from_slice(bytes).map_err(broken)?;
        if image.layers.len() > MAX_LAYERS {
            return Err(Fault::content("the manifest", format!("it has more than {MAX_LAYERS} layers")));
        }
        Ok(Self::Image(image))
    }
}

impl Platform {
    /// Linux on the architecture that this program runs on.
    #[must_use]
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "powerpc64" => "ppc64le",
            other => other,
        };
        Self { architecture: architecture.to_owned(), os: LINUX.to_owned(), variant: String::new() }
    }

    fn name(&self) -> String {
        let mut name = format!("{}/{}", self.os, self.architecture);
        if !self.variant.is_empty() {
            name.push('/');
            name.push_str(&self.variant);
        }
        name
    }

    /// How well an image for `self` runs on `wanted`; lower is better.
    fn rank(&self, wanted: &Self) -> Option<u8> {
        if self.os != wanted.os || self.architecture != wanted.architecture {
            return None;
        }
        match (self.architecture.as_str(), self.variant.as_str()) {
            (_, variant) if variant == wanted.variant => Some(1),
            // Every arm64 machine is a v8.
            ("arm64", "v8") => Some(0),
            _ => None,
        }
    }
}

impl std::str::FromStr for Platform {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, ""),
            [os, architecture, variant] if !variant.is_empty() => (os, architecture, variant),
            _ => return Err("write OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, such as linux/arm64"),
        };
        if os.is_empty() || architecture.is_empty() {
            return Err("write OS/ARCHITECTURE, such as linux/arm64");
        }
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.to_owned() })
    }
}

impl Index {
    /// The image for a platform: the best match, the first of several; if there is only one image, that one; else one
    /// without a platform.
    ///
    /// # Errors
    /// [`Fault::Platform`] when there is none.
    pub fn choose(&self, wanted: &Platform) -> Result<&Descriptor, Fault> {
        let images = || self.manifests.iter().filter(|image| !image.is_attestation());
        let ranked = images().filter_map(|image| Some((image.platform.as_ref()?.rank(wanted)?, image)));
        let best = ranked.min_by_key(|(rank, _)| *rank).map(|(_, image)| image);
        let only = || if images().count() == 1 { images().next() } else { None };
        let unnamed = || images().find(|image| image.platform.is_none());
        best.or_else(only).or_else(unnamed).ok_or_else(|| Fault::Platform {
            wanted: wanted.name(),
            available: images().filter_map(|image| Some(image.platform.as_ref()?.name())).collect(),
        })
    }

    /// The architectures it has an image of Linux for.
    #[must_use]
    pub fn architectures(&self) -> BTreeSet<String> {
        let platforms = self.manifests.iter().filter_map(|image| image.platform.as_ref());
        platforms.filter(|platform| platform.os == LINUX).map(|platform| platform.architecture.clone()).collect()
    }
}

/// The operating system of all images here, as Go calls it.
const LINUX: &str = "linux";

impl Descriptor {
    /// Build tools add attestations to the images, for a platform that does not exist.
    fn is_attestation(&self) -> bool {
        self.platform.as_ref().is_some_and(|platform| platform.os == "unknown")
    }
}

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    config: Option<ContainerConfig>,
}

#[derive(Deserialize)]
struct ContainerConfig {
    #[serde(rename = "Labels", default)]
    labels: Option<BTreeMap<String, String>>,
}

impl ImageManifest {
    /// The labels in this image's config.
    ///
    /// # Errors
    /// When the manifest is not of a container image, or the config is broken.
    pub fn labels(&self, config: &[u8]) -> Result<BTreeMap<String, String>, Fault> {
        let file: ConfigFile =
            serde_json::from_slice(config).map_err(|error| Fault::content("the image config", error))?;
        Ok(file.config.and_then(|config| config.labels).unwrap_or_default())
    }

    /// The architecture in this image's config; absent when it does not say.
    ///
    /// # Errors
    /// As for the labels.
    pub fn architecture(&self, config: &[u8]) -> Result<Option<String>, Fault> {
        let file: ConfigFile =
            serde_json::from_slice(config).map_err(|error| Fault::content("the image config", error))?;
        Ok(Some(file.architecture).filter(|name| !name.is_empty()))
    }

    /// The config's descriptor.
    ///
    /// # Errors
    /// When this is an artifact, not a container image.
    pub fn image_config(&self) -> Result<&Descriptor, Fault> {
        let kind = self.config.media_type.as_str();
        if !matches!(kind, "" | media::CONFIG | media::DOCKER_CONFIG) {
            return Err(Fault::content(
                "the image",
                format!("it is an artifact of type {kind:?} and no container image"),
            ));
        }
        Ok(&self.config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(platforms: &[&str]) -> Index {
        let manifests = platforms.iter().enumerate().map(|(at, name)| {
            let mut parts = name.split('/').map(str::to_owned);
            let mut next = || parts.next().unwrap_or_default();
            let platform = Platform { os: next(), architecture: next(), variant: next() };
            Descriptor {
                media_type: media::MANIFEST.to_owned(),
                digest: Digest::of(&[u8::try_from(at).unwrap()]),
                size: 1,
                platform: (!name.is_empty()).then_some(platform),
                annotations: BTreeMap::new(),
            }
        });
        Index { schema_version: 2, media_type: media::INDEX.to_owned(), manifests: manifests.collect() }
    }

    #[test]
    fn architectures_are_those_of_linux_once_each() {
        let found = index(&["linux/arm64/v8", "linux/amd64", "linux/arm64", "windows/s390x", "", "unknown/unknown"]);
        assert_eq!(found.architectures().into_iter().collect::<Vec<_>>(), ["amd64", "arm64"]);
        let manifest = serde_json::json!({"schemaVersion": 2, "config": {"mediaType": "", "digest": Digest::of(b""), "size": 0}, "layers": []});
        let Manifest::Image(image) = Manifest::parse(manifest.to_string().as_bytes()).unwrap() else {
            panic!("no image")
        };
        assert_eq!(image.architecture(b"{\"architecture\": \"s390x\"}").unwrap().as_deref(), Some("s390x"));
        assert_eq!(image.architecture(b"{}").unwrap(), None);
    }

    #[test]
    fn the_platform_decides() {
        let wanted = |architecture: &str| Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: String::new(),
        };
        for (platforms, architecture, chosen) in [
            (vec!["linux/arm64", "linux/amd64"], "amd64", Some(1)),
            (vec!["linux/amd64/v2", "linux/s390x"], "amd64", None),
            (vec!["linux/amd64", "linux/amd64"], "amd64", Some(0)),
            (vec!["linux/arm64", "linux/arm64/v8"], "arm64", Some(1)),
            (vec!["linux/arm64/v8", "linux/amd64"], "arm64", Some(0)),
            (vec!["windows/amd64", "linux/arm64"], "amd64", None),
            (vec!["linux/arm64"], "amd64", Some(0)),
            (vec!["linux/arm64", "unknown/unknown"], "amd64", Some(0)),
            (vec!["linux/arm64", "", "linux/s390x"], "amd64", Some(1)),
            (vec![], "amd64", None),
        ] {
            let index = index(&platforms);
            let found = index.choose(&wanted(architecture)).ok();
            assert_eq!(found, chosen.map(|at: usize| &index.manifests[at]), "{platforms:?} {architecture}");
        }
        let error = index(&["linux/arm64", "linux/s390x"]).choose(&wanted("amd64")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no image for linux/amd64 in the image index, which has linux/arm64, linux/s390x"
        );
    }

    #[test]
    fn platforms_as_text() {
        for text in ["linux/arm64", "linux/arm/v7"] {
            assert_eq!(text.parse::<Platform>().unwrap().name(), text);
        }
        for text in ["", "arm64", "linux/", "/arm64", "linux/arm/", "a/b/c/d"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn manifests_by_what_they_say_they_are() {
        let digest = Digest::of(b"");
        let descriptor = format!(r#"{{"mediaType":"x","digest":"{digest}","size":1}}"#);
        let image = format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[{descriptor}]}}"#);
        assert!(matches!(Manifest::parse(image.as_bytes()), Ok(Manifest::Image(_))));
        let list = format!(r#"{{"schemaVersion":2,"manifests":[{descriptor}]}}"#);
        assert!(matches!(Manifest::parse(list.as_bytes()), Ok(Manifest::Index(_))));
        let layers = vec![descriptor.as_str(); MAX_LAYERS + 1].join(",");
        for broken in [
            String::new(),
            "[]".to_owned(),
            r#"{"schemaVersion":1,"history":[]}"#.to_owned(),
            r#"{"schemaVersion":2}"#.to_owned(),
            image.replace(digest.as_str(), "sha256:1"),
            image.replace("\"size\":1", "\"size\":-1"),
            format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[{layers}]}}"#),
        ] {
            assert!(matches!(Manifest::parse(broken.as_bytes()), Err(Fault::Content { .. })), "{broken}");
        }
    }

    #[test]
    fn labels_are_those_of_the_config() {
        let digest = Digest::of(b"");
        let text = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{}","digest":"{digest}","size":1}},"layers":[]}}"#,
            media::CONFIG
        );
        let Ok(Manifest::Image(mut image)) = Manifest::parse(text.as_bytes()) else { panic!("{text}") };
        image.image_config().unwrap();
        for (config, labels) in [
            (r#"{"config":{"Labels":{"a":"b"}}}"#, Some(1)),
            (r#"{"config":{"Labels":null}}"#, Some(0)),
            (r#"{"config":null}"#, Some(0)),
            ("{}", Some(0)),
            (r#"{"config":{"Labels":{"a":1}}}"#, None),
            ("\u{ff}", None),
        ] {
            assert_eq!(image.labels(config.as_bytes()).ok().map(|labels| labels.len()), labels, "{config}");
        }
        image.config.media_type = "application/vnd.example".to_owned();
        assert!(image.image_config().is_err());
    }
}
