//! How subcommands that read images find registries and credentials.

use anyhow::Context as _;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;
use weir_images::manifest::Platform;
use weir_images::{Authfile, Cache, Proxy, Registries, Source, certificates};

/// Where images are, and with which credentials
#[derive(Clone, Debug, Default, Args)]
pub struct ImageSource {
    /// Registry credentials, as `podman login` writes them, or a pull secret
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE")]
    pub authfile: Option<PathBuf>,
    /// Mirrors, blocked and insecure registries: a registries.conf, version 2
    #[arg(long, value_name = "FILE")]
    pub registry_config: Option<PathBuf>,
    /// CAs to trust for every registry: a file, or a folder of files
    #[arg(long, value_name = "PATH")]
    pub trust_bundle: Vec<PathBuf>,
    /// Folder with CAs (*.crt) and client certificates (*.cert, *.key) for every registry
    #[arg(long, value_name = "DIR")]
    pub cert_dir: Option<PathBuf>,
    /// Folder that has, for each registry, such a folder or a file of CAs
    #[arg(long, value_name = "DIR")]
    pub per_host_certs: Option<PathBuf>,
    /// Folder for caching image metadata by digest between runs
    #[arg(long, value_name = "DIR")]
    pub image_cache: Option<PathBuf>,
    /// Which image of an index to read: OS/ARCHITECTURE [default: linux on this machine's architecture]
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<Platform>,
}

impl ImageSource {
    /// Reads the files.
    ///
    /// # Errors
    /// When one of them cannot be read or used.
    pub fn open(&self) -> anyhow::Result<Source> {
        let mut source = Source { proxy: Proxy::from_environment()?, ..Source::default() };
        if let Some(path) = &self.authfile {
            let bytes = std::fs::read(path).with_context(|| format!("reading the authfile {}", path.display()))?;
            source.authfile = Authfile::parse(&bytes).with_context(|| path.display().to_string())?;
            for warning in source.authfile.warnings() {
                tracing::warn!("{warning}");
            }
        }
        if let Some(path) = &self.registry_config {
            source.registries = Registries::load(path)?;
        }
        for path in &self.trust_bundle {
            certificates::add_bundles(&mut source.trust, path)?;
        }
        if let Some(folder) = &self.cert_dir {
            certificates::add_folder(&mut source.trust, folder, None)?;
        }
        if let Some(folder) = &self.per_host_certs {
            certificates::add_hosts(&mut source.trust, folder)?;
        }
        if let Some(folder) = &self.image_cache {
            source.cache = Some(Arc::new(Cache::open(folder, jiff::Timestamp::now)));
        }
        if let Some(platform) = &self.platform {
            source.platform = platform.clone();
        }
        Ok(source)
    }
}
