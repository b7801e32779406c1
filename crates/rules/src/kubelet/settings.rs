//! How a kubelet's configuration is read and written.
//!
//! R-SETTINGS-1 Field names match in any case. Fields that the release does not know are left out and returned by name. Null means
//! absent.
//! R-SETTINGS-2 A value of the wrong type is an error. A number without a fraction is an integer however it is written; it must fit
//! its field.
//! R-SETTINGS-3 Kind and version are always written, and of the fields what Go writes (R-FIELDS-2): as YAML with sorted keys,
//! before 4.18 as JSON on one line in the order of Go's type.
//!
//! Source: `DecodeKubeletConfig` and `EncodeKubeletConfig` in `pkg/controller/kubelet-config/helpers.go` of
//! github.com/openshift/machine-config-operator.

use super::fields::{Field, KUBELET_CONFIGURATION, Kind, V4_18};
use crate::{
    generated::{
        duration,
        json_text::{Json, compact},
        quantity::Quantity,
    },
    render::goyaml,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use weir_distro::ReleaseVersion;

const KIND: &str = "KubeletConfiguration";
const API_VERSION: &str = "kubelet.config.k8s.io/v1beta1";
/// Maximum size of a configuration in bytes; those of releases have a hundredth of it.
const MOST: usize = 1 << 20;

/// A configuration by field: the given values in the form in which they are written. Durations are numbers of nanoseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(pub Map<String, Value>);

/// Why a configuration cannot be read. Permanent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A value does not fit its field.
    #[error("{path}: {expected} expected, found {found}")]
    Type {
        /// Path of the field, with dots; empty for the whole.
        path: String,
        /// Type of the field.
        expected: &'static str,
        /// The value.
        found: String,
    },
    /// The text is not YAML.
    #[error("it is not YAML: {0}")]
    Yaml(String),
    /// The text is too large.
    #[error("it has {0} bytes, and {MOST} are read at most")]
    Large(usize),
    /// It cannot be written.
    #[error(transparent)]
    Written(#[from] goyaml::ControlCharacter),
}

/// A parsed configuration, with the names that the release does not know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// The given values.
    pub settings: Settings,
    /// Paths of the fields that are left out, with dots.
    pub unknown: Vec<String>,
}

/// Parses a configuration from YAML or JSON.
///
/// # Errors
/// If it is not one, or too large.
pub fn parse(text: &str, release: ReleaseVersion) -> Result<Read, SettingsError> {
    if text.len() > MOST {
        return Err(SettingsError::Large(text.len()));
    }
    if text.trim().is_empty() {
        return Err(SettingsError::Yaml("EOF: there is no document".to_owned()));
    }
    let value: Value =
        serde_saphyr::from_str(text).map_err(|error| SettingsError::Yaml(error.without_snippet().to_string()))?;
    read(&value, release)
}

/// Reads a configuration.
///
/// # Errors
/// If a value does not fit its field.
pub fn read(value: &Value, release: ReleaseVersion) -> Result<Read, SettingsError> {
    let mut reader = Reader { release, path: Vec::new(), unknown: Vec::new() };
    let settings = reader.fields(KUBELET_CONFIGURATION, value)?;
    reader.unknown.retain(|name| !matches!(name.to_ascii_lowercase().as_str(), "kind" | "apiversion"));
    Ok(Read { settings: Settings(settings), unknown: reader.unknown })
}

struct Reader<'v> {
    release: ReleaseVersion,
    path: Vec<&'v str>,
    unknown: Vec<String>,
}

impl<'v> Reader<'v> {
    fn fields(&mut self, fields: &'static [Field], value: &'v Value) -> Result<Map<String, Value>, SettingsError> {
        let mut read = Map::new();
        let given = match value {
            Value::Object(given) => given,
            Value::Null => return Ok(read),
            other => return Err(self.wrong("object", other)),
        };
        for (name, value) in given {
            self.path.push(name);
            let known = |field: &&Field| field.name.eq_ignore_ascii_case(name) && field.since <= self.release;
            match fields.iter().find(known) {
                Some(_) if value.is_null() => {}
                Some(field) => _ = read.insert(field.name.to_owned(), self.value(&field.kind, value)?),
                None => self.unknown.push(self.path.join(".")),
            }
            self.path.pop();
        }
        Ok(read)
    }

    fn value(&mut self, kind: &'static Kind, value: &'v Value) -> Result<Value, SettingsError> {
        match kind {
            Kind::Pointer(inner) => self.value(inner, value),
            Kind::Struct(fields) => Ok(Value::Object(self.fields(fields, value)?)),
            Kind::List(inner) => {
                let items = value.as_array().ok_or_else(|| self.wrong("list", value))?;
                items.iter().map(|item| self.element(inner, item)).collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            Kind::Map(inner) => {
                let items = value.as_object().ok_or_else(|| self.wrong("object", value))?;
                let mut read = Map::new();
                for (key, item) in items {
                    self.path.push(key);
                    read.insert(key.clone(), self.element(inner, item)?);
                    self.path.pop();
                }
                Ok(Value::Object(read))
            }
            plain => self.plain(plain, value),
        }
    }

    /// An element of a list or map: null is the zero value there.
    fn element(&mut self, kind: &'static Kind, value: &'v Value) -> Result<Value, SettingsError> {
        if value.is_null() { Ok(zero(kind)) } else { self.value(kind, value) }
    }

    fn plain(&self, kind: &Kind, value: &Value) -> Result<Value, SettingsError> {
        let text = || value.as_str();
        let (read, expected) = match kind {
            Kind::Text => (text().map(Value::from), "string"),
            Kind::Bool => (value.as_bool().map(Value::from), "true or false"),
            Kind::Int32 => (whole(value, i32::MIN.into(), i32::MAX.into()), "number of 32 bits"),
            Kind::Uint32 => (whole(value, 0, u32::MAX.into()), "number of 32 bits, 0 or more"),
            Kind::Int64 => (whole(value, i64::MIN, i64::MAX), "number of 64 bits"),
            Kind::Float => (value.as_f64().map(Value::from), "number"),
            Kind::Duration => (text().and_then(duration::parse).map(Value::from), "duration such as 1m30s"),
            Kind::FlushFrequency => (flush_frequency(value), "duration such as 5s, or a number of nanoseconds"),
            Kind::Time => (text().and_then(time), "time such as 2026-01-01T00:00:00Z"),
            Kind::Quantity | Kind::BufferSize => (quantity(value), "quantity such as 500m or 1.5Gi"),
            Kind::List(_) | Kind::Map(_) | Kind::Struct(_) | Kind::Pointer(_) => (None, "plain value"),
        };
        read.ok_or_else(|| self.wrong(expected, value))
    }

    fn wrong(&self, expected: &'static str, value: &Value) -> SettingsError {
        /// Maximum length of a value in a message, in characters.
        const SHOWN: usize = 100;
        let mut found: String = value.to_string();
        if let Some((end, _)) = found.char_indices().nth(SHOWN) {
            found.truncate(end);
            found.push('…');
        }
        SettingsError::Type { path: self.path.join("."), expected, found }
    }
}

fn whole(value: &Value, least: i64, most: i64) -> Option<Value> {
    let number = value.as_i64().or_else(|| {
        // 2^63; below it, each f64 without a fraction is an i64.
        const BOUND: f64 = 9_223_372_036_854_775_808.0;
        let float = value.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < BOUND)?;
        #[allow(clippy::cast_possible_truncation, reason = "whole and within the bounds")]
        Some(float as i64)
    })?;
    (least..=most).contains(&number).then(|| number.into())
}

/// Both parts of it: the duration, and whether it is written as text.
fn flush_frequency(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => Some(json!({"duration": duration::parse(text)?, "text": true})),
        number => Some(json!({"duration": whole(number, i64::MIN, i64::MAX)?, "text": false})),
    }
}

fn time(text: &str) -> Option<Value> {
    let time: Timestamp = text.parse().ok()?;
    Some(Value::from(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
}

fn quantity(value: &Value) -> Option<Value> {
    let quantity = match value {
        Value::String(text) => Quantity::parse(text),
        Value::Number(number) => Quantity::of_number(number),
        _ => return None,
    };
    quantity.ok().map(|quantity| Value::from(quantity.to_string()))
}

fn zero(kind: &Kind) -> Value {
    match kind {
        Kind::Text | Kind::Time => Value::from(""),
        Kind::Bool => Value::from(false),
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Float | Kind::Duration => Value::from(0),
        Kind::FlushFrequency => json!({"duration": 0, "text": false}),
        Kind::Quantity | Kind::BufferSize => Value::from("0"),
        Kind::List(_) | Kind::Map(_) | Kind::Pointer(_) => Value::Null,
        Kind::Struct(_) => json!({}),
    }
}

/// Whether Go regards a value as zero.
pub(super) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

impl Settings {
    /// A text field; empty if it is absent.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// A field with a list of texts.
    #[must_use]
    pub fn texts(&self, field: &str) -> Vec<&str> {
        self.0.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Sets a field.
    pub fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.0.insert(field.to_owned(), value.into());
    }

    /// The text of `kubelet.conf` (R-SETTINGS-3).
    ///
    /// # Errors
    /// If a text in it contains a control character.
    pub fn write(&self, release: ReleaseVersion) -> Result<String, SettingsError> {
        let mut fields = vec![
            ("kind".to_owned(), Json::Value(KIND.into())),
            ("apiVersion".to_owned(), Json::Value(API_VERSION.into())),
        ];
        fields.extend(written(KUBELET_CONFIGURATION, &self.0, release));
        if release < V4_18 {
            return Ok(compact(&Json::Object(fields)) + "\n");
        }
        Ok(goyaml::to_string(&sorted(Json::Object(fields)))?)
    }
}

fn written(fields: &'static [Field], given: &Map<String, Value>, release: ReleaseVersion) -> Vec<(String, Json)> {
    let known = fields.iter().filter(|field| field.since <= release);
    known.filter_map(|field| Some((field.name.to_owned(), one(field, given.get(field.name), release)?))).collect()
}

fn one(field: &Field, given: Option<&Value>, release: ReleaseVersion) -> Option<Json> {
    let always = match field.kind {
        Kind::Pointer(_) => return given.map(|value| plain(&field.kind, value, release)),
        Kind::Struct(_) | Kind::Duration | Kind::FlushFrequency | Kind::BufferSize | Kind::Quantity => true,
        _ => field.always,
    };
    let value = given.cloned().unwrap_or_else(|| zero(&field.kind));
    (always || !is_zero(&value)).then(|| plain(&field.kind, &value, release))
}

fn plain(kind: &Kind, value: &Value, release: ReleaseVersion) -> Json {
    let nanoseconds = |value: &Value| value.as_i64().unwrap_or_default();
    match (kind, value) {
        (Kind::Pointer(inner), value) => plain(inner, value, release),
        (Kind::Struct(fields), Value::Object(given)) => Json::Object(written(fields, given, release)),
        (Kind::List(inner), Value::Array(items)) => {
            Json::List(items.iter().map(|item| plain(inner, item, release)).collect())
        }
        (Kind::Map(inner), Value::Object(items)) => {
            Json::Object(items.iter().map(|(key, item)| (key.clone(), plain(inner, item, release))).collect())
        }
        (Kind::Duration, value) => Json::Value(duration::text(nanoseconds(value)).into()),
        (Kind::FlushFrequency, value) if value["text"] == true => {
            Json::Value(duration::text(nanoseconds(&value["duration"])).into())
        }
        (Kind::FlushFrequency, value) => Json::Value(nanoseconds(&value["duration"]).into()),
        (_, value) => Json::Value(value.clone()),
    }
}

fn sorted(json: Json) -> Value {
    match json {
        Json::Value(value) => value,
        Json::Object(fields) => Value::Object(fields.into_iter().map(|(key, value)| (key, sorted(value))).collect()),
        Json::List(items) => Value::Array(items.into_iter().map(sorted).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubelet::fields::{V4_16, V5_0};

    fn error(value: &Value) -> String {
        read(value, V5_0).unwrap_err().to_string()
    }

    #[test]
    fn what_does_not_fit_says_where_and_what_would() {
        for (value, message) in [
            (json!({"maxPods": "300"}), "maxPods: number of 32 bits expected, found \"300\""),
            (json!({"maxPods": 300.5}), "maxPods: number of 32 bits expected, found 300.5"),
            (json!({"maxPods": 99_999_999_999_i64}), "maxPods: number of 32 bits expected, found 99999999999"),
            (json!({"podPidsLimit": 1e19}), "podPidsLimit: number of 64 bits expected, found 1e+19"),
            (json!({"syncFrequency": "abc"}), "syncFrequency: duration such as 1m30s expected, found \"abc\""),
            (json!({"syncFrequency": 5}), "syncFrequency: duration such as 1m30s expected, found 5"),
            (
                json!({"authentication": {"webhook": {"enabled": 1}}}),
                "authentication.webhook.enabled: true or false expected, found 1",
            ),
            (
                json!({"evictionHard": {"memory.available": 5}}),
                "evictionHard.memory.available: string expected, found 5",
            ),
            (
                json!({"reservedMemory": [{"limits": {"memory": "1Zi"}}]}),
                "reservedMemory.limits.memory: quantity such as 500m or 1.5Gi expected, found \"1Zi\"",
            ),
            (json!({"clusterDNS": "1.2.3.4"}), "clusterDNS: list expected, found \"1.2.3.4\""),
            (json!([1]), ": object expected, found [1]"),
        ] {
            assert_eq!(error(&value), message);
        }
        assert!(error(&json!({"maxPods": "x".repeat(1000)})).len() < 200);
        assert!(parse("a: [", V5_0).unwrap_err().to_string().starts_with("it is not YAML"));
        assert!(parse(" \n", V5_0).unwrap_err().to_string().contains("EOF"));
        assert!(parse(&" ".repeat(MOST), V5_0).unwrap_err().to_string().contains("EOF"));
        let large = parse(&"#".repeat(MOST + 1), V5_0).unwrap_err();
        assert_eq!(large, SettingsError::Large(MOST + 1));
    }

    #[test]
    fn names_are_taken_without_case_and_unknown_ones_are_told() {
        let value =
            json!({"MAXPODS": 300.0, "maxPids": 1, "logging": {"fromat": "json"}, "kind": "Foo", "runOnce": null});
        let read = read(&value, V5_0).unwrap();
        assert_eq!(read.settings.0["maxPods"], 300);
        assert_eq!(read.unknown, ["logging.fromat", "maxPids"]);
    }

    #[test]
    fn a_release_writes_what_it_knows_in_its_own_form() {
        let value = json!({"podLogsDir": "/x", "providerID": "<a>", "evictionHard": {"a b": "1"}, "failSwapOn": false});
        let of = |release| read(&value, release).unwrap().settings.write(release).unwrap();
        let old = of(V4_16);
        assert!(
            old.starts_with(
                r#"{"kind":"KubeletConfiguration","apiVersion":"kubelet.config.k8s.io/v1beta1","syncFrequency":"0s""#
            ),
            "{old}"
        );
        assert!(
            old.ends_with("}\n") && old.contains(r#""providerID":"\u003ca\u003e""#) && !old.contains("podLogsDir"),
            "{old}"
        );
        assert!(old.contains(r#""failSwapOn":false"#) && !old.contains("crashLoopBackOff"), "{old}");
        let new = of(V5_0);
        assert!(new.contains("\ncrashLoopBackOff: {}\nevictionHard:\n  a b: \"1\"\n"), "{new}");
        assert!(new.contains("\npodLogsDir: /x\nproviderID: <a>\n"), "{new}");
        assert!(!of(V4_18).contains("crashLoopBackOff"));
    }
}
