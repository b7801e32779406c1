//! How an API server judges objects: structural schemas of custom resources, the rules in them, admission policies. Pure: objects
//! in, verdicts out; no I/O, no clock, nothing stored.
//!
//! | module | subject |
//! |---|---|
//! | [`schema`] | what a CustomResourceDefinition says about its objects |
//! | [`names`] | what names, labels and annotations may look like |
//! | [`policy`] | what ValidatingAdmissionPolicies and their bindings say about a request |
//! | `node` | one node of a schema, as it is written |
//! | `typing` | whether an expression is valid, and what it costs |
//! | `cel` | evaluating expressions |
//! | [`text`] | patterns, formats, and how Go prints values |
//! | [`weight`] | how large a value is |
//! | [`stack`] | deeply recursive work |
//!
//! Sources: <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/>,
//! <https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>,
//! <https://kubernetes.io/docs/reference/using-api/cel/>.

mod cel;
pub mod names;
mod node;
pub mod policy;
pub mod schema;
pub mod stack;
pub mod text;
mod typing;
pub mod weight;
