//! A crate's tests are one program: a file that `main.rs` does not declare would never be compiled, let alone run.

use anyhow::{Context, Result};
use std::path::Path;

/// Findings about `crates/*/tests/suite`.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for krate in names(&root.join("crates"))? {
        let suite = format!("crates/{krate}/tests/suite");
        if !root.join(&suite).exists() {
            continue;
        }
        let main = format!("{suite}/main.rs");
        let text = std::fs::read_to_string(root.join(&main)).with_context(|| format!("reading {main}"))?;
        let forgotten = forgotten(&names(&root.join(&suite))?, &text);
        findings.extend(forgotten.iter().map(|file| format!("{suite}/{file}: {main} does not name it")));
    }
    Ok(findings)
}

/// Files of a suite without a module in `main.rs`.
fn forgotten(files: &[String], main: &str) -> Vec<String> {
    let modules = files.iter().filter_map(|file| Some((file, file.strip_suffix(".rs")?)));
    let named = |module: &str| main.lines().any(|line| line == format!("mod {module};"));
    modules.filter(|(_, module)| *module != "main" && !named(module)).map(|(file, _)| file.clone()).collect()
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let about = || format!("reading {}", folder.display());
    let entries = std::fs::read_dir(folder).with_context(about)?;
    let names = entries.map(|entry| Ok(entry.with_context(about)?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::forgotten;

    #[test]
    fn a_file_without_a_module_is_found() {
        let files = ["main.rs", "drain.rs", "drains.rs", "golden"].map(str::to_owned);
        assert_eq!(forgotten(&files, "//! All.\n\nmod drain;\n"), ["drains.rs"]);
        assert!(forgotten(&files, "mod drain;\nmod drains;\n").is_empty());
    }
}
