use super::*;
use crate::build::built_on::{Base, BuiltOn};
use proptest::prelude::*;
use weir_api::{MachineConfigPool, MachineConfiguration, OSImageStream};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// An operator with a ClusterOperator that takes in every report.
#[derive(Clone)]
struct Operator {
    object: Option<ClusterOperator>,
    version: &'static str,
    /// Whether it knows the image that it runs from.
    knows_image: bool,
    failure: Option<Failure>,
    required: Required,
    blocked: Option<Blocked>,
}

impl Operator {
    fn new(version: &'static str) -> Self {
        Self { object: None, version, knows_image: true, failure: None, required: Required::Done, blocked: None }
    }

    /// One pass; the reasons of its events.
    fn pass(&mut self, now: i64) -> Vec<String> {
        let image = if self.knows_image { format!("operator@{}", self.version) } else { String::new() };
        let report = cluster_status(
            &ClusterStatusView {
                object: self.object.as_ref(),
                version: self.version,
                image: &image,
                failure: self.failure.as_ref(),
                required: &self.required,
                blocked: self.blocked.as_ref(),
                evaluation: &[],
                pools: &[],
            },
            at(now),
        );
        if let Some(status) = report.status {
            self.object.get_or_insert_default().status = Some(status);
        }
        report.events.into_iter().map(|event| event.reason).collect()
    }

    fn says(&self, type_: ConditionType) -> String {
        let status = self.object.as_ref().unwrap().status.as_ref().unwrap();
        let c = find(status.conditions.as_deref().unwrap(), type_).unwrap();
        let since = c.last_transition_time.as_ref().unwrap().0.as_second();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{} {} {} ({since})", c.status, text(&c.reason), text(&c.message))
    }

    fn versions(&self) -> String {
        listed(self.object.as_ref().unwrap().status.as_ref().unwrap().versions.as_deref().unwrap())
    }
}

fn waiting() -> Required {
    Required::Waiting { why: "master is not ready".to_owned() }
}

fn failed() -> Required {
    Required::Failed { why: "master is paused".to_owned() }
}

#[test]
fn an_installation_and_an_update() {
    let mut operator = Operator::new("5.0.0");
    operator.required = waiting();
    assert_eq!(operator.pass(1), ["OperatorVersionChanged"]);
    assert_eq!(operator.says(PROGRESSING), "True  Cluster is bootstrapping 5.0.0 (1)");
    assert_eq!(operator.says(AVAILABLE), "True AsExpected Cluster has deployed [] (1)");
    assert_eq!(operator.says(DEGRADED), "False   (1)");
    assert_eq!(operator.versions(), "[]");
    operator.required = Required::Done;
    assert_eq!(operator.pass(2), ["OperatorVersionChanged"]);
    assert_eq!(operator.versions(), "[{operator 5.0.0} {operator-image operator@5.0.0}]");
    assert_eq!(operator.says(PROGRESSING), "True  Cluster is bootstrapping 5.0.0 (1)");
    assert!(operator.pass(3).is_empty());
    assert_eq!(operator.says(PROGRESSING), "False  Cluster version is 5.0.0 (3)");
    assert_eq!(
        operator.says(AVAILABLE),
        "True AsExpected Cluster has deployed [{operator 5.0.0} {operator-image operator@5.0.0}] (1)"
    );
    // Another process of the same version has nothing to say.
    let mut again = Operator { object: operator.object.clone(), ..Operator::new("5.0.0") };
    assert!(again.pass(4).is_empty());
    assert_eq!(again.says(PROGRESSING), "False  Cluster version is 5.0.0 (3)");
    operator.version = "5.0.1";
    operator.required = waiting();
    assert_eq!(operator.pass(4), ["OperatorVersionChanged"]);
    assert!(operator.pass(5).is_empty(), "the start of a change is told once");
    assert_eq!(operator.says(PROGRESSING), "True  Working towards 5.0.1 (4)");
    assert_eq!(operator.versions(), "[{operator 5.0.0} {operator-image operator@5.0.0}]");
    operator.required = failed();
    assert_eq!(operator.pass(6), ["OperatorDegraded: RequiredPoolsFailed"]);
    assert_eq!(operator.says(PROGRESSING), "True  Unable to apply 5.0.1 (4)");
    assert_eq!(operator.says(DEGRADED), "True RequiredPoolsFailed Unable to apply 5.0.1: master is paused (6)");
    operator.required = waiting();
    assert!(operator.pass(7).is_empty());
    assert_eq!(operator.says(DEGRADED), "True RequiredPoolsFailed Unable to apply 5.0.1: master is paused (6)");
    operator.required = Required::Done;
    operator.pass(8);
    assert_eq!(operator.says(DEGRADED), "False   (8)");
    assert_eq!(operator.versions(), "[{operator 5.0.1} {operator-image operator@5.0.1}]");
    operator.pass(9);
    assert_eq!(operator.says(PROGRESSING), "False  Cluster version is 5.0.1 (9)");
}

#[test]
fn who_does_not_know_his_image_keeps_what_is_said_of_it() {
    let mut operator = Operator::new("5.0.0");
    operator.pass(1);
    operator.pass(2);
    operator.knows_image = false;
    assert!(operator.pass(3).is_empty());
    assert_eq!(operator.versions(), "[{operator 5.0.0} {operator-image operator@5.0.0}]");
    assert_eq!(operator.says(PROGRESSING), "False  Cluster version is 5.0.0 (2)");
    operator.version = "5.0.1";
    operator.pass(4);
    assert_eq!(operator.versions(), "[{operator 5.0.1} {operator-image operator@5.0.0}]");
    // Nobody said one yet.
    let mut unknown = Operator { knows_image: false, ..Operator::new("5.0.0") };
    unknown.pass(1);
    assert_eq!(unknown.versions(), "[{operator 5.0.0}]");
}

#[test]
fn failures_of_a_settled_cluster() {
    let mut operator = Operator::new("5.0.0");
    operator.pass(1);
    operator.pass(2);
    let next = Some(at(60));
    for (failure, wanted) in [
        (
            Failure::DistributionMismatch { contradictions: vec!["the FeatureSet is X".to_owned()] },
            "True DistributionMismatch Failed to resync 5.0.0 because: the FeatureSet is X; no rollout starts until the \
             distribution is given with --distribution or the contradiction is gone (3)",
        ),
        (
            Failure::Catalog { said: catalog_said("r@1", "os@1: 503 from registry", next) },
            "True OSImageStreamFailed Failed to resync 5.0.0 because: the OSImageStream could not be made from r@1: \
             os@1: 503 from registry; next attempt at 1970-01-01T00:01:00Z (3)",
        ),
        (
            Failure::Work {
                task: Task::MachineConfigPools,
                why: "failed to get MachineConfigPool master: 500".to_owned(),
            },
            "True MachineConfigPoolsFailed Failed to resync 5.0.0 because: failed to get MachineConfigPool master: 500 (3)",
        ),
    ] {
        let mut operator = operator.clone();
        operator.failure = Some(failure);
        assert_eq!(operator.pass(3).len(), 1);
        assert!(operator.pass(4).is_empty(), "the same is not told twice");
        assert_eq!(operator.says(DEGRADED), wanted);
        assert_eq!(operator.says(PROGRESSING), "False  Error while reconciling 5.0.0 (2)");
        operator.failure = None;
        operator.required = waiting();
        operator.pass(5);
        assert_eq!(operator.says(DEGRADED), "False   (5)");
    }
}

fn pools(pools: Value) -> Vec<MachineConfigPool> {
    serde_json::from_value(pools).unwrap()
}

fn blocked(object: &OSImageStream, list: &[MachineConfigPool]) -> Option<Blocked> {
    blocked_with(object, list, &[])
}

fn blocked_with(object: &OSImageStream, list: &[MachineConfigPool], images: &[BuiltOn]) -> Option<Blocked> {
    let views: Vec<_> = list.iter().map(PoolView::new).collect();
    upgradeable(&UpgradeView {
        pools: &views,
        streams: Some(object),
        images,
        not_adopted: None,
        boot_images: None,
        version: "",
    })
}

#[test]
fn streams_that_the_release_dropped() {
    let object = |retained: &str, default: &str| -> OSImageStream {
        serde_json::from_value(json!({
            "metadata": {"annotations": {"machineconfiguration.openshift.io/retained-streams": retained}},
            "spec": {"defaultStream": default},
            "status": {"defaultStream": default, "availableStreams": [{"name": "new"}, {"name": "old"}]},
        }))
        .unwrap()
    };
    let list = pools(json!([
        {"metadata": {"name": "infra"}, "spec": {}, "status": {"osImageStream": {"name": "old"}}},
        {"metadata": {"name": "master"}, "spec": {}, "status": {"osImageStream": {"name": "new"}}},
        {"metadata": {"name": "worker"}, "spec": {"osImageStream": {"name": "old"}}, "status": {"osImageStream": {"name": "old"}}},
    ]));
    let found = blocked(&object("old", "new"), &list).unwrap();
    assert_eq!(found.code(), "RetainedStreamInUse");
    assert_eq!(
        found.to_string(),
        "OS image streams that this release no longer carries are in use: old by pool infra, pool worker; move to new before upgrading"
    );
    assert!(blocked(&object("old", "old"), &[]).unwrap().to_string().contains("old by the default"));
    assert_eq!(blocked(&object("", "new"), &list), None);
    let image = |stream: &str| BuiltOn {
        pool: "worker".to_owned(),
        build: "worker-1".to_owned(),
        image: "i".to_owned(),
        base: Base::Stream(stream.to_owned()),
        going: None,
    };
    let found = blocked_with(&object("old", "new"), &list[1..2], &[image("new"), image("old")]).unwrap().to_string();
    assert!(found.contains("in use: old by the OS image of pool worker (worker-1); move to new before"), "{found}");
    assert!(found.ends_with("an OS image is built anew by that"), "{found}");
    assert_eq!(blocked_with(&object("old", "new"), &list[1..2], &[image("new")]), None);
    assert_eq!(blocked(&object("old", "new"), &list[1..2]), None);
    let broken = pools(json!([{"status": {"conditions": [{"type": "Degraded", "status": "True"}]}}]));
    assert_eq!(blocked(&object("old", "old"), &broken), Some(Blocked::DegradedPool));
    let interrupted = pools(json!([{"status": {"conditions": [{"type": "BuildInterrupted", "status": "True"}]}}]));
    assert_eq!(blocked(&object("", "new"), &interrupted), Some(Blocked::InterruptedBuild));
}

#[test]
fn boot_images_that_are_too_old() {
    let idle = json!([{"type": "BootImageUpdateProgressing", "status": "False"}]);
    let broken = json!([{"type": "BootImageUpdateDegraded", "status": "True", "message": "no api"}]);
    let automatic = |skew: Value, conditions: &Value| json!({"conditions": conditions, "bootImageSkewEnforcementStatus": {"mode": "Automatic", "automatic": skew}});
    let manual = |skew: Value| json!({"conditions": broken, "bootImageSkewEnforcementStatus": {"mode": "Manual", "manual": skew}});
    for (status, wanted) in [
        (
            automatic(json!({"ocpVersion": "4.12.9"}), &idle),
            Some("OCP boot image version 4.12.9, which is below the minimum required version 4.13.0"),
        ),
        (automatic(json!({"ocpVersion": "4.12.9"}), &json!([])), None),
        (automatic(json!({"ocpVersion": "4.13.0-rc.1"}), &idle), None),
        (automatic(json!({"ocpVersion": "5.0.0"}), &broken), Some("boot image controller is degraded: no api")),
        (
            manual(json!({"rhcosVersion": "9.0.20250101-0"})),
            Some("RHCOS boot image version 9.0.20250101-0(RHEL version: 9.0), which is below"),
        ),
        (manual(json!({"rhcosVersion": "412.86.202212170457-0"})), Some("(RHEL version: 8.6)")),
        (manual(json!({"rhcosVersion": "413.92.202304131328-0"})), None),
        (manual(json!({"rhcosVersion": "9.10.20250101-0"})), None),
        (manual(json!({"rhcosVersion": "odd"})), None),
        (json!({"bootImageSkewEnforcementStatus": {"mode": "None"}}), None),
        (json!({}), None),
    ] {
        let object: MachineConfiguration = serde_json::from_value(json!({ "status": status })).unwrap();
        let view = UpgradeView {
            pools: &[],
            streams: None,
            images: &[],
            not_adopted: None,
            boot_images: Some(&object),
            version: "5.0.1",
        };
        let found = upgradeable(&view).map(|blocked| blocked.to_string());
        match (&found, wanted) {
            (Some(text), Some(wanted)) => assert!(text.contains(wanted), "{text}"),
            (None, None) => {}
            _ => panic!("{status}: {found:?}"),
        }
        assert!(found.is_none_or(|text| text.contains("degraded") || text.contains("/5.0/html/")));
    }
}

#[test]
fn settings_of_the_past() {
    let kubelets = serde_json::from_value(json!({"spec": {"kubeletConfig": {"failSwapOn": false}}})).unwrap();
    let runtimes =
        serde_json::from_value(json!({"spec": {"containerRuntimeConfig": {"defaultRuntime": "runc"}}})).unwrap();
    assert_eq!(
        evaluation([&kubelets], [&runtimes]).join("::"),
        "failswapon: KubeletConfig setting is currently unsupported by OpenShift::runc: transition to default crun"
    );
    assert!(evaluation([&Default::default()], [&Default::default()]).is_empty());
}

fn situation() -> impl Strategy<Value = (Option<Failure>, Required, Option<Blocked>, bool)> {
    let failure = prop_oneof![
        Just(None),
        Just(Some(Failure::Work { task: Task::RenderConfig, why: "x".to_owned() })),
        Just(Some(Failure::DistributionMismatch { contradictions: vec!["y".to_owned()] })),
    ];
    let required = prop_oneof![Just(Required::Done), Just(waiting()), Just(failed())];
    let blocked = prop_oneof![Just(None), Just(Some(Blocked::DegradedPool))];
    (failure, required, blocked, any::<bool>())
}

proptest! {
    /// Whatever happened before: once all is well and nothing more changes, the second pass says so, the third writes
    /// nothing, and a time moved exactly when a status did.
    #[test]
    fn every_state_leads_back(situations in prop::collection::vec(situation(), 0..12)) {
        let mut operator = Operator::new("5.0.0");
        let mut before: Vec<OperatorCondition> = Vec::new();
        for (index, (failure, required, blocked, newer)) in situations.into_iter().enumerate() {
            (operator.failure, operator.required, operator.blocked) = (failure, required, blocked);
            operator.version = if newer { "5.0.1" } else { "5.0.0" };
            let now = i64::try_from(index).unwrap() + 10;
            operator.pass(now);
            let conditions = operator.object.clone().unwrap().status.unwrap().conditions.unwrap();
            for condition in &conditions {
                let flipped = before.iter().find(|old| old.type_ == condition.type_).is_none_or(|old| old.status != condition.status);
                let moved = condition.last_transition_time.as_ref().unwrap().0 == at(now);
                prop_assert_eq!(flipped, moved, "{:?}", condition);
            }
            before = conditions;
        }
        (operator.failure, operator.required, operator.blocked) = (None, Required::Done, None);
        operator.pass(100);
        operator.pass(101);
        for (type_, wanted) in [(AVAILABLE, "True"), (PROGRESSING, "False"), (DEGRADED, "False"), (UPGRADEABLE, "True")] {
            prop_assert!(operator.says(type_).starts_with(wanted), "{} {}", type_, operator.says(type_));
        }
        let settled = operator.object.clone();
        operator.pass(102);
        prop_assert_eq!(settled, operator.object);
    }
}

#[test]
fn streams_reports_of_nodes_and_our_own_rights_are_collected_for_support() {
    let related = related::related_objects();
    for (resource, name) in [
        ("osimagestreams", ""),
        ("machineconfignodes", ""),
        ("clusterroles", "weir-operator"),
        ("clusterrolebindings", "weir-controller"),
    ] {
        assert!(related.iter().any(|object| object.resource == resource && object.name == name), "{resource} {name}");
    }
    let kinds = related.iter().map(|object| (&object.group, &object.resource, &object.name));
    assert_eq!(kinds.collect::<std::collections::BTreeSet<_>>().len(), related.len());
}

#[test]
fn what_is_no_longer_waited_for_is_taken_out() {
    let object: ClusterOperator = serde_json::from_value(json!({
        "metadata": {"name": "machine-config", "resourceVersion": "7"},
        "status": {"extension": {"gone": "x", "worker": "y", "lastSyncError": "z"}},
    }))
    .unwrap();
    let new = ClusterOperatorStatus { extension: Some(json!({"worker": "y"})), ..ClusterOperatorStatus::default() };
    let patch = status_patch(&object, &new);
    assert_eq!(patch["status"]["extension"], json!({"gone": null, "lastSyncError": null, "worker": "y"}));
    assert_eq!(patch["metadata"], json!({"resourceVersion": "7"}));
}

#[test]
fn generated_configs_that_no_longer_fit_are_named_last_of_all() {
    let pool = |name: String, status: &str| -> MachineConfigPool {
        let stale =
            json!({"type": "GeneratedConfigsStale", "status": status, "message": "98-x is of other feature gates"});
        serde_json::from_value(json!({"metadata": {"name": name}, "status": {"conditions": [stale]}})).unwrap()
    };
    let says = |pools: &[MachineConfigPool], required: &Required| {
        let pools: Vec<_> = pools.iter().map(PoolView::new).collect();
        let view = ClusterStatusView {
            object: None,
            version: "5.0.0",
            image: "",
            failure: None,
            required,
            blocked: None,
            evaluation: &[],
            pools: &pools,
        };
        let status = cluster_status(&view, at(1)).status.unwrap();
        let degraded = find(status.conditions.as_deref().unwrap(), DEGRADED).unwrap().clone();
        (degraded.reason.unwrap_or_default(), degraded.message.unwrap_or_default())
    };
    let stale = [pool("master".to_owned(), "True"), pool("worker".to_owned(), "False")];
    let (reason, message) = says(&stale, &Required::Done);
    assert_eq!(reason, "GeneratedConfigsStale");
    assert!(message.ends_with(": pool master: 98-x is of other feature gates"), "{message}");
    assert_eq!(says(&stale, &failed()).0, "RequiredPoolsFailed");
    assert_eq!(says(&stale[1..], &Required::Done).0, "");
    let many: Vec<_> = (0..100).map(|number| pool(format!("p{number}"), "True")).collect();
    let (_, message) = says(&many, &Required::Done);
    assert!(message.ends_with("; and 97 more pools"), "{message}");
}

#[test]
fn what_another_process_found_is_read_from_the_pools() {
    let said = |conditions: Value, deleted: Value| {
        let list = pools(json!([
            {"metadata": {"name": "infra", "deletionTimestamp": deleted}, "status": {"conditions": conditions}},
            {"metadata": {"name": "worker"}, "status": {"conditions": [{"type": "DistributionMismatch", "status": "False"}]}},
        ]));
        let views: Vec<_> = list.iter().map(PoolView::new).collect();
        Failure::of_pools(&views).map(|failure| failure.to_string())
    };
    let not_made = json!({"type": "OSImageStreamNotMade", "status": "True", "message": "503 from registry"});
    let mismatch = json!({"type": "DistributionMismatch", "status": "True", "message": "this is another one"});
    assert_eq!(said(json!([]), Value::Null), None);
    assert_eq!(said(json!([not_made]), Value::Null).unwrap(), "503 from registry");
    let both = said(json!([not_made, mismatch]), Value::Null).unwrap();
    assert!(both.starts_with("this is another one; no rollout starts until"), "{both}");
    assert_eq!(said(json!([not_made, mismatch]), json!("2026-01-01T00:00:00Z")), None);
}
