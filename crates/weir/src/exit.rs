//! What the process prints when it exits, and its exit code.
//!
//! 0 done, 1 failed, 2 usage, 3 blocked (a plan with inhibitors). Data goes to stdout, everything else to stderr.

use std::process::ExitCode;
use weir_kubeio::error::{of_client, said};
use weir_manifests::Several;

/// How a subcommand ended when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything succeeded.
    Done,
    /// Part of it failed, and the subcommand has already reported that on stderr.
    Failed,
    /// A plan was printed and it has inhibitors.
    Blocked,
}

const USAGE: u8 = 2;
const BLOCKED: u8 = 3;

/// Prints a command line error (or the requested help) and returns its code.
#[must_use]
pub fn usage(error: &clap::Error) -> ExitCode {
    // Nothing can be reported once stdout or stderr is closed.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

/// Turns a subcommand's result into an exit code; an error is printed with its causes on one line. Several errors get a line
/// each.
#[must_use]
pub fn report(result: anyhow::Result<Outcome>) -> ExitCode {
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::FAILURE,
        Ok(Outcome::Blocked) => ExitCode::from(BLOCKED),
        Err(error) => {
            for line in lines(&error) {
                tell!("error: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes. Errors of the API client are reworded for people.
fn line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let client = of_client(cause);
        let said = client.map_or_else(|| cause.to_string(), said);
        // Some errors already include the text of their source.
        if text.is_empty() {
            text = said;
        } else if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        if client.is_some() {
            break;
        }
    }
    text
}

fn lines(error: &anyhow::Error) -> Vec<String> {
    let Some(several) = error.downcast_ref::<Several<anyhow::Error>>() else { return vec![line(error)] };
    let around: String = error
        .chain()
        .take_while(|cause| !cause.is::<Several<anyhow::Error>>())
        .map(|cause| format!("{cause}: "))
        .collect();
    several.lines().map(|line| format!("{around}{line}")).collect()
}
