//! What the README points to exists, and is defined once.

use anyhow::{Context, Result};
use std::path::Path;

/// Path the README names, and what must be found in it.
const FINDABLE: [(&str, Option<&str>); 3] = [
    ("crates/rules/src/stream.rs", Some("pub fn resolve_stream")),
    ("crates/rules/src/rollout.rs", Some("pub fn plan_rollout")),
    ("crates/distro/profiles/", None),
];

/// Findings about the README.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let readme = std::fs::read_to_string(root.join("README.md")).context("reading README.md")?;
    let mut findings = Vec::new();
    for (path, needed) in FINDABLE {
        if !readme.contains(path) {
            findings.push(format!("README.md does not name {path}"));
        }
        let full = root.join(path);
        if !full.exists() {
            findings.push(format!("README.md names {path}, which is not there"));
        } else if let Some(needed) = needed
            && !std::fs::read_to_string(&full).with_context(|| format!("reading {path}"))?.contains(needed)
        {
            findings.push(format!("{path} does not hold `{needed}`, which README.md sends readers to"));
        }
    }
    Ok(findings)
}
