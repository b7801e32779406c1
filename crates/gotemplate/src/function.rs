//! Functions that a template can call.

use crate::value::Value;

/// The type of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// Anything; no value becomes nil.
    Any,
    /// An integer of type `int`.
    Int,
    /// Text of type `string`; text of a named type is refused.
    Text,
    /// A list of type `[]string`.
    Texts,
    /// A struct of this type, as it is.
    Struct(&'static str),
}

/// The signature of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The types of its parameters.
    pub parameters: Vec<Parameter>,
    /// Whether the last one is variadic.
    pub is_variadic: bool,
}

impl Signature {
    /// A function with exactly these parameters.
    #[must_use]
    pub fn of(parameters: impl Into<Vec<Parameter>>) -> Self {
        Self { parameters: parameters.into(), is_variadic: false }
    }

    /// A function whose last parameter is variadic.
    #[must_use]
    pub fn variadic(parameters: impl Into<Vec<Parameter>>) -> Self {
        Self { parameters: parameters.into(), is_variadic: true }
    }

    /// The type at a position.
    pub(crate) fn parameter(&self, at: usize) -> &Parameter {
        self.parameters.get(at).or(self.parameters.last()).unwrap_or(&Parameter::Any)
    }

    /// Why it cannot be called with this number of arguments.
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

    /// A value for this parameter, or why it does not fit.
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

/// Functions in addition to the built-in ones.
pub trait Functions {
    /// The signature of a function; `None` if there is none of that name.
    fn signature(&self, name: &str) -> Option<Signature>;

    /// Calls a function with arguments that match its signature.
    ///
    /// # Errors
    /// Why it fails.
    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, String>;
}
