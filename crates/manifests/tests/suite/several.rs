//! Objects that are there several times.

use crate::tree::{Tree, WANTS, node, objects};
use serde_json::{Value, json};
use weir_manifests::{Rule, read};

fn marked(version: Option<&str>, mark: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "resourceVersion": version}, "mark": mark})
}

#[test]
fn the_highest_version_counts_and_who_cannot_tell_says_so() {
    let cases = [
        (marked(Some("9"), "x"), marked(Some("10"), "y"), Some("y")),
        (marked(Some("10"), "x"), marked(Some("9"), "y"), Some("x")),
        (marked(Some("9"), "x"), marked(Some("9"), "y"), Some("x")),
        (marked(None, "x"), marked(None, "x"), Some("x")),
        (marked(None, "x"), marked(None, "y"), None),
        (marked(Some("9"), "x"), marked(None, "y"), None),
        (marked(Some("one"), "x"), marked(Some("two"), "y"), None),
    ];
    for (first, second, counts) in cases {
        let tree = Tree::new();
        tree.put("a.yaml", &json!({"kind": "List", "items": [first]}).to_string());
        tree.put("b.yaml", &second.to_string());
        let read = read(&[tree.path()], Rule::Objects(&WANTS)).into_iter();
        let found: Vec<_> = read.map(|m| m.map(|m| m.object["mark"].clone()).map_err(|e| e.to_string())).collect();
        let Some(counts) = counts else {
            let said = found[1].as_ref().unwrap_err().replace(&tree.path().display().to_string(), "DIR");
            assert_eq!(
                said,
                "DIR/b.yaml: document 1 (line 1): there is another Node a before this one, in DIR/a.yaml: document 1 (line \
                 1), item 1"
            );
            continue;
        };
        assert_eq!(found, [Ok(Value::from(counts))], "{first} {second}");
        // Who names both files means both.
        let named = objects(&["a.yaml", "b.yaml"].map(|file| tree.path().join(file)));
        assert_eq!(named.1.len(), usize::from(first != second), "{named:?}");
        // And who names one beside a folder as well.
        let beside = Tree::new();
        beside.put("c.yaml", &second.to_string());
        std::fs::remove_file(tree.path().join("b.yaml")).unwrap();
        let mixed = objects(&[tree.path(), beside.path().join("c.yaml")]);
        assert_eq!(mixed.1.len(), usize::from(first != second), "{mixed:?}");
    }
}

#[test]
fn namespaces_and_kinds_make_others() {
    let tree = Tree::new();
    let of = |kind: &str, namespace: &str| json!({"kind": kind, "metadata": {"name": "a", "namespace": namespace}});
    tree.put(
        "a.yaml",
        &[of("A", "x"), of("A", "y"), of("B", "x"), of("A", "x")].map(|o| o.to_string()).join("\n---\n"),
    );
    tree.put("b.yaml", "kind: A\n---\nkind: A\n");
    let read = read(&[tree.path()], Rule::Objects(&[])).into_iter();
    assert_eq!(read.filter(Result::is_ok).count(), 5, "what has no name is counted as often as it is there");
    tree.put("c.yaml", &node("a", 1).to_string());
    assert_eq!(objects(&[tree.path()]).0, ["Node a"]);
}
