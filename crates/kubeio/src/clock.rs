//! What time it is. The only place that asks the operating system.

use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tokio::time::Instant;

/// A source of wall-clock time that follows tokio's clock, so that paused time in a test pauses this one too.
#[derive(Clone, Debug)]
pub struct Clock {
    start: Arc<(Timestamp, Instant)>,
}

impl Clock {
    /// A clock that shows the system's time now.
    #[must_use]
    pub fn system() -> Self {
        Self::starting_at(Timestamp::now())
    }

    /// A clock that shows `start` now and moves with tokio's clock.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start: Arc::new((start, Instant::now())) }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let (start, since) = *self.start;
        let passed = SignedDuration::try_from(since.elapsed()).unwrap_or(SignedDuration::MAX);
        start.saturating_add(passed).unwrap_or(start)
    }
}
