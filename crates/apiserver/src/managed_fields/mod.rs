//! Field ownership: `metadata.managedFields`, updated on every write, and server-side apply.
//!
//! Every write compares the object before and after. Changed fields belong only to the writer, and removed ones to nobody. An apply
//! also owns fields that it set to the value they already had, refuses to change what others own, and removes what it no longer
//! mentions.

mod field_set;
mod in_place;
mod writer;

pub(crate) use field_set::{Difference, FieldSet};
pub(crate) use writer::Writer;

use crate::{merge_keys::ListKind, object, status::Failure, types::Shape};
use serde_json::{Map, Value, json};
use std::{
    collections::{HashMap, HashSet, hash_map},
    ops::ControlFlow,
};
use writer::{Operation, UPDATE_ENTRIES};

const MERGED_NAME: &str = "ancient-changes";
/// Owner of the fields that existed before the first apply.
const BEFORE_APPLY: &str = "before-first-apply";

/// One element of `managedFields`.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    manager: String,
    operation: Operation,
    subresource: String,
    api_version: String,
    time: Option<String>,
    fields: FieldSet,
}

impl Entry {
    fn read(entry: &Value) -> Option<Self> {
        let text = |field: &str| object::text(entry, &[field]).to_owned();
        let operation = match text("operation").as_str() {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        Some(Self {
            manager: text("manager"),
            operation,
            subresource: text("subresource"),
            api_version: text("apiVersion"),
            time: entry.get("time").and_then(Value::as_str).map(str::to_owned),
            fields: FieldSet::from_fields_v1(entry.get("fieldsV1")?),
        })
    }

    fn write(&self) -> Value {
        let mut entry = json!({"manager": self.manager, "operation": self.operation.name(),
            "apiVersion": self.api_version, "fieldsType": "FieldsV1", "fieldsV1": self.fields.to_fields_v1()});
        if let Some(time) = &self.time {
            object::set(&mut entry, "time", time.as_str().into());
        }
        if !self.subresource.is_empty() {
            object::set(&mut entry, "subresource", self.subresource.as_str().into());
        }
        entry
    }

    fn is(&self, writer: &Writer<'_>, operation: Operation) -> bool {
        self.manager == writer.manager && self.operation == operation && self.subresource == writer.subresource
    }

    /// The owner, as conflict messages name it.
    fn describe(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }
}

/// All entries, decoded.
#[derive(Clone, Debug, Default, PartialEq)]
struct Owners(Vec<Entry>);

impl Owners {
    /// `None` when an entry cannot be read.
    fn read(object: &Value) -> Option<Self> {
        object::list(object, &["metadata", "managedFields"]).iter().map(Entry::read).collect::<Option<_>>().map(Self)
    }

    /// The owners that a write starts from: those that the client sent, unless it sent none or invalid ones.
    fn for_write(old: &Value, new: &Value) -> Self {
        let sent = Self::read(new).filter(|owners| !owners.0.is_empty());
        sent.or_else(|| Self::read(old)).unwrap_or_default()
    }

    fn position(&self, writer: &Writer<'_>, operation: Operation) -> Option<usize> {
        self.0.iter().position(|entry| entry.is(writer, operation))
    }

    /// Gives the difference to the writer alone.
    fn take(&mut self, difference: &Difference, writer: &Writer<'_>, operation: Operation) {
        for entry in self.0.iter_mut().filter(|e| !e.is(writer, operation)) {
            entry.fields.subtract(&difference.changed);
        }
        for entry in &mut self.0 {
            entry.fields.subtract(&difference.removed);
        }
    }

    fn set(&mut self, writer: &Writer<'_>, operation: Operation, fields: FieldSet, is_new: bool) {
        match self.position(writer, operation) {
            Some(at) => {
                let entry = &mut self.0[at];
                if is_new || entry.fields != fields {
                    entry.time = Some(writer.time.to_owned());
                    entry.api_version = writer.api_version.to_owned();
                }
                entry.fields = fields;
            }
            None => self.0.push(Entry {
                manager: writer.manager.to_owned(),
                operation,
                subresource: writer.subresource.to_owned(),
                api_version: writer.api_version.to_owned(),
                time: Some(writer.time.to_owned()),
                fields,
            }),
        }
    }

    /// Takes in a plain write.
    fn plain(&mut self, difference: &Difference, writer: &Writer<'_>) {
        self.take(difference, writer, Operation::Update);
        let own = self.position(writer, Operation::Update).map(|at| self.0[at].fields.clone());
        let mut own = own.unwrap_or_default();
        own.union(&difference.changed);
        let is_changed = !difference.changed.is_empty() || !difference.removed.is_empty();
        if !own.is_empty() {
            self.set(writer, Operation::Update, own, is_changed);
        }
    }

    fn write(mut self, object: &mut Value) {
        self.0.retain(|entry| !entry.fields.is_empty());
        self.0.sort_by(|a, b| {
            let order = |e: &Entry| {
                (e.operation.name(), e.time.clone(), e.manager.clone(), e.api_version.clone(), e.subresource.clone())
            };
            order(a).cmp(&order(b))
        });
        self.merge_oldest();
        set_entries(object, self.0.iter().map(Entry::write).collect());
    }

    /// Merges the entries of the oldest plain writers into one; only the most recent ones keep their name.
    fn merge_oldest(&mut self) {
        let updates = |entries: &[Entry]| entries.iter().filter(|e| e.operation == Operation::Update).count();
        for _ in UPDATE_ENTRIES..updates(&self.0) {
            let Some(first) = self.0.iter().position(|e| e.operation == Operation::Update) else { return };
            let oldest = self.0.remove(first);
            let same = |e: &Entry| {
                e.operation == Operation::Update
                    && e.subresource == oldest.subresource
                    && e.api_version == oldest.api_version
            };
            let Some(next) = self.0.iter().position(same) else {
                self.0.insert(first, oldest);
                return;
            };
            self.0[next].fields.union(&oldest.fields);
            self.0[next].manager = MERGED_NAME.to_owned();
        }
    }
}

/// Fields of `metadata` that belong to the server.
const SERVER_FIELDS: [&str; 10] = [
    "f:name",
    "f:namespace",
    "f:uid",
    "f:resourceVersion",
    "f:generation",
    "f:creationTimestamp",
    "f:deletionTimestamp",
    "f:deletionGracePeriodSeconds",
    "f:managedFields",
    "f:selfLink",
];

fn strip(set: &mut FieldSet, writer: &Writer<'_>) {
    set.cut(&["f:apiVersion"]);
    set.cut(&["f:kind"]);
    for field in SERVER_FIELDS {
        set.cut(&["f:metadata", field]);
    }
    for field in writer.ignored {
        set.cut(&[field]);
    }
}

fn difference(old: &Value, new: &Value, shape: Shape<'_>, writer: &Writer<'_>) -> Difference {
    let mut difference = Difference::between(old, new, shape);
    strip(&mut difference.changed, writer);
    strip(&mut difference.removed, writer);
    difference
}

/// Records a plain write. `old` is the object before it, or the kind's empty object on create.
pub(crate) fn update(old: &Value, new: &mut Value, shape: Shape<'_>, writer: &Writer<'_>) {
    if object::list(new, &["metadata", "managedFields"]) == [json!({})] {
        // The documented way to clear all ownership.
        object::edit_meta(new, |meta| meta.remove("managedFields"));
        return;
    }
    let difference = difference(old, new, shape, writer);
    if let Some(entries) = kept(old, new).and_then(|kept| in_place::update(kept, &difference, writer)) {
        set_entries(new, entries);
        return;
    }
    let mut owners = Owners::for_write(old, new);
    owners.plain(&difference, writer);
    owners.write(new);
}

/// The entries as this server wrote them, if the client did not change them.
fn kept(old: &Value, new: &mut Value) -> Option<Vec<Value>> {
    const ENTRIES: [&str; 2] = ["metadata", "managedFields"];
    let (before, sent) = (object::list(old, &ENTRIES), object::list(new, &ENTRIES));
    if sent.is_empty() {
        return Some(before.to_vec());
    }
    (sent == before).then(|| object::edit_meta(new, |meta| meta.remove("managedFields")))?.map(|list| match list {
        Value::Array(entries) => entries,
        _ => Vec::new(),
    })
}

fn set_entries(object: &mut Value, entries: Vec<Value>) {
    object::edit_meta(object, |meta| {
        if entries.is_empty() {
            meta.remove("managedFields");
        } else {
            meta.insert("managedFields".into(), entries.into());
        }
    });
}

/// Applies `applied` to `live` on behalf of the writer.
///
/// # Errors
/// A conflict that lists every field that others own and that would change, unless `force`.
pub(crate) fn apply(
    live: &Value,
    applied: &Value,
    shape: Shape<'_>,
    writer: &Writer<'_>,
    force: bool,
) -> Result<Value, Failure> {
    let mut owners = Owners::read(live).unwrap_or_default();
    if owners.0.is_empty() {
        let mut before = FieldSet::of(live, shape);
        strip(&mut before, writer);
        if !before.is_empty() {
            let nobody = Writer { manager: BEFORE_APPLY, ..writer.clone() };
            owners.set(&nobody, Operation::Update, before, true);
        }
    }
    let mut fields = FieldSet::of(applied, shape);
    strip(&mut fields, writer);
    let mut merged = live.clone();
    merge(&mut merged, &without_server_fields(applied), shape);

    let changes = difference(live, &merged, shape, writer);
    let others = || owners.0.iter().filter(|e| !e.is(writer, Operation::Apply));
    let conflicts: Vec<(&Entry, FieldSet)> = others()
        .map(|entry| (entry, entry.fields.intersection(&changes.changed)))
        .filter(|(_, both)| !both.is_empty())
        .collect();
    let conflicts = if force { Vec::new() } else { without_own(conflicts, live, shape, writer) };
    if !conflicts.is_empty() {
        return Err(conflict(&conflicts));
    }
    let previous = owners.position(writer, Operation::Apply).map(|at| owners.0[at].fields.clone()).unwrap_or_default();
    owners.take(&changes, writer, Operation::Apply);
    let mut kept = fields.clone();
    owners.0.iter().filter(|e| !e.is(writer, Operation::Apply)).for_each(|e| kept.union(&e.fields));
    field_set::remove(&mut merged, &previous, &kept, shape);
    let changed = difference(live, &merged, shape, writer);
    let is_changed = !changed.changed.is_empty() || !changed.removed.is_empty();
    owners.take(&Difference { changed: FieldSet::default(), removed: changed.removed }, writer, Operation::Apply);
    owners.set(writer, Operation::Apply, fields, is_changed);
    owners.write(&mut merged);
    if writer.manager == KUBECTL && last_applied(live).is_some() {
        record_applied(&mut merged, applied);
    }
    Ok(merged)
}

/// kubectl can also apply on the client side. It records what it applied in an annotation, and may switch to
/// server-side apply.
const KUBECTL: &str = "kubectl";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Maximum total size of annotations (`k8s.io/apimachinery/pkg/api/validation`).
const LONGEST_ANNOTATIONS: usize = 256 << 10;

fn last_applied(object: &Value) -> Option<&str> {
    object::at(object, &["metadata", "annotations", LAST_APPLIED])?.as_str()
}

/// Conflicts without the fields that kubectl itself applied on the client side and that have not been changed since.
fn without_own<'e>(
    conflicts: Vec<(&'e Entry, FieldSet)>,
    live: &Value,
    shape: Shape<'_>,
    writer: &Writer<'_>,
) -> Vec<(&'e Entry, FieldSet)> {
    let last = last_applied(live).filter(|_| writer.manager == KUBECTL);
    let Some(last) = last.and_then(|text| serde_json::from_str::<Value>(text).ok()) else { return conflicts };
    let mut own = FieldSet::of(&last, shape);
    strip(&mut own, writer);
    let since = difference(&last, live, shape, writer);
    own.subtract(&since.changed);
    own.subtract(&since.removed);
    let rest = conflicts.into_iter().map(|(entry, mut fields)| {
        fields.subtract(&own);
        (entry, fields)
    });
    rest.filter(|(_, fields)| !fields.is_empty()).collect()
}

/// Brings the annotation up to date, so that a later apply on the client's side knows what was applied here.
fn record_applied(object: &mut Value, applied: &Value) {
    let mut recorded = applied.clone();
    object::edit_meta(&mut recorded, |meta| {
        meta.remove("managedFields");
        if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
    });
    let text = format!("{recorded}\n");
    if text.len() > LONGEST_ANNOTATIONS {
        return;
    }
    object::edit_meta(object, |meta| {
        if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.insert(LAST_APPLIED.into(), text.into());
        }
    });
}

fn without_server_fields(applied: &Value) -> Value {
    let mut applied = applied.clone();
    object::edit_meta(&mut applied, |meta| {
        for field in SERVER_FIELDS.iter().filter(|f| **f != "f:name" && **f != "f:namespace") {
            meta.remove(&field[2..]);
        }
    });
    applied
}

/// Merges `applied` into `live`.
fn merge(live: &mut Value, applied: &Value, shape: Shape<'_>) {
    match (live, applied, shape.list_kind()) {
        (Value::Object(live), Value::Object(applied), _) if !shape.is_atomic_map() => {
            for (name, value) in applied {
                match live.get_mut(name) {
                    Some(old) => merge(old, value, shape.field(name)),
                    None => {
                        live.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(live), Value::Array(applied), ListKind::Set) => {
            let known: HashSet<&Value> = live.iter().collect();
            let new: Vec<Value> = applied.iter().filter(|v| !known.contains(v)).cloned().collect();
            live.extend(new);
        }
        (Value::Array(live), Value::Array(applied), kind @ ListKind::Map(_)) => {
            let mut places: HashMap<String, usize> = HashMap::new();
            for (place, item) in live.iter().enumerate() {
                places.entry(field_set::element(item, kind, shape)).or_insert(place);
            }
            for item in applied {
                match places.entry(field_set::element(item, kind, shape)) {
                    hash_map::Entry::Occupied(place) => merge(&mut live[*place.get()], item, shape.items()),
                    hash_map::Entry::Vacant(place) => {
                        place.insert(live.len());
                        live.push(item.clone());
                    }
                }
            }
        }
        (live, applied, _) => *live = applied.clone(),
    }
}

/// Maximum size of the fields that a conflict names: nobody reads more before forcing it.
const LONGEST_CONFLICT: usize = 64 << 10;

fn conflict(conflicts: &[(&Entry, FieldSet)]) -> Failure {
    let mut causes = Vec::new();
    let mut lines = Vec::new();
    let mut single = String::new();
    let mut length = 0;
    for (entry, fields) in conflicts {
        let owner = entry.describe();
        lines.push(format!("conflicts with {owner}:"));
        let ended = fields.visit(&mut |path| {
            let field = field_set::display(path);
            length += field.len() + owner.len();
            single = format!("conflict with {owner}: {field}");
            lines.push(format!("- {field}"));
            let message = format!("conflict with {owner}");
            causes.push(json!({"reason": "FieldManagerConflict", "message": message, "field": field}));
            if length > LONGEST_CONFLICT { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if ended.is_break() {
            lines.push("and others".to_owned());
            break;
        }
    }
    let message = match causes.len() {
        1 => format!("Apply failed with 1 conflict: {single}"),
        count => format!("Apply failed with {count} conflicts: {}", lines.join("\n")),
    };
    Failure::apply_conflict(message, causes)
}

/// The reason why an applied object does not fit its kind, if any (`sigs.k8s.io/structured-merge-diff`, package typed).
pub(crate) fn untypable(applied: &Map<String, Value>, shape: Shape<'_>) -> Option<String> {
    let mut search = Search { path: Vec::new() };
    let typed = applied.iter().filter(|(name, _)| *name != "apiVersion" && *name != "kind");
    let complaint = search.fields(typed, shape)?;
    let path: String = search.path.iter().map(|name| format!(".{name}")).collect();
    Some(format!("{path}: {complaint}"))
}

/// Stops at the first complaint, with the path to it.
struct Search<'v> {
    path: Vec<&'v str>,
}

impl<'v> Search<'v> {
    fn value(&mut self, value: &'v Value, shape: Shape<'_>) -> Option<String> {
        match value {
            Value::Object(map) => self.fields(map.iter(), shape),
            Value::Array(list) => {
                self.elements(list, shape).or_else(|| list.iter().find_map(|item| self.value(item, shape.items())))
            }
            _ => None,
        }
    }

    fn fields(
        &mut self,
        mut fields: impl Iterator<Item = (&'v String, &'v Value)>,
        shape: Shape<'_>,
    ) -> Option<String> {
        fields.find_map(|(name, below)| {
            self.path.push(name);
            if !shape.knows(name) {
                return Some("field not declared in schema".into());
            }
            let found = self.value(below, shape.field(name));
            if found.is_none() {
                self.path.pop();
            }
            found
        })
    }

    /// Elements of a keyed list must have their keys, and no two the same.
    fn elements(&self, list: &[Value], shape: Shape<'_>) -> Option<String> {
        let kind @ ListKind::Map(keys) = shape.list_kind() else { return None };
        let mut seen = HashSet::new();
        list.iter().enumerate().find_map(|(index, item)| {
            let absent = |key: &&str| item.get(*key).is_none() && shape.items().key_default(key).is_none();
            if let Some(key) = keys.iter().map(|key| &**key).find(absent) {
                return Some(format!(
                    "element {index}: associative list with keys has an element that omits key field {key:?} (and doesn't have default value)"
                ));
            }
            let element = field_set::element(item, kind, shape);
            let shown = field_set::display(&[element.as_str()]);
            (!seen.insert(element)).then(|| format!("duplicate entries for key {shown}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;
    use std::time::{Duration, Instant};

    fn writer(manager: &str) -> Writer<'_> {
        Writer { manager, subresource: "", api_version: "v1", time: "2026-01-01T00:00:00Z", ignored: &[] }
    }

    fn applied(kind: &str, live: &Value, object: &Value, manager: &str) -> Value {
        let resource = kinds::built_in().find(|r| r.kind == kind).unwrap();
        apply(live, object, resource.types().root(), &writer(manager), true).unwrap()
    }

    /// Applies on objects so large that a cost per pair of fields, or of owners and fields, would take minutes.
    #[test]
    fn applying_takes_linear_time() {
        const MANY: usize = 10_000;
        let started = Instant::now();
        let ports = |from: usize| -> Value {
            (from..from + MANY).map(|n| json!({"name": format!("p{n}"), "port": n})).collect()
        };
        let service = |ports: Value| json!({"metadata": {"name": "s"}, "spec": {"ports": ports}});
        let live = applied("Service", &json!({"metadata": {"name": "s"}}), &service(ports(0)), "a");
        let moved = applied("Service", &live, &service(ports(MANY / 2)), "a");
        assert_eq!(object::list(&moved, &["spec", "ports"]).len(), MANY);
        let finalizers = |from: usize| -> Value { (from..from + MANY).map(|n| json!(format!("x/{n}"))).collect() };
        let node = |finalizers: Value| json!({"metadata": {"name": "n", "finalizers": finalizers}});
        let live = applied("Node", &json!({"metadata": {"name": "n"}}), &node(finalizers(0)), "a");
        let moved = applied("Node", &live, &node(finalizers(MANY / 2)), "a");
        assert_eq!(object::list(&moved, &["metadata", "finalizers"]).len(), MANY);
        // Many owners of one field each, and one of many fields.
        let owner = |n: usize| {
            json!({"manager": format!("m{n}"), "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {(format!("f:k{n}")): {}}}})
        };
        let data = |from: usize| -> Map<String, Value> {
            (from..from + MANY).map(|n| (format!("k{n}"), json!("v"))).collect()
        };
        let owners: Vec<Value> = (0..MANY / 4).map(owner).collect();
        let live = json!({"metadata": {"name": "c", "managedFields": owners}, "data": data(0)});
        let live = applied("ConfigMap", &live, &json!({"metadata": {"name": "c"}, "data": data(0)}), "a");
        let less = applied("ConfigMap", &live, &json!({"metadata": {"name": "c"}, "data": {"k0": "w"}}), "a");
        assert_eq!(less["data"].as_object().unwrap().len(), MANY / 4);
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    }

    #[test]
    fn a_conflict_names_a_readable_number_of_fields() {
        let data =
            |value: &str| -> Map<String, Value> { (0..20_000).map(|n| (format!("{n}"), json!(value))).collect() };
        let of = |value: &str| json!({"metadata": {"name": "c"}, "data": data(value)});
        let live = applied("ConfigMap", &json!({"metadata": {"name": "c"}}), &of("a"), "one");
        let shape = kinds::built_in().find(|r| r.kind == "ConfigMap").unwrap();
        let failure = apply(&live, &of("b"), shape.types().root(), &writer("two"), false).unwrap_err();
        assert!(
            failure.message.ends_with("\nand others") && failure.message.len() < 3 * LONGEST_CONFLICT,
            "{}",
            failure.message.len()
        );
    }

    #[test]
    fn elements_have_their_keys_and_are_unique() {
        let service = |ports: Value| json!({"spec": {"ports": ports}}).as_object().cloned().unwrap();
        let resource = kinds::built_in().find(|r| r.kind == "Service").unwrap();
        let complaint = |ports: Value| untypable(&service(ports), resource.types().root());
        assert_eq!(complaint(json!([{"port": 1}, {"port": 1, "protocol": "UDP"}])), None);
        let twice = complaint(json!([{"port": 1}, {"port": 1, "protocol": "TCP"}]));
        assert_eq!(twice.unwrap(), ".spec.ports: duplicate entries for key [port=1,protocol=\"TCP\"]");
        let absent = complaint(json!([{"name": "a"}]));
        assert_eq!(
            absent.unwrap(),
            ".spec.ports: element 0: associative list with keys has an element that omits key field \"port\" (and doesn't have default value)"
        );
        assert_eq!(complaint(json!([{"port": 1, "x": {}}])).unwrap(), ".spec.ports.x: field not declared in schema");
    }
}
