//! The functions Kubernetes adds to the language
//! (<https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-cel-libraries>).
//!
//! | module | functions |
//! |---|---|
//! | [`format`] | `format.dns1123Label()`, `format.named(…)`, `.validate(…)` and so on |
//! | [`comprehension`] | loops over positions and elements, or keys and values, at once |
//! | [`list`] | `isSorted`, `sum`, `min`, `max`, `indexOf`, `sets.contains` and so on |
//! | [`net`] | `ip`, `isIP`, `cidr`, `isCIDR` and their methods |
//! | [`quantity`] | `quantity`, `isQuantity`, comparing and adding them |
//! | [`regex`] | `matches`, `find`, `findAll`, in RE2 syntax |
//! | [`semver`] | `semver`, `isSemver`, comparing them |
//! | [`url`] | `url`, `isURL` and the parts of a URL |

pub(crate) mod comprehension;
mod format;
mod list;
mod net;
mod quantity;
mod regex;
mod semver;
mod url;
mod value_type;

use cel::{DeclarationError, Env, extensions};

/// Adds everything to an environment that has the standard library.
pub(super) fn install(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_extension(extensions::strings)?;
    env.add_extension(extensions::lists)?;
    comprehension::install(env)?;
    format::install(env)?;
    list::install(env)?;
    net::install(env)?;
    quantity::install(env)?;
    regex::install(env)?;
    semver::install(env)?;
    url::install(env)
}

#[cfg(test)]
pub(crate) mod probe {
    use crate::{
        cel::{Bindings, Expression, Output},
        typing::Scope,
    };

    /// Evaluates an expression without variables.
    pub(crate) fn eval(source: &str) -> Result<Output, String> {
        let compiled = Expression::compile(source, &Scope::default()).map_err(|error| error.worded(""))?;
        compiled.evaluate(&Bindings::default()).map_err(|error| error.to_string())
    }

    /// Asserts that every expression is true.
    pub(crate) fn all_true(sources: &[&str]) {
        for source in sources {
            assert_eq!(eval(source), Ok(Output::Bool(true)), "{source}");
        }
    }

    /// Asserts that every expression fails to evaluate.
    pub(crate) fn all_fail(sources: &[&str]) {
        for source in sources {
            assert!(eval(source).is_err(), "{source}: {:?}", eval(source));
        }
    }
}
