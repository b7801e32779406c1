//! Folders and single files.

use crate::tree::{GATHERED, POOL, Tree, WANTS, node, objects, pool, told, within};
use std::{os::unix::net::UnixListener, path::PathBuf};
use weir_manifests::{Limits, Rule, read};

#[test]
fn what_a_tool_collected() {
    for root in ["", GATHERED] {
        let tree = Tree::gathered(root);
        let (titles, errors) = objects(&[tree.path()]);
        assert_eq!(
            (titles, errors),
            (vec!["Node a".into(), "Node b".into(), "MachineConfigPool worker".into()], vec![])
        );
    }
}

/// What is not there is said, with what is.
#[test]
fn who_looks_for_something_else_is_told_what_there_is() {
    let need = |paths: &[PathBuf]| {
        let seen = read(paths, Rule::Objects(&WANTS)).each(|_| anyhow::Ok(())).unwrap();
        seen.need(POOL).map_err(|error| error.to_string().replace(&paths[0].display().to_string(), "DIR"))
    };
    let tree = Tree::gathered(GATHERED);
    assert_eq!(need(&[tree.path()]), Ok(()));
    std::fs::remove_file(
        tree.path()
            .join(GATHERED)
            .join("cluster-scoped-resources/machineconfiguration.openshift.io/machineconfigpools/worker.yaml"),
    )
    .unwrap();
    tree.put(&format!("{GATHERED}/broken.yaml"), "a: [");
    assert_eq!(
        need(&[tree.path()]).unwrap_err(),
        "no MachineConfigPool in DIR: found 3 Node, 1 Pod in 6 files; 1 file could not be read"
    );
    let empty = Tree::new();
    empty.put("notes.txt", "x");
    assert_eq!(
        need(&[empty.path()]).unwrap_err(),
        "no MachineConfigPool in DIR: found no object in 0 files that end in .yaml, .yml or .json"
    );
    empty.put("other.yaml", "{apiVersion: elsewhere.example.com/v1, kind: MachineConfigPool, metadata: {name: a}}");
    let said = need(&[empty.path()]).unwrap_err();
    assert!(said.ends_with("found 1 MachineConfigPool of group \"elsewhere.example.com\" in 1 file"), "{said}");
}

/// Who looks for something that is named gets it, and the rest is told.
#[test]
fn what_cannot_be_read_may_be_passed_over_in_folders() {
    let tree = Tree::new();
    tree.put("a.yaml", &node("a", 1).to_string());
    for name in 0..10 {
        tree.put(&format!("broken/{name}.yaml"), "a: [");
    }
    let given = tree.path().join("broken/0.yaml");
    let titles = |paths: &[PathBuf]| {
        let mut titles = Vec::new();
        let read = read(paths, Rule::Objects(&WANTS)).passing_over();
        let seen = read.each(|manifest| {
            titles.push(manifest.title());
            anyhow::Ok(())
        })?;
        anyhow::Ok((titles, seen.need(POOL).unwrap_err().to_string()))
    };
    let (found, said) = titles(&[tree.path()]).unwrap();
    assert_eq!(found, ["Node a"]);
    assert!(said.ends_with(": found 1 Node in 11 files; 10 files could not be read"), "{said}");
    assert!(titles(&[given]).unwrap_err().to_string().contains("0.yaml: document 1 (line 1): "));
    assert!(titles(&[tree.path().join("none")]).is_err());
}

/// One of several paths, too: what was given and holds nothing is named.
#[test]
fn each_path_without_anything_is_named() {
    let (full, empty, broken) = (Tree::new(), Tree::new(), Tree::new());
    full.put("a.yaml", &node("a", 1).to_string());
    empty.put("notes.txt", "x");
    broken.put("a.yaml", "a: [");
    let barren = |paths: &[PathBuf]| -> Vec<(String, String)> {
        let (_, seen) = read(paths, Rule::Objects(&[])).all();
        seen.barren().map(|(place, why)| (place, why.to_string())).collect()
    };
    assert_eq!(barren(&[full.path(), broken.path()]), []);
    let place = empty.path().display().to_string();
    let said = format!("no object in {place}: found none in 0 files that end in .yaml, .yml or .json");
    assert_eq!(barren(&[full.path(), empty.path()]), [(place.clone(), said)]);
    empty.put("a.yaml", "# nothing\n---\n");
    let said = format!("no object in {place}: found none in 1 file");
    assert_eq!(barren(&[empty.path(), full.path()]), [(place, said)]);
}

#[test]
fn folders_are_read_with_all_below_in_order_of_names() {
    let tree = Tree::new();
    tree.put("b/c/d.yml", &node("third", 1).to_string());
    tree.put("b.json", &node("fourth", 1).to_string());
    tree.put("a.yaml", &node("first", 1).to_string());
    tree.put("b/a.yaml", &node("second", 1).to_string());
    tree.put("notes.txt", "not: [a manifest");
    // What a ConfigMap looks like that is mounted.
    tree.put("..data_1/x.yaml", &node("mounted", 1).to_string());
    tree.link("..data_1", "..data");
    tree.link("..data/x.yaml", "x.yaml");
    // Nobody who goes round in circles comes back.
    tree.link(".", "b/loop");
    tree.link("..", "b/up.yaml");
    let titles = ["mounted", "first", "second", "third", "fourth"].map(|name| format!("Node {name}"));
    assert_eq!(objects(&[tree.path()]), (titles.to_vec(), vec![]));
    // A link to a folder that is named is.
    tree.link(".", "named");
    assert_eq!(objects(&[tree.path().join("named")]).0, titles);
    // As the installer's manifests are read, folders below are none, names do not count and neither do doubles.
    let flat = read(&[tree.path()], Rule::OneFolder);
    assert_eq!(
        told(flat).0,
        ["Node first", "Node fourth", "Node mounted"],
        "notes.txt cannot be read, and that is told"
    );
}

/// Puts something into a folder.
type Make<'a> = &'a dyn Fn(&Tree);

#[test]
fn what_is_no_object_is_an_error_unless_a_tool_collected_it() {
    let cases: [(&str, Make<'_>, &str); 15] = [
        (
            "no name",
            &|t| t.put("x.yaml", "{apiVersion: v1, kind: Node, metadata: {labels: {a: b}}}"),
            "x.yaml: document 1 (line 1): a Node without a name; write metadata.name",
        ),
        (
            "a name that is none",
            &|t| t.put("x.json", r#"{"apiVersion": "v1", "kind": "NodeList", "items": [{"metadata": {"name": 5}}]}"#),
            "x.json: document 1 (line 1), item 1: a Node without a name; write metadata.name",
        ),
        ("no kind", &|t| t.put("x.yaml", "a: 1"), "x.yaml: document 1 (line 1): the object has no kind"),
        ("no object", &|t| t.put("x.json", "[1, 2]"), "x.json: document 1 (line 1): the object has no kind"),
        ("text", &|t| t.put("x.yaml", "just text"), "x.yaml: document 1 (line 1): the object has no kind"),
        (
            "a slip of the pen",
            &|t| t.put("x.yaml", "{apiVersion: machineconfiguration.openshift.io/v1, kind: MachineConfigPol}"),
            "x.yaml: document 1 (line 1): MachineConfigPol: machineconfiguration.openshift.io has no such kind; it has ",
        ),
        (
            "of a later version",
            &|t| {
                t.put("x.yaml", "{apiVersion: machineconfiguration.openshift.io/v2beta1, kind: MachineConfigPool, metadata: {name: a}}")
            },
            "x.yaml: document 1 (line 1): MachineConfigPool a is of machineconfiguration.openshift.io/v2beta1, and v1 is read; ",
        ),
        ("broken", &|t| t.put("x.yaml", "a: ["), "x.yaml: document 1 (line 1): line "),
        (
            "not UTF-8",
            &|t| std::fs::write(t.path().join("x.yaml"), b"a: \xff").unwrap(),
            "x.yaml: document 1 (line 1): line 1: not UTF-8: ",
        ),
        (
            "compressed",
            &|t| std::fs::write(t.path().join("x.yaml"), [0x1f, 0x8b, 8, 0]).unwrap(),
            "x.yaml: compressed; archives are read from files that end in ",
        ),
        ("a loop of links", &|t| t.link("x.yaml", "x.yaml"), "reading DIR/x.yaml: Too many levels of symbolic links"),
        ("gone", &|t| t.link("nowhere", "x.yaml"), "reading DIR/x.yaml: No such file or directory"),
        ("a device", &|t| t.link("/dev/zero", "x.yaml"), "x.yaml: no regular file"),
        (
            "a pipe",
            &|t| {
                let made = std::process::Command::new("mkfifo").arg(t.path().join("x.yaml")).status();
                assert!(made.unwrap().success());
            },
            "x.yaml: no regular file",
        ),
        ("a socket", &|t| drop(UnixListener::bind(t.path().join("x.yaml")).unwrap()), "x.yaml: no regular file"),
    ];
    for (name, make, said) in cases {
        let tree = Tree::new();
        tree.put("good.yaml", &pool("worker", 1).to_string());
        make(&tree);
        let (titles, errors) = objects(&[tree.path()]);
        assert_eq!(titles, ["MachineConfigPool worker"], "{name}: it hides nothing");
        let folder = tree.path().display().to_string();
        let error = errors.first().map(|error| error.replace(&folder, "DIR")).unwrap_or_default();
        assert!(errors.len() == 1 && error.contains(said), "{name}: {errors:?}");
        tree.put("event-filter.html", "");
        let told = usize::from(name == "of a later version");
        assert_eq!(objects(&[tree.path()]).1.len(), told, "{name}");
    }
    // What is too much is an error everywhere.
    let tree = Tree::gathered("");
    tree.put(&format!("{}x.yaml", "d/".repeat(40)), "");
    let (titles, errors) = objects(&[tree.path()]);
    assert!(titles.is_empty() && errors[0].ends_with("more than 32 folders within each other"), "{errors:?}");
}

#[test]
fn an_ignition_config_is_no_object_and_it_is_said_how_it_is_named() {
    for text in ["{\"ignition\": {\"version\": \"3.5.0\"}}", "ignition:\n  version: 3.5.0\nstorage: {}\n"] {
        let tree = Tree::new();
        tree.put("x.yaml", text);
        let (titles, errors) = objects(&[tree.path()]);
        let said = "x.yaml: document 1 (line 1): an Ignition config, and no object of a cluster; weir extract and weir diff take it as \
                    ignition/FILE, without --from, ";
        assert!(titles.is_empty() && errors.len() == 1 && errors[0].contains(said), "{errors:?}");
        tree.put("event-filter.html", "");
        assert_eq!(objects(&[tree.path()]).1, [""; 0], "what a tool collected beside objects");
    }
}

#[test]
fn what_is_too_much() {
    let tree = Tree::new();
    for number in 0..5 {
        tree.put(&format!("f{}/{number}.yaml", number % 2), &node(&number.to_string(), 1).to_string());
    }
    // Five files and two folders.
    let files = |files| within(&[tree.path()], &Limits { files, ..Limits::default() });
    assert_eq!(files(7).0.len(), 5);
    let (titles, errors) = files(6);
    assert!(titles.is_empty() && errors[0].contains("more than 6 files and folders"), "{errors:?}");
    let large = within(&[tree.path()], &Limits { file: 20, ..Limits::default() });
    assert!(
        large.0.is_empty() && large.1.iter().all(|error| error.ends_with(".yaml: larger than 20 bytes")),
        "{large:?}"
    );
    assert_eq!(large.1.len(), 5);
    let several = Tree::new();
    several.put("a.yaml", "kind: A\n---\nkind: B\n---\nkind: C\n");
    let (_, errors) = within(&[several.path()], &Limits { documents: 2, ..Limits::default() });
    assert!(
        errors[0].ends_with("document 3 (line 4): one document more than the 2 that are read; split the file"),
        "{errors:?}"
    );
    // JSON that would take many times its size.
    several.put("a.yaml", &format!("[0{}]", ",0".repeat(4_000_000)));
    let (_, errors) = objects(&[several.path()]);
    assert!(errors[0].ends_with("line 1: more than 4000000 values"), "{errors:?}");
}

#[test]
fn files_that_are_named_are_read_whatever_they_are_called() {
    let tree = Tree::new();
    tree.put("pools", &pool("worker", 1).to_string());
    tree.put("event-filter.html", "a: 1");
    let named = |name: &str| objects(&[tree.path().join(name)]);
    assert_eq!(named("pools").0, ["MachineConfigPool worker"]);
    assert!(named("event-filter.html").1[0].ends_with("the object has no kind"));
    assert!(named("nowhere").1[0].ends_with("No such file or directory (os error 2)"));
    // A pipe that is named is one that somebody writes to.
    let pipe = tree.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writes = pipe.clone();
    let writer = std::thread::spawn(move || std::fs::write(writes, node("a", 1).to_string()).unwrap());
    assert_eq!(objects(&[pipe]).0, ["Node a"]);
    writer.join().unwrap();
}
