//! Quantities such as `1.5Gi` (k8s.io/apimachinery/pkg/api/resource).

use super::value_type::value_type;
use cel::{
    DeclarationError, Env, ExecutionError, add_member_overload, add_overload,
    common::types::{CelBool, CelDouble, CelInt, CelString},
};
use std::cmp::Ordering;

/// A quantity in nano-units, the smallest step there is. 38 digits are enough for every quantity below 2^63, where the
/// API caps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quantity(i128);
value_type!(Quantity, "kubernetes.Quantity");

/// Nano-units of one.
const ONE: i128 = 1_000_000_000;
/// Quantities are capped at 2^63-1.
const LARGEST: i128 = i64::MAX as i128 * ONE;

pub(super) fn install(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn is_quantity: (CelString) -> CelBool)?;
    add_overload!(env, fn quantity: (CelString) -> Result<Quantity>)?;
    add_overload!(env, fn sign: (Quantity) -> CelInt)?;
    add_member_overload!(env, fn sign: (Quantity) -> CelInt, id = "quantity.sign()")?;
    add_member_overload!(env, fn is_greater_than: (Quantity, Quantity) -> CelBool)?;
    add_member_overload!(env, fn is_less_than: (Quantity, Quantity) -> CelBool)?;
    add_member_overload!(env, fn compare_to: (Quantity, Quantity) -> CelInt)?;
    add_member_overload!(env, fn as_approximate_float: (Quantity) -> CelDouble)?;
    add_member_overload!(env, fn as_integer: (Quantity) -> Result<CelInt>)?;
    add_member_overload!(env, fn is_integer: (Quantity) -> CelBool)?;
    add_member_overload!(env, fn add: (Quantity, Quantity) -> Quantity)?;
    add_member_overload!(env, fn add_int: (Quantity, CelInt) -> Quantity, name = "add")?;
    add_member_overload!(env, fn sub: (Quantity, Quantity) -> Quantity)?;
    add_member_overload!(env, fn sub_int: (Quantity, CelInt) -> Quantity, name = "sub")
}

/// `<sign><digits>[.<digits>]<suffix>`; fractions of a nano-unit are rounded away from zero.
fn parse(text: &str) -> Option<Quantity> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits_end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(digits_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let scale = scale(suffix)?;
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let mut nanos = LARGEST;
    // More than this many digits is beyond the cap, whatever the scale.
    let shift = i32::try_from(fraction.len()).ok()?;
    if digits.len() <= 30 || shift > 0 {
        let kept = &digits[..digits.len().min(30)];
        let dropped = i32::try_from(digits.len() - kept.len()).ok()?;
        let value: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
        nanos = scaled(value, &scale, dropped - shift);
    }
    Some(Quantity(if negative { -nanos } else { nanos }))
}

/// A suffix: a power of ten or of 1024.
enum Scale {
    Ten(i32),
    Binary(u32),
}

fn scale(suffix: &str) -> Option<Scale> {
    const TENS: [(&str, i32); 10] =
        [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    if let Some((_, power)) = TENS.iter().find(|(name, _)| *name == suffix) {
        return Some(Scale::Ten(*power));
    }
    if let Some(index) = BINARY.iter().position(|name| *name == suffix) {
        return Some(Scale::Binary(10 * (u32::try_from(index).ok()? + 1)));
    }
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some(Scale::Ten(power))
}

/// `value` times its scale times ten to the power `exponent`, in nano-units, capped.
fn scaled(value: i128, scale: &Scale, exponent: i32) -> i128 {
    let (value, exponent) = match scale {
        Scale::Ten(power) => (Some(value), exponent.saturating_add(*power)),
        Scale::Binary(bits) => (value.checked_mul(1 << bits), exponent),
    };
    let exponent = exponent.saturating_add(9);
    let power = |n: u32| 10_i128.checked_pow(n);
    let nanos = match (value, u32::try_from(exponent)) {
        (Some(0), _) => Some(0),
        (Some(value), Ok(up)) => power(up).and_then(|factor| value.checked_mul(factor)),
        (Some(value), Err(_)) => Some(match power(exponent.unsigned_abs()) {
            Some(divisor) => value / divisor + i128::from(value % divisor != 0),
            None => 1,
        }),
        (None, _) => None,
    };
    nanos.unwrap_or(LARGEST).min(LARGEST)
}

fn is_quantity(text: &CelString<'_>) -> CelBool {
    CelBool::from(parse(text.inner()).is_some())
}

fn quantity(text: &CelString<'_>) -> Result<Quantity, ExecutionError> {
    const COMPLAINT: &str =
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    parse(text.inner()).ok_or_else(|| ExecutionError::function_error("quantity", COMPLAINT))
}

fn sign(quantity: &Quantity) -> CelInt {
    CelInt::from(i64::try_from(quantity.0.signum()).unwrap_or_default())
}

fn is_greater_than(a: &Quantity, b: &Quantity) -> CelBool {
    CelBool::from(a.0 > b.0)
}

fn is_less_than(a: &Quantity, b: &Quantity) -> CelBool {
    CelBool::from(a.0 < b.0)
}

fn compare_to(a: &Quantity, b: &Quantity) -> CelInt {
    CelInt::from(match a.0.cmp(&b.0) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    })
}

fn as_approximate_float(quantity: &Quantity) -> CelDouble {
    #[allow(clippy::cast_precision_loss, reason = "approximate by name")]
    CelDouble::from(quantity.0 as f64 / ONE as f64)
}

fn as_integer(quantity: &Quantity) -> Result<CelInt, ExecutionError> {
    let whole = (quantity.0 % ONE == 0).then(|| i64::try_from(quantity.0 / ONE).ok()).flatten();
    whole
        .map(CelInt::from)
        .ok_or_else(|| ExecutionError::function_error("asInteger", "cannot convert value to integer"))
}

fn is_integer(quantity: &Quantity) -> CelBool {
    CelBool::from(as_integer(quantity).is_ok())
}

fn add(a: &Quantity, b: &Quantity) -> Quantity {
    Quantity(a.0.saturating_add(b.0))
}

fn add_int(a: &Quantity, b: &CelInt) -> Quantity {
    Quantity(a.0.saturating_add(i128::from(*b.inner()) * ONE))
}

fn sub(a: &Quantity, b: &Quantity) -> Quantity {
    Quantity(a.0.saturating_sub(b.0))
}

fn sub_int(a: &Quantity, b: &CelInt) -> Quantity {
    Quantity(a.0.saturating_sub(i128::from(*b.inner()) * ONE))
}

#[cfg(test)]
mod tests {
    use crate::cel::library::probe::{all_fail, all_true};

    #[test]
    fn quantities() {
        all_true(&[
            "isQuantity('1.5Gi') && isQuantity('-100m') && isQuantity('1e3') && isQuantity('.5') && isQuantity('5.')",
            "!isQuantity('') && !isQuantity('1.2.3') && !isQuantity('10 Mi') && !isQuantity('1Zi') && !isQuantity('Mi')",
            "quantity('1Gi').compareTo(quantity('1G')) == 1 && quantity('1000m') == quantity('1')",
            "quantity('1.5').isGreaterThan(quantity('1')) && quantity('100Mi').isLessThan(quantity('1Gi'))",
            "quantity('1k').asInteger() == 1000 && quantity('1Ki').asInteger() == 1024 && !quantity('1.5').isInteger()",
            "quantity('50k').add(quantity('20')) == quantity('50020') && quantity('50k').sub(20) == quantity('49980')",
            "sign(quantity('-3')) == -1 && quantity('0').sign() == 0",
            "quantity('50.703').asApproximateFloat() == 50.703",
            "quantity('99999999999999999999999999999999999999E').isGreaterThan(quantity('1E'))",
            "quantity('0.0000000001').isGreaterThan(quantity('0'))",
        ]);
        all_fail(&["quantity('x')", "quantity('1.5').asInteger()"]);
    }
}
