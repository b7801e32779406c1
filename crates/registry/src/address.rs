//! What a request is about: its path, parsed and checked.
//!
//! Source: "Endpoints" and "Pulling manifests" of the OCI distribution specification.

use crate::refusal::{Code, Refusal};
use std::fmt;
use weir_images::Digest;

/// Maximum length of a repository name: with the host it fits what clients allow.
const LONGEST_NAME: usize = 200;
/// Maximum length of a tag, from the specification.
const LONGEST_TAG: usize = 128;

/// A repository: lower case words with `.`, `_`, `__` or `-` between them, and `/` between those.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(String);

/// A manifest in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    Digest(Digest),
    Tag(String),
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Root,
    Blob(Name, Digest),
    Uploads(Name),
    Upload(Name, String),
    Manifest(Name, Reference),
    Tags(Name),
    Referrers(Name, Digest),
}

impl Name {
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() <= LONGEST_NAME && text.split('/').all(is_component) {
            return Ok(Self(text.to_owned()));
        }
        let message = format!(
            "{text:?} is no name of a repository: lower case words of letters and digits, with '.', '_', '__' or '-' \
             between them and '/' between those, at most {LONGEST_NAME} characters"
        );
        Err(Refusal::new(Code::NameInvalid, message))
    }

    /// As a file name; `+` cannot be in a name.
    pub(crate) fn flat(&self) -> String {
        self.0.replace('/', "+")
    }

    pub(crate) fn of_flat(text: &str) -> Option<Self> {
        Self::parse(&text.replace('+', "/")).ok()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Words of letters and digits with one separator between them, or several `-`.
fn is_component(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let separator = |run: &str| matches!(run, "." | "_" | "__") || (!run.is_empty() && run.bytes().all(|b| b == b'-'));
    let edges = text.bytes().next().is_some_and(word) && text.bytes().last().is_some_and(word);
    edges
        && text
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(|run| run.is_empty() || separator(run))
}

pub(crate) fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= LONGEST_TAG
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

/// A digest of the algorithm that blobs are stored by.
pub(crate) fn digest(text: &str) -> Result<Digest, Refusal> {
    match text.parse::<Digest>() {
        Ok(digest) if digest.algorithm() == "sha256" => Ok(digest),
        Ok(_) => Err(Refusal::new(Code::DigestInvalid, "only sha256 digests are stored here")),
        Err(error) => Err(Refusal::new(Code::DigestInvalid, error.to_string())),
    }
}

impl Reference {
    fn parse(text: &str) -> Result<Self, Refusal> {
        if text.contains(':') {
            return digest(text).map(Self::Digest);
        }
        if is_tag(text) {
            return Ok(Self::Tag(text.to_owned()));
        }
        let message = format!(
            "{text:?} is no tag: letters, digits, '_', '.' and '-', at most {LONGEST_TAG} of them, not beginning with \
             '.' or '-'"
        );
        Err(Refusal::new(Code::ManifestInvalid, message))
    }
}

impl Address {
    /// Parses a path. Names may contain the words that follow them, so it is parsed from the end.
    pub(crate) fn parse(path: &str) -> Result<Self, Refusal> {
        let unknown = || Refusal::with(http::StatusCode::NOT_FOUND, Code::NameUnknown, "there is nothing at this path");
        let rest = path.strip_prefix("/v2").ok_or_else(unknown)?;
        if matches!(rest, "" | "/") {
            return Ok(Self::Root);
        }
        let rest = rest.strip_prefix('/').ok_or_else(unknown)?;
        if let Some(name) = rest.strip_suffix("/blobs/uploads/").or_else(|| rest.strip_suffix("/blobs/uploads")) {
            return Name::parse(name).map(Self::Uploads);
        }
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Name::parse(name).map(Self::Tags);
        }
        let (before, last) = rest.rsplit_once('/').ok_or_else(unknown)?;
        if let Some(name) = before.strip_suffix("/blobs/uploads") {
            return Ok(Self::Upload(Name::parse(name)?, last.to_owned()));
        }
        let (name, kind) = before.rsplit_once('/').ok_or_else(unknown)?;
        match kind {
            "blobs" => Ok(Self::Blob(Name::parse(name)?, digest(last)?)),
            "manifests" => Ok(Self::Manifest(Name::parse(name)?, Reference::parse(last)?)),
            "referrers" => Ok(Self::Referrers(Name::parse(name)?, digest(last)?)),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(path: &str) -> &'static str {
        Address::parse(path).unwrap_err().code.as_str()
    }

    #[test]
    fn paths() {
        let hex = "a".repeat(64);
        let (name, digest) = (Name::parse("a/b").unwrap(), digest(&format!("sha256:{hex}")).unwrap());
        for (path, wanted) in [
            ("/v2", Address::Root),
            ("/v2/", Address::Root),
            ("/v2/a/b/blobs/uploads/", Address::Uploads(name.clone())),
            ("/v2/a/b/blobs/uploads", Address::Uploads(name.clone())),
            ("/v2/a/b/blobs/uploads/1", Address::Upload(name.clone(), "1".into())),
            (&format!("/v2/a/b/blobs/sha256:{hex}"), Address::Blob(name.clone(), digest.clone())),
            (&format!("/v2/a/b/referrers/sha256:{hex}"), Address::Referrers(name.clone(), digest.clone())),
            ("/v2/a/b/manifests/v1", Address::Manifest(name.clone(), Reference::Tag("v1".into()))),
            ("/v2/a/b/tags/list", Address::Tags(name.clone())),
            ("/v2/blobs/tags/list", Address::Tags(Name::parse("blobs").unwrap())),
        ] {
            assert_eq!(Address::parse(path).unwrap(), wanted, "{path}");
        }
        for (path, wanted) in [
            ("/v1/", "NAME_UNKNOWN"),
            ("/v2x", "NAME_UNKNOWN"),
            ("/v2/a", "NAME_UNKNOWN"),
            ("/v2/a/pictures/1", "NAME_UNKNOWN"),
            ("/v2/A/tags/list", "NAME_INVALID"),
            ("/v2/a//b/tags/list", "NAME_INVALID"),
            ("/v2/../b/tags/list", "NAME_INVALID"),
            ("/v2/a/blobs/sha256:abc", "DIGEST_INVALID"),
            (&format!("/v2/a/blobs/sha512:{hex}{hex}"), "DIGEST_INVALID"),
            ("/v2/a/manifests/.x", "MANIFEST_INVALID"),
        ] {
            assert_eq!(code(path), wanted, "{path}");
        }
    }

    #[test]
    fn names_and_tags_at_their_bounds() {
        for good in ["a", "a/b/c", "a.b", "a_b", "a__b", "a---b", "0", &"a".repeat(LONGEST_NAME)] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a.", "-a", "a..b", "a___b", "a._b", "a+b", "ä", "a/", &"a".repeat(LONGEST_NAME + 1)] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
        assert!(is_tag(&"a".repeat(LONGEST_TAG)) && !is_tag(&"a".repeat(LONGEST_TAG + 1)) && !is_tag(""));
    }

    proptest! {
        #[test]
        fn no_path_leads_out_of_the_folder(path in "/v2/[ -~]{0,60}") {
            if let Ok(Address::Tags(name) | Address::Uploads(name) | Address::Manifest(name, _)) = Address::parse(&path) {
                let flat = name.flat();
                prop_assert!(!flat.contains('/') && !flat.starts_with('.'));
                prop_assert_eq!(Name::of_flat(&flat), Some(name));
            }
        }
    }
}
