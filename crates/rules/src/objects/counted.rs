//! How many there are, as people say it.

use std::fmt;

/// A number of nodes: `1 node`, `3 nodes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nodes<N>(pub N);

impl<N: fmt::Display + PartialEq + From<u8>> fmt::Display for Nodes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == N::from(1) { "node" } else { "nodes" })
    }
}

#[cfg(test)]
mod tests {
    use super::Nodes;

    #[test]
    fn one_is_singular() {
        assert_eq!([0_usize, 1, 2].map(|n| Nodes(n).to_string()), ["0 nodes", "1 node", "2 nodes"]);
    }
}
