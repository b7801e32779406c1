//! What is written for a KubeletConfig, and under which names.
//!
//! R-KUBELET-1 Nothing is generated before the ControllerConfig is complete. A KubeletConfig that is refused, selects no pool or
//! fails for one of its pools changes no MachineConfig at all.
//! R-KUBELET-2 Each selected pool gets a MachineConfig, named by R-NAME and owned by the KubeletConfig. The names are its
//! finalizers; those of Kubernetes and of others are left alone.
//! R-KUBELET-3 A MachineConfig is written if it differs in content from the existing one (R-ADOPT).
//! R-KUBELET-4 While another build's work is taken over, that build would have left alone a MachineConfig with the known feature
//! gates whose KubeletConfig was accepted as it is.
//! R-KUBELET-5 After all writes, MachineConfigs of other builds that are no longer needed (R-STALE) are deleted, and the one with
//! the name of old releases, `99-POOL-UID-kubelet`.
//! R-KUBELET-6 A KubeletConfig that is being deleted loses one MachineConfig with its finalizer at a time.
//! R-KUBELET-7 Warnings report what is left out, has no effect, or keeps kubelets from starting.
//!
//! Source: `syncKubeletConfig` in `pkg/controller/kubelet-config/kubelet_config_controller.go` of
//! github.com/openshift/machine-config-operator, which writes pool after pool. R-KUBELET-3, 4 and 7 are ours.

use super::{
    KubeletError,
    amounts::{BadAmount, bad_amounts},
    base::{KUBELET_CONF, base},
    files::files,
    merge::Ineffective,
    settings::{self, Read, Settings},
    status::status,
    validate::{static_pod_path, validate},
};
use crate::{
    generated::{
        adopt::{Decision, decide},
        base::Templates,
        config::{machine_config, owner},
        finalizer,
        name::{Claim, KUBELET, Names, suffix, suffix_of},
        stale::{Family, stale},
    },
    objects::selector::selects,
    render::{components::complete, name_of},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use weir_api::{
    ControllerConfig, KubeletConfig, MachineConfig, MachineConfigPool, NodeConfig,
    condition::TRUE,
    keys::{
        config::NAME_SUFFIX,
        generated::{ACCEPTED, SUCCESS},
    },
    kubelet_config::KubeletConfigStatus,
};
use weir_distro::ReleaseVersion;
use weir_ignition::contents;

/// What generation for kubelets depends on.
#[derive(Clone, Copy, Debug)]
pub struct KubeletView<'a> {
    /// The ControllerConfig.
    pub controller_config: Option<&'a ControllerConfig>,
    /// All pools.
    pub pools: &'a [&'a MachineConfigPool],
    /// All KubeletConfigs.
    pub configs: &'a [&'a KubeletConfig],
    /// All MachineConfigs.
    pub machine_configs: &'a [&'a MachineConfig],
    /// The release's templates for each pool, with any pull secret: its logins are not used.
    pub templates: &'a Templates,
    /// The known feature gates, and whether they are on.
    pub gates: &'a BTreeMap<String, bool>,
    /// nodes.config, if there is one.
    pub node_config: Option<&'a NodeConfig>,
    /// The generating build.
    pub build: &'a str,
    /// The release to generate for.
    pub release: ReleaseVersion,
    /// Whether another build's work is being taken over.
    pub is_adopting: bool,
}

/// The result for a KubeletConfig.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KubeletOutcome {
    /// MachineConfigs to create or to update.
    pub writes: Vec<MachineConfig>,
    /// MachineConfigs to delete after that, by name.
    pub deletes: Vec<String>,
    /// The new value of the annotation for names; absent if it stays.
    pub suffix: Option<String>,
    /// The new finalizers; absent if they stay.
    pub finalizers: Option<Vec<String>>,
    /// The status to write; absent if it stays.
    pub status: Option<KubeletConfigStatus>,
    /// Why nothing is generated.
    pub error: Option<KubeletError>,
    /// What users should know although nothing failed.
    pub warnings: Vec<Warning>,
}

/// Something in a KubeletConfig that does not do what it seems to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The release has no such field.
    Unknown(String),
    /// A zero that would replace an existing value.
    Ineffective(Ineffective),
    /// Kubelets do not start with it.
    Amount(BadAmount),
    /// Another build's MachineConfig stays although weir would generate a different one.
    Adopted(String),
}

impl Warning {
    /// Whether it is about the object, and not only about this pass.
    #[must_use]
    pub fn stays(&self) -> bool {
        !matches!(self, Self::Adopted(_))
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(field) => {
                write!(f, "spec.kubeletConfig.{field}: no such field in this release; it is left out")
            }
            Self::Ineffective(Ineffective { field, wanted, kept }) => write!(
                f,
                "spec.kubeletConfig.{field}: {wanted} has no effect, {kept} stays: a value that is zero or empty does not replace one"
            ),
            Self::Amount(BadAmount { field, found, expected }) => write!(
                f,
                "spec.kubeletConfig.{field}: {expected} expected, found {found:?}: kubelets do not start with it, so mend it before \
                 nodes get it"
            ),
            Self::Adopted(name) => write!(
                f,
                "MachineConfig {name} is kept as the operator before left it; it is generated anew, and nodes reboot, when the \
                 KubeletConfig or anything else it is made from changes"
            ),
        }
    }
}

/// One KubeletConfig.
#[must_use]
pub fn sync(view: &KubeletView<'_>, config: &KubeletConfig, now: Timestamp) -> KubeletOutcome {
    if let Err(error) = complete(view.controller_config) {
        return KubeletOutcome { error: Some(error.into()), ..KubeletOutcome::default() };
    }
    if config.metadata.deletion_timestamp.is_some() {
        let Some((name, finalizers)) = finalizer::pop(&config.metadata) else { return KubeletOutcome::default() };
        return KubeletOutcome { deletes: vec![name], finalizers: Some(finalizers), ..KubeletOutcome::default() };
    }
    let mut outcome = accepted(view, config)
        .unwrap_or_else(|error| KubeletOutcome { error: Some(error), ..KubeletOutcome::default() });
    outcome.status = status(config, outcome.error.as_ref(), &outcome.warnings, now);
    outcome
}

/// All KubeletConfigs, oldest first: each sees what was written for the earlier ones.
#[must_use]
pub fn generate(view: &KubeletView<'_>, now: Timestamp) -> Vec<(String, KubeletOutcome)> {
    let mut configs: Vec<KubeletConfig> = view.configs.iter().map(|config| (*config).clone()).collect();
    configs.sort_by_key(|config| (config.metadata.creation_timestamp.clone(), config.metadata.name.clone()));
    let mut machine_configs: BTreeMap<String, MachineConfig> =
        view.machine_configs.iter().map(|config| (name_of(&config.metadata).to_owned(), (*config).clone())).collect();
    let mut outcomes = Vec::new();
    for index in 0..configs.len() {
        let outcome = sync(
            &KubeletView {
                configs: &configs.iter().collect::<Vec<_>>(),
                machine_configs: &machine_configs.values().collect::<Vec<_>>(),
                ..*view
            },
            &configs[index],
            now,
        );
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

fn annotate(metadata: &mut ObjectMeta, suffix: &str) {
    metadata.annotations.get_or_insert_default().insert(NAME_SUFFIX.to_owned(), suffix.to_owned());
}

fn accepted(view: &KubeletView<'_>, config: &KubeletConfig) -> Result<KubeletOutcome, KubeletError> {
    let read = validate(config, view.release)?;
    let pools = pools(view, config)?;
    let mut outcome = KubeletOutcome::default();
    let mut metadata = config.metadata.clone();
    let mut names = BTreeSet::new();
    for pool in pools {
        static_pod_path(config, pool, view.release)?;
        let name = name(view, config, &metadata, pool)?;
        if suffix(&metadata).is_none() {
            let suffix = suffix_of(&name);
            annotate(&mut metadata, &suffix);
            outcome.suffix = Some(suffix);
        }
        one_pool(view, config, pool, &name, read.as_ref(), &mut outcome)?;
        names.insert(name);
    }
    let unknown = read.iter().flat_map(|read| read.unknown.iter().cloned().map(Warning::Unknown));
    let bad = read.iter().flat_map(|read| bad_amounts(&read.settings).into_iter().map(Warning::Amount));
    let of_object: Vec<Warning> = unknown.chain(bad).collect();
    outcome.warnings.splice(0..0, of_object);
    outcome.warnings.dedup();
    outcome.finalizers = finalizer::with(&config.metadata, &names, Some(KUBELET.word));
    outcome.deletes.extend(unwanted(view, config, &names));
    Ok(outcome)
}

/// The pools that a KubeletConfig selects, by name.
pub(super) fn pools<'a>(
    view: &KubeletView<'a>,
    config: &KubeletConfig,
) -> Result<Vec<&'a MachineConfigPool>, KubeletError> {
    let mut pools = Vec::new();
    for pool in view.pools {
        if selects(config.spec.machine_config_pool_selector.as_ref(), &pool.metadata)? {
            pools.push(*pool);
        }
    }
    pools.sort_by_key(|pool| pool.metadata.name.as_deref());
    if pools.is_empty() { Err(KubeletError::NoPool) } else { Ok(pools) }
}

fn name(
    view: &KubeletView<'_>,
    config: &KubeletConfig,
    metadata: &ObjectMeta,
    pool: &MachineConfigPool,
) -> Result<String, KubeletError> {
    let claims: Vec<Claim<'_>> = view
        .configs
        .iter()
        .map(|config| Claim { metadata: &config.metadata, selector: config.spec.machine_config_pool_selector.as_ref() })
        .collect();
    let names = Names { kind: KUBELET, claims: &claims, configs: view.machine_configs };
    let claim = Claim { metadata, selector: config.spec.machine_config_pool_selector.as_ref() };
    Ok(names.give(&claim, pool)?)
}

fn one_pool(
    view: &KubeletView<'_>,
    config: &KubeletConfig,
    pool: &MachineConfigPool,
    name: &str,
    read: Option<&Read>,
    outcome: &mut KubeletOutcome,
) -> Result<(), KubeletError> {
    let pool_name = name_of(&pool.metadata);
    let base = base(view, pool_name)?;
    let gates = base.0.get("featureGates").cloned();
    let (files, ineffective) = files(config, read.map(|read| read.settings.clone()), base, view.release)?;
    outcome.warnings.extend(ineffective.into_iter().map(Warning::Ineffective));
    let mut fresh = machine_config(name, pool_name, view.build, &files);
    fresh.metadata.owner_references = Some(vec![owner(&config.api_version, &config.kind, &config.metadata, true)]);
    let found = view.machine_configs.iter().find(|found| name_of(&found.metadata) == name).copied();
    let left: &dyn Fn(&MachineConfig) -> bool = &|there| is_left_alone(view, config, there, gates.as_ref());
    match decide(found, fresh, view.build, view.is_adopting.then_some(left)) {
        Decision::Nothing => {}
        Decision::Write(next) => outcome.writes.push(*next),
        Decision::Note(noted) => {
            outcome.warnings.push(Warning::Adopted(name.to_owned()));
            outcome.writes.push(*noted);
        }
    }
    let old = format!("99-{pool_name}-{}-kubelet", pool.metadata.uid.as_deref().unwrap_or_default());
    if view.machine_configs.iter().any(|found| name_of(&found.metadata) == old) {
        outcome.deletes.push(old);
    }
    Ok(())
}

/// Whether the build that made it would leave it as it is (R-KUBELET-4).
fn is_left_alone(view: &KubeletView<'_>, config: &KubeletConfig, found: &MachineConfig, gates: Option<&Value>) -> bool {
    let status = config.status.as_ref();
    let observed = status.and_then(|status| status.observed_generation).unwrap_or_default();
    let last = status.and_then(|status| status.conditions.as_ref()?.last());
    let is_accepted = last.is_some_and(|last| last.type_ == SUCCESS || (last.type_ == ACCEPTED && last.status == TRUE));
    is_accepted
        && observed >= config.metadata.generation.unwrap_or_default()
        && !view.gates.is_empty()
        && settings_of(found, view.release).is_some_and(|there| there.0.get("featureGates") == gates)
}

fn settings_of(config: &MachineConfig, release: ReleaseVersion) -> Option<Settings> {
    let files = config.spec.config.as_ref()?.pointer("/storage/files")?.as_array()?;
    let file = files.iter().find(|file| file["path"] == KUBELET_CONF)?;
    let held: &Map<String, Value> = file.get("contents")?.as_object()?;
    let text = String::from_utf8(contents::decode(held).ok()?).ok()?;
    settings::parse(&text, release).ok().map(|read| read.settings)
}

/// R-KUBELET-5. What belongs to another KubeletConfig is left to that one.
fn unwanted(view: &KubeletView<'_>, config: &KubeletConfig, names: &BTreeSet<String>) -> Vec<String> {
    let family = Family { prefix: "99", word: "generated-kubelet", owner: Some(KUBELET.kind) };
    let others = view.configs.iter().filter(|other| other.metadata.uid != config.metadata.uid);
    let owners: BTreeSet<&str> = others.clone().filter_map(|other| other.metadata.uid.as_deref()).collect();
    let held = others.flat_map(|other| other.metadata.finalizers.iter().flatten());
    let wanted: BTreeSet<&str> = held.chain(names).map(String::as_str).collect();
    stale(family, view.machine_configs, view.build, &owners, &wanted)
}
