//! `weir render`: what pools get, from manifests, without a cluster.

use super::manifest_source::ManifestSource;
use crate::{exit::Outcome, inputs::Inputs, manifests};
use anyhow::{Result, bail};
use serde_json::{Value, json};
use weir_rules::render::{Rendered, Trace};

/// Which pools, from what, printed how.
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
    /// Also tell, on stderr, where every part comes from and what it took the place of
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
    /// Renders; a pool that cannot be rendered is told on stderr and does not stop the others.
    ///
    /// # Errors
    /// When the manifests cannot be read, or hold no pool.
    pub fn run(&self) -> Result<Outcome> {
        let inputs = Inputs::of(self.source.manifests())?;
        let pools = match &self.pool {
            Some(name) => vec![inputs.pool(name)?],
            None => inputs.pools.values().collect(),
        };
        if pools.is_empty() {
            bail!("there is no MachineConfigPool in the manifests");
        }
        let mut outcome = Outcome::Done;
        let mut rendered = Vec::new();
        for pool in pools {
            let name = pool.metadata.name.as_deref().unwrap_or_default();
            match inputs.render(pool, self.source.distribution) {
                Ok(one) => {
                    if self.explain {
                        eprint!("{}", explanation(name, &one));
                    }
                    rendered.push(one);
                }
                Err(error) => {
                    eprintln!("error: pool {name}: {error:#}");
                    outcome = Outcome::Failed;
                }
            }
        }
        super::print(self.text(&rendered)?.as_bytes())?;
        Ok(outcome)
    }

    fn text(&self, rendered: &[Rendered]) -> Result<String> {
        let objects = || rendered.iter().map(|r| serde_json::to_value(&r.config)).collect::<Result<Vec<Value>, _>>();
        Ok(match self.output {
            Output::Yaml if rendered.is_empty() => String::new(),
            Output::Yaml => manifests::to_yaml(&objects()?)?,
            Output::Json => {
                let list = json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": objects()? });
                serde_json::to_string_pretty(&list)? + "\n"
            }
            Output::Name => {
                let named =
                    |r: &Rendered| format!("machineconfig.{}/{}\n", weir_api::kind::MACHINE_CONFIG_GROUP, r.name());
                rendered.iter().map(named).collect()
            }
        })
    }
}

/// Where every part of a pool's configuration comes from, a line each.
fn explanation(pool: &str, rendered: &Rendered) -> String {
    let provenance = &rendered.provenance;
    let mut text = format!("pool {pool}: {} from {}\n", rendered.name(), provenance.configs().join(", "));
    for address in provenance.addresses() {
        if let Some(trace) = provenance.trace(address) {
            text.push_str(&format!("  {address}: {}\n", origin(&trace)));
        }
    }
    text
}

/// Who decides something, who has a say, and who lost.
pub(super) fn origin(trace: &Trace) -> String {
    let mut text = trace.from.to_string();
    let others = trace.contributions.iter().map(|c| c.config.as_str());
    let others: Vec<&str> =
        others.filter(|o| Some(*o) != trace.from.config() && !trace.shadowed.iter().any(|s| s == o)).collect();
    if !others.is_empty() {
        text.push_str(&format!(", with {}", others.join(", ")));
    }
    if !trace.shadowed.is_empty() {
        text.push_str(&format!(", instead of {}", trace.shadowed.join(", ")));
    }
    text
}
