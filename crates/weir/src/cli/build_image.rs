//! `weir build-image`: what the pod of a build's Job runs.
//!
//! Everything is read from one folder; what is too large or not what it should be is an error that repeats no content. How it ended is
//! said on stderr and, where a kubelet looks for it, in the file for a container's last words.

use super::Cluster;
use crate::{exit::Outcome, reach, signals::asked_to_stop};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::sleep;
use weir_api::keys::names::OPERATOR_NAMESPACE;
use weir_controllers::build::{
    Builder as _,
    buildah::Buildah,
    builder::{Files, Log},
    pod::{Asked, Report, label, report},
};
use weir_images::{Images, Proxy, Source, certificates};

/// What is built, and where its digest is reported
#[derive(Debug, clap::Args)]
pub struct BuildImage {
    /// Folder with what the build reads
    #[arg(long, value_name = "DIR")]
    input: PathBuf,
    /// Pull spec of the base image
    #[arg(long, value_name = "PULLSPEC")]
    base: String,
    /// Where the image is pushed to, with its tag
    #[arg(long, value_name = "PULLSPEC")]
    push_spec: String,
    /// ConfigMap that gets the digest
    #[arg(long, value_name = "NAME")]
    digest_configmap: String,
    /// Its labels
    #[arg(long, value_name = "KEY=VALUE,…", value_delimiter = ',', value_parser = label)]
    labels: Vec<(String, String)>,
    /// Its namespace
    #[arg(long, value_name = "NAME", default_value = OPERATOR_NAMESPACE)]
    namespace: String,
    /// File for the last words of a container
    #[arg(long, value_name = "FILE", default_value = "/dev/termination-log")]
    termination_log: PathBuf,
    #[command(flatten)]
    cluster: Cluster,
}

/// A file of a ConfigMap or Secret, which have at most 1 MiB, or of a user.
const LARGEST_FILE: u64 = 4 << 20;
/// Files of a folder: keys of one ConfigMap or Secret.
const MOST_FILES: usize = 500;
/// What Kubernetes keeps of a container's last words ("Determine the reason for pod failure").
const LAST_WORDS: usize = 4_096;
/// Certificates of the API server and of the cluster's own registry.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Where images with buildah have a volume for it, below the home folder.
const STORAGE: &str = ".local/share/containers";
/// The image is there: its digest is worth some patience with an API server that is being updated.
const ANSWERS: Duration = Duration::from_mins(2);
const REPORTS: u32 = 5;
const REPORT_PAUSE: Duration = Duration::from_secs(2);

impl BuildImage {
    /// Builds, pushes and reports.
    ///
    /// # Errors
    /// When something is missing, a step fails, or the digest cannot be reported.
    pub fn run(&self) -> Result<Outcome> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
        let ended = runtime.block_on(async {
            tokio::select! {
                built = self.build() => built,
                stopped = asked_to_stop() => {
                    stopped?;
                    bail!("the build was stopped")
                }
            }
        });
        if let Err(error) = &ended {
            last_words(&self.termination_log, &format!("{error:#}"));
        }
        ended.map(|()| Outcome::Done)
    }

    async fn build(&self) -> Result<()> {
        let asked = self.asked();
        let order = asked.order(&self.mounted()?, Log::to(|line| tell!("{line}"))).map_err(|why| anyhow!(why))?;
        let mut source = Source { proxy: Proxy::from_environment()?, ..Source::default() };
        certificates::add_folder(&mut source.trust, Path::new(ACCOUNT), None)?;
        let folder = folder(std::env::home_dir().map(|home| home.join(STORAGE)))?;
        let buildah = Buildah::find(folder.path(), Images::new(source)).await?;
        let image = buildah.build(order).await.map_err(|why| anyhow!(why))?;
        self.report(&asked.report, &image)
            .await
            .with_context(|| format!("{image} is pushed, and its digest cannot be reported"))
    }

    fn asked(&self) -> Asked {
        let labels = self.labels.iter().cloned().collect();
        Asked {
            input: self.input.display().to_string(),
            base: self.base.clone(),
            push_spec: self.push_spec.clone(),
            report: Report { namespace: self.namespace.clone(), map: self.digest_configmap.clone(), labels },
        }
    }

    /// Everything that is mounted, by path.
    fn mounted(&self) -> Result<Files> {
        let reading = || format!("reading {}", self.input.display());
        let mut found = Files::new();
        for entry in std::fs::read_dir(&self.input).with_context(reading)? {
            let folder = entry.with_context(reading)?.path();
            if folder.is_dir() {
                let inside = files(&folder)?.into_iter();
                found.extend(inside.map(|(name, content)| (folder.join(name).display().to_string(), content)));
            }
        }
        Ok(found)
    }

    /// Writes the digest into the ConfigMap, which may have been made for it.
    async fn report(&self, to: &Report, image: &str) -> Result<()> {
        let client = reach::connect(self.cluster.config().await?, "build-image", ANSWERS).await?;
        for left in (0..REPORTS).rev() {
            match report(&client, to, image).await {
                Ok(()) => break,
                // What the server refuses, it refuses again.
                Err(error) if left == 0 || error.code().is_some_and(|code| (400..500).contains(&code)) => {
                    return Err(error.into());
                }
                Err(error) => {
                    tell!("{error}; trying again");
                    sleep(REPORT_PAUSE).await;
                }
            }
        }
        tell!("the digest is in ConfigMap {}/{}", to.namespace, to.map);
        Ok(())
    }
}

/// A folder for builds: where large temporary files go, or on this volume.
pub(super) fn folder(volume: Option<PathBuf>) -> Result<TempDir> {
    let given = std::env::var_os("TMPDIR").map(PathBuf::from);
    let usual = [volume, given, Some(PathBuf::from("/var/tmp"))];
    let within = usual.into_iter().flatten().find(|path| path.is_dir()).unwrap_or_else(std::env::temp_dir);
    // Whoever builds passes through; nobody else gets into what is below.
    let mode = std::fs::Permissions::from_mode(0o711);
    let made = tempfile::Builder::new().prefix("weir-").permissions(mode).tempdir_in(&within);
    made.with_context(|| format!("making a folder for the build in {}", within.display()))
}

/// A file that is not too large.
pub(super) fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {LARGEST_FILE} bytes")));
    }
    Ok(content)
}

/// The files of a folder, by name. What a kubelet keeps beside them begins with two dots.
pub(super) fn files(folder: &Path) -> Result<Files> {
    let reading = || format!("reading {}", folder.display());
    let mut found = Files::new();
    for entry in std::fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("..") || !path.is_file() {
            continue;
        }
        ensure!(found.len() < MOST_FILES, "{}: it has more than {MOST_FILES} files", folder.display());
        let content = bounded(&path).with_context(|| format!("reading {}", path.display()))?;
        found.insert(name, content);
    }
    Ok(found)
}

/// Writes them where a kubelet looks for them; elsewhere there is no such file, and nothing is written.
fn last_words(path: &Path, text: &str) {
    let end = text.floor_char_boundary(LAST_WORDS);
    let written = OpenOptions::new().write(true).truncate(true).open(path).and_then(|mut file| {
        // It may be longer than what is kept.
        file.write_all(text.get(..end).unwrap_or_default().as_bytes())
    });
    if let Err(error) = written
        && error.kind() != io::ErrorKind::NotFound
    {
        tell!("{}: {error}", path.display());
    }
}
