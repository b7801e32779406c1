//! ClusterVersion's history of releases, where only weir writes it.
//!
//! R-UPDATE-HISTORY-1 A release that the cluster should run becomes the first entry, `Partial`, with the time. An entry with the same
//! version and image that is already first continues; an earlier first entry that was not complete stays `Partial` and ends then.
//! R-UPDATE-HISTORY-2 It is `Completed` once the ClusterOperator `machine-config` reports its version, Available and neither
//! Progressing nor Degraded: the required pools run it. While they or the streams of this very image are waited for, it is not.
//! R-UPDATE-HISTORY-3 Progressing until it is complete; Available since the first release was. Transition times change with the value. Never
//! Failing: nothing else is applied that could fail, and what the machines say is in their pools.
//! R-UPDATE-HISTORY-4 At most [`MOST`] are kept. The first completed one stays: it says what the cluster was installed with.
//! R-UPDATE-HISTORY-5 What the API requires is there: the generation that was seen, no update is ever offered, and an entry of an older weir that does not say when it
//! began did so when it ended, or now.
//! R-UPDATE-HISTORY-6 The ClusterVersion of an OpenShift cluster, which weir did not create, is never written.
//!
//! Source: `pkg/cvo/status_history.go` and `pkg/cvo/internal/operatorstatus.go` of
//! github.com/openshift/cluster-version-operator. Waiting for the streams, and that Progressing counts, is ours.

use crate::view::Annotations;
use crate::{status::required::Required, stream::catalog::due::Due};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};
use weir_api::{
    ClusterOperator, ClusterVersion,
    cluster_operator::OperatorCondition,
    cluster_version::{ClusterVersionStatus, Release, UpdateHistory},
    condition::{ConditionStatus, ConditionType, FALSE, TRUE, Typed as _, find, is_true},
    keys::{
        cluster_operator::{AVAILABLE, DEGRADED, FAILING, PROGRESSING, VERSION_OPERATOR},
        config::SEEDED,
    },
};

/// Entries that are kept, as many as the cluster-version operator keeps.
pub const MOST: usize = 100;

const COMPLETED: &str = "Completed";
const PARTIAL: &str = "Partial";

/// The inputs that decide whether the release is complete.
#[derive(Clone, Copy, Debug)]
pub struct HistoryView<'a> {
    /// The ClusterVersion.
    pub version: &'a ClusterVersion,
    /// The ClusterOperator `machine-config`, if it exists.
    pub operator: Option<&'a ClusterOperator>,
    /// What to do about the streams; absent while unknown.
    pub streams: Option<&'a Due>,
    /// The state of the required pools.
    pub required: &'a Required,
}

/// Whether the release that the cluster should run is complete.
#[must_use]
pub fn is_complete(version: &ClusterVersion) -> bool {
    let Some(status) = &version.status else { return false };
    status.history.first().is_some_and(|newest| is_of(newest, &status.desired) && newest.state == COMPLETED)
}

/// The status when the cluster starts updating to a release (R-UPDATE-HISTORY-1).
#[must_use]
pub fn begun(before: Option<&ClusterVersion>, release: &Release, now: Timestamp) -> ClusterVersionStatus {
    let mut status = before.and_then(|version| version.status.clone()).unwrap_or_default();
    status.desired = release.clone();
    status.available_updates.get_or_insert_default();
    let generation = before.and_then(|version| version.metadata.generation);
    status.observed_generation = status.observed_generation.max(generation.unwrap_or_default()).max(1);
    settle_failing(&mut status, now);
    for entry in status.history.iter_mut().filter(|entry| entry.started_time.is_none()) {
        entry.started_time = Some(entry.completion_time.clone().unwrap_or(Time(now)));
    }
    if status.history.first().is_some_and(|newest| is_of(newest, release)) {
        return status;
    }
    if let Some(newest) = status.history.first_mut() {
        newest.completion_time.get_or_insert(Time(now));
    }
    let begun = UpdateHistory {
        state: PARTIAL.to_owned(),
        version: release.version.clone(),
        image: release.image.clone(),
        started_time: Some(Time(now)),
        ..UpdateHistory::default()
    };
    status.history.insert(0, begun);
    prune(&mut status.history);
    let mut conditions = status.conditions.take().unwrap_or_default();
    let was_available = is_true(&conditions, AVAILABLE);
    let version = &release.version;
    if !was_available {
        set(&mut conditions, AVAILABLE, FALSE, format!("No release has been applied yet; the first is {version}"), now);
    }
    set(&mut conditions, PROGRESSING, TRUE, format!("Working towards {version}: waiting on machine-config"), now);
    status.conditions = Some(conditions);
    status
}

/// R-UPDATE-HISTORY-3.
fn settle_failing(status: &mut ClusterVersionStatus, now: Timestamp) {
    let mut conditions = status.conditions.take().unwrap_or_default();
    if find(&conditions, FAILING).is_none() {
        set(&mut conditions, FAILING, FALSE, String::new(), now);
    }
    status.conditions = Some(conditions);
}

/// The merge patch that marks the release as complete; `None` while it is not, and when it is already marked.
#[must_use]
pub fn completed(view: &HistoryView<'_>, now: Timestamp) -> Option<Value> {
    let status = view.version.status.as_ref()?;
    let ours = Annotations::of(&view.version.metadata).has(SEEDED);
    let newest = status.history.first().filter(|newest| is_of(newest, &status.desired))?;
    if !ours || newest.state == COMPLETED || !is_reported(view, &status.desired.version) {
        return None;
    }
    let mut history = status.history.clone();
    if let Some(newest) = history.first_mut() {
        newest.state = COMPLETED.to_owned();
        newest.completion_time.get_or_insert(Time(now));
    }
    let (mut conditions, version) = (status.conditions.clone().unwrap_or_default(), &status.desired.version);
    set(&mut conditions, AVAILABLE, TRUE, format!("Done applying {version}"), now);
    set(&mut conditions, PROGRESSING, FALSE, format!("Cluster version is {version}"), now);
    Some(json!({
        "metadata": {"resourceVersion": view.version.metadata.resource_version},
        "status": {"history": history, "conditions": conditions},
    }))
}

/// R-UPDATE-HISTORY-2.
fn is_reported(view: &HistoryView<'_>, version: &str) -> bool {
    let awaited = matches!(view.streams, None | Some(Due::Make { .. } | Due::NoRelease | Due::OtherVersion { .. }));
    let Some(status) = view.operator.and_then(|operator| operator.status.as_ref()) else { return false };
    let (conditions, versions) = (status.conditions.as_deref().unwrap_or_default(), status.versions.iter().flatten());
    let is = |type_, wanted| find(conditions, type_).is_some_and(|found| found.says(type_, wanted));
    !awaited
        && *view.required == Required::Done
        && versions.into_iter().any(|found| found.name == VERSION_OPERATOR && found.version == version)
        && is(AVAILABLE, TRUE)
        && is(PROGRESSING, FALSE)
        && is(DEGRADED, FALSE)
}

/// One without an image, which an older weir or a user may have written, is identified by its version.
fn is_of(entry: &UpdateHistory, release: &Release) -> bool {
    entry.version == release.version && (entry.image.is_empty() || entry.image == release.image)
}

/// R-UPDATE-HISTORY-4.
fn prune(history: &mut Vec<UpdateHistory>) {
    let first = history.iter().rposition(|entry| entry.state == COMPLETED);
    while history.len() > MOST {
        let oldest = (1..history.len()).rev().find(|at| Some(*at) != first);
        oldest.map(|at| history.remove(at));
    }
}

pub(super) fn set(
    conditions: &mut Vec<OperatorCondition>,
    type_: ConditionType,
    status: ConditionStatus,
    message: String,
    now: Timestamp,
) {
    let old = find(conditions, type_).cloned().unwrap_or_default();
    let kept = old.last_transition_time.filter(|_| old.status == status);
    conditions.retain(|condition| condition.type_ != type_);
    conditions.push(OperatorCondition {
        type_: type_.into(),
        status: status.into(),
        last_transition_time: Some(kept.unwrap_or(Time(now))),
        reason: None,
        message: Some(message).filter(|message| !message.is_empty()),
        other: old.other,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: Timestamp = Timestamp::UNIX_EPOCH;

    fn later() -> Timestamp {
        Timestamp::from_second(60).unwrap()
    }

    fn release(version: &str, image: &str) -> Release {
        Release { version: version.to_owned(), image: image.to_owned(), ..Release::default() }
    }

    fn ours(status: ClusterVersionStatus) -> ClusterVersion {
        let mut version = ClusterVersion::named("version", Default::default());
        version.metadata.annotations = Some([(SEEDED.to_owned(), "v1".to_owned())].into());
        version.status = Some(status);
        version
    }

    fn operator(version: &str, available: &str, progressing: &str, degraded: &str) -> ClusterOperator {
        let condition = |type_: ConditionType, status: &str| json!({"type": type_, "status": status});
        serde_json::from_value(json!({"metadata": {"name": "machine-config"}, "status": {
            "versions": [{"name": "operator", "version": version}],
            "conditions": [
                condition(AVAILABLE, available), condition(PROGRESSING, progressing), condition(DEGRADED, degraded),
            ],
        }}))
        .unwrap()
    }

    /// The ClusterVersion after the patch, and whether there was one.
    fn after(
        version: &ClusterVersion,
        operator: &ClusterOperator,
        streams: &Due,
        required: &Required,
    ) -> ClusterVersion {
        let view = HistoryView { version, operator: Some(operator), streams: Some(streams), required };
        let mut version = version.clone();
        if let Some(patch) = completed(&view, later()) {
            let status = version.status.as_mut().unwrap();
            status.history = serde_json::from_value(patch["status"]["history"].clone()).unwrap();
            status.conditions = serde_json::from_value(patch["status"]["conditions"].clone()).unwrap();
        }
        version
    }

    fn said(version: &ClusterVersion) -> Vec<(String, String)> {
        let history = version.status.as_ref().unwrap().history.iter();
        history.map(|entry| (entry.version.clone(), entry.state.clone())).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(version, state)| ((*version).to_owned(), (*state).to_owned())).collect()
    }

    #[test]
    fn a_release_is_partial_until_the_operator_reports_it() {
        let new = ours(begun(None, &release("5.0.0", "a"), THEN));
        assert!(!is_complete(&new));
        assert_eq!(said(&new), pairs(&[("5.0.0", "Partial")]));
        let waiting = Required::Waiting { why: "worker".to_owned() };
        let make = Due::Make { release: "a".to_owned(), because: crate::stream::catalog::due::Stale::Missing };
        for (operator, streams, required) in [
            (operator("4.22.0", "True", "False", "False"), Due::Nothing, Required::Done),
            (operator("5.0.0", "False", "False", "False"), Due::Nothing, Required::Done),
            (operator("5.0.0", "True", "True", "False"), Due::Nothing, Required::Done),
            (operator("5.0.0", "True", "False", "True"), Due::Nothing, Required::Done),
            (operator("5.0.0", "True", "False", "False"), make, Required::Done),
            (operator("5.0.0", "True", "False", "False"), Due::Nothing, waiting),
        ] {
            assert!(!is_complete(&after(&new, &operator, &streams, &required)), "{operator:?} {streams:?}");
        }
        let good = operator("5.0.0", "True", "False", "False");
        let view =
            HistoryView { version: &new, operator: None, streams: Some(&Due::Nothing), required: &Required::Done };
        assert_eq!(completed(&view, later()), None, "no operator reports anything");
        let done = after(&new, &good, &Due::Nothing, &Required::Done);
        assert!(is_complete(&done));
        let view = HistoryView { version: &done, operator: Some(&good), ..view };
        assert_eq!(completed(&view, later()), None, "it is said already");
    }

    #[test]
    fn an_update_goes_before_what_was_and_what_was_not_complete_stays_so() {
        let good = operator("5.0.0", "True", "False", "False");
        let first = after(&ours(begun(None, &release("5.0.0", "a"), THEN)), &good, &Due::Nothing, &Required::Done);
        let second = ours(begun(Some(&first), &release("5.1.0", "b"), later()));
        assert_eq!(said(&second), pairs(&[("5.1.0", "Partial"), ("5.0.0", "Completed")]));
        let again = ours(begun(Some(&second), &release("5.1.0", "b"), later()));
        assert_eq!(again, second, "the same release goes on");
        let rebuilt = ours(begun(Some(&second), &release("5.1.0", "c"), later()));
        assert_eq!(said(&rebuilt), pairs(&[("5.1.0", "Partial"), ("5.1.0", "Partial"), ("5.0.0", "Completed")]));
        assert!(rebuilt.status.as_ref().unwrap().history[1].completion_time.is_some());
    }

    #[test]
    fn available_stays_while_an_update_is_under_way() {
        let condition = |version: &ClusterVersion, type_: ConditionType| {
            let found = find(version.status.as_ref().unwrap().conditions.as_ref().unwrap(), type_).unwrap();
            (found.status.clone(), found.last_transition_time.clone().unwrap().0)
        };
        let new = ours(begun(None, &release("5.0.0", "a"), THEN));
        assert_eq!(condition(&new, AVAILABLE), ("False".to_owned(), THEN));
        let good = operator("5.0.0", "True", "False", "False");
        let done = after(&new, &good, &Due::Nothing, &Required::Done);
        let updating = ours(begun(Some(&done), &release("5.1.0", "b"), Timestamp::from_second(90).unwrap()));
        assert_eq!(condition(&updating, AVAILABLE), ("True".to_owned(), later()));
        assert_eq!(condition(&updating, PROGRESSING).0, "True");
    }

    #[test]
    fn what_an_older_weir_wrote_gets_what_the_api_requires() {
        let old = json!({"desired": {"version": "5.0.0", "image": "a"}, "history": [
            {"state": "Partial", "version": "5.0.0"},
            {"state": "Completed", "version": "4.22.0", "completionTime": "1970-01-01T00:00:00Z"},
        ]});
        let old = ours(serde_json::from_value(old).unwrap());
        let status = json!(begun(Some(&old), &release("5.0.0", "a"), later()));
        let begins: Vec<&Value> = status["history"].as_array().unwrap().iter().map(|e| &e["startedTime"]).collect();
        assert_eq!(begins, ["1970-01-01T00:01:00Z", "1970-01-01T00:00:00Z"]);
        assert_eq!(status["history"][0].get("completionTime"), Some(&Value::Null));
        assert_eq!(status["availableUpdates"], json!([]));
    }

    #[test]
    fn the_cluster_version_of_an_openshift_is_left_alone() {
        let mut theirs = ours(begun(None, &release("5.0.0", "a"), THEN));
        theirs.metadata.annotations = None;
        let good = operator("5.0.0", "True", "False", "False");
        assert!(!is_complete(&after(&theirs, &good, &Due::Nothing, &Required::Done)));
    }

    #[test]
    fn the_history_ends_somewhere_and_keeps_what_the_cluster_was_installed_with() {
        let good = operator("5.0.0", "True", "False", "False");
        let mut version =
            after(&ours(begun(None, &release("5.0.0", "a"), THEN)), &good, &Due::Nothing, &Required::Done);
        for minor in 1..=2 * MOST {
            version = ours(begun(Some(&version), &release(&format!("5.{minor}.0"), "a"), later()));
        }
        let said = said(&version);
        assert_eq!(said.len(), MOST);
        assert_eq!((said[0].0.as_str(), said[MOST - 1].0.as_str()), ("5.200.0", "5.0.0"));
    }
}
