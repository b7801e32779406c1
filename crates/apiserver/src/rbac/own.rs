//! All that a user may do: what `kubectl auth can-i --list` shows.

use super::{Authorization, DISCOVERY, Grants, PUBLIC, Rule, SELF_REVIEWS};
use crate::{
    identity::{AUTHENTICATED, MASTERS},
    policy::User,
    state::State,
};
use serde_json::{Value, json};

impl State {
    /// The status of a `SelfSubjectRulesReview`.
    pub(crate) fn rules_of(&self, user: &User, namespace: &str) -> Value {
        let in_group = |name: &str| user.groups.iter().any(|group| group == name);
        let (mut resources, mut paths) = (Vec::new(), Vec::new());
        if self.authorization() == Authorization::AlwaysAllow || in_group(MASTERS) {
            resources.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
            paths.push(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
        }
        if in_group(AUTHENTICATED) {
            for name in SELF_REVIEWS {
                let group = if name == "selfsubjectreviews" { "authentication" } else { "authorization" };
                resources
                    .push(json!({"verbs": ["create"], "apiGroups": [format!("{group}.k8s.io")], "resources": [name]}));
            }
            paths.push(json!({"verbs": ["get"], "nonResourceURLs": below(&DISCOVERY)}));
        }
        paths.push(json!({"verbs": ["get"], "nonResourceURLs": below(&PUBLIC)}));
        for rule in self.grants().rules(user, namespace) {
            if !rule.resources.is_empty() {
                let mut shown = json!({"verbs": rule.verbs, "apiGroups": rule.groups, "resources": rule.resources});
                if !rule.names.is_empty() {
                    crate::object::set(&mut shown, "resourceNames", rule.names.clone().into());
                }
                resources.push(shown);
            }
            if !rule.paths.is_empty() {
                paths.push(json!({"verbs": rule.verbs, "nonResourceURLs": rule.paths}));
            }
        }
        json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
    }
}

fn below(roots: &[&str]) -> Vec<String> {
    roots.iter().flat_map(|root| [(*root).to_owned(), format!("{root}/*")]).collect()
}

impl Grants {
    /// Rules that are granted to a user everywhere or in the namespace.
    fn rules<'a>(&'a self, user: &'a User, namespace: &'a str) -> impl Iterator<Item = &'a Rule> {
        let here = move |grant: &&super::Grant| {
            grant.namespace.as_deref().is_none_or(|n| n == namespace)
                && grant.binding.subjects.iter().any(|s| s.is(user))
        };
        self.grants.iter().filter(here).flat_map(|grant| grant.rules.iter())
    }
}
