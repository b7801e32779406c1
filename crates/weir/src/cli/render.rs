//! `weir render`: the configuration of pools, from manifests, without a cluster.

use super::manifest_source::ManifestSource;
use crate::{exit::Outcome, inputs};
use anyhow::Result;
use serde_json::{Value, json};
use weir_rules::{render::Rendered, world::World};

/// Which pools, from what, and how to print them.
#[derive(Debug, clap::Args)]
pub struct Render {
    #[command(flatten)]
    source: ManifestSource,
    /// Render this pool only
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// How the rendered MachineConfigs are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// Also explain, on stderr, where every part comes from and what it overrides
    #[arg(long)]
    explain: bool,
}

/// How objects are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// One document each
    #[default]
    Yaml,
    /// One `List`
    Json,
    /// `machineconfig.machineconfiguration.openshift.io/NAME`
    Name,
}

impl Render {
    /// Renders; a pool that cannot be rendered is reported on stderr and does not stop the others.
    ///
    /// # Errors
    /// When the manifests cannot be read, or hold no pool.
    pub fn run(&self) -> Result<Outcome> {
        let world = World { profile: self.source.distribution, ..inputs::of_files(&self.source.files)? };
        let pools = match &self.pool {
            Some(name) => vec![inputs::pool(&world, name)?],
            None => world.pools.iter().map(AsRef::as_ref).collect(),
        };
        let mut outcome = Outcome::Done;
        let mut printer = Printer { output: self.output, any: false, list: Vec::new() };
        for pool in pools {
            let name = pool.metadata.name.as_deref().unwrap_or_default();
            match inputs::render(&world, pool) {
                Ok(one) => {
                    if self.explain {
                        explanation(name, &one).iter().for_each(|line| tell!("{line}"));
                    }
                    printer.print(&one)?;
                }
                Err(error) => {
                    tell!("error: pool {name}: {error:#}");
                    outcome = Outcome::Failed;
                }
            }
        }
        printer.finish()?;
        Ok(outcome)
    }
}

/// Prints rendered MachineConfigs one by one, so that large ones need not all be kept in memory.
struct Printer {
    output: Output,
    any: bool,
    /// Items of the list.
    list: Vec<Value>,
}

impl Printer {
    fn print(&mut self, rendered: &Rendered) -> Result<()> {
        match self.output {
            Output::Yaml => {
                let text = weir_manifests::to_yaml(&[serde_json::to_value(&rendered.config)?])?;
                if self.any {
                    super::print(b"---\n")?;
                }
                super::print(text.as_bytes())?;
            }
            Output::Json => self.list.push(serde_json::to_value(&rendered.config)?),
            Output::Name => {
                let group = weir_api::kind::MACHINE_CONFIG_GROUP;
                super::print(format!("machineconfig.{group}/{}\n", rendered.name()).as_bytes())?;
            }
        }
        self.any = true;
        Ok(())
    }

    fn finish(self) -> Result<()> {
        if self.output != Output::Json {
            return Ok(());
        }
        let list = json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": self.list });
        super::print((serde_json::to_string_pretty(&list)? + "\n").as_bytes())
    }
}

/// Where every part of a pool's configuration comes from, one line each.
fn explanation(pool: &str, rendered: &Rendered) -> Vec<String> {
    let provenance = &rendered.provenance;
    let head = format!("pool {pool}: {} from {}", rendered.name(), provenance.configs().join(", "));
    let traced = |address: &str| Some(format!("  {address}: {}", provenance.trace(address)?));
    std::iter::once(head).chain(provenance.addresses().filter_map(traced)).collect()
}
