//! `weir lint`: what is wrong with manifests, before a cluster sees them.

use super::{in_line, print};
use crate::exit::Outcome;
use anyhow::Result;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use weir_manifests::{Manifest, NothingFound, ReadError, Rule};
use weir_rules::lint::{Finding, Level, Linter};

/// Check manifests as the API server, Ignition and the controllers would, for CI
///
/// Errors make the exit code 1, warnings alone do not.
#[derive(Debug, clap::Args)]
pub struct Lint {
    /// Files with manifests or lists, folders (read recursively) and archives of folders; `-` for standard input
    #[arg(short = 'f', long = "filename", visible_alias = "from", value_name = "FILE", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// Print JSON, or SARIF 2.1.0 for code hosts, instead of text
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// How findings are printed for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// A list of findings
    Json,
    /// A SARIF log
    Sarif,
}

/// A finding, and where it is.
struct Placed {
    level: Level,
    code: &'static str,
    rule: &'static str,
    /// Where and what, for people.
    text: String,
    at: At,
    remedy: String,
}

/// Where it is; what there is no object of has no more than a file.
struct At {
    file: String,
    line: Option<usize>,
    object: Option<String>,
    field: Option<String>,
}

/// What cannot be read at all.
const UNREADABLE: &str = "Unreadable";
/// A path without anything to read.
const NOTHING_FOUND: &str = "NothingFound";

impl Lint {
    /// Checks everything.
    ///
    /// # Errors
    /// When the result cannot be printed.
    pub(super) fn run(&self) -> Result<Outcome> {
        let linter = Linter::new();
        let mut found = Vec::new();
        let (documents, seen) = weir_manifests::read(&self.files, Rule::Objects(&[])).all();
        for document in documents {
            match document {
                Ok(manifest) => {
                    if let Err(error) = manifest.check_kind() {
                        let mut of_kind = unreadable(error);
                        of_kind.at.line = Some(manifest.line_of("kind"));
                        found.push(of_kind);
                        continue;
                    }
                    found.extend(linter.lint(&manifest.object).into_iter().map(|finding| placed(&manifest, finding)));
                }
                Err(error) => found.push(unreadable(error)),
            }
        }
        found.extend(seen.barren().map(|(path, why)| nothing_found(path, &why)));
        let text = match self.output {
            None => found.iter().map(|placed| in_line(&placed.line()) + "\n").collect(),
            Some(Output::Json) => {
                serde_json::to_string_pretty(&found.iter().map(Placed::json).collect::<Vec<_>>())? + "\n"
            }
            Some(Output::Sarif) => serde_json::to_string_pretty(&sarif(&found))? + "\n",
        };
        print(text.as_bytes())?;
        let errors = found.iter().any(|placed| placed.level == Level::Error);
        Ok(if errors { Outcome::Failed } else { Outcome::Done })
    }
}

fn placed(manifest: &Manifest, finding: Finding) -> Placed {
    let line = manifest.line_of(&finding.path);
    let file = manifest.place.file.display().to_string();
    let Finding { code, path, message, remedy } = finding;
    Placed {
        level: code.level(),
        code: code.name(),
        rule: code.rule(),
        text: format!("{file}:{line}: {}: {message}; {remedy}", manifest.title()),
        at: At { file, line: Some(line), object: Some(manifest.title()), field: Some(path) },
        remedy,
    }
}

fn unreadable(error: ReadError) -> Placed {
    let (file, line) = error.at();
    let at = At { file: file.display().to_string(), line, object: None, field: None };
    let error = anyhow::Error::from(error);
    Placed {
        level: Level::Error,
        code: UNREADABLE,
        rule: UNREADABLE,
        text: format!("{error:#}"),
        at,
        remedy: "correct or remove it".to_owned(),
    }
}

fn nothing_found(file: String, why: &NothingFound) -> Placed {
    let remedy = "name files or folders with manifests";
    Placed {
        level: Level::Error,
        code: NOTHING_FOUND,
        rule: NOTHING_FOUND,
        text: format!("{why}; {remedy}"),
        at: At { file, line: None, object: None, field: None },
        remedy: remedy.to_owned(),
    }
}

impl Placed {
    fn word(&self) -> &'static str {
        match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        }
    }

    fn line(&self) -> String {
        format!("{}: {} ({})", self.word(), self.text, self.code)
    }

    fn json(&self) -> Value {
        let At { file, line, object, field } = &self.at;
        json!({
            "level": self.word(), "code": self.code, "rule": self.rule, "text": self.text, "remedy": self.remedy,
            "file": file, "line": line, "object": object, "field": field,
        })
    }
}

/// How findings in standard input name it.
const STANDARD_INPUT: &str = "standard input";
/// What stands in the path of a URI as it is, beside letters and digits.
const IN_PATHS: &[u8] = b"-._~!$&'()*+,;=:@/";

/// A file's name as a URI reference.
///
/// Source: RFC 3986, sections 3.3 and 4.2.
fn uri(file: &str) -> String {
    if file == STANDARD_INPUT {
        return "stdin".to_owned();
    }
    let path = Path::new(file);
    let path = path.strip_prefix("./").unwrap_or(path).to_string_lossy();
    // Two slashes would name a host, a colon in the first part a scheme, and nothing the document itself.
    let (before, path) = match path.strip_prefix("//") {
        Some(rest) => ("/", rest.trim_start_matches('/')),
        None if path.is_empty() => (".", ""),
        None if path.split('/').next().is_some_and(|first| first.contains(':')) => ("./", &*path),
        None => ("", &*path),
    };
    let mut uri = before.to_owned();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || IN_PATHS.contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

/// Source: SARIF 2.1.0, <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.
fn sarif(found: &[Placed]) -> Value {
    let results = found.iter().map(|placed| {
        let At { file, line, .. } = &placed.at;
        let mut place = json!({"artifactLocation": {"uri": uri(file)}});
        if let Some(line) = line {
            place["region"] = json!({"startLine": line});
        }
        json!({
            "ruleId": placed.code, "level": placed.word(), "message": {"text": placed.text},
            "locations": [{"physicalLocation": place}],
        })
    });
    let mut rules: Vec<&str> = found.iter().map(|placed| placed.code).collect();
    rules.sort_unstable();
    rules.dedup();
    let rules = rules.iter().map(|code| json!({"id": code})).collect::<Vec<_>>();
    let driver = json!({"name": "weir lint", "version": env!("CARGO_PKG_VERSION"), "rules": rules});
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results.collect::<Vec<_>>()}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_uri_references() {
        for (file, reference) in [
            ("a/b.yaml", "a/b.yaml"),
            ("./a b.yaml", "a%20b.yaml"),
            ("/x/100%#?.yaml", "/x/100%25%23%3F.yaml"),
            ("ü[1].yaml", "%C3%BC%5B1%5D.yaml"),
            ("a:b/c.yaml", "./a:b/c.yaml"),
            ("a/b:c.yaml", "a/b:c.yaml"),
            ("//a/b.yaml", "/a/b.yaml"),
            (".", "."),
            ("standard input", "stdin"),
        ] {
            assert_eq!(uri(file), reference, "{file}");
        }
    }
}
