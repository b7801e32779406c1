use super::to_string;
use serde_json::json;

#[test]
fn single_strings() {
    for (text, written) in [
        ("1_000", "\"1_000\""),
        ("0644", "\"0644\""),
        ("0b+1", "\"0b+1\""),
        (".0_7", "\".0_7\""),
        ("12:30:45", "\"12:30:45\""),
        ("2020-01-01", "\"2020-01-01\""),
        ("y", "\"y\""),
        ("yEs", "yEs"),
        ("nUll", "nUll"),
        ("--", "--"),
        ("-", "'-'"),
        ("+", "+"),
        ("0x", "0x"),
        ("1.2.3", "1.2.3"),
        ("<<", "<<"),
        ("=", "="),
        ("!t", "'!t'"),
        ("a:b", "a:b"),
        ("a: b", "'a: b'"),
        ("x #y", "'x #y'"),
        ("---x", "'---x'"),
        (" lead", "' lead'"),
        ("it's", "it's"),
        ("\"q\"", "'\"q\"'"),
        ("a\"b", "a\"b"),
        ("back\\slash", "back\\slash"),
        ("😀", "\"\\U0001F600\""),
        ("tab\there", "\"tab\\there\""),
        ("\n", "|2+\n"),
        ("nl\nmid", "|-\n  nl\n  mid"),
        ("", "\"\""),
        ("18446744073709551615", "\"18446744073709551615\""),
        ("1e400", "1e400"),
        ("08", "\"08\""),
        ("1.", "\"1.\""),
        ("2021-02-29", "2021-02-29"),
        ("-.Inf", "\"-.Inf\""),
        ("-.inf", "\"-.inf\""),
        ("\u{feff}ab", "\"\\uFEFF\\x61\\x62\""),
        ("a\u{85}b", "a b"),
        ("a \u{85} \u{85}\u{85}b", "|-\n  a\n\n  b"),
        ("\u{a0}", "\u{a0}"),
    ] {
        let document = to_string(&json!({ "k": [text] })).unwrap();
        let expected = format!("k:\n- {written}");
        assert_eq!(document.trim_end_matches('\n'), expected.trim_end_matches('\n'), "{text:?}");
    }
}

#[test]
fn structure() {
    let value = json!({
        "b": { "z": [], "a": {}, "l": [{ "w": 1, "x": [true, { "k": "v" }] }, {}, "s"] },
        "a": null,
        "c": "line\n\n",
    });
    let text = "a: null\nb:\n  a: {}\n  l:\n  - w: 1\n    x:\n    - true\n    - k: v\n  - {}\n  - s\n  z: []\n\
                c: |+\n  line\n\n";
    assert_eq!(to_string(&value).unwrap(), text);
}

#[test]
fn folding() {
    let words = "word ".repeat(40);
    let value = json!({ "contents": format!("[Unit]\n\tX=1\n# {words}\n") });
    let folded = concat!(
        "contents: \"[Unit]\\n\\tX=1\\n# word word word word word word word word word word word\n",
        "  word word word word word word word word word word word word word word word word\n",
        "  word word word word word word word word word word word word word \\n\"\n",
    );
    assert_eq!(to_string(&value).unwrap(), folded);
}

#[test]
fn control_characters_are_refused() {
    for text in ["\u{7f}", "\u{80}", "\u{9f}", "\u{ffff}"] {
        assert!(to_string(&json!({ "k": text })).is_err(), "{text:?}");
    }
    assert_eq!(to_string(&json!({ "k": "\0" })).unwrap(), "k: \"\\0\"\n");
}

#[test]
fn keys_are_strings_on_one_line() {
    let long = "word ".repeat(20);
    let value = json!({"m10": 1, "m2": 2, "*.a": 3, "true": 4, "a: b": 5, "": 6, "x\ny": 7, long.trim(): 8});
    let expected =
        format!("\"\": 6\n'*.a': 3\n'a: b': 5\nm2: 2\nm10: 1\n\"true\": 4\n{}: 8\n\"x\\ny\": 7\n", long.trim());
    assert_eq!(to_string(&value).unwrap(), expected);
}
