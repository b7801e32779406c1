//! `weir bootstrap`: renders what a cluster's first machines get, before there is a cluster.

use super::image_source::ImageSource;
use crate::{bootstrap, exit::Outcome};
use anyhow::{Result, bail};
use std::path::PathBuf;
use weir_distro::Profile;

/// What to read, and where to write the result.
#[derive(Debug, clap::Args)]
pub struct Bootstrap {
    /// Folder with the manifests; without --templates also with the MachineConfigs of the templates
    #[arg(long, value_name = "DIR", default_value = "")]
    pub manifest_dir: PathBuf,
    /// Folder for the rendered files
    #[arg(long, value_name = "DIR", default_value = "")]
    pub dest_dir: PathBuf,
    /// Manifest of the Secret with the registry credentials
    #[arg(long, value_name = "FILE", default_value = "/assets/manifests/pull.yaml")]
    pub pull_secret: PathBuf,
    /// Folder with the release's templates, from which MachineConfigs are generated
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
    /// Version of the release, which determines the feature gates
    #[arg(long, value_name = "VERSION", env = "RELEASE_VERSION")]
    pub release_version: Option<String>,
    /// Distribution [default: detected from the release payload]
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
