//! Text from objects on its way to a terminal.

use weir_dashboard::hides;

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
}
