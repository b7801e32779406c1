//! What the OSImageStream API accepts as a stream (R-CATALOG-6).
//!
//! Source: the validation rules of `machineconfiguration/v1/types_osimagestream.go` and the `ImageDigestFormat` type of
//! github.com/openshift/api.

use weir_api::os_image_stream::OSImageStreamSet;

const MAX_NAME: usize = 253;
const MAX_PULL_SPEC: usize = 447;
const MAX_NAMESPACE: usize = 61;
const DIGEST_HEX: usize = 64;

/// Whether the API accepts this stream; if not, why.
///
/// # Errors
/// A sentence that names the offending value.
pub fn stream(set: &OSImageStreamSet) -> Result<(), String> {
    if !is_subdomain(&set.name) {
        return Err(format!(
            "the name is no RFC 1123 subdomain of at most {MAX_NAME} characters (lower case letters, digits, '-' and '.')"
        ));
    }
    for image in [&set.os_image, &set.os_extensions_image] {
        if !is_digest_pull_spec(image) {
            return Err(format!(
                "{image:?} does not have the form host[:port][/namespace]/name@sha256:<64 hex digits> with at most one \
                 namespace level and a dot in the host, in at most {MAX_PULL_SPEC} characters"
            ));
        }
    }
    Ok(())
}

fn is_subdomain(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let label = |label: &str| {
        edge(label.chars().next())
            && edge(label.chars().last())
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    (1..=MAX_NAME).contains(&name.len()) && name.split('.').all(label)
}

fn is_digest_pull_spec(spec: &str) -> bool {
    if spec.len() > MAX_PULL_SPEC {
        return false;
    }
    let mut halves = spec.split('@');
    let (Some(name), Some(digest), None) = (halves.next(), halves.next(), halves.next()) else { return false };
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    digest.strip_prefix("sha256:").is_some_and(|digits| digits.len() == DIGEST_HEX && digits.chars().all(hex))
        && is_image_name(name)
}

fn is_image_name(name: &str) -> bool {
    let mut parts = name.split('/');
    let Some(host) = parts.next().filter(|host| is_host(host)) else { return false };
    debug_assert!(!host.is_empty());
    let word = |text: &str, extra: &[char]| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_' || extra.contains(&c))
    };
    match (parts.next(), parts.next(), parts.next()) {
        (Some(image), None, None) => word(image, &['.']),
        (Some(namespace), Some(image), None) => {
            namespace.len() <= MAX_NAMESPACE && word(namespace, &[]) && word(image, &['.'])
        }
        _ => false,
    }
}

fn is_host(host: &str) -> bool {
    let (host, port) = host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
    let label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    host.contains('.')
        && host.split('.').all(label)
        && port.is_none_or(|port| (2..=5).contains(&port.len()) && port.chars().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::{is_digest_pull_spec, is_subdomain};

    #[test]
    fn names() {
        let long = "a".repeat(254);
        for (name, expected) in [
            ("rhel-9", true),
            ("rhel-10.2", true),
            ("9", true),
            ("", false),
            ("RHEL 9!", false),
            ("-a", false),
            ("a-", false),
            ("a..b", false),
            ("a_b", false),
            (long.as_str(), false),
            (&long[1..], true),
        ] {
            assert_eq!(is_subdomain(name), expected, "{name:?}");
        }
    }

    #[test]
    fn pull_specs() {
        let digest = format!("@sha256:{}", "0a".repeat(32));
        for (name, expected) in [
            ("registry.example.com/ocp/os", true),
            ("127.0.0.1:5000/ocp/release", true),
            ("quay.io/os", true),
            ("localhost:5000/ocp/os", false),
            ("registry.example.com/a/b/c", false),
            ("registry.example.com:5/a", false),
            ("registry.example.com", false),
            ("https://registry.example.com/a", false),
            ("registry.example.com/a b", false),
            ("registry..com/a", false),
        ] {
            assert_eq!(is_digest_pull_spec(&format!("{name}{digest}")), expected, "{name}");
        }
        assert!(!is_digest_pull_spec("quay.io/os:latest"));
        assert!(!is_digest_pull_spec(&format!("quay.io/os{}", digest.to_uppercase())));
        assert!(!is_digest_pull_spec(&format!("quay.io/os{digest}{digest}")));
        assert!(!is_digest_pull_spec(&format!("quay.io/{}{digest}", "a".repeat(400))));
    }
}
