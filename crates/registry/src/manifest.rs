//! What a manifest refers to: the blobs that have to exist, and the manifest that is its subject.
//!
//! Sources: `manifest.md` and `image-index.md` of the OCI image specification; "Image Manifest V 2, Schema 2" of
//! github.com/distribution/distribution.

use crate::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use weir_images::{Digest, manifest::media};

/// Maximum size of a manifest; the specification requires at least 4 MiB.
pub(crate) const LARGEST: usize = weir_images::manifest::MAX_DOCUMENT as usize;
/// Maximum number of blobs and manifests that one may refer to. An image with more layers cannot be run.
const MOST_REFERENCES: usize = 1_000;

/// A manifest as far as a registry is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) media_type: String,
    /// Config and layers.
    pub(crate) blobs: Vec<Digest>,
    /// The manifests that an index lists.
    pub(crate) manifests: Vec<Digest>,
    /// Its subject, which need not exist.
    pub(crate) subject: Option<Digest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    artifact_type: String,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: Digest,
    /// URLs for a layer, which then need not be here.
    #[serde(default)]
    urls: Vec<String>,
}

/// An entry of a list of referrers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Referrer {
    media_type: String,
    digest: Digest,
    size: usize,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) artifact_type: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

fn document(bytes: &[u8]) -> Result<Document, Refusal> {
    let invalid = |why: String| Refusal::new(Code::ManifestInvalid, format!("the manifest cannot be used: {why}"));
    let document: Document = serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
    let references = document.layers.len() + document.manifests.as_ref().map_or(0, Vec::len);
    match document.schema_version {
        2 if references <= MOST_REFERENCES => Ok(document),
        2 => Err(invalid(format!("it refers to {references} blobs or manifests, at most {MOST_REFERENCES} are taken"))),
        other => Err(invalid(format!("schema version {other} is obsolete; push it again with a current tool"))),
    }
}

impl Manifest {
    /// Parses a manifest that was sent with this media type; without one, it has to name its own.
    pub(crate) fn parse(bytes: &[u8], sent_as: &str) -> Result<Self, Refusal> {
        let document = document(bytes)?;
        let media_type = match (sent_as, document.media_type.as_str()) {
            ("", "") if document.manifests.is_some() => media::INDEX,
            ("", "") => media::MANIFEST,
            ("", said) | (said, "") => said,
            (sent, said) if sent == said => said,
            (sent, said) => {
                let message = format!("it was sent as {sent:?} and calls itself {said:?}");
                return Err(Refusal::new(Code::ManifestInvalid, message));
            }
        };
        let media_type = media_type.to_owned();
        let here = |descriptor: &Descriptor| descriptor.urls.is_empty();
        let blobs = document.config.into_iter().chain(document.layers.into_iter().filter(here));
        let manifests = document.manifests.unwrap_or_default();
        Ok(Self {
            media_type,
            blobs: blobs.map(|descriptor| descriptor.digest).collect(),
            manifests: manifests.into_iter().map(|descriptor| descriptor.digest).collect(),
            subject: document.subject.map(|descriptor| descriptor.digest),
        })
    }
}

impl Referrer {
    /// The entry for these bytes, a manifest of this media type.
    pub(crate) fn of(digest: Digest, media_type: &str, bytes: &[u8]) -> Result<Self, Refusal> {
        let document = document(bytes)?;
        let of_config = || document.config.map(|config| config.media_type).unwrap_or_default();
        let artifact_type = if document.artifact_type.is_empty() { of_config() } else { document.artifact_type };
        let annotations = document.annotations;
        Ok(Self { media_type: media_type.to_owned(), digest, size: bytes.len(), artifact_type, annotations })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn descriptor(digit: char) -> Value {
        json!({"mediaType": "x", "digest": format!("sha256:{}", digit.to_string().repeat(64)), "size": 1})
    }

    fn parse(value: &Value, sent_as: &str) -> Result<Manifest, String> {
        Manifest::parse(value.to_string().as_bytes(), sent_as).map_err(|refusal| refusal.message.into_owned())
    }

    #[test]
    fn what_it_is_and_what_it_needs() {
        let mut elsewhere = descriptor('c');
        elsewhere["urls"] = json!(["https://example.com/layer"]);
        let image = json!({"schemaVersion": 2, "config": descriptor('a'), "layers": [descriptor('b'), elsewhere],
            "subject": descriptor('d')});
        let found = parse(&image, "").unwrap();
        assert_eq!((found.media_type.as_str(), found.blobs.len(), found.manifests.len()), (media::MANIFEST, 2, 0));
        assert!(found.subject.is_some());
        let index = json!({"schemaVersion": 2, "manifests": [descriptor('a')]});
        let found = parse(&index, "").unwrap();
        assert_eq!((found.media_type.as_str(), found.blobs.len(), found.manifests.len()), (media::INDEX, 0, 1));
        assert_eq!(parse(&index, "application/x").unwrap().media_type, "application/x");
        let said = json!({"schemaVersion": 2, "mediaType": "application/y"});
        assert!(parse(&said, "application/x").unwrap_err().contains("application/y"));
        assert!(parse(&json!({"schemaVersion": 1}), "").unwrap_err().contains("obsolete"));
        let layers = |count| json!({"schemaVersion": 2, "layers": vec![descriptor('a'); count]});
        assert!(parse(&layers(MOST_REFERENCES), "").is_ok());
        assert!(parse(&layers(MOST_REFERENCES + 1), "").unwrap_err().contains("1001"));
    }

    #[test]
    fn the_kind_of_an_artifact_is_its_own_or_that_of_its_config() {
        let kind = |manifest: Value| {
            let text = manifest.to_string();
            Referrer::of(Digest::of(b""), "m", text.as_bytes()).unwrap().artifact_type
        };
        assert_eq!(kind(json!({"schemaVersion": 2, "artifactType": "a", "config": descriptor('a')})), "a");
        assert_eq!(kind(json!({"schemaVersion": 2, "config": descriptor('a')})), "x");
        assert_eq!(kind(json!({"schemaVersion": 2, "manifests": []})), "");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Manifest::parse(&bytes, "");
        }
    }
}
