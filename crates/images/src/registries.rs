//! Where a pull spec is really fetched from: mirrors, blocked and insecure registries.
//!
//! Source: `man 5 containers-registries.conf`, version 2, of github.com/containers/image. Search lists, aliases and
//! credential helpers have no effect on fully qualified pull specs and are not read.

use crate::pull_spec::{BadPullSpec, PullSpec, Version, is_host};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The registries configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registries {
    /// Entries, in the order of the file.
    pub entries: Vec<Entry>,
}

/// Settings for the pull specs with one prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// `host[:port][/path]`, or `*.domain`.
    pub prefix: String,
    /// What replaces the prefix; `None` leaves it unchanged.
    pub location: Option<String>,
    /// No TLS verification, and plain HTTP if there is no TLS.
    pub insecure: bool,
    /// Never contacted; its mirrors may be.
    pub blocked: bool,
    /// Asked first, in order.
    pub mirrors: Vec<Mirror>,
}

/// Another location with the same images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirror {
    /// What replaces the entry's prefix.
    pub location: String,
    /// Like [`Entry::insecure`], for the mirror alone.
    pub insecure: bool,
    /// Which pull specs it is asked for.
    pub pull_from: PullFrom,
}

/// Which pull specs a mirror is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullFrom {
    /// All.
    #[default]
    All,
    /// Those with a digest.
    DigestOnly,
    /// Those with a tag.
    TagOnly,
}

/// A location to ask for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The image's name there.
    pub spec: PullSpec,
    /// Like [`Entry::insecure`].
    pub insecure: bool,
    /// The entry that forbids asking here.
    pub blocked_by: Option<String>,
}

/// Why a registries configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("registries configuration{}: {why}", if file.is_empty() { String::new() } else { format!(" {file}") })]
pub struct BadRegistries {
    /// The file; empty when the text came from elsewhere.
    pub file: String,
    /// Why.
    pub why: String,
}

#[derive(Serialize, Deserialize)]
struct Document {
    #[serde(default)]
    registry: Vec<RawEntry>,
    #[serde(skip_serializing)]
    registries: Option<toml::Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawEntry {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    prefix: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default, skip_serializing)]
    mirror_by_digest_only: bool,
    #[serde(default)]
    mirror: Vec<RawMirror>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawMirror {
    #[serde(default)]
    location: String,
    #[serde(default)]
    insecure: bool,
    pull_from_mirror: Option<PullFrom>,
}

/// Where a text is no TOML, and why, in a line.
fn of_toml(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message().trim_end().replace('\n', ", "))
}

impl Registries {
    /// Reads one file.
    ///
    /// # Errors
    /// When it is not TOML, is of the obsolete version 1, or an entry is invalid.
    pub fn parse(text: &str) -> Result<Self, BadRegistries> {
        let bad = |why: String| BadRegistries { file: String::new(), why };
        let document: Document = toml::from_str(text).map_err(|error| bad(of_toml(text, &error)))?;
        if document.registries.is_some() {
            return Err(bad("version 1 ([registries.…]) is not supported; write it as [[registry]] tables".to_owned()));
        }
        let mut all = Self::default();
        for raw in document.registry {
            all.put(Entry::new(raw).map_err(bad)?);
        }
        Ok(all)
    }

    /// Reads a file, and then the `*.conf` files of the folder with the same name plus `.d`, in name order;
    /// an entry of a later file replaces the one with the same prefix.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub fn load(path: &Path) -> Result<Self, BadRegistries> {
        let mut all = read(path)?;
        let mut folder = path.as_os_str().to_owned();
        folder.push(".d");
        let mut drop_ins: Vec<PathBuf> = match std::fs::read_dir(&folder) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(_) => Vec::new(),
        };
        drop_ins.retain(|file| file.extension().is_some_and(|extension| extension == "conf") && file.is_file());
        drop_ins.sort();
        for file in drop_ins {
            for entry in read(&file)?.entries {
                all.put(entry);
            }
        }
        Ok(all)
    }

    /// Adds the entries whose prefix has none yet.
    pub fn add(&mut self, other: Self) {
        let known = |entry: &Entry| self.entries.iter().any(|own| own.prefix == entry.prefix);
        let new: Vec<Entry> = other.entries.into_iter().filter(|entry| !known(entry)).collect();
        self.entries.extend(new);
    }

    /// As one file, for other programs.
    ///
    /// # Errors
    /// Never, for entries that [`Self::parse`] would give.
    pub fn to_toml(&self) -> Result<String, BadRegistries> {
        let document = Document { registry: self.entries.iter().map(Entry::raw).collect(), registries: None };
        toml::to_string(&document).map_err(|error| BadRegistries { file: String::new(), why: error.to_string() })
    }

    fn put(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|known| known.prefix == entry.prefix) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
    }

    /// The entry with the longest prefix of this name, and how much of the name the prefix covers.
    fn entry(&self, name: &str) -> Option<(&Entry, usize)> {
        let matching = self.entries.iter().filter_map(|entry| Some((entry, entry.covers(name)?)));
        matching.max_by_key(|(entry, _)| entry.prefix.len())
    }

    /// Whether a whole `host[:port]` is marked insecure, by its name or as the location of a mirror.
    #[must_use]
    pub fn is_insecure(&self, host: &str) -> bool {
        let named = self.entry(host).is_some_and(|(entry, _)| entry.insecure && entry.location.is_none());
        let located = |entry: &Entry| {
            let mirrored = entry.mirrors.iter().any(|mirror| mirror.insecure && mirror.location == host);
            mirrored || (entry.insecure && entry.location.as_deref() == Some(host))
        };
        named || self.entries.iter().any(located)
    }

    /// The locations to ask for an image, in order; the last is the source itself. One whose rewritten name is not a pull spec
    /// does not affect the others.
    #[must_use]
    pub fn places(&self, spec: &PullSpec) -> Vec<Result<Place, BadPullSpec>> {
        let name = spec.name();
        let Some((entry, covered)) = self.entry(&name) else {
            return vec![Ok(Place { spec: spec.clone(), insecure: false, blocked_by: None })];
        };
        let rest = &name[covered..];
        let mirrors = entry.mirrors.iter().filter(|mirror| mirror.pull_from.takes(&spec.version));
        let mirrored =
            mirrors.map(|mirror| self.place(&format!("{}{rest}", mirror.location), &spec.version, mirror.insecure));
        let source = entry.location.as_ref().map_or_else(|| name.clone(), |location| format!("{location}{rest}"));
        mirrored.chain([self.place(&source, &spec.version, entry.insecure)]).collect()
    }

    fn place(&self, name: &str, version: &Version, insecure: bool) -> Result<Place, BadPullSpec> {
        let spec = PullSpec { version: version.clone(), ..name.parse()? };
        let blocking = self.entry(&spec.name()).filter(|(entry, _)| entry.blocked);
        Ok(Place { spec, insecure, blocked_by: blocking.map(|(entry, _)| entry.prefix.clone()) })
    }
}

impl PullFrom {
    fn takes(self, version: &Version) -> bool {
        match self {
            Self::All => true,
            Self::DigestOnly => matches!(version, Version::Digest(_)),
            Self::TagOnly => matches!(version, Version::Tag(_)),
        }
    }
}

impl Entry {
    fn new(raw: RawEntry) -> Result<Self, String> {
        let location = location(&raw.location)?;
        let prefix = location_or_wildcard(&raw.prefix)?;
        let (prefix, location) = match (prefix.is_empty(), location.is_empty()) {
            (true, true) => return Err("a [[registry]] has neither prefix nor location".to_owned()),
            (true, false) => (location, None),
            (false, true) if prefix.starts_with("*.") => (prefix, None),
            (false, true) => return Err(format!("[[registry]] with prefix {prefix:?} has no location")),
            (false, false) => (prefix, Some(location)),
        };
        let mut mirrors = Vec::new();
        for mirror in raw.mirror {
            if raw.mirror_by_digest_only && mirror.pull_from_mirror.is_some() {
                return Err(format!(
                    "[[registry]] {prefix:?} has mirror-by-digest-only and a mirror with pull-from-mirror; use one of them"
                ));
            }
            mirrors.push(Mirror::new(mirror, raw.mirror_by_digest_only).map_err(|why| format!("{prefix:?}: {why}"))?);
        }
        Ok(Self { prefix, location, insecure: raw.insecure, blocked: raw.blocked, mirrors })
    }

    fn raw(&self) -> RawEntry {
        // What is not replaced has its location alone, and a wildcard, which cannot be one, its prefix alone.
        let (prefix, location) = match &self.location {
            Some(location) => (self.prefix.clone(), location.clone()),
            None if self.prefix.starts_with("*.") => (self.prefix.clone(), String::new()),
            None => (String::new(), self.prefix.clone()),
        };
        let mirror = |mirror: &Mirror| RawMirror {
            location: mirror.location.clone(),
            insecure: mirror.insecure,
            pull_from_mirror: Some(mirror.pull_from),
        };
        RawEntry {
            prefix,
            location,
            insecure: self.insecure,
            blocked: self.blocked,
            mirror_by_digest_only: false,
            mirror: self.mirrors.iter().map(mirror).collect(),
        }
    }

    /// How much of the name the prefix covers; a wildcard covers the host.
    fn covers(&self, name: &str) -> Option<usize> {
        if let Some(domain) = self.prefix.strip_prefix('*') {
            let host = name.split('/').next().unwrap_or(name);
            let bare = host.split(':').next().unwrap_or(host);
            return (bare.len() > domain.len() && bare.ends_with(domain)).then_some(bare.len());
        }
        let rest = name.strip_prefix(self.prefix.as_str())?;
        (rest.is_empty() || rest.starts_with(['/', ':'])).then_some(self.prefix.len())
    }
}

impl Mirror {
    fn new(raw: RawMirror, by_digest_only: bool) -> Result<Self, String> {
        let location = location(&raw.location)?;
        if location.is_empty() {
            return Err("a mirror has no location".to_owned());
        }
        let default = if by_digest_only { PullFrom::DigestOnly } else { PullFrom::All };
        Ok(Self { location, insecure: raw.insecure, pull_from: raw.pull_from_mirror.unwrap_or(default) })
    }
}

fn read(path: &Path) -> Result<Registries, BadRegistries> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| BadRegistries { file: file.clone(), why: format!("it cannot be read: {error}") })?;
    Registries::parse(&text).map_err(|error| BadRegistries { file, ..error })
}

fn location_or_wildcard(text: &str) -> Result<String, String> {
    match text.strip_prefix("*.") {
        Some(domain) if is_host(domain) && !domain.contains([':', '[']) => Ok(text.to_owned()),
        Some(_) => Err(format!("{text:?}: after *. comes a domain, without port or path")),
        None => location(text),
    }
}

/// `host[:port][/path]`, without slashes at its end.
fn location(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    if text.contains("://") {
        return Err(format!("{text:?}: a location is host[:port][/path], without a scheme"));
    }
    let host = text.split('/').next().unwrap_or(text);
    if !text.is_empty() && !is_host(host) {
        return Err(format!("{text:?} does not start with a host name"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    const TEXT: &str = r#"
unqualified-search-registries = ["a.io"]
short-name-mode = "permissive"

[[registry]]
location = "example.com"
insecure = true

[[registry]]
prefix = "*.wild.io"
insecure = true

[[registry]]
location = "b.wild.io/deep"
blocked = true

[[registry]]
prefix = "quay.io/rel"
location = "private.io/copies/"
[[registry.mirror]]
location = "m1.io/rel"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "m2.io:5000/rel"
insecure = true
pull-from-mirror = "tag-only"
[[registry.mirror]]
location = "b.wild.io/deep"

[[registry]]
location = "never.io"
blocked = true
mirror-by-digest-only = true
[[registry.mirror]]
location = "m3.io"
"#;

    fn places(text: &str) -> Vec<String> {
        let spec = text.parse().unwrap();
        let show = |place: Place| {
            let insecure = if place.insecure { " insecure" } else { "" };
            let blocked = place.blocked_by.map(|by| format!(" blocked by {by}")).unwrap_or_default();
            format!("{}{insecure}{blocked}", place.spec)
        };
        Registries::parse(TEXT).unwrap().places(&spec).into_iter().map(|place| show(place.unwrap())).collect()
    }

    #[test]
    fn hosts_that_are_insecure_as_a_whole() {
        let registries = Registries::parse(&TEXT.replace("m2.io:5000/rel", "m2.io:5000")).unwrap();
        for (host, insecure) in [
            ("example.com", true),
            ("example.com:5000", true),
            ("a.wild.io", true),
            ("m2.io:5000", true),
            ("m2.io", false),
            ("m1.io", false),
            ("quay.io", false),
            ("other.io", false),
        ] {
            assert_eq!(registries.is_insecure(host), insecure, "{host}");
        }
        let moved = "[[registry]]\nprefix = \"a.io\"\nlocation = \"b.io\"\ninsecure = true\n";
        let moved = Registries::parse(moved).unwrap();
        assert!(moved.is_insecure("b.io") && !moved.is_insecure("a.io"));
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for text in [TEXT, ""] {
            let read = Registries::parse(text).unwrap();
            let written = read.to_toml().unwrap();
            assert_eq!(Registries::parse(&written).unwrap(), read, "{written}");
        }
    }

    #[test]
    fn a_mirror_that_is_none_is_no_obstacle() {
        let mirror = |location: &str| Mirror { location: location.to_owned(), ..Mirror::default() };
        let mirrors = vec![mirror("M.io/UPPER"), mirror("m.io/a")];
        let entry = Entry { prefix: "a.io".to_owned(), mirrors, ..Entry::default() };
        let places = Registries { entries: vec![entry] }.places(&"a.io/b:1".parse().unwrap());
        let names: Vec<Option<String>> = places.into_iter().map(|place| Some(place.ok()?.spec.to_string())).collect();
        assert_eq!(names, [None, Some("m.io/a/b:1".to_owned()), Some("a.io/b:1".to_owned())]);
    }

    #[test]
    fn places_in_order() {
        let by_digest = format!("quay.io/rel/os@{DIGEST}");
        for (spec, expected) in [
            ("other.io/a:1", vec!["other.io/a:1".to_owned()]),
            ("example.com/a:1", vec!["example.com/a:1 insecure".to_owned()]),
            ("example.com:5000/a:1", vec!["example.com:5000/a:1 insecure".to_owned()]),
            ("notexample.com/a:1", vec!["notexample.com/a:1".to_owned()]),
            ("example.com.evil.io/a:1", vec!["example.com.evil.io/a:1".to_owned()]),
            ("a.wild.io:5000/x:1", vec!["a.wild.io:5000/x:1 insecure".to_owned()]),
            ("a.b.wild.io/x:1", vec!["a.b.wild.io/x:1 insecure".to_owned()]),
            ("wild.io/x:1", vec!["wild.io/x:1".to_owned()]),
            ("a.io/b.wild.io:1", vec!["a.io/b.wild.io:1".to_owned()]),
            ("b.wild.io/deep/x:1", vec!["b.wild.io/deep/x:1 blocked by b.wild.io/deep".to_owned()]),
            ("quay.io/release:1", vec!["quay.io/release:1".to_owned()]),
            (
                "quay.io/rel/os:1",
                vec![
                    "m2.io:5000/rel/os:1 insecure".to_owned(),
                    "b.wild.io/deep/os:1 blocked by b.wild.io/deep".to_owned(),
                    "private.io/copies/os:1".to_owned(),
                ],
            ),
            (
                &by_digest,
                vec![
                    format!("m1.io/rel/os@{DIGEST}"),
                    format!("b.wild.io/deep/os@{DIGEST} blocked by b.wild.io/deep"),
                    format!("private.io/copies/os@{DIGEST}"),
                ],
            ),
            ("never.io/a:1", vec!["never.io/a:1 blocked by never.io".to_owned()]),
        ] {
            assert_eq!(places(spec), expected, "{spec}");
        }
        let never = format!("never.io/a@{DIGEST}");
        assert_eq!(places(&never), [format!("m3.io/a@{DIGEST}"), format!("{never} blocked by never.io")]);
    }

    #[test]
    fn what_is_refused() {
        for (text, part) in [
            ("[[registry]]\n", "neither prefix nor location"),
            ("[[registry]]\nprefix = \"a.io\"\n", "has no location"),
            ("[[registry]]\nlocation = \"https://a.io\"\n", "without a scheme"),
            ("[[registry]]\nprefix = \"*.a.io/x\"\n", "without port or path"),
            ("[[registry]]\nlocation = \"a.io\"\n[[registry.mirror]]\n", "a mirror has no location"),
            ("[[registry]]\nlocation = \"a b\"\n", "host name"),
            ("[registries.search]\nregistries = []\n", "version 1"),
            ("[[registry]\n", "line 1: "),
            ("a = 1\n\nb = [\n", "line 3: "),
            (
                "[[registry]]\nlocation = \"a.io\"\n[[registry.mirror]]\nlocation = \"b.io\"\npull-from-mirror = \"some\"\n",
                "some",
            ),
            (
                "[[registry]]\nlocation = \"a.io\"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = \
                 \"b.io\"\npull-from-mirror = \"all\"\n",
                "use one of them",
            ),
        ] {
            let error = Registries::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn drop_ins_replace_entries_in_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registries.conf");
        std::fs::write(&path, "[[registry]]\nlocation = \"a.io\"\ninsecure = true\n").unwrap();
        let drop_ins = folder.path().join("registries.conf.d");
        std::fs::create_dir(&drop_ins).unwrap();
        std::fs::write(drop_ins.join("2.conf"), "[[registry]]\nlocation = \"b.io\"\nblocked = true\n").unwrap();
        std::fs::write(
            drop_ins.join("1.conf"),
            "[[registry]]\nlocation = \"a.io\"\n[[registry]]\nlocation = \"b.io\"\n",
        )
        .unwrap();
        std::fs::write(drop_ins.join("3.txt"), "no TOML").unwrap();
        let loaded = Registries::load(&path).unwrap();
        let entry = |prefix: &str, blocked| Entry { prefix: prefix.to_owned(), blocked, ..Entry::default() };
        assert_eq!(loaded.entries, [entry("a.io", false), entry("b.io", true)]);
        let error = Registries::load(&folder.path().join("none.conf")).unwrap_err().to_string();
        assert!(error.contains("none.conf"), "{error}");
    }
}
