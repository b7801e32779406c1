//! The `weir` command line.
//!
//! | module | question |
//! |---|---|
//! | [`cli`] | the subcommands, and what each does |
//! | [`up`] | a whole cluster's machine configuration in one process |
//! | [`mod@run`] | the controllers against the API server of a cluster |
//! | [`builder`] | which builder makes images |
//! | [`inputs`] | what pools are rendered from, and rendering them |
//! | [`mod@generate`] | what a cluster would generate, from objects in files |
//! | [`bootstrap`] | rendering before there is a cluster |
//! | [`reach`] | waiting for a cluster that answers |
//! | [`rollout_objects`] | what a rollout depends on, from manifests or a cluster |
//! | [`page`] | the page's address, and where its objects come from |
//! | [`signals`] | being asked to stop |
//! | [`exit`] | what the process prints when it exits, and its exit code |
//! | `tell` | lines on stderr |

// A line that cannot be written must not end a process that does something else.
#![deny(clippy::print_stderr, clippy::print_stdout)]

#[macro_use]
mod tell;

pub mod bootstrap;
pub mod builder;
pub mod cli;
pub mod exit;
pub mod generate;
pub mod inputs;
pub mod page;
pub mod reach;
pub mod rollout_objects;
pub mod run;
pub mod signals;
pub mod up;

use std::process::ExitCode;

/// Parses the command line, runs the subcommand, prints errors.
#[must_use]
pub fn run() -> ExitCode {
    if cli::machine_config_osimagestream::is_called(std::env::args_os().next().as_deref()) {
        return cli::machine_config_osimagestream::run(std::env::args_os());
    }
    // Fails only when a provider is already installed, which is then the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Answers a shell that asks for completions, and ends the process then.
    clap_complete::CompleteEnv::with_factory(cli::command).var(cli::COMPLETE).complete();
    let arguments = match cli::parse() {
        Ok(arguments) => arguments,
        Err(error) => return exit::usage(&error),
    };
    let (verbosity, format) = arguments.logging();
    cli::log(verbosity, format);
    exit::report(cli::dispatch(arguments))
}
