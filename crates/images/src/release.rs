//! The contents of a release image: its version and the images it refers to.
//!
//! Source: `image-references` as written by `oc adm release new` (`pkg/cli/admin/release/new.go` of
//! github.com/openshift/oc): an `ImageStream` of `image.openshift.io/v1`.

use crate::error::Fault;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Where a release image stores the list of its images.
pub const IMAGE_REFERENCES: &str = "/release-manifests/image-references";
/// Tag of the image that carries the templates.
pub const OPERATOR: &str = "machine-config-operator";
/// Where that image keeps them.
///
/// Source: `Dockerfile` and `cmd/machine-config-controller/start.go` of github.com/openshift/machine-config-operator.
pub const TEMPLATES: &str = "/etc/mcc/templates";
/// A real list has about 200 kB.
pub const MAX_IMAGE_REFERENCES: u64 = 16 << 20;
/// A real release has about 200.
const MAX_TAGS: usize = 10_000;
const KIND: &str = "ImageStream";
const API_VERSION: &str = "image.openshift.io/v1";
const DOCKER_IMAGE: &str = "DockerImage";

/// A release payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Pull spec of the release image, by digest.
    pub image: String,
    /// Version: the name of the list of images, else the label `io.openshift.release`.
    pub version: String,
    /// The images it refers to, in order.
    pub tags: Vec<Tag>,
}

impl Release {
    /// Pull specs of its images by tag.
    #[must_use]
    pub fn by_tag(&self) -> BTreeMap<&str, &str> {
        self.tags.iter().filter_map(|tag| Some((tag.name.as_str(), tag.image.as_deref()?))).collect()
    }
}

/// One image of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its name in the release.
    pub name: String,
    /// Anything else about it.
    pub annotations: BTreeMap<String, String>,
    /// Pull spec; `None` when the tag does not refer to an image in a registry.
    pub image: Option<String>,
}

/// The list of a release's images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReferences {
    /// Its name, which is the release version.
    pub name: String,
    /// The images, in order.
    pub tags: Vec<Tag>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageStream {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    api_version: String,
    #[serde(default, deserialize_with = "null_is_default")]
    metadata: Metadata,
    #[serde(default, deserialize_with = "null_is_default")]
    spec: Spec,
}

#[derive(Default, Serialize, Deserialize)]
struct Metadata {
    #[serde(default, deserialize_with = "null_is_default")]
    name: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Spec {
    #[serde(default, deserialize_with = "null_is_default")]
    tags: Vec<RawTag>,
}

#[derive(Serialize, Deserialize)]
struct RawTag {
    name: String,
    #[serde(default, deserialize_with = "null_is_default")]
    annotations: BTreeMap<String, String>,
    from: Option<From>,
}

#[derive(Serialize, Deserialize)]
struct From {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
}

fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(input: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(input).map(Option::unwrap_or_default)
}

impl Release {
    /// Pull spec of the image with this tag.
    #[must_use]
    pub fn image_of(&self, tag: &str) -> Option<&str> {
        self.tags.iter().find(|known| known.name == tag)?.image.as_deref()
    }
}

/// How strictly a list of images is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Kind and version must be right, as in a release image.
    Typed,
    /// They are ignored, as in a file that a user passes.
    Lenient,
}

impl ImageReferences {
    /// Reads the list, JSON or YAML.
    ///
    /// # Errors
    /// When it is invalid or has too many tags.
    pub fn parse(bytes: &[u8], strictness: Strictness) -> Result<Self, Fault> {
        let broken = |why: String| Fault::content(format!("its {IMAGE_REFERENCES}"), why);
        let text = std::str::from_utf8(bytes).map_err(|error| broken(error.to_string()))?;
        let stream: ImageStream = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| broken(error.to_string()))?
        } else {
            serde_saphyr::from_str(text).map_err(|error| broken(error.without_snippet().to_string()))?
        };
        let ImageStream { kind, api_version, metadata, spec } = stream;
        if strictness == Strictness::Typed && (kind != KIND || api_version != API_VERSION) {
            return Err(broken(format!("it is a {kind:?} of {api_version:?} and no {KIND} of {API_VERSION}")));
        }
        if spec.tags.len() > MAX_TAGS {
            return Err(broken(format!("it has {} tags, at most {MAX_TAGS} are accepted", spec.tags.len())));
        }
        let tags = spec.tags.into_iter().map(|tag| Tag {
            image: tag.from.filter(|from| from.kind == DOCKER_IMAGE).map(|from| from.name),
            name: tag.name,
            annotations: tag.annotations,
        });
        Ok(Self { name: metadata.name, tags: tags.collect() })
    }

    /// Serializes the list as in a release image.
    ///
    /// # Errors
    /// Never in practice: everything in it is text.
    pub fn to_json(&self) -> Result<Vec<u8>, Fault> {
        let from = |image: &String| From { kind: DOCKER_IMAGE.to_owned(), name: image.clone() };
        let tags = self.tags.iter().map(|tag| RawTag {
            name: tag.name.clone(),
            annotations: tag.annotations.clone(),
            from: tag.image.as_ref().map(from),
        });
        let stream = ImageStream {
            kind: KIND.to_owned(),
            api_version: API_VERSION.to_owned(),
            metadata: Metadata { name: self.name.clone() },
            spec: Spec { tags: tags.collect() },
        };
        serde_json::to_vec_pretty(&stream).map_err(|error| Fault::malformed("the list of images", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"kind":"ImageStream","apiVersion":"image.openshift.io/v1","metadata":{"name":"4.21.0","x":1},
        "spec":{"lookupPolicy":{"local":false},"tags":[
        {"name":"os","annotations":{"a":"b"},"from":{"kind":"DockerImage","name":"q.io/os@sha256:1"},"generation":2},
        {"name":"other","annotations":null,"from":{"kind":"ImageStreamTag","name":"x:1"}},
        {"name":"none"}]}}"#;

    #[test]
    fn a_list_as_releases_have_it() {
        let list = ImageReferences::parse(LIST.as_bytes(), Strictness::Typed).unwrap();
        let images: Vec<_> = list.tags.iter().map(|tag| (tag.name.as_str(), tag.image.as_deref())).collect();
        assert_eq!(list.name, "4.21.0");
        assert_eq!(images, [("os", Some("q.io/os@sha256:1")), ("other", None), ("none", None)]);
        let again = ImageReferences::parse(&list.to_json().unwrap(), Strictness::Typed).unwrap();
        assert_eq!(again, list);
    }

    #[test]
    fn yaml_and_lists_without_a_kind() {
        let yaml = "spec:\n  tags:\n  - name: os\n    from: {kind: DockerImage, name: q.io/os}\n";
        let list = ImageReferences::parse(yaml.as_bytes(), Strictness::Lenient).unwrap();
        assert_eq!(list.tags[0].image.as_deref(), Some("q.io/os"));
        assert!(ImageReferences::parse(yaml.as_bytes(), Strictness::Typed).is_err());
        let empty = ImageReferences::parse(b"{\"metadata\":null,\"spec\":null}", Strictness::Lenient).unwrap();
        assert!(empty.tags.is_empty());
    }

    #[test]
    fn what_is_refused_says_why() {
        let tag = r#"{"name":"a"},"#.repeat(MAX_TAGS);
        let many = format!(
            r#"{{"kind":"ImageStream","apiVersion":"image.openshift.io/v1","spec":{{"tags":[{tag}{{"name":"b"}}]}}}}"#
        );
        for (text, part) in [
            (LIST.replace("ImageStream\"", "ImageStreamList\""), "ImageStreamList"),
            (LIST.replace("image.openshift.io/v1", "v1"), "\"v1\""),
            (LIST[..100].to_owned(), "EOF"),
            (LIST.replace("\"name\":\"os\"", "\"name\":[]"), "invalid type"),
            (many, "10001 tags"),
            (String::new(), "broken"),
        ] {
            let error = ImageReferences::parse(text.as_bytes(), Strictness::Typed).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains(IMAGE_REFERENCES), "{error}");
        }
        assert!(ImageReferences::parse(b"{\"a\":\"\xff\"}", Strictness::Lenient).is_err());
    }
}
