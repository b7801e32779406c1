//! Which version a cluster was installed with.
//!
//! R-RELEASE-1 That of the first completed update.
//! R-RELEASE-2 While none is completed, the version the cluster should run: it is being installed.
//!
//! Source: `pkg/osimagestream/helpers.go` of github.com/openshift/machine-config-operator.

use weir_api::ClusterVersion;
use weir_distro::ReleaseVersion;

const COMPLETED: &str = "Completed";

/// The version the cluster was installed with; `None` when ClusterVersion does not say, or says something that is not a
/// version.
#[must_use]
pub fn installed_version(cluster: &ClusterVersion) -> Option<ReleaseVersion> {
    let status = cluster.status.as_ref()?;
    let completed = status.history.iter().filter(|update| update.state == COMPLETED);
    let first = completed.filter_map(|update| Some((update.completion_time.as_ref()?.0, &update.version))).min();
    first.map_or(&status.desired.version, |(_, version)| version).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_completed_update_or_the_desired_version() {
        let update =
            |version: &str, state: &str, at: &str| json!({"version": version, "state": state, "completionTime": at});
        for (history, expected) in [
            (json!([]), Some((5, 1))),
            (json!([update("5.1.0", "Partial", "2026-01-01T00:00:00Z")]), Some((5, 1))),
            (
                json!([
                    update("5.0.0", "Completed", "2026-03-01T00:00:00Z"),
                    update("4.21.0", "Completed", "2026-02-01T00:00:00Z"),
                ]),
                Some((4, 21)),
            ),
            (json!([{"version": "4.20.0", "state": "Completed"}]), Some((5, 1))),
            (json!([update("odd", "Completed", "2026-02-01T00:00:00Z")]), None),
        ] {
            let status = json!({"desired": {"version": "5.1.0", "image": ""}, "history": history});
            let cluster: ClusterVersion = serde_json::from_value(json!({ "status": status })).unwrap();
            assert_eq!(installed_version(&cluster).map(|v| (v.major, v.minor)), expected, "{cluster:?}");
        }
    }
}
