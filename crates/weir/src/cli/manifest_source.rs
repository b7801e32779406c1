//! Where subcommands get objects from: files, or else a cluster.

use super::cluster::Cluster;
use crate::{
    inputs,
    rollout_objects::{self, configuration_of_cluster},
};
use anyhow::{Context as _, Result};
use clap::Args;
use jiff::Timestamp;
use serde_json::Value;
use std::path::PathBuf;
use weir_distro::Profile;
use weir_rules::world::{AsOf, World};

/// Where the manifests are, and for which distribution
#[derive(Clone, Debug, Args)]
pub struct ManifestSource {
    /// Files with manifests or lists, folders (read recursively) and archives of folders, such as a must-gather; `-` for
    /// standard input
    #[arg(short = 'f', long = "filename", visible_alias = "from", value_name = "FILE", required = true, num_args = 1..)]
    pub files: Vec<PathBuf>,
    /// Distribution of the cluster, which decides about dropped streams
    #[arg(long, value_name = "NAME", value_parser = Profile::by_name)]
    pub distribution: Option<&'static Profile>,
}

/// Manifests, or else the cluster.
#[derive(Debug, Args)]
pub struct Given {
    /// Files with manifests or lists, folders (read recursively) and archives of folders, such as a must-gather; `-` for
    /// standard input; without any, the cluster is read
    #[arg(short = 'f', long = "filename", visible_alias = "from", value_name = "FILE", num_args = 1..)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) cluster: Cluster,
}

impl Given {
    /// Everything that pools are rendered from.
    ///
    /// # Errors
    /// When it cannot be read, or holds no pool.
    pub fn configuration(&self) -> Result<World> {
        if !self.files.is_empty() {
            return inputs::of_files(&self.files);
        }
        runtime()?.block_on(async { configuration_of_cluster(&self.cluster.connect("explain").await?).await })
    }

    /// Everything that a rollout depends on; the user agent names the command.
    ///
    /// # Errors
    /// When it cannot be read, or files hold no pool.
    pub fn world(&self, command: &str) -> Result<World> {
        self.world_with(command, rollout_objects::of_files)
    }

    /// As [`Self::world`], where files are read like this.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn world_with(&self, command: &str, of_files: impl FnOnce(&[PathBuf]) -> Result<World>) -> Result<World> {
        if !self.files.is_empty() {
            return of_files(&self.files);
        }
        runtime()?.block_on(async { rollout_objects::of_cluster(&self.cluster.connect(command).await?).await })
    }
}

/// When a world is judged: files as of the time that they are of, a cluster as of now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    /// The time.
    pub now: Timestamp,
    /// The time that files are of, if they have one.
    pub as_of: Option<AsOf>,
}

impl Judged {
    /// When this world is judged.
    pub fn of(world: &World) -> Self {
        let clock = Timestamp::now();
        Self { now: world.now(clock), as_of: world.as_of(clock) }
    }

    /// The line that says so; empty for a cluster.
    pub fn line(&self) -> String {
        self.as_of.map(|as_of| format!("{as_of}\n")).unwrap_or_default()
    }

    /// The same for scripts: null for a cluster.
    pub fn json(&self) -> Value {
        self.as_of.map_or(Value::Null, |AsOf(at)| format!("{at:.0}").into())
    }
}

/// What asks clusters.
///
/// # Errors
/// When the system refuses it.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")
}
