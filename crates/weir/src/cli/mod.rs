//! The subcommands. One file per subcommand: its arguments and what it does.

pub mod apiserver;
pub mod bootstrap;
mod build;
mod build_image;
mod cluster;
mod complete;
mod copy_program;
mod crds;
mod dashboard;
mod diff;
mod examples;
mod explain;
mod extract;
mod fleet;
mod generate;
mod get;
mod history;
mod image_source;
mod import;
pub mod kept_controller;
mod lint;
pub mod machine_config_osimagestream;
mod machines;
mod man;
mod manifest_source;
mod manifests;
mod pause;
mod payload;
pub(crate) mod plan;
mod pull_spec;
mod render;
mod resume;
pub mod run;
mod sim;
mod status;
mod subject;
mod switch;
mod terminal;
pub mod up;
mod update;
mod wait;
mod why;

pub use cluster::Cluster;
pub use complete::VARIABLE as COMPLETE;
pub use crds::Crds;
pub use explain::Explain;
pub use fleet::Fleet;
pub use get::Get;
pub use image_source::ImageSource;
pub use machines::Machines;
pub use payload::Payload;
pub use status::Status;
pub(crate) use terminal::{harmless, in_line};

use crate::exit::Outcome;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use weir_distro::Profile;

/// Version, commit and kind of build.
const VERSION: &str = weir_rules::render::VERSION;

/// A machine config operator built around OS image streams
#[derive(Debug, Parser)]
#[command(name = "weir", version = VERSION, propagate_version = true, max_term_width = 100)]
pub struct Arguments {
    /// Log more on stderr; twice for reasons as well, three times for requests and everything else
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
    /// Add simulated nodes to any API server
    ///
    /// The machines follow the daemon's protocol: they take their pool's configuration, drain, reboot, report.
    Fleet(Fleet),
    /// Run the controllers against the API server of a cluster
    Run(run::Run),
    /// Print the OS image streams of a release, or the image of one
    Get(Get),
    /// Build, push and inspect release payloads
    Payload(Payload),
    /// Print the MachineConfigs that pools get, from manifests
    Render(render::Render),
    /// Check manifests as the API server, Ignition and the controllers would, for CI
    Lint(lint::Lint),
    /// Print the MachineConfigs that a cluster generates, from manifests and a release's templates
    Generate(generate::Generate),
    /// Render what a cluster's first machines get, from the installer's manifests
    Bootstrap(bootstrap::Bootstrap),
    /// Build the OS image of a pool in image mode, as a cluster would
    Build(build::Build),
    /// Build an image from what is mounted, push it and report its digest; for the pod of a build's Job
    #[command(hide = true)]
    BuildImage(build_image::BuildImage),
    /// Print how the pools are, what is the cause, which nodes wait for what, and what to do next
    Status(Status),
    /// Show what a change will do, before it is made
    Plan(Box<plan::Plan>),
    /// Print what came of the last rollouts: who changed what, and how long it took
    History(history::History),
    /// Say why something is the way it is, and what changes it
    Why(why::Why),
    /// Show a page: what runs where, what moves, who waits for what, how long still, what to do
    Dashboard(Box<dashboard::Dashboard>),
    /// Switch a pool to another OS image stream
    Switch(switch::Switch),
    /// Pause a pool, with a reason, and until a time
    Pause(pause::Pause),
    /// Resume a pool that is paused
    Resume(resume::Resume),
    /// Wait until a pool is updated, or on a stream
    Wait(wait::Wait),
    /// Update a cluster of `weir up` to another release
    Update(Box<update::Update>),
    /// Take a cluster's objects as the start of a `weir up`, to rehearse on
    Import(import::ImportOf),
    /// Explain why something is the way it is
    Explain(Explain),
    /// Live the lives of made-up clusters, and judge every moment of them
    Sim(sim::Sim),
    /// Show what differs between two configurations of machines
    Diff(diff::Diff),
    /// Write a configuration's files and units as they land on disk
    Extract(extract::Extract),
    /// Print the CustomResourceDefinitions
    Crds(Crds),
    /// Copy this program, for a pod that runs it in another image
    #[command(hide = true)]
    CopyProgram(copy_program::CopyProgram),
    /// Print the manifests that run weir in a cluster: namespace, roles, deployments, policies
    Manifests(manifests::Manifests),
    /// Serve the embedded Kubernetes API
    ///
    /// Only an API server: no scheduler, no kubelet and no controllers run with it.
    Apiserver(apiserver::Arguments),
    /// Print what a shell has to run to complete names of pools, streams and nodes, besides options
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write manual pages
    Man(man::Man),
}

/// The command line as it is shown: with examples, with values that are known by name, and completed from the cluster.
#[must_use]
pub fn command() -> clap::Command {
    complete::added(examples::added(with_distributions(Arguments::command())))
}

/// Says in the help of each option for a distribution which there are.
fn with_distributions(command: clap::Command) -> clap::Command {
    const OPTION: &str = "distribution";
    let names: Vec<&str> = Profile::all().iter().map(|profile| profile.name.as_str()).collect();
    let has = command.get_arguments().any(|argument| argument.get_id() == OPTION);
    let command = if has {
        command.mut_arg(OPTION, |argument| {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            argument.help(format!("{help} [possible values: {}]", names.join(", ")))
        })
    } else {
        command
    };
    command.mut_subcommands(with_distributions)
}

/// The arguments of this process.
///
/// # Errors
/// A usage error, or what was asked to be shown: help, version.
pub fn parse() -> Result<Arguments, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// How data is printed for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// JSON
    Json,
    /// YAML
    Yaml,
}

impl Output {
    fn write(self, value: &serde_json::Value) -> anyhow::Result<String> {
        Ok(match self {
            Self::Json => serde_json::to_string_pretty(value)? + "\n",
            Self::Yaml => serde_saphyr::to_string(value)?,
        })
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line of text
    #[default]
    Text,
    /// One JSON object
    Json,
}

impl Arguments {
    /// How much is logged, and how. Long-running commands log their decisions; the others only problems.
    #[must_use]
    pub fn logging(&self) -> (u8, LogFormat) {
        match &self.command {
            Command::Run(run) => (self.verbose.saturating_add(1), run.log_format),
            _ => (self.verbose, LogFormat::Text),
        }
    }
}

/// Log targets that write bodies of objects.
const WITHOUT_BODIES: [&str; 1] = ["kube_client::client=off"];

/// Sets up log lines on stderr; `RUST_LOG` overrides the level.
pub fn log(verbosity: u8, format: LogFormat) {
    use tracing_subscriber::{EnvFilter, fmt};
    // The caller reports the outcome of a request; the client would report it again, as an error.
    let level = match verbosity {
        0 => "warn,kube_client::client::builder=off",
        1 => "info,kube_client::client::builder=off",
        // Reasons first; what is asked of whom over HTTP comes after them.
        2 => "info,kube_client::client::builder=off,weir=debug,weir_apiserver=info,weir_images=info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    // Never, whatever level is set: it logs responses that it cannot decode, which may contain secrets.
    let filter = WITHOUT_BODIES.iter().filter_map(|off| off.parse().ok()).fold(filter, EnvFilter::add_directive);
    let colour = std::env::var_os("NO_COLOR").is_none() && std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A line that cannot be written is lost. To say so on the same stderr would fail as well, and end the process.
    let lines = fmt()
        .with_env_filter(filter)
        .with_writer(|| crate::tell::Logged)
        .with_ansi(colour)
        .with_target(false)
        .log_internal_errors(false);
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}

/// Runs the subcommand.
///
/// # Errors
/// Anything the subcommand could not do.
pub fn dispatch(arguments: Arguments) -> anyhow::Result<Outcome> {
    match arguments.command {
        Command::Up(up) => up.run(),
        Command::Fleet(fleet) => fleet.run(),
        Command::Run(run) => run.run(),
        Command::Get(get) => get.run(),
        Command::Payload(payload) => payload.run(),
        Command::Render(render) => render.run(),
        Command::Lint(lint) => lint.run(),
        Command::Generate(generate) => generate.run(),
        Command::Bootstrap(bootstrap) => bootstrap.run(),
        Command::Build(build) => build.run(),
        Command::BuildImage(build) => build.run(),
        Command::Status(status) => status.run(),
        Command::Plan(plan) => plan.run(),
        Command::History(history) => history.run(),
        Command::Why(why) => why.run(),
        Command::Dashboard(dashboard) => dashboard.run(),
        Command::Switch(switch) => switch.run(),
        Command::Pause(pause) => pause.run(),
        Command::Resume(resume) => resume.run(),
        Command::Wait(wait) => wait.run(),
        Command::Update(update) => update.run(),
        Command::Import(import) => import.run(),
        Command::Explain(explain) => explain.run(),
        Command::Sim(sim) => sim.run(),
        Command::Diff(diff) => diff.run(),
        Command::Extract(extract) => extract.run(),
        Command::Crds(crds) => crds.run(),
        Command::CopyProgram(copy) => copy.run(),
        Command::Manifests(manifests) => manifests.run(),
        Command::Apiserver(arguments) => apiserver::run(arguments),
        Command::Man(man) => man.run(),
        Command::Completions { shell } => {
            print(&complete::script(shell)?)?;
            Ok(Outcome::Done)
        }
    }
}

/// Writes a picture to a file.
///
/// # Errors
/// When the file cannot be written.
fn picture(path: &std::path::Path, svg: &str) -> anyhow::Result<()> {
    anyhow::Context::with_context(std::fs::write(path, svg), || format!("writing the picture {}", path.display()))
}

/// Writes data to stdout. A closed pipe (`weir … | head`) is not an error.
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
