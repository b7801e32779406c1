//! What stands in the way of the streams, as the stream controller found it: for the other controllers, and for whoever
//! writes the status of the whole cluster.

use jiff::{Timestamp, Unit};
use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::sync::watch;

/// What stands in the way now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// What the payload of the desired release says about the distribution; see [`weir_rules::stream::mismatch`].
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
        // Of a second nobody needs to know a part.
        let next = self.next.and_then(|next| next.round(Unit::Second).ok());
        next.map_or(Ok(()), |next| write!(f, "; next attempt at {next}"))
    }
}

/// The trouble that all controllers of a process know of. Cheap to clone: clones share it.
#[derive(Clone, Debug)]
pub struct Troubles {
    now: Arc<RwLock<Trouble>>,
    changes: Arc<watch::Sender<u64>>,
}

impl Default for Troubles {
    fn default() -> Self {
        Self { now: Arc::default(), changes: Arc::new(watch::channel(0).0) }
    }
}

impl Troubles {
    /// What stands in the way now.
    #[must_use]
    pub fn get(&self) -> Trouble {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A receiver that is notified of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Trouble)) {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let before = now.clone();
        change(&mut now);
        let changed = *now != before;
        drop(now);
        if changed {
            self.changes.send_modify(|version| *version += 1);
        }
    }
}
