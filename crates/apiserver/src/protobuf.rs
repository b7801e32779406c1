//! Decodes the protobuf bodies that kubectl sends for built-in kinds: `create namespace|configmap|secret|…`,
//! `drain`, `auth can-i`, `create token`. Answers are JSON, which kubectl accepts.
//!
//! Kubelets and kube-controller-manager send Nodes, CSINodes and Leases so, too; a client that takes nothing else gets them so
//! ([`encode`]).

pub(crate) mod encode;
mod fields;

use crate::bounds::MOST_CONTAINERS;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fields::{Field, INLINE, Repeat, Type, message};
use serde_json::{Map, Value, json};
use std::cell::Cell;

/// First bytes of every body, before a `runtime.Unknown`.
const MAGIC: &[u8] = b"k8s\0";
/// Legitimate messages nest only a few levels deep; more is an attack.
const DEEPEST: usize = 16;

/// Decodes a body.
///
/// # Errors
/// What is not supported: the kind, or a field that is set. Nothing is dropped silently.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, String> {
    let damaged = || "is damaged".to_owned();
    let unknown = records(bytes.strip_prefix(MAGIC).ok_or_else(damaged)?).ok_or_else(damaged)?;
    let part = |number| unknown.iter().find(|r| r.number == number).map(|r| r.bytes);
    let meta = part(1).and_then(records).ok_or_else(damaged)?;
    let text = |number| meta.iter().find(|r| r.number == number).map(|r| String::from_utf8_lossy(r.bytes).into_owned());
    let kind = text(2).unwrap_or_default();
    let fields = message(&kind).ok_or_else(|| format!("of kind {kind:?} is not supported"))?;
    let messages = Cell::new(MOST_CONTAINERS);
    let mut object = decode_message(fields, part(2).unwrap_or_default(), Left { depth: DEEPEST, messages: &messages })?;
    object.insert("apiVersion".into(), text(1).unwrap_or_default().into());
    object.insert("kind".into(), kind.into());
    Ok(object.into())
}

struct Record<'a> {
    number: u64,
    varint: u64,
    bytes: &'a [u8],
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn records(mut bytes: &[u8]) -> Option<Vec<Record<'_>>> {
    const VARINT: u64 = 0;
    const FIXED_64: u64 = 1;
    const LENGTH_DELIMITED: u64 = 2;
    const FIXED_32: u64 = 5;
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let number = tag >> 3;
        match tag & 7 {
            VARINT => found.push(Record { number, varint: varint(&mut bytes)?, bytes: &[] }),
            LENGTH_DELIMITED => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                found.push(Record { number, varint: 0, bytes: value });
                bytes = rest;
            }
            FIXED_64 => bytes = bytes.get(8..)?,
            FIXED_32 => bytes = bytes.get(4..)?,
            _ => return None,
        }
    }
    Some(found)
}

/// Whether an unknown field has no meaning: Go writes the zero value of every struct and number.
fn is_zero(bytes: &[u8], depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    bytes.is_empty() || records(bytes).is_some_and(|all| all.iter().all(|r| r.varint == 0 && is_zero(r.bytes, depth)))
}

/// How much more may be decoded.
#[derive(Clone, Copy)]
struct Left<'a> {
    depth: usize,
    messages: &'a Cell<usize>,
}

impl Left<'_> {
    /// How much may be decoded inside a message.
    fn below(self) -> Result<Self, String> {
        let messages = self.messages.get().checked_sub(1);
        self.messages.set(messages.ok_or_else(|| format!("has more than {MOST_CONTAINERS} messages"))?);
        let depth = self.depth.checked_sub(1).ok_or("is damaged")?;
        Ok(Self { depth, ..self })
    }
}

fn decode_message(fields: &[Field], bytes: &[u8], left: Left<'_>) -> Result<Map<String, Value>, String> {
    let damaged = || "is damaged".to_owned();
    let left = left.below()?;
    let mut object = Map::new();
    for record in records(bytes).ok_or_else(damaged)? {
        let Some(field) = fields.iter().find(|f| f.number == record.number) else {
            if record.varint != 0 || !is_zero(record.bytes, left.depth) {
                return Err(format!("has a field number {} that is not supported", record.number));
            }
            continue;
        };
        match field.repeat {
            _ if matches!(field.of, Type::Ignored | Type::Server(_)) => {}
            Repeat::One => {
                let value = decode_value(field.of, &record, left)?;
                if let (INLINE, Value::Object(fields)) = (field.name, &value) {
                    object.extend(fields.clone());
                    continue;
                }
                // Go writes the zero value of every scalar; JSON leaves it out.
                if value != "" && value != json!({}) && !value.is_null() {
                    object.insert(field.name.into(), value);
                }
            }
            Repeat::List => {
                let value = decode_value(field.of, &record, left)?;
                if let Some(list) = object.entry(field.name).or_insert_with(|| json!([])).as_array_mut() {
                    list.push(value);
                }
            }
            Repeat::Map => {
                let pair = records(record.bytes).ok_or_else(damaged)?;
                let key = pair.iter().find(|r| r.number == 1).map_or(&[][..], |r| r.bytes);
                let empty = Record { number: 2, varint: 0, bytes: &[] };
                let value = decode_value(field.of, pair.iter().find(|r| r.number == 2).unwrap_or(&empty), left)?;
                if let Some(map) = object.entry(field.name).or_insert_with(|| json!({})).as_object_mut() {
                    map.insert(utf8(key)?, value);
                }
            }
        }
    }
    Ok(object)
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "holds text that is not UTF-8".to_owned())
}

fn decode_value(of: Type, record: &Record<'_>, left: Left<'_>) -> Result<Value, String> {
    let parts = || records(record.bytes).ok_or_else(|| "is damaged".to_owned());
    let number =
        |parts: &[Record<'_>], number| parts.iter().find(|r| r.number == number).map_or(0, |r| r.varint.cast_signed());
    Ok(match of {
        Type::String => utf8(record.bytes)?.into(),
        Type::Bytes => STANDARD.encode(record.bytes).into(),
        Type::Flag | Type::Count if record.varint == 0 => Value::Null,
        Type::Bool | Type::Flag => (record.varint != 0).into(),
        Type::Int | Type::Count => record.varint.cast_signed().into(),
        // The zero value of a time is an empty message.
        Type::Time | Type::MicroTime if record.bytes.is_empty() => Value::Null,
        Type::Time | Type::MicroTime => {
            let parts = parts()?;
            let nanoseconds = i32::try_from(number(&parts, 2)).unwrap_or_default();
            let time = jiff::Timestamp::new(number(&parts, 1), nanoseconds).map_err(|error| error.to_string())?;
            let format = if matches!(of, Type::Time) { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S.%6fZ" };
            time.strftime(format).to_string().into()
        }
        Type::IntOrString => {
            let parts = parts()?;
            let text = parts.iter().find(|r| r.number == 3).map_or(&[][..], |r| r.bytes);
            if number(&parts, 1) == 1 { utf8(text)?.into() } else { number(&parts, 2).into() }
        }
        Type::Quantity => {
            let parts = parts()?;
            utf8(parts.iter().find(|r| r.number == 1).map_or(&[][..], |r| r.bytes))?.into()
        }
        Type::Message(fields) => decode_message(fields, record.bytes, left)?.into(),
        Type::Raw | Type::Server(_) | Type::Ignored => Value::Null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        out.extend_from_slice(bytes);
        out
    }

    fn body(kind: &str, object: &[u8]) -> Vec<u8> {
        let meta = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), field(1, &meta), field(2, object)].concat()
    }

    #[test]
    fn a_config_map() {
        let pair = [field(1, b"k"), field(2, b"v")].concat();
        let object = [field(1, &field(1, b"name")), field(2, &pair)].concat();
        let expected =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "name"}, "data": {"k": "v"}});
        assert_eq!(decode(&body("ConfigMap", &object)).unwrap(), expected);
        assert_eq!(decode(&body("Other", &object)), Err("of kind \"Other\" is not supported".into()));
        let extra = [object, field(9, b"x")].concat();
        assert_eq!(decode(&body("ConfigMap", &extra)), Err("has a field number 9 that is not supported".into()));
    }

    /// A rule takes only four bytes in the message, but hundreds in memory.
    #[test]
    fn messages_are_counted() {
        let long = |number: u8, bytes: &[u8]| {
            let mut out = vec![number << 3 | 2];
            let mut length = bytes.len();
            while length > 0x7f {
                out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
                length >>= 7;
            }
            out.push(u8::try_from(length).unwrap());
            [out, bytes.to_vec()].concat()
        };
        let role = |rules: usize| {
            let meta = [field(1, b"v1"), field(2, b"Role")].concat();
            let object = field(2, &field(1, b"")).repeat(rules);
            decode(&[MAGIC.to_vec(), long(1, &meta), long(2, &object)].concat())
        };
        assert_eq!(role(1_000).unwrap()["rules"].as_array().unwrap().len(), 1_000);
        assert_eq!(role(MOST_CONTAINERS), Err(format!("has more than {MOST_CONTAINERS} messages")));
    }

    #[test]
    fn a_pod_for_debugging_a_node() {
        let number = |number: u8, value: u8| vec![number << 3, value];
        let path = field(1, &field(1, b"/"));
        let volume = [field(1, b"host"), field(2, &path)].concat();
        // hostNetwork and hostPID; in the container stdin, whose number takes two bytes as a tag.
        let container = [field(1, b"c"), vec![0x80, 0x01, 0x01]].concat();
        let spec = [field(1, &volume), field(2, &container), number(11, 0), number(12, 1)].concat();
        let pod = [field(1, &field(1, b"p")), field(2, &spec)].concat();
        let expected = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"hostPID": true,
            "volumes": [{"name": "host", "hostPath": {"path": "/"}}], "containers": [{"name": "c", "stdin": true}]}});
        assert_eq!(decode(&body("Pod", &pod)).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_decoded(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in "[A-Z][a-z]{2,10}|Secret|Event") {
            let _ = decode(&bytes);
            let _ = decode(&body(&kind, &bytes[..bytes.len().min(100)]));
        }
    }
}
