//! Rendering before there is a cluster: from the installer's manifests to the files that the first machines read.
//!
//! | module | step |
//! |---|---|
//! | `collect` | which objects are used |
//! | `generated` | MachineConfigs of the templates, where templates are given |
//! | `pre_built` | MachineConfigs for pools with a pre-built image |
//! | `streams` | the release's OS image streams, by inspecting its images |
//! | `write` | the files |
//!
//! Everything is computed before anything is written.
//!
//! Source: `pkg/controller/bootstrap/bootstrap.go` of github.com/openshift/machine-config-operator, which this can
//! replace. Without templates, the MachineConfigs that the reference generates from them are read from the manifests.

mod collect;
mod generated;
mod pre_built;
mod streams;
mod write;

use crate::{
    cli::bootstrap::Bootstrap,
    inputs::{guarded, refuse},
};
use anyhow::{Context as _, Result, bail};
use collect::Collected;
use k8s_openapi::api::core::v1::Secret;
use streams::Streams;
use weir_api::{
    MachineConfig, MachineConfigPool,
    docker_config::SECRET_TYPE,
    pool::{PoolConfiguration, SourceReference},
};
use weir_images::Authfile;
use weir_manifests::Rule;
use weir_rules::view::Annotations;
use weir_rules::{
    render::guard::{RuncGuard, WithoutRunc},
    world::World,
};

/// Version of a build that does not belong to a release.
const NO_RELEASE: &str = "0.0.1-snapshot";

/// Reads, renders, writes.
///
/// # Errors
/// The first thing that cannot be read, rendered or written.
pub fn run(arguments: &Bootstrap) -> Result<()> {
    let folder = &arguments.manifest_dir;
    let (pull_secret, logins) = pull_secret(&arguments.pull_secret)?;
    let manifests = weir_manifests::read(std::slice::from_ref(folder), Rule::OneFolder);
    let mut collected = Collected::of(manifests).context("error parsing manifests")?;
    if collected.world.controller_config.is_none() {
        bail!("error: no controllerconfig found in dir: {folder:?}");
    }
    let version = version(arguments, &collected);
    if collected.world.feature_gate.is_none() {
        bail!("error: no featuregate found in dir: {folder:?}");
    }
    collected.world.release = Some(version.clone());
    let has_streams = collected.world.has_streams().context("error creating feature gates handler")?;
    if let Some(folder) = &arguments.templates {
        generated::add(folder, pull_secret, &mut collected)?;
    } else if let Some(object) = collected.settings.first() {
        bail!(
            "{object}: MachineConfigs are generated from it with the templates of the release: name their folder with --templates, or \
             put the MachineConfigs among the manifests instead of it"
        );
    }
    pre_built::add(&mut collected)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let streams = Streams::new(arguments, &collected, logins)?;
    collected.world.profile = arguments.distribution;
    if has_streams {
        collected.world.profile =
            Some(runtime.block_on(streams.find(&mut collected, arguments.distribution, &version))?);
    }
    let mut configs = Vec::new();
    let mut configured = Vec::new();
    for pool in &collected.world.pools {
        let rendered = runtime
            .block_on(render(&collected.world, pool, &streams))
            .with_context(|| format!("pool {}", pool.metadata.name.as_deref().unwrap_or_default()))?;
        configured.push(configured_pool(MachineConfigPool::clone(pool), &rendered, &collected.order));
        configs.push(rendered);
    }
    write::write(&arguments.dest_dir, &configured, &configs, &collected)
}

/// The given release version, else that of a build without release, else the ControllerConfig's.
fn version(arguments: &Bootstrap, collected: &Collected) -> String {
    if let Some(version) = &arguments.release_version {
        return version.clone();
    }
    let status = collected.world.feature_gate.as_ref().and_then(|f| f.status.as_ref());
    let known = |version: &str| status.is_some_and(|s| s.feature_gates.iter().any(|list| list.version == version));
    let config = collected.world.controller_config.as_ref();
    let written =
        config.and_then(|config| Annotations::of(&config.metadata).get(weir_api::keys::config::RELEASE_IMAGE_VERSION));
    match written {
        Some(version) if !known(NO_RELEASE) && known(version) => version.to_owned(),
        _ => NO_RELEASE.to_owned(),
    }
}

/// The Secret, and the logins in it.
fn pull_secret(path: &std::path::Path) -> Result<(Secret, Authfile)> {
    let place = || format!("pull secret {}", path.display());
    let all = weir_manifests::read(&[path.to_owned()], Rule::OneFolder);
    let found = all.into_iter().collect::<Result<Vec<_>, _>>().with_context(place)?;
    let secret = found.first().with_context(place)?;
    if (secret.group(), secret.kind()) != ("", "Secret") {
        bail!("{}: expected *corev1.Secret found {}", place(), secret.kind());
    }
    let found = secret.object["type"].as_str().unwrap_or_default();
    if found != SECRET_TYPE {
        bail!("{}: expected secret type {SECRET_TYPE} found {found}", place());
    }
    // An Authfile can also be read from the Secret that contains it.
    let text = serde_json::to_vec(&secret.object)?;
    Ok((secret.read().with_context(place)?, Authfile::parse(&text).with_context(place)?))
}

async fn render(world: &World, pool: &MachineConfigPool, streams: &Streams) -> Result<MachineConfig> {
    let (rendered, guard) = guarded(world, pool)?;
    match (guard, world.profile) {
        (RuncGuard::AskImage { image, inhibitor }, Some(profile)) => {
            let labels = streams.labels(&image).await.with_context(|| format!("failed to inspect OS image {image}"))?;
            let asked = RuncGuard::AskImage { image, inhibitor };
            refuse(asked.with_labels(&labels, WithoutRunc::of(profile)))?;
        }
        (guard, _) => refuse(guard)?,
    }
    Ok(rendered.config)
}

/// The pool in its initial state: on its configuration, with all MachineConfigs as its sources.
fn configured_pool(mut pool: MachineConfigPool, rendered: &MachineConfig, all: &[String]) -> MachineConfigPool {
    let mut configuration = PoolConfiguration {
        source: Some(all.iter().map(|name| SourceReference::to(name)).collect()),
        ..PoolConfiguration::default()
    };
    configuration.reference.name.clone_from(&rendered.metadata.name);
    pool.spec.configuration = Some(configuration.clone());
    pool.status.get_or_insert_default().configuration = Some(configuration);
    pool
}
