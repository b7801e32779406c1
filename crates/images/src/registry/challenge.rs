//! How a registry wants clients to log in: the `WWW-Authenticate` header.
//!
//! Sources: RFC 9110 section 11.6.1; "Token Authentication Specification" of github.com/distribution/distribution.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use std::collections::BTreeMap;

/// How to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with every request.
    Basic,
    /// A token from a token server.
    Bearer {
        /// URL of the token server.
        realm: String,
        /// The registry's name at the token server.
        service: Option<String>,
    },
}

impl Challenge {
    /// The strongest supported challenge among the headers.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let all: Vec<Self> = values.flat_map(parse).collect();
        all.iter().find(|challenge| **challenge != Self::Basic).or(all.first()).cloned()
    }
}

/// Every supported challenge of one header.
fn parse(header: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut rest = header;
    while !rest.trim().is_empty() {
        let (scheme, after) = word(rest.trim_start_matches([' ', ',', '\t']));
        let (parameters, after) = parameters(after);
        if scheme.eq_ignore_ascii_case("basic") {
            found.push(Challenge::Basic);
        } else if scheme.eq_ignore_ascii_case("bearer")
            && let Some(realm) = parameters.get("realm")
        {
            found.push(Challenge::Bearer { realm: realm.clone(), service: parameters.get("service").cloned() });
        }
        if after.len() == rest.len() {
            break;
        }
        rest = after;
    }
    found
}

fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find([' ', ',', '=', '\t']).unwrap_or(text.len()))
}

/// `name=value` pairs up to the next scheme.
fn parameters(mut text: &str) -> (BTreeMap<String, String>, &str) {
    let mut all = BTreeMap::new();
    loop {
        let trimmed = text.trim_start_matches([' ', ',', '\t']);
        let (name, after) = word(trimmed);
        let Some(value) = after.trim_start().strip_prefix('=').filter(|_| !name.is_empty()) else {
            return (all, trimmed);
        };
        let (value, after) = parameter_value(value.trim_start());
        all.insert(name.to_ascii_lowercase(), value);
        text = after;
    }
}

fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([',', ' ']).unwrap_or(text.len()));
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) }
    }

    #[test]
    fn headers_as_registries_send_them() {
        for (header, expected) in [
            (r#"Basic realm="x""#, Some(Challenge::Basic)),
            (r#"basic"#, Some(Challenge::Basic)),
            (
                r#"Bearer realm="https://quay.io/v2/auth",service="quay.io",scope="repository:a/b:pull,push""#,
                Some(bearer("https://quay.io/v2/auth", Some("quay.io"))),
            ),
            (r#"Bearer realm=https://a.io/t , service = a"#, Some(bearer("https://a.io/t", Some("a")))),
            (r#"Basic realm="a, b", Bearer realm="https://a.io/t""#, Some(bearer("https://a.io/t", None))),
            (r#"Bearer realm="a\"b""#, Some(bearer("a\"b", None))),
            (r#"Negotiate, Basic realm="x""#, Some(Challenge::Basic)),
            (r#"Bearer service="x""#, None),
            ("Digest nonce=1", None),
            ("Bearer realm=\"unclosed", Some(bearer("unclosed", None))),
            ("=,=,=", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(WWW_AUTHENTICATE, header.parse().unwrap());
            assert_eq!(Challenge::of(&headers), expected, "{header}");
        }
    }
}
