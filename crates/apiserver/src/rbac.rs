//! What users may do: role-based access control (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/>).
//!
//! Members of `system:masters` may do everything. Authenticated users may ask which resources exist and what they may do
//! themselves; everybody may ask for the version and for health. Everything else is granted by stored roles and bindings.
//!
//! | module | what it holds |
//! |---|---|
//! | `grants` | who was granted what, and whether that suffices |
//! | `aggregate` | cluster roles that aggregate others |
//! | `first` | initial roles |
//! | `escalation` | users cannot grant rights that they do not have |
//! | `own` | all rights of a user |

mod aggregate;
mod escalation;
mod first;
mod grants;
mod own;

pub(crate) use aggregate::aggregate;
pub(crate) use escalation::Grant as Granting;
pub(crate) use first::first;
pub use grants::Authorization;
pub(crate) use grants::{Attributes, Grants, is_allowed, refusal};
pub(crate) use own::rules_of;
