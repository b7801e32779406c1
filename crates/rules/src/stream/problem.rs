//! Problems with the streams, found while reading the desired release.

use jiff::{Timestamp, Unit};
use std::fmt;

/// The current problems.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamProblems {
    /// How the payload of the desired release contradicts the distribution; see [`super::mismatch`].
    pub evidence: PayloadEvidence,
    /// Why the OSImageStream does not match the desired release.
    pub catalog: Option<CatalogProblem>,
}

/// How a payload contradicts the distribution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayloadEvidence {
    /// Tags of a payload that does not match; empty for one that does.
    pub tags: Vec<String>,
    /// Streams of a payload that carries several where there should be one.
    pub several_streams: Vec<String>,
}

/// Why the OSImageStream does not match the desired release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogProblem {
    /// Pull spec of the release image.
    pub release: String,
    /// Why, with image and registry.
    pub why: String,
    /// Whether only a change helps; otherwise a retry may.
    pub blocking: bool,
    /// The time of the next attempt, if known.
    pub next: Option<Timestamp>,
}

/// Why, and when the next attempt is.
impl fmt::Display for CatalogProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        // Fractions of a second are noise.
        let next = self.next.and_then(|next| next.round(Unit::Second).ok());
        next.map_or(Ok(()), |next| write!(f, "; next attempt at {next}"))
    }
}
