//! `weir up`: a release payload, an API server, the controllers and a fleet, in one process.

use super::{ImageSource, Machines};
use crate::{builder::Choice, exit::Outcome, up};
use clap::{Args, ValueEnum};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use weir_distro::Profile;
use weir_sim::{Nodes, duration};

/// Run a whole cluster's machine configuration in this process: release, API server, controllers, simulated nodes
#[derive(Debug, Args)]
pub struct Up {
    /// Release image: a pull spec, or oci:DIR for an OCI layout [default: a built-in sample payload]
    #[arg(long, value_name = "REF", value_parser = super::pull_spec::release)]
    pub release: Option<String>,
    /// Distribution [default: detected from the release]
    #[arg(long, value_name = "NAME", value_parser = distribution)]
    pub distribution: Option<&'static Profile>,
    /// Credentials and mirrors for --release
    #[command(flatten)]
    pub images: ImageSource,
    /// Simulated nodes of each pool; a name that is not built in makes a custom pool [default: those of --data-dir, or else
    /// master=3,worker=3]
    #[arg(long, value_name = "POOL=N,…")]
    pub nodes: Option<Nodes>,
    /// How the nodes behave
    #[command(flatten)]
    pub machines: Machines,
    /// What builds images of pools in image mode
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub builder: Choice,
    /// Exit with 0 once this holds, instead of running on
    #[arg(long, value_name = "WHAT")]
    pub until: Option<Until>,
    /// Exit with 1 when --until does not hold after this long
    #[arg(long, value_name = "TIME", requires = "until", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Start the first node of a pool once its new configuration has stayed the same for this long, at the latest after ten
    /// times as long; 0 does not wait
    #[arg(long, value_name = "TIME", default_value = SETTLE, value_parser = duration)]
    pub settle: Duration,
    /// Play a story instead: a file, or the name of a built-in one; `list` lists those
    #[arg(long, value_name = "FILE", conflicts_with_all = ["release", "distribution", "nodes", "step_time", "settle", "pods", "faults", "until", "data_dir", "listen", "builder", "page", "open"])]
    pub story: Option<String>,
    /// Store the cluster's objects here [default: in memory]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where the API server listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Where the page listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub page: SocketAddr,
    /// Open the page in a browser
    #[arg(long)]
    pub open: bool,
}

/// What `--until` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// Every pool is Updated and every node has joined
    Updated,
}

/// Threads of the runtime. More would not speed up a laptop's fleet, and each costs memory.
const THREADS: usize = 2;

impl Up {
    /// Runs it.
    ///
    /// # Errors
    /// Anything that kept it from starting or from continuing.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
        let outcome = runtime.block_on(async move {
            match &self.story {
                Some(story) => up::story::run(story).await,
                None => up::run(self).await,
            }
        });
        // Requests still waiting for a registry or a client are abandoned.
        runtime.shutdown_background();
        outcome
    }
}

pub(crate) fn distribution(name: &str) -> Result<&'static Profile, String> {
    Profile::by_name(name).map_err(|error| error.to_string())
}

/// Somebody at a terminal is waiting, and usually makes one edit of one object.
const SETTLE: &str = "250ms";
