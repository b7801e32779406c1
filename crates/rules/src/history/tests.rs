use super::*;
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use serde_json::json;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

fn look(former: &str, target: &str, updated: bool) -> PoolLook {
    PoolLook { target: target.into(), former: former.into(), updated }
}

/// A node with these annotations beside `currentConfig` and `desiredConfig`.
fn node(name: &str, configs: [&str; 2], more: &[(&str, &str)]) -> Node {
    let key = |name: &str| format!("machineconfiguration.openshift.io/{name}");
    let state = if configs[0] == configs[1] { "Done" } else { "Working" };
    let mut annotations =
        json!({key("currentConfig"): configs[0], key("desiredConfig"): configs[1], key("state"): state});
    for (name, value) in more {
        annotations[key(name)] = json!(value);
    }
    serde_json::from_value(json!({"metadata": {"name": name, "annotations": annotations}})).unwrap()
}

fn passes(history: &mut History, name: &str, boots: &[&str]) -> Vec<Again> {
    let going = ["r1", "r2"];
    let steps = [
        (0, node(name, going, &[]), boots[0]),
        (1, node(name, going, &[("desiredDrain", "drain-r2")]), boots[0]),
        (31, node(name, going, &[("desiredDrain", "drain-r2"), ("lastAppliedDrain", "drain-r2")]), boots[0]),
        (41, node(name, going, &[("post-config-action", "Rebooting")]), boots[0]),
        (101, node(name, going, &[("desiredDrain", "uncordon-r2"), ("lastAppliedDrain", "drain-r2")]), boots[1]),
        (105, node(name, going, &[]), boots[boots.len() - 1]),
        (110, node(name, ["r2", "r2"], &[]), boots[boots.len() - 1]),
        (120, node(name, ["r2", "r2"], &[]), boots[boots.len() - 1]),
    ];
    let mut told = Vec::new();
    for (second, node, boot) in steps {
        told.extend(history.node(&NodeView::new(&node), None, boot, at(second)).1);
    }
    told
}

#[test]
fn a_rollout_from_its_first_node_to_its_last() {
    let mut history = History::default();
    assert_eq!(history.follow(&look("", "r1", false), at(0)), Turn::default(), "the first configuration is none");
    assert_eq!(history.follow(&look("r1", "r1", true), at(0)), Turn::default());
    assert_eq!(history.follow(&look("r1", "r2", false), at(0)), Turn { began: true, ended: false });
    assert_eq!(history.follow(&look("r1", "r2", false), at(1)), Turn::default());
    let changed = Changed {
        object: "machineconfig/m".into(),
        what: vec!["file /etc/a".into(); 12],
        more: 0,
        manager: None,
        at: None,
    };
    history.caused_by(Causes::of(vec![changed; 30]), [Some("a".to_owned()), Some("b".to_owned())]);
    assert_eq!(passes(&mut history, "a", &["x", "y"]), []);
    let done = history.rollouts[0].each["a"].clone();
    let took: Vec<_> = done.phases.iter().map(|(phase, took)| (phase.word(), took / 1000)).collect();
    assert_eq!(took, [("drain", 30), ("apply", 11), ("reboot", 60), ("ready", 9)]);
    assert_eq!((done.took(at(999)), done.reboots, done.ended), (110_000, 1, Some(at(110))));
    assert_eq!(history.follow(&look("r2", "r2", true), at(130)), Turn { began: false, ended: true });
    let rollout = &history.rollouts[0];
    assert_eq!((rollout.result, rollout.nodes, rollout.reboots, rollout.again), (Outcome::Done, 1, 1, 0));
    assert_eq!((rollout.changed.len(), rollout.total.median), (NAMED, 110_000));
    assert_eq!(rollout.phases[&Phase::Reboot], Quantiles { count: 1, median: 60_000, ninety: 60_000, longest: 60_000 });
    let again = History::of_text(&history.text().unwrap()).unwrap();
    assert_eq!(again, history);
    let text = of_pool(&history, at(0));
    assert!(
        text.starts_with("2026-01-01T00:00:00Z: r1 to r2, stream a to b; done after 2m 10s, 1 node, 1 reboot\n"),
        "{text}"
    );
    assert!(text.contains("file /etc/a, file /etc/a and 2 more\n  and 20 more objects\n"), "{text}");
    let pools = BTreeMap::from([("worker".to_owned(), history)]);
    assert_eq!(left_out(&pools), "");
    assert_eq!(
        of_node(&pools, "a", at(0)),
        "a in pool worker, to r2: done after 1m 50s (drain 30s, apply 11s, reboot 1m, ready 9s), 1 reboot\n"
    );
}

#[test]
fn a_second_reboot_for_one_intent_is_told_once() {
    let mut history = History::default();
    history.follow(&look("r1", "r2", false), at(0));
    let told = passes(&mut history, "a", &["x", "y", "z"]);
    assert_eq!(told, [Again { config: "r2".into(), reboots: 2 }]);
    history.follow(&look("r2", "r2", true), at(130));
    assert_eq!((history.rollouts[0].again, history.rollouts[0].reboots), (1, 2));
}

#[test]
fn another_target_supersedes_also_the_way_back() {
    let mut history = History::default();
    history.follow(&look("r1", "r2", false), at(0));
    assert_eq!(history.follow(&look("r1", "r3", false), at(5)), Turn { began: true, ended: true });
    assert_eq!(history.rollouts[1].from, "r1", "nobody went to r2");
    let told = node("a", ["r1", "r3"], &[]);
    history.node(&NodeView::new(&told), None, "x", at(6));
    history.follow(&look("r1", "r1", false), at(7));
    let last = history.rollouts.last().unwrap();
    assert_eq!((last.from.as_str(), last.to.as_str(), last.result), ("r3", "r1", Outcome::UnderWay));
    assert_eq!(history.follow(&look("r1", "r1", false), at(8)), Turn::default());
    assert_eq!(history.follow(&look("r1", "r1", true), at(9)), Turn { began: false, ended: true });
    let results: Vec<_> = history.rollouts.iter().map(|rollout| rollout.result).collect();
    assert_eq!(results, [Outcome::Superseded, Outcome::Superseded, Outcome::Done]);
    // Nodes by themselves are kept of the last one only.
    assert!(history.rollouts[..2].iter().all(|rollout| rollout.each.is_empty()));
}

#[test]
fn what_is_written_is_bounded() {
    let mut history = History::default();
    for turn in 0..KEPT + 20 {
        let [from, to] = [turn, turn + 1].map(|n| format!("r{n}"));
        history.follow(&look(&from, &to, false), at(0));
        history.follow(&look(&to, &to, true), at(1));
    }
    assert_eq!(history.rollouts.len(), KEPT);
    let mut large = History::default();
    large.follow(&look("r1", "r2", false), at(0));
    for number in 0..5000 {
        let told = node(&format!("worker-with-a-long-name-{number}"), ["r1", "r2"], &[]);
        large.node(&NodeView::new(&told), None, "boot", at(number));
    }
    let text = large.text().unwrap();
    assert!(text.len() <= LARGEST && text.len() > LARGEST / 4, "{}", text.len());
    let read = History::of_text(&text).unwrap();
    assert_eq!(read.rollouts[0].nodes, 5000);
    let told = read.rollouts[0].each.len();
    assert!(told > 100);
    let left = format!("of 5000 in the last rollout of pool worker, {} were left out for their size", 5000 - told);
    assert_eq!(left_out(&BTreeMap::from([("worker".to_owned(), read)])), left);
}

/// Neither what is damaged nor what a newer build wrote is taken for nothing.
#[test]
fn a_history_that_cannot_be_read_says_why() {
    let of = |text: &str| History::of_text(text).map_err(|error| error.to_string());
    assert_eq!(of("{\"rollouts\": []}"), Ok(History::default()), "as it was written before there were versions");
    assert_eq!(of("{\"version\": 1, \"rollouts\": []}"), Ok(History::default()));
    let newer = of("{\"version\": 2, \"rollouts\": {\"another\": \"form\"}}").unwrap_err();
    assert_eq!(newer, "it is of version 2, as a newer weir writes it, and version 1 is read");
    for damaged in
        ["", "{", "{\"rollouts\": 1}", "{\"version\": \"x\"}", "{\"rollouts\": [{\"result\": \"unheard of\"}]}"]
    {
        assert!(of(damaged).unwrap_err().starts_with("history.json in it is damaged: "), "{damaged}");
    }
    assert!(History::default().text().unwrap().starts_with("{\"version\":1,"));
    let map = |text: &str| serde_json::from_value(json!({"data": {KEY: text}})).unwrap();
    assert_eq!(of_map("worker", &ConfigMap::default()), Ok(None));
    let unread = of_map("worker", &map("{\"version\": 2}")).unwrap_err().to_string();
    let wanted = "the history of pool worker in ConfigMap weir-history-worker of openshift-machine-config-operator cannot be read: it is of \
                  version 2, as a newer weir writes it, and version 1 is read; use that weir; rollouts are not recorded until then";
    assert_eq!(unread, wanted);
    let unread = of_map("worker", &map("{")).unwrap_err().to_string();
    assert!(unread.contains("; correct it, or delete it to begin a new one; "), "{unread}");
}

#[test]
fn what_blocked_a_drain_is_cut_with_a_mark() {
    let (short, long) = ("é".repeat(BLOCKED_CHARACTERS), "é".repeat(BLOCKED_CHARACTERS + 1));
    assert_eq!((cut(&short), cut(&long)), (short.clone(), format!("{short}…")));
}

#[test]
fn quantiles_are_of_values_that_were_there() {
    assert_eq!(Quantiles::of(vec![]), Quantiles::default());
    let ten = Quantiles::of((1..=10).rev().collect());
    assert_eq!(ten, Quantiles { count: 10, median: 5, ninety: 9, longest: 10 });
    assert_eq!(Quantiles::of(vec![7, 3, 5]), Quantiles { count: 3, median: 5, ninety: 7, longest: 7 });
}

/// A controller that starts anew reads only the nodes that took longest; what was summed of all stays.
#[test]
fn sums_of_nodes_that_were_left_out_stay() {
    let total = json!({"count": 3, "median": 60_000, "ninety": 120_000, "longest": 130_000});
    let each = json!({"a": {
        "began": at(0), "ended": at(130), "phase": "ready", "since": at(130), "reboots": 1, "boot": "y", "failed": false,
        "phases": {"drain": 130_000},
    }});
    let mut history: History = serde_json::from_value(json!({"rollouts": [{
        "from": "r1", "to": "r2", "began": at(0), "result": "underWay", "nodes": 3, "failed": 1, "reboots": 4, "again": 1,
        "phases": {"drain": total}, "total": total, "each": each,
    }]}))
    .unwrap();
    assert_eq!(history.follow(&look("r2", "r2", true), at(140)), Turn { began: false, ended: true });
    let rollout = &history.rollouts[0];
    assert_eq!((rollout.nodes, rollout.failed, rollout.reboots, rollout.again), (3, 1, 4, 1));
    assert_eq!((rollout.total.count, rollout.total.median), (3, 60_000));
}

#[test]
fn a_history_waits_for_its_turn_but_for_no_time_of_a_clock_that_was_set_back() {
    for (since, now, wanted) in [(None, 7_000, 7_000), (Some(at(7_000)), 7_001, 7_030), (Some(at(7_000)), 100, 100)] {
        assert_eq!(due(since, at(now)), at(wanted), "{since:?} {now}");
    }
}
