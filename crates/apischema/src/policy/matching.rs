//! Whether a policy or binding concerns a request (k8s.io/apiserver/pkg/admission/plugin/policy/matching).

use super::{
    request::{Operation, Request},
    selector,
};
use k8s_openapi::api::admissionregistration::v1::{MatchResources, NamedRuleWithOperations};
use serde_json::Value;

/// The version of the resource in which a policy sees the object; `None` if it does not concern the request.
///
/// # Errors
/// If this cannot be decided because the request is in a namespace that does not exist.
pub(super) fn matched_version<'a>(
    criteria: Option<&MatchResources>,
    request: &Request<'a>,
) -> Result<Option<&'a str>, String> {
    let Some(criteria) = criteria else { return Ok(Some(request.version)) };
    let in_namespace = namespace_matches(criteria, request);
    if in_namespace == Ok(false) || !object_matches(criteria, request) {
        return Ok(None);
    }
    let equivalent = criteria.match_policy.as_deref().unwrap_or("Equivalent") == "Equivalent";
    let find = |rules: &[NamedRuleWithOperations]| {
        let others = request.other_versions.iter().copied().filter(|_| equivalent);
        let mut versions = std::iter::once(request.version).chain(others);
        versions.find(|version| rules.iter().any(|rule| rule_matches(rule, request, version)))
    };
    if criteria.exclude_resource_rules.as_deref().and_then(find).is_some() {
        return Ok(None);
    }
    let found = match criteria.resource_rules.as_deref() {
        None | Some([]) => Some(request.version),
        Some(rules) => find(rules),
    };
    // An unknown namespace matters only if the policy concerns the request.
    if found.is_some() {
        in_namespace?;
    }
    Ok(found)
}

fn namespace_matches(criteria: &MatchResources, request: &Request<'_>) -> Result<bool, String> {
    let wanted = criteria.namespace_selector.as_ref();
    if selector::is_empty(wanted) || (request.namespace.is_empty() && !request.is_namespace()) {
        return Ok(true);
    }
    let writes = matches!(request.operation, Operation::Create | Operation::Update);
    let own = (request.is_namespace() && request.subresource.is_empty() && writes).then_some(request.object).flatten();
    let namespace = own.or(request.namespace_object);
    let namespace = namespace.ok_or_else(|| format!("namespaces \"{}\" not found", request.namespace))?;
    Ok(selector::matches(wanted, namespace))
}

fn object_matches(criteria: &MatchResources, request: &Request<'_>) -> bool {
    let wanted = criteria.object_selector.as_ref();
    let matches = |object: Option<&Value>| object.is_some_and(|object| selector::matches(wanted, object));
    selector::is_empty(wanted) || matches(request.object) || matches(request.old_object)
}

fn rule_matches(rule: &NamedRuleWithOperations, request: &Request<'_>, version: &str) -> bool {
    let lists = |list: Option<&[String]>, wanted: &str| {
        list.unwrap_or_default().iter().any(|entry| entry == "*" || entry == wanted)
    };
    let cluster_scoped = request.namespace.is_empty() || request.is_namespace();
    let scope = match rule.scope.as_deref() {
        None | Some("*") => true,
        Some("Namespaced") => !cluster_scoped,
        Some("Cluster") => cluster_scoped,
        Some(_) => false,
    };
    let resource = rule.resources.iter().flatten().any(|entry| {
        let (resource, subresource) = entry.split_once('/').unwrap_or((entry, ""));
        (resource == "*" || resource == request.resource) && (subresource == "*" || subresource == request.subresource)
    });
    let names = rule.resource_names.as_deref().unwrap_or_default();
    scope
        && resource
        && lists(rule.operations.as_deref(), request.operation.as_str())
        && lists(rule.api_groups.as_deref(), request.group)
        && lists(rule.api_versions.as_deref(), version)
        && (names.is_empty() || names.iter().any(|name| name == request.name))
}
