//! `weir bootstrap`: renders what a cluster's first machines get, before there is a cluster.

use super::image_source::ImageSource;
use crate::{bootstrap, exit::Outcome};
use anyhow::{Result, bail};
use std::path::PathBuf;
use weir_distro::Profile;

/// What to read, and where the result goes.
#[derive(Debug, clap::Args)]
pub struct Bootstrap {
    /// Folder with the manifests, without --templates also of the MachineConfigs that templates make
    #[arg(long, value_name = "DIR", default_value = "")]
    pub manifest_dir: PathBuf,
    /// Folder for what is rendered
    #[arg(long, value_name = "DIR", default_value = "")]
    pub dest_dir: PathBuf,
    /// Manifest of the Secret with the credentials for registries
    #[arg(long, value_name = "FILE", default_value = "/assets/manifests/pull.yaml")]
    pub pull_secret: PathBuf,
    /// Folder with the release's templates, from which MachineConfigs are generated
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
    /// Version of the release, which tells what features are on
    #[arg(long, value_name = "VERSION", env = "RELEASE_VERSION")]
    pub release_version: Option<String>,
    /// Which distribution this is; else the release payload tells
    #[arg(long, value_name = "NAME", value_parser = Profile::by_name)]
    pub distribution: Option<&'static Profile>,
    /// Where images are
    #[command(flatten)]
    pub images: ImageSource,
}

impl Bootstrap {
    /// Reads, renders and only then writes.
    ///
    /// # Errors
    /// When something cannot be read, rendered or written.
    pub fn run(&self) -> Result<Outcome> {
        if self.manifest_dir.as_os_str().is_empty() || self.dest_dir.as_os_str().is_empty() {
            bail!("--dest-dir or --manifest-dir not set");
        }
        bootstrap::run(self)?;
        Ok(Outcome::Done)
    }
}
