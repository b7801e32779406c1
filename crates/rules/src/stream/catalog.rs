//! Which OS image streams a release carries, and which one is the default.
//!
//! R-CATALOG-1  Sources, in order: images given explicitly, the pair of the osimageurl ConfigMap, the release payload.
//!              Streams are paired within a source; a later source replaces the whole stream of the same name.
//! R-CATALOG-2  Of the payload, those tags count that may be an operating system by name or by source ([`candidates`]).
//! R-CATALOG-3  Only an image's labels say what it is, and of which stream.
//! R-CATALOG-4  A stream is an OS image and an extensions image. One half alone is left out.
//! R-CATALOG-5  Of several images for the same half the last in tag order is used.
//! R-CATALOG-6  A stream whose name or pull spec the OSImageStream API refuses is left out on its own.
//! R-CATALOG-7  An image that could not be read is not absent: there is no catalogue until every image has given a final
//!              answer: its labels, or content whose digest proves that it is not an image; the latter is
//!              left out. No login, no permission, not found, or a digest mismatch is not a final answer.
//! R-CATALOG-8  A stream that the release dropped is retained with its last known images while a pool or the default
//!              uses it, where the distribution has many streams.
//! R-CATALOG-9  Where it has one, the payload's is the one, and several are an error: a build mistake.
//! R-CATALOG-10 No stream at all is an error, and so is a default that is not among them.
//! R-CATALOG-11 The default is decided by [`default`](self::default), a payload without labels by [`unlabelled`].

pub mod classify;
pub mod default;
pub mod due;
pub mod in_use;
pub mod kept;
pub mod os_image_url;
mod unlabelled;
pub mod well_formed;
mod words;

use crate::objects::counted::Count;
use classify::{NotTaken, Part, classify};
use default::Choice;
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{Class, OSImageStream, os_image_stream::OSImageStreamSet};
use weir_distro::{Profile, ReleaseVersion, StreamsRule};

pub use default::DefaultReason;

/// Where images come from (R-CATALOG-1), in order of precedence, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// Given on a command line or in a bootstrap manifest.
    Explicit,
    /// ConfigMap `machine-config-osimageurl`.
    OsImageUrl,
    /// Image-references of the release payload.
    Payload,
}

/// A tag of a release payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadTag<'a> {
    /// Tag name.
    pub name: &'a str,
    /// Annotation `io.openshift.build.source-location`.
    pub source_location: Option<&'a str>,
    /// Pull spec, when the tag refers to an image.
    pub image: Option<&'a str>,
}

/// An image to inspect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Payload tag; empty for an image that was given otherwise.
    pub tag: String,
    /// Pull spec.
    pub image: String,
}

/// The result of inspecting an image, or of reading a whole source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether a retry may give another result.
    pub class: Class,
    /// What went wrong, with image and registry.
    pub message: String,
}

/// An image and the result of its inspection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The image.
    pub candidate: Candidate,
    /// Its labels, or why they are not known.
    pub labels: Result<BTreeMap<String, String>, Failure>,
}

/// One source and the images it named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Which.
    pub kind: SourceKind,
    /// Its images in their order, or why it could not be read.
    pub images: Result<Vec<Inspected>, Failure>,
}

/// The OSImageStream object as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Existing<'a> {
    /// `spec.defaultStream`; empty when unset.
    pub spec_default: &'a str,
    /// `status.defaultStream`; empty when unset.
    pub status_default: &'a str,
    /// `status.availableStreams`.
    pub streams: &'a [OSImageStreamSet],
}

/// The inputs of the catalogue.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// The sources, in any order.
    pub sources: Vec<Source>,
    /// The object as it is; default when there is none.
    pub existing: Existing<'a>,
    /// Streams that pools name or run.
    pub in_use: &'a BTreeSet<String>,
    /// Version that the cluster was installed with; the release's own when unknown, absent when neither is known.
    pub installed: Option<ReleaseVersion>,
}

/// Where a stream of the catalogue comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// One of the sources carries it.
    Source(SourceKind),
    /// The release dropped it; these are its last known images (R-CATALOG-8).
    Retained,
}

/// A stream of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Name and images, as the API has them.
    pub set: OSImageStreamSet,
    /// Where it comes from.
    pub origin: Origin,
}

/// The outcome for one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is this half of this stream.
    Taken(Part, String),
    /// It has no stream label and its tag makes it this half of this stream.
    ByTag(Part, String),
    /// Its labels say nothing usable.
    NotTaken(NotTaken),
    /// Another image for the same half comes later in tag order (R-CATALOG-5).
    Superseded {
        /// Which half.
        part: Part,
        /// Of which stream.
        stream: String,
        /// The image that was used.
        by: Candidate,
    },
    /// The other half of its stream is missing (R-CATALOG-4).
    Half {
        /// Which half this is.
        part: Part,
        /// Of which stream.
        stream: String,
    },
    /// The API refuses the stream's name, or the pull spec of one of its images (R-CATALOG-6).
    Refused {
        /// The stream.
        stream: String,
        /// Why.
        why: String,
    },
    /// Its digest identifies something that is not an image (R-CATALOG-7).
    Unreadable(String),
}

/// An inspected image and the outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// Its source.
    pub source: SourceKind,
    /// The image.
    pub candidate: Candidate,
    /// The outcome.
    pub verdict: Verdict,
}

/// A notice about the catalogue for users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An image was left out.
    Image(Considered),
    /// A source other than the payload could not be read and is left out.
    SourceSkipped(SourceKind, String),
    /// A stream that the release dropped is still used, and retained.
    Retained(String),
    /// The images of the release have no stream labels; those of the base tags are used as this stream.
    Unlabelled(String),
    /// The only stream has a new name; the default moves there.
    Followed {
        /// Old default.
        from: String,
        /// New default.
        to: String,
    },
}

/// The streams of a release and the default among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// The streams, sorted by name.
    pub streams: Vec<Stream>,
    /// Name of the default stream.
    pub default: String,
    /// Why that one.
    pub because: DefaultReason,
    /// Every inspected image, by source and in tag order.
    pub considered: Vec<Considered>,
    /// What a user should know.
    pub notices: Vec<Notice>,
}

/// Why there is no catalogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// Something could not be read yet (R-CATALOG-7).
    #[error("{} of the release could not be read yet: {}", Count(unread.len(), "image"), words::first(unread))]
    Incomplete {
        /// One message per image or source.
        unread: Vec<String>,
        /// Whether one of them may become readable without any change.
        passing: bool,
    },
    /// The payload's digest identifies something that is not a payload.
    #[error("{0}")]
    Payload(String),
    /// Nothing forms a stream.
    #[error(
        "unable to retrieve any OSImageStream from the configured sources{}",
        words::listed(considered, "; a stream needs an OS image and an extensions image with the same stream label: ")
    )]
    NoStream {
        /// The outcome of each image.
        considered: Vec<Considered>,
    },
    /// The distribution has one stream and the payload carries several (R-CATALOG-9).
    #[error("the release carries {} streams where the distribution has one: {}", .0.len(), .0.join(", "))]
    SeveralStreams(Vec<String>),
    /// The API takes no more than [`MAX_STREAMS`].
    #[error("the release carries {0} OS image streams; the OSImageStream API takes at most {MAX_STREAMS}")]
    TooMany(usize),
    /// There are several streams, the default depends on a version, and none is known.
    #[error(
        "unable to determine the default OSImageStream of [{}]: neither ClusterVersion nor the release says a version \
         such as 5.0.1; set spec.defaultStream",
        available.join(" ")
    )]
    NoVersion {
        /// The available streams.
        available: Vec<String>,
    },
    /// The default is not among the streams.
    #[error(
        "could not find default OSImageStream in the available streams: could not find the requested {requested} \
         default stream in the list of OSImageStreams [{}]; set spec.defaultStream to one of them",
        available.join(" ")
    )]
    NoDefault {
        /// The stream that was requested or is built in.
        requested: String,
        /// The available streams.
        available: Vec<String>,
    },
}

impl CatalogError {
    /// Whether a retry may help without any change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Incomplete { passing: true, .. })
    }
}

/// `maxItems` of `status.availableStreams`.
pub const MAX_STREAMS: usize = 100;

/// The images of a payload to inspect, in tag order (R-CATALOG-2).
#[must_use]
pub fn candidates<'a>(profile: &Profile, tags: impl IntoIterator<Item = PayloadTag<'a>>) -> Vec<Candidate> {
    tags.into_iter()
        .filter(|tag| profile.payload.may_be_os(tag.name, tag.source_location))
        .filter_map(|tag| Some(Candidate { tag: tag.name.to_owned(), image: tag.image?.to_owned() }))
        .collect()
}

/// Makes the catalogue.
///
/// # Errors
/// See [`CatalogError`]; only [`CatalogError::Incomplete`] justifies reading the images again.
pub fn catalog(profile: &Profile, input: Input<'_>) -> Result<Catalog, CatalogError> {
    let Input { mut sources, existing, in_use, installed } = input;
    sources.sort_by_key(|source| source.kind);
    refuse_incomplete(&sources)?;
    let mut notices = Vec::new();
    let mut considered = Vec::new();
    let mut streams = BTreeMap::new();
    for source in sources {
        match source.images {
            Ok(images) => streams.extend(paired(source.kind, images, &mut considered)),
            Err(failure) if source.kind == SourceKind::Payload => return Err(CatalogError::Payload(failure.message)),
            Err(failure) => notices.push(Notice::SourceSkipped(source.kind, failure.message)),
        }
    }
    if streams.is_empty() {
        let stream = unlabelled::stream(profile, existing, installed, &mut considered);
        let Some(stream) = stream else { return Err(CatalogError::NoStream { considered }) };
        notices.push(Notice::Unlabelled(stream.set.name.clone()));
        streams.insert(stream.set.name.clone(), stream);
    }
    notices.extend(considered.iter().filter(|image| image.verdict.is_noteworthy()).cloned().map(Notice::Image));
    match profile.streams.rule {
        StreamsRule::Many => retain(&mut streams, existing, in_use, &mut notices),
        StreamsRule::OneFollowingRelease => follow_release(&mut streams)?,
    }
    if streams.len() > MAX_STREAMS {
        return Err(CatalogError::TooMany(streams.len()));
    }
    let names: Vec<&str> = streams.keys().map(String::as_str).collect();
    let Choice { name: default, because } = default::choose(profile, &names, existing, installed)?;
    if let DefaultReason::Followed { from } = &because {
        notices.push(Notice::Followed { from: from.clone(), to: default.clone() });
    }
    Ok(Catalog { streams: streams.into_values().collect(), default, because, considered, notices })
}

/// R-CATALOG-7.
fn refuse_incomplete(sources: &[Source]) -> Result<(), CatalogError> {
    let (mut unread, mut passing) = (Vec::new(), false);
    for source in sources {
        let failures: Vec<&Failure> = match &source.images {
            Err(failure) => vec![failure],
            Ok(images) => images.iter().filter_map(|image| image.labels.as_ref().err()).collect(),
        };
        for failure in failures.into_iter().filter(|failure| failure.class != Class::Final) {
            passing |= failure.class == Class::Transient;
            unread.push(failure.message.clone());
        }
    }
    if unread.is_empty() { Ok(()) } else { Err(CatalogError::Incomplete { unread, passing }) }
}

/// The complete streams among a source's images (R-CATALOG-3 to 6); records the outcome of each image.
fn paired(kind: SourceKind, images: Vec<Inspected>, considered: &mut Vec<Considered>) -> BTreeMap<String, Stream> {
    let mut halves: BTreeMap<(String, Part), usize> = BTreeMap::new();
    let start = considered.len();
    for (at, image) in images.into_iter().enumerate() {
        let verdict = match image.labels {
            Err(failure) => Verdict::Unreadable(failure.message),
            Ok(labels) => match classify(&labels) {
                Err(why) => Verdict::NotTaken(why),
                Ok((part, stream)) => {
                    if let Some(earlier) = halves.insert((stream.clone(), part), start + at) {
                        let by = image.candidate.clone();
                        considered[earlier].verdict = Verdict::Superseded { part, stream: stream.clone(), by };
                    }
                    Verdict::Taken(part, stream)
                }
            },
        };
        considered.push(Considered { source: kind, candidate: image.candidate, verdict });
    }
    let names: BTreeSet<String> = halves.keys().map(|(name, _)| name.clone()).collect();
    names.into_iter().filter_map(|name| Some((name.clone(), pair(kind, name, &halves, considered)?))).collect()
}

fn pair(
    kind: SourceKind,
    name: String,
    halves: &BTreeMap<(String, Part), usize>,
    considered: &mut [Considered],
) -> Option<Stream> {
    let half = |part| halves.get(&(name.clone(), part)).copied();
    let (os, extensions) = match (half(Part::Os), half(Part::Extensions)) {
        (Some(os), Some(extensions)) => (os, extensions),
        (Some(at), None) => {
            considered[at].verdict = Verdict::Half { part: Part::Os, stream: name };
            return None;
        }
        (None, Some(at)) => {
            considered[at].verdict = Verdict::Half { part: Part::Extensions, stream: name };
            return None;
        }
        (None, None) => return None,
    };
    let set = OSImageStreamSet {
        name,
        os_image: considered[os].candidate.image.clone(),
        os_extensions_image: considered[extensions].candidate.image.clone(),
        ..OSImageStreamSet::default()
    };
    if let Err(why) = well_formed::stream(&set) {
        for at in [os, extensions] {
            considered[at].verdict = Verdict::Refused { stream: set.name.clone(), why: why.clone() };
        }
        return None;
    }
    Some(Stream { set, origin: Origin::Source(kind) })
}

/// R-CATALOG-9.
fn follow_release(streams: &mut BTreeMap<String, Stream>) -> Result<(), CatalogError> {
    let of_payload = |stream: &Stream| stream.origin == Origin::Source(SourceKind::Payload);
    if streams.values().any(of_payload) {
        streams.retain(|_, stream| of_payload(stream));
    }
    if streams.len() > 1 { Err(CatalogError::SeveralStreams(streams.keys().cloned().collect())) } else { Ok(()) }
}

/// R-CATALOG-8.
fn retain(
    streams: &mut BTreeMap<String, Stream>,
    existing: Existing<'_>,
    in_use: &BTreeSet<String>,
    notices: &mut Vec<Notice>,
) {
    for set in existing.streams {
        let used = in_use.contains(&set.name) || set.name == existing.requested_default();
        if used && !streams.contains_key(&set.name) && well_formed::stream(set).is_ok() {
            streams.insert(set.name.clone(), Stream { set: set.clone(), origin: Origin::Retained });
            notices.push(Notice::Retained(set.name.clone()));
        }
    }
}

impl<'a> Existing<'a> {
    /// What an object says.
    #[must_use]
    pub fn of(object: &'a OSImageStream) -> Self {
        let status = object.status.as_ref();
        Self {
            spec_default: &object.spec.default_stream,
            status_default: status.map(|s| s.default_stream.as_str()).unwrap_or_default(),
            streams: status.map(|s| s.available_streams.as_slice()).unwrap_or_default(),
        }
    }

    /// The default that the user chose, else the previous one; empty when there was none.
    #[must_use]
    pub fn requested_default(&self) -> &'a str {
        if self.spec_default.is_empty() { self.status_default } else { self.spec_default }
    }
}

impl Catalog {
    /// The stream of this name.
    #[must_use]
    pub fn stream(&self, name: &str) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.set.name == name)
    }

    /// `status.availableStreams`.
    #[must_use]
    pub fn available_streams(&self) -> Vec<OSImageStreamSet> {
        self.streams.iter().map(|stream| stream.set.clone()).collect()
    }

    /// Names of the streams that the release no longer carries, sorted.
    pub fn retained(&self) -> impl Iterator<Item = &str> {
        self.streams.iter().filter(|stream| stream.origin == Origin::Retained).map(|stream| stream.set.name.as_str())
    }
}

impl Verdict {
    /// Whether users should know: an image without a stream label is simply not part of a stream.
    fn is_noteworthy(&self) -> bool {
        !matches!(self, Self::Taken(..) | Self::ByTag(..) | Self::NotTaken(_))
    }
}

#[cfg(test)]
mod tests;
