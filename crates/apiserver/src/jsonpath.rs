//! The part of JSONPath that printer columns use: `.a.b`, `['a.b/c']`, `\.` in names, `[0]`, `[*]`,
//! `[?(@.type=="Ready")]`. `..` is not supported.

use serde_json::Value;

/// The first value at `path`, if any.
pub(crate) fn first<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let path = path.trim();
    let mut rest = path.strip_prefix('{').and_then(|p| p.strip_suffix('}')).unwrap_or(path);
    let mut found = vec![value];
    while !rest.is_empty() {
        let (step, after) = step(rest)?;
        found = found.into_iter().flat_map(|value| step.apply(value)).collect();
        rest = after;
    }
    found.into_iter().next()
}

/// Whether the text is a path this module understands.
pub(crate) fn is_valid(path: &str) -> bool {
    let path = path.trim();
    let mut rest = path.strip_prefix('{').and_then(|p| p.strip_suffix('}')).unwrap_or(path);
    while !rest.is_empty() {
        match step(rest) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    !path.is_empty()
}

enum Step {
    Field(String),
    Index(i64),
    All,
    Where { field: Vec<String>, equal: bool, to: String },
}

impl Step {
    fn apply<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => {
                let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
                let at = if *index < 0 { length + index } else { *index };
                usize::try_from(at).ok().and_then(|at| list.get(at)).into_iter().collect()
            }
            Self::All => match value {
                Value::Array(list) => list.iter().collect(),
                Value::Object(map) => map.values().collect(),
                _ => Vec::new(),
            },
            Self::Where { field, equal, to } => {
                let holds = |item: &&Value| {
                    let found = field.iter().try_fold(*item, |value, name| value.get(name));
                    let text = found.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
                    (text.as_deref() == Some(to)) == *equal
                };
                value.as_array().into_iter().flatten().filter(holds).collect()
            }
        }
    }
}

fn step(rest: &str) -> Option<(Step, &str)> {
    if let Some(inner) = rest.strip_prefix("[?(@.") {
        let end = inner.find(")]")?;
        let (left, right, equal) = match inner[..end].split_once("==") {
            Some((left, right)) => (left, right, true),
            None => inner[..end].split_once("!=").map(|(left, right)| (left, right, false))?,
        };
        let field = left.trim().split('.').map(str::to_owned).collect();
        let to = right.trim().trim_matches(['"', '\'']).to_owned();
        return Some((Step::Where { field, equal, to }, &inner[end + 2..]));
    }
    if let Some(inner) = rest.strip_prefix("['") {
        let end = inner.find("']")?;
        return Some((Step::Field(inner[..end].replace("\\.", ".")), &inner[end + 2..]));
    }
    if let Some(inner) = rest.strip_prefix('[') {
        let end = inner.find(']')?;
        let step = if &inner[..end] == "*" { Step::All } else { Step::Index(inner[..end].trim().parse().ok()?) };
        return Some((step, &inner[end + 1..]));
    }
    let inner = rest.strip_prefix('.').unwrap_or(rest);
    if let Some(after) = inner.strip_prefix('*') {
        return Some((Step::All, after));
    }
    let (mut name, mut end, mut escaped) = (String::new(), inner.len(), false);
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => {
                name.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '.' | '[' => {
                end = at;
                break;
            }
            c => name.push(c),
        }
    }
    // A trailing dot or two dots in a row are invalid.
    (!name.is_empty()).then(|| (Step::Field(name), &inner[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths() {
        let object = json!({"a": {"b.c/d": 1, "e": [{"type": "x", "v": true}, {"type": "y", "v": "z"}]}});
        let cases = [
            (".a.e[0].v", Some(json!(true))),
            ("{.a.e[1].v}", Some(json!("z"))),
            (r#".a.e[?(@.type=="y")].v"#, Some(json!("z"))),
            (".a.e[?(@.type=='none')].v", None),
            (r".a.b\.c/d", Some(json!(1))),
            (".a['b.c/d']", Some(json!(1))),
            (".a.e[*].type", Some(json!("x"))),
            (".a.e[-1].type", Some(json!("y"))),
            (".none", None),
        ];
        for (path, expected) in cases {
            assert!(is_valid(path), "{path}");
            assert_eq!(first(&object, path), expected.as_ref(), "{path}");
        }
        for path in ["", ".", ".a[", ".a[x]", ".a..b"] {
            assert!(!is_valid(path), "{path}");
        }
    }
}
