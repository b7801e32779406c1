//! Decodes the protobuf bodies that kubectl sends for built-in kinds: `create namespace|configmap|secret|…`,
//! `drain`, `auth can-i`, `create token`. Answers are JSON, which kubectl accepts.
//!
//! Field numbers: the `generated.proto` files of `k8s.io/api` and `k8s.io/apimachinery`.

use crate::bounds::MOST_CONTAINERS;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use std::cell::Cell;

/// First bytes of every body, before a `runtime.Unknown`.
const MAGIC: &[u8] = b"k8s\0";
/// Legitimate messages nest only a few levels deep; more is an attack.
const DEEPEST: usize = 16;

#[derive(Clone, Copy)]
enum Type {
    String,
    Bytes,
    Bool,
    Int,
    /// A bool or number that Go always writes and that JSON leaves out if it is zero.
    Flag,
    Count,
    /// Seconds since 1970, in field 1, as RFC 3339.
    Time,
    /// The same with nanoseconds in field 2, as RFC 3339 with microseconds.
    MicroTime,
    /// A number in field 2 or a string in field 3, by the tag in field 1.
    IntOrString,
    Message(&'static [Field]),
    /// A field that the server sets itself.
    Ignored,
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

/// Name of a field whose own fields are inlined into its parent in JSON.
const INLINE: &str = "";

use Type::{Bool, Bytes, Count, Flag, Ignored, Int, IntOrString, Message, MicroTime, String as Text, Time};

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
    one(4, "selfLink", Ignored),
    one(5, "uid", Text),
    one(6, "resourceVersion", Text),
    one(7, "generation", Ignored),
    one(8, "creationTimestamp", Ignored),
    one(9, "deletionTimestamp", Ignored),
    one(10, "deletionGracePeriodSeconds", Ignored),
    map(11, "labels", Text),
    map(12, "annotations", Text),
    list(13, "ownerReferences", Message(OWNER)),
    list(14, "finalizers", Text),
    list(17, "managedFields", Ignored),
];
static NAMESPACE: &[Field] = &[one(1, "metadata", Message(META)), one(2, "spec", Ignored), one(3, "status", Ignored)];
static CONFIG_MAP: &[Field] =
    &[one(1, "metadata", Message(META)), map(2, "data", Text), map(3, "binaryData", Bytes), one(4, "immutable", Bool)];
static SECRET: &[Field] = &[
    one(1, "metadata", Message(META)),
    map(2, "data", Bytes),
    one(3, "type", Text),
    map(4, "stringData", Text),
    one(5, "immutable", Bool),
];
static NAME: &[Field] = &[one(1, "name", Text)];
static SERVICE_ACCOUNT: &[Field] = &[
    one(1, "metadata", Message(META)),
    list(2, "secrets", Message(REFERENCE)),
    list(3, "imagePullSecrets", Message(NAME)),
    one(4, "automountServiceAccountToken", Bool),
];
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
static SELF_REVIEW: &[Field] =
    &[one(1, "metadata", Message(META)), one(2, "spec", Message(SELF_REVIEW_SPEC)), one(3, "status", Ignored)];
static SELF_RULES_SPEC: &[Field] = &[one(1, "namespace", Text)];
static SELF_RULES: &[Field] =
    &[one(1, "metadata", Message(META)), one(2, "spec", Message(SELF_RULES_SPEC)), one(3, "status", Ignored)];
static WHO_AM_I: &[Field] = &[one(1, "metadata", Message(META)), one(2, "status", Ignored)];
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
static TOKEN_REQUEST: &[Field] =
    &[one(1, "metadata", Message(META)), one(2, "spec", Message(TOKEN_SPEC)), one(3, "status", Ignored)];
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
    one(3, "acquireTime", MicroTime),
    one(4, "renewTime", MicroTime),
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
    one(8, "count", Count),
    one(9, "type", Text),
    one(10, "eventTime", MicroTime),
    one(12, "action", Text),
    one(13, "related", Message(REFERENCE)),
    one(14, "reportingComponent", Text),
    one(15, "reportingInstance", Text),
];
static REQUIREMENT: &[Field] = &[one(1, "key", Text), one(2, "operator", Text), list(3, "values", Text)];
static SELECTOR: &[Field] = &[map(1, "matchLabels", Text), list(2, "matchExpressions", Message(REQUIREMENT))];
static BUDGET_SPEC: &[Field] = &[
    one(1, "minAvailable", IntOrString),
    one(2, "selector", Message(SELECTOR)),
    one(3, "maxUnavailable", IntOrString),
    one(4, "unhealthyPodEvictionPolicy", Text),
];
static BUDGET: &[Field] =
    &[one(1, "metadata", Message(META)), one(2, "spec", Message(BUDGET_SPEC)), one(3, "status", Ignored)];
static PRIORITY_CLASS: &[Field] = &[
    one(1, "metadata", Message(META)),
    one(2, "value", Int),
    one(3, "globalDefault", Flag),
    one(4, "description", Text),
    one(5, "preemptionPolicy", Text),
];
static CONTAINER_PORT: &[Field] = &[
    one(1, "name", Text),
    one(2, "hostPort", Count),
    one(3, "containerPort", Int),
    one(4, "protocol", Text),
    one(5, "hostIP", Text),
];
static VARIABLE: &[Field] = &[one(1, "name", Text), one(2, "value", Text)];
static MOUNT: &[Field] = &[
    one(1, "name", Text),
    one(2, "readOnly", Flag),
    one(3, "mountPath", Text),
    one(4, "subPath", Text),
    one(5, "mountPropagation", Text),
];
static CAPABILITIES: &[Field] = &[list(1, "add", Text), list(2, "drop", Text)];
static SECCOMP: &[Field] = &[one(1, "type", Text), one(2, "localhostProfile", Text)];
static CONTAINER_SECURITY: &[Field] = &[
    one(1, "capabilities", Message(CAPABILITIES)),
    one(2, "privileged", Bool),
    one(4, "runAsUser", Int),
    one(5, "runAsNonRoot", Bool),
    one(6, "readOnlyRootFilesystem", Bool),
    one(7, "allowPrivilegeEscalation", Bool),
    one(8, "runAsGroup", Int),
    one(11, "seccompProfile", Message(SECCOMP)),
];
static CONTAINER: &[Field] = &[
    one(1, "name", Text),
    one(2, "image", Text),
    list(3, "command", Text),
    list(4, "args", Text),
    one(5, "workingDir", Text),
    list(6, "ports", Message(CONTAINER_PORT)),
    list(7, "env", Message(VARIABLE)),
    list(9, "volumeMounts", Message(MOUNT)),
    one(13, "terminationMessagePath", Text),
    one(14, "imagePullPolicy", Text),
    one(15, "securityContext", Message(CONTAINER_SECURITY)),
    one(16, "stdin", Flag),
    one(17, "stdinOnce", Flag),
    one(18, "tty", Flag),
    one(20, "terminationMessagePolicy", Text),
];
static HOST_PATH: &[Field] = &[one(1, "path", Text), one(2, "type", Text)];
static VOLUME_SOURCE: &[Field] = &[one(1, "hostPath", Message(HOST_PATH))];
static VOLUME: &[Field] = &[one(1, "name", Text), one(2, INLINE, Message(VOLUME_SOURCE))];
static TOLERATION: &[Field] = &[
    one(1, "key", Text),
    one(2, "operator", Text),
    one(3, "value", Text),
    one(4, "effect", Text),
    one(5, "tolerationSeconds", Int),
];
static POD_SPEC: &[Field] = &[
    list(1, "volumes", Message(VOLUME)),
    list(2, "containers", Message(CONTAINER)),
    one(3, "restartPolicy", Text),
    one(6, "dnsPolicy", Text),
    map(7, "nodeSelector", Text),
    one(8, "serviceAccountName", Text),
    one(10, "nodeName", Text),
    one(11, "hostNetwork", Flag),
    one(12, "hostPID", Flag),
    one(13, "hostIPC", Flag),
    list(22, "tolerations", Message(TOLERATION)),
];
static POD: &[Field] =
    &[one(1, "metadata", Message(META)), one(2, "spec", Message(POD_SPEC)), one(3, "status", Ignored)];
static TEMPLATE: &[Field] = &[one(1, "metadata", Message(META)), one(2, "spec", Message(POD_SPEC))];
static DEPLOYMENT_SPEC: &[Field] = &[
    one(1, "replicas", Int),
    one(2, "selector", Message(SELECTOR)),
    one(3, "template", Message(TEMPLATE)),
    one(5, "minReadySeconds", Count),
    one(6, "revisionHistoryLimit", Int),
    one(7, "paused", Flag),
    one(9, "progressDeadlineSeconds", Int),
];
static DEPLOYMENT: &[Field] =
    &[one(1, "metadata", Message(META)), one(2, "spec", Message(DEPLOYMENT_SPEC)), one(3, "status", Ignored)];
static SERVICE_PORT: &[Field] = &[
    one(1, "name", Text),
    one(2, "protocol", Text),
    one(3, "port", Int),
    one(4, "targetPort", IntOrString),
    one(5, "nodePort", Count),
];
static SERVICE_SPEC: &[Field] = &[
    list(1, "ports", Message(SERVICE_PORT)),
    map(2, "selector", Text),
    one(3, "clusterIP", Text),
    one(4, "type", Text),
    one(7, "sessionAffinity", Text),
    one(10, "externalName", Text),
];
static SERVICE: &[Field] =
    &[one(1, "metadata", Message(META)), one(2, "spec", Message(SERVICE_SPEC)), one(3, "status", Ignored)];

fn message(kind: &str) -> Option<&'static [Field]> {
    Some(match kind {
        "Namespace" => NAMESPACE,
        "ConfigMap" => CONFIG_MAP,
        "Secret" => SECRET,
        "ServiceAccount" => SERVICE_ACCOUNT,
        "SelfSubjectAccessReview" => SELF_REVIEW,
        "SelfSubjectRulesReview" => SELF_RULES,
        "SelfSubjectReview" => WHO_AM_I,
        "DeleteOptions" => DELETE_OPTIONS,
        "Eviction" => EVICTION,
        "TokenRequest" => TOKEN_REQUEST,
        "RoleBinding" | "ClusterRoleBinding" => ROLE_BINDING,
        "Role" | "ClusterRole" => ROLE,
        "Lease" => LEASE,
        "Event" => EVENT,
        "PodDisruptionBudget" => BUDGET,
        "PriorityClass" => PRIORITY_CLASS,
        "Deployment" => DEPLOYMENT,
        "Service" => SERVICE,
        "Pod" => POD,
        _ => return None,
    })
}

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
            _ if matches!(field.of, Ignored) => {}
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
        Type::Message(fields) => decode_message(fields, record.bytes, left)?.into(),
        Type::Ignored => Value::Null,
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
