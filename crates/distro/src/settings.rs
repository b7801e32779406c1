//! The settings of all profiles side by side, and which of them differ.

use crate::profile::{Profile, SOURCES};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A short description of each setting, in the order in which people ask. Settings of the sample payload come last: they are
/// for trying things out.
const MEANINGS: [(&str, &str); 20] = [
    ("name", "name for --distribution"),
    ("title", "name for people"),
    ("foreign_feature_sets", "FeatureSets that contradict it"),
    ("payload.base_os_tag", "payload tag of the OS image"),
    ("payload.base_extensions_tag", "payload tag of its extensions"),
    ("payload.os_tag_pattern", "tags that may be an OS"),
    ("payload.os_source", "sources that may be an OS"),
    ("streams.rule", "streams at a time"),
    ("streams.unlabelled", "images without stream label"),
    ("streams.without_runc", "streams without runc"),
    ("streams.without_runc_title", "what messages call those"),
    ("streams.x86_64_v3", "streams that need x86-64-v3"),
    ("default_stream.rule", "default stream when none is chosen"),
    ("default_stream.majors", "- by major of the first release"),
    ("default_stream.otherwise", "- for every other major"),
    ("default_stream.stream", "- always"),
    ("sample.feature_set", "sample: FeatureSet"),
    ("sample.version", "sample: release version"),
    ("sample.repository", "sample: repository"),
    ("sample.other_os_tag", "sample: tag of any other stream"),
];

/// One setting of every profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its path in the profile, joined with dots.
    pub setting: String,
    /// Its description.
    pub meaning: String,
    /// Its value by profile; a profile without it is left out.
    pub values: BTreeMap<String, String>,
}

impl Setting {
    /// Whether the profiles differ in it.
    #[must_use]
    pub fn differs(&self) -> bool {
        let distinct: BTreeSet<&String> = self.values.values().collect();
        distinct.len() > 1 || self.values.len() < Profile::all().len()
    }
}

/// Every setting of every profile.
#[must_use]
pub fn settings() -> Vec<Setting> {
    let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let tables = SOURCES.iter().filter_map(|source| source.parse::<toml::Table>().ok());
    for (profile, table) in Profile::all().iter().zip(tables) {
        flatten("", &table, &mut |setting, value| {
            found.entry(setting).or_default().insert(profile.name.clone(), value);
        });
    }
    let place = |setting: &str| MEANINGS.iter().position(|(known, _)| *known == setting);
    let mut all: Vec<Setting> = found
        .into_iter()
        .map(|(setting, values)| {
            let meaning = place(&setting).map_or_else(|| setting.replace('.', ": "), |at| MEANINGS[at].1.to_owned());
            Setting { setting, meaning, values }
        })
        .collect();
    all.sort_by_key(|row| (place(&row.setting).unwrap_or(MEANINGS.len()), row.setting.clone()));
    all
}

/// Tables that are settings themselves are written on one line.
const WHOLE: &str = "default_stream.majors";

fn flatten(prefix: &str, table: &toml::Table, tell: &mut impl FnMut(String, String)) {
    for (key, value) in table {
        let setting = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) if setting != WHOLE => flatten(&setting, inner, tell),
            value => tell(setting, text(value)),
        }
    }
}

fn text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) if text.is_empty() => "(default)".to_owned(),
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(items) if items.is_empty() => "(none)".to_owned(),
        toml::Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        // A list of tables, such as the streams of a sample, is shown by its names.
        toml::Value::Table(table) if table.contains_key("name") => table.get("name").map(text).unwrap_or_default(),
        toml::Value::Table(table) => {
            table.iter().map(|(key, value)| format!("{key} → {}", text(value))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_meaning_and_every_meaning_a_setting() {
        let all = settings();
        let known: Vec<&str> = MEANINGS.iter().map(|(setting, _)| *setting).collect();
        let found: Vec<&str> = all.iter().map(|row| row.setting.as_str()).collect();
        assert_eq!(found[..known.len()], known);
        assert_eq!(found[known.len()..], ["sample.streams"]);
    }

    #[test]
    fn what_profiles_agree_on_is_no_difference() {
        let all = settings();
        let differs = |name: &str| all.iter().find(|row| row.setting == name).map(Setting::differs);
        assert_eq!(differs("payload.os_tag_pattern"), Some(false));
        assert_eq!(differs("streams.rule"), Some(true));
        assert_eq!(differs("default_stream.stream"), Some(true));
    }
}
