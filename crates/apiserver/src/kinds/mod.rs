//! The kinds that are there without a definition, and what the server does for each.
//!
//! | module | what it holds |
//! |---|---|
//! | [`columns`], `pod_summary` | printer columns of these kinds; the line about a pod |
//! | [`merge_keys`] | which lists of these kinds merge by key |
//! | [`core`] | Namespace, ConfigMap, Secret, ServiceAccount, Lease |
//! | [`node`], [`pod`], [`workload`] | what their names say; workloads are Deployment, DaemonSet, ReplicaSet |
//! | [`policy`] | PodDisruptionBudget, NetworkPolicy, PriorityClass, admission policies |
//! | [`event`] | the two groups that share one store of events |
//! | [`definition`] | CustomResourceDefinition |

pub(crate) mod columns;
pub(crate) mod core;
pub(crate) mod definition;
pub(crate) mod event;
pub(crate) mod merge_keys;
pub(crate) mod node;
pub(crate) mod pod;
mod pod_summary;
pub(crate) mod policy;
pub(crate) mod workload;

use crate::{
    names::NameRule,
    registry::{Definition, Resource},
    scale::Scale,
    schema::FieldError,
    types::Types,
};
use k8s_openapi::{
    api::{
        admissionregistration::v1 as admission, apps::v1 as apps, coordination::v1 as coordination, core::v1 as api,
    },
    api::{events::v1 as events, networking::v1 as networking, policy::v1 as disruption, rbac::v1 as rbac},
    apiextensions_apiserver::pkg::apis::apiextensions::v1 as extensions,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};
use std::sync::{Arc, OnceLock};

/// A kind that is built in.
#[derive(Debug)]
pub(crate) struct BuiltIn {
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
    short_names: &'static [&'static str],
    categories: &'static [&'static str],
    status: bool,
    scale: bool,
    generation: bool,
    storage: &'static str,
    /// What its names must be.
    pub(crate) names: NameRule,
    /// Fields that are always there, as JSON.
    zero: &'static str,
    /// `PUT` of a missing object creates it.
    pub(crate) create_on_update: bool,
    /// `DELETE` answers with the object instead of a Status.
    pub(crate) returns_deleted: bool,
    /// A status in the body of a create is kept.
    pub(crate) status_on_create: bool,
    pub(crate) rules: Rules,
    schema: fn(&mut SchemaGenerator) -> String,
    types: OnceLock<Types>,
    zero_object: OnceLock<Value>,
}

/// What the server does to objects of a kind. `old` is `None` on create.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Values for what the client left out.
    pub(crate) default: fn(&mut Value),
    /// What clients may not decide.
    pub(crate) prepare: fn(&mut Value, Option<&Value>),
    /// What admission plugins of kube-apiserver add; nobody owns these fields.
    pub(crate) admit: fn(&mut Value, Option<&Value>),
    /// What is wrong with the object.
    pub(crate) validate: fn(&Value, Option<&Value>) -> Vec<FieldError>,
}

impl Rules {
    const NONE: Self = Self { default: |_| (), prepare: |_, _| (), admit: |_, _| (), validate: |_, _| Vec::new() };
}

fn register<T: JsonSchema>(generator: &mut SchemaGenerator) -> String {
    generator.subschema_for::<T>();
    T::schema_name().into_owned()
}

impl BuiltIn {
    const fn new<T: JsonSchema>(group: &'static str, plural: &'static str, kind: &'static str) -> Self {
        Self {
            group,
            version: "v1",
            plural,
            kind,
            namespaced: true,
            short_names: &[],
            categories: &[],
            status: false,
            scale: false,
            generation: false,
            storage: "",
            names: NameRule::Subdomain,
            zero: "{}",
            create_on_update: false,
            returns_deleted: false,
            status_on_create: false,
            rules: Rules::NONE,
            schema: register::<T>,
            types: OnceLock::new(),
            zero_object: OnceLock::new(),
        }
    }

    const fn cluster(mut self) -> Self {
        self.namespaced = false;
        self
    }

    const fn short(mut self, names: &'static [&'static str]) -> Self {
        self.short_names = names;
        self
    }

    const fn all(mut self) -> Self {
        self.categories = &["all"];
        self
    }

    const fn zero(mut self, zero: &'static str) -> Self {
        self.zero = zero;
        self
    }

    const fn status(mut self) -> Self {
        self.status = true;
        self
    }

    const fn scale(mut self) -> Self {
        self.scale = true;
        self
    }

    const fn generation(mut self) -> Self {
        self.generation = true;
        self
    }

    const fn names(mut self, rule: NameRule) -> Self {
        self.names = rule;
        self
    }

    const fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    const fn create_on_update(mut self) -> Self {
        self.create_on_update = true;
        self
    }

    const fn returns_deleted(mut self) -> Self {
        self.returns_deleted = true;
        self
    }

    const fn status_on_create(mut self) -> Self {
        self.status_on_create = true;
        self
    }

    const fn stored_as(mut self, storage: &'static str) -> Self {
        self.storage = storage;
        self
    }

    /// The shape of the kind, compiled when it is first needed.
    pub(crate) fn types(&self) -> &Types {
        self.types.get_or_init(|| {
            let mut generator = generator();
            let name = (self.schema)(&mut generator);
            Types::built_in(&name, generator.definitions())
        })
    }

    /// What a Go program writes for an empty object, parsed when it is first needed.
    pub(crate) fn zero_object(&self) -> &Value {
        // The texts are constants; a test parses every one.
        self.zero_object.get_or_init(|| serde_json::from_str(self.zero).unwrap_or_default())
    }

    /// Adds the kind's schema to a document and returns its name there.
    pub(crate) fn describe(&self, generator: &mut SchemaGenerator) -> String {
        (self.schema)(generator)
    }

    fn resource(&'static self) -> Resource {
        let dotted =
            if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) };
        let storage = if self.storage.is_empty() { dotted } else { self.storage.to_owned() };
        Resource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            plural: self.plural.to_owned(),
            singular: self.kind.to_lowercase(),
            kind: self.kind.to_owned(),
            list_kind: format!("{}List", self.kind),
            namespaced: self.namespaced,
            short_names: self.short_names.iter().map(|s| (*s).to_owned()).collect(),
            categories: self.categories.iter().map(|s| (*s).to_owned()).collect(),
            status: self.status,
            scale: self.scale.then(Scale::of_workload),
            generation: self.generation,
            storage: storage.into(),
            definition: Definition::BuiltIn(self),
        }
    }
}

/// A generator that puts definitions where OpenAPI v3 has them.
pub(crate) fn generator() -> SchemaGenerator {
    SchemaSettings::openapi3().into_generator()
}

/// Definitions that every kind needs: those of `metadata`.
pub(crate) fn metadata_definitions() -> &'static Map<String, Value> {
    static DEFINITIONS: OnceLock<Map<String, Value>> = OnceLock::new();
    DEFINITIONS.get_or_init(|| {
        let mut generator = generator();
        register::<k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta>(&mut generator);
        generator.definitions().clone()
    })
}

/// The built-in resources, in the order of discovery.
pub(crate) fn built_in() -> impl Iterator<Item = Arc<Resource>> {
    BUILT_IN.iter().map(|kind| Arc::new(kind.resource()))
}

const SPEC_STATUS: &str = r#"{"spec":{},"status":{}}"#;

static BUILT_IN: [BuiltIn; 26] = [
    BuiltIn::new::<api::ConfigMap>("", "configmaps", "ConfigMap").short(&["cm"]).rules(core::CONFIG_MAP),
    BuiltIn::new::<api::Event>("", "events", "Event")
        .short(&["ev"])
        .zero(event::ZERO)
        .create_on_update()
        .rules(event::EVENT),
    BuiltIn::new::<api::Namespace>("", "namespaces", "Namespace")
        .cluster()
        .short(&["ns"])
        .status()
        .names(NameRule::Label)
        .zero(SPEC_STATUS)
        .rules(core::NAMESPACE),
    BuiltIn::new::<api::Node>("", "nodes", "Node")
        .cluster()
        .short(&["no"])
        .status()
        .status_on_create()
        .zero(node::ZERO)
        .rules(node::NODE),
    BuiltIn::new::<api::Pod>("", "pods", "Pod")
        .short(&["po"])
        .all()
        .status()
        .generation()
        .returns_deleted()
        .zero(r#"{"spec":{"containers":null},"status":{}}"#)
        .rules(pod::POD),
    BuiltIn::new::<api::Secret>("", "secrets", "Secret").rules(core::SECRET),
    BuiltIn::new::<api::Service>("", "services", "Service")
        .short(&["svc"])
        .all()
        .status()
        .returns_deleted()
        .names(NameRule::Label1035)
        .zero(r#"{"spec":{},"status":{"loadBalancer":{}}}"#)
        .rules(workload::SERVICE),
    BuiltIn::new::<api::ServiceAccount>("", "serviceaccounts", "ServiceAccount").short(&["sa"]).returns_deleted(),
    BuiltIn::new::<admission::ValidatingAdmissionPolicy>(
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
    )
    .cluster()
    .status()
    .generation()
    .zero(SPEC_STATUS)
    .rules(policy::ADMISSION_POLICY),
    BuiltIn::new::<admission::ValidatingAdmissionPolicyBinding>(
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
    )
    .cluster()
    .generation()
    .zero(r#"{"spec":{}}"#)
    .rules(policy::ADMISSION_POLICY_BINDING),
    BuiltIn::new::<extensions::CustomResourceDefinition>(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "CustomResourceDefinition",
    )
    .cluster()
    .short(&["crd", "crds"])
    .status()
    .generation()
    .zero(definition::ZERO)
    .rules(definition::DEFINITION),
    BuiltIn::new::<apps::DaemonSet>("apps", "daemonsets", "DaemonSet")
        .short(&["ds"])
        .all()
        .status()
        .generation()
        .zero(workload::DAEMON_SET_ZERO)
        .rules(workload::DAEMON_SET),
    BuiltIn::new::<apps::Deployment>("apps", "deployments", "Deployment")
        .short(&["deploy"])
        .all()
        .status()
        .scale()
        .generation()
        .zero(workload::DEPLOYMENT_ZERO)
        .rules(workload::DEPLOYMENT),
    BuiltIn::new::<apps::ReplicaSet>("apps", "replicasets", "ReplicaSet")
        .short(&["rs"])
        .all()
        .status()
        .scale()
        .generation()
        .zero(workload::REPLICA_SET_ZERO)
        .rules(workload::REPLICA_SET),
    BuiltIn::new::<coordination::Lease>("coordination.k8s.io", "leases", "Lease")
        .create_on_update()
        .zero(r#"{"spec":{}}"#),
    BuiltIn::new::<events::Event>("events.k8s.io", "events", "Event")
        .short(&["ev"])
        .create_on_update()
        .stored_as("events"),
    BuiltIn::new::<networking::NetworkPolicy>("networking.k8s.io", "networkpolicies", "NetworkPolicy")
        .short(&["netpol"])
        .generation()
        .zero(r#"{"spec":{"podSelector":{}}}"#)
        .rules(policy::NETWORK_POLICY),
    BuiltIn::new::<disruption::PodDisruptionBudget>("policy", "poddisruptionbudgets", "PodDisruptionBudget")
        .short(&["pdb"])
        .status()
        .generation()
        .zero(policy::BUDGET_ZERO)
        .rules(policy::BUDGET),
    BuiltIn::new::<rbac::ClusterRole>("rbac.authorization.k8s.io", "clusterroles", "ClusterRole")
        .cluster()
        .create_on_update()
        .names(NameRule::PathSegment)
        .zero(r#"{"rules":null}"#),
    BuiltIn::new::<rbac::ClusterRoleBinding>("rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding")
        .cluster()
        .create_on_update()
        .names(NameRule::PathSegment)
        .rules(policy::ROLE_BINDING),
    BuiltIn::new::<rbac::Role>("rbac.authorization.k8s.io", "roles", "Role")
        .create_on_update()
        .names(NameRule::PathSegment)
        .zero(r#"{"rules":null}"#),
    BuiltIn::new::<rbac::RoleBinding>("rbac.authorization.k8s.io", "rolebindings", "RoleBinding")
        .create_on_update()
        .names(NameRule::PathSegment)
        .rules(policy::ROLE_BINDING),
    BuiltIn::new::<k8s_openapi::api::scheduling::v1::PriorityClass>(
        "scheduling.k8s.io",
        "priorityclasses",
        "PriorityClass",
    )
    .cluster()
    .short(&["pc"])
    .generation()
    .zero(r#"{"value":0}"#)
    .rules(policy::PRIORITY_CLASS),
    BuiltIn::new::<admission::ValidatingWebhookConfiguration>(
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
    )
    .cluster()
    .generation(),
    BuiltIn::new::<admission::MutatingWebhookConfiguration>(
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
    )
    .cluster()
    .generation(),
    BuiltIn::new::<k8s_openapi::api::node::v1::RuntimeClass>("node.k8s.io", "runtimeclasses", "RuntimeClass").cluster(),
];
