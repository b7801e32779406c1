//! Quantities as Kubernetes reads and writes them.
//!
//! R-QUANTITY-1 A number with a decimal suffix (`n` to `E`), a binary one (`Ki` to `Ei`) or an exponent (`e3`). Less than one
//! billionth is rounded up, and more than 2^63-1 becomes that.
//! R-QUANTITY-2 Written in the same form with the largest suffix that leaves a whole number: `1024Mi` is `1Gi`, `1.5Gi` is
//! `1536Mi`, `1.5G` is `1500M`. A binary quantity that is below 1024, or not whole, is written in decimal form.
//!
//! Source: `pkg/api/resource/quantity.go` of github.com/kubernetes/apimachinery.

use serde_json::Number;
use weir_api::container_runtime_config;

/// Smallest step: one billionth.
const ONE: i128 = 1_000_000_000;
/// The largest quantity.
const LARGEST: i128 = i64::MAX as i128 * ONE;
/// Maximum number of digits that matter: more digits before the point exceed the largest quantity, and further ones after it are
/// below the smallest step.
const DIGITS: usize = 60;

/// How a quantity is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Ten,
    Binary,
    Exponent,
}

/// A quantity with the form in which it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    nanos: i128,
    form: Form,
}

/// A text that is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a quantity: write a number with or without a suffix, such as 500m, 10k, 1.5Gi or 1e3")]
pub struct BadQuantity(pub String);

const TENS: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl Quantity {
    /// Parses a quantity.
    ///
    /// # Errors
    /// If the text is not one.
    pub fn parse(text: &str) -> Result<Self, BadQuantity> {
        read(text).ok_or_else(|| BadQuantity(text.to_owned()))
    }

    /// Parses a quantity as objects contain it.
    ///
    /// # Errors
    /// If the text is not one.
    pub fn of(written: &container_runtime_config::Quantity) -> Result<Self, BadQuantity> {
        match written {
            container_runtime_config::Quantity::Text(text) => Self::parse(text),
            container_runtime_config::Quantity::Number(number) => Self::of_number(number),
        }
    }

    /// Reads a plain number as a quantity.
    ///
    /// # Errors
    /// If it cannot be a quantity.
    pub fn of_number(number: &Number) -> Result<Self, BadQuantity> {
        Self::parse(&number.to_string())
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// Its value, rounded up to a whole number.
    #[must_use]
    pub fn rounded_up(self) -> i64 {
        let whole = self.nanos.div_euclid(ONE) + i128::from(self.nanos.rem_euclid(ONE) != 0);
        i64::try_from(whole).unwrap_or(i64::MAX)
    }
}

fn read(text: &str) -> Option<Quantity> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let (form, scale, shift) = suffix_of(suffix)?;
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let kept = &fraction[..fraction.len().min(DIGITS)];
    let mut up = kept.len() < fraction.len();
    let mut nanos = LARGEST;
    let digits = format!("{whole}{kept}");
    let power = 9 + shift - i32::try_from(kept.len()).ok()?;
    if whole.len() <= DIGITS {
        let digits = digits.trim_start_matches('0');
        nanos = scaled(digits, scale, power, &mut up).map_or(LARGEST, |v| v.min(LARGEST));
        nanos = (nanos + i128::from(up)).min(LARGEST);
    }
    Some(Quantity { nanos: if negative { -nanos } else { nanos }, form })
}

/// Form, factor and power of ten of a suffix.
fn suffix_of(suffix: &str) -> Option<(Form, i128, i32)> {
    if let Some((_, power)) = TENS.iter().find(|(name, _)| *name == suffix) {
        return Some((Form::Ten, 1, *power));
    }
    if let Some(index) = BINARY.iter().position(|name| *name == suffix) {
        return Some((Form::Binary, 1 << (10 * index), 0));
    }
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((Form::Exponent, 1, power.clamp(-1000, 1000)))
}

/// `digits * scale * 10^power` without its fraction; `up` is set if there was one. Absent if it exceeds all bounds.
fn scaled(digits: &str, scale: i128, power: i32, up: &mut bool) -> Option<i128> {
    let drop = usize::try_from(-power).unwrap_or_default();
    if scale == 1 && drop > 0 {
        let kept = digits.len().saturating_sub(drop);
        *up |= digits[kept..].bytes().any(|b| b != b'0');
        return if kept == 0 { Some(0) } else { digits[..kept].parse().ok() };
    }
    let value = if digits.is_empty() { 0 } else { digits.parse::<i128>().ok()?.checked_mul(scale)? };
    if drop == 0 {
        let factor = 10_i128.checked_pow(power.unsigned_abs());
        return if value == 0 { Some(0) } else { value.checked_mul(factor?) };
    }
    let Some(divisor) = 10_i128.checked_pow(power.unsigned_abs()) else {
        *up |= value != 0;
        return Some(0);
    };
    *up |= value % divisor != 0;
    Some(value / divisor)
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        if self.form == Form::Binary && self.nanos % ONE == 0 && (self.nanos / ONE).abs() >= 1024 {
            let mut value = self.nanos / ONE;
            let mut suffix = 0;
            while value % 1024 == 0 && suffix + 1 < BINARY.len() {
                value /= 1024;
                suffix += 1;
            }
            return write!(f, "{value}{}", BINARY[suffix]);
        }
        let mut value = self.nanos;
        let mut step = 0;
        while value % 1000 == 0 && step + 1 < TENS.len() {
            value /= 1000;
            step += 1;
        }
        let (suffix, power) = TENS[step];
        if self.form == Form::Exponent && power != 0 {
            write!(f, "{value}e{power}")
        } else {
            write!(f, "{value}{suffix}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn as_kubernetes_reads_and_writes_them() {
        for (given, written, rounded) in [
            ("0", "0", 0),
            ("1024Mi", "1Gi", 1 << 30),
            ("1124Mi", "1124Mi", 1124 << 20),
            ("1.5Gi", "1536Mi", 1536 << 20),
            ("1.5G", "1500M", 1_500_000_000),
            ("1000000000", "1G", 1_000_000_000),
            ("1000", "1k", 1000),
            ("1e9", "1e9", 1_000_000_000),
            ("1E3", "1e3", 1000),
            ("100m", "100m", 1),
            ("0.1", "100m", 1),
            ("-1.5", "-1500m", -1),
            ("+7", "7", 7),
            (".5", "500m", 1),
            ("5.", "5", 5),
            ("1Ki", "1Ki", 1024),
            ("0.5Ki", "512", 512),
            ("0.0001Ki", "102400u", 1),
            ("0.0000000001", "1n", 1),
            ("-1G", "-1G", -1_000_000_000),
            ("9223372036854775808", "9223372036854775807", i64::MAX),
            ("1e99", "9223372036854775807", i64::MAX),
            (
                "100000000000000000000000000000000000000000000000000000000000000000000000",
                "9223372036854775807",
                i64::MAX,
            ),
            ("1e-99", "1e-9", 1),
        ] {
            let quantity = Quantity::parse(given).unwrap();
            assert_eq!((quantity.to_string().as_str(), quantity.rounded_up()), (written, rounded), "{given}");
        }
        for bad in ["", "-", ".", "1.2.3", "10 Mi", "1Zi", "Mi", "1e", "1e1.5", "ten", "1K", "\u{661}"] {
            let error = Quantity::parse(bad).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{bad:?} is not a quantity")), "{error}");
        }
    }
}
