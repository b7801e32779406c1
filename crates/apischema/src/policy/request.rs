//! A request as admission sees it.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A new object.
    Create,
    /// A change of an object.
    Update,
    /// The deletion of an object.
    Delete,
    /// A connection to an object, such as a proxy.
    Connect,
}

impl Operation {
    /// The name in rules and in `request.operation`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// The user of a request (`authentication.k8s.io/v1` UserInfo).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// User name, e.g. `system:serviceaccount:ns:name`.
    pub username: String,
    /// Identifier that no other user ever has; may be empty.
    pub uid: String,
    /// Groups the user is in.
    pub groups: Vec<String>,
    /// Whatever else the authenticator provides.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// A request about one object.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What it does.
    pub operation: Operation,
    /// API group; empty for the core group.
    pub group: &'a str,
    /// API version, e.g. `v1`.
    pub version: &'a str,
    /// Plural name of the resource, e.g. `pods`.
    pub resource: &'a str,
    /// Subresource, e.g. `status`; empty for the object itself.
    pub subresource: &'a str,
    /// Kind of the object.
    pub kind: &'a str,
    /// Namespace; empty for cluster-scoped objects. For a Namespace object, its own name.
    pub namespace: &'a str,
    /// Name; empty if the server is to generate one.
    pub name: &'a str,
    /// The user.
    pub user: &'a User,
    /// Whether the request is a dry run: nothing will be stored.
    pub dry_run: bool,
    /// Options that came with the request, e.g. a `CreateOptions` of `meta.k8s.io/v1`; `None` when there are none.
    pub options: Option<&'a Value>,
    /// The new object; `None` on delete.
    pub object: Option<&'a Value>,
    /// The stored object; `None` on create.
    pub old_object: Option<&'a Value>,
    /// The Namespace object the request is in, if it is in one that exists.
    pub namespace_object: Option<&'a Value>,
    /// Other versions of the group that serve the same objects.
    pub other_versions: &'a [&'a str],
}

impl Request<'_> {
    /// The resource with its group, as messages name it: `pods`, `deployments.apps`.
    #[must_use]
    pub fn group_resource(&self) -> String {
        if self.group.is_empty() { self.resource.to_owned() } else { format!("{}.{}", self.resource, self.group) }
    }

    pub(super) fn is_namespace(&self) -> bool {
        self.group.is_empty() && self.resource == "namespaces"
    }

    /// `request` in expressions, for the version that a rule matched. Empty fields are absent.
    pub(super) fn describe(&self, version: &str) -> Value {
        let mut user = Map::new();
        let mut put = |name: &str, value: Value, empty: bool| {
            if !empty {
                user.insert(name.into(), value);
            }
        };
        put("username", self.user.username.as_str().into(), self.user.username.is_empty());
        put("uid", self.user.uid.as_str().into(), self.user.uid.is_empty());
        put("groups", self.user.groups.clone().into(), self.user.groups.is_empty());
        put("extra", json!(self.user.extra), self.user.extra.is_empty());
        let kind = |version: &str| json!({"group": self.group, "version": version, "kind": self.kind});
        let resource = |version: &str| json!({"group": self.group, "version": version, "resource": self.resource});
        let mut request = json!({
            "uid": "",
            "kind": kind(version),
            "resource": resource(version),
            "requestKind": kind(self.version),
            "requestResource": resource(self.version),
            "operation": self.operation.as_str(),
            "userInfo": user,
            "dryRun": self.dry_run,
        });
        if let Value::Object(fields) = &mut request {
            let optional = [
                ("subResource", self.subresource),
                ("requestSubResource", self.subresource),
                ("name", self.name),
                ("namespace", self.namespace),
            ];
            fields.extend(optional.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.into(), Value::from(v))));
            fields.extend(self.options.map(|options| ("options".into(), options.clone())));
        }
        request
    }
}
