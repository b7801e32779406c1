//! Machine text inside a sentence for people: quoted, so that control characters cannot disturb the reader.
//!
//! The form is that of Go's `%q` (`strconv.Quote`), which the reference uses in the messages it writes, so that an
//! unchanged message compares equal after a takeover.

use std::fmt::Write as _;

/// Quotes text as Go's `strconv.Quote` does: unprintable characters escaped, all others kept.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            '\'' => out.push(c),
            _ if is_printable(c) => out.push(c),
            // Writing into a String cannot fail.
            _ if c < ' ' || c == '\x7f' => _ = write!(out, "\\x{:02x}", u32::from(c)),
            _ if c < '\u{10000}' => _ = write!(out, "\\u{:04x}", u32::from(c)),
            _ => _ = write!(out, "\\U{:08x}", u32::from(c)),
        }
    }
    out.push('"');
    out
}

/// Letters, marks, numbers, punctuation, symbols and the ASCII space. The standard library knows these, but shows it only by
/// what it escapes; the leading letter keeps it from escaping a combining mark because it is the first character.
fn is_printable(c: char) -> bool {
    let mut text = String::from("a");
    text.push(c);
    !text.escape_debug().any(|e| e == '\\')
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn as_go_does() {
        let cases = [
            ("plain", "\"plain\""),
            ("a \"b\" 'c' \\d", r#""a \"b\" 'c' \\d""#),
            ("bell\x07 del\x7f esc\x1b\n", r#""bell\a del\x7f esc\x1b\n""#),
            ("zero\u{200b}width \u{a0}nbsp \u{feff}", r#""zero\u200bwidth \u00a0nbsp \ufeff""#),
            ("café ✓ 🚀", "\"café ✓ 🚀\""),
            ("\u{301}combining", "\"\u{301}combining\""),
            ("\u{e0001}", r#""\U000e0001""#),
        ];
        for (text, wanted) in cases {
            assert_eq!(quoted(text), wanted);
        }
    }
}
