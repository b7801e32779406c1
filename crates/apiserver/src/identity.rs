//! Who makes a request.

use std::collections::BTreeMap;

/// An authenticated user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// E.g. `system:admin`.
    pub name: String,
    /// E.g. `system:masters`.
    pub groups: Vec<String>,
    /// What the authenticator knows beside it; admission policies see it as `request.userInfo.extra`.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// Group whose members may do everything.
pub(crate) const MASTERS: &str = "system:masters";
/// Group of everybody who has proved an identity.
pub(crate) const AUTHENTICATED: &str = "system:authenticated";

impl User {
    /// The administrator that the in-process service and the kubeconfig act as.
    #[must_use]
    pub fn admin() -> Self {
        Self { name: "system:admin".into(), groups: vec![MASTERS.into(), AUTHENTICATED.into()], extra: BTreeMap::new() }
    }

    /// A user of these groups; `system:authenticated` is added.
    #[must_use]
    pub fn new(name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().copied().chain([AUTHENTICATED]).map(str::to_owned).collect();
        Self { name: name.into(), groups, extra: BTreeMap::new() }
    }
}
