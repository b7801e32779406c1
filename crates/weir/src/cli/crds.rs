//! `weir crds`: the CustomResourceDefinitions, generated from the API types.

use crate::exit::Outcome;
use anyhow::Context as _;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use std::path::{Path, PathBuf};
use weir_api::crds::{FeatureSet, crds, name, own};

/// What to print.
#[derive(Debug, clap::Args)]
pub struct Crds {
    /// Feature set whose fields the definitions include
    #[arg(long, value_name = "SET", default_value = FeatureSet::Default.name(), value_parser = feature_set())]
    pub feature_set: FeatureSet,
    /// Also the OpenShift kinds that weir reads, validated as on OpenShift, for a cluster that lacks them
    #[arg(long)]
    pub foreign: bool,
    /// Write one file per definition into this folder instead of printing
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

fn feature_set() -> impl clap::builder::TypedValueParser<Value = FeatureSet> {
    PossibleValuesParser::new(FeatureSet::ALL.map(FeatureSet::name)).try_map(|name| name.parse::<FeatureSet>())
}

impl Crds {
    /// Prints the definitions as YAML documents, ordered by name, or writes them to files named after them.
    ///
    /// # Errors
    /// When a file or stdout cannot be written.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let definitions = if self.foreign { crds(self.feature_set) } else { own(self.feature_set) };
        match &self.output {
            Some(folder) => write(folder, &definitions)?,
            None => super::print(serde_saphyr::to_string_multiple(&definitions)?.as_bytes())?,
        }
        Ok(Outcome::Done)
    }
}

fn write(folder: &Path, definitions: &[serde_json::Value]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("creating folder {}", folder.display()))?;
    for definition in definitions {
        let path = folder.join(format!("{}.yaml", name(definition)));
        let text = serde_saphyr::to_string(definition)?;
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
