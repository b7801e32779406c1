//! Text from objects on its way to a terminal.

use weir_dashboard::hides;
use weir_rules::plan::one_line;

/// The same text without what a terminal would obey or would not show: escapes of it, as Rust writes them, stand in its place.
/// Line breaks and tabs stay, since text for people is made of them.
pub(crate) fn harmless(text: String) -> String {
    if !text.contains(hides) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if hides(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The same as part of a line: its line breaks are shown, and nothing of it passes for a further line.
pub(crate) fn in_line(text: &str) -> String {
    harmless(one_line(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_by_objects() {
        let of = |text: &str| harmless(text.to_owned());
        assert_eq!(of("a → b\n\tc\n"), "a → b\n\tc\n");
        assert_eq!(of("a\u{1b}[31mRED"), "a\\u{1b}[31mRED");
        assert_eq!(of("over\rwritten\u{9b}2J\u{7f}"), "over\\u{d}written\\u{9b}2J\\u{7f}");
        assert_eq!(of("turned\u{202e}round"), "turned\\u{202e}round");
    }

    #[test]
    fn within_a_line_there_is_no_line_break() {
        assert_eq!(in_line("a\nerror: b\u{1b}[2J"), "a\\nerror: b\\u{1b}[2J");
    }
}
