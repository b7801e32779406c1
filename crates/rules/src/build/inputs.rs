//! What a build reads, as objects: ConfigMaps and Secrets that live as long as it.
//!
//! R-INPUTS-1 The Containerfile, the rendered MachineConfig, the logins to pull and to push with. Names and labels are those of
//! R-IDENTITY, so that either operator recognises the builds of the other.
//! R-INPUTS-2 The administrator's certificates, the policy for signatures and the configuration of registries are there when the
//! cluster, or the rendered MachineConfig, has them; without them there is no object and nothing is mounted. (The reference mounts
//! a file that may not be there.)
//! R-INPUTS-3 Each is owned by the MachineOSBuild until its Job exists, and by the Job from then on, so that nothing outlives
//! them.
//! R-INPUTS-4 An object that already exists under such a name is used only when it belongs to this build; otherwise it is replaced.
//! (The reference uses the older one.)
//! R-INPUTS-5 The ConfigMap for the digest is created empty with them: the Job may fill it, and may create no other.
//! R-INPUTS-6 Content that is too large for an object is an error that says so.
//!
//! Source: `pkg/controller/build/buildrequest` of github.com/openshift/machine-config-operator.

use super::{
    identity::{Made, labels_of_made},
    job::Optional,
    logins::{BadLogins, logins},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use std::{collections::BTreeMap, io::Write as _};
use weir_api::{
    ControllerConfig, MachineConfig, MachineOSBuild,
    docker_config::{SECRET_KEYS, SECRET_TYPE},
    keys::{
        build::{
            CANONICALIZED_SECRET, HAS_ENTITLEMENT, HAS_GPG_KEYS, HAS_YUM_REPOS, ORIGINAL_SECRET_NAME, OS_BUILD,
            OS_CONFIG,
        },
        names::OPERATOR_NAMESPACE,
    },
};
use weir_ignition::{Config, contents};

/// Keys in which the objects hold what they are for.
pub mod key {
    /// Of the ConfigMap with the Containerfile.
    pub const CONTAINERFILE: &str = "Containerfile";
    /// Of the ConfigMap with the rendered MachineConfig: JSON, compressed by gzip, in base64.
    pub const MACHINE_CONFIG: &str = "machineconfig.json.gz";
    /// Of the ConfigMap with the administrator's certificates.
    pub const CERTIFICATES: &str = "openshift-config-user-ca-bundle.crt";
    /// Of the ConfigMap with the policy for signatures.
    pub const POLICY: &str = "policy.json";
    /// Of the ConfigMap with the configuration of registries.
    pub const REGISTRIES: &str = "registries.conf";
    /// Of the ConfigMap in which the Job leaves the digest.
    pub const DIGEST: &str = "digest";
}

/// Most of a ConfigMap (`MaxSecretSize` in `pkg/apis/core` of github.com/kubernetes/kubernetes).
const LARGEST: usize = 1 << 20;
/// Where the rendered MachineConfig may have a policy for signatures, and a configuration of registries.
const FILES: [(Made, &str, &str); 2] = [
    (Made::Policy, "/etc/containers/policy.json", key::POLICY),
    (Made::Registries, "/etc/containers/registries.conf", key::REGISTRIES),
];

/// What the objects are made from.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The build as the cluster has it, with its uid.
    pub build: &'a MachineOSBuild,
    /// The rendered MachineConfig.
    pub rendered: &'a MachineConfig,
    /// All steps.
    pub containerfile: &'a str,
    /// What the base image is pulled with; absent when the Job's node pulls with the cluster's logins.
    pub pull: Option<&'a Secret>,
    /// What the image is pushed with.
    pub push: &'a Secret,
    /// The cluster's configuration: certificates of the administrator.
    pub cluster: Option<&'a ControllerConfig>,
    /// What the namespace has for packages.
    pub optional: Optional,
}

/// The objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// ConfigMaps, with what they are.
    pub config_maps: Vec<(Made, ConfigMap)>,
    /// Secrets, likewise.
    pub secrets: Vec<(Made, Secret)>,
}

/// Why they cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoInputs {
    /// A Secret.
    #[error(transparent)]
    Logins(#[from] BadLogins),
    /// A file of the rendered MachineConfig.
    #[error("MachineConfig {config}: {path}: {why}")]
    File {
        /// The rendered MachineConfig.
        config: String,
        /// The file.
        path: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Something is too large.
    #[error("{what} has {bytes} bytes, and a ConfigMap holds {LARGEST} at most: make it smaller")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its size.
        bytes: usize,
    },
}

/// Makes the objects.
///
/// # Errors
/// With the first that cannot be made.
pub fn inputs(given: &Given<'_>) -> Result<Inputs, NoInputs> {
    let mut made = Inputs::default();
    let mut map = |what: Made, key: &str, text: String| {
        let data = Some(BTreeMap::from([(key.to_owned(), text)]));
        let metadata = metadata(given, what);
        made.config_maps.push((what, ConfigMap { metadata, data, ..ConfigMap::default() }));
    };
    map(Made::Containerfile, key::CONTAINERFILE, given.containerfile.to_owned());
    map(Made::MachineConfig, key::MACHINE_CONFIG, packed(given.rendered)?);
    for (what, path, key) in FILES {
        if let Some(text) = file(given.rendered, path)? {
            map(what, key, text);
        }
    }
    if let Some(bundle) = certificates(given.cluster) {
        let data = Some(BTreeMap::from([(key::CERTIFICATES.to_owned(), ByteString(bundle))]));
        let metadata = metadata(given, Made::TrustBundle);
        made.config_maps.push((Made::TrustBundle, ConfigMap { metadata, binary_data: data, ..ConfigMap::default() }));
    }
    for (what, secret) in [(Made::BasePullSecret, given.pull), (Made::PushSecret, Some(given.push))] {
        if let Some(secret) = secret {
            made.secrets.push((what, copy(given, what, secret)?));
        }
    }
    Ok(made)
}

/// The empty ConfigMap for the digest.
#[must_use]
pub fn for_digest(build: &MachineOSBuild) -> ConfigMap {
    let metadata = named(build, Made::Digest, Optional::default());
    ConfigMap { metadata, ..ConfigMap::default() }
}

/// The administrator's certificates, if there are any.
#[must_use]
pub fn certificates(cluster: Option<&ControllerConfig>) -> Option<Vec<u8>> {
    let bundle = cluster?.spec.additional_trust_bundle.as_deref().filter(|text| !text.is_empty())?;
    STANDARD.decode(bundle).ok().filter(|bytes| !bytes.trim_ascii().is_empty())
}

/// Owner reference to a build.
#[must_use]
pub fn of_build(build: &MachineOSBuild, controls: bool) -> OwnerReference {
    OwnerReference {
        api_version: build.api_version.clone(),
        kind: build.kind.clone(),
        name: build.metadata.name.clone().unwrap_or_default(),
        uid: build.metadata.uid.clone().unwrap_or_default(),
        controller: Some(controls),
        block_owner_deletion: Some(controls),
    }
}

/// Whether an object that was made for a build belongs to it, or to its Job (R-INPUTS-4).
#[must_use]
pub fn is_of(object: &ObjectMeta, build: &MachineOSBuild, job: Option<&str>) -> bool {
    let uids = [build.metadata.uid.as_deref(), job];
    object.owner_references.iter().flatten().any(|owner| uids.contains(&Some(owner.uid.as_str())))
}

/// Labels, annotations and owner of what is made for a build.
#[must_use]
pub fn named(build: &MachineOSBuild, what: Made, optional: Optional) -> ObjectMeta {
    let labels = labels_of_made(build);
    let own = [OS_CONFIG, OS_BUILD].map(|key| (key.to_owned(), labels.get(key).cloned().unwrap_or_default()));
    let has = [
        (HAS_ENTITLEMENT, optional.entitlement),
        (HAS_YUM_REPOS, optional.yum_repos),
        (HAS_GPG_KEYS, optional.gpg_keys),
    ];
    let marks = has.iter().filter(|(_, has)| *has).map(|(key, _)| ((*key).to_owned(), String::new()));
    ObjectMeta {
        name: Some(what.name(build.metadata.name.as_deref().unwrap_or_default())),
        namespace: Some(OPERATOR_NAMESPACE.to_owned()),
        annotations: Some(own.into_iter().chain(marks).collect()),
        labels: Some(labels),
        owner_references: Some(vec![of_build(build, false)]),
        ..ObjectMeta::default()
    }
}

fn metadata(given: &Given<'_>, what: Made) -> ObjectMeta {
    named(given.build, what, given.optional)
}

fn copy(given: &Given<'_>, what: Made, secret: &Secret) -> Result<Secret, BadLogins> {
    let mut metadata = metadata(given, what);
    let original = secret.metadata.name.clone().unwrap_or_default();
    let labels = [(CANONICALIZED_SECRET, String::new()), (ORIGINAL_SECRET_NAME, original)];
    metadata.labels.get_or_insert_default().extend(labels.map(|(key, value)| (key.to_owned(), value)));
    let data = Some(BTreeMap::from([(SECRET_KEYS[0].to_owned(), ByteString(logins(secret)?))]));
    Ok(Secret { metadata, type_: Some(SECRET_TYPE.to_owned()), data, ..Secret::default() })
}

/// The rendered MachineConfig: the same one always gives the same text.
fn packed(rendered: &MachineConfig) -> Result<String, NoInputs> {
    let fault = |why: String| {
        let config = rendered.metadata.name.clone().unwrap_or_default();
        NoInputs::File { config, path: key::MACHINE_CONFIG, why }
    };
    let text = serde_json::to_vec(rendered).map_err(|error| fault(error.to_string()))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(&text).and_then(|()| encoder.finish()).map_err(|error| fault(error.to_string()))?;
    let text = STANDARD.encode(packed);
    if text.len() > LARGEST {
        return Err(NoInputs::TooLarge { what: "the rendered MachineConfig, compressed,", bytes: text.len() });
    }
    Ok(text)
}

/// A file of the rendered MachineConfig.
fn file(rendered: &MachineConfig, path: &'static str) -> Result<Option<String>, NoInputs> {
    let fault = |why: String| {
        let config = rendered.metadata.name.clone().unwrap_or_default();
        NoInputs::File { config, path, why }
    };
    let Some(raw) = &rendered.spec.config else { return Ok(None) };
    let ignition = Config::read(raw).map_err(|error| fault(error.to_string()))?;
    let is_it = |file: &&serde_json::Map<String, serde_json::Value>| file.get("path").is_some_and(|held| held == path);
    let Some(found) = ignition.files().find(is_it) else { return Ok(None) };
    let Some(resource) = found.get("contents").and_then(serde_json::Value::as_object) else { return Ok(None) };
    let bytes = contents::decode(resource).map_err(|error| fault(error.to_string()))?;
    if bytes.len() > LARGEST {
        return Err(NoInputs::TooLarge { what: path, bytes: bytes.len() });
    }
    String::from_utf8(bytes).map(Some).map_err(|_| fault("it is no UTF-8 text".to_owned()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::{
        super::identity::{build_of, tests::sample},
        *,
    };
    use serde_json::json;
    use weir_api::MachineOSConfig;

    /// A build with a uid, its MachineOSConfig and its rendered MachineConfig.
    pub(in super::super) fn begun() -> (MachineOSBuild, MachineOSConfig, MachineConfig) {
        let (pool, config, mut rendered) = sample();
        let url = |text: &str| json!({"source": format!("data:,{text}")});
        rendered.spec.config = Some(json!({"ignition": {"version": "3.5.0"}, "storage": {"files": [
            {"path": "/etc/containers/policy.json", "contents": url("%7B%7D")},
            {"path": "/etc/other", "contents": url("x")},
        ]}}));
        let mut build = build_of(&pool, &config, &rendered).unwrap();
        build.metadata.uid = Some("b1".to_owned());
        (build, config, rendered)
    }

    pub(in super::super) fn secret(name: &str) -> Secret {
        let data = json!(ByteString(br#"{"auths":{"a.io":{"auth":"eDp5"}}}"#.to_vec()));
        let secret = json!({"metadata": {"name": name}, "type": SECRET_TYPE, "data": {SECRET_KEYS[0]: data}});
        serde_json::from_value(secret).unwrap()
    }

    #[test]
    fn names_labels_and_owners_are_those_of_the_reference() {
        let (build, _, rendered) = begun();
        let (pull, push) = (secret("pull"), secret("push"));
        let mut cluster = ControllerConfig::named("machine-config-controller", Default::default());
        cluster.spec.additional_trust_bundle = Some(STANDARD.encode("PEM"));
        let optional = Optional { entitlement: true, ..Optional::default() };
        let given = Given {
            build: &build,
            rendered: &rendered,
            containerfile: "FROM a\n",
            pull: Some(&pull),
            push: &push,
            cluster: Some(&cluster),
            optional,
        };
        let made = inputs(&given).unwrap();
        let name = build.metadata.name.clone().unwrap();
        let maps: Vec<_> = made.config_maps.iter().map(|(_, map)| map.metadata.name.clone().unwrap()).collect();
        let words = ["containerfile", "mc", "etc-policy", "additionaltrustbundle"];
        assert_eq!(maps, words.map(|word| format!("{word}-{name}")));
        let names: Vec<_> = made.secrets.iter().map(|(_, secret)| secret.metadata.name.clone().unwrap()).collect();
        assert_eq!(names, ["base", "final"].map(|word| format!("{word}-{name}")));
        let metadata = &made.secrets[1].1.metadata;
        let labels = metadata.labels.as_ref().unwrap();
        assert_eq!((labels[ORIGINAL_SECRET_NAME].as_str(), labels[OS_BUILD].as_str()), ("push", name.as_str()));
        assert_eq!(labels.len(), 8, "{labels:?}");
        let marks = metadata.annotations.as_ref().unwrap();
        assert_eq!(marks.keys().map(String::as_str).collect::<Vec<_>>(), [HAS_ENTITLEMENT, OS_BUILD, OS_CONFIG]);
        assert!(is_of(metadata, &build, None) && is_of(metadata, &build, Some("j1")));
        let mut again = build.clone();
        again.metadata.uid = Some("b2".to_owned());
        assert!(!is_of(metadata, &again, Some("j1")));
    }

    #[test]
    fn what_the_cluster_does_not_have_is_not_made() {
        let (build, _, mut rendered) = begun();
        rendered.spec.config = None;
        let push = secret("push");
        let given = |containerfile| Given {
            build: &build,
            rendered: &rendered,
            containerfile,
            pull: None,
            push: &push,
            cluster: None,
            optional: Optional::default(),
        };
        let made = inputs(&given("")).unwrap();
        let what: Vec<_> = made.config_maps.iter().map(|(what, _)| *what).collect();
        assert_eq!((what, made.secrets.len()), (vec![Made::Containerfile, Made::MachineConfig], 1));
        assert_eq!(inputs(&given("")).unwrap(), made, "the same gives the same");
    }

    #[test]
    fn what_does_not_fit_says_so() {
        let (build, _, mut rendered) = begun();
        let push = secret("push");
        let mut said = |source: &str| {
            let file = json!({"path": "/etc/containers/policy.json", "contents": {"source": source}});
            rendered.spec.config = Some(json!({"ignition": {"version": "3.5.0"}, "storage": {"files": [file]}}));
            let given = Given {
                build: &build,
                rendered: &rendered,
                containerfile: "",
                pull: None,
                push: &push,
                cluster: None,
                optional: Optional::default(),
            };
            inputs(&given).unwrap_err().to_string()
        };
        let large = said(&format!("data:,{}", "a".repeat(LARGEST + 1)));
        assert!(large.contains("policy.json has 1048577 bytes"), "{large}");
        let elsewhere = said("https://a.example/b");
        assert!(elsewhere.contains("/etc/containers/policy.json: could not decode"), "{elsewhere}");
    }
}
