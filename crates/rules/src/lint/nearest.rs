//! What was meant by a name that does not exist: R-LINT-5 and 8.

/// Names as different as this from a known one were hardly meant as that: one character of so many may be another.
const CHARACTERS: usize = 3;

/// What to do about a name that is not known: the nearest of those that are known, if one is near, and all of them.
pub(super) fn remedy(asked: &str, known: &[&str]) -> String {
    let all = format!("known are {}", known.join(", "));
    // Long ones resemble none, and would take long to compare.
    let longest = known.iter().map(|name| name.len()).max().unwrap_or_default();
    if asked.len() > longest * 2 {
        return all;
    }
    let near = known.iter().map(|name| (distance(&asked.to_lowercase(), name), name));
    match near.min().filter(|(distance, name)| *distance <= name.len().div_ceil(CHARACTERS)) {
        Some((_, name)) => format!("write {name} if that was meant; {all}"),
        None => all,
    }
}

/// How many characters are to be added, removed or replaced to make one text of another.
///
/// Source: Wagner and Fischer, "The String-to-String Correction Problem", 1974.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, one) in from.chars().enumerate() {
        let mut next = vec![at + 1];
        for ((other, pair), left) in to.iter().zip(row.windows(2)).zip(1..) {
            let [replaced, removed] = pair else { continue };
            let added = next.get(left - 1).copied().unwrap_or_default();
            let replaced = replaced + usize::from(one != *other);
            next.push(replaced.min(removed + 1).min(added + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_named_if_it_is_near() {
        const KNOWN: [&str; 4] = ["ipsec", "usbguard", "kerberos", "kernel-devel"];
        let of = |asked: &str| remedy(asked, &KNOWN);
        let all = "known are ipsec, usbguard, kerberos, kernel-devel";
        for (asked, meant) in [
            ("usbgard", "usbguard"),
            ("USBGuard", "usbguard"),
            ("kerberos5", "kerberos"),
            ("kernel_devel", "kernel-devel"),
        ] {
            assert_eq!(of(asked), format!("write {meant} if that was meant; {all}"));
        }
        for asked in ["", "podman", "x", &"usbguard".repeat(10)] {
            assert_eq!(of(asked), all, "{asked}");
        }
        assert_eq!((distance("", "abc"), distance("kitten", "sitting"), distance("a", "a")), (3, 3, 0));
    }
}
