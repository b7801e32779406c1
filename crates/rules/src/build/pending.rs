//! Why the pod of a build does not start.
//!
//! R-PENDING-1 A pod that nothing has run in yet says what keeps it from starting: the scheduler, when there is no node for it, or the
//! kubelet, when a container waits for something other than its turn, such as an image that cannot be pulled. It is told in these
//! words.
//! R-PENDING-2 Of several pods the newest counts, and of its containers the first that waits.
//! R-PENDING-3 Between two tries to pull an image a kubelet says that it waits for the next one. What the try said is kept meanwhile.
//! R-PENDING-4 It is told at once, and for as long as the pod does not start. Nothing is ended for it: once the image can be pulled, or
//! there is a node, the pod starts by itself. (The reference says that the build is under way.)
//! R-PENDING-5 A Job that has no pod, although a try is due, may be refused one: by a quota, an admission policy, or for want of the
//! service account. Whoever makes pods of Jobs says so only in an event on the Job, which is told in its words; when the last thing
//! that it said is that a pod was made, nothing is told.
//! R-PENDING-6 Events are forgotten after a while. What was told of the Job stays until one says otherwise, or there is a pod; that the
//! pod had another name in the next try is nothing else.
//!
//! Source: "Pod" and "Event" of the Kubernetes API reference; `pkg/kubelet/images`, `pkg/kubelet/container` and
//! `pkg/controller/controller_utils.go` of github.com/kubernetes/kubernetes for the reasons.

use super::outcome::own;
use jiff::Timestamp;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ContainerStatus, Event, Pod, PodStatus},
};
use std::fmt;

/// Reasons of a container that waits for its turn.
const ITS_TURN: [&str; 2] = ["ContainerCreating", "PodInitializing"];
/// Reason of a container whose image is tried again later.
const BACK_OFF: &str = "ImagePullBackOff";
/// Condition of a pod by which the scheduler tells what it found.
const SCHEDULED: &str = "PodScheduled";
/// Phase of a pod in which nothing runs yet.
const PENDING: &str = "Pending";
/// Phases of a pod that has ended.
const OVER: [&str; 2] = ["Succeeded", "Failed"];
/// Reasons of the events by which the controller of Jobs says that it could not, or could, make a pod.
const POD_REFUSED: &str = "FailedCreate";
const POD_MADE: &str = "SuccessfulCreate";

/// What keeps a build from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// What waits.
    pub who: Who,
    /// A word for machines, of whoever says it.
    pub reason: String,
    /// In its words; may be empty.
    pub message: String,
}

/// What waits, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A container of a pod that has a node.
    Container {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
    },
    /// A pod without a node.
    Pod(String),
    /// A Job without a pod.
    Job(String),
}

/// What keeps the newest pod of a Job from starting, if anything does.
#[must_use]
pub fn pending(job: &Job, pods: &[&Pod]) -> Option<Pending> {
    let pod = own(job, pods).pop()?;
    let status = pod.status.as_ref().filter(|status| status.phase.as_deref().is_none_or(|phase| phase == PENDING))?;
    let name = pod.metadata.name.clone().unwrap_or_default();
    waiting(&name, status).or_else(|| unscheduled(name, status))
}

fn waiting(pod: &str, status: &PodStatus) -> Option<Pending> {
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    containers.into_iter().find_map(|container: &ContainerStatus| {
        let waits = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waits.reason.as_deref().filter(|reason| !reason.is_empty() && !ITS_TURN.contains(reason))?;
        let who = Who::Container { pod: pod.to_owned(), container: container.name.clone() };
        Some(Pending { who, reason: reason.to_owned(), message: waits.message.clone().unwrap_or_default() })
    })
}

fn unscheduled(pod: String, status: &PodStatus) -> Option<Pending> {
    let said = status.conditions.iter().flatten().find(|said| said.type_ == SCHEDULED && said.status == "False")?;
    let reason = said.reason.clone().unwrap_or_default();
    Some(Pending { who: Who::Pod(pod), reason, message: said.message.clone().unwrap_or_default() })
}

/// Whether a Job has no pod that runs or may start (R-PENDING-5).
#[must_use]
pub fn lacks_pod(job: &Job, pods: &[&Pod]) -> bool {
    let active = job.status.as_ref().and_then(|status| status.active).unwrap_or_default() > 0;
    let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
    !active && own(job, pods).into_iter().all(|pod| OVER.contains(&phase(pod).as_str()))
}

/// Why a Job that has no pod gets none, if it is refused one: `events` are those about it, and `told` is what was told before
/// (R-PENDING-5, 6).
#[must_use]
pub fn refused(job: &Job, events: &[Event], told: Option<&str>) -> Option<String> {
    let is_news = |event: &&Event| {
        let reason = event.reason.as_deref().unwrap_or_default();
        event.involved_object.uid == job.metadata.uid && [POD_REFUSED, POD_MADE].contains(&reason)
    };
    let who = Who::Job(job.metadata.name.clone().unwrap_or_default());
    let Some(last) = events.iter().filter(is_news).max_by_key(|event| said_at(event)) else {
        let beginning = who.to_string();
        return told.filter(|told| told.starts_with(&beginning)).map(str::to_owned);
    };
    let reason = last.reason.clone().filter(|reason| reason == POD_REFUSED)?;
    let why = Pending { who, reason, message: last.message.clone().unwrap_or_default() }.to_string();
    let same = |told: &&str| without_pod(job, told) == without_pod(job, &why);
    Some(told.filter(same).map(str::to_owned).unwrap_or(why))
}

/// What was said of making a pod of a Job, without the name that the pod was to have: each try makes up another one.
#[must_use]
pub fn without_pod(job: &Job, said: &str) -> String {
    let beginning = format!("\"{}-", job.metadata.name.as_deref().unwrap_or_default());
    match said.split_once(&beginning).and_then(|(before, rest)| Some((before, rest.split_once('"')?.1))) {
        Some((before, after)) => format!("{before}{beginning}\"{after}"),
        None => said.to_owned(),
    }
}

/// When an event was last said. Of the same moment, what was made counts as the later one.
fn said_at(event: &Event) -> (Option<Timestamp>, bool) {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let first = || event.event_time.as_ref().map(|time| time.0);
    let created = || event.metadata.creation_timestamp.as_ref().map(|time| time.0);
    (series.max(last).or_else(first).or_else(created), event.reason.as_deref() == Some(POD_MADE))
}

impl Pending {
    /// What is to be told, when `told` was told before (R-PENDING-3).
    #[must_use]
    pub fn words(&self, told: Option<&str>) -> String {
        let beginning = self.who.to_string();
        match told.filter(|told| self.reason == BACK_OFF && told.starts_with(&beginning)) {
            Some(told) => told.to_owned(),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container { pod, container } => write!(f, "container {container} of pod {pod} waits: "),
            Self::Pod(pod) => write!(f, "pod {pod} has no node: "),
            Self::Job(job) => write!(f, "Job {job} gets no pod: "),
        }
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.who, self.reason)?;
        match self.message.trim() {
            "" => Ok(()),
            message => write!(f, ": {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn job() -> Job {
        serde_json::from_value(json!({"metadata": {"name": "build-b", "uid": "j1"}})).unwrap()
    }

    fn pod(name: &str, second: u8, status: &Value) -> Pod {
        let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "build-b", "uid": "j1"});
        let created = format!("2026-01-01T00:00:{second:02}Z");
        let metadata = json!({"name": name, "creationTimestamp": created, "ownerReferences": [owner]});
        serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap()
    }

    fn waits(container: &str, reason: &str, message: &str) -> Value {
        json!({"name": container, "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason, "message": message}}})
    }

    fn said(status: &Value) -> Option<String> {
        pending(&job(), &[&pod("p", 0, status)]).map(|pending| pending.to_string())
    }

    #[test]
    fn a_pod_that_does_not_start_says_why() {
        let both = |first: Value, second: Value| json!({"phase": "Pending", "initContainerStatuses": [first], "containerStatuses": [second]});
        let turn = || waits("image-build", "PodInitializing", "");
        let no_image = waits("program", "ErrImagePull", "rpc error: not found");
        let why = Some("container program of pod p waits: ErrImagePull: rpc error: not found".to_owned());
        assert_eq!(said(&both(no_image.clone(), turn())), why);
        assert_eq!(said(&both(waits("program", "ContainerCreating", ""), turn())), None);
        let config = both(turn(), waits("image-build", "CreateContainerConfigError", " "));
        assert_eq!(said(&config).as_deref(), Some("container image-build of pod p waits: CreateContainerConfigError"));
        let unscheduled = |status: &str| {
            json!({"phase": "Pending", "conditions": [{
                "type": "PodScheduled", "status": status, "reason": "Unschedulable", "message": "0/3 nodes are available",
            }]})
        };
        let why = Some("pod p has no node: Unschedulable: 0/3 nodes are available".to_owned());
        assert_eq!((said(&unscheduled("False")), said(&unscheduled("True"))), (why, None));
        let mut running = both(no_image, turn());
        running["phase"] = json!("Running");
        assert_eq!((said(&running), said(&json!({}))), (None, None));
    }

    #[test]
    fn the_newest_pod_counts_and_those_of_other_jobs_do_not() {
        let stuck = json!({"containerStatuses": [waits("c", "InvalidImageName", "")]});
        let (old, new) = (pod("old", 1, &stuck), pod("new", 2, &json!({"phase": "Running"})));
        assert_eq!(pending(&job(), &[&new, &old]), None);
        let newer = pod("newer", 3, &stuck);
        let found = pending(&job(), &[&newer, &old]).unwrap().who;
        assert_eq!(found, Who::Container { pod: "newer".to_owned(), container: "c".to_owned() });
        let other: Job = serde_json::from_value(json!({"metadata": {"uid": "j2"}})).unwrap();
        assert_eq!(pending(&other, &[&newer]), None);
    }

    #[test]
    fn a_wait_for_the_next_try_keeps_what_the_try_said() {
        let of = |pod: &str, reason: &str, message: &str| Pending {
            who: Who::Container { pod: pod.to_owned(), container: "program".to_owned() },
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        let told = of("p", "ErrImagePull", "unauthorized").words(None);
        let back_off = of("p", BACK_OFF, "Back-off pulling image");
        assert_eq!(back_off.words(Some(&told)), told);
        assert_eq!(back_off.words(None), "container program of pod p waits: ImagePullBackOff: Back-off pulling image");
        assert!(of("q", BACK_OFF, "Back-off").words(Some(&told)).contains("Back-off"));
        assert!(of("p", "ErrImagePull", "not found").words(Some(&told)).ends_with("not found"));
    }

    fn event(reason: &str, second: u8, message: &str) -> Event {
        let about = json!({"kind": "Job", "name": "build-b", "uid": "j1"});
        let time = format!("2026-01-01T00:00:{second:02}Z");
        let fields = json!({"metadata": {}, "involvedObject": about, "reason": reason, "message": message, "lastTimestamp": time});
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn a_job_that_is_refused_a_pod_says_so_until_it_gets_one() {
        let quota = "Error creating: pods \"build-b-x\" is forbidden: exceeded quota: small";
        let no = |second: u8| event(POD_REFUSED, second, quota);
        let why = Some(format!("Job build-b gets no pod: FailedCreate: {quota}"));
        assert_eq!(refused(&job(), &[event("Other", 9, ""), no(1)], None), why);
        assert_eq!(refused(&job(), &[event(POD_MADE, 1, ""), no(2)], None), why);
        assert_eq!(refused(&job(), &[no(2), event(POD_MADE, 2, "")], why.as_deref()), None);
        let named = |name: &str| event(POD_REFUSED, 3, &quota.replace("build-b-x", name));
        assert_eq!(refused(&job(), &[named("build-b-y")], why.as_deref()), why);
        assert_ne!(refused(&job(), &[named("build-b-y")], None), why);
        assert_ne!(refused(&job(), &[event(POD_REFUSED, 3, "Error creating: no account")], why.as_deref()), why);
        // Nothing is known any more.
        assert_eq!(refused(&job(), &[], why.as_deref()), why);
        assert_eq!(refused(&job(), &[], Some("pod p has no node: Unschedulable")), None);
        let mut again = no(1);
        again.series =
            serde_json::from_value(json!({"count": 9, "lastObservedTime": "2026-01-01T00:00:30.000000Z"})).unwrap();
        assert_eq!(refused(&job(), &[event(POD_MADE, 20, ""), again], None), why);
        let mut other = no(3);
        other.involved_object.uid = Some("j2".to_owned());
        assert_eq!(refused(&job(), &[other], None), None);
    }

    #[test]
    fn a_job_lacks_a_pod_when_all_it_had_are_over() {
        let of = |phase: &str| pod("p", 1, &json!({ "phase": phase }));
        assert!(lacks_pod(&job(), &[]) && lacks_pod(&job(), &[&of("Failed")]));
        assert!(!lacks_pod(&job(), &[&of("Failed"), &of("Pending")]) && !lacks_pod(&job(), &[&of("")]));
        let mut active = job();
        active.status.get_or_insert_default().active = Some(1);
        assert!(!lacks_pod(&active, &[]));
    }
}
