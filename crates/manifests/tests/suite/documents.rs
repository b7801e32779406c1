//! Texts: documents, lists, what is wrong with them and where.

use serde_json::{Value, json};
use std::path::Path;
use weir_api::MachineConfigPool;
use weir_manifests::{Manifest, ReadError, Reading, Rule, Several, to_yaml};

/// All documents as they are.
fn reading(text: impl AsRef<[u8]>) -> Reading<'static> {
    Reading::of_text(Path::new("f"), text.as_ref().to_vec(), Rule::OneFolder)
}

/// Objects of all kinds, lists unpacked.
fn unpacked(text: impl AsRef<[u8]>) -> Reading<'static> {
    Reading::of_text(Path::new("f"), text.as_ref().to_vec(), Rule::Objects(&[]))
}

fn objects(reading: Reading<'_>) -> Vec<(usize, usize, Value)> {
    let of = |manifest: Manifest| (manifest.place.document, manifest.place.line, manifest.object);
    reading.into_iter().map(|document| of(document.unwrap())).collect()
}

/// Every line that is told, and the numbers of the documents that could be read.
fn told(text: impl AsRef<[u8]>) -> (Vec<String>, Vec<usize>) {
    let (mut errors, mut good) = (Several::default(), Vec::new());
    for document in reading(text) {
        match document {
            Ok(manifest) => good.push(manifest.place.document),
            Err(error) => errors.push(error),
        }
    }
    (errors.lines().collect(), good)
}

/// A key with dots is one key, and a path does not say where it ends.
#[test]
fn fields_have_lines() {
    let text =
        "# first\nkind: A\nspec:\n  labels:\n    a.example.com/b:\n      c: 1\n      d: [1,\n        2]\n  last: 1\n";
    let manifest = unpacked(text).into_iter().next().unwrap().unwrap();
    for (path, line) in [
        ("", 2),
        ("kind", 2),
        ("spec.labels.a.example.com/b.c", 6),
        ("spec.labels.a.example.com/b.d[1]", 8),
        ("spec.labels.a.example.com/b.d[2]", 7),
        ("spec.labels.a.example", 5),
        ("spec.last.not.there", 9),
    ] {
        assert_eq!(manifest.line_of(path), line, "{path}");
    }
}

#[test]
fn documents_of_all_kinds() {
    assert_eq!(objects(reading("")), []);
    assert_eq!(objects(reading("# nothing\n---\n\n--- # nor here\nnull\n")), []);
    let text = "a: 1\n---\nb: |\n  x\n  ---\n  y\n--- {c: 2}\n---\n{\"d\": 3}\n{\"d\": 4}\n";
    assert_eq!(
        objects(reading(text)),
        [
            (1, 1, json!({ "a": 1 })),
            (2, 2, json!({ "b": "x\n---\ny\n" })),
            (3, 7, json!({ "c": 2 })),
            (4, 8, json!({ "d": 3 })),
            (4, 8, json!({ "d": 4 })),
        ]
    );
    let list = "kind: List\nitems:\n- kind: A\n- kind: B\n";
    assert_eq!(objects(unpacked(list)), [(1, 1, json!({ "kind": "A" })), (1, 1, json!({ "kind": "B" }))]);
    assert_eq!(
        objects(reading("a: 0644\nb: yes\nc: '0644'\nd: 2020-01-01\ne: 12:30:45")),
        [(1, 1, json!({ "a": 420, "b": true, "c": "0644", "d": "2020-01-01", "e": "12:30:45" }))]
    );
}

#[test]
fn what_is_written_is_read_back() {
    let long = "word ".repeat(40);
    let odd = [
        "",
        " ",
        "a ",
        " a",
        "a\n",
        "a\n\n",
        "\na",
        "\n",
        " \n a\n",
        "a \nb",
        "\ta\n\tb\n",
        "a\r\nb",
        "a: b",
        "# a",
        "- a",
        "y",
        "null",
        "0644",
        "1e3",
        "2020-01-01",
        "---\na",
        "a\n---\nb\n",
        "a\u{85}b",
        "a\u{2028}b",
        "\u{feff}a",
        "😀",
        "\0",
        "'\"\\",
        "{",
        "%",
        "@x",
        "?",
        "[Unit]\nDescription=A \nExecStart=/bin/sh -c \"a\" \\\n  b\n",
        &long,
    ];
    let objects: Vec<Value> =
        odd.iter().map(|text| json!({ "kind": "A", "text": text, "list": [text], *text: 1 })).collect();
    let text = to_yaml(&objects).unwrap();
    let back: Vec<Value> = reading(&text).into_iter().map(|m| m.unwrap().object).collect();
    assert_eq!(back, objects, "{text}");
    assert!(to_yaml(&[json!({ "image": &"x".repeat(200) })]).unwrap().starts_with("image: xxx"));
}

#[test]
fn what_cannot_be_read_says_where_and_hides_nothing() {
    let bomb = {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}", level - 1);
            text += &format!("a{level}: &a{level} [{}]\n", [before.as_str(); 10].join(", "));
        }
        text
    };
    let deep = "[".repeat(10_000);
    let cases: &[(&[u8], &[&str], &[usize])] = &[
        (b"a: 1\n---\nb: 2\nc: [1\n", &["f: document 2 (line 2): line 4: "], &[1]),
        (b"a: [\n---\nb: 1\n---\nc: ]\n", &["f: document 1 (line 1): line ", "f: document 3 (line 4): line 5: "], &[2]),
        (b"a: &x [*x]\n", &["f: document 1 (line 1): line 1: "], &[]),
        (b"a: 1\na: 2\n", &["f: document 1 (line 1): line 2: duplicate mapping key `a` is not allowed here"], &[]),
        (b"{\"a\": 1,\n \"b\": ]", &["f: document 1 (line 1): line 2: "], &[]),
        (b"---\n\n---\na:\n\t- b\n", &["f: document 1 (line 3): line 5: "], &[]),
        (b"a: 1\n---\nb: 2\nc: \xff\n---\nd: 1\n", &["f: document 2 (line 2): line 4: not UTF-8: "], &[1, 3]),
        (b"\xff\xfea\0:\0", &["f: document 1 (line 1): line 1: not UTF-8: "], &[]),
        (b"a: \0\n---\nb: 1\n", &["f: document 1 (line 1): line 1: "], &[2]),
        (b"{\"a\": \"\0\"}", &["f: document 1 (line 1): line 1: "], &[]),
        (b"", &[], &[]),
        (b"\xef\xbb\xbf", &[], &[]),
        (b"\xef\xbb\xbfa: 1\n", &[], &[1]),
        (b"\xef\xbb\xbf---\na: 1\n", &[], &[1]),
        (b"\xef\xbb\xbf{\"a\": 1}", &[], &[1]),
        (b"a: 1\r\n---\r\nb: 2\r\n", &[], &[1, 2]),
        (bomb.as_bytes(), &["f: document 1 (line 1): line "], &[]),
        (deep.as_bytes(), &["f: document 1 (line 1): line 1: "], &[]),
    ];
    for (text, wanted, good) in cases {
        let (lines, read) = told(text);
        let shown = String::from_utf8_lossy(&text[..text.len().min(60)]);
        assert_eq!(read, *good, "{shown}: {lines:?}");
        assert_eq!(lines.len(), wanted.len(), "{shown}: {lines:?}");
        for (line, wanted) in lines.iter().zip(*wanted) {
            assert!(line.starts_with(wanted) && !line.contains('\n'), "{shown}: {line}");
        }
    }
}

#[test]
fn a_wrong_type_is_told_with_path_and_line() {
    let pool = "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfigPool\nmetadata:\n  name: a\n";
    let list = format!("# a list\n---\nkind: List\nitems:\n- kind: A\n-\n  {}", pool.replace('\n', "\n  "));
    let cases = [
        (
            format!("{pool}spec:\n  paused: maybe\n"),
            "f: document 1 (line 1): MachineConfigPool a: line 6: spec.paused: invalid type: string \"maybe\", expected a boolean",
        ),
        (
            format!("kind: A\n---\n{pool}status:\n  conditions:\n  - type: A\n  - type: B\n    status: 5\n"),
            "f: document 2 (line 2): MachineConfigPool a: line 11: status.conditions[1].status: invalid type: integer `5`, expected a string",
        ),
        (
            format!("{list}spec:\n    paused: maybe\n"),
            "f: document 1 (line 2), item 2: MachineConfigPool a: line 12: spec.paused: invalid type: ",
        ),
        (
            "{\"kind\": \"A\",\n \"metadata\": {\"name\": \"a\"},\n \"spec\": []}".to_owned(),
            "f: document 1 (line 1): A a: line 3: spec: invalid type: sequence, expected ",
        ),
    ];
    for (text, wanted) in cases {
        let error = unpacked(&text).each(|m| -> anyhow::Result<()> {
            if m.name().is_empty() { Ok(()) } else { Ok(m.read::<MachineConfigPool>().map(drop)?) }
        });
        let error = format!("{:#}", error.unwrap_err());
        assert!(error.starts_with(wanted), "{error}\n{wanted}");
    }
}

#[test]
fn kinds_that_our_group_does_not_have_are_refused() {
    let of = |version: &str, kind: &str| {
        let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n");
        reading(text).each(|manifest| -> anyhow::Result<()> { Ok(manifest.check_kind()?) })
    };
    let error = of("machineconfiguration.openshift.io/v1", "MachineConfigPol").unwrap_err().to_string();
    assert!(
        error.starts_with("f: document 1 (line 1): MachineConfigPol a: ") && error.contains("MachineConfigPool,"),
        "{error}"
    );
    for (version, kind) in
        [("machineconfiguration.openshift.io/v1", "MachineConfigPoolList"), ("v1", "Secret"), ("a/v1", "B")]
    {
        assert!(of(version, kind).is_ok(), "{version} {kind}");
    }
}

#[test]
fn ten_mebibytes_of_anything_are_told_in_bounded_time() {
    const SIZE: usize = 10 << 20;
    for unit in ["x", "[", "- ", "a: b\n", "{\"a\":", "---\n[\n", "&a *a ", "\u{0}", "a\n---\n", "? "] {
        let started = std::time::Instant::now();
        let (lines, _) = told(unit.repeat(SIZE / unit.len()));
        assert!(lines.len() <= 51, "{unit:?}: {} lines", lines.len());
        assert!(lines.iter().all(|line| line.len() < 1000), "{unit:?}: {:?}", lines.iter().find(|l| l.len() >= 1000));
        println!("{unit:?}: {:?}", started.elapsed());
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 2000, rng_seed: proptest::test_runner::RngSeed::Fixed(4), failure_persistence: None,
        ..proptest::test_runner::Config::default()
    })]

    #[test]
    fn whatever_is_read_ends_in_objects_and_errors_with_places(
        parts in proptest::collection::vec(proptest::sample::select(vec![
            "---", "--- ", "\n", "\n", "\n", "  ", "a", "kind: ", "apiVersion: v1", "metadata: {name: a}", "items:", "- ",
            ": ", "{", "}", "[", "]", "\"", "'", "&a ", "*a", "!!", "|", ">", "#", "%", "\t", "\r", "\u{feff}", "\0", "é", ",", "<<: ",
        ]), 0..60),
        raw in proptest::collection::vec(proptest::num::u8::ANY, 0..8),
    ) {
        let text = [parts.concat().as_bytes(), &raw].concat();
        let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
        for document in reading(&text).into_iter().chain(unpacked(&text)) {
            match document {
                Ok(manifest) => {
                    proptest::prop_assert!((1..=lines).contains(&manifest.place.line));
                    // Of any type it is an object or an error, never a panic.
                    let _ = manifest.read::<MachineConfigPool>();
                }
                Err(error) => {
                    let line = error.to_string();
                    let has_line = line.contains(": line ") || matches!(error, ReadError::NoKind { .. } | ReadError::Twice { .. });
                    proptest::prop_assert!(line.starts_with("f: document ") && has_line, "{line}");
                    let (file, at) = error.at();
                    proptest::prop_assert!(file == std::path::Path::new("f") && at.is_some_and(|at| at > 0), "{line}");
                }
            }
        }
    }
}

/// What is no object of a cluster, such as a story: the words are weir's.
#[test]
fn errors_have_the_words_of_people_who_write_yaml() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Life {
        seed: u64,
        #[serde(default)]
        events: Vec<String>,
    }
    let good: Life = weir_manifests::from_yaml("seed: 1\nevents: [a, 5.1]\n").unwrap();
    assert_eq!((good.seed, good.events), (1, vec!["a".to_owned(), "5.1".to_owned()]));
    let cases = [
        ("", "line 1: it ends before it is complete; copy it again, or complete it"),
        ("seed: x\n", "line 1: a whole number that is not negative is expected here (column 7)"),
        ("seed: [1\n", "line 1: a single value is expected here, and no list or mapping (column 7)"),
        ("- seed\n", "line 1: fields (NAME: VALUE) are expected here (column 1)"),
        ("seed: 1\nevents: 5\n", "line 2: a list is expected here (column 9)"),
        ("seed: 1\n\nsede: 1\n", "line 3: unknown field `sede`, expected one of seed, events (column 1)"),
        ("events: []\n", "line 1: missing field `seed`"),
        ("seed: 1\nevents: [*a]\n", "line 2: an alias (*NAME) without its anchor (&NAME) before it; put text"),
        ("seed: 1\nevents: &a [*a]\n", "line 2: an alias (*NAME) within what it stands for; write out"),
    ];
    for (text, said) in cases {
        let error = weir_manifests::from_yaml::<Life>(text).unwrap_err().to_string();
        assert!(error.starts_with(said) && !error.contains('\n'), "{text:?}: {error}");
    }
}

#[test]
fn what_is_too_much_is_told_without_names_of_a_library() {
    let doubled = |(text, before): (String, u8), at: u8| {
        let [a, b] = [before, at].map(char::from);
        (format!("{text}{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n"), at)
    };
    let laughs = (b'b'..b'k').fold(("a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned(), b'a'), doubled).0;
    let (lists, json) = ("[".repeat(100) + &"]".repeat(100), "[".repeat(200) + &"]".repeat(200));
    for (text, said) in [
        (laughs, "line 6: its anchors (&NAME) and aliases (*NAME) stand for more than is read; write out"),
        (format!("a: {lists}"), "line 1: more lists and mappings within each other than are read"),
        (json, "line 1: more lists and mappings within each other than are read"),
        (
            "{\"kind\": \"No".to_owned(),
            "line 1: it ends before it is complete; copy it again, or complete it (column 12)",
        ),
    ] {
        let (errors, _) = told(&text);
        assert!(errors.len() == 1 && errors[0].contains(said), "{said}: {errors:?}");
        assert!(!errors[0].contains(['{', '}']) && !errors[0].contains("(used at"), "{errors:?}");
    }
}

/// A list that is parsed as a whole may be as long as one of which only some items are: more than a parser takes if nobody asks.
#[test]
fn a_document_may_be_as_long_as_a_file() {
    let mut text = "kind: A\na: ".to_owned();
    text.extend(std::iter::repeat_n('x', 65 << 20));
    assert_eq!(objects(unpacked(text)).len(), 1);
}
