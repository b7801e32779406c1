//! The string formats a schema may ask for. Names that are not in the list of
//! k8s.io/apiextensions-apiserver/pkg/apiserver/validation/formats.go are ignored, as the API server does.

use super::{pattern::Pattern, uri::Uri};
use crate::names::NameRule;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

/// Whether `text` has the format; `None` if the format is unknown and therefore ignored.
pub(crate) fn matches(format: &str, text: &str) -> Option<bool> {
    // Dashes in format names are ignored: date-time is datetime.
    Some(match format.replace('-', "").as_str() {
        "datetime" => is_date_time(text),
        "date" => is_date(text),
        "duration" => duration_nanos(text).is_some(),
        "byte" => RULES.base64.matches(text),
        "uri" => Uri::parse(text).is_ok(),
        "email" => RULES.email.matches(text),
        "hostname" => is_hostname(text),
        "ipv4" => sloppy_ip(text).is_some_and(|_| text.contains('.')),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => RULES.mac.matches(text),
        "uuid" => RULES.uuid.matches(text),
        "uuid3" => RULES.uuid.matches(text) && uuid_has(text, b"3", None),
        "uuid4" => RULES.uuid.matches(text) && uuid_has(text, b"4", Some(b"89ab")),
        "uuid5" => RULES.uuid.matches(text) && uuid_has(text, b"5", Some(b"89ab")),
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "creditcard" => is_credit_card(text),
        "ssn" => RULES.ssn.matches(text),
        "hexcolor" => RULES.hex_color.matches(text),
        "rgbcolor" => RULES.rgb_color.matches(text),
        "password" => true,
        "k8sshortname" => NameRule::Label.violations(text, false).is_empty(),
        "k8slongname" => NameRule::Subdomain.violations(text, false).is_empty(),
        _ => return None,
    })
}

/// Patterns of the formats that are patterns.
struct Rules {
    base64: Pattern,
    email: Pattern,
    mac: Pattern,
    uuid: Pattern,
    ssn: Pattern,
    hex_color: Pattern,
    rgb_color: Pattern,
    time: Pattern,
    host_label: Pattern,
    duration: Pattern,
}

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let rule = |source: &str| Pattern::new(source.to_owned());
    Rules {
        base64: rule("^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$"),
        email: rule(r#"^(?:[^<>@"]*<)?[^\s@<>()\[\]\\,;:"]+@[^\s@<>()\\,;:"]+>?$"#),
        mac: rule(r"^(?:[0-9A-Fa-f]{2}[:-]){5,19}[0-9A-Fa-f]{2}$|^(?:[0-9A-Fa-f]{4}\.){2,9}[0-9A-Fa-f]{4}$"),
        uuid: rule("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
        ssn: rule(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$"),
        hex_color: rule("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
        rgb_color: rule(
            r"^rgb\(\s*(\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])\s*(,\s*(\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])\s*){2}\)$",
        ),
        time: rule("^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$"),
        host_label: rule(r"^[a-zA-Z0-9\p{S}\p{L}]([a-zA-Z0-9\-\p{S}\p{L}]*[a-zA-Z0-9\p{S}\p{L}])?$"),
        duration: rule(r"(\d+)\s*([A-Za-zµ]+)"),
    }
});

/// An RFC 3339 date-time, as loosely as strfmt reads it: lower case is fine, a fraction may follow any character.
fn is_date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    let Some((date, time)) = lower.split_once('t') else { return false };
    let Some(parts) = RULES.time.compiled.as_ref().ok().and_then(|program| program.regex.captures(time)) else {
        return false;
    };
    is_date(date) && &parts[1] <= "23" && &parts[2] <= "59" && &parts[3] <= "59"
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

/// A duration in nanoseconds, as Go's time.ParseDuration reads it or in words such as `2 days`.
pub(crate) fn duration_nanos(text: &str) -> Option<i64> {
    go_duration(text).or_else(|| worded_duration(text))
}

fn go_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_len);
        let unit_len = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_len);
        let scale = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000_i64,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(scale)?)?;
        if !fraction.is_empty() {
            let part: f64 = format!("0.{fraction}").parse().ok()?;
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                reason = "below one unit: no more than 3.6e12"
            )]
            let nanos = (part * scale as f64) as i64;
            total = total.checked_add(nanos)?;
        }
        rest = next;
    }
    Some(if negative { -total } else { total })
}

fn worded_duration(text: &str) -> Option<i64> {
    const UNITS: [(&[&str], i64); 8] = [
        (&["ns", "nano"], 1),
        (&["us", "µs", "micro"], 1_000),
        (&["ms", "milli"], 1_000_000),
        (&["s", "sec"], 1_000_000_000),
        (&["m", "min"], 60_000_000_000),
        (&["h", "hr", "hour"], 3_600_000_000_000),
        (&["d", "day"], 86_400_000_000_000),
        (&["w", "wk", "week"], 604_800_000_000_000),
    ];
    let mut total = None;
    for found in RULES.duration.compiled.as_ref().ok()?.regex.captures_iter(text) {
        let factor: i64 = found[1].parse().ok()?;
        let unit = found[2].to_lowercase();
        for (names, scale) in UNITS {
            let longest = names.last().is_some_and(|name| unit.starts_with(name));
            if longest || names.contains(&unit.as_str()) {
                total = Some(total.unwrap_or(0_i64).checked_add(factor.checked_mul(scale)?)?);
            }
        }
    }
    total
}

fn is_hostname(text: &str) -> bool {
    text.len() <= 255 && text.split('.').all(|label| label.len() <= 63 && RULES.host_label.matches(label))
}

/// Parses an address as Go did before it refused leading zeros.
fn sloppy_ip(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse().ok();
    }
    let octets: Vec<u8> = text.split('.').map(|octet| octet.parse().ok()).collect::<Option<_>>()?;
    <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).into())
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let limit = sloppy_ip(address).map(|ip| if ip.is_ipv4() { 32 } else { 128 });
    bits.bytes().all(|b| b.is_ascii_digit()) && limit.is_some_and(|limit| bits.parse::<u8>().is_ok_and(|n| n <= limit))
}

/// Whether a UUID has one of these version digits and, if given, one of these variant digits.
fn uuid_has(text: &str, version: &[u8], variant: Option<&[u8]>) -> bool {
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b'-').map(|b| b.to_ascii_lowercase()).collect();
    digits.get(12).is_some_and(|b| version.contains(b))
        && variant.is_none_or(|allowed| digits.get(16).is_some_and(|b| allowed.contains(b)))
}

fn without_separators(text: &str) -> Vec<u8> {
    text.bytes().filter(|b| !b" -".contains(b)).collect()
}

fn is_isbn10(text: &str) -> bool {
    let digits = without_separators(text);
    let value = |i: usize, b: u8| match b {
        b'0'..=b'9' => Some(u32::from(b - b'0')),
        b'X' if i == 9 => Some(10),
        _ => None,
    };
    let sum: Option<u32> =
        digits.iter().zip(1..).enumerate().map(|(i, (b, weight))| Some(value(i, *b)? * weight)).sum();
    digits.len() == 10 && sum.is_some_and(|sum| sum % 11 == 0)
}

fn is_isbn13(text: &str) -> bool {
    let digits = without_separators(text);
    let weight = |i: usize| if i.is_multiple_of(2) { 1 } else { 3 };
    let sum: u32 = digits.iter().enumerate().map(|(i, b)| u32::from(b.wrapping_sub(b'0')) * weight(i)).sum();
    digits.len() == 13 && digits.iter().all(u8::is_ascii_digit) && sum.is_multiple_of(10)
}

fn is_credit_card(text: &str) -> bool {
    let digits: Vec<u32> = text.bytes().filter(u8::is_ascii_digit).map(|b| u32::from(b - b'0')).collect();
    let luhn: u32 =
        digits.iter().rev().enumerate().map(|(i, d)| if i % 2 == 0 { *d } else { d * 2 / 10 + d * 2 % 10 }).sum();
    (13..=16).contains(&digits.len()) && luhn.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let cases: [(&str, &[&str], &[&str]); 18] = [
            (
                "date-time",
                &["2024-02-29T23:59:59Z", "2024-01-01t00:00:00.123+02:00"],
                &["2024-01-01", "2024-13-01T00:00:00Z", "2024-01-01T24:00:00Z", "x"],
            ),
            ("date", &["2024-02-29"], &["2023-02-29", "2024-2-1", "20240229"]),
            ("duration", &["1h30m", "-1.5s", "0", "2 days", "1w"], &["", "1", "x", "h"]),
            ("byte", &["aGk=", "YWJj"], &["a", "a===", "not base64!"]),
            ("uri", &["https://a/b"], &["a b"]),
            ("email", &["a@b.c", "A <a@b>"], &["a", "a@", "@b"]),
            ("hostname", &["a.b-c.d", "localhost"], &["-a", "a..b", ""]),
            ("ipv4", &["10.0.0.1", "010.0.0.1"], &["10.0.0", "::1", "256.0.0.1"]),
            ("ipv6", &["::1", "fe80::1"], &["10.0.0.1", "x"]),
            ("cidr", &["10.0.0.0/8", "::/0"], &["10.0.0.0", "10.0.0.0/33"]),
            ("mac", &["00:11:22:33:44:55", "0011.2233.4455"], &["00:11", "zz:11:22:33:44:55"]),
            ("uuid", &["123e4567-e89b-12d3-a456-426614174000"], &["123e4567"]),
            ("uuid4", &["123e4567-e89b-42d3-a456-426614174000"], &["123e4567-e89b-12d3-a456-426614174000"]),
            ("isbn10", &["0-321-75104-3"], &["0321751044"]),
            ("isbn13", &["978-0321751041"], &["978-0321751042"]),
            ("creditcard", &["4111 1111 1111 1111"], &["4111111111111112"]),
            ("hexcolor", &["#fff", "00FF00"], &["#ff"]),
            ("k8s-short-name", &["a-b"], &["A", "-a", "a."]),
        ];
        for (format, good, bad) in cases {
            good.iter().for_each(|text| assert_eq!(matches(format, text), Some(true), "{format} {text}"));
            bad.iter().for_each(|text| assert_eq!(matches(format, text), Some(false), "{format} {text}"));
        }
        assert_eq!(matches("arn", "anything"), None);
    }

    #[test]
    fn durations_in_nanoseconds() {
        assert_eq!(duration_nanos("1h2m3.5s"), Some(3_723_500_000_000));
        assert_eq!(duration_nanos("-1ms"), Some(-1_000_000));
        assert_eq!(duration_nanos("3 weeks"), Some(3 * 604_800_000_000_000));
    }
}
