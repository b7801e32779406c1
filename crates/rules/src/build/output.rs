//! What is reported of a build that failed.
//!
//! R-OUTPUT-1 The step that failed, and the last lines of output, verbatim. Of lines that are too long the middle is left out: what
//! went wrong stands at the end as often as at the beginning. Control characters are left out.
//! R-OUTPUT-2 Secrets are never shown, neither in the failure nor in the lines that are printed during the build.
//! R-OUTPUT-3 However much a build prints, what is kept is bounded: it goes into conditions and events.

use std::collections::VecDeque;

/// Lines that are kept: a compiler's or package manager's error with what led to it.
const LINES: usize = 20;
/// Characters of a line that are kept.
const LONGEST_LINE: usize = 400;
/// Bytes that are kept: Kubernetes keeps 2 KiB of a failed container's output.
const LONGEST: usize = 2_000;
/// Shorter ones would be found in any text.
const SHORTEST_SECRET: usize = 4;
/// In place of a secret.
const HIDDEN: &str = "…";
/// How buildah announces a step.
const STEP: &str = "STEP ";

/// What a build has printed.
#[derive(Clone, Default)]
pub struct Output {
    step: Option<String>,
    last: VecDeque<String>,
    secrets: Vec<String>,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("step", &self.step).field("last", &self.last).finish_non_exhaustive()
    }
}

impl Output {
    /// No output yet. These secrets are hidden in all that follows.
    #[must_use]
    pub fn hiding(secrets: Vec<String>) -> Self {
        let mut secrets: Vec<String> = secrets.into_iter().filter(|secret| secret.len() >= SHORTEST_SECRET).collect();
        // One may be part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets, ..Self::default() }
    }

    /// Takes a line of output; returns it as it may be shown.
    pub fn line(&mut self, line: &str) -> String {
        let line = self.clean(line);
        let step = line.split_once(STEP).filter(|(before, _)| before.is_empty() || before.starts_with('['));
        if let Some((_, step)) = step {
            // The output of earlier steps does not explain this one.
            self.step = Some(step.to_owned());
            self.last.clear();
        } else if !line.is_empty() {
            if self.last.len() == LINES {
                self.last.pop_front();
            }
            self.last.push_back(line.clone());
        }
        line
    }

    fn clean(&self, line: &str) -> String {
        let mut line: String = line.chars().filter(|letter| !letter.is_control() || *letter == '\t').collect();
        for secret in &self.secrets {
            line = line.replace(secret.as_str(), HIDDEN);
        }
        let length = line.chars().count();
        if length > LONGEST_LINE {
            let (half, end) = (LONGEST_LINE / 2, length - LONGEST_LINE / 2);
            line = line.chars().take(half).chain(HIDDEN.chars()).chain(line.chars().skip(end)).collect();
        }
        line.truncate(line.trim_end().len());
        line
    }

    /// Forgets lines and step, when something else is begun.
    pub fn next(&mut self) {
        self.step = None;
        self.last.clear();
    }

    /// What is told when `what` failed for this reason.
    #[must_use]
    pub fn told(&self, what: &str, why: &str) -> String {
        let step = self.step.as_ref().map(|step| format!(": step {step}")).unwrap_or_default();
        let mut told = self.clean_lines(&format!("{what}{step}: {why}"));
        let mut room = LONGEST.saturating_sub(told.len());
        let fits = |line: &&String| {
            let left = room.checked_sub(line.len() + 1);
            room = left.unwrap_or_default();
            left.is_some()
        };
        let last: Vec<&String> = self.last.iter().rev().take_while(fits).collect();
        for (at, line) in last.into_iter().rev().enumerate() {
            told.push_str(if at == 0 { ":\n" } else { "\n" });
            told.push_str(line);
        }
        told
    }

    fn clean_lines(&self, text: &str) -> String {
        text.lines().map(|line| self.clean(line)).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_that_failed_and_its_last_lines() {
        let mut output = Output::default();
        for line in [
            "[1/2] STEP 1/3: FROM a",
            "Copying",
            "[1/2] STEP 2/3: RUN b",
            "one",
            "",
            "two\r\x1b[0m",
            "Error: building: exit status 1",
        ] {
            output.line(line);
        }
        let said = output.told("building the image", "exit status 1");
        let expected =
            "building the image: step 2/3: RUN b: exit status 1:\none\ntwo[0m\nError: building: exit status 1";
        assert_eq!(said, expected);
        output.next();
        assert_eq!(output.told("pushing", "it was ended"), "pushing: it was ended");
    }

    #[test]
    fn it_is_bounded() {
        let mut output = Output::default();
        for number in 0..10_000 {
            output.line(&format!("{number} {}", "ä".repeat(1_000)));
        }
        let said = output.told("a", "b");
        assert!(said.len() <= LONGEST && said.lines().count() > 2, "{said}");
        let is_short = |line: &str| line.chars().count() <= LONGEST_LINE + 1;
        assert!(said.lines().all(is_short) && said.contains("\n9999 "), "{said}");
        for number in 0..10_000 {
            output.line(&number.to_string());
        }
        assert_eq!(output.told("a", "b").lines().count(), LINES + 1);
    }

    #[test]
    fn the_end_of_a_long_line_is_told() {
        let mut output = Output::default();
        let said = output.line(&format!("Error: storing {}: invalid argument", "x".repeat(LONGEST_LINE)));
        assert!(said.starts_with("Error: storing ") && said.ends_with(": invalid argument"), "{said}");
        assert_eq!(said.chars().count(), LONGEST_LINE + 1);
    }

    #[test]
    fn secrets_are_never_shown() {
        let mut output = Output::hiding(vec!["hunter2".to_owned(), "hunter2-long".to_owned(), "abc".to_owned()]);
        assert_eq!(output.line("curl -u me:hunter2 hunter2-long abc"), "curl -u me:… … abc");
        output.line("STEP 1/1: RUN echo hunter2");
        let said = output.told("building with hunter2", "hunter2");
        assert!(!said.contains("hunter2"), "{said}");
        assert!(!format!("{output:?}").contains("hunter2"));
    }
}
