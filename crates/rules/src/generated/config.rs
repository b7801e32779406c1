//! What a generated MachineConfig looks like, and what it keeps of an existing one.
//!
//! R-CONFIG-1 It has the role label of its pool, the generating build as an annotation, and Ignition 3.5.0 with its files: mode
//! 0644, overwriting, contents as a base64 data URL. It is written even without files.
//! R-CONFIG-2 An existing one keeps its labels and the fields of its spec that the generator does not set. Its annotations are
//! replaced.
//! R-CONFIG-3 It is written only if it differs in meaning, so another writer's number types make no difference.
//!
//! Source: `NewIgnFileBytesOverwriting` and `MachineConfigFromIgnConfig` in `pkg/controller/common/helpers.go` of
//! github.com/openshift/machine-config-operator. R-CONFIG-3 is ours; the reference always writes.

use crate::{
    objects::edit::{edit, means_same},
    view::Annotations,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::{Value, json};
use weir_api::{
    MachineConfig,
    keys::config::{GENERATED_BY_CONTROLLER_VERSION, ROLE},
};

/// Version of the Ignition configs.
const IGNITION: &str = "3.5.0";
/// Mode of the files, 0644.
const MODE: u32 = 0o644;

/// A file of a generated MachineConfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path on the node.
    pub path: String,
    /// Its contents.
    pub text: String,
}

impl File {
    /// A file with this text.
    #[must_use]
    pub fn new(path: &str, text: String) -> Self {
        Self { path: path.to_owned(), text }
    }
}

/// The MachineConfig of a pool with these files: R-CONFIG-1.
#[must_use]
pub fn machine_config(name: &str, pool: &str, build: &str, files: &[File]) -> MachineConfig {
    let mut config = MachineConfig::named(name, Default::default());
    config.metadata.labels = Some([(ROLE.to_owned(), pool.to_owned())].into());
    config.metadata.annotations = Some([(GENERATED_BY_CONTROLLER_VERSION.to_owned(), build.to_owned())].into());
    config.spec.config = Some(ignition(files));
    config
}

fn ignition(files: &[File]) -> Value {
    let mut ignition = json!({"ignition": {"version": IGNITION}});
    if !files.is_empty() {
        let file = |file: &File| {
            let source = format!("data:text/plain;charset=utf-8;base64,{}", STANDARD.encode(&file.text));
            let contents = json!({"compression": "", "source": source});
            json!({"path": file.path, "mode": MODE, "overwrite": true, "contents": contents})
        };
        ignition["storage"] = json!({"files": files.iter().map(file).collect::<Vec<_>>()});
    }
    ignition
}

/// The reference to the object that a MachineConfig is generated from.
#[must_use]
pub fn owner(api_version: &str, kind: &str, metadata: &ObjectMeta, is_controller: bool) -> OwnerReference {
    OwnerReference {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: metadata.name.clone().unwrap_or_default(),
        uid: metadata.uid.clone().unwrap_or_default(),
        controller: is_controller.then_some(true),
        block_owner_deletion: is_controller.then_some(true),
    }
}

/// What to write if this one exists and `fresh` is wanted (R-CONFIG-2); absent if they do not differ (R-CONFIG-3).
#[must_use]
pub fn update(found: Option<&MachineConfig>, fresh: MachineConfig) -> Option<MachineConfig> {
    let Some(found) = found else { return Some(fresh) };
    let mut next = found.clone();
    next.metadata.annotations = fresh.metadata.annotations;
    if fresh.metadata.owner_references.is_some() {
        next.metadata.owner_references = fresh.metadata.owner_references;
    }
    next.spec.config = fresh.spec.config;
    if fresh.spec.kernel_arguments.is_some() {
        next.spec.kernel_arguments = fresh.spec.kernel_arguments;
    }
    let said = |config: &MachineConfig| json!({"annotations": config.metadata.annotations, "owner": config.metadata.owner_references, "spec": config.spec});
    (!means_same(&said(found), &said(&next))).then_some(next)
}

/// The JSON patch that makes the one that is there what [`update`] made of it; absent when it is that already.
#[must_use]
pub fn edits(found: &MachineConfig, next: &MachineConfig) -> Option<Value> {
    let fields = |config: &MachineConfig| {
        let (metadata, spec) = (&config.metadata, &config.spec);
        [
            ("/metadata/annotations", json!(metadata.annotations)),
            ("/metadata/ownerReferences", json!(metadata.owner_references)),
            ("/spec/config", json!(spec.config)),
            ("/spec/kernelArguments", json!(spec.kernel_arguments)),
        ]
    };
    let differing = fields(found).into_iter().zip(fields(next)).filter(|(there, wanted)| there != wanted);
    edit(&found.metadata, differing.map(|(_, (path, wanted))| (path.to_owned(), wanted)).collect())
}

/// Whether a MachineConfig is made from the release's templates.
#[must_use]
pub fn is_of_templates(config: &MachineConfig) -> bool {
    config.metadata.owner_references.iter().flatten().next().is_some_and(|owner| owner.kind == "ControllerConfig")
}

/// What a MachineConfig is generated from, for people; absent if a user made it.
#[must_use]
pub fn made_of(config: &MachineConfig) -> Option<String> {
    let name = config.metadata.name.as_deref().unwrap_or_default();
    let owner = config.metadata.owner_references.iter().flatten().next();
    match owner {
        Some(_) if is_of_templates(config) => {
            let role = config.metadata.labels.as_ref().and_then(|labels| labels.get(ROLE));
            Some(format!("the release's templates {}/{name}", role.map_or("", String::as_str)))
        }
        Some(owner) if build_of(config).is_some() => Some(format!("{} {}", owner.kind, owner.name)),
        None if build_of(config).is_some() && name.starts_with("98-") => Some("FeatureGate cluster".to_owned()),
        None if build_of(config).is_some() && name.starts_with("97-") => {
            Some("Node.config.openshift.io cluster".to_owned())
        }
        _ => None,
    }
}

/// The build recorded in a MachineConfig; absent if there is none.
#[must_use]
pub fn build_of(config: &MachineConfig) -> Option<&str> {
    Annotations::of(&config.metadata).filled(GENERATED_BY_CONTROLLER_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_config_is_made_of_is_its_owner_or_follows_from_its_name() {
        let named = |name: &str, kind: Option<&str>| {
            let mut config = machine_config(name, "worker", "b", &[]);
            let of = ObjectMeta { name: Some("mine".to_owned()), ..ObjectMeta::default() };
            config.metadata.owner_references = kind.map(|kind| vec![owner("v1", kind, &of, true)]);
            made_of(&config)
        };
        let templates = named("01-worker-kubelet", Some("ControllerConfig"));
        assert_eq!(templates.as_deref(), Some("the release's templates worker/01-worker-kubelet"));
        assert_eq!(named("99-worker-generated-kubelet", Some("KubeletConfig")).as_deref(), Some("KubeletConfig mine"));
        assert_eq!(named("98-worker-generated-kubelet", None).as_deref(), Some("FeatureGate cluster"));
        assert_eq!(named("50-users", None), None);
        assert_eq!(made_of(&MachineConfig::named("98-users", Default::default())), None);
    }

    #[test]
    fn what_says_the_same_is_not_written() {
        let fresh = || machine_config("99-a", "a", "b1", &[File::new("/x", "1".to_owned())]);
        assert_eq!(update(None, fresh()), Some(fresh()));
        let mut found = fresh();
        found.metadata.labels = Some([("of".to_owned(), "a user".to_owned())].into());
        found.spec.kernel_type = Some(String::new());
        found.spec.config.as_mut().unwrap()["passwd"] = json!({});
        assert_eq!(update(Some(&found), fresh()), None);
        let mut other = machine_config("99-a", "a", "b2", &[]);
        other.spec.kernel_arguments = Some(vec!["k".to_owned()]);
        let next = update(Some(&found), other.clone()).unwrap();
        assert_eq!(next.metadata.labels, found.metadata.labels);
        let patch = edits(&found, &next).unwrap();
        let paths: Vec<&str> = patch.as_array().unwrap().iter().map(|step| step["path"].as_str().unwrap()).collect();
        let written = ["/metadata/annotations", "/spec/config", "/spec/kernelArguments"];
        assert_eq!(paths, [&["/metadata/resourceVersion"], &written[..]].concat());
        assert_eq!(edits(&next, &next), None);
        assert_eq!((build_of(&next), next.spec.config.clone()), (Some("b2"), other.spec.config.clone()));
        assert_eq!(next.spec.kernel_arguments, other.spec.kernel_arguments);
        // A generator that does not set kernel arguments leaves them.
        assert_eq!(update(Some(&next), fresh()).unwrap().spec.kernel_arguments, other.spec.kernel_arguments);
    }
}
