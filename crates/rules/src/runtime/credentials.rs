//! What is written for credential providers: `97-POOL-generated-credentialproviderconfig`.
//!
//! R-CREDENTIALS-1 While the gate is on and a CRIOCredentialProviderConfig exists, each built-in pool gets a MachineConfig; without
//! images it has no file.
//! R-CREDENTIALS-2 On a cloud with a provider of its own, a second provider, which CRI-O runs for the images, is added to that
//! provider's file from the templates. Elsewhere, a file with only the second provider is written, and the kubelet is pointed to
//! it.
//! R-CREDENTIALS-3 An image that another provider covers, or that covers one of its images, is left out, and the status reports it.
//! If none is left, there is no file.
//! R-CREDENTIALS-4 The rest of the templates' file is written as the kubelet understands it.
//!
//! Source: `syncCRIOCredentialProviderConfig` in `pkg/controller/container-runtime-config` of
//! github.com/openshift/machine-config-operator, which writes names of environment variables in a form that a strict kubelet
//! refuses.

use super::{image::is_built_in, scope::is_nested};
use crate::{
    generated::{
        base::{self, BaseError, Templates},
        config::{File, machine_config, owner, update},
        duration,
    },
    render::{goyaml, name_of},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use weir_api::{
    CRIOCredentialProviderConfig, ControllerConfig, MachineConfig, MachineConfigPool,
    condition::{ConditionStatus, ConditionType, FALSE, MetaCondition, TRUE},
    credential_provider::CredentialProviderStatus,
};

const FOLDER: &str = "/etc/kubernetes/credential-providers/";
const DROP_IN: &str = "/etc/systemd/system/kubelet.service.d/40-kubelet-crio-image-credential-provider.conf";
const PROGRAMS: &str = "/usr/libexec/kubelet-image-credential-provider-plugins";
/// Clouds with a provider of their own, and the beginning of its file's name.
const CLOUDS: [(&str, &str); 3] = [("AWS", "ecr"), ("GCP", "gcr"), ("Azure", "acr")];
const PROVIDER: &str = "crio-credential-provider";
/// Keys of a provider that the kubelet knows.
const KEYS: [&str; 7] = ["apiVersion", "args", "defaultCacheDuration", "env", "matchImages", "name", "tokenAttributes"];
const VALIDATED: ConditionType = ConditionType::new("Validated");
const RENDERED: ConditionType = ConditionType::new("MachineConfigRendered");

/// What generation for credential providers depends on.
#[derive(Clone, Copy, Debug)]
pub struct CredentialsView<'a> {
    /// The ControllerConfig.
    pub controller_config: &'a ControllerConfig,
    /// All pools.
    pub pools: &'a [&'a MachineConfigPool],
    /// All MachineConfigs.
    pub machine_configs: &'a [&'a MachineConfig],
    /// The release's templates for each pool.
    pub templates: &'a Templates,
    /// The object.
    pub config: &'a CRIOCredentialProviderConfig,
    /// The generating build.
    pub build: &'a str,
}

/// What is written for credential providers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CredentialsPlan {
    /// MachineConfigs to create or to update.
    pub writes: Vec<MachineConfig>,
    /// The status to write; absent if it stays.
    pub status: Option<CredentialProviderStatus>,
    /// Why nothing is generated.
    pub error: Option<CredentialsError>,
}

/// Why nothing is generated. Permanent until the templates change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The templates.
    #[error("could not generate original CRIOCredentialProvider config for role {pool}: {error}")]
    Base {
        /// The pool.
        pool: String,
        /// What is wrong.
        error: BaseError,
    },
    /// The templates' file is not a kubelet's.
    #[error("{path} of the templates for pool {pool} is not a CredentialProviderConfig: {why}")]
    File {
        /// The pool.
        pool: String,
        /// Its path.
        path: String,
        /// What is wrong.
        why: String,
    },
}

/// What is written while the gate is on.
#[must_use]
pub fn sync(view: &CredentialsView<'_>, now: Timestamp) -> CredentialsPlan {
    let mut plan = CredentialsPlan::default();
    let mut left_out = BTreeSet::new();
    for pool in view.pools.iter().filter(|pool| is_built_in(pool)) {
        let pool_name = name_of(&pool.metadata);
        let files = match files(view, pool_name, &mut left_out) {
            Ok(files) => files,
            Err(error) => {
                plan.writes.clear();
                plan.error = Some(error);
                break;
            }
        };
        let name = format!("97-{pool_name}-generated-credentialproviderconfig");
        let mut fresh = machine_config(&name, pool_name, view.build, &files);
        let config = view.config;
        fresh.metadata.owner_references = Some(vec![owner(&config.api_version, &config.kind, &config.metadata, false)]);
        let there = view.machine_configs.iter().find(|found| name_of(&found.metadata) == name).copied();
        plan.writes.extend(update(there, fresh));
    }
    plan.status = status(view.config, plan.error.as_ref(), &left_out, now);
    plan
}

fn files(
    view: &CredentialsView<'_>,
    pool: &str,
    left_out: &mut BTreeSet<String>,
) -> Result<Vec<File>, CredentialsError> {
    let images: BTreeSet<&String> = view.config.spec.match_images.iter().flatten().collect();
    let infra = view.controller_config.spec.infra.as_ref();
    let platform = infra.and_then(|infra| infra.pointer("/status/platformStatus/type")?.as_str()).unwrap_or_default();
    let cloud = CLOUDS.iter().find(|(name, _)| *name == platform).map(|(_, word)| *word);
    let path = format!("{FOLDER}{}-credential-provider.yaml", cloud.unwrap_or("generic"));
    let bad = |why: String| CredentialsError::File { pool: pool.to_owned(), path: path.clone(), why };
    let mut providers = match cloud {
        None => Vec::new(),
        Some(_) => {
            let text = base::file(view.templates, pool, &path)
                .map_err(|error| CredentialsError::Base { pool: pool.to_owned(), error })?;
            providers(&text).map_err(bad)?
        }
    };
    let of_others: Vec<String> = providers.iter().filter(|p| p["name"] != PROVIDER).flat_map(images_of).collect();
    let overlaps = |image: &str| of_others.iter().any(|other| is_nested(image, other) || is_nested(other, image));
    let (conflicting, own): (Vec<&String>, Vec<&String>) = images.into_iter().partition(|image| overlaps(image));
    left_out.extend(conflicting.into_iter().cloned());
    if own.is_empty() {
        return Ok(Vec::new());
    }
    match providers.iter_mut().find(|provider| provider["name"] == PROVIDER) {
        Some(there) => there["matchImages"] = json!(own),
        None => providers.push(json!({
            "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
            "defaultCacheDuration": "1s",
            "matchImages": own,
            "name": PROVIDER,
            "tokenAttributes": {
                "cacheType": "Token",
                "requireServiceAccount": false,
                "serviceAccountTokenAudience": "https://kubernetes.default.svc",
            },
        })),
    }
    let document =
        json!({"apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig", "providers": providers});
    let text = goyaml::to_string(&document).map_err(|error| bad(error.to_string()))?;
    let mut files = vec![File::new(&path, text)];
    if cloud.is_none() {
        files.push(File::new(
            DROP_IN,
            format!(
                "[Service]\n# Prepends the credential provider flags to the existing Kubelet arguments\n\
                 Environment=\"KUBELET_CRIO_IMAGE_CREDENTIAL_PROVIDER_FLAGS=--image-credential-provider-bin-dir={PROGRAMS} \
                 --image-credential-provider-config={path}\"\n"
            ),
        ));
    }
    Ok(files)
}

/// The providers in the templates' file, with keys that the kubelet knows.
fn providers(text: &str) -> Result<Vec<Value>, String> {
    let document: Value = serde_saphyr::from_str(text).map_err(|error| error.without_snippet().to_string())?;
    let list = document["providers"].as_array().ok_or("providers is not a list")?;
    let one = |provider: &Value| {
        let given = provider.as_object().ok_or("a provider is not an object")?;
        let mut kept: Map<String, Value> = given
            .iter()
            .filter(|(key, value)| KEYS.contains(&key.as_str()) && !value.is_null())
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if let Some(time) = kept.get_mut("defaultCacheDuration") {
            let nanoseconds = time.as_str().and_then(duration::parse).ok_or("defaultCacheDuration is no duration")?;
            *time = duration::text(nanoseconds).into();
        }
        Ok(Value::Object(kept))
    };
    list.iter().map(one).collect::<Result<_, &str>>().map_err(str::to_owned)
}

fn images_of(provider: &Value) -> Vec<String> {
    provider["matchImages"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The status to write; absent if the object has it already.
fn status(
    config: &CRIOCredentialProviderConfig,
    error: Option<&CredentialsError>,
    left_out: &BTreeSet<String>,
    now: Timestamp,
) -> Option<CredentialProviderStatus> {
    let found = config.status.clone().unwrap_or_default();
    let mut conditions = found.conditions.clone().unwrap_or_default();
    let mut say = |type_: ConditionType, status: ConditionStatus, reason: &str, message: String| {
        let there = conditions.iter_mut().find(|condition| condition.type_ == type_);
        let since = there.as_ref().filter(|condition| condition.status == status);
        let new = MetaCondition {
            type_: type_.into(),
            status: status.into(),
            observed_generation: config.metadata.generation,
            last_transition_time: since.map_or(Some(Time(now)), |condition| condition.last_transition_time.clone()),
            reason: reason.to_owned(),
            message,
            ..MetaCondition::default()
        };
        match there {
            Some(there) => *there = new,
            None => conditions.push(new),
        }
    };
    if let Some(error) = error {
        let message = format!("could not Create/Update MachineConfig: {error}");
        say(RENDERED, FALSE, "MachineConfigRenderingFailed", message);
    } else {
        if left_out.is_empty() {
            say(VALIDATED, TRUE, "Succeeded", "Success".to_owned());
        } else {
            let images: Vec<&str> = left_out.iter().map(String::as_str).collect();
            let message = format!(
                "CRIOCredentialProviderConfig has one or multiple entries that overlap with the original credential provider config. \
                 Skip rendering entries: [{}].",
                images.join(" ")
            );
            say(VALIDATED, FALSE, "ConfigurationPartiallyApplied", message);
        }
        say(RENDERED, TRUE, "MachineConfigRenderingSucceeded", "Success".to_owned());
    }
    let next = Some(conditions);
    (next != found.conditions).then_some(CredentialProviderStatus { conditions: next, ..found })
}
