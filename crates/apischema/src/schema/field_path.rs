//! The `fieldPath` of a rule: which field, below the one with the rule, its errors are about.

use crate::node::Node;
use std::{iter::Peekable, str::Chars};

/// The path as errors write it, if the schema has such a field: `.a.b` becomes `a.b`, `.map['k']` becomes `map[k]`.
pub(super) fn resolve(path: &str, node: &Node, resource: bool) -> Option<String> {
    let mut out = String::new();
    let mut here = Some(node);
    let mut rest = path.chars().peekable();
    while let Some(delimiter) = rest.next() {
        let name = match delimiter {
            '.' => plain(&mut rest),
            '[' => quoted(&mut rest)?,
            _ => return None,
        };
        let meta = out.is_empty() && resource && ["metadata", "apiVersion", "kind"].contains(&name.as_str());
        let node = here?;
        let field = node.properties.get(&name);
        let is_key = field.is_none() && node.properties.is_empty() && node.values().is_some();
        if name.is_empty() || (field.is_none() && !is_key && !meta) {
            return None;
        }
        if is_key {
            out.push_str(&format!("[{name}]"));
        } else {
            out.push_str(if out.is_empty() { "" } else { "." });
            out.push_str(&name);
        }
        here = if is_key { node.values() } else { field };
    }
    Some(out)
}

fn plain(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut name = String::new();
    while let Some(c) = rest.next_if(|c| !".[]".contains(*c)) {
        name.push(c);
    }
    name
}

/// `'name']`, with backslash escapes.
fn quoted(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    rest.next_if_eq(&'\'')?;
    let mut name = String::new();
    loop {
        match rest.next()? {
            '\'' => break,
            '\\' => name.push(match rest.next()? {
                'a' => '\u{7}',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\u{b}',
                same @ ('\'' | '\\') => same,
                _ => return None,
            }),
            c => name.push(c),
        }
    }
    rest.next_if_eq(&']')?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths() {
        let node: Node = serde_json::from_value(json!({"type": "object", "properties": {
            "a": {"type": "object", "properties": {"b.c": {"type": "string"}}},
            "m": {"type": "object", "additionalProperties": {"type": "string"}}}}))
        .unwrap();
        for (path, resolved) in [
            ("", Some("")),
            (".a", Some("a")),
            (".a['b.c']", Some("a.b.c")),
            (".m['k']", Some("m[k]")),
            (".m.k", Some("m[k]")),
            (".x", None),
            ("a", None),
            (".a[0]", None),
            (".a['b.c'", None),
            (".metadata", None),
        ] {
            assert_eq!(resolve(path, &node, false).as_deref(), resolved, "{path}");
        }
    }
}
