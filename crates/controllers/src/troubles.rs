//! What stands in the way of the streams, as the stream controller found it: for the other controllers, and for whoever
//! writes the status of the whole cluster.

use parking_lot::RwLock;
use std::sync::Arc;
use tokio::sync::watch;
use weir_rules::stream::trouble::Trouble;

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
        self.now.read().clone()
    }

    /// A receiver that is notified of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Trouble)) {
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
