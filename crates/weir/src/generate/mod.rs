//! What a cluster would generate, from objects in files.
//!
//! [`GENERATORS`] is the one list of what makes MachineConfigs of other objects; `weir generate` prints what they make.

mod objects;
mod source;

pub use objects::{Objects, of_files};
pub use source::{Templates, of_folder, of_release};

use anyhow::Error;
use weir_api::{MachineConfig, keys::config::RELEASE_IMAGE_VERSION};
use weir_rules::{
    render::Build,
    template::{TemplateInput, TlsSettings, generate, login},
    view::Annotations,
};

/// An object of which nothing is generated.
#[derive(Debug)]
pub struct Refused {
    /// Kind and name.
    pub object: String,
    /// Why.
    pub why: Error,
}

/// Makes MachineConfigs of objects: each, or why one of the objects makes none.
pub type Generator = fn(&Objects, &Templates) -> Vec<Result<MachineConfig, Refused>>;

/// Everything that generates, in the order in which it comes into a rendering.
pub const GENERATORS: [Generator; 1] = [of_templates];

/// What is generated of the objects.
pub fn all<'a>(
    objects: &'a Objects,
    templates: &'a Templates,
) -> impl Iterator<Item = Result<MachineConfig, Refused>> + 'a {
    GENERATORS.into_iter().flat_map(|generator| generator(objects, templates))
}

/// `00-` and `01-`: what every pool begins with.
fn of_templates(objects: &Objects, templates: &Templates) -> Vec<Result<MachineConfig, Refused>> {
    made(objects, templates).unwrap_or_else(|why| {
        let name = objects.controller_config.metadata.name.as_deref().unwrap_or_default();
        vec![Err(Refused { object: format!("ControllerConfig {name}"), why })]
    })
}

fn made(objects: &Objects, templates: &Templates) -> anyhow::Result<Vec<Result<MachineConfig, Refused>>> {
    let config = &objects.controller_config;
    let pull_secret = login::pull_secret(&config.spec, &objects.secrets())?;
    let server = objects.api_server.as_ref();
    let tls = TlsSettings::of(server.and_then(|server| server.spec.tls_security_profile.as_ref()));
    let marked = Annotations::of(&config.metadata).get(RELEASE_IMAGE_VERSION);
    let build = Build::ours();
    let input = TemplateInput {
        controller_config: config,
        pull_secret: pull_secret.as_deref(),
        tls: &tls,
        build: &build.hash,
        release: templates.release.as_deref().or(marked),
    };
    Ok(generate(&templates.tree, &input)?.into_iter().map(Ok).collect())
}
