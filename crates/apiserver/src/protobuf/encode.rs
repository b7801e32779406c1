//! Objects in protobuf, for clients that take nothing else.
//!
//! 1. Kinds whose every field has its number in the tables are written: Node, CSINode and Lease, lists of them, and what says why a
//!    request failed. Other kinds, and watches, are refused as any media type is that a server does not have.
//! 2. A field that is not in the tables, of a newer API or of a mistaken client, is left out: those who read protobuf skip what
//!    they do not know.
//! 3. What Go writes although it is zero is left out, too: who reads takes it for zero.

use super::{
    MAGIC,
    fields::{Field, INLINE, Repeat, Type, message},
};
use crate::registry::Resource;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

/// Media type of the bodies.
pub(crate) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// Kinds whose tables are complete.
const WHOLE: [&str; 4] = ["CSINode", "Lease", "Node", "Status"];

/// Whether objects of this resource can be written.
pub(crate) fn can_write(resource: &Resource) -> bool {
    !resource.is_custom() && WHOLE.contains(&resource.kind.as_str())
}

/// Whether a client takes protobuf and nothing else that the server has.
pub(crate) fn is_wanted(accept: &str) -> bool {
    let types = || accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    let is_plain = accept.split(',').all(|range| !range.contains("as="));
    is_plain && types().any(|name| name == PROTOBUF) && types().all(|name| name == PROTOBUF)
}

/// An object, or a list of objects, of a kind that can be written; `None` for others.
pub(crate) fn encode(object: &Value) -> Option<Vec<u8>> {
    let text = |field| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (kind, version) = (text("kind"), text("apiVersion"));
    let body = match kind.strip_suffix("List").filter(|_| object.get("items").is_some()) {
        Some(of) => list(of, object)?,
        None => whole(kind, object)?,
    };
    let mut meta = Vec::new();
    bytes(&mut meta, 1, version.as_bytes());
    bytes(&mut meta, 2, kind.as_bytes());
    let mut out = MAGIC.to_vec();
    bytes(&mut out, 1, &meta);
    bytes(&mut out, 2, &body);
    Some(out)
}

fn whole(kind: &str, object: &Value) -> Option<Vec<u8>> {
    let fields = message(kind).filter(|_| WHOLE.contains(&kind))?;
    Some(fields_of(fields, object.as_object()?))
}

fn list(kind: &str, list: &Value) -> Option<Vec<u8>> {
    static LIST_META: &[Field] = &[
        Field { number: 2, name: "resourceVersion", repeat: Repeat::One, of: Type::String },
        Field { number: 3, name: "continue", repeat: Repeat::One, of: Type::String },
        Field { number: 4, name: "remainingItemCount", repeat: Repeat::One, of: Type::Int },
    ];
    let mut out = Vec::new();
    let metadata = list.get("metadata").and_then(Value::as_object).map(|metadata| fields_of(LIST_META, metadata));
    bytes(&mut out, 1, &metadata.unwrap_or_default());
    for item in list.get("items").and_then(Value::as_array).into_iter().flatten() {
        bytes(&mut out, 2, &whole(kind, item)?);
    }
    Some(out)
}

fn fields_of(fields: &[Field], object: &Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    for field in fields {
        if let (INLINE, Type::Message(inner)) = (field.name, field.of) {
            bytes(&mut out, field.number, &fields_of(inner, object));
            continue;
        }
        let Some(value) = object.get(field.name).filter(|value| !value.is_null()) else { continue };
        match (field.repeat, value) {
            (Repeat::One, value) => write(&mut out, field.number, field.of, value),
            (Repeat::List, Value::Array(items)) => {
                items.iter().for_each(|item| write(&mut out, field.number, field.of, item));
            }
            (Repeat::Map, Value::Object(map)) => {
                for (key, value) in map {
                    let mut pair = Vec::new();
                    bytes(&mut pair, 1, key.as_bytes());
                    write(&mut pair, 2, field.of, value);
                    bytes(&mut out, field.number, &pair);
                }
            }
            _ => {}
        }
    }
    out
}

fn write(out: &mut Vec<u8>, number: u64, of: Type, value: &Value) {
    let text = value.as_str().unwrap_or_default();
    match of {
        Type::Ignored => {}
        Type::Server(of) => write(out, number, *of, value),
        Type::String => bytes(out, number, text.as_bytes()),
        Type::Bytes => bytes(out, number, &STANDARD.decode(text).unwrap_or_default()),
        Type::Bool | Type::Flag => varint(out, number, u64::from(value.as_bool().unwrap_or_default())),
        Type::Int | Type::Count => varint(out, number, value.as_i64().unwrap_or_default().cast_unsigned()),
        Type::Time | Type::MicroTime => {
            let Ok(time) = text.parse::<jiff::Timestamp>() else { return };
            let mut inner = Vec::new();
            varint(&mut inner, 1, time.as_second().cast_unsigned());
            varint(&mut inner, 2, i64::from(time.subsec_nanosecond()).cast_unsigned());
            bytes(out, number, &inner);
        }
        Type::IntOrString => {
            let mut inner = Vec::new();
            varint(&mut inner, 1, u64::from(value.is_string()));
            varint(&mut inner, 2, value.as_i64().unwrap_or_default().cast_unsigned());
            bytes(&mut inner, 3, text.as_bytes());
            bytes(out, number, &inner);
        }
        Type::Quantity | Type::Raw => {
            let text = if value.is_string() { text.to_owned() } else { value.to_string() };
            let mut inner = Vec::new();
            bytes(&mut inner, 1, text.as_bytes());
            bytes(out, number, &inner);
        }
        Type::Message(fields) => {
            let inner = value.as_object().map(|object| fields_of(fields, object)).unwrap_or_default();
            bytes(out, number, &inner);
        }
    }
}

/// A number as protobuf writes it, seven bits at a time.
fn put(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn varint(out: &mut Vec<u8>, number: u64, value: u64) {
    put(out, number << 3);
    put(out, value);
}

/// Writes a field of bytes: a text, or a message.
pub(crate) fn bytes(out: &mut Vec<u8>, number: u64, value: &[u8]) {
    put(out, number << 3 | 2);
    put(out, value.len() as u64);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::{super::decode, *};
    use serde_json::json;

    #[test]
    fn what_is_written_reads_back() {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {"a": "b"}, "resourceVersion": "7"},
            "spec": {"unschedulable": true, "taints": [{"key": "k", "effect": "NoSchedule", "timeAdded": "2026-01-02T03:04:05Z"}]},
            "status": {"capacity": {"cpu": "4", "memory": "16Gi"}, "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}, "nodeInfo": {"kubeletVersion": "v1.36.0"},
                "images": [{"names": ["a", "b"], "sizeBytes": 300}]}});
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "n"},
            "spec": {"holderIdentity": "n", "leaseDurationSeconds": 40, "renewTime": "2026-01-02T03:04:05.678901Z"}});
        for object in [&node, &lease] {
            assert_eq!(decode(&encode(object).unwrap()).as_ref(), Ok(object));
        }
        let list =
            json!({"apiVersion": "v1", "kind": "NodeList", "metadata": {"resourceVersion": "7"}, "items": [node]});
        assert!(encode(&list).unwrap().len() > encode(&node).unwrap().len());
        assert_eq!(encode(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {}})), None);
        assert!(is_wanted(PROTOBUF) && !is_wanted("application/vnd.kubernetes.protobuf, */*") && !is_wanted(""));
    }
}
