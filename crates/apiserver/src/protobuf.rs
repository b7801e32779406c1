//! Decodes the protobuf bodies that kubectl sends for built-in kinds: `create namespace|configmap|secret|…`,
//! `drain`, `auth can-i`, `create token`. Answers are JSON, which kubectl accepts.
//!
//! Field numbers: the `generated.proto` files of `k8s.io/api` and `k8s.io/apimachinery`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

/// First bytes of every body, before a `runtime.Unknown`.
const MAGIC: &[u8] = b"k8s\0";
/// Messages nest a handful deep; more is an attack.
const DEEPEST: usize = 16;

#[derive(Clone, Copy)]
enum Type {
    String,
    Bytes,
    Bool,
    Int,
    /// Seconds since 1970, in field 1, as RFC 3339.
    Time,
    Message(&'static [Field]),
}

#[derive(Clone, Copy)]
enum Repeat {
    One,
    List,
    /// String keys.
    Map,
}

struct Field {
    number: u64,
    name: &'static str,
    repeat: Repeat,
    of: Type,
}

const fn one(number: u64, name: &'static str, of: Type) -> Field {
    Field { number, name, repeat: Repeat::One, of }
}

const fn list(number: u64, name: &'static str, of: Type) -> Field {
    Field { number, name, repeat: Repeat::List, of }
}

const fn map(number: u64, name: &'static str, of: Type) -> Field {
    Field { number, name, repeat: Repeat::Map, of }
}

use Type::{Bool, Bytes, Int, Message, String as Text, Time};

static OWNER: &[Field] = &[
    one(1, "kind", Text),
    one(3, "name", Text),
    one(4, "uid", Text),
    one(5, "apiVersion", Text),
    one(6, "controller", Bool),
    one(7, "blockOwnerDeletion", Bool),
];
static META: &[Field] = &[
    one(1, "name", Text),
    one(2, "generateName", Text),
    one(3, "namespace", Text),
    one(5, "uid", Text),
    one(6, "resourceVersion", Text),
    map(11, "labels", Text),
    map(12, "annotations", Text),
    list(13, "ownerReferences", Message(OWNER)),
    list(14, "finalizers", Text),
];
static NAMESPACE: &[Field] = &[one(1, "metadata", Message(META))];
static CONFIG_MAP: &[Field] =
    &[one(1, "metadata", Message(META)), map(2, "data", Text), map(3, "binaryData", Bytes), one(4, "immutable", Bool)];
static SECRET: &[Field] = &[
    one(1, "metadata", Message(META)),
    map(2, "data", Bytes),
    one(3, "type", Text),
    map(4, "stringData", Text),
    one(5, "immutable", Bool),
];
static SERVICE_ACCOUNT: &[Field] = &[one(1, "metadata", Message(META)), one(4, "automountServiceAccountToken", Bool)];
static RESOURCE_ATTRIBUTES: &[Field] = &[
    one(1, "namespace", Text),
    one(2, "verb", Text),
    one(3, "group", Text),
    one(4, "version", Text),
    one(5, "resource", Text),
    one(6, "subresource", Text),
    one(7, "name", Text),
];
static NON_RESOURCE_ATTRIBUTES: &[Field] = &[one(1, "path", Text), one(2, "verb", Text)];
static SELF_REVIEW_SPEC: &[Field] = &[
    one(1, "resourceAttributes", Message(RESOURCE_ATTRIBUTES)),
    one(2, "nonResourceAttributes", Message(NON_RESOURCE_ATTRIBUTES)),
];
static SELF_REVIEW: &[Field] = &[one(1, "metadata", Message(META)), one(2, "spec", Message(SELF_REVIEW_SPEC))];
static WHO_AM_I: &[Field] = &[one(1, "metadata", Message(META))];
static PRECONDITIONS: &[Field] = &[one(1, "uid", Text), one(2, "resourceVersion", Text)];
static DELETE_OPTIONS: &[Field] = &[
    one(1, "gracePeriodSeconds", Int),
    one(2, "preconditions", Message(PRECONDITIONS)),
    one(3, "orphanDependents", Bool),
    one(4, "propagationPolicy", Text),
    list(5, "dryRun", Text),
];
static EVICTION: &[Field] = &[one(1, "metadata", Message(META)), one(2, "deleteOptions", Message(DELETE_OPTIONS))];
static BOUND_OBJECT: &[Field] =
    &[one(1, "kind", Text), one(2, "apiVersion", Text), one(3, "name", Text), one(4, "uid", Text)];
static TOKEN_SPEC: &[Field] =
    &[list(1, "audiences", Text), one(3, "boundObjectRef", Message(BOUND_OBJECT)), one(4, "expirationSeconds", Int)];
static TOKEN_REQUEST: &[Field] = &[one(1, "metadata", Message(META)), one(2, "spec", Message(TOKEN_SPEC))];
static ROLE_REF: &[Field] = &[one(1, "apiGroup", Text), one(2, "kind", Text), one(3, "name", Text)];
static SUBJECT: &[Field] =
    &[one(1, "kind", Text), one(2, "apiGroup", Text), one(3, "name", Text), one(4, "namespace", Text)];
static ROLE_BINDING: &[Field] =
    &[one(1, "metadata", Message(META)), list(2, "subjects", Message(SUBJECT)), one(3, "roleRef", Message(ROLE_REF))];
static RULE: &[Field] = &[
    list(1, "verbs", Text),
    list(2, "apiGroups", Text),
    list(3, "resources", Text),
    list(4, "resourceNames", Text),
    list(5, "nonResourceURLs", Text),
];
static ROLE: &[Field] = &[one(1, "metadata", Message(META)), list(2, "rules", Message(RULE))];
static LEASE_SPEC: &[Field] = &[
    one(1, "holderIdentity", Text),
    one(2, "leaseDurationSeconds", Int),
    one(3, "acquireTime", Time),
    one(4, "renewTime", Time),
    one(5, "leaseTransitions", Int),
];
static LEASE: &[Field] = &[one(1, "metadata", Message(META)), one(2, "spec", Message(LEASE_SPEC))];
static REFERENCE: &[Field] = &[
    one(1, "kind", Text),
    one(2, "namespace", Text),
    one(3, "name", Text),
    one(4, "uid", Text),
    one(5, "apiVersion", Text),
    one(6, "resourceVersion", Text),
    one(7, "fieldPath", Text),
];
static EVENT_SOURCE: &[Field] = &[one(1, "component", Text), one(2, "host", Text)];
static EVENT: &[Field] = &[
    one(1, "metadata", Message(META)),
    one(2, "involvedObject", Message(REFERENCE)),
    one(3, "reason", Text),
    one(4, "message", Text),
    one(5, "source", Message(EVENT_SOURCE)),
    one(6, "firstTimestamp", Time),
    one(7, "lastTimestamp", Time),
    one(8, "count", Int),
    one(9, "type", Text),
];

fn message(kind: &str) -> Option<&'static [Field]> {
    Some(match kind {
        "Namespace" => NAMESPACE,
        "ConfigMap" => CONFIG_MAP,
        "Secret" => SECRET,
        "ServiceAccount" => SERVICE_ACCOUNT,
        "SelfSubjectAccessReview" => SELF_REVIEW,
        "SelfSubjectReview" => WHO_AM_I,
        "DeleteOptions" => DELETE_OPTIONS,
        "Eviction" => EVICTION,
        "TokenRequest" => TOKEN_REQUEST,
        "RoleBinding" | "ClusterRoleBinding" => ROLE_BINDING,
        "Role" | "ClusterRole" => ROLE,
        "Lease" => LEASE,
        "Event" => EVENT,
        _ => return None,
    })
}

/// Decodes a body.
///
/// # Errors
/// The kind, when it is none of those above or the body is damaged.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, String> {
    let damaged = || "(damaged)".to_owned();
    let unknown = records(bytes.strip_prefix(MAGIC).ok_or_else(damaged)?).ok_or_else(damaged)?;
    let part = |number| unknown.iter().find(|r| r.number == number).map(|r| r.bytes);
    let meta = part(1).and_then(records).ok_or_else(damaged)?;
    let text = |number| meta.iter().find(|r| r.number == number).map(|r| String::from_utf8_lossy(r.bytes).into_owned());
    let kind = text(2).unwrap_or_default();
    let fields = message(&kind).ok_or_else(|| kind.clone())?;
    let mut object = decode_message(fields, part(2).unwrap_or_default(), DEEPEST).ok_or_else(damaged)?;
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

fn decode_message(fields: &[Field], bytes: &[u8], depth: usize) -> Option<Map<String, Value>> {
    let depth = depth.checked_sub(1)?;
    let mut object = Map::new();
    for record in records(bytes)? {
        let Some(field) = fields.iter().find(|f| f.number == record.number) else { continue };
        match field.repeat {
            Repeat::One => {
                let value = decode_value(field.of, &record, depth)?;
                // Go writes the zero of every scalar; JSON leaves it out.
                if value != "" && value != json!({}) {
                    object.insert(field.name.into(), value);
                }
            }
            Repeat::List => {
                let value = decode_value(field.of, &record, depth)?;
                if let Some(list) = object.entry(field.name).or_insert_with(|| json!([])).as_array_mut() {
                    list.push(value);
                }
            }
            Repeat::Map => {
                let pair = records(record.bytes)?;
                let key = pair.iter().find(|r| r.number == 1).map_or(&[][..], |r| r.bytes);
                let empty = Record { number: 2, varint: 0, bytes: &[] };
                let value = decode_value(field.of, pair.iter().find(|r| r.number == 2).unwrap_or(&empty), depth)?;
                if let Some(map) = object.entry(field.name).or_insert_with(|| json!({})).as_object_mut() {
                    map.insert(String::from_utf8(key.to_vec()).ok()?, value);
                }
            }
        }
    }
    Some(object)
}

fn decode_value(of: Type, record: &Record<'_>, depth: usize) -> Option<Value> {
    Some(match of {
        Type::String => String::from_utf8(record.bytes.to_vec()).ok()?.into(),
        Type::Bytes => STANDARD.encode(record.bytes).into(),
        Type::Bool => (record.varint != 0).into(),
        Type::Int => record.varint.cast_signed().into(),
        Type::Time => {
            let seconds = records(record.bytes)?.iter().find(|r| r.number == 1).map_or(0, |r| r.varint.cast_signed());
            crate::clock::rfc3339(jiff::Timestamp::from_second(seconds).ok()?).into()
        }
        Type::Message(fields) => decode_message(fields, record.bytes, depth)?.into(),
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
        assert_eq!(decode(&body("Other", &object)), Err("Other".into()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_decoded(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in "[A-Z][a-z]{2,10}|Secret|Event") {
            let _ = decode(&bytes);
            let _ = decode(&body(&kind, &bytes[..bytes.len().min(100)]));
        }
    }
}
