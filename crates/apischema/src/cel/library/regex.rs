//! `matches`, `find` and `findAll`, in RE2 syntax.

use crate::{cel::containers, text::Program};
use cel::{
    DeclarationError, Env, ExecutionError, add_member_overload, add_overload,
    common::types::{CelBool, CelInt, CelList, CelString},
    common::value::Val,
};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::LazyLock};

/// How many compiled patterns are kept: rules use a handful each, and a definition has at most a few hundred rules.
const KEPT: usize = 512;
/// Maximum number of parts of a pattern that is kept: a few hundred kilobytes once compiled. Patterns that come with
/// the data may be larger.
const KEPT_PARTS: u64 = 4096;
/// How many parts times bytes count as one step. With this value, the limit of one evaluation is close to that of the API server,
/// which counts a tenth of the text's length times a quarter of the pattern's (k8s.io/apiserver/pkg/cel/library/cost.go).
const AT_ONCE: u64 = 200;

static COMPILED: LazyLock<Mutex<HashMap<String, Program>>> = LazyLock::new(Mutex::default);

pub(super) fn install(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn matches: (CelString, CelString) -> Result<CelBool>, id = "matches")?;
    add_member_overload!(env, fn matches: (CelString, CelString) -> Result<CelBool>, id = "matches_string")?;
    add_member_overload!(env, fn find: (CelString, CelString) -> Result<CelString>)?;
    add_member_overload!(env, fn find_all: (CelString, CelString) -> Result<CelList>)?;
    add_member_overload!(env, fn find_some: (CelString, CelString, CelInt) -> Result<CelList>, name = "findAll")
}

fn compiled(pattern: &CelString<'_>) -> Result<Program, ExecutionError> {
    if let Some(program) = COMPILED.lock().get(pattern.inner()) {
        return Ok(program.clone());
    }
    charge(pattern.inner().len() as u64)?;
    let program =
        Program::compile(pattern.inner()).map_err(|error| ExecutionError::function_error("matches", error))?;
    charge(program.parts)?;
    if program.parts <= KEPT_PARTS {
        let mut kept = COMPILED.lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(pattern.inner().to_owned(), program.clone());
    }
    Ok(program)
}

/// Charges steps to the evaluation.
fn charge(steps: u64) -> Result<(), ExecutionError> {
    let exceeded = || ExecutionError::function_error("matches", "operation cancelled: actual cost limit exceeded");
    if containers::spend(steps) { Ok(()) } else { Err(exceeded()) }
}

/// The compiled pattern, if the evaluation can afford to match it against the text.
fn ready(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<Program, ExecutionError> {
    let program = compiled(pattern)?;
    charge(program.steps(text.inner()) / AT_ONCE)?;
    Ok(program)
}

fn matches(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(CelBool::from(ready(text, pattern)?.regex.is_match(text.inner())))
}

fn find<'a>(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelString<'a>, ExecutionError> {
    let found = ready(text, pattern)?.regex.find(text.inner()).map_or(String::new(), |found| found.as_str().to_owned());
    Ok(CelString::from(found))
}

fn find_all<'a>(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelList<'a>, ExecutionError> {
    find_some(text, pattern, &CelInt::from(-1))
}

fn find_some<'a>(text: &CelString<'_>, pattern: &CelString<'_>, limit: &CelInt) -> Result<CelList<'a>, ExecutionError> {
    let limit = usize::try_from(*limit.inner()).unwrap_or(usize::MAX);
    let regex = ready(text, pattern)?.regex;
    let found = regex.find_iter(text.inner()).take(limit);
    let found: Vec<Box<dyn Val + 'a>> = found.map(|m| Box::new(CelString::from(m.as_str().to_owned())) as _).collect();
    Ok(CelList::from(found))
}

#[cfg(test)]
mod tests {
    use crate::cel::library::probe::{all_fail, all_true};

    #[test]
    fn patterns() {
        all_true(&[
            r"'abc'.matches('^[a-c]+$')",
            r"matches('abc', 'b')",
            r"!'١'.matches('\\d')",
            r"'abc 123'.find('[0-9]+') == '123'",
            r"'abc'.find('x') == ''",
            r"'1 22 333'.findAll('[0-9]+') == ['1', '22', '333']",
            r"'1 22 333'.findAll('[0-9]+', 2) == ['1', '22']",
            r"'abc'.findAll('x') == []",
        ]);
        all_fail(&["'a'.matches('[')", "'a'.matches(1)"]);
    }
}
