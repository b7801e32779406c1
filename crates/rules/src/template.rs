//! The MachineConfigs that every pool starts from, made from a release's templates and a ControllerConfig.
//!
//! R-TEMPLATE-1 Every folder of the tree except `common` is a role, and each folder in it makes a MachineConfig of the same name.
//! `arbiter` is used only in clusters with arbiters. Roles other than master, worker and arbiter use the worker's folders. All
//! MachineConfigs have different names.
//! R-TEMPLATE-2 A MachineConfig consists of layers; later layers take precedence ([`layers`]). The layers of `common` come before
//! those of the first folder of each role.
//! R-TEMPLATE-3 The files of a layer, identified by their names whatever folder below it they are in, replace those of earlier
//! layers. An empty file removes the earlier one; a file that renders to nothing but white space changes nothing.
//! R-TEMPLATE-4 Every file of every layer in use is evaluated, even if a later one replaces it: an error in it stops everything.
//! R-TEMPLATE-5 The results are merged in the order of their names ([`transpile`]). A MachineConfig with nothing in it is still
//! valid.
//! R-TEMPLATE-6 All or nothing: one error, and there is no MachineConfig at all.
//!
//! | module | decides |
//! |---|---|
//! | [`tree`] | which files a release's templates consist of |
//! | [`layers`] | which folders are used for a cluster, and in which order |
//! | [`data`] | what templates see of a cluster |
//! | [`functions`] | which functions they can call |
//! | [`tls`] | which TLS versions and ciphers a profile allows |
//! | [`transpile`] | what the output of a template means in terms of Ignition |
//! | `yaml` | how that output is read |
//! | [`login`] | the pull secret with the login for images that the cluster stores itself |
//! | [`certificates`] | which certificates a ControllerConfig holds |
//! | [`change`] | what is written to a MachineConfig in the cluster |
//! | [`status`] | what the ControllerConfig reports about all that |
//! | [`error`] | why nothing is generated |
//!
//! Source: `pkg/controller/template/render.go` of github.com/openshift/machine-config-operator; the last sentences of R-TEMPLATE-1
//! and R-TEMPLATE-5 are ours.

pub mod certificates;
pub mod change;
pub mod data;
pub mod error;
pub mod functions;
pub mod layers;
pub mod login;
pub mod status;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod transpile;
pub mod tree;
mod yaml;

pub use error::{RoleError, TemplateError};
pub use tls::TlsSettings;
pub use tree::{Node, Tree, TreeError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use std::{collections::BTreeMap, sync::Arc};
use weir_api::{
    ControllerConfig, MachineConfig,
    keys::{
        config,
        names::{ARBITER, MASTER, WORKER},
    },
    kind::{MACHINE_CONFIG_GROUP, V1},
    machine_config::MachineConfigSpec,
};
use weir_gotemplate::{Limits, Template};
use weir_ignition::Config;

/// The folder with the layers that all roles share.
const COMMON: &str = "common";
/// What a layer consists of; everything else in it is ignored.
const FILES: &str = "files";
const UNITS: &str = "units";
const EXTENSIONS: &str = "extensions";

/// What the templates are evaluated for.
#[derive(Clone, Copy, Debug)]
pub struct TemplateInput<'a> {
    /// The facts about the cluster. Its name and uid make it the owner of the result.
    pub controller_config: &'a ControllerConfig,
    /// The pull secret of all machines: the text of a Docker configuration. Absent if the ControllerConfig names none.
    pub pull_secret: Option<&'a str>,
    /// What the API server's profile allows.
    pub tls: &'a TlsSettings,
    /// Hash of the build that generates.
    pub build: &'a str,
    /// Version of the release that the templates belong to; an unknown one counts as new.
    pub release: Option<&'a str>,
}

/// Makes the MachineConfigs of all roles, in the order of roles and folders.
///
/// # Errors
/// The first problem with one of them, with role, file, line and column.
pub fn generate(tree: &Tree, input: &TemplateInput<'_>) -> Result<Vec<MachineConfig>, TemplateError> {
    let mut evaluation = Evaluation::new(tree, input)?;
    let has_arbiters = input.controller_config.spec.control_plane_topology() == Some(layers::WITH_ARBITER);
    let roles = tree.folders(&[]).filter(|role| *role != COMMON && (*role != ARBITER || has_arbiters));
    let mut configs: Vec<MachineConfig> = Vec::new();
    for role in roles {
        let failed = |cause| TemplateError::Role { role: role.to_owned(), cause: Box::new(cause) };
        for config in evaluation.role(role).map_err(failed)? {
            if let Some(name) = config.metadata.name.clone().filter(|name| named(&configs, name)) {
                return Err(failed(RoleError::SameName(name)));
            }
            configs.push(config);
        }
    }
    Ok(configs)
}

/// Makes the MachineConfigs of one role: the base that a pool of this name is generated on.
///
/// # Errors
/// As [`generate`].
pub fn of_role(tree: &Tree, input: &TemplateInput<'_>, role: &str) -> Result<Vec<MachineConfig>, TemplateError> {
    let failed = |cause| TemplateError::Role { role: role.to_owned(), cause: Box::new(cause) };
    Evaluation::new(tree, input)?.role(role).map_err(failed)
}

/// Which files of the tree a file of a MachineConfig comes from, in the order in which they are merged; none if it is not made from
/// this tree.
///
/// # Errors
/// As [`generate`].
pub fn templates_of_file(
    tree: &Tree,
    input: &TemplateInput<'_>,
    (role, config): (&str, &str),
    path: &str,
) -> Result<Vec<String>, TemplateError> {
    let failed = |cause| TemplateError::Role { role: role.to_owned(), cause: Box::new(cause) };
    let configs = Evaluation::new(tree, input)?.parts(role).map_err(failed)?;
    let of_config = configs.into_iter().find(|(name, _)| name == config).map(|(_, parts)| parts.files);
    let writes = |printed: &Printed| transpile::file(&printed.text).is_ok_and(|file| file["path"] == path);
    Ok(of_config.into_iter().flat_map(BTreeMap::into_values).filter(writes).map(|printed| printed.path).collect())
}

fn named(configs: &[MachineConfig], name: &str) -> bool {
    configs.iter().any(|config| config.metadata.name.as_deref() == Some(name))
}

/// A tree being evaluated for one cluster. What roles have in common is evaluated once.
struct Evaluation<'a> {
    tree: &'a Tree,
    input: &'a TemplateInput<'a>,
    data: weir_gotemplate::Value,
    functions: functions::OfCluster<'a>,
    /// The output of templates, by path.
    printed: BTreeMap<String, Arc<str>>,
}

/// The parts of a MachineConfig by file name: the path of each, and its output.
#[derive(Default)]
struct Parts {
    files: BTreeMap<String, Printed>,
    units: BTreeMap<String, Printed>,
    extensions: BTreeMap<String, Printed>,
}

struct Printed {
    path: String,
    text: Arc<str>,
}

impl<'a> Evaluation<'a> {
    fn new(tree: &'a Tree, input: &'a TemplateInput<'a>) -> Result<Self, TemplateError> {
        let spec = &input.controller_config.spec;
        let data = data::of(spec, input.pull_secret, input.tls)?;
        let functions = functions::OfCluster::new(spec.infra.as_ref());
        Ok(Self { tree, input, data, functions, printed: BTreeMap::new() })
    }

    fn role(&mut self, role: &str) -> Result<Vec<MachineConfig>, RoleError> {
        let parts = self.parts(role)?;
        parts.into_iter().map(|(name, parts)| self.config(role, &name, parts)).collect()
    }

    /// What each MachineConfig of a role consists of, by its name, in the order of folders.
    fn parts(&mut self, role: &str) -> Result<Vec<(String, Parts)>, RoleError> {
        let folder = if [MASTER, WORKER, ARBITER].contains(&role) { role } else { WORKER };
        if !matches!(self.tree.at(&[folder]), Some(Node::Folder(_))) {
            return Err(RoleError::NoFolder(folder.to_owned()));
        }
        let mut configs = Vec::new();
        for name in self.tree.folders(&[folder]) {
            let layers = layers::layers(&self.input.controller_config.spec, self.input.release)?;
            let mut parts = Parts::default();
            if configs.is_empty() {
                layers.iter().try_for_each(|layer| self.layer(&[COMMON, layer], &mut parts))?;
            }
            layers.iter().try_for_each(|layer| self.layer(&[folder, name, layer], &mut parts))?;
            configs.push((name.to_owned(), parts));
        }
        Ok(configs)
    }

    fn layer(&mut self, path: &[&str], parts: &mut Parts) -> Result<(), RoleError> {
        match self.tree.at(path) {
            None => return Ok(()),
            Some(Node::File(_)) => return Err(RoleError::NotAFolder(path.join("/"))),
            Some(Node::Folder(_)) => {}
        }
        let kinds = [(FILES, &mut parts.files), (UNITS, &mut parts.units), (EXTENSIONS, &mut parts.extensions)];
        for (kind, printed) in kinds {
            let path = [path, &[kind]].concat();
            match self.tree.at(&path) {
                None => {}
                Some(Node::File(_)) => return Err(RoleError::NotAFolder(path.join("/"))),
                Some(Node::Folder(entries)) => self.walk(&path.join("/"), entries, printed)?,
            }
        }
        Ok(())
    }

    fn walk(
        &mut self,
        path: &str,
        entries: &BTreeMap<String, Node>,
        printed: &mut BTreeMap<String, Printed>,
    ) -> Result<(), RoleError> {
        for (name, node) in entries {
            let path = format!("{path}/{name}");
            match node {
                Node::Folder(entries) => self.walk(&path, entries, printed)?,
                Node::File(text) if text.is_empty() => _ = printed.remove(name),
                Node::File(text) => {
                    let text = self.print(&path, text)?;
                    if !text.trim().is_empty() {
                        printed.insert(name.clone(), Printed { path, text });
                    }
                }
            }
        }
        Ok(())
    }

    fn print(&mut self, path: &str, text: &str) -> Result<Arc<str>, RoleError> {
        if let Some(printed) = self.printed.get(path) {
            return Ok(printed.clone());
        }
        let template = Template::parse(path, text, &self.functions).map_err(RoleError::Parse)?;
        let printed = template.execute(&self.data, &self.functions, Limits::default()).map_err(RoleError::Execute)?;
        let printed: Arc<str> = printed.into();
        self.printed.insert(path.to_owned(), printed.clone());
        Ok(printed)
    }

    fn config(&self, role: &str, name: &str, parts: Parts) -> Result<MachineConfig, RoleError> {
        let mut merged = Config::empty();
        for Printed { path, text } in parts.files.values() {
            let file = transpile::file(text).map_err(|why| RoleError::File { path: path.clone(), why })?;
            merged = merged.merge(Config::of_parts(vec![file], Vec::new()));
        }
        for Printed { path, text } in parts.units.values() {
            let unit = transpile::unit(text).map_err(|why| RoleError::Unit { path: path.clone(), why })?;
            merged = merged.merge(Config::of_parts(Vec::new(), vec![unit]));
        }
        let extensions: Vec<String> = parts.extensions.into_keys().collect();
        let owner = &self.input.controller_config.metadata;
        let mut config = MachineConfig::named(
            name,
            MachineConfigSpec {
                config: Some(merged.into_value()),
                extensions: (!extensions.is_empty()).then_some(extensions),
                fips: Some(false),
                ..MachineConfigSpec::default()
            },
        );
        config.metadata = ObjectMeta {
            labels: Some([(config::ROLE.to_owned(), role.to_owned())].into()),
            annotations: Some(
                [(config::GENERATED_BY_CONTROLLER_VERSION.to_owned(), self.input.build.to_owned())].into(),
            ),
            owner_references: Some(vec![OwnerReference {
                api_version: format!("{MACHINE_CONFIG_GROUP}/{V1}"),
                kind: "ControllerConfig".to_owned(),
                name: owner.name.clone().unwrap_or_default(),
                uid: owner.uid.clone().unwrap_or_default(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            }]),
            ..config.metadata
        };
        Ok(config)
    }
}
