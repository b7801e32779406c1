//! `weir explain rule`: what a code in the output stands for.

use super::super::print;
use crate::exit::Outcome;
use anyhow::{Result, bail};

/// The generated page of all rules.
const PAGE: &str = include_str!("../../../../../docs/user/rules.md");

/// Which rule.
#[derive(Debug, clap::Args)]
pub(super) struct Rule {
    /// Its code, or the beginning of several
    #[arg(value_name = "CODE")]
    code: String,
}

impl Rule {
    pub(super) fn run(&self) -> Result<Outcome> {
        let wanted = self.code.to_uppercase();
        let all: Vec<(&str, &str)> = rules().collect();
        let exact: Vec<_> = all.iter().filter(|(code, _)| *code == wanted).collect();
        let found =
            if exact.is_empty() { all.iter().filter(|(code, _)| code.starts_with(&wanted)).collect() } else { exact };
        if found.is_empty() {
            bail!("there is no rule {wanted}; docs/user/rules.md lists all of them");
        }
        let text: Vec<String> = found.into_iter().map(|(code, text)| format!("{code}  {text}\n")).collect();
        print(text.concat().as_bytes())?;
        Ok(Outcome::Done)
    }
}

/// Code and text of every rule.
fn rules() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGE.lines().filter_map(|line| line.strip_prefix("<a id=")?.split_once("**")?.1.split_once("** "))
}

#[cfg(test)]
mod tests {
    use super::rules;
    use std::collections::BTreeSet;
    use weir_rules::rollout::WaitReason;

    #[test]
    fn codes_that_are_printed_are_explained() {
        let all: BTreeSet<&str> = rules().map(|(code, _)| code).collect();
        assert!(all.len() > 500, "{}", all.len());
        for reason in [WaitReason::NoPool, WaitReason::PoolPaused, WaitReason::NotReported, WaitReason::RunsOperator] {
            assert!(all.contains(reason.rule()), "{}", reason.rule());
        }
    }
}
