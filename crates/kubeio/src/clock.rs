//! The time. Only this module asks the operating system.

use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tokio::time::Instant;

/// A source of wall-clock time, for timestamps that are written. Durations are measured with tokio's clock, which never
/// goes back.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Starting point on tokio's clock, so that paused time in a test also pauses this clock; `None` for the system's own time,
    /// which may be adjusted and keeps running while a laptop sleeps.
    start: Option<Arc<(Timestamp, Instant)>>,
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self { start: None }
    }

    /// A clock that shows `start` now and moves with tokio's clock.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start: Some(Arc::new((start, Instant::now()))) }
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let Some(start) = &self.start else { return Timestamp::now() };
        let (start, since) = **start;
        let passed = SignedDuration::try_from(since.elapsed()).unwrap_or(SignedDuration::MAX);
        start.saturating_add(passed).unwrap_or(start)
    }
}
