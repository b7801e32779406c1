//! Expressions and their results: everything that concerns the engine rather than Kubernetes.

use super::{
    bind::{Bindings, Bound},
    library,
};
use crate::stack::on_stack;
use cel::{
    Context, Env, ExecutionError, ParseErrors, Program, Value as CelValue,
    common::types::{CelBool, CelNull, CelString},
};
use std::{
    fmt,
    sync::{Arc, LazyLock},
};

/// Size of the stack for evaluations that need their own, in bytes: five times what the deepest expression needed.
pub(crate) const EVALUATION_STACK: usize = 16 << 20;

/// An expression, compiled once and evaluated by any thread.
pub(crate) struct Expression {
    source: String,
    pub(crate) program: Program,
    variables: Vec<String>,
    /// It is evaluated on a stack of its own.
    pub(crate) deep: bool,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

/// The result of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    Bool(bool),
    String(String),
    Null,
    /// Anything else; the name of its type.
    Other(String),
}

/// Why an expression has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct EvalError {
    /// In the words of the reference implementation of the language, as far as they are known.
    pub(crate) text: String,
    pub(crate) problem: EvalProblem,
}

/// Kinds of reasons that are treated differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EvalProblem {
    /// An operator or function was given types that it does not accept.
    NoOverload,
    /// It took more steps than allowed.
    OutOfBudget,
    /// Anything else.
    Other,
}

impl EvalError {
    fn other(text: impl Into<String>) -> Self {
        Self { text: text.into(), problem: EvalProblem::Other }
    }

    fn out_of_budget() -> Self {
        Self { text: "operation cancelled: actual cost limit exceeded".into(), problem: EvalProblem::OutOfBudget }
    }
}

impl From<ExecutionError> for EvalError {
    fn from(error: ExecutionError) -> Self {
        let no_overload = matches!(
            error,
            ExecutionError::NoSuchOverload(_)
                | ExecutionError::UnsupportedBinaryOperator(..)
                | ExecutionError::UnexpectedType { .. }
        );
        if no_overload {
            return Self { text: "no such overload".into(), problem: EvalProblem::NoOverload };
        }
        Self::other(match error {
            ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
            ExecutionError::UndeclaredReference(name) => format!("no such attribute(s): {name}"),
            ExecutionError::IndexOutOfBounds(CelValue::Int(index)) => format!("index out of bounds: {index}"),
            ExecutionError::DivisionByZero(_) => "division by zero".into(),
            ExecutionError::RemainderByZero(_) => "modulus by zero".into(),
            ExecutionError::Overflow(..) => "integer overflow".into(),
            ExecutionError::FunctionError { message, .. } => message,
            other => other.to_string(),
        })
    }
}

/// The language with all functions, and the parent scope of every evaluation.
struct Language {
    env: Arc<Env>,
    base: Context<'static, 'static>,
}

static LANGUAGE: LazyLock<Result<Language, String>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    library::install(&mut env).map_err(|error| error.to_string())?;
    let env = Arc::new(env);
    Ok(Language { base: Context::with_env(Arc::clone(&env)), env })
});

/// Parses an expression.
///
/// # Errors
/// If the language cannot be set up; the inner error says what is wrong with the text.
pub(crate) fn parse(source: &str) -> Result<Result<Program, ParseErrors>, EvalError> {
    Ok(language()?.env.compile(source))
}

impl Expression {
    /// An expression from a checked program. `deep`: it needs a stack of its own.
    pub(crate) fn new(source: &str, program: Program, deep: bool) -> Self {
        let variables = program.references().variables().into_iter().map(str::to_owned).collect();
        Self { source: source.to_owned(), program, variables, deep }
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Whether the expression mentions the variable.
    pub(crate) fn uses(&self, variable: &str) -> bool {
        self.variables.iter().any(|name| name == variable)
    }

    pub(crate) fn evaluate(&self, bindings: &Bindings<'_>) -> Result<Output, EvalError> {
        self.guarded(bindings, || {
            let mut context = language()?.base.new_inner_scope();
            context.set_variable_resolver(bindings);
            let value = CelValue::resolve_val(self.program.expression(), &context)?;
            Ok(if let Some(b) = value.downcast_ref::<CelBool>() {
                Output::Bool(*b.inner())
            } else if let Some(text) = value.downcast_ref::<CelString>() {
                Output::String(text.inner().to_owned())
            } else if value.downcast_ref::<CelNull>().is_some() {
                Output::Null
            } else {
                Output::Other(value.get_type().name().to_owned())
            })
        })
    }

    /// The value itself, for binding.
    pub(crate) fn evaluate_value<'v>(&self, bindings: &Bindings<'v>) -> Result<Bound<'v>, EvalError> {
        self.guarded(bindings, || {
            let mut context = language()?.base.new_inner_scope();
            for (name, value) in bindings.of(|name| self.uses(name)) {
                context.add_variable_as_val(name, value.0.clone());
            }
            let value = CelValue::resolve_val(self.program.expression(), &context)?;
            Ok(Bound(value.into_owned()))
        })
    }

    /// Evaluates on a stack that is deep enough, within the allowed number of steps.
    fn guarded<T: Send>(
        &self,
        bindings: &Bindings<'_>,
        evaluate: impl FnOnce() -> Result<T, EvalError> + Send,
    ) -> Result<T, EvalError> {
        let evaluate = || bindings.meter.on_this_thread(evaluate);
        let result = bindings.meter.metered(|| {
            if !self.deep {
                return evaluate();
            }
            on_stack(EVALUATION_STACK, evaluate).unwrap_or_else(|text| Err(EvalError::other(text)))
        });
        result.unwrap_or_else(|| Err(EvalError::out_of_budget()))
    }
}

fn language() -> Result<&'static Language, EvalError> {
    LANGUAGE.as_ref().map_err(|text| EvalError::other(text.clone()))
}
