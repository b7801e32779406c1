//! Which resources are served, in which versions.

use crate::{
    built_in::BuiltIn,
    scale::Scale,
    status::{Named, Names},
    types::Types,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use weir_apischema::schema::Schema;

/// One resource in one version.
#[derive(Debug)]
pub(crate) struct Resource {
    /// API group; empty for the core group.
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) namespaced: bool,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    /// `/status` is an endpoint of its own.
    pub(crate) status: bool,
    /// The fields behind `/scale`, if it is an endpoint.
    pub(crate) scale: Option<Scale>,
    /// `metadata.generation` counts changes of anything but metadata and status.
    pub(crate) generation: bool,
    /// Table of the store; shared by all versions of the resource.
    pub(crate) storage: Arc<str>,
    pub(crate) definition: Definition,
}

/// Where the resource comes from.
#[derive(Debug)]
pub(crate) enum Definition {
    BuiltIn(&'static BuiltIn),
    Custom(Box<Custom>),
}

/// What a CustomResourceDefinition says about one version.
#[derive(Debug)]
pub(crate) struct Custom {
    /// Name of the definition.
    pub(crate) name: String,
    /// Version of the definition in the store.
    pub(crate) revision: u64,
    pub(crate) types: Types,
    pub(crate) schema: Arc<Schema>,
    pub(crate) columns: Vec<Column>,
    /// Fields that field selectors may name, as `spec.color`.
    pub(crate) selectable: Vec<String>,
    /// Changes when the schema does.
    pub(crate) hash: u64,
}

/// A printer column of a custom kind.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) format: String,
    pub(crate) description: String,
    pub(crate) priority: i64,
    pub(crate) path: String,
}

impl Resource {
    /// `group/version`, or `v1` for the core group.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    pub(crate) fn is_custom(&self) -> bool {
        matches!(self.definition, Definition::Custom(_))
    }

    pub(crate) fn built_in(&self) -> Option<&'static BuiltIn> {
        match self.definition {
            Definition::BuiltIn(kind) => Some(kind),
            Definition::Custom(_) => None,
        }
    }

    /// The shape of the kind.
    pub(crate) fn types(&self) -> &Types {
        match &self.definition {
            Definition::BuiltIn(kind) => kind.types(),
            Definition::Custom(custom) => &custom.types,
        }
    }

    /// Whether this is a built-in resource of that group and name.
    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        !self.is_custom() && self.group == group && self.plural == plural
    }
}

impl Named for Resource {
    fn names(&self) -> Names<'_> {
        Names { group: &self.group, plural: &self.plural, kind: &self.kind }
    }
}

/// The served resources. Replaced as a whole when a definition changes.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// By group, then version, in the order discovery shows them.
    groups: Vec<Group>,
}

/// A group and its versions, the preferred one first.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) versions: Vec<Version>,
}

/// A version of a group and its resources by plural name.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) resources: BTreeMap<String, Arc<Resource>>,
}

impl Registry {
    /// The built-in resources and those of the definitions.
    pub(crate) fn new(
        built_in: impl IntoIterator<Item = Arc<Resource>>,
        custom: impl IntoIterator<Item = Arc<Resource>>,
    ) -> Self {
        let mut registry = Self::default();
        for resource in built_in {
            registry.add(resource);
        }
        let fixed = registry.groups.len();
        for resource in custom {
            registry.add(resource);
        }
        registry.groups[fixed..].sort_by(|a, b| a.name.cmp(&b.name));
        for group in &mut registry.groups {
            group.versions.sort_by_key(|v| std::cmp::Reverse(priority(&v.name)));
        }
        registry
    }

    fn add(&mut self, resource: Arc<Resource>) {
        let group = match self.groups.iter().position(|g| g.name == resource.group) {
            Some(at) => &mut self.groups[at],
            None => {
                self.groups.push(Group { name: resource.group.clone(), versions: Vec::new() });
                let last = self.groups.len() - 1;
                &mut self.groups[last]
            }
        };
        let version = match group.versions.iter().position(|v| v.name == resource.version) {
            Some(at) => &mut group.versions[at],
            None => {
                group.versions.push(Version { name: resource.version.clone(), resources: BTreeMap::new() });
                let last = group.versions.len() - 1;
                &mut group.versions[last]
            }
        };
        version.resources.insert(resource.plural.clone(), resource);
    }

    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    pub(crate) fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|g| g.name == name)
    }

    pub(crate) fn version(&self, group: &str, version: &str) -> Option<&Version> {
        self.group(group)?.versions.iter().find(|v| v.name == version)
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.version(group, version)?.resources.get(plural)
    }

    /// The resource of a kind.
    pub(crate) fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        self.version(group, version)?.resources.values().find(|r| r.kind == kind)
    }

    /// The resource that is stored in a table, in any version.
    pub(crate) fn of_storage(&self, storage: &str) -> Option<&Arc<Resource>> {
        let mut all = self.groups.iter().flat_map(|g| &g.versions).flat_map(|v| v.resources.values());
        all.find(|r| *r.storage == *storage)
    }

    /// The resources of this revision of a definition, if they are served.
    pub(crate) fn of_definition(&self, name: &str, revision: u64) -> Vec<Arc<Resource>> {
        let all = self.groups.iter().flat_map(|g| &g.versions).flat_map(|v| v.resources.values());
        let from = |r: &&Arc<Resource>| matches!(&r.definition, Definition::Custom(custom) if custom.name == name && custom.revision == revision);
        all.filter(from).cloned().collect()
    }

    /// Names of kinds, resources and short names of a group that are taken by another definition.
    pub(crate) fn names(&self, group: &str, except: &str) -> BTreeSet<String> {
        let resources = self.group(group).into_iter().flat_map(|g| &g.versions).flat_map(|v| v.resources.values());
        let others = resources.filter(|r| match &r.definition {
            Definition::Custom(custom) => custom.name != except,
            Definition::BuiltIn(_) => true,
        });
        others.flat_map(|r| [r.plural.clone(), r.singular.clone(), r.kind.clone(), r.list_kind.clone()]).collect()
    }
}

/// Versions in the order of `k8s.io/apimachinery/pkg/version`: `v2` over `v1` over `v1beta1` over `v1alpha1` over others.
fn priority(version: &str) -> (u8, u32, u32, std::cmp::Reverse<String>) {
    let other = (0, 0, 0, std::cmp::Reverse(version.to_owned()));
    let Some(rest) = version.strip_prefix('v') else { return other };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let Ok(major) = rest[..digits].parse() else { return other };
    let stage = &rest[digits..];
    let level = |stage: &str, rank| stage.parse().ok().map(|n| (rank, major, n, std::cmp::Reverse(String::new())));
    match stage {
        "" => Some((3, major, 0, std::cmp::Reverse(String::new()))),
        _ if stage.starts_with("beta") => level(&stage[4..], 2),
        _ if stage.starts_with("alpha") => level(&stage[5..], 1),
        _ => None,
    }
    .unwrap_or(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_versions_come_before_unstable_ones() {
        let mut versions = vec!["v1alpha1", "v1", "foo", "v2beta1", "v11beta2", "v2", "v10"];
        versions.sort_by_key(|v| std::cmp::Reverse(priority(v)));
        assert_eq!(versions, ["v10", "v2", "v1", "v11beta2", "v2beta1", "v1alpha1", "foo"]);
    }
}
