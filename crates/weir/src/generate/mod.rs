//! What a cluster would generate, from objects in files.
//!
//! [`GENERATORS`] is the one list of what makes MachineConfigs of other objects; `weir generate` prints what they make.

mod objects;
mod settings;
mod source;

pub use objects::{Objects, of_files};
pub use source::{Templates, of_folder, of_release};

use anyhow::Error;
use jiff::Timestamp;
use std::collections::BTreeMap;
use weir_api::{
    ControllerConfig, MachineConfig, feature_gate::FeatureGateDetails, keys::config::RELEASE_IMAGE_VERSION,
};
use weir_distro::ReleaseVersion;
use weir_rules::{
    generated::base,
    render::Build,
    stream::gates::{GatesError, gate_list},
    template::{
        TemplateInput, TlsSettings, generate, login, of_role,
        status::{Progress, status},
    },
    view::Annotations,
};

/// What came of one object.
#[derive(Debug)]
pub enum Item {
    /// A MachineConfig.
    Made(Box<MachineConfig>),
    /// An object of which nothing is generated.
    Refused {
        /// Kind and name.
        object: String,
        /// Why.
        why: Error,
    },
    /// Something in an object that users should know although nothing fails.
    Noticed {
        /// Kind and name.
        object: String,
        /// What.
        what: String,
    },
}

/// Makes MachineConfigs of objects.
type Generator = fn(&Given<'_>, Timestamp) -> Vec<Item>;

/// Everything that generates, in the order in which it comes into a rendering.
const GENERATORS: [Generator; 7] = [
    of_templates,
    settings::of_node_config,
    settings::of_feature_gates,
    settings::of_kubelet_configs,
    settings::of_runtime_configs,
    settings::of_registries,
    settings::of_credentials,
];

/// No logins: generators read no file that has them.
const NO_LOGINS: &str = "{}";
/// What is not known counts as new.
const NEWEST: ReleaseVersion = ReleaseVersion { major: u32::MAX, minor: 0 };

/// What is generated from the objects, or why it is not.
#[must_use]
pub fn all(objects: &Objects, templates: &Templates, now: Timestamp) -> Vec<Item> {
    let given = Given::new(objects, templates, now);
    GENERATORS.into_iter().flat_map(|generator| generator(&given, now)).collect()
}

/// What all generators look at.
struct Given<'a> {
    objects: &'a Objects,
    templates: &'a Templates,
    /// The ControllerConfig, said to be complete: its templates are evaluated here.
    complete: ControllerConfig,
    /// What the templates give for each pool.
    of_pools: base::Templates,
    /// The list of feature gates that counts; absent without a FeatureGate.
    gates: Option<Result<&'a FeatureGateDetails, GatesError>>,
    version: Option<&'a str>,
    release: ReleaseVersion,
    build: Build,
}

impl<'a> Given<'a> {
    fn new(objects: &'a Objects, templates: &'a Templates, now: Timestamp) -> Self {
        let config = &objects.controller_config;
        let marked = Annotations::of(&config.metadata).get(RELEASE_IMAGE_VERSION);
        let version = templates.release.as_deref().or(marked);
        let build = Build::ours();
        let mut complete = config.clone();
        complete.status = status(config, Progress::Completed, &build.raw, now).or(complete.status);
        let gates = objects.feature_gate.as_ref();
        let mut given = Self {
            objects,
            templates,
            complete,
            of_pools: BTreeMap::new(),
            gates: gates.map(|object| gate_list(Some(object), version, objects.cluster_version.as_ref())),
            version,
            release: version.and_then(|version| version.parse().ok()).unwrap_or(NEWEST),
            build,
        };
        let tls = given.tls();
        let input = given.input(&tls, Some(NO_LOGINS));
        let of = |pool: &str| of_role(&templates.tree, &input, pool).map_err(|error| error.to_string());
        let pools = objects.pools.iter().filter_map(|pool| pool.metadata.name.as_deref());
        let of_pools = pools.map(|pool| (pool.to_owned(), of(pool))).collect();
        given.of_pools = of_pools;
        given
    }

    fn tls(&self) -> TlsSettings {
        let server = self.objects.api_server.as_ref();
        TlsSettings::of(server.and_then(|server| server.spec.tls_security_profile.as_ref()))
    }

    fn input<'b>(&'b self, tls: &'b TlsSettings, pull_secret: Option<&'b str>) -> TemplateInput<'b> {
        TemplateInput {
            controller_config: &self.objects.controller_config,
            pull_secret,
            tls,
            build: &self.build.hash,
            release: self.version,
        }
    }

    /// The feature gates that are known, and whether they are on.
    fn known_gates(&self) -> BTreeMap<String, bool> {
        let Some(Ok(list)) = &self.gates else { return BTreeMap::new() };
        let of = |gates: &[weir_api::feature_gate::GateName], on| {
            gates.iter().map(|gate| (gate.name.clone(), on)).collect::<Vec<_>>()
        };
        of(&list.enabled, true).into_iter().chain(of(&list.disabled, false)).collect()
    }

    fn is_on(&self, gate: &str) -> bool {
        self.known_gates().get(gate).copied().unwrap_or_default()
    }
}

/// `00-` and `01-`: what every pool begins with.
fn of_templates(given: &Given<'_>, _: Timestamp) -> Vec<Item> {
    let config = &given.objects.controller_config;
    let made = || {
        let pull_secret = login::pull_secret(&config.spec, &given.objects.secrets())?;
        let configs = generate(&given.templates.tree, &given.input(&given.tls(), pull_secret.as_deref()))?;
        Ok(configs.into_iter().map(|config| Item::Made(Box::new(config))).collect())
    };
    made().unwrap_or_else(|why| {
        let name = config.metadata.name.as_deref().unwrap_or_default();
        vec![Item::Refused { object: format!("ControllerConfig {name}"), why }]
    })
}
