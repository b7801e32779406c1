//! `machine-config-osimagestream`: called by that name, through a link, weir behaves like that program.
//!
//! Source: `cmd/machine-config-osimagestream` of github.com/openshift/machine-config-operator, whose command line is
//! made with github.com/spf13/cobra: usage errors exit with 1, and `get` alone prints help.

use super::get::{Form, Get, What};
use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory as _, Parser, Subcommand};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

/// The name to be called by.
pub const NAME: &str = "machine-config-osimagestream";

/// Print the OS image streams of a release
#[derive(Debug, Parser)]
#[command(name = NAME, disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print something about a release
    Get(Box<Get>),
    /// Print the version
    Version,
}

/// Whether the program was called by this name.
#[must_use]
pub fn is_called(program: Option<&OsStr>) -> bool {
    program.and_then(|path| Path::new(path).file_name()).is_some_and(|name| name == NAME)
}

/// Runs as that program.
#[must_use]
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    super::log(0, super::LogFormat::Text);
    let parsed = match Arguments::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => return mistake(&error),
    };
    let what = match parsed.command {
        None => return help(&[]),
        Some(Command::Version) => return finish(version()),
        Some(Command::Get(get)) => match get.what {
            None => return help(&["get"]),
            Some(what) => what,
        },
    };
    if let Some(text) = missing(&what) {
        return failed(&text);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    finish(runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(what.run(Form::Original))))
}

fn version() -> anyhow::Result<()> {
    let build = weir_rules::render::Build::ours();
    super::print(format!("{NAME} {}-{}\n", build.raw, build.hash).as_bytes())
}

fn missing(what: &What) -> Option<String> {
    let mut flags = Vec::new();
    if what.payload().source.authfile.is_none() {
        flags.push("\"authfile\"");
    }
    if matches!(what, What::OsImagePullspec(named) if named.osimagestream_name.is_none()) {
        flags.push("\"osimagestream-name\"");
    }
    (!flags.is_empty()).then(|| format!("required flag(s) {} not set", flags.join(", ")))
}

fn finish(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("\"command failed\" err={:?}", format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A usage error.
fn mistake(error: &clap::Error) -> ExitCode {
    let value = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Nothing can be reported once stdout is closed.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::InvalidSubcommand => {
            let usage = value(ContextKind::Usage);
            if usage.contains(" get") {
                help(&["get"])
            } else {
                failed(&unknown(&value(ContextKind::InvalidSubcommand)))
            }
        }
        ErrorKind::UnknownArgument => {
            let flag = value(ContextKind::InvalidArg);
            if flag.starts_with('-') { failed(&format!("unknown flag: {flag}")) } else { failed(&unknown(&flag)) }
        }
        _ => failed(error.to_string().trim_start_matches("error: ").trim_end()),
    }
}

fn unknown(command: &str) -> String {
    format!("unknown command {command:?} for {NAME:?}")
}

fn failed(text: &str) -> ExitCode {
    // What is wrong with a command line may take several.
    format!("Error: {text}").lines().for_each(|line| tell!("{line}"));
    ExitCode::FAILURE
}

fn help(path: &[&str]) -> ExitCode {
    let mut command = Arguments::command();
    command.build();
    let shown = path.iter().try_fold(&mut command, |command, name| command.find_subcommand_mut(name));
    match shown {
        Some(command) => finish(super::print(command.render_help().to_string().as_bytes())),
        None => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides() {
        for (program, is) in [
            ("machine-config-osimagestream", true),
            ("/usr/bin/machine-config-osimagestream", true),
            ("/usr/bin/weir", false),
            ("machine-config-osimagestream/weir", false),
        ] {
            assert_eq!(is_called(Some(OsStr::new(program))), is, "{program}");
        }
        assert!(!is_called(None));
    }
}
