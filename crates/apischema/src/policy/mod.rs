//! Admission policies: what ValidatingAdmissionPolicy objects and their bindings say about a request
//! (<https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>). Pure: parameters come from
//! a [`ParamSource`], everything else from the request.
//!
//! | module | question |
//! |---|---|
//! | `definition` | whether a policy or binding is well-formed; its expressions, compiled |
//! | `kept` | the policies that were compiled lately |
//! | `request` | a request as expressions and rules see it |
//! | `matching` | whether a policy or binding concerns a request |
//! | `selector` | whether labels match |
//! | `params` | which objects parameterise a policy |
//! | `evaluate` | what the policies say |

mod definition;
mod evaluate;
mod kept;
mod matching;
mod params;
mod request;
mod selector;

pub use definition::{Binding, Policy};
pub use evaluate::{AuditFailure, Denial, Verdict, evaluate};
pub use kept::compiled;
pub use params::ParamSource;
pub use request::{Operation, Request, User};
