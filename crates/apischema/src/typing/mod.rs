//! What is known about an expression before it is evaluated: whether it is valid, the types of its parts, and its
//! maximum cost. The engine does not check types; this module knows the types that schemas define.
//!
//! | module | question |
//! |---|---|
//! | `value` | what an expression sees of a value that has a schema |
//! | `types` `signatures` | which types and functions exist, and what functions return |
//! | `infer` `check` | what the types of an expression are, and what is wrong with it |
//! | `cost` | what an evaluation may cost at most |
//! | `compile` | all of this, from a text to an expression |
//!
//! Known differences from the API server: types are checked only as far as schemas and literals define them, so a few mistakes are
//! found when a rule is evaluated rather than when it is defined.

mod check;
mod compile;
mod cost;
mod infer;
mod signatures;
mod types;
mod value;

pub(crate) use check::CompileError;
pub(crate) use cost::{Declared, LARGEST_REQUEST};
pub(crate) use types::Scope;
