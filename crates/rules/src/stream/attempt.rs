//! What it means that the OSImageStream could not be made from a release.
//!
//! R-ATTEMPT-1 It may pass where an image may be read without anybody changing anything, where how images are read has only not
//! been seen yet, or where the API server may take the write later. All else only a change helps.
//! R-ATTEMPT-2 How images are read may be the cause where one of them could not be.
//! R-ATTEMPT-3 It is tried again after 1, 2, 4, 8 and then 10 s, whatever the answer was: who grants access, or pushes what was
//! missing, sees the catalogue made within a quarter of a minute.

use super::catalog::CatalogError;
use std::time::Duration;

/// First pause before an image that could not be read is tried again.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// Longest such pause.
const LAST_RETRY: Duration = Duration::from_secs(10);

/// Why it could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle<'a> {
    /// It is not known whether there are streams.
    Gates,
    /// The release yields no catalogue.
    Catalog(&'a CatalogError),
    /// How images are read is not known.
    Access {
        /// Whether it has only not been seen yet.
        unseen: bool,
    },
    /// The release contradicts the distribution.
    Mismatch,
    /// A write failed.
    Write {
        /// Whether it may be taken later.
        transient: bool,
    },
}

impl Obstacle<'_> {
    /// Whether only a change helps (R-ATTEMPT-1).
    #[must_use]
    pub fn is_blocking(self) -> bool {
        match self {
            Self::Gates | Self::Mismatch => true,
            Self::Catalog(error) => !error.is_transient(),
            Self::Access { unseen } => !unseen,
            Self::Write { transient } => !transient,
        }
    }

    /// Whether how images are read may be the cause (R-ATTEMPT-2).
    #[must_use]
    pub fn is_of_reading(self) -> bool {
        matches!(self, Self::Catalog(CatalogError::Incomplete { .. } | CatalogError::Payload(_)))
    }
}

/// The pause after so many failures in a row (R-ATTEMPT-3).
#[must_use]
pub fn pause_after(times: u32) -> Duration {
    FIRST_RETRY.saturating_mul(1 << times.min(16)).min(LAST_RETRY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_only_a_change_helps() {
        let incomplete = |passing| CatalogError::Incomplete { unread: vec!["a".to_owned()], passing };
        let (passing, standing, none) = (incomplete(true), incomplete(false), CatalogError::Payload("none".to_owned()));
        for (obstacle, blocking, of_reading) in [
            (Obstacle::Catalog(&passing), false, true),
            (Obstacle::Catalog(&standing), true, true),
            (Obstacle::Catalog(&none), true, true),
            (Obstacle::Access { unseen: true }, false, false),
            (Obstacle::Access { unseen: false }, true, false),
            (Obstacle::Write { transient: true }, false, false),
            (Obstacle::Write { transient: false }, true, false),
            (Obstacle::Mismatch, true, false),
            (Obstacle::Gates, true, false),
        ] {
            assert_eq!((obstacle.is_blocking(), obstacle.is_of_reading()), (blocking, of_reading), "{obstacle:?}");
        }
    }
}
