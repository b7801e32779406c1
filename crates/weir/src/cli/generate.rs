//! `weir generate`: the MachineConfigs that a cluster generates, from its objects, without a cluster.

use super::image_source::ImageSource;
use crate::{exit::Outcome, generate};
use anyhow::{Context as _, Result};
use clap::{ArgGroup, Args, ValueEnum};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;
use weir_api::kind::MACHINE_CONFIG_GROUP;
use weir_rules::world::generated::{Item, ReleaseTemplates};

/// From what, with which templates, printed how
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("of").required(true).args(["templates", "release"])))]
pub struct Generate {
    /// Files with manifests or lists, folders (read recursively) and archives of folders, such as a must-gather; `-` for
    /// standard input: a ControllerConfig, the Secret that it names, and other objects
    #[arg(short = 'f', long = "filename", visible_alias = "from", value_name = "FILE", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// Folder with templates, laid out like /etc/mcc/templates in a release's image machine-config-operator
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// Release whose templates are used: a pull spec, or oci:DIR for an OCI layout
    #[arg(long, value_name = "REF", value_parser = super::pull_spec::release)]
    release: Option<String>,
    /// How the MachineConfigs are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    source: ImageSource,
}

/// How objects are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// One `List`
    #[default]
    Yaml,
    /// One `List`
    Json,
    /// `machineconfig.machineconfiguration.openshift.io/NAME`
    Name,
}

impl Generate {
    /// Generates; an object from which nothing can be generated is reported on stderr and does not stop the others.
    ///
    /// # Errors
    /// When objects or templates cannot be read.
    pub fn run(&self) -> Result<Outcome> {
        let world = generate::of_files(&self.files)?;
        let templates = self.read_templates()?;
        let mut outcome = Outcome::Done;
        let mut made = Vec::new();
        for item in generate::all(&world, templates, Timestamp::now()) {
            match item {
                Item::Made(config) => made.push(*config),
                Item::Gone(_) => {}
                Item::Noticed { object, what } => tell!("warning: {object}: {what}"),
                Item::Refused { object, why } => {
                    tell!("error: {object}: {why}");
                    outcome = Outcome::Failed;
                }
            }
        }
        let text = match self.output {
            Output::Yaml => weir_manifests::to_yaml(&[list(&made)?])?,
            Output::Json => serde_json::to_string_pretty(&list(&made)?)? + "\n",
            Output::Name => made
                .iter()
                .map(|config| {
                    let name = config.metadata.name.as_deref().unwrap_or_default();
                    format!("machineconfig.{MACHINE_CONFIG_GROUP}/{name}\n")
                })
                .collect(),
        };
        super::print(text.as_bytes())?;
        Ok(outcome)
    }

    fn read_templates(&self) -> Result<ReleaseTemplates> {
        match (&self.templates, &self.release) {
            (Some(folder), _) => generate::of_folder(folder),
            (None, release) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let source = self.source.open()?;
                let reference = release.as_deref().unwrap_or_default();
                runtime.context("starting the runtime")?.block_on(generate::of_release(reference, source))
            }
        }
    }
}

fn list(made: &[weir_api::MachineConfig]) -> Result<Value> {
    let items = made.iter().map(serde_json::to_value).collect::<Result<Vec<Value>, _>>()?;
    Ok(json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items }))
}
