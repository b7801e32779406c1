//! A sample release payload, laid out like real ones, and pushing a payload to a registry.
//!
//! The same arguments give the same bytes: nothing in it depends on a clock or a machine.

mod image;
mod push;

use crate::layout::{Builder, Layout};
use crate::manifest::Descriptor;
use crate::release::{IMAGE_REFERENCES, ImageReferences, OPERATOR, TEMPLATES, Tag};
use image::Image;
use std::collections::{BTreeMap, BTreeSet};
use weir_api::keys::image as label;
use weir_distro::sample::{SampleStream, components, of_roles, templates};
use weir_distro::{Profile, ReleaseVersion};

pub use push::{Pushed, push};

/// Why a payload cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPayload {
    /// The version is invalid.
    #[error(transparent)]
    Version(#[from] weir_distro::version::BadVersion),
    /// The version has characters that an image tag cannot have.
    #[error("version {0:?}: use letters, digits, '.', '-' and '+' only, at most 128 of them")]
    VersionCharacters(String),
    /// A stream name is invalid.
    #[error(
        "stream {0:?}: a name has lower case letters, digits, '-' and '.', and starts and ends with a letter or digit"
    )]
    Stream(String),
    /// Two streams would get the same tag.
    #[error(
        "streams {0} and {1} would both be tag {2} of the payload; a payload of this distribution carries one of them"
    )]
    SameTag(String, String, String),
    /// No stream.
    #[error("a payload needs at least one stream")]
    NoStream,
    /// The image format cannot hold it: a name is too long for an archive.
    #[error("the payload cannot be written as images: {0}")]
    Format(String),
}

const OCI_VERSION: &str = "org.opencontainers.image.version";
const OCI_TITLE: &str = "org.opencontainers.image.title";
const COMMIT: &str = "io.openshift.build.commit.id";
const RELEASE_METADATA: &str = "/release-manifests/release-metadata";
const COMPONENT_SOURCE: &str = "https://github.com/openshift/";

/// The recipe of a sample payload.
#[derive(Clone, Debug)]
pub struct Recipe<'a> {
    /// The distribution.
    pub profile: &'a Profile,
    /// Release version; that of the distribution's sample when not given.
    pub version: Option<&'a str>,
    /// The streams it carries.
    pub streams: Vec<SampleStream>,
    /// Whether its images name their stream, which those of older releases do not.
    pub labelled: bool,
    /// Templates beside those of the sample, or in their place: paths, in which `ROLE` stands for each role, with their text.
    pub templates: BTreeMap<String, String>,
}

/// Builds a sample payload. Without a version or streams: those of the distribution's sample.
///
/// # Errors
/// See [`BadPayload`].
pub fn build(profile: &Profile, version: Option<&str>, streams: &[String]) -> Result<Layout, BadPayload> {
    let sample = &profile.sample;
    let streams = match streams {
        [] => sample.streams.clone(),
        names => names.iter().map(|name| sample.stream(name)).collect(),
    };
    make(&Recipe { profile, version, streams, labelled: true, templates: BTreeMap::new() })
}

/// Builds the payload of a recipe.
///
/// # Errors
/// See [`BadPayload`].
pub fn make(recipe: &Recipe<'_>) -> Result<Layout, BadPayload> {
    let Recipe { profile, version, streams, labelled, templates } = recipe;
    let sample = &profile.sample;
    let version = version.unwrap_or(&sample.version);
    check_version(version)?;
    check_streams(streams)?;
    let mut builder = Builder::default();
    let mut listed = Vec::new();
    let mut tags = Vec::new();
    for stream in streams {
        for (tag, mut labels) in [(stream.os_tag.clone(), os(stream)), (stream.extensions_tag(), extensions(stream))] {
            labels.retain(|(key, _)| *labelled || *key != label::STREAM_CLASS);
            let name = format!("{}/{tag}", sample.repository);
            let image = operating_system(profile, stream, version, &tag, labels)?.store(&mut builder)?;
            tags.push(tag_of(&tag, &name, &image, &format!("https://{}", profile.payload.os_source)));
            listed.push((image, format!("{name}:{}", image_tag(version))));
        }
    }
    let component = component(version)?.store(&mut builder)?;
    let operator = operator(version, templates)?.store(&mut builder)?;
    for name in components() {
        let source = format!("{COMPONENT_SOURCE}{name}");
        let image = if name == OPERATOR { &operator } else { &component };
        tags.push(tag_of(name, &format!("{}/{name}", sample.repository), image, &source));
    }
    listed.push((component, format!("{}/component:{}", sample.repository, image_tag(version))));
    listed.push((operator, format!("{}/{OPERATOR}:{}", sample.repository, image_tag(version))));
    tags.sort_by(|a, b| a.name.cmp(&b.name));
    let list = ImageReferences { name: version.to_owned(), tags };
    let release = release(version, &list)?.store(&mut builder)?;
    builder.image(release, &format!("{}/release:{}", sample.repository, image_tag(version)));
    for (image, name) in listed {
        builder.image(image, &name);
    }
    Ok(builder.finish())
}

/// A version as an image tag, in which `+` is not allowed.
#[must_use]
pub fn image_tag(version: &str) -> String {
    version.replace('+', "_")
}

fn check_version(version: &str) -> Result<(), BadPayload> {
    version.parse::<ReleaseVersion>()?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+');
    if version.len() <= 128 && version.bytes().all(good) {
        Ok(())
    } else {
        Err(BadPayload::VersionCharacters(version.to_owned()))
    }
}

fn check_streams(streams: &[SampleStream]) -> Result<(), BadPayload> {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for SampleStream { name, os_tag, .. } in streams {
        let edges = name.bytes().next().is_some_and(word) && name.bytes().last().is_some_and(word);
        if !edges || !name.bytes().all(|b| word(b) || b == b'-' || b == b'.') {
            return Err(BadPayload::Stream(name.clone()));
        }
        if let Some(other) = seen.insert(os_tag, name) {
            return Err(BadPayload::SameTag(other.to_owned(), name.clone(), os_tag.clone()));
        }
    }
    if streams.is_empty() { Err(BadPayload::NoStream) } else { Ok(()) }
}

fn os(stream: &SampleStream) -> Vec<(&'static str, String)> {
    vec![
        (label::STREAM_CLASS, stream.name.clone()),
        (label::BOOTC, "1".to_owned()),
        ("ostree.bootable", "1".to_owned()),
    ]
}

fn extensions(stream: &SampleStream) -> Vec<(&'static str, String)> {
    vec![(label::STREAM_CLASS, stream.name.clone()), (label::EXTENSIONS, "true".to_owned())]
}

fn operating_system(
    profile: &Profile,
    stream: &SampleStream,
    version: &str,
    tag: &str,
    labels: Vec<(&'static str, String)>,
) -> Result<Image, BadPayload> {
    // The release is included: like real ones, two releases of one stream have different images.
    let os_version = format!("{}.{version}", stream.os_version);
    let os_release = format!(
        "NAME=\"{title}\"\nVERSION=\"{os_version}\"\nPRETTY_NAME=\"{title} {os_version} ({tag})\"\n",
        title = profile.title
    );
    let mut image = Image::default();
    for (key, value) in labels {
        image.label(key, &value);
    }
    image.label(OCI_VERSION, &os_version);
    image.label("version", &os_version);
    image.label(OCI_TITLE, tag);
    image.layer(&[("usr/lib/os-release", os_release.as_bytes())])?;
    Ok(image)
}

/// One image that stands for every component: what they do does not matter here.
fn component(version: &str) -> Result<Image, BadPayload> {
    let mut image = Image::default();
    image.label(OCI_TITLE, "component");
    image.label("version", version);
    image.layer(&[("usr/share/component", version.as_bytes())])?;
    Ok(image)
}

/// The image with the templates.
fn operator(version: &str, more: &BTreeMap<String, String>) -> Result<Image, BadPayload> {
    let mut tree: BTreeMap<String, String> = templates().into_iter().collect();
    tree.extend(more.iter().flat_map(|(path, text)| of_roles(path, text)));
    let path = |below: &str| format!("{TEMPLATES}/{below}");
    let files: Vec<(String, &str)> = tree.iter().map(|(below, text)| (path(below), text.as_str())).collect();
    let mut files: Vec<(&str, &[u8])> = files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
    files.push(("usr/share/component", version.as_bytes()));
    let mut image = Image::default();
    image.label(OCI_TITLE, OPERATOR);
    image.label("version", version);
    image.layer(&files)?;
    Ok(image)
}

fn release(version: &str, list: &ImageReferences) -> Result<Image, BadPayload> {
    let format = |error: crate::error::Fault| BadPayload::Format(error.to_string());
    let metadata = serde_json::json!({ "kind": "cincinnati-metadata-v0", "version": version });
    let mut image = Image::default();
    image.label(label::RELEASE, version);
    image.layer(&[("usr/share/release", version.as_bytes())])?;
    image.layer(&[
        (IMAGE_REFERENCES, &list.to_json().map_err(format)?),
        (RELEASE_METADATA, metadata.to_string().as_bytes()),
    ])?;
    Ok(image)
}

fn tag_of(tag: &str, name: &str, image: &Descriptor, source: &str) -> Tag {
    let commit = &crate::digest::Digest::of(tag.as_bytes()).hex()[..40].to_owned();
    let annotations = [(COMMIT, commit.as_str()), (label::SOURCE_LOCATION, source)];
    Tag {
        name: tag.to_owned(),
        annotations: annotations.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        image: Some(format!("{name}@{}", image.digest)),
    }
}

/// The digests in a list of images, for finding them in a layout.
pub(crate) fn digests(list: &ImageReferences) -> BTreeSet<crate::digest::Digest> {
    list.tags.iter().filter_map(|tag| crate::pull_spec::digest_of(tag.image.as_deref()?)).collect()
}

#[cfg(test)]
mod tests;
