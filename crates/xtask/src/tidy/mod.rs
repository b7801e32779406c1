//! Does the tree keep the project's rules? Every finding is printed; one is enough to fail.
//!
//! | module | rule |
//! |---|---|
//! | [`layers`] | each crate has a floor, dependencies point down, the lower floors are pure |
//! | [`source`] | file names, words, function lengths |
//! | [`readme`] | what the README points to exists |
//! | [`rules_page`](crate::rules_page) | each code stands for one rule |
//! | [`suites`] | every test file is compiled |

mod layers;
mod readme;
mod source;
mod suites;

use anyhow::{Result, bail};
use std::path::Path;

/// Checks the tree.
pub fn check(root: &Path) -> Result<()> {
    let mut findings = layers::check(root)?;
    findings.extend(source::check(root)?);
    findings.extend(readme::check(root)?);
    findings.extend(suites::check(root)?);
    findings.extend(crate::rules_page::ambiguous(root)?);
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} findings", findings.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_is_tidy() {
        let root = crate::root().unwrap();
        super::check(&root).unwrap();
    }
}
