//! What users may do: role-based access control (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/>).
//!
//! Members of `system:masters` may do everything. Everybody with an identity may ask what there is and what they may do;
//! everybody at all may ask for the version and for health. The rest is granted by stored roles and bindings.
//!
//! | module | what it holds |
//! |---|---|
//! | `grants` | who was granted what, and whether that is enough |
//! | `aggregate` | cluster roles that are the sum of others |
//! | `first` | roles that are there from the start |
//! | `escalation` | nobody grants what they do not hold |
//! | `own` | all that a user may do |

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
