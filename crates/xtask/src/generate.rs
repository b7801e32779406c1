//! Files that are generated from the code and committed: reviewers see what a change of a type does to the API, and users
//! can apply them without the program.

use crate::rules_page;
use anyhow::{Context, Result, bail};
use std::{collections::BTreeMap, path::Path, process::Command};

/// Where the definitions are, one folder per feature set. Next to the crates rather than in one: users apply them.
const CRDS: &str = "manifests/crds";
/// As `weir crds --feature-set` takes them.
const FEATURE_SETS: [&str; 3] = ["Default", "OKD", "TechPreviewNoUpgrade"];

/// Content by path below a folder.
type Files = BTreeMap<String, Vec<u8>>;

/// Writes the generated files, or only compares them with the committed ones. The generator is the program last built
/// in the dev profile.
///
/// # Errors
/// When they cannot be generated or written; with `check` also when they differ.
pub fn run(root: &Path, check: bool) -> Result<()> {
    page(root, check)?;
    let fresh = root.join("target/generated/crds");
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).with_context(|| format!("emptying {}", fresh.display()))?;
    }
    let program = crate::program(root, "debug")?;
    for set in FEATURE_SETS {
        let mut command = Command::new(&program);
        command.args(["crds", "--feature-set", set, "--output"]).arg(fresh.join(set));
        let status = command.status().with_context(|| format!("running {}", program.display()))?;
        if !status.success() {
            bail!("weir crds --feature-set {set} failed");
        }
    }
    let stale = stale(&read(&fresh)?, &read(&root.join(CRDS))?);
    if check {
        for path in &stale {
            eprintln!("generated: {CRDS}/{path} is stale");
        }
        if !stale.is_empty() {
            bail!("{} generated files are stale: run `cargo xtask gen` and commit", stale.len());
        }
        return Ok(());
    }
    for path in stale {
        let (from, to) = (fresh.join(&path), root.join(CRDS).join(&path));
        eprintln!("generated: {CRDS}/{path}");
        if from.exists() {
            std::fs::create_dir_all(to.parent().unwrap_or(root)).with_context(|| format!("creating {CRDS}"))?;
            std::fs::copy(&from, &to).with_context(|| format!("writing {}", to.display()))?;
        } else {
            std::fs::remove_file(&to).with_context(|| format!("removing {}", to.display()))?;
        }
    }
    Ok(())
}

/// The page of the rules.
fn page(root: &Path, check: bool) -> Result<()> {
    let (path, fresh) = (root.join(rules_page::PAGE), rules_page::page(root)?);
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if committed == fresh {
        return Ok(());
    }
    if check {
        bail!("generated: {} is stale: run `cargo xtask gen` and commit", rules_page::PAGE);
    }
    eprintln!("generated: {}", rules_page::PAGE);
    std::fs::write(&path, fresh).with_context(|| format!("writing {}", path.display()))
}

/// Paths that exist on one side only, or differ.
fn stale(fresh: &Files, committed: &Files) -> Vec<String> {
    let changed = fresh.iter().filter(|(path, content)| committed.get(*path) != Some(content));
    let gone = committed.iter().filter(|(path, _)| !fresh.contains_key(*path));
    changed.chain(gone).map(|(path, _)| path.clone()).collect()
}

fn read(folder: &Path) -> Result<Files> {
    let mut files = Files::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        if !current.exists() {
            continue;
        }
        for entry in std::fs::read_dir(&current).with_context(|| format!("reading {}", current.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            files.insert(name, std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::{Files, stale};

    #[test]
    fn a_file_is_stale_when_it_differs_is_missing_or_is_left_over() {
        let files = |list: &[(&str, &str)]| -> Files {
            list.iter().map(|(path, content)| ((*path).to_owned(), content.as_bytes().to_vec())).collect()
        };
        let fresh = files(&[("a", "1"), ("b", "2"), ("c", "3")]);
        assert!(stale(&fresh, &fresh).is_empty());
        assert_eq!(stale(&fresh, &files(&[("a", "1"), ("b", "0"), ("d", "4")])), ["b", "c", "d"]);
    }
}
