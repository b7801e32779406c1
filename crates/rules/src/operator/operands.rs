//! Which objects the operator applies and deletes to manage what it was given, and whether their pods are available.
//!
//! R-OPERAND-1 Wanted objects carry our label. An existing object of that name is taken over.
//! R-OPERAND-2 An object is applied if the existing one lacks a field or has another value; additions by others or the API
//! server do not count (R-EDIT-4).
//! R-OPERAND-3 An object with our label that is no longer wanted is deleted; one without it never is.
//! R-OPERAND-4 Immutable fields, the role of a binding and the selector of a Deployment, are changed by
//! deleting the object, if it is ours; it is then created again.
//! R-OPERAND-5 An object that is being deleted is left alone until it is gone.
//! R-OPERAND-6 Accounts and roles come first, then bindings, then what needs them, and monitoring last.
//! Deletions come after all that, in the reverse order.
//! R-OPERAND-7 Objects of a kind that the cluster does not have are not applied until it does.
//! R-OPERAND-8 A Deployment is done when its last change was observed, and all its pods are updated and available. Until then it is
//! waited for, and after a timeout that is a failure.
//!
//! Source of the order, of R-OPERAND-8 and of its messages: `pkg/operator/sync.go` of
//! github.com/openshift/machine-config-operator. R-OPERAND-3 to 5 and 7 are ours.

use crate::objects::edit::covers;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::{cmp::Reverse, fmt};
use weir_api::keys::operand::{MANAGED_BY, OPERATOR};

/// Timeout for pods, as in the reference.
pub const ROLLOUT_TIME: SignedDuration = SignedDuration::from_mins(10);

const DEPLOYMENT: &str = "Deployment";
/// Kinds in the order in which they are applied; one that is not listed comes first.
const ORDER: [&str; 9] = [
    "ServiceAccount",
    "ClusterRole",
    "Role",
    "ClusterRoleBinding",
    "RoleBinding",
    "PodDisruptionBudget",
    "Service",
    DEPLOYMENT,
    "ServiceMonitor",
];
/// Immutable fields: kind, JSON pointer.
const FIXED: [(&str, &str); 3] =
    [("ClusterRoleBinding", "/roleRef"), ("RoleBinding", "/roleRef"), (DEPLOYMENT, "/spec/selector")];

/// The inputs.
#[derive(Clone, Copy, Debug)]
pub struct OperandsView<'a> {
    /// The wanted objects, as [`labelled`].
    pub wanted: &'a [Value],
    /// The existing objects with our label.
    pub live: &'a [Value],
    /// Kinds that the cluster does not have.
    pub unserved: &'a [String],
}

/// What to do with an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OperandChange<'a> {
    /// Apply it.
    Apply(&'a Value),
    /// Delete it.
    Delete(&'a Value),
}

/// The identity of an object. The group is left out: no two managed kinds have the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity<'a> {
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace, empty where it is in none.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> Identity<'a> {
    /// The identity of this object.
    #[must_use]
    pub fn of(object: &'a Value) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        Self { kind: text("/kind"), namespace: text("/metadata/namespace"), name: text("/metadata/name") }
    }
}

impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name } = self;
        if namespace.is_empty() { write!(f, "{kind} {name}") } else { write!(f, "{kind} {namespace}/{name}") }
    }
}

/// The state of the Deployments' pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// They are available.
    Done,
    /// They are waited for.
    Waiting {
        /// What is missing.
        why: String,
    },
    /// They did not become available in time.
    Failed {
        /// What is missing.
        why: String,
    },
}

/// The object with the label that makes it ours.
#[must_use]
pub fn labelled(mut object: Value) -> Value {
    let labels = object.pointer("/metadata/labels").is_some_and(Value::is_object);
    if !labels {
        object["metadata"]["labels"] = json!({});
    }
    object["metadata"]["labels"][MANAGED_BY] = json!(OPERATOR);
    object
}

/// What is to be done, in this order.
#[must_use]
pub fn changes<'a>(view: &OperandsView<'a>) -> Vec<OperandChange<'a>> {
    let (mut applied, mut deleted) = (Vec::new(), Vec::new());
    for wanted in view.wanted {
        let found = view.live.iter().find(|live| Identity::of(live) == Identity::of(wanted));
        match found {
            None => applied.extend(is_served(view, wanted).then_some(wanted)),
            Some(found) if is_going(found) || covers(found, wanted) => {}
            Some(found) if is_fixed(found, wanted) && is_ours(found) => deleted.push(found),
            Some(_) => applied.push(wanted),
        }
    }
    let is_wanted = |live: &Value| view.wanted.iter().any(|wanted| Identity::of(wanted) == Identity::of(live));
    deleted.extend(view.live.iter().filter(|live| is_ours(live) && !is_going(live) && !is_wanted(live)));
    applied.sort_by_key(|object| rank(object));
    deleted.sort_by_key(|object| Reverse(rank(object)));
    let applied = applied.into_iter().map(OperandChange::Apply);
    applied.chain(deleted.into_iter().map(OperandChange::Delete)).collect()
}

/// What the Deployments among the wanted objects have come to; `since` is when they were first seen to be waited for.
#[must_use]
pub fn rollout(wanted: &[Value], live: &[Value], since: Option<Timestamp>, now: Timestamp) -> Rollout {
    let deployments = wanted.iter().map(Identity::of).filter(|identity| identity.kind == DEPLOYMENT);
    let mut waiting = deployments.filter_map(|identity| {
        let found = live.iter().find(|live| Identity::of(live) == identity);
        unready(identity.name, found.unwrap_or(&Value::Null))
    });
    let Some(why) = waiting.next() else { return Rollout::Done };
    match since {
        Some(since) if now.duration_since(since) >= ROLLOUT_TIME => {
            Rollout::Failed { why: format!("during waitForDeploymentRollout: [context deadline exceeded, {why}]") }
        }
        _ => Rollout::Waiting { why },
    }
}

/// What a Deployment is waited for; `None` when its pods are there.
fn unready(name: &str, found: &Value) -> Option<String> {
    if is_going(found) {
        return Some(format!("deployment {name} is being deleted"));
    }
    let number = |pointer: &str| found.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    let (replicas, updated) = (number("/status/replicas"), number("/status/updatedReplicas"));
    let (ready, unavailable) = (number("/status/readyReplicas"), number("/status/unavailableReplicas"));
    let seen = found.is_object() && number("/metadata/generation") <= number("/status/observedGeneration");
    (!seen || updated != replicas || unavailable != 0).then(|| {
        format!(
            "deployment {name} is not ready. status: (replicas: {replicas}, updated: {updated}, ready: {ready}, \
             unavailable: {unavailable})"
        )
    })
}

fn rank(object: &Value) -> Option<usize> {
    ORDER.iter().position(|kind| *kind == Identity::of(object).kind)
}

fn is_served(view: &OperandsView<'_>, object: &Value) -> bool {
    !view.unserved.iter().any(|kind| kind == Identity::of(object).kind)
}

fn is_ours(object: &Value) -> bool {
    object["metadata"]["labels"][MANAGED_BY] == OPERATOR
}

fn is_going(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// R-OPERAND-4.
fn is_fixed(found: &Value, wanted: &Value) -> bool {
    let kind = Identity::of(wanted).kind;
    let mut fixed = FIXED.iter().filter(|(of, _)| *of == kind);
    fixed.any(|(_, pointer)| found.pointer(pointer) != wanted.pointer(pointer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, name: &str, more: Value) -> Value {
        let mut object = json!({"kind": kind, "metadata": {"name": name, "namespace": "n"}});
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        labelled(object)
    }

    fn deployment(name: &str) -> Value {
        let pod = json!({
            "serviceAccountName": "c",
            "containers": [{"name": "weir", "args": ["run"], "ports": [{"name": "metrics", "containerPort": 1}]}],
            "volumes": [{"name": "cache", "emptyDir": {}}],
            "affinity": null,
        });
        let selector = json!({"matchLabels": {"app": "c"}});
        object(DEPLOYMENT, name, json!({"spec": {"replicas": 2, "selector": selector, "template": {"spec": pod}}}))
    }

    /// As the API server would hold it.
    fn stored(wanted: &Value) -> Value {
        let mut live = wanted.clone();
        live["metadata"]["uid"] = json!("u");
        if wanted["kind"] == DEPLOYMENT {
            live["spec"]["template"]["spec"].as_object_mut().unwrap().remove("affinity");
            live["spec"]["strategy"] = json!({"type": "RollingUpdate"});
            live["spec"]["template"]["spec"]["containers"][0]["ports"][0]["protocol"] = json!("TCP");
        }
        live
    }

    fn done(wanted: &[Value], live: &[Value]) -> Vec<String> {
        let said = |change: OperandChange<'_>| match change {
            OperandChange::Apply(object) => format!("apply {}", Identity::of(object)),
            OperandChange::Delete(object) => format!("delete {}", Identity::of(object)),
        };
        changes(&OperandsView { wanted, live, unserved: &[] }).into_iter().map(said).collect()
    }

    #[test]
    fn what_others_add_is_no_difference_and_what_they_change_is() {
        let wanted = deployment("c");
        let pod = "/spec/template/spec";
        let table: [(&str, Value, bool); 10] = [
            ("/metadata/annotations", json!({"deployment.kubernetes.io/revision": "3"}), false),
            ("/metadata/labels/more", json!("x"), false),
            (&format!("{pod}/priority"), json!(7), false),
            (&format!("{pod}/containers/1"), json!({"name": "sidecar"}), false),
            (&format!("{pod}/containers/0/ports/1"), json!({"containerPort": 2}), false),
            (&format!("{pod}/volumes/1"), json!({"name": "more"}), false),
            ("/spec/replicas", json!(0), true),
            (&format!("{pod}/containers/0/args/1"), json!("--more"), true),
            (&format!("{pod}/serviceAccountName"), json!("other"), true),
            (
                &format!("/metadata/labels/{MANAGED_BY}").replace("app.kubernetes.io/", "app.kubernetes.io~1"),
                json!("x"),
                true,
            ),
        ];
        for (pointer, value, differs) in table {
            let mut live = stored(&wanted);
            let (parent, last) = pointer.rsplit_once('/').unwrap();
            match live.pointer_mut(parent).unwrap() {
                Value::Array(items) => items.push(value),
                parent => parent[last.replace("~1", "/")] = value,
            }
            let change = done(std::slice::from_ref(&wanted), &[live]);
            assert_eq!(change, if differs { vec!["apply Deployment n/c"] } else { vec![] }, "{pointer}");
        }
        assert_eq!(done(std::slice::from_ref(&wanted), &[]), ["apply Deployment n/c"]);
    }

    #[test]
    fn a_right_or_a_subject_that_somebody_added_is_a_difference() {
        let (rule, subject) = (json!({"verbs": ["list"], "resources": ["pods"]}), json!({"name": "c"}));
        let role = object("Role", "c", json!({"rules": [rule]}));
        let binding = object("RoleBinding", "c", json!({"roleRef": {"name": "c"}, "subjects": [subject]}));
        for (wanted, list) in [(&role, "rules"), (&binding, "subjects")] {
            let mut live = stored(wanted);
            assert!(done(std::slice::from_ref(wanted), &[live.clone()]).is_empty());
            live[list].as_array_mut().unwrap().push(json!({"name": "other"}));
            assert_eq!(done(std::slice::from_ref(wanted), &[live]).len(), 1, "{list}");
        }
    }

    #[test]
    fn only_ours_goes_and_what_goes_is_not_touched_again() {
        let ours = object("Service", "old", json!({}));
        let mut foreign = ours.clone();
        foreign["metadata"] = json!({"name": "foreign", "namespace": "n", "labels": {MANAGED_BY: "helm"}});
        let bare = json!({"kind": "Service", "metadata": {"name": "bare", "namespace": "n"}});
        assert_eq!(done(&[], &[ours.clone(), foreign, bare]), ["delete Service n/old"]);
        let mut going = ours.clone();
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert!(done(&[], std::slice::from_ref(&going)).is_empty());
        let changed = object("Service", "old", json!({"spec": {"a": 1}}));
        assert!(done(&[changed], &[going]).is_empty());
    }

    #[test]
    fn what_nobody_can_change_is_made_anew_if_it_is_ours() {
        let binding = |role: &str| object("RoleBinding", "c", json!({"roleRef": {"name": role}}));
        let (mut other, deployed) = (deployment("d"), deployment("d"));
        other["spec"]["selector"] = json!({"matchLabels": {"app": "other"}});
        assert_eq!(done(&[deployed], &[other]), ["delete Deployment n/d"]);
        let (wanted, live) = (binding("new"), binding("old"));
        assert_eq!(done(std::slice::from_ref(&wanted), std::slice::from_ref(&live)), ["delete RoleBinding n/c"]);
        let mut foreign = live;
        foreign["metadata"]["labels"] = json!({});
        assert_eq!(done(&[wanted], &[foreign]), ["apply RoleBinding n/c"]);
    }

    #[test]
    fn rights_come_first_and_what_goes_goes_last() {
        let kinds = [
            "ServiceMonitor",
            DEPLOYMENT,
            "RoleBinding",
            "ClusterRoleBinding",
            "Role",
            "ClusterRole",
            "ServiceAccount",
        ];
        let wanted: Vec<_> = kinds.iter().map(|kind| object(kind, "c", json!({}))).collect();
        let live: Vec<_> = kinds.iter().map(|kind| object(kind, "old", json!({}))).collect();
        let done = done(&wanted, &live);
        let order: Vec<_> = done.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
        let mut expected: Vec<_> = kinds.iter().rev().map(|kind| format!("apply {kind}")).collect();
        expected.extend(kinds.iter().map(|kind| format!("delete {kind}")));
        assert_eq!(order, expected);
    }

    #[test]
    fn a_kind_that_is_not_known_waits() {
        let wanted = [object("ServiceMonitor", "c", json!({})), object("Service", "c", json!({}))];
        let unserved = ["ServiceMonitor".to_owned()];
        let view = OperandsView { wanted: &wanted, live: &[], unserved: &unserved };
        assert_eq!(changes(&view), [OperandChange::Apply(&wanted[1])]);
    }

    #[test]
    fn a_deployment_is_waited_for_and_in_the_end_that_is_a_failure() {
        let wanted = [deployment("c"), object("Service", "c", json!({}))];
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let with = |generation: i64, status: Value| {
            let mut live = stored(&wanted[0]);
            live["metadata"]["generation"] = json!(generation);
            live["status"] = status;
            live
        };
        let status = |updated: i64, unavailable: i64| {
            json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": updated, "readyReplicas": 2 - unavailable,
                   "unavailableReplicas": unavailable})
        };
        let said = |updated, ready, unavailable| {
            format!(
                "deployment c is not ready. status: (replicas: 2, updated: {updated}, ready: {ready}, unavailable: {unavailable})"
            )
        };
        let nothing =
            "deployment c is not ready. status: (replicas: 0, updated: 0, ready: 0, unavailable: 0)".to_owned();
        let mut going = with(2, status(2, 0));
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        for (live, wanted_text) in [
            (vec![with(2, status(2, 0))], None),
            (vec![with(1, status(2, 0))], None),
            (vec![with(3, status(2, 0))], Some(said(2, 2, 0))),
            (vec![with(2, status(1, 0))], Some(said(1, 2, 0))),
            (vec![with(2, status(2, 1))], Some(said(2, 1, 1))),
            (vec![with(1, json!({}))], Some(nothing.clone())),
            (vec![], Some(nothing)),
            (vec![going], Some("deployment c is being deleted".to_owned())),
        ] {
            let waiting = |why: &String| Rollout::Waiting { why: why.clone() };
            let expected = wanted_text.as_ref().map_or(Rollout::Done, waiting);
            assert_eq!(rollout(&wanted, &live, None, at(0)), expected, "{live:?}");
            assert_eq!(rollout(&wanted, &live, Some(at(0)), at(9)), expected, "{live:?}");
            let late = rollout(&wanted, &live, Some(at(0)), at(10));
            match wanted_text {
                None => assert_eq!(late, Rollout::Done),
                Some(text) => assert_eq!(
                    late,
                    Rollout::Failed {
                        why: format!("during waitForDeploymentRollout: [context deadline exceeded, {text}]")
                    }
                ),
            }
        }
    }
}
