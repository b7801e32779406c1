//! How far a Job is.
//!
//! R-PROGRESS-1 A Job that is deleted before it is done interrupts its build. A pod that is deleted only counts as a
//! failure.
//! R-PROGRESS-2 A Job without any status yet is prepared; one that runs, or tries again, is building.
//! R-PROGRESS-3 A Job has failed when its condition says so, however many tries there were; else after the last try. (The reference waits
//! for ever when another policy ends the Job sooner.)
//! R-PROGRESS-4 A Job whose pod succeeded is done when its condition says so, or when it has no conditions.
//! R-PROGRESS-5 The Job that counts is the one that was made for the build, not another of its name.
//! R-PROGRESS-6 A build ends a second after it began at the earliest, as the API wants. One of which the start was never written began when
//! it was made.
//!
//! Source: "Job" of the Kubernetes API reference; `pkg/controller/build/imagebuilder` of
//! github.com/openshift/machine-config-operator.

use super::conditions::State;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use weir_api::{MachineOSBuild, condition::TRUE};

/// How often a Job tries again.
pub const RETRIES: i32 = 3;

/// The API wants a build to end after it begins, and its times are whole seconds.
const SHORTEST: SignedDuration = SignedDuration::from_secs(1);

/// When a build that ends now began, and when it ended (R-PROGRESS-6).
#[must_use]
pub fn lasted(build: &MachineOSBuild, now: Timestamp) -> (Timestamp, Timestamp) {
    let written = build.status.as_ref().and_then(|status| status.build_start.as_ref());
    let start = written.or(build.metadata.creation_timestamp.as_ref()).map_or(now, |time| time.0);
    (start, earliest_end(start).max(now))
}

/// The earliest end of a build that began then (R-PROGRESS-6).
#[must_use]
pub fn earliest_end(start: Timestamp) -> Timestamp {
    start.saturating_add(SHORTEST).unwrap_or(start)
}

/// What a Job says of its build.
#[must_use]
pub fn progress(job: &Job) -> State {
    let status = job.status.as_ref();
    let count = |number: Option<i32>| number.unwrap_or_default();
    let (active, succeeded, failed) =
        status.map_or((0, 0, 0), |status| (count(status.active), count(status.succeeded), count(status.failed)));
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let says = |type_: &str| conditions.iter().any(|condition| condition.type_ == type_ && condition.status == TRUE);
    if job.metadata.deletion_timestamp.is_some() && succeeded == 0 && failed <= RETRIES && !says("Failed") {
        return State::Interrupted;
    }
    if says("Failed") || failed > RETRIES && succeeded == 0 {
        return State::Failed;
    }
    if succeeded > 0 {
        return if conditions.is_empty() || says("Complete") { State::Succeeded } else { State::Building };
    }
    let counting = status.is_some_and(|status| status.uncounted_terminated_pods.is_some());
    if (active, failed) == (0, 0) && !counting { State::Prepared } else { State::Building }
}

/// Whether a Job is the one that was made for a build, which kept this uid of it.
#[must_use]
pub fn is_own(job: &Job, uid: Option<&str>) -> bool {
    uid.is_some_and(|uid| job.metadata.uid.as_deref() == Some(uid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::{Value, json};
    use weir_api::machine_os_build::{MachineOSBuildSpec, MachineOSBuildStatus};

    fn of(status: Value, deleted: bool) -> State {
        let mut metadata = json!({"name": "build-b", "uid": "j1"});
        if deleted {
            metadata["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        progress(&serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap())
    }

    #[test]
    fn a_build_ends_after_it_began_and_began_when_it_was_made_if_nothing_else_is_written() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let of = |made: Option<i64>, start: Option<i64>| {
            let mut build = MachineOSBuild::named("b", MachineOSBuildSpec::default());
            build.metadata.creation_timestamp = made.map(|made| Time(at(made)));
            let build_start = start.map(|start| Time(at(start)));
            build.status = Some(MachineOSBuildStatus { build_start, ..Default::default() });
            build
        };
        for (build, now, wanted) in [
            (of(Some(100), Some(110)), 200, (110, 200)),
            (of(Some(100), Some(110)), 110, (110, 111)),
            (of(Some(100), Some(110)), 90, (110, 111)),
            (of(Some(100), None), 200, (100, 200)),
            (of(None, None), 200, (200, 201)),
        ] {
            assert_eq!(lasted(&build, at(now)), (at(wanted.0), at(wanted.1)), "{build:?}");
        }
    }

    #[test]
    fn jobs_as_the_reference_reads_them() {
        let said = |type_: &str| json!([{"type": type_, "status": "True"}]);
        for (status, deleted, state) in [
            (json!(null), false, State::Prepared),
            (json!({}), false, State::Prepared),
            (json!({"uncountedTerminatedPods": {}}), false, State::Building),
            (json!({"active": 1}), false, State::Building),
            (json!({"failed": 1}), false, State::Building),
            (json!({"active": 1, "failed": 3}), false, State::Building),
            (json!({"failed": 4}), false, State::Failed),
            (json!({"succeeded": 1}), false, State::Succeeded),
            (json!({"succeeded": 1, "conditions": said("Complete")}), false, State::Succeeded),
            (json!({"succeeded": 1, "conditions": said("Suspended")}), false, State::Building),
            (json!({"succeeded": 1, "conditions": said("Failed")}), false, State::Failed),
            (json!({"active": 1}), true, State::Interrupted),
            (json!({"failed": 3}), true, State::Interrupted),
            (json!({"failed": 4}), true, State::Failed),
            (json!({"succeeded": 1}), true, State::Succeeded),
        ] {
            assert_eq!(of(status.clone(), deleted), state, "{status} {deleted}");
        }
        // On purpose otherwise: a Job that another policy ended.
        assert_eq!(of(json!({"failed": 1, "conditions": said("Failed")}), false), State::Failed);
    }

    #[test]
    fn another_job_of_the_name_does_not_count() {
        let job: Job = serde_json::from_value(json!({"metadata": {"uid": "j1"}})).unwrap();
        assert!(is_own(&job, Some("j1")) && !is_own(&job, Some("j2")) && !is_own(&job, None));
    }
}
