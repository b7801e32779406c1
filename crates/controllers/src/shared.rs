//! What one controller of the process found out and others need: kept in memory, and found out again after a restart.

use parking_lot::RwLock;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};
use weir_rules::rollout::settle::FIRST_LOOK;

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

/// Whether the process has rendered every pool since it started (R-SETTLE-5).
#[derive(Clone, Debug, Default)]
pub(crate) struct FirstLook {
    expected: Shared<bool>,
    until: Arc<OnceLock<Instant>>,
}

impl FirstLook {
    /// Somebody in this process renders.
    pub(crate) fn expect(&self) {
        self.expected.change(|expected| *expected = true);
    }

    /// Every pool was rendered, or cannot be.
    pub(crate) fn done(&self) {
        self.expected.change(|expected| *expected = false);
    }

    /// How long nodes still wait for it, from the first time that this was asked.
    pub(crate) fn left(&self) -> Duration {
        if !self.expected.get() {
            return Duration::ZERO;
        }
        let now = Instant::now();
        self.until.get_or_init(|| now + FIRST_LOOK).saturating_duration_since(now)
    }

    /// A receiver that is notified when it is done.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.expected.changes()
    }
}
