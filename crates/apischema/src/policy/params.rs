//! The objects that parameterise a policy (`paramKind` and `paramRef`).

use super::{request::Request, selector};
use k8s_openapi::api::admissionregistration::v1::{ParamKind, ParamRef};
use serde_json::Value;

/// Where parameters are looked up.
pub trait ParamSource {
    /// Whether objects of a kind live in namespaces; `None` when the server does not know the kind.
    fn namespaced(&self, api_version: &str, kind: &str) -> Option<bool>;

    /// The objects of a kind, in a namespace if the kind has them; only the one of that name, if a name is given.
    fn objects(&self, api_version: &str, kind: &str, namespace: Option<&str>, name: Option<&str>) -> Vec<Value>;
}

/// What `params` is bound to: once for each entry; `None` is null.
///
/// # Errors
/// Why the parameters are unavailable, with the API server's message.
pub(super) fn collect(
    kind: Option<&ParamKind>,
    reference: Option<&ParamRef>,
    request: &Request<'_>,
    source: &dyn ParamSource,
) -> Result<Vec<Option<Value>>, String> {
    let (Some(kind), Some(reference)) = (kind, reference) else { return Ok(vec![None]) };
    let api_version = kind.api_version.as_deref().unwrap_or_default();
    let name = kind.kind.as_deref().unwrap_or_default();
    let Some(namespaced) = source.namespaced(api_version, name) else {
        return Err(format!("paramKind kind `{api_version}, Kind={name}` not known"));
    };
    let given = reference.namespace.as_deref().filter(|namespace| !namespace.is_empty());
    let namespace = match (namespaced, given) {
        (true, Some(given)) => Some(given),
        (true, None) if request.namespace.is_empty() => {
            return Err("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources".into());
        }
        (true, None) => Some(request.namespace),
        (false, Some(_)) => {
            return Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".into());
        }
        (false, None) => None,
    };
    let wanted = reference.name.as_deref().filter(|name| !name.is_empty());
    let found = match (wanted, reference.selector.as_ref()) {
        (Some(_), Some(_)) => return Err("paramRef.name and paramRef.selector are mutually exclusive".into()),
        (None, None) => return Err("one of name or selector must be provided".into()),
        (wanted, labels) => {
            let objects = source.objects(api_version, name, namespace, wanted).into_iter();
            objects.filter(|object| selector::matches(labels, object)).collect::<Vec<_>>()
        }
    };
    if found.is_empty() && reference.parameter_not_found_action.as_deref() == Some("Deny") {
        return Err("no params found for policy binding with `Deny` parameterNotFoundAction".into());
    }
    Ok(found.into_iter().map(Some).collect())
}
