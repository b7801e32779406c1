//! All that a user may do: what `kubectl auth can-i --list` shows.

use super::grants::{Authorization, DISCOVERY, Grant, Grants, PUBLIC, Rule, SELF_REVIEWS};
use crate::{
    identity::{AUTHENTICATED, MASTERS},
    object,
};
use serde_json::{Value, json};
use weir_apischema::policy::User;

/// The status of a `SelfSubjectRulesReview`.
pub(crate) fn rules_of(grants: &Grants, authorization: Authorization, user: &User, namespace: &str) -> Value {
    let in_group = |name: &str| user.groups.iter().any(|group| group == name);
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    if authorization == Authorization::AlwaysAllow || in_group(MASTERS) {
        resources.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
        paths.push(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
    }
    if in_group(AUTHENTICATED) {
        for name in SELF_REVIEWS {
            let group = if name == "selfsubjectreviews" { "authentication" } else { "authorization" };
            resources.push(json!({"verbs": ["create"], "apiGroups": [format!("{group}.k8s.io")], "resources": [name]}));
        }
        paths.push(json!({"verbs": ["get"], "nonResourceURLs": below(&DISCOVERY)}));
    }
    paths.push(json!({"verbs": ["get"], "nonResourceURLs": below(&PUBLIC)}));
    for rule in grants.rules(user, namespace) {
        if !rule.resources.is_empty() {
            let mut shown = json!({"verbs": rule.verbs, "apiGroups": rule.groups, "resources": rule.resources});
            if !rule.names.is_empty() {
                object::set(&mut shown, "resourceNames", rule.names.clone().into());
            }
            resources.push(shown);
        }
        if !rule.paths.is_empty() {
            paths.push(json!({"verbs": rule.verbs, "nonResourceURLs": rule.paths}));
        }
    }
    json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
}

fn below(roots: &[&str]) -> Vec<String> {
    roots.iter().flat_map(|root| [(*root).to_owned(), format!("{root}/*")]).collect()
}

impl Grants {
    /// Rules that are granted to a user everywhere or in the namespace.
    fn rules<'a>(&'a self, user: &'a User, namespace: &'a str) -> impl Iterator<Item = &'a Rule> {
        let here = move |grant: &&Grant| {
            grant.namespace.as_deref().is_none_or(|n| n == namespace)
                && grant.binding.subjects.iter().any(|s| s.is(user))
        };
        self.grants.iter().filter(here).flat_map(|grant| grant.rules.iter())
    }
}
