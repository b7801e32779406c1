//! Nobody can grant rights that they do not hold: writing a role requires holding its rules, or the verb `escalate`; binding one
//! requires holding its rules, or the verb `bind`
//! (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping>).

use super::grants::{Attributes, Authorization, Grants, Rule, SUFFIX, is_allowed};
use crate::{
    object::{at, list, meta, text},
    registry::Resource,
    status::Failure,
    store::{Key, Tables},
};
use serde_json::{Value, json};
use weir_apischema::{policy::User, text::gotext};

/// Maximum number of combinations of verbs, groups, resources and names in all rules: each of them is checked against the writer's
/// rights.
const MOST_COMBINATIONS: usize = 20_000;

/// A write of a role or a binding.
pub(crate) struct Grant<'a> {
    pub(crate) user: &'a User,
    pub(crate) resource: &'a Resource,
    pub(crate) namespace: &'a str,
    pub(crate) new: &'a Value,
    pub(crate) old: Option<&'a Value>,
}

impl Grant<'_> {
    fn is_of(&self, part: &str) -> bool {
        self.resource.is(SUFFIX.trim_start_matches('.'), part)
    }

    fn changes(&self, fields: &[&str]) -> bool {
        self.old.is_none_or(|old| fields.iter().any(|field| at(old, &[field]) != at(self.new, &[field])))
    }

    fn is_role(&self) -> bool {
        self.is_of("roles") || self.is_of("clusterroles")
    }

    /// Rules that the user would grant, and the verb and role that permit it regardless of the user's rights.
    fn gives(&self, tables: &Tables) -> Option<(Vec<Value>, &'static str, &'static str, &str)> {
        if self.is_role() {
            let mut rules = list(self.new, &["rules"]).to_vec();
            if at(self.new, &["aggregationRule"]).is_some() && self.changes(&["aggregationRule"]) {
                // An aggregated role may later contain anything.
                rules.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
                rules.push(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
            }
            let kind = if self.is_of("roles") { "roles" } else { "clusterroles" };
            return self.changes(&["rules", "aggregationRule"]).then_some((
                rules,
                "escalate",
                kind,
                meta(self.new, "name"),
            ));
        }
        if !(self.is_of("rolebindings") || self.is_of("clusterrolebindings")) || !self.changes(&["roleRef", "subjects"])
        {
            return None;
        }
        let name = text(self.new, &["roleRef", "name"]);
        let (kind, namespace) = match text(self.new, &["roleRef", "kind"]) {
            "ClusterRole" => ("clusterroles", ""),
            _ => ("roles", self.namespace),
        };
        let role = tables.get(&format!("{kind}{SUFFIX}"), &Key::new(namespace, name)).map(|role| role.value());
        let rules = role.map(|role| list(&role, &["rules"]).to_vec()).unwrap_or_default();
        Some((rules, "bind", kind, name))
    }

    /// Refuses a role or a binding that grants rights that its writer does not hold.
    pub(crate) fn check(&self, grants: &Grants, authorization: Authorization, tables: &Tables) -> Result<(), Failure> {
        if authorization == Authorization::AlwaysAllow {
            return Ok(());
        }
        let Some((rules, verb, kind, name)) = self.gives(tables) else { return Ok(()) };
        let by_verb = Attributes {
            verb,
            group: SUFFIX.trim_start_matches('.'),
            resource: kind,
            namespace: self.namespace,
            name,
            ..Attributes::default()
        };
        if is_allowed(grants, self.user, &by_verb) {
            return Ok(());
        }
        let combinations = |rule: &Value| {
            let count = |field| list(rule, &[field]).len().max(1);
            ["verbs", "apiGroups", "resources", "resourceNames"].iter().map(|field| count(field)).product::<usize>()
        };
        if rules.iter().map(combinations).sum::<usize>() > MOST_COMBINATIONS {
            let why = format!(
                "its rules give more than {MOST_COMBINATIONS} individual permissions, each of which user {} would have to hold",
                gotext::quote(&self.user.username)
            );
            return Err(Failure::forbidden(self.resource, meta(self.new, "name"), &why));
        }
        let missing: Vec<String> = rules.iter().filter(|rule| !holds(grants, self, rule)).map(compact).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let groups: Vec<String> = self.user.groups.iter().map(|group| gotext::quote(group)).collect();
        let why = format!(
            "user {} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
            gotext::quote(&self.user.username),
            groups.join(" "),
            missing.join("\n")
        );
        Err(Failure::forbidden(self.resource, meta(self.new, "name"), &why))
    }
}

/// Whether the writer has all rights in a rule, in the namespace for which it is granted.
fn holds(grants: &Grants, grant: &Grant<'_>, rule: &Value) -> bool {
    let rule = Rule::read(rule);
    let allowed = |wanted: Attributes<'_>| is_allowed(grants, grant.user, &wanted);
    let any = [String::new()];
    let names = if rule.names.is_empty() { &any[..] } else { &rule.names };
    rule.verbs.iter().all(|verb| {
        let paths = rule.paths.iter().all(|path| allowed(Attributes { verb, path, ..Attributes::default() }));
        let resources = rule.groups.iter().all(|group| {
            rule.resources.iter().all(|full| {
                let (resource, subresource) = full.split_once('/').unwrap_or((full, ""));
                let namespace = grant.namespace;
                names
                    .iter()
                    .all(|name| allowed(Attributes { verb, group, resource, subresource, namespace, name, path: "" }))
            })
        });
        paths && resources
    })
}

/// `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get"]}`
fn compact(rule: &Value) -> String {
    let fields = [
        ("APIGroups", "apiGroups"),
        ("Resources", "resources"),
        ("ResourceNames", "resourceNames"),
        ("NonResourceURLs", "nonResourceURLs"),
        ("Verbs", "verbs"),
    ];
    let shown = fields.iter().filter_map(|(shown, field)| {
        let values = list(rule, &[field]);
        let texts: Vec<String> = values.iter().filter_map(Value::as_str).map(gotext::quote).collect();
        (!texts.is_empty()).then(|| format!("{shown}:[{}]", texts.join(" ")))
    });
    format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
}
