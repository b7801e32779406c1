//! Parsers of requests cope with any input: they refuse or accept it, and never panic.

use crate::{
    body, kinds, list,
    managed_fields::FieldSet,
    patch::Patch,
    protobuf,
    request::{Query, View, wants_yaml},
    selectors::Selector,
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, RngSeed},
};

/// Words that parsers look for, mixed with random text.
const WORDS: &[&str] = &[
    "a",
    "b",
    "in",
    "notin",
    "exists",
    "metadata",
    ".name",
    "spec",
    "=",
    "==",
    "!=",
    "!",
    "(",
    ")",
    ",",
    ">",
    "<",
    " ",
    "\\",
    "[",
    "]",
    "[*]",
    "[?(@.",
    "..",
    "$",
    "{",
    "}",
    "\"",
    "'",
    ":",
    "/",
    "~1",
    "op",
    "path",
    "add",
    "application/json",
    "application/yaml",
    ";as=",
    "Table",
    "PartialObjectMetadata",
    ";g=meta.k8s.io",
    ";v=v1",
    ";q=0.1",
    "*/*",
    "&",
    "%",
    "%2",
    "%ff",
    "+",
    "?",
    "watch=",
    "limit=",
    "continue=",
    "-1",
    "0",
    "18446744073709551616",
    "é",
    "\u{0}",
    "\u{feff}",
    "k8s\u{0}",
    "\n",
    "- ",
    "&a",
    "*a",
    "null",
    "true",
];

fn any_text() -> impl Strategy<Value = String> {
    vec(prop_oneof![4 => select(WORDS).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)], 0..24)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(Config { cases: 4000, rng_seed: RngSeed::Fixed(3), failure_persistence: None, ..Config::default() })]

    #[test]
    fn texts(text in any_text(), other in any_text()) {
        let resources: Vec<_> = kinds::built_in().take(5).collect();
        for resource in &resources {
            let _ = Selector::parse(&text, &other, resource);
            let _ = Selector::parse(&other, &text, resource);
        }
        let query = Query::parse(&text);
        let _ = (query.number("limit"), query.is_on("watch"), query.get("continue").len());
        for whole in [true, false] {
            let _ = View::negotiate(&text, whole);
        }
        let _ = wants_yaml(&text);
        let _ = list::is_token(&text);
        let _ = crate::jsonpath::is_valid(&text);
    }

    #[test]
    fn bodies(text in any_text(), raw in vec(any::<u8>(), 0..120)) {
        let resource = kinds::built_in().next().unwrap();
        for bytes in [text.as_bytes(), &raw, &[b"k8s\0", &raw[..]].concat()] {
            for media_type in ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "x/y"] {
                let _ = body::object(bytes, media_type, "Kind");
            }
            for media_type in [
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/strategic-merge-patch+json",
                "application/apply-patch+yaml",
            ] {
                let _ = Patch::parse(&resource, media_type, bytes, true);
            }
            let _ = protobuf::decode(bytes);
            if let Ok(value) = serde_json::from_slice(bytes) {
                let _ = FieldSet::from_fields_v1(&value);
            }
        }
    }
}
