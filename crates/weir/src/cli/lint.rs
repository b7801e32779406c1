//! `weir lint`: what is wrong with manifests, before a cluster sees them.

use super::print;
use crate::exit::Outcome;
use anyhow::Result;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use weir_manifests::{Manifest, ReadError, Rule};
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
    /// Absent when nothing could be read there.
    at: Option<At>,
    remedy: String,
}

/// Where an object and its field are.
struct At {
    file: String,
    line: usize,
    object: String,
    field: String,
}

/// What cannot be read at all.
const UNREADABLE: &str = "Unreadable";

impl Lint {
    /// Checks everything.
    ///
    /// # Errors
    /// When the result cannot be printed.
    pub(super) fn run(&self) -> Result<Outcome> {
        let linter = Linter::new();
        let mut found = Vec::new();
        for document in weir_manifests::read(&self.files, Rule::Objects(&[])) {
            match document {
                Ok(manifest) => {
                    if let Err(error) = manifest.check_kind() {
                        found.push(unreadable(error));
                        continue;
                    }
                    found.extend(linter.lint(&manifest.object).into_iter().map(|finding| placed(&manifest, finding)));
                }
                Err(error) => found.push(unreadable(error)),
            }
        }
        let text = match self.output {
            None => found.iter().map(|placed| format!("{}\n", placed.line())).collect(),
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
        at: Some(At { file, line, object: manifest.title(), field: path }),
        remedy,
    }
}

fn unreadable(error: ReadError) -> Placed {
    let error = anyhow::Error::from(error);
    Placed {
        level: Level::Error,
        code: UNREADABLE,
        rule: UNREADABLE,
        text: format!("{error:#}"),
        at: None,
        remedy: "correct or remove it".to_owned(),
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
        let at = self.at.as_ref();
        json!({
            "level": self.word(), "code": self.code, "rule": self.rule, "text": self.text, "remedy": self.remedy,
            "file": at.map(|at| &at.file), "line": at.map(|at| at.line), "object": at.map(|at| &at.object),
            "field": at.map(|at| &at.field),
        })
    }
}

/// Source: SARIF 2.1.0, <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.
fn sarif(found: &[Placed]) -> Value {
    let results = found.iter().map(|placed| {
        let mut result = json!({"ruleId": placed.code, "level": placed.word(), "message": {"text": placed.text}});
        if let Some(At { file, line, .. }) = &placed.at {
            let uri = Path::new(file).strip_prefix("./").unwrap_or(Path::new(file)).display().to_string();
            let place = json!({"artifactLocation": {"uri": uri}, "region": {"startLine": line}});
            result["locations"] = json!([{"physicalLocation": place}]);
        }
        result
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
