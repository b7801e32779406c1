//! The output of templates, read as Go's yaml.v2 reads it.
//!
//! R-READ-1 YAML 1.1: numbers with a leading 0 are octal; `yes`, `off` and `y` are booleans.
//! R-READ-2 Of two entries with one key, the later counts. Of several documents, the first counts.
//! R-READ-3 Characters that end a line only in YAML 1.1 are refused outside of quotes.
//! R-READ-4 Everything is bounded; an error gives the position and quotes nothing of the text.

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use std::{collections::BTreeMap, fmt};
use weir_gotemplate::Value;

/// Maximum number of values in a document. Real ones have about twenty.
const NODES: usize = 10_000;
/// A mapping or sequence has two events.
const EVENTS: usize = 3 * NODES;

/// What ends a line only in YAML 1.1: each version would read the rest differently.
const BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Yaml {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

/// The position where a text stops being YAML: line and column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) line: u64,
    pub(super) column: u64,
}

/// Reads the first document of a text.
pub(super) fn read(text: &str) -> Result<Yaml, Broken> {
    if let Some(at) = text.find(BREAKS) {
        let before = text.get(..at).unwrap_or_default();
        let line = 1 + before.matches('\n').count() as u64;
        let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count() as u64;
        return Err(Broken { line, column });
    }
    let budget = serde_saphyr::budget! { max_nodes: NODES, max_events: EVENTS };
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true, duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough, budget: budget
    };
    serde_saphyr::from_str_with_options(first_document(text), options).map_err(|error| {
        let at = error.location();
        Broken { line: at.map_or(1, |at| at.line()), column: at.map_or(1, |at| at.column()) }
    })
}

/// Up to the line that ends the first document.
fn first_document(text: &str) -> &str {
    let mut begun = false;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let marks = |mark| {
            line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
        };
        let ends = marks("...") || marks("---");
        if begun && ends {
            return &text[..at];
        }
        let says_nothing = line.trim_start().is_empty() || line.starts_with(['#', '%']);
        begun |= ends || !says_nothing;
        at += line.len();
    }
    text
}

impl Yaml {
    /// A scalar as text where text is expected; lists, maps and null are not scalars.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Bool(bool) => Some(bool.to_string()),
            Self::Int(int) => Some(int.to_string()),
            Self::Uint(uint) => Some(uint.to_string()),
            // As Go's `strconv` writes it.
            Self::Float(float) => Value::Float(*float).plain().ok(),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// Its type, for messages.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Uint(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_none<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Yaml, E> {
        Ok(Yaml::Bool(bool))
    }

    fn visit_i64<E>(self, int: i64) -> Result<Yaml, E> {
        Ok(Yaml::Int(int))
    }

    fn visit_u64<E>(self, uint: u64) -> Result<Yaml, E> {
        Ok(i64::try_from(uint).map_or(Yaml::Uint(uint), Yaml::Int))
    }

    fn visit_f64<E>(self, float: f64) -> Result<Yaml, E> {
        Ok(Yaml::Float(float))
    }

    fn visit_str<E>(self, text: &str) -> Result<Yaml, E> {
        Ok(Yaml::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Yaml::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Yaml, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry::<Yaml, Yaml>()? {
            let key = key.text().ok_or_else(|| A::Error::custom("a key that is no text"))?;
            map.insert(key, value);
        }
        Ok(Yaml::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(scalar: &str) -> Option<String> {
        match read(&format!("a: {scalar}\n")).unwrap() {
            Yaml::Map(map) => map["a"].text(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn scalars_as_text() {
        for (scalar, expected) in [
            ("123", "123"),
            ("1.50", "1.5"),
            ("yes", "true"),
            ("on", "true"),
            ("y", "true"),
            ("off", "false"),
            ("0644", "420"),
            ("0o644", "420"),
            ("0888", "888"),
            ("4_20", "420"),
            ("0x10", "16"),
            ("1e3", "1000"),
            ("1e6", "1e+06"),
            (".inf", "+Inf"),
            ("12345678901234567890", "12345678901234567890"),
            ("1:30", "1:30"),
            ("2026-11-30", "2026-11-30"),
            ("\"0644\"", "0644"),
        ] {
            assert_eq!(text(scalar).as_deref(), Some(expected), "{scalar}");
        }
        for nothing in ["~", "null", "", "[a]", "{a: b}"] {
            assert_eq!(text(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn the_first_document_counts() {
        let a = Yaml::Map([("a".to_owned(), Yaml::Int(1))].into());
        for text in ["a: 1", "---\na: 1\n---\nb: 2\n", "# c\n---\na: 1\n...\nb: [\n", "a: 1\n---\n[", "\n---\na: 1"] {
            assert_eq!(read(text), Ok(a.clone()), "{text}");
        }
        for nothing in ["# only\n", "---\n---\na: 1\n", "~"] {
            assert_eq!(read(nothing), Ok(Yaml::Null), "{nothing}");
        }
        let literal = "a: |\n  b\n  --- c\n  ...\n";
        assert_eq!(read(literal), Ok(Yaml::Map([("a".to_owned(), Yaml::Text("b\n--- c\n...\n".to_owned()))].into())));
    }

    #[test]
    fn errors_have_a_place_and_no_text() {
        assert!(matches!(read("a: 1\nb: \"secret\n"), Err(Broken { line: 2 | 3, .. })));
        assert_eq!(read("a: 1\nb: ü\u{2028}c"), Err(Broken { line: 2, column: 5 }));
        assert_eq!(text("\"\\u2028\"").as_deref(), Some("\u{2028}"));
        let many = |count: usize| format!("[{}]", vec!["1"; count].join(","));
        assert!(read(&many(NODES - 1)).is_ok());
        assert!(read(&many(NODES + 1)).is_err());
        assert!(read(&"[".repeat(5_000)).is_err());
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
        assert!(read(bomb).is_err());
    }
}
