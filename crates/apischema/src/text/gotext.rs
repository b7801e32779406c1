//! How Go prints values: validation errors contain them, and clients compare the texts.

use serde_json::{Number, Value};
use std::fmt::Write;

/// Decimal exponents from which on Go's `%v` of a float switches to scientific notation (package strconv).
const LARGE_EXPONENT: i32 = 21;

/// A string as `strconv.Quote` writes it.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if printable(c) => out.push(c),
            c if u32::from(c) < 0x80 => _ = write!(out, "\\x{:02x}", u32::from(c)),
            c if u32::from(c) < 0x10000 => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => _ = write!(out, "\\U{:08x}", u32::from(c)),
        }
    }
    out.push('"');
    out
}

/// Letters, digits, marks, punctuation, symbols and the ASCII space; Rust agrees, except that it escapes marks.
fn printable(c: char) -> bool {
    c == ' ' || c == '\'' || c.is_alphanumeric() || c.escape_debug().count() == 1 || ('\u{300}'..'\u{370}').contains(&c)
}

/// A number as `%v` prints it: `3`, `1.5`, `1e+21`, `1e-07`.
#[must_use]
pub fn number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => self::float(float, -4),
        _ => number.to_string(),
    }
}

/// A float in its shortest form, scientific below ten to the power `small` and from 1e21 on.
fn float(value: f64, small: i32) -> String {
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value == 0.0 || (small..LARGE_EXPONENT).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// A value as an error shows it: strings quoted, scalars plain, everything else as `encoding/json` writes it.
#[must_use]
pub fn value(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Number(n) => number(n),
        other => json(other),
    }
}

/// JSON as `encoding/json` writes it: compact, keys sorted, `<`, `>` and `&` escaped.
#[must_use]
pub fn json(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => match n.as_f64() {
            Some(f) if n.is_f64() => float(f, -6),
            _ => n.to_string(),
        },
        Value::String(text) => json_string(text),
        Value::Array(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(",")),
        Value::Object(map) => {
            let entries: Vec<_> = map.iter().map(|(k, v)| format!("{}:{}", json_string(k), json(v))).collect();
            format!("{{{}}}", entries.join(","))
        }
    }
}

fn json_string(text: &str) -> String {
    Value::from(text)
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strings_are_quoted_as_go_does() {
        for (text, quoted) in [
            ("plain", "\"plain\""),
            ("it's \"so\"\\", "\"it's \\\"so\\\"\\\\\""),
            ("a\n\t\u{0}\u{7f}", "\"a\\n\\t\\x00\\x7f\""),
            ("naïve 日本 🎉", "\"naïve 日本 🎉\""),
            ("zero\u{200b}width\u{feff}", "\"zero\\u200bwidth\\ufeff\""),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }

    #[test]
    fn numbers_print_like_percent_v() {
        for (n, text) in [
            (json!(3), "3"),
            (json!(-1), "-1"),
            (json!(1.5), "1.5"),
            (json!(2.0), "2"),
            (json!(1e21), "1e+21"),
            (json!(1e20), "100000000000000000000"),
            (json!(0.0001), "0.0001"),
            (json!(0.00001), "1e-05"),
        ] {
            assert_eq!(value(&n), text);
        }
    }

    #[test]
    fn compound_values_are_json() {
        assert_eq!(value(&json!({"b": [1, 2.0, null], "a": "<&>"})), r#"{"a":"\u003c\u0026\u003e","b":[1,2,null]}"#);
        assert_eq!(value(&json!(null)), "null");
    }
}
