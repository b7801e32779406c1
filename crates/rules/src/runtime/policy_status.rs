//! What the statuses of image policies report.
//!
//! R-POLICY-STATUS-1 A policy that cannot be used is `Pending` with the reason `InvalidPolicy`: its signature makes no sense, or one of
//! its scopes contradicts the lists of registries. Nothing is generated for registries until it is mended (R-IMAGE-4).
//! R-POLICY-STATUS-2 An ImagePolicy of which scopes are inside a scope of a ClusterImagePolicy is `Pending` with the reason
//! `ConflictScopes`.
//! R-POLICY-STATUS-3 A policy with a key or certificate that machines cannot read is `Pending` with the reason `UnreadableKey`. It is
//! generated, as the reference does, and machines refuse the images in its scopes.
//! R-POLICY-STATUS-4 The first of these is reported, with status `False`, as the reference does with the second; the condition is
//! removed when nothing is wrong any more. Conditions of other types stay.
//!
//! Source: `syncImagePolicyStatusOnly` in `pkg/controller/container-runtime-config` of github.com/openshift/machine-config-operator for
//! R-POLICY-STATUS-2, and the condition types in `config/v1/types_image_policy.go` of github.com/openshift/api. The rest is ours.

use super::{
    blocked::Lists,
    image::{ImageView, split},
    policy::check,
    signature::{requirement, unreadable},
};
use crate::{objects::quoted::quoted, render::name_of};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;
use weir_api::{
    condition::{FALSE, MetaCondition},
    image_policy::{ImagePolicySpec, ImagePolicyStatus},
};

/// Type of the condition.
const PENDING: &str = "Pending";

/// Why a policy does not take effect, or not as it seems.
enum Pending {
    Invalid(String),
    Conflict(Vec<String>),
    Key(&'static str),
}

impl Pending {
    /// A word for machines.
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "InvalidPolicy",
            Self::Conflict(_) => "ConflictScopes",
            Self::Key(_) => "UnreadableKey",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Invalid(why) => format!(
                "{why}; until that is mended nothing is generated from image policies, mirror sets and the Image configuration, and nodes \
                 keep the registries and policies that they have"
            ),
            Self::Conflict(scopes) => {
                let scopes: Vec<String> = scopes.iter().map(|scope| quoted(scope)).collect();
                format!(
                    "has conflicting scope(s) [{}] that equal to or nest inside existing clusterimagepolicy, only policy from \
                     clusterimagepolicy scope(s) will be applied",
                    scopes.join(" ")
                )
            }
            Self::Key(field) => key_said(field),
        }
    }
}

/// That machines cannot read a key or certificate, in a sentence.
pub(super) fn key_said(field: &str) -> String {
    format!(
        "{field} has no key or certificate in PEM that can be read: machines refuse the images in the policy's scopes"
    )
}

/// Statuses of ClusterImagePolicies to write, by name. `lists` are those of the Image configuration, if they are valid.
pub(super) fn of_cluster(
    view: &ImageView<'_>,
    lists: Option<&Lists>,
    now: Timestamp,
) -> BTreeMap<String, ImagePolicyStatus> {
    let one = |policy: &&weir_api::ClusterImagePolicy| {
        let spec = &policy.spec;
        let pending = invalid("clusterimagePolicy", spec, &spec.scopes, lists).or_else(|| key(spec));
        let next = next(pending.as_ref(), policy.status.as_ref(), policy.metadata.generation, now)?;
        Some((name_of(&policy.metadata).to_owned(), next))
    };
    view.cluster_policies.iter().filter_map(one).collect()
}

/// Statuses of ImagePolicies to write, by namespace and name.
pub(super) fn of_namespaces(
    view: &ImageView<'_>,
    lists: Option<&Lists>,
    now: Timestamp,
) -> BTreeMap<(String, String), ImagePolicyStatus> {
    let one = |policy: &&weir_api::ImagePolicy| {
        let (conflicting, own) = split(&policy.spec, view.cluster_policies);
        let pending = invalid("imagePolicy", &policy.spec, &own, lists)
            .or_else(|| (!conflicting.is_empty()).then_some(Pending::Conflict(conflicting)))
            .or_else(|| key(&policy.spec));
        let next = next(pending.as_ref(), policy.status.as_ref(), policy.metadata.generation, now)?;
        let namespace = policy.metadata.namespace.clone().unwrap_or_default();
        Some(((namespace, name_of(&policy.metadata).to_owned()), next))
    };
    view.policies.iter().filter_map(one).collect()
}

/// R-POLICY-STATUS-1; a policy without scopes of its own is not looked at, as nothing is generated from it.
fn invalid(kind: &'static str, spec: &ImagePolicySpec, own: &[String], lists: Option<&Lists>) -> Option<Pending> {
    if own.is_empty() {
        return None;
    }
    let of_scopes = || {
        let lists = lists?;
        let [allowed, blocked] = [&lists.allowed, &lists.policy].map(|list| list.as_deref().unwrap_or_default());
        check(kind, own.iter(), allowed, blocked).err().map(|error| error.to_string())
    };
    requirement(&spec.policy).err().map(|error| error.to_string()).or_else(of_scopes).map(Pending::Invalid)
}

fn key(spec: &ImagePolicySpec) -> Option<Pending> {
    unreadable(&spec.policy).map(Pending::Key)
}

/// R-POLICY-STATUS-4; absent if the status is that already.
fn next(
    pending: Option<&Pending>,
    status: Option<&ImagePolicyStatus>,
    generation: Option<i64>,
    now: Timestamp,
) -> Option<ImagePolicyStatus> {
    let found = status.cloned().unwrap_or_default();
    let there = found.conditions.clone().unwrap_or_default();
    let (held, mut next): (Vec<_>, Vec<_>) = there.iter().cloned().partition(|condition| condition.type_ == PENDING);
    if let Some(pending) = pending {
        let since = held.into_iter().find(|condition| condition.status == FALSE);
        next.push(MetaCondition {
            type_: PENDING.to_owned(),
            status: FALSE.into(),
            observed_generation: generation,
            last_transition_time: since.map_or(Some(Time(now)), |condition| condition.last_transition_time),
            reason: pending.code().to_owned(),
            message: pending.message(),
            ..MetaCondition::default()
        });
    }
    (next != there).then(|| ImagePolicyStatus { conditions: (!next.is_empty()).then_some(next), ..found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::mirrors::MirrorSets;
    use serde_json::{Value, json};
    use weir_api::{ClusterImagePolicy, ImagePolicy};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn policy(name: &str, scope: &str, key: &str, conditions: &Value) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "n", "generation": 3},
            "spec": {"scopes": [scope], "policy": {"rootOfTrust": {"policyType": "PublicKey", "publicKey": {"keyData": key}}}},
            "status": {"conditions": conditions},
        })
    }

    /// A key as it should be: an empty sequence is enough.
    fn good() -> String {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        STANDARD.encode("-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n")
    }

    fn said(cluster: &[Value], own: &[Value], lists: &Lists) -> Vec<String> {
        let cluster: Vec<ClusterImagePolicy> =
            cluster.iter().map(|value| serde_json::from_value(value.clone()).unwrap()).collect();
        let own: Vec<ImagePolicy> = own.iter().map(|value| serde_json::from_value(value.clone()).unwrap()).collect();
        let (cluster, own): (Vec<_>, Vec<_>) = (cluster.iter().collect(), own.iter().collect());
        let view = ImageView {
            pools: &[],
            machine_configs: &[],
            templates: &Default::default(),
            image: None,
            release: None,
            mirrors: MirrorSets::default(),
            cluster_policies: &cluster,
            policies: &own,
            build: "b",
        };
        let of_cluster = of_cluster(&view, Some(lists), NOW).into_iter();
        let own = of_namespaces(&view, Some(lists), NOW).into_iter().map(|((_, name), status)| (name, status));
        let line = |(name, status): (String, ImagePolicyStatus)| {
            let conditions = status.conditions.unwrap_or_default().into_iter();
            let conditions =
                conditions.map(|held| format!("{} {} {}: {}", held.type_, held.status, held.reason, held.message));
            format!("{name} {}", conditions.collect::<Vec<_>>().join(" | "))
        };
        of_cluster.chain(own).map(line).collect()
    }

    #[test]
    fn each_problem_is_told_on_its_own_policy_and_goes_with_it() {
        let lists = Lists { policy: Some(vec!["bad.io".to_owned()]), ..Lists::default() };
        let none = json!([]);
        let cluster = [
            policy("broken", "a.io", "a b", &none),
            policy("blocked", "bad.io/x", &good(), &none),
            policy("garbled", "b.io", "aw==", &none),
            policy("good", "c.io", &good(), &none),
        ];
        let own = [
            policy("inside", "c.io/x", "a b", &none),
            policy("own", "d.io", "a b", &json!([{"type": "Other", "status": "True", "reason": "R", "message": ""}])),
        ];
        let said = said(&cluster, &own, &lists);
        let expected = [
            "blocked Pending False InvalidPolicy: clusterimagePolicy configured for the scope bad.io/x is nested inside blockedRegistries; until",
            "broken Pending False InvalidPolicy: keyData is not base64: it must be the base64 of a key or certificate in PEM; until",
            "garbled Pending False UnreadableKey: keyData has no key or certificate in PEM that can be read: machines refuse",
            "inside Pending False ConflictScopes: has conflicting scope(s) [\"c.io/x\"]",
            "own Other True R:  | Pending False InvalidPolicy: keyData is not base64",
        ];
        assert_eq!(said.len(), expected.len(), "{said:#?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.starts_with(expected), "{said}");
        }
    }

    #[test]
    fn what_is_mended_is_said_no_more_and_nothing_is_said_twice() {
        let held = json!([{"type": "Pending", "status": "False", "reason": "InvalidPolicy", "message": "old"}]);
        assert_eq!(said(&[policy("a", "a.io", &good(), &held)], &[], &Lists::default()), ["a "]);
        let message = Pending::Key("keyData").message();
        let held = json!([{"type": "Pending", "status": "False", "reason": "UnreadableKey", "message": message, "observedGeneration": 3}]);
        assert_eq!(said(&[policy("a", "a.io", "aw==", &held)], &[], &Lists::default()), [""; 0]);
    }
}
