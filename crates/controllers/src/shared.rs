//! What one controller of the process found out and others need: kept in memory, and found out again after a restart.

use parking_lot::RwLock;
use std::sync::Arc;
use tokio::sync::watch;

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
