//! Whether something can be built for a MachineOSConfig now, and what.
//!
//! R-READY-1 What cannot work until a user changes something is refused, all of it at once: names and references (R-LIMITS), a pool
//! that is not there, packages (R-EXTENSIONS), the Containerfile (R-VALIDATION), files of the MachineConfig (R-ROOT), and what the
//! builder at hand cannot make (R-STEPS), and a release without an image to build on (R-BUILD-BASE-4).
//! R-READY-2 While the pool is yet to be rendered, or is about to be rendered with another image (R-BUILD-BASE-2, R-SEED-7), the build
//! waits.
//! R-READY-3 A second MachineOSConfig for a pool is refused alone: the pool continues with the first (R-LIMITS-3).

use super::{
    base::{Base, NoBase, base},
    containerfile::{Laying, Recipe, containerfile, of_user},
    extensions::{Packages, packages},
    identity::{NoIdentity, build_of},
    inputs::certificates,
    limits::{Limit, limits},
    pinned::pinned,
    root::root,
    steps::{NotMade, steps},
    validation::validate,
};
use crate::{view::PoolView, world::World};
use std::sync::Arc;
use weir_api::{MachineConfig, MachineOSBuild, MachineOSConfig};

/// What a builder can do.
#[derive(Clone, Copy, Debug)]
pub struct Ability<'a> {
    /// Whether it runs programs of the base image, and steps of the user.
    pub programs: bool,
    /// Architecture that it builds for, as Go calls it.
    pub architecture: &'a str,
}

/// What is to be built.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The build.
    pub target: MachineOSBuild,
    /// The rendered MachineConfig.
    pub rendered: Arc<MachineConfig>,
    /// What it is built on.
    pub base: Base,
    /// Its steps.
    pub containerfile: String,
}

/// Why nothing is built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// A user has to change something first.
    #[error("{}", .0.join("; "))]
    Refused(Vec<String>),
    /// Another MachineOSConfig counts for the pool.
    #[error("{0}")]
    Second(Limit),
    /// It resolves by itself.
    #[error("{0}")]
    Waiting(String),
}

/// What is to be built for a MachineOSConfig.
///
/// # Errors
/// With why nothing is.
pub fn ready(world: &World, config: &MachineOSConfig, ability: Ability<'_>) -> Result<Ready, NotReady> {
    let all: Vec<&MachineOSConfig> = world.os_configs.iter().map(AsRef::as_ref).collect();
    let found = limits(config, &all);
    if let Some(second) = found.iter().find(|limit| matches!(limit, Limit::Second { .. })) {
        return Err(NotReady::Second(second.clone()));
    }
    if !found.is_empty() {
        return Err(NotReady::Refused(found.iter().map(ToString::to_string).collect()));
    }
    let pools = world.pool_views();
    let name = &config.spec.machine_config_pool.name;
    let Some(pool) = pools.iter().find(|pool| pool.name == name) else {
        return Err(NotReady::Refused(vec![no_such_pool(name)]));
    };
    let (target, rendered, base) = rendered(world, config, pool, &pools)?;
    let mut refused = Vec::new();
    let packages = packages(&rendered, &base, ability.architecture).unwrap_or_else(|error| {
        refused.push(error.to_string());
        Packages::default()
    });
    let laying = if ability.programs { Laying::Programs } else { Laying::Files };
    let recipe = Recipe {
        pool: name,
        rendered: &target.spec.machine_config.name,
        base: &base,
        packages: &packages,
        certificates: certificates(world.controller_config.as_deref()).is_some(),
        laying,
        files: config.spec.container_file.as_deref().unwrap_or_default(),
    };
    let containerfile = containerfile(&recipe);
    refused.extend(validate(&containerfile).err().map(|error| error.to_string()));
    if !ability.programs {
        if !packages.extensions.is_empty() || packages.kernel.is_some() {
            let why = "extensions and kernel types are packages, and this builder, which runs no program, installs none: \
                       remove them from the pool's MachineConfigs";
            refused.push(why.to_owned());
        }
        refused.extend(root(&rendered).err().map(|error| error.to_string()));
        if refused.is_empty() {
            // The lines of the user's file are told, and what is generated before it is not counted.
            let own = of_user(recipe.files).map_or(0, |text| text.lines().count());
            let before = containerfile.lines().count().saturating_sub(own);
            let users = |error: NotMade| NotMade { line: error.line.saturating_sub(before), ..error };
            refused.extend(steps(&containerfile, &base.image).map_err(users).err().map(|error| error.to_string()));
        }
    }
    if refused.is_empty() {
        Ok(Ready { target, rendered, base, containerfile })
    } else {
        Err(NotReady::Refused(refused))
    }
}

/// That the pool of a MachineOSConfig does not exist.
pub(crate) fn no_such_pool(name: &str) -> String {
    format!("there is no MachineConfigPool {name:?}: make it, or name another in spec.machineConfigPool")
}

/// The build of what the pool is rendered to, and what it is built on.
fn rendered(
    world: &World,
    config: &MachineOSConfig,
    pool: &PoolView<'_>,
    pools: &[PoolView<'_>],
) -> Result<(MachineOSBuild, Arc<MachineConfig>, Base), NotReady> {
    let waits = |why: &dyn ToString| NotReady::Waiting(why.to_string());
    let target = pool.target.ok_or_else(|| waits(&"the pool is yet to be rendered"))?;
    if let Some(pinned) = pinned(world, pool.object).filter(|pinned| pinned.asked.is_some()) {
        return Err(waits(&pinned));
    }
    let rendered = world.config(target).cloned();
    let rendered = rendered.ok_or_else(|| waits(&format!("MachineConfig {target} is not there yet")))?;
    let stream = world.stream(pool, pools).map_err(|error| waits(&error.message(pool.object)))?;
    let sources = pool.object.spec.configuration.iter().flat_map(|found| found.source.iter().flatten());
    let names_image = |name: &str| {
        let image = world.config(name).and_then(|config| config.spec.os_image_url.as_deref());
        image.is_some_and(|image| !image.is_empty())
    };
    let overridden = sources.filter_map(|source| source.name()).any(names_image);
    let base = base(&rendered, &stream, overridden).map_err(|error| match error {
        NoBase::Behind { .. } => waits(&error),
        NoBase::NoImage(_) => NotReady::Refused(vec![error.to_string()]),
    })?;
    match build_of(pool.object, config, &rendered) {
        Ok(build) => Ok((build, rendered, base)),
        Err(error @ NoIdentity::Text(_)) => Err(NotReady::Refused(vec![error.to_string()])),
        Err(error) => Err(waits(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::identity::tests::sample, *};
    use weir_api::{machine_os_config::ContainerFile, references::NameReference};

    const LAYERS: Ability<'static> = Ability { programs: false, architecture: "amd64" };

    /// A world with a pool in image mode that is rendered, and streams off.
    fn world(change: impl FnOnce(&mut MachineOSConfig, &mut MachineConfig)) -> World {
        let (pool, mut config, mut rendered) = sample();
        rendered.spec.extensions = None;
        rendered.spec.kernel_type = None;
        change(&mut config, &mut rendered);
        World::of([pool.into(), config.into(), rendered.into()])
    }

    fn said(world: &World) -> String {
        match ready(world, &world.os_configs[0], LAYERS) {
            Ok(found) => found.target.metadata.name.unwrap(),
            Err(NotReady::Refused(why)) => format!("refused: {}", why.join("; ")),
            Err(NotReady::Second(why)) => format!("second: {why}"),
            Err(NotReady::Waiting(why)) => format!("waits: {why}"),
        }
    }

    fn user(text: &str) -> impl FnOnce(&mut MachineOSConfig, &mut MachineConfig) {
        let file =
            ContainerFile { containerfile_arch: "NoArch".into(), content: text.to_owned(), ..ContainerFile::default() };
        move |config, _| config.spec.container_file = Some(vec![file])
    }

    #[test]
    fn what_can_be_built_is_named_after_what_goes_into_it() {
        let (pool, config, rendered) = sample();
        let expected = build_of(&pool, &config, &rendered).unwrap().metadata.name.unwrap();
        assert_eq!(said(&world(|_, _| {})), expected);
        let with_user = said(&world(user("FROM configs AS final\nCOPY <<E /etc/motd\nhello\nE\n")));
        assert!(with_user.starts_with("worker-") && with_user != expected, "{with_user}");
    }

    #[test]
    fn what_cannot_work_is_refused_with_all_that_is_wrong() {
        for (world, says) in [
            (world(user("FROM configs AS final\nRUN a")), "refused: line 2 of the Containerfile, \"RUN a\""),
            (world(user("FROM configs AS final\nINSTALL a")), "refused: Containerfile validation failed: unknown"),
            (world(|_, rendered| rendered.spec.extensions = Some(vec!["usbguard".into()])), "installs none"),
            (world(|_, rendered| rendered.spec.extensions = Some(vec!["nonsense".into()])), "invalid extensions"),
            (world(|config, _| config.spec.rendered_image_push_spec = "a.io/b/c/d:e".into()), "refused: spec.rendered"),
            (
                world(|config, _| config.spec.machine_config_pool = NameReference::to("infra")),
                "no MachineConfigPool \"infra\"",
            ),
            (world(|_, rendered| rendered.spec.os_image_url = None), "names no OS image, as the release"),
        ] {
            let found = said(&world);
            assert!(found.contains(says), "{says}: {found}");
        }
    }
}
