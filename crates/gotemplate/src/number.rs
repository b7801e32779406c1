//! Constants as Go reads them.
//!
//! Source: `newNumber` of `text/template/parse/node.go`, `ParseInt`, `ParseFloat` and `UnquoteChar` of `strconv`, and "String
//! literals" of the Go language specification.

use crate::tree::Number;

/// A number as it is written. `None` if Go refuses it too, or if it is complex or a hexadecimal floating point number.
pub(crate) fn number(text: &str) -> Option<Number> {
    if let Some(int) = integer(text) {
        #[allow(clippy::cast_precision_loss, reason = "Go converts the same way")]
        return Some(Number { int: Some(int), float: Some(int as f64), is_float: false });
    }
    let is_decimal = text.contains(['.', 'e', 'E']) && !text.contains(['x', 'X', 'b', 'B', 'o', 'O', 'p', 'P', 'i']);
    if !is_decimal || !separates(text) {
        return None;
    }
    let float: f64 = text.replace('_', "").parse().ok().filter(|float: &f64| float.is_finite())?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "compared with what it came from")]
    let int = Some(float as i64).filter(|int| *int as f64 == float && float.abs() < 9.0e18);
    Some(Number { int, float: Some(float), is_float: true })
}

/// An integer with an optional sign, base prefix and underscores between digits.
fn integer(text: &str) -> Option<i64> {
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if !separates(text) || digits.starts_with(['+', '-']) {
        return None;
    }
    let plain = digits.replace('_', "");
    let size = i128::from(u64::from_str_radix(&plain, radix).ok()?);
    i64::try_from(if is_negative { -size } else { size }).ok()
}

/// Whether every underscore is between digits, or between the base and a digit.
fn separates(text: &str) -> bool {
    let bytes = text.trim_start_matches(['+', '-']).as_bytes();
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'_')
        .all(|(at, _)| is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)))
}

/// The text of a string constant in double quotes, without them. `None` if an escape is invalid, or the result is not UTF-8.
pub(crate) fn unquote(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (value, is_byte) = unescape(&mut rest, '"')?;
        match u8::try_from(value) {
            Ok(byte) if is_byte => bytes.push(byte),
            _ => bytes.extend(char::from_u32(value)?.to_string().bytes()),
        }
    }
    String::from_utf8(bytes).ok()
}

/// The code of a character constant, given the text between its quotes.
pub(crate) fn character(text: &str) -> Option<i64> {
    let mut rest = text;
    let (value, _) = unescape(&mut rest, '\'')?;
    rest.is_empty().then_some(i64::from(value))
}

/// Takes one character or escape; returns its code, and whether it stands for a byte.
fn unescape(rest: &mut &str, quote: char) -> Option<(u32, bool)> {
    let mut characters = rest.chars();
    let first = characters.next()?;
    if first != '\\' {
        *rest = characters.as_str();
        return (first != quote).then_some((u32::from(first), false));
    }
    let escape = characters.next()?;
    let simple = |code: u32| Some((code, false));
    let mut digits = |count: usize, radix: u32| -> Option<u32> {
        (0..count).try_fold(0_u32, |code, _| code.checked_mul(radix)?.checked_add(characters.next()?.to_digit(radix)?))
    };
    let found = match escape {
        'a' => simple(7),
        'b' => simple(8),
        'f' => simple(12),
        'n' => simple(10),
        'r' => simple(13),
        't' => simple(9),
        'v' => simple(11),
        '\\' => simple(92),
        c if c == quote => simple(u32::from(c)),
        'x' => digits(2, 16).map(|code| (code, true)),
        'u' => digits(4, 16).map(|code| (code, false)),
        'U' => digits(8, 16).map(|code| (code, false)),
        c @ '0'..='7' => {
            let rest = digits(2, 8)?;
            let code = c.to_digit(8)? * 64 + rest;
            (code < 256).then_some((code, true))
        }
        _ => None,
    };
    *rest = characters.as_str();
    found.filter(|(code, is_byte)| *is_byte || char::from_u32(*code).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_go_makes_of_them() {
        for (text, int, is_float) in [
            ("1", Some(1), false),
            ("+1", Some(1), false),
            ("-3", Some(-3), false),
            ("017", Some(15), false),
            ("0o17", Some(15), false),
            ("0x10", Some(16), false),
            ("0b101", Some(5), false),
            ("1_000", Some(1000), false),
            ("0x_f", Some(15), false),
            ("1e3", Some(1000), true),
            ("1.5", None, true),
            (".5", None, true),
            ("1.", Some(1), true),
            ("9223372036854775807", Some(i64::MAX), false),
            ("-9223372036854775808", Some(i64::MIN), false),
        ] {
            let read = number(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((read.int, read.is_float), (int, is_float), "{text}");
        }
        for text in
            ["", "+", "-", "0x", "08", "1__0", "_1", "1_", "1e400", "9223372036854775808", "1i", "0x1p4", "1.e", "."]
        {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn escapes_are_those_of_go() {
        assert_eq!(unquote(r#"quoted \"x\" \n\t\u00e9\x41\101\\"#).as_deref(), Some("quoted \"x\" \n\t\u{e9}AA\\"));
        assert_eq!(unquote(r"\xc3\xa9").as_deref(), Some("\u{e9}"));
        for wrong in [r"\q", r"\'", r"\400", r"\x4", r"\u12", r"\ud800", r"\xff", "\"", "\\"] {
            assert_eq!(unquote(wrong), None, "{wrong}");
        }
        assert_eq!(
            (character("x"), character(r"\n"), character(r"\'"), character(r"\x00")),
            (Some(120), Some(10), Some(39), Some(0))
        );
        assert_eq!((character("ab"), character(""), character("'")), (None, None, None));
    }
}
