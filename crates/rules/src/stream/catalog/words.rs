//! The catalogue's reasons in words, for conditions, events and the command line.

use super::{Candidate, Considered, Notice, SourceKind, Verdict};
use std::fmt;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(part, stream) => write!(f, "is the {part} image of stream {stream}"),
            Self::ByTag(part, stream) => {
                write!(f, "is the {part} image of stream {stream} by its tag: it has no stream label")
            }
            Self::NotTaken(why) => write!(f, "is left out: {why}"),
            Self::Superseded { part, stream, by } => {
                write!(f, "is left out: {by} is a later {part} image of stream {stream}")
            }
            Self::Half { part, stream } => {
                write!(f, "is left out: stream {stream} has no {} image beside it", part.other())
            }
            Self::Refused { stream, why } => write!(f, "is left out with stream {stream:?}: {why}"),
            Self::Unreadable(why) => write!(f, "is left out: {why}"),
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tag.is_empty() { f.write_str(&self.image) } else { write!(f, "{} ({})", self.tag, self.image) }
    }
}

impl fmt::Display for Considered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.candidate, self.verdict)
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Explicit => "the images given",
            Self::OsImageUrl => "ConfigMap machine-config-osimageurl",
            Self::Payload => "the release payload",
        })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(image) => image.fmt(f),
            Self::SourceSkipped(kind, why) => write!(f, "{kind} is left out: {why}"),
            Self::Retained(stream) => write!(
                f,
                "stream {stream} is no longer in the release and is retained while it is used; move to another stream"
            ),
            Self::Unlabelled(stream) => {
                write!(
                    f,
                    "the images of the release have no stream labels; those of the base tags are taken for {stream}"
                )
            }
            Self::Followed { from, to } => {
                write!(f, "the release replaced stream {from} by {to}; the default and its pools follow")
            }
        }
    }
}

impl Notice {
    /// A word for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Image(_) => "ImageLeftOut",
            Self::SourceSkipped(..) => "SourceLeftOut",
            Self::Retained(_) => "StreamRetained",
            Self::Unlabelled(_) => "ImagesUnlabelled",
            Self::Followed { .. } => "StreamFollowed",
        }
    }
}

/// As many messages as fit into a condition; usually all are the same.
const SHOWN: usize = 5;

pub(super) fn first(messages: &[String]) -> String {
    let more = messages.len().saturating_sub(SHOWN);
    let shown = messages[..messages.len() - more].join("; ");
    if more == 0 { shown } else { format!("{shown}; and {more} more") }
}

pub(super) fn listed(considered: &[Considered], introduction: &str) -> String {
    let lines: Vec<String> = considered.iter().map(ToString::to_string).collect();
    if lines.is_empty() { String::new() } else { format!("{introduction}{}", lines.join("; ")) }
}
