//! `weir up --story`.

use crate::exit::Outcome;
use anyhow::{Context as _, Result, bail};
use std::io::Write as _;
use weir_sim::story::{about, built_in, told};

const LIST: &str = "list";

/// Plays the story of this name or in this file, or lists the built-in ones.
///
/// # Errors
/// When it cannot be read or played.
pub async fn run(name: &str) -> Result<Outcome> {
    if name == LIST {
        for (name, text) in built_in() {
            crate::cli::print(format!("{name:<20} {}\n", about(text)?).as_bytes())?;
        }
        return Ok(Outcome::Done);
    }
    let script = text(name)?;
    about(&script).with_context(|| name.to_owned())?;
    // A closed pipe does not change how the story ends.
    let print = |line: &str| drop(writeln!(std::io::stdout(), "{line}"));
    let report = told(&script, Box::new(print)).await?;
    if report.failures.is_empty() {
        return Ok(Outcome::Done);
    }
    for failure in &report.failures {
        tell!("error: {failure}");
    }
    Ok(Outcome::Failed)
}

fn text(name: &str) -> Result<String> {
    if let Some((_, text)) = built_in().iter().find(|(built_in, _)| *built_in == name) {
        return Ok((*text).to_owned());
    }
    match std::fs::read_to_string(name) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let known: Vec<&str> = built_in().iter().map(|(name, _)| *name).collect();
            bail!("there is no file {name}, and no built-in story; those are {}", known.join(", "))
        }
        Err(error) => Err(error).with_context(|| format!("reading {name}")),
    }
}
