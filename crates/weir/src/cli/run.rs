//! `weir run`: the controllers against the API server of a cluster.

use super::{Cluster, LogFormat, image_source::ImageSource, kept_controller::KeptController, up::distribution};
use crate::{
    exit::Outcome,
    run::{self, Given},
};
use clap::{Args, Subcommand, ValueEnum};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use weir_distro::Profile;
use weir_kubeio::lease::Timing;
use weir_sim::duration;

/// Run the controllers against the API server of a cluster
#[derive(Debug, Args)]
pub struct Run {
    /// What to run
    #[command(subcommand)]
    pub what: What,
    /// How log lines are written on stderr
    #[arg(long, global = true, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// The components.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Controller, operator and builder in one process
    All(BuilderOptions),
    /// Streams, rendering, rollout, drains
    Controller(Options),
    /// Built-in pools, ControllerConfig, MachineConfiguration and the ClusterOperator, and, on request, the controller's
    /// deployment
    Operator(OperatorOptions),
    /// OS images of pools in image mode: those that a MachineOSConfig names
    Builder(BuilderOptions),
}

/// Arguments of the builder.
#[derive(Debug, Args)]
pub struct BuilderOptions {
    /// Which cluster, and what to run on it
    #[command(flatten)]
    pub options: Options,
    /// Image that has buildah, for the pods that build OS images [default: machine-config-operator of the release, as ConfigMap
    /// machine-config-operator-images names it]
    #[arg(long, value_name = "PULLSPEC", value_parser = super::pull_spec::container)]
    pub builder_image: Option<String>,
}

/// Arguments of the operator.
#[derive(Debug, Args)]
pub struct OperatorOptions {
    /// Which cluster, and what to run on it
    #[command(flatten)]
    pub options: Options,
    /// The controller that it manages
    #[command(flatten)]
    pub controller: KeptController,
}

/// Which cluster, and what to run on it.
#[derive(Debug, Args)]
pub struct Options {
    /// Which cluster
    #[command(flatten)]
    pub cluster: Cluster,
    /// Release image for an API server that is not OpenShift: a pull spec, or oci:DIR for an OCI layout. What OpenShift
    /// would have is created where missing, and refused where it differs [default: from ClusterVersion]
    #[arg(long, value_name = "REF", value_parser = super::pull_spec::release)]
    pub release: Option<String>,
    /// Move objects that an earlier run created for another release to this one
    #[arg(long, requires = "release")]
    pub update: bool,
    /// Distribution [default: detected from the release or the FeatureSet]
    #[arg(long, value_name = "NAME", value_parser = distribution)]
    pub distribution: Option<&'static Profile>,
    /// Credentials and mirrors
    #[command(flatten)]
    pub images: ImageSource,
    /// Continue the work of the operator that ran here before, under its annotations, from the MachineConfigs that it generated;
    /// it must no longer run
    #[arg(long, conflicts_with = "release")]
    pub take_over: bool,
    /// With --take-over: write what weir generates although it differs from what the other operator generated. `weir explain
    /// take-over` shows what differs, and which nodes notice
    #[arg(long, value_name = "WHOSE", value_enum, requires = "take_over")]
    pub adopt_generated: Option<Adopt>,
    /// Folder with templates that count in the place of those of the release, laid out like /etc/mcc/templates in its image
    /// machine-config-operator
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
    /// How long to wait at startup for an API server that does not answer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub wait: Duration,
    /// Delete rendered MachineConfigs that no pool or node has used for this long [default: never]
    #[arg(long, value_name = "AFTER", value_parser = duration)]
    pub prune_rendered: Option<Duration>,
    /// Start the first node of a pool once its new configuration has stayed the same for this long, at the latest after ten
    /// times as long, so that changes in quick succession cost one reboot; 0 does not wait
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = duration)]
    pub settle: Duration,
    /// Pull spec of the image that this program runs from, for the versions that the ClusterOperator reports, and for the pods that
    /// build OS images, which get the program from it
    #[arg(long, value_name = "PULLSPEC", value_parser = super::pull_spec::container)]
    pub operator_image: Option<String>,
    /// Serve /metrics, /healthz and /readyz here over plain HTTP; port 0 takes a free one [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics_bind: Option<SocketAddr>,
    /// Notify this address of rollouts that begin, are blocked, or are done, and of degraded pools: a POST of JSON with the headers
    /// of a CloudEvent (the controller does it)
    #[arg(long, value_name = "URL", env = "WEIR_NOTIFY_URL", hide_env_values = true)]
    pub notify_url: Option<String>,
    /// Leader election
    #[command(flatten)]
    pub election: Election,
}

/// Whose generated MachineConfigs are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Adopt {
    /// Weir's
    Ours,
}

/// How processes elect the one that writes; the others are standbys.
#[derive(Clone, Copy, Debug, Args)]
pub struct Election {
    /// Work only while holding the leases machine-config (operator), machine-config-controller (controller) and machine-os-builder
    /// (builder)
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub leader_elect: bool,
    /// How long others respect a lease that is not renewed [default: 15s; 270s on a single-node control plane]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub leader_elect_lease_duration: Option<Duration>,
    /// How long after its last renewal the holder may write [default: 10s; 240s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub leader_elect_renew_deadline: Option<Duration>,
    /// Pause between two attempts [default: 2s; 60s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub leader_elect_retry_period: Option<Duration>,
}

impl Election {
    /// The periods that are given, else the defaults.
    #[must_use]
    pub fn timing(&self, usual: Timing) -> Timing {
        Timing {
            duration: self.leader_elect_lease_duration.unwrap_or(usual.duration),
            deadline: self.leader_elect_renew_deadline.unwrap_or(usual.deadline),
            retry: self.leader_elect_retry_period.unwrap_or(usual.retry),
        }
    }

    /// Whether the cluster decides any of the periods.
    #[must_use]
    pub fn follows_the_cluster(&self) -> bool {
        let given =
            [self.leader_elect_lease_duration, self.leader_elect_renew_deadline, self.leader_elect_retry_period];
        self.leader_elect && given.iter().any(Option::is_none)
    }

    /// Leases are measured in whole seconds, and each period must leave time for the next. A period that does not fit the
    /// defaults requires the others to be given too, so that validity does not depend on the cluster.
    fn check(&self) -> Result<(), clap::Error> {
        let fits = |usual: Timing| {
            let Timing { duration, deadline, retry } = self.timing(usual);
            duration > deadline && deadline > retry && !retry.is_zero() && duration.subsec_nanos() == 0
        };
        if fits(Timing::default()) && (self.is_usual() || fits(Timing::single_replica())) {
            return Ok(());
        }
        let text = "--leader-elect-lease-duration must be whole seconds and more than --leader-elect-renew-deadline, which \
                    must be more than --leader-elect-retry-period, which must not be 0; give all three\n";
        Err(clap::Error::raw(clap::error::ErrorKind::ValueValidation, text))
    }

    fn is_usual(&self) -> bool {
        let Self { leader_elect_lease_duration: duration, leader_elect_renew_deadline: deadline, .. } = self;
        duration.is_none() && deadline.is_none() && self.leader_elect_retry_period.is_none()
    }
}

impl Run {
    /// Runs it.
    ///
    /// # Errors
    /// Anything that kept it from starting or from continuing.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let (role, options, given) = match self.what {
            What::All(builder) => (run::Role::All, builder.options, Given::building(builder.builder_image)),
            What::Controller(options) => (run::Role::Controller, options, Given::default()),
            What::Builder(builder) => (run::Role::Builder, builder.options, Given::building(builder.builder_image)),
            What::Operator(operator) => {
                (run::Role::Operator, operator.options, Given::keeping(operator.controller.objects()))
            }
        };
        options.election.check().unwrap_or_else(|error| error.exit());
        // One thread: the controllers wait for the API server, they do not compute, and handing each answer from thread to thread
        // costs more than reading it.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let outcome = runtime.block_on(run::run(role, options, given));
        // Requests still waiting for a registry are abandoned.
        runtime.shutdown_background();
        outcome
    }
}
