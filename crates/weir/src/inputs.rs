//! Rendering pools from manifests or a cluster.

use crate::rollout_objects::{POOL, object, readable, told};
use anyhow::{Result, anyhow, bail};
use std::path::PathBuf;
use weir_api::{
    MachineConfigPool,
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP, OPERATOR_GROUP},
};
use weir_images::cluster::Policy;
use weir_manifests::{Kind, Manifest, Rule, Want};
use weir_rules::{
    lint::Linter,
    render::{
        Build, Rendered,
        guard::{RuncGuard, runc_guard_of},
    },
    view::PoolView,
    world::{Settings, World},
};

/// What is read from files.
const KINDS: [Kind<'static>; 7] = [
    POOL,
    (MACHINE_CONFIG_GROUP, "MachineConfig"),
    (MACHINE_CONFIG_GROUP, "ControllerConfig"),
    (MACHINE_CONFIG_GROUP, "OSImageStream"),
    (CONFIG_GROUP, "FeatureGate"),
    (CONFIG_GROUP, "ClusterVersion"),
    (OPERATOR_GROUP, "MachineConfiguration"),
];

/// Reads from files, folders and archives what pools are rendered from.
///
/// # Errors
/// Everything that could not be read, every object with invalid fields, without a name, or defined twice; or there is no
/// pool. What a tool collected from a cluster is told and kept as unreadable instead (R-UNREADABLE-4).
pub fn of_files(paths: &[PathBuf]) -> Result<World> {
    let (mut objects, mut linter) = (Vec::new(), None);
    let wants = KINDS.map(Want::all);
    let read = weir_manifests::read(paths, Rule::Objects(&wants));
    read.each(|manifest| {
        warn(&manifest, &mut linter);
        let read = object(&manifest);
        objects.extend(if manifest.is_gathered() { readable(&manifest, read)? } else { read? });
        anyhow::Ok(())
    })?
    .need(POOL)?;
    Ok(told(World::of(objects)))
}

/// Warns of what an author wrote that counts for nothing, or for something else. What a cluster has taken is not looked at.
fn warn(manifest: &Manifest, linter: &mut Option<Linter>) {
    if manifest.object["metadata"]["uid"].is_string() {
        return;
    }
    for finding in linter.get_or_insert_default().lint(&manifest.object).iter().filter(|found| found.code.is_silent()) {
        let (file, line) = (manifest.place.file.display(), manifest.line_of(&finding.path));
        tell!("warning: {file}:{line}: {}: {finding}", manifest.title());
    }
}

/// What the objects of a cluster say about where images are.
#[must_use]
pub fn policy(settings: &Settings) -> Policy<'_> {
    Policy {
        image: settings.image.as_deref(),
        digest_sets: settings.digest_mirrors.iter().map(AsRef::as_ref).collect(),
        content_sources: settings.content_sources.iter().map(AsRef::as_ref).collect(),
        tag_sets: settings.tag_mirrors.iter().map(AsRef::as_ref).collect(),
    }
}

/// The pool of this name.
///
/// # Errors
/// When there is none.
pub fn pool<'w>(world: &'w World, name: &str) -> Result<&'w MachineConfigPool> {
    let named = |pool: &MachineConfigPool| pool.metadata.name.as_deref() == Some(name);
    world.pools.iter().map(AsRef::as_ref).find(|pool: &&MachineConfigPool| named(pool)).ok_or_else(|| {
        let known: Vec<&str> = world.pools.iter().filter_map(|pool| pool.metadata.name.as_deref()).collect();
        anyhow!("there is no MachineConfigPool {name}; there are: {}", known.join(", "))
    })
}

/// Renders a pool as the controllers would, whatever wrote the objects.
///
/// # Errors
/// When the pool cannot be rendered or must not be rolled out.
pub fn render(world: &World, pool: &MachineConfigPool) -> Result<Rendered> {
    let (rendered, guard) = guarded(world, pool)?;
    if let RuncGuard::AskImage { image, .. } = &guard {
        tracing::warn!("MachineConfigs of {} ask for runc; whether {image} has it is not looked up", rendered.name());
    }
    refuse(guard)?;
    Ok(rendered)
}

/// Renders a pool, and says whether the result may be rolled out.
///
/// # Errors
/// When the pool cannot be rendered.
pub fn guarded(world: &World, pool: &MachineConfigPool) -> Result<(Rendered, RuncGuard)> {
    let view = PoolView::new(pool);
    let (parts, _) = world.parts(&view, &world.pool_views())?;
    let rendered = parts.render(pool, &Build::ours())?;
    let guard = runc_guard_of(view.name, &rendered, parts.stream(), world.distribution())?;
    Ok((rendered, guard))
}

/// Turns what blocks a rollout into an error.
///
/// # Errors
/// When something does.
pub fn refuse(guard: RuncGuard) -> Result<()> {
    let RuncGuard::Inhibited(inhibitor) = guard else { return Ok(()) };
    let seen: Vec<String> = inhibitor.evidence.iter().map(ToString::to_string).collect();
    bail!("{} ({})", inhibitor.message, seen.join("; "))
}
