//! Who was granted what, and whether that suffices.

use crate::{
    identity::{AUTHENTICATED, MASTERS, User},
    object::{self, list, meta, strings, text},
    status::Failure,
    store::{Key, Object, Tables},
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// What determines the rights of users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authorization {
    /// Stored roles and bindings.
    #[default]
    Rbac,
    /// Nothing: everything is allowed.
    AlwaysAllow,
}

/// What a request wants to do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attributes<'a> {
    /// E.g. `get`.
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    /// Plural name; empty for a path that is not a resource.
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// The path of a request that is not for a resource.
    pub(crate) path: &'a str,
}

/// The rules of a role, granted to some subjects, in one namespace or everywhere. Bindings of the same role share its
/// rules.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) binding: Arc<Binding>,
    pub(super) rules: Arc<[Rule]>,
    pub(super) namespace: Option<Arc<str>>,
}

/// What a binding says.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) subjects: Vec<Subject>,
    of_cluster: bool,
    role: Key,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subject {
    User(String),
    Group(String),
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) verbs: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) names: Vec<String>,
    pub(super) paths: Vec<String>,
}

/// All grants; replaced as a whole when a role or a binding changes, but only changed objects are read again.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    pub(super) grants: Vec<Grant>,
    roles: Read<[Rule]>,
    cluster_roles: Read<[Rule]>,
    bindings: Read<Binding>,
    cluster_bindings: Read<Binding>,
}

/// What was read from stored objects, with the versions it was read from.
type Read<T> = BTreeMap<Key, (u64, Arc<T>)>;

pub(super) const SUFFIX: &str = ".rbac.authorization.k8s.io";

/// Reads a table, except for objects that have been read before.
fn read<T: ?Sized>(tables: &Tables, plural: &str, before: &Read<T>, read: impl Fn(&Value) -> Arc<T>) -> Read<T> {
    let table = tables.table(&format!("{plural}{SUFFIX}"));
    let objects = table.into_iter().flat_map(|table| table.range("", None));
    let read = |(key, object): (&Key, &Arc<Object>)| {
        let known = before.get(key).filter(|(version, _)| *version == object.version);
        (key.clone(), known.cloned().unwrap_or_else(|| (object.version, read(&object.value()))))
    };
    objects.map(read).collect()
}

impl Grants {
    /// Whether changes of this table affect the grants.
    pub(crate) fn concerns(storage: &str) -> bool {
        storage.ends_with(SUFFIX)
    }

    /// Whether changes of this table affect aggregated cluster roles.
    pub(crate) fn concerns_aggregation(storage: &str) -> bool {
        storage.strip_suffix(SUFFIX) == Some("clusterroles")
    }

    pub(crate) fn load(tables: &Tables, before: &Self) -> Self {
        let rules = |role: &Value| list(role, &["rules"]).iter().map(Rule::read).collect();
        let binding = |binding: &Value| Arc::new(Binding::read(binding));
        let roles = read(tables, "roles", &before.roles, rules);
        let cluster_roles = read(tables, "clusterroles", &before.cluster_roles, rules);
        let bindings = read(tables, "rolebindings", &before.bindings, binding);
        let cluster_bindings = read(tables, "clusterrolebindings", &before.cluster_bindings, binding);
        let grant = |binding: &Arc<Binding>, namespace: Option<&Key>| {
            let roles = if binding.of_cluster { &cluster_roles } else { &roles };
            let (_, rules) = roles.get(&binding.role)?;
            let namespace = namespace.map(|key| key.namespace.clone());
            Some(Grant { binding: binding.clone(), rules: rules.clone(), namespace })
        };
        let local = bindings.iter().filter_map(|(key, (_, binding))| grant(binding, Some(key)));
        let everywhere = cluster_bindings.values().filter_map(|(_, binding)| grant(binding, None));
        let grants = local.chain(everywhere).collect();
        Self { grants, roles, cluster_roles, bindings, cluster_bindings }
    }

    fn allow(&self, user: &User, wanted: &Attributes<'_>) -> bool {
        let concerned = |grant: &&Grant| {
            let here = grant.namespace.as_deref().is_none_or(|n| n == wanted.namespace && !wanted.resource.is_empty());
            here && grant.binding.subjects.iter().any(|subject| subject.is(user))
        };
        self.grants.iter().filter(concerned).any(|grant| grant.rules.iter().any(|rule| rule.allows(wanted)))
    }
}

impl Binding {
    fn read(binding: &Value) -> Self {
        let (kind, name) = (text(binding, &["roleRef", "kind"]), text(binding, &["roleRef", "name"]));
        let of_cluster = kind == "ClusterRole";
        let namespace = if of_cluster { "" } else { meta(binding, "namespace") };
        let subjects = list(binding, &["subjects"]).iter().filter_map(|s| Subject::read(s, binding)).collect();
        Self { subjects, of_cluster, role: Key::new(namespace, name) }
    }
}

impl Subject {
    fn read(subject: &Value, binding: &Value) -> Option<Self> {
        let name = text(subject, &["name"]);
        Some(match text(subject, &["kind"]) {
            "User" => Self::User(name.to_owned()),
            "Group" => Self::Group(name.to_owned()),
            "ServiceAccount" => {
                let namespace = match text(subject, &["namespace"]) {
                    "" => meta(binding, "namespace"),
                    namespace => namespace,
                };
                Self::User(format!("system:serviceaccount:{namespace}:{name}"))
            }
            _ => return None,
        })
    }

    pub(super) fn is(&self, user: &User) -> bool {
        match self {
            Self::User(name) => *name == user.username,
            Self::Group(name) => user.groups.contains(name),
        }
    }
}

impl Rule {
    pub(super) fn read(rule: &Value) -> Self {
        let field = |name| strings(object::at(rule, &[name]));
        Self {
            verbs: field("verbs"),
            groups: field("apiGroups"),
            resources: field("resources"),
            names: field("resourceNames"),
            paths: field("nonResourceURLs"),
        }
    }

    fn allows(&self, wanted: &Attributes<'_>) -> bool {
        let has = |list: &[String], value: &str| list.iter().any(|x| x == "*" || x == value);
        if !has(&self.verbs, wanted.verb) {
            return false;
        }
        if wanted.resource.is_empty() {
            return self.paths.iter().any(|path| match path.strip_suffix('*') {
                Some(prefix) => wanted.path.starts_with(prefix),
                None => *path == wanted.path,
            });
        }
        let resource = |listed: &String| match (listed.split_once('/'), wanted.subresource) {
            _ if listed == "*" => true,
            (None, "") => listed == wanted.resource,
            (Some((resource, subresource)), wanted_sub) => {
                subresource == wanted_sub && (resource == "*" || resource == wanted.resource)
            }
            (None, _) => false,
        };
        has(&self.groups, wanted.group)
            && self.resources.iter().any(resource)
            && (self.names.is_empty() || self.names.iter().any(|n| n == wanted.name))
    }
}

/// Paths that everybody may read.
pub(super) const PUBLIC: [&str; 4] = ["/healthz", "/livez", "/readyz", "/version"];
/// Paths that every authenticated user may read, with everything below them.
pub(super) const DISCOVERY: [&str; 3] = ["/api", "/apis", "/openapi"];
pub(super) const SELF_REVIEWS: [&str; 3] =
    ["selfsubjectaccessreviews", "selfsubjectreviews", "selfsubjectrulesreviews"];

/// Whether the user may do this.
pub(crate) fn is_allowed(grants: &Grants, user: &User, wanted: &Attributes<'_>) -> bool {
    if user.groups.iter().any(|g| g == MASTERS) {
        return true;
    }
    let below = |roots: &[&str]| {
        let is =
            |root: &&str| wanted.path == *root || wanted.path.strip_prefix(root).is_some_and(|p| p.starts_with('/'));
        wanted.resource.is_empty() && wanted.verb == "get" && roots.iter().any(is)
    };
    let known = user.groups.iter().any(|g| g == AUTHENTICATED);
    below(&PUBLIC)
        || (known && below(&DISCOVERY))
        || (known && wanted.verb == "create" && SELF_REVIEWS.contains(&wanted.resource))
        || grants.allow(user, wanted)
}

/// The response to a user without this right.
pub(crate) fn refusal(user: &User, wanted: &Attributes<'_>) -> Failure {
    let (who, verb) = (&user.username, wanted.verb);
    if wanted.resource.is_empty() {
        return Failure::denied(format!("forbidden: User {who:?} cannot {verb} path {:?}", wanted.path), "", "", "");
    }
    let full = match wanted.subresource {
        "" => wanted.resource.to_owned(),
        subresource => format!("{}/{subresource}", wanted.resource),
    };
    let qualified = if wanted.group.is_empty() {
        wanted.resource.to_owned()
    } else {
        format!("{}.{}", wanted.resource, wanted.group)
    };
    let named = if wanted.name.is_empty() { qualified } else { format!("{qualified} {:?}", wanted.name) };
    let place = match wanted.namespace {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    let message = format!(
        "{named} is forbidden: User {who:?} cannot {verb} resource {full:?} in API group {:?} {place}",
        wanted.group
    );
    Failure::denied(message, wanted.name, wanted.group, wanted.resource)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{host::Host as _, identity::user, served::Served as _};
    use serde_json::json;

    fn rule(value: Value) -> Rule {
        Rule::read(&value)
    }

    #[test]
    fn rules() {
        let pods = Attributes { verb: "get", resource: "pods", namespace: "n", name: "p", ..Attributes::default() };
        let status = Attributes { subresource: "status", ..pods };
        let core = |resources: Value| rule(json!({"verbs": ["get"], "apiGroups": [""], "resources": resources}));
        assert!(core(json!(["pods"])).allows(&pods) && !core(json!(["pods"])).allows(&status));
        assert!(core(json!(["pods/status"])).allows(&status) && core(json!(["*/status"])).allows(&status));
        assert!(core(json!(["*"])).allows(&status));
        assert!(!core(json!(["pods"])).allows(&Attributes { verb: "list", ..pods }));
        assert!(!core(json!(["pods"])).allows(&Attributes { group: "apps", ..pods }));
        let named = rule(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "resourceNames": ["q"]}));
        assert!(!named.allows(&pods) && named.allows(&Attributes { name: "q", ..pods }));
        let path = rule(json!({"verbs": ["get"], "nonResourceURLs": ["/metrics/*"]}));
        let metrics = Attributes { verb: "get", path: "/metrics/x", ..Attributes::default() };
        assert!(path.allows(&metrics) && !path.allows(&pods));
    }

    #[test]
    fn everybody_may_ask_for_the_version_and_known_users_for_discovery() {
        let grants = Grants::default();
        let anonymous = User { username: "system:anonymous".into(), ..User::default() };
        let known = user("somebody", &[]);
        let get = |path| Attributes { verb: "get", path, ..Attributes::default() };
        assert!(is_allowed(&grants, &anonymous, &get("/version")));
        assert!(!is_allowed(&grants, &anonymous, &get("/apis")));
        assert!(is_allowed(&grants, &known, &get("/apis/apps/v1")) && !is_allowed(&grants, &known, &get("/apisx")));
        assert!(!is_allowed(&grants, &known, &get("/metrics")));
    }

    /// A role is read once, however many bindings name it, and again only if it has changed.
    #[test]
    fn bindings_share_the_rules_of_a_role() {
        let server = crate::ApiServer::new(crate::Settings::default()).unwrap();
        let state = &server.state;
        let registry = state.registry();
        let create = |plural: &str, object: Value| {
            let resource = registry.find("rbac.authorization.k8s.io", "v1", plural).unwrap();
            state.create(resource, "default", object).unwrap();
        };
        let rules = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]);
        create("roles", json!({"metadata": {"name": "r"}, "rules": rules}));
        for name in ["one", "two"] {
            let subjects = json!([{"kind": "User", "name": name}]);
            let role = json!({"kind": "Role", "name": "r"});
            create("rolebindings", json!({"metadata": {"name": name}, "roleRef": role, "subjects": subjects}));
        }
        let of = |grants: &Grants, user: &str| -> Arc<[Rule]> {
            let own = |grant: &&Grant| grant.binding.subjects == [Subject::User(user.into())];
            grants.grants.iter().find(own).unwrap().rules.clone()
        };
        let before = state.grants();
        assert!(Arc::ptr_eq(&of(&before, "one"), &of(&before, "two")));
        create("roles", json!({"metadata": {"name": "other"}, "rules": []}));
        assert!(Arc::ptr_eq(&of(&before, "one"), &of(&state.grants(), "one")));
        let pods = |user: &str| {
            let wanted = Attributes { verb: "get", resource: "pods", namespace: "default", ..Attributes::default() };
            is_allowed(&state.grants(), &crate::identity::user(user, &[]), &wanted)
        };
        assert!(pods("one") && pods("two") && !pods("three"));
    }
}
