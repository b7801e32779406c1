//! Reads the templates of the release that the ControllerConfig names, and evaluates them for each pool.

use crate::{Access, templates};
use parking_lot::Mutex;
use std::sync::Arc;
use weir_api::{Class, ControllerConfig, controller_config::ControllerConfigSpec, keys::config::RELEASE_IMAGE_VERSION};
use weir_kubeio::drive::chain;
use weir_rules::{
    generated::base,
    render::Build,
    template::{TlsSettings, Tree},
    view::Annotations,
    world::{World, generated::ReleaseTemplates},
};

/// Why there are no templates.
#[derive(Debug)]
pub(super) struct Failure {
    /// For people.
    pub(super) said: String,
    /// Whether trying again can help although nothing changes.
    pub(super) is_transient: bool,
}

/// Reads and evaluates templates when something they depend on has changed.
#[derive(Debug)]
pub(super) struct Source {
    access: Access,
    /// Templates to use instead of the release's.
    given: Option<Arc<Tree>>,
    /// The templates that were last read, with the pull spec of their release.
    read: Mutex<Option<(String, Arc<ReleaseTemplates>)>>,
    evaluated: Mutex<Option<Evaluated>>,
}

/// The result of the last evaluation, and its inputs.
#[derive(Debug)]
struct Evaluated {
    templates: Arc<ReleaseTemplates>,
    spec: ControllerConfigSpec,
    tls: TlsSettings,
    pools: Vec<String>,
    of_pools: Arc<base::Templates>,
}

impl Source {
    pub(super) fn new(access: Access, given: Option<Arc<Tree>>) -> Self {
        Self { access, given, read: Mutex::default(), evaluated: Mutex::default() }
    }

    /// The templates of the release that the ControllerConfig is of.
    pub(super) async fn templates(&self, config: &ControllerConfig) -> Result<Arc<ReleaseTemplates>, Failure> {
        let image = &config.spec.release_image;
        if let Some((of, templates)) = &*self.read.lock()
            && of == image
        {
            return Ok(templates.clone());
        }
        let templates = Arc::new(match &self.given {
            Some(tree) => {
                let marked = Annotations::of(&config.metadata).get(RELEASE_IMAGE_VERSION).map(str::to_owned);
                ReleaseTemplates { tree: Tree::clone(tree), release: marked }
            }
            None => self.of_release(image).await?,
        });
        *self.read.lock() = Some((image.clone(), templates.clone()));
        Ok(templates)
    }

    async fn of_release(&self, image: &str) -> Result<ReleaseTemplates, Failure> {
        if image.is_empty() {
            let said = "the ControllerConfig names no release image, so there are no templates".to_owned();
            return Err(Failure { said, is_transient: false });
        }
        // What is missing is watched.
        let images = self.access.images().map_err(|error| Failure { said: chain(&error), is_transient: false })?;
        let release = images.release(image).await.map_err(|error| Failure {
            said: format!("the templates of release {image} cannot be read: {}", chain(&error)),
            is_transient: error.class() == Class::Transient,
        })?;
        let tree = templates::of_release(&images, &release)
            .await
            .map_err(|error| Failure { said: chain(&error), is_transient: error.class() == Class::Transient })?;
        Ok(ReleaseTemplates { tree, release: Some(release.version) })
    }

    /// The MachineConfigs of the templates for each pool.
    pub(super) fn of_pools(
        &self,
        world: &World,
        templates: &Arc<ReleaseTemplates>,
        build: &Build,
    ) -> Arc<base::Templates> {
        let spec = world.controller_config.as_ref().map(|config| config.spec.clone()).unwrap_or_default();
        let tls = world.tls();
        let pools: Vec<String> = world.pools.iter().filter_map(|pool| pool.metadata.name.clone()).collect();
        let mut evaluated = self.evaluated.lock();
        if let Some(last) = &*evaluated
            && Arc::ptr_eq(&last.templates, templates)
            && (&last.spec, &last.tls, &last.pools) == (&spec, &tls, &pools)
        {
            return last.of_pools.clone();
        }
        let of_pools = Arc::new(world.templates_of_pools(templates, build));
        *evaluated = Some(Evaluated { templates: templates.clone(), spec, tls, pools, of_pools: of_pools.clone() });
        of_pools
    }
}
