//! What is written for registries, mirrors and policies: `99-POOL-generated-registries`.
//!
//! R-IMAGE-1 Without the Image configuration, or without a release image, nothing is generated, and what exists stays. Each
//! built-in pool gets a MachineConfig, at bootstrap every pool, even if it has no file.
//! R-IMAGE-2 `registries.conf` is written if insecure registries are given, even an empty list, if one is blocked, or if there is a
//! mirror set. `policy.json` is written if a registry is blocked or allowed, or if there is an image policy. Image policies count
//! while their gate is on.
//! R-IMAGE-3 A scope of an ImagePolicy that is inside a scope of a ClusterImagePolicy is left out.
//! R-IMAGE-4 Invalid settings are reported in one error, with the object, and nothing is written for any pool: nodes keep their
//! registries and policies. Policies say in their statuses what is wrong with each of them.
//!
//! Source: `syncImageConfig` and `registriesConfigIgnition` in `pkg/controller/container-runtime-config` of
//! github.com/openshift/machine-config-operator, which never removes the condition and generates without invalid lists.

use super::{
    attachments::{SIGSTORE_REGISTRIES, attachments},
    blocked::{BlockedError, Lists, lists},
    mirrors::MirrorSets,
    policy::{POLICY_JSON, PolicyError, PolicyView, Scopes, of_namespace, policy},
    policy_status::{self, key_said},
    registries_conf::{REGISTRIES_CONF, RegistriesConf, RegistriesError, search_drop_in},
    scope::{is_nested, repository},
    settings::STORAGE_CONF,
    signature::{SignatureError, requirement, unreadable},
};
use crate::{
    generated::{
        base::{self, BaseError, Templates},
        config::{File, machine_config, owner, update},
    },
    objects::quoted::quoted,
    render::{goyaml, name_of},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{
    ClusterImagePolicy, Image, ImagePolicy, MachineConfig, MachineConfigPool,
    image_policy::{ImagePolicySpec, ImagePolicyStatus},
    keys::config::BUILT_IN,
};

const SEARCH_REGISTRIES: &str = "/etc/containers/registries.conf.d/01-image-searchRegistries.conf";
/// Folder of the policies for namespaces.
const NAMESPACES: &str = "/etc/crio/policies/";

/// What generation for registries depends on.
#[derive(Clone, Copy, Debug)]
pub struct ImageView<'a> {
    /// All pools.
    pub pools: &'a [&'a MachineConfigPool],
    /// All MachineConfigs.
    pub machine_configs: &'a [&'a MachineConfig],
    /// The release's templates for each pool.
    pub templates: &'a Templates,
    /// The Image configuration.
    pub image: Option<&'a Image>,
    /// Pull spec of the release that the cluster should run; absent without a ClusterVersion.
    pub release: Option<&'a str>,
    /// Mirror sets.
    pub mirrors: MirrorSets<'a>,
    /// Policies for all nodes; none while their gate is off.
    pub cluster_policies: &'a [&'a ClusterImagePolicy],
    /// Policies of namespaces; none while their gate is off.
    pub policies: &'a [&'a ImagePolicy],
    /// The generating build.
    pub build: &'a str,
}

/// What is written for registries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImagePlan {
    /// MachineConfigs to create or to update.
    pub writes: Vec<MachineConfig>,
    /// MachineConfigs to delete after that, by name.
    pub deletes: Vec<String>,
    /// Statuses of ClusterImagePolicies to write, by name.
    pub cluster_statuses: BTreeMap<String, ImagePolicyStatus>,
    /// Statuses of ImagePolicies to write, by namespace and name.
    pub statuses: BTreeMap<(String, String), ImagePolicyStatus>,
    /// What users should know although nothing failed.
    pub warnings: Vec<ImageWarning>,
    /// Why nothing is generated.
    pub error: Option<ImageError>,
}

/// Something that does not do what it seems to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageWarning {
    /// A blocked registry that contains the release.
    #[error("error adding [{}] to blocked registries, cannot block the repository being used by the payload", quoted(.0))]
    NotBlocked(String),
    /// A mirror at which no signature can be looked up.
    #[error(
        "signatures are not looked for at mirror {0}: what it makes of the scope of an image policy is no repository; images pulled \
         from it may be refused"
    )]
    NoRepository(String),
    /// A key or certificate that machines cannot read.
    #[error("{} (of {object})", key_said(field))]
    Key {
        /// Kind and name of the policy.
        object: String,
        /// The field.
        field: &'static str,
    },
}

/// Why nothing is generated for registries. Permanent until an object or the templates change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Lists of registries.
    #[error(transparent)]
    Blocked(#[from] BlockedError),
    /// A policy.
    #[error("{error} (of {object})")]
    Signature {
        /// Kind and name.
        object: String,
        /// What is wrong.
        error: SignatureError,
    },
    /// The templates.
    #[error("could not generate original ContainerRuntime Configs: {0}")]
    Base(#[from] BaseError),
    /// `registries.conf`.
    #[error("could not Create/Update MachineConfig: could not update registries config with new changes: {0}")]
    Registries(#[from] RegistriesError),
    /// `policy.json`.
    #[error("could not Create/Update MachineConfig: could not update policy json with new changes: {0}")]
    Policy(#[source] PolicyError),
    /// The policy of a namespace.
    #[error("could not Create/Update MachineConfig: could not update namespace policy JSON from imagepolicy: {0}")]
    Namespace(#[source] PolicyError),
    /// Where signatures are looked up.
    #[error("could not Create/Update MachineConfig: a scope of an image policy cannot be written: {0}")]
    Attachments(#[from] goyaml::ControlCharacter),
}

/// The requirements of all policies.
#[derive(Default)]
struct Policies {
    cluster: Scopes,
    namespaces: BTreeMap<String, Scopes>,
}

impl Policies {
    fn scopes(&self) -> BTreeSet<&String> {
        self.cluster.keys().chain(self.namespaces.values().flat_map(BTreeMap::keys)).collect()
    }
}

/// What is written in a cluster.
#[must_use]
pub fn sync(view: &ImageView<'_>, now: Timestamp) -> ImagePlan {
    let found = view.image.zip(view.release).and_then(|(image, release)| {
        lists(release, &image.spec.registry_sources.clone().unwrap_or_default(), &view.mirrors).ok()
    });
    let mut plan = ImagePlan {
        cluster_statuses: policy_status::of_cluster(view, found.as_ref(), now),
        statuses: policy_status::of_namespaces(view, found.as_ref(), now),
        ..ImagePlan::default()
    };
    let (Some(image), Some(release)) = (view.image, view.release) else { return plan };
    let made = all_files(view, release, &is_built_in, &mut plan.warnings);
    match made {
        Err(error) => plan.error = Some(error),
        Ok(made) => {
            for (pool, files) in made {
                let pool_name = name_of(&pool.metadata);
                let name = generated_name(pool_name);
                let mut fresh = machine_config(&name, pool_name, view.build, &files);
                fresh.metadata.owner_references =
                    Some(vec![owner(&image.api_version, &image.kind, &image.metadata, false)]);
                let there = |name: &str| view.machine_configs.iter().find(|c| name_of(&c.metadata) == name).copied();
                plan.writes.extend(update(there(&name), fresh));
                let old = format!("99-{pool_name}-{}-registries", pool.metadata.uid.as_deref().unwrap_or_default());
                plan.deletes.extend(there(&old).map(|_| old));
            }
        }
    }
    plan
}

/// What is generated before there is a cluster: for every pool, without the build's annotation and without the owner's name.
///
/// # Errors
/// If objects are invalid.
pub fn bootstrap(view: &ImageView<'_>) -> Result<(Vec<MachineConfig>, Vec<ImageWarning>), ImageError> {
    let mut warnings = Vec::new();
    let made = all_files(view, view.release.unwrap_or_default(), &|_| true, &mut warnings)?;
    let one = |(pool, files): (&MachineConfigPool, Vec<File>)| {
        let pool_name = name_of(&pool.metadata);
        let mut config = machine_config(&generated_name(pool_name), pool_name, "", &files);
        config.metadata.annotations = None;
        let image = Image::default();
        config.metadata.owner_references =
            Some(vec![owner(&image.api_version, &image.kind, &ObjectMeta::default(), false)]);
        config
    };
    Ok((made.into_iter().map(one).collect(), warnings))
}

/// Name of what is generated for registries of a pool.
pub(crate) fn generated_name(pool: &str) -> String {
    format!("99-{pool}-generated-registries")
}

pub(crate) fn is_built_in(pool: &MachineConfigPool) -> bool {
    pool.metadata.labels.as_ref().and_then(|labels| labels.get(BUILT_IN)).is_some_and(String::is_empty)
}

/// The files for each pool that gets some.
fn all_files<'p>(
    view: &ImageView<'p>,
    release: &str,
    gets: &dyn Fn(&MachineConfigPool) -> bool,
    warnings: &mut Vec<ImageWarning>,
) -> Result<Vec<(&'p MachineConfigPool, Vec<File>)>, ImageError> {
    let policies = policies(view, warnings)?;
    let sources = view.image.and_then(|image| image.spec.registry_sources.clone()).unwrap_or_default();
    let lists = lists(release, &sources, &view.mirrors)?;
    warnings.extend(lists.left_out.iter().cloned().map(ImageWarning::NotBlocked));
    let payload = repository(release).unwrap_or_default();
    let mut made = Vec::new();
    for pool in view.pools.iter().copied().filter(|pool| gets(pool)) {
        let base = Base::of(view.templates, name_of(&pool.metadata))?;
        let conf = conf(&base, view, &lists)?;
        let mut files: Vec<File> = conf.iter().map(|conf| File::new(REGISTRIES_CONF, conf.write())).collect();
        files.extend(policy_files(&base, &lists, payload, &policies)?);
        let scopes = policies.scopes();
        if !scopes.is_empty() {
            let (text, left_out) = attachments(scopes, conf.as_ref())?;
            let at = files.iter().take_while(|file| !file.path.starts_with(NAMESPACES)).count();
            files.insert(at, File::new(SIGSTORE_REGISTRIES, text));
            warnings.extend(left_out.into_iter().map(ImageWarning::NoRepository));
        }
        if let Some(search) = &sources.container_runtime_search_registries {
            files.push(File::new(SEARCH_REGISTRIES, search_drop_in(search)));
        }
        made.push((pool, files));
    }
    let mut told = BTreeSet::new();
    warnings.retain(|warning| told.insert(warning.to_string()));
    Ok(made)
}

/// The templates' files; all three must exist, as in the reference.
struct Base {
    registries: String,
    policy: String,
}

impl Base {
    fn of(templates: &Templates, pool: &str) -> Result<Self, BaseError> {
        base::file(templates, pool, STORAGE_CONF)?;
        Ok(Self {
            registries: base::file(templates, pool, REGISTRIES_CONF)?,
            policy: base::file(templates, pool, POLICY_JSON)?,
        })
    }
}

fn conf(base: &Base, view: &ImageView<'_>, lists: &Lists) -> Result<Option<RegistriesConf>, RegistriesError> {
    let insecure = view.image.and_then(|image| image.spec.registry_sources.as_ref()?.insecure_registries.as_deref());
    if insecure.is_none() && lists.registries.is_none() && view.mirrors.is_empty() {
        return Ok(None);
    }
    let mut conf = RegistriesConf::parse(&base.registries)?;
    conf.edit(insecure.unwrap_or_default(), lists.registries.as_deref().unwrap_or_default(), &view.mirrors)?;
    Ok(Some(conf))
}

fn policy_files(base: &Base, lists: &Lists, payload: &str, policies: &Policies) -> Result<Vec<File>, ImageError> {
    let has_policies = !policies.cluster.is_empty() || !policies.namespaces.is_empty();
    if lists.policy.is_none() && lists.allowed.is_none() && !has_policies {
        return Ok(Vec::new());
    }
    let [allowed, blocked] = [&lists.allowed, &lists.policy].map(|list| list.as_deref().unwrap_or_default());
    let all = policy(&PolicyView { base: &base.policy, allowed, blocked, payload, scopes: &policies.cluster })
        .map_err(ImageError::Policy)?;
    let of_namespaces = policies.namespaces.iter().map(|(namespace, scopes)| {
        let text = of_namespace(&all, scopes, allowed, blocked).map_err(ImageError::Namespace)?;
        Ok(File::new(&format!("{NAMESPACES}{namespace}.json"), text))
    });
    let of_namespaces: Vec<File> = of_namespaces.collect::<Result<_, ImageError>>()?;
    Ok([File::new(POLICY_JSON, all)].into_iter().chain(of_namespaces).collect())
}

fn policies(view: &ImageView<'_>, warnings: &mut Vec<ImageWarning>) -> Result<Policies, ImageError> {
    let mut all = Policies::default();
    let mut warn = |spec: &ImagePolicySpec, object: &str| {
        let unreadable = unreadable(&spec.policy);
        warnings.extend(unreadable.map(|field| ImageWarning::Key { object: object.to_owned(), field }));
    };
    let mut cluster = view.cluster_policies.to_vec();
    cluster.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    for policy in &cluster {
        let object = format!("ClusterImagePolicy {}", name_of(&policy.metadata));
        warn(&policy.spec, &object);
        add(&mut all.cluster, &policy.spec, &policy.spec.scopes, object)?;
    }
    let mut namespaced = view.policies.to_vec();
    namespaced.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    for policy in namespaced {
        let namespace = policy.metadata.namespace.clone().unwrap_or_default();
        let object = format!("ImagePolicy {namespace}/{}", name_of(&policy.metadata));
        let (_, own) = split(&policy.spec, &cluster);
        if !own.is_empty() {
            warn(&policy.spec, &object);
            add(all.namespaces.entry(namespace).or_default(), &policy.spec, &own, object)?;
        }
    }
    Ok(all)
}

fn add(scopes: &mut Scopes, spec: &ImagePolicySpec, of: &[String], object: String) -> Result<(), ImageError> {
    let wanted = requirement(&spec.policy).map_err(|error| ImageError::Signature { object, error })?;
    for scope in of {
        scopes.entry(scope.clone()).or_default().push(wanted.clone());
    }
    Ok(())
}

/// Scopes of an ImagePolicy inside one of a ClusterImagePolicy, and the other scopes.
pub(super) fn split(spec: &ImagePolicySpec, cluster: &[&ClusterImagePolicy]) -> (Vec<String>, Vec<String>) {
    let in_cluster =
        |scope: &String| cluster.iter().any(|policy| policy.spec.scopes.iter().any(|outer| is_nested(scope, outer)));
    spec.scopes.iter().cloned().partition(in_cluster)
}
