//! JSON as Go writes it.
//!
//! R-JSON-1 In strings, `<`, `>`, `&` and the line separators U+2028 and U+2029 are escaped by their number, in addition to what
//! JSON requires.
//! R-JSON-2 Indented by two spaces, one value per line; empty lists and objects stay on one line.
//!
//! Source: `src/encoding/json/encode.go` and `indent.go` of github.com/golang/go.

use serde_json::Value;

/// Keys and values in a given order, which Go takes from its structs.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// A value whose objects have their keys in byte order.
    Value(Value),
    /// An object with its keys in this order.
    Object(Vec<(String, Json)>),
    /// A list.
    List(Vec<Json>),
}

/// Text on one line, without a final line feed.
#[must_use]
pub fn compact(json: &Json) -> String {
    let mut out = String::new();
    write(json, None, &mut out);
    out
}

/// Indented text, without a final line feed.
#[must_use]
pub fn indented(json: &Json) -> String {
    let mut out = String::new();
    write(json, Some(0), &mut out);
    out
}

fn write(json: &Json, depth: Option<usize>, out: &mut String) {
    match json {
        Json::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (Some(key.as_str()), value));
            block('{', '}', fields, depth, out, write);
        }
        Json::List(items) => {
            let items = items.iter().map(|item| (None, item));
            block('[', ']', items, depth, out, write);
        }
        Json::Value(value) => plain(value, depth, out),
    }
}

fn plain(value: &Value, depth: Option<usize>, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (Some(key.as_str()), value));
            block('{', '}', fields, depth, out, plain);
        }
        Value::Array(items) => block('[', ']', items.iter().map(|item| (None, item)), depth, out, plain),
        Value::String(text) => string(text, out),
        other => out.push_str(&other.to_string()),
    }
}

fn block<'a, T: 'a>(
    open: char,
    close: char,
    items: impl Iterator<Item = (Option<&'a str>, &'a T)>,
    depth: Option<usize>,
    out: &mut String,
    each: fn(&T, Option<usize>, &mut String),
) {
    let line = |depth: Option<usize>, out: &mut String| {
        if let Some(depth) = depth {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        }
    };
    out.push(open);
    let inner = depth.map(|depth| depth + 1);
    let mut empty = true;
    for (key, value) in items {
        if !empty {
            out.push(',');
        }
        empty = false;
        line(inner, out);
        if let Some(key) = key {
            string(key, out);
            out.push_str(if depth.is_some() { ": " } else { ":" });
        }
        each(value, inner, out);
    }
    if !empty {
        line(depth, out);
    }
    out.push(close);
}

fn string(text: &str, out: &mut String) {
    let quoted = Value::from(text).to_string();
    for c in quoted.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn as_go_writes_it() {
        let value = Json::Value(json!({"b": [], "a": {}, "c": [1, {"x": "<&>\u{2028}\n\"é"}]}));
        assert_eq!(compact(&value), r#"{"a":{},"b":[],"c":[1,{"x":"\u003c\u0026\u003e\u2028\n\"é"}]}"#);
        let ordered = Json::Object(vec![
            ("b".to_owned(), Json::List(vec![Json::Value(json!(true))])),
            ("a".to_owned(), Json::List(Vec::new())),
        ]);
        assert_eq!(indented(&ordered), "{\n  \"b\": [\n    true\n  ],\n  \"a\": []\n}");
        assert_eq!(compact(&ordered), r#"{"b":[true],"a":[]}"#);
    }
}
