//! `weir build-image`: what the pod of a build's Job runs.
//!
//! Everything is read from one folder; what is too large or not what it should be is an error that repeats no content. How it ended is
//! said on stderr and, where a kubelet looks for it, in the file for a container's last words.

use super::Cluster;
use crate::{exit::Outcome, reach, signals::asked_to_stop};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::sleep;
use weir_api::{
    MachineConfig,
    docker_config::{SECRET_KEYS, SECRET_TYPE},
    keys::names::OPERATOR_NAMESPACE,
};
use weir_controllers::build::{
    Builder as _,
    buildah::Buildah,
    builder::{Files, Inputs, Log, Order},
};
use weir_images::{Images, Proxy, Source, certificates};
use weir_kubeio::Error;

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
/// A rendered MachineConfig, unpacked: far above what an API server takes.
const LARGEST_CONFIG: u64 = 64 << 20;
/// What Kubernetes keeps of a container's last words ("Determine the reason for pod failure").
const LAST_WORDS: usize = 4_096;
/// Certificates of the API server and of the cluster's own registry.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Where images with buildah have a volume for it, below the home folder.
const STORAGE: &str = ".local/share/containers";
const FIELD_MANAGER: &str = "weir-build-image";
/// The image is there: its digest is worth some patience with an API server that is being updated.
const ANSWERS: Duration = Duration::from_mins(2);
const REPORTS: u32 = 5;
const REPORT_PAUSE: Duration = Duration::from_secs(2);

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not key=value")),
    }
}

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
        let order = self.order()?;
        let mut source = Source { proxy: Proxy::from_environment()?, ..Source::default() };
        certificates::add_folder(&mut source.trust, Path::new(ACCOUNT), None)?;
        let folder = folder(std::env::home_dir().map(|home| home.join(STORAGE)))?;
        let buildah = Buildah::find(folder.path(), Images::new(source)).await?;
        let image = buildah.build(order).await.map_err(|why| anyhow!(why))?;
        self.report(&image).await.with_context(|| format!("{image} is pushed, and its digest cannot be reported"))
    }

    fn order(&self) -> Result<Order> {
        let at = |below: &str| self.input.join(below);
        let file = |below: &str| bounded(&at(below)).with_context(|| format!("reading {}", at(below).display()));
        let optional = |below: &str| if at(below).exists() { file(below).map(Some) } else { Ok(None) };
        let folder = |below: &str| if at(below).exists() { files(&at(below)) } else { Ok(Files::new()) };
        let containerfile = String::from_utf8(file("containerfile/Containerfile")?);
        let packed = "machineconfig/machineconfig.json.gz";
        Ok(Order {
            rendered: Arc::new(unpacked(&file(packed)?).with_context(|| at(packed).display().to_string())?),
            containerfile: containerfile.ok().context("the Containerfile is no UTF-8 text")?,
            base: self.base.clone(),
            pull_secret: optional("pull/config.json")?.map(|text| login("pull", text)),
            push_secret: login("push", file("push/config.json")?),
            push_spec: self.push_spec.clone(),
            inputs: Inputs {
                trust_bundle: optional("trust/openshift-config-user-ca-bundle.crt")?,
                policy: optional("policy/policy.json")?,
                registries: optional("registries/registries.conf")?,
                entitlement: folder("entitlement")?,
                yum_repositories: folder("yum-repos")?,
                gpg_keys: folder("gpg")?,
            },
            log: Log::to(|line| eprintln!("{line}")),
        })
    }

    /// Writes the digest into the ConfigMap, which may have been made for it.
    async fn report(&self, image: &str) -> Result<()> {
        let digest = image.rsplit_once('@').map(|(_, digest)| digest).unwrap_or_default();
        let labels: BTreeMap<&String, &String> = self.labels.iter().map(|(key, value)| (key, value)).collect();
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": self.digest_configmap, "labels": labels},
            "data": {"digest": digest},
        });
        let client = reach::connect(self.cluster.config().await?, "build-image", ANSWERS).await?;
        let api: Api<ConfigMap> = Api::namespaced(client, &self.namespace);
        let name = &self.digest_configmap;
        for left in (0..REPORTS).rev() {
            let parameters = PatchParams::apply(FIELD_MANAGER).force();
            match api.patch(name, &parameters, &Patch::Apply(&object)).await {
                Ok(_) => break,
                Err(cause) => {
                    let error = Error::new::<ConfigMap>("applying", name, cause);
                    // What the server refuses, it refuses again.
                    if left == 0 || error.code().is_some_and(|code| (400..500).contains(&code)) {
                        return Err(error.into());
                    }
                    eprintln!("{error}; trying again");
                    sleep(REPORT_PAUSE).await;
                }
            }
        }
        eprintln!("{digest} is in ConfigMap {}/{name}", self.namespace);
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

/// A docker config as a Secret.
pub(super) fn login(name: &str, text: Vec<u8>) -> Secret {
    let mut secret = Secret { type_: Some(SECRET_TYPE.to_owned()), ..Secret::default() };
    secret.metadata.name = Some(name.to_owned());
    secret.data = Some(BTreeMap::from([(SECRET_KEYS[0].to_owned(), ByteString(text))]));
    secret
}

/// The rendered MachineConfig: JSON, compressed, in base64.
fn unpacked(text: &[u8]) -> Result<MachineConfig> {
    let packed = STANDARD.decode(text.trim_ascii()).ok().context("it is not in base64")?;
    let mut json = Vec::new();
    GzDecoder::new(packed.as_slice()).take(LARGEST_CONFIG + 1).read_to_end(&mut json).context("unpacking it")?;
    ensure!(json.len() as u64 <= LARGEST_CONFIG, "it unpacks to more than {LARGEST_CONFIG} bytes");
    Ok(serde_json::from_slice(&json)?)
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
        eprintln!("{}: {error}", path.display());
    }
}
