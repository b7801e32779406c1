//! `weir run`: the controllers against the API server of a cluster.

use super::{Cluster, image_source::ImageSource, up::distribution, up::duration};
use crate::{exit::Outcome, run};
use clap::{Args, Subcommand};
use std::time::Duration;
use weir_distro::Profile;

/// Run the controllers against the API server of a cluster
#[derive(Debug, Args)]
pub struct Run {
    /// What to run
    #[command(subcommand)]
    pub what: What,
}

/// The components.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Controller and operator in one process
    All(Options),
    /// Streams, rendering, rollout, drains
    Controller(Options),
    /// Built-in pools and the ClusterOperator
    Operator(Options),
}

/// Which cluster, and what it is to run.
#[derive(Debug, Args)]
pub struct Options {
    /// Which cluster
    #[command(flatten)]
    pub cluster: Cluster,
    /// Release image for an API server that is no OpenShift: a pull spec, or oci:DIR for an OCI layout. What OpenShift
    /// would have there is made where it is missing, and refused where it differs [default: what ClusterVersion says]
    #[arg(long, value_name = "REF")]
    pub release: Option<String>,
    /// Move objects that an earlier run made for another release to this one
    #[arg(long, requires = "release")]
    pub update: bool,
    /// Distribution; told from the release or the FeatureSet when not given
    #[arg(long, value_name = "NAME", value_parser = distribution)]
    pub distribution: Option<&'static Profile>,
    /// Credentials and mirrors
    #[command(flatten)]
    pub images: ImageSource,
    /// How long to wait for an API server that does not answer at the start
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub wait: Duration,
}

/// Threads of the runtime: the controllers wait for the API server, they do not compute.
const THREADS: usize = 2;

impl Run {
    /// Runs it.
    ///
    /// # Errors
    /// Whatever kept it from starting or from running on.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let (role, options) = match self.what {
            What::All(options) => (run::Role::All, options),
            What::Controller(options) => (run::Role::Controller, options),
            What::Operator(options) => (run::Role::Operator, options),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
        let outcome = runtime.block_on(run::run(role, options));
        // What still waits for a registry is not waited for.
        runtime.shutdown_background();
        outcome
    }
}
