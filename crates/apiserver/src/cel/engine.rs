//! Compiling and evaluating: everything that is the engine's business rather than Kubernetes'.

use super::{
    bind::{Bindings, Bound},
    check::{self, CompileError, Scope},
    cost::{self, Declared},
    library,
};
use crate::stack::on_stack;
use cel::{
    Context, Env, ExecutionError, Program, Value as CelValue,
    common::types::{CelBool, CelNull, CelString},
};
use std::{
    fmt,
    sync::{Arc, LazyLock},
};

/// Longest expression that is compiled, in bytes. The parser recurses, so this bounds its stack; the longest rules of
/// published definitions are below 4 KiB.
const MAX_SOURCE: usize = 16 << 10;
/// Deepest expression that is evaluated, in nodes: evaluation recurses too.
const MAX_DEPTH: usize = 160;
/// Expressions deeper than this, in nodes, are evaluated on a stack of their own. Published rules stay below.
const DEEP: usize = 24;
/// Size of that stack, in bytes: five times what the deepest expression was seen to need.
const EVALUATION_STACK: usize = 16 << 20;
/// Expressions whose brackets nest deeper than this are parsed on a stack of their own.
const NESTED: usize = 6;
/// Or that are longer than this, in bytes.
const LONG: usize = 200;
/// Size of that stack, in bytes: twice what the longest expressions were seen to get by with.
const PARSER_STACK: usize = 64 << 20;

/// An expression, compiled once and evaluated by any thread.
pub(crate) struct Expression {
    source: String,
    program: Program,
    variables: Vec<String>,
    deep: bool,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

/// What an expression came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    Bool(bool),
    String(String),
    Null,
    /// Anything else; the name of its type.
    Other(String),
}

/// Why an expression came to nothing.
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
    /// An operator or function was given types it does not take.
    NoOverload,
    /// It took more steps than it may.
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

/// The language with all functions, and the scope every evaluation is a child of.
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

impl Expression {
    /// Compiles `source` for the variables of `scope`.
    pub(crate) fn compile(source: &str, scope: &Scope<'_>) -> Result<Self, CompileError> {
        let language = LANGUAGE.as_ref().map_err(|text| CompileError::whole(text.clone()))?;
        if source.len() > MAX_SOURCE {
            let text = format!("the expression is {} bytes long, the server takes up to {MAX_SOURCE}", source.len());
            return Err(CompileError::whole(text));
        }
        let compile = || {
            let program = parse(language, source)?;
            check::check(&program, source, scope)?;
            Ok(program)
        };
        let program = if source.len() > LONG || nesting(source) > NESTED {
            on_stack(PARSER_STACK, compile).unwrap_or_else(|why| Err(CompileError::whole(why)))?
        } else {
            compile()?
        };
        let deep = check::deeper_than(program.expression(), DEEP);
        let variables = program.references().variables().into_iter().map(str::to_owned).collect();
        Ok(Self { source: source.to_owned(), program, variables, deep })
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Whether the expression mentions the variable.
    pub(crate) fn uses(&self, variable: &str) -> bool {
        self.variables.iter().any(|name| name == variable)
    }

    /// The names read from the variable of that name, as `b` in `a.b`.
    pub(crate) fn fields_of(&self, variable: &str) -> Vec<String> {
        check::fields_of(self.program.expression(), variable)
    }

    /// The most that one evaluation may cost, in the units of the API server. `scope` is the one the expression was
    /// compiled for, `root` what its `self` is.
    pub(crate) fn cost<'a>(&self, scope: &Scope<'a>, root: Declared<'a>) -> u64 {
        let estimate = || cost::estimate(self.program.expression(), scope, root);
        if self.deep { on_stack(EVALUATION_STACK, estimate).unwrap_or(u64::MAX) } else { estimate() }
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

    /// The value itself, to be bound in turn.
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

    /// Evaluates on a stack that is deep enough, within the steps it may take.
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

fn parse(language: &Language, source: &str) -> Result<Program, CompileError> {
    let program = language.env.compile(source).map_err(|errors| check::syntax_errors(&errors, source))?;
    if check::deeper_than(program.expression(), MAX_DEPTH) {
        let text = format!("the expression nests more than {MAX_DEPTH} levels deep, which the server does not take");
        return Err(CompileError::whole(text));
    }
    Ok(program)
}

/// How deep brackets nest.
fn nesting(source: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
