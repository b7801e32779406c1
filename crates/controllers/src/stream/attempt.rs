//! A release that yielded no catalogue, and when it is tried again.

use super::Controller;
use std::time::Duration;
use tokio::time::Instant;
use weir_images::Images;
use weir_rules::stream::attempt::pause_after;

/// A failed attempt.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// Pull spec of the release image.
    pub(super) release: String,
    /// How its images were read.
    images: Option<Images>,
    /// How many attempts failed in a row.
    times: u32,
    /// The last message about it.
    said: String,
    /// It is not tried again before this, whatever changes.
    next: Instant,
}

impl Attempt {
    pub(super) fn new(release: &str, images: Option<Images>) -> Self {
        Self { release: release.to_owned(), images, times: 0, said: String::new(), next: Instant::now() }
    }

    fn is_of(&self, release: &str, images: Option<&Images>) -> bool {
        let same = match (&self.images, images) {
            (Some(one), Some(other)) => one.is(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        self.release == release && same
    }
}

impl Controller {
    /// How long the release must not be tried again after a failure. Reading images in another way ends that.
    pub(super) fn pause(&self, release: &str, images: Option<&Images>) -> Option<Duration> {
        let failed = self.failed.lock();
        let attempt = failed.as_ref().filter(|attempt| attempt.is_of(release, images))?;
        Some(attempt.next.saturating_duration_since(Instant::now())).filter(|pause| !pause.is_zero())
    }

    /// Remembers a failure; returns the pause before the next attempt, and whether the message is new.
    pub(super) fn remember(&self, attempt: Attempt, said: String) -> (Duration, bool) {
        let mut failed = self.failed.lock();
        let before = failed.take().filter(|before| before.is_of(&attempt.release, attempt.images.as_ref()));
        let times = before.as_ref().map_or(0, |attempt| attempt.times).saturating_add(1);
        let pause = pause_after(times);
        let is_new = before.is_none_or(|attempt| attempt.said != said);
        *failed = Some(Attempt { times, said, next: Instant::now() + pause, ..attempt });
        (pause, is_new)
    }

    /// Forgets the last failure.
    pub(super) fn succeeded(&self) {
        *self.failed.lock() = None;
    }
}
