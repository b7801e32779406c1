//! What a configuration is named by on the command line: a pool, a node, a MachineConfig, or a file with an Ignition config.

use super::manifest_source::Given;
use crate::{
    inputs,
    rollout_objects::{self, CONFIG as CONFIG_KIND, NODE as NODE_KIND, POOL as POOL_KIND},
};
use anyhow::{Context as _, Result, anyhow, bail};
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};
use weir_api::{MachineConfig, machine_config::MachineConfigSpec};
use weir_manifests::{Kind, Rule};
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
    /// The Ignition config in a file, which is in no cluster.
    Ignition(PathBuf),
}

/// Short names as in kubectl.
const POOL: [&str; 3] = ["mcp", "machineconfigpool", "pool"];
const NODE: [&str; 3] = ["node", "nodes", "no"];
const CONFIG: [&str; 3] = ["mc", "machineconfig", "machineconfigs"];
/// Before the path of a file with an Ignition config.
const IGNITION: &str = "ignition";
/// Of several MachineConfigs, this many are named.
const NAMED: usize = 8;

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "mcp/NAME, node/NAME, the name of a MachineConfig, or ignition/FILE";
        match text.split_once('/') {
            _ if text.is_empty() || text.ends_with('/') => Err(format!("{text:?} names nothing; write {wanted}")),
            None => Ok(Self::Config(text.to_owned())),
            Some((kind, name)) if POOL.contains(&kind) => Ok(Self::Pool(name.to_owned())),
            Some((kind, name)) if NODE.contains(&kind) => Ok(Self::Node(name.to_owned())),
            Some((kind, name)) if CONFIG.contains(&kind) => Ok(Self::Config(name.to_owned())),
            Some((IGNITION, file)) => Ok(Self::Ignition(file.into())),
            Some(("", _)) => Err(format!("{text:?} is the path of a file; before it, write of what: {wanted}")),
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
            Self::Ignition(file) => write!(f, "the Ignition config in {}", file.display()),
        }
    }
}

impl Subject {
    /// The kinds of objects without which files cannot hold it.
    fn needs(&self) -> &'static [Kind<'static>] {
        match self {
            Self::Pool(_) => &[POOL_KIND],
            Self::Node(_) => &[NODE_KIND, CONFIG_KIND],
            Self::Config(_) => &[CONFIG_KIND],
            Self::Ignition(_) => &[],
        }
    }

    /// The objects that these are among. What is in no cluster needs none: no cluster is asked for it.
    ///
    /// # Errors
    /// When they cannot be read, or files hold no object of a kind that is needed.
    pub(super) fn world(subjects: &[&Self], given: &Given, command: &str) -> Result<World> {
        if given.files.is_empty() && subjects.iter().all(|subject| matches!(subject, Self::Ignition(_))) {
            return Ok(World::default());
        }
        given.world_with(command, |files| Self::read(subjects, files))
    }

    /// As [`Self::world`], of these files.
    ///
    /// # Errors
    /// As [`Self::world`].
    pub(super) fn world_of(&self, files: &[PathBuf]) -> Result<World> {
        Self::read(&[self], files)
    }

    /// What is rendered may depend on any file, and what is named only on its own.
    fn read(subjects: &[&Self], files: &[PathBuf]) -> Result<World> {
        if subjects.iter().any(|subject| matches!(subject, Self::Pool(_))) {
            return rollout_objects::of_files_with(files, &needed(subjects));
        }
        rollout_objects::named_of_files(files, &needed(subjects))
    }

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
            Self::Ignition(file) => ignition(file),
        }
    }
}

/// What any of them needs.
fn needed(subjects: &[&Subject]) -> Vec<Kind<'static>> {
    let mut all: Vec<Kind<'static>> = Vec::new();
    for kind in subjects.iter().flat_map(|subject| subject.needs()) {
        if !all.contains(kind) {
            all.push(*kind);
        }
    }
    all
}

fn named(world: &World, name: &str) -> Result<Arc<MachineConfig>> {
    world.config(name).cloned().ok_or_else(|| {
        let among = if world.whole { "" } else { " among the files" };
        let known: Vec<&str> = world.configs.iter().filter_map(|config| config.metadata.name.as_deref()).collect();
        let more = match known.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let known = known.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
        anyhow!("there is no MachineConfig {name}{among}; there are: {known}{more}")
    })
}

/// The Ignition config in a file, as a MachineConfig that is called like the file.
fn ignition(file: &Path) -> Result<Arc<MachineConfig>> {
    let read: Result<Vec<_>, _> = weir_manifests::read(&[file.to_owned()], Rule::OneFolder).into_iter().collect();
    let mut read = read?;
    let (Some(one), None) = (read.pop(), read.pop()) else {
        bail!("{}: it is to hold one Ignition config, and nothing else", file.display());
    };
    if !one.object["ignition"]["version"].is_string() {
        let instead = match one.kind() {
            "" => "its root has no ignition.version".to_owned(),
            kind => format!("it is a {kind}: name that, and give the file with --from"),
        };
        bail!("{}: no Ignition config: {instead}", file.display());
    }
    let spec = MachineConfigSpec { config: Some(one.object), ..MachineConfigSpec::default() };
    Ok(Arc::new(MachineConfig::named(&file.display().to_string(), spec)))
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
        assert_eq!(of("ignition/a/b.ign"), Ok(Subject::Ignition("a/b.ign".into())));
        assert_eq!(of("ignition//a.ign"), Ok(Subject::Ignition("/a.ign".into())));
        assert!(of("/etc/motd").unwrap_err().contains("is the path of a file; before it, write of what: mcp/NAME"));
        assert!(of("pod/a").unwrap_err().starts_with("\"pod\" has no configuration of machines; write mcp/NAME"));
        assert!(of("mcp/").unwrap_err().contains("names nothing"));
    }
}
