//! The configuration of a pool's machines: all of its MachineConfigs merged, under a name derived from the content.
//!
//! R-RENDER-1 MachineConfigs of the worker role come first, then the others, each by name; later ones win.
//! R-RENDER-2 A MachineConfig or ControllerConfig that another build generated is waited for.
//! R-RENDER-3 Ignition configs are merged as Ignition does; a file overwrites an existing one unless it says otherwise.
//! R-RENDER-4 FIPS is on if any says so; the last non-default kernel type wins; kernel arguments and
//! extensions are concatenated in order, including repetitions.
//! R-RENDER-5 The images are those of the stream, or without one those of the ControllerConfig; the last MachineConfig
//! that no controller generated may override them, but not in a pool that names its stream.
//! R-RENDER-6 The name is `rendered-POOL-` and a hash of the spec: the same spec always has the same name.
//! R-RENDER-7 A result that is too large for the API server, or cannot be reached from the current configuration without
//! reinstalling (R-RECONCILE), is an error, and the pool keeps what it has.
//! R-RENDER-8 An existing rendered MachineConfig gets this build's annotations, and manual changes to it are
//! reverted.
//! R-RENDER-9 A rendered MachineConfig belongs to the ControllerConfig as well as to its pool. So one that nodes still run outlives the
//! pool: their daemons can change nothing without it. (The reference gives it the pool alone.)
//!
//! Source: `pkg/controller/render` and `MergeMachineConfigs` in `pkg/controller/common/helpers.go` of
//! github.com/openshift/machine-config-operator.
//!
//! | module | decides |
//! |---|---|
//! | [`node_disruption`] | what a change does to a node instead of a reboot |
//! | [`components`] | which MachineConfigs a pool is rendered from, and whether it may be rendered now |
//! | [`reconcilable`] | which changes of a configuration a running machine can follow |
//! | [`unsupported`] | which settings nobody makes MachineConfigs of yet |
//! | [`generated`] | whether what was generated for kubelets matches the feature gates that are on |
//! | [`changes`] | what a machine notices when it goes from one configuration to another |
//! | [`guard`] | what must not be rolled out although it can be rendered |
//! | [`goyaml`] | the text that a rendered MachineConfig's name is a hash of |
//! | [`failure`] | why a pool is not rendered, and whether that makes it degraded |
//! | [`carried_over`] | whether what was generated still matches the ControllerConfig |

mod amend;
pub mod carried_over;
pub mod changes;
pub mod components;
mod error;
pub mod failure;
pub mod generated;
pub mod goyaml;
pub mod guard;
mod merge;
pub(crate) mod name;
pub mod node_disruption;
mod provenance;
pub mod reconcilable;
#[cfg(test)]
mod tests;
pub mod unsupported;

pub use amend::amendment;
pub use error::{InvalidConfig, RenderError};
pub(crate) use merge::{check_kernel, kernels, refuse_kernel_devel};
pub use provenance::{Contribution, GivenBy, Provenance, Trace};

use crate::render::reconcilable::Override;
use crate::view::Annotations;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{
    ControllerConfig, MachineConfig, MachineConfigPool,
    keys::config,
    kind::{MACHINE_CONFIG_GROUP, V1},
    os_image_stream::OSImageStreamSet,
    pool::SourceReference,
};

/// Largest rendered MachineConfig in bytes of JSON: what etcd takes in one request by default.
///
/// Source: `MaxMachineConfigSize` in `pkg/controller/common/constants.go` of
/// github.com/openshift/machine-config-operator.
pub const SIZE_LIMIT: usize = 1_572_864;

/// The inputs.
#[derive(Clone, Copy, Debug)]
pub struct RenderInput<'a> {
    /// The pool; its name, uid and own stream matter.
    pub pool: &'a MachineConfigPool,
    /// All MachineConfigs that the pool's selector matches, in any order.
    pub configs: &'a [&'a MachineConfig],
    /// Images for use without a stream, and the release version.
    pub controller_config: &'a ControllerConfig,
    /// The pool's stream; absent when there are none.
    pub stream: Option<&'a OSImageStreamSet>,
    /// Build of the controllers, recorded in the result's annotations.
    pub build: Option<&'a Build>,
    /// Whether to wait for objects of another build; offline they are used as they are.
    pub wait_for_build: bool,
    /// The pool's current target; absent when it has none.
    pub current: Option<&'a MachineConfig>,
    /// Sections that may change although that requires reinstalling.
    pub overrides: &'a BTreeSet<Override>,
    /// Size limit of the rendered MachineConfig in bytes; absent for no limit.
    pub size_limit: Option<usize>,
}

/// Identity of a build. The three are compared with different annotations on different objects and never with each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Version for people, `v1.2.3`; the operator writes it to the ControllerConfig.
    pub raw: String,
    /// A unique id of the build; recorded on generated MachineConfigs and the OSImageStream.
    pub hash: String,
    /// Release the build belongs to; absent when it belongs to none, and then to the one the cluster should run.
    pub release: Option<String>,
}

/// Version of this build, its commit, and how it was built.
pub const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("WEIR_COMMIT"), ", ", env!("WEIR_BUILD"), ")");
/// Commit of this build: `development` for one that is not to be released, `unknown` when it was built without git.
pub const COMMIT: &str = env!("WEIR_COMMIT");

impl Build {
    /// This build; it belongs to no release until one is set.
    #[must_use]
    pub fn ours() -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self { raw: format!("v{version}"), hash: format!("weir-{version}-{COMMIT}"), release: None }
    }
}

/// A pool's configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// The wanted object: name, annotations, owner reference and spec.
    pub config: MachineConfig,
    /// Its sources, in merge order.
    pub source: Vec<SourceReference>,
    /// Whether a MachineConfig overrides the base OS image.
    pub overridden: bool,
    /// Base OS image, whether overridden or not.
    pub base_os_image: String,
    /// Where each part of it comes from.
    pub provenance: Provenance,
}

impl Rendered {
    /// Name of the rendered MachineConfig.
    #[must_use]
    pub fn name(&self) -> &str {
        self.config.metadata.name.as_deref().unwrap_or_default()
    }
}

static NO_OVERRIDES: BTreeSet<Override> = BTreeSet::new();

impl<'a> RenderInput<'a> {
    /// An offline rendering without stream and without a current configuration.
    #[must_use]
    pub fn new(
        pool: &'a MachineConfigPool,
        configs: &'a [&'a MachineConfig],
        controller_config: &'a ControllerConfig,
    ) -> Self {
        Self {
            pool,
            configs,
            controller_config,
            stream: None,
            build: None,
            wait_for_build: true,
            current: None,
            overrides: &NO_OVERRIDES,
            size_limit: Some(SIZE_LIMIT),
        }
    }

    /// OS image and extensions image before any override (R-RENDER-5).
    #[must_use]
    pub fn base_images(&self) -> (&'a str, &'a str) {
        match self.stream {
            Some(set) => (&set.os_image, &set.os_extensions_image),
            None => {
                let spec = &self.controller_config.spec;
                (&spec.base_os_container_image, &spec.base_os_extensions_container_image)
            }
        }
    }
}

/// Renders the configuration of a pool.
///
/// # Errors
/// When there is nothing to render, something must be waited for, a MachineConfig is invalid, or the result cannot be
/// used (R-RENDER-2, R-RENDER-5, R-RENDER-7).
pub fn render(input: &RenderInput<'_>) -> Result<Rendered, RenderError> {
    let pool = name_of(&input.pool.metadata);
    let mut configs = input.configs.to_vec();
    configs.sort_by_key(|c| name_of(&c.metadata));
    if configs.is_empty() {
        return Err(RenderError::no_configs(input.pool));
    }
    wait_for_this_build(input, &configs)?;
    let parsed = merge::validate(&configs)?;
    let merged = merge::merge(parsed, input)?;
    let (name, spec) = name::named(pool, merged.spec)?;
    let mut rendered = MachineConfig::named(&name, spec);
    let release =
        Annotations::of(&input.controller_config.metadata).get(config::RELEASE_IMAGE_VERSION).unwrap_or_default();
    let hash = input.build.map_or("", |b| b.hash.as_str());
    let mut annotations = BTreeMap::from([
        (config::GENERATED_BY_CONTROLLER_VERSION.to_owned(), hash.to_owned()),
        (config::RELEASE_IMAGE_VERSION.to_owned(), release.to_owned()),
    ]);
    let (base_os_image, _) = input.base_images();
    let os_image = rendered.spec.os_image_url.as_deref().unwrap_or_default();
    let overridden = os_image != base_os_image;
    if overridden {
        annotations.insert(config::OS_IMAGE_URL_OVERRIDDEN.to_owned(), "true".to_owned());
        let named = input.pool.spec.os_image_stream.as_ref().filter(|s| !s.name.is_empty());
        if let Some(stream) = named {
            let from = merged.provenance.trace("osImageURL").map_or(GivenBy::Default, |t| t.from);
            let config = from.config().unwrap_or_default().to_owned();
            return Err(RenderError::StreamConflict { config, stream: stream.name.clone() });
        }
    }
    rendered.metadata.annotations = Some(annotations);
    rendered.metadata.owner_references = Some(vec![OwnerReference {
        api_version: format!("{MACHINE_CONFIG_GROUP}/{V1}"),
        kind: "MachineConfigPool".to_owned(),
        name: pool.to_owned(),
        uid: input.pool.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }]);
    if let Some(current) = input.current {
        reconcilable::with_blame(current, &rendered, &merged.configs, input.overrides)?;
    }
    name::check_size(&rendered, input.size_limit)?;
    rendered.metadata.owner_references.iter_mut().for_each(|owners| owners.extend(keeper(input.controller_config)));
    let source = merged.configs.iter().map(|c| SourceReference::to(name_of(&c.metadata)));
    Ok(Rendered {
        source: source.collect(),
        config: rendered,
        overridden,
        base_os_image: base_os_image.to_owned(),
        provenance: merged.provenance,
    })
}

/// R-RENDER-9: the second owner; none of a ControllerConfig that is in no cluster.
fn keeper(of: &ControllerConfig) -> Option<OwnerReference> {
    let uid = of.metadata.uid.clone().filter(|uid| !uid.is_empty())?;
    Some(OwnerReference {
        api_version: format!("{MACHINE_CONFIG_GROUP}/{V1}"),
        kind: "ControllerConfig".to_owned(),
        name: name_of(&of.metadata).to_owned(),
        uid,
        controller: None,
        block_owner_deletion: None,
    })
}

type Metadata = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

pub(crate) fn name_of(metadata: &Metadata) -> &str {
    metadata.name.as_deref().unwrap_or_default()
}

/// R-RENDER-2.
fn wait_for_this_build(input: &RenderInput<'_>, configs: &[&MachineConfig]) -> Result<(), RenderError> {
    let Some(build) = input.build.filter(|_| input.wait_for_build) else { return Ok(()) };
    match Annotations::of(&input.controller_config.metadata).get(config::GENERATED_BY_VERSION) {
        Some(raw) if raw == build.raw => {}
        found => {
            let (found, mine) = (found.map(str::to_owned), build.raw.clone());
            return Err(RenderError::OtherControllerConfig { found, mine });
        }
    }
    for one in configs {
        let generated = Annotations::of(&one.metadata).filled(config::GENERATED_BY_CONTROLLER_VERSION);
        if let Some(found) = generated.filter(|found| *found != build.hash) {
            let (config, found) = (name_of(&one.metadata).to_owned(), found.to_owned());
            return Err(RenderError::OtherConfig { config, found, mine: build.hash.clone() });
        }
    }
    Ok(())
}
