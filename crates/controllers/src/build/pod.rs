//! What the pod of a build's Job does: reads what is mounted, has the image made, and reports its digest.

use super::builder::{Files, Inputs, Log, Order};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    io::{self, Read as _},
    sync::Arc,
};
use weir_api::{
    MachineConfig,
    docker_config::{SECRET_KEYS, SECRET_TYPE},
    keys::names::OPERATOR_NAMESPACE,
};
use weir_kubeio::Error;
use weir_rules::build::{inputs::key, job::mount};

/// The command that the pod runs.
const COMMAND: &str = "build-image";
/// Most of a rendered MachineConfig: far above what an API server takes.
const LARGEST_CONFIG: u64 = 64 << 20;
const FIELD_MANAGER: &str = "weir-build-image";

/// What a pod is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Folder below which everything that the build reads is mounted.
    pub input: String,
    /// Pull spec of the base image.
    pub base: String,
    /// Where the image is pushed to, with its tag.
    pub push_spec: String,
    /// Where its digest is reported.
    pub report: Report,
}

/// Where the digest is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Namespace of the ConfigMap.
    pub namespace: String,
    /// Its name.
    pub map: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Asked {
    /// From a pod's arguments, as [`weir_rules::build::job`] writes them.
    ///
    /// # Errors
    /// When one is missing, or it is asked for something else.
    pub fn of(arguments: &[String]) -> Result<Self, String> {
        if !arguments.iter().any(|word| word == COMMAND) {
            return Err(format!("a pod that does anything but {COMMAND} is not run here"));
        }
        let option = |name: &str| {
            let given = arguments.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            given.map(str::to_owned).ok_or_else(|| format!("{name}= is missing"))
        };
        let labels = option("--labels")?.split(',').map(label).collect::<Result<_, _>>()?;
        let report = Report { namespace: OPERATOR_NAMESPACE.to_owned(), map: option("--digest-configmap")?, labels };
        Ok(Self { input: option("--input")?, base: option("--base")?, push_spec: option("--push-spec")?, report })
    }

    /// What is to be built, with mounted files, by path.
    ///
    /// # Errors
    /// When a file is missing, or is not what it should be. No content is repeated.
    pub fn order(&self, files: &BTreeMap<String, Vec<u8>>, log: Log) -> Result<Order, String> {
        let mounted = Mounted { input: &self.input, files };
        let containerfile = mounted.file(mount::CONTAINERFILE, key::CONTAINERFILE)?.to_vec();
        Ok(Order {
            rendered: Arc::new(unpacked(mounted.file(mount::MACHINE_CONFIG, key::MACHINE_CONFIG)?)?),
            containerfile: String::from_utf8(containerfile).map_err(|_| "the Containerfile is no UTF-8 text")?,
            base: self.base.clone(),
            pull_secret: mounted.optional(mount::PULL, mount::CONFIG).map(|text| login(mount::PULL, text)),
            push_secret: login(mount::PUSH, mounted.file(mount::PUSH, mount::CONFIG)?),
            push_spec: self.push_spec.clone(),
            inputs: Inputs {
                trust_bundle: mounted.optional(mount::TRUST, key::CERTIFICATES).map(<[u8]>::to_vec),
                policy: mounted.optional(mount::POLICY, key::POLICY).map(<[u8]>::to_vec),
                registries: mounted.optional(mount::REGISTRIES, key::REGISTRIES).map(<[u8]>::to_vec),
                entitlement: mounted.folder(mount::ENTITLEMENT),
                yum_repositories: mounted.folder(mount::YUM_REPOS),
                gpg_keys: mounted.folder(mount::GPG_KEYS),
            },
            log,
        })
    }
}

/// Writes the digest of an image, from its pull spec, into the ConfigMap that is there for it.
///
/// # Errors
/// When the server refuses it or cannot be reached.
pub async fn report(client: &Client, report: &Report, image: &str) -> Result<(), Error> {
    let digest = image.rsplit_once('@').map(|(_, digest)| digest).unwrap_or_default();
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": report.map, "labels": report.labels},
        "data": {key::DIGEST: digest},
    });
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &report.namespace);
    let written = api.patch(&report.map, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(object)).await;
    written.map(drop).map_err(|source| Error::new::<ConfigMap>("applying", &report.map, source))
}

/// What is mounted below a folder.
struct Mounted<'a> {
    input: &'a str,
    files: &'a BTreeMap<String, Vec<u8>>,
}

impl<'a> Mounted<'a> {
    fn optional(&self, folder: &str, name: &str) -> Option<&'a [u8]> {
        self.files.get(&format!("{}/{folder}/{name}", self.input)).map(Vec::as_slice)
    }

    fn file(&self, folder: &str, name: &str) -> Result<&'a [u8], String> {
        self.optional(folder, name).ok_or_else(|| format!("{}/{folder}/{name} is not mounted", self.input))
    }

    fn folder(&self, folder: &str) -> Files {
        let before = format!("{}/{folder}/", self.input);
        let inside = self.files.iter().filter_map(|(path, content)| Some((path.strip_prefix(&before)?, content)));
        inside.map(|(name, content)| (name.to_owned(), content.clone())).collect()
    }
}

/// A docker config as a Secret.
#[must_use]
pub fn login(name: &str, text: &[u8]) -> Secret {
    let mut secret = Secret { type_: Some(SECRET_TYPE.to_owned()), ..Secret::default() };
    secret.metadata.name = Some(name.to_owned());
    secret.data = Some(BTreeMap::from([(SECRET_KEYS[0].to_owned(), ByteString(text.to_vec()))]));
    secret
}

fn unpacked(text: &[u8]) -> Result<MachineConfig, String> {
    let bad = |why: &dyn std::fmt::Display| format!("{} is not the rendered MachineConfig: {why}", key::MACHINE_CONFIG);
    let packed = STANDARD.decode(text.trim_ascii()).map_err(|_| bad(&"it is not in base64"))?;
    let mut json = Vec::new();
    let read = GzDecoder::new(packed.as_slice()).take(LARGEST_CONFIG + 1).read_to_end(&mut json);
    read.map_err(|error: io::Error| bad(&error))?;
    if json.len() as u64 > LARGEST_CONFIG {
        return Err(bad(&format_args!("it unpacks to more than {LARGEST_CONFIG} bytes")));
    }
    serde_json::from_slice(&json).map_err(|error| bad(&error))
}

/// A label as it is given: `key=value`.
///
/// # Errors
/// When it is none.
pub fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not key=value")),
    }
}
