//! Values as text, as Go's `fmt` writes them.
//!
//! Source: `fmt/print.go` and `fmt/format.go` of Go's standard library, "Printing" of the package's documentation.

use crate::value::{List, Value};
use std::fmt::Write as _;

/// Maximum width and precision of a verb.
const MAX_WIDTH: usize = 1000;

/// The output of an action.
pub(crate) fn printed(value: &Value) -> Result<String, String> {
    match value.pointed() {
        Value::Missing | Value::Nil => Ok("<no value>".to_owned()),
        other => plain(other),
    }
}

/// `%v`.
pub(crate) fn plain(value: &Value) -> Result<String, String> {
    let mut text = String::new();
    write_plain(value, &mut text, 0)?;
    Ok(text)
}

fn write_plain(value: &Value, out: &mut String, depth: usize) -> Result<(), String> {
    match value {
        Value::Missing | Value::Nil | Value::NilPointer(_) => out.push_str("<nil>"),
        Value::Bool(bool) => _ = write!(out, "{bool}"),
        Value::Int(int, _) => _ = write!(out, "{int}"),
        Value::Uint(uint, _) => _ = write!(out, "{uint}"),
        Value::Float(number) => out.push_str(&shortest(*number)),
        Value::Text(text, _) => out.push_str(text),
        Value::Bytes(bytes) => {
            let bytes: Vec<String> = bytes.iter().map(u8::to_string).collect();
            _ = write!(out, "[{}]", bytes.join(" "));
        }
        Value::List(list) => separated(list.items(), out, '[', ']', |item, out| write_plain(item, out, depth + 1))?,
        Value::Map(map) => {
            out.push_str("map");
            let entries: Vec<_> = map.entries.iter().flat_map(|entries| entries.iter()).collect();
            separated(&entries, out, '[', ']', |(key, value), out| {
                _ = write!(out, "{key}:");
                write_plain(value, out, depth + 1)
            })?;
        }
        Value::Struct(of) => {
            separated(&of.fields, out, '{', '}', |field, out| write_plain(&field.value, out, depth + 1))?;
        }
        Value::Pointer(to) if depth == 0 && matches!(**to, Value::Struct(_) | Value::List(_) | Value::Map(_)) => {
            out.push('&');
            write_plain(to, out, 1)?;
        }
        Value::Pointer(_) => return Err(format!("printing a {} prints an address of memory", value.type_name())),
    }
    Ok(())
}

fn separated<T>(
    items: &[T],
    out: &mut String,
    open: char,
    close: char,
    mut write: impl FnMut(&T, &mut String) -> Result<(), String>,
) -> Result<(), String> {
    out.push(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        write(item, out)?;
    }
    out.push(close);
    Ok(())
}

/// The shortest number that identifies the value; with an exponent below -4 and from 6 on.
fn shortest(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        }
        .to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..SHORTEST_EXPONENT).contains(&exponent) { format!("{number}") } else { with_exponent(digits, exponent) }
}

/// `%v` writes an exponent from this one on.
const SHORTEST_EXPONENT: i32 = 6;

/// At least two digits in the exponent, and always its sign.
fn with_exponent(digits: &str, exponent: i32) -> String {
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// Operands next to each other; with a space between two that are not text.
pub(crate) fn print(operands: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut was_text = true;
    for (at, operand) in operands.iter().enumerate() {
        let is_text = matches!(operand, Value::Text(..));
        if at > 0 && !is_text && !was_text {
            out.push(' ');
        }
        out.push_str(&plain(operand)?);
        was_text = is_text;
    }
    Ok(out)
}

/// Operands separated by spaces, and a newline.
pub(crate) fn println(operands: &[Value]) -> Result<String, String> {
    let texts: Vec<String> = operands.iter().map(plain).collect::<Result<_, _>>()?;
    Ok(format!("{}\n", texts.join(" ")))
}

/// Flags, width and precision of a verb.
#[derive(Default)]
struct Verb {
    minus: bool,
    plus: bool,
    space: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// Replaces the verbs of a text by operands.
///
/// # Errors
/// Names an unsupported verb, flag or operand; for mistakes, Go's output (`%!d(string=x)`) is written.
pub(crate) fn printf(format: &str, operands: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut characters = format.chars().peekable();
    let mut operands = operands.iter();
    while let Some(next) = characters.next() {
        if next != '%' {
            out.push(next);
            continue;
        }
        let mut verb = Verb::default();
        while let Some(flag) = characters.next_if(|c| "-+# 0".contains(*c)) {
            match flag {
                '-' => verb.minus = true,
                '+' => verb.plus = true,
                ' ' => verb.space = true,
                '0' => verb.zero = true,
                _ => return Err("flag # of a verb is not supported".to_owned()),
            }
        }
        verb.width = size(&mut characters, &mut operands)?.unwrap_or_default();
        if characters.next_if_eq(&'.').is_some() {
            verb.precision = Some(size(&mut characters, &mut operands)?.unwrap_or_default());
        }
        match characters.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some('[') => return Err("the index of an operand in a verb is not supported".to_owned()),
            Some(letter) => match operands.next() {
                None => _ = write!(out, "%!{letter}(MISSING)"),
                Some(operand) => out.push_str(&verb.apply(letter, operand)?),
            },
        }
    }
    let extra: Vec<String> = operands.map(described).collect::<Result<_, _>>()?;
    if !extra.is_empty() {
        _ = write!(out, "%!(EXTRA {})", extra.join(", "));
    }
    Ok(out)
}

/// A width or precision: digits, or `*` for the next operand.
fn size<'v>(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    operands: &mut impl Iterator<Item = &'v Value>,
) -> Result<Option<usize>, String> {
    let bounded = |size: usize| (size <= MAX_WIDTH).then_some(size).ok_or(format!("a width is more than {MAX_WIDTH}"));
    if characters.next_if_eq(&'*').is_some() {
        let Some(Value::Int(size, _)) = operands.next() else { return Err("a width of `*` is no integer".to_owned()) };
        let size = usize::try_from(*size).map_err(|_| "a negative width is not supported".to_owned())?;
        return bounded(size).map(Some);
    }
    let mut digits = None;
    while let Some(digit) = characters.next_if(char::is_ascii_digit).and_then(|c| c.to_digit(10)) {
        digits = Some(bounded(digits.unwrap_or(0_usize) * 10 + digit as usize)?);
    }
    Ok(digits)
}

/// An operand without a verb.
fn described(value: &Value) -> Result<String, String> {
    match value {
        Value::Missing | Value::Nil => Ok("<nil>".to_owned()),
        other => Ok(format!("{}={}", other.type_name(), plain(other)?)),
    }
}

impl Verb {
    fn apply(&self, letter: char, value: &Value) -> Result<String, String> {
        match (letter, value) {
            ('T', Value::Missing | Value::Nil) => Ok(self.pad("<nil>".to_owned())),
            ('T', value) => Ok(self.pad(value.type_name())),
            ('v', Value::Missing | Value::Nil) => Ok(self.pad("<nil>".to_owned())),
            (_, Value::Missing | Value::Nil) => Ok(format!("%!{letter}(<nil>)")),
            (letter, Value::List(list)) => self.list(letter, list),
            ('v' | 'd', Value::Int(int, _)) => Ok(self.number(int.unsigned_abs().to_string(), *int < 0)),
            ('v' | 'd', Value::Uint(uint, _)) => Ok(self.number(uint.to_string(), false)),
            ('x', Value::Int(int, _)) => Ok(self.number(format!("{:x}", int.unsigned_abs()), *int < 0)),
            ('v' | 'g' | 'f' | 'F' | 'e', Value::Float(float)) if float.is_finite() => self.float(letter, *float),
            ('v' | 's', Value::Text(text, _)) => Ok(self.pad(self.cut(text))),
            ('q', Value::Text(text, _)) => Ok(self.pad(quoted(&self.cut(text)))),
            ('x', Value::Text(text, _)) if !self.space => {
                let bytes = text.bytes().take(self.precision.unwrap_or(usize::MAX));
                Ok(self.pad(bytes.map(|byte| format!("{byte:02x}")).collect()))
            }
            ('s', Value::Bytes(bytes)) => Ok(self.pad(self.cut(&String::from_utf8_lossy(bytes)))),
            ('v' | 't', Value::Bool(bool)) => Ok(self.pad(bool.to_string())),
            ('v', Value::Struct(_)) if self.plus => Err("%+v of a struct is not supported".to_owned()),
            ('v', value) => Ok(self.pad(plain(value)?)),
            ('d' | 'f' | 'F' | 'e' | 'g' | 't', Value::Text(..))
            | ('d' | 's' | 'q' | 'x' | 'f' | 'e' | 'g', Value::Bool(_))
            | ('s' | 'f' | 'F' | 'e' | 'g' | 't', Value::Int(..) | Value::Uint(..))
            | ('d' | 's' | 'q' | 't', Value::Float(_)) => self.misfit(letter, value),
            (letter, value) => Err(format!("verb %{letter} of a {} is not supported", value.type_name())),
        }
    }

    /// Go applies flags, width and precision to the value inside of this as well.
    fn misfit(&self, letter: char, value: &Value) -> Result<String, String> {
        if self.plus || self.space || self.width > 0 || self.precision.is_some() {
            return Err(format!("a width or flag of verb %{letter}, which does not fit its operand, is not supported"));
        }
        Ok(format!("%!{letter}({})", described(value)?))
    }

    fn list(&self, letter: char, list: &List) -> Result<String, String> {
        let mut out = String::new();
        separated(list.items(), &mut out, '[', ']', |item, out| {
            out.push_str(&self.apply(letter, item)?);
            Ok(())
        })?;
        Ok(out)
    }

    fn cut(&self, text: &str) -> String {
        text.chars().take(self.precision.unwrap_or(usize::MAX)).collect()
    }

    fn number(&self, digits: String, is_negative: bool) -> String {
        let sign = if is_negative {
            "-"
        } else if self.plus {
            "+"
        } else if self.space {
            " "
        } else {
            ""
        };
        let length = digits.chars().count() + sign.len();
        if self.zero && !self.minus && self.precision.is_none() {
            return format!("{sign}{}{digits}", "0".repeat(self.width.saturating_sub(length)));
        }
        let least = self.precision.unwrap_or_default().saturating_sub(digits.len());
        self.pad_with(format!("{sign}{}{digits}", "0".repeat(least)), ' ')
    }

    fn float(&self, letter: char, float: f64) -> Result<String, String> {
        let size = float.abs();
        let digits = match (letter, self.precision) {
            ('v' | 'g', None) => shortest(size),
            ('v' | 'g', Some(_)) => return Err(format!("a precision of %{letter} is not supported")),
            ('e', precision) => {
                let text = format!("{size:.*e}", precision.unwrap_or(6));
                let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                with_exponent(digits, exponent.parse().unwrap_or_default())
            }
            (_, precision) => format!("{size:.*}", precision.unwrap_or(6)),
        };
        Ok(Verb { precision: None, ..*self }.number(digits, float.is_sign_negative()))
    }

    fn pad(&self, text: String) -> String {
        self.pad_with(text, if self.zero && !self.minus { '0' } else { ' ' })
    }

    fn pad_with(&self, text: String, with: char) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        let padding: String = std::iter::repeat_n(with, missing).collect();
        if self.minus { format!("{text}{padding}") } else { format!("{padding}{text}") }
    }
}

/// `%q`: as a Go string constant.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if c.is_ascii_control() => _ = write!(out, "\\x{:02x}", u32::from(c)),
            // Characters beyond ASCII are escaped unless they are graphic: a letter, mark, number or symbol.
            c if c.is_control()
                || (c.is_whitespace() && c != ' ')
                || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{feff}') =>
            {
                _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
