//! The parts of a configuration that can come from different places: entries of keyed lists, and settings outside of
//! lists.

use crate::schema::{CONFIG, Field, Object, Shape};
use serde_json::{Map, Value};

/// One part of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its address, keys in brackets: `storage.files[/etc/a]`, `systemd.units[a.service].dropins[b.conf]`,
    /// `passwd.users[core].sshAuthorizedKeys[ssh-ed25519 …]`, `ignition.timeouts.httpTotal`.
    pub address: String,
    /// The given fields, those of inner objects dotted; without those that are elements themselves.
    pub fields: Vec<String>,
    /// Addresses that it replaces: those with the same key in other lists of the same space.
    pub takes: Vec<String>,
}

/// Address of a file.
#[must_use]
pub fn file_address(path: &str) -> String {
    format!("storage.files[{path}]")
}

/// All elements of a configuration in normal form, outer ones first.
pub(crate) fn elements(fields: &Map<String, Value>) -> Vec<Element> {
    let mut found = Vec::new();
    visit(fields, &CONFIG, "", None, "", &mut found);
    found
}

/// `element`: index of the enclosing element, if any; `within`: the path in it.
fn visit(
    fields: &Map<String, Value>,
    object: &'static Object,
    address: &str,
    element: Option<usize>,
    within: &str,
    found: &mut Vec<Element>,
) {
    for field in object.fields {
        let Some(value) = fields.get(field.name) else { continue };
        let inner_address = dotted(address, field.name);
        let inner_within = dotted(within, field.name);
        match (field.shape, value) {
            (Shape::Object(inner), Value::Object(map)) => {
                visit(map, inner, &inner_address, element, &inner_within, found);
            }
            (Shape::Objects(inner), Value::Array(items)) if !field.concat => {
                for item in items {
                    let new = entry(address, field, object, &inner.key_of(item));
                    let inner_address = new.address.clone();
                    found.push(new);
                    let position = found.len() - 1;
                    if let Value::Object(map) = item {
                        visit(map, inner, &inner_address, Some(position), "", found);
                    }
                }
            }
            (Shape::Texts, Value::Array(items)) if !field.concat => {
                found.extend(items.iter().filter_map(Value::as_str).map(|key| entry(address, field, object, key)));
            }
            _ => match element {
                Some(position) => found[position].fields.push(inner_within),
                None => found.push(Element { address: inner_address, fields: Vec::new(), takes: Vec::new() }),
            },
        }
    }
}

/// The entry of a list with this key.
fn entry(address: &str, field: &'static Field, object: &'static Object, key: &str) -> Element {
    let of = |field: &Field| format!("{}[{key}]", dotted(address, field.name));
    let siblings = object.fields.iter().filter(|f| f.space.is_some() && f.space == field.space && f.name != field.name);
    Element { address: of(field), fields: Vec::new(), takes: siblings.map(of).collect() }
}

fn dotted(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}
