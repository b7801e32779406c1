//! What one controller of the process found out and others need: kept in memory, and found out again after a restart.

use parking_lot::{Mutex, RwLock};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};
use weir_rules::rollout::settle::LOOK;

/// A value that the controllers of a process share. Cheap to clone: clones share it.
#[derive(Clone, Debug)]
pub struct Shared<T> {
    now: Arc<RwLock<T>>,
    changes: Arc<watch::Sender<u64>>,
}

impl<T: Default> Default for Shared<T> {
    fn default() -> Self {
        Self { now: Arc::default(), changes: Arc::new(watch::channel(0).0) }
    }
}

impl<T: Clone + PartialEq> Shared<T> {
    /// The present value.
    #[must_use]
    pub fn get(&self) -> T {
        self.now.read().clone()
    }

    /// A receiver that is notified of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut T)) {
        let mut now = self.now.write();
        let before = now.clone();
        change(&mut now);
        let changed = *now != before;
        drop(now);
        if changed {
            self.changes.send_modify(|version| *version += 1);
        }
    }
}

/// From what the process last rendered every pool, and whether it knows anything newer (R-SETTLE-5).
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    state: Arc<Mutex<LookState>>,
    changes: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct LookState {
    /// What pools are rendered from; nothing if nobody in this process renders.
    sources: Vec<watch::Receiver<u64>>,
    /// Their versions when the last complete look began.
    seen: Option<Vec<u64>>,
    /// Until when nodes wait for the next one.
    until: Option<Instant>,
}

impl LookState {
    fn versions(&self) -> Vec<u64> {
        self.sources.iter().map(|source| *source.borrow()).collect()
    }

    fn is_current(&self) -> bool {
        self.sources.is_empty() || self.seen.as_ref() == Some(&self.versions())
    }
}

impl Look {
    /// Somebody in this process renders from these.
    pub(crate) fn expect(&self, sources: Vec<watch::Receiver<u64>>) {
        self.state.lock().sources = sources;
    }

    /// A look begins: what it sees is at least this new.
    pub(crate) fn begin(&self) -> Vec<u64> {
        self.state.lock().versions()
    }

    /// Every pool was rendered, or cannot be, in the look that began so.
    pub(crate) fn done(&self, began: Vec<u64>) {
        let mut state = self.state.lock();
        state.seen = Some(began);
        drop(state);
        self.changes.send_modify(|version| *version += 1);
    }

    /// How long nodes still wait for the next look, from the first time that this was asked.
    pub(crate) fn left(&self) -> Duration {
        let mut state = self.state.lock();
        if state.is_current() {
            state.until = None;
            return Duration::ZERO;
        }
        let now = Instant::now();
        state.until.get_or_insert(now + LOOK).saturating_duration_since(now)
    }

    /// A receiver that is notified when one is done.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
