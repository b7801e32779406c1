//! How a generated MachineConfig differs from an existing one.
//!
//! R-DIFFERENCE-1 Only the fields that generators decide count: Ignition config, extensions, kernel arguments and FIPS. Empty and absent
//! are the same, except within the Ignition config.
//! R-DIFFERENCE-2 Files are identified by path; units, drop-ins and users by name; other list elements by position.
//! R-DIFFERENCE-3 For a file or a unit, the first differing line is reported. Contents are compared decoded; if they decode to the same
//! text, the difference in encoding is reported.
//! R-DIFFERENCE-4 A line of a file that contains logins or a private key is never shown.
//!
//! Source: ours; the shape of the configuration is that of the Ignition specification 3.x.

use serde_json::{Map, Value, json};
use std::fmt;
use weir_api::MachineConfig;
use weir_ignition::contents;

/// Maximum number of characters shown of a line.
const SHOWN: usize = 120;
/// Lists, and the field that identifies their elements.
const KEYED: [(&str, &str); 5] =
    [("files", "path"), ("directories", "path"), ("units", "name"), ("dropins", "name"), ("users", "name")];
/// Texts of which a file with secrets contains one, and what it then holds: logins, or a private key (RFC 7468, 10 and 11).
const SECRETS: [(&str, &str); 2] = [("\"auth", "it holds logins"), ("PRIVATE KEY-----", "it holds a private key")];

/// The first difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path of a file, the name of a unit, or a field of the MachineConfig.
    pub place: String,
    /// The first line that differs; absent if it is not text.
    pub line: Option<Line>,
}

/// A line that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// The existing and the generated line; absent if one of them does not exist or must not be shown.
    pub texts: Option<(String, String)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.line {
            None => f.write_str(&self.place),
            Some(line) => write!(f, "{}, line {}", self.place, line.number),
        }
    }
}

/// The first difference; absent if there is none.
#[must_use]
pub fn difference(there: &MachineConfig, ours: &MachineConfig) -> Option<Difference> {
    let fields = |config: &MachineConfig| {
        let spec = &config.spec;
        [
            ("spec.config", json!(spec.config)),
            ("spec.extensions", json!(spec.extensions.as_deref().unwrap_or_default())),
            ("spec.kernelArguments", json!(spec.kernel_arguments.as_deref().unwrap_or_default())),
            ("spec.fips", json!(spec.fips.unwrap_or_default())),
        ]
    };
    fields(there).iter().zip(fields(ours)).find_map(|((name, there), (_, ours))| in_value(name, there, &ours))
}

fn in_value(place: &str, there: &Value, ours: &Value) -> Option<Difference> {
    match (there, ours) {
        _ if there == ours => None,
        (Value::Object(there), Value::Object(ours)) => in_object(place, there, ours),
        (Value::Array(there), Value::Array(ours)) => in_list(place, there, ours),
        (Value::String(there), Value::String(ours)) => Some(of_text(place, there, ours)),
        _ => Some(Difference { place: place.to_owned(), line: None }),
    }
}

fn in_object(place: &str, there: &Map<String, Value>, ours: &Map<String, Value>) -> Option<Difference> {
    if there.contains_key("source") || ours.contains_key("source") {
        // The contents of a file.
        let text = |held| contents::decode(held).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let (Some(there), Some(ours)) = (text(there), text(ours))
            && there != ours
        {
            return Some(of_text(place, &there, &ours));
        }
    }
    let names = there.keys().chain(ours.keys().filter(|name| !there.contains_key(*name)));
    names.into_iter().find_map(|name| {
        let place = match name.as_str() {
            "contents" => place.to_owned(),
            name if place.starts_with('/') => format!("{place}: {name}"),
            name => format!("{place}.{name}"),
        };
        in_value(&place, there.get(name).unwrap_or(&Value::Null), ours.get(name).unwrap_or(&Value::Null))
    })
}

fn in_list(place: &str, there: &[Value], ours: &[Value]) -> Option<Difference> {
    let key = KEYED.iter().find(|(list, _)| place.ends_with(list)).map(|(_, key)| *key);
    let Some(key) = key else {
        let null = Value::Null;
        let at = |list: &[Value], at: usize| list.get(at).unwrap_or(&null).clone();
        let length = there.len().max(ours.len());
        return (0..length).find_map(|n| in_value(&format!("{place}[{n}]"), &at(there, n), &at(ours, n)));
    };
    let named = |list: &'_ [Value], name: &str| list.iter().find(|held| held[key] == name).cloned();
    for held in there.iter().chain(ours) {
        let name = held[key].as_str().unwrap_or_default();
        let (there, ours) = (named(there, name), named(ours, name));
        match (there, ours) {
            (Some(there), Some(ours)) => {
                if let Some(found) = in_value(name, &there, &ours) {
                    return Some(found);
                }
            }
            _ => return Some(Difference { place: name.to_owned(), line: None }),
        }
    }
    // The same elements in another order.
    Some(Difference { place: place.to_owned(), line: None })
}

/// Why none of the lines of a file with this text is shown, if that is so (R-DIFFERENCE-4).
#[must_use]
pub fn hidden(text: &str) -> Option<&'static str> {
    SECRETS.iter().find(|(mark, _)| text.contains(mark)).map(|(_, why)| *why)
}

fn of_text(place: &str, there: &str, ours: &str) -> Difference {
    let lines = |text: &str| text.split('\n').map(str::to_owned).collect::<Vec<_>>();
    let (first, second) = (lines(there), lines(ours));
    let same = first.iter().zip(&second).take_while(|(a, b)| a == b).count();
    let shown = |line: &String| line.chars().take(SHOWN).collect::<String>();
    let texts = first.get(same).zip(second.get(same)).map(|(a, b)| (shown(a), shown(b)));
    let texts = texts.filter(|_| hidden(there).or_else(|| hidden(ours)).is_none());
    Difference { place: place.to_owned(), line: Some(Line { number: same + 1, texts }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::config::{File, machine_config};

    fn with(change: impl FnOnce(&mut Value)) -> MachineConfig {
        let files = [File::new("/etc/a", "1\n2\n".to_owned()), File::new("/etc/login", "{\"auths\": 1}".to_owned())];
        let mut config = machine_config("99-a", "a", "b", &files);
        let ignition = config.spec.config.as_mut().unwrap();
        ignition["systemd"] =
            json!({"units": [{"name": "a.service", "dropins": [{"name": "1.conf", "contents": "x\ny"}]}]});
        change(ignition);
        config
    }

    fn source(text: &str) -> Value {
        json!(format!("data:,{text}"))
    }

    #[test]
    fn lines_of_files_with_secrets_are_hidden() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMII";
        assert_eq!(hidden(key), Some("it holds a private key"));
        assert_eq!(hidden("{\"auths\":{}}"), Some("it holds logins"));
        assert_eq!(hidden("-----BEGIN CERTIFICATE-----\n-----BEGIN PUBLIC KEY-----"), None);
        for (there, ours) in [(key, "a"), ("a", key)] {
            assert_eq!(of_text("f", there, ours).line, Some(Line { number: 1, texts: None }));
        }
    }

    #[test]
    fn files_units_and_fields_are_named_with_the_line() {
        let there = with(|_| {});
        let of = |change: fn(&mut Value)| difference(&there, &with(change)).map(|found| found.to_string());
        assert_eq!(of(|_| {}), None);
        assert_eq!(
            of(|c| c["storage"]["files"][0]["contents"]["source"] = source("1%0A3%0A")).unwrap(),
            "/etc/a, line 2"
        );
        assert_eq!(of(|c| c["storage"]["files"][0]["mode"] = json!(0o600)).unwrap(), "/etc/a: mode");
        assert_eq!(
            of(|c| c["storage"]["files"][0]["contents"]["source"] = source("1%0A2%0A")).unwrap(),
            "/etc/a: source, line 1",
            "the same text, packed in another way"
        );
        assert_eq!(of(|c| c["storage"]["files"][1]["path"] = json!("/etc/b")).unwrap(), "/etc/login");
        assert_eq!(
            of(|c| c["systemd"]["units"][0]["dropins"][0]["contents"] = json!("x\nz")).unwrap(),
            "1.conf, line 2"
        );
        assert_eq!(
            of(|c| c["storage"]["files"].as_array_mut().unwrap().reverse()).unwrap(),
            "spec.config.storage.files"
        );
        assert_eq!(of(|c| c["ignition"]["version"] = json!("3.4.0")).unwrap(), "spec.config.ignition.version, line 1");
        let mut more = there.clone();
        (more.spec.kernel_arguments, more.spec.os_image_url) = (Some(vec!["k".to_owned()]), Some("r/os".to_owned()));
        assert_eq!(difference(&there, &more).unwrap().to_string(), "spec.kernelArguments[0]");
        more.spec.kernel_arguments = Some(Vec::new());
        assert_eq!(difference(&there, &more), None, "the OS image is none of the generators' business");
    }

    #[test]
    fn lines_are_shown_unless_they_hold_logins() {
        let texts = |at: usize, text: &str| {
            let changed = with(|c| c["storage"]["files"][at]["contents"]["source"] = source(text));
            difference(&with(|_| {}), &changed).unwrap().line.unwrap().texts
        };
        assert_eq!(texts(0, "1%0A3%0A"), Some(("2".to_owned(), "3".to_owned())));
        assert_eq!(texts(1, "%7B%7D"), None);
    }
}
