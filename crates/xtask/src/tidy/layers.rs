//! Each crate has a floor in `LAYERS.toml`; dependencies point down; the lower floors stay pure.

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Layers {
    floor: Vec<Floor>,
    beside: Vec<Beside>,
    pure: Pure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Floor {
    number: u8,
    #[serde(rename = "name")]
    _name: String,
    crates: Vec<String>,
}

/// An allowed sideways dependency.
#[derive(Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Beside {
    from: String,
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pure {
    floors: Vec<u8>,
    refused: Vec<String>,
}

/// Findings about the crates' dependencies.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join("LAYERS.toml")).context("reading LAYERS.toml")?;
    let layers: Layers = toml::from_str(&text).context("parsing LAYERS.toml")?;
    let metadata = MetadataCommand::new().current_dir(root).exec().context("running cargo metadata")?;
    let floors: BTreeMap<&str, u8> =
        layers.floor.iter().flat_map(|f| f.crates.iter().map(move |c| (c.as_str(), f.number))).collect();
    let mut findings = Vec::new();
    for package in metadata.workspace_packages() {
        match floors.get(package.name.as_str()) {
            None => findings.push(format!("{} is on no floor of LAYERS.toml", package.name)),
            Some(floor) => findings.extend(edges(package, *floor, &floors, &layers.beside)),
        }
        if floors.get(package.name.as_str()).is_some_and(|f| layers.pure.floors.contains(f)) {
            findings.extend(impure(&metadata, package, &layers.pure.refused));
        }
    }
    for name in floors.keys() {
        if !metadata.workspace_packages().iter().any(|p| p.name == *name) {
            findings.push(format!("LAYERS.toml names {name}, which is not a crate of this workspace"));
        }
    }
    Ok(findings)
}

fn edges(package: &Package, floor: u8, floors: &BTreeMap<&str, u8>, beside: &[Beside]) -> Vec<String> {
    let is_allowed = |to: &str| beside.iter().any(|arrow| arrow.from == *package.name && arrow.to == to);
    let normal = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
    normal
        .filter_map(|d| floors.get(d.name.as_str()).map(|to| (d, *to)))
        .filter(|(d, to)| *to > floor || (*to == floor && !is_allowed(&d.name)))
        .map(|(d, to)| {
            format!("{} (floor {floor}) depends on {} (floor {to}): dependencies point down", package.name, d.name)
        })
        .collect()
}

/// What the crate itself asks for, by following normal dependencies with the features it enables. Feature
/// unification over the workspace would blame a pure crate for what another crate switched on, so only
/// non-optional dependencies are followed.
fn impure(metadata: &Metadata, package: &Package, refused: &[String]) -> Vec<String> {
    let packages: BTreeMap<&PackageId, &Package> = metadata.packages.iter().map(|p| (&p.id, p)).collect();
    let mut seen = BTreeSet::from([&package.id]);
    let mut queue = vec![&package.id];
    let mut findings = Vec::new();
    let Some(resolve) = metadata.resolve.as_ref() else { return findings };
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|n| (&n.id, n)).collect();
    while let Some(id) = queue.pop() {
        let (Some(from), Some(node)) = (packages.get(id), nodes.get(id)) else { continue };
        for dependency in &node.deps {
            let Some(to) = packages.get(&dependency.pkg) else { continue };
            let asked = from
                .dependencies
                .iter()
                .any(|d| d.name == to.name.as_str() && !d.optional && d.kind == DependencyKind::Normal);
            if !asked || !seen.insert(&to.id) {
                continue;
            }
            if refused.iter().any(|r| r == to.name.as_str()) {
                findings.push(format!("{} must be pure but reaches {} through {}", package.name, to.name, from.name));
            }
            queue.push(&to.id);
        }
    }
    findings
}
