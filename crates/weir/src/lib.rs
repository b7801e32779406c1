//! The `weir` command line.
//!
//! | module | question |
//! |---|---|
//! | [`cli`] | which subcommands there are, and what each does |
//! | [`exit`] | what the process says when it ends, and with which code |

pub mod cli;
pub mod exit;

use clap::Parser as _;
use std::process::ExitCode;

/// Parses the command line, runs the subcommand, prints what went wrong.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return exit::usage(&error),
    };
    // Fails only when a provider is already installed, which is then the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cli::log(arguments.verbose);
    exit::report(cli::dispatch(arguments))
}
