//! What is written, in which order, and what is reported.
//!
//! R-GENERATED-PLAN-1 If the templates fail, nothing is written at all, and the ControllerConfig says why.
//! R-GENERATED-PLAN-2 The parts come in the order of the generators. For each object, its annotation and finalizers are written first, so that
//! no MachineConfig is left behind without them; then its MachineConfigs; then MachineConfigs that are no longer wanted are deleted;
//! its status comes last. An object that is being deleted loses the finalizer after the MachineConfig.
//! R-GENERATED-PLAN-3 While anything is being written, the ControllerConfig is not complete: pools wait, so that changes that belong together are
//! rendered once.
//!
//! Source: ours; the content of each part is decided by its generator.

use super::{
    ControllerConfigError, Generators,
    authority::{Authority, Obstacle},
};
use crate::{generated::config::edits, render::name_of, template::change::change};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use weir_api::{MachineConfig, keys::config::NAME_SUFFIX};

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing can be generated, for this reason.
    Fail(String),
    /// Another operator generates, for these reasons.
    Leave(Vec<Obstacle>),
    /// Parts to write; after that, weir generates.
    Adopt(Vec<Part>),
    /// Parts to write.
    Write(Vec<Part>),
}

impl Decision {
    /// What to do if it is unknown what weir would generate. Unless weir `generates` already, the ControllerConfig stays complete: it
    /// is another operator's.
    #[must_use]
    pub fn failed(generates: bool, why: String) -> Self {
        if generates {
            return Self::Fail(why);
        }
        Self::Leave(vec![Obstacle::Refused { object: Subject::ControllerConfig.to_string(), why }])
    }
}

/// An object that something is generated from, or reported about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The ControllerConfig.
    ControllerConfig,
    /// Node `cluster` of config.openshift.io.
    NodeConfig,
    /// FeatureGate `cluster`.
    FeatureGate,
    /// A MachineConfigPool.
    Pool(String),
    /// A KubeletConfig.
    KubeletConfig(String),
    /// A ContainerRuntimeConfig.
    ContainerRuntimeConfig(String),
    /// Image `cluster`.
    Image,
    /// A ClusterImagePolicy.
    ClusterImagePolicy(String),
    /// An ImagePolicy.
    ImagePolicy {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// CRIOCredentialProviderConfig `cluster`.
    CredentialProviders,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControllerConfig => f.write_str("ControllerConfig machine-config-controller"),
            Self::NodeConfig => f.write_str("Node.config.openshift.io cluster"),
            Self::FeatureGate => f.write_str("FeatureGate cluster"),
            Self::Pool(name) => write!(f, "MachineConfigPool {name}"),
            Self::KubeletConfig(name) => write!(f, "KubeletConfig {name}"),
            Self::ContainerRuntimeConfig(name) => write!(f, "ContainerRuntimeConfig {name}"),
            Self::Image => f.write_str("Image.config.openshift.io cluster"),
            Self::ClusterImagePolicy(name) => write!(f, "ClusterImagePolicy {name}"),
            Self::ImagePolicy { namespace, name } => write!(f, "ImagePolicy {namespace}/{name}"),
            Self::CredentialProviders => f.write_str("CRIOCredentialProviderConfig cluster"),
        }
    }
}

/// A MachineConfig to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// It does not exist.
    Create(Box<MachineConfig>),
    /// It exists and differs.
    Edit {
        /// Its name.
        name: String,
        /// JSON patch of the object as it was read.
        patch: Value,
    },
}

impl Write {
    /// Name of the MachineConfig.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Create(config) => name_of(&config.metadata),
            Self::Edit { name, .. } => name,
        }
    }
}

/// A status to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Whose.
    pub of: Subject,
    /// The status.
    pub status: Value,
}

/// What is written for one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The object.
    pub subject: Subject,
    /// Merge patch of its metadata that comes before everything else.
    pub before: Option<Value>,
    /// MachineConfigs to create or to update.
    pub writes: Vec<Write>,
    /// MachineConfigs to delete after that, by name.
    pub deletes: Vec<String>,
    /// Merge patch of its metadata that comes after that.
    pub after: Option<Value>,
    /// Statuses to write last.
    pub statuses: Vec<Status>,
    /// Why nothing is generated from it.
    pub error: Option<String>,
    /// Warnings for users; nothing fails for them.
    pub warnings: Vec<String>,
}

impl Part {
    pub(super) fn of(subject: Subject) -> Self {
        let (writes, deletes, statuses, warnings) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { subject, before: None, writes, deletes, after: None, statuses, error: None, warnings }
    }

    /// Whether MachineConfigs are written or deleted.
    #[must_use]
    pub fn changes_configs(&self) -> bool {
        !self.writes.is_empty() || !self.deletes.is_empty()
    }

    fn with_status<S: Serialize>(mut self, status: Option<&S>) -> Self {
        let of = || self.subject.clone();
        self.statuses.extend(status.map(|status| Status { of: of(), status: json!(status) }));
        self
    }
}

/// Changes to the metadata of a KubeletConfig or ContainerRuntimeConfig.
struct Named<'o> {
    metadata: Option<&'o ObjectMeta>,
    suffix: Option<&'o str>,
    finalizers: Option<&'o [String]>,
}

impl Generators<'_> {
    /// What to do; arguments as for [`Generators::authority`].
    #[must_use]
    pub fn decide(&mut self, continues: bool, asked: bool, now: Timestamp) -> Decision {
        let authority = self.authority(continues, asked, now);
        match (authority, self.plan(now)) {
            (Authority::Theirs(obstacles), _) => Decision::Leave(obstacles),
            (Authority::Ours, Err(error)) => Decision::failed(true, error.to_string()),
            (Authority::Adopts, Err(error)) => Decision::failed(false, error.to_string()),
            (Authority::Ours, Ok(parts)) => Decision::Write(parts),
            (Authority::Adopts, Ok(parts)) => Decision::Adopt(parts),
        }
    }

    /// Everything to write, in order (R-GENERATED-PLAN-2).
    ///
    /// # Errors
    /// If the templates fail (R-GENERATED-PLAN-1).
    pub fn plan(&self, now: Timestamp) -> Result<Vec<Part>, ControllerConfigError> {
        let mut templates = Part::of(Subject::ControllerConfig);
        for config in self.templates()? {
            let name = name_of(&config.metadata).to_owned();
            match self.world.config(&name) {
                None => templates.writes.push(Write::Create(Box::new(config))),
                Some(there) => {
                    templates.writes.extend(change(there, &config).map(|patch| Write::Edit { name, patch }));
                }
            }
        }
        let mut parts = vec![templates];
        parts.extend(self.of_nodes());
        parts.extend(self.of_kubelets(now));
        parts.extend(self.of_runtimes(now));
        parts.push(self.of_image(now));
        if let Some(plan) = self.credentials(now) {
            let mut part = Part::of(Subject::CredentialProviders).with_status(plan.status.as_ref());
            part.writes = self.writes(plan.writes);
            part.error = plan.error.map(|error| error.to_string());
            parts.push(part);
        }
        Ok(parts)
    }

    fn of_nodes(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        let plans = [
            (Subject::NodeConfig, self.node_config().map_err(|error| error.to_string())),
            (Subject::FeatureGate, self.feature_gates().map_err(|error| error.to_string())),
        ];
        for (subject, plan) in plans {
            let mut part = Part::of(subject);
            match plan {
                Err(error) => part.error = Some(error),
                Ok(plan) => {
                    (part.writes, part.deletes) = (self.writes(plan.writes), plan.deletes);
                    let failed = plan
                        .failed
                        .into_iter()
                        .map(|(pool, error)| Part { error: Some(error.to_string()), ..Part::of(Subject::Pool(pool)) });
                    parts.extend(failed);
                }
            }
            parts.push(part);
        }
        parts
    }

    fn of_kubelets(&self, now: Timestamp) -> Vec<Part> {
        let part = |(name, outcome): (String, crate::kubelet::KubeletOutcome)| {
            let object = self.world.kubelets.iter().find(|object| name_of(&object.metadata) == name);
            let named = Named {
                metadata: object.map(|object| &object.metadata),
                suffix: outcome.suffix.as_deref(),
                finalizers: outcome.finalizers.as_deref(),
            };
            let mut part = named.marked(Part::of(Subject::KubeletConfig(name))).with_status(outcome.status.as_ref());
            (part.writes, part.deletes) = (self.writes(outcome.writes), outcome.deletes);
            part.error = outcome.error.map(|error| error.to_string());
            part.warnings = outcome.warnings.iter().map(ToString::to_string).collect();
            part
        };
        self.kubelet_configs(now).into_iter().map(part).collect()
    }

    fn of_runtimes(&self, now: Timestamp) -> Vec<Part> {
        let part = |(name, outcome): (String, crate::runtime::sync::RuntimeOutcome)| {
            let object = self.world.runtimes.iter().find(|object| name_of(&object.metadata) == name);
            let named = Named {
                metadata: object.map(|object| &object.metadata),
                suffix: outcome.suffix.as_deref(),
                finalizers: outcome.finalizers.as_deref(),
            };
            let part = named.marked(Part::of(Subject::ContainerRuntimeConfig(name)));
            let mut part = part.with_status(outcome.status.as_ref());
            (part.writes, part.deletes) = (self.writes(outcome.writes), outcome.deletes);
            part.error = outcome.error.map(|error| error.to_string());
            part
        };
        self.runtime_configs(now).into_iter().map(part).collect()
    }

    fn of_image(&self, now: Timestamp) -> Part {
        let plan = self.registries(now);
        let mut part = Part::of(Subject::Image);
        (part.writes, part.deletes) = (self.writes(plan.writes), plan.deletes);
        let of_cluster = |(name, status)| Status { of: Subject::ClusterImagePolicy(name), status: json!(status) };
        let status = |((namespace, name), status)| Status {
            of: Subject::ImagePolicy { namespace, name },
            status: json!(status),
        };
        let statuses = plan.cluster_statuses.into_iter().map(of_cluster);
        part.statuses = statuses.chain(plan.statuses.into_iter().map(status)).collect();
        part.error = plan.error.map(|error| error.to_string());
        part.warnings = plan.warnings.iter().map(ToString::to_string).collect();
        part
    }

    /// The writes of generators other than the templates.
    fn writes(&self, configs: Vec<MachineConfig>) -> Vec<Write> {
        let write = |config: MachineConfig| {
            let name = name_of(&config.metadata).to_owned();
            match self.world.config(&name) {
                None => Some(Write::Create(Box::new(config))),
                Some(there) => edits(there, &config).map(|patch| Write::Edit { name, patch }),
            }
        };
        configs.into_iter().filter_map(write).collect()
    }
}

impl Named<'_> {
    /// The part with the patch of the object's metadata, in its place (R-GENERATED-PLAN-2).
    fn marked(&self, mut part: Part) -> Part {
        let Some(metadata) = self.metadata.filter(|_| self.suffix.is_some() || self.finalizers.is_some()) else {
            return part;
        };
        let mut patch = json!({"metadata": {"resourceVersion": metadata.resource_version}});
        if let Some(suffix) = self.suffix {
            patch["metadata"]["annotations"] = json!({ NAME_SUFFIX: suffix });
        }
        if let Some(finalizers) = self.finalizers {
            patch["metadata"]["finalizers"] = json!(finalizers);
        }
        match metadata.deletion_timestamp {
            None => part.before = Some(patch),
            Some(_) => part.after = Some(patch),
        }
        part
    }
}
