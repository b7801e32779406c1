//! Regular expressions as Kubernetes interprets them: RE2 syntax (<https://github.com/google/re2/wiki/Syntax>) on a
//! Rust engine. The two agree except for what is translated here: Perl classes are ASCII in RE2, a bracket or a doubled
//! operator inside a class is literal, `\Q…\E` quotes, and a brace that does not open a repetition is literal.

use super::shared;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer};
use std::{iter::Peekable, str::Chars, sync::Arc};

/// Compiled programs may use this much memory: enough for `{1,253}` of a large class, unlike the engine's default of 10
/// MiB, and little enough to be harmless.
const PROGRAM_LIMIT: usize = 32 << 20;

/// Maximum number of times that nested repetitions may repeat a part (package regexp/syntax of Go).
const MOST_REPETITIONS: u64 = 1000;

/// A `pattern` of a schema: its text, and the compiled form or what is wrong with it.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub(crate) source: String,
    pub(crate) compiled: Result<Arc<Program>, String>,
}

impl Pattern {
    pub(crate) fn new(source: String) -> Self {
        let compiled = shared::program(&source);
        Self { source, compiled }
    }

    /// Whether a part of `text` matches. A pattern that does not compile matches nothing.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.compiled.as_ref().is_ok_and(|program| program.regex.is_match(text))
    }

    /// Maximum number of steps that matching may take.
    pub(crate) fn steps(&self, text: &str) -> u64 {
        self.compiled.as_ref().map_or(0, |program| program.steps(text))
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// A regular expression, compiled.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) regex: Regex,
    /// About how many parts it consists of, with repeated parts counted as often as they may be repeated.
    pub(crate) parts: u64,
}

impl Program {
    /// Compiles RE2 syntax; the error is worded like Go's package regexp.
    pub(crate) fn compile(re2: &str) -> Result<Self, String> {
        let translated = translate(re2);
        let parts = Parts::count(&translated)?;
        let regex = RegexBuilder::new(&translated)
            .octal(true)
            .size_limit(PROGRAM_LIMIT)
            .build()
            .map_err(|error| format!("error parsing regexp: {}: `{re2}`", go_reason(&error.to_string())))?;
        Ok(Self { regex, parts })
    }

    /// Maximum number of steps through a text: every part is tried at every byte.
    pub(crate) fn steps(&self, text: &str) -> u64 {
        self.parts.saturating_mul(text.len() as u64)
    }
}

/// The parts counted so far of the alternative or group that is being read.
#[derive(Default)]
struct Parts {
    all: u64,
    /// Parts that a repetition operator would repeat if it came next.
    last: u64,
    /// The highest number of times that nested repetitions repeat one of those parts; `repeated` covers all parts so
    /// far.
    last_repeated: u64,
    repeated: u64,
}

/// Parts of a class named by a Unicode property (a few hundred ranges of UTF-8), and of "any character" (ten).
const CLASS_PARTS: u64 = 200;
const ANY_PARTS: u64 = 10;

impl Parts {
    /// Counts the parts of a translated expression. Syntax errors are left to the compiler.
    ///
    /// # Errors
    /// A repetition that Go refuses.
    fn count(regex: &str) -> Result<u64, String> {
        let mut open = vec![Self::default()];
        let mut rest = regex.chars().peekable();
        while let Some(c) = rest.next() {
            let depth = open.len();
            let Some(here) = open.last_mut() else { break };
            match c {
                '(' => {
                    if rest.next_if_eq(&'?').is_some() {
                        // Flags, or a name.
                        while rest.next_if(|c| !matches!(c, ':' | ')' | '>')).is_some() {}
                        rest.next_if(|c| matches!(c, ':' | '>'));
                    }
                    open.push(Self::default());
                }
                ')' if depth > 1 => {
                    let group = open.pop().unwrap_or_default();
                    if let Some(outer) = open.last_mut() {
                        outer.add(group.all + 1, group.repeated);
                    }
                }
                '{' => {
                    let times: String = std::iter::from_fn(|| rest.next_if(|c| *c != '}')).collect();
                    rest.next();
                    here.repeat(&times)?;
                }
                '\\' if matches!(rest.next(), Some('p' | 'P')) => here.add(CLASS_PARTS, 1),
                '[' => here.add(class_parts(&mut rest), 1),
                '.' => here.add(ANY_PARTS, 1),
                c => here.add(c.len_utf8() as u64, 1),
            }
        }
        Ok(open.iter().map(|part| part.all).sum())
    }

    fn add(&mut self, parts: u64, repeated: u64) {
        self.all = self.all.saturating_add(parts);
        (self.last, self.last_repeated) = (parts, repeated.max(1));
        self.repeated = self.repeated.max(self.last_repeated);
    }

    /// `n`, `n,` or `n,m` times.
    fn repeat(&mut self, times: &str) -> Result<(), String> {
        let (least, most) = times.split_once(',').unwrap_or((times, times));
        // Only digits, but there may be too many for the type.
        let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
        let count = if most.is_empty() { number(least) } else { number(most).max(number(least)) }.max(1);
        self.last_repeated = self.last_repeated.saturating_mul(count);
        if self.last_repeated > MOST_REPETITIONS {
            return Err(format!("error parsing regexp: invalid repeat count: `{{{times}}}`"));
        }
        self.repeated = self.repeated.max(self.last_repeated);
        self.all = self.all.saturating_add(self.last.saturating_mul(count - 1));
        self.last = self.last.saturating_mul(count);
        Ok(())
    }
}

/// Parts of a class; the opening bracket is consumed.
fn class_parts(rest: &mut Peekable<Chars<'_>>) -> u64 {
    let mut parts = if rest.next_if_eq(&'^').is_some() { ANY_PARTS } else { 1 };
    let mut first = true;
    while let Some(c) = rest.next() {
        match c {
            ']' if !first => break,
            '\\' if matches!(rest.next(), Some('p' | 'P')) => parts += CLASS_PARTS,
            // A named class, such as `[:alpha:]`.
            '[' => while rest.next_if(|c| *c != ']').is_some() {},
            c if c.is_ascii() => {}
            c => parts += c.len_utf8() as u64,
        }
        first = false;
    }
    parts
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
            let compiled = Program::compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert_eq!(compiled.regex.is_match(text), matches, "{pattern} on {text}");
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
            assert_eq!(Program::compile(pattern).unwrap_err(), format!("error parsing regexp: {reason}: `{pattern}`"));
        }
    }

    #[test]
    fn repetitions_are_bounded_as_in_go() {
        for (pattern, refused) in [
            ("^a{1000}$", None),
            ("^a{1001}$", Some("{1001}")),
            ("^a{1,1001}$", Some("{1,1001}")),
            ("^a{99999999999999999999}$", Some("{99999999999999999999}")),
            ("^(a{10}b{100}){10}$", None),
            ("^(a{10}b{101}){10}$", Some("{10}")),
            ("^((a{10}){10}){11}$", Some("{11}")),
            (r"^a\{1001}$", None),
            ("^[{1001}]$", None),
        ] {
            let expected = refused.map(|text| format!("error parsing regexp: invalid repeat count: `{text}`"));
            assert_eq!(Program::compile(pattern).err(), expected, "{pattern}");
        }
    }

    #[test]
    fn steps_are_parts_times_bytes() {
        let parts = |pattern: &str| Program::compile(pattern).unwrap().parts;
        assert_eq!(parts("abc"), 3);
        assert!((200..300).contains(&parts("^[a-z]{1,253}$")));
        assert!(parts("(a|b)*a(a|b){900}") > 900);
        assert!(parts("^.{100}$") >= 1_000);
        let pattern = Pattern::new("(a|b)*a(a|b){900}".into());
        assert!(pattern.steps(&"a".repeat(1 << 20)) > 900 << 20);
    }
}
