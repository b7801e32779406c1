//! Text from objects on its way to a terminal.

/// The same text without what a terminal would obey or would not show: escapes of it, as Rust writes them, stand in its place.
/// Line breaks and tabs stay, since text for people is made of them.
pub(crate) fn harmless(text: String) -> String {
    if !text.contains(acts) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if acts(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Control characters, and those that turn the direction of text or are not seen (Unicode Standard Annex 9, and "Default ignorable").
fn acts(character: char) -> bool {
    let is_control = character.is_control() && !matches!(character, '\n' | '\t');
    is_control
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
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
