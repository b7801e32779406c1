//! The Common Expression Language (<https://github.com/google/cel-spec>) as Kubernetes speaks it: rules of custom
//! resources and admission policies. With `typing` the only room that knows which engine evaluates them.
//!
//! | module | question |
//! |---|---|
//! | [`expression`] | evaluating, and what comes of it |
//! | [`bind`] | what an expression sees of a JSON value |
//! | [`containers`] | lists whose order does not count; how many steps an evaluation may take |
//! | [`escape`] | how a field is called in an expression |
//! | [`library`] | the functions Kubernetes adds |
//!
//! Known differences from the API server: an evaluation is stopped after so many steps, not after so much cost;
//! `authorizer` is not there.

pub(crate) mod bind;
pub(crate) mod containers;
pub(crate) mod escape;
pub(crate) mod expression;
pub(crate) mod library;

pub(crate) use bind::{Bindings, Bound};
pub(crate) use containers::Meter;
pub(crate) use expression::{EvalError, EvalProblem, Expression, Output};
