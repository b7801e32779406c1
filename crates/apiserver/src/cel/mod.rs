//! The Common Expression Language (<https://github.com/google/cel-spec>) as Kubernetes speaks it: rules of custom
//! resources and admission policies. The only module that knows which engine evaluates them.
//!
//! | module | question |
//! |---|---|
//! | [`bind`] | what an expression sees of a JSON value |
//! | [`check`] | what is wrong with an expression before it is ever evaluated |
//! | [`engine`] | compiling and evaluating |
//! | [`escape`] | how a field is called in an expression |
//! | [`types`] | what types expressions have |
//! | [`containers`] | lists whose order does not count; how many steps an evaluation may take |
//! | [`library`] | the functions Kubernetes adds |
//! | [`cost`] | what an evaluation may cost at most |
//!
//! Known differences from the API server: types are checked only as far as schemas and literals tell them, so that a
//! few mistakes are found when a rule is evaluated rather than when it is defined; an evaluation is stopped after so
//! many steps, not after so much cost; `authorizer` is not there.

mod bind;
mod check;
mod containers;
mod cost;
mod engine;
mod escape;
mod library;
mod types;

pub(crate) use bind::{Bindings, Bound};
pub(crate) use check::{CompileError, Scope};
pub(crate) use containers::Meter;
pub(crate) use cost::{Declared, LARGEST_REQUEST};
pub(crate) use engine::{EvalError, EvalProblem, Expression, Output};
