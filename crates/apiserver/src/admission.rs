//! Admission: evaluates the stored policies and bindings on a request.

use crate::{
    object::meta,
    registry::Resource,
    served::Served,
    status::Failure,
    store::{Key, Tables},
    versions::in_version,
};
use serde_json::{Map, Value};
use std::sync::Arc;
use weir_apischema::policy::{self, Binding, Denial, Operation, ParamSource, Policy, User};

/// Table of the policies.
const POLICIES: &str = "validatingadmissionpolicies.admissionregistration.k8s.io";
/// Table of their bindings.
const BINDINGS: &str = "validatingadmissionpolicybindings.admissionregistration.k8s.io";

/// Table of the namespaces.
const NAMESPACES: &str = "namespaces";

/// Policies with their bindings, compiled; replaced as a whole when one changes.
#[derive(Debug, Default)]
pub(crate) struct Policies(Vec<(Arc<Policy>, Vec<Binding>)>);

impl Policies {
    /// Whether changes of this table affect the policies.
    pub(crate) fn concerns(storage: &str) -> bool {
        storage == POLICIES || storage == BINDINGS
    }

    /// Compiles the stored policies. Validation has refused those that do not compile.
    pub(crate) fn load(tables: &Tables) -> Self {
        let stored = |table: &str| -> Vec<Value> {
            tables.table(table).into_iter().flat_map(|t| t.range("", None)).map(|(_, o)| o.value()).collect()
        };
        let bindings = stored(BINDINGS);
        let of = |policy: &str| -> Vec<Binding> {
            let parsed = bindings.iter().filter_map(|b| Binding::parse(b).ok());
            parsed.filter(|b| b.policy_name() == policy).collect()
        };
        let policies = stored(POLICIES).into_iter().filter_map(|p| policy::compiled(&p).ok());
        Self(policies.map(|policy| (of(policy.name()), policy)).map(|(bindings, policy)| (policy, bindings)).collect())
    }
}

/// A request as submitted to admission.
pub(crate) struct Question<'a> {
    pub(crate) operation: Operation,
    pub(crate) resource: &'a Resource,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) user: &'a User,
    pub(crate) dry_run: bool,
    /// Options as they were given, without kind and version.
    pub(crate) options: &'a Map<String, Value>,
    pub(crate) new: Option<&'a Value>,
    pub(crate) old: Option<&'a Value>,
}

impl Policies {
    /// Asks the policies; returns their warnings.
    pub(crate) fn ask(&self, served: &dyn Served, question: &Question<'_>) -> Result<Vec<String>, Failure> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let resource = question.resource;
        let registry = served.registry();
        let versions = registry.group(&resource.group).into_iter().flat_map(|g| &g.versions);
        let others: Vec<&str> = versions
            .filter(|v| v.name != resource.version && v.resources.contains_key(&resource.plural))
            .map(|v| v.name.as_str())
            .collect();
        let namespace = served.store().get(NAMESPACES, &Key::new("", question.namespace)).map(|o| o.value());
        let is_namespace = resource.is("", "namespaces");
        let options = options(question.operation, question.options);
        let request = policy::Request {
            operation: question.operation,
            group: &resource.group,
            version: &resource.version,
            resource: &resource.plural,
            subresource: question.subresource,
            kind: &resource.kind,
            namespace: if is_namespace { question.name } else { question.namespace },
            name: question.name,
            user: question.user,
            dry_run: question.dry_run,
            options: Some(&options),
            object: question.new,
            old_object: question.old,
            namespace_object: namespace.as_ref(),
            other_versions: &others,
        };
        let bound = self.0.iter().map(|(policy, bindings)| (&**policy, bindings.iter().collect()));
        let verdict = policy::evaluate(bound, &request, &Parameters(served));
        for failure in &verdict.audit_failures {
            let (policy, binding) = (&failure.policy, &failure.binding);
            tracing::info!(policy, binding, message = failure.message, "a request violates an audited policy");
        }
        match verdict.denial {
            Some(denial) => Err(refusal(resource, &denial, &request)),
            None => Ok(verdict.warnings),
        }
    }
}

/// Options with their kind. A patch counts as an update.
fn options(operation: Operation, given: &Map<String, Value>) -> Value {
    let kind = match operation {
        Operation::Create => "CreateOptions",
        Operation::Delete => "DeleteOptions",
        Operation::Update | Operation::Connect => "UpdateOptions",
    };
    let mut options = given.clone();
    options.insert("kind".into(), kind.into());
    options.insert("apiVersion".into(), "meta.k8s.io/v1".into());
    options.into()
}

fn refusal(resource: &Resource, denial: &Denial, request: &policy::Request<'_>) -> Failure {
    let reason = match denial.reason.as_str() {
        "Forbidden" => "Forbidden",
        "Unauthorized" => "Unauthorized",
        "RequestEntityTooLarge" => "RequestEntityTooLarge",
        _ => "Invalid",
    };
    Failure::policy(resource, request.name, denial.code(), reason, denial.text(request), denial.cause())
}

/// The stored objects, as parameters of policies.
struct Parameters<'a>(&'a dyn Served);

impl ParamSource for Parameters<'_> {
    fn namespaced(&self, api_version: &str, kind: &str) -> Option<bool> {
        self.0.registry().of_kind(api_version, kind).map(|resource| resource.namespaced)
    }

    fn objects(&self, api_version: &str, kind: &str, namespace: Option<&str>, name: Option<&str>) -> Vec<Value> {
        let registry = self.0.registry();
        let Some(resource): Option<&Arc<Resource>> = registry.of_kind(api_version, kind) else { return Vec::new() };
        let tables = self.0.store().read();
        let table = tables.table(&resource.storage);
        let all = table.into_iter().flat_map(|t| t.range(namespace.unwrap_or_default(), None));
        let named = all.filter(|(key, _)| name.is_none_or(|name| *key.name == *name));
        named.map(|(_, object)| in_version(resource, object)).filter(|o| !meta(o, "name").is_empty()).collect()
    }
}
