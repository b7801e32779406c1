//! What is generated from the settings of kubelets, container runtimes and registries.

use super::{Given, Item};
use jiff::Timestamp;
use std::fmt::Display;
use weir_api::{
    MachineConfig, MachineConfigPool,
    keys::gates::{ADDITIONAL_STORAGE_CONFIG, CRIO_CREDENTIAL_PROVIDER_CONFIG, SIGSTORE_IMAGE_VERIFICATION},
};
use weir_rules::{
    kubelet::{self, node_config},
    runtime::{
        credentials::{self, CredentialsView},
        image::{self, ImageView},
        mirrors::MirrorSets,
        sync::{self as runtime, RuntimeView},
    },
};

/// `97-`: what follows from nodes.config.
pub(super) fn of_node_config(given: &Given<'_>, _: Timestamp) -> Vec<Item> {
    match with_kubelets(given, node_config::node_config) {
        Ok(plan) => planned(plan),
        Err(error) => vec![Item::refused("Node.config.openshift.io cluster", error)],
    }
}

/// `98-`: what follows from the feature gates; nothing while they are not known.
pub(super) fn of_feature_gates(given: &Given<'_>, _: Timestamp) -> Vec<Item> {
    match &given.gates {
        None => Vec::new(),
        Some(Err(error)) => vec![Item::refused("FeatureGate cluster", error.clone())],
        Some(Ok(_)) => planned(with_kubelets(given, node_config::feature_gates)),
    }
}

fn planned(plan: node_config::Plan) -> Vec<Item> {
    let failed =
        plan.failed.into_iter().map(|(pool, error)| Item::refused(&format!("MachineConfigPool {pool}"), error));
    made(plan.writes).chain(failed).collect()
}

/// `99-…-kubelet`.
pub(super) fn of_kubelet_configs(given: &Given<'_>, now: Timestamp) -> Vec<Item> {
    let outcomes = with_kubelets(given, |view| kubelet::sync::generate(view, now));
    let of = |(name, outcome): (String, kubelet::sync::Outcome)| {
        let object = format!("KubeletConfig {name}");
        let warnings = outcome.warnings.iter().map(|warning| Item::noticed(&object, warning)).collect::<Vec<_>>();
        let error = outcome.error.map(|error| Item::refused(&object, error));
        made(outcome.writes).chain(warnings).chain(error).collect::<Vec<_>>()
    };
    outcomes.into_iter().flat_map(of).collect()
}

fn with_kubelets<T>(given: &Given<'_>, decide: impl FnOnce(&kubelet::View<'_>) -> T) -> T {
    decide(&kubelet::View {
        controller_config: Some(&given.complete),
        pools: &given.pools(),
        configs: &given.objects.kubelet_configs.iter().collect::<Vec<_>>(),
        machine_configs: &[],
        templates: &given.of_pools,
        gates: &given.known_gates(),
        node_config: given.objects.node_config.as_ref(),
        build: &given.build.hash,
        release: given.release,
        is_adopting: false,
    })
}

/// `99-…-containerruntime`.
pub(super) fn of_runtime_configs(given: &Given<'_>, now: Timestamp) -> Vec<Item> {
    let view = RuntimeView {
        controller_config: Some(&given.complete),
        pools: &given.pools(),
        configs: &given.objects.runtime_configs.iter().collect::<Vec<_>>(),
        machine_configs: &[],
        templates: &given.of_pools,
        with_stores: given.is_on(ADDITIONAL_STORAGE_CONFIG),
        build: &given.build.hash,
        is_adopting: false,
    };
    let of = |(name, outcome): (String, runtime::RuntimeOutcome)| {
        let error = outcome.error.map(|error| Item::refused(&format!("ContainerRuntimeConfig {name}"), error));
        made(outcome.writes).chain(error).collect::<Vec<_>>()
    };
    runtime::generate(&view, now).into_iter().flat_map(of).collect()
}

/// `99-…-registries`; nothing without an Image configuration.
pub(super) fn of_registries(given: &Given<'_>, now: Timestamp) -> Vec<Item> {
    let objects = given.objects;
    let verifies = given.is_on(SIGSTORE_IMAGE_VERIFICATION);
    let plan = image::sync(
        &ImageView {
            pools: &given.pools(),
            machine_configs: &[],
            templates: &given.of_pools,
            image: objects.image.as_ref(),
            release: Some(given.complete.spec.release_image.as_str()).filter(|image| !image.is_empty()),
            mirrors: MirrorSets {
                digest: &objects.digest_mirrors.iter().collect::<Vec<_>>(),
                tag: &objects.tag_mirrors.iter().collect::<Vec<_>>(),
                content_source: &objects.content_sources.iter().collect::<Vec<_>>(),
            },
            cluster_policies: &objects.cluster_policies.iter().filter(|_| verifies).collect::<Vec<_>>(),
            policies: &objects.policies.iter().filter(|_| verifies).collect::<Vec<_>>(),
            build: &given.build.hash,
        },
        now,
    );
    const OBJECT: &str = "Image.config.openshift.io cluster";
    let warnings = plan.warnings.iter().map(|warning| Item::noticed(OBJECT, warning)).collect::<Vec<_>>();
    made(plan.writes).chain(warnings).chain(plan.error.map(|error| Item::refused(OBJECT, error))).collect()
}

/// `99-…-credential-provider-config`, while its gate is on.
pub(super) fn of_credentials(given: &Given<'_>, now: Timestamp) -> Vec<Item> {
    let config = given.objects.credential_providers.as_ref().filter(|_| given.is_on(CRIO_CREDENTIAL_PROVIDER_CONFIG));
    let Some(config) = config else { return Vec::new() };
    let plan = credentials::sync(
        &CredentialsView {
            controller_config: &given.complete,
            pools: &given.pools(),
            machine_configs: &[],
            templates: &given.of_pools,
            config,
            build: &given.build.hash,
        },
        now,
    );
    let error = plan.error.map(|error| Item::refused("CRIOCredentialProviderConfig cluster", error));
    made(plan.writes).chain(error).collect()
}

fn made(configs: Vec<MachineConfig>) -> impl Iterator<Item = Item> {
    configs.into_iter().map(|config| Item::Made(Box::new(config)))
}

impl Given<'_> {
    fn pools(&self) -> Vec<&MachineConfigPool> {
        self.objects.pools.iter().collect()
    }
}

impl Item {
    fn noticed(object: &str, what: impl Display) -> Self {
        Self::Noticed { object: object.to_owned(), what: what.to_string() }
    }

    fn refused(object: &str, why: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Refused { object: object.to_owned(), why: why.into() }
    }
}
