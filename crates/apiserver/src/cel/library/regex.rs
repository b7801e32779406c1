//! `matches`, `find` and `findAll`, in RE2 syntax.

use crate::schema::compile_pattern;
use ::regex::Regex;
use cel::{
    DeclarationError, Env, ExecutionError, add_member_overload, add_overload,
    common::types::{CelBool, CelInt, CelList, CelString},
    common::value::Val,
};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::LazyLock};

/// How many compiled patterns are kept: rules use a handful each, and a definition has few hundred rules.
const KEPT: usize = 1024;

static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);

pub(super) fn install(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn matches: (CelString, CelString) -> Result<CelBool>, id = "matches")?;
    add_member_overload!(env, fn matches: (CelString, CelString) -> Result<CelBool>, id = "matches_string")?;
    add_member_overload!(env, fn find: (CelString, CelString) -> Result<CelString>)?;
    add_member_overload!(env, fn find_all: (CelString, CelString) -> Result<CelList>)?;
    add_member_overload!(env, fn find_some: (CelString, CelString, CelInt) -> Result<CelList>, name = "findAll")
}

fn compiled(pattern: &CelString<'_>) -> Result<Regex, ExecutionError> {
    if let Some(regex) = COMPILED.lock().get(pattern.inner()) {
        return Ok(regex.clone());
    }
    let regex = compile_pattern(pattern.inner()).map_err(|error| ExecutionError::function_error("matches", error))?;
    let mut kept = COMPILED.lock();
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(pattern.inner().to_owned(), regex.clone());
    Ok(regex)
}

fn matches(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(CelBool::from(compiled(pattern)?.is_match(text.inner())))
}

fn find<'a>(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelString<'a>, ExecutionError> {
    let found = compiled(pattern)?.find(text.inner()).map_or(String::new(), |found| found.as_str().to_owned());
    Ok(CelString::from(found))
}

fn find_all<'a>(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelList<'a>, ExecutionError> {
    find_some(text, pattern, &CelInt::from(-1))
}

fn find_some<'a>(text: &CelString<'_>, pattern: &CelString<'_>, limit: &CelInt) -> Result<CelList<'a>, ExecutionError> {
    let limit = usize::try_from(*limit.inner()).unwrap_or(usize::MAX);
    let regex = compiled(pattern)?;
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
