//! The problems with the streams that the stream controller found: for the other controllers of the process, and for whoever writes
//! the status of the whole cluster.

use parking_lot::RwLock;
use std::sync::Arc;
use tokio::sync::watch;
use weir_rules::stream::problem::StreamProblems;

/// The problems that all controllers of a process know of. Cheap to clone: clones share them.
#[derive(Clone, Debug)]
pub struct SharedProblems {
    now: Arc<RwLock<StreamProblems>>,
    changes: Arc<watch::Sender<u64>>,
}

impl Default for SharedProblems {
    fn default() -> Self {
        Self { now: Arc::default(), changes: Arc::new(watch::channel(0).0) }
    }
}

impl SharedProblems {
    /// The current problems.
    #[must_use]
    pub fn get(&self) -> StreamProblems {
        self.now.read().clone()
    }

    /// A receiver that is notified of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut StreamProblems)) {
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
