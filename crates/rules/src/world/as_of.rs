//! The time that files are of.

use super::World;
use jiff::Timestamp;
use std::fmt;

/// The time that files are of (R-WORLD-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf(pub Timestamp);

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The zero is for seconds: fractions would say more than files do.
        write!(f, "as of {:.0}: the newest time in the files", self.0)
    }
}

impl World {
    /// The time at which this world is to be judged, if it comes from files that have one (R-WORLD-4).
    #[must_use]
    pub fn as_of(&self, clock: Timestamp) -> Option<AsOf> {
        if self.whole {
            return None;
        }
        self.times().filter(|time| *time <= clock).max().map(AsOf)
    }

    /// The time at which this world is to be judged, if it is this time by the clock.
    #[must_use]
    pub fn now(&self, clock: Timestamp) -> Timestamp {
        self.as_of(clock).map_or(clock, |AsOf(at)| at)
    }

    /// When objects were made and written, and when something about them changed or was reported. Kubelets report every few minutes.
    fn times(&self) -> impl Iterator<Item = Timestamp> {
        let written = self.metadata().into_iter().flat_map(|metadata| {
            let fields = metadata.managed_fields.iter().flatten().map(|entry| &entry.time);
            fields.chain([&metadata.creation_timestamp]).flatten()
        });
        let nodes = self.nodes.iter().filter_map(|node| node.status.as_ref()?.conditions.as_ref()).flatten();
        let nodes = nodes.flat_map(|held| [&held.last_heartbeat_time, &held.last_transition_time]).flatten();
        let pools = self.pools.iter().filter_map(|pool| pool.status.as_ref()?.conditions.as_ref()).flatten();
        let reports = self.reports.iter().filter_map(|report| report.status.as_ref()?.conditions.as_ref()).flatten();
        let operator =
            self.cluster_operator.iter().filter_map(|operator| operator.status.as_ref()?.conditions.as_ref());
        let changed = pools
            .map(|held| &held.last_transition_time)
            .chain(reports.map(|held| &held.last_transition_time))
            .chain(operator.flatten().map(|held| &held.last_transition_time))
            .flatten();
        written.chain(nodes).chain(changed).map(|time| time.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Object;
    use serde_json::{Value, json};
    use weir_api::kind::MACHINE_CONFIG_GROUP;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn clock() -> Timestamp {
        at("2026-06-01T00:00:00Z")
    }

    fn of(kind: &str, value: Value) -> Object {
        let group = if kind == "Node" { "" } else { MACHINE_CONFIG_GROUP };
        Object::read(group, kind, value).unwrap().unwrap()
    }

    #[test]
    fn files_are_of_the_newest_time_in_them() {
        let created = |time: &str| json!({"name": "a", "creationTimestamp": time});
        let written = json!({"name": "b", "managedFields": [{"manager": "kubectl", "time": "2026-01-02T00:00:00Z"}]});
        let condition =
            |key: &str| json!({"conditions": [{"type": "Ready", "status": "True", key: "2026-01-03T00:00:00Z"}]});
        for (object, wanted) in [
            (
                of("MachineConfig", json!({"metadata": created("2026-01-01T00:00:00Z"), "spec": {}})),
                "2026-01-01T00:00:00Z",
            ),
            (of("MachineConfig", json!({"metadata": written, "spec": {}})), "2026-01-02T00:00:00Z"),
            (
                of("Node", json!({"metadata": {"name": "n"}, "status": condition("lastHeartbeatTime")})),
                "2026-01-03T00:00:00Z",
            ),
            (
                of(
                    "MachineConfigPool",
                    json!({"metadata": {"name": "p"}, "spec": {}, "status": condition("lastTransitionTime")}),
                ),
                "2026-01-03T00:00:00Z",
            ),
        ] {
            let older = of(
                "MachineConfig",
                json!({"metadata": {"name": "old", "creationTimestamp": "2025-01-01T00:00:00Z"}, "spec": {}}),
            );
            let world = World::of([older, object]);
            assert_eq!((world.as_of(clock()), world.now(clock())), (Some(AsOf(at(wanted))), at(wanted)));
        }
    }

    #[test]
    fn a_cluster_and_files_without_times_are_of_now() {
        let made = json!({"metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}});
        let whole = World { whole: true, ..World::of([of("MachineConfig", made)]) };
        let bare = World::of([of("MachineConfig", json!({"metadata": {"name": "a"}, "spec": {}}))]);
        for world in [whole, bare] {
            assert_eq!((world.as_of(clock()), world.now(clock())), (None, clock()));
        }
    }

    #[test]
    fn what_lies_in_the_future_does_not_count() {
        let made = |name: &str, time: &str| {
            of("MachineConfig", json!({"metadata": {"name": name, "creationTimestamp": time}, "spec": {}}))
        };
        let world = World::of([made("a", "2026-01-01T00:00:00Z"), made("b", "2096-01-01T00:00:00Z")]);
        let found = world.as_of(clock()).unwrap();
        assert_eq!(found.to_string(), "as of 2026-01-01T00:00:00Z: the newest time in the files");
        assert_eq!(World::of([made("b", "2096-01-01T00:00:00Z")]).now(clock()), clock());
    }
}
