//! OpenShift's kinds that weir only reads: enough of a definition for a plain Kubernetes cluster to store them.
//!
//! On OpenShift they exist already, with full schemas, and must not be replaced; these accept any content.
//! Source of names and columns: `config/v1`, `operator/v1alpha1` and `image/v1` of github.com/openshift/api.

use serde_json::{Value, json};

/// Whether objects of a kind live in namespaces.
#[derive(Clone, Copy)]
enum Scope {
    Cluster,
    Namespaced,
}

struct Kind {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    short_names: &'static [&'static str],
    scope: Scope,
    columns: &'static [(&'static str, &'static str, &'static str)],
}

const fn config(kind: &'static str, plural: &'static str) -> Kind {
    Kind {
        group: crate::kind::CONFIG_GROUP,
        version: crate::kind::V1,
        kind,
        plural,
        short_names: &[],
        scope: Scope::Cluster,
        columns: &[],
    }
}

const CLUSTER_VERSION_COLUMNS: &[(&str, &str, &str)] = &[
    ("Version", "string", ".status.history[?(@.state==\"Completed\")].version"),
    ("Available", "string", ".status.conditions[?(@.type==\"Available\")].status"),
    ("Progressing", "string", ".status.conditions[?(@.type==\"Progressing\")].status"),
    ("Since", "date", ".status.conditions[?(@.type==\"Progressing\")].lastTransitionTime"),
    ("Status", "string", ".status.conditions[?(@.type==\"Progressing\")].message"),
];

const CLUSTER_OPERATOR_COLUMNS: &[(&str, &str, &str)] = &[
    ("Version", "string", ".status.versions[?(@.name==\"operator\")].version"),
    ("Available", "string", ".status.conditions[?(@.type==\"Available\")].status"),
    ("Progressing", "string", ".status.conditions[?(@.type==\"Progressing\")].status"),
    ("Degraded", "string", ".status.conditions[?(@.type==\"Degraded\")].status"),
    ("Since", "date", ".status.conditions[?(@.type==\"Available\")].lastTransitionTime"),
];

const KINDS: &[Kind] = &[
    config("APIServer", "apiservers"),
    Kind { short_names: &["co"], columns: CLUSTER_OPERATOR_COLUMNS, ..config("ClusterOperator", "clusteroperators") },
    Kind { columns: CLUSTER_VERSION_COLUMNS, ..config("ClusterVersion", "clusterversions") },
    config("DNS", "dnses"),
    config("FeatureGate", "featuregates"),
    config("Image", "images"),
    Kind { short_names: &["idms"], ..config("ImageDigestMirrorSet", "imagedigestmirrorsets") },
    Kind { short_names: &["itms"], ..config("ImageTagMirrorSet", "imagetagmirrorsets") },
    config("Infrastructure", "infrastructures"),
    config("Network", "networks"),
    config("Node", "nodes"),
    config("Proxy", "proxies"),
    config("Scheduler", "schedulers"),
    Kind {
        group: crate::kind::OPERATOR_GROUP,
        version: "v1alpha1",
        ..config("ImageContentSourcePolicy", "imagecontentsourcepolicies")
    },
    Kind {
        group: crate::kind::IMAGE_GROUP,
        scope: Scope::Namespaced,
        short_names: &["is"],
        ..config("ImageStream", "imagestreams")
    },
];

/// Definitions of the OpenShift kinds that weir reads, which accept any content.
#[must_use]
pub fn foreign() -> Vec<Value> {
    KINDS.iter().map(Kind::crd).collect()
}

impl Kind {
    fn crd(&self) -> Value {
        let mut names = json!({
            "kind": self.kind,
            "listKind": format!("{}List", self.kind),
            "plural": self.plural,
            "singular": self.kind.to_lowercase(),
        });
        if !self.short_names.is_empty() {
            names["shortNames"] = json!(self.short_names);
        }
        let anything = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let mut version = json!({
            "name": self.version,
            "served": true,
            "storage": true,
            "subresources": { "status": {} },
            "schema": { "openAPIV3Schema": {
                "type": "object",
                "description": "Read by weir, defined by OpenShift; any content is accepted here.",
                "x-kubernetes-preserve-unknown-fields": true,
                "properties": { "spec": anything, "status": anything },
            } },
        });
        if !self.columns.is_empty() {
            let age = ("Age", "date", ".metadata.creationTimestamp");
            let columns = self.columns.iter().chain(std::iter::once(&age));
            version["additionalPrinterColumns"] =
                columns.map(|(name, kind, path)| json!({ "name": name, "type": kind, "jsonPath": path })).collect();
        }
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{}.{}", self.plural, self.group) },
            "spec": {
                "group": self.group,
                "names": names,
                "scope": match self.scope { Scope::Cluster => "Cluster", Scope::Namespaced => "Namespaced" },
                "versions": [version],
            },
        })
    }
}
