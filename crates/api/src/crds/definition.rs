//! One definition: names, columns and annotations around a schema that is derived from a type.

use super::{FeatureSet, structural::normalize};
use crate::kind::Root;
use kube_core::{NamespaceResourceScope, Resource};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use std::any::TypeId;

/// A column of `kubectl get`.
pub(super) struct Column {
    name: &'static str,
    path: &'static str,
    kind: &'static str,
    /// Only shown with `-o wide`.
    wide: bool,
}

pub(super) const fn column(name: &'static str, kind: &'static str, path: &'static str) -> Column {
    Column { name, path, kind, wide: false }
}

pub(super) const fn wide(name: &'static str, kind: &'static str, path: &'static str) -> Column {
    Column { name, path, kind, wide: true }
}

/// The age of an object.
pub(super) const AGE: Column = column("Age", "date", ".metadata.creationTimestamp");

/// What a release says of a definition that is its own.
struct Release {
    /// Whether hosted control planes carry the kind too.
    hosted: bool,
    /// Whether its label marks it as a kind of the operator for tools.
    labelled: bool,
    /// Whether the shape depends on the feature set.
    by_set: bool,
    /// Number of the pull request to github.com/openshift/api that approved the kind.
    approved: u16,
}

/// The contents of a definition.
pub(super) struct Definition {
    group: String,
    version: String,
    kind: String,
    plural: String,
    scope: &'static str,
    schema: Value,
    short_names: &'static [&'static str],
    columns: &'static [Column],
    /// Whether the schema has a `status`.
    status: bool,
    /// Whether it has an endpoint of its own.
    subresource: bool,
    /// Absent where another program brings the real definition.
    release: Option<Release>,
}

impl Definition {
    pub(super) fn of<K>() -> Self
    where
        K: Resource<DynamicType = (), Scope: 'static> + JsonSchema + Root<Spec: JsonSchema, Status: JsonSchema>,
    {
        let mut schema = generator().into_root_schema_for::<K>().to_value();
        // The fields are described alike in every kind; their types have specific descriptions.
        describe(&mut schema, "spec", generator().into_root_schema_for::<K::Spec>());
        describe(&mut schema, "status", generator().into_root_schema_for::<K::Status>());
        Self { schema, ..Self::open::<K>() }
    }

    /// A definition that accepts any content.
    pub(super) fn open<K: Resource<DynamicType = (), Scope: 'static>>() -> Self {
        let anything = |description: &str| json!({ "type": "object", "description": description, "x-kubernetes-preserve-unknown-fields": true });
        let namespaced = TypeId::of::<K::Scope>() == TypeId::of::<NamespaceResourceScope>();
        Self {
            group: K::group(&()).into_owned(),
            version: K::version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            plural: K::plural(&()).into_owned(),
            scope: if namespaced { "Namespaced" } else { "Cluster" },
            schema: json!({
                "type": "object",
                "description": "Any content is accepted and kept: no field is described here.",
                "x-kubernetes-preserve-unknown-fields": true,
                "properties": {
                    "spec": anything("What is wanted."), "status": anything("What was last observed.")
                },
            }),
            short_names: &[],
            columns: &[],
            status: true,
            subresource: true,
            release: None,
        }
    }

    pub(super) fn short(self, short_names: &'static [&'static str]) -> Self {
        Self { short_names, ..self }
    }

    pub(super) fn columns(self, columns: &'static [Column]) -> Self {
        Self { columns, ..self }
    }

    pub(super) fn without_status(self) -> Self {
        Self { status: false, ..self }
    }

    pub(super) fn without_subresource(self) -> Self {
        Self { subresource: false, ..self }
    }

    /// Our own, approved by that pull request.
    pub(super) fn approved(self, approved: u16) -> Self {
        Self { release: Some(Release { hosted: true, labelled: true, by_set: false, approved }), ..self }
    }

    pub(super) fn not_hosted(mut self) -> Self {
        self.release.iter_mut().for_each(|release| release.hosted = false);
        self
    }

    pub(super) fn not_labelled(mut self) -> Self {
        self.release.iter_mut().for_each(|release| release.labelled = false);
        self
    }

    pub(super) fn by_set(mut self) -> Self {
        self.release.iter_mut().for_each(|release| release.by_set = true);
        self
    }

    pub(super) fn into_crd(self, set: FeatureSet) -> Value {
        let schema = root_schema(self.schema, self.status, set);
        let mut names = json!({
            "kind": self.kind,
            "listKind": format!("{}List", self.kind),
            "plural": self.plural,
            "singular": self.kind.to_lowercase(),
        });
        if !self.short_names.is_empty() {
            names["shortNames"] = json!(self.short_names);
        }
        let mut version = json!({
            "name": self.version,
            "served": true,
            "storage": true,
            "schema": { "openAPIV3Schema": schema },
        });
        if !self.columns.is_empty() {
            version["additionalPrinterColumns"] = self.columns.iter().map(Column::to_value).collect();
        }
        if self.subresource {
            version["subresources"] = json!({ "status": {} });
        }
        let mut metadata = json!({ "name": format!("{}.{}", self.plural, self.group) });
        if let Some(release) = self.release {
            release.mark(&mut metadata, set);
        }
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": metadata,
            "spec": { "group": self.group, "names": names, "scope": self.scope, "versions": [version] },
        })
    }
}

impl Release {
    fn mark(&self, metadata: &mut Value, set: FeatureSet) {
        let mut annotations = json!({
            "api-approved.openshift.io": format!("https://github.com/openshift/api/pull/{}", self.approved),
            "api.openshift.io/merged-by-featuregates": "true",
            "include.release.openshift.io/self-managed-high-availability": "true",
        });
        if self.hosted {
            annotations["include.release.openshift.io/ibm-cloud-managed"] = "true".into();
        }
        if self.by_set {
            annotations["release.openshift.io/feature-set"] = set.name().into();
        }
        metadata["annotations"] = annotations;
        if self.labelled {
            metadata["labels"] = json!({ "openshift.io/operator-managed": "" });
        }
    }
}

impl Column {
    fn to_value(&self) -> Value {
        let mut value = json!({ "name": self.name, "type": self.kind, "jsonPath": self.path });
        if self.wide {
            value["priority"] = 1.into();
        }
        value
    }
}

fn describe(schema: &mut Value, field: &str, like: Schema) {
    if let (Some(description), Some(property)) = (like.get("description"), schema["properties"].get_mut(field)) {
        property["description"] = description.clone();
    }
}

fn generator() -> SchemaGenerator {
    SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
            settings.transforms.clear();
        })
        .into_generator()
}

/// The schema of the whole object: the API server handles `apiVersion`, `kind` and `metadata`.
fn root_schema(mut schema: Value, status: bool, set: FeatureSet) -> Value {
    normalize(&mut schema, set);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        let mut frame = Map::new();
        frame.insert("apiVersion".to_owned(), json!({ "type": "string", "description": "Group and version." }));
        frame.insert("kind".to_owned(), json!({ "type": "string", "description": "Kind of the object." }));
        frame.insert("metadata".to_owned(), json!({ "type": "object" }));
        properties.extend(frame);
        if !status {
            properties.remove("status");
        }
    }
    schema
}
