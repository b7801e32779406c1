//! The user of a request.

pub use weir_apischema::policy::User;

/// Group whose members may do everything.
pub(crate) const MASTERS: &str = "system:masters";
/// Group of all authenticated users.
pub(crate) const AUTHENTICATED: &str = "system:authenticated";

/// The administrator: the user of the in-process service and of the kubeconfig.
pub(crate) fn admin() -> User {
    user("system:admin", &[MASTERS])
}

/// A user in these groups and in `system:authenticated`.
pub(crate) fn user(name: &str, groups: &[&str]) -> User {
    let groups = groups.iter().copied().chain([AUTHENTICATED]).map(str::to_owned).collect();
    User { username: name.to_owned(), groups, ..User::default() }
}
