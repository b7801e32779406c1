//! What stands in the way of the streams, as reading the desired release found it.

use jiff::{Timestamp, Unit};
use std::fmt;

/// What stands in the way now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// What the payload of the desired release says about the distribution; see [`super::mismatch`].
    pub evidence: Evidence,
    /// Why the OSImageStream is not what the desired release says.
    pub catalog: Option<CatalogTrouble>,
}

/// What a payload says about the distribution, as far as it contradicts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Tags of a payload that does not fit; empty for one that does.
    pub tags: Vec<String>,
    /// Streams of a payload that carries several where there is to be one.
    pub several_streams: Vec<String>,
}

/// Why the OSImageStream is not what the desired release says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogTrouble {
    /// Pull spec of the release image.
    pub release: String,
    /// Why, with image and registry.
    pub why: String,
    /// Whether only a change helps; else it may pass.
    pub blocking: bool,
    /// When it is tried again, if it is known.
    pub next: Option<Timestamp>,
}

/// Why, and when it is tried again.
impl fmt::Display for CatalogTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        // Nobody reads a part of a second.
        let next = self.next.and_then(|next| next.round(Unit::Second).ok());
        next.map_or(Ok(()), |next| write!(f, "; next attempt at {next}"))
    }
}
