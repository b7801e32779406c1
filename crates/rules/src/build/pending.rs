//! Why the pod of a build does not start.
//!
//! R-PENDING-1 A pod that nothing has run in yet says what keeps it from starting: the scheduler, when there is no node for it, or the
//! kubelet, when a container waits for something other than its turn, such as an image that cannot be pulled. It is told in these
//! words.
//! R-PENDING-2 Of several pods the newest counts, and of its containers the first that waits.
//! R-PENDING-3 Between two tries to pull an image a kubelet says that it waits for the next one. What the try said is kept meanwhile.
//! R-PENDING-4 It is told at once, and for as long as the pod does not start. Nothing is ended for it: once the image can be pulled, or
//! there is a node, the pod starts by itself. (The reference says that the build is under way.)
//!
//! Source: "Pod" of the Kubernetes API reference; `pkg/kubelet/images` and `pkg/kubelet/container` of
//! github.com/kubernetes/kubernetes for the reasons.

use super::outcome::own;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ContainerStatus, Pod, PodStatus},
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

/// What keeps a pod from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The pod.
    pub pod: String,
    /// Container that waits; absent when the pod has no node.
    pub container: Option<String>,
    /// A word for machines, of whoever says it.
    pub reason: String,
    /// In its words; may be empty.
    pub message: String,
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
        Some(Pending {
            pod: pod.to_owned(),
            container: Some(container.name.clone()),
            reason: reason.to_owned(),
            message: waits.message.clone().unwrap_or_default(),
        })
    })
}

fn unscheduled(pod: String, status: &PodStatus) -> Option<Pending> {
    let said = status.conditions.iter().flatten().find(|said| said.type_ == SCHEDULED && said.status == "False")?;
    let reason = said.reason.clone().unwrap_or_default();
    Some(Pending { pod, container: None, reason, message: said.message.clone().unwrap_or_default() })
}

impl Pending {
    /// What is to be told, when `told` was told before (R-PENDING-3).
    #[must_use]
    pub fn words(&self, told: Option<&str>) -> String {
        let beginning = self.subject();
        match told.filter(|told| self.reason == BACK_OFF && told.starts_with(&beginning)) {
            Some(told) => told.to_owned(),
            None => self.to_string(),
        }
    }

    fn subject(&self) -> String {
        match &self.container {
            Some(container) => format!("container {container} of pod {} waits: ", self.pod),
            None => format!("pod {} has no node: ", self.pod),
        }
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.subject(), self.reason)?;
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
        assert_eq!(pending(&job(), &[&newer, &old]).unwrap().pod, "newer");
        let other: Job = serde_json::from_value(json!({"metadata": {"uid": "j2"}})).unwrap();
        assert_eq!(pending(&other, &[&newer]), None);
    }

    #[test]
    fn a_wait_for_the_next_try_keeps_what_the_try_said() {
        let of = |pod: &str, reason: &str, message: &str| Pending {
            pod: pod.to_owned(),
            container: Some("program".to_owned()),
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
}
