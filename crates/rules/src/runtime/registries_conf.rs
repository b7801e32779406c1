//! The contents of `registries.conf`.
//!
//! R-REGISTRIES-1 All insecure and blocked scopes are valid (R-SCOPE-1), and so are mirror sets (R-MIRRORS-1).
//! R-REGISTRIES-2 Entries of the templates stay. Sources get their mirrors, first those for pulls by digest, then those by tag;
//! blocked and insecure scopes get an entry. Everything inside an insecure scope is insecure, including mirrors, and every entry
//! inside a blocked scope is blocked.
//! R-REGISTRIES-3 An entry inside a mirrored source that has no mirrors gets the source's mirrors, each for the same part of it,
//! because otherwise no mirror would be tried for it. With a wildcard source that cannot be expressed, and is refused.
//! R-REGISTRIES-4 The file is written as Go's encoder writes it: always with prefix, short name mode and layer store helper.
//! R-REGISTRIES-5 A new file keeps serving what the old one served if it searches in the same registries first, keeps every entry
//! with its scope, location and flags, and every mirror of it, and whatever it adds is used for pulls by digest only.
//!
//! Source: `EditRegistriesConfig` in `pkg/registries` of github.com/openshift/runtime-utils; `V2RegistriesConf` in
//! `pkg/sysregistriesv2` of github.com/containers/image; for R-REGISTRIES-5 `isSafeContainerRegistryConfChanges` in
//! `pkg/daemon/drain.go` of github.com/openshift/machine-config-operator.

use super::{
    mirrors::{Merged, MirrorError, MirrorSets},
    scope::{is_nested, is_scope},
};
use crate::generated::toml_text::{Table, Toml, to_string};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Path of the file.
pub const REGISTRIES_CONF: &str = "/etc/containers/registries.conf";
/// Only for pulls by digest.
const DIGEST_ONLY: &str = "digest-only";
/// Only for pulls by tag.
const TAG_ONLY: &str = "tag-only";

/// The configuration. Keys that are not listed here are lost.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct RegistriesConf {
    unqualified_search_registries: Option<Vec<String>>,
    credential_helpers: Option<Vec<String>>,
    short_name_mode: String,
    additional_layer_store_auth_helper: String,
    #[serde(rename = "registry")]
    entries: Vec<Entry>,
    aliases: BTreeMap<String, String>,
}

/// The settings of a scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Entry {
    prefix: String,
    location: String,
    insecure: bool,
    pull_from_mirror: String,
    blocked: bool,
    mirror_by_digest_only: bool,
    #[serde(rename = "mirror")]
    mirrors: Vec<Mirror>,
}

/// Another location of the same images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Mirror {
    location: String,
    insecure: bool,
    pull_from_mirror: String,
}

/// Why there is no configuration. Permanent until an object or the templates change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistriesError {
    /// A scope is invalid.
    #[error("invalid entry for {list} registries {scope:?}: a host, a repository, or *. and a domain")]
    Scope {
        /// `insecure` or `blocked`.
        list: &'static str,
        /// The given scope.
        scope: String,
    },
    /// A mirror set.
    #[error(transparent)]
    Mirrors(#[from] MirrorError),
    /// A scope is inside a source with a wildcard.
    #[error(
        "internal error: mirrorsAdjustedForNestedScope for a wildcard scope {source_name:?}: {scope:?} lies in it and has no mirrors \
         of its own; give it some, or name the source without a wildcard"
    )]
    Wildcard {
        /// The source.
        source_name: String,
        /// The scope.
        scope: String,
    },
    /// The templates' file cannot be read.
    #[error("registries.conf of the templates: {0}")]
    Base(String),
}

impl Entry {
    fn of(scope: &str) -> Self {
        let scope = scope.to_owned();
        if scope.starts_with("*.") {
            Self { prefix: scope, ..Self::default() }
        } else {
            Self { location: scope, ..Self::default() }
        }
    }

    /// The scope that the entry is for.
    #[must_use]
    pub fn scope(&self) -> &str {
        if self.prefix.is_empty() { &self.location } else { &self.prefix }
    }

    /// The locations that it pulls from: its mirrors, and then its own location, which a wildcard does not have.
    #[must_use]
    pub fn places(&self) -> Vec<&str> {
        let mirrors = self.mirrors.iter().map(|mirror| mirror.location.as_str());
        mirrors.chain((!self.location.is_empty()).then_some(self.location.as_str())).collect()
    }
}

impl RegistriesConf {
    /// Reads the templates' file.
    ///
    /// # Errors
    /// If it is not TOML, or a key has the wrong type.
    pub fn parse(text: &str) -> Result<Self, RegistriesError> {
        toml::from_str(text).map_err(|error| RegistriesError::Base(error.to_string().trim_end().to_owned()))
    }

    /// All entries, in the order of the file.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds everything that the objects say.
    ///
    /// # Errors
    /// If they are invalid.
    pub fn edit(
        &mut self,
        insecure: &[String],
        blocked: &[String],
        sets: &MirrorSets<'_>,
    ) -> Result<(), RegistriesError> {
        let mut scopes =
            insecure.iter().map(|scope| ("insecure", scope)).chain(blocked.iter().map(|scope| ("blocked", scope)));
        if let Some((list, scope)) = scopes.find(|(_, scope)| !is_scope(scope)) {
            return Err(RegistriesError::Scope { list, scope: scope.clone() });
        }
        sets.check()?;
        let mirrored = [(DIGEST_ONLY, sets.for_digests()), (TAG_ONLY, sets.for_tags())];
        for (pulls, all) in &mirrored {
            for Merged { source, mirrors, is_blocked } in all {
                let entry = self.entry(source);
                entry.blocked |= is_blocked;
                entry.mirrors.extend(mirrors.iter().map(|location| Mirror {
                    location: location.clone(),
                    insecure: false,
                    pull_from_mirror: (*pulls).to_owned(),
                }));
            }
        }
        for scope in blocked {
            self.entry(scope);
        }
        for scope in insecure {
            self.entry(scope);
            for entry in &mut self.entries {
                entry.insecure |= is_nested(entry.scope(), scope);
                for mirror in &mut entry.mirrors {
                    mirror.insecure |= is_nested(&mirror.location, scope);
                }
            }
        }
        for scope in blocked {
            for entry in &mut self.entries {
                entry.blocked |= is_nested(entry.scope(), scope);
            }
        }
        mirrored.iter().flat_map(|(_, all)| all).try_for_each(|merged| self.hand_down(&merged.source))
    }

    /// R-REGISTRIES-3.
    fn hand_down(&mut self, source: &str) -> Result<(), RegistriesError> {
        let mirrors = self.entry(source).mirrors.clone();
        for entry in &mut self.entries {
            let scope = entry.scope().to_owned();
            if scope == source || !is_nested(&scope, source) || !entry.mirrors.is_empty() {
                continue;
            }
            let Some(rest) = scope.strip_prefix(source) else {
                return Err(RegistriesError::Wildcard { source_name: source.to_owned(), scope });
            };
            let part = |mirror: &Mirror| Mirror { location: format!("{}{rest}", mirror.location), ..mirror.clone() };
            entry.mirrors = mirrors.iter().map(part).collect();
        }
        Ok(())
    }

    fn entry(&mut self, scope: &str) -> &mut Entry {
        let at = self.entries.iter().position(|entry| entry.scope() == scope).unwrap_or_else(|| {
            self.entries.push(Entry::of(scope));
            self.entries.len() - 1
        });
        &mut self.entries[at]
    }

    /// The text of the file: R-REGISTRIES-4.
    #[must_use]
    pub fn write(&self) -> String {
        let mut document = search(self.unqualified_search_registries.as_deref(), self.credential_helpers.as_deref());
        let mut set = |key: &str, value: &str| document.push((key.to_owned(), Toml::Text(value.to_owned())));
        set("short-name-mode", &self.short_name_mode);
        set("additional-layer-store-auth-helper", &self.additional_layer_store_auth_helper);
        document.push(("registry".to_owned(), Toml::Tables(self.entries.iter().map(entry_table).collect())));
        if !self.aliases.is_empty() {
            let aliases = self.aliases.iter().map(|(name, image)| (name.clone(), Toml::Text(image.clone())));
            document.push(("aliases".to_owned(), Toml::Table(aliases.collect())));
        }
        to_string(&document)
    }
}

/// Whether the new file keeps serving what the old one served (R-REGISTRIES-5). A file that is not there is empty.
///
/// # Errors
/// When one of them cannot be read.
pub fn keeps_serving(old: &str, new: &str) -> Result<bool, RegistriesError> {
    let (old, new) = (RegistriesConf::parse(old)?, RegistriesConf::parse(new)?);
    let searched = |conf: &RegistriesConf| conf.unqualified_search_registries.clone().unwrap_or_default();
    let before: BTreeMap<&str, &Entry> = old.entries.iter().map(|entry| (entry.scope(), entry)).collect();
    let after: BTreeMap<&str, &Entry> = new.entries.iter().map(|entry| (entry.scope(), entry)).collect();
    let stays = before.keys().all(|scope| after.contains_key(scope));
    let serves = |(scope, entry): (&&str, &&Entry)| match before.get(scope) {
        None if entry.mirrors.is_empty() => entry.mirror_by_digest_only,
        None => entry.mirrors.iter().all(Mirror::is_for_digests),
        Some(was) => was.keeps(entry),
    };
    Ok(searched(&new).starts_with(&searched(&old)) && stays && after.iter().all(serves))
}

impl Entry {
    fn keeps(&self, new: &Self) -> bool {
        let same = (&self.prefix, &self.location, self.blocked, self.insecure)
            == (&new.prefix, &new.location, new.blocked, new.insecure);
        let is_at = |location: &str, mirrors: &[Mirror]| mirrors.iter().any(|mirror| mirror.location == location);
        let stay = self.mirrors.iter().all(|mirror| is_at(&mirror.location, &new.mirrors));
        let fits = |mirror: &Mirror| match self.mirrors.iter().find(|was| was.location == mirror.location) {
            Some(was) => was.pull_from_mirror == mirror.pull_from_mirror || mirror.is_for_digests(),
            None => mirror.is_for_digests() || new.mirror_by_digest_only,
        };
        same && stay && new.mirrors.iter().all(fits)
    }
}

impl Mirror {
    fn is_for_digests(&self) -> bool {
        self.pull_from_mirror == DIGEST_ONLY
    }
}

/// The text of a drop-in with registries to search for images without a host.
#[must_use]
pub fn search_drop_in(registries: &[String]) -> String {
    RegistriesConf { unqualified_search_registries: Some(registries.to_vec()), ..RegistriesConf::default() }.write()
}

fn search(registries: Option<&[String]>, helpers: Option<&[String]>) -> Table {
    let lists = [("unqualified-search-registries", registries), ("credential-helpers", helpers)];
    lists.into_iter().filter_map(|(key, list)| Some((key.to_owned(), Toml::Texts(list?.to_vec())))).collect()
}

fn entry_table(entry: &Entry) -> Table {
    let mut table = vec![("prefix".to_owned(), Toml::Text(entry.prefix.clone()))];
    text(&mut table, "location", &entry.location);
    flag(&mut table, "insecure", entry.insecure);
    text(&mut table, "pull-from-mirror", &entry.pull_from_mirror);
    flag(&mut table, "blocked", entry.blocked);
    flag(&mut table, "mirror-by-digest-only", entry.mirror_by_digest_only);
    let mirrors = entry.mirrors.iter().map(|mirror| {
        let mut table = Table::new();
        text(&mut table, "location", &mirror.location);
        flag(&mut table, "insecure", mirror.insecure);
        text(&mut table, "pull-from-mirror", &mirror.pull_from_mirror);
        table
    });
    table.push(("mirror".to_owned(), Toml::Tables(mirrors.collect())));
    table
}

fn text(table: &mut Table, key: &str, value: &str) {
    if !value.is_empty() {
        table.push((key.to_owned(), Toml::Text(value.to_owned())));
    }
}

fn flag(table: &mut Table, key: &str, value: bool) {
    if value {
        table.push((key.to_owned(), Toml::Flag(true)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_serving_and_what_does_not() {
        let entry = |more: &str| format!("[[registry]]\nprefix = ''\nlocation = 'a.io'\n{more}");
        let mirror =
            |at: &str, pulls: &str| format!("[[registry.mirror]]\nlocation = '{at}'\npull-from-mirror = '{pulls}'\n");
        let digest = |at: &str| mirror(at, "digest-only");
        let search = |list: &str| format!("unqualified-search-registries = [{list}]\n");
        for (old, new, keeps) in [
            (String::new(), String::new(), true),
            (search("'a'"), search("'a', 'b'"), true),
            (search("'a', 'b'"), search("'b', 'a'"), false),
            (entry(""), String::new(), false),
            (String::new(), entry(""), false),
            (String::new(), entry("mirror-by-digest-only = true\n"), true),
            (String::new(), entry(&digest("m")), true),
            (String::new(), entry(&mirror("m", "")), false),
            (entry(""), entry(&digest("m")), true),
            (entry(""), entry(&mirror("m", "tag-only")), false),
            (entry(&digest("m")), entry(&(digest("n") + &digest("m"))), true),
            (entry(&digest("m")), entry(&digest("n")), false),
            (entry(&mirror("m", "")), entry(&digest("m")), true),
            (entry(&digest("m")), entry(&mirror("m", "")), false),
            (entry(""), entry("blocked = true\n"), false),
            (entry(""), entry("insecure = true\n"), false),
        ] {
            assert_eq!(keeps_serving(&old, &new), Ok(keeps), "{old}---\n{new}");
        }
        assert!(keeps_serving("a = [", "").is_err());
    }

    #[test]
    fn what_is_refused_says_what_would_do() {
        let edit = |insecure: &str, blocked: &str| {
            RegistriesConf::default()
                .edit(&[insecure.to_owned()], &[blocked.to_owned()], &MirrorSets::default())
                .map_err(|error| error.to_string())
        };
        assert_eq!(edit("*.a.io", "b.io/c"), Ok(()));
        assert_eq!(
            edit("a.*", "b.io"),
            Err("invalid entry for insecure registries \"a.*\": a host, a repository, or *. and a domain".to_owned())
        );
        assert!(edit("a.io", "").unwrap_err().starts_with("invalid entry for blocked registries \"\""));
        let base = RegistriesConf::parse("[[registry]]\nblocked = 1").unwrap_err().to_string();
        assert!(base.starts_with("registries.conf of the templates: TOML parse error at line 2"), "{base}");
    }
}
