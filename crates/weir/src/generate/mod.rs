//! What a cluster would generate, from objects in files.

mod objects;
mod source;

pub use objects::{SETTINGS, Take, of_files, setting, take};
pub use source::{of_folder, of_release, of_sample};

use jiff::Timestamp;
use weir_api::keys::config::RELEASE_IMAGE_VERSION;
use weir_rules::{
    render::Build,
    view::Annotations,
    world::{
        World,
        generated::{Generators, Item, ReleaseTemplates},
    },
};

/// What is generated from the objects, or why it is not. Templates that do not say which release they are of are of the
/// ControllerConfig's.
#[must_use]
pub fn all(world: &World, mut templates: ReleaseTemplates, now: Timestamp) -> Vec<Item> {
    let config = world.controller_config.as_ref();
    let marked = || Some(Annotations::of(&config?.metadata).get(RELEASE_IMAGE_VERSION)?.to_owned());
    templates.release = templates.release.or_else(marked);
    let build = Build::ours();
    let of_pools = world.templates_of_pools(&templates, &build);
    Generators::new(world, &templates, &of_pools, &build, now).all(now)
}
