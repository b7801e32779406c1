//! One node of a schema as a CustomResourceDefinition writes it (`JSONSchemaProps` of apiextensions.k8s.io/v1).

use crate::{cel::Expression, text::Pattern};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Number, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A schema node. Absent strings are empty: no field distinguishes the two.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Node {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) format: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) nullable: bool,
    pub(crate) default: Option<Value>,
    #[serde(rename = "enum")]
    pub(crate) allowed: Vec<Value>,

    pub(crate) pattern: Option<Pattern>,
    pub(crate) min_length: Option<i64>,
    pub(crate) max_length: Option<i64>,
    pub(crate) minimum: Option<Number>,
    pub(crate) maximum: Option<Number>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) exclusive_maximum: bool,
    pub(crate) multiple_of: Option<Number>,
    pub(crate) min_items: Option<i64>,
    pub(crate) max_items: Option<i64>,
    pub(crate) unique_items: bool,
    pub(crate) min_properties: Option<i64>,
    pub(crate) max_properties: Option<i64>,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) required: Vec<String>,

    pub(crate) items: Option<Items>,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) properties: BTreeMap<String, Node>,
    pub(crate) additional_properties: Option<Additional>,
    pub(crate) all_of: Vec<Node>,
    pub(crate) any_of: Vec<Node>,
    pub(crate) one_of: Vec<Node>,
    pub(crate) not: Option<Box<Node>>,

    #[serde(rename = "x-kubernetes-preserve-unknown-fields")]
    pub(crate) preserve_unknown: Option<bool>,
    #[serde(rename = "x-kubernetes-embedded-resource")]
    pub(crate) embedded_resource: bool,
    #[serde(rename = "x-kubernetes-int-or-string")]
    pub(crate) int_or_string: bool,
    #[serde(rename = "x-kubernetes-list-type")]
    pub(crate) list_type: Option<String>,
    #[serde(rename = "x-kubernetes-list-map-keys")]
    pub(crate) list_map_keys: Vec<String>,
    #[serde(rename = "x-kubernetes-map-type")]
    pub(crate) map_type: Option<String>,
    #[serde(rename = "x-kubernetes-validations")]
    pub(crate) rules: Vec<Rule>,

    // Parts of JSON schema that a definition may not use: only their presence matters.
    pub(crate) external_docs: Option<IgnoredAny>,
    pub(crate) id: String,
    #[serde(rename = "$ref")]
    pub(crate) reference: Option<IgnoredAny>,
    pub(crate) additional_items: Option<IgnoredAny>,
    pub(crate) pattern_properties: Option<IgnoredAny>,
    pub(crate) definitions: Option<IgnoredAny>,
    pub(crate) dependencies: Option<IgnoredAny>,

    /// There is a rule here or below.
    #[serde(skip)]
    pub(crate) has_rules: bool,
    /// The fields of `self` and `oldSelf` that the rules here look at; `None` if they are not known, and all fields
    /// count.
    #[serde(skip)]
    pub(crate) rules_read: Option<BTreeSet<String>>,
}

/// `items`: one schema for all, or (not supported by the API server) one for each position.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Items {
    One(Box<Node>),
    Many(IgnoredAny),
}

/// `additionalProperties`: a boolean, or the schema of the values of a map.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Additional {
    Allowed(bool),
    Schema(Box<Node>),
}

/// An entry of `x-kubernetes-validations`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Rule {
    pub(crate) rule: String,
    pub(crate) message: String,
    pub(crate) message_expression: String,
    pub(crate) reason: Option<String>,
    pub(crate) field_path: String,
    pub(crate) optional_old_self: Option<bool>,
    #[serde(skip)]
    pub(crate) compiled: Option<CompiledRule>,
}

/// The derived parts of a rule, computed once.
#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) rule: Expression,
    pub(crate) message: Option<Expression>,
    /// The rule compares with the stored value.
    pub(crate) uses_old_self: bool,
    /// `fieldPath` as errors write it, e.g. `spec.name`; empty when unset.
    pub(crate) field_path: String,
}

impl Rule {
    /// The name of this rule in evaluation errors.
    pub(crate) fn label(&self) -> &str {
        if self.message.is_empty() { self.rule.trim() } else { self.message.trim() }
    }
}

/// How the elements of a list are identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListType {
    Atomic,
    Set,
    Map,
}

impl Node {
    /// The schema of list elements.
    pub(crate) fn items(&self) -> Option<&Node> {
        match &self.items {
            Some(Items::One(node)) => Some(node),
            _ => None,
        }
    }

    /// The schema of a map's values.
    pub(crate) fn values(&self) -> Option<&Node> {
        match &self.additional_properties {
            Some(Additional::Schema(node)) => Some(node),
            _ => None,
        }
    }

    /// The schema of the field or map entry of that name.
    pub(crate) fn child(&self, name: &str) -> Option<&Node> {
        self.properties.get(name).or_else(|| self.values())
    }

    pub(crate) fn preserves_unknown(&self) -> bool {
        self.preserve_unknown == Some(true)
    }

    /// Lists are atomic unless they say otherwise.
    pub(crate) fn list_type(&self) -> ListType {
        match self.list_type.as_deref() {
            Some("map") => ListType::Map,
            Some("set") => ListType::Set,
            _ => ListType::Atomic,
        }
    }

    /// All nodes directly below on the structural spine, each with its path element in the errors of a definition.
    pub(crate) fn children(&self) -> impl Iterator<Item = (String, &Node)> {
        let items = self.items().map(|node| ("items".to_owned(), node));
        let values = self.values().map(|node| ("additionalProperties".to_owned(), node));
        let properties = self.properties.iter().map(|(name, node)| (format!("properties[{name}]"), node));
        items.into_iter().chain(values).chain(properties)
    }

    /// The nodes of `children`, in the same order.
    pub(crate) fn children_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        let items = match &mut self.items {
            Some(Items::One(node)) => Some(node.as_mut()),
            _ => None,
        };
        let values = match &mut self.additional_properties {
            Some(Additional::Schema(node)) => Some(node.as_mut()),
            _ => None,
        };
        items.into_iter().chain(values).chain(self.properties.values_mut())
    }

    /// The schemas combined with this one, each with its path element.
    pub(crate) fn branches(&self) -> impl Iterator<Item = (String, &Node)> {
        let list = |name: &'static str, nodes: &'_ [Node]| (0..nodes.len()).map(move |i| format!("{name}[{i}]"));
        let all = list("allOf", &self.all_of).zip(&self.all_of);
        let any = list("anyOf", &self.any_of).zip(&self.any_of);
        let one = list("oneOf", &self.one_of).zip(&self.one_of);
        let not = self.not.iter().map(|node| ("not".to_owned(), node.as_ref()));
        all.chain(any).chain(one).chain(not)
    }
}

fn null_is_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
