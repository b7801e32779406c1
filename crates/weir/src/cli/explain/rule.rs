//! `weir explain rule`: what a code in the output stands for.

use super::super::print;
use crate::exit::Outcome;
use anyhow::{Result, bail};
use weir_rules::plan::Code;

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
        let all: Vec<(&str, String)> = rules().chain(findings()).collect();
        let exact: Vec<_> = all.iter().filter(|(code, _)| *code == wanted).collect();
        let found =
            if exact.is_empty() { all.iter().filter(|(code, _)| code.starts_with(&wanted)).collect() } else { exact };
        if found.is_empty() {
            bail!(
                "there is no rule {wanted}; docs/user/rules.md lists all of them, docs/user/plan.md the findings of plans"
            );
        }
        let text: Vec<String> = found.into_iter().map(|(code, text)| format!("{code}  {text}\n")).collect();
        print(text.concat().as_bytes())?;
        Ok(Outcome::Done)
    }
}

/// Code and text of every rule.
fn rules() -> impl Iterator<Item = (&'static str, String)> {
    let lines = PAGE.lines().filter_map(|line| line.strip_prefix("<a id=")?.split_once("**")?.1.split_once("** "));
    lines.map(|(code, text)| (code, text.to_owned()))
}

/// Code and meaning of every finding of a plan.
fn findings() -> impl Iterator<Item = (&'static str, String)> {
    Code::ALL.into_iter().map(|code| {
        let meaning = code.meaning();
        let mut letters = meaning.chars();
        let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
        (code.as_str(), format!("{first}{}. In a plan, it is {}.", letters.as_str(), code.weight()))
    })
}

#[cfg(test)]
mod tests {
    use super::{findings, rules};
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

    #[test]
    fn findings_are_explained() {
        let all: Vec<(&str, String)> = findings().collect();
        let budget = all.iter().find(|(code, _)| *code == "R-PLAN-BUDGET").map(|(_, text)| text.as_str());
        let wanted = "Budgets allow no eviction of pods that have to go. In a plan, it is in the way unless accepted.";
        assert_eq!(budget, Some(wanted));
        assert!(rules().all(|(code, _)| !code.starts_with("R-PLAN-")));
    }
}
