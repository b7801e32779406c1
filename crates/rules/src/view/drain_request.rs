//! The daemon's request to the drain controller.
//!
//! Source: `desiredDrain` and `lastAppliedDrain` in `pkg/daemon/constants/constants.go`, written as `VERB-CONFIG` by
//! `pkg/daemon/drain.go` of github.com/openshift/machine-config-operator.

use std::fmt;
use weir_api::keys::daemon::{VERB_DRAIN, VERB_UNCORDON};

/// The action for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainVerb<'a> {
    /// Drain.
    Drain,
    /// Uncordon.
    Uncordon,
    /// Anything else; an administrator or a newer daemon wrote it.
    Unknown(&'a str),
}

impl DrainVerb<'_> {
    /// The verb as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Drain => VERB_DRAIN,
            Self::Uncordon => VERB_UNCORDON,
            Self::Unknown(verb) => verb,
        }
    }
}

/// A request, or one that was carried out, e.g. `drain-rendered-worker-1`. Two are equal when their texts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainRequest<'a>(&'a str);

impl<'a> DrainRequest<'a> {
    /// Reads an annotation; `None` when it is empty.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        (!text.is_empty()).then_some(Self(text))
    }

    /// The text of a request.
    #[must_use]
    pub fn text(verb: DrainVerb<'_>, config: &str) -> String {
        format!("{}-{config}", verb.as_str())
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// The verb: the text before the first `-`.
    #[must_use]
    pub fn verb(&self) -> DrainVerb<'a> {
        match self.0.split_once('-').map_or(self.0, |(verb, _)| verb) {
            VERB_DRAIN => DrainVerb::Drain,
            VERB_UNCORDON => DrainVerb::Uncordon,
            verb => DrainVerb::Unknown(verb),
        }
    }

    /// The rendered config of the request; empty when none is named.
    #[must_use]
    pub fn config(&self) -> &'a str {
        self.0.split_once('-').map_or("", |(_, config)| config)
    }
}

impl fmt::Display for DrainRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verb_and_config_stand_on_both_sides_of_the_first_dash() {
        let read = |text: &'static str| DrainRequest::parse(text).map(|request| (request.verb(), request.config()));
        assert_eq!(read(""), None);
        assert_eq!(read("drain-rendered-worker-1"), Some((DrainVerb::Drain, "rendered-worker-1")));
        assert_eq!(read("uncordon-rendered-worker-1"), Some((DrainVerb::Uncordon, "rendered-worker-1")));
        assert_eq!(read("drain"), Some((DrainVerb::Drain, "")));
        assert_eq!(read("drainage-x"), Some((DrainVerb::Unknown("drainage"), "x")));
        let text = DrainRequest::text(DrainVerb::Uncordon, "rendered-worker-1");
        assert_eq!(DrainRequest::parse(&text).map(|request| request.verb()), Some(DrainVerb::Uncordon));
    }
}
