//! The Common Expression Language (<https://github.com/google/cel-spec>) as Kubernetes uses it, for rules of custom resources and
//! for admission policies. Apart from `typing`, only this module knows the engine.
//!
//! | module | question |
//! |---|---|
//! | [`expression`] | evaluation and its results |
//! | [`bind`] | what an expression sees of a JSON value |
//! | [`containers`] | lists whose order is ignored; how many steps an evaluation may take |
//! | [`escape`] | the name of a field in an expression |
//! | [`library`] | the functions Kubernetes adds |
//!
//! Known differences from the API server: an evaluation is limited by its steps, not by its cost; `authorizer` is missing.

pub(crate) mod bind;
pub(crate) mod containers;
pub(crate) mod escape;
pub(crate) mod expression;
pub(crate) mod library;

pub(crate) use bind::{Bindings, Bound};
pub(crate) use containers::Meter;
pub(crate) use expression::{EvalError, EvalProblem, Expression, Output};
