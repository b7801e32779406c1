//! Events expire an hour after they were last written, as in kube-apiserver (`--event-ttl`).

use crate::store::{Key, Tables, Writer};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc};

/// Table of the events.
pub(crate) const EVENTS: &str = "events";
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// Versions of events, in the order in which they were written.
#[derive(Debug, Default)]
pub(crate) struct Expiry(Mutex<VecDeque<(Timestamp, Key, u64)>>);

impl Expiry {
    /// Called after an event was written; removes expired ones. There is no timer: expired events go when the next one is written.
    pub(crate) fn written(&self, writer: &mut Writer<'_>, written: &Key, now: Timestamp) {
        let mut queue = self.0.lock();
        if let Some(event) = writer.get(EVENTS, written) {
            queue.push_back((now, written.clone(), event.version));
        }
        let storage: Arc<str> = EVENTS.into();
        while let Some((since, ..)) = queue.front()
            && now.duration_since(*since) >= LIFETIME
        {
            let Some((_, key, version)) = queue.pop_front() else { return };
            // An event that was written again has moved back in the queue.
            if let Some(event) = writer.get(EVENTS, &key).filter(|e| e.version == version) {
                writer.delete(&storage, &key, event.value());
            }
        }
    }

    /// Queues the events that were on disk; their age counts from now.
    pub(crate) fn queue(&self, tables: &Tables, now: Timestamp) {
        let all = tables.table(EVENTS).into_iter().flat_map(|t| t.range("", None));
        self.0.lock().extend(all.map(|(key, event)| (now, key.clone(), event.version)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ApiServer, Clock, Settings, served::Served as _};
    use serde_json::json;

    #[derive(Debug)]
    struct Manual(Mutex<Timestamp>);

    impl Clock for Manual {
        fn now(&self) -> Timestamp {
            *self.0.lock()
        }
    }

    #[test]
    fn events_live_for_an_hour_after_their_last_write() {
        let clock = Arc::new(Manual(Mutex::new(Timestamp::UNIX_EPOCH)));
        let server = ApiServer::new(Settings { clock: clock.clone(), ..Settings::default() }).unwrap();
        let state = &server.state;
        let resource = state.registry().find("", "v1", "events").cloned().unwrap();
        let write = |name: &str| {
            let object = json!({"metadata": {"name": name}, "involvedObject": {"kind": "Node", "name": "n"}});
            state.create(&resource, "default", object).unwrap();
        };
        let names = || -> Vec<String> {
            let tables = state.store.read();
            tables.table(EVENTS).unwrap().range("", None).map(|(k, _)| k.name.to_string()).collect()
        };
        write("a");
        *clock.0.lock() += SignedDuration::from_mins(59);
        write("b");
        assert_eq!(names(), ["a", "b"]);
        *clock.0.lock() += SignedDuration::from_mins(1);
        write("c");
        assert_eq!(names(), ["b", "c"]);
    }
}
