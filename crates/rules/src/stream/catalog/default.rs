//! Which stream is the default (R-CATALOG-10).
//!
//! R-DEFAULT-1  The requested stream: `spec.defaultStream`, else the previous default.
//! R-DEFAULT-2  None requested: the only stream; of several, the one built in for the version the cluster was
//!              installed with.
//! R-DEFAULT-3  Requested and gone, where the distribution has one stream: the only stream.
//! R-DEFAULT-4  Anything else that is not among the streams is an error.

use super::{CatalogError, Existing};
use std::fmt;
use weir_distro::{DefaultStreamRule, Profile, ReleaseVersion, StreamsRule};

/// The default and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Stream name.
    pub name: String,
    /// Why that one.
    pub because: DefaultReason,
}

/// Why a stream is the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultReason {
    /// `spec.defaultStream` names it.
    Requested,
    /// It was the default before.
    Kept,
    /// It is the only stream.
    Only,
    /// Built in for clusters installed with this version, or for all if it does not depend on the version.
    BuiltIn(Option<ReleaseVersion>),
    /// It replaces a stream that is gone.
    Followed {
        /// The stream that is gone.
        from: String,
    },
}

impl fmt::Display for DefaultReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("spec.defaultStream names it"),
            Self::Kept => f.write_str("it was the default before"),
            Self::Only => f.write_str("it is the only stream"),
            Self::BuiltIn(None) => f.write_str("it is built in"),
            Self::BuiltIn(Some(version)) => write!(f, "it is built in for clusters installed with {version}"),
            Self::Followed { from } => write!(f, "it takes the place of {from}, which is no longer in the release"),
        }
    }
}

/// Chooses the default among the streams, which are not empty.
///
/// # Errors
/// [`CatalogError::NoDefault`] and [`CatalogError::NoVersion`] (R-DEFAULT-4).
pub fn choose(
    profile: &Profile,
    streams: &[&str],
    existing: Existing<'_>,
    installed: Option<ReleaseVersion>,
) -> Result<Choice, CatalogError> {
    let requested = existing.requested_default();
    let available = || streams.iter().map(|stream| (*stream).to_owned()).collect();
    let (name, because) = if streams.contains(&requested) {
        (requested, if existing.spec_default.is_empty() { DefaultReason::Kept } else { DefaultReason::Requested })
    } else if requested.is_empty() {
        match streams {
            [only] => (*only, DefaultReason::Only),
            _ => {
                let name = built_in(profile, installed);
                let name = name.ok_or_else(|| CatalogError::NoVersion { available: available() })?;
                (name, DefaultReason::BuiltIn(installed))
            }
        }
    } else {
        let name = match (profile.streams.rule, streams) {
            (StreamsRule::OneFollowingRelease, [only]) => only,
            (StreamsRule::Many | StreamsRule::OneFollowingRelease, _) => requested,
        };
        (name, DefaultReason::Followed { from: requested.to_owned() })
    };
    if streams.contains(&name) {
        Ok(Choice { name: name.to_owned(), because })
    } else {
        Err(CatalogError::NoDefault { requested: name.to_owned(), available: available() })
    }
}

/// The built-in default; `None` when it depends on a version and none is known.
pub(super) fn built_in(profile: &Profile, installed: Option<ReleaseVersion>) -> Option<&str> {
    match (&profile.default_stream, installed) {
        (rule, Some(version)) => Some(rule.builtin(version)),
        (DefaultStreamRule::Fixed { stream }, None) => Some(stream),
        (DefaultStreamRule::ByInstallMajor { .. }, None) => None,
    }
}
