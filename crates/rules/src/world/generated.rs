//! Which MachineConfigs are generated from the objects of a world.
//!
//! R-GENERATED-1 Generators run in the order of [`Generators::all`]: first the MachineConfigs that every pool starts with, then
//! those of settings. All of them see the same world and the same templates.
//! R-GENERATED-2 If nothing can be generated from an object, that is reported for the object; the others are generated anyway.
//! R-GENERATED-3 Settings are applied on top of the files that the templates give to a pool's role. None of those files contains a
//! login, so they are evaluated without the pull secret. A read-only command that cannot see the pull secret takes the one that
//! machines have.
//! R-GENERATED-4 The feature gates are those of the release that the templates belong to.
//!
//! | module | decides |
//! |---|---|
//! | [`difference`] | how a generated MachineConfig differs from an existing one |
//! | [`authority`] | whether weir writes what it generates |
//! | [`plan`] | what is written, and in which order |
//! | [`refused`] | what pools say of settings from which nothing can be generated |
//!
//! Source of the list of generators: `pkg/controller/bootstrap/bootstrap.go` of github.com/openshift/machine-config-operator. Running
//! them in one order is ours.

pub mod authority;
pub mod difference;
pub mod plan;
pub mod refused;

use super::World;
use crate::{
    generated::base,
    kubelet::{self, KubeletError, node_config},
    render::{Build, name_of},
    runtime::{
        credentials::{self, CredentialsPlan, CredentialsView},
        image::{self, ImagePlan, ImageView},
        mirrors::MirrorSets,
        sync::{self as runtime, RuntimeOutcome, RuntimeView},
    },
    stream::gates::{GatesError, gate_list},
    template::{
        TemplateError, TemplateInput, TlsSettings, Tree, generate, login,
        login::{LoginError, REGISTRY_SECRET, Secrets},
        of_role,
        status::{Progress, status},
        templates_of_file,
    },
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use std::{collections::BTreeMap, fmt::Display};
use weir_api::{
    ControllerConfig, MachineConfig, MachineConfigPool,
    feature_gate::{FeatureGateDetails, Gate, GateName},
    keys::{
        config::ROLE,
        gates::{ADDITIONAL_STORAGE_CONFIG, CRIO_CREDENTIAL_PROVIDER_CONFIG, SIGSTORE_IMAGE_VERIFICATION},
        names::OPERATOR_NAMESPACE,
    },
};
use weir_distro::ReleaseVersion;

/// Where machines have the pull secret.
const PULL_SECRET: &str = "/var/lib/kubelet/config.json";
/// A pull secret without logins (R-GENERATED-3).
const NO_LOGINS: &str = "{}";
/// A release that is not known counts as new.
const NEWEST: ReleaseVersion = ReleaseVersion { major: u32::MAX, minor: 0 };

/// The object that registries are generated from.
pub(crate) const IMAGE: &str = "Image.config.openshift.io cluster";

/// The templates of a release.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReleaseTemplates {
    /// Their files.
    pub tree: Tree,
    /// Version of the release they are of; absent where it is not known.
    pub release: Option<String>,
}

/// Why the templates give no MachineConfigs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControllerConfigError {
    /// There is no ControllerConfig.
    #[error("there is no ControllerConfig")]
    Absent,
    /// There is no usable pull secret.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// A template failed.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// One result of a generator.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A MachineConfig to write.
    Made(Box<MachineConfig>),
    /// The name of a MachineConfig to delete.
    Gone(String),
    /// An object from which nothing can be generated.
    Refused {
        /// Kind and name.
        object: String,
        /// Why.
        why: String,
    },
    /// Something that users should know about an object although nothing fails.
    Noticed {
        /// Kind and name.
        object: String,
        /// What.
        what: String,
    },
}

impl Item {
    fn refused(object: &str, why: impl Display) -> Self {
        Self::Refused { object: object.to_owned(), why: why.to_string() }
    }

    fn noticed(object: &str, what: impl Display) -> Self {
        Self::Noticed { object: object.to_owned(), what: what.to_string() }
    }
}

/// The generators of one world.
#[derive(Debug)]
pub struct Generators<'a> {
    world: &'a World,
    templates: &'a ReleaseTemplates,
    /// The MachineConfigs of the templates for each pool.
    of_pools: &'a base::Templates,
    build: &'a Build,
    /// The ControllerConfig, marked as complete.
    complete: Option<ControllerConfig>,
    /// The known feature gates, and whether they are on.
    gates: BTreeMap<String, bool>,
    release: ReleaseVersion,
    /// Whether another build's work is being taken over.
    pub is_adopting: bool,
}

/// The feature gates of a release (R-GENERATED-4).
fn gates_of<'w>(world: &'w World, release: Option<&str>) -> Result<&'w FeatureGateDetails, GatesError> {
    gate_list(world.feature_gate.as_deref(), release, world.version.as_deref())
}

impl World {
    fn template_input<'a>(
        &'a self,
        config: &'a ControllerConfig,
        tls: &'a TlsSettings,
        pull_secret: Option<&'a str>,
        (templates, build): (&'a ReleaseTemplates, &'a Build),
    ) -> TemplateInput<'a> {
        let release = templates.release.as_deref();
        TemplateInput { controller_config: config, pull_secret, tls, build: &build.hash, release }
    }

    /// Which TLS the cluster's API server allows.
    #[must_use]
    pub fn tls(&self) -> TlsSettings {
        let server = self.settings.api_server.as_ref();
        TlsSettings::of(server.and_then(|server| server.spec.tls_security_profile.as_ref()))
    }

    /// The MachineConfigs of the templates for each pool (R-GENERATED-3).
    #[must_use]
    pub fn templates_of_pools(&self, templates: &ReleaseTemplates, build: &Build) -> base::Templates {
        let tls = self.tls();
        let of = |pool: &str| {
            let config = self.controller_config.as_deref().ok_or(ControllerConfigError::Absent)?;
            let input = self.template_input(config, &tls, Some(NO_LOGINS), (templates, build));
            of_role(&templates.tree, &input, pool).map_err(ControllerConfigError::from)
        };
        let names = self.pools.iter().filter_map(|pool| pool.metadata.name.as_deref());
        names.map(|pool| (pool.to_owned(), of(pool).map_err(|error| error.to_string()))).collect()
    }

    /// Which templates a file of a MachineConfig comes from, by their paths; none if it does not come from these.
    ///
    /// # Errors
    /// If one of the templates fails, or there is no ControllerConfig.
    pub fn templates_of_file(
        &self,
        templates: &ReleaseTemplates,
        config: &MachineConfig,
        path: &str,
    ) -> Result<Vec<String>, ControllerConfigError> {
        let of_cluster = self.controller_config.as_deref().ok_or(ControllerConfigError::Absent)?;
        let (tls, build) = (self.tls(), Build::ours());
        let input = self.template_input(of_cluster, &tls, Some(NO_LOGINS), (templates, &build));
        let role = config.metadata.labels.as_ref().and_then(|labels| labels.get(ROLE)).map_or("", String::as_str);
        Ok(templates_of_file(&templates.tree, &input, (role, name_of(&config.metadata)), path)?)
    }

    /// The secrets that the pull secret is made of.
    fn pull_secrets(&self) -> Secrets<'_> {
        let named = self.controller_config.as_ref().and_then(|config| config.spec.pull_secret.as_ref());
        Secrets {
            pull: named.and_then(|named| self.secret(named.namespace.as_deref(), named.name.as_deref())),
            keeps_images: self.settings.release_image.is_some(),
            registry: self.secret(Some(OPERATOR_NAMESPACE), Some(REGISTRY_SECRET)),
        }
    }

    /// The pull secret that generated MachineConfigs give to machines; absent if none does.
    fn logins_of_machines(&self) -> Option<String> {
        let given = |config: &MachineConfig| base::text_of(config, PULL_SECRET);
        self.configs.iter().find_map(|config| given(config))
    }

    fn secret(&self, namespace: Option<&str>, name: Option<&str>) -> Option<&Secret> {
        let is = |field: &Option<String>, wanted: Option<&str>| field.as_deref() == wanted;
        let mut secrets = self.settings.secrets.iter().map(AsRef::as_ref);
        secrets.find(|secret: &&Secret| is(&secret.metadata.namespace, namespace) && is(&secret.metadata.name, name))
    }
}

impl<'a> Generators<'a> {
    /// The generators for a world. `of_pools` is the result of [`World::templates_of_pools`] for the same world and templates.
    #[must_use]
    pub fn new(
        world: &'a World,
        templates: &'a ReleaseTemplates,
        of_pools: &'a base::Templates,
        build: &'a Build,
        now: Timestamp,
    ) -> Self {
        let complete = world.controller_config.as_deref().map(|config| {
            let status = status(config, Progress::Completed, &build.raw, now).or_else(|| config.status.clone());
            ControllerConfig { status, ..config.clone() }
        });
        let version = templates.release.as_deref();
        let known = gates_of(world, version).map(|list| {
            let of = |gates: &[GateName], on| gates.iter().map(|gate| (gate.name.clone(), on)).collect::<Vec<_>>();
            // One that is in both lists is on, as everywhere.
            of(&list.disabled, false).into_iter().chain(of(&list.enabled, true)).collect()
        });
        let release = version.and_then(|version| version.parse().ok()).unwrap_or(NEWEST);
        let gates = known.unwrap_or_default();
        Self { world, templates, of_pools, build, complete, gates, release, is_adopting: false }
    }

    /// Everything that is generated, and why something is not.
    #[must_use]
    pub fn all(&self, now: Timestamp) -> Vec<Item> {
        [self.items_of_templates(), self.of_settings(now)].concat()
    }

    /// Everything that is generated from settings, without the MachineConfigs that every pool starts with.
    #[must_use]
    pub fn of_settings(&self, now: Timestamp) -> Vec<Item> {
        [
            self.items_of_node_config(),
            self.items_of_feature_gates(),
            self.items_of_kubelet_configs(now),
            self.items_of_runtime_configs(now),
            self.items_of_registries(now),
            self.items_of_credentials(now),
        ]
        .concat()
    }

    /// Everything that is generated before there is a cluster, in the reference's order: plain names, no statuses, and registries for
    /// every pool.
    #[must_use]
    pub fn bootstrap(&self) -> Vec<Item> {
        let of_runtimes = self
            .with_runtimes(runtime::bootstrap)
            .into_iter()
            .map(|(name, made)| (format!("ContainerRuntimeConfig {name}"), made.map_err(|error| error.to_string())));
        let of_kubelets = self.with_kubelets(kubelet::bootstrap::bootstrap).into_iter();
        let of_kubelets =
            of_kubelets.map(|(name, made)| (format!("KubeletConfig {name}"), made.map_err(|error| error.to_string())));
        let items = |(object, outcome): (String, Result<Vec<MachineConfig>, String>)| match outcome {
            Ok(configs) => made(configs).collect(),
            Err(why) => vec![Item::Refused { object, why }],
        };
        let registries = match self.world.settings.image.as_ref().map(|_| self.with_registries(image::bootstrap)) {
            None => Vec::new(),
            Some(Ok((configs, warnings))) => {
                let warnings = warnings.iter().map(|warning| Item::noticed(IMAGE, warning));
                made(configs).chain(warnings).collect()
            }
            Some(Err(why)) => vec![Item::refused(IMAGE, why)],
        };
        [
            self.items_of_templates(),
            registries,
            of_runtimes.flat_map(items).collect(),
            self.items_of_feature_gates(),
            self.items_of_node_config(),
            of_kubelets.flat_map(items).collect(),
        ]
        .concat()
    }

    /// The world as it would be after writing everything.
    #[must_use]
    pub fn would_be(&self, now: Timestamp) -> World {
        let mut world = self.world.clone();
        for item in self.all(now) {
            match item {
                Item::Made(config) => world.put((*config).into()),
                Item::Gone(name) => world.configs.retain(|config| config.metadata.name.as_ref() != Some(&name)),
                Item::Refused { .. } | Item::Noticed { .. } => {}
            }
        }
        world
    }

    /// `00-` and `01-`: the MachineConfigs that every pool starts with.
    ///
    /// # Errors
    /// The first problem that prevents one of them.
    pub fn templates(&self) -> Result<Vec<MachineConfig>, ControllerConfigError> {
        let config = self.world.controller_config.as_deref().ok_or(ControllerConfigError::Absent)?;
        let pull_secret = match login::pull_secret(&config.spec, &self.world.pull_secrets()) {
            // Who only looks may not see secrets.
            Err(error @ LoginError::Missing { .. }) if self.world.process.is_none() => {
                Some(self.world.logins_of_machines().ok_or(error)?)
            }
            found => found?,
        };
        let tls = self.world.tls();
        let input = self.world.template_input(config, &tls, pull_secret.as_deref(), (self.templates, self.build));
        Ok(generate(&self.templates.tree, &input)?)
    }

    /// `97-`: from nodes.config.
    ///
    /// # Errors
    /// If nodes.config is invalid.
    pub fn node_config(&self) -> Result<node_config::NodeConfigOutcome, KubeletError> {
        self.with_kubelets(node_config::node_config)
    }

    /// `98-`: from the feature gates; nothing without a FeatureGate.
    ///
    /// # Errors
    /// While the gates of the release are unknown.
    pub fn feature_gates(&self) -> Result<node_config::NodeConfigOutcome, GatesError> {
        if self.world.feature_gate.is_none() {
            return Ok(node_config::NodeConfigOutcome::default());
        }
        gates_of(self.world, self.templates.release.as_deref())?;
        Ok(self.with_kubelets(node_config::feature_gates))
    }

    /// `99-…-kubelet`, by the name of the KubeletConfig.
    #[must_use]
    pub fn kubelet_configs(&self, now: Timestamp) -> Vec<(String, kubelet::KubeletOutcome)> {
        self.with_kubelets(|view| kubelet::sync::generate(view, now))
    }

    /// `99-…-containerruntime`, by the name of the ContainerRuntimeConfig.
    #[must_use]
    pub fn runtime_configs(&self, now: Timestamp) -> Vec<(String, RuntimeOutcome)> {
        self.with_runtimes(|view| runtime::generate(view, now))
    }

    fn with_runtimes<T>(&self, decide: impl FnOnce(&RuntimeView<'_>) -> T) -> T {
        decide(&RuntimeView {
            controller_config: self.complete.as_ref(),
            pools: &self.pools(),
            configs: &self.world.runtimes.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
            machine_configs: &self.machine_configs(),
            templates: self.of_pools,
            with_stores: self.is_on(ADDITIONAL_STORAGE_CONFIG),
            build: &self.build.hash,
            is_adopting: self.is_adopting,
        })
    }

    /// `99-…-registries`; nothing without an Image configuration.
    #[must_use]
    pub fn registries(&self, now: Timestamp) -> ImagePlan {
        self.with_registries(|view| image::sync(view, now))
    }

    fn with_registries<T>(&self, decide: impl FnOnce(&ImageView<'_>) -> T) -> T {
        fn all<T>(objects: &[std::sync::Arc<T>]) -> Vec<&T> {
            objects.iter().map(AsRef::as_ref).collect()
        }
        let settings = &self.world.settings;
        let (mut cluster_policies, mut policies) = (all(&settings.cluster_policies), all(&settings.policies));
        if !self.is_on(SIGSTORE_IMAGE_VERIFICATION) {
            (cluster_policies, policies) = (Vec::new(), Vec::new());
        }
        let release = self.complete.as_ref().map(|config| config.spec.release_image.as_str());
        decide(&ImageView {
            pools: &self.pools(),
            machine_configs: &self.machine_configs(),
            templates: self.of_pools,
            image: settings.image.as_deref(),
            release: release.filter(|image| !image.is_empty()),
            mirrors: MirrorSets {
                digest: &all(&settings.digest_mirrors),
                tag: &all(&settings.tag_mirrors),
                content_source: &all(&settings.content_sources),
            },
            cluster_policies: &cluster_policies,
            policies: &policies,
            build: &self.build.hash,
        })
    }

    /// `97-…-generated-credentialproviderconfig`; absent while its gate is off or there is no CRIOCredentialProviderConfig.
    #[must_use]
    pub fn credentials(&self, now: Timestamp) -> Option<CredentialsPlan> {
        let config = self.world.settings.credential_providers.as_deref();
        let config = config.filter(|_| self.is_on(CRIO_CREDENTIAL_PROVIDER_CONFIG))?;
        let view = CredentialsView {
            controller_config: self.complete.as_ref()?,
            pools: &self.pools(),
            machine_configs: &self.machine_configs(),
            templates: self.of_pools,
            config,
            build: &self.build.hash,
        };
        Some(credentials::sync(&view, now))
    }

    fn with_kubelets<T>(&self, decide: impl FnOnce(&kubelet::KubeletView<'_>) -> T) -> T {
        decide(&kubelet::KubeletView {
            controller_config: self.complete.as_ref(),
            pools: &self.pools(),
            configs: &self.world.kubelets.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
            machine_configs: &self.machine_configs(),
            templates: self.of_pools,
            gates: &self.gates,
            node_config: self.world.settings.node.as_deref(),
            build: &self.build.hash,
            release: self.release,
            is_adopting: self.is_adopting,
        })
    }

    fn is_on(&self, gate: Gate) -> bool {
        self.gates.get(gate.name()).copied().unwrap_or_default()
    }

    fn pools(&self) -> Vec<&'a MachineConfigPool> {
        self.world.pools.iter().map(AsRef::as_ref).collect()
    }

    fn machine_configs(&self) -> Vec<&'a MachineConfig> {
        self.world.configs.iter().map(AsRef::as_ref).collect()
    }

    fn items_of_templates(&self) -> Vec<Item> {
        match self.templates() {
            Ok(configs) => made(configs).collect(),
            Err(why) => {
                let config = self.world.controller_config.as_ref();
                let name = config.and_then(|config| config.metadata.name.as_deref()).unwrap_or_default();
                vec![Item::refused(&format!("ControllerConfig {name}"), why)]
            }
        }
    }

    fn items_of_node_config(&self) -> Vec<Item> {
        match self.node_config() {
            Ok(plan) => planned(plan),
            Err(error) => vec![Item::refused("Node.config.openshift.io cluster", error)],
        }
    }

    fn items_of_feature_gates(&self) -> Vec<Item> {
        match self.feature_gates() {
            Ok(plan) => planned(plan),
            Err(error) => vec![Item::refused("FeatureGate cluster", error)],
        }
    }

    fn items_of_kubelet_configs(&self, now: Timestamp) -> Vec<Item> {
        let of = |(name, outcome): (String, kubelet::KubeletOutcome)| {
            let object = format!("KubeletConfig {name}");
            let warnings = outcome.warnings.iter().map(|warning| Item::noticed(&object, warning)).collect::<Vec<_>>();
            let error = outcome.error.map(|error| Item::refused(&object, error));
            made(outcome.writes).chain(gone(outcome.deletes)).chain(warnings).chain(error).collect::<Vec<_>>()
        };
        self.kubelet_configs(now).into_iter().flat_map(of).collect()
    }

    fn items_of_runtime_configs(&self, now: Timestamp) -> Vec<Item> {
        let of = |(name, outcome): (String, RuntimeOutcome)| {
            let error = outcome.error.map(|error| Item::refused(&format!("ContainerRuntimeConfig {name}"), error));
            made(outcome.writes).chain(gone(outcome.deletes)).chain(error).collect::<Vec<_>>()
        };
        self.runtime_configs(now).into_iter().flat_map(of).collect()
    }

    fn items_of_registries(&self, now: Timestamp) -> Vec<Item> {
        let plan = self.registries(now);
        let warnings = plan.warnings.iter().map(|warning| Item::noticed(IMAGE, warning)).collect::<Vec<_>>();
        let error = plan.error.map(|error| Item::refused(IMAGE, error));
        made(plan.writes).chain(gone(plan.deletes)).chain(warnings).chain(error).collect()
    }

    fn items_of_credentials(&self, now: Timestamp) -> Vec<Item> {
        let Some(plan) = self.credentials(now) else { return Vec::new() };
        let error = plan.error.map(|error| Item::refused("CRIOCredentialProviderConfig cluster", error));
        made(plan.writes).chain(error).collect()
    }
}

fn planned(plan: node_config::NodeConfigOutcome) -> Vec<Item> {
    let failed = plan.failed.into_iter();
    let failed = failed.map(|(pool, error)| Item::refused(&format!("MachineConfigPool {pool}"), error));
    made(plan.writes).chain(gone(plan.deletes)).chain(failed).collect()
}

fn made(configs: Vec<MachineConfig>) -> impl Iterator<Item = Item> {
    configs.into_iter().map(|config| Item::Made(Box::new(config)))
}

fn gone(names: Vec<String>) -> impl Iterator<Item = Item> {
    names.into_iter().map(Item::Gone)
}
