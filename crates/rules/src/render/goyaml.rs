//! YAML text as Go's yaml.v2 writes it, on which the names of rendered MachineConfigs depend.
//!
//! R-YAML-1 Block style, two spaces per level, lists at the indentation of their key, keys in an order of their own (R-YAML-ORDER),
//! `[]` and `{}` for empty values, one line feed at the end.
//! R-YAML-2 A string is literal (`|`) when it contains a line feed, quoted when it would read back as something else, else
//! plain; if its characters rule out a style, the next is used: plain, single-quoted, double-quoted.
//! R-YAML-3 Beyond column 80 a single space is folded into a line break.
//! R-YAML-4 The value went through JSON text that was read as YAML: runs of spaces and next-line characters (U+0085) are
//! folded, and control characters that JSON leaves bare are an error.
//!
//! R-YAML-5 A key is a string on one line: never literal, and never folded.
//!
//! Limits: objects, lists, strings, booleans, integers and null; keys of at most 128 characters. Fractions are written as
//! JSON writes them.
//!
//! Source: the YAML 1.1 specification, <https://yaml.org/spec/1.1/>; `emitterc.go`, `encode.go` and `resolve.go` of
//! gopkg.in/yaml.v2 2.4; the way through JSON: sigs.k8s.io/yaml.

mod order;
mod resolve;

use serde_json::Value;
use std::borrow::Cow;

/// Column after which spaces are folded.
const WIDTH: usize = 80;
const INDENT: usize = 2;

/// A string cannot be written, because it could not be read back as YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error converting JSON to YAML: yaml: control characters are not allowed")]
pub struct ControlCharacter;

/// Writes a value as one document.
///
/// # Errors
/// When a string holds a control character that JSON does not escape.
pub fn to_string(value: &Value) -> Result<String, ControlCharacter> {
    let mut writer = Writer { out: String::new(), column: 0, is_key: false };
    match value {
        Value::Object(map) if !map.is_empty() => writer.mapping(map, 0, false)?,
        Value::Array(items) if !items.is_empty() => writer.sequence(items, 0)?,
        scalar => writer.scalar(scalar, INDENT)?,
    }
    if writer.column != 0 {
        writer.line_feed();
    }
    Ok(writer.out)
}

struct Writer {
    out: String,
    /// Characters on the line so far.
    column: usize,
    /// Whether a key is being written: R-YAML-5.
    is_key: bool,
}

impl Writer {
    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn ascii(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.len();
    }

    fn line_feed(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn folds(&self) -> bool {
        self.column > WIDTH && !self.is_key
    }

    fn spaces(&mut self, count: usize) {
        self.out.extend(std::iter::repeat_n(' ', count));
        self.column += count;
    }

    fn new_line(&mut self, indent: usize) {
        if self.column != 0 {
            self.line_feed();
        }
        self.spaces(indent);
    }

    fn fold(&mut self, indent: usize) {
        self.line_feed();
        self.spaces(indent);
    }

    /// Ends the line with this character, which is a break.
    fn line_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
    }

    /// `inline`: the first key goes on the line of the list item.
    fn mapping(
        &mut self,
        map: &serde_json::Map<String, Value>,
        indent: usize,
        inline: bool,
    ) -> Result<(), ControlCharacter> {
        let mut entries: Vec<(&String, &Value)> = map.iter().collect();
        entries.sort_by(|(a, _), (b, _)| order::compare(a, b));
        for (index, (key, value)) in entries.into_iter().enumerate() {
            if index == 0 && inline {
                self.put(' ');
            } else {
                self.new_line(indent);
            }
            self.is_key = true;
            self.string(&read_back(key)?, indent);
            self.is_key = false;
            self.put(':');
            match value {
                Value::Object(map) if !map.is_empty() => self.mapping(map, indent + INDENT, false)?,
                Value::Array(items) if !items.is_empty() => self.sequence(items, indent)?,
                scalar => {
                    self.put(' ');
                    self.scalar(scalar, indent + INDENT)?;
                }
            }
        }
        Ok(())
    }

    fn sequence(&mut self, items: &[Value], indent: usize) -> Result<(), ControlCharacter> {
        for item in items {
            self.new_line(indent);
            self.put('-');
            match item {
                Value::Object(map) if !map.is_empty() => self.mapping(map, indent + INDENT, true)?,
                Value::Array(items) if !items.is_empty() => self.sequence(items, indent + INDENT)?,
                scalar => {
                    self.put(' ');
                    self.scalar(scalar, indent + INDENT)?;
                }
            }
        }
        Ok(())
    }

    fn scalar(&mut self, value: &Value, indent: usize) -> Result<(), ControlCharacter> {
        match value {
            Value::Null => self.ascii("null"),
            Value::Bool(flag) => self.ascii(if *flag { "true" } else { "false" }),
            Value::Number(number) => self.ascii(&number.to_string()),
            Value::String(text) => self.string(&read_back(text)?, indent),
            Value::Array(_) => self.ascii("[]"),
            Value::Object(_) => self.ascii("{}"),
        }
        Ok(())
    }

    fn string(&mut self, text: &str, indent: usize) {
        // Most of all text is data URLs and words, where every character stands for itself.
        if is_one_word(text) && !resolve::needs_quotes(text) {
            return self.ascii(text);
        }
        let traits = Traits::of(text);
        let plain_fits = !(traits.multi || traits.edge || traits.break_space || traits.space_break);
        let single_fits = !(traits.break_space || traits.space_break || traits.special);
        if text.contains('\n') {
            if self.is_key || text.ends_with(' ') || traits.space_break || traits.special {
                self.double_quoted(text, indent);
            } else {
                self.literal(text, indent);
            }
        } else if resolve::needs_quotes(text) {
            self.double_quoted(text, indent);
        } else if plain_fits && single_fits && !traits.indicator {
            self.plain(text, indent);
        } else if single_fits {
            self.single_quoted(text, indent);
        } else {
            self.double_quoted(text, indent);
        }
    }

    fn plain(&mut self, text: &str, indent: usize) {
        let mut after_space = false;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c == ' ' && !after_space && self.folds() && chars.peek() != Some(&' ') {
                self.fold(indent);
            } else {
                self.put(c);
            }
            after_space = c == ' ';
        }
    }

    fn single_quoted(&mut self, text: &str, indent: usize) {
        self.put('\'');
        let (mut after_space, mut after_break) = (false, false);
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            if c == ' ' {
                let inside = at > 0 && next.is_some_and(|n| n != ' ');
                if !after_space && self.folds() && inside {
                    self.fold(indent);
                } else {
                    self.put(' ');
                }
            } else if is_break(c) {
                self.line_break(c);
            } else {
                if after_break {
                    self.spaces(indent.saturating_sub(self.column));
                }
                if c == '\'' {
                    self.put('\'');
                }
                self.put(c);
            }
            after_space = c == ' ';
            after_break = is_break(c) || (after_break && c == ' ');
        }
        self.put('\'');
    }

    fn double_quoted(&mut self, text: &str, indent: usize) {
        self.put('"');
        let everything = text.starts_with('\u{feff}');
        let mut after_space = false;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if everything || !is_printable(c) || is_break(c) || c == '"' || c == '\\' {
                self.escape(c);
            } else if c == ' ' && !after_space && self.folds() && at > 0 && chars.peek().is_some() {
                self.fold(indent);
                if chars.peek().is_some_and(|(_, next)| *next == ' ') {
                    self.put('\\');
                }
            } else {
                self.put(c);
            }
            after_space = c == ' ' && !everything;
        }
        self.put('"');
    }

    fn escape(&mut self, c: char) {
        let short = match c {
            '\0' => '0',
            '\x07' => 'a',
            '\x08' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\x0b' => 'v',
            '\x0c' => 'f',
            '\r' => 'r',
            '\x1b' => 'e',
            '"' | '\\' => c,
            '\u{85}' => 'N',
            '\u{a0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ => {
                let code = u32::from(c);
                let escape = match code {
                    0..=0xff => format!("\\x{code:02X}"),
                    0x100..=0xffff => format!("\\u{code:04X}"),
                    _ => format!("\\U{code:08X}"),
                };
                return self.ascii(&escape);
            }
        };
        self.put('\\');
        self.put(short);
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.put('|');
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.put('2');
        }
        let mut ends = text.chars().rev();
        match (ends.next(), ends.next()) {
            (Some(last), _) if !is_break(last) => self.put('-'),
            (Some(_), before) if before.is_none_or(is_break) => self.put('+'),
            _ => {}
        }
        self.line_feed();
        let mut after_break = true;
        for c in text.chars() {
            if is_break(c) {
                self.line_break(c);
            } else {
                if after_break {
                    self.spaces(indent);
                }
                self.put(c);
            }
            after_break = is_break(c);
        }
    }
}

/// Properties of a string that decide how it can be written.
#[derive(Default)]
struct Traits {
    /// Holds a character that must be escaped.
    special: bool,
    /// Holds a line break.
    multi: bool,
    /// A space stands right before a break.
    space_break: bool,
    /// A space stands right after a break.
    break_space: bool,
    /// Begins or ends with a space or break.
    edge: bool,
    /// Would be read as YAML syntax.
    indicator: bool,
}

impl Traits {
    fn of(text: &str) -> Self {
        let mut traits = Self { indicator: text.starts_with("---") || text.starts_with("..."), ..Self::default() };
        let mut before = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let ends_word = chars.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            traits.indicator |= match (c, before) {
                (
                    '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`',
                    None,
                ) => true,
                ('?' | '-', None) | (':', _) => ends_word,
                ('#', Some(before)) => matches!(before, ' ' | '\t' | '\0') || is_break(before),
                _ => false,
            };
            traits.special |= !is_printable(c);
            traits.multi |= is_break(c);
            traits.space_break |= before == Some(' ') && is_break(c);
            traits.break_space |= c == ' ' && before.is_some_and(is_break);
            before = Some(c);
        }
        let at_edge = |c: char| c == ' ' || is_break(c);
        traits.edge = text.starts_with(at_edge) || text.ends_with(at_edge);
        traits
    }
}

/// Whether a string is ASCII without spaces and controls, and nothing in it is YAML syntax.
fn is_one_word(text: &str) -> bool {
    let starts_plainly = |first: &u8| !b"#,[]{}&*!|>'\"%@`?:-.".contains(first);
    text.as_bytes().first().is_some_and(starts_plainly)
        && text.bytes().all(|b| b.is_ascii_graphic())
        && !text.ends_with(':')
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Characters that may be written as they are; none above the basic plane.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && c != '\u{feff}'
}

/// The string after the round trip through JSON text (R-YAML-4).
fn read_back(text: &str) -> Result<Cow<'_, str>, ControlCharacter> {
    let bare_control = |c| matches!(c, '\x7f'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if !text.is_ascii() || text.contains('\x7f') {
        if text.contains(bare_control) {
            return Err(ControlCharacter);
        }
        if text.contains('\u{85}') {
            return Ok(Cow::Owned(fold_next_lines(text)));
        }
    }
    Ok(Cow::Borrowed(text))
}

fn fold_next_lines(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find([' ', '\u{85}']) {
        let run_end = rest[start..].find(|c| c != ' ' && c != '\u{85}').map_or(rest.len(), |end| start + end);
        let run = &rest[start..run_end];
        folded.push_str(&rest[..start]);
        match run.matches('\u{85}').count() {
            0 => folded.push_str(run),
            1 => folded.push(' '),
            lines => folded.extend(std::iter::repeat_n('\n', lines - 1)),
        }
        rest = &rest[run_end..];
    }
    folded.push_str(rest);
    folded
}

#[cfg(test)]
mod tests;
