//! Numbers with their noun.

use std::fmt;

/// A number of things, e.g. nodes: `1 node`, `3 nodes`. The noun is given in the singular, and its plural ends in `s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count<N>(pub N, pub &'static str);

impl<N: fmt::Display + PartialEq + From<u8>> fmt::Display for Count<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, noun) = self;
        let ending = if *number == N::from(1) { "" } else { "s" };
        write!(f, "{number} {noun}{ending}")
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn one_is_singular() {
        assert_eq!([0_usize, 1, 2].map(|n| Count(n, "node").to_string()), ["0 nodes", "1 node", "2 nodes"]);
    }
}
