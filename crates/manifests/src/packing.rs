//! How bytes are packed, by what they begin with, and what is wrong with packed ones.

use std::{fmt, io, path::Path};

/// How bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    Zip,
    /// One that is not read, and what unpacks it.
    Other(&'static str),
}

/// What packed bytes begin with.
const BEGINNINGS: [(&[u8], Packing); 6] = [
    (b"\x1f\x8b", Packing::Gzip),
    (b"PK\x03\x04", Packing::Zip),
    // Without any entry.
    (b"PK\x05\x06", Packing::Zip),
    (b"BZh", Packing::Other("bzip2")),
    (b"\xfd7zXZ\0", Packing::Other("xz")),
    (b"\x28\xb5\x2f\xfd", Packing::Other("zstd")),
];

/// How bytes are packed, if they are.
pub(crate) fn packing(bytes: &[u8]) -> Option<Packing> {
    BEGINNINGS.iter().find(|(beginning, _)| bytes.starts_with(beginning)).map(|(_, packing)| *packing)
}

/// What is wrong with an archive, in words for whoever has it.
#[derive(Debug)]
struct Told(String);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Told {}

/// An error in words for whoever has the archive.
pub(crate) fn told(why: impl Into<String>) -> io::Error {
    io::Error::other(Told(why.into()))
}

/// The same error, without the words of a library. `last` is the entry before it, and `ended` says that more was to be read.
pub(crate) fn in_words(error: io::Error, what: &str, last: Option<&Path>, ended: bool) -> io::Error {
    if is_for_people(&error) {
        return error;
    }
    told(match last {
        Some(last) if ended => format!("it ends too early, after {}; copy it again", last.display()),
        Some(last) => format!("it is damaged after {}; copy it again", last.display()),
        None if ended => "it ends too early, in its first entry; copy it again".to_owned(),
        None => format!("it is no {what}, or is damaged; copy it again, or unpack it yourself and name the folder"),
    })
}

/// The same error of one entry, without the words of a library.
pub(crate) fn damaged(error: io::Error) -> io::Error {
    if is_for_people(&error) { error } else { told("it is damaged; copy the archive again") }
}

fn is_for_people(error: &io::Error) -> bool {
    error.raw_os_error().is_some() || error.get_ref().is_some_and(|inner| inner.is::<Told>())
}
