//! Which subcommands there are. One file per subcommand: its arguments and what it does.

mod crds;
mod explain;
mod get;
mod image_source;
pub mod machine_config_osimagestream;
mod payload;
pub mod up;

pub use crds::Crds;
pub use explain::Explain;
pub use get::Get;
pub use image_source::ImageSource;
pub use payload::Payload;

use crate::exit::Outcome;
use clap::{Parser, Subcommand};

/// A machine config operator built around OS image streams
#[derive(Debug, Parser)]
#[command(name = "weir", version, propagate_version = true, max_term_width = 100)]
pub struct Arguments {
    /// Say more on stderr; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run release, API server, controllers and simulated nodes in this process
    Up(up::Up),
    /// Print the OS image streams of a release, or the image of one
    Get(Get),
    /// Make, push and look into release payloads
    Payload(Payload),
    /// Say why things are as they are
    Explain(Explain),
    /// Print the CustomResourceDefinitions
    Crds(Crds),
    /// Print shell completions
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Sets up log lines on stderr; `RUST_LOG` overrides the level.
pub fn log(verbose: u8) {
    use tracing_subscriber::{EnvFilter, fmt};
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colour = std::env::var_os("NO_COLOR").is_none() && std::io::IsTerminal::is_terminal(&std::io::stderr());
    fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour).with_target(false).init();
}

/// Runs the subcommand.
///
/// # Errors
/// Whatever the subcommand could not do.
pub fn dispatch(arguments: Arguments) -> anyhow::Result<Outcome> {
    match arguments.command {
        Command::Up(up) => up.run(),
        Command::Get(get) => get.run(),
        Command::Payload(payload) => payload.run(),
        Command::Explain(explain) => explain.run(),
        Command::Crds(crds) => crds.run(),
        Command::Completions { shell } => {
            let mut command = <Arguments as clap::CommandFactory>::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "weir", &mut script);
            print(&script)?;
            Ok(Outcome::Done)
        }
    }
}

/// Writes data to stdout. A reader that has gone away (`weir … | head`) is not an error.
///
/// # Errors
/// When stdout cannot be written for another reason, e.g. a full disk.
pub fn print(data: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(data).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => anyhow::Context::context(written, "writing to standard output"),
    }
}
