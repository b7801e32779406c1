use super::*;
use crate::rollout::drain::{Answer, DrainView, Tried, drain};
use crate::view::{NodeReport, PodView, blocked::in_the_way};
use k8s_openapi::api::core::v1::{Node, Pod};
use proptest::prelude::*;
use weir_api::condition::{ConditionStatus, ConditionType, UNKNOWN, find};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn node(annotations: &[(&str, &str)]) -> Node {
    let annotations: std::collections::BTreeMap<_, _> = annotations
        .iter()
        .map(|(key, value)| (format!("machineconfiguration.openshift.io/{key}"), (*value).to_owned()))
        .collect();
    serde_json::from_value(json!({"metadata": {"name": "a", "uid": "u1", "annotations": annotations}})).unwrap()
}

fn change(node: &Node, pool: Option<&str>, object: Option<&MachineConfigNode>, images: bool) -> Option<Change> {
    let in_pool = |primary| Assignment::Pools { primary, secondary: None, overlap: false };
    assigned(node, &pool.map_or(Assignment::NoPool, in_pool), object, images)
}

fn assigned(node: &Node, pool: &Assignment<'_>, object: Option<&MachineConfigNode>, images: bool) -> Option<Change> {
    object_change(&NodeObjectView { node: &NodeView::new(node), pool, object, images })
}

fn created(change: Option<Change>) -> MachineConfigNode {
    match change {
        Some(Change::Create(object)) => *object,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_object_follows_its_node() {
    let told = node(&[("desiredConfig", "r1"), ("desiredImage", "i@1")]);
    let object = created(change(&told, Some("worker"), None, false));
    assert_eq!(
        serde_json::to_value(&object.spec).unwrap(),
        json!({"node": {"name": "a"}, "pool": {"name": "worker"}, "configVersion": {"desired": "r1"}})
    );
    assert_eq!(object.metadata.owner_references.as_ref().unwrap()[0].uid, "u1");
    assert_eq!(change(&told, Some("worker"), Some(&object), false), None);
    let moved = change(&told, Some("infra"), Some(&object), true);
    let Some(Change::Patch(patch)) = moved else { panic!("{moved:?}") };
    assert_eq!(
        patch,
        json!({"spec": {
            "node": {"name": "a"}, "pool": {"name": "infra"}, "configVersion": {"desired": "r1"},
            "configImage": {"desiredImage": "i@1"},
        }})
    );
    let mut reborn = told.clone();
    reborn.metadata.uid = Some("u2".to_owned());
    let Some(Change::Patch(patch)) = change(&reborn, Some("worker"), Some(&object), false) else { panic!() };
    assert_eq!(patch["metadata"]["ownerReferences"][0]["uid"], "u2");
    assert_eq!(patch.get("spec"), None);
}

#[test]
fn a_pool_that_cannot_be_told_is_not_taken_away() {
    let told = node(&[("desiredConfig", "r1")]);
    let object = created(change(&told, Some("worker"), None, false));
    let several = Assignment::Conflict(vec!["gpu", "infra"]);
    for kept in [&several, &Assignment::Unreadable("worker")] {
        assert_eq!(assigned(&told, kept, Some(&object), false), None, "{kept:?}");
    }
    assert_eq!(created(assigned(&told, &several, None, false)).spec.pool.name, NOT_YET_SET);
    assert_eq!(created(assigned(&told, &Assignment::Unreadable("gpu"), None, false)).spec.pool.name, "gpu");
    let Some(Change::Patch(patch)) = change(&told, None, Some(&object), false) else { panic!() };
    assert_eq!(patch["spec"]["pool"]["name"], NOT_YET_SET);
}

#[test]
fn unknown_is_said_and_a_machine_in_the_making_waited_for() {
    let bare = created(change(&node(&[("desiredConfig", "")]), None, None, true));
    assert_eq!((bare.spec.pool.name.as_str(), bare.spec.config_version.desired.as_str()), (NOT_YET_SET, NOT_YET_SET));
    let mut making = node(&[]);
    for (phase, wanted) in [("Pending", false), ("Provisioning", false), ("Running", true)] {
        making.status = serde_json::from_value(json!({ "phase": phase })).unwrap();
        assert_eq!(change(&making, None, None, false).is_some(), wanted, "{phase}");
    }
    assert_eq!(orphans([&bare], &["b"].into()), ["a"]);
    assert!(orphans([&bare], &["a"].into()).is_empty());
}

/// An object and the reports it takes in.
struct Told {
    object: MachineConfigNode,
    node: Node,
}

impl Told {
    fn new(annotations: &[(&str, &str)]) -> Self {
        let node = node(annotations);
        let object = created(change(&node, Some("worker"), None, false));
        Self { object, node }
    }

    fn report(&mut self, step: &Step, now: i64) -> bool {
        self.reports(&[step.report()], now)
    }

    fn reports(&mut self, reports: &[Report], now: i64) -> bool {
        let status = record(&self.object, &NodeView::new(&self.node), reports, false, at(now));
        let changed = status.is_some();
        self.object.status = status.or(self.object.status.take());
        changed
    }

    fn says(&self, type_: ConditionType) -> (ConditionStatus, &str, &str, i64) {
        let conditions = self.object.status.as_ref().unwrap().conditions.as_ref().unwrap();
        let c = find(conditions, type_).unwrap();
        let status = [TRUE, FALSE, UNKNOWN].into_iter().find(|status| c.status == *status).unwrap();
        (status, &c.reason, &c.message, c.last_transition_time.as_ref().unwrap().0.as_second())
    }

    fn desired(&self) -> &str {
        &self.object.status.as_ref().unwrap().config_version.as_ref().unwrap().desired
    }
}

#[test]
fn a_round_from_need_to_update() {
    let mut said = Told::new(&[("currentConfig", "r0"), ("desiredConfig", "r1")]);
    let name = || "a".to_owned();
    assert!(said.report(&Step::Needed { node: name() }, 1));
    assert_eq!(said.object.status.as_ref().unwrap().conditions.as_ref().unwrap().len(), 14);
    assert_eq!(said.says(UPDATED), (FALSE, "Updated", "Node a needs an update", 1));
    assert_eq!(said.says(RESUMED), (FALSE, NOT_YET_OCCURRED, "This node has not yet entered the Resumed phase", 1));
    let failed = Step::NotPrepared { from: "r0".to_owned(), to: "r1".to_owned(), why: "disks differ".to_owned() };
    said.report(&failed, 2);
    assert_eq!((said.says(UPDATE_PREPARED).0, said.desired()), (UNKNOWN, NOT_YET_SET));
    said.report(&Step::Prepared { drain: true }, 3);
    assert_eq!((said.says(UPDATE_PREPARED).0, said.desired()), (TRUE, "r1"));
    said.report(&Step::Applying { os: true, files: false }, 4);
    assert_eq!(
        said.says(APPLIED_FILES_AND_OS),
        (
            UNKNOWN,
            "UpdateExecutedAppliedFilesAndOS",
            "Applying files and new OS config to node. OS will  need an update. SSH Keys will not need an update",
            4
        )
    );
    said.report(&Step::Applied { os: true, files: false }, 5);
    assert_eq!((said.says(UPDATE_EXECUTED).0, said.says(UPDATE_EXECUTED).1), (TRUE, "AppliedFilesAndOS"));
    said.report(&Step::Failed { node: name(), why: "no space".to_owned() }, 6);
    said.report(&Step::Failed { node: name(), why: "still no space".to_owned() }, 7);
    assert_eq!(said.says(NODE_DEGRADED), (TRUE, "NodeDegraded", "Node a upgrade failure. still no space", 6));
    said.report(&Step::Updated { node: name() }, 8);
    assert_eq!(said.says(UPDATED), (TRUE, "Updated", "Node a Updated", 8));
    assert_eq!(
        said.says(NODE_DEGRADED),
        (FALSE, "NodeDegraded", "Action during update to r1: Node a upgrade failure. still no space", 8)
    );
    assert!(!said.report(&Step::Updated { node: name() }, 9));
    said.report(&Step::Failed { node: name(), why: "drift".to_owned() }, 10);
    assert!(!said.report(&Step::Updated { node: name() }, 11), "nothing new begins no round");
    assert_eq!(said.says(NODE_DEGRADED).0, TRUE);
}

#[test]
fn generations_never_decrease_and_foreign_fields_stay() {
    let mut said = Told::new(&[("desiredConfig", "r1")]);
    said.object.metadata.generation = Some(4);
    said.report(&Step::Rebooting, 1);
    let status = said.object.status.as_mut().unwrap();
    assert_eq!(status.observed_generation, Some(5));
    status.observed_generation = Some(9);
    status.other.insert("newer".to_owned(), json!(1));
    status.pinned_image_sets = Some(Vec::new());
    said.object.metadata.resource_version = Some("77".to_owned());
    said.report(&Step::Rebooted, 2);
    let status = said.object.status.clone().unwrap();
    assert_eq!((status.observed_generation, status.other["newer"].clone()), (Some(9), json!(1)));
    let patch = serde_json::to_value(status_patch(&said.object, &status)).unwrap();
    assert_eq!(patch["metadata"], json!({"resourceVersion": "77"}));
    let keys: Vec<_> = patch["status"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["conditions", "configVersion", "observedGeneration"]);
}

#[test]
fn a_drain_is_told_step_by_step() {
    let mut said =
        Told::new(&[("desiredConfig", "r1"), ("desiredDrain", "drain-r1"), ("lastAppliedDrain", "uncordon-r0")]);
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"namespace": "ns", "name": "p", "uid": "u"}, "spec": {"nodeName": "a"},
    }))
    .unwrap();
    let mut tried = Tried::default();
    let look = |said: &mut Told, tried: &Tried, pods: &[Pod], now: i64| {
        let pods: Vec<_> = pods.iter().map(PodView::new).collect();
        let view = said.node.clone();
        let view = NodeView::new(&view);
        let plan = drain(
            &DrainView {
                node: &view,
                pods: &pods.iter().collect::<Vec<_>>(),
                budgets: &[],
                daemon_sets: None,
                cordon_reported: NodeReport::new(&said.object).cordoned,
                tried,
            },
            at(now),
        );
        let plan = plan.unwrap();
        said.reports(&drain_reports(&view, &plan, tried), now)
    };
    let changed = look(&mut said, &tried, &[], 0);
    assert!(!changed, "nothing is said before it is done");
    tried.written(Err("403 forbidden".to_owned()), at(0));
    look(&mut said, &tried, &[], 1);
    assert_eq!(
        said.says(CORDONED),
        (
            UNKNOWN,
            "UpdateExecutedCordoned",
            "Error: Failed to Cordon node. Error is 403 forbidden, The node is reporting Unschedulable = false",
            1
        )
    );
    tried.written(Ok(()), at(10));
    let annotations = said.node.metadata.annotations.as_mut().unwrap();
    annotations.insert("machineconfiguration.openshift.io/drainStarted".to_owned(), at(10).to_string());
    said.node.spec = serde_json::from_value(json!({"unschedulable": true})).unwrap();
    look(&mut said, &tried, std::slice::from_ref(&pod), 11);
    assert_eq!(said.says(CORDONED).2, "Cordoned node. The node is reporting Unschedulable = false");
    assert!(NodeReport::new(&said.object).cordoned);
    let until = "The drain will not be complete until desired drainer drain-r1 matches current drainer uncordon-r0";
    assert_eq!(said.says(DRAINED).2, format!("Draining node. {until}"));
    let changed = look(&mut said, &tried, std::slice::from_ref(&pod), 12);
    assert!(!changed);
    tried.evicted("u", Answer::Refused("would violate".to_owned()), at(12));
    look(&mut said, &tried, std::slice::from_ref(&pod), 13);
    let way = "pod ns/p: eviction is refused (would violate), since 1970-01-01T00:00:12Z";
    assert_eq!(said.says(DRAINED).2, format!("Draining node. {until}. In the way: {way}"));
    assert_eq!(NodeReport::new(&said.object).blocked, Some(way));
    look(&mut said, &tried, std::slice::from_ref(&pod), 101);
    assert_eq!(said.says(DRAINED).2, format!("Error: Node Drain has not succeeded. Error is: {way}. {until}"));
    assert_eq!((said.says(DRAINED).0, said.says(DRAINED).3), (UNKNOWN, 11));
    assert_eq!(NodeReport::new(&said.object).blocked, Some(way));
    look(&mut said, &tried, &[], 102);
    assert_eq!(
        said.says(DRAINED),
        (
            TRUE,
            "UpdateExecutedDrained",
            "Drained node. The drain is complete as the desired drainer matches current drainer: drain-r1",
            102
        )
    );
    let annotations = said.node.metadata.annotations.as_mut().unwrap();
    annotations.insert("machineconfiguration.openshift.io/desiredDrain".to_owned(), "uncordon-r1".to_owned());
    annotations.insert("machineconfiguration.openshift.io/lastAppliedDrain".to_owned(), "drain-r1".to_owned());
    assert_eq!(said.says(UPDATE_COMPLETE).0, FALSE);
    look(&mut said, &tried, &[], 103);
    assert_eq!(
        said.says(UPDATE_COMPLETE),
        (TRUE, "Uncordoned", "Uncordoned Node as part of completing upgrade phase", 103)
    );
    assert_eq!(said.says(UNCORDONED).1, "UpdateCompleteUncordoned");
    assert!(!NodeReport::new(&said.object).cordoned);
}

fn step() -> impl Strategy<Value = Step> {
    let name = || "a".to_owned();
    prop_oneof![
        Just(Step::Needed { node: name() }),
        any::<bool>().prop_map(|drain| Step::Prepared { drain }),
        Just(Step::NotPrepared { from: name(), to: name(), why: name() }),
        Just(Step::NoDrain),
        any::<(bool, bool)>().prop_map(|(os, files)| Step::Applying { os, files }),
        any::<(bool, bool)>().prop_map(|(os, files)| Step::Applied { os, files }),
        Just(Step::Rebooting),
        Just(Step::Rebooted),
        Just(Step::NoAction),
        Just(Step::Succeeded { node: name() }),
        "[a-z]{0,3}".prop_map(|why| Step::Failed { node: "a".to_owned(), why }),
        Just(Step::Resumed { config: name() }),
        Just(Step::Updated { node: name() }),
    ]
}

proptest! {
    /// Saying something twice changes nothing, a time moves exactly when a status does, each type is there once, and the API
    /// takes the list.
    #[test]
    fn times_move_only_on_a_flip(steps in prop::collection::vec(step(), 1..20)) {
        let mut said = Told::new(&[("currentConfig", "r0"), ("desiredConfig", "r1")]);
        for (index, step) in steps.iter().enumerate() {
            let before = said.object.status.clone().and_then(|s| s.conditions).unwrap_or_default();
            let now = i64::try_from(index).unwrap() * 10 + 10;
            said.report(step, now);
            prop_assert!(!said.report(step, now + 5), "{step:?} said twice");
            let after = said.object.status.clone().and_then(|s| s.conditions).unwrap();
            let types: BTreeSet<_> = after.iter().map(|c| &c.type_).collect();
            prop_assert_eq!(types.len(), after.len());
            prop_assert!(after.len() <= 20);
            for condition in &after {
                let old = before.iter().find(|old| old.type_ == condition.type_);
                let flipped = old.is_none_or(|old| old.status != condition.status);
                let moved = condition.last_transition_time.as_ref().unwrap().0 == at(now);
                prop_assert_eq!(flipped, moved, "{:?}", condition);
                prop_assert!(!condition.reason.is_empty());
            }
        }
    }
}

#[test]
fn who_is_in_the_way_is_read_out_of_the_references_words_as_well() {
    for (message, wanted) in [
        (
            "Error: Node Drain has not succeeded. Error is: error when evicting pods/\"p\" -n \"ns\": global timeout reached: 1m30s The drain will not be complete until desired drainer drain-a matches current drainer uncordon-b",
            Some("error when evicting pods/\"p\" -n \"ns\": global timeout reached: 1m30s"),
        ),
        ("Draining node. The drain will not be complete until desired drainer a matches current drainer b", None),
        ("", None),
    ] {
        assert_eq!(in_the_way(message), wanted);
    }
}
