//! Rendering pools from manifests or a cluster.

use crate::rollout_objects::{POOL, object};
use anyhow::{Result, anyhow, bail};
use std::path::PathBuf;
use weir_api::{
    MachineConfigPool,
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP, OPERATOR_GROUP},
};
use weir_distro::Profile;
use weir_manifests::{Kind, Manifest, Rule, Want};
use weir_rules::{
    lint::Linter,
    render::{
        Build, Rendered,
        guard::{RuncGuard, WithoutRunc, runc_guard},
    },
    view::PoolView,
    world::World,
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
/// pool.
pub fn of_files(paths: &[PathBuf]) -> Result<World> {
    let (mut objects, mut linter) = (Vec::new(), None);
    let wants = KINDS.map(Want::all);
    let read = weir_manifests::read(paths, Rule::Objects(&wants));
    read.each(|manifest| {
        if manifest.name().is_empty() {
            bail!("{}: the {} has no name", manifest.place, manifest.kind());
        }
        warn(&manifest, &mut linter);
        objects.extend(object(&manifest)?);
        Ok(())
    })?
    .need(POOL)?;
    Ok(World::of(objects))
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
    let guard = runc(view.name, &rendered, parts.stream(), world.distribution())?;
    Ok((rendered, guard))
}

/// Without a distribution, an image counts as lacking runc if any distribution says so.
fn runc(pool: &str, rendered: &Rendered, stream: Option<&str>, distribution: Option<&Profile>) -> Result<RuncGuard> {
    let mut decided = RuncGuard::Clear;
    for profile in Profile::all().iter().filter(|p| distribution.is_none_or(|d| d.name == p.name)) {
        if decided == RuncGuard::Clear {
            decided = runc_guard(pool, rendered, stream, without_runc(profile))?;
        }
    }
    Ok(decided)
}

/// What a distribution knows about operating systems without runc.
#[must_use]
pub fn without_runc(profile: &Profile) -> WithoutRunc<'_> {
    WithoutRunc { streams: &profile.streams.without_runc, title: &profile.streams.without_runc_title }
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
