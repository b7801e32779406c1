//! The order in which yaml.v2 writes the keys of an object.
//!
//! R-YAML-ORDER-1 Where two keys first differ, letters come after everything else, and among themselves in the order of characters.
//! R-YAML-ORDER-2 Digits are compared as the numbers that they begin there; of equal numbers the one with fewer digits comes
//! first. A zero inside a longer number counts as a digit of it.
//!
//! Source: `keyList.Less` in `sorter.go` of gopkg.in/yaml.v2 2.4.

use std::cmp::Ordering;

/// Which of two keys comes first.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let differ = a.char_indices().zip(b.chars()).find(|((_, x), y)| x != y);
    let Some(((at, x), y)) = differ else { return a.len().cmp(&b.len()) };
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (false, true) => return Ordering::Less,
        (true, false) => return Ordering::Greater,
        (false, false) => {}
    }
    let inside = (x == '0' || y == '0') && is_inside_number(&a[..at]);
    let [(value, digits), (other_value, other_digits)] = [&a[at..], &b[at..]].map(|rest| number(rest, inside));
    value.cmp(&other_value).then(digits.cmp(&other_digits)).then(x.cmp(&y))
}

/// Whether the digits at the end are more than zeros.
fn is_inside_number(before: &str) -> bool {
    before.bytes().rev().take_while(u8::is_ascii_digit).any(|digit| digit != b'0')
}

/// The number that a text begins with, and its length; `inside` puts a one before it.
fn number(text: &str, inside: bool) -> (i64, usize) {
    let mut value = i64::from(inside);
    let mut length = 0;
    for digit in text.bytes().take_while(u8::is_ascii_digit) {
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
        length += 1;
    }
    (value, length)
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn numbers_by_value_and_letters_last() {
        let sorted = ["", "*.a", "a", "a_b", "aA", "ab", "m1.b", "m2", "m2a", "m02", "m10.b", "m100", "n-1", "nb"];
        for pair in sorted.windows(2) {
            assert!(compare(pair[0], pair[1]).is_lt(), "{pair:?}");
            assert!(compare(pair[1], pair[0]).is_gt(), "{pair:?}");
        }
        assert!(compare("a101", "a11").is_gt() && compare("a", "a").is_eq());
    }
}
