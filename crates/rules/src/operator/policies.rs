//! The admission policies: what an API server should refuse, and when each policy exists.
//!
//! R-POLICY-1 While the streams gate is on, a pool may only be changed to name a stream that is available.
//! R-POLICY-2 Only changes are checked, not the pool: one that already names a stream, or already has a selector, may be written
//! to whatever became of it.
//! R-POLICY-3 Without an OSImageStream, or an Infrastructure, the policies that need it check nothing, so that nobody is locked out.
//! R-POLICY-4 A gate's policy goes with the gate, even one that the reference left behind; and there is none about streams
//! where the only one follows the release, because any name gets that stream there (R-STREAM-4).
//! R-POLICY-5 While it is unknown whether a gate is on, its policy is not changed.
//! R-POLICY-6 A custom pool must select the workers' MachineConfigs: its nodes could not function without them.
//! R-POLICY-7 The only MachineConfiguration that is read is named `cluster`; no other may exist.
//! R-POLICY-8 Boot images follow the release only on platforms that support it; those of control plane machine sets, while
//! their gate is on, on fewer.
//! R-POLICY-9 The daemon may report only about the node that its token is bound to.
//! R-POLICY-10 A release bundle that the cluster runs from cannot be deleted.
//!
//! Source of names, messages and R-POLICY-6 to 10: the `*validatingadmissionpolicy.yaml` in `manifests` of
//! github.com/openshift/machine-config-operator. R-POLICY-2, 3 and 4 are ours, as are the expressions.

mod definitions;

use crate::{objects::edit::covers, stream::gates::Gates};
use serde_json::Value;
use std::sync::Arc;
use weir_api::keys::gates::{MANAGED_BOOT_IMAGES_CPMS, OS_STREAMS};
use weir_apischema::policy::{Binding, Operation, ParamSource, Policy, Request, User, compiled, evaluate};
use weir_distro::{Profile, StreamsRule};

/// Whoever manages a cluster.
const ADMINISTRATOR: &str = "system:admin";

/// A policy and its binding, as wanted; only the fields given here are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundPolicy {
    /// The ValidatingAdmissionPolicy.
    pub policy: Value,
    /// The ValidatingAdmissionPolicyBinding.
    pub binding: Value,
    /// The field that it looks at, for messages; empty if it is not one.
    pub field: &'static str,
}

/// The write of an object.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// Plural name of its kind.
    pub resource: &'a str,
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Namespace; empty if it has none.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The object as it is after the write.
    pub new: &'a Value,
    /// The object as it was; absent if it is new.
    pub old: Option<&'a Value>,
}

/// That no other object is known: what depends on one is not refused.
pub(crate) struct NoParameters;

impl ParamSource for NoParameters {
    fn namespaced(&self, _: &str, _: &str) -> Option<bool> {
        Some(false)
    }

    fn objects(&self, _: &str, _: &str, _: Option<&str>, _: Option<&str>) -> Vec<Value> {
        Vec::new()
    }
}

/// Why a write is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// [`BoundPolicy::field`].
    pub field: &'static str,
    /// The API server's message.
    pub message: String,
}

/// A policy, and whether it should exist.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The policy.
    pub bound: BoundPolicy,
    /// Whether it should exist; absent while unknown.
    pub is_wanted: Option<bool>,
}

/// What to do with a policy or a binding.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyChange {
    /// Apply it.
    Apply(Value),
    /// Delete it.
    Delete,
}

impl BoundPolicy {
    /// Name of the policy.
    #[must_use]
    pub fn policy_name(&self) -> &str {
        name(&self.policy)
    }

    /// Name of the binding.
    #[must_use]
    pub fn binding_name(&self) -> &str {
        name(&self.binding)
    }
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// The policies that do not depend on a gate.
#[must_use]
pub fn always() -> Vec<BoundPolicy> {
    vec![
        definitions::configuration_name(),
        definitions::pool_selector(),
        definitions::boot_images(),
        definitions::node_reports(),
        definitions::release_bundle(),
    ]
}

/// Every policy, and whether it should exist while these gates are on; without gates, which are then unknown, `None`.
#[must_use]
pub fn wanted(profile: &Profile, gates: Option<&Gates>) -> Vec<Wanted> {
    let follows = profile.streams.rule == StreamsRule::OneFollowingRelease;
    let streams = gates.map(|gates| gates.is_on(OS_STREAMS) && !follows);
    let control_plane = gates.map(|gates| gates.is_on(MANAGED_BOOT_IMAGES_CPMS));
    let gated = [(definitions::pool_stream(), streams), (definitions::control_plane_boot_images(), control_plane)];
    let always = always().into_iter().map(|bound| (bound, Some(true)));
    always.chain(gated).map(|(bound, is_wanted)| Wanted { bound, is_wanted }).collect()
}

/// Whether policies refuse a write; `parameters` are the objects that they look at beside it.
#[must_use]
pub fn refused(policies: &[BoundPolicy], write: &Write<'_>, parameters: &dyn ParamSource) -> Option<Refusal> {
    let compiled: Vec<(Arc<Policy>, Binding)> = policies
        .iter()
        .filter_map(|bound| Some((compiled(&bound.policy).ok()?, Binding::parse(&bound.binding).ok()?)))
        .collect();
    // Without a name, an expression that asks for one cannot be evaluated, and refuses.
    let user = User { username: ADMINISTRATOR.to_owned(), ..User::default() };
    let version = write.new["apiVersion"].as_str().and_then(|version| version.rsplit('/').next()).unwrap_or_default();
    let request = Request {
        operation: if write.old.is_some() { Operation::Update } else { Operation::Create },
        group: write.group,
        version,
        resource: write.resource,
        subresource: "",
        kind: write.kind,
        namespace: write.namespace,
        name: write.name,
        user: &user,
        dry_run: true,
        options: None,
        object: Some(write.new),
        old_object: write.old,
        namespace_object: None,
        other_versions: &[],
    };
    let pairs = compiled.iter().map(|(policy, binding)| (&**policy, vec![binding]));
    let denial = evaluate(pairs, &request, parameters).denial?;
    let policy = policies.iter().find(|bound| bound.policy_name() == denial.policy);
    Some(Refusal { field: policy.map_or("", |bound| bound.field), message: denial.text(&request) })
}

/// What to do with a policy or a binding: `found` is the existing one, `wanted` the content it should have if it `is_wanted`.
#[must_use]
pub fn change(wanted: &Value, found: Option<&Value>, is_wanted: Option<bool>) -> Option<PolicyChange> {
    match (is_wanted?, found) {
        (true, Some(found)) if covers(&found["spec"], &wanted["spec"]) => None,
        (true, _) => Some(PolicyChange::Apply(wanted.clone())),
        (false, Some(_)) => Some(PolicyChange::Delete),
        (false, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeSet;
    use weir_api::feature_gate::Gate;

    fn gates(on: &[Gate]) -> Gates {
        let enabled: Vec<Value> = on.iter().map(|name| json!({ "name": name })).collect();
        let object = json!({"status": {"featureGates": [{"version": "5", "enabled": enabled}]}});
        crate::stream::gates::gates(Some(&serde_json::from_value(object).unwrap()), Some("5"), None).unwrap()
    }

    fn there(profile: &Profile, gates: Option<&Gates>) -> Vec<(String, Option<bool>)> {
        let all = wanted(profile, gates).into_iter();
        all.map(|wanted| (wanted.bound.policy_name().to_owned(), wanted.is_wanted)).collect()
    }

    fn pool_stream() -> BoundPolicy {
        definitions::pool_stream()
    }

    #[test]
    fn a_write_is_refused_by_the_policy_of_its_field() {
        let refusal = |group: &str, kind: &str, resource: &str| {
            let new = json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": "a"}, "spec": {}});
            let write = Write { resource, group, kind, namespace: "", name: "a", new: &new, old: None };
            refused(&always(), &write, &NoParameters).map(|refusal| refusal.field)
        };
        let ours = "machineconfiguration.openshift.io";
        let configuration = refusal("operator.openshift.io", "MachineConfiguration", "machineconfigurations");
        assert_eq!(configuration, Some("metadata.name"));
        assert_eq!(refusal(ours, "MachineConfigPool", "machineconfigpools"), Some("spec.machineConfigSelector"));
        // The policy is for the daemon alone.
        assert_eq!(refusal(ours, "MachineConfigNode", "machineconfignodes"), None);
    }

    #[test]
    fn it_is_written_with_the_gate_and_goes_with_it() {
        let wanted = pool_stream().policy;
        assert_eq!(change(&wanted, None, Some(true)), Some(PolicyChange::Apply(wanted.clone())));
        assert_eq!(change(&wanted, Some(&wanted), Some(true)), None);
        assert_eq!(change(&wanted, Some(&wanted), Some(false)), Some(PolicyChange::Delete));
        for found in [None, Some(&wanted)] {
            assert_eq!(change(&wanted, found, None), None);
        }
        assert_eq!(change(&wanted, None, Some(false)), None);
    }

    #[test]
    fn those_without_a_gate_are_there_always_and_the_others_with_their_gate() {
        let always = [
            "custom-machine-config-pool-selector",
            "internalreleaseimage-deletion-guard",
            "machine-configuration-guards",
            "managed-bootimages-platform-check",
            "mcn-guards",
        ];
        let (stream, control_plane) =
            ("machineconfigpool-osimagestream-reference-validation", "managed-bootimages-cpms-platform-check");
        for profile in Profile::all() {
            // Where any name gets the only stream, no name is refused.
            let follows = profile.streams.rule == StreamsRule::OneFollowingRelease;
            for (gates, of_stream, of_control_plane) in [
                (None, None, None),
                (Some(gates(&[])), Some(false), Some(false)),
                (Some(gates(&[OS_STREAMS])), Some(!follows), Some(false)),
                (Some(gates(&[MANAGED_BOOT_IMAGES_CPMS])), Some(false), Some(true)),
            ] {
                let mut expected: Vec<_> = always.iter().map(|name| ((*name).to_owned(), Some(true))).collect();
                expected.extend([(stream.to_owned(), of_stream), (control_plane.to_owned(), of_control_plane)]);
                let mut found = there(profile, gates.as_ref());
                expected.sort();
                found.sort();
                assert_eq!(found, expected, "{}", profile.name);
            }
        }
    }

    #[test]
    fn a_binding_binds_its_policy_and_names_a_parameter_where_the_policy_has_one() {
        let all = wanted(&Profile::all()[0], None);
        let names: BTreeSet<_> = all.iter().flat_map(|w| [w.bound.policy_name(), w.bound.binding_name()]).collect();
        assert_eq!(names.len(), 2 * all.len());
        for Wanted { bound: BoundPolicy { policy, binding, .. }, .. } in &all {
            assert_eq!(binding["spec"]["policyName"], policy["metadata"]["name"]);
            let parameters = [&policy["spec"]["paramKind"], &binding["spec"]["paramRef"]].map(Value::is_object);
            assert!(parameters == [true; 2] || parameters == [false; 2], "{policy}");
        }
    }

    #[test]
    fn defaults_are_no_difference_and_the_references_binding_is() {
        let wanted = pool_stream().binding;
        let mut found = wanted.clone();
        found["spec"]["matchResources"] = json!({"matchPolicy": "Equivalent"});
        assert_eq!(change(&wanted, Some(&found), Some(true)), None);
        found["spec"]["paramRef"]["parameterNotFoundAction"] = json!("Deny");
        assert!(matches!(change(&wanted, Some(&found), Some(true)), Some(PolicyChange::Apply(_))));
    }
}
