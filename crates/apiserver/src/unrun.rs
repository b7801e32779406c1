//! Pods that are worth nothing if they do not run: whoever makes one waits for what it does.
//!
//! Nothing runs the containers of pods here. A pod of a workload is stored all the same: that it is there, and where, is what
//! drains and budgets are about. But `oc debug` waits for a shell, and `oc adm must-gather` and `oc adm node-image` for what
//! their pods collect; each would wait until it gives up. So their pods are refused, with the reason.
//!
//! Source of the marks: `pkg/cli/debug`, `pkg/cli/admin/mustgather` and `pkg/cli/admin/nodeimage` of github.com/openshift/oc.

use crate::{
    object,
    registry::Resource,
    status::Failure,
    store::{Key, Store},
};
use serde_json::Value;

/// On a pod: what it debugs.
const DEBUGS: &str = "debug.openshift.io/source-resource";
/// On the namespace that a command made for its pods: the command.
const COMMAND: &str = "oc.openshift.io/command";

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object::at(object, &["metadata", "annotations", key])?.as_str()
}

/// Checks a new pod.
///
/// # Errors
/// If somebody waits for what it does.
pub(crate) fn check(store: &Store, resource: &Resource, namespace: &str, pod: &Value) -> Result<(), Failure> {
    let namespace = || store.get("namespaces", &Key::new("", namespace)).map(|found| found.value());
    let what = match annotation(pod, DEBUGS) {
        Some(_) => "oc debug".to_owned(),
        None => match namespace().as_ref().and_then(|namespace| annotation(namespace, COMMAND)) {
            Some(command) => command.to_owned(),
            None => return Ok(()),
        },
    };
    let plural = &resource.plural;
    Err(Failure::not_implemented(format!(
        "nothing runs {plural} here: {what} waits for what its pod does, and this server only stores objects, without a kubelet; \
         use a cluster for that"
    )))
}
