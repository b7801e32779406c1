//! Semantic versions.

use super::value_type::value_type;
use ::semver::Version;
use cel::{
    DeclarationError, Env, ExecutionError, add_member_overload, add_overload,
    common::types::{CelBool, CelInt, CelString},
};
use std::cmp::Ordering;

#[derive(Debug, Clone)]
struct Semver(Version);
value_type!(Semver, "kubernetes.Semver");

/// Build metadata is ignored.
impl PartialEq for Semver {
    fn eq(&self, other: &Self) -> bool {
        self.0.cmp_precedence(&other.0) == Ordering::Equal
    }
}

pub(super) fn install(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn is_semver: (CelString) -> CelBool)?;
    add_overload!(env, fn is_semver_like: (CelString, CelBool) -> CelBool, name = "isSemver")?;
    add_overload!(env, fn semver: (CelString) -> Result<Semver>)?;
    add_overload!(env, fn semver_like: (CelString, CelBool) -> Result<Semver>, name = "semver")?;
    add_member_overload!(env, fn is_greater_than: (Semver, Semver) -> CelBool)?;
    add_member_overload!(env, fn is_less_than: (Semver, Semver) -> CelBool)?;
    add_member_overload!(env, fn compare_to: (Semver, Semver) -> CelInt)?;
    add_member_overload!(env, fn major: (Semver) -> CelInt)?;
    add_member_overload!(env, fn minor: (Semver) -> CelInt)?;
    add_member_overload!(env, fn patch: (Semver) -> CelInt)
}

/// `normalize`: a leading `v`, missing parts and leading zeros are accepted.
fn parse(text: &str, normalize: bool) -> Result<Version, String> {
    if !normalize {
        return Version::parse(text).map_err(|error| error.to_string());
    }
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text.splitn(3, '.').map(str::to_owned).collect();
    for part in &mut parts {
        let trimmed = part.trim_start_matches('0');
        if part.len() > 1 && trimmed.len() < part.len() {
            let digit = trimmed.starts_with(|c: char| c.is_ascii_digit());
            *part = if digit { trimmed.to_owned() } else { format!("0{trimmed}") };
        }
    }
    if parts.len() < 3 {
        if parts.last().is_some_and(|last| last.contains(['+', '-'])) {
            return Err("short version cannot contain PreRelease/Build meta data".into());
        }
        parts.resize(3, "0".into());
    }
    Version::parse(&parts.join(".")).map_err(|error| error.to_string())
}

fn is_semver(text: &CelString<'_>) -> CelBool {
    CelBool::from(parse(text.inner(), false).is_ok())
}

fn is_semver_like(text: &CelString<'_>, normalize: &CelBool) -> CelBool {
    CelBool::from(parse(text.inner(), *normalize.inner()).is_ok())
}

fn semver(text: &CelString<'_>) -> Result<Semver, ExecutionError> {
    semver_like(text, &CelBool::from(false))
}

fn semver_like(text: &CelString<'_>, normalize: &CelBool) -> Result<Semver, ExecutionError> {
    parse(text.inner(), *normalize.inner()).map(Semver).map_err(|error| ExecutionError::function_error("semver", error))
}

fn is_greater_than(a: &Semver, b: &Semver) -> CelBool {
    CelBool::from(a.0.cmp_precedence(&b.0) == Ordering::Greater)
}

fn is_less_than(a: &Semver, b: &Semver) -> CelBool {
    CelBool::from(a.0.cmp_precedence(&b.0) == Ordering::Less)
}

fn compare_to(a: &Semver, b: &Semver) -> CelInt {
    CelInt::from(a.0.cmp_precedence(&b.0) as i64)
}

fn major(version: &Semver) -> CelInt {
    CelInt::from(i64::try_from(version.0.major).unwrap_or(i64::MAX))
}

fn minor(version: &Semver) -> CelInt {
    CelInt::from(i64::try_from(version.0.minor).unwrap_or(i64::MAX))
}

fn patch(version: &Semver) -> CelInt {
    CelInt::from(i64::try_from(version.0.patch).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use crate::cel::library::probe::{all_fail, all_true};

    #[test]
    fn versions() {
        all_true(&[
            "isSemver('1.2.3') && isSemver('1.2.3-rc.1+b') && !isSemver('v1.2.3') && !isSemver('1.2') && !isSemver('01.2.3')",
            "isSemver('v1.0', true) && isSemver('01.02.003', true) && !isSemver('1.2-rc1', true)",
            "semver('1.2.3').isGreaterThan(semver('1.2.3-rc.1')) && semver('1.2.3').isLessThan(semver('1.10.0'))",
            "semver('1.2.3+a') == semver('1.2.3+b') && semver('v1', true) == semver('1.0.0')",
            "semver('1.2.3').major() == 1 && semver('1.2.3').minor() == 2 && semver('1.2.3').patch() == 3",
            "semver('1.0.0').compareTo(semver('2.0.0')) == -1",
        ]);
        all_fail(&["semver('1.2')"]);
    }
}
