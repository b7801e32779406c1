//! Which strings would read back as something else when written without quotes.
//!
//! Source: `resolve.go` of gopkg.in/yaml.v2 2.4; the types are those of <https://yaml.org/type/>.

/// Words that mean null, a boolean or a number.
const WORDS: [&str; 37] = [
    "", "~", "null", "Null", "NULL", "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "true", "True", "TRUE",
    "false", "False", "FALSE", "on", "On", "ON", "off", "Off", "OFF", ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF",
    "+.inf", "+.Inf", "+.INF", "-.inf",
];
const NEGATIVE_INFINITY: [&str; 2] = ["-.Inf", "-.INF"];

/// Whether a string must be quoted to stay one.
pub(super) fn needs_quotes(text: &str) -> bool {
    match text.chars().next() {
        None => true,
        Some('y' | 'Y' | 'n' | 'N' | 't' | 'T' | 'f' | 'F' | 'o' | 'O' | '~') => WORDS.contains(&text),
        Some('.') => WORDS.contains(&text) || is_fraction(text),
        Some('+' | '-' | '0'..='9') => {
            WORDS.contains(&text)
                || NEGATIVE_INFINITY.contains(&text)
                || is_timestamp(text)
                || is_number(text)
                || is_base_60(text)
        }
        Some(_) => false,
    }
}

/// Removes digits from the front, at least `least` and at most `most`.
fn digits(text: &str, least: usize, most: usize) -> Option<(&str, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    (count >= least).then(|| text.split_at(count))
}

fn is_finite(number: &str) -> bool {
    number.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Digits with single underscores between them.
fn grouped_digits(text: &str) -> Option<&str> {
    let (_, mut rest) = digits(text, 1, usize::MAX)?;
    while let Some((_, after)) = rest.strip_prefix('_').and_then(|r| digits(r, 1, usize::MAX)) {
        rest = after;
    }
    Some(rest)
}

/// `.5`, `.5_0e1_0`: the one form of numbers in which underscores are not simply dropped.
fn is_fraction(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('.').and_then(grouped_digits) else { return false };
    let exponent = rest.strip_prefix(['e', 'E']).map(|e| e.strip_prefix(['+', '-']).unwrap_or(e));
    let complete = match exponent {
        None => rest.is_empty(),
        Some(exponent) => grouped_digits(exponent) == Some(""),
    };
    complete && is_finite(&text.replace('_', ""))
}

fn is_number(text: &str) -> bool {
    let bare = text.replace('_', "");
    let (negative, digits) = match bare.strip_prefix(['+', '-']) {
        Some(digits) => (bare.starts_with('-'), digits),
        None => (false, bare.as_str()),
    };
    let signed = bare.len() != digits.len();
    if let Some(value) = integer(digits) {
        let fits = match (signed, negative) {
            (false, _) => u64::try_from(value).is_ok(),
            (true, false) => i64::try_from(value).is_ok(),
            (true, true) => value <= 1 << 63,
        };
        if fits {
            return true;
        }
    }
    is_float(&bare) || is_odd_binary(&bare)
}

/// An integer as Go parses one whose base is given by its prefix; `None` when it is not one, or far too large.
fn integer(text: &str) -> Option<u128> {
    let (base, digits) = match text.as_bytes() {
        [b'0'] => (10, text),
        [b'0', b'b' | b'B', _, ..] => (2, &text[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &text[2..]),
        [b'0', b'x' | b'X', _, ..] => (16, &text[2..]),
        [b'0', ..] => (8, &text[1..]),
        _ => (10, text),
    };
    // A sign here does not belong to the number.
    digits.bytes().all(|b| b.is_ascii_alphanumeric()).then(|| u128::from_str_radix(digits, base).ok())?
}

/// `[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?`, finite.
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mantissa = match digits(unsigned, 1, usize::MAX) {
        Some((_, rest)) => rest.strip_prefix('.').map_or(Some(rest), |f| digits(f, 0, usize::MAX).map(|(_, r)| r)),
        None => unsigned.strip_prefix('.').and_then(|f| digits(f, 1, usize::MAX)).map(|(_, rest)| rest),
    };
    let Some(rest) = mantissa else { return false };
    let exponent = rest.strip_prefix(['e', 'E']).map(|e| e.strip_prefix(['+', '-']).unwrap_or(e));
    let complete = match exponent {
        None => rest.is_empty(),
        Some(exponent) => digits(exponent, 1, usize::MAX).is_some_and(|(_, rest)| rest.is_empty()),
    };
    complete && is_finite(text)
}

/// `0b+1`, `0b-1`, `-0b1`: the library reads binary numbers in its own way, which accepts these too.
fn is_odd_binary(text: &str) -> bool {
    let binary = |text: &str| match u128::from_str_radix(text, 2) {
        Ok(value) if text.bytes().all(|b| matches!(b, b'0' | b'1')) => Some(value),
        _ => None,
    };
    if let Some(number) = text.strip_prefix("0b") {
        return match number.strip_prefix('-') {
            Some(negative) => binary(negative).is_some_and(|value| value <= 1 << 63),
            None => match number.strip_prefix('+') {
                Some(positive) => binary(positive).is_some_and(|value| i64::try_from(value).is_ok()),
                None => binary(number).is_some_and(|value| u64::try_from(value).is_ok()),
            },
        };
    }
    text.strip_prefix("-0b").and_then(binary).is_some_and(|value| value <= 1 << 63)
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`: a number in base 60.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let grouped = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let sixtieth = |part: &str| match part.as_bytes() {
        [unit] => unit.is_ascii_digit(),
        [ten, unit] => matches!(ten, b'0'..=b'5') && unit.is_ascii_digit(),
        _ => false,
    };
    let mut rest = parts.peekable();
    first.starts_with(|c: char| c.is_ascii_digit())
        && grouped(first)
        && rest.peek().is_some()
        && rest.all(sixtieth)
        && grouped(fraction)
}

/// A date, or a date and a time in one of three forms; it must exist.
fn is_timestamp(text: &str) -> bool {
    let Some((date, rest)) = date(text) else { return false };
    let [year, month, day] = date;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    if !(1..=days).contains(&day) {
        return false;
    }
    let after_time = |text| time(text).map(fraction);
    match rest.strip_prefix(['T', 't']) {
        Some(time) => after_time(time).is_some_and(is_zone),
        None if rest.is_empty() => true,
        None => rest.strip_prefix(' ').and_then(after_time) == Some(""),
    }
}

fn date(text: &str) -> Option<([u32; 3], &str)> {
    let (year, rest) = digits(text, 4, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 1, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 1, 2)?;
    Some(([year.parse().ok()?, month.parse().ok()?, day.parse().ok()?], rest))
}

/// The rest after a valid time of day.
fn time(text: &str) -> Option<&str> {
    let (hour, rest) = digits(text, 1, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 1, 2)?;
    let (second, rest) = digits(rest.strip_prefix(':')?, 1, 2)?;
    let below = |part: &str, limit: u32| part.parse::<u32>().is_ok_and(|value| value < limit);
    (below(hour, 24) && below(minute, 60) && below(second, 60)).then_some(rest)
}

/// The rest after an optional fraction of a second.
fn fraction(text: &str) -> &str {
    text.strip_prefix(['.', ',']).and_then(|f| digits(f, 1, usize::MAX)).map_or(text, |(_, rest)| rest)
}

/// `Z`, or an offset that the library accepts: up to 24 hours and 60 minutes.
fn is_zone(text: &str) -> bool {
    let offset = |text: &str| {
        let (hour, rest) = digits(text, 2, 2)?;
        let (minute, rest) = digits(rest.strip_prefix(':')?, 2, 2)?;
        Some(rest.is_empty() && hour.parse::<u8>().ok()? <= 24 && minute.parse::<u8>().ok()? <= 60)
    };
    text == "Z" || text.strip_prefix(['+', '-']).and_then(offset) == Some(true)
}
