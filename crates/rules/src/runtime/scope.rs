//! What a registry's name stands for, and which scopes contain others.
//!
//! R-SCOPE-1 A scope is a host, a repository or an image in it, or `*.` and a domain, which stands for all hosts below the domain.
//! R-SCOPE-2 A scope contains itself and everything that continues it with `/`; a wildcard contains every name whose host without
//! the port ends with the domain. A host does not contain the same host with a port.
//! R-SCOPE-3 An entry of `registries.conf` covers names that continue it with `/`, `:` or `@`.
//! R-SCOPE-4 Sources and mirrors are hosts with an optional port and path, paths in lower case; a source may be a wildcard.
//! R-SCOPE-5 A full repository name has a host and a path, including `library/` where the host implies it.
//!
//! Source: `ScopeIsNestedInsideScope` and `IsValidRegistriesConfScope` in `pkg/registries` of github.com/openshift/runtime-utils;
//! `refMatchingPrefix` in `pkg/sysregistriesv2` and the grammar in `docker/reference` of github.com/containers/image.

/// Maximum length of a repository name.
const LONGEST: usize = 255;
/// The host that names without a host refer to.
const DEFAULT_HOST: &str = "docker.io";

/// Whether a scope is inside another: R-SCOPE-2.
#[must_use]
pub fn is_nested(inner: &str, outer: &str) -> bool {
    if inner == outer || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/')) {
        return true;
    }
    let Some(domain) = outer.strip_prefix('*').filter(|domain| domain.starts_with('.')) else { return false };
    let host = match inner.split_once(':') {
        Some((host, _)) if host.contains('/') => return false,
        Some((host, _)) => host,
        None => inner.split('/').next().unwrap_or(inner),
    };
    host.ends_with(domain)
}

/// The length of the part of a name that an entry covers; absent if it does not cover it (R-SCOPE-3).
#[must_use]
pub fn covered(entry: &str, name: &str) -> Option<usize> {
    if let Some(domain) = entry.strip_prefix('*') {
        let host = name.split(['/', ':', '@']).next().unwrap_or(name);
        return host.ends_with(domain).then_some(host.len());
    }
    let rest = name.strip_prefix(entry)?;
    (rest.is_empty() || rest.starts_with(['/', ':', '@'])).then_some(entry.len())
}

/// Whether a text can be a scope: not empty, and with `*` only as the first label of a host alone.
#[must_use]
pub fn is_scope(text: &str) -> bool {
    match text.strip_prefix("*.") {
        Some(domain) => !domain.is_empty() && !domain.contains(['/', '@', ':', '*']),
        None => !text.is_empty() && !text.contains('*'),
    }
}

/// Whether a text can be a mirror.
#[must_use]
pub fn is_mirror(text: &str) -> bool {
    let (host, path) = text.split_once('/').map_or((text, None), |(host, path)| (host, Some(path)));
    is_host(host) && path.is_none_or(|path| path.split('/').all(is_component))
}

/// Whether a text can be a source.
#[must_use]
pub fn is_source(text: &str) -> bool {
    match text.strip_prefix("*.") {
        Some(domain) => domain.split('.').all(is_label),
        None => is_mirror(text),
    }
}

/// Whether a text is the full name of a repository: R-SCOPE-5.
#[must_use]
pub fn is_repository(text: &str) -> bool {
    let Some((host, path)) = text.split_once('/') else { return false };
    let is_full = host.contains(['.', ':']) || host == "localhost" || host.contains(char::is_uppercase);
    let is_short = (host == DEFAULT_HOST && !path.contains('/')) || host == "index.docker.io";
    text.len() <= LONGEST && is_full && !is_short && is_mirror(text)
}

/// The repository in an image's full name, without tag and digest; absent if the name is invalid.
#[must_use]
pub fn repository(image: &str) -> Option<&str> {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    if !digest.is_none_or(is_digest) {
        return None;
    }
    let path = name.rfind('/')?;
    let name = match name[path..].split_once(':') {
        Some((last, tag)) if is_tag(tag) => &name[..path + last.len()],
        Some(_) => return None,
        None => name,
    };
    is_repository(name).then_some(name)
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    let is_known =
        algorithm.bytes().all(|b| b.is_ascii_alphanumeric() || b"+._-".contains(&b)) && !algorithm.is_empty();
    is_known && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    host.split('.').all(is_label) && port.is_none_or(digits)
}

fn is_label(text: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    edge(text.bytes().next())
        && edge(text.bytes().last())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Lower-case letters and digits, joined by `.`, `_`, `__` or any number of `-`.
fn is_component(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut separators = text.split(|c: char| u8::try_from(c).is_ok_and(word)).filter(|between| !between.is_empty());
    text.bytes().next().is_some_and(word)
        && text.bytes().last().is_some_and(word)
        && separators.all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_what() {
        for (inner, outer, nested) in [
            ("a.io", "a.io", true),
            ("a.io/b", "a.io", true),
            ("a.io/bc", "a.io/b", false),
            ("a.io:443", "a.io", false),
            ("bar.example.com/ns", "*.example.com", true),
            ("x.example.com:5000/ns", "*.example.com", true),
            ("*.foo.example.com", "*.example.com", true),
            ("example.com", "*.example.com", false),
            ("a.io/x.example.com:5", "*.example.com", false),
            ("a.io", "*a.io", false),
        ] {
            assert_eq!(is_nested(inner, outer), nested, "{inner} in {outer}");
        }
        for (entry, name, length) in [
            ("a.io", "a.io:5000/x", Some(4)),
            ("a.io/x", "a.io/x@sha256:1", Some(6)),
            ("a.io/x", "a.io/xy", None),
            ("*.io", "b.a.io:5/x", Some(6)),
            ("*.io", "io/x", None),
        ] {
            assert_eq!(covered(entry, name), length, "{name} in {entry}");
        }
    }

    #[test]
    fn what_names_may_look_like() {
        for (text, scope, source, mirror) in [
            ("a.io", true, true, true),
            ("*.a.io", true, true, false),
            ("*.a.io/x", false, false, false),
            ("a.*.io", false, false, false),
            ("*", false, false, false),
            ("*.", false, false, false),
            ("", false, false, false),
            ("a.io/UP", true, false, false),
            ("a.io:5000/x__y/z--1", true, true, true),
            ("a.io:/x", true, false, false),
            ("-a.io", true, false, false),
            ("a.io/x/", true, false, false),
            ("[::1]:5000/x", true, false, false),
        ] {
            assert_eq!((is_scope(text), is_source(text), is_mirror(text)), (scope, source, mirror), "{text}");
        }
        let digest = format!("sha256:{}", "a".repeat(64));
        for (image, name) in [
            (format!("quay.io/a/b@{digest}"), Some("quay.io/a/b")),
            (format!("quay.io:1/a:v1@{digest}"), Some("quay.io:1/a")),
            ("localhost/a".to_owned(), Some("localhost/a")),
            ("docker.io/library/x:1".to_owned(), Some("docker.io/library/x")),
            ("docker.io/x".to_owned(), None),
            ("quay/a".to_owned(), None),
            ("quay.io".to_owned(), None),
            (String::new(), None),
            ("quay.io/a@sha256:1".to_owned(), None),
            ("quay.io/a:b c".to_owned(), None),
        ] {
            assert_eq!(repository(&image), name, "{image}");
        }
    }
}
