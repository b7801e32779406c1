//! When each controller last completed a step; only used for metrics.

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use weir_rules::status::figures::Steps;

/// The last time of each step for each object. Cheap to clone: clones share it.
#[derive(Clone, Debug, Default)]
pub struct StepsTaken(Arc<Mutex<Steps>>);

impl StepsTaken {
    /// Records that a controller completed a step for an object.
    pub(crate) fn took(&self, controller: &'static str, step: &str, object: &str, now: Timestamp) {
        self.lock().insert((controller, step.to_owned(), object.to_owned()), now);
    }

    /// The steps of objects that still exist; the others are forgotten.
    pub(crate) fn of(&self, exists: impl Fn(&str) -> bool) -> Steps {
        let mut steps = self.lock();
        steps.retain(|(_, _, object), _| exists(object));
        steps.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Steps> {
        self.0.lock()
    }
}
