//! `docs/user/rules.md`: what the codes in weir's output stand for, taken from the prose at the top of the rules' files.

use anyhow::{Context, Result};
use std::{collections::BTreeMap, fmt::Write as _, path::Path};

/// The page, from the root of the repository.
pub const PAGE: &str = "docs/user/rules.md";
/// Where rules are, from the root of the repository.
const FOLDERS: [&str; 3] = ["crates/distro/src", "crates/images/src", "crates/rules/src"];
/// What precedes the number of a rule.
const PREFIX: &str = "R-";

/// The rules of one file.
struct Chapter {
    /// The file, from the root of the repository.
    path: String,
    /// What the file is about.
    title: String,
    /// Code and text of each rule, in order.
    rules: Vec<(String, String)>,
}

/// The page as it has to be.
///
/// # Errors
/// When a file cannot be read.
pub fn page(root: &Path) -> Result<String> {
    let mut text = "# Rules\n\nWhat the codes in weir's output stand for. Each rule is decided in one file; its code is a link target, such as \
                    [`#r-rollout-2`](#r-rollout-2). On the command line: `weir explain rule CODE`. Codes that begin \
                    with `R-PLAN-` are findings of plans: [what is in the way](plan.md#what-is-in-the-way). *The reference* is the machine config operator \
                    of OpenShift, github.com/openshift/machine-config-operator.\n"
        .to_owned();
    for Chapter { path, title, rules } in chapters(root)? {
        // Writing into a String cannot fail.
        _ = write!(text, "\n## {title}\n\n`{path}`\n");
        for (code, rule) in rules {
            _ = write!(text, "\n<a id=\"{}\"></a>**{code}** {rule}\n", code.to_lowercase());
        }
    }
    Ok(text)
}

/// Codes that stand for more than one rule.
///
/// # Errors
/// When a file cannot be read.
pub fn ambiguous(root: &Path) -> Result<Vec<String>> {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Chapter { path, rules, .. } in chapters(root)? {
        for (code, _) in rules {
            files.entry(code).or_default().push(path.clone());
        }
    }
    let several = files.into_iter().filter(|(_, files)| files.len() > 1);
    Ok(several.map(|(code, files)| format!("{code} stands for several rules: {}", files.join(", "))).collect())
}

/// All files with rules, by path.
fn chapters(root: &Path) -> Result<Vec<Chapter>> {
    let mut paths = Vec::new();
    for folder in FOLDERS {
        let mut folders = vec![root.join(folder)];
        while let Some(current) = folders.pop() {
            for entry in std::fs::read_dir(&current).with_context(|| format!("reading {}", current.display()))? {
                let path = entry?.path();
                if path.is_dir() { &mut folders } else { &mut paths }.push(path);
            }
        }
    }
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "rs"));
    paths.sort();
    let mut chapters = Vec::new();
    for path in paths {
        let source = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let (title, rules) = rules(&source);
        if !rules.is_empty() {
            let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            chapters.push(Chapter { path, title, rules });
        }
    }
    Ok(chapters)
}

/// Title and rules of a file. Rules are paragraphs of its documentation that begin with a code.
fn rules(source: &str) -> (String, Vec<(String, String)>) {
    let lines: Vec<&str> = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let mut paragraphs = lines.split(|line| line.is_empty());
    let title = paragraphs.next().unwrap_or_default().join(" ");
    let mut found: Vec<(String, String)> = Vec::new();
    for paragraph in paragraphs.filter(|lines| lines.first().is_some_and(|line| code(line).is_some())) {
        for line in paragraph {
            match (code(line), found.last_mut()) {
                (Some((code, rest)), _) => found.push((code.to_owned(), rest.to_owned())),
                (None, Some((_, text))) => {
                    text.push(' ');
                    text.push_str(line);
                }
                (None, None) => {}
            }
        }
    }
    (plain(title.trim_end_matches('.')), found.into_iter().map(|(code, text)| (code, plain(&text))).collect())
}

/// The code that a line begins with, and the rest of the line.
fn code(line: &str) -> Option<(&str, &str)> {
    let (word, rest) = line.split_once(' ')?;
    let (name, number) = word.strip_prefix(PREFIX)?.rsplit_once('-')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-');
    let is_code = is_name && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    is_code.then(|| (word, rest.trim_start()))
}

/// Text without links to items of the code.
fn plain(text: &str) -> String {
    text.replace("[`", "`").replace("`]", "`")
}

#[cfg(test)]
mod tests {
    use super::rules;

    #[test]
    fn rules_are_paragraphs_that_begin_with_a_code() {
        let source = "//! What is\n//! decided.\n//!\n//! R-A-B-1 One, see [`x`].\n//! Two.\n//! R-A-B-2 Three.\n//!\n//! Source: y;\n//! R-A-B-2 is ours.\n\nuse z;\n//! R-C-1 no";
        let (title, found) = rules(source);
        assert_eq!(title, "What is decided");
        let found: Vec<(&str, &str)> = found.iter().map(|(code, text)| (code.as_str(), text.as_str())).collect();
        assert_eq!(found, [("R-A-B-1", "One, see `x`. Two."), ("R-A-B-2", "Three.")]);
    }
}
