//! The time. Only this module asks the operating system.

use jiff::{SignedDuration, Timestamp};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use tokio::time::Instant;

/// A source of wall-clock time, for timestamps that are written. Durations are measured with tokio's clock, which never
/// goes back.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Starting point on tokio's clock, so that paused time in a test also pauses this clock; `None` for the system's own time,
    /// which may be adjusted and keeps running while a laptop sleeps.
    start: Option<Arc<Started>>,
}

/// A clock that moves with tokio's.
#[derive(Debug)]
struct Started {
    shown: Timestamp,
    at: Instant,
    /// How far it was set forward since then, in milliseconds.
    ahead: AtomicI64,
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
        Self { start: Some(Arc::new(Started { shown: start, at: Instant::now(), ahead: AtomicI64::new(0) })) }
    }

    /// Sets a clock that moves with tokio's, and all that were cloned from it, forward or back, as administrators and time servers do.
    pub fn step(&self, by: SignedDuration) {
        if let Some(start) = &self.start {
            let by = i64::try_from(by.as_millis()).unwrap_or_default();
            start.ahead.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let Some(start) = &self.start else { return Timestamp::now() };
        let passed = SignedDuration::try_from(start.at.elapsed()).unwrap_or(SignedDuration::MAX);
        let passed = passed.saturating_add(SignedDuration::from_millis(start.ahead.load(Ordering::Relaxed)));
        start.shown.saturating_add(passed).unwrap_or(start.shown)
    }
}
