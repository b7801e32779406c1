//! What is read and what is refused, from texts, folders and archives.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archives;
mod documents;
mod folders;
mod several;
mod skimmed;
mod tree;
mod zips;
