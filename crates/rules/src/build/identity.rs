//! What a build is called, and which objects are its own.
//!
//! R-IDENTITY-1 A build is called after its MachineOSConfig and a hash of what goes into it: the pool's configuration
//! with its sources, the spec of the MachineOSConfig, and images and release version of the rendered MachineConfig. What
//! is in Secrets does not count.
//! R-IDENTITY-2 A missing list of Containerfiles and an empty one give different names.
//! R-IDENTITY-3 A build carries pool, rendered MachineConfig and MachineOSConfig as labels, and so do the objects that
//! are made for it, with the build's name in addition. Their names are its name with a prefix.
//! R-IDENTITY-4 Its image is pushed where the MachineOSConfig says, with the build's name in place of the tag.
//!
//! Source: `pkg/controller/build/buildrequest` of github.com/openshift/machine-config-operator.

use crate::{
    render::{goyaml, name::salted_hash},
    view::Annotations,
};
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::OwnerReference};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use weir_api::{
    MachineConfig, MachineConfigPool, MachineOSBuild, MachineOSConfig,
    keys::{
        build::{EPHEMERAL, ON_CLUSTER_LAYERING, OS_BUILD, OS_CONFIG, PUSH_SECRET, RENDERED_CONFIG, TARGET_POOL},
        config::{GENERATED_BY_CONTROLLER_VERSION, RELEASE_IMAGE_VERSION},
        names::RENDERED_PREFIX,
    },
    machine_os_build::MachineOSBuildSpec,
    machine_os_config::MachineOSConfigSpec,
    pool::PoolConfiguration,
    references::NameReference,
};

/// A build that is deleted stays until its Job is gone.
const FOREGROUND: &str = "foregroundDeletion";

/// Why a build has no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoIdentity {
    /// The pool's configuration is no rendered MachineConfig.
    #[error("machineconfig {0:?} is not a rendered MachineConfig; the pool is yet to be rendered")]
    NotRendered(String),
    /// The rendered MachineConfig does not say who made it.
    #[error("missing annotation {key:?} on MachineConfig {config:?}; it is put there when the pool is rendered again")]
    NoVersion {
        /// The annotation.
        key: &'static str,
        /// The rendered MachineConfig.
        config: String,
    },
    /// The MachineOSConfig is for another pool.
    #[error("name mismatch, MachineConfigPool has {pool:?}, MachineOSConfig has {config:?}")]
    OtherPool {
        /// The pool.
        pool: String,
        /// The pool that the MachineOSConfig names.
        config: String,
    },
    /// A text cannot be hashed.
    #[error("the MachineOSConfig holds control characters: {0}")]
    Text(#[from] goyaml::ControlCharacter),
}

/// An object that is made for a build and goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// Job that builds.
    Job,
    /// ConfigMap with the Containerfile.
    Containerfile,
    /// ConfigMap with the rendered MachineConfig.
    MachineConfig,
    /// ConfigMap with certificates of the administrator.
    TrustBundle,
    /// ConfigMap with the policy for signatures.
    Policy,
    /// ConfigMap with the configuration of registries.
    Registries,
    /// Secret to pull the base image with.
    BasePullSecret,
    /// Secret to push the image with.
    PushSecret,
    /// ConfigMap in which the Job leaves the digest of what it pushed; stays until the build goes.
    Digest,
}

impl Made {
    /// Its name for a build.
    #[must_use]
    pub fn name(self, build: &str) -> String {
        let word = match self {
            Self::Job => "build",
            Self::Containerfile => "containerfile",
            Self::MachineConfig => "mc",
            Self::TrustBundle => "additionaltrustbundle",
            Self::Policy => "etc-policy",
            Self::Registries => "etc-registries",
            Self::BasePullSecret => "base",
            Self::PushSecret => "final",
            Self::Digest => "digest",
        };
        format!("{word}-{build}")
    }
}

/// The build for a pool's configuration, a MachineOSConfig and a rendered MachineConfig.
///
/// # Errors
/// When they do not belong together yet.
pub fn build_of(
    pool: &MachineConfigPool,
    config: &MachineOSConfig,
    rendered: &MachineConfig,
) -> Result<MachineOSBuild, NoIdentity> {
    let name = build_name(pool, config, rendered)?;
    let (pool, os_config) = (text(pool.metadata.name.as_ref()), text(config.metadata.name.as_ref()));
    let rendered = text(rendered.metadata.name.as_ref());
    let push_spec = with_tag(&config.spec.rendered_image_push_spec, &name);
    let spec = MachineOSBuildSpec {
        machine_config: NameReference::to(&rendered),
        machine_os_config: NameReference::to(&os_config),
        rendered_image_push_spec: push_spec,
        ..MachineOSBuildSpec::default()
    };
    let mut build = MachineOSBuild::named(&name, spec);
    build.metadata.labels = Some(labels(&pool, &rendered, &os_config));
    let secret = config.spec.rendered_image_push_secret.name.clone();
    build.metadata.annotations = Some([(PUSH_SECRET.to_owned(), secret)].into());
    build.metadata.finalizers = Some(vec![FOREGROUND.to_owned()]);
    build.metadata.owner_references = Some(vec![OwnerReference {
        api_version: config.api_version.clone(),
        kind: config.kind.clone(),
        name: os_config,
        uid: text(config.metadata.uid.as_ref()),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }]);
    Ok(build)
}

/// Only the name.
///
/// # Errors
/// As [`build_of`].
pub fn build_name(
    pool: &MachineConfigPool,
    config: &MachineOSConfig,
    rendered: &MachineConfig,
) -> Result<String, NoIdentity> {
    let release = check(pool, config, rendered)?;
    let image = |field: &Option<String>| text(field.as_ref());
    let os = json!({
        "BaseOSContainerImage": image(&rendered.spec.os_image_url),
        "BaseOSExtensionsContainerImage": image(&rendered.spec.base_os_extensions_container_image),
        "OSImageURL": "",
        "ReleaseVersion": release,
    });
    let texts = [configuration(pool.spec.configuration.as_ref()), spec(&config.spec), os]
        .map(|value| goyaml::to_string(&value));
    let [configuration, spec, os] = texts;
    let hash = salted_hash(&[&configuration?, &spec?, &os?]);
    Ok(format!("{}-{hash}", text(config.metadata.name.as_ref())))
}

/// The release version, when all belongs together.
fn check<'a>(
    pool: &MachineConfigPool,
    config: &MachineOSConfig,
    rendered: &'a MachineConfig,
) -> Result<&'a str, NoIdentity> {
    let name = text(rendered.metadata.name.as_ref());
    if !name.starts_with(RENDERED_PREFIX) {
        return Err(NoIdentity::NotRendered(name));
    }
    let marks = Annotations::of(&rendered.metadata);
    let mark = |key: &'static str| marks.filled(key).ok_or_else(|| NoIdentity::NoVersion { key, config: name.clone() });
    let release = mark(RELEASE_IMAGE_VERSION)?;
    mark(GENERATED_BY_CONTROLLER_VERSION)?;
    let (pool, wanted) = (text(pool.metadata.name.as_ref()), &config.spec.machine_config_pool.name);
    if pool != *wanted {
        return Err(NoIdentity::OtherPool { pool, config: wanted.clone() });
    }
    Ok(release)
}

/// Labels of a build.
#[must_use]
pub fn labels(pool: &str, rendered: &str, config: &str) -> BTreeMap<String, String> {
    let labels = [(TARGET_POOL, pool), (RENDERED_CONFIG, rendered), (OS_CONFIG, config)];
    labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Labels of what is made for a build.
#[must_use]
pub fn labels_of_made(build: &MachineOSBuild) -> BTreeMap<String, String> {
    let mut labels = build.metadata.labels.clone().unwrap_or_default();
    for (key, value) in [(EPHEMERAL, ""), (ON_CLUSTER_LAYERING, ""), (OS_BUILD, &text(build.metadata.name.as_ref()))] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    labels
}

/// Whether a build belongs to this MachineOSConfig, and not to an earlier one of the same name.
#[must_use]
pub fn belongs_to(build: &MachineOSBuild, config: &MachineOSConfig) -> bool {
    let owner = build.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    let same_uid = owner.is_none_or(|owner| Some(&owner.uid) == config.metadata.uid.as_ref());
    same_uid && Some(&build.spec.machine_os_config.name) == config.metadata.name.as_ref()
}

/// A pull spec with another tag.
#[must_use]
pub fn with_tag(push_spec: &str, tag: &str) -> String {
    format!("{}:{tag}", without_tag(push_spec))
}

/// A pull spec without its tag. A colon before the last slash is that of a port.
#[must_use]
pub fn without_tag(push_spec: &str) -> &str {
    match push_spec.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => push_spec,
    }
}

/// The fields that the API has, as Go writes them: those of newer versions would change the name.
fn spec(spec: &MachineOSConfigSpec) -> Value {
    let reference = |name: &str| json!({ "name": name });
    let files = spec.container_file.as_ref().map(|files| {
        let file = |file: &weir_api::machine_os_config::ContainerFile| {
            let mut fields = Map::new();
            if !file.containerfile_arch.is_empty() {
                fields.insert("containerfileArch".to_owned(), file.containerfile_arch.as_str().into());
            }
            fields.insert("content".to_owned(), file.content.as_str().into());
            Value::Object(fields)
        };
        files.iter().map(file).collect::<Vec<_>>()
    });
    let mut value = json!({
        "machineConfigPool": reference(&spec.machine_config_pool.name),
        "imageBuilder": { "imageBuilderType": spec.image_builder.image_builder_type },
        "renderedImagePushSecret": reference(&spec.rendered_image_push_secret.name),
        "renderedImagePushSpec": spec.rendered_image_push_spec,
        "containerFile": files,
    });
    if let (Some(secret), Some(fields)) = (&spec.base_image_pull_secret, value.as_object_mut()) {
        fields.insert("baseImagePullSecret".to_owned(), reference(&secret.name));
    }
    value
}

fn configuration(configuration: Option<&PoolConfiguration>) -> Value {
    let Some(configuration) = configuration else { return Value::Object(Map::new()) };
    let mut fields = reference(&configuration.reference);
    if let Some(source) = configuration.source.as_ref().filter(|source| !source.is_empty()) {
        let source = source.iter().map(|source| Value::Object(reference(&source.reference)));
        fields.insert("source".to_owned(), source.collect());
    }
    Value::Object(fields)
}

/// Fields of a reference that are not empty.
fn reference(reference: &ObjectReference) -> Map<String, Value> {
    let fields = [
        ("apiVersion", &reference.api_version),
        ("fieldPath", &reference.field_path),
        ("kind", &reference.kind),
        ("name", &reference.name),
        ("namespace", &reference.namespace),
        ("resourceVersion", &reference.resource_version),
        ("uid", &reference.uid),
    ];
    let set = fields.into_iter().filter_map(|(key, value)| Some((key, value.as_deref().filter(|v| !v.is_empty())?)));
    set.map(|(key, value)| (key.to_owned(), value.into())).collect()
}

fn text(field: Option<&String>) -> String {
    field.cloned().unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use weir_api::{
        machine_config::MachineConfigSpec,
        machine_os_config::{ContainerFile, ImageBuilder},
        pool::{MachineConfigPoolSpec, SourceReference},
    };

    const RENDERED: &str = "rendered-worker-0123456789abcdef0123456789abcdef";

    /// Pool, MachineOSConfig and rendered MachineConfig of the recorded names.
    pub(in crate::build) fn sample() -> (MachineConfigPool, MachineOSConfig, MachineConfig) {
        let mut configuration = PoolConfiguration::default();
        configuration.reference.name = Some(RENDERED.to_owned());
        configuration.source = Some(["00-worker", "99-worker-ssh"].map(SourceReference::to).to_vec());
        let pool = MachineConfigPool::named(
            "worker",
            MachineConfigPoolSpec { configuration: Some(configuration), ..Default::default() },
        );
        let spec = MachineOSConfigSpec {
            machine_config_pool: NameReference::to("worker"),
            image_builder: ImageBuilder { image_builder_type: "Job".to_owned(), ..ImageBuilder::default() },
            rendered_image_push_secret: NameReference::to("push"),
            rendered_image_push_spec: "quay.io/org/os:latest".to_owned(),
            ..MachineOSConfigSpec::default()
        };
        let mut config = MachineOSConfig::named("worker", spec);
        config.metadata.uid = Some("u1".to_owned());
        let image =
            |digit: &str| Some(format!("quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:{}", digit.repeat(64)));
        let (os_image_url, base_os_extensions_container_image) = (image("a"), image("b"));
        let spec =
            MachineConfigSpec { os_image_url, base_os_extensions_container_image, ..MachineConfigSpec::default() };
        let mut rendered = MachineConfig::named(RENDERED, spec);
        let versions = [(RELEASE_IMAGE_VERSION, "4.20.0"), (GENERATED_BY_CONTROLLER_VERSION, "v")];
        let versions = versions.map(|(key, value)| (key.to_owned(), value.to_owned()));
        rendered.metadata.annotations = Some(versions.into());
        (pool, config, rendered)
    }

    pub(in crate::build) fn file(content: &str) -> ContainerFile {
        let containerfile_arch = "NoArch".to_owned();
        ContainerFile { containerfile_arch, content: content.to_owned(), ..ContainerFile::default() }
    }

    /// Names that the reference implementation gives.
    #[test]
    fn names_are_those_of_the_reference() {
        let words: Vec<String> = ('a'..='j').map(|letter| letter.to_string().repeat(10)).collect();
        let long = format!("RUN echo {}", words.join(" "));
        for (content, hash) in [
            (
                "FROM configs AS final\nRUN rpm-ostree install tree && \\\n  ostree container commit\n",
                "e27a3c37031d89e56c53c804839c80a3",
            ),
            ("FROM configs AS final\nRUN a && \\\n\tb\n", "dc0c9e8a620eb679619211630c10351f"),
            ("FROM configs AS final \nRUN a\n", "18640eea6e61ea5a4a103e3c8ff36b95"),
            (&long, "a31959e56e62b92ea0f3f48a23cf5786"),
            ("RUN echo <a> & é 😀 # x: y", "88052a1ad32da9d9ec456820f7fff8ab"),
            ("# hello", "2464634ba350db1bbf070628f9970175"),
            ("RUN a\n\n", "9cd180227c6d048cfa77c041942c05cc"),
            ("RUN a\r\nRUN b\r\n", "ad6a048f2d9467d0eafe652c43121b2c"),
        ] {
            let (pool, mut config, rendered) = sample();
            config.spec.container_file = Some(vec![file(content)]);
            assert_eq!(build_name(&pool, &config, &rendered), Ok(format!("worker-{hash}")), "{content:?}");
        }
        let (pool, mut config, rendered) = sample();
        assert_eq!(build_name(&pool, &config, &rendered).unwrap(), "worker-5b5646f74eca395578e1fe0982b7c6a5");
        config.spec.container_file = Some(Vec::new());
        assert_eq!(build_name(&pool, &config, &rendered).unwrap(), "worker-6cd89379ebe48ce49f1f5de0e8d9d522");
        config.spec.container_file = None;
        config.spec.base_image_pull_secret = Some(NameReference::to("pull"));
        assert_eq!(build_name(&pool, &config, &rendered).unwrap(), "worker-10c823f0eb38e0a41041519882c1d952");
        // Fields that this version of the API does not have are not those of the reference's.
        config.spec.other.insert("new".to_owned(), json!(1));
        assert_eq!(build_name(&pool, &config, &rendered).unwrap(), "worker-10c823f0eb38e0a41041519882c1d952");
    }

    #[test]
    fn the_name_in_a_test_of_the_reference() {
        let (mut pool, mut config, mut rendered) = sample();
        pool.spec.configuration = None;
        config.spec.rendered_image_push_secret.name.clear();
        config.spec.rendered_image_push_spec = "registry.hostname.com/org/repo:latest".to_owned();
        config.spec.container_file = Some(Vec::new());
        let image = |hex: &str| Some(format!("registry.hostname.com/org/repo@sha256 string = {hex}"));
        rendered.spec.os_image_url = image("220a60ecd4a3c32c282622a625a54db9ba0ff55b5ba9c29c7064a2bc358b6a3e");
        rendered.spec.base_os_extensions_container_image =
            image("5fb4ba1a651bae8057ec6b5cdafc93fa7e0b7d944d6f02a4b751de4e15464def");
        let version = RELEASE_IMAGE_VERSION.to_owned();
        rendered.metadata.annotations.as_mut().unwrap().insert(version, "release-version".to_owned());
        assert_eq!(build_name(&pool, &config, &rendered).unwrap(), "worker-699e6be74658adcb3ff2b48f32cd1584");
    }

    #[test]
    fn what_does_not_belong_together_has_no_name() {
        let (pool, config, rendered) = sample();
        let mut other = rendered.clone();
        other.metadata.name = Some("99-worker-ssh".to_owned());
        assert!(matches!(build_name(&pool, &config, &other), Err(NoIdentity::NotRendered(_))));
        for key in [RELEASE_IMAGE_VERSION, GENERATED_BY_CONTROLLER_VERSION] {
            let mut other = rendered.clone();
            other.metadata.annotations.as_mut().unwrap().insert(key.to_owned(), String::new());
            let error = build_name(&pool, &config, &other).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
        let mut other = config.clone();
        other.spec.machine_config_pool = NameReference::to("infra");
        assert!(matches!(build_name(&pool, &other, &rendered), Err(NoIdentity::OtherPool { .. })));
    }

    #[test]
    fn a_build_is_pushed_by_its_name_and_known_by_its_labels() {
        let (pool, mut config, rendered) = sample();
        let build = build_of(&pool, &config, &rendered).unwrap();
        let name = build.metadata.name.clone().unwrap();
        assert_eq!(build.spec.rendered_image_push_spec, format!("quay.io/org/os:{name}"));
        assert_eq!(build.metadata.labels, Some(labels("worker", RENDERED, "worker")));
        let made = labels_of_made(&build);
        assert_eq!((made.len(), made[OS_BUILD].as_str(), made[EPHEMERAL].as_str()), (6, name.as_str(), ""));
        assert_eq!(Made::Job.name(&name), format!("build-{name}"));
        assert_eq!(Made::TrustBundle.name("b"), "additionaltrustbundle-b");
        assert!(belongs_to(&build, &config));
        config.metadata.uid = Some("u2".to_owned());
        assert!(!belongs_to(&build, &config), "of a deleted MachineOSConfig of the same name");
        assert_eq!(with_tag("host:5000/a/b", "t"), "host:5000/a/b:t");
    }
}
