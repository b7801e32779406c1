//! What is written for a ContainerRuntimeConfig.
//!
//! R-RUNTIME-SYNC-1 A ContainerRuntimeConfig that is refused, selects no pool or fails for one of its pools changes no
//! MachineConfig.
//! R-RUNTIME-SYNC-2 Each selected pool gets a MachineConfig, even without a file, named by R-NAME. The names are the finalizers
//! (R-FINALIZER).
//! R-RUNTIME-SYNC-3 Every pool is checked in every pass, and written if it has something else (R-ADOPT).
//! R-RUNTIME-SYNC-4 After all writes, MachineConfigs of other builds that are no longer needed (R-STALE) are deleted, and the one
//! with the name of old releases, `99-POOL-UID-containerruntime`.
//! R-RUNTIME-SYNC-5 The status says `Success` or `Failure`, both `True`, with the error; a new message is appended. The last twenty
//! stay.
//!
//! Source: `syncContainerRuntimeConfig` in `pkg/controller/container-runtime-config/container_runtime_config_controller.go` of
//! github.com/openshift/machine-config-operator, which stops at the first pool that is up to date and keeps all messages.

use super::{
    policy::POLICY_JSON,
    registries_conf::REGISTRIES_CONF,
    settings::{STORAGE_CONF, SettingsError, validate},
};
use crate::{
    generated::{
        adopt::{Decision, decide},
        base::{self, BaseError, Templates},
        config::{File, machine_config, owner},
        finalizer,
        name::{CONTAINER_RUNTIME, Claim, NameError, Names, plain, suffix, suffix_of},
        stale::{Family, stale},
    },
    objects::selector::{SelectorError, selects},
    render::{components::NotRendered, name_of},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{
    Class, Condition, ContainerRuntimeConfig, ControllerConfig, MachineConfig, MachineConfigPool,
    condition::TRUE,
    container_runtime_config::ContainerRuntimeConfigStatus,
    keys::{
        config::NAME_SUFFIX,
        generated::{FAILURE, SUCCESS},
    },
};

/// Maximum number of conditions.
const KEPT: usize = 20;

/// What generation for container runtimes depends on.
#[derive(Clone, Copy, Debug)]
pub struct RuntimeView<'a> {
    /// The ControllerConfig.
    pub controller_config: Option<&'a ControllerConfig>,
    /// All pools.
    pub pools: &'a [&'a MachineConfigPool],
    /// All ContainerRuntimeConfigs.
    pub configs: &'a [&'a ContainerRuntimeConfig],
    /// All MachineConfigs.
    pub machine_configs: &'a [&'a MachineConfig],
    /// The release's templates for each pool.
    pub templates: &'a Templates,
    /// Whether the gate for additional stores is on.
    pub with_stores: bool,
    /// The generating build.
    pub build: &'a str,
    /// Whether another build's work is being taken over.
    pub is_adopting: bool,
}

/// The result for a ContainerRuntimeConfig.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuntimeOutcome {
    /// MachineConfigs to create or to update.
    pub writes: Vec<MachineConfig>,
    /// MachineConfigs to delete after that, by name.
    pub deletes: Vec<String>,
    /// The new value of the annotation for names; absent if it stays.
    pub suffix: Option<String>,
    /// The new finalizers; absent if they stay.
    pub finalizers: Option<Vec<String>>,
    /// The status to write; absent if it stays.
    pub status: Option<ContainerRuntimeConfigStatus>,
    /// Why nothing is generated.
    pub error: Option<RuntimeError>,
    /// MachineConfigs that stay as the previous build left them (R-ADOPT-2).
    pub adopted: Vec<String>,
}

/// Why nothing is generated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// There is no ControllerConfig. Transient.
    #[error(transparent)]
    NotReady(NotRendered),
    /// The settings are refused.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The selector selects no pool.
    #[error("could not find any MachineConfigPool set for ContainerRuntimeConfig {0}")]
    NoPool(String),
    /// The selector is invalid.
    #[error("invalid label selector: {0}")]
    Selector(#[from] SelectorError),
    /// There is no name for the MachineConfig.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is nothing to start from.
    #[error("could not generate origin ContainerRuntime Configs: {0}")]
    Base(#[from] BaseError),
    /// At bootstrap, a pool can have only one ContainerRuntimeConfig.
    #[error(
        "could not marshal container runtime ignition: error found multiple ContainerConfig targeting MachineConfigPool {0}. Please \
         apply only one ContainerConfig manifest for each pool during installation"
    )]
    Several(String),
}

impl RuntimeError {
    /// Whether a retry can help although no object changes.
    #[must_use]
    pub fn class(&self) -> Class {
        if matches!(self, Self::NotReady(_)) { Class::Transient } else { Class::Permanent }
    }
}

/// One ContainerRuntimeConfig.
#[must_use]
pub fn sync(view: &RuntimeView<'_>, config: &ContainerRuntimeConfig, now: Timestamp) -> RuntimeOutcome {
    if config.metadata.deletion_timestamp.is_some() {
        let Some((name, finalizers)) = finalizer::pop(&config.metadata) else { return RuntimeOutcome::default() };
        return RuntimeOutcome { deletes: vec![name], finalizers: Some(finalizers), ..RuntimeOutcome::default() };
    }
    let mut outcome = accepted(view, config)
        .unwrap_or_else(|error| RuntimeOutcome { error: Some(error), ..RuntimeOutcome::default() });
    outcome.status = status(config, outcome.error.as_ref(), now);
    outcome
}

/// All ContainerRuntimeConfigs, oldest first: each sees what was written for the earlier ones.
#[must_use]
pub fn generate(view: &RuntimeView<'_>, now: Timestamp) -> Vec<(String, RuntimeOutcome)> {
    let mut configs: Vec<ContainerRuntimeConfig> = view.configs.iter().map(|config| (*config).clone()).collect();
    configs.sort_by_key(|config| (config.metadata.creation_timestamp.clone(), config.metadata.name.clone()));
    let mut machine_configs: BTreeMap<String, MachineConfig> =
        view.machine_configs.iter().map(|config| (name_of(&config.metadata).to_owned(), (*config).clone())).collect();
    let mut outcomes = Vec::new();
    for index in 0..configs.len() {
        let all = (configs.iter().collect::<Vec<_>>(), machine_configs.values().collect::<Vec<_>>());
        let outcome = sync(&RuntimeView { configs: &all.0, machine_configs: &all.1, ..*view }, &configs[index], now);
        machine_configs
            .extend(outcome.writes.iter().map(|config| (name_of(&config.metadata).to_owned(), config.clone())));
        machine_configs.retain(|name, _| !outcome.deletes.contains(name));
        if let Some(suffix) = &outcome.suffix {
            annotate(&mut configs[index].metadata, suffix);
        }
        outcomes.push((name_of(&configs[index].metadata).to_owned(), outcome));
    }
    outcomes
}

/// The result for each ContainerRuntimeConfig before there is a cluster, by its name: with plain names and an owner without a name.
#[must_use]
pub fn bootstrap(view: &RuntimeView<'_>) -> Vec<(String, Result<Vec<MachineConfig>, RuntimeError>)> {
    let mut taken = BTreeSet::new();
    let mut one = |config: &ContainerRuntimeConfig| {
        let settings = validate(&config.spec.container_runtime_config)?;
        let mut made = Vec::new();
        for pool in selected(view, config)? {
            let pool_name = name_of(&pool.metadata);
            let files = settings.files(&storage(view, pool_name)?, view.with_stores)?;
            let name = plain(CONTAINER_RUNTIME, pool_name);
            if !taken.insert(name.clone()) {
                return Err(RuntimeError::Several(pool_name.to_owned()));
            }
            made.push(owned(view, config, &ObjectMeta::default(), (&name, pool_name), &files));
        }
        Ok(made)
    };
    view.configs.iter().map(|config| (name_of(&config.metadata).to_owned(), one(config))).collect()
}

fn annotate(metadata: &mut ObjectMeta, suffix: &str) {
    metadata.annotations.get_or_insert_default().insert(NAME_SUFFIX.to_owned(), suffix.to_owned());
}

fn accepted(view: &RuntimeView<'_>, config: &ContainerRuntimeConfig) -> Result<RuntimeOutcome, RuntimeError> {
    let settings = validate(&config.spec.container_runtime_config)?;
    if view.controller_config.is_none() {
        return Err(RuntimeError::NotReady(NotRendered::no_controller_config()));
    }
    let pools = selected(view, config)?;
    if pools.is_empty() {
        return Err(RuntimeError::NoPool(name_of(&config.metadata).to_owned()));
    }
    let claims: Vec<Claim<'_>> = view
        .configs
        .iter()
        .map(|config| Claim { metadata: &config.metadata, selector: config.spec.machine_config_pool_selector.as_ref() })
        .collect();
    let names = Names { kind: CONTAINER_RUNTIME, claims: &claims, configs: view.machine_configs };
    let mut outcome = RuntimeOutcome::default();
    let mut metadata = config.metadata.clone();
    let mut given = BTreeSet::new();
    for pool in pools {
        let claim = Claim { metadata: &metadata, selector: config.spec.machine_config_pool_selector.as_ref() };
        let name = names.give(&claim, pool)?;
        if suffix(&metadata).is_none() {
            let suffix = suffix_of(&name);
            annotate(&mut metadata, &suffix);
            outcome.suffix = Some(suffix);
        }
        let pool_name = name_of(&pool.metadata);
        let files = settings.files(&storage(view, pool_name)?, view.with_stores)?;
        let fresh = owned(view, config, &config.metadata, (&name, pool_name), &files);
        write(view, config, fresh, &mut outcome);
        let old = format!("99-{pool_name}-{}-containerruntime", pool.metadata.uid.as_deref().unwrap_or_default());
        outcome.deletes.extend(there(view, &old).map(|_| old));
        given.insert(name);
    }
    outcome.finalizers = finalizer::with(&config.metadata, &given, None);
    outcome.deletes.extend(unwanted(view, config, &given));
    Ok(outcome)
}

/// The selected pools, sorted by name.
fn selected<'p>(
    view: &RuntimeView<'p>,
    config: &ContainerRuntimeConfig,
) -> Result<Vec<&'p MachineConfigPool>, RuntimeError> {
    let mut pools = Vec::new();
    for pool in view.pools {
        if selects(config.spec.machine_config_pool_selector.as_ref(), &pool.metadata)? {
            pools.push(*pool);
        }
    }
    pools.sort_by_key(|pool| pool.metadata.name.as_deref());
    Ok(pools)
}

/// The templates' `storage.conf`. The reference requires the other two files as well.
fn storage(view: &RuntimeView<'_>, pool: &str) -> Result<String, BaseError> {
    let storage = base::file(view.templates, pool, STORAGE_CONF)?;
    base::file(view.templates, pool, REGISTRIES_CONF)?;
    base::file(view.templates, pool, POLICY_JSON)?;
    Ok(storage)
}

fn owned(
    view: &RuntimeView<'_>,
    config: &ContainerRuntimeConfig,
    of: &ObjectMeta,
    (name, pool): (&str, &str),
    files: &[File],
) -> MachineConfig {
    let mut fresh = machine_config(name, pool, view.build, files);
    let is_controller = of.uid.is_some();
    fresh.metadata.owner_references = Some(vec![owner(&config.api_version, &config.kind, of, is_controller)]);
    fresh
}

fn there<'a>(view: &RuntimeView<'a>, name: &str) -> Option<&'a MachineConfig> {
    view.machine_configs.iter().find(|found| name_of(&found.metadata) == name).copied()
}

fn write(view: &RuntimeView<'_>, config: &ContainerRuntimeConfig, fresh: MachineConfig, outcome: &mut RuntimeOutcome) {
    let name = name_of(&fresh.metadata).to_owned();
    // The build that made it leaves everything alone that belongs to a ContainerRuntimeConfig that was accepted as it is.
    let status = config.status.as_ref();
    let observed = status.and_then(|status| status.observed_generation).unwrap_or_default();
    let last = status.and_then(|status| status.conditions.as_ref()?.last());
    let is_accepted =
        last.is_some_and(|last| last.type_ == SUCCESS) && observed >= config.metadata.generation.unwrap_or_default();
    let left: &dyn Fn(&MachineConfig) -> bool = &|_| is_accepted;
    match decide(there(view, &name), fresh, view.build, view.is_adopting.then_some(left)) {
        Decision::Nothing => {}
        Decision::Write(next) => outcome.writes.push(*next),
        Decision::Note(noted) => {
            outcome.writes.push(*noted);
            outcome.adopted.push(name);
        }
    }
}

/// R-RUNTIME-SYNC-4. What belongs to another ContainerRuntimeConfig is left to that one.
fn unwanted(view: &RuntimeView<'_>, config: &ContainerRuntimeConfig, names: &BTreeSet<String>) -> Vec<String> {
    let family = Family { prefix: "99", word: "generated-containerruntime", owner: Some(CONTAINER_RUNTIME.kind) };
    let others = view.configs.iter().filter(|other| other.metadata.uid != config.metadata.uid);
    let owners: BTreeSet<&str> = others.clone().filter_map(|other| other.metadata.uid.as_deref()).collect();
    let held = others.flat_map(|other| other.metadata.finalizers.iter().flatten());
    let wanted: BTreeSet<&str> = held.chain(names).map(String::as_str).collect();
    stale(family, view.machine_configs, view.build, &owners, &wanted)
}

/// R-RUNTIME-SYNC-5; absent if the object says it already.
fn status(
    config: &ContainerRuntimeConfig,
    error: Option<&RuntimeError>,
    now: Timestamp,
) -> Option<ContainerRuntimeConfigStatus> {
    let (type_, message) = match error {
        None => (SUCCESS, "Success".to_owned()),
        Some(error @ RuntimeError::Name(_)) => (FAILURE, format!("could not get ctrcfg key: {error}")),
        Some(error) => (FAILURE, format!("Error: {error}")),
    };
    let mut status = config.status.clone().unwrap_or_default();
    let mut conditions = status.conditions.take().unwrap_or_default();
    let says_it = conditions.last().is_some_and(|last| last.message == message && last.type_ == type_);
    if says_it && status.observed_generation == config.metadata.generation {
        return None;
    }
    if !says_it {
        conditions.push(Condition {
            type_: type_.into(),
            status: TRUE.into(),
            last_transition_time: Some(Time(now)),
            message,
            ..Condition::default()
        });
    }
    conditions.drain(..conditions.len().saturating_sub(KEPT));
    status.observed_generation = config.metadata.generation;
    status.conditions = Some(conditions);
    Some(status)
}
