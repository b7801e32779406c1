use super::*;
use k8s_openapi::api::{
    core::v1::{Node, Pod},
    policy::v1::PodDisruptionBudget,
};
use proptest::prelude::*;

/// Objects of a case and the memory between two looks.
struct Scene {
    node: Value,
    pods: Vec<Value>,
    budgets: Vec<Value>,
    daemon_sets: Option<BTreeSet<(&'static str, &'static str)>>,
    reported: bool,
    tried: Tried,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn scene(asked: &str, applied: &str) -> Scene {
    let annotations = json!({
        "machineconfiguration.openshift.io/desiredDrain": asked,
        "machineconfiguration.openshift.io/lastAppliedDrain": applied,
    });
    Scene {
        node: json!({"metadata": {"name": "a", "annotations": annotations}, "spec": {}}),
        pods: Vec::new(),
        budgets: Vec::new(),
        daemon_sets: None,
        reported: false,
        tried: Tried::default(),
    }
}

fn pod(name: &str, extra: Value) -> Value {
    let mut pod = json!({
        "metadata": {"namespace": "ns", "name": name, "uid": format!("uid-{name}"), "labels": {"app": name}},
        "spec": {"nodeName": "a"},
    });
    merge(&mut pod, &extra);
    pod
}

fn budget(name: &str, app: &str, allowed: i32) -> Value {
    json!({
        "metadata": {"namespace": "ns", "name": name}, "spec": {"selector": {"matchLabels": {"app": app}}},
        "status": {"disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1},
    })
}

/// A merge patch, as RFC 7396 has it.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(target.as_object_mut().unwrap().entry(key).or_insert(Value::Null), value);
        }
    }
}

impl Scene {
    fn look(&self, now: i64) -> Option<NodeDrain> {
        let node: Node = serde_json::from_value(self.node.clone()).unwrap();
        let pods: Vec<Pod> = serde_json::from_value(json!(self.pods)).unwrap();
        let budgets: Vec<PodDisruptionBudget> = serde_json::from_value(json!(self.budgets)).unwrap();
        let pods: Vec<_> = pods.iter().map(PodView::new).collect();
        let budgets: Vec<_> = budgets.iter().map(BudgetView::new).collect();
        let view = DrainView {
            node: &NodeView::new(&node),
            pods: &pods.iter().collect::<Vec<_>>(),
            budgets: &budgets,
            daemon_sets: self.daemon_sets.as_ref(),
            cordon_reported: self.reported,
            tried: &self.tried,
        };
        drain(&view, at(now))
    }

    /// Carries a step out and says what was done; evictions are answered by `answer`.
    fn act(&mut self, now: i64, answer: impl Fn(&str) -> Option<Answer>) -> String {
        let Some(plan) = self.look(now) else { return "nothing".to_owned() };
        let node: Node = serde_json::from_value(self.node.clone()).unwrap();
        if let Some(patch) = plan.step.patch(&NodeView::new(&node), &plan.asked, at(now)) {
            merge(&mut self.node, &patch);
        }
        if let Some(notice) = &plan.notice {
            self.tried.told = Some((plan.stage, at(now), notice.who.clone()));
            assert!(!notice.message.is_empty());
        }
        let Step::Evict { pods } = &plan.step else { return words(&plan.step) };
        for PodName { uid, name, .. } in pods {
            match answer(name) {
                Some(answer) => self.tried.evicted(uid, answer, at(now)),
                None => self.pods.retain(|pod| pod["metadata"]["name"] != **name),
            }
        }
        words(&plan.step)
    }
}

fn words(step: &Step) -> String {
    match step {
        Step::Evict { pods } => format!("evict {}", pods.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(" ")),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn gone(_: &str) -> Option<Answer> {
    None
}

fn blocked(_: &str) -> Option<Answer> {
    Some(Answer::Blocked("Cannot evict pod as it would violate the pod's disruption budget.".to_owned()))
}

fn refused(_: &str) -> Option<Answer> {
    Some(Answer::Refused("Cannot evict pod as it would violate the pod's disruption budget.".to_owned()))
}

#[test]
fn from_the_request_to_the_uncordon() {
    let mut scene = scene("drain-r1", "");
    scene.pods = vec![pod("b", json!({})), pod("a", json!({})), pod("other", json!({"spec": {"nodeName": "z"}}))];
    assert_eq!(scene.act(0, gone), "begin { foreign: false }");
    assert_eq!(scene.node["spec"]["unschedulable"], true);
    assert_eq!(scene.act(1, gone), "evict a b");
    assert_eq!(scene.act(2, gone), "drained");
    assert_eq!(scene.act(3, gone), "nothing");
    merge(
        &mut scene.node,
        &json!({"metadata": {"annotations": {"machineconfiguration.openshift.io/desiredDrain": "uncordon-r1"}}}),
    );
    assert_eq!(scene.act(4, gone), "uncordoned { foreign: false }");
    assert_eq!(scene.node["spec"], json!({}), "in the same write");
    assert_eq!(scene.act(6, gone), "nothing");
    let left = json!({
        "machineconfiguration.openshift.io/desiredDrain": "uncordon-r1",
        "machineconfiguration.openshift.io/lastAppliedDrain": "uncordon-r1",
    });
    assert_eq!(scene.node["metadata"]["annotations"], left);
    assert_eq!(scene.node["spec"], json!({}));
}

#[test]
fn which_pods_go() {
    let owner = |kind: &str, name: &str, controller: bool| {
        json!({"metadata": {"ownerReferences": [
            {"apiVersion": "v1", "kind": kind, "name": name, "uid": "u", "controller": controller},
        ]}})
    };
    let mirror = json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}});
    let mut finished_daemon = owner("DaemonSet", "ds", true);
    merge(&mut finished_daemon, &json!({"status": {"phase": "Failed"}}));
    let mut finished_mirror = mirror.clone();
    merge(&mut finished_mirror, &json!({"status": {"phase": "Succeeded"}}));
    let cases = [
        ("without a controller", json!({}), true),
        ("of a ReplicaSet", owner("ReplicaSet", "rs", true), true),
        ("with local data", json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}), true),
        ("finished", json!({"status": {"phase": "Succeeded"}}), true),
        ("mirror", mirror, false),
        ("finished mirror", finished_mirror, false),
        ("of a DaemonSet", owner("DaemonSet", "ds", true), false),
        ("of a DaemonSet that is gone", owner("DaemonSet", "old", true), true),
        ("finished, of a DaemonSet", finished_daemon, true),
        ("owned but not controlled by a DaemonSet", owner("DaemonSet", "ds", false), true),
    ];
    for (what, extra, goes) in cases {
        let mut scene = scene("drain-r1", "");
        scene.daemon_sets = Some([("ns", "ds"), ("elsewhere", "old")].into());
        scene.pods = vec![pod("p", extra)];
        scene.act(0, gone);
        assert_eq!(scene.act(1, gone) == "evict p", goes, "{what}");
    }
}

#[test]
fn a_refusal_is_asked_again_and_named() {
    let mut scene = scene("drain-r1", "");
    scene.pods = vec![pod("a", json!({})), pod("b", json!({})), pod("c", json!({}))];
    scene.budgets = vec![budget("keep-a", "a", 0), budget("also-a", "a", 0), budget("keep-b", "b", 0)];
    scene.act(0, gone);
    assert_eq!(scene.act(1, refused), "evict a b c");
    assert_eq!(scene.act(5, refused), "wait");
    assert_eq!(scene.act(6, refused), "evict a b c");
    let plan = scene.look(7).unwrap();
    assert_eq!((plan.stage, plan.notice, plan.next), (Stage::Fresh, None, Some(at(11))));
    let said: Vec<_> = plan.blockers.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "pod ns/a: budgets keep-a, also-a allow no disruption, since 1970-01-01T00:00:01Z",
            "pod ns/b: budget keep-b allows no disruption, since 1970-01-01T00:00:01Z",
            "pod ns/c: eviction is refused (Cannot evict pod as it would violate the pod's disruption budget.), since 1970-01-01T00:00:01Z",
        ]
    );
}

#[test]
fn a_slow_drain_asks_less_often_until_a_budget_allows_it() {
    let mut scene = scene("drain-r1", "");
    scene.pods = vec![pod("a", json!({}))];
    scene.budgets = vec![budget("keep", "a", 0)];
    scene.act(0, gone);
    scene.act(595, refused);
    assert_eq!(scene.act(600, refused), "evict a");
    assert_eq!(scene.act(601, refused), "wait");
    assert_eq!(scene.act(899, refused), "wait");
    assert_eq!(scene.act(900, refused), "evict a");
    scene.budgets = vec![budget("keep", "a", 1)];
    assert_eq!(scene.act(900, refused), "wait");
    assert_eq!(scene.act(901, gone), "evict a");
    assert_eq!(scene.act(902, gone), "drained");
}

#[test]
fn a_slow_drain_goes_on_at_once_when_the_budget_in_its_way_is_gone() {
    let mut scene = scene("drain-r1", "");
    scene.pods = vec![pod("a", json!({}))];
    scene.budgets = vec![budget("keep", "a", 0)];
    scene.act(0, gone);
    scene.act(600, blocked);
    assert_eq!(scene.act(899, gone), "wait");
    scene.budgets.clear();
    assert_eq!(scene.act(899, gone), "evict a");
    // Without a budget it was another refusal, such as that of a busy server.
    let mut scene = self::scene("drain-r1", "");
    scene.pods = vec![pod("a", json!({}))];
    scene.act(0, gone);
    scene.act(600, |_| Some(Answer::Refused("busy".to_owned())));
    assert_eq!(scene.act(899, gone), "wait");
    assert_eq!(scene.act(900, gone), "evict a");
}

#[test]
fn an_eviction_without_an_answer_is_tried_again_soon_also_in_a_slow_drain() {
    let mut scene = scene("drain-r1", "");
    scene.pods = vec![pod("a", json!({}))];
    scene.act(0, gone);
    scene.act(700, |_| Some(Answer::Unanswered("connection reset".to_owned())));
    let plan = scene.look(701).unwrap();
    assert_eq!((plan.stage, plan.next), (Stage::Slow, Some(at(705))));
    assert_eq!(scene.act(704, gone), "wait");
    assert_eq!(scene.act(705, gone), "evict a");
}

#[test]
fn pods_are_listed_every_second_only_while_one_of_them_may_be_stopping() {
    let told = |answer: Option<Answer>, extra: &Value| {
        let mut scene = scene("drain-r1", "");
        let of_set = json!({"ownerReferences": [{"controller": true, "kind": "DaemonSet", "name": "d"}]});
        scene.pods = vec![pod("a", extra.clone()), pod("b", json!({})), pod("d", json!({"metadata": of_set}))];
        scene.act(0, gone);
        scene.act(10, |name| if name == "a" { answer.clone() } else { blocked(name) });
        let plan = scene.look(11).unwrap();
        let node: Node = serde_json::from_value(scene.node.clone()).unwrap();
        let pods: Vec<Pod> = serde_json::from_value(json!(scene.pods)).unwrap();
        let pods: Vec<_> = pods.iter().map(PodView::new).collect();
        let needed = |now| needs_pods(&NodeView::new(&node), Some((&pods, at(10))), &scene.tried, at(now));
        assert!(!needed(10) && needed(15) && needed(9), "no list is kept for longer, or is of a time to come");
        let expected = if needed(11) { SignedDuration::from_secs(1) } else { SignedDuration::from_secs(5) };
        assert_eq!(plan.list_again, expected);
        assert!(plan.again(at(11)) <= Some(at(11) + expected));
        needed(11)
    };
    let stops = json!({"metadata": {"deletionTimestamp": "1970-01-01T00:00:30Z"}});
    for (answer, extra, soon) in [
        (blocked(""), json!({}), false),
        (refused(""), json!({}), false),
        (Some(Answer::Failed("no".to_owned())), json!({}), false),
        (Some(Answer::Accepted), json!({}), true),
        (Some(Answer::Unanswered("reset".to_owned())), json!({}), true),
        (blocked(""), stops, true),
    ] {
        assert_eq!(told(answer.clone(), &extra), soon, "{answer:?} {extra}");
    }
}

#[test]
fn users_are_told_at_each_stage_and_then_every_five_minutes() {
    let mut scene = scene("drain-r1", "");
    scene.pods = vec![pod("a", json!({}))];
    scene.act(0, gone);
    let mut told = Vec::new();
    for now in 0..=4500 {
        if let Some(notice) = scene.look(now).unwrap().notice {
            told.push((now, notice.reason));
        }
        scene.act(now, refused);
    }
    assert_eq!(
        told[..5],
        [
            (90, "DrainBlocked"),
            (601, "DrainThresholdExceeded"),
            (901, "DrainThresholdExceeded"),
            (1201, "DrainThresholdExceeded"),
            (1501, "DrainThresholdExceeded"),
        ]
    );
    assert_eq!(
        told[10..],
        [(3301, "DrainThresholdExceeded"), (3601, "DrainFailed"), (3901, "DrainFailed"), (4201, "DrainFailed")]
    );
}

#[test]
fn a_cordon_of_somebody_else_stays() {
    let mut scene = scene("drain-r1", "");
    scene.node["spec"]["unschedulable"] = json!(true);
    assert_eq!(scene.act(0, gone), "begin { foreign: true }");
    assert_eq!(scene.act(1, gone), "drained");
    scene.node["metadata"]["annotations"]["machineconfiguration.openshift.io/desiredDrain"] = json!("uncordon-r1");
    assert_eq!(scene.act(2, gone), "uncordoned { foreign: true }");
    assert_eq!(scene.act(3, gone), "nothing");
    assert_eq!(scene.node["spec"]["unschedulable"], true);
}

#[test]
fn a_cordon_of_an_earlier_controller_is_taken_over() {
    let mut scene = scene("drain-r1", "");
    scene.node["spec"]["unschedulable"] = json!(true);
    scene.reported = true;
    assert_eq!(scene.act(0, gone), "begin { foreign: false }");
    // It drained the node as well, and the machine is back.
    let mut scene = self::scene("uncordon-r1", "drain-r1");
    scene.node["spec"]["unschedulable"] = json!(true);
    assert_eq!(scene.act(0, gone), "uncordoned { foreign: false }");
    // An update without a drain: the cordon is an administrator's.
    let mut scene = self::scene("uncordon-r1", "uncordon-r0");
    scene.node["spec"]["unschedulable"] = json!(true);
    assert_eq!(scene.act(0, gone), "uncordoned { foreign: true }");
}

#[test]
fn uncordoned_behind_our_back_begins_anew() {
    let mut scene = scene("drain-r1", "");
    scene.pods = vec![pod("a", json!({}))];
    scene.act(0, refused);
    scene.act(1, refused);
    scene.node["spec"] = json!({});
    assert_eq!(scene.act(700, refused), "begin { foreign: false }");
    assert_eq!(scene.look(701).unwrap().started, Some(at(700)));
    assert_eq!(scene.look(701).unwrap().stage, Stage::Fresh);
}

#[test]
fn a_failed_write_is_tried_again_with_growing_pauses() {
    let mut scene = scene("drain-r1", "");
    let mut asked = Vec::new();
    for now in 0..400 {
        if scene.look(now).unwrap().step == (Step::Begin { foreign: false }) {
            asked.push(now);
            scene.tried.written(Err("no".to_owned()), at(now));
        }
    }
    assert_eq!(asked, [0, 10, 30, 70, 130, 190, 250, 310, 370]);
    scene.tried.written(Ok(()), at(400));
    assert_eq!(scene.tried.write, None);
}

#[test]
fn nothing_or_nonsense_asked() {
    for (asked, applied, wanted) in [
        ("", "", "nothing"),
        ("", "drain-r1", "nothing"),
        ("drain-r1", "drain-r1", "nothing"),
        ("reboot-r1", "", "unknown { verb: \"reboot\" }"),
        ("drain", "", "begin { foreign: false }"),
    ] {
        assert_eq!(scene(asked, applied).act(0, gone), wanted, "{asked:?} {applied:?}");
    }
}

#[test]
fn a_clock_set_back_delays_nobody() {
    let mut scene = scene("drain-r1", "");
    scene.pods = vec![pod("a", json!({}))];
    scene.act(100_000, refused);
    scene.act(100_001, refused);
    // The start is yet to come: the drain starts over, and whoever waits for it hears of it as of any other.
    assert_eq!(scene.act(50, refused), "begin { foreign: false }");
    assert_eq!(scene.act(51, refused), "evict a");
    let plan = scene.look(51).unwrap();
    assert_eq!((plan.stage, plan.next), (Stage::Fresh, Some(at(56))));
    assert_eq!(scene.look(141).unwrap().notice.unwrap().reason, "DrainBlocked");
}

#[test]
fn users_are_told_before_ten_minutes_are_over_if_something_else_is_in_the_way() {
    let mut scene = scene("drain-r1", "");
    scene.pods = vec![pod("a", json!({}))];
    let mut told = Vec::new();
    for now in 0..=599 {
        if let Some(notice) = scene.look(now).unwrap().notice {
            told.push((now, notice.who.contains("pod ns/b")));
        }
        if now == 200 {
            scene.pods.push(pod("b", json!({})));
        }
        scene.act(now, refused);
    }
    assert_eq!(told, [(90, false), (390, true)]);
}

#[test]
fn users_are_told_again_of_a_drain_that_starts_over_because_the_clock_was_set_back() {
    let mut scene = scene("drain-r1", "");
    scene.pods = vec![pod("a", json!({}))];
    for now in 5_000..=5_100 {
        scene.act(now, refused);
    }
    assert!(scene.tried.told.is_some());
    let mut told = Vec::new();
    for now in 0..=200 {
        if let Some(notice) = scene.look(now).unwrap().notice {
            told.push((now, notice.reason));
        }
        scene.act(now, refused);
    }
    assert_eq!(told, [(90, "DrainBlocked")]);
}

#[test]
fn a_start_by_a_clock_that_is_a_little_ahead_stays() {
    let mut scene = scene("drain-r1", "");
    scene.pods = vec![pod("a", json!({}))];
    scene.act(89, refused);
    assert_eq!(scene.act(0, refused), "evict a");
}

#[test]
fn every_write_is_of_the_node_that_was_decided_about() {
    let node: Node = serde_json::from_value(json!({"metadata": {"name": "n", "resourceVersion": "7"}})).unwrap();
    let steps = [
        Step::Begin { foreign: false },
        Step::Begin { foreign: true },
        Step::Drained,
        Step::Uncordoned { foreign: false },
    ];
    for step in steps {
        let patch = step.patch(&NodeView::new(&node), "drain-r1", at(0)).unwrap();
        assert_eq!(patch["metadata"]["resourceVersion"], "7", "{step}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Happening {
    Pass,
    Refuse,
    Fail,
    Lose,
    Restart,
    UncordonByHand,
    NewPod,
    ClockBack,
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::{ClockBack, Fail, Lose, NewPod, Pass, Refuse, Restart, UncordonByHand};
    prop_oneof![
        6 => Just(Pass), 3 => Just(Refuse), 2 => Just(Fail), 2 => Just(Lose), 1 => Just(Restart), 1 => Just(UncordonByHand),
        1 => Just(NewPod), 1 => Just(ClockBack),
    ]
}

proptest! {
    /// Whatever happens: said to be drained only without pods and cordoned, ends drained once nothing is in the way, and
    /// afterwards the cordon is gone exactly when it was ours.
    #[test]
    fn always_ends_and_never_lies(happenings in prop::collection::vec((happening(), 1_i64..400), 0..40), cordoned: bool) {
        let mut scene = scene("drain-r1", "");
        if cordoned {
            scene.node["spec"]["unschedulable"] = json!(true);
        }
        scene.pods = vec![pod("a", json!({})), pod("b", json!({}))];
        let (mut now, mut by_hand) = (1_000_000, false);
        for (index, (what, pause)) in happenings.into_iter().enumerate() {
            now += pause;
            let before = scene.node["metadata"]["annotations"]["machineconfiguration.openshift.io/lastAppliedDrain"].clone();
            if before == "drain-r1" {
                break;
            }
            let done = match what {
                Happening::Pass => scene.act(now, gone),
                Happening::Refuse => scene.act(now, refused),
                Happening::Fail => scene.act(now, |_| Some(Answer::Failed("broken".to_owned()))),
                Happening::Lose => scene.act(now, |_| Some(Answer::Unanswered("lost".to_owned()))),
                Happening::Restart => { scene.tried = Tried::default(); String::new() }
                Happening::UncordonByHand => { scene.node["spec"] = json!({}); by_hand = true; String::new() }
                Happening::NewPod => { scene.pods.push(pod(&format!("n{index}"), json!({}))); String::new() }
                Happening::ClockBack => { now -= 100_000; String::new() }
            };
            if done == "drained" {
                prop_assert!(scene.pods.is_empty() && scene.node["spec"]["unschedulable"] == true);
            }
        }
        for _ in 0..10 {
            now += 300;
            scene.act(now, gone);
        }
        prop_assert_eq!(scene.act(now, gone), "nothing");
        scene.node["metadata"]["annotations"]["machineconfiguration.openshift.io/desiredDrain"] = json!("uncordon-r1");
        for _ in 0..3 {
            scene.act(now, gone);
        }
        prop_assert_eq!(scene.act(now, gone), "nothing");
        let stays = scene.node["spec"]["unschedulable"] == true;
        prop_assert_eq!(stays, cordoned && !by_hand, "{}", scene.node);
    }
}
