//! TOML as BurntSushi's encoder writes it.
//!
//! R-TOML-1 Keys of a struct come in its order, values before tables; keys of a map in byte order. A key is bare if possible,
//! otherwise quoted.
//! R-TOML-2 Header and keys of a nested table are indented by two spaces per level. A blank line comes before a table or list of
//! tables that is neither nested nor first, and before each nested table of a list.
//! R-TOML-3 Strings are basic strings; control characters are escaped, by a letter where there is one. Lists are on one line.
//!
//! Source: `encode.go` of github.com/BurntSushi/toml 1.5.

use std::fmt::Write as _;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Toml {
    /// A string.
    Text(String),
    /// An integer.
    Number(i64),
    /// A boolean.
    Flag(bool),
    /// A list of strings.
    Texts(Vec<String>),
    /// A table.
    Table(Table),
    /// A list of tables.
    Tables(Vec<Table>),
}

/// Keys with their values, in the order in which they are written; tables come last.
pub type Table = Vec<(String, Toml)>;

/// Writes a document.
#[must_use]
pub fn to_string(document: &Table) -> String {
    let mut out = String::new();
    keys(document, &mut Vec::new(), &mut out);
    out
}

fn keys(table: &Table, path: &mut Vec<String>, out: &mut String) {
    let indent = "  ".repeat(path.len());
    let is_table = |value: &Toml| matches!(value, Toml::Table(_) | Toml::Tables(_));
    for (name, value) in table.iter().filter(|(_, value)| !is_table(value)) {
        out.push_str(&indent);
        key(name, out);
        out.push_str(" = ");
        scalar(value, out);
        out.push('\n');
    }
    for (name, value) in table {
        path.push(name.clone());
        match value {
            Toml::Table(inner) => {
                if path.len() == 1 && !out.is_empty() {
                    out.push('\n');
                }
                header(path, "[", "]", out);
                keys(inner, path, out);
            }
            Toml::Tables(items) => {
                for item in items {
                    if !out.is_empty() {
                        out.push('\n');
                    }
                    header(path, "[[", "]]", out);
                    keys(item, path, out);
                }
            }
            _ => {}
        }
        path.pop();
    }
}

fn header(path: &[String], open: &str, close: &str, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", path.len() - 1));
    out.push_str(open);
    for (index, name) in path.iter().enumerate() {
        if index > 0 {
            out.push('.');
        }
        key(name, out);
    }
    out.push_str(close);
    out.push('\n');
}

fn key(name: &str, out: &mut String) {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.is_empty() && name.bytes().all(bare) { out.push_str(name) } else { text(name, out) }
}

fn scalar(value: &Toml, out: &mut String) {
    match value {
        Toml::Text(value) => text(value, out),
        Toml::Number(number) => out.push_str(&number.to_string()),
        Toml::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Toml::Texts(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                text(item, out);
            }
            out.push(']');
        }
        Toml::Table(_) | Toml::Tables(_) => {}
    }
}

fn text(value: &str, out: &mut String) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\x08' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\x0c' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            // Writing into a String cannot fail.
            c if c < ' ' || c == '\x7f' => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_indented_and_parted_as_the_encoder_does() {
        let name = str::to_owned;
        let mirror = || vec![(name("location"), Toml::Text(name("m")))];
        let document = vec![
            (name("list"), Toml::Texts(vec![name("a"), name("b")])),
            (name("n"), Toml::Number(-1)),
            (
                name("registry"),
                Toml::Tables(vec![
                    vec![(name("blocked"), Toml::Flag(true)), (name("mirror"), Toml::Tables(vec![mirror(), mirror()]))],
                    vec![(name("prefix"), Toml::Text(String::new()))],
                ]),
            ),
            (name("aliases"), Toml::Table(vec![(name("a b"), Toml::Text(name("q\"\\\t\x01é\x7f")))])),
        ];
        assert_eq!(
            to_string(&document),
            "list = [\"a\", \"b\"]\nn = -1\n\n[[registry]]\n  blocked = true\n\n  [[registry.mirror]]\n    location = \"m\"\n\n  \
             [[registry.mirror]]\n    location = \"m\"\n\n[[registry]]\n  prefix = \"\"\n\n[aliases]\n  \"a b\" = \
             \"q\\\"\\\\\\t\\u0001é\\u007f\"\n"
        );
        let nested = vec![(name("a"), Toml::Table(vec![(name("b"), Toml::Table(vec![(name("c"), Toml::Number(1))]))]))];
        assert_eq!(to_string(&nested), "[a]\n  [a.b]\n    c = 1\n");
        assert_eq!(to_string(&vec![(name("none"), Toml::Texts(Vec::new()))]), "none = []\n");
    }
}
