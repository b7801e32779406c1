//! Content addressing: a digest, and verification of bytes against it.

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt::{self, Write as _};
use std::str::FromStr;

use crate::error::Fault;

/// `sha256:` or `sha512:` and as many lower-case hexadecimal digits as the algorithm has.
///
/// Source: "Digests" of the OCI image specification, `descriptor.md`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// A text that is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no digest: sha256: and 64, or sha512: and 128 lower case hexadecimal digits")]
pub struct BadDigest(String);

/// Chunks of a blob.
pub type ByteStream = BoxStream<'static, Result<Bytes, Fault>>;

impl Digest {
    /// The sha256 digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::Sha256(Sha256::new());
        hasher.update(bytes);
        hasher.finish()
    }

    /// `sha256` or `sha512`.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// The digits.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Verifies that these bytes have this digest.
    ///
    /// # Errors
    /// [`Fault::Digest`] when they do not.
    pub fn verify(&self, bytes: &[u8]) -> Result<(), Fault> {
        let mut hasher = Hasher::like(self);
        hasher.update(bytes);
        self.compare(&hasher.finish())
    }

    /// The same chunks, ending with an error unless their digest matches, and their length matches `size` when that is
    /// known. A chunk beyond the size is not passed on. Nothing is verified before the end is reached.
    #[must_use]
    pub fn verified(
        &self,
        chunks: impl Stream<Item = Result<Bytes, Fault>> + Send + 'static,
        size: Option<u64>,
    ) -> ByteStream {
        let state = (chunks.boxed(), Some(Hasher::like(self)), 0_u64);
        let wanted = self.clone();
        let next = move |(mut chunks, hasher, seen): (ByteStream, Option<Hasher>, u64)| {
            let wanted = wanted.clone();
            async move {
                let mut hasher = hasher?;
                match chunks.next().await {
                    Some(Ok(chunk)) => {
                        let seen = seen + chunk.len() as u64;
                        if size.is_some_and(|size| seen > size) {
                            let why =
                                format!("it is longer than the {} bytes that its descriptor says", size.unwrap_or(0));
                            return Some((
                                Err(Fault::Malformed { what: format!("blob {wanted}"), why }),
                                (chunks, None, seen),
                            ));
                        }
                        hasher.update(&chunk);
                        Some((Ok(chunk), (chunks, Some(hasher), seen)))
                    }
                    Some(Err(fault)) => Some((Err(fault), (chunks, None, seen))),
                    None => Some((Err(wanted.compare(&hasher.finish()).err()?), (chunks, None, seen))),
                }
            }
        };
        futures::stream::unfold(state, next).boxed()
    }

    fn compare(&self, actual: &Self) -> Result<(), Fault> {
        if self == actual {
            return Ok(());
        }
        Err(Fault::Digest { wanted: self.clone(), actual: actual.clone() })
    }
}

enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    fn like(digest: &Digest) -> Self {
        if digest.algorithm() == "sha512" { Self::Sha512(Sha512::new()) } else { Self::Sha256(Sha256::new()) }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest(hex("sha256:", &hasher.finalize())),
            Self::Sha512(hasher) => Digest(hex("sha512:", &hasher.finalize())),
        }
    }
}

fn hex(prefix: &str, bytes: &[u8]) -> String {
    bytes.iter().fold(prefix.to_owned(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let length = |algorithm| match algorithm {
            "sha256" => Some(64),
            "sha512" => Some(128),
            _ => None,
        };
        let digits = |hex: &str| hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match text.split_once(':') {
            Some((algorithm, hex)) if length(algorithm) == Some(hex.len()) && digits(hex) => Ok(Self(text.to_owned())),
            _ => Err(BadDigest(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = BadDigest;

    fn try_from(text: String) -> Result<Self, BadDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_as_text() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").as_str(), empty);
        for (text, good) in [
            (empty.to_owned(), true),
            (format!("sha512:{}", "0".repeat(128)), true),
            (empty.to_uppercase(), false),
            (format!("sha256:{}", "A".repeat(64)), false),
            (empty[..70].to_owned(), false),
            (format!("md5:{}", "0".repeat(32)), false),
            (format!("sha256:{}", "é".repeat(32)), false),
            (String::new(), false),
        ] {
            assert_eq!(text.parse::<Digest>().is_ok(), good, "{text}");
        }
    }

    async fn read(chunks: &[&'static [u8]], digest: &Digest, size: Option<u64>) -> Result<Vec<u8>, Fault> {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk))).collect();
        let mut verified = digest.verified(futures::stream::iter(chunks), size);
        let mut all = Vec::new();
        while let Some(chunk) = verified.next().await {
            all.extend_from_slice(&chunk?);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_stream_ends_with_an_error_unless_it_is_what_was_asked_for() {
        let digest = Digest::of(b"abcdef");
        assert_eq!(read(&[b"abc", b"def"], &digest, Some(6)).await.unwrap(), b"abcdef");
        assert_eq!(read(&[b"abcdef"], &digest, None).await.unwrap(), b"abcdef");
        assert!(matches!(read(&[b"abc"], &digest, Some(6)).await, Err(Fault::Digest { .. })));
        assert!(matches!(read(&[b"abcdeX"], &digest, Some(6)).await, Err(Fault::Digest { .. })));
        assert!(matches!(read(&[b"abcdef", b"g"], &digest, Some(6)).await, Err(Fault::Malformed { .. })));
        let long: Digest = "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e".parse().unwrap();
        assert_eq!(read(&[], &long, Some(0)).await.unwrap(), b"");
        long.verify(b"").unwrap();
    }
}
