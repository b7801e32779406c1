//! Differences between two configurations, in terms of what is on a machine.

use crate::{
    Config,
    contents::{self, ContentsError},
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt};

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What differs.
    pub subject: Subject,
    /// The old state; absent when it is new.
    pub before: Option<State>,
    /// The new state; absent when it is removed.
    pub after: Option<State>,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The file at a path.
    File(String),
    /// The directory at a path.
    Directory(String),
    /// The link at a path.
    Link(String),
    /// The systemd unit of a name, without its drop-ins.
    Unit(String),
    /// A drop-in of a unit.
    Dropin {
        /// The unit.
        unit: String,
        /// The drop-in.
        name: String,
    },
    /// The user of a name.
    User(String),
    /// The group of a name.
    Group(String),
    /// Everything in a section that is none of the above: `storage.disks`, `ignition`.
    Section(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {path}"),
            Self::Directory(path) => write!(f, "directory {path}"),
            Self::Link(path) => write!(f, "link {path}"),
            Self::Unit(name) => write!(f, "unit {name}"),
            Self::Dropin { unit, name } => write!(f, "drop-in {name} of unit {unit}"),
            Self::User(name) => write!(f, "user {name}"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::Section(name) => write!(f, "section {name}"),
        }
    }
}

/// A state.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Its contents.
    pub contents: Contents,
    /// Everything else in the configuration about it.
    pub rest: Value,
}

/// The contents of a file, unit or drop-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Not specified.
    None,
    /// Text, decoded and unpacked.
    Text(String),
    /// Binary data, decoded and unpacked.
    Binary(Vec<u8>),
    /// The contents of a URL.
    Remote(String),
    /// Unknown.
    Unreadable {
        /// The source as written.
        source: String,
        /// Why.
        why: ContentsError,
    },
}

impl Contents {
    /// The contents of a file, as its resource says.
    #[must_use]
    pub fn of_resource(resource: Option<&Map<String, Value>>) -> Self {
        let Some((resource, source)) = resource.and_then(|r| Some((r, r.get("source")?.as_str()?))) else {
            return Self::None;
        };
        if source.is_empty() {
            return Self::Text(String::new());
        }
        if !source.starts_with("data:") {
            return Self::Remote(source.to_owned());
        }
        match contents::decode(resource).map(String::from_utf8) {
            Ok(Ok(text)) => Self::Text(text),
            Ok(Err(bytes)) => Self::Binary(bytes.into_bytes()),
            Err(why) => Self::Unreadable { source: source.to_owned(), why },
        }
    }

    fn of_unit(unit: &Map<String, Value>) -> Self {
        unit.get("contents").and_then(Value::as_str).map_or(Self::None, |text| Self::Text(text.to_owned()))
    }
}

/// Lists all differences, sorted by what differs. Another way to write the same contents is not a difference.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    let (mut before, mut after) = (states(old), states(new));
    before.retain(|subject, state| match after.get(subject) {
        Some(same) if same == state => after.remove(subject).is_none(),
        _ => true,
    });
    let mut changes: BTreeMap<Subject, Change> = BTreeMap::new();
    for (subject, state) in before {
        changes.insert(subject.clone(), Change { before: Some(state), after: after.remove(&subject), subject });
    }
    for (subject, state) in after {
        changes.insert(subject.clone(), Change { before: None, after: Some(state), subject });
    }
    changes.into_values().collect()
}

fn states(config: &Config) -> BTreeMap<Subject, State> {
    let mut states = BTreeMap::new();
    let name = |fields: &Map<String, Value>, field: &str| {
        fields.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let without = |fields: &Map<String, Value>, left_out: &[&str]| {
        let mut fields = fields.clone();
        fields.retain(|name, _| !left_out.contains(&name.as_str()));
        Value::Object(fields)
    };
    for file in config.files() {
        let resource = file.get("contents").and_then(Value::as_object);
        let mut rest = without(file, &["path", "contents"]);
        // Other properties of the contents, e.g. a hash or headers.
        if let Some(more) =
            resource.map(|r| without(r, &["source", "compression"])).filter(|m| *m != Value::Object(Map::new()))
        {
            rest["contents"] = more;
        }
        states.insert(Subject::File(name(file, "path")), State { contents: Contents::of_resource(resource), rest });
    }
    for unit in config.list("systemd", "units") {
        let unit_name = name(unit, "name");
        for dropin in unit.get("dropins").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object) {
            let subject = Subject::Dropin { unit: unit_name.clone(), name: name(dropin, "name") };
            let rest = without(dropin, &["name", "contents"]);
            states.insert(subject, State { contents: Contents::of_unit(dropin), rest });
        }
        let rest = without(unit, &["name", "contents", "dropins"]);
        let state = State { contents: Contents::of_unit(unit), rest };
        // A unit that only holds drop-ins is not a change itself.
        if state.contents != Contents::None || state.rest != Value::Object(Map::new()) || !unit.contains_key("dropins")
        {
            states.insert(Subject::Unit(unit_name), state);
        }
    }
    let mut list = |section: &str, list: &str, key: &str, subject: fn(String) -> Subject| {
        for entry in config.list(section, list) {
            let state = State { contents: Contents::None, rest: without(entry, &[key]) };
            states.insert(subject(name(entry, key)), state);
        }
    };
    list("storage", "directories", "path", Subject::Directory);
    list("storage", "links", "path", Subject::Link);
    list("passwd", "users", "name", Subject::User);
    list("passwd", "groups", "name", Subject::Group);
    for section in ["ignition", "kernelArguments"] {
        if let Some(fields) = config.section(section) {
            let state = State { contents: Contents::None, rest: Value::Object(fields.clone()) };
            states.insert(Subject::Section(section.to_owned()), state);
        }
    }
    for list in ["disks", "filesystems", "luks", "raid"] {
        if let Some(entries) = config.section("storage").and_then(|s| s.get(list)) {
            let state = State { contents: Contents::None, rest: entries.clone() };
            states.insert(Subject::Section(format!("storage.{list}")), state);
        }
    }
    states
}

#[cfg(test)]
mod tests {
    use super::{Contents, Subject, diff};
    use crate::Config;
    use serde_json::{Value, json};

    fn config(mut sections: Value) -> Config {
        sections["ignition"] = json!({ "version": "3.5.0" });
        Config::read(&sections).unwrap()
    }

    #[test]
    fn every_kind_of_change() {
        let old = config(json!({
            "storage": {
                "files": [
                    { "path": "/same", "contents": { "source": "data:,a%20b" } },
                    { "path": "/text", "contents": { "source": "data:,old" }, "mode": 420 },
                    { "path": "/gone" },
                ],
                "directories": [{ "path": "/d", "mode": 493 }],
                "disks": [{ "device": "/dev/a" }],
            },
            "systemd": { "units": [{ "name": "a.service", "dropins": [{ "name": "1.conf", "contents": "[A]" }] }] },
            "passwd": { "users": [{ "name": "core", "sshAuthorizedKeys": ["k"] }] },
        }));
        let new = config(json!({
            "storage": {
                "files": [
                    { "path": "/same", "contents": { "source": "data:;base64,YSBi" } },
                    { "path": "/text", "contents": { "source": "data:;base64,/w==" }, "mode": 420 },
                    { "path": "/far", "contents": { "source": "https://x/y" } },
                ],
                "links": [{ "path": "/d", "target": "/e" }],
            },
            "systemd": { "units": [{ "name": "a.service", "enabled": true, "dropins": [{ "name": "1.conf", "contents": "[B]" }] }] },
            "passwd": { "users": [{ "name": "core", "sshAuthorizedKeys": ["k", "l"] }] },
        }));
        let changes = diff(&old, &new);
        let told: Vec<String> = changes
            .iter()
            .map(|c| {
                let sign = match (&c.before, &c.after) {
                    (None, _) => '+',
                    (_, None) => '-',
                    _ => '~',
                };
                format!("{sign} {}", c.subject)
            })
            .collect();
        assert_eq!(
            told,
            [
                "+ file /far",
                "- file /gone",
                "~ file /text",
                "- directory /d",
                "+ link /d",
                "+ unit a.service",
                "~ drop-in 1.conf of unit a.service",
                "~ user core",
                "- section storage.disks",
            ]
        );
        let text = changes.iter().find(|c| c.subject == Subject::File("/text".to_owned())).unwrap();
        assert_eq!(text.before.as_ref().unwrap().contents, Contents::Text("old".to_owned()));
        assert_eq!(text.after.as_ref().unwrap().contents, Contents::Binary(vec![0xff]));
        assert!(diff(&new, &new).is_empty());
    }
}
