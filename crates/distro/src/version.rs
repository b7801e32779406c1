//! Which major version a release or install version has.

use std::fmt;
use std::str::FromStr;

/// The leading numbers of a version such as `4.21.0-okd-scos.3` or `v5.0.0+build`.
///
/// Parsed like Kubernetes' generic version: an optional `v`, then at least two dot-separated numbers; the rest is
/// ignored. Source: `apimachinery/pkg/util/version/version.go` (`ParseGeneric`) of github.com/kubernetes/kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleaseVersion {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
}

/// A text that is not a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version: it must start with at least two numbers and a dot between them, like 4.21.0")]
pub struct BadVersion(String);

impl FromStr for ReleaseVersion {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let bad = || BadVersion(text.to_owned());
        let numbers = text.trim().trim_start_matches('v');
        let end = numbers.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(numbers.len());
        let mut parts = numbers[..end].split('.');
        let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or_else(bad);
        Ok(Self { major: number()?, minor: number()? })
    }
}

impl fmt::Display for ReleaseVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::ReleaseVersion;

    #[test]
    fn versions_as_releases_write_them() {
        for (text, expected) in [
            ("4.21.0", Some((4, 21))),
            ("v5.0.1", Some((5, 0))),
            ("4.21.0-okd-scos.3", Some((4, 21))),
            ("0.0.1-snapshot", Some((0, 0))),
            ("4.22.0-0.ci+abc", Some((4, 22))),
            ("4.21", Some((4, 21))),
            ("4", None),
            ("", None),
            ("four.one", None),
            ("-4.1", None),
            ("99999999999.1", None),
        ] {
            let parsed = text.parse::<ReleaseVersion>().ok().map(|v| (v.major, v.minor));
            assert_eq!(parsed, expected, "{text:?}");
        }
    }
}
