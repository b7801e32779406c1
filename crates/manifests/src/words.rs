//! What parsers have against a text, in words for people who write manifests and not for whoever calls a library.

use serde_saphyr::{Error, Localizer, Location, MessageFormatter, UserMessageFormatter, budget::BudgetBreach};
use std::borrow::Cow;

/// It is longer or deeper than anything that an API server stores.
const TOO_MUCH: &str = "more text or values than are read of one document; split it";
const TOO_DEEP: &str = "more lists and mappings within each other than are read";
/// A few lines can stand for billions.
const TOO_MANY_ALIASES: &str =
    "its anchors (&NAME) and aliases (*NAME) stand for more than is read; write out what they stand for";
const ALIAS_WITHIN: &str = "an alias (*NAME) within what it stands for; write out what it stands for";
const NO_ANCHOR: &str = "an alias (*NAME) without its anchor (&NAME) before it; put text that begins with * in quotes";
const INCOMPLETE: &str = "it ends before it is complete; copy it again, or complete it";

/// The words of a YAML error; the line is told before them.
pub(crate) struct Words;

impl MessageFormatter for Words {
    fn localizer(&self) -> &dyn Localizer {
        self
    }

    fn format_message<'a>(&self, error: &'a Error) -> Cow<'a, str> {
        match error {
            Error::Budget { breach, .. } => too_much(breach).into(),
            Error::AliasReplayCounterOverflow { .. }
            | Error::AliasReplayLimitExceeded { .. }
            | Error::AliasExpansionLimitExceeded { .. }
            | Error::AliasReplayStackDepthExceeded { .. } => TOO_MANY_ALIASES.into(),
            Error::RecursiveReferencesRequireWeakTypes { .. } => ALIAS_WITHIN.into(),
            Error::UnknownAnchor { .. } => NO_ANCHOR.into(),
            Error::Eof { .. } => INCOMPLETE.into(),
            Error::Unexpected { expected, .. } => match *expected {
                "mapping start" => "fields (NAME: VALUE) are expected here".into(),
                "sequence start" => "a list is expected here".into(),
                "string scalar" | "scalar" => "a single value is expected here, and no list or mapping".into(),
                _ => UserMessageFormatter.format_message(error),
            },
            Error::InvalidScalar { ty, .. } => match ty.as_bytes() {
                [b'u', ..] => "a whole number that is not negative is expected here".into(),
                [b'i', ..] => "a whole number is expected here".into(),
                [b'f', ..] => "a number is expected here".into(),
                _ => UserMessageFormatter.format_message(error),
            },
            _ => UserMessageFormatter.format_message(error),
        }
    }
}

impl Localizer for Words {
    fn attach_location<'a>(&self, base: Cow<'a, str>, place: Location) -> Cow<'a, str> {
        if place == Location::UNKNOWN { base } else { format!("{base} (column {})", place.column()).into() }
    }

    fn alias_defined_at(&self, _: Location) -> String {
        String::new()
    }

    fn alias_used_at(&self, _: Location) -> String {
        String::new()
    }
}

fn too_much(breach: &BudgetBreach) -> &'static str {
    match breach {
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::AliasAnchorRatio { .. }
        | BudgetBreach::MergeKeys { .. }
        | BudgetBreach::RecordedAnchorEvents { .. }
        | BudgetBreach::RecordedAnchorBytes { .. } => TOO_MANY_ALIASES,
        BudgetBreach::Depth { .. } => TOO_DEEP,
        BudgetBreach::SequenceUnbalanced => INCOMPLETE,
        _ => TOO_MUCH,
    }
}

/// The words of a JSON error, with its column: the library counts lines from the start of the document.
pub(crate) fn of_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let said = text.strip_suffix(&place).unwrap_or(&text);
    let said = match said {
        _ if error.is_eof() => INCOMPLETE,
        "recursion limit exceeded" => TOO_DEEP,
        said => said,
    };
    format!("{said} (column {})", error.column())
}
