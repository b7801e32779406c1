//! What a configuration is named by on the command line: a pool, a node, or a MachineConfig.

use crate::inputs;
use anyhow::{Context as _, Result, bail};
use std::{fmt, str::FromStr, sync::Arc};
use weir_api::MachineConfig;
use weir_rules::{view::NodeView, world::World};

/// A configuration of machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// What the pool is rendered to now.
    Pool(String),
    /// What the node runs.
    Node(String),
    /// The MachineConfig itself.
    Config(String),
}

/// Short names as in kubectl.
const POOL: [&str; 3] = ["mcp", "machineconfigpool", "pool"];
const NODE: [&str; 3] = ["node", "nodes", "no"];
const CONFIG: [&str; 2] = ["mc", "machineconfig"];

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "mcp/NAME, node/NAME, or the name of a MachineConfig";
        match text.split_once('/') {
            _ if text.is_empty() || text.ends_with('/') => Err(format!("{text:?} names nothing; write {wanted}")),
            None => Ok(Self::Config(text.to_owned())),
            Some((kind, name)) if POOL.contains(&kind) => Ok(Self::Pool(name.to_owned())),
            Some((kind, name)) if NODE.contains(&kind) => Ok(Self::Node(name.to_owned())),
            Some((kind, name)) if CONFIG.contains(&kind) => Ok(Self::Config(name.to_owned())),
            Some((kind, _)) => Err(format!("{kind:?} has no configuration of machines; write {wanted}")),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(name) => write!(f, "pool {name}"),
            Self::Node(name) => write!(f, "node {name}"),
            Self::Config(name) => f.write_str(name),
        }
    }
}

impl Subject {
    /// The configuration.
    ///
    /// # Errors
    /// When it is not among the objects, or cannot be rendered.
    pub(super) fn config(&self, world: &World) -> Result<Arc<MachineConfig>> {
        match self {
            Self::Pool(name) => {
                let pool = inputs::pool(world, name)?;
                let rendered = inputs::render(world, pool).with_context(|| format!("pool {name}"))?;
                Ok(Arc::new(rendered.config))
            }
            Self::Node(name) => {
                let node = world.nodes.iter().find(|node| node.metadata.name.as_ref() == Some(name));
                let node = node.with_context(|| format!("there is no node {name}"))?;
                match NodeView::new(node).current_config.filter(|config| !config.is_empty()) {
                    Some(config) => named(world, config).with_context(|| format!("node {name}")),
                    None => bail!("node {name} does not say what it runs: its daemon has not reported yet"),
                }
            }
            Self::Config(name) => named(world, name),
        }
    }
}

fn named(world: &World, name: &str) -> Result<Arc<MachineConfig>> {
    world.config(name).cloned().with_context(|| format!("there is no MachineConfig {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubectl() {
        let of = |text: &str| text.parse::<Subject>();
        assert_eq!(of("mcp/worker"), Ok(Subject::Pool("worker".into())));
        assert_eq!(of("node/a"), Ok(Subject::Node("a".into())));
        assert_eq!(of("mc/a"), of("a"));
        assert!(of("pod/a").unwrap_err().starts_with("\"pod\" has no configuration of machines; write mcp/NAME"));
        assert!(of("mcp/").unwrap_err().contains("names nothing"));
    }
}
