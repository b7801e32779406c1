//! Regular expressions as Kubernetes means them: RE2 syntax (<https://github.com/google/re2/wiki/Syntax>) on a Rust
//! engine. The two agree but for what is translated here: Perl classes are ASCII in RE2, a bracket or a doubled
//! operator inside a class is literal, `\Q…\E` quotes, and a brace that opens no repetition is a brace.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer};
use std::{iter::Peekable, str::Chars};

/// Compiled programs may use this much memory: enough for `{1,253}` of a large class, which the engine's default of
/// 10 MiB is not, and little enough to be harmless.
const PROGRAM_LIMIT: usize = 32 << 20;

/// A `pattern` of a schema: its text, and the compiled form or what is wrong with it.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub(crate) source: String,
    pub(crate) compiled: Result<Regex, String>,
}

impl Pattern {
    pub(crate) fn new(source: String) -> Self {
        let compiled = compile(&source);
        Self { source, compiled }
    }

    /// Whether a part of `text` matches. A pattern that does not compile matches nothing.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.compiled.as_ref().is_ok_and(|regex| regex.is_match(text))
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Compiles RE2 syntax; the error is worded like Go's package regexp.
pub(crate) fn compile(re2: &str) -> Result<Regex, String> {
    RegexBuilder::new(&translate(re2))
        .octal(true)
        .size_limit(PROGRAM_LIMIT)
        .build()
        .map_err(|error| format!("error parsing regexp: {}: `{re2}`", go_reason(&error.to_string())))
}

/// Go's name for an error of the Rust engine.
fn go_reason(error: &str) -> &str {
    const NAMES: [(&str, &str); 9] = [
        ("unclosed character class", "missing closing ]"),
        ("unclosed group", "missing closing )"),
        ("unopened group", "unexpected )"),
        ("repetition operator missing expression", "missing argument to repetition operator"),
        ("unrecognized escape sequence", "invalid escape sequence"),
        ("incomplete escape sequence", "trailing backslash at end of expression"),
        ("look-around", "invalid or unsupported Perl syntax"),
        ("invalid character class range", "invalid character class range"),
        ("size limit", "expression too large"),
    ];
    let known = NAMES.iter().find(|(rust, _)| error.contains(rust)).map(|(_, go)| *go);
    known.or_else(|| error.lines().last()).unwrap_or(error)
}

fn translate(re2: &str) -> String {
    let mut out = String::with_capacity(re2.len() + 8);
    let mut rest = re2.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => escape(&mut rest, &mut out),
            '[' => class(&mut rest, &mut out),
            '{' if !opens_repetition(rest.clone()) => out.push_str("\\{"),
            c => out.push(c),
        }
    }
    out
}

/// An escape outside a class; the backslash is consumed.
fn escape(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    match rest.next() {
        Some('d') => out.push_str("[0-9]"),
        Some('D') => out.push_str("[^0-9]"),
        Some('w') => out.push_str("[0-9A-Za-z_]"),
        Some('W') => out.push_str("[^0-9A-Za-z_]"),
        Some('s') => out.push_str("[\\t\\n\\f\\r ]"),
        Some('S') => out.push_str("[^\\t\\n\\f\\r ]"),
        Some('b') => out.push_str("(?-u:\\b)"),
        Some(angle @ ('<' | '>')) => out.push(angle),
        Some('Q') => quoted(rest, out),
        Some(other) => {
            out.push('\\');
            out.push(other);
        }
        None => out.push('\\'),
    }
}

/// Everything up to `\E`, or the end, is literal.
fn quoted(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    let mut literal = String::new();
    while let Some(c) = rest.next() {
        if c == '\\' && rest.peek() == Some(&'E') {
            rest.next();
            break;
        }
        literal.push(c);
    }
    out.push_str(&regex::escape(&literal));
}

/// A character class; the opening bracket is consumed.
fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    if rest.peek() == Some(&'^') {
        rest.next();
        out.push('^');
    }
    let mut first = true;
    while let Some(c) = rest.next() {
        match c {
            ']' if !first => {
                out.push(']');
                return;
            }
            ']' => out.push_str("\\]"),
            '[' if rest.peek() == Some(&':') => {
                out.push('[');
                for named in rest.by_ref() {
                    out.push(named);
                    if named == ']' {
                        break;
                    }
                }
            }
            '[' => out.push_str("\\["),
            '\\' => class_escape(rest, out),
            '-' if first => out.push_str("\\-"),
            '-' | '&' | '~' if rest.peek() == Some(&c) => {
                rest.next();
                out.push_str(if c == '-' { "-" } else { "\\" });
                out.push_str(if c == '-' {
                    "\\-"
                } else if c == '&' {
                    "&\\&"
                } else {
                    "~\\~"
                });
            }
            c => out.push(c),
        }
        first = false;
    }
}

fn class_escape(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    match rest.next() {
        Some('d') => out.push_str("0-9"),
        Some('D') => out.push_str("[^0-9]"),
        Some('w') => out.push_str("0-9A-Za-z_"),
        Some('W') => out.push_str("[^0-9A-Za-z_]"),
        Some('s') => out.push_str("\\t\\n\\f\\r "),
        Some('S') => out.push_str("[^\\t\\n\\f\\r ]"),
        Some(angle @ ('<' | '>')) => out.push(angle),
        Some(other) => {
            out.push('\\');
            out.push(other);
        }
        None => out.push('\\'),
    }
}

/// Whether what follows a brace makes it `{n}`, `{n,}` or `{n,m}`.
fn opens_repetition(rest: Peekable<Chars<'_>>) -> bool {
    let Some(body) = rest.collect::<String>().split_once('}').map(|(body, _)| body.to_owned()) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match body.split_once(',') {
        Some((from, to)) => digits(from) && (to.is_empty() || digits(to)),
        None => digits(&body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ascii_and_operators_literal() {
        for (pattern, text, matches) in [
            (r"^\d+$", "123", true),
            (r"^\d+$", "١٢٣", false),
            (r"^\w+$", "naïve", false),
            (r"^[\w.]+$", "a.b_c", true),
            (r"^[\d\s]+$", "1 2", true),
            (r"^[\D]$", "x", true),
            (r"^\S+$", "a\u{a0}b", true),
            (r"^[[]$", "[", true),
            (r"^[]]$", "]", true),
            (r"^[^]]$", "]", false),
            (r"^[a&&b]+$", "a&b", true),
            (r"^[a~~b]+$", "a~b", true),
            (r"^[+--]$", ",", true),
            (r"^[-a]+$", "a-", true),
            (r"^[[:alpha:]]+$", "abc", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"^\$\{[A-Z]+}$", "${NAME}", true),
            (r"^${A}", "${A}", false),
            (r"^a{,2}$", "a{,2}", true),
            (r"^a{2,3}$", "aaa", true),
            (r"^\<x\>$", "<x>", true),
            (r"\bfoo\b", "a foo b", true),
            (r"^\101$", "A", true),
        ] {
            let compiled = compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert_eq!(compiled.is_match(text), matches, "{pattern} on {text}");
        }
    }

    #[test]
    fn errors_are_worded_as_go_does() {
        for (pattern, reason) in [
            ("[a", "missing closing ]"),
            ("(a", "missing closing )"),
            ("a)", "unexpected )"),
            ("*a", "missing argument to repetition operator"),
            ("(?!a)", "invalid or unsupported Perl syntax"),
            (r"a\", "trailing backslash at end of expression"),
        ] {
            assert_eq!(compile(pattern).unwrap_err(), format!("error parsing regexp: {reason}: `{pattern}`"));
        }
    }
}
