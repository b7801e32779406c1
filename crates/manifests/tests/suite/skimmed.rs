//! What is not wanted is not parsed, and what is wanted is found however it is written.

use crate::tree::{POOL, Tree, node, pool, told};
use serde_json::{Value, json};
use std::path::Path;
use weir_manifests::{Limits, Reading, Rule, Want, read, read_within};

const WANTS: [Want<'static>; 3] =
    [Want::all(POOL), Want::all(("", "Node")), Want::labelled(("", "Pod"), "app", "operator")];

fn of_text(text: &str) -> (Vec<String>, Vec<String>) {
    told(Reading::of_text(Path::new("f"), text.as_bytes().to_vec(), Rule::Objects(&WANTS)))
}

fn pod(name: &str, app: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "x", "labels": {"app": app}}})
}

/// As clients of API servers write it.
fn block(objects: &[&str]) -> String {
    let items = objects.iter().map(|object| format!("- {}\n", object.replace('\n', "\n  ")));
    format!("apiVersion: v1\nitems:\n{}kind: List\nmetadata:\n  resourceVersion: \"\"\n", items.collect::<String>())
}

const NODE: &str = "apiVersion: v1\nkind: Node\nmetadata:\n  name: a\n  note: |\n    kind: Secret\n\n    - x";
const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\ndata: [";

#[test]
fn what_is_not_wanted_is_not_parsed() {
    let broken = "apiVersion: v1\nkind: Event\nmetadata: [";
    let inner = broken.replace('\n', "\n  ");
    assert_eq!(of_text(&format!("{NODE}\n---\n{broken}\n---\n{}", node("b", 1))).0, ["Node a", "Node b"]);
    assert_eq!(of_text(broken).1, [""; 0]);
    // Neither are items.
    assert_eq!(of_text(&block(&[SECRET, NODE])), (vec!["Node a".to_owned()], vec![]));
    assert_eq!(of_text(&format!("apiVersion: v1\nitems:\n- {inner}\nkind: EventList\n")).1, [""; 0]);
    // Broken as well, and wanted; or of a kind that nobody can tell.
    for text in ["kind: Node\na: [", "kind: [", "kind: Event\nkind: Event\na: [", "kind:\n  Event\na: ["] {
        assert_eq!(of_text(text).1.len(), 1, "{text}");
    }
    let slip = "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfigPol\n";
    assert!(of_text(slip).1[0].contains("has no such kind"));
    assert!(of_text(&block(&[slip])).1[0].contains("has no such kind"));
}

#[test]
fn however_lists_are_written_their_items_are_found() {
    let (first, second) = (node("a", 1), pool("w", 1));
    let (secret, odd) = (json!({"kind": "Secret", "data": [1]}), json!({"kind": "Other", "items": [{"kind": "Node"}]}));
    let list = json!({"kind": "List", "items": [first, secret, odd, second]});
    let nodes = json!({"kind": "NodeList", "apiVersion": "v1", "items": [{"metadata": {"name": "a"}}, node("b", 1)]});
    let flow = "kind: List\nitems: [{apiVersion: v1, kind: Node, metadata: {name: a}}]\n";
    let anchors = "kind: List\nitems:\n- &n\n  apiVersion: v1\n  kind: Node\n  metadata: {name: a}\n- *n\n";
    let indented = "kind: List\nitems:\n  - apiVersion: v1\n    kind: Node\n    metadata: {name: a}\n";
    let deep = "kind: List\nitems:\n-   apiVersion: v1\n    kind: 'Node' # a machine\n    metadata: {name: a}\n";
    let bare = "apiVersion: v1\nkind: \"NodeList\"\nitems:\n- metadata:\n    name: a\n\n# b\n- metadata: {name: b}\n";
    let crlf = "kind: List\r\nitems:\r\n- apiVersion: v1\r\n  kind: Node\r\n  metadata: {name: a}\r\n";
    for (text, wanted) in [
        (list.to_string(), vec!["Node a", "MachineConfigPool w"]),
        (format!("{list:#}"), vec!["Node a", "MachineConfigPool w"]),
        (nodes.to_string(), vec!["Node a", "Node b"]),
        (format!("{} {nodes}", pool("w", 1)), vec!["MachineConfigPool w", "Node a", "Node b"]),
        (block(&[NODE]), vec!["Node a"]),
        (flow.to_owned(), vec!["Node a"]),
        (anchors.to_owned(), vec!["Node a"]),
        (indented.to_owned(), vec!["Node a"]),
        (deep.to_owned(), vec!["Node a"]),
        (bare.to_owned(), vec!["Node a", "Node b"]),
        (crlf.to_owned(), vec!["Node a"]),
        ("kind: List\nitems: []\n".to_owned(), vec![]),
        ("kind: NodeList\nitems:\n".to_owned(), vec![]),
        ("{}".to_owned(), vec![]),
    ] {
        let (titles, errors) = of_text(&text);
        let odd = usize::from(text == "{}");
        assert_eq!(
            (titles, errors.len()),
            (wanted.into_iter().map(str::to_owned).collect(), odd),
            "{text}: {errors:?}"
        );
    }
}

#[test]
fn of_pods_those_with_the_label() {
    let list = json!({"kind": "PodList", "apiVersion": "v1", "items": [
        pod("a", "operator"), pod("b", "other"), pod("operator", "c"),
    ]});
    for text in [list.to_string(), weir_manifests::to_yaml(&[list]).unwrap()] {
        assert_eq!(of_text(&text), (vec!["Pod a".to_owned()], vec![]), "{text}");
    }
    assert_eq!(of_text(&pod("b", "other").to_string()).0, [""; 0]);
    assert_eq!(of_text(&pod("b", "operator").to_string()).0, ["Pod b"]);
}

#[test]
fn an_item_that_is_wrong_hides_no_other_and_says_its_line() {
    let text = block(&[NODE, "kind: Node\nmetadata: [", NODE.replace("name: a", "name: b").as_str()]);
    let (titles, errors) = of_text(&text);
    assert_eq!(titles, ["Node a", "Node b"]);
    let line = text.lines().position(|line| line.ends_with("metadata: [")).unwrap() + 1;
    let said = errors[0].strip_prefix("f: document 1 (line 1), item 2: line ").unwrap();
    let told: usize = said.split(':').next().unwrap().parse().unwrap();
    assert!((line..=line + 1).contains(&told), "{line}: {errors:?}");
    let (titles, errors) = of_text("{\"kind\": \"List\",\n\"items\": [{\"kind\": \"Node\",\n\"a\": 1e999}]}");
    assert_eq!(titles, [""; 0]);
    assert_eq!(errors, ["f: document 1 (line 1), item 1: line 3: number out of range (column 10)"]);
    // After its items a list goes on.
    assert_eq!(of_text(&format!("{}{{", block(&[NODE]))).1.len(), 1);
}

/// What a message counts is what is there, parsed or not.
#[test]
fn what_is_not_parsed_is_counted() {
    let tree = Tree::new();
    tree.put("events.json", &json!({"kind": "EventList", "apiVersion": "v1", "items": [{}, {}]}).to_string());
    tree.put("events.yaml", "apiVersion: v1\nitems:\n- a: [\n- a: [\n- a: [\nkind: EventList\n");
    tree.put("list.yaml", &block(&[NODE, SECRET]));
    tree.put("config.yaml", "apiVersion: v1\nkind: ConfigMap\n");
    let seen = read(&[tree.path()], Rule::Objects(&WANTS)).each(|_| anyhow::Ok(())).unwrap();
    let said = seen.need(POOL).unwrap_err().to_string();
    let found = "found 5 Event, 1 ConfigMap, 1 Node, 1 Secret in 4 files";
    assert!(said.ends_with(found), "{said}");
}

fn pool_of(uid: &str) -> String {
    let mut pool = pool("worker", 1);
    pool["metadata"]["uid"] = uid.into();
    pool.to_string()
}

#[test]
fn a_clusters_own_objects_show_that_there_are_two() {
    let version = |uid: &str, version: u32| {
        json!({
            "apiVersion": "config.openshift.io/v1", "kind": "ClusterVersion",
            "metadata": {"name": "version", "uid": uid, "resourceVersion": version.to_string()},
        })
    };
    let wants = [Want::all(("config.openshift.io", "ClusterVersion")), Want::all(("", "Node"))];
    let tree = Tree::new();
    tree.put("event-filter.html", "");
    tree.put("a/x.yaml", &version("1", 1).to_string());
    tree.put("b/x.yaml", &version("1", 2).to_string());
    assert_eq!(told(read(&[tree.path()], Rule::Objects(&wants))).1, [""; 0], "of one cluster the newer one counts");
    tree.put("b/x.yaml", &version("2", 2).to_string());
    let (titles, errors) = told(read(&[tree.path()], Rule::Objects(&wants)));
    assert_eq!((titles.len(), errors.len()), (1, 1));
    let said = errors[0].replace(&tree.path().display().to_string(), "DIR");
    assert_eq!(
        said,
        "DIR/b/x.yaml: document 1 (line 1): this ClusterVersion version is of another cluster than the one in DIR/a/x.yaml: \
         document 1 (line 1); read one cluster at a time"
    );
    // That is told once, whatever else differs, before it or after it, and whatever else is wrong.
    tree.put("a/pool.json", &pool_of("1"));
    tree.put("b/pool.json", &pool_of("2"));
    let broken = Tree::new();
    broken.put("x.json", "{\"apiVersion\": \"v1\", \"kind\": \"Node\", \"spec\": [");
    let wants = [wants[0], wants[1], Want::all(POOL)];
    let paths = [broken.path().join("x.json"), tree.path()];
    let error = read(&paths, Rule::Objects(&wants)).each(|_| anyhow::Ok(())).unwrap_err();
    assert!(error.downcast_ref::<weir_manifests::Several<anyhow::Error>>().is_none(), "{error}");
    assert!(error.to_string().contains("is of another cluster than the one in "), "{error}");
    std::fs::remove_file(tree.path().join("b/pool.json")).unwrap();
    // Nodes come and go.
    let created = |uid: &str, version: u32| {
        let mut node = node("a", version);
        node["metadata"]["uid"] = uid.into();
        node.to_string()
    };
    tree.put("a/x.yaml", &created("1", 1));
    tree.put("b/x.yaml", &created("2", 2));
    assert_eq!(told(read(&[tree.path()], Rule::Objects(&wants))).1, [""; 0]);
}

#[test]
fn what_is_kept_is_bounded() {
    let tree = Tree::new();
    let texts = ["a", "b", "c"].map(|name| node(name, 1).to_string());
    for (name, text) in ["a", "b", "c"].iter().zip(&texts) {
        tree.put(&format!("{name}.json"), text);
        tree.put(&format!("{name}-events.json"), "{\"apiVersion\": \"v1\", \"kind\": \"Event\", \"metadata\": {}}");
    }
    let size: u64 = texts.iter().map(|text| text.len() as u64).sum();
    let kept = |kept| told(read_within(&[tree.path()], Rule::Objects(&WANTS), &Limits { kept, ..Limits::default() }));
    assert_eq!(kept(size).0.len(), 3);
    let (titles, errors) = kept(size - 1);
    assert_eq!(titles, ["Node a", "Node b"]);
    assert!(errors.len() == 1 && errors[0].contains(&format!("c.json: more than {} bytes of objects", size - 1)));
    let path = tree.path().join("a.tar");
    std::fs::write(&path, crate::tree::tar(&tree.path())).unwrap();
    let kept = |kept| {
        told(read_within(std::slice::from_ref(&path), Rule::Objects(&WANTS), &Limits { kept, ..Limits::default() }))
    };
    assert_eq!(kept(size).0.len(), 3);
    assert!(kept(size - 1).1[0].ends_with("name the files or folders that hold the cluster's configuration"));
}
