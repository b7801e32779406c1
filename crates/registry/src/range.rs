//! Parts of a blob: what a chunk says it is, and what a reader asks for.
//!
//! Sources: "Pushing a blob in chunks" of the OCI distribution specification; RFC 9110, section 14.

use std::ops::Range;

/// First and last byte of a chunk: `0-99`.
pub(crate) fn of_chunk(header: &str) -> Option<(u64, u64)> {
    let (first, last) = header.strip_prefix("bytes ").unwrap_or(header).split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

/// The requested part of so many bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: nothing else is requested, or in a form that may be ignored.
    All,
    /// These bytes.
    Part(Range<u64>),
    /// Only bytes that do not exist.
    Nothing,
}

/// Parses a `Range` header. Several ranges at once are answered with everything.
pub(crate) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some(set) = header.and_then(|header| header.strip_prefix("bytes=")) else { return Wanted::All };
    let Some((first, last)) = set.split_once('-').filter(|(_, last)| !last.contains(',')) else { return Wanted::All };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Wanted::All,
    };
    if range.is_empty() { Wanted::Nothing } else { Wanted::Part(range) }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks() {
        for (header, found) in [
            ("0-99", Some((0, 99))),
            ("bytes 5-5", Some((5, 5))),
            ("5-4", None),
            ("5", None),
            ("-5", None),
            ("+5-6", None),
            ("0-99999999999999999999", None),
        ] {
            assert_eq!(of_chunk(header), found, "{header}");
        }
    }

    #[test]
    fn readers() {
        for (header, found) in [
            ("bytes=0-3", Wanted::Part(0..4)),
            ("bytes=3-", Wanted::Part(3..10)),
            ("bytes=8-99", Wanted::Part(8..10)),
            ("bytes=0-18446744073709551615", Wanted::Part(0..10)),
            ("bytes=-4", Wanted::Part(6..10)),
            ("bytes=-40", Wanted::Part(0..10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=3-2", Wanted::All),
            ("bytes=0-1,3-4", Wanted::All),
            ("bytes=-", Wanted::All),
            ("lines=1-2", Wanted::All),
        ] {
            assert_eq!(wanted(Some(header), 10), found, "{header}");
        }
        assert_eq!((wanted(None, 10), wanted(Some("bytes=0-0"), 0)), (Wanted::All, Wanted::Nothing));
    }
}
