//! Outages of the API server in few log lines: one when an outage begins, one when it is over, and a summary now and then in
//! between. When a server goes away, everything that calls it fails at once. One per process, like its log.

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// A lasting outage is reported again this often.
const SUMMARY: Duration = Duration::from_mins(1);
/// Maximum number of names in a summary; the others are counted.
const NAMED: usize = 3;

static NOW: Mutex<Outage> = Mutex::new(Outage { failing: BTreeMap::new(), since: None, told: None });
/// The number of things that fail at present, so that the usual case costs nothing.
static FAILING: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug)]
struct Outage {
    /// What fails, and since when.
    failing: BTreeMap<String, Instant>,
    since: Option<Instant>,
    told: Option<Instant>,
}

/// A line of the log.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Begins,
    GoesOn { failing: String, since: Duration },
    Over { after: Duration },
}

impl Outage {
    fn failed(&mut self, what: &str, now: Instant) -> Option<Line> {
        self.failing.entry(what.to_owned()).or_insert(now);
        let since = *self.since.get_or_insert(now);
        match self.told {
            None => {
                self.told = Some(now);
                Some(Line::Begins)
            }
            Some(told) if now.saturating_duration_since(told) >= SUMMARY => {
                self.told = Some(now);
                Some(Line::GoesOn { failing: self.names(), since: now.saturating_duration_since(since) })
            }
            Some(_) => None,
        }
    }

    fn fine(&mut self, what: &str, now: Instant) -> Option<Line> {
        self.failing.remove(what)?;
        let since = self.since.filter(|_| self.failing.is_empty())?;
        (self.since, self.told) = (None, None);
        Some(Line::Over { after: now.saturating_duration_since(since) })
    }

    fn names(&self) -> String {
        let named: Vec<&str> = self.failing.keys().take(NAMED).map(String::as_str).collect();
        match self.failing.len() - named.len() {
            0 => named.join(", "),
            more => format!("{} and {more} more", named.join(", ")),
        }
    }
}

/// Something that calls the API server failed, and will be retried.
pub fn failed(what: &str, why: &str) {
    let mut outage = NOW.lock();
    let line = outage.failed(what, Instant::now());
    FAILING.store(outage.failing.len(), Ordering::Relaxed);
    drop(outage);
    match line {
        Some(Line::Begins) => tracing::warn!(what, error = why, "a request to the API server failed, trying again"),
        Some(Line::GoesOn { failing, since }) => {
            tracing::warn!(failing, since = %seconds(since), error = why, "requests to the API server still fail");
        }
        Some(Line::Over { .. }) | None => tracing::debug!(what, error = why, "failed, trying again"),
    }
}

/// Something that calls the API server works again, or has nothing more to call.
pub fn fine(what: &dyn fmt::Display) {
    if FAILING.load(Ordering::Relaxed) == 0 {
        return;
    }
    let mut outage = NOW.lock();
    let line = outage.fine(&what.to_string(), Instant::now());
    FAILING.store(outage.failing.len(), Ordering::Relaxed);
    drop(outage);
    if let Some(Line::Over { after }) = line {
        tracing::info!(after = %seconds(after), "requests to the API server work again");
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_failures_are_two_lines_and_one_a_minute_between() {
        let mut outage = Outage { failing: BTreeMap::new(), since: None, told: None };
        let (start, mut lines) = (Instant::now(), Vec::new());
        let at = |tenths| start + Duration::from_millis(100) * tenths;
        for tenth in 0..1000 {
            lines.extend(outage.failed(&format!("watch of kind {:02}", tenth % 30), at(tenth)));
        }
        assert_eq!(outage.fine("a kind that never failed", at(1000)), None);
        lines.extend((0..30).filter_map(|kind| outage.fine(&format!("watch of kind {kind:02}"), at(1000 + kind))));
        let failing = "watch of kind 00, watch of kind 01, watch of kind 02 and 27 more".to_owned();
        let expected = [
            Line::Begins,
            Line::GoesOn { failing, since: Duration::from_secs(60) },
            Line::Over { after: Duration::from_millis(102_900) },
        ];
        assert_eq!(lines, expected);
        // The next outage is reported again.
        assert_eq!(outage.failed("a", at(2000)), Some(Line::Begins));
    }
}
