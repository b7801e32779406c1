//! When the first node is given a pool's new target.
//!
//! R-SETTLE-1 A target has settled when the name that the pool renders to has stayed the same for the settling time, or ten times
//! that after it first changed. So a series of edits costs one reboot.
//! R-SETTLE-2 Only another name restarts the clock. A pool's first target settles at once, and so does every target if the settling
//! time is zero.
//! R-SETTLE-3 The time is written to the pool together with the target, so that whoever decides next reads the same. A target that
//! somebody else set has no time and counts as settled, and so does one whose time is further away than any settling takes: another
//! clock wrote it.
//! R-SETTLE-4 Settling delays nodes that run what they should have run before. Nodes that joined after the target first changed, or
//! that failed, are given the target at once. One that is yet to join was there before: another clock wrote its time.
//! R-SETTLE-5 A process starts no node while it knows of anything newer than what it last rendered every pool from, for ten seconds at
//! most: a target may be older than the last edit, which settled while nobody looked or while other pools were rendered.

use crate::view::{NodeView, PoolView};
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};
use std::time::Duration;
use weir_api::keys::config::{SETTLED_FROM, UNSETTLED_SINCE};

/// A target that keeps changing settles after this many settling times.
const PATIENCE: i32 = 10;
/// The longest that nodes wait for the next look at their pools (R-SETTLE-5). Rendering takes milliseconds; what takes longer, such as
/// an OS image that cannot be read, may take for ever, and holds up one pool only.
pub const LOOK: Duration = Duration::from_secs(10);

/// The annotations of a pool that gets a target of another name now, as a merge patch: a time, or null to remove one. Empty if
/// there is nothing to write.
#[must_use]
pub fn dated(pool: &PoolView<'_>, settle: SignedDuration, now: Timestamp) -> Value {
    // Fractions of a millisecond do not matter.
    let now = now.round(Unit::Millisecond).unwrap_or(now);
    if pool.target.is_none() || settle.is_zero() {
        let there = [(UNSETTLED_SINCE, pool.unsettled_since), (SETTLED_FROM, pool.settled_from)];
        return there
            .iter()
            .filter(|(_, time)| time.is_some())
            .map(|(key, _)| ((*key).to_owned(), Value::Null))
            .collect();
    }
    let since = match (pool.unsettled_since, unsettled_until(pool, Some(settle), now)) {
        (Some(since), Some(_)) if since <= now => since,
        _ => now,
    };
    let latest = after(since, settle.saturating_mul(PATIENCE));
    json!({UNSETTLED_SINCE: since.to_string(), SETTLED_FROM: after(now, settle).min(latest).to_string()})
}

/// When the pool's target will have settled; `None` if it has.
///
/// `settle` is the settling time, if known: a read-only command relies on the pool's annotations.
#[must_use]
pub fn unsettled_until(pool: &PoolView<'_>, settle: Option<SignedDuration>, now: Timestamp) -> Option<Timestamp> {
    let until = pool.settled_from.filter(|until| *until > now)?;
    let latest = settle.map(|settle| after(now, settle.saturating_mul(PATIENCE)));
    latest.is_none_or(|latest| until <= latest).then_some(until)
}

/// Whether a node is given the target although it has not settled (R-SETTLE-4).
#[must_use]
pub fn is_exempt(node: &NodeView<'_>, pool: &PoolView<'_>, now: Timestamp) -> bool {
    let times = node.created.zip(pool.unsettled_since);
    let joined = times.is_some_and(|(created, since)| created > since && created <= now);
    node.is_failing() || joined
}

fn after(time: Timestamp, period: SignedDuration) -> Timestamp {
    time.saturating_add(period).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_api::MachineConfigPool;

    const SETTLE: SignedDuration = SignedDuration::from_secs(3);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// A pool whose target changed at these seconds, its first one long before.
    fn changed_at(times: &[i64]) -> MachineConfigPool {
        let spec = json!({"configuration": {"name": "r"}});
        let mut object = json!({"metadata": {"name": "worker", "annotations": {}}, "spec": spec});
        for &time in times {
            let pool: MachineConfigPool = serde_json::from_value(object.clone()).unwrap();
            for (key, value) in dated(&PoolView::new(&pool), SETTLE, at(time)).as_object().unwrap() {
                object["metadata"]["annotations"][key] = value.clone();
            }
        }
        serde_json::from_value(object).unwrap()
    }

    fn until(pool: &MachineConfigPool, settle: Option<SignedDuration>, now: i64) -> Option<i64> {
        let until = unsettled_until(&PoolView::new(pool), settle, at(now));
        until.map(|until| until.as_second() - 1_800_000_000)
    }

    #[test]
    fn a_target_settles_when_it_was_still() {
        for (changes, now, expected) in [
            (&[0][..], 0, Some(3)),
            (&[0], 2, Some(3)),
            (&[0], 3, None),
            (&[0, 2], 3, Some(5)),
            (&[0, 2, 4, 6], 6, Some(9)),
            // A change after the last one had settled starts anew.
            (&[0, 4], 4, Some(7)),
            // Never still: after ten times three seconds it counts as settled, and the next change starts anew.
            (&[0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28], 28, Some(30)),
            (&[0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28], 30, None),
            (&[0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30], 30, Some(33)),
        ] {
            assert_eq!(until(&changed_at(changes), Some(SETTLE), now), expected, "{changes:?} at {now}");
        }
    }

    #[test]
    fn a_time_of_another_clock_or_another_settling_time_holds_nobody_for_long() {
        let pool = changed_at(&[3600]);
        assert_eq!(until(&pool, Some(SETTLE), 0), None);
        // Without a known settling time, the annotation counts.
        assert_eq!(until(&pool, None, 0), Some(3603));
        // Restarted without settling.
        assert_eq!(until(&changed_at(&[0]), Some(SignedDuration::ZERO), 1), None);
    }

    #[test]
    fn a_first_target_and_no_settling_time_leave_no_times() {
        let first: MachineConfigPool = serde_json::from_value(json!({"metadata": {"name": "worker"}})).unwrap();
        assert_eq!(dated(&PoolView::new(&first), SETTLE, at(0)), json!({}));
        let before = changed_at(&[0]);
        let gone = json!({UNSETTLED_SINCE: null, SETTLED_FROM: null});
        assert_eq!(dated(&PoolView::new(&before), SignedDuration::ZERO, at(1)), gone);
    }
}
