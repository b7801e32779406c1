//! The admission policies that go with the streams.
//!
//! R-POLICY-1 While the gate of streams is on, a pool may be made to name only a stream that is available.
//! R-POLICY-2 The change is judged, not the pool: one that names a stream already may be written to whatever became of it.
//! R-POLICY-3 Without an OSImageStream nothing is judged: it is being made, and its pools are told what they wait for.
//! R-POLICY-4 With the gate off there is no policy, also none that the reference left behind; nor where the only stream
//! follows the release, because any name gets that stream there (R-STREAM-4).
//! R-POLICY-5 While it is not known whether the gate is on, nothing is changed.
//!
//! Source of the names: `manifests/machineconfigpool-osimagestream-reference-validatingadmissionpolicy.yaml` of
//! github.com/openshift/machine-config-operator. R-POLICY-2, 3 and 4 are ours.

use crate::edit::covers;
use serde_json::{Value, json};
use weir_api::{
    keys::{config::OPERATOR_MANAGED, names::CLUSTER},
    kind::{MACHINE_CONFIG_GROUP, V1},
};

use weir_distro::{Profile, StreamsRule};

/// Name of the policy about the streams of pools.
pub const POOL_STREAM: &str = "machineconfigpool-osimagestream-reference-validation";
/// Name of its binding.
pub const POOL_STREAM_BINDING: &str = "machineconfigpool-osimagestream-reference-validation-binding";

const API_VERSION: &str = "admissionregistration.k8s.io/v1";

/// A policy and its binding, as they are to be; only what is said here is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// The ValidatingAdmissionPolicy.
    pub policy: Value,
    /// The ValidatingAdmissionPolicyBinding.
    pub binding: Value,
}

/// What is to be done about a policy or a binding.
#[derive(Clone, Debug, PartialEq)]
pub enum GuardChange {
    /// Make it so.
    Apply(Value),
    /// Delete it.
    Delete,
}

/// The policy about the streams of pools.
#[must_use]
pub fn pool_stream() -> Guard {
    let name = "object.spec.osImageStream.name";
    let expression = format!(
        "!has(object.spec.osImageStream) || {name} == '' \
         || (oldObject != null && has(oldObject.spec.osImageStream) && oldObject.spec.osImageStream.name == {name}) \
         || (has(params.status) && has(params.status.availableStreams) \
         && params.status.availableStreams.exists(stream, stream.name == {name}))"
    );
    let available = "has(params.status) && has(params.status.availableStreams) \
                     ? params.status.availableStreams.map(stream, stream.name).join(', ') : 'none yet'";
    let message = format!("'osImageStream ' + {name} + ' is not available; available are: ' + ({available})");
    let spec = json!({
        "failurePolicy": "Fail",
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {},
            "objectSelector": {},
            "resourceRules": [{
                "apiGroups": [MACHINE_CONFIG_GROUP], "apiVersions": [V1], "operations": ["CREATE", "UPDATE"],
                "resources": ["machineconfigpools"], "scope": "*",
            }],
        },
        "paramKind": {"apiVersion": format!("{MACHINE_CONFIG_GROUP}/{V1}"), "kind": "OSImageStream"},
        "validations": [{
            "expression": expression,
            "message": "The specified osImageStream name must reference a valid stream from the cluster OSImageStream resource",
            "messageExpression": message,
        }],
    });
    let binding = json!({
        "policyName": POOL_STREAM,
        "paramRef": {"name": CLUSTER, "parameterNotFoundAction": "Allow"},
        "validationActions": ["Deny"],
    });
    let object = |kind: &str, name: &str, spec: &Value| {
        let metadata = json!({"name": name, "labels": {OPERATOR_MANAGED: ""}});
        json!({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec})
    };
    Guard {
        policy: object("ValidatingAdmissionPolicy", POOL_STREAM, &spec),
        binding: object("ValidatingAdmissionPolicyBinding", POOL_STREAM_BINDING, &binding),
    }
}

/// Whether there is to be a policy, as far as it is known: `streams` says whether the gate is on.
#[must_use]
pub fn is_wanted(profile: &Profile, streams: Option<bool>) -> Option<bool> {
    streams.map(|on| on && profile.streams.rule != StreamsRule::OneFollowingRelease)
}

/// What is to be done about one of them: `found` is what it is, `wanted` what it is to be where [`is_wanted`].
#[must_use]
pub fn change(wanted: &Value, found: Option<&Value>, is_wanted: Option<bool>) -> Option<GuardChange> {
    match (is_wanted?, found) {
        (true, Some(found)) if covers(&found["spec"], &wanted["spec"]) => None,
        (true, _) => Some(GuardChange::Apply(wanted.clone())),
        (false, Some(_)) => Some(GuardChange::Delete),
        (false, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_with_the_gate_and_goes_with_it() {
        let wanted = pool_stream().policy;
        assert_eq!(change(&wanted, None, Some(true)), Some(GuardChange::Apply(wanted.clone())));
        assert_eq!(change(&wanted, Some(&wanted), Some(true)), None);
        assert_eq!(change(&wanted, Some(&wanted), Some(false)), Some(GuardChange::Delete));
        for found in [None, Some(&wanted)] {
            assert_eq!(change(&wanted, found, None), None);
        }
        assert_eq!(change(&wanted, None, Some(false)), None);
    }

    #[test]
    fn where_any_name_gets_the_only_stream_no_name_is_refused() {
        for profile in Profile::all() {
            let follows = profile.streams.rule == StreamsRule::OneFollowingRelease;
            assert_eq!(is_wanted(profile, Some(true)), Some(!follows), "{}", profile.name);
            assert_eq!((is_wanted(profile, Some(false)), is_wanted(profile, None)), (Some(false), None));
        }
    }

    #[test]
    fn defaults_are_no_difference_and_the_references_binding_is() {
        let wanted = pool_stream().binding;
        let mut found = wanted.clone();
        found["spec"]["matchResources"] = json!({"matchPolicy": "Equivalent"});
        assert_eq!(change(&wanted, Some(&found), Some(true)), None);
        found["spec"]["paramRef"]["parameterNotFoundAction"] = json!("Deny");
        assert!(matches!(change(&wanted, Some(&found), Some(true)), Some(GuardChange::Apply(_))));
    }
}
