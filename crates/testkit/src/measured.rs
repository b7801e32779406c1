//! What a benchmark measures.

use std::path::PathBuf;

/// The program that is named on a benchmark's command line, or else this profile's own; `None` when `cargo test --benches` only asks
/// whether the benchmark runs at all.
#[must_use]
pub fn measured(own: &str) -> Option<PathBuf> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--test") {
        return None;
    }
    let named = arguments.into_iter().find(|argument| !argument.starts_with('-'));
    Some(named.unwrap_or_else(|| own.to_owned()).into())
}
