//! A pod in one line of a table (`printPod` of `k8s.io/kubernetes/pkg/printers/internalversion`).
//!
//! 1. The status is the phase, or the pod's reason for it, unless the state of its containers is more specific.
//! 2. While init containers run or wait, it is `Init:` and the state of the first of them. Sidecars (init containers with
//!    restartPolicy `Always`) no longer count as init containers once they have started, but with the other containers.
//! 3. After that it is the reason of the first container that waits or has ended. A pod with some completed and some running
//!    containers is `Running`, or `NotReady` if it is not ready.
//! 4. A pod that is being deleted and has not ended is `Terminating`; `Unknown` when its node is lost.

use crate::object::{self, list, text};
use serde_json::Value;

/// One line about a pod.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) ready: usize,
    pub(super) containers: usize,
    pub(super) status: String,
    pub(super) restarts: i64,
    /// When the most recently restarted container had ended, RFC 3339; empty if none was restarted.
    pub(super) last_restart: String,
}

/// The restarts of the containers of one list.
#[derive(Default)]
struct Restarts {
    count: i64,
    last: String,
}

impl Restarts {
    fn add(&mut self, status: &Value) {
        self.count += status.get("restartCount").and_then(Value::as_i64).unwrap_or_default();
        // Times in one format sort like their texts.
        let ended = text(status, &["lastState", "terminated", "finishedAt"]);
        if ended > self.last.as_str() {
            ended.clone_into(&mut self.last);
        }
    }
}

fn state<'a>(status: &'a Value, state: &str) -> Option<&'a Value> {
    object::at(status, &["state", state]).filter(|state| !state.is_null())
}

fn is_on(value: &Value, field: &str) -> bool {
    value.get(field) == Some(&Value::Bool(true))
}

fn condition<'a>(pod: &'a Value, kind: &str) -> Option<&'a Value> {
    list(pod, &["status", "conditions"]).iter().find(|condition| text(condition, &["type"]) == kind)
}

fn holds(pod: &Value, kind: &str) -> bool {
    condition(pod, kind).is_some_and(|condition| text(condition, &["status"]) == "True")
}

/// Why a container has ended.
fn ending(ended: &Value) -> String {
    let number = |field| ended.get(field).and_then(Value::as_i64).unwrap_or_default();
    match (text(ended, &["reason"]), number("signal")) {
        ("", 0) => format!("ExitCode:{}", number("exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

/// The line about a pod.
pub(super) fn summary(pod: &Value) -> Summary {
    let is_restartable = |container: &&Value| text(container, &["restartPolicy"]) == "Always";
    let sidecars: Vec<&Value> = list(pod, &["spec", "initContainers"]).iter().filter(is_restartable).collect();
    let is_sidecar = |status: &Value| sidecars.iter().any(|c| text(c, &["name"]) == text(status, &["name"]));
    let mut line = Summary {
        ready: 0,
        containers: list(pod, &["spec", "containers"]).len() + sidecars.len(),
        status: phase(pod),
        restarts: 0,
        last_restart: String::new(),
    };
    let (mut all, mut of_sidecars) = (Restarts::default(), Restarts::default());
    let mut initialising = false;
    for (index, status) in list(pod, &["status", "initContainerStatuses"]).iter().enumerate() {
        all.add(status);
        if is_sidecar(status) {
            of_sidecars.add(status);
        }
        match init_state(pod, status, index, is_sidecar(status)) {
            None => line.ready += usize::from(is_sidecar(status) && is_on(status, "ready")),
            Some(what) => {
                line.status = format!("Init:{what}");
                initialising = true;
                break;
            }
        }
    }
    if !initialising || holds(pod, "Initialized") {
        all = of_sidecars;
        running(pod, &mut line, &mut all);
    }
    if object::is_deleting(pod) {
        if text(pod, &["status", "reason"]) == "NodeLost" {
            line.status = "Unknown".to_owned();
        } else if !["Succeeded", "Failed"].contains(&text(pod, &["status", "phase"])) {
            line.status = "Terminating".to_owned();
        }
    }
    Summary { restarts: all.count, last_restart: all.last, ..line }
}

fn phase(pod: &Value) -> String {
    let gated = condition(pod, "PodScheduled").map(|condition| text(condition, &["reason"]));
    match (gated, text(pod, &["status", "reason"])) {
        (Some(gated @ "SchedulingGated"), _) => gated.to_owned(),
        (_, "") => text(pod, &["status", "phase"]).to_owned(),
        (_, reason) => reason.to_owned(),
    }
}

/// The state of an init container; `None` if it has completed, or is a sidecar that has started.
fn init_state(pod: &Value, status: &Value, index: usize, is_sidecar: bool) -> Option<String> {
    let ended = state(status, "terminated");
    if ended.is_some_and(|ended| ended.get("exitCode").and_then(Value::as_i64).unwrap_or_default() == 0) {
        return None;
    }
    if is_sidecar && is_on(status, "started") {
        return None;
    }
    if let Some(ended) = ended {
        return Some(ending(ended));
    }
    let reason_to_wait = state(status, "waiting").map(|waiting| text(waiting, &["reason"]));
    Some(match reason_to_wait {
        Some(reason) if !reason.is_empty() && reason != "PodInitializing" => reason.to_owned(),
        _ => format!("{index}/{}", list(pod, &["spec", "initContainers"]).len()),
    })
}

/// The state of the containers once the pod is initialised.
fn running(pod: &Value, line: &mut Summary, restarts: &mut Restarts) {
    let mut some_run = false;
    // In reverse, so that the first container decides.
    for status in list(pod, &["status", "containerStatuses"]).iter().rev() {
        restarts.add(status);
        let reason_to_wait =
            state(status, "waiting").map(|waiting| text(waiting, &["reason"])).filter(|r| !r.is_empty());
        if let Some(reason) = reason_to_wait {
            reason.clone_into(&mut line.status);
        } else if let Some(ended) = state(status, "terminated") {
            line.status = ending(ended);
        } else if is_on(status, "ready") && state(status, "running").is_some() {
            some_run = true;
            line.ready += 1;
        }
    }
    if line.status == "Completed" && some_run {
        line.status = if holds(pod, "Ready") { "Running" } else { "NotReady" }.to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(status: &Value) -> (String, String) {
        let pod = json!({"metadata": {}, "spec": {"containers": [{"name": "a"}, {"name": "b"}],
            "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]}, "status": status});
        let Summary { ready, containers, status, restarts, .. } = summary(&pod);
        (format!("{ready}/{containers} {restarts}"), status)
    }

    #[test]
    fn containers_tell_more_than_the_phase() {
        let running = json!({"name": "a", "ready": true, "state": {"running": {}}, "restartCount": 2});
        let ended = |reason: &str, code: i64| json!({"name": "b", "state": {"terminated": {"reason": reason, "exitCode": code}}});
        let waiting = |name: &str, reason: &str| json!({"name": name, "state": {"waiting": {"reason": reason}}, "restartCount": 3});
        let done =
            json!({"name": "i", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}, "restartCount": 7});
        let sidecar = json!({"name": "s", "started": true, "ready": true, "state": {"running": {}}, "restartCount": 1});
        let cases = [
            (json!({"phase": "Pending"}), "0/3 0", "Pending"),
            (json!({"phase": "Failed", "reason": "Evicted"}), "0/3 0", "Evicted"),
            (
                json!({"conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]}),
                "0/3 0",
                "SchedulingGated",
            ),
            (
                json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]}),
                "0/3 0",
                "Init:0/2",
            ),
            (json!({"initContainerStatuses": [waiting("i", "ImagePullBackOff")]}), "0/3 3", "Init:ImagePullBackOff"),
            (json!({"initContainerStatuses": [ended("", 3)]}), "0/3 0", "Init:ExitCode:3"),
            (json!({"initContainerStatuses": [done, waiting("s", "PodInitializing")]}), "0/3 10", "Init:1/2"),
            (
                json!({"phase": "Running", "initContainerStatuses": [done, sidecar], "containerStatuses": [running]}),
                "2/3 3",
                "Running",
            ),
            (
                json!({"phase": "Running", "containerStatuses": [running, waiting("b", "CrashLoopBackOff")]}),
                "1/3 5",
                "CrashLoopBackOff",
            ),
            (json!({"phase": "Succeeded", "containerStatuses": [ended("Completed", 0)]}), "0/3 0", "Completed"),
            (json!({"phase": "Running", "containerStatuses": [running, ended("Completed", 0)]}), "1/3 2", "NotReady"),
            (
                json!({"phase": "Running", "containerStatuses": [running, ended("Completed", 0)],
                "conditions": [{"type": "Ready", "status": "True"}]}),
                "1/3 2",
                "Running",
            ),
            (json!({"phase": "Failed", "containerStatuses": [ended("", 137)]}), "0/3 0", "ExitCode:137"),
        ];
        for (status, counts, wanted) in cases {
            assert_eq!(line(&status), (counts.to_owned(), wanted.to_owned()), "{status}");
        }
    }

    #[test]
    fn a_pod_being_deleted_is_shown_as_terminating() {
        let pod = |status: Value| json!({"metadata": {"deletionTimestamp": "2026-01-02T03:04:05Z"}, "status": status});
        assert_eq!(summary(&pod(json!({"phase": "Running"}))).status, "Terminating");
        assert_eq!(summary(&pod(json!({"phase": "Succeeded"}))).status, "Succeeded");
        assert_eq!(summary(&pod(json!({"phase": "Running", "reason": "NodeLost"}))).status, "Unknown");
        let ended = |at: &str| json!({"restartCount": 1, "lastState": {"terminated": {"finishedAt": at}}});
        let times = json!({"containerStatuses": [ended("2026-01-02T03:04:05Z"), ended("2026-01-01T03:04:05Z")]});
        assert_eq!(summary(&pod(times)).last_restart, "2026-01-02T03:04:05Z");
    }
}
