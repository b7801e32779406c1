//! Which OS image stream a pool gets, and why.
//!
//! R-STREAM-1 With the streams gate off there are none: the pool gets the images of the ControllerConfig. A pool that
//! names a stream nevertheless gets a notice and does not fail.
//! R-STREAM-2 A pool gets the stream it names; else, if it is a custom pool, the one the worker pool names; else the
//! default of the OSImageStream's status. `master`, `worker` and `arbiter` inherit nothing.
//! R-STREAM-3 A name that is not available is an error, and the pool keeps what it has.
//! R-STREAM-4 Where the distribution has one stream that follows the release, a stale name gets that stream, and the
//! user is told whether an earlier release carried the name ([`former`]).
//! R-STREAM-5 An OSImageStream that is missing, has no status yet, or was written by another build of the controllers
//! is waited for: its images may belong to another release.
//!
//! Source: `pkg/controller/common/helpers.go` and `pkg/osimagestream` of github.com/openshift/machine-config-operator;
//! R-STREAM-1's notice and R-STREAM-4 are ours.
//!
//! | module | decides |
//! |---|---|
//! | [`attempt`] | whether a catalogue that could not be made may come by itself, and when it is tried again |
//! | [`catalog`] | which OS image streams a release carries, and which one is the default |
//! | [`gates`] | which features are on |
//! | [`mismatch`] | what contradicts the distribution that was chosen |
//! | [`release`] | which version a cluster was installed with |
//! | [`switch`] | whether a pool can name a stream |
//! | [`problem`] | nothing: it holds the problems found while reading a release |

pub mod attempt;
pub mod catalog;
pub mod former;
pub mod gates;
pub mod mismatch;
pub mod problem;
pub mod release;
pub mod switch;
#[cfg(test)]
mod tests;

use crate::view::Annotations;
use crate::view::PoolView;
use std::fmt;
use weir_api::{
    OSImageStream,
    keys::{config, names},
    os_image_stream::OSImageStreamSet,
};

/// The streams as the controllers know them.
#[derive(Clone, Copy, Debug)]
pub struct StreamsView<'a> {
    /// Whether the gate `OSStreams` is on.
    pub enabled: bool,
    /// The one OSImageStream, if it exists.
    pub object: Option<&'a OSImageStream>,
    /// Build of the controllers, which the object must name; absent to accept an object of any build.
    pub build: Option<&'a str>,
    /// Whether the distribution has exactly one stream, which follows the release.
    pub follows_release: bool,
}

/// What a pool runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedStream {
    /// The stream; absent when the gate is off and the images of the ControllerConfig are used.
    pub set: Option<OSImageStreamSet>,
    /// Why it is this one.
    pub because: StreamReason,
}

/// Why a pool runs what it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamReason {
    /// The pool names it.
    Explicit,
    /// The worker pool names it.
    InheritedFromWorker,
    /// Neither names one.
    Default,
    /// The effective name does not exist, and there is only one stream.
    StalePin {
        /// The name.
        wanted: String,
        /// Where it is set.
        origin: NamedIn,
        /// The stream that the pool gets.
        only: String,
        /// Whether a stream of the name existed before.
        published: bool,
    },
    /// There are no streams.
    GateOff {
        /// The stream that the pool names without effect.
        ignored: Option<String>,
    },
}

/// Why a pool gets no stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The object does not exist yet.
    #[error("could not get OSImageStream for pool {pool}: osimagestreams.{group} {name:?} not found; it is made from the release image, see clusteroperator machine-config", group = weir_api::kind::MACHINE_CONFIG_GROUP, name = names::CLUSTER)]
    NoObject {
        /// The pool.
        pool: String,
    },
    /// The object has not been filled in.
    #[error("OSImageStream {name:?} lists no streams yet, so pool {pool} waits", name = names::CLUSTER)]
    NoStatus {
        /// The pool.
        pool: String,
    },
    /// The object was written by other controllers.
    #[error("ignoring OSImageStream with version {found:?} (my version: {build}); it will be made again")]
    OtherBuild {
        /// Build that wrote it; empty when it does not say.
        found: String,
        /// Build of these controllers.
        build: String,
    },
    /// There is no stream of this name.
    #[error("could not get OSImageStreamSet for pool {pool}: osimagestreams.{group} {wanted:?} not found; {origin} names it, available are: {}", available.join(", "), group = weir_api::kind::MACHINE_CONFIG_GROUP)]
    NotAvailable {
        /// The pool.
        pool: String,
        /// The effective name.
        wanted: String,
        /// Where the name is set.
        origin: NamedIn,
        /// The available names.
        available: Vec<String>,
    },
}

/// Where the name of a stream is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedIn {
    /// In the pool.
    Pool,
    /// In the worker pool.
    Worker,
    /// In the status of the OSImageStream.
    Default,
}

impl StreamError {
    /// The reason, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoObject { .. } => "NoOSImageStream",
            Self::NoStatus { .. } => "OSImageStreamEmpty",
            Self::OtherBuild { .. } => "OSImageStreamOfOtherBuild",
            Self::NotAvailable { .. } => "StreamNotAvailable",
        }
    }

    /// Whether waiting may help: something else is still being written.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::NotAvailable { .. })
    }
}

/// Decides the stream of a pool. `worker` is the worker pool, if it exists.
///
/// # Errors
/// When there is no stream to give (R-STREAM-3, R-STREAM-5).
pub fn resolve_stream(
    pool: &PoolView<'_>,
    worker: Option<&PoolView<'_>>,
    streams: &StreamsView<'_>,
) -> Result<ResolvedStream, StreamError> {
    let inherited = worker.filter(|_| pool.is_custom()).and_then(|w| w.stream);
    let named = pool.stream.map(|name| (name, NamedIn::Pool)).or(inherited.map(|name| (name, NamedIn::Worker)));
    if !streams.enabled {
        let ignored = named.map(|(name, _)| name.to_owned());
        return Ok(ResolvedStream { set: None, because: StreamReason::GateOff { ignored } });
    }
    let object = current(pool, streams)?;
    let missing = || StreamError::NoStatus { pool: pool.name.to_owned() };
    let status = object.status.as_ref().filter(|s| !s.available_streams.is_empty()).ok_or_else(missing)?;
    let (wanted, origin) = named.unwrap_or((&status.default_stream, NamedIn::Default));
    if let Some(set) = status.available_streams.iter().find(|s| s.name == wanted) {
        let because = match origin {
            NamedIn::Pool => StreamReason::Explicit,
            NamedIn::Worker => StreamReason::InheritedFromWorker,
            NamedIn::Default => StreamReason::Default,
        };
        return Ok(ResolvedStream { set: Some(set.clone()), because });
    }
    match status.available_streams.as_slice() {
        [only] if streams.follows_release => {
            let published = former::former(object).contains(&wanted);
            let (wanted, only_name) = (wanted.to_owned(), only.name.clone());
            let because = StreamReason::StalePin { wanted, origin, only: only_name, published };
            Ok(ResolvedStream { set: Some(only.clone()), because })
        }
        available => Err(StreamError::NotAvailable {
            pool: pool.name.to_owned(),
            wanted: wanted.to_owned(),
            origin,
            available: available.iter().map(|s| s.name.clone()).collect(),
        }),
    }
}

/// The object, when it was written by these controllers (R-STREAM-5).
fn current<'a>(pool: &PoolView<'_>, streams: &StreamsView<'a>) -> Result<&'a OSImageStream, StreamError> {
    let object = streams.object.ok_or_else(|| StreamError::NoObject { pool: pool.name.to_owned() })?;
    let Some(build) = streams.build else { return Ok(object) };
    let found = Annotations::of(&object.metadata).get(config::RELEASE_IMAGE_VERSION).unwrap_or_default();
    if found == build {
        return Ok(object);
    }
    Err(StreamError::OtherBuild { found: found.to_owned(), build: build.to_owned() })
}

impl StreamReason {
    /// The reason, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Explicit => "Explicit",
            Self::InheritedFromWorker => "InheritedFromWorker",
            Self::Default => "Default",
            Self::StalePin { .. } => "StalePin",
            Self::GateOff { .. } => "GateOff",
        }
    }

    /// Whether users of the pool should know: a name that they set has no effect.
    #[must_use]
    pub fn is_notice(&self) -> bool {
        matches!(self, Self::StalePin { .. } | Self::GateOff { ignored: Some(_) })
    }

    /// The rule that decided.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::GateOff { .. } => "R-STREAM-1",
            Self::StalePin { .. } => "R-STREAM-4",
            _ => "R-STREAM-2",
        }
    }
}

impl fmt::Display for StreamReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit => f.write_str("the pool names it"),
            Self::InheritedFromWorker => f.write_str("the worker pool names it, and the pool names none"),
            Self::Default => f.write_str("it is the default, and the pool names none"),
            Self::StalePin { wanted, origin, only, published } => {
                let history = match published {
                    true => "which an earlier release carried and this one does not",
                    false => "which no release that this cluster has seen carried",
                };
                write!(
                    f,
                    "{only} is the only stream there is; {origin} names {wanted:?}, {history}; {}",
                    origin.remedy(only)
                )
            }
            Self::GateOff { ignored: None } => f.write_str("OS image streams are off; the images of the release apply"),
            Self::GateOff { ignored: Some(name) } => {
                write!(f, "OS image streams are off; the images of the release apply and {name:?} is ignored")
            }
        }
    }
}

impl NamedIn {
    /// What to do about a name that has no effect.
    fn remedy(self, only: &str) -> String {
        match self {
            Self::Pool => format!("remove that name from the pool, or write {only:?} there"),
            Self::Worker => format!("remove that name from pool {}, or write {only:?} there", names::WORKER),
            Self::Default => format!("set spec.defaultStream of OSImageStream {} to {only:?}", names::CLUSTER),
        }
    }
}

impl fmt::Display for NamedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pool => "the pool's spec.osImageStream",
            Self::Worker => "the worker pool's spec.osImageStream",
            Self::Default => "the OSImageStream's default",
        })
    }
}
