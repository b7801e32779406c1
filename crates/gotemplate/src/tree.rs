//! A parsed template.

/// A list of nodes, executed one after the other.
pub(crate) type List = Vec<Node>;

/// A part of a template. Positions are bytes of its text.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text(String),
    /// Prints the result of the pipeline, unless it declares a variable.
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    Break,
    Continue,
    /// Executes another template; without a pipeline its dot has no value.
    Template {
        at: usize,
        name: String,
        data: Option<Pipeline>,
    },
}

/// A control structure.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) pipeline: Pipeline,
    pub(crate) then: List,
    pub(crate) otherwise: List,
}

/// Commands, each of which gets the result of the previous one as its last argument.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) at: Span,
    /// Names with their dollar sign; at most two in a range, else one.
    pub(crate) variables: Vec<String>,
    /// Whether the variables exist already.
    pub(crate) assigns: bool,
    pub(crate) commands: Vec<Command>,
}

/// An operand and its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) at: Span,
    pub(crate) first: Operand,
    pub(crate) arguments: Vec<Operand>,
}

/// A position in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The position for errors: as in Go, that of the first field after something else.
    pub(crate) place: usize,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start, end, place: start }
    }
}

/// A value in a command.
#[derive(Clone, Debug)]
pub(crate) struct Operand {
    pub(crate) at: Span,
    pub(crate) term: Term,
}

/// Kinds of operands.
#[derive(Clone, Debug)]
pub(crate) enum Term {
    Dot,
    Nil,
    Bool(bool),
    Number(Number),
    Text(String),
    /// Fields of the dot.
    Fields(Vec<String>),
    /// A variable, and fields of it.
    Variable(String, Vec<String>),
    Function(String),
    Pipeline(Box<Pipeline>),
    /// Fields of another operand's result.
    Chain(Box<Operand>, Vec<String>),
}

/// A constant, with every type that it can have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    pub(crate) int: Option<i64>,
    pub(crate) float: Option<f64>,
    /// Whether it is written as a floating point number, which is then its default type.
    pub(crate) is_float: bool,
}
