//! Image names: parsing, normalising, and the digest in a pull spec.
//!
//! Source: the grammar in `reference.go` of github.com/distribution/reference, and the familiar-name rules of the
//! docker transport (`docker.io/library/…:latest`).

use crate::digest::Digest;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A normalised registry name of an image: host, repository, and a tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PullSpec {
    /// `host[:port]`.
    pub registry: String,
    /// Repository without the host.
    pub repository: String,
    /// Which image of the repository. A tag next to a digest is dropped: the digest decides.
    pub version: Version,
}

/// Which image of a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// The one that the tag currently names.
    Tag(String),
    /// This one.
    Digest(Digest),
}

/// Where an image is: in a registry, or in a folder with an OCI layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// `[docker://]host/repository[:tag][@digest]`.
    Registry(PullSpec),
    /// `oci:DIR[@digest]`; without a digest the only image of the layout, or its only release image.
    Layout {
        /// The folder.
        folder: PathBuf,
        /// Which of its images.
        digest: Option<Digest>,
    },
}

/// Why a text is not a pull spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPullSpec {
    /// A transport that is not `docker://`.
    #[error("unknown transport for pullspec {0}")]
    Transport(String),
    /// The text violates the grammar.
    #[error("invalid reference format: {0:?}: {1}")]
    Format(String, &'static str),
}

const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_NAMESPACE: &str = "library";
const DEFAULT_TAG: &str = "latest";
/// Longest repository name, including the host, that registries accept.
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

impl FromStr for PullSpec {
    type Err = BadPullSpec;

    fn from_str(text: &str) -> Result<Self, BadPullSpec> {
        let rest = text.strip_prefix("docker://").unwrap_or(text);
        if text.contains("//") && (rest == text || rest.contains("//")) {
            return Err(BadPullSpec::Transport(text.to_owned()));
        }
        let bad = |why| BadPullSpec::Format(text.to_owned(), why);
        let (rest, digest) = match rest.split_once('@') {
            Some((name, digest)) => {
                let digest = digest.parse::<Digest>().map_err(|_| bad("what follows @ is no digest"))?;
                (name, Some(digest))
            }
            None => (rest, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(str::is_empty) {
            return Err(bad("there is no tag after the last :"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(bad("the tag has a character that tags do not have, or is too long"));
        }
        let (registry, repository) = split(name);
        if name.is_empty() {
            return Err(bad("there is no name"));
        }
        if !is_host(registry) {
            return Err(bad("the part before the first / is no host name"));
        }
        if !is_repository(&repository) {
            return Err(bad("a repository has lower case letters, digits and single separators . _ - /"));
        }
        if registry.len() + repository.len() >= MAX_NAME {
            return Err(bad("the name is too long"));
        }
        let version = digest.map_or_else(|| Version::Tag(tag.unwrap_or(DEFAULT_TAG).to_owned()), Version::Digest);
        Ok(Self { registry: registry.to_owned(), repository, version })
    }
}

impl PullSpec {
    /// `host[:port]/repository`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The digest, if the pull spec has one.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        if let Version::Digest(digest) = &self.version { Some(digest) } else { None }
    }

    /// The same repository, by digest.
    #[must_use]
    pub fn by_digest(&self, digest: Digest) -> Self {
        Self { version: Version::Digest(digest), ..self.clone() }
    }
}

impl FromStr for Location {
    type Err = BadPullSpec;

    fn from_str(text: &str) -> Result<Self, BadPullSpec> {
        let Some(layout) = text.strip_prefix("oci:").filter(|rest| !rest.starts_with("//")) else {
            return text.parse().map(Self::Registry);
        };
        let at = layout.rsplit_once('@').and_then(|(folder, digest)| Some((folder, digest.parse().ok()?)));
        let (folder, digest) = at.map_or((layout, None), |(folder, digest)| (folder, Some(digest)));
        if folder.is_empty() {
            return Err(BadPullSpec::Format(text.to_owned(), "there is no folder after oci:"));
        }
        Ok(Self::Layout { folder: folder.into(), digest })
    }
}

/// The digest in a pull spec as written, without normalising; `None` when there is none or the text is not a pull spec.
#[must_use]
pub fn digest_of(text: &str) -> Option<Digest> {
    if text.contains("//") { None } else { text.parse::<PullSpec>().ok()?.digest().cloned() }
}

fn split(name: &str) -> (&str, String) {
    let host = |first: &str| first.contains(['.', ':']) || first == "localhost" || first.contains(char::is_uppercase);
    match name.split_once('/') {
        Some((first, rest)) if host(first) => {
            let first = if first == "index.docker.io" { DEFAULT_REGISTRY } else { first };
            let lone = first == DEFAULT_REGISTRY && !rest.contains('/');
            (first, if lone { format!("{DEFAULT_NAMESPACE}/{rest}") } else { rest.to_owned() })
        }
        Some(_) => (DEFAULT_REGISTRY, name.to_owned()),
        None => (DEFAULT_REGISTRY, format!("{DEFAULT_NAMESPACE}/{name}")),
    }
}

/// Whether the text is `host[:port]`, with an IPv6 address in brackets.
pub(crate) fn is_host(text: &str) -> bool {
    let after = text.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match text[after..].split_once(':') {
        Some((more, port)) => (&text[..after + more.len()], Some(port)),
        None => (text, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let address = |inner: &str| inner.parse::<std::net::Ipv6Addr>().is_ok();
    let good = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => address(inner),
        None => host.split('.').all(label),
    };
    good && port.is_none_or(|port| !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()))
}

fn is_repository(text: &str) -> bool {
    text.split('/').all(is_component)
}

/// Letters and digits, joined by `.`, `_`, `__` or any number of `-`.
fn is_component(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let edge = |b: Option<u8>| b.is_some_and(word);
    let separators = text.split(|c: char| u8::try_from(c).is_ok_and(word)).filter(|between| !between.is_empty());
    edge(text.bytes().next())
        && edge(text.bytes().last())
        && separators.into_iter().all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= MAX_TAG
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

impl fmt::Display for PullSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Tag(tag) => write!(f, "{}/{}:{tag}", self.registry, self.repository),
            Version::Digest(digest) => write!(f, "{}/{}@{digest}", self.registry, self.repository),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_are_normalised() {
        let digest = format!("quay.io/a/b@sha256:{HEX}");
        let both = format!("quay.io/a/b:1@sha256:{HEX}");
        for (text, expected) in [
            ("ubi", "docker.io/library/ubi:latest"),
            ("ubi:9", "docker.io/library/ubi:9"),
            ("me/ubi", "docker.io/me/ubi:latest"),
            ("docker.io/ubi", "docker.io/library/ubi:latest"),
            ("index.docker.io/ubi", "docker.io/library/ubi:latest"),
            ("docker://quay.io/a/b", "quay.io/a/b:latest"),
            ("localhost/a", "localhost/a:latest"),
            ("localhost:5000/a", "localhost:5000/a:latest"),
            ("127.0.0.1:5000/ocp/release:4.21.0", "127.0.0.1:5000/ocp/release:4.21.0"),
            ("[::1]:5000/a", "[::1]:5000/a:latest"),
            ("Quay.io/a", "Quay.io/a:latest"),
            ("quay.io/a__b/c-d--e.f:V_1.2-x", "quay.io/a__b/c-d--e.f:V_1.2-x"),
            (&digest, &digest),
            (&both, &digest),
        ] {
            assert_eq!(text.parse::<PullSpec>().map(|spec| spec.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_pull_spec_is_refused_with_a_reason() {
        for text in ["//x", "oci://x", "https://x", "q.io//a", "docker://q.io//a"] {
            let error = text.parse::<PullSpec>().unwrap_err().to_string();
            assert_eq!(error, format!("unknown transport for pullspec {text}"));
        }
        let upper = format!("quay.io/a@sha256:{}", HEX.to_uppercase());
        let long = format!("quay.io/{}", "a".repeat(250));
        for text in [
            "",
            "quay.io/",
            "quay.io/A",
            "quay.io/a:",
            "quay.io/a:-x",
            "quay.io/a@sha256:1",
            &upper,
            "quay.io/a@",
            ":5000/a",
            "quay.io/a..b",
            "quay.io/-a",
            "quay.io/a___b",
            "a b",
            "quay.io:port/a",
            "-x.io/a",
            "[::g]/a",
            "quay.io/é",
            &long,
            "quay.io/../a",
            "quay.io/a\n",
            "a@sha256:1@sha256:2",
        ] {
            assert!(matches!(text.parse::<PullSpec>(), Err(BadPullSpec::Format(..))), "{text:?}");
        }
    }

    #[test]
    fn a_tag_that_is_not_there_is_not_said_to_be_too_long() {
        let why = |text: &str| text.parse::<PullSpec>().unwrap_err().to_string();
        assert_eq!(why("nope:::"), "invalid reference format: \"nope:::\": there is no tag after the last :");
        assert!(why("nope:a b").ends_with("the tag has a character that tags do not have, or is too long"));
    }

    #[test]
    fn the_digest_of_a_text_never_fails() {
        let digest = format!("sha256:{HEX}");
        for (text, has) in [
            (format!("quay.io/a@{digest}"), true),
            (format!("quay.io/a:1@{digest}"), true),
            (format!("quay.io/a@sha512:{HEX}{HEX}"), true),
            (format!("docker://quay.io/a@{digest}"), false),
            (format!("quay.io/A@{digest}"), false),
            (format!("quay.io/a@{}", digest.to_uppercase()), false),
            (format!("quay.io/a@{}", &digest[..40]), false),
            ("quay.io/a:1".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(digest_of(&text).is_some(), has, "{text}");
        }
    }

    #[test]
    fn layouts_are_named_by_folder_and_digest() {
        let digest: Digest = format!("sha256:{HEX}").parse().unwrap();
        for (text, folder, expected) in [
            ("oci:payload".to_owned(), "payload", None),
            ("oci:/a/b:c".to_owned(), "/a/b:c", None),
            ("oci:a@b".to_owned(), "a@b", None),
            (format!("oci:a@{digest}"), "a", Some(digest.clone())),
        ] {
            assert_eq!(text.parse(), Ok(Location::Layout { folder: folder.into(), digest: expected }), "{text}");
        }
        assert!("oci:".parse::<Location>().is_err());
        assert!("oci://x".parse::<Location>().is_err());
        assert!(matches!("quay.io/oci:1".parse(), Ok(Location::Registry(_))));
    }
}
