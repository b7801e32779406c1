//! What an expression is before it is evaluated: whether it may be, of which types its parts are, and what it costs at
//! most. The language itself does not know types; this room knows what schemas tell.
//!
//! | module | question |
//! |---|---|
//! | `value` | what an expression sees of a value that has a schema |
//! | `types` `signatures` | which types there are; which functions, and what they return |
//! | `infer` `check` | what the types of an expression are, and what is wrong with it |
//! | `cost` | what an evaluation may cost at most |
//! | `compile` | all of this, on the way from a text to an expression |
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
