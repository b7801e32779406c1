//! Where each part of a rendered MachineConfig comes from, and what it overrides.

use std::collections::{BTreeMap, BTreeSet};
use weir_ignition::Config;

/// Where the parts of a rendered MachineConfig come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The MachineConfigs, in merge order.
    configs: Vec<String>,
    /// By address: those of the Ignition config (see [`weir_ignition::Element`]), `kernelArguments[0]`,
    /// `extensions[0]`, `osImageURL`, `baseOSExtensionsContainerImage`, `kernelType` and `fips`.
    parts: BTreeMap<String, Part>,
}

/// What is known about a part while merging: positions in `configs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Part {
    /// The contributors, in merge order, with their fields.
    given: Vec<(usize, Vec<String>)>,
    /// Those that were overridden.
    replaced: BTreeSet<usize>,
    /// Its origin when no MachineConfig sets it.
    otherwise: Option<GivenBy>,
}

/// Where a part comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The one that decides it: the last to set its contents.
    pub from: GivenBy,
    /// All MachineConfigs that contribute to it, in merge order.
    pub contributions: Vec<Contribution>,
    /// MachineConfigs whose value was overridden, in merge order.
    pub shadowed: Vec<String>,
}

/// Which MachineConfig decides the part, which contribute, and which are overridden.
impl std::fmt::Display for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.from)?;
        let is_shadowed = |name: &str| self.shadowed.iter().any(|shadowed| shadowed == name);
        let others = self.contributions.iter().map(|contribution| contribution.config.as_str());
        let others: Vec<&str> = others.filter(|name| Some(*name) != self.from.config() && !is_shadowed(name)).collect();
        if !others.is_empty() {
            write!(f, ", with {}", others.join(", "))?;
        }
        if !self.shadowed.is_empty() {
            write!(f, ", instead of {}", self.shadowed.join(", "))?;
        }
        Ok(())
    }
}

/// One MachineConfig's contribution to a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// The MachineConfig.
    pub config: String,
    /// The fields it sets, those of inner objects dotted; empty for parts without fields.
    pub fields: Vec<String>,
}

/// An origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenBy {
    /// This MachineConfig.
    MachineConfig(String),
    /// This OS image stream.
    Stream(String),
    /// The ControllerConfig.
    ControllerConfig,
    /// The default.
    Default,
}

impl GivenBy {
    /// The MachineConfig, if it is one.
    #[must_use]
    pub fn config(&self) -> Option<&str> {
        match self {
            Self::MachineConfig(name) => Some(name),
            _ => None,
        }
    }
}

impl std::fmt::Display for GivenBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MachineConfig(name) => write!(f, "MachineConfig {name}"),
            Self::Stream(name) => write!(f, "OS image stream {name}"),
            Self::ControllerConfig => f.write_str("ControllerConfig"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The fields with a part's main content, most important first.
const CONTENTS: [&str; 2] = ["contents.source", "contents"];

impl Provenance {
    pub(super) fn new(configs: Vec<String>) -> Self {
        Self { configs, parts: BTreeMap::new() }
    }

    /// Records the Ignition config of the MachineConfig at this position, after those before it.
    pub(super) fn record(&mut self, index: usize, config: &Config) {
        for element in config.elements() {
            let mut replaced = BTreeSet::new();
            for address in &element.takes {
                if let Some(taken) = self.parts.remove(address) {
                    replaced.extend(taken.given.into_iter().map(|(index, _)| index));
                    replaced.extend(taken.replaced);
                }
            }
            let part = self.parts.entry(element.address).or_default();
            part.given.push((index, element.fields));
            part.replaced.extend(replaced);
        }
    }

    /// Keeps the parts of the result, all of which are recorded.
    pub(super) fn finish(&mut self, merged: &Config) {
        let mut before = std::mem::take(&mut self.parts);
        for element in merged.elements() {
            let part = before
                .remove(&element.address)
                .unwrap_or_else(|| Part { otherwise: Some(GivenBy::Default), ..Part::default() });
            self.parts.insert(element.address, part);
        }
    }

    /// Records a value that the last of these MachineConfigs decides.
    pub(super) fn value(&mut self, address: &str, otherwise: GivenBy, given: &[usize]) {
        let given = given.iter().map(|&index| (index, Vec::new())).collect();
        self.parts.insert(address.to_owned(), Part { given, otherwise: Some(otherwise), ..Part::default() });
    }

    /// Records a list to which every MachineConfig adds.
    pub(super) fn collected(&mut self, address: &str, items: Vec<(usize, String)>) -> Vec<String> {
        let numbered = items.into_iter().enumerate();
        let values = numbered.map(|(position, (index, value))| {
            let part = Part { given: vec![(index, Vec::new())], ..Part::default() };
            self.parts.insert(format!("{address}[{position}]"), part);
            value
        });
        values.collect()
    }

    /// The MachineConfigs, in merge order.
    #[must_use]
    pub fn configs(&self) -> &[String] {
        &self.configs
    }

    /// The addresses of all parts, sorted.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.parts.keys().map(String::as_str)
    }

    /// Where the part at an address comes from; `None` when there is no such part.
    #[must_use]
    pub fn trace(&self, address: &str) -> Option<Trace> {
        let part = self.parts.get(address)?;
        let name = |index: usize| self.configs.get(index).cloned().unwrap_or_default();
        let gives = |field: &str| part.given.iter().rev().find(|(_, fields)| fields.iter().any(|f| f == field));
        let decides = CONTENTS.iter().find_map(|field| gives(field)).or(part.given.last());
        let lost = |(position, (_, fields)): &(usize, &(usize, Vec<String>))| {
            let later = &part.given[position + 1..];
            let repeated = later.iter().any(|(_, f)| f.iter().any(|field| fields.contains(field)));
            repeated || (fields.is_empty() && part.otherwise.is_some() && !later.is_empty())
        };
        let given = part.given.iter().enumerate().filter(lost).map(|(_, (index, _))| *index);
        let shadowed: BTreeSet<usize> = part.replaced.iter().copied().chain(given).collect();
        Some(Trace {
            from: match decides {
                Some((index, _)) => GivenBy::MachineConfig(name(*index)),
                None => part.otherwise.clone().unwrap_or(GivenBy::Default),
            },
            contributions: part
                .given
                .iter()
                .map(|(index, fields)| Contribution { config: name(*index), fields: fields.clone() })
                .collect(),
            shadowed: shadowed.into_iter().map(name).collect(),
        })
    }
}
