//! Functions that a template can call.

use crate::value::Value;

/// What a function takes in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// Anything; no value becomes nil.
    Any,
    /// An integer of type `int`.
    Int,
    /// Text of type `string`; of a type that is called otherwise it is refused.
    Text,
    /// A list of type `[]string`.
    Texts,
    /// A struct of this type, as it is.
    Struct(&'static str),
}

/// What a function takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// What it takes in each place.
    pub parameters: Vec<Parameter>,
    /// Whether the last may be given any number of times.
    pub is_variadic: bool,
}

impl Signature {
    /// A function that takes exactly these.
    #[must_use]
    pub fn of(parameters: impl Into<Vec<Parameter>>) -> Self {
        Self { parameters: parameters.into(), is_variadic: false }
    }

    /// A function whose last argument may be given any number of times.
    #[must_use]
    pub fn variadic(parameters: impl Into<Vec<Parameter>>) -> Self {
        Self { parameters: parameters.into(), is_variadic: true }
    }

    /// What stands in a place.
    pub(crate) fn parameter(&self, at: usize) -> &Parameter {
        self.parameters.get(at).or(self.parameters.last()).unwrap_or(&Parameter::Any)
    }

    /// Why it cannot be called with so many arguments.
    pub(crate) fn refuses(&self, name: &str, count: usize) -> Option<String> {
        let wanted = self.parameters.len();
        if self.is_variadic {
            let least = wanted.saturating_sub(1);
            return (count < least)
                .then(|| format!("wrong number of args for {name}: want at least {least} got {count}"));
        }
        (count != wanted).then(|| format!("wrong number of args for {name}: want {wanted} got {count}"))
    }
}

impl Parameter {
    /// Its type, as Go writes it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Any => crate::value::ANY,
            Self::Int => "int",
            Self::Text => "string",
            Self::Texts => "[]string",
            Self::Struct(name) => name,
        }
    }

    /// A value in this place, or why it does not fit.
    pub(crate) fn accept(&self, value: Value) -> Result<Value, String> {
        let fits = match (self, &value) {
            (Self::Any, Value::Missing) => return Ok(Value::Nil),
            (Self::Any, _) => true,
            (_, Value::Missing) if *self != Self::Texts => {
                return Err(format!("invalid value; expected {}", self.type_name()));
            }
            (Self::Texts, Value::Missing | Value::Nil) => {
                return Ok(Value::List(crate::value::List { element: "string".into(), items: None }));
            }
            (Self::Int, Value::Int(_, None)) | (Self::Text, Value::Text(_, None)) => true,
            (Self::Texts, Value::List(list)) => &*list.element == "string",
            (Self::Struct(name), Value::Struct(of)) => *of.type_name == **name,
            (_, Value::Pointer(to)) => return self.accept((**to).clone()),
            _ => false,
        };
        if fits {
            return Ok(value);
        }
        Err(format!("wrong type for value; expected {}; got {}", self.type_name(), value.type_name()))
    }
}

/// The functions that are there beside those of the language.
pub trait Functions {
    /// What a function takes; `None` when there is none of the name.
    fn signature(&self, name: &str) -> Option<Signature>;

    /// Calls a function with as many arguments of such types as its signature says.
    ///
    /// # Errors
    /// Why it has no answer.
    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, String>;
}
