//! Durations as Go reads and writes them.
//!
//! R-DURATION-1 A sign, then numbers with or without a fraction, each with its unit: `ns`, `us` (`µs`), `ms`, `s`, `m`, `h`; `0`
//! needs none. Fractions of a nanosecond are cut off.
//! R-DURATION-2 Written in hours, minutes and seconds (`1h0m0s`), or below one second in the largest unit with a whole part;
//! trailing zeros of a fraction are left out, and zero is `0s`.
//!
//! Source: `ParseDuration` and `Duration.String` in `src/time` of github.com/golang/go.

/// Nanoseconds of each unit; units that begin like another one come first.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Nanoseconds of a duration; absent if the text is not one, or exceeds 292 years.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (value, after) = one(rest)?;
        total = total.checked_add(value).filter(|total| *total <= 1 << 63)?;
        rest = after;
    }
    if negative { 0_i64.checked_sub_unsigned(total) } else { i64::try_from(total).ok() }
}

/// One number with its unit, and the rest.
fn one(text: &str) -> Option<(u64, &str)> {
    let digits_end = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, after) = text.split_at(digits_end(text));
    let (fraction, after) = match after.strip_prefix('.') {
        Some(after) => after.split_at(digits_end(after)),
        None => ("", after),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unit_end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
    let (unit, after) = after.split_at(unit_end);
    let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part = if fraction.is_empty() { 0 } else { below_one(fraction, *unit) };
    Some((whole.checked_mul(*unit)?.checked_add(part)?, after))
}

/// A fraction of a unit, in nanoseconds. Only as many digits count as fit into 63 bits, and the product is a floating point number,
/// which gives Go's results including rounding.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what Go computes, which is what counts"
)]
fn below_one(fraction: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1_f64);
    for digit in fraction.bytes().map(|b| u64::from(b - b'0')) {
        let next = value.checked_mul(10).and_then(|v| v.checked_add(digit)).filter(|v| *v <= 1 << 63);
        let Some(next) = next else { break };
        value = next;
        scale *= 10.0;
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

/// The text of a duration in nanoseconds.
#[must_use]
pub fn text(nanoseconds: i64) -> String {
    let total = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    const SECOND: u64 = 1_000_000_000;
    if total < SECOND {
        return match total {
            0 => "0s".to_owned(),
            1..1_000 => format!("{sign}{total}ns"),
            1_000..1_000_000 => format!("{sign}{}\u{b5}s", decimal(total, 1_000)),
            _ => format!("{sign}{}ms", decimal(total, 1_000_000)),
        };
    }
    let (minutes, seconds) = (total / (60 * SECOND), decimal(total % (60 * SECOND), SECOND));
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// `value` in units of `unit`, a power of ten, without trailing zeros.
fn decimal(value: u64, unit: u64) -> String {
    let (whole, fraction) = (value / unit, value % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let digits = usize::try_from(unit.ilog10()).unwrap_or_default();
    let fraction = format!("{fraction:0digits$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::{parse, text};

    #[test]
    fn as_go_reads_and_writes_them() {
        for (given, written) in [
            ("0", "0s"),
            ("-0s", "0s"),
            ("90s", "1m30s"),
            ("1500ms", "1.5s"),
            ("48h", "48h0m0s"),
            ("1h2m3.004s", "1h2m3.004s"),
            ("-1.5h", "-1h30m0s"),
            ("+5s", "5s"),
            (".5s", "500ms"),
            ("1.s", "1s"),
            ("1us1\u{b5}s1\u{3bc}s", "3\u{b5}s"),
            ("1.0001ms", "1.0001ms"),
            ("100ns", "100ns"),
            ("0.3333333333333333333h", "20m0s"),
            ("9007199254.740993ms", "2501h59m59.254740993s"),
            ("9223372036854775807ns", "2562047h47m16.854775807s"),
            ("-9223372036854775808ns", "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(parse(given).map(text).as_deref(), Some(written), "{given}");
        }
        for bad in
            ["", "-", "5", "s", ".s", "1.5", "1d", "1 s", "1s ", "abc", "1h-5m", "9223372036854775808ns", "3000000h"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
