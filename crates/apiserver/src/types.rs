//! The shape of an object: which fields there are, which lists merge by key, which maps are atomic.
//!
//! Compiled once per kind, from the schema of `k8s-openapi` for built-in kinds and from `openAPIV3Schema` for custom
//! ones. Decoding of built-in kinds, strategic merge patches and field ownership all walk the same shape.

use crate::merge_keys::{self, ListKind};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Node {
    /// No known shape: maps are granular, lists atomic.
    Any,
    Scalar(Scalar),
    Object {
        fields: BTreeMap<Box<str>, u32>,
        entries: Option<u32>,
        atomic: bool,
    },
    List {
        items: u32,
        kind: ListKind,
    },
}

/// Types of values without parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    String,
    Integer,
    Number,
    Boolean,
    IntOrString,
}

/// The shape of one kind; a list of nodes that refer to each other, because schemas may be recursive.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    nodes: Vec<Node>,
    /// Key fields with a default value, by node of the list's items.
    key_defaults: BTreeMap<(u32, Box<str>), Value>,
}

/// A place in the shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape<'a> {
    types: &'a Types,
    node: u32,
}

const ANY: u32 = 0;
const ROOT: u32 = 1;

impl Types {
    /// Compiles the schema of a built-in kind. `definitions` contains what `$ref`s name.
    pub(crate) fn built_in(name: &str, definitions: &Map<String, Value>) -> Self {
        let mut compiler = Compiler { definitions, ..Compiler::default() };
        compiler.definition(name);
        compiler.finish()
    }

    /// Compiles the schema of a custom kind; `metadata` is that of every object.
    pub(crate) fn custom(schema: &Value, definitions: &Map<String, Value>) -> Self {
        let mut compiler = Compiler { definitions, ..Compiler::default() };
        let root = compiler.reserve();
        let mut node = compiler.object(schema, "");
        let metadata = compiler.definition(OBJECT_META);
        if let Node::Object { fields, .. } = &mut node {
            fields.insert("metadata".into(), metadata);
        }
        compiler.nodes[root as usize] = node;
        compiler.finish()
    }

    pub(crate) fn root(&self) -> Shape<'_> {
        Shape { types: self, node: ROOT }
    }
}

/// Name of the definition of `metadata`.
pub(crate) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

struct Compiler<'d> {
    definitions: &'d Map<String, Value>,
    nodes: Vec<Node>,
    by_name: BTreeMap<String, u32>,
    key_defaults: BTreeMap<(u32, Box<str>), Value>,
}

static NO_DEFINITIONS: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

impl Default for Compiler<'_> {
    fn default() -> Self {
        Self {
            definitions: &NO_DEFINITIONS,
            nodes: vec![Node::Any],
            by_name: BTreeMap::new(),
            key_defaults: BTreeMap::new(),
        }
    }
}

impl Compiler<'_> {
    fn finish(self) -> Types {
        Types { nodes: self.nodes, key_defaults: self.key_defaults }
    }

    fn reserve(&mut self) -> u32 {
        self.push(Node::Any)
    }

    fn push(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        // A schema has thousands of nodes, not billions.
        u32::try_from(self.nodes.len() - 1).unwrap_or(ANY)
    }

    fn definition(&mut self, name: &str) -> u32 {
        if let Some(known) = self.by_name.get(name) {
            return *known;
        }
        let index = self.reserve();
        self.by_name.insert(name.to_owned(), index);
        let node = match self.definitions.get(name) {
            Some(schema) => self.node(schema, name),
            None => Node::Any,
        };
        self.nodes[index as usize] = node;
        index
    }

    fn schema(&mut self, schema: &Value, owner: &str) -> u32 {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let name = target.rsplit('/').next().unwrap_or_default().to_owned();
            return self.definition(&name);
        }
        match self.node(schema, owner) {
            Node::Any => ANY,
            node => self.push(node),
        }
    }

    fn node(&mut self, schema: &Value, owner: &str) -> Node {
        if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
            return Node::Scalar(Scalar::IntOrString);
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("object") => self.object(schema, owner),
            Some("array") => {
                let items = schema.get("items").map_or(ANY, |items| self.schema(items, ""));
                Node::List { items, kind: self.list_kind(schema, items) }
            }
            Some("string") => Node::Scalar(Scalar::String),
            Some("integer") => Node::Scalar(Scalar::Integer),
            Some("number") => Node::Scalar(Scalar::Number),
            Some("boolean") => Node::Scalar(Scalar::Boolean),
            _ => Node::Any,
        }
    }

    fn object(&mut self, schema: &Value, owner: &str) -> Node {
        let open = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
        let properties = schema.get("properties").and_then(Value::as_object);
        let additional = schema.get("additionalProperties").filter(|a| a.is_object());
        let mut fields = BTreeMap::new();
        for (name, property) in properties.into_iter().flatten() {
            let mut index = self.schema(property, "");
            if let Some(kind) = merge_keys::list_kind(owner, name) {
                let items = match &self.nodes[index as usize] {
                    Node::List { items, .. } => *items,
                    _ => ANY,
                };
                for (key, value) in merge_keys::key_defaults(owner, name) {
                    self.key_defaults.insert((items, key.into()), value.into());
                }
                index = self.push(Node::List { items, kind });
            }
            fields.insert(name.as_str().into(), index);
        }
        let entries = match additional {
            Some(additional) => Some(self.schema(additional, "")),
            None if open || fields.is_empty() => Some(ANY),
            None => None,
        };
        let atomic = schema.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic")
            || merge_keys::is_atomic(owner);
        if fields.is_empty() && entries == Some(ANY) && !atomic {
            return Node::Any;
        }
        Node::Object { fields, entries, atomic }
    }

    fn list_kind(&mut self, schema: &Value, items: u32) -> ListKind {
        match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("set") => ListKind::Set,
            Some("map") => {
                let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
                let keys: Vec<Box<str>> =
                    keys.into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect();
                for key in &keys {
                    let default = schema.pointer("/items/properties").and_then(|p| p.get(&**key)?.get("default"));
                    if let Some(default) = default {
                        self.key_defaults.insert((items, key.clone()), default.clone());
                    }
                }
                ListKind::Map(keys)
            }
            _ => ListKind::Atomic,
        }
    }
}

impl<'a> Shape<'a> {
    fn node(self) -> &'a Node {
        &self.types.nodes[self.node as usize]
    }

    fn to(self, node: u32) -> Self {
        Self { types: self.types, node }
    }

    /// The shape of an object's field. Undeclared fields have no known shape.
    pub(crate) fn field(self, name: &str) -> Self {
        match self.node() {
            Node::Object { fields, entries, .. } => self.to(fields.get(name).copied().or(*entries).unwrap_or(ANY)),
            _ => self.to(ANY),
        }
    }

    /// Whether the field is declared by name (a struct field, not an entry of a map).
    pub(crate) fn declares(self, name: &str) -> bool {
        match self.node() {
            Node::Object { fields, .. } => fields.contains_key(name),
            _ => false,
        }
    }

    /// Whether a field may be present.
    pub(crate) fn knows(self, name: &str) -> bool {
        match self.node() {
            Node::Object { fields, entries, .. } => entries.is_some() || fields.contains_key(name),
            _ => true,
        }
    }

    /// The declared fields.
    #[cfg(test)]
    pub(crate) fn fields(self) -> Vec<(&'a str, Self)> {
        match self.node() {
            Node::Object { fields, .. } => fields.iter().map(|(name, node)| (&**name, self.to(*node))).collect(),
            _ => Vec::new(),
        }
    }

    /// The shape of a list's elements.
    pub(crate) fn items(self) -> Self {
        match self.node() {
            Node::List { items, .. } => self.to(*items),
            _ => self.to(ANY),
        }
    }

    /// How the list merges; lists of no known shape are atomic.
    pub(crate) fn list_kind(self) -> &'a ListKind {
        match self.node() {
            Node::List { kind, .. } => kind,
            _ => &ListKind::Atomic,
        }
    }

    /// Whether the map is owned and replaced as a whole.
    pub(crate) fn is_atomic_map(self) -> bool {
        matches!(self.node(), Node::Object { atomic: true, .. })
    }

    /// Whether the map has entries of any name (labels), rather than declared fields.
    pub(crate) fn is_open_map(self) -> bool {
        matches!(self.node(), Node::Object { fields, entries: Some(_), .. } if fields.is_empty())
    }

    /// The type of a value without parts; `None` for objects, lists and the unknown.
    pub(crate) fn scalar(self) -> Option<Scalar> {
        match self.node() {
            Node::Scalar(scalar) => Some(*scalar),
            _ => None,
        }
    }

    /// Whether nothing is known here.
    pub(crate) fn is_unknown(self) -> bool {
        matches!(self.node(), Node::Any)
    }

    /// Whether a list belongs here.
    pub(crate) fn is_list(self) -> bool {
        matches!(self.node(), Node::List { .. })
    }

    /// The default of a key field that a list element leaves out.
    pub(crate) fn key_default(self, key: &str) -> Option<&'a Value> {
        self.types.key_defaults.get(&(self.node, key.into()))
    }
}
