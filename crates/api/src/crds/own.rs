//! The kinds that weir defines: one entry each, with everything that the type itself does not say.

use super::{FeatureSet, structural::normalize};
use crate::{
    ContainerRuntimeConfig, ControllerConfig, InternalReleaseImage, KubeletConfig, MachineConfig, MachineConfigNode,
    MachineConfigPool, MachineConfiguration, MachineOSBuild, MachineOSConfig, OSImageStream, PinnedImageSet,
    kind::Root,
};
use kube_core::Resource;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// A column of `kubectl get`.
struct Column {
    name: &'static str,
    path: &'static str,
    kind: &'static str,
    /// Only shown with `-o wide`.
    wide: bool,
}

const fn column(name: &'static str, kind: &'static str, path: &'static str) -> Column {
    Column { name, path, kind, wide: false }
}

const fn wide(name: &'static str, kind: &'static str, path: &'static str) -> Column {
    Column { name, path, kind, wide: true }
}

/// The contents of a definition besides its schema.
struct Definition {
    group: String,
    kind: String,
    plural: String,
    schema: Value,
    short_names: &'static [&'static str],
    columns: &'static [Column],
    /// Whether there is a `status` subresource.
    status: bool,
    /// Whether hosted control planes carry the kind too.
    hosted: bool,
    /// Whether its label marks it as a kind of the operator for tools.
    labelled: bool,
    /// Whether the shape depends on the feature set.
    by_set: bool,
    /// Number of the pull request to github.com/openshift/api that approved the kind.
    approved: u16,
}

impl Definition {
    fn of<K>(approved: u16) -> Self
    where
        K: Resource<DynamicType = ()> + JsonSchema + Root<Spec: JsonSchema, Status: JsonSchema>,
    {
        let mut schema = generator().into_root_schema_for::<K>().to_value();
        // The fields are described alike in every kind; their types have specific descriptions.
        describe(&mut schema, "spec", generator().into_root_schema_for::<K::Spec>());
        describe(&mut schema, "status", generator().into_root_schema_for::<K::Status>());
        Self {
            group: K::group(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            plural: K::plural(&()).into_owned(),
            schema,
            short_names: &[],
            columns: &[],
            status: true,
            hosted: true,
            labelled: true,
            by_set: false,
            approved,
        }
    }

    fn into_crd(self, set: FeatureSet) -> Value {
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
            "name": crate::kind::V1,
            "served": true,
            "storage": true,
            "schema": { "openAPIV3Schema": schema },
        });
        if !self.columns.is_empty() {
            version["additionalPrinterColumns"] = self.columns.iter().map(Column::to_value).collect();
        }
        if self.status {
            version["subresources"] = json!({ "status": {} });
        }
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
        let mut metadata = json!({ "name": format!("{}.{}", self.plural, self.group), "annotations": annotations });
        if self.labelled {
            metadata["labels"] = json!({ "openshift.io/operator-managed": "" });
        }
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": metadata,
            "spec": { "group": self.group, "names": names, "scope": "Cluster", "versions": [version] },
        })
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

const AGE: Column = column("Age", "date", ".metadata.creationTimestamp");

const POOL_COLUMNS: &[Column] = &[
    column("Config", "string", ".status.configuration.name"),
    column("Updated", "string", ".status.conditions[?(@.type==\"Updated\")].status"),
    column("Updating", "string", ".status.conditions[?(@.type==\"Updating\")].status"),
    column("Degraded", "string", ".status.conditions[?(@.type==\"Degraded\")].status"),
    column("MachineCount", "number", ".status.machineCount"),
    column("ReadyMachineCount", "number", ".status.readyMachineCount"),
    column("UpdatedMachineCount", "number", ".status.updatedMachineCount"),
    column("DegradedMachineCount", "number", ".status.degradedMachineCount"),
    AGE,
];

const MACHINE_CONFIG_COLUMNS: &[Column] = &[
    column(
        "GeneratedByController",
        "string",
        r".metadata.annotations.machineconfiguration\.openshift\.io/generated-by-controller-version",
    ),
    column("IgnitionVersion", "string", ".spec.config.ignition.version"),
    AGE,
];

const BUILD_COLUMNS: &[Column] = &[
    column("Prepared", "string", ".status.conditions[?(@.type==\"Prepared\")].status"),
    column("Building", "string", ".status.conditions[?(@.type==\"Building\")].status"),
    column("Succeeded", "string", ".status.conditions[?(@.type==\"Succeeded\")].status"),
    column("Interrupted", "string", ".status.conditions[?(@.type==\"Interrupted\")].status"),
    column("Failed", "string", ".status.conditions[?(@.type==\"Failed\")].status"),
    AGE,
];

const NODE_COLUMNS: &[Column] = &[
    column("PoolName", "string", ".spec.pool.name"),
    column("DesiredConfig", "string", ".spec.configVersion.desired"),
    column("CurrentConfig", "string", ".status.configVersion.current"),
    column("Updated", "string", ".status.conditions[?(@.type==\"Updated\")].status"),
    AGE,
    wide("UpdatePrepared", "string", ".status.conditions[?(@.type==\"UpdatePrepared\")].status"),
    wide("UpdateExecuted", "string", ".status.conditions[?(@.type==\"UpdateExecuted\")].status"),
    wide("UpdatePostActionComplete", "string", ".status.conditions[?(@.type==\"UpdatePostActionComplete\")].status"),
    wide("UpdateComplete", "string", ".status.conditions[?(@.type==\"UpdateComplete\")].status"),
    wide("Resumed", "string", ".status.conditions[?(@.type==\"Resumed\")].status"),
    wide("UpdatedFilesAndOS", "string", ".status.conditions[?(@.type==\"AppliedFilesAndOS\")].status"),
    wide("CordonedNode", "string", ".status.conditions[?(@.type==\"Cordoned\")].status"),
    wide("DrainedNode", "string", ".status.conditions[?(@.type==\"Drained\")].status"),
    wide("RebootedNode", "string", ".status.conditions[?(@.type==\"RebootedNode\")].status"),
    wide("UncordonedNode", "string", ".status.conditions[?(@.type==\"Uncordoned\")].status"),
];

fn definitions() -> Vec<Definition> {
    vec![
        Definition { by_set: true, ..Definition::of::<ControllerConfig>(1453) },
        Definition { short_names: &["mcp"], columns: POOL_COLUMNS, ..Definition::of::<MachineConfigPool>(1453) },
        Definition {
            short_names: &["mc"],
            columns: MACHINE_CONFIG_COLUMNS,
            status: false,
            ..Definition::of::<MachineConfig>(1453)
        },
        Definition { columns: NODE_COLUMNS, hosted: false, by_set: true, ..Definition::of::<MachineConfigNode>(2255) },
        Definition::of::<OSImageStream>(2555),
        Definition { by_set: true, ..Definition::of::<KubeletConfig>(1453) },
        Definition { short_names: &["ctrcfg"], by_set: true, ..Definition::of::<ContainerRuntimeConfig>(1453) },
        Definition { status: false, ..Definition::of::<PinnedImageSet>(2198) },
        Definition::of::<MachineOSConfig>(2090),
        Definition { columns: BUILD_COLUMNS, ..Definition::of::<MachineOSBuild>(2090) },
        Definition { hosted: false, ..Definition::of::<InternalReleaseImage>(2510) },
        Definition { labelled: false, ..Definition::of::<MachineConfiguration>(1453) },
    ]
}

/// Definitions of our kinds for a feature set, ordered by name.
#[must_use]
pub fn own(set: FeatureSet) -> Vec<Value> {
    let mut crds: Vec<Value> = definitions().into_iter().map(|definition| definition.into_crd(set)).collect();
    crds.sort_by(|a, b| super::name(a).cmp(super::name(b)));
    crds
}
