//! Where time and identifiers come from, so that a simulation can decide both.

use jiff::Timestamp;
use std::fmt::Debug;

/// The source of `creationTimestamp` and other timestamps.
pub trait Clock: Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The identifiers that the server gives to objects.
pub trait Ids: Debug + Send + Sync {
    /// A `metadata.uid`: never the same twice.
    fn uid(&self) -> String;
    /// The suffix for `metadata.generateName`: five characters of [`SUFFIX_ALPHABET`].
    fn suffix(&self) -> String;
}

/// Letters of generated names: no vowels and no digits that look like one, so that no word can appear
/// (`k8s.io/apimachinery/pkg/util/rand`).
pub const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH: usize = 5;

/// Random identifiers: version 4 UUIDs.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn uid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    fn suffix(&self) -> String {
        let random = uuid::Uuid::new_v4().into_bytes();
        random[..SUFFIX_LENGTH]
            .iter()
            .map(|b| char::from(SUFFIX_ALPHABET[usize::from(*b) % SUFFIX_ALPHABET.len()]))
            .collect()
    }
}

/// A point in time as the API writes it: RFC 3339, whole seconds, UTC.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
